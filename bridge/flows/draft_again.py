"""What was let go to a payer and has not left is released anew by a person once its study's binding changed."""

from __future__ import annotations

from datetime import datetime

from bridge.domain.attachment import TO_PAYER, AttachmentState, ClaimAttachment
from bridge.domain.study import Study
from bridge.store import authorizations, submissions
from bridge.store.db import WriteTx


def draft_again(tx: WriteTx, attachment: ClaimAttachment, study: Study, at: datetime) -> ClaimAttachment:
    """Make a draft again of what was let go to a payer, has not left, and rests on a binding that is not the present one."""
    if attachment.kind not in TO_PAYER or attachment.binding_version == study.binding_version:
        return attachment
    return take_release_back(tx, attachment, "the study was bound or corrected anew after the release: look again", at)


def take_release_back(tx: WriteTx, attachment: ClaimAttachment, why: str, at: datetime) -> ClaimAttachment:
    """Make a draft again of what was let go to a payer and has not left."""
    if attachment.state != AttachmentState.RELEASED or submissions.may_be_there(tx, attachment.key):
        return attachment
    submissions.take_back(tx, attachment.key, why, at)
    authorizations.set_attachment_state(tx, attachment.key, AttachmentState.DRAFT, at, detail=why)
    return authorizations.get_attachment(tx, attachment.key)

"""What was agreed with payers on links to whole studies, and which of those links still open something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.domain.attachment import AttachmentState
from bridge.store import authorizations, patients, studies
from bridge.store.db import ReadTx
from bridge.store.viewer_links import ViewerLink


@dataclass(frozen=True, slots=True)
class ShareTerms:
    """For how many days a link is good, by a payer's id and by its name; a payer not named gets none. public_url: ours."""

    days_of: Mapping[str, int] = field(default_factory=dict)
    public_url: str = ""

    def days(self, payer_id: str, payer_name: str) -> int:
        """Return for how many days a payer's links are good, 0 for no links."""
        return self.days_of.get(payer_id, self.days_of.get(payer_name, 0)) if self.public_url else 0


def still_shared(tx: ReadTx, link: ViewerLink) -> bool:
    """
    Say whether a payer's link opens its study now.

    It does while its packet stands: shared, not in review, its study bound to the authorization's person as when it was made.
    """
    if link.attachment_key is None or link.revoked_at is not None:
        return False
    attachment = authorizations.get_attachment(tx, link.attachment_key)
    study = studies.get(tx, attachment.study_key)
    owner = patients.survivor(tx, authorizations.get(tx, attachment.authorization_key).patient_key).key
    return (
        attachment.shared_at is not None
        and attachment.state != AttachmentState.REVIEW
        and study.is_bound
        and study.patient_key == owner
        and study.binding_version == link.binding_version
    )

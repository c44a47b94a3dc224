"""The text that a person or a billing system copies onto a claim; each time that it is given out is an export."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.clock import Clock
from bridge.codecs.x12.claim_text import ELECTRONIC, ON_REQUEST, AttachedStudy, ClaimText, claim_text
from bridge.domain.attachment import AttachmentKind, AttachmentState, ClaimAttachment, control_number_of, purpose_of_use
from bridge.domain.authorization import Authorization
from bridge.domain.narrative import Says
from bridge.domain.study import Study
from bridge.errors import Conflict, Incomplete
from bridge.store import audit, authorizations, orders, studies
from bridge.store.db import ReadTx, Store

_ON_ITS_WAY = frozenset({AttachmentState.RELEASED, AttachmentState.SENT})
_SENT_BY_US = frozenset({AttachmentKind.CDEX, AttachmentKind.PAS, AttachmentKind.X12_275})


class ClaimTexts:
    """Writes texts. says: by payer id, what was agreed; a payer that is not named gets control numbers."""

    def __init__(self, store: Store, clock: Clock, says: Mapping[str, Says]) -> None:
        self._store = store
        self._clock = clock
        self._says = dict(says)

    def read(self, tx: ReadTx, attachment: ClaimAttachment) -> ClaimText | None:
        """Return the text of a narrative; None for any other kind, and while its study's patient is in question."""
        if attachment.kind != AttachmentKind.NARRATIVE or attachment.state == AttachmentState.REVIEW:
            return None
        study = studies.get(tx, attachment.study_key)
        if not study.is_bound:
            return None
        try:
            return self.written(tx, authorizations.get(tx, attachment.authorization_key), study)
        except Incomplete:
            return None

    def written(self, tx: ReadTx, authorization: Authorization, study: Study) -> ClaimText:
        """Return the text for a bound study. Raises: Incomplete, where it cannot be written without cutting it."""
        order = orders.get(tx, study.order_key) if study.order_key is not None else None
        attached = authorizations.attachments_of(tx, authorization.key)
        is_sent = any(
            one.study_key == study.key and one.kind in _SENT_BY_US and one.state in _ON_ITS_WAY for one in attached
        )
        subject = AttachedStudy(
            control_number_of(authorization.key, study.study_instance_uid),
            study.study_instance_uid,
            order.accession_number if order is not None else "",
            ELECTRONIC if is_sent else ON_REQUEST,
        )
        return claim_text(authorization, subject, self._says.get(authorization.payer_id, Says.CONTROL_NUMBER))

    def give(self, authorization_key: int, attachment_key: int, actor: str, origin: str) -> ClaimText:
        """
        Return the text of an attachment, and record that it left the house.

        Raises: LookupError; Conflict, while there is no text to give.
        """
        with self._store.write() as tx:
            attachment = authorizations.get_attachment(tx, attachment_key)
            text = self.read(tx, attachment)
            if attachment.authorization_key != authorization_key:
                raise LookupError("no such attachment")
            if text is None:
                raise Conflict("there is no text to copy by now", code="no_text")
            audit.add(
                tx,
                at=self._clock.now(),
                action="claim_text_given",
                actor=actor,
                origin=origin,
                patient_key=authorizations.get(tx, authorization_key).patient_key,
                study_key=attachment.study_key,
                detail={"attachment": attachment_key, "purpose_of_use": purpose_of_use(attachment.kind)},
            )
        return text

"""A payer may look at a whole study, for a stated reason: its packet gets a link, until it runs out or is taken back."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.clock import Clock
from bridge.domain.attachment import TO_PAYER, AttachmentState, ClaimAttachment
from bridge.domain.authorization import Authorization
from bridge.domain.reason import require_reason
from bridge.errors import Conflict, Incomplete, Unsupported
from bridge.flows.follow_attachments import attachment_ready
from bridge.flows.serve_packet import standing
from bridge.leaving.share_terms import ShareTerms
from bridge.store import audit, authorizations, events, studies, viewer_links, views
from bridge.store.db import Store, WriteTx
from bridge.store.events import Event, Station
from bridge.store.viewer_links import ViewerLink

_REASON_MAX = 500


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and from which address."""

    name: str
    origin: str


class ShareDesk:
    """Lets payers look at whole studies, and ends it. terms: what was agreed with which payer."""

    def __init__(self, store: Store, clock: Clock, terms: ShareTerms) -> None:
        self._store = store
        self._clock = clock
        self._terms = terms

    def days(self, authorization: Authorization) -> int:
        """Return for how many days a link to an authorization's payer is good, 0 where none were agreed."""
        return self._terms.days(authorization.payer_id, authorization.payer_name)

    def share(self, authorization_key: int, attachment_key: int, reason: str, asker: Asker) -> ClaimAttachment:
        """
        Give a packet a link to the whole study, in place of any that it had; it is put together anew.

        Raises: LookupError; Unsupported, where no links were agreed with the payer; Incomplete without a reason; Conflict,
        if the packet is in review, or was let go.
        """
        require_reason(reason, "say why the payer needs the whole study")
        if len(reason) > _REASON_MAX:
            raise Incomplete(f"a reason has at most {_REASON_MAX} characters", code="too_long", where="reason")
        with self._store.write() as tx:
            attachment = self._open(tx, authorization_key, attachment_key)
            if not self.days(authorizations.get(tx, authorization_key)):
                what = "no links to images are agreed with this payer ([[payers]] share_days)"
                raise Unsupported(what, code="not_agreed", where="reason")
            return self._change(tx, attachment, reason.strip(), "study_shared", asker)

    def end(self, authorization_key: int, attachment_key: int, asker: Asker) -> ClaimAttachment:
        """
        End every link of a packet, and what they opened; it is put together without one.

        Raises: LookupError, if there is no such packet, or nothing was shared by it.
        """
        with self._store.write() as tx:
            attachment = authorizations.get_attachment(tx, attachment_key)
            if attachment.authorization_key != authorization_key or attachment.shared_at is None:
                raise LookupError("nothing is shared by this packet")
            return self._change(tx, attachment, "", "study_share_ended", asker)

    def links(self, authorization_key: int, attachment_key: int) -> tuple[ClaimAttachment, list[ViewerLink]]:
        """Return what a packet shares, and every link of it, newest first. Raises: LookupError."""
        with self._store.read() as tx:
            attachment = authorizations.get_attachment(tx, attachment_key)
            if attachment.authorization_key != authorization_key:
                raise LookupError("no such packet")
            return attachment, viewer_links.of_attachment(tx, attachment_key)

    def _open(self, tx: WriteTx, authorization_key: int, attachment_key: int) -> ClaimAttachment:
        attachment = standing(tx, authorization_key, attachment_key)
        is_let_go = attachment.kind in TO_PAYER and attachment.state != AttachmentState.DRAFT
        if is_let_go or attachment.state == AttachmentState.SENT:
            raise Conflict("the packet was let go: attach the study again to add a link", code="already_sent")
        return attachment

    def _change(
        self, tx: WriteTx, attachment: ClaimAttachment, reason: str, action: str, asker: Asker
    ) -> ClaimAttachment:
        now = self._clock.now()
        for link in viewer_links.of_attachment(tx, attachment.key):
            viewer_links.revoke(tx, link.key, asker.name, now)
            views.close_of_link(tx, link.key)
        authorizations.set_shared(tx, attachment.key, reason, now if reason else None)
        study = studies.get(tx, attachment.study_key)
        detail = {"attachment": attachment.key, "authorization": attachment.authorization_key}
        audit.add(
            tx,
            at=now,
            action=action,
            actor=asker.name,
            origin=asker.origin,
            patient_key=study.patient_key,
            study_key=study.key,
            detail=detail | ({"reason": reason} if reason else {}),
        )
        what = (
            "The payer may look at the whole study by a link" if reason else "The payer's link to the study was ended"
        )
        source = ("authorization", str(attachment.authorization_key))
        events.add(tx, Event(now, Station.AUTHORIZATION, what, asker.name, *source, study.order_key, study.key))
        if attachment.state != AttachmentState.REVIEW:
            attachment_ready(tx, attachment, (), now)
        return authorizations.get_attachment(tx, attachment.key)

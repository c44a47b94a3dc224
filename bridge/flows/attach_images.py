"""A study goes onto an authorization, and a person lets go what a payer gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bridge.clock import Clock
from bridge.domain.attachment import AttachmentKind, AttachmentState, ClaimAttachment, check_attach, purpose_of_use
from bridge.domain.authorization import Authorization
from bridge.domain.narrative import Says
from bridge.domain.study import Study
from bridge.errors import Conflict, Incomplete, Unsupported
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.claim_texts import ClaimTexts
from bridge.leaving.packet_pictures import MOST_CHOSEN
from bridge.store import audit, authorizations, events, patients, rejections, studies
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station

# The clinic's own server, the packet that billing fetches, and words that people copy; every other way is answered as not served.
SERVED = (AttachmentKind.CLAIM, AttachmentKind.PDF, AttachmentKind.NARRATIVE)
_NEEDS_RELEASE = frozenset({AttachmentKind.CDEX, AttachmentKind.PAS, AttachmentKind.X12_275})


class ImageAttacher:
    """Attaches studies to authorizations. says: what the text on a claim leads to images by, by payer id."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        destinations: Destinations,
        says: Mapping[str, Says] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._clock = clock
        self._destinations = destinations
        self._texts = ClaimTexts(store, clock, says)

    def attach(
        self,
        authorization_key: int,
        study_instance_uid: str,
        kinds: Sequence[AttachmentKind],
        instances: Sequence[str] = (),
        *,
        payer: str = "",
        actor: str,
    ) -> list[ClaimAttachment]:
        """
        Attach a bound study to an authorization of the same patient, in each of *kinds*.

        Raises: LookupError; Conflict for an unbound study or another patient's; Incomplete for an instance that is not
        the study's, or a text that cannot be written for its place; Unsupported for a kind that is not served.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            authorization = authorizations.get(tx, authorization_key)
            study = studies.by_uid(tx, study_instance_uid)
            if study is None:
                raise LookupError("no such study")
            check_attach(study, patients.survivor(tx, authorization.patient_key).key)
            self._check(tx, study, kinds, instances)
            if AttachmentKind.NARRATIVE in kinds:
                self._texts.written(tx, authorization, study)
            made = []
            for kind in dict.fromkeys(kinds):
                blank = _blank(authorization, study, kind, tuple(instances), actor)
                made.append(self._put(tx, authorization, study, blank, payer))
            audit.add(
                tx,
                at=now,
                action="images_attached",
                actor=actor,
                patient_key=study.patient_key,
                study_key=study.key,
                detail={
                    "authorization": authorization_key,
                    "as": [kind.value for kind in kinds],
                    "purpose_of_use": sorted({purpose_of_use(kind) for kind in kinds}),
                },
            )
        return made

    def release(self, authorization_key: int, attachment_key: int, reason: str, actor: str) -> ClaimAttachment:
        """
        Let a draft go to its payer.

        Raises: LookupError; Conflict, if it is no draft, or its study's binding changed since; Incomplete without reason.
        """
        if not reason.strip():
            raise Incomplete("say why", code="missing", where="reason")
        now = self._clock.now()
        with self._store.write() as tx:
            attachment = authorizations.get_attachment(tx, attachment_key)
            if attachment.authorization_key != authorization_key:
                raise LookupError("no such attachment")
            if attachment.state != AttachmentState.DRAFT:
                raise Conflict(f"the attachment is {attachment.state.value}, not a draft", code="not_a_draft")
            study = studies.get(tx, attachment.study_key)
            if not study.is_bound or study.binding_version != attachment.binding_version:
                raise Conflict("the study's patient was decided anew since: look again", code="binding_changed")
            authorization = authorizations.get(tx, authorization_key)
            check_attach(study, patients.survivor(tx, authorization.patient_key).key)
            _check_shown(tx, study, attachment.instances)
            authorizations.set_attachment_state(tx, attachment_key, AttachmentState.RELEASED, now)
            audit.add(
                tx,
                at=now,
                action="attachment_released",
                actor=actor,
                patient_key=study.patient_key,
                study_key=study.key,
                detail={
                    "attachment": attachment_key,
                    "as": attachment.kind.value,
                    "purpose_of_use": purpose_of_use(attachment.kind),
                    "reason": reason,
                },
            )
            return authorizations.get_attachment(tx, attachment_key)

    def _check(self, tx: WriteTx, study: Study, kinds: Sequence[AttachmentKind], instances: Sequence[str]) -> None:
        if not kinds:
            raise Incomplete("say how to attach it", code="missing", where="as")
        for kind in kinds:
            if kind not in SERVED:
                raise Unsupported(f"attaching as {kind.value} is not served here", where="as")
        _check_shown(tx, study, instances)

    def _put(
        self, tx: WriteTx, authorization: Authorization, study: Study, blank: ClaimAttachment, payer: str
    ) -> ClaimAttachment:
        now = self._clock.now()
        attachment = authorizations.put_attachment(tx, blank, payer, now)
        if attachment.state == AttachmentState.RELEASED:
            announce.attachment_ready(tx, attachment, self._destinations, now)
        what = f"Images attached to authorization {authorization.number} ({attachment.kind.value})"
        source = ("authorization", str(authorization.key))
        events.add(
            tx,
            Event(now, Station.AUTHORIZATION, what, blank.attached_by, *source, study.order_key, study.key),
        )
        return attachment


def _check_shown(tx: WriteTx, study: Study, instances: Sequence[str]) -> None:
    """Refuse images that were rejected, or are not the study's. Raises: Conflict, Incomplete."""
    shown = rejections.shown_uids(tx, study.key)
    if not shown:
        raise Conflict("every image of the study was rejected", code="study_rejected", where="study_instance_uid")
    if set(instances) - shown:
        raise Incomplete("not an instance of this study", code="not_in_table", where="instances")
    if len(set(instances)) > MOST_CHOSEN:
        what = f"at most {MOST_CHOSEN} images can be chosen: a payer gets what it needs, not the whole study"
        raise Incomplete(what, code="too_many", where="instances")


def _blank(
    authorization: Authorization, study: Study, kind: AttachmentKind, instances: tuple[str, ...], actor: str
) -> ClaimAttachment:
    return ClaimAttachment(
        key=0,
        authorization_key=authorization.key,
        study_key=study.key,
        kind=kind,
        state=AttachmentState.DRAFT if kind in _NEEDS_RELEASE else AttachmentState.RELEASED,
        binding_version=study.binding_version,
        attached_by=actor,
        instances=instances,
    )

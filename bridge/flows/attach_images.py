"""A study goes onto an authorization; what a payer gets waits as a draft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bridge.clock import Clock
from bridge.domain.attachment import (
    TO_PAYER,
    WAY_WORDS,
    AttachmentKind,
    AttachmentState,
    ClaimAttachment,
    check_attach,
    purpose_of_use,
)
from bridge.domain.authorization import Authorization
from bridge.domain.narrative import Says
from bridge.domain.study import Study
from bridge.errors import Conflict, Incomplete
from bridge.flows.announce import Destinations
from bridge.flows.claim_texts import ClaimTexts
from bridge.flows.follow_attachments import attachment_ready
from bridge.leaving.packet_pictures import MOST_CHOSEN
from bridge.store import audit, authorizations, events, patients, rejections, studies, submissions
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station


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
        the study's, or a text that cannot be written for its place.
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

    def _check(self, tx: WriteTx, study: Study, kinds: Sequence[AttachmentKind], instances: Sequence[str]) -> None:
        if not kinds:
            raise Incomplete("say how to attach it", code="missing", where="as")
        check_shown(tx, study, instances)

    def _put(
        self, tx: WriteTx, authorization: Authorization, study: Study, blank: ClaimAttachment, payer: str
    ) -> ClaimAttachment:
        now = self._clock.now()
        attachment = authorizations.put_attachment(tx, blank, payer, now)
        submissions.take_back(tx, attachment.key, "it was attached again before it had left", now)
        if attachment.state == AttachmentState.RELEASED or attachment.kind in TO_PAYER:
            attachment_ready(tx, attachment, self._destinations.claims, now)
        what = f"Images attached to authorization {authorization.number} {WAY_WORDS[attachment.kind]}"
        source = ("authorization", str(authorization.key))
        events.add(
            tx,
            Event(now, Station.AUTHORIZATION, what, blank.attached_by, *source, study.order_key, study.key),
        )
        return attachment


def check_shown(tx: WriteTx, study: Study, instances: Sequence[str]) -> None:
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
        state=AttachmentState.DRAFT if kind in TO_PAYER else AttachmentState.RELEASED,
        binding_version=study.binding_version,
        attached_by=actor,
        instances=instances,
    )

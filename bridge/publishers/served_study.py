"""What we serve of a study ourselves, written down whenever it changes: what is read, and its history.

Served like a server of its own: registered when the first image was bound, gathered while images come, and looked at
again after every decision. A hold ends what
is served in the transaction of the decision itself; what is written here never speaks of another binding than the one
that stands when it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.codecs.fhir.imaging_study import CANCELLED, ENTERED_IN_ERROR, REGISTERED, House
from bridge.domain.chart import OWN, Whose
from bridge.domain.study import Study
from bridge.leaving.completeness import study_complete_at
from bridge.leaving.studies import served
from bridge.outbox import enqueue
from bridge.outbox.publisher import Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.store import (
    chart_versions,
    chart_withdrawals,
    placements,
    served_studies,
    splits,
    studies,
)
from bridge.store.chart_causes import cause_of
from bridge.store.chart_versions import Standing
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServedParcel(Parcel):
    """
    What is to be served of a study, by FHIR release; {} ends it, as *ending* says.

    parted_at: when it was parted last. whole_at: when it will be whole, None if it is.
    """

    said: Mapping[str, Json]
    ending: str = ENTERED_IN_ERROR
    parted_at: datetime | None = None
    whole_at: datetime | None = None


class ServedStudyPublisher:
    """
    Keeps what we serve of each study up to date. study_quiet: without an MPPS, so long without an image.

    announces: a study is served, as registered, while it still comes in.
    """

    topic = enqueue.IMAGING_STUDY
    destinations = (OWN,)

    def __init__(self, house: House, study_quiet: timedelta, *, announces: bool = False) -> None:
        self._house = house
        self._study_quiet = study_quiet
        self._announces = announces

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> ServedParcel | NotYet | Nothing:
        """Collect what is said of the study; nothing, if it is nobody's yet."""
        if delivery.study_key is None:
            return Nothing("it names no study")
        contents = studies.contents(tx, delivery.study_key)
        study = contents.study
        if (
            not study.is_bound
            or study.patient_key is None
            or chart_withdrawals.withdrawal_of(tx, study.key) is not None
        ):
            return ServedParcel(delivery, study.key, study.binding_version, {})
        if not contents.instance_count:
            return ServedParcel(delivery, study.key, study.binding_version, {}, CANCELLED)
        ready_at = study_complete_at(tx, study, self._study_quiet, now)
        is_whole = ready_at <= now
        if not is_whole and not self._is_to_be_registered(tx, study, delivery):
            return NotYet(ready_at, "the study is not complete yet")
        said = served(tx, contents, study.patient_key, self._house, is_whole=is_whole)
        return ServedParcel(
            delivery,
            study.key,
            study.binding_version,
            said,
            parted_at=splits.last_at(tx, study.key),
            whole_at=None if is_whole else ready_at,
        )

    def _is_to_be_registered(self, tx: ReadTx, study: Study, delivery: Delivery) -> bool:
        """Say whether a study that still comes in is news: what was whole before is left as it is until it is so again."""
        if not self._announces:
            return False
        kept = chart_versions.newest(tx, OWN, served_studies.reference_of(tx, study))
        if kept is not None and kept.status != REGISTERED:
            return False
        return kept is None or kept.whose.binding_version != study.binding_version

    def send(self, parcel: ServedParcel, still_wanted: StillWanted) -> Receipt:
        """Send nothing: whoever wants it reads it here."""
        return Receipt("served" if parcel.said else "not served")

    def settled(self, tx: WriteTx, parcel: ServedParcel, receipt: Receipt, at: datetime) -> None:
        """Let the study be read as it was collected, unless its binding is another one by now."""
        study = studies.get(tx, _known(parcel.study_key))
        if study.binding_version != parcel.binding_version:
            return
        if not parcel.said or chart_withdrawals.withdrawal_of(tx, study.key) is not None:
            served_studies.end(tx, study, at, parcel.ending)
            return
        served_studies.end_of_others(tx, study, at)
        if splits.last_at(tx, study.key) != parcel.parted_at:
            return
        self._serve(tx, study, parcel.said, at)
        if parcel.whole_at is not None:
            enqueue.look_again(tx, parcel.delivery, at, parcel.whole_at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all."""

    def _serve(self, tx: WriteTx, study: Study, said: Mapping[str, Json], at: datetime) -> None:
        placements.follow(tx, study)
        reference = served_studies.reference_of(tx, study)
        resource_id = reference.partition("/")[2]
        standing = Standing(OWN, reference, {release: one | {"id": resource_id} for release, one in said.items()})
        why = cause_of(tx, study, standing, study.binding_version, is_ours=True)
        whose = Whose(study.key, study.patient_key, study.order_key, study.binding_version)
        chart_versions.keep(tx, standing, whose, why, at)


def _known(study_key: int | None) -> int:
    assert study_key is not None
    return study_key

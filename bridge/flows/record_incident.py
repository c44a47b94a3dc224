"""A study turned out to be another person's than it had left as: what left is put on record, and people asked for the rest.

No message takes a copy back that another system made. What does reach it (a withdrawn chart entry, a corrected object) is
queued elsewhere; this is the account of it. Source: 45 CFR 164.402, 164.528.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.incident import DisclosureKind, Incident, OutsideTask, in_words
from bridge.domain.study import Study
from bridge.errors import Incomplete
from bridge.store import audit, events, incidents, overlays, patients, splits
from bridge.store.db import ReadTx, Store, WriteTx
from bridge.store.events import Event, Station
from bridge.store.splits import Split


@dataclass(frozen=True, slots=True)
class Found:
    """Who found that a study is another's, by which decision, and when."""

    decision_key: int | None
    actor: str
    at: datetime


def record_incidents(tx: WriteTx, study: Study, found: Found) -> None:
    """
    Record what *study* had left as under everybody whose it is not by now; what was recorded before is not again.

    Called in the transaction that binds or closes it, before anything is sent anew.
    """
    for records, versions in _others(tx, study).values():
        since = incidents.last_found(tx, study.key, records)
        disclosures = incidents.left_under(tx, study.key, records, versions, since)
        if not disclosures:
            continue
        new = Incident(
            0, study.key, found.decision_key, found.at, found.actor, records[0], study.patient_key, tuple(disclosures)
        )
        key = incidents.add(tx, new)
        what = f"Had left as another patient's: {in_words(disclosures)}. Recorded as incident {key}"
        source = ("incident", str(key))
        events.add(tx, Event(found.at, Station.RECONCILED, what, found.actor, *source, study.order_key, study.key))
        audit.add(
            tx,
            at=found.at,
            action="incident_recorded",
            actor=found.actor,
            patient_key=records[0],
            study_key=study.key,
            detail={"incident": key, "disclosures": len(disclosures)},
        )
        for one in disclosures:
            if one.kind == DisclosureKind.COPY:
                task = f"{one.count} objects stand there under another patient: have them moved or taken out"
                incidents.open_task(tx, study.key, one.recipient, task, found.at)


def record_split(tx: WriteTx, study: Study, new: Study, split: Split, found: Found) -> None:
    """Record what the images that were split off *study* had left as, where they turned out to be another's."""
    copies = incidents.copies(tx, splits.old_keys(tx, split.key))
    owner = patients.survivor(tx, new.patient_key).key if new.patient_key is not None else None
    for survivor, (records, versions) in _others(tx, replace(study, patient_key=None)).items():
        left = incidents.left_under(tx, study.key, records, versions, None)
        disclosures = (*(one for one in left if one.kind != DisclosureKind.COPY), *copies)
        if survivor == owner or not disclosures:
            continue
        about = (new.key, found.decision_key, found.at, found.actor, records[0], new.patient_key)
        key = incidents.add(tx, Incident(0, *about, disclosures=disclosures))
        what = f"Had left as another patient's: {in_words(disclosures)}. Recorded as incident {key}"
        source = ("incident", str(key))
        events.add(tx, Event(found.at, Station.RECONCILED, what, found.actor, *source, study_key=new.key))
    for one in copies:
        task = f"{one.what} stand there in a study that they were split off: have them taken out"
        incidents.open_task(tx, new.key, one.recipient, task, found.at)


def _others(tx: ReadTx, study: Study) -> dict[int, tuple[list[int], list[int]]]:
    """Return, by survivor, the records and binding versions under which *study* was another person's than it is now."""
    owner = patients.survivor(tx, study.patient_key).key if study.patient_key is not None else None
    found: dict[int, tuple[list[int], list[int]]] = {}
    for version in overlays.of_study(tx, study.key):
        if version.patient_key is None:
            continue
        survivor = patients.survivor(tx, version.patient_key).key
        if survivor != owner:
            records, versions = found.setdefault(survivor, ([survivor], []))
            records += [version.patient_key] if version.patient_key not in records else []
            versions.append(version.binding_version)
    return found


class OutsideTasks:
    """What a person says was done at another system."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def done(self, task_key: int, why: str, actor: str) -> OutsideTask:
        """Note that it was done. Raises: LookupError; Incomplete without what was done."""
        if not why.strip():
            raise Incomplete("say what was done", code="missing", where="reason")
        now = self._clock.now()
        with self._store.write() as tx:
            task = incidents.close_task(tx, task_key, actor, why.strip(), now)
            what = f"Done at {task.destination}: {task.what}"
            source = ("task", str(task_key))
            events.add(tx, Event(now, Station.IMAGES, what, actor, *source, study_key=task.study_key))
            audit.add(
                tx, at=now, action="outside_task_done", actor=actor, study_key=task.study_key, detail={"task": task_key}
            )
        return task

"""A clinic in which anything about identity may happen: the real flows over one SQLite database, and what is visible of it.

A deed is a name and its arguments, so that a story can be told again. What is refused has not happened.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import delete, select, text

from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.errors import BridgeError
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.flows.undo_merge import MergeUndoer
from bridge.settings import Settings
from bridge.store import decisions, orders, patients, schema, studies
from bridge.store.db import ReadTx
from bridge.store.decisions import Decision
from bridge.store.tables import merges, metadata
from bridge.store.tables import studies as studies_table
from bridge.wiring import House
from tests.cast import MERGED, NEAR_TWIN, PLAIN, STRANGER, adt, image, merge, order, renamed, spooled, study_uid
from tests.conftest import ROOT
from tests.flows.asking import say, sent
from tests.flows.test_orders import cast_mpps, code

# PLAIN is known twice: under another number, with the same name and birth date.
TWICE: Final = replace(PLAIN, patient_id="00041011")
PEOPLE: Final = {"plain": PLAIN, "twice": TWICE, "twin": NEAR_TWIN, "stranger": STRANGER, "doe": MERGED}
ACCESSIONS: Final = ("A1", "A2", "A3")
STUDIES: Final = {**{f"of {one}": study_uid(one) for one in ACCESSIONS}, "typed": "2.25.9911", "other": "2.25.9912"}
WRONG_ENTRY: Final = "110514"
_BEGIN: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

Deed = tuple[Any, ...]


@dataclass(frozen=True)
class Seen:
    """What anybody sees of a study: its state, whose it is, by which order."""

    state: str
    patient_id: str
    accession_number: str


class World:
    """The clinic. deeds: what happened in this story. reissued: numbers that ended and were given to somebody again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clock = FixedClock(_BEGIN)
        tree = {
            "bridge": {"data": folder / "data", "mappings": ROOT / "samples" / "mappings", "time_zone": "UTC"},
            "store": {"database": f"sqlite:///{folder / 'bridge.db'}"},
            "identity": {"authority": "RIVERSIDE"},
            "fhir": {"servers": [{"name": "ehr", "base_url": "http://127.0.0.1:9/fhir", "publish": ["ImagingStudy"]}]},
        }
        self.house = House(Settings.model_validate(tree), self.clock)
        schema.migrate(self.house.store)
        self.deeds: list[Deed] = []
        self.reissued: set[str] = set()
        self._shown: dict[str, int] = {}

    def begin(self) -> None:
        """Forget everything: another story begins."""
        with self.house.store.write() as tx:
            tx.execute(text("PRAGMA defer_foreign_keys = ON"))
            for table in metadata.sorted_tables:
                if table.name not in ("schema_state", "alembic_version"):
                    tx.execute(delete(table))
        shutil.rmtree(self._folder / "data" / "blobs", ignore_errors=True)
        self.house.__dict__.pop("blobs", None)
        self.house.__dict__.pop("instances", None)
        self.clock.at = _BEGIN
        self.deeds, self.reissued, self._shown = [], set(), {}

    def close(self) -> None:
        self.house.store.dispose()
        shutil.rmtree(self._folder, ignore_errors=True)

    def do(self, name: str, *arguments: Any) -> str:
        """Let something happen, a minute after what happened before; return how it was answered, "" if it was done."""
        self.clock.at += timedelta(minutes=1)
        self.deeds.append((name, *arguments))
        try:
            return str(getattr(self, f"_{name}")(*arguments) or "")
        except (BridgeError, LookupError) as refused:
            return str(getattr(refused, "code", "unknown"))

    # ── what systems say ──────────────────────────────────────────────────────────────────────────────────────────────

    def _registered(self, who: str) -> str:
        with self.house.store.read() as tx:
            holder = patients.find(tx, PatientIdentifier(PEOPLE[who].patient_id, "RIVERSIDE"))
            had_ended = holder is not None and holder.merged_into is not None
        answer = self._say(adt(PEOPLE[who], "A04", at=self._now))
        if had_ended and answer == "AA":
            self.reissued.add(PEOPLE[who].patient_id)
        return answer

    def _renamed(self, who: str, shown: str) -> str:
        said = renamed(PEOPLE[who], PEOPLE[shown].name, PEOPLE[shown].birth_date)
        return self._say(adt(said, "A08", at=self._now))

    def _ordered(self, accession: str, who: str, control: str) -> str:
        return self._say(order(PEOPLE[who], accession, control, at=self._now))

    def _merged(self, survivor: str, retired: str) -> str:
        return self._say(merge(PEOPLE[survivor], PEOPLE[retired], at=self._now))

    def _discontinued(self, study: str) -> None:
        uid = f"2.25.{5000 + len(self.deeds)}"
        begun, ended = cast_mpps("A9"), cast_mpps("A9", "DISCONTINUED")
        begun.ScheduledStepAttributesSequence[0].StudyInstanceUID = STUDIES[study]
        reason = image(None, "")
        reason.clear()
        reason.CodeValue, reason.CodingSchemeDesignator, reason.CodeMeaning = WRONG_ENTRY, "DCM", "Wrong entry"
        ended.PerformedProcedureStepDiscontinuationReasonCodeSequence = [reason]
        self.house.performed_steps.create(uid, sent(begun), "CT1")
        self.house.performed_steps.set(uid, sent(ended), "CT1")

    def _imaged(self, study: str, numbered: str, named: str, accession: str) -> None:
        """An image comes: with the number of one, the name of another (or ""), and an accession number or none."""
        self._shown[study] = self._shown.get(study, 0) + 1
        said = replace(PEOPLE[named], patient_id=PEOPLE[numbered].patient_id if numbered else "")
        shown = image(said, accession, self._shown[study], study=STUDIES[study])
        self.house.instances.receive(spooled(self.house, shown))

    # ── what people decide ────────────────────────────────────────────────────────────────────────────────────────────

    def _given(self, study: str, who: str) -> None:
        self._rule(study, "bind", patient=PatientIdentifier(PEOPLE[who].patient_id, "RIVERSIDE"))

    def _given_order(self, study: str, accession: str) -> None:
        self._rule(study, "bind", accession_number=accession)

    def _taken_back(self, study: str) -> None:
        self._rule(study, "unbind")

    def _rejected(self, study: str) -> None:
        self._rule(study, "reject")

    def _restored(self, study: str) -> None:
        self._rule(study, "restore")

    def _unmerged(self, number: int) -> str:
        with self.house.store.read() as tx:
            keys = list(tx.execute(select(merges.c.key).order_by(merges.c.key)).scalars())
        if number >= len(keys):
            return "none"
        house = self.house
        undoer = MergeUndoer(house.store, self.clock, house.rules, house.destinations)
        return undoer.undo(keys[number], "two people", "user:maria")

    # ── what is visible ───────────────────────────────────────────────────────────────────────────────────────────────

    def seen(self) -> dict[str, Seen]:
        """Return what is shown of each study that came."""
        with self.house.store.read() as tx:
            return {uid: _seen(tx, key) for uid, key in _rows(tx)}

    def told(self) -> dict[str, list[tuple[str, ...]]]:
        """Return every decision about each study in order, without rows and times: what a replay must repeat."""
        with self.house.store.read() as tx:
            return {uid: [_told(tx, one) for one in decisions.of_study(tx, key)[::-1]] for uid, key in _rows(tx)}

    def knows(self, who: str) -> bool:
        """Say whether somebody's number is on record, be it as one that was merged away."""
        with self.house.store.read() as tx:
            return patients.find(tx, PatientIdentifier(PEOPLE[who].patient_id, "RIVERSIDE")) is not None

    @property
    def merge_count(self) -> int:
        with self.house.store.read() as tx:
            return len(tx.execute(select(merges.c.key)).all())

    @property
    def _now(self) -> str:
        return self.clock.at.strftime("%Y%m%d%H%M%S")

    def _say(self, raw: bytes) -> str:
        (answer,) = say(self.house, raw)
        return code(answer)

    def _rule(self, study: str, action: str, **to: Any) -> None:
        house = self.house
        resolver = MismatchResolver(house.store, self.clock, house.rules, house.destinations)
        resolver.resolve(STUDIES[study], Ruling(action, "asked the technologist", "user:maria", **to))


def make_world() -> World:
    """Return a clinic in memory, where the machine has such a folder."""
    memory = Path("/dev/shm")
    return World(Path(tempfile.mkdtemp(prefix="ib-identity-", dir=memory if memory.is_dir() else None)))


def _rows(tx: ReadTx) -> list[tuple[str, int]]:
    found = tx.execute(select(studies_table.c.study_instance_uid, studies_table.c.key))
    return [(row.study_instance_uid, row.key) for row in found]


def _seen(tx: ReadTx, study_key: int) -> Seen:
    study = studies.get(tx, study_key)
    accession = orders.get(tx, study.order_key).accession_number if study.order_key is not None else ""
    state = "bound" if study.is_bound else "closed" if study.closed_reason else "waiting"
    return Seen(state, _number(tx, study.patient_key), accession)


def _told(tx: ReadTx, one: Decision) -> tuple[str, ...]:
    accession = orders.get(tx, one.order_key).accession_number if one.order_key is not None else ""
    return (one.actor, one.outcome, one.rule, one.sentence, _number(tx, one.patient_key), accession)


def _number(tx: ReadTx, patient_key: int | None) -> str:
    """Return a record's number, or its name if the number was given to somebody else since; "" for no record."""
    if patient_key is None:
        return ""
    record = patients.get(tx, patient_key)
    return record.primary.patient_id if record.identifiers else record.patient_name

"""A clinic in which anything about identity may happen: the real flows over one SQLite database, and what is visible of it.

A deed is a name and its arguments, so that a story can be told again. What is refused has not happened.
"""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydicom.dataset import Dataset
from sqlalchemy import bindparam, event, func, select, text

from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.errors import BridgeError
from bridge.settings import Settings
from bridge.store import decisions, patients, schema, studies
from bridge.store.db import ReadTx
from bridge.store.decisions import Decision
from bridge.store.prepared import Prepared
from bridge.store.tables import instances, metadata
from bridge.store.tables import orders as orders_table
from bridge.store.tables import studies as studies_table
from bridge.wiring import House
from tests.cast import MERGED, NEAR_TWIN, PLAIN, STRANGER, adt, image, merge, order, renamed, spooled, study_uid
from tests.conftest import ROOT
from tests.flows.asking import say, sent
from tests.flows.test_orders import cast_mpps, code
from tests.flows.test_rejections import note
from tests.property.identity_desk import PREFIX, PREFIXING, Desk
from tests.property.stirred import Stirred

# PLAIN is known twice: under another number, with the same name and birth date.
TWICE: Final = replace(PLAIN, patient_id="00041011")
PEOPLE: Final = {"plain": PLAIN, "twice": TWICE, "twin": NEAR_TWIN, "stranger": STRANGER, "doe": MERGED}
ACCESSIONS: Final = ("A1", "A2", "A3")
STUDIES: Final = {**{f"of {one}": study_uid(one) for one in ACCESSIONS}, "typed": "2.25.9911", "other": "2.25.9912"}
_STORIES_OF_A_FOLDER: Final = 500
WRONG_ENTRY: Final = "110514"
_FORGOTTEN: Final = tuple(
    table.name for table in metadata.sorted_tables if table.name not in ("schema_state", "alembic_version")
)
_FORGET: Final = tuple(Prepared(text(f"DELETE FROM {name}")) for name in _FORGOTTEN)
_ROWS: Final = Prepared(select(studies_table.c.study_instance_uid, studies_table.c.key))
_OWNERS: Final = Prepared(select(orders_table.c.key, orders_table.c.patient_key))
_ACCESSION: Final = Prepared(select(orders_table.c.accession_number).where(orders_table.c.key == bindparam("key")))
_SHOWN: Final = Prepared(
    select(func.count().label("count")).where(instances.c.study_key == bindparam("key"), instances.c.withheld == "")
)
_BEGIN: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

Deed = tuple[Any, ...]


@dataclass(frozen=True)
class Seen:
    """What anybody sees of a study: its state, whose it is, by which order, how many of its images."""

    state: str
    patient_id: str
    accession_number: str
    images: int


class World:
    """
    The clinic. sections: settings other than its own. deeds: what happened in this story. reissued: numbers that ended and were given to somebody again.

    has_prefixes: images came from the device that writes something before every number. is_repaired: somebody has asked for
    that device to be read otherwise. Both follow from the deeds alone: what may be drawn next never hangs on what was done.
    stirred: what was written to, in an embedded database. Another one, migrated, may be named in a section "store".
    """

    def __init__(self, folder: Path, **sections: dict[str, Any]) -> None:
        self._folder = folder
        self.clock = FixedClock(_BEGIN)
        tree = {
            "bridge": {"data": folder / "data", "mappings": ROOT / "samples" / "mappings", "time_zone": "UTC"},
            "store": {"database": f"sqlite:///{folder / 'bridge.db'}"},
            "identity": {"authority": "RIVERSIDE"},
            "fhir": {"servers": [{"name": "ehr", "base_url": "http://127.0.0.1:9/fhir", "publish": ["ImagingStudy"]}]},
            "publish": {"announce": False},
            **sections,
        }
        self.house = House(Settings.model_validate(tree), self.clock)
        if self.house.store.is_sqlite:
            event.listen(self.house.store.engine, "connect", _forget_the_disk)
            schema.migrate(self.house.store)
            self.stirred = Stirred(self.house.store)
        self.desk = Desk(self.house)
        self.deeds: list[Deed] = []
        self.reissued: set[str] = set()
        self._images: dict[str, list[Dataset]] = {}
        self._notes = 0
        self._begun = 0
        self.has_prefixes = self.is_repaired = False

    def begin(self) -> None:
        """Forget everything: another story begins."""
        with self.house.store.write() as tx:
            if self.house.store.is_sqlite:
                tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
                for statement in _FORGET:
                    statement.run(tx)
                self.stirred.forget(tx)
            else:
                tx.exec_driver_sql(f"TRUNCATE {', '.join(_FORGOTTEN)} RESTART IDENTITY")
        self._begun += 1
        if self._begun % _STORIES_OF_A_FOLDER == 0:
            self._forget_objects()
        self.clock.at = _BEGIN
        self.deeds, self.reissued, self._images, self._notes = [], set(), {}, 0
        self.has_prefixes = self.is_repaired = False

    def _forget_objects(self) -> None:
        """An object's name is its digest: what lies there from another story is what this one would put there."""
        shutil.rmtree(self._folder / "data" / "blobs", ignore_errors=True)
        self.house.__dict__.pop("blobs", None)
        self.house.__dict__.pop("instances", None)

    def close(self) -> None:
        self.house.store.dispose()
        shutil.rmtree(self._folder, ignore_errors=True)

    def do(self, name: str, *arguments: Any) -> bool:
        """Let something happen, a minute after what happened before; return whether it was done."""
        self.clock.at += timedelta(minutes=1)
        self.deeds.append((name, *arguments))
        try:
            return getattr(self, f"_{name}")(*arguments) is not False
        except (BridgeError, LookupError):
            return False

    # ── what systems say ──────────────────────────────────────────────────────────────────────────────────────────────

    def _registered(self, who: str) -> bool:
        with self.house.store.read() as tx:
            holder = patients.find(tx, PatientIdentifier(PEOPLE[who].patient_id, "RIVERSIDE"))
            had_ended = holder is not None and holder.merged_into is not None
        answer = self._say(adt(PEOPLE[who], "A04", at=self._now))
        if had_ended and answer:
            self.reissued.add(PEOPLE[who].patient_id)
        return answer

    def _renamed(self, who: str, shown: str) -> bool:
        said = renamed(PEOPLE[who], PEOPLE[shown].name, PEOPLE[shown].birth_date)
        return self._say(adt(said, "A08", at=self._now))

    def _ordered(self, accession: str, who: str, control: str) -> bool:
        return self._say(order(PEOPLE[who], accession, control, at=self._now))

    def _merged(self, survivor: str, retired: str) -> bool:
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

    def _imaged(self, study: str, numbered: str, named: str, accession: str, device: str = "CT1") -> None:
        """An image comes: with the number of one, the name of another (or ""), and an accession number or none."""
        came = self._images.setdefault(study, [])
        number = PEOPLE[numbered].patient_id if numbered else ""
        if device == PREFIXING:
            self.has_prefixes = True
            number, accession = (f"{PREFIX}{one}" if one else "" for one in (number, accession))
        came.append(image(replace(PEOPLE[named], patient_id=number), accession, len(came) + 1, study=STUDIES[study]))
        self.house.instances.receive(spooled(self.house, came[-1], device))

    def _noted(self, study: str, title: str, all_of_it: bool) -> None:
        """A rejection note comes, about the last image of a study or about all that came."""
        came = self._images.get(study, [])
        if not came:
            raise LookupError("nothing to reject")
        self._notes += 1
        named = came if all_of_it else came[-1:]
        self.house.instances.receive(spooled(self.house, note(title, *named, number=self._notes), "CT1"))

    # ── what people decide ────────────────────────────────────────────────────────────────────────────────────────────

    def _given(self, study: str, who: str) -> None:
        self.desk.rule(STUDIES[study], "bind", patient=PatientIdentifier(PEOPLE[who].patient_id, "RIVERSIDE"))

    def _given_order(self, study: str, accession: str) -> None:
        self.desk.rule(STUDIES[study], "bind", accession_number=accession)

    def _ruled(self, study: str, action: str) -> None:
        self.desk.rule(STUDIES[study], action)

    def _unmerged(self, number: int) -> None:
        self.desk.undo_merge(number)

    def _rejection_decided(self, number: int, action: str) -> None:
        self.desk.decide_rejection(number, action)

    def _parted(self, study: str) -> None:
        self.desk.split(STUDIES[study], self._images.get(study, [])[-1:])

    def _joined(self, number: int) -> None:
        self.desk.join(number)

    def _repaired(self) -> None:
        self.is_repaired = True
        self.desk.repair()

    def _repair_undone(self, number: int) -> None:
        self.desk.undo_repair(number)

    # ── what is visible ───────────────────────────────────────────────────────────────────────────────────────────────

    def seen(self) -> dict[str, Seen]:
        """Return what is shown of each study that came, and whose each order is."""
        with self.house.store.read() as tx:
            ordered = _OWNERS.all(tx)
            owners = {f"order {row.key}": Seen("ordered", _number(tx, row.patient_key), "", 0) for row in ordered}
            return owners | {uid: _seen(tx, key) for uid, key in _rows(tx)}

    def told(self) -> dict[str, list[tuple[str, ...]]]:
        """Return every decision about each study in order, without rows and times: what a replay must repeat."""
        with self.house.store.read() as tx:
            return {uid: [_told(tx, one) for one in decisions.of_study(tx, key)[::-1]] for uid, key in _rows(tx)}

    @property
    def _now(self) -> str:
        return self.clock.at.strftime("%Y%m%d%H%M%S")

    def _say(self, raw: bytes) -> bool:
        (answer,) = say(self.house, raw)
        return code(answer) == "AA"


def _forget_the_disk(connection: sqlite3.Connection, _record: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def _rows(tx: ReadTx) -> list[tuple[str, int]]:
    return [(row.study_instance_uid, row.key) for row in _ROWS.all(tx)]


def _seen(tx: ReadTx, study_key: int) -> Seen:
    study = studies.get(tx, study_key)
    accession = _accession(tx, study.order_key)
    state = "bound" if study.is_bound else "closed" if study.closed_reason else "waiting"
    return Seen(state, _number(tx, study.patient_key), accession, _SHOWN.scalar(tx, key=study_key))


def _told(tx: ReadTx, one: Decision) -> tuple[str, ...]:
    accession = _accession(tx, one.order_key)
    return (one.actor, one.outcome, one.rule, one.sentence, _number(tx, one.patient_key), accession)


def _accession(tx: ReadTx, order_key: int | None) -> str:
    return "" if order_key is None else _ACCESSION.scalar(tx, key=order_key)


def _number(tx: ReadTx, patient_key: int | None) -> str:
    """Return a record's number, or its name if the number was given to somebody else since; "" for no record."""
    if patient_key is None:
        return ""
    record = patients.get(tx, patient_key)
    return record.primary.patient_id if record.identifiers else record.patient_name

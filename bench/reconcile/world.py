"""What registration, the order system and the devices' signals told, kept in dictionaries as the bridge would keep it.

Each message does here what its flow does in the product: an update follows a record, a merge ends one, a number that
was merged away and is issued anew names a new person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bench.reconcile.hospital import Event, Line
from bridge.domain.evidence import OrderRecord, PatientRecord
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.identity_change import becomes_another_person
from bridge.domain.order import Order, Step, StepStatus
from bridge.domain.patient import Patient
from bridge.domain.reconcile_rules import ReconcileRules
from tests.fakes.registry import DictRegistry

_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Touched:
    """What a message was about. doubted: a patient whose record it made another person's."""

    patients: tuple[PatientRecord, ...] = ()
    orders: tuple[OrderRecord, ...] = ()
    study_instance_uid: str = ""
    doubted: int | None = None


class World:
    """The registry, and who and what its keys stand for. order_names: order key to the hospital's own name for it."""

    def __init__(self, rules: ReconcileRules) -> None:
        self.rules = rules
        self.registry = DictRegistry()
        self.order_names: dict[int, str] = {}
        self._order_keys: dict[str, int] = {}
        self._people = 0

    def admit(self, line: Line) -> None:
        """Register somebody who was known before the first message."""
        self._add(line, _BEFORE)

    def hear(self, event: Event) -> Touched:
        """Apply one message or signal."""
        at = time_of(event)
        if event.kind == "signal":
            self.registry.signal(event.line["study_uid"], event.line["code"], at)
            return Touched(study_instance_uid=event.line["study_uid"])
        return self._hear_order(event.line, at) if event.kind == "order" else self._hear_adt(event.line, at)

    def _hear_adt(self, line: Line, at: datetime) -> Touched:
        if line["type"] == "A40":
            return self._merge(line, at)
        if line["type"] == "A47":
            return self._renumber(line, at)
        return self._register(line, at)

    def _register(self, line: Line, at: datetime) -> Touched:
        said = line["patient"]
        holder = self._holder(said["mrn"])
        if holder is None:
            return self._about(self._add(said, at))
        if holder.merged_into is not None:
            return self._reissue(holder, line, at)
        before = self._record(holder.key)
        after = replace(_patient(holder.key, self._with_others(said, holder), said), in_question=holder.in_question)
        is_another = becomes_another_person(before, after, self.rules)
        self.registry.put(replace(after, in_question=True) if is_another else after)
        return replace(self._about(holder.key), doubted=holder.key if is_another else None)

    def _reissue(self, holder: Patient, line: Line, at: datetime) -> Touched:
        """A new person takes a number that was merged away; any other news of it is refused."""
        if line["type"] != "A04":
            return Touched()
        number = line["patient"]["mrn"]
        kept = tuple(one for one in holder.identifiers if one.patient_id != number)
        self.registry.put(replace(holder, identifiers=kept))
        return self._about(self._add(line["patient"], at))

    def _merge(self, line: Line, at: datetime) -> Touched:
        said, prior = line["patient"], line["prior_mrn"]
        survivor = self._live_or_new(said, at)
        retired = self._holder(prior)
        retired_key = retired.key if retired else self._add({**said, "mrn": prior, "other_ids": []}, at)
        if retired is None or (retired.merged_into is None and retired.key != survivor):
            self.registry.merge(retired_key, survivor)
        return self._about(survivor)

    def _renumber(self, line: Line, at: datetime) -> Touched:
        """The new number takes the old one's place; the old one stays as an ended record's."""
        said, prior = line["patient"], line["prior_mrn"]
        holder = self._holder(prior)
        if holder is None or holder.merged_into is not None:
            return self._about(self._live_or_new(said, at))
        old = next(one for one in holder.identifiers if one.patient_id == prior)
        new = tuple(replace(one, patient_id=said["mrn"]) if one == old else one for one in holder.identifiers)
        self.registry.put(replace(holder, identifiers=new))
        self._people += 1
        self.registry.put(Patient(self._people, (old,)), at)
        self.registry.merge(self._people, holder.key)
        return self._about(holder.key)

    def _hear_order(self, line: Line, at: datetime) -> Touched:
        owner = self._live_or_new(line["patient"], at)
        key = self._order_keys.setdefault(line["order"], len(self._order_keys) + 1)
        self.order_names[key] = line["order"]
        before = self.registry.order_by_key(key)
        order, step = _order(key, owner, line, at)
        order = replace(order, is_import=self.rules.makes_import(order))
        self.registry.put_order(order, step)
        after = self.registry.order_by_key(key)
        assert after is not None
        owners = dict.fromkeys((owner, *((before.order.patient_key,) if before else ())))
        return Touched(tuple(self._record(one) for one in owners), (after,))

    def _live_or_new(self, said: Line, at: datetime) -> int:
        holder = self._holder(said["mrn"])
        return self._add(said, at) if holder is None else self._record(holder.key).key

    def _add(self, said: Line, at: datetime) -> int:
        self._people += 1
        self.registry.put(_patient(self._people, self._with_others(said, None), said), at)
        return self._people

    def _with_others(self, said: Line, holder: Patient | None) -> tuple[PatientIdentifier, ...]:
        """Return the record's numbers and the new ones that nobody else holds."""
        own = PatientIdentifier(said["mrn"], said["issuer"])
        known = holder.identifiers if holder else (own,)
        others = [PatientIdentifier(one["id"], one["issuer"]) for one in said["other_ids"]]
        free = [one for one in others if self.registry.holder(*one.key) is None]
        return tuple(dict.fromkeys((*known, *free)))

    def _holder(self, mrn: str) -> Patient | None:
        key = self.registry.holder(self.rules.authority, mrn)
        return None if key is None else self.registry.as_written(key)

    def _record(self, key: int) -> PatientRecord:
        record = self.registry.survivor(key)
        assert record is not None
        return record

    def _about(self, key: int) -> Touched:
        return Touched((self._record(key),))


def time_of(event: Event) -> datetime:
    """Return when a line came; the hospital keeps one clock."""
    return datetime.fromisoformat(event.line["t"]).replace(tzinfo=UTC)


def _patient(key: int, identifiers: tuple[PatientIdentifier, ...], said: Line) -> Patient:
    aliases = tuple(f"{one['family']}^{one['given']}" for one in said["aliases"])
    return Patient(
        key,
        identifiers,
        name_of(said),
        said["dob"],
        said["sex"],
        other_patient_names=aliases,
        multiple_birth=said["multiple_birth"],
    )


def name_of(said: Line) -> str:
    """Return the PN of a registered person, with its groups."""
    written = "^".join((said["family"], said["given"], said["middle"], "", said["suffix"])).rstrip("^")
    return "=".join((written, said["ideographic"], said["phonetic"])).rstrip("=")


def _order(key: int, owner: int, line: Line, at: datetime) -> tuple[Order, Step]:
    status = StepStatus.CANCELED if line["control"] == "CA" else StepStatus.SCHEDULED
    start = line["scheduled"].replace("-", "").replace(":", "").replace("T", "")
    order = Order(
        key,
        owner,
        line["accession"],
        line["accession_issuer"],
        EntityIdentifier(line["order"]),
        EntityIdentifier(),
        line["requested_procedure_id"],
        line["study_uid"] or "",
        status,
        requested_procedure_description=line["procedure"],
        transaction_at=at,
        ordered_at=at,
    )
    step = Step(key, key, line["step_id"], status, line["modality"], (line["station_ae"],), start)
    return order, step

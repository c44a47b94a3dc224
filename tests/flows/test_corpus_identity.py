"""
Every merge, move, change, link and swap of the corpus: forwards, twice, reversed, undone, against a small model.

The model knows the rules and none of the code: registries as a table of numbers, written from HL7 2.5.1 3.3 and
IHE RAD TF-2 4.12.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.flows.undo_merge import MergeUndoer
from bridge.store import patients
from bridge.store.tables import merges, orders, patient_identifiers, visits
from bridge.wiring import House
from tests.flows.asking import say
from tests.flows.registration import entries, resent

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus" / "hl7"
HOME = "HOME"
SERVED = ("A18", "A24", "A34", "A40", "A43", "A45", "A47")
REFUSED = {"A17": "201", "A41": "201"}
Number = tuple[str, str]


@dataclass(frozen=True)
class Said:
    """One message of the corpus, taken apart by splitting alone."""

    name: str
    raw: bytes
    trigger: str
    groups: tuple[dict[str, list[str]], ...]
    has_control_id: bool

    @property
    def is_complete(self) -> bool:
        """Whether it carries what its event is about."""
        if not self.has_control_id:
            return False
        if self.trigger in ("A24",):
            return len(self.groups) == 2
        if self.trigger == "A45":
            return all(moved_visit(group) for group in self.groups)
        return all(cx(group.get("MRG", []), 1) and cx(group["PID"], 3) for group in self.groups)


def cx(fields: list[str], at: int) -> list[Number]:
    """Return the numbers of a CX field with their authorities, the one to go by first; those of insurance left out."""
    found = []
    for repetition in (fields[at] if len(fields) > at else "").split("~"):
        parts = [*repetition.split("^"), "", "", "", "", ""]
        if parts[0] and parts[4] not in ("SS", "VN"):
            issuer = parts[3].split("&")[0] or HOME
            found.append(((issuer != HOME, parts[4] != "MR"), (issuer, parts[0])))
    return [number for _, number in sorted(found, key=lambda one: one[0])]


def moved_visit(group: dict[str, list[str]]) -> str:
    """Return the visit that an MRG names, as its CX."""
    fields = group.get("MRG", [])
    return fields[5] if len(fields) > 5 else ""


def corpus() -> list[Said]:
    """Return the messages about who is who, in the order of their files."""
    found = []
    for file in sorted(CORPUS.rglob("*.hl7")) if CORPUS.is_dir() else ():
        raw = file.read_bytes()
        for number, one in enumerate(re.split(rb"(?=MSH[|#~^])", raw)[1:]):
            text = one.decode("latin-1").replace("\r\n", "\r").replace("\n", "\r")
            lines = [line for line in text.split("\r") if line]
            bar, hat = lines[0][3], lines[0][4]
            heads = lines[0].split(bar)
            kind = heads[8].split(hat) if len(heads) > 8 else []
            if kind[:1] != ["ADT"] or len(kind) < 2 or kind[1] not in (*SERVED, *REFUSED):
                continue
            found.append(_said(f"{file.name}-{number}", one, lines, (bar, hat), heads))
    return found


def _said(name: str, raw: bytes, lines: list[str], marks: tuple[str, str], heads: list[str]) -> Said:
    bar, hat = marks
    groups: list[dict[str, list[str]]] = []
    for line in lines[1:]:
        fields = [part.replace(hat, "^") for part in line.split(bar)]
        if fields[0] == "PID":
            groups.append({"PID": fields})
        elif groups and fields[0] in ("MRG", "PV1"):
            if fields[0] in groups[-1]:
                groups.append({"PID": groups[-1]["PID"]})
            groups[-1][fields[0]] = fields
    trigger = heads[8].split(hat)[1]
    return Said(name, raw, trigger, tuple(groups), len(heads) > 9 and bool(heads[9]))


ALL = corpus()
pytestmark = pytest.mark.skipif(not ALL, reason="the corpus of HL7 messages is not here")


@dataclass
class Model:
    """
    Who holds which number, as the standard has it. live: number to its record (a label); ended: numbers that only lead on.

    A record's label is the first number it was known by. owner: accession numbers and visits to records.
    """

    holder: dict[Number, Number] = field(default_factory=dict)
    into: dict[Number, Number] = field(default_factory=dict)
    owner: dict[str, Number] = field(default_factory=dict)

    def register(self, number: Number) -> None:
        self.holder.setdefault(number, number)

    def live(self, record: Number) -> Number:
        while record in self.into:
            record = self.into[record]
        return record

    def of(self, number: Number) -> Number:
        self.register(number)
        return self.live(self.holder[number])

    def merge(self, survivor: Number, retired: Number) -> None:
        winner, loser = self.of(survivor), self.of(retired)
        if winner != loser:
            self.into[loser] = winner

    def move_number(self, target: Number, number: Number) -> None:
        winner, loser = self.of(target), self.of(number)
        self.holder[number] = winner
        for name, record in self.owner.items():
            if record == loser:
                self.owner[name] = winner

    def change_number(self, new: Number, old: Number) -> None:
        record = self.of(old)
        self.holder[new] = record

    def file(self, name: str, number: Number) -> None:
        self.owner[name] = self.of(number)

    def same_person(self) -> set[frozenset[str]]:
        """Return the numbers that lead to one living record, for each."""
        groups: dict[Number, set[str]] = {}
        for number, record in self.holder.items():
            groups.setdefault(self.live(record), set()).add("@".join(reversed(number)))
        return {frozenset(group) for group in groups.values()}

    def filed(self) -> dict[str, frozenset[str]]:
        groups = {number: group for group in self.same_person() for number in group}
        by_record = {self.live(record): "@".join(reversed(number)) for number, record in self.holder.items()}
        return {name: groups[by_record[self.live(record)]] for name, record in self.owner.items()}


def apply(model: Model, said: Said) -> None:
    """Do to the model what the event says; what is refused does nothing."""
    if said.trigger in REFUSED or not said.is_complete:
        return
    for group in said.groups:
        kept = cx(group["PID"], 3)
        prior = cx(group.get("MRG", []), 1)
        if said.trigger in ("A18", "A34", "A40"):
            model.merge(kept[0], prior[0])
        elif said.trigger == "A43":
            model.move_number(kept[0], prior[0])
        elif said.trigger == "A47":
            model.change_number(kept[0], prior[0])
        elif said.trigger == "A45":
            model.register(kept[0])
            model.owner |= {name: model.of(kept[0]) for name in model.owner if name == moved_visit(group).split("^")[0]}
        else:
            model.register(kept[0])


def registered(number: Number, at: int, visit_id: str = "") -> list[bytes]:
    """Return a registration of *number* and an order for it in a visit, long before anything the corpus says."""
    issuer, value = number
    accession = visit_id.split("^")[0] or f"X{at}"
    head = f"MSH|^~\\&|EHR|ANY|BRIDGE|HERE|19700101{at:06d}||{{}}|G{at}{{}}|P|2.5.1\r"
    pid = f"PID|1||{value}^^^{issuer}^MR||PERSON{chr(65 + at % 26)}^TEST||19500101|F\r"
    visit = f"PV1|1|O|||||||||||||||||{visit_id or f'VX{at}'}\r"
    orc = f"ORC|NW|P{accession}^EHR|F{accession}^RIS||||^^^19700102||19700101\rOBR|1|P{accession}^EHR|F{accession}^RIS|1^CT^L||||||||||||||{accession}|{accession}|{accession}||||CT\r"
    return [
        (head.format("ADT^A04", "A") + pid + visit).encode(),
        (head.format("ORM^O01", "O") + pid + visit + orc).encode(),
    ]


def before(said: Said) -> list[bytes]:
    """Return registrations and orders of everybody a message names."""
    numbers: dict[Number, None] = {}
    for group in said.groups:
        prior = cx(group.get("MRG", []), 1)[:1]
        kept = cx(group["PID"], 3)[:1] if said.trigger != "A47" else []
        numbers |= dict.fromkeys((*kept, *prior))
    found = [one for at, number in enumerate(numbers) for one in registered(number, at)]
    for at, group in enumerate(said.groups if said.trigger == "A45" else ()):
        source = next(iter(cx(group.get("MRG", []), 1)), (HOME, "SOURCE"))
        found += registered(source, 50 + at, moved_visit(group)) if moved_visit(group) else []
    return found


def model_before(said: Said) -> Model:
    model = Model()
    for raw in before(said):
        pid = next(line for line in raw.decode().split("\r") if line.startswith("PID")).split("|")
        (number,) = cx(pid, 3)
        model.register(number)
        if b"ORM" in raw:
            accession = raw.decode().split("OBR|")[1].split("|")[17]
            model.file(accession, number)
    return model


def rows(house: House) -> tuple[set[frozenset[str]], dict[str, frozenset[str]]]:
    """Return which numbers are one person's, and whose each order is, from the database."""
    with house.store.read() as tx:
        people: dict[int, set[str]] = {}
        for row in tx.execute(select(patient_identifiers)):
            if row.identifier_type not in ("SS", "JHN", "VN"):
                name = f"{row.patient_id}@{row.issuer_of_patient_id}"
                people.setdefault(patients.survivor(tx, row.patient_key).key, set()).add(name)
        owned = {
            row.accession_number: frozenset(people[patients.survivor(tx, row.patient_key).key])
            for row in tx.execute(select(orders))
        }
        filed = tx.execute(select(orders.c.patient_key)).scalars()
        assert all(patients.get(tx, key).merged_into is None for key in filed), "an order stayed with an ended record"
        kept = tx.execute(select(visits.c.patient_key).where(visits.c.moved_into.is_(None))).scalars()
        assert all(patients.get(tx, key).merged_into is None for key in kept), "a visit stayed with an ended record"
    return {frozenset(group) for group in people.values()}, owned


def code_of(answer: bytes) -> str:
    return re.findall(rb"MSA.(A[AER]|C[AER])", answer)[0].decode()[1] if answer else "A"


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    shipped = {"authority": HOME}
    return make_house(hl7={"senders": "any"}, identity=shipped)


def test_the_corpus_holds_as_many_as_are_told_of() -> None:
    counted: dict[str, int] = {}
    for said in ALL:
        counted[said.trigger] = counted.get(said.trigger, 0) + 1
    assert counted == {
        "A17": 3, "A18": 1, "A24": 2, "A34": 3, "A40": 6, "A41": 2, "A43": 1, "A45": 6, "A47": 3
    }  # fmt: skip


@pytest.mark.parametrize("said", ALL, ids=lambda one: one.name)
def test_forwards_twice_and_undone_it_is_as_the_standard_says(house: House, said: Said) -> None:
    say(house, *before(said))
    model = model_before(said)
    initial = rows(house)
    assert initial == (model.same_person(), model.filed())
    (answer,) = say(house, said.raw)
    apply(model, said)
    verdict = "R" if said.trigger in REFUSED else ("A" if said.is_complete else "E")
    assert code_of(answer) == verdict, answer
    assert rows(house) == (model.same_person(), model.filed())
    say(house, said.raw)
    if said.has_control_id:
        say(house, resent(said.raw))
    assert rows(house) == (model.same_person(), model.filed())
    undoer = MergeUndoer(house.store, house.clock, house.rules, house.destinations)
    for entry in entries(house):
        undoer.undo(entry, "as before", "user:maria")
    assert rows(house)[1] == initial[1]
    with house.store.read() as tx:
        assert tx.execute(select(merges.c.key).where(merges.c.undone_at.is_(None))).all() == []


@pytest.mark.parametrize("said", [one for one in ALL if one.trigger not in REFUSED], ids=lambda one: one.name)
def test_before_anybody_is_registered_it_leads_to_the_same(house: House, said: Said) -> None:
    model = model_before(said)
    apply(model, said)
    say(house, said.raw, *before(said))
    assert rows(house) == (model.same_person(), model.filed())


def test_the_whole_corpus_in_reverse_is_taken_without_a_fault_of_ours(house: House) -> None:
    answers = say(house, *(said.raw for said in reversed(ALL)))
    ours = re.compile(rb"\|207\^|\^207&")  # as 2.5 says it, as before; a time or an id may hold the digits too
    assert not ours.search(b"".join(answers))
    rows(house)

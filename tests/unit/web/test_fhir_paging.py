"""Pages that are read while things change: what did not change is on one page of them, once; on both databases."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from bridge.domain.accounts import Role
from bridge.flows.receive_message import Received
from tests.fakes.console import ORDER, Console

Json = dict[str, Any]
EXAMS, COUNT = 14, 3
SORTS = {
    "ImagingStudy": ("", "_lastUpdated", "-_lastUpdated", "started", "-started"),
    "ServiceRequest": ("", "_lastUpdated", "-_lastUpdated", "authored", "-authored"),
}


class Clinic:
    """Exams of five people, and what changes of them from page to page. luck: what changes."""

    def __init__(self, console: Console, luck: random.Random) -> None:
        self._console = console
        self._luck = luck
        self._said = 0
        self._studies = []
        for number in range(EXAMS):
            self._order(f"A{number}", number % 5)
            self._study()
        self._people = [console.clinic.patient(f"9{number}") for number in range(3)]
        for study in self._studies:
            console.clinic.bind(study, luck.choice(self._people))
            self._later()

    def something_changes(self) -> None:
        """An order is cancelled, comes, or brings another name; a study comes, or becomes somebody else's."""
        self._later()
        which = self._luck.randrange(4)
        if which == 0:
            self._order(f"A{self._luck.randrange(EXAMS)}", 0, control="CA")
        elif which == 1:
            self._order(f"B{self._said}", self._luck.randrange(5), name=f"HALVORSEN^INGRID{self._said}")
        else:
            study = self._luck.choice(self._studies) if which == 2 else self._study()
            self._console.clinic.bind(study, self._luck.choice(self._people))

    def _order(self, number: str, who: int, *, name: str = "HALVORSEN^INGRID", control: str = "NW") -> None:
        self._said += 1
        text = ORDER.format(number=number, name=name, patient_id=f"0004100{who}", control_id=f"S{self._said}")
        self._console.house.receiver.receive([Received(text.replace("ORC|NW", f"ORC|{control}").encode(), "127.0.0.1")])
        self._later()

    def _study(self) -> Any:
        made = self._console.clinic.study(f"1.2.840.99.{len(self._studies)}", 1, 1)
        self._studies.append(made)
        return made

    def _later(self) -> None:
        self._console.clock.at += timedelta(seconds=self._luck.choice((0, 1, 5)))
        self._console.clinic.clock.at = self._console.clock.at


def page(api: FlaskClient, address: str) -> tuple[list[Json], str]:
    """Return the resources of one page, and where the next one is, "" after the last."""
    said = api.get(address).json
    links = {link["relation"]: urlsplit(link["url"]) for link in said["link"]}
    following = f"{links['next'].path}?{links['next'].query}" if "next" in links else ""
    return [one["resource"] for one in said.get("entry", []) if one["search"]["mode"] == "match"], following


def standing(api: FlaskClient, kind: str) -> dict[str, Json]:
    found, following = page(api, f"/fhir/r4/{kind}?_count=200")
    assert not following
    return {one["id"]: one for one in found}


@pytest.mark.parametrize(("kind", "sort"), [(kind, sort) for kind, sorts in SORTS.items() for sort in sorts])
def test_what_does_not_change_while_pages_are_read_is_on_them_once(console: Console, kind: str, sort: str) -> None:
    clinic = Clinic(console, random.Random(f"{kind} {sort}"))
    api = console.machine(Role.ADMIN)
    before, seen, pages = standing(api, kind), Counter[str](), 0
    address = f"/fhir/r4/{kind}?_count={COUNT}" + (f"&_sort={sort}" if sort else "")
    while address:
        found, address = page(api, address)
        seen.update(one["id"] for one in found)
        pages += 1
        for _ in range(2 if pages < EXAMS else 0):
            clinic.something_changes()
    after = standing(api, kind)
    unchanged = {key for key, said in before.items() if after.get(key) == said}
    assert unchanged
    assert set(after) - unchanged, "nothing changed"
    assert {key: seen[key] for key in unchanged} == dict.fromkeys(unchanged, 1)

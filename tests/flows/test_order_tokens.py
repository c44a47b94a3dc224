"""However an order changes, it is found by the people and the codes that it shows then, and by those that it showed before no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, Person, adt, merge
from tests.flows.registration import mrg, pv1, tell
from tests.flows.test_served_announcements import Here

Json = dict[str, Any]


def said(person: Person, at: str, control: str = "XO", *, code: str = "", asked: str = "", why: str = "") -> bytes:
    """Return an order's message; what is empty is not said, and \"\" takes it back."""
    fields = {4: code, 16: asked, 18: "T1", 19: "T1", 20: "T1", 24: "CT", 31: why}
    obr = "|".join(fields.get(number, "") for number in range(4, 32))
    return (
        f"MSH|^~\\&|RIVEHR|RIVERSIDE|BRIDGE|RIVERSIDE|{at}||ORM^O01|T{control}{at}|P|2.3.1\r{person.pid}\r{pv1('V1')}\r"
        f"ORC|{control}|PT1^RIVEHR|FT1^RIVRIS||||^^^20260302101500^^R||{at}|||{asked}\r"
        f"OBR|1|PT1^RIVEHR|FT1^RIVRIS|{obr}\r"
    ).encode()


def shown(here: Here) -> Iterator[tuple[str, str, str]]:
    """Yield by what each order, and each study, is to be found, and which it is."""
    for entry in here.api.get("/fhir/r4/ServiceRequest").json.get("entry", ()):
        order: Json = entry["resource"]
        for one in order.get("code", {}).get("coding", ()):
            yield "code", one["code"], order["id"]
        if (number := order.get("requester", {}).get("identifier")) is not None:
            yield "requester:identifier", number["value"], order["id"]


def test_it_is_found_by_what_it_shows_whatever_has_changed_it(make_house: Callable[..., House]) -> None:
    here = Here(make_house)
    eva, ken = "1700000002^BRANDT^EVA^^^^^^NPI", "77^ODA^KEN^^^^^^RIVERSIDE"
    story = [
        lambda: here.hear(said(PLAIN, "20260302081000", "NW", code="71260^CHEST^C4", asked=eva, why="R05^Cough^I10")),
        lambda: here.hear(said(PLAIN, "20260302081500", code="70450^HEAD^C4", asked=ken)),
        lambda: here.hear(said(PLAIN, "20260302082000", code="70450^HEAD^C4", asked=eva, why='""')),
        lambda: here.hear(adt(NEAR_TWIN), merge(NEAR_TWIN, PLAIN)),
        here.undo_merge,
        lambda: here.hear(tell("A45", NEAR_TWIN.pid, mrg(PLAIN, visit="V1"), pv1("V1"), at="20260302100000")),
        here.undo_merge,
        lambda: here.hear(said(PLAIN, "20260302110000", code="71260^CHEST^C4", asked='""')),
        lambda: here.hear(said(PLAIN, "20260302120000", "CA", code="71260^CHEST^C4", asked=ken)),
    ]
    seen: set[tuple[str, str]] = set()
    for step in story:
        step()
        here.run(timedelta(minutes=1))
        now = {*shown(here)}
        seen |= {(search, value) for search, value, _ in now}
        for search, value in seen:
            entries = here.api.get(f"/fhir/r4/ServiceRequest?{search}={value}").json.get("entry", ())
            found = {one["resource"]["id"] for one in entries}
            assert found == {one for each, told, one in now if (each, told) == (search, value)}, (search, value)
    assert len(seen) == 4, "two codes and two people"

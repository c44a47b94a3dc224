"""What charts have, in a real Chromium: every page fits a phone and a desk, and can be read in both schemes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bridge.building.news import chart_takers
from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.flows.change_chart import ChartDesk
from bridge.sections.fhir import FhirServer
from bridge.wiring import House
from samples.strict_ehr import StrictEhr
from tests.cast import PLAIN, STRANGER, adt, image, order, report, spooled, study_uid
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.flows.test_chart_parts import DOCUMENT, KINDS, Scene
from tests.peer.page_audit import faults
from tests.peer.test_browser import address, browser, database_url, enter, page

playwright_api = pytest.importorskip("playwright.sync_api")
Page = playwright_api.Page

pytestmark = pytest.mark.peer

__all__ = ["address", "browser", "database_url", "page"]
UID = study_uid("A1")


@pytest.fixture
def console(make_house: Callable[..., House]) -> Iterator[Console]:
    """A study whose images came late, with all that rests on it; one withdrawn; one that is nobody's; one only begun."""
    ehr = StrictEhr().start()
    server = FhirServer(name="ehr", base_url=ehr.base_url, publish=KINDS, version="R4", timeout_secs=10)
    clock = FixedClock(datetime(2026, 3, 2, 12, 30, tzinfo=UTC))
    fhir = {"servers": [server.model_dump()]}
    house = make_house(clock, fhir=fhir, publish={"announce": True}, http={"public_url": "https://bridge.example.org"})
    scene = Scene(house, ehr)
    for person in (PLAIN, STRANGER):
        say(house, adt(person))
        scene.somebody(person.patient_id)
    say(house, order(PLAIN, "A1"), order(PLAIN, "A2"), order(STRANGER, "A3"))
    scene.device_says("IN PROGRESS")
    scene.run()
    house.instances.receive(spooled(house, image(PLAIN, "A1")))
    scene.run(timedelta(minutes=2))
    house.instances.receive(spooled(house, image(PLAIN, "A1", 2, series=2)))
    say(house, report(PLAIN, "A1", extra=DOCUMENT))
    scene.device_says("COMPLETED")
    scene.run(timedelta(minutes=2))
    say(house, report(PLAIN, "A1", "C", text="A nodule of 9 mm.", extra=DOCUMENT, at="20260302130000"))
    house.instances.receive(spooled(house, image(PLAIN, "A2")))
    house.instances.receive(spooled(house, image(None, "Z9", study="2.25.4")))
    say(house, report(STRANGER, "A3"))
    scene.run(timedelta(minutes=2))
    desk = ChartDesk(house.store, house.clock, house.destinations, chart_takers(house))
    desk.withdraw(study_uid("A2"), "a test of the scanner", "user:maria")
    desk.withdraw(UID, "the wrong protocol", "user:maria", "DiagnosticReport:1")
    scene.run()
    yield Console(house)
    ehr.stop()


PAGES = {
    "list": "/chart",
    "study": "/studies/1/chart",
    "withdrawn": "/studies/2/chart",
    "unbound": "/studies/3/chart",
    "exam": "/orders/3/chart",
}


@pytest.mark.parametrize("width", [360, 1440])
def test_every_page_fits_and_can_be_read(page: Page, console: Console, width: int) -> None:
    enter(page, console, Role.ADMIN)
    page.set_viewport_size({"width": width, "height": 900})
    for name, place in PAGES.items():
        page.goto(place)
        page.evaluate("document.querySelectorAll('main details').forEach(one => one.open = true)")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert faults(page) == [], (name, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name

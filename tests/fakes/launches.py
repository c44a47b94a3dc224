"""A console that a strict EHR launches, with the bound studies of two people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bridge.clock import FixedClock
from bridge.store import audit
from bridge.store.audit import AuditRow
from bridge.wiring import House
from samples.launching_ehr import App, LaunchingEhr
from tests.cast import NEAR_TWIN, PLAIN, adt, image, order, spooled, study_uid
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say, study_by_uid

SYSTEM = "urn:imaging-bridge:authority:RIVERSIDE"
DONE = "http://localhost:80/launch/done/mercy"
SECRET = "a-secret-of-the-app"
# Nothing here is asked over TLS, and reading the authorities that are trusted is slow.
BROWSER = httpx2.Client(verify=False)


def patient(resource_id: str, number: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": resource_id, "identifier": [{"system": SYSTEM, "value": number}]} | more


def standing() -> Iterator[LaunchingEhr]:
    """An EHR that listens on one port, for many tests."""
    ehr = LaunchingEhr(App("bridge-app", DONE), now=AT.timestamp).start()
    yield ehr
    ehr.stop()


def begins_anew(ehr: LaunchingEhr) -> LaunchingEhr:
    """Let an EHR say again what it says at first."""
    ehr.app = App("bridge-app", DONE, secret=SECRET)
    ehr.user, ehr.now = "Practitioner/7", AT.timestamp
    ehr.claims, ehr.grant, ehr.configuration = {}, {}, {}
    ehr.signing_key, ehr.algorithm = ehr.key, "RS256"
    ehr.context = {"plain": {"patient": "p1"}}
    ehr.resources = {"Patient/p1": patient("p1", PLAIN.patient_id), "Patient/p2": patient("p2", NEAR_TWIN.patient_id)}
    ehr.requests.clear()
    return ehr


class Launched:
    """A console that an EHR launches. settings: of the launch, laid over the usual ones."""

    def __init__(self, make_house: Callable[..., House], ehr: LaunchingEhr, **settings: Any) -> None:
        launch = {"client_id": "bridge-app", "secret": SECRET, "viewers": ["Practitioner"]} | settings
        server = {"name": "mercy", "base_url": ehr.base_url, "publish": [], "launch": launch}
        self.console = Console(
            make_house(FixedClock(AT), fhir={"servers": [server]}, http={"public_url": "http://localhost:80"})
        )
        self.ehr = ehr
        say(self.console.house, adt(PLAIN), adt(NEAR_TWIN), order(PLAIN, "A1"), order(PLAIN, "A2"))
        say(self.console.house, order(NEAR_TWIN, "B1"))
        for person, number in ((PLAIN, "A1"), (PLAIN, "A2"), (NEAR_TWIN, "B1")):
            self.console.house.instances.receive(spooled(self.console.house, image(person, number)))

    def begin(
        self, browser: FlaskClient, launch: str = "plain", issuer: str = "", path: str = "/launch"
    ) -> TestResponse:
        return browser.get(path, query_string={"iss": issuer or self.ehr.base_url, "launch": launch})

    def back(self, begun: TestResponse) -> str:
        """Let the EHR answer, and return where it sends the browser."""
        answer = BROWSER.get(begun.headers["Location"])
        assert answer.status_code == 302, answer.text
        return str(answer.headers["Location"])

    def open(self, browser: FlaskClient, launch: str = "plain") -> TestResponse:
        """Go the whole way; returns what the bridge says in the end."""
        return browser.get(self.back(self.begin(browser, launch)))

    def view(self, browser: FlaskClient, launch: str = "plain") -> str:
        """Return the address of a view that was opened."""
        answer = self.open(browser, launch)
        assert answer.status_code == 303, answer.get_data(as_text=True)
        return str(urlsplit(answer.headers["Location"]).path)

    def browser(self) -> FlaskClient:
        return self.console.app.test_client()

    def row_of(self, accession: str) -> int:
        return study_by_uid(self.console.store, study_uid(accession)).key

    def trail(self, action: str) -> list[AuditRow]:
        with self.console.store.read() as tx:
            return [row for row in audit.recent(tx, limit=50) if row.action == action]


def words(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)

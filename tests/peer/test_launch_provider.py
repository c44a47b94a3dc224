"""An EHR's launch through an authorization server that is not ours: npm's oidc-provider, over HTTP."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest

from bridge.clock import FixedClock
from bridge.store import audit
from bridge.wiring import House
from tests.cast import PLAIN, adt, image, order, spooled
from tests.conftest import missing_peer
from tests.fakes.console import Console
from tests.flows.asking import say

pytestmark = [pytest.mark.peer, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

DONE = "http://localhost:8099/launch/done/mercy"
SECRET = "a-secret-of-the-app"


@pytest.fixture
def provider() -> Iterator[str]:
    """The base URL of an EHR behind oidc-provider."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    modules = f"{os.environ.get('BRIDGE_NODE_PEERS') or f'{cache}/imaging-bridge-peers/node'}/launch"
    node = shutil.which("node")
    if node is None or not (Path(modules) / "node_modules/oidc-provider").is_dir():
        missing_peer("npm's oidc-provider", "sh tests/peers.sh launch-provider")
    script = Path(__file__).with_name("launch_provider.mjs")
    command = [str(node), str(script), modules, DONE, PLAIN.patient_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        said = next((line for line in process.stdout if line.startswith("listening ")), "")
        yield said.split()[-1] if said else ""
        process.terminate()


def through(address: str) -> str:
    """Follow an authorization server's own redirects as a browser does; returns where it sends the browser back to."""
    with httpx2.Client(verify=False) as browser:
        for _ in range(10):
            answer = browser.get(address)
            assert answer.is_redirect, answer.text
            address = urljoin(address, answer.headers["Location"])
            if address.startswith(DONE):
                return address
    raise AssertionError("it never came back")


def test_a_real_authorization_server_launches_us(make_house: Callable[..., House], provider: str) -> None:
    assert provider, "oidc-provider did not start"
    launch = {"client_id": "bridge-app", "secret": SECRET, "viewers": ["Practitioner"]}
    server = {"name": "mercy", "base_url": provider, "publish": [], "launch": launch}
    now = FixedClock(datetime.now(UTC))
    console = Console(make_house(now, fhir={"servers": [server]}, http={"public_url": "http://localhost:8099"}))
    say(console.house, adt(PLAIN), order(PLAIN, "A1"))
    console.house.instances.receive(spooled(console.house, image(PLAIN, "A1")))
    browser = console.app.test_client()
    begun = browser.get("/launch", query_string={"iss": provider, "launch": "opened-chart"})
    assert begun.status_code == 302, begun.get_data(as_text=True)
    back = through(begun.headers["Location"])
    opened = browser.get(back)
    assert opened.status_code == 303, opened.get_data(as_text=True)
    place = urlsplit(opened.headers["Location"]).path
    assert "HALVORSEN, INGRID" in browser.get(place, follow_redirects=True).get_data(as_text=True)
    assert browser.get(back).status_code == 403, "its code and its answer are good once"
    with console.store.read() as tx:
        assert any(row.actor == "ehr:mercy:Practitioner/7" for row in audit.recent(tx, limit=10))

"""sekmet-fhir, a server that is none of ours, in an environment of its own: SMART, conditional writes, one resource."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from bridge.clock import Clock, FixedClock
from bridge.codecs.fhir import pas_bundle
from bridge.domain.authorization import AuthorizationStatus
from bridge.domain.authorization_news import NewsKind
from bridge.domain.payer_request import RequestState
from bridge.flows.poll_orders import OrderPoll, PolledServer
from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.publishers.fhir_client import FhirClient
from bridge.sections.fhir import FhirServer
from bridge.sections.remote import SmartBackendAuth
from bridge.store import orders, payer_requests
from bridge.store.db import Store
from bridge.wiring import House as HouseOfRooms
from tests.conftest import ROOT, missing_peer
from tests.fakes.losing_proxy import LosingProxy
from tests.fakes.pas_samples import submission, system_of
from tests.fakes.payer_scene import NPI, payer_scene
from tests.peer.far_charts import Scene, patient_in

pytestmark = pytest.mark.peer

Json = dict[str, Any]

VERSION = "0.1.1"
START_SECS = 60.0


@dataclass
class Server:
    """A running server and a client of it, signed in by SMART Backend Services."""

    base_url: str
    client: FhirClient
    auth: SmartBackendAuth


@pytest.fixture(scope="session")
def command() -> Path:
    """The server's command: SEKMET names one, else it is installed once into build/."""
    named = os.environ.get("SEKMET") or shutil.which("sekmet")
    if named:
        return Path(named)
    environment = ROOT / "build" / f"sekmet-{VERSION}"
    found = environment / "bin" / "sekmet"
    if not found.exists():
        made = subprocess.run([sys.executable, "-m", "venv", environment], check=False, capture_output=True)
        pip = [environment / "bin" / "pip", "install", "-q", f"sekmet-fhir=={VERSION}"]
        if made.returncode or subprocess.run(pip, check=False, capture_output=True, timeout=280).returncode:
            shutil.rmtree(environment, ignore_errors=True)
            missing_peer("sekmet-fhir", f"pip install sekmet-fhir=={VERSION} into its own environment")
    return found


@pytest.fixture(scope="module")
def server(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sekmet")
    key = RSAKey.generate_key(2048)
    (folder / "key.pem").write_bytes(key.as_pem(private=True))
    (folder / "key.pub").write_bytes(key.as_pem(private=False))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base_url = f"http://127.0.0.1:{port}/fhir"
    client = f'{{client_id: bridge, public_key_path: {folder}/key.pub, scopes: "system/*.*"}}'
    (folder / "sekmet.yaml").write_text(
        f"base_url: {base_url}\nhost: 127.0.0.1\nport: {port}\ndata_dir: {folder}/data\n"
        f"server_auth: {{types: [smart], smart_clients: [{client}]}}\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [command, "serve", "-c", "sekmet.yaml"], cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(base_url, process)
        auth = SmartBackendAuth(kind="smart-backend", client_id="bridge", key=folder / "key.pem", scope="system/*.*")
        yield Server(base_url, FhirClient(FhirServer(name="ehr", base_url=base_url, auth=auth), Clock()), auth)
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(base_url: str, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + START_SECS
    while True:
        try:
            urllib.request.urlopen(f"{base_url}/metadata", timeout=10).close()
            return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < ends_at, "the server did not come up"
            time.sleep(0.1)


@pytest.fixture
def scene(store: Store, server: Server, request: pytest.FixtureRequest) -> Scene:
    return Scene(store, server.client, request.node.name)


def test_a_study_is_one_resource_however_often_it_is_sent(scene: Scene) -> None:
    subject = scene.patient_in_ehr(f"{scene.name}-1")
    patient = scene.clinic.patient(f"{scene.name}-1")
    study = scene.clinic.bind(scene.clinic.study(scene.uid), patient, scene.clinic.order(patient, "A1"))
    for number in range(3):
        scene.clinic.queue(IMAGING_STUDY, "ehr", study)
        scene.send()
        scene.clinic.instance(study, 9, number)
    assert scene.charted() == {subject.reference: "available"}


def test_three_sendings_by_two_nodes_through_lost_answers_and_a_merge_end_as_one_resource_of_the_survivor(
    store: Store, server: Server, request: pytest.FixtureRequest
) -> None:
    proxy = LosingProxy(server.base_url)
    through = FhirServer(name="ehr", base_url=proxy.base_url, auth=server.auth, timeout_secs=10)
    writer = FhirClient(through, Clock())
    scene = Scene(store, server.client, request.node.name, writer)
    scene.patient_in_ehr(f"{scene.name}-1")
    patient = scene.clinic.patient(f"{scene.name}-1")
    study = scene.clinic.bind(scene.clinic.study(scene.uid), patient)
    for number in range(3):
        proxy.lose("ImagingStudy", 2)
        scene.clinic.instance(study, 9, number + 1)
        scene.clinic.queue(IMAGING_STUDY, "ehr", study)
        scene.send_by_both()
    survivor = scene.clinic.patient(f"{scene.name}-2")
    target = scene.patient_in_ehr(f"{scene.name}-2")
    scene.clinic.merge(patient, survivor)
    scene.clinic.bind(study, survivor)
    proxy.lose("ImagingStudy", 1)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.send_by_both()
    (found,) = server.client.search("ImagingStudy", {"identifier": f"urn:dicom:uid|urn:oid:{scene.uid}"})
    assert found.resource["subject"]["reference"] == target.reference
    assert (found.resource["status"], found.resource["numberOfInstances"]) == ("available", 9)
    assert proxy.lost >= 4
    writer.close()
    proxy.stop()


def test_a_study_sent_again_unchanged_makes_no_new_version(scene: Scene) -> None:
    scene.patient_in_ehr(f"{scene.name}-1")
    study = scene.clinic.bind(scene.clinic.study(scene.uid), scene.clinic.patient(f"{scene.name}-1"))
    for _ in range(2):
        scene.clinic.queue(IMAGING_STUDY, "ehr", study)
        scene.send()
    (found,) = scene.client.search("ImagingStudy", {"identifier": f"urn:dicom:uid|urn:oid:{scene.uid}"})
    assert found.version == "1"


def test_a_re_bound_study_stands_in_the_right_chart_and_is_withdrawn_from_the_wrong_one(scene: Scene) -> None:
    wrong, right = scene.patient_in_ehr(f"{scene.name}-1"), scene.patient_in_ehr(f"{scene.name}-2")
    study = scene.clinic.bind(scene.clinic.study(scene.uid), scene.clinic.patient(f"{scene.name}-1"))
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.send()
    scene.clinic.question(study)
    scene.send()
    assert scene.charted() == {wrong.reference: "entered-in-error"}
    scene.clinic.bind(study, scene.clinic.patient(f"{scene.name}-2"))
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.send()
    assert scene.charted() == {wrong.reference: "entered-in-error", right.reference: "available"}


def test_orders_are_fetched_from_a_server_that_does_not_push_them(
    server: Server, make_house: Callable[..., HouseOfRooms]
) -> None:
    clock = FixedClock(Clock().now())
    house = make_house(clock)
    patient = patient_in(server.client, "00071299")
    # The server outlives the test, which runs once for each database.
    number = f"E{Clock().new_id()[:8]}"
    said: Json = {
        "resourceType": "ServiceRequest",
        "identifier": [{"system": "urn:example:orders", "value": number}],
        "status": "active",
        "intent": "order",
        "code": {"text": "CT chest"},
        "subject": {"reference": patient.reference},
    }
    placed = server.client.create_unless(said, {"identifier": f"urn:example:orders|{number}"})
    asked = PolledServer("ehr", server.client, query=f"identifier=urn:example:orders|{number}")
    poll = OrderPoll(house.store, clock, house.fhir_receiver, [asked], owner="one")
    assert poll.work() == 1
    server.client.update({**placed.resource, "status": "revoked"}, placed.version)
    clock.at += timedelta(minutes=2)
    assert poll.work() == 1
    clock.at += timedelta(minutes=2)
    assert poll.work() == 0
    with house.store.read() as tx:
        (order,) = orders.by_accession(tx, number)
    assert order.status == "CANCELED"


def test_a_payer_s_server_takes_a_request_for_authorization_with_its_evidence(server: Server) -> None:
    bundle = pas_bundle.request(submission(), system_of)
    answer = server.client.invoke("Claim/$submit", bundle)
    assert (answer["resourceType"], answer["use"]) == ("ClaimResponse", "preauthorization")
    sent = bundle["entry"][0]["resource"]
    trace = sent["identifier"][0]
    (kept,) = server.client.search("Claim", {"identifier": f"{trace['system']}|{trace['value']}"})
    assert answer["request"]["reference"].endswith(kept.reference)
    for element in ("item", "supportingInfo", "careTeam", "diagnosis", "insurance"):
        assert kept.resource[element] == sent[element]


# The server takes a signed assertion once, and a clock that stands still numbers them alike in each run.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_payer_is_asked_by_a_person_through_the_whole_flow_and_its_answer_decides_nothing_it_does_not_say(
    server: Server, make_house: Callable[..., HouseOfRooms], tmp_path: Path
) -> None:
    auth = {"kind": "smart-backend", "client_id": "bridge", "key": server.auth.key, "scope": "system/*.*"}
    trace = f"T{Clock().new_id()[:10]}"
    payer = {"base_url": server.base_url, "auth": auth}
    scene = payer_scene(make_house, tmp_path, payer, at=Clock().now(), trace=trace, kind=NewsKind.DRAFTED)
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    scene.send()
    (kept,) = server.client.search("Claim", {"identifier": f"urn:trnorg:{NPI}|{trace}"})
    assert kept.resource["item"][0]["productOrService"]["coding"][0]["code"] == "71260"
    one = scene.one()
    # It names a number and no review action: asked, and not approved.
    assert (one.status, one.number, one.trace) == (AuthorizationStatus.SUBMITTED, "", trace)
    with scene.house.store.read() as tx:
        (response,) = payer_requests.answers_of(tx, scene.key)
    assert b'"ClaimResponse"' in response.body
    scene.desk.cancel(scene.key, "patient declined", "user:bill")
    scene.send()
    assert len(server.client.search("Claim", {"identifier": f"urn:trnorg:{NPI}|{trace}"})) == 2
    # It offers no inquiry: that is told, and nothing else happens.
    scene.desk.inquire(scene.key, "user:bill")
    scene.send()
    asked = scene.requests()
    assert [each.state for each in asked] == [RequestState.ANSWERED, RequestState.ANSWERED, RequestState.FAILED]
    assert "inquire" in asked[-1].detail

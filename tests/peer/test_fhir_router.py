"""A second server that is none of ours, npm's @medplum/fhir-router: it judges what it is sent by definitions of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.clock import Clock
from bridge.errors import BridgeError
from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.publishers.fhir_client import FhirClient
from bridge.sections.fhir import FhirServer
from bridge.store.db import Store
from tests.conftest import missing_peer
from tests.fakes import fhir_judges
from tests.peer.far_charts import Scene

pytestmark = pytest.mark.peer
# What is sent does not depend on the database.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def client() -> Iterator[FhirClient]:
    folder = fhir_judges.folder()
    if not (folder / "node_modules" / "@medplum" / "fhir-router").is_dir():
        missing_peer("npm's @medplum/fhir-router", "sh tests/peers.sh fhir-judges")
    program = Path(__file__).with_name("fhir_router.mjs")
    with subprocess.Popen(["node", program, folder], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            found = FhirClient(FhirServer(name="ehr", base_url=f"http://127.0.0.1:{port}/fhir"), Clock())
            yield found
            found.close()
        finally:
            server.terminate()


@pytest.fixture
def scene(store: Store, client: FhirClient, request: pytest.FixtureRequest) -> Scene:
    return Scene(store, client, request.node.name)


@ON_SQLITE
def test_a_study_is_made_changed_and_withdrawn_as_one_resource(scene: Scene) -> None:
    wrong = scene.patient_in_ehr(f"{scene.name}-1")
    patient = scene.clinic.patient(f"{scene.name}-1")
    study = scene.clinic.bind(scene.clinic.study(scene.uid), patient, scene.clinic.order(patient, "A1"))
    before = set()
    for number in range(3):
        scene.clinic.queue(IMAGING_STUDY, "ehr", study)
        scene.send()
        (found,) = scene.standing()
        assert (found.resource["status"], found.resource["numberOfInstances"]) == ("available", 6 + number)
        before.add(found.version)
        scene.clinic.instance(study, 9, number)
    assert len(before) == 3
    scene.clinic.question(study)
    scene.send()
    assert scene.charted() == {wrong.reference: "entered-in-error"}


@ON_SQLITE
def test_a_study_sent_by_two_nodes_at_once_and_merged_is_one_resource_of_the_survivor(scene: Scene) -> None:
    scene.patient_in_ehr(f"{scene.name}-1")
    patient = scene.clinic.patient(f"{scene.name}-1")
    study = scene.clinic.bind(scene.clinic.study(scene.uid), patient)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.send_by_both()
    survivor = scene.clinic.patient(f"{scene.name}-2")
    target = scene.patient_in_ehr(f"{scene.name}-2")
    scene.clinic.merge(patient, survivor)
    scene.clinic.bind(study, survivor)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.send_by_both()
    assert scene.charted() == {target.reference: "available"}


def test_what_its_definitions_forbid_is_refused_there(client: FhirClient) -> None:
    with pytest.raises(BridgeError) as refused:
        client.create_unless({"resourceType": "ImagingStudy", "status": "available"}, {"identifier": "urn:example|1"})
    assert "ImagingStudy.subject" in str(refused.value.where) + refused.value.detail

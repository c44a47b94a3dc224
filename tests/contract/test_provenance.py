"""Each version that a server is given of a study is told the origin of, once, on servers that keep Provenance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from samples.ehr_offers import BY_ID, BY_SEARCH, Offers
from samples.strict_ehr import StrictEhr
from tests.fakes.chart_scene import QUIET, Scene

BOTH_KINDS = pytest.mark.parametrize("offers", [BY_ID, BY_SEARCH], ids=["id", "search"])
BOTH_VERSIONS = pytest.mark.parametrize("ehr", ["R4", "R5"], indirect=True)
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def ehr(request: pytest.FixtureRequest) -> Iterator[StrictEhr]:
    server = StrictEhr(version=getattr(request, "param", "R4")).start()
    yield server
    server.stop()


@pytest.fixture
def scene(store: Store, ehr: StrictEhr) -> Iterator[Scene]:
    found = Scene(store, ehr, timeout_secs=10.0, traces=True)
    yield found
    found.client.close()


def origins(scene: Scene) -> list[dict[str, Any]]:
    """Return the server's Provenances in the order of the versions that they tell of."""
    found = scene.ehr.state()["resources"].get("Provenance", {}).values()
    return sorted(found, key=lambda one: str(one["target"][0]["reference"]))


@BOTH_VERSIONS
def test_each_version_is_told_the_origin_of(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    scene.clinic.instance(study, 3, 1)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.pass_time(QUIET)
    scene.run()
    (charted,) = scene.charted()
    first, second = origins(scene)
    targets = [one["target"] for one in (first, second)]
    assert targets == [[{"reference": f"ImagingStudy/{charted['id']}/_history/{number}"}] for number in (1, 2)]
    assert [one["activity"]["coding"][0]["code"] for one in (first, second)] == ["CREATE", "UPDATE"]
    assert first["agent"][0]["onBehalfOf"]["display"] == "Riverside Imaging"


@BOTH_KINDS
@pytest.mark.parametrize("mode", ["commit-then-500", "500", "truncated", "409"])
def test_an_answer_that_is_lost_leaves_one_provenance_of_a_version(scene: Scene, mode: str, offers: Offers) -> None:
    scene.ehr.offers = offers
    _, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.ehr.misbehave(mode, 2, ["PUT", "POST"], types=["Provenance"])
    scene.until_quiet()
    assert len(origins(scene)) == 1
    assert {one.state for one in scene.deliveries()} == {DeliveryState.SENT}


def test_a_withdrawal_is_told_the_origin_of_while_the_study_is_held(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    scene.clinic.question(study)
    scene.run()
    assert len(origins(scene)) == 2

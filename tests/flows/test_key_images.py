"""Images that somebody marked stand in their patient's R5 chart once, and leave it with their study; on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.building.news import chart_takers
from bridge.clock import FixedClock
from bridge.flows.change_chart import ChartDesk
from bridge.flows.reject_instances import RejectionDesk
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.sections.fhir import FhirServer
from bridge.store import key_objects
from bridge.wiring import House
from samples.strict_ehr import StrictEhr
from tests.cast import NEAR_TWIN, PLAIN, adt, image, merge, order, study_uid
from tests.flows.asking import say, study_of
from tests.flows.test_chart_parts import ON_SQLITE, Scene
from tests.flows.test_images import receive
from tests.flows.test_rejections import note, slices, standing

KIND = "ImagingSelection"
KINDS = ("ImagingStudy", KIND, "Provenance")


@pytest.fixture
def ehr() -> Iterator[StrictEhr]:
    server = StrictEhr(version="R5").start()
    yield server
    server.stop()


@pytest.fixture
def scene(make_house: Callable[..., House], ehr: StrictEhr) -> Scene:
    """An EHR of R5 that knows the patient, and a bound study of three images."""
    server = FhirServer(name="ehr", base_url=ehr.base_url, publish=KINDS, version="R5", timeout_secs=10)
    clock = FixedClock(datetime(2026, 3, 2, 12, 30, tzinfo=UTC))
    found = Scene(make_house(clock, fhir={"servers": [server.model_dump()], "serve": []}), ehr)
    say(found.house, adt(PLAIN), order(PLAIN, "A1"))
    found.somebody("00041001")
    receive(found.house, *slices())
    return found


def marked(said: dict[str, Any]) -> list[str]:
    return [one["uid"].rpartition(".")[2] for one in said.get("instance", [])]


def test_marked_images_are_one_selection_in_their_patients_chart(scene: Scene) -> None:
    one, _, three = slices()
    receive(scene.house, note("113000", one, three))
    scene.run()
    said, study = scene.only(KIND), scene.only("ImagingStudy")
    assert (said["status"], said["subject"], marked(said)) == ("available", study["subject"], ["1", "3"])
    assert (said["studyUid"], said["seriesUid"]) == (study_uid("A1"), one.SeriesInstanceUID)
    assert said["derivedFrom"][0]["reference"] == f"ImagingStudy/{study['id']}"
    assert len([each for each in scene.all("Provenance") if KIND in each["target"][0]["reference"]]) == 1
    receive(scene.house, note("113000", one, three))
    scene.run()
    assert scene.only(KIND)["meta"]["versionId"] == said["meta"]["versionId"]


@ON_SQLITE
@pytest.mark.parametrize("title", ["113030", "113001"])
def test_a_manifest_and_a_rejection_mark_nothing(scene: Scene, title: str) -> None:
    receive(scene.house, note(title, slices()[0]))
    scene.run()
    assert scene.all(KIND) == []


@ON_SQLITE
def test_a_document_that_comes_before_its_images_is_told_with_them(scene: Scene) -> None:
    late = image(PLAIN, "A1", 9)
    receive(scene.house, note("113000", late))
    scene.run()
    assert scene.all(KIND) == []
    receive(scene.house, late)
    scene.run()
    assert marked(scene.only(KIND)) == ["9"]


@ON_SQLITE
def test_a_document_that_comes_later_is_told_when_its_study_is_told_again(scene: Scene) -> None:
    scene.run()
    receive(scene.house, note("113004", slices()[1]))
    scene.run()
    assert (marked(scene.only(KIND)), scene.only("ImagingStudy")["numberOfInstances"]) == (["2"], 4)


@ON_SQLITE
def test_images_of_another_study_are_not_told(scene: Scene) -> None:
    say(scene.house, order(PLAIN, "A2"))
    other = image(PLAIN, "A2")
    receive(scene.house, other, note("113000", slices()[0], other))
    scene.run()
    assert marked(scene.only(KIND)) == ["1"]


def test_rejected_images_leave_the_selection_and_the_last_of_them_ends_it(scene: Scene) -> None:
    one, two, _ = slices()
    receive(scene.house, note("113000", one, two))
    scene.run()
    receive(scene.house, note("113001", one, number=2))
    scene.run()
    left = scene.only(KIND)
    assert (left["status"], marked(left)) == ("available", ["2"])
    receive(scene.house, note("113001", two, number=3))
    scene.run()
    gone = scene.only(KIND)
    assert (gone["id"], gone["status"], marked(gone)) == (left["id"], "entered-in-error", [])
    assert "seriesUid" not in gone
    house = scene.house
    desk = RejectionDesk(house.store, house.clock, house.rules, house.destinations)
    desk.decide(standing(house)[0].key, "undo", "sharp enough", "user:maria")
    scene.run()
    assert (scene.only(KIND)["status"], marked(scene.only(KIND))) == ("available", ["1"])


@ON_SQLITE
def test_a_document_that_was_rejected_itself_ends_its_selection(scene: Scene) -> None:
    chosen = note("113000", slices()[0])
    receive(scene.house, chosen)
    scene.run()
    receive(scene.house, note("113001", chosen, number=2))
    scene.run()
    assert scene.only(KIND)["status"] == "entered-in-error"


def test_a_selection_leaves_the_chart_while_its_study_is_in_question_and_follows_it_to_another_person(
    scene: Scene,
) -> None:
    house, other = scene.house, scene.somebody("00041002")
    receive(house, note("113000", slices()[0]))
    scene.run()
    before = scene.only(KIND)
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("A1"), Ruling("unbind", "not hers", "user:kim"))
    scene.run()
    assert (scene.only(KIND)["status"], scene.only(KIND)["subject"]) == ("entered-in-error", before["subject"])
    say(house, adt(NEAR_TWIN), order(NEAR_TWIN, "A2"))
    resolver.resolve(study_uid("A1"), Ruling("bind", "asked the device", "user:kim", accession_number="A2"))
    scene.run()
    found = {one["subject"]["reference"]: one["status"] for one in scene.all(KIND)}
    assert found == {before["subject"]["reference"]: "entered-in-error", other: "available"}


@ON_SQLITE
def test_after_a_merge_the_same_selection_is_the_survivors(scene: Scene) -> None:
    other = scene.somebody("00041002")
    receive(scene.house, note("113000", slices()[0]))
    scene.run()
    before = scene.only(KIND)["id"]
    say(scene.house, adt(NEAR_TWIN), merge(NEAR_TWIN, PLAIN))
    scene.run()
    assert (scene.only(KIND)["id"], scene.only(KIND)["subject"]) == (before, {"reference": other})


@ON_SQLITE
def test_a_selection_is_withdrawn_with_its_study_or_alone(scene: Scene) -> None:
    house = scene.house
    receive(house, note("113000", slices()[0]))
    scene.run()
    with house.store.read() as tx:
        (key,) = key_objects.of_study(tx, study_of(house, "A1").key)
    desk = ChartDesk(house.store, house.clock, house.destinations, chart_takers(house))
    uid, part = study_uid("A1"), f"{KIND}:{key}"
    desk.withdraw(uid, "in error", "user:kim")
    scene.run()
    assert scene.only(KIND)["status"] == "entered-in-error"
    desk.take_back(uid, "no error", "user:kim")
    scene.run()
    assert scene.only(KIND)["status"] == "available"
    desk.withdraw(uid, "not these", "user:kim", part)
    scene.run()
    assert (scene.only(KIND)["status"], scene.only("ImagingStudy")["status"]) == ("entered-in-error", "available")


def test_what_cannot_be_read_as_key_images_is_kept_all_the_same(scene: Scene) -> None:
    broken = note("113000", slices()[0])
    broken.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[
        0
    ].ReferencedSOPInstanceUID = "1.2.x"
    receive(scene.house, broken)
    scene.run()
    assert scene.only("ImagingStudy")["numberOfInstances"] == 4
    assert scene.all(KIND) == []


@pytest.mark.parametrize(("version", "publish"), [("R4", ("ImagingStudy", KIND)), ("R5", (KIND,))])
def test_a_server_without_room_for_selections_or_without_their_studies_is_refused(version: Any, publish: Any) -> None:
    with pytest.raises(ValueError, match="of R5 alone, and points to its ImagingStudy"):
        FhirServer(name="ehr", base_url="http://127.0.0.1/fhir", publish=publish, version=version)

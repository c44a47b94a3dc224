"""What each chart has of a study, version by version, after whatever may happen to it: never more than it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.domain.chart import OWN, ChartVersion
from bridge.errors import Conflict, Malformed
from bridge.flows import announce
from bridge.flows.change_chart import ChartDesk
from bridge.flows.correct_study import Correction, StudyCorrector
from bridge.flows.resolve_mismatch import Ruling
from bridge.flows.undo_merge import MergeUndoer
from bridge.store import audit, chart_versions, deliveries, patients, studies
from bridge.store.deliveries import DeliveryState
from bridge.store.listings import served
from bridge.store.tables import merges
from bridge.wiring import House
from samples.strict_ehr import StrictEhr
from tests.cast import MERGED, PLAIN, STRANGER, adt, image, merge, order, renamed, study_uid
from tests.flows.asking import say, study_of
from tests.flows.test_images import receive, resolver
from tests.flows.test_rejected_outside import SYSTEM, Outside
from tests.flows.test_rejections import note

# What happens in a chart does not depend on the database; the rows are held against both in tests/contract.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

UID = study_uid("A1")
GONE = "entered-in-error"
Shown = list[tuple[str, int, str, str]]


@pytest.fixture
def scene(make_house: Callable[..., House]) -> Iterator[Outside]:
    """A clinic with an EHR, and PLAIN's study of three images in her chart."""
    ehr = StrictEhr(version="R4").start()
    found = Outside(make_house, ehr)
    say(found.house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), order(STRANGER, "A2"))
    receive(found.house, *(image(PLAIN, "A1", number) for number in (1, 2, 3)))
    found.run()
    yield found
    found.stop()
    ehr.stop()


def charts(scene: Outside) -> ChartDesk:
    return ChartDesk(scene.house.store, scene.house.clock, scene.house.destinations, {})


def kept(scene: Outside, server: str) -> list[ChartVersion]:
    """Return the versions of the study's entries in one chart, oldest first."""
    study = study_of(scene.house, "A1")
    with scene.house.store.read() as tx:
        return chart_versions.of_study(tx, study.key, server)[::-1]


def said(scene: Outside, server: str) -> list[dict[str, Any]]:
    """Return what these versions say."""
    versions = kept(scene, server)
    with scene.house.store.read() as tx:
        contents = chart_versions.said_by(tx, [one.key for one in versions])
    return [contents[one.key]["R4"] for one in versions]


def shown(scene: Outside, server: str) -> Shown:
    """Return of each version: whose number the subject has, its number, its status, why."""
    found: Shown = []
    for one in kept(scene, server):
        assert one.whose.patient_key is not None
        with scene.house.store.read() as tx:
            subject = patients.get(tx, one.whose.patient_key).primary.patient_id
        found.append((subject, one.number, one.status, one.why.cause.value))
    return found


def known_in_ehr(scene: Outside, number: str) -> None:
    scene.ehr.books.create({"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": number}]})


def more_images(scene: Outside) -> None:
    receive(scene.house, *(image(PLAIN, "A1", number) for number in (4, 5)))


def correct(scene: Outside) -> None:
    house = scene.house
    corrector = StudyCorrector(house.store, house.blobs, house.clock, house.destinations)
    corrector.correct(UID, Correction({"StudyDescription": "CT CHEST, LOW DOSE"}, "spelling", "user:maria"))


def undo_merge(scene: Outside) -> None:
    house = scene.house
    with house.store.read() as tx:
        entry = tx.execute(merges.select().order_by(merges.c.key.desc())).first()
    assert entry is not None
    MergeUndoer(house.store, house.clock, house.rules, house.destinations).undo(entry.key, "wrong", "user:maria")


def reject_some(scene: Outside) -> None:
    receive(scene.house, note("113001", image(PLAIN, "A1", 3)))


def reject_all(scene: Outside) -> None:
    receive(scene.house, note("113001", *(image(PLAIN, "A1", number) for number in (1, 2, 3))))


def reject_for_safety(scene: Outside) -> None:
    receive(scene.house, note("113037", image(PLAIN, "A1", 1)))


def unbind(scene: Outside) -> None:
    resolver(scene.house).resolve(UID, Ruling("unbind", "wrong entry", "user:maria"))


def bind_again(scene: Outside) -> None:
    resolver(scene.house).resolve(UID, Ruling("bind", "it was right", "user:maria", "A1"))


def bind_to_stranger(scene: Outside) -> None:
    resolver(scene.house).resolve(UID, Ruling("bind", "it is hers", "user:maria", "A2"))


def withdraw(scene: Outside) -> None:
    charts(scene).withdraw(UID, "sent too early", "user:maria")


def take_back(scene: Outside) -> None:
    charts(scene).take_back(UID, "it is read now", "user:maria")


def statuses_read_here(scene: Outside) -> list[str]:
    """Return the status of each resource of the study as it is served now."""
    with scene.house.store.read() as tx:
        found = chart_versions.newest_of_studies(tx, OWN, [study_of(scene.house, "A1").key])
    return [one.status for one in found]


P, S = PLAIN.patient_id, STRANGER.patient_id
FIRST = (P, 1, "available", "rule")
Steps = tuple[Callable[[Outside], None], ...]
# What follows the first version, in every chart alike, of (subject, number, status, cause).
TABLE: dict[str, tuple[Steps, Shown]] = {
    "late images": ((more_images,), [(P, 2, "available", "event")]),
    "a correction": ((correct,), [(P, 2, "available", "person")]),
    "some images rejected": ((reject_some,), [(P, 2, "available", "rule")]),
    "every image rejected for quality": ((reject_all,), [(P, 2, "cancelled", "rule")]),
    "rejected for safety": ((reject_for_safety,), [(P, 2, GONE, "rule")]),
    "questioned by a person": ((unbind,), [(P, 2, GONE, "person")]),
    "questioned and kept": ((unbind, bind_again), [(P, 2, GONE, "person"), (P, 3, "available", "person")]),
    "bound to another person": ((unbind, bind_to_stranger), [(P, 2, GONE, "person"), (S, 1, "available", "person")]),
    "bound to another person and back": (
        (unbind, bind_to_stranger, unbind, bind_again),
        [
            (P, 2, GONE, "person"),
            (S, 1, "available", "person"),
            (S, 2, GONE, "person"),
            (P, 3, "available", "person"),
        ],
    ),
    "withdrawn by a person": ((withdraw,), [(P, 2, GONE, "person")]),
    "withdrawn, whatever else is decided": ((withdraw, more_images, correct), [(P, 2, GONE, "person")]),
    "withdrawn and let back": ((withdraw, take_back), [(P, 2, GONE, "person"), (P, 3, "available", "person")]),
}


@pytest.mark.parametrize("steps", TABLE)
def test_each_thing_that_happens_makes_the_versions_that_it_takes_in_every_chart(scene: Outside, steps: str) -> None:
    acts, versions = TABLE[steps]
    for act in acts:
        act(scene)
        scene.run()
    assert shown(scene, "ehr") == [FIRST, *versions]
    assert shown(scene, OWN) == [FIRST, *versions]
    statuses = [one.status for one in kept(scene, "ehr") if one.reference == kept(scene, "ehr")[-1].reference]
    assert statuses[-1] in scene.statuses()


def test_a_merge_moves_the_entry_and_its_undo_withdraws_it_from_the_survivors_chart(scene: Outside) -> None:
    known_in_ehr(scene, MERGED.patient_id)
    say(scene.house, adt(renamed(MERGED, PLAIN.name, PLAIN.birth_date)), merge(MERGED, PLAIN, at="20260302113000"))
    scene.run()
    for server in ("ehr", OWN):
        before, after = kept(scene, server)
        assert (before.reference, after.status) == (after.reference, "available")
        assert before.subject != after.subject
    undo_merge(scene)
    scene.run()
    first, moved, ended, anew = kept(scene, OWN)
    assert (ended.reference, ended.subject, ended.status) == (moved.reference, moved.subject, GONE)
    assert (anew.subject, anew.status) == (first.subject, "available")
    assert anew.reference != ended.reference


def test_what_is_read_here_ends_with_the_decision_itself_and_its_subject_stays(scene: Outside) -> None:
    (before,) = kept(scene, OWN)
    unbind(scene)
    assert statuses_read_here(scene) == [GONE]
    now = kept(scene, OWN)[-1]
    assert (now.reference, now.subject) == (before.reference, before.subject)
    assert "endpoint" not in said(scene, OWN)[-1]


def test_a_study_bound_to_another_person_is_another_resource_at_once(scene: Outside) -> None:
    unbind(scene)
    bind_to_stranger(scene)
    scene.run()
    references = [one.reference for one in kept(scene, OWN)]
    assert references[0] == references[1] != references[2]
    assert statuses_read_here(scene) == [GONE, "available"]


def test_what_was_collected_before_a_withdrawal_is_not_served_after_it(scene: Outside) -> None:
    more_images(scene)
    withdraw(scene)
    assert statuses_read_here(scene) == [GONE]
    scene.run()
    assert statuses_read_here(scene) == [GONE]
    assert scene.statuses() == [GONE]


def test_a_withdrawal_is_made_once_and_taken_back_once(scene: Outside) -> None:
    with pytest.raises(Conflict, match="no withdrawal"):
        take_back(scene)
    withdraw(scene)
    with pytest.raises(Conflict, match="withdrawn already"):
        withdraw(scene)
    with pytest.raises(Conflict, match="take the withdrawal back"):
        charts(scene).publish(UID, "user:maria")
    take_back(scene)
    scene.run()
    assert scene.statuses() == ["available"]
    with scene.house.store.read() as tx:
        done = [row.action for row in audit.recent(tx, limit=50)]
    assert {"chart_withdrawn", "chart_withdrawal_undone"} <= set(done)


def test_an_unbound_study_is_neither_published_nor_withdrawn(scene: Outside) -> None:
    unbind(scene)
    for act in (withdraw, lambda one: charts(one).publish(UID, "user:maria")):
        with pytest.raises(Conflict, match="not bound"):
            act(scene)


def test_published_again_a_chart_that_lost_the_study_has_it_again(scene: Outside) -> None:
    (charted,) = scene.ehr.books.search("ImagingStudy", {})
    scene.ehr.books.delete("ImagingStudy", str(charted["id"]))
    assert charts(scene).publish(UID, "user:maria", "ehr") == ("ehr",)
    scene.run()
    assert scene.statuses() == ["available"]
    with pytest.raises(Malformed):
        charts(scene).publish(UID, "user:maria", "nowhere")


def test_published_again_what_was_given_up_goes_on_as_the_same_delivery(scene: Outside) -> None:
    scene.ehr.misbehave("422", methods=["PUT", "POST", "PATCH"])
    more_images(scene)
    scene.run()
    assert len(given_up(scene)) == 1
    scene.ehr.misbehave("422", 0)
    charts(scene).publish(UID, "user:maria")
    scene.run()
    assert given_up(scene) == []
    assert [one["numberOfInstances"] for one in said(scene, "ehr")] == [3, 5]


def given_up(scene: Outside) -> list[int]:
    with scene.house.store.read() as tx:
        return [one.key for one in deliveries.search(tx, DeliveryState.DEAD)]


def come(house: House, count: int, after: int) -> None:
    """Let so many images of the study come, each filed and announced as its arrival is."""
    study = study_of(house, "A1")
    with house.store.write() as tx:
        like = next(iter(studies.contents(tx, study.key).instances.values()))[0]
        for number in range(after, after + count):
            names = {"sop_instance_uid": f"{UID}.{number}", "blob": f"{number:064x}", "instance_number": number}
            studies.add_instance(tx, replace(like, received_at=house.clock.now(), **names), "CT1")
            studies.touch(tx, study.key, house.clock.now())
            announce.images_came(tx, studies.get(tx, study.key), house.destinations, house.clock.now())


def test_a_thousand_images_make_a_handful_of_versions_in_every_chart(scene: Outside) -> None:
    for burst in range(20):
        come(scene.house, 50, 100 + burst * 50)
        scene.clock.at += timedelta(seconds=2)
        scene.run_once()
    scene.run()
    for server in ("ehr", OWN):
        counts = [one["numberOfInstances"] for one in said(scene, server)]
        assert counts == [3, 1003]


@pytest.fixture
def coming(make_house: Callable[..., House]) -> Iterator[Outside]:
    """A clinic that announces, with PLAIN's first image bound a moment ago."""
    ehr = StrictEhr(version="R4").start()
    found = Outside(make_house, ehr, announces=True)
    say(found.house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), order(STRANGER, "A2"))
    receive(found.house, image(PLAIN, "A1", 1))
    found.run_once()
    yield found
    found.stop()
    ehr.stop()


def test_what_comes_in_is_registered_here_as_in_every_chart_and_available_once_it_is_whole(coming: Outside) -> None:
    receive(coming.house, image(PLAIN, "A1", 2), image(PLAIN, "A1", 3))
    coming.run_once()
    for server in ("ehr", OWN):
        assert [(one.number, one.status) for one in kept(coming, server)] == [(1, "registered")]
    assert "endpoint" not in said(coming, OWN)[0]
    coming.run()
    for server in ("ehr", OWN):
        assert [(one.number, one.status) for one in kept(coming, server)] == [(1, "registered"), (2, "available")]
        assert said(coming, server)[1]["numberOfInstances"] == 3


def test_what_was_available_stays_so_here_while_late_images_come(coming: Outside) -> None:
    coming.run()
    more_images(coming)
    coming.run_once()
    assert statuses_read_here(coming) == ["available"]
    with coming.house.store.read() as tx:
        assert served.unfinished(tx, coming.clock.at - timedelta(seconds=20)) == {}
    coming.run()
    assert [one["numberOfInstances"] for one in said(coming, OWN)[1:]] == [1, 3]


def test_what_was_registered_in_the_wrong_chart_ends_there_and_begins_in_the_right_one(coming: Outside) -> None:
    unbind(coming)
    assert statuses_read_here(coming) == [GONE]
    bind_to_stranger(coming)
    coming.run_once()
    assert statuses_read_here(coming) == [GONE, "registered"]
    coming.run()
    assert statuses_read_here(coming) == [GONE, "available"]

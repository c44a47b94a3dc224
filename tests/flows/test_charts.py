"""What each chart has of a study, version by version, after whatever may happen to it: never more than it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge.domain.chart import OWN, Cause, ChartVersion
from bridge.errors import Conflict, Malformed
from bridge.flows.change_chart import ChartDesk
from bridge.flows.correct_study import Correction, StudyCorrector
from bridge.flows.resolve_mismatch import Ruling
from bridge.flows.undo_merge import MergeUndoer
from bridge.store import audit, chart_versions, deliveries, patients
from bridge.store.deliveries import DeliveryState
from bridge.store.tables import merges
from bridge.wiring import House
from samples.strict_ehr import StrictEhr
from tests.cast import MERGED, PLAIN, STRANGER, adt, image, merge, order, renamed, study_uid
from tests.flows.asking import say
from tests.flows.test_images import receive, resolver, study_of
from tests.flows.test_rejected_outside import SYSTEM, Outside
from tests.flows.test_rejections import desk, note

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
    return ChartDesk(scene.house.store, scene.house.clock, scene.house.destinations)


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


def merge_patient(scene: Outside) -> None:
    known_in_ehr(scene, MERGED.patient_id)
    say(scene.house, adt(renamed(MERGED, PLAIN.name, PLAIN.birth_date)), merge(MERGED, PLAIN, at="20260302113000"))


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

"""What does not fit a study's order stands where people see it, until somebody looked or it fits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path

import pydicom
import pytest

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.domain.study import Study
from bridge.mapping.checklist import load_checklist
from bridge.store import audit, looks, studies
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, spooled, study_uid
from tests.conftest import ROOT
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say, study_by_uid

# What is compared does not depend on the database; how it is kept does, and both are asked below.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CORPUS = ROOT.parent / "shared" / "corpus" / "dicom"


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    return Console(make_house(FixedClock(AT)))


def send(
    console: Console, number: int = 1, body_part: str = "CHEST", laterality: str = "", accession: str = "A1"
) -> Study:
    """Let one image come, with what a study whose order is of the chest may say."""
    one = image(PLAIN, accession, number)
    one.BodyPartExamined = body_part
    if laterality:
        one.ImageLaterality = laterality
    console.house.instances.receive(spooled(console.house, one, "CT1"))
    return study_by_uid(console.store, study_uid(accession))


def rest(console: Console) -> None:
    """Let the images rest, and everything be looked at that is due."""
    console.clock.at += timedelta(hours=1)
    while console.house.exam_watch.work():
        pass


def kept(console: Console, study: Study) -> dict[str, str]:
    with console.store.read() as tx:
        return {one.subject: one.sentence for one in looks.of_study(tx, study.key).values() if one.seen_at is None}


def test_a_bound_study_that_does_not_fit_is_listed_until_somebody_looked(console: Console) -> None:
    say(console.house, adt(PLAIN), order(PLAIN, "A1"))
    study = send(console, body_part="KNEE", laterality="L")
    assert study.is_bound
    rest(console)
    said = "The images are of the knee, the order is of the chest."
    assert kept(console, study) == {"body_part": said}
    machine, browser = console.machine(Role.INTAKE), console.browser(Role.INTAKE)
    (row,) = machine.get("/api/looks").json["looks"]
    assert (row["subject"], row["sentence"], row["accession_number"]) == ("body_part", said, "A1")
    assert "Bound, but look" in browser.get("/mismatches").text
    assert said in browser.get("/mismatches/looks").text
    page = browser.get(f"/studies/{study.key}").text
    assert said in page
    token = console.form_token(browser)
    form = {"csrf_token": token, "subject": "body_part", "remark": "the knee was added by phone"}
    assert browser.post(f"/studies/{study.key}/looked", data=form).status_code == 303
    assert kept(console, study) == {}
    assert machine.get("/api/looks").json["looks"] == []
    assert "the knee was added by phone" in browser.get(f"/studies/{study.key}").text
    assert machine.post(f"/api/studies/{study_uid('A1')}/looked", json={"subject": "body_part"}).status_code == 409
    with console.store.read() as tx:
        assert [one.action for one in audit.recent(tx, limit=50) if one.action == "study_looked_at"]


def test_a_change_of_the_order_compares_again(console: Console) -> None:
    say(console.house, adt(PLAIN), order(PLAIN, "A1"))
    study = send(console, body_part="ABDOMEN")
    rest(console)
    assert list(kept(console, study)) == ["body_part"]
    changed = order(PLAIN, "A1", "XO", at="20260302120000").replace(b"CT CHEST WITH CONTRAST", b"CT CHEST AND ABDOMEN")
    say(console.house, changed)
    rest(console)
    assert kept(console, study) == {}


def test_a_late_image_of_the_other_side_is_seen_once_the_study_rests(console: Console) -> None:
    ordered = order(PLAIN, "A1").replace(b"71260^CT CHEST WITH CONTRAST", b"73721^MR KNEE RIGHT")
    say(console.house, adt(PLAIN), ordered)
    study = send(console, 1, "KNEE", "R")
    rest(console)
    assert kept(console, study) == {}
    send(console, 2, "KNEE", "L")
    rest(console)
    assert kept(console, study) == {"laterality": "The order asks for right, the images say both sides."}


@ON_SQLITE
def test_a_case_shows_its_checklist_and_the_queue_what_to_look_at(console: Console) -> None:
    say(console.house, adt(STRANGER), order(STRANGER, "A1"))
    study = send(console, body_part="KNEE")
    assert not study.is_bound
    said = "The images are of the knee, the order is of the chest."
    (row,) = console.machine(Role.INTAKE).get("/api/mismatches").json["mismatches"]
    assert row["looks"] == {"body_part": said}
    browser = console.browser(Role.INTAKE)
    assert said in browser.get("/mismatches").text
    case = browser.get(f"/mismatches/study/{study.key}").text
    assert "Import checklist" in case
    whole = console.machine(Role.INTAKE).get(f"/api/studies/{study_uid('A1')}").json["checklist"]
    by_subject = {one["subject"]: one for one in whole}
    assert by_subject["identity"]["finding"] == "look"
    assert by_subject["body_part"] == {
        "subject": "body_part", "finding": "look", "sentence": said, "images": "knee", "order": "chest",
    }  # fmt: skip


@ON_SQLITE
def test_nothing_is_held_back_by_a_checklist(console: Console) -> None:
    say(console.house, adt(PLAIN), order(PLAIN, "A1"))
    study = send(console, body_part="KNEE", laterality="L")
    before = study.state, study.binding_version
    rest(console)
    with console.store.read() as tx:
        after = studies.get(tx, study.key)
    assert (after.state, after.binding_version) == before


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real files is not here")
def test_every_body_part_of_real_files_is_known_and_agrees_with_what_they_are_called() -> None:
    parts = load_checklist(ROOT / "mappings", None, UTC).body_parts
    unknown, torn = set(), []
    for path in sorted(CORPUS.rglob("*.dcm")):
        try:
            found = pydicom.dcmread(
                path, stop_before_pixels=True, specific_tags=["BodyPartExamined", "StudyDescription"]
            )
        except pydicom.errors.InvalidDicomError:
            continue
        said = str(found.get("BodyPartExamined") or "")
        named, described = parts.named_in([said]), parts.named_in([str(found.get("StudyDescription") or "")])
        unknown |= {said} if said and not named else set()
        if named and described and not any(parts.may_be_same(one, other) for one in named for other in described):
            torn.append((Path(path).name, said))
    # Which extremity it is, that value does not say.
    assert (unknown, torn) == ({"EXTREMITY"}, [])

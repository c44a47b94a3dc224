"""The study's page, its images and tags; who is shown what; and pictures beside a case and an exam."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from PIL import Image
from pydicom.dataset import Dataset

from bridge.clock import FixedClock
from bridge.domain.accounts import Role
from bridge.flows.keep_pictures import forget_absent, is_here
from bridge.pictures.gallery import Pictures
from bridge.pictures.pool import DecoderPool
from bridge.store import audit, objects, retention
from bridge.wiring import House
from tests.cast import MULTI_BYTE, PLAIN, adt, image, order, renamed, spooled, study_uid
from tests.fakes.clinic import AT
from tests.fakes.console import Console
from tests.flows.asking import say, study_by_uid

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SHOWN = re.compile(r'src="(/studies/[^"]+/picture[^"]*)"')


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    made = DecoderPool(1)
    yield made
    made.close()


@pytest.fixture
def desk(make_house: Callable[..., House], pool: DecoderPool, tmp_path: Path) -> Console:
    house = make_house(FixedClock(AT))
    is_shown = partial(is_here, house.store)
    return Console(house, Pictures(house.blobs, pool, tmp_path / "kept", is_here=is_shown))


def arrive(desk: Console, *objects: Dataset) -> int:
    """Let CT1 store objects of A1, and return their study's row."""
    for one in objects:
        desk.house.instances.receive(spooled(desk.house, one))
    return study_by_uid(desk.store, study_uid("A1")).key


def bound(desk: Console) -> int:
    say(desk.house, adt(PLAIN), order(PLAIN, "A1"))
    return arrive(desk, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2), image(PLAIN, "A1", 1, series=2))


def unbound(desk: Console) -> int:
    return arrive(desk, image(PLAIN, "A1"))


def looks(desk: Console) -> list[str]:
    with desk.store.read() as tx:
        return [row.action for row in audit.recent(tx, limit=50)]


def first_picture(page: str) -> str:
    found = SHOWN.search(page)
    assert found is not None
    return found.group(1).replace("&amp;", "&")


def browse(desk: Console, role: Role) -> FlaskClient:
    return desk.browser(role)


def test_a_study_shows_its_series_with_counts_and_a_picture_of_each(desk: Console) -> None:
    key = bound(desk)
    viewer = browse(desk, Role.VIEWER)
    page = viewer.get(f"/studies/{key}").text
    assert "Halvorsen, Ingrid" in page or "HALVORSEN, INGRID" in page
    assert "2 objects" in page
    assert len(SHOWN.findall(page)) == 2
    answer = viewer.get(first_picture(page))
    assert (answer.status_code, answer.content_type) == (200, "image/png")
    assert answer.headers["Cache-Control"] == "no-store"
    assert Image.open(io.BytesIO(answer.data)).size == (8, 4)


@sqlite
def test_a_look_at_a_page_is_one_audit_row_and_its_pictures_none(desk: Console) -> None:
    key = bound(desk)
    viewer = browse(desk, Role.VIEWER)
    before = looks(desk).count("study_viewed")
    page = viewer.get(f"/studies/{key}").text
    for address in SHOWN.findall(page):
        viewer.get(address.replace("&amp;", "&"))
    assert looks(desk).count("study_viewed") == before + 1
    assert set(looks(desk)) >= {"study_viewed"}


@sqlite
def test_a_picture_is_handed_only_to_the_browser_that_was_shown_its_page(desk: Console) -> None:
    key = bound(desk)
    address = first_picture(browse(desk, Role.VIEWER).get(f"/studies/{key}").text)
    other = browse(desk, Role.BILLING)
    assert other.get(address).status_code == 404
    assert other.get(address.partition("?")[0]).status_code == 404
    assert desk.app.test_client().get(address).status_code == 303


@sqlite
def test_an_unbound_study_is_for_the_intake_desk_alone(desk: Console) -> None:
    key = unbound(desk)
    assert browse(desk, Role.VIEWER).get(f"/studies/{key}").status_code == 403
    assert browse(desk, Role.BILLING).get(f"/studies/{key}/images/1").status_code == 403
    intake = browse(desk, Role.INTAKE)
    page = intake.get(f"/studies/{key}").text
    assert "Not bound to anybody" in page
    assert intake.get(first_picture(page)).content_type == "image/png"


@sqlite
def test_it_sees_state_and_counts_but_no_patient_and_no_picture(desk: Console) -> None:
    key = bound(desk)
    people = browse(desk, Role.IT)
    page = people.get(f"/studies/{key}").text
    assert "3 objects" in page
    assert not SHOWN.search(page)
    for secret in (PLAIN.patient_id, "Ingrid", "INGRID", "A1<", study_uid("A1")):
        assert secret not in page
    assert people.get(f"/studies/{key}/images/1").status_code == 403
    assert people.get(f"/studies/{key}/images/1/tags").status_code == 403


def test_an_image_page_leads_to_its_neighbours_and_frames(desk: Console) -> None:
    say(desk.house, adt(PLAIN), order(PLAIN, "A1"))
    many = image(PLAIN, "A1", 2)
    many.NumberOfFrames, many.PixelData = 3, many.PixelData * 3
    key = arrive(desk, image(PLAIN, "A1", 1), many, image(PLAIN, "A1", 3))
    viewer = browse(desk, Role.VIEWER)
    page = viewer.get(f"/studies/{key}/images/2").text
    assert "Image 2 of 3" in page
    assert 'frame <span id="frame-number">2</span> of 3' in page
    assert f'href="/studies/{key}/images/1"' in page
    assert f'href="/studies/{key}/images/2?frame=3"' in page
    last = viewer.get(f"/studies/{key}/images/2?frame=3").text
    assert viewer.get(first_picture(last)).content_type == "image/png"
    assert "frame=4" not in last


@sqlite
def test_a_window_that_is_chosen_stays_from_image_to_image(desk: Console) -> None:
    key = bound(desk)
    page = browse(desk, Role.VIEWER).get(f"/studies/{key}/images/1?center=40&width=400").text
    assert ">Soft tissue</a>" in page
    assert re.search(r'aria-current="true">Soft tissue', page)
    assert f'href="/studies/{key}/images/2?center=40&amp;width=400"' in page


@pytest.mark.parametrize(
    ("wrong", "status"), [("frame=x", 400), ("center=nan&width=4", 400), ("center=1&width=0", 422)]
)
@sqlite
def test_a_window_or_frame_that_makes_no_sense_is_an_error_of_the_caller(
    desk: Console, wrong: str, status: int
) -> None:
    key = bound(desk)
    assert browse(desk, Role.VIEWER).get(f"/studies/{key}/images/1?{wrong}").status_code == status


@sqlite
def test_an_object_without_a_picture_says_why_in_its_place(desk: Console) -> None:
    say(desk.house, adt(PLAIN), order(PLAIN, "A1"))
    report = image(PLAIN, "A1")
    report.SOPClassUID, report.Modality = "1.2.840.10008.5.1.4.1.1.88.22", "SR"
    del report.PixelData
    key = arrive(desk, report)
    viewer = browse(desk, Role.VIEWER)
    answer = viewer.get(first_picture(viewer.get(f"/studies/{key}").text))
    assert answer.content_type.startswith("image/svg+xml")
    assert "structured" in answer.text
    assert "No picture: a structured report." in viewer.get(f"/studies/{key}/images/1").text


@sqlite
def test_tags_stand_as_received_beside_what_they_are_when_they_leave(desk: Console) -> None:
    say(desk.house, adt(PLAIN), order(PLAIN, "A1"))
    key = arrive(desk, image(renamed(PLAIN, "HALVORSEN^INGRD"), "A1"))
    viewer = browse(desk, Role.VIEWER)
    every = viewer.get(f"/studies/{key}/images/1/tags").text
    changed = viewer.get(f"/studies/{key}/images/1/tags?show=changed").text
    assert "Body Part Examined" in every
    assert "Body Part Examined" not in changed
    for page in (every, changed, viewer.get(f"/studies/{key}").text):
        assert "HALVORSEN^INGRD" in page
        assert "HALVORSEN^INGR<mark>I</mark>D" in page


@sqlite
def test_of_an_unbound_study_no_tag_leaves(desk: Console) -> None:
    key = unbound(desk)
    page = browse(desk, Role.INTAKE).get(f"/studies/{key}/images/1/tags").text
    assert "does not leave" in page
    assert PLAIN.patient_id in page


def test_what_was_kept_aside_stands_beside_what_stays(desk: Console) -> None:
    key = bound(desk)
    other = image(MULTI_BYTE, "A1", 1, pixels=b"\7\1" * 32)
    with pytest.raises(Exception, match="other content"):
        desk.house.instances.receive(spooled(desk.house, other))
    intake = browse(desk, Role.INTAKE)
    page = intake.get(f"/studies/{key}").text
    assert "Kept aside" in page
    found = re.search(r'src="(/studies/\d+/set-aside/[^"]+)"', page)
    assert found is not None
    assert intake.get(found.group(1)).content_type == "image/png"
    viewer = browse(desk, Role.VIEWER)
    assert "set-aside" not in viewer.get(f"/studies/{key}").text
    assert viewer.get(found.group(1)).status_code == 403


@sqlite
def test_a_case_and_an_exam_show_their_pictures(desk: Console) -> None:
    key = unbound(desk)
    intake = browse(desk, Role.INTAKE)
    assert SHOWN.search(intake.get(f"/mismatches/study/{key}").text)
    say(desk.house, adt(PLAIN), order(PLAIN, "A1"))
    exam = browse(desk, Role.VIEWER).get("/exams/A1").text
    assert SHOWN.search(exam)
    assert f'href="/studies/{key}"' in exam


@sqlite
def test_an_object_that_cannot_be_read_now_does_not_take_its_page_down(desk: Console) -> None:
    key = bound(desk)
    for blob in desk.house.blobs.folder.glob("objects/*/*"):
        blob.unlink()
    viewer = browse(desk, Role.VIEWER)
    page = viewer.get(f"/studies/{key}")
    assert page.status_code == 200
    assert "cannot be read now" in page.text
    assert viewer.get(first_picture(page.text)).content_type.startswith("image/svg+xml")


@sqlite
def test_no_study_or_image_that_is_not_there_is_found(desk: Console) -> None:
    key = bound(desk)
    viewer = browse(desk, Role.VIEWER)
    for address in (f"/studies/{key + 99}", f"/studies/{key}/images/999", f"/studies/{key}/images/999/tags"):
        assert viewer.get(address).status_code == 404


@pytest.mark.parametrize("what_happened", ["removed", "damaged"])
@sqlite
def test_pictures_of_what_is_gone_are_shown_to_nobody_and_forgotten(desk: Console, what_happened: str) -> None:
    key = bound(desk)
    viewer, pictures = browse(desk, Role.VIEWER), desk.services.pictures
    assert pictures is not None
    address = first_picture(viewer.get(f"/studies/{key}").text)
    assert viewer.get(address).content_type == "image/png"
    (shown,) = pictures.kept()
    with desk.store.write() as tx:
        if what_happened == "removed":
            retention.put_removed(tx, key, AT)
        else:
            objects.put_damaged(tx, shown, "changed", AT)
    assert forget_absent(desk.store, pictures) == 1
    assert list(pictures.kept()) == []
    assert viewer.get(address).content_type.startswith("image/svg+xml")
    assert list(pictures.kept()) == []

"""Lossy, burned-in and undisplayable images are flagged where people see them."""

from __future__ import annotations

from bridge.domain.accounts import Role
from bridge.store import studies
from tests.cast import PLAIN, adt, image, order, spooled, study_uid
from tests.fakes.console import Console
from tests.flows.asking import say

UID = study_uid("A1")


def test_images_to_be_careful_with_are_flagged_on_every_page_and_over_rest(console: Console) -> None:
    reason = "DG1|1||C50.911^Malignant neoplasm of breast^I10\r"
    say(console.house, adt(PLAIN), order(PLAIN, "A1", extra=reason))
    lossy, marked, empty = (image(PLAIN, "A1", number) for number in (1, 2, 3))
    lossy.LossyImageCompression = "01"
    marked.BurnedInAnnotation = "YES"
    del empty.PixelData
    for one in (lossy, marked, empty):
        one.Rows, one.Columns, one.BitsAllocated, one.SamplesPerPixel = 4, 4, 8, 1
        console.house.instances.receive(spooled(console.house, one, "CT1"))
    said = console.machine(Role.INTAKE).get(f"/api/studies/{UID}").json["warnings"]
    kinds = [(one["kind"], one["instances"], one["grave"]) for one in said]
    assert kinds == [("lossy_follow_up", 1, True), ("burned_in", 1, True), ("no_pixels", 1, True), ("lossy", 1, False)]
    (on_exam,) = console.machine(Role.VIEWER).get("/api/exams/A1").json["studies"]
    assert on_exam["warnings"] == {"lossy": 1, "burned_in": 1, "no_pixels": 1}
    browser = console.browser(Role.INTAKE)
    exam = browser.get("/exams/A1", follow_redirects=True).get_data(as_text=True)
    assert "oncology exam with lossy images" in exam
    assert "a name burned in there cannot be corrected" in exam
    with console.store.read() as tx:
        study = studies.by_uid(tx, UID)
    assert study is not None
    case = browser.get(f"/mismatches/study/{study.key}").get_data(as_text=True)
    assert "nothing can be displayed" in case


def test_an_unbound_study_s_warnings_stand_in_the_queue(console: Console) -> None:
    stray = image(PLAIN, "A1")
    stray.LossyImageCompression = "01"
    console.house.instances.receive(spooled(console.house, stray, "CT1"))
    (row,) = console.machine(Role.INTAKE).get("/api/mismatches").json["mismatches"]
    assert row["warnings"] == {"lossy": 1}
    assert "lossy" in console.browser(Role.INTAKE).get("/mismatches").get_data(as_text=True)


def test_every_object_of_a_study_is_warned_of_on_its_page_and_the_exam_s(console: Console) -> None:
    say(console.house, adt(PLAIN), order(PLAIN, "A1"))
    plain, lossy = image(PLAIN, "A1", 1), image(PLAIN, "A1", 2)
    lossy.LossyImageCompression = "01"
    for one in (plain, lossy):
        console.house.instances.receive(spooled(console.house, one, "CT1"))
    with console.store.read() as tx:
        study = studies.by_uid(tx, UID)
    assert study is not None
    sentence = "1 of 2 images is lossy compressed"
    for address in (f"/studies/{study.key}", "/exams/A1"):
        assert sentence in console.browser(Role.VIEWER).get(address, follow_redirects=True).text
    assert sentence not in console.browser(Role.IT).get(f"/studies/{study.key}").text

"""What a payer's checklist asks for is filled from results, notes and key images, and goes along in the packet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.building.destinations import packet_ground
from bridge.clock import FixedClock
from bridge.domain.attachment import AttachmentKind
from bridge.domain.evidence_needs import Need, NeedRow
from bridge.domain.packet import PacketFile
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.offer_evidence import EvidenceDesk
from bridge.pictures.pool import DecoderPool
from bridge.store import authorization_gaps, authorizations
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, adt, document, lab, merge, study_uid
from tests.conftest import ROOT
from tests.flows.asking import say, typed_authorization
from tests.flows.test_authorization_news import look
from tests.flows.test_packets import attach, clinic, enclosed, newest, open_file, text_of, versions, work
from tests.flows.test_reports import undo
from tests.unit.codecs.pdf.test_received_pdf import pdf

MakeHouse = Callable[..., House]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

CHECKLISTS = """
schema = 1
[evidence]
chest = { payers = ["60054"], modalities = ["CT"], regions = ["chest"], needs = ["labs", "key-images", "office-note"], labs_days = 30 }
knee = { payers = ["60054"], regions = ["knee"], needs = ["order"] }
"""


@pytest.fixture
def house(make_house: MakeHouse, decoders: DecoderPool, tmp_path: Path) -> House:
    """A house with a reported CT of the chest, and a payer who asks for more than that."""
    folder = tmp_path / "mappings"
    shutil.copytree(ROOT / "samples" / "mappings", folder)
    (folder / "authorizations.toml").write_text(CHECKLISTS, "utf-8")
    return clinic(make_house, decoders, bridge={"data": tmp_path / "data", "mappings": folder, "time_zone": "UTC"})


def enter(house: House) -> int:
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    return entry.enter(typed_authorization("PA1", PLAIN, "A1"), "user:bill")


def row(house: House, key: int, need: Need) -> NeedRow:
    with house.store.read() as tx:
        rows = EvidenceDesk(house.rules, packet_ground(house)).gaps(tx, authorizations.get(tx, key), house.clock.now())
    return next(one for one in rows if one.need == need)


def test_the_checklist_of_modality_and_region_counts(house: House) -> None:
    key = enter(house)
    with house.store.read() as tx:
        rows = EvidenceDesk(house.rules, packet_ground(house)).gaps(tx, authorizations.get(tx, key), house.clock.now())
    assert [one.need for one in rows] == [Need.LABS, Need.KEY_IMAGES, Need.OFFICE_NOTE]


@pytest.mark.parametrize(
    ("person", "status", "observed", "is_met"),
    [
        (PLAIN, "F", "20260301080000", True),
        (PLAIN, "C", "20260301080000", True),
        (PLAIN, "P", "20260301080000", False),
        (PLAIN, "D", "20260301080000", False),
        (PLAIN, "F", "20260101080000", False),
        (STRANGER, "F", "20260301080000", False),
    ],
)
def test_a_final_result_of_the_person_that_is_fresh_satisfies(
    house: House, person: object, status: str, observed: str, is_met: bool
) -> None:
    key = enter(house)
    say(house, lab(person, status=status, observed=observed))  # type: ignore[arg-type]
    found = row(house, key, Need.LABS)
    assert found.is_met == is_met
    assert found.by == (("creatinine 1.1 mg/dL of 2026-03-01",) if is_met else ())


def test_a_result_that_comes_later_fills_the_list_of_what_is_missing(house: House) -> None:
    key = enter(house)

    def missing() -> tuple[Need, ...]:
        look(house)
        with house.store.read() as tx:
            return authorization_gaps.of_authorizations(tx, [key]).get(key, ())

    say(house, adt(NEAR_TWIN), lab(NEAR_TWIN))
    assert Need.LABS in missing()
    say(house, merge(PLAIN, NEAR_TWIN))
    assert Need.LABS not in missing()
    undo(house)
    assert Need.LABS in missing()
    say(house, lab(PLAIN))
    assert Need.LABS not in missing()
    assert isinstance(house.clock, FixedClock)
    house.clock.at += timedelta(days=40)
    assert Need.LABS in missing()


def test_key_images_that_somebody_chose_satisfy_and_representatives_do_not(house: House) -> None:
    key = enter(house)
    attacher = ImageAttacher(house.store, house.clock, house.destinations)
    attacher.attach(key, study_uid("A1"), [AttachmentKind.PDF], (), actor="user:bill")
    assert "nobody chose or marked" in row(house, key, Need.KEY_IMAGES).gap


def test_chosen_images_satisfy(house: House) -> None:
    made = attach(house, instances=(f"{study_uid('A1')}.1.2", f"{study_uid('A1')}.2.1"))
    assert row(house, made.authorization_key, Need.KEY_IMAGES).by == ("2 key images",)


def test_a_wanted_result_goes_along_and_a_correction_makes_a_new_version(house: House) -> None:
    say(house, lab(PLAIN))
    made = attach(house)
    work(house)
    assert "creatinine 1.1 mg/dL" in text_of(open_file(house, made))
    say(house, lab(PLAIN, "1.4", "C", at="20260302130000"))
    work(house)
    assert versions(house, made) == [2, 1]
    labs = json.loads(open_file(house, made, PacketFile.MANIFEST))["labs"]
    assert labs == [{"observed_on": "2026-03-01", "words": "creatinine 1.4 mg/dL"}]


@pytest.mark.parametrize(
    ("said", "is_met"),
    [
        (document(PLAIN), True),
        (document(PLAIN, completion="IP"), False),
        (document(PLAIN, written="20250101090000"), False),
        (document(PLAIN, kind="DS^Discharge summary^HL70270"), False),
        (document(PLAIN, trigger="T06", parent="D0^OFFICE"), False),
        (document(STRANGER), False),
        (document(PLAIN, ""), False),
    ],
)
def test_a_signed_note_of_the_person_that_is_fresh_satisfies(house: House, said: bytes, is_met: bool) -> None:
    key = enter(house)
    say(house, said)
    found = row(house, key, Need.OFFICE_NOTE)
    assert found.is_met == is_met
    assert found.by == (("History and physical of 2026-02-20",) if is_met else ())


def test_the_newest_wanted_note_goes_along_with_its_addendum_and_document_until_it_is_cancelled(house: House) -> None:
    say(house, document(PLAIN, "An older visit.", number="D0", written="20260101090000"))
    say(
        house,
        document(PLAIN, extra=enclosed(pdf("Scanned office page"))),
        document(PLAIN, "Pain is worse.", "T06", number="D2", parent="D1^OFFICE"),
    )
    made = attach(house)
    work(house)
    text = text_of(open_file(house, made))
    assert [each in text for each in ("Back pain for six weeks.", "Pain is worse.", "An older visit.")] == [
        True,
        True,
        False,
    ]
    assert text.rstrip().endswith("Scanned office page")
    manifest = json.loads(open_file(house, made, PacketFile.MANIFEST))
    assert [(one["title"], one["issued_on"]) for one in manifest["notes"]] == [
        ("History and physical", "20260220"),
        ("History and physical, addendum", "20260220"),
    ]
    say(house, document(PLAIN, trigger="T11", at="20260302130000"))
    work(house)
    assert versions(house, made) == [2, 1]
    assert "An older visit." in text_of(open_file(house, made))


def test_a_result_that_nobody_wants_stays_out(make_house: MakeHouse, decoders: DecoderPool) -> None:
    house = clinic(make_house, decoders)
    say(house, lab(PLAIN))
    made = attach(house)
    work(house)
    assert (newest(house, made).version, json.loads(open_file(house, made, PacketFile.MANIFEST))["labs"]) == (1, [])
    say(house, lab(PLAIN, "1.4", "C", at="20260302130000"))
    work(house)
    assert versions(house, made) == [1]


@pytest.mark.parametrize("is_met", [False, True])
def test_what_is_of_a_day_to_come_satisfies_nothing(house: House, is_met: bool) -> None:
    day = "20260302" if is_met else "20620301"
    key = enter(house)
    say(house, lab(PLAIN, observed=f"{day}080000"), document(PLAIN, written=f"{day}090000"))
    assert [row(house, key, need).is_met for need in (Need.LABS, Need.OFFICE_NOTE)] == [is_met, is_met]


def test_what_came_by_a_merge_leaves_the_packet_when_that_is_undone(house: House) -> None:
    say(house, adt(NEAR_TWIN), lab(NEAR_TWIN), document(NEAR_TWIN, "Of the twin."), merge(PLAIN, NEAR_TWIN))
    made = attach(house)
    work(house)
    text = text_of(open_file(house, made))
    assert ("creatinine" in text, "Of the twin." in text) == (True, True)
    undo(house)
    work(house)
    text = text_of(open_file(house, made))
    assert ("creatinine" in text, "Of the twin." in text) == (False, False)

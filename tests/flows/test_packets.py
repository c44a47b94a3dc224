"""A packet for a payer is put together by the worker, version by version, and handed out while its binding stands."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO

import pydicom
import pytest
from pypdf import PdfReader
from sqlalchemy import update

from bridge.building.destinations import packet_ground, publishers
from bridge.clock import FixedClock
from bridge.domain.attachment import AttachmentKind, AttachmentState, ClaimAttachment
from bridge.domain.authorization import AuthorizationLine
from bridge.domain.evidence_needs import Need
from bridge.domain.identifiers import PatientIdentifier, digest_of
from bridge.domain.packet import PacketFile
from bridge.errors import Conflict, Incomplete
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.offer_evidence import EvidenceDesk
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.flows.serve_packet import PacketShelf, WantedPacket
from bridge.outbox.worker import Worker
from bridge.pictures.pool import DecoderPool
from bridge.store import audit, authorizations, packets
from bridge.store.packets import KeptPacket
from bridge.store.tables import instances
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, report, spooled, study_uid
from tests.flows.asking import say, typed_authorization
from tests.flows.test_rejections import note
from tests.unit.codecs.pdf.test_received_pdf import pdf

MakeHouse = Callable[..., House]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def house(make_house: MakeHouse, decoders: DecoderPool) -> House:
    """A house with a CT of two series of three images that is bound and reported."""
    return clinic(make_house, decoders)


def clinic(make_house: MakeHouse, decoders: DecoderPool, **sections: object) -> House:
    found = make_house(FixedClock(datetime(2026, 3, 2, 18, 0, tzinfo=UTC)), **sections)
    found.decoders = decoders
    say(found, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"))
    for series in (1, 2):
        for number in (1, 2, 3):
            receive(found, image(PLAIN, "A1", number, series=series))
    say(found, report(PLAIN, "A1"))
    return found


def receive(house: House, dataset: pydicom.Dataset) -> None:
    house.instances.receive(spooled(house, dataset, "CT1"))


def attach(house: House, number: str = "PA1", instances: tuple[str, ...] = ()) -> ClaimAttachment:
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    key = entry.enter(typed_authorization(number, PLAIN, "A1"), "user:bill")
    attacher = ImageAttacher(house.store, house.clock, house.destinations)
    (made,) = attacher.attach(key, study_uid("A1"), [AttachmentKind.PDF], instances, actor="user:bill")
    return made


def work(house: House) -> None:
    """Let the worker do what is due for packets."""
    mine = [one for one in publishers(house) if one.topic == "packet"]
    Worker(house.store, house.clock, mine, owner="test", jitter=lambda: 0.5).run_due()


def newest(house: House, made: ClaimAttachment) -> KeptPacket:
    with house.store.read() as tx:
        found = packets.newest(tx, made.key)
    assert found is not None
    return found


def versions(house: House, made: ClaimAttachment) -> list[int]:
    with house.store.read() as tx:
        return [one.version for one in packets.versions(tx, made.key)]


def open_file(house: House, made: ClaimAttachment, kind: PacketFile = PacketFile.DOCUMENT, version: int = 0) -> bytes:
    shelf = PacketShelf(house.store, house.blobs, house.clock)
    wanted = WantedPacket(made.authorization_key, made.key, kind, version)
    return shelf.open(wanted, "user:bill", "127.0.0.1").content


def text_of(document: bytes) -> str:
    return " ".join(" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(document)).pages)


def state_of(house: House, made: ClaimAttachment) -> ClaimAttachment:
    with house.store.read() as tx:
        return authorizations.get_attachment(tx, made.key)


def rule(house: House, action: str, **on: PatientIdentifier | str) -> None:
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(study_uid("A1"), Ruling(action, "looked again", "user:maria", **on))  # type: ignore[arg-type]


def test_trap_14_a_packet_holds_the_report_and_an_image_of_each_series_never_the_study(house: House) -> None:
    made = attach(house)
    work(house)
    said = text_of(open_file(house, made))
    for words in ("PA1", "No acute finding.", "representative", "image 2", "window", study_uid("A1")):
        assert words in said
    kept = newest(house, made)
    assert (kept.version, kept.reports, kept.pictures) == (1, 1, 2)


def test_who_chose_images_by_hand_gets_these_alone(house: House) -> None:
    chosen = f"{study_uid('A1')}.2.3"
    made = attach(house, instances=(chosen,))
    work(house)
    manifest = json.loads(open_file(house, made, PacketFile.MANIFEST))
    assert [(one["sop_instance_uid"], one["chosen_by"]) for one in manifest["pictures"]] == [(chosen, "person")]
    assert "chosen by hand" in text_of(open_file(house, made))


def test_the_key_object_document_names_the_images_as_the_patient_is_on_record(house: House) -> None:
    made = attach(house)
    work(house)
    said = pydicom.dcmread(BytesIO(open_file(house, made, PacketFile.KEY_OBJECTS)))
    (title,) = said.ConceptNameCodeSequence
    (study,) = said.CurrentRequestedProcedureEvidenceSequence
    named = [
        one.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    ]
    assert (title.CodeValue, said.PatientID, said.Modality) == ("113030", PLAIN.patient_id, "KO")
    assert named == [f"{study_uid('A1')}.{series}.2" for series in (1, 2)]


def test_the_same_evidence_makes_no_new_version_and_changed_evidence_makes_one(house: House) -> None:
    made = attach(house)
    work(house)
    first = open_file(house, made)
    attach_again(house, made)
    work(house)
    assert versions(house, made) == [1]
    say(house, report(PLAIN, "A1", "C", at="20260302130000", text="A nodule of 8 mm."))
    work(house)
    assert versions(house, made) == [2, 1]
    assert "A nodule of 8 mm." in text_of(open_file(house, made))
    assert open_file(house, made, version=1) == first


def attach_again(house: House, made: ClaimAttachment) -> None:
    attacher = ImageAttacher(house.store, house.clock, house.destinations)
    attacher.attach(made.authorization_key, study_uid("A1"), [AttachmentKind.PDF], actor="user:bill")


def test_a_packet_is_handed_out_no_more_once_its_study_is_nobody_s(house: House) -> None:
    made = attach(house)
    work(house)
    open_file(house, made)
    rule(house, "unbind")
    with pytest.raises(Conflict):
        open_file(house, made)
    assert state_of(house, made).detail == "had already been sent: the study's patient is in question"
    rule(house, "bind", accession_number="A1")
    with pytest.raises(Conflict):
        open_file(house, made)
    work(house)
    assert newest(house, made).version == 2
    assert "No acute finding." in text_of(open_file(house, made))
    with pytest.raises(Conflict):
        open_file(house, made, version=1)


def test_trap_10_a_packet_that_its_payer_would_not_take_says_what_is_too_large(
    make_house: MakeHouse, decoders: DecoderPool
) -> None:
    small = [{"name": "tiny", "id": "60054", "max_packet_mb": 0.001}]
    found = clinic(make_house, decoders, payers=small)
    made = attach(found)
    work(found)
    after = state_of(found, made)
    assert after.state == AttachmentState.FAILED
    assert "the payer takes 1000: 2 images, 1 reports" in after.detail


def test_each_opening_is_on_record_with_its_purpose(house: House) -> None:
    made = attach(house)
    work(house)
    open_file(house, made)
    with house.store.read() as tx:
        (row,) = [one for one in audit.recent(tx, limit=50) if one.action == "packet_exported"]
    assert (row.actor, row.detail["purpose"], row.detail["version"]) == ("user:bill", "prior authorization", 1)


def test_an_image_that_was_removed_is_left_out_and_named(house: House) -> None:
    with house.store.write() as tx:
        gone = instances.c.sop_instance_uid == f"{study_uid('A1')}.1.2"
        tx.execute(update(instances).where(gone).values(removed_at=house.clock.now()))
    made = attach(house)
    work(house)
    kept = newest(house, made)
    assert (kept.pictures, kept.left_out) == (1, ("Series 1, image 2: an archive alone has it by now",))


def test_earlier_studies_of_the_region_are_listed_and_others_are_not(house: House) -> None:
    say(house, order(PLAIN, "P1", start="20250302101500"), order(PLAIN, "P2", start="20230302101500"))
    say(house, order(PLAIN, "P3", start="20251002101500"))
    for accession, day, part in (("P1", "20250302", "CHEST"), ("P2", "20230302", "CHEST"), ("P3", "20251002", "KNEE")):
        older = image(PLAIN, accession)
        older.StudyDate, older.BodyPartExamined = day, part
        receive(house, older)
    made = attach(house)
    work(house)
    manifest = json.loads(open_file(house, made, PacketFile.MANIFEST))
    found = [(one["accession_number"], one["study_date"], one["has_report"]) for one in manifest["priors"]]
    assert found == [("P1", "20250302", False)]


def test_earlier_studies_without_a_report_are_missed_before_anything_is_attached(house: House) -> None:
    older = image(PLAIN, "P1")
    older.StudyDate = "20250302"
    receive(house, older)
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    desk = EvidenceDesk(house.rules, packet_ground(house))

    def missing(number: str, accession: str) -> str:
        key = entry.enter(
            typed_authorization(number, PLAIN, accession, lines=(AuthorizationLine("71260"),)), "user:bill"
        )
        with house.store.read() as tx:
            rows = desk.gaps(tx, authorizations.get(tx, key), house.clock.now())
        return next(one.gap for one in rows if one.need == Need.PRIOR_REPORTS)

    assert "2025-03-02" in missing("PA1", "A1")
    assert "attach a study" in missing("PA2", "")


def test_marked_images_go_before_the_automatic_rule_and_poor_ones_do_not(house: House) -> None:
    receive(house, note("113010", image(PLAIN, "A1", 1, series=1)))
    receive(house, note("113000", *(image(PLAIN, "A1", at, series=2) for at in (3, 1)), number=2))
    made = attach(house)
    work(house)
    manifest = json.loads(open_file(house, made, PacketFile.MANIFEST))
    found = [(one["sop_instance_uid"], one["chosen_by"]) for one in manifest["pictures"]]
    assert found == [(f"{study_uid('A1')}.2.{number}", "key-object") for number in (3, 1)]
    assert "marked as key image: title" in text_of(open_file(house, made))


def enclosed(content: bytes, title: str = "Signed report") -> str:
    """Return the OBX of a document in a result message."""
    return f"OBX|3|ED|PDF^{title}||RIV^Application^PDF^Base64^{base64.b64encode(content).decode()}||||||F\r"


def test_a_report_that_came_as_pdf_stands_at_the_end_as_it_came_and_a_broken_one_is_named(house: House) -> None:
    say(house, report(PLAIN, "A1", "C", at="20260302130000", extra=enclosed(pdf("Dictated page", "Its second page"))))
    made = attach(house)
    work(house)
    document = open_file(house, made)
    said = [" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(document)).pages]
    assert said[-2:] == ["Dictated page", "Its second page"]
    assert f"{len(said) - 1} to {len(said)} Signed report" in said[-3]
    (appended,) = json.loads(open_file(house, made, PacketFile.MANIFEST))["appended"]
    assert (appended["pages"], appended["digest"]) == (2, digest_of(pdf("Dictated page", "Its second page")))
    say(house, report(PLAIN, "A1", "C", at="20260302140000", extra=enclosed(b"%PDF-1.7 broken")))
    work(house)
    assert newest(house, made).version == 2
    (why,) = newest(house, made).left_out
    assert ("Signed report" in why, "cannot be read" in why) == (True, True)


def test_signed_reports_of_earlier_studies_of_the_region_go_along(house: House) -> None:
    say(house, order(PLAIN, "P1", start="20250302101500"))
    older = image(PLAIN, "P1")
    older.StudyDate = "20250302"
    receive(house, older)
    made = attach(house)
    work(house)
    assert json.loads(open_file(house, made, PacketFile.MANIFEST))["prior_reports"] == []
    say(house, report(PLAIN, "P1", text="A nodule of 4 mm."))
    work(house)
    assert versions(house, made) == [2, 1]
    assert "A nodule of 4 mm." in text_of(open_file(house, made))


def test_more_images_than_a_payer_needs_are_refused(house: House) -> None:
    every = tuple(f"{study_uid('A1')}.3.{number}" for number in range(41))
    for number in range(41):
        receive(house, image(PLAIN, "A1", number, series=3))
    with pytest.raises(Incomplete) as refused:
        attach(house, instances=every)
    assert refused.value.code == "too_many"

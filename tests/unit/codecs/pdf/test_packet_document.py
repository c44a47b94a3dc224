"""The packet as a document: what is printed, in which order, and that the same packet gives the same bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pytest
from PIL import Image
from pypdf import PdfReader

from bridge.codecs.pdf.packet_document import picture_key, write_packet
from bridge.domain.packet import (
    ChosenBy,
    KeyPicture,
    ManifestSeries,
    ManifestStudy,
    Packet,
    PacketAuthorization,
    PacketOrder,
    PacketPatient,
    PacketReport,
    PacketService,
    PriorStudy,
    ShareLink,
)

AT = datetime(2026, 3, 2, 15, 4, tzinfo=UTC)
STUDY = "1.2.826.0.1.3680043.10.1234.5678.20260302140000.1234567890123456"
PICTURE = KeyPicture(f"{STUDY[:50]}.7", f"{STUDY[:50]}.3", "ab" * 32, "20260302", "MR", "T2 SAG", "3", "47", "left")

PACKET = Packet(
    organization="Riverside Imaging",
    version=2,
    made_at=AT,
    purpose="prior authorization",
    patient=PacketPatient("Ingrid Halvorsen", "00041001", "19580312", "F"),
    authorization=PacketAuthorization(
        "IB7K2M9Q4XW3R1",
        "Acme Health Plan <HMO> & Sons",
        "PA-778 123",
        "W1234567801",
        "20260302",
        "20270101",
        (PacketService("72148", "MRI lumbar spine", ("26",), ("M54.50",), "1", "approved"),),
    ),
    order=PacketOrder(
        "A1001", ("MRI lumbar spine",), ("M54.50 Low back pain",), "Maya Okonkwo", "20260220", "20260302"
    ),
)
REPORT = PacketReport(
    "MRI lumbar spine", "final", "20260302", "R. Singh", (("Impression", "Moderate stenosis."),), "A1001"
)


def jpeg(columns: int = 64, rows: int = 48) -> bytes:
    file = BytesIO()
    Image.new("L", (columns, rows), 90).save(file, "JPEG")
    return file.getvalue()


def pages(packet: Packet, pictures: dict[str, bytes] | None = None) -> list[str]:
    reader = PdfReader(BytesIO(write_packet(packet, pictures or {})))
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def test_the_cover_says_for_whom_for_what_and_which_page_of_how_many():
    (cover,) = pages(PACKET)
    for said in (
        "Acme Health Plan <HMO> & Sons",
        "PA-778 123",
        "IB7K2M9Q4XW3R1",
        "Ingrid Halvorsen",
        "1958-03-12",
        "72148 26",
        "M54.50 Low back pain",
        "2026-03-02 to 2027-01-01",
        "version 2 · page 1 of 1",
    ):
        assert said in cover


def test_an_authorization_without_a_number_says_so():
    packet = replace(PACKET, authorization=replace(PACKET.authorization, number=""))
    assert "Authorization number not given yet" in pages(packet)[0]


@pytest.mark.parametrize(
    ("first", "last", "said"), [("20260302", "", "from 2026-03-02"), ("", "20270101", "until 2027-01-01")]
)
def test_a_validity_with_one_end_says_which(first: str, last: str, said: str):
    packet = replace(PACKET, authorization=replace(PACKET.authorization, effective_on=first, expires_on=last))
    assert f"Valid {said} " in pages(packet)[0]


@pytest.mark.parametrize("name", ["山田 太郎", "やまだ", "홍길동", "Ελένη Παππά", "Жанна", "יעל", "Çelik Øster"])
def test_names_of_every_script_print_in_a_typeface_that_is_inside(name: str):
    packet = replace(PACKET, patient=replace(PACKET.patient, other_names=(name,)))
    reader = PdfReader(BytesIO(write_packet(packet, {})))
    text = "".join(page.extract_text() for page in reader.pages)
    assert set(name) <= set(text)
    fonts = [one.get_object() for page in reader.pages for one in page["/Resources"]["/Font"].values()]
    standard = [one["/BaseFont"] for one in fonts if "/FontDescriptor" not in one and "/DescendantFonts" not in one]
    assert set(standard) <= {"/Helvetica"}  # which the library names in every document and which sets nothing here


def test_a_character_that_no_typeface_has_is_named_not_dropped():
    packet = replace(PACKET, patient=replace(PACKET.patient, other_names=("Ada \U0001f600",)))
    assert "Ada [U+1F600]" in pages(packet)[0]


def test_reports_priors_pictures_and_manifest_follow_in_this_order():
    series = ManifestSeries(PICTURE.series_instance_uid, "MR", 21, "cd" * 32, "3", "T2 SAG")
    packet = replace(
        PACKET,
        reports=(REPORT,),
        priors=(PriorStudy("20250114", "MR", "MRI lumbar spine", "LSPINE", "A7", True),),
        pictures=(PICTURE, replace(PICTURE, frame=2, chosen_by=ChosenBy.REPRESENTATIVE, is_lossy=True)),
        manifest=(ManifestStudy(STUDY, "20260302", "A1001", "MRI lumbar spine", (series,)),),
    )
    cover, report, priors, images, manifest = pages(packet, {picture_key(one): jpeg() for one in packet.pictures})
    assert "1 signed report" in cover
    assert "Moderate stenosis." in report
    assert "2025-01-14 MR MRI lumbar spine LSPINE A7 on record" in priors
    assert "image 47, chosen by hand, left" in images
    assert "image 47, frame 2, representative, lossy compression, left" in images
    assert STUDY in manifest
    assert PICTURE.digest in manifest
    assert packet.digest() in manifest
    assert "Series Instance UID Digest" in manifest, "each in a column of its own"


def test_a_long_report_goes_on_over_as_many_pages_as_it_needs():
    text = "\n".join(f"Line {number} of the findings." for number in range(300))
    packet = replace(PACKET, reports=(replace(REPORT, sections=(("Findings", text),)),))
    found = pages(packet)
    assert len(found) > 4
    assert "Line 299 of the findings." in found[-1]
    assert f"page {len(found)} of {len(found)}" in found[-1]


def test_markup_in_what_was_received_is_text():
    packet = replace(
        PACKET, reports=(replace(REPORT, sections=(("", '<b>x</b> <img src="file:///etc/passwd"/> &amp;'),)),)
    )
    assert '<b>x</b> <img src="file:///etc/passwd"/> &amp;' in pages(packet)[1]


def test_the_same_packet_gives_the_same_bytes():
    packet = replace(PACKET, pictures=(PICTURE,), link=ShareLink("https://bridge.example.org/shared/abc", AT))
    drawn = {picture_key(PICTURE): jpeg()}
    assert write_packet(packet, drawn) == write_packet(packet, drawn)


def test_the_digest_is_of_the_evidence_not_of_the_day_it_was_put_together():
    again = replace(PACKET, version=3, made_at=AT.replace(year=2027), link=ShareLink("https://x.example", AT))
    assert again.digest() == PACKET.digest()
    assert replace(PACKET, reports=(REPORT,)).digest() != PACKET.digest()

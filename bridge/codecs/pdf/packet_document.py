"""Write a packet as one PDF: cover, reports, prior studies, key images, manifest. The same packet gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from io import BytesIO

from reportlab.lib.pagesizes import LETTER
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Image,
    KeepTogether,
    PageBreak,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from bridge.codecs.pdf import typefaces
from bridge.codecs.pdf.paragraphs import paragraph, prose
from bridge.codecs.pdf.received_pdf import ReceivedPdf, append_received
from bridge.codecs.pdf.tables import MARGIN, WIDTH, facts, table_of
from bridge.domain.packet import (
    AppendedDocument,
    ChosenBy,
    KeyPicture,
    ManifestStudy,
    Packet,
    PacketReport,
    PacketService,
    PriorStudy,
)

_PICTURE_WIDTH = (WIDTH - 8 * mm) / 2
_PICTURE_HEIGHT = 82 * mm
_CHOICES = {
    ChosenBy.PERSON: "chosen by hand",
    ChosenBy.KEY_OBJECT: "marked as key image",
    ChosenBy.REPRESENTATIVE: "representative",
}
_CHOICE_WORDS = {
    ChosenBy.PERSON: "These images were chosen by hand for this packet.",
    ChosenBy.KEY_OBJECT: "These images were marked as key images where the study was made or read.",
    ChosenBy.REPRESENTATIVE: "Images marked \u201crepresentative\u201d stand for their series; nobody picked them by hand.",
}


def write_packet(packet: Packet, pictures: Mapping[str, bytes], received: Sequence[ReceivedPdf] = ()) -> bytes:
    """
    Return the PDF of a packet, on US Letter, with *received* documents behind its own pages.

    pictures: the JPEG of each key image, by SOP Instance UID and frame as `picture_key` names them.
    Raises: KeyError, if a picture is missing.
    """
    # Only a whole document knows how many pages it has.
    _, pages = _built(packet, pictures, 0)
    document = _built(packet, pictures, pages)[0]
    return append_received(document, received) if received else document


def _built(packet: Packet, pictures: Mapping[str, bytes], pages: int) -> tuple[bytes, int]:
    """Return the document, and how many pages it has. pages: what each says of that."""
    typefaces.register()
    file = BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=LETTER,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=f"Supporting evidence {packet.authorization.control_number}",
        author=packet.organization,
        subject="Prior authorization",
        lang="en-US",
        invariant=1,
    )
    foot = _foot(packet, pages)
    document.build(list(_pages(packet, pictures, pages)), onFirstPage=foot, onLaterPages=foot)
    return file.getvalue(), document.page


def picture_key(picture: KeyPicture) -> str:
    """Return the name under which the JPEG of a key image is handed over."""
    return f"{picture.sop_instance_uid}#{picture.frame}"


def _pages(packet: Packet, pictures: Mapping[str, bytes], own: int) -> Iterator[Flowable]:
    """Yield what stands on the pages. own: how many of them are ours."""
    yield from _cover(packet)
    for report in packet.reports:
        yield PageBreak()
        yield from _report(report)
    for note in packet.notes:
        yield PageBreak()
        yield from _report(note, "Office note")
    if packet.priors:
        yield PageBreak()
        yield from _priors(packet.priors)
    for report in packet.prior_reports:
        yield PageBreak()
        yield from _report(report, "Report of a prior study")
    if packet.pictures:
        yield PageBreak()
        yield from _key_images(packet.pictures, pictures)
    if packet.manifest:
        yield PageBreak()
        yield from _manifest(packet)
    if packet.appended:
        yield from _appended(packet.appended, own)


def _cover(packet: Packet) -> Iterator[Flowable]:
    authorization, patient, order = packet.authorization, packet.patient, packet.order
    yield paragraph(packet.organization, "kicker")
    yield paragraph("Supporting evidence for prior authorization", "title")
    yield facts(
        "Authorization",
        ("Control number", authorization.control_number),
        ("Authorization number", authorization.number or "not given yet"),
        ("Payer", authorization.payer_name),
        ("Member ID", authorization.member_id),
        ("Valid", _period(authorization.effective_on, authorization.expires_on)),
    )
    yield facts(
        "Patient",
        ("Name", patient.name),
        *(("Name in other scripts", other) for other in patient.other_names),
        ("Date of birth", _day(patient.birth_date)),
        ("Sex", patient.sex),
        ("Patient ID", patient.patient_id),
    )
    yield facts(
        "Order",
        ("Accession number", order.accession_number),
        *(("Procedure", one) for one in order.procedures),
        *(("Reason", one) for one in order.reason),
        ("Ordered by", order.ordered_by),
        ("Ordered on", _day(order.ordered_on)),
        ("Performed on", _day(order.performed_on)),
    )
    if packet.labs:
        yield facts("Lab results", *((one.observed_on, one.words) for one in packet.labs))
    if authorization.services:
        yield _services(authorization.services)
    yield from _contents(packet)


def _services(services: Sequence[PacketService]) -> Flowable:
    rows = [
        (
            " ".join((one.code, *one.modifiers)),
            one.description,
            ", ".join(one.diagnoses),
            one.units,
            one.decision,
        )
        for one in services
    ]
    heads = ("Code", "Service", "Diagnoses", "Units", "Decision")
    return table_of(heads, rows, (24, 62, 38, 16, 40), title="Services")


def _contents(packet: Packet) -> Iterator[Flowable]:
    yield paragraph("What this packet holds", "heading")
    kept = [
        f"{len(packet.reports)} signed report{_s(packet.reports)}",
        *([_count(packet.notes, "office note")] if packet.notes else []),
        f"{len(packet.priors)} prior stud{'y' if len(packet.priors) == 1 else 'ies'} of the region",
        *([f"{_count(packet.prior_reports, 'signed report')} of these"] if packet.prior_reports else []),
        f"{len(packet.pictures)} key image{_s(packet.pictures)}",
        f"A manifest of {len(packet.manifest)} stud{'y' if len(packet.manifest) == 1 else 'ies'} with identifiers and digests",
    ]
    if packet.appended:
        pages = sum(one.pages for one in packet.appended)
        kept.append(
            f"{_count(packet.appended, 'document')} as received, {pages} page{'' if pages == 1 else 's'}, at its end"
        )
    for one in kept:
        yield paragraph(f"\u2022 {one}", "body")
    if packet.link is not None:
        until = _moment(packet.link.expires_at)
        yield paragraph(f"\u2022 The images, until {until}, at", "body")
        yield paragraph(packet.link.url, "small")
        yield paragraph(f"The whole study may be looked at there, because: {packet.whole_study_because}", "small")
    yield Spacer(0, 4 * mm)
    yield paragraph(
        f"Purpose: {packet.purpose}. It holds what this purpose needs and nothing else of the record. "
        f"Version {packet.version}, made on {_moment(packet.made_at)}.",
        "small",
    )


def _report(report: PacketReport, heading: str = "Report") -> Iterator[Flowable]:
    yield paragraph(report.title, "title")
    yield facts(
        heading,
        ("Status", report.status),
        ("Issued on", _day(report.issued_on)),
        ("Signed by", report.signed_by),
        ("Accession number", report.accession_number),
    )
    if not any(text.strip() for _, text in report.sections):
        yield paragraph(
            "It came without text. The document that came with it stands at the end of this file, unless it is named as left out.",
            "body",
        )
    for title, text in report.sections:
        if title:
            yield paragraph(title, "heading")
        for line in text.splitlines():
            yield prose(line) if line.strip() else Spacer(0, 2 * mm)


def _priors(priors: Sequence[PriorStudy]) -> Iterator[Flowable]:
    yield paragraph("Prior studies of the region", "title")
    heads = ("Date", "Modality", "Study", "Body part", "Accession", "Report")
    rows = [
        (
            _day(one.study_date),
            one.modality,
            one.description,
            one.body_part,
            one.accession_number,
            "on record" if one.has_report else "none known",
        )
        for one in priors
    ]
    yield table_of(heads, rows, (24, 20, 58, 30, 28, 20))


def _key_images(chosen: Sequence[KeyPicture], pictures: Mapping[str, bytes]) -> Iterator[Flowable]:
    yield paragraph("Key images", "title")
    yield paragraph(_how(chosen), "small")
    cells = [_picture(one, pictures[picture_key(one)]) for one in chosen]
    if len(cells) % 2:
        cells.append([])
    rows = [cells[at : at + 2] for at in range(0, len(cells), 2)]
    table = Table(rows, colWidths=[WIDTH / 2] * 2, hAlign="LEFT")
    table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]))
    yield table


def _how(chosen: Sequence[KeyPicture]) -> str:
    """Return how the images came to be these, in words."""
    ways = {one.chosen_by for one in chosen}
    return " ".join(words for way, words in _CHOICE_WORDS.items() if way in ways)


def _picture(picture: KeyPicture, content: bytes) -> list[Flowable]:
    columns, rows = ImageReader(BytesIO(content)).getSize()
    scale = min(_PICTURE_WIDTH / columns, _PICTURE_HEIGHT / rows)
    series = " ".join(
        filter(None, (picture.series_number and f"series {picture.series_number}", picture.series_description))
    )
    which = picture.instance_number and f"image {picture.instance_number}"
    frame = f"frame {picture.frame}" if picture.frame > 1 else ""
    marks = [
        _CHOICES[picture.chosen_by],
        "lossy compression" if picture.is_lossy else "",
        picture.side,
        picture.window and f"window {picture.window}",
    ]
    if picture.marked_as:
        marks[0] = f"{marks[0]}: {picture.marked_as}"
    lines = (
        ", ".join(filter(None, (_day(picture.study_date), picture.modality, series))),
        ", ".join(filter(None, (which, frame, *marks))),
        picture.sop_instance_uid,
    )
    styles = ("caption", "caption", "mono")
    drawn = Image(BytesIO(content), columns * scale, rows * scale, hAlign="LEFT")
    return [
        drawn,
        Spacer(0, 1 * mm),
        *(paragraph(line, style) for line, style in zip(lines, styles, strict=True) if line),
        Spacer(0, 3 * mm),
    ]


def _manifest(packet: Packet) -> Iterator[Flowable]:
    yield paragraph("Manifest", "title")
    yield paragraph(
        "Digests are SHA-256: of an object as received; of a series over its objects' identifiers and digests.", "small"
    )
    for study in packet.manifest:
        yield from _manifest_study(study)
    if packet.pictures:
        yield paragraph("Objects of the key images", "heading")
        rows = [(one.sop_instance_uid, one.digest) for one in packet.pictures]
        yield table_of(("SOP Instance UID", "Digest"), rows, (84, 96), style="mono")
    yield Spacer(0, 2 * mm)
    yield paragraph(f"Digest of the evidence: {packet.digest()}", "mono")


def _manifest_study(study: ManifestStudy) -> Iterator[Flowable]:
    head = facts(
        "Study",
        ("Study Instance UID", study.study_instance_uid),
        ("Date", _day(study.study_date)),
        ("Accession number", study.accession_number),
        ("Study", study.description),
    )
    rows = [
        (one.number, one.modality, str(one.instances), one.description, one.series_instance_uid, one.digest)
        for one in study.series
    ]
    yield KeepTogether(head)
    yield table_of(
        ("No.", "Modality", "Images", "Series", "Series Instance UID", "Digest"), rows, (10, 18, 15, 37, 50, 50)
    )


def _appended(appended: Sequence[AppendedDocument], own: int) -> Iterator[Flowable]:
    yield paragraph("Documents as received", "heading")
    yield paragraph(
        "They follow behind this page. Scripts, links and embedded files are taken out of them; digests are of the files as "
        "received.",
        "small",
    )
    rows, first = [], own + 1
    for one in appended:
        last = first + one.pages - 1
        where = str(first) if one.pages == 1 else f"{first} to {last}"
        rows.append((where, one.title, _day(one.issued_on), one.accession_number, one.digest))
        first = last + 1
    yield table_of(("Pages", "Document", "Issued on", "Accession", "Digest"), rows, (20, 52, 22, 26, 60))


def _foot(packet: Packet, pages: int) -> Callable[[Canvas, BaseDocTemplate], None]:
    """Return what writes below a page whose packet it is, and which page of how many."""
    said = f"{packet.organization} \u00b7 control number {packet.authorization.control_number} \u00b7 version {packet.version}"

    def write(canvas: Canvas, document: BaseDocTemplate) -> None:
        line = paragraph(f"{said} \u00b7 page {document.page} of {pages}", "foot")
        line.wrapOn(canvas, WIDTH, MARGIN)
        line.drawOn(canvas, MARGIN, 9 * mm)

    return write


def _period(first: str, last: str) -> str:
    if first and last:
        return f"{_day(first)} to {_day(last)}"
    return f"from {_day(first)}" if first else f"until {_day(last)}" if last else ""


def _day(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) >= 8 and date[:8].isdigit() else date


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")


def _count(many: Sequence[object], what: str) -> str:
    return f"{len(many)} {what}{_s(many)}"


def _s(many: Sequence[object]) -> str:
    return "" if len(many) == 1 else "s"

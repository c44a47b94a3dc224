"""PDFs as received go behind ours with their pages as they were, and without anything that runs; what cannot is told so."""

from __future__ import annotations

from io import BytesIO

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import FreeText, Link
from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, NameObject, TextStringObject
from reportlab.lib.pagesizes import LETTER
from reportlab.pdfgen.canvas import Canvas

from bridge.codecs.pdf.received_pdf import MOST_PAGES, append_received, read_received
from bridge.errors import Unsupported


def pdf(*pages: str) -> bytes:
    file = BytesIO()
    canvas = Canvas(file, pagesize=LETTER, invariant=1)
    for said in pages:
        canvas.drawString(72, 700, said)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def changed(writer: PdfWriter) -> bytes:
    file = BytesIO()
    writer.write(file)
    return file.getvalue()


def active() -> bytes:
    """Return a PDF that would run scripts when it is opened, when a page is, and on a click; and holds a file."""
    writer = PdfWriter(clone_from=BytesIO(pdf("Signed report")))
    writer.add_attachment("run.exe", b"MZ")
    script = DictionaryObject(
        {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("app.alert('two')")}
    )
    writer.root_object[NameObject("/OpenAction")] = script
    page = writer.pages[0]
    page[NameObject("/AA")] = DictionaryObject({NameObject("/O"): script})
    stamp = FreeText(text="Seen by Dr Brandt", rect=(50, 50, 200, 90))
    stamp[NameObject("/A")] = script
    writer.add_annotation(0, stamp)
    writer.add_annotation(0, Link(rect=(1, 1, 9, 9), url="http://tracker.example/"))
    return changed(writer)


def test_pages_follow_in_order_and_the_same_input_gives_the_same_bytes() -> None:
    ours, theirs = pdf("Cover", "Manifest"), read_received("Report", pdf("First", "Second"))
    made = append_received(ours, [theirs, read_received("Other", pdf("Third"))])
    said = [page.extract_text().strip() for page in PdfReader(BytesIO(made)).pages]
    assert said == ["Cover", "Manifest", "First", "Second", "Third"]
    assert [one.title for one in PdfReader(BytesIO(made)).outline] == ["Report", "Other"]
    assert made == append_received(ours, [theirs, read_received("Other", pdf("Third"))])


def test_nothing_that_runs_goes_along_and_what_is_seen_stays() -> None:
    made = append_received(pdf("Cover"), [read_received("Report", active())])
    for word in (b"JavaScript", b"/JS", b"/AA", b"EmbeddedFile", b"/URI", b"/OpenAction"):
        assert word in active(), word
        assert word not in made, word
    page = PdfReader(BytesIO(made)).pages[1]
    assert page.extract_text().strip() == "Signed report"
    assert [one.get_object()["/Contents"] for one in page["/Annots"]] == ["Seen by Dr Brandt"]


def hiding(place: str) -> bytes:
    """Return a PDF with a file where it is not looked for: of the page, of a note, of a mark whose kind stands elsewhere."""
    writer = PdfWriter(clone_from=BytesIO(pdf("Signed report")))
    content = DecodedStreamObject()
    content.set_data(b"MZ hidden program")
    content[NameObject("/Type")] = NameObject("/EmbeddedFile")
    holds = DictionaryObject({NameObject("/F"): writer._add_object(content)})
    file = DictionaryObject({NameObject("/Type"): NameObject("/Filespec"), NameObject("/EF"): holds})
    if place == "page":
        writer.pages[0][NameObject("/AF")] = ArrayObject([file])
        return changed(writer)
    mark = FreeText(text="Seen", rect=(50, 50, 200, 90))
    mark[NameObject("/FS")] = file
    if place == "kind":
        mark[NameObject("/Subtype")] = writer._add_object(NameObject("/FileAttachment"))
    writer.pages[0][NameObject("/Annots")] = ArrayObject([writer._add_object(mark)])
    return changed(writer)


@pytest.mark.parametrize("place", ["page", "note", "kind"])
def test_a_file_that_hides_in_a_page_or_a_mark_does_not_go_along(place: str) -> None:
    made = append_received(pdf("Cover"), [read_received("Report", hiding(place))])
    assert b"hidden program" in hiding(place)
    assert [word for word in (b"hidden program", b"EmbeddedFile", b"Filespec") if word in made] == []
    assert PdfReader(BytesIO(made)).pages[1].extract_text().strip() == "Signed report"


def encrypted() -> bytes:
    writer = PdfWriter(clone_from=BytesIO(pdf("Secret")))
    writer.encrypt("password", algorithm="RC4-128")
    return changed(writer)


def looping() -> bytes:
    """Return a PDF whose page tree is its own kid."""
    writer = PdfWriter(clone_from=BytesIO(pdf("One")))
    tree = writer.root_object["/Pages"].get_object()
    tree[NameObject("/Kids")] = ArrayObject([writer.root_object.raw_get("/Pages")])
    return changed(writer)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (encrypted(), "pdf_encrypted"),
        (pdf("Cut")[:200], "pdf_broken"),
        (b"", "pdf_broken"),
        (b"%PDF-1.7\n" + b"[" * 100_000, "pdf_broken"),
        (b"not a PDF at all", "pdf_broken"),
        (looping(), "pdf_broken"),
        (pdf(*["page"] * (MOST_PAGES + 1)), "pdf_too_large"),
        (b"%PDF" + bytes(20_000_001), "pdf_too_large"),
    ],
    ids=["encrypted", "cut", "empty", "nested", "text", "looping", "pages", "bytes"],
)
def test_what_cannot_be_handed_on_says_why(content: bytes, code: str) -> None:
    with pytest.raises(Unsupported) as refused:
        read_received("Report", content)
    assert refused.value.code == code

"""PDFs as they were received: whether they can be handed on, and putting their pages behind ours.

Pages stay as they came; what a reader would run or open by itself does not go along. Source: ISO 32000-1 12.6, 12.5.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject

from bridge.errors import Unsupported

MOST_BYTES = 20_000_000
MOST_PAGES = 60
# What a page is seen by; what it would do by itself, and files or data beside its picture, stay behind.
_PAGE: Final = frozenset(
    {
        *("/Type", "/Parent", "/Resources", "/Contents", "/Rotate", "/UserUnit", "/Group", "/Annots"),
        *("/MediaBox", "/CropBox", "/BleedBox", "/TrimBox", "/ArtBox"),
    }
)
# What a mark on the page is seen by; an action, a file or a player of it stays behind. Source: ISO 32000-1 12.5.2, 12.5.6.
_SEEN: Final = frozenset(
    {
        *("/Type", "/Subtype", "/Rect", "/Contents", "/AP", "/AS", "/F", "/Border", "/BS", "/BE", "/C", "/IC", "/CA"),
        *("/DA", "/DS", "/Q", "/L", "/LE", "/Vertices", "/InkList", "/QuadPoints", "/RD", "/CL", "/Name", "/NM", "/M"),
        *("/T", "/Subj", "/FT", "/V", "/MK", "/Ff"),
    }
)
_MARKS: Final = frozenset(
    {
        *("/Text", "/FreeText", "/Line", "/Square", "/Circle", "/Polygon", "/PolyLine", "/Highlight", "/Underline"),
        *("/Squiggly", "/StrikeOut", "/Stamp", "/Caret", "/Ink", "/Watermark", "/Widget"),
    }
)


@dataclass(frozen=True, slots=True)
class ReceivedPdf:
    """A PDF without what would run or open by itself. title: what its pages are called in the outline."""

    title: str
    content: bytes
    pages: int


def read_received(title: str, content: bytes) -> ReceivedPdf:
    """Return a received PDF as it can be handed on. Raises: Unsupported, in words, if it is too large, encrypted or broken."""
    if len(content) > MOST_BYTES:
        raise Unsupported(f"the PDF has {len(content)} bytes, more than {MOST_BYTES}", code="pdf_too_large")
    try:
        pages = _pages(content)
        writer = PdfWriter()
        for page in pages:
            writer.add_page(_quiet(page))
        return ReceivedPdf(title, _written(writer), len(pages))
    except Unsupported:
        raise
    except Exception:  # noqa: BLE001 - a hostile file may make the library raise anything
        raise _broken() from None


def append_received(document: bytes, received: Sequence[ReceivedPdf]) -> bytes:
    """Return *document* with the pages of each *received* PDF behind it, the same bytes for the same input."""
    writer = PdfWriter(clone_from=BytesIO(document))
    for one in received:
        first = len(writer.pages)
        for page in PdfReader(BytesIO(one.content)).pages:
            writer.add_page(page)
        writer.add_outline_item(title=one.title, page_number=first)
    return _written(writer)


def _written(writer: PdfWriter) -> bytes:
    file = BytesIO()
    writer.write(file)
    return file.getvalue()


def _pages(content: bytes) -> list[PageObject]:
    reader = PdfReader(BytesIO(content), strict=False)
    if reader.is_encrypted:
        raise Unsupported("the PDF is encrypted", code="pdf_encrypted")
    found: list[PageObject] = []
    for page in reader.pages:
        if len(found) == MOST_PAGES:
            raise Unsupported(f"the PDF has more than {MOST_PAGES} pages", code="pdf_too_large")
        found.append(page)
    if not found:
        raise _broken()
    return found


def _quiet(page: PageObject) -> PageObject:
    """Return a page without anything that would run or open by itself; its picture and its marks stay."""
    _without(page, [key for key in page if key not in _PAGE])
    kept = ArrayObject()
    for reference in page.get("/Annots", ()):
        mark: Any = reference.get_object()
        if isinstance(mark, DictionaryObject) and "/Subtype" in mark and str(mark["/Subtype"]) in _MARKS:
            _without(mark, [key for key in mark if key not in _SEEN])
            kept.append(reference)
    _without(page, ("/Annots",))
    if kept:
        page[NameObject("/Annots")] = kept
    return page


def _without(said: DictionaryObject, keys: Sequence[str]) -> None:
    for key in keys:
        if key in said:
            del said[key]


def _broken() -> Unsupported:
    return Unsupported("the PDF cannot be read", code="pdf_broken")

"""Documents of reports that came as PDF and go behind a packet's pages; of those that cannot, why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bridge.codecs.fhir.elements import clean
from bridge.codecs.pdf.received_pdf import MOST_PAGES, ReceivedPdf, read_received
from bridge.domain.packet import AppendedDocument
from bridge.errors import Unavailable, Unsupported
from bridge.leaving.packet_material import ReceivedDocument
from bridge.store.blobs import Blobs
from bridge.store.report_bytes import read_document

_PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class Documents:
    """What goes behind a packet's pages, and what the packet says of each in the same order. left_out: in sentences."""

    received: tuple[ReceivedPdf, ...] = ()
    said: tuple[AppendedDocument, ...] = ()
    left_out: tuple[str, ...] = ()

    def without_largest(self) -> Documents:
        """Return the others, and that the largest would make the packet larger than its payer takes."""
        sizes = [len(one.content) for one in self.received]
        at = sizes.index(max(sizes))
        why = f"{_named(self.said[at])}: with its {sizes[at]} bytes the packet would be larger than its payer takes"
        return Documents(
            self.received[:at] + self.received[at + 1 :], self.said[:at] + self.said[at + 1 :], (*self.left_out, why)
        )


def read_documents(blobs: Blobs, wanted: Iterable[ReceivedDocument]) -> Documents:
    """Return what can be put behind a packet, each once, and why the rest cannot."""
    found = Documents()
    for one in {each.document.digest: each for each in wanted}.values():
        said = AppendedDocument(
            clean(one.document.title) or one.report.title,
            one.report.issued_on,
            one.report.accession_number,
            0,
            one.document.digest,
        )
        try:
            pdf = _read(blobs, one, said.title, MOST_PAGES - sum(each.pages for each in found.said))
        except (Unsupported, Unavailable) as fault:
            found = replace(found, left_out=(*found.left_out, f"{_named(said)}: {fault.detail}"))
            continue
        found = replace(found, received=(*found.received, pdf), said=(*found.said, replace(said, pages=pdf.pages)))
    return found


def _read(blobs: Blobs, one: ReceivedDocument, title: str, room: int) -> ReceivedPdf:
    """Return a document as PDF. room: how many pages it may have. Raises: Unsupported, Unavailable."""
    if one.document.content_type != _PDF:
        raise Unsupported("it is no PDF", code="not_a_pdf")
    pdf = read_received(title, read_document(blobs, one.document))
    if pdf.pages > room:
        raise Unsupported(
            f"with it there were more than {MOST_PAGES} pages of received documents", code="pdf_too_large"
        )
    return pdf


def _named(said: AppendedDocument) -> str:
    when = f" of {said.issued_on[:4]}-{said.issued_on[4:6]}-{said.issued_on[6:8]}" if said.issued_on else ""
    return f"Document \u201c{said.title}\u201d{when}"

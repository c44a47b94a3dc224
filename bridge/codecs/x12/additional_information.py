"""275: documents for a payer, found by the control number that the 278 or 837 told in its PWK06, or the payer in its 277.

`segments_of` writes one, `read` reads one; a document comes back as the bytes it was. A 005010X210 carries it in a BIN,
a 006020 in a BDS of Base64; in both as a MIME entity, which tells its type and name, where the payer wants one.
Source: 005010X210, 006020X314 (companion guides); RFC 2045 for the entity.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from bridge.codecs.x12.envelope import Transaction
from bridge.codecs.x12.facts import LOINC, Reference, Trace, When, written
from bridge.codecs.x12.loops import Loop, check, read_loops, table
from bridge.codecs.x12.mime_entity import MimeEntity, as_entity, from_entity
from bridge.codecs.x12.parties import Party, read_party
from bridge.codecs.x12.segments import BINARY, Segment, build, build_bytes
from bridge.domain.message import Notice
from bridge.errors import Incomplete, Malformed, Unsupported

UNSOLICITED, SOLICITED = "02", "11"
SUBMITTED = "368"


@dataclass(frozen=True, slots=True)
class Packaging:
    """How a payer wants documents. version: GS08. binary: "BIN" or "BDS"; as_mime: in an entity, as a BIN always is."""

    version: str
    binary: str
    as_mime: bool = True


PRIOR_AUTHORIZATION = Packaging("005010X210", "BIN")
CLAIM = Packaging("006020X314", "BDS")


@dataclass(frozen=True, slots=True)
class Document:
    """
    One document. content: its bytes. name: its file name, "" for none. form: CAT02, chosen from the type where "".

    unreadable: why there are no bytes, in words; only of what was received.
    """

    content: bytes
    media_type: str = "application/pdf"
    name: str = ""
    form: str = ""
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    LX: what one control number is answered with.

    trace: kind "1" with our own PWK06, "2" with the number of the payer's request. asked_for: its LOINC or "".
    references, dates: of a line ("6R", "472"); submitted: CCYYMMDD.
    """

    trace: Trace
    documents: tuple[Document, ...]
    asked_for: str = ""
    references: tuple[Reference, ...] = ()
    dates: tuple[When, ...] = ()


@dataclass(frozen=True, slots=True)
class AdditionalInformation:
    """
    One 275 about one patient. purpose: BGN01. reference: BGN02. created: BGN03 and BGN04, CCYYMMDDHHMM.

    patient_references: REF ("EJ" account, "X1" provider's claim, "G1" authorization). dates: DTP ("472" service).
    """

    purpose: str
    reference: str
    created: str
    payer: Party
    provider: Party
    patient: Party
    answers: tuple[Answer, ...]
    submitter: Party | None = None
    dates: tuple[When, ...] = ()
    notices: tuple[Notice, ...] = ()


def segments_of(said: AdditionalInformation, packaging: Packaging) -> tuple[Segment, ...]:
    """
    Return the segments of a 275 between ST and SE.

    Raises: Incomplete with every fault where the guide would not have it so, or a document has no bytes.
    """
    found = [build("BGN", said.purpose, said.reference, said.created[:8], said.created[8:])]
    for party in (said.payer, said.submitter, said.provider, said.patient):
        found += party.segments() if party is not None else []
    found += written(*said.dates)
    for number, answer in enumerate(said.answers, 1):
        found += [build("LX", str(number)), answer.trace.segment()]
        found += [build("STC", ("R4", answer.asked_for, "", LOINC))] if answer.asked_for else []
        found += written(*answer.references, *answer.dates)
        for document in answer.documents:
            found += _segments_of_document(document, packaging)
    check(found, table("275"))
    return tuple(found)


def _segments_of_document(document: Document, packaging: Packaging) -> list[Segment]:
    if not document.content:
        raise Incomplete("a document has no bytes", code="empty", where=f"{packaging.binary}03")
    entity = as_entity(MimeEntity(document.content, document.media_type, document.name))
    category = build("CAT", "AE", document.form or form_of(document.media_type))
    if packaging.binary == "BDS":
        encoded = base64.b64encode(entity if packaging.as_mime else document.content).decode("ascii")
        return [category, build("OOI", "1", "47", "ATTACHMENT"), build_bytes("BDS", "B64", content=encoded)]
    return [category, build("EFI", "05"), build_bytes("BIN", content=entity.decode("ascii"))]


def form_of(media_type: str) -> str:
    """Return CAT02 for a type: an HL7 document, text, or else an image of pages."""
    if media_type.endswith(("/xml", "+xml")):
        return "HL"
    return "TX" if media_type == "text/plain" else "IA"


def read(transaction: Transaction) -> AdditionalInformation:
    """
    Return what a 275 says.

    Raises: Unsupported for another transaction, Malformed for one whose envelope is not whole or that names no patient.
    """
    if transaction.name != "275":
        raise Unsupported("it is no 275", code="unsupported_type", where="ST01")
    transaction.require_whole()
    tree = read_loops(transaction.segments, table("275"))
    root, bgn = tree.root, tree.root.first("BGN")
    named = {id: next(iter(root.within(id)), None) for id in ("1000A", "1000B", "1000C", "1000D")}
    payer, provider, patient = named["1000A"], named["1000C"], named["1000D"]
    if bgn is None or payer is None or provider is None or patient is None:
        raise Malformed("a 275 names payer, provider and patient", code="segment_sequence", where="loop 1000")
    submitter = named["1000B"]
    return AdditionalInformation(
        purpose=bgn.element(1),
        reference=bgn.element(2),
        created=bgn.element(3) + bgn.element(4),
        payer=read_party(payer),
        submitter=read_party(submitter) if submitter is not None else None,
        provider=read_party(provider),
        patient=read_party(patient),
        dates=tuple(When.read(one) for one in patient.all("DTP")),
        answers=tuple(_answer(one) for one in root.within("2000")),
        notices=tuple(tree.notices),
    )


def _answer(loop: Loop) -> Answer:
    trn, stc = loop.first("TRN"), loop.first("STC")
    return Answer(
        trace=Trace.read(trn) if trn is not None else Trace("", ""),
        documents=tuple(_documents(loop.within("2110"))),
        asked_for=_asked_for(stc) if stc is not None else "",
        references=tuple(Reference.read(one) for one in loop.all("REF")),
        dates=tuple(When.read(one) for one in loop.all("DTP")),
    )


def _asked_for(stc: Segment) -> str:
    """Return the LOINC that is answered; a 4050 tells it in an element of its own."""
    return stc.component(1, 2) or (stc.component(2, 1) if stc.component(2, 3) == LOINC else "")


def _documents(loops: Iterable[Loop]) -> Iterable[Document]:
    for loop in loops:
        form = loop.value("CAT", 2)
        binary = loop.first("BDS") or loop.first("BIN")
        if binary is None:
            yield Document(b"", "", form=form, unreadable="there is no document in it")
            continue
        try:
            entity = _entity_of(binary)
        except (binascii.Error, ValueError):
            yield Document(b"", "", form=form, unreadable="what should be Base64 is not")
            continue
        yield Document(entity.content, entity.media_type, entity.name, form)


def _entity_of(binary: Segment) -> MimeEntity:
    elements = binary.elements()
    content = elements[-1].encode("latin-1", "replace") if len(elements) > BINARY[binary.name][1] else b""
    if binary.name == "BDS" and binary.element(1) == "B64":
        content = base64.b64decode(b"".join(content.split()), validate=True)
    return from_entity(content)

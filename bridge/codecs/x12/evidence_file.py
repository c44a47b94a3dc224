"""Evidence for a payer as X12: a packet in a 275, and the 278 request whose PWK announces it under the same number.

What we know of an authorization becomes what the guides want; what they want and we do not know is refused with its place.
Source: 005010X210, 006020X314 (companion guides); 005010X217.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.codecs.x12.additional_information import (
    CLAIM,
    PRIOR_AUTHORIZATION,
    SOLICITED,
    UNSOLICITED,
    AdditionalInformation,
    Answer,
    Document,
    Packaging,
)
from bridge.codecs.x12.additional_information import segments_of as segments_of_documents
from bridge.codecs.x12.facts import Code, Evidence, Reference, Review, Service, Trace, When
from bridge.codecs.x12.parties import Member, Party
from bridge.codecs.x12.prior_authorization import REQUEST, VERSION, Event, Line, PriorAuthorization
from bridge.codecs.x12.prior_authorization import segments_of as segments_of_request
from bridge.codecs.x12.writer import Draft
from bridge.domain.authorization import Authorization, AuthorizationLine, Urgency
from bridge.domain.names import fold
from bridge.domain.patient import Patient
from bridge.errors import Incomplete

PACKAGINGS = {one.version: one for one in (PRIOR_AUTHORIZATION, CLAIM)}
RADIOLOGY_FILMS, RADIOLOGY_REPORT, ELECTRONIC = "RB", "RR", "EL"
# UM01, UM02, UM03 where nobody said: a review of health services, for the first time, of diagnostic X-ray.
_HEALTH_SERVICES, _INITIAL, _IMAGING = "HS", "I", "4"
_SUBSCRIBER = "18"
_PRINCIPAL, _FURTHER = "ABK", "ABF"
_NAME_PARTS = ((60, "family name"), (35, "given name"), (25, "middle name"))
_POINTERS_MAX, _DIAGNOSES_MAX = 4, 12


@dataclass(frozen=True, slots=True)
class Clinic:
    """Who sends. name: the organization; npi: its National Provider Identifier; submitter: its id at the receiver (46)."""

    name: str
    npi: str
    submitter: str


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """
    What goes to a payer. document: the packet's PDF. control_number: PWK06 of the 278 or 837, TRN02 of the 275.

    asked_under: the number that the payer asked under (277, 278), "" where nobody asked; wanted: the LOINC it asked for.
    has_images: the packet shows some. studied_on: "YYYYMMDD". created: CCYYMMDDHHMM by the clinic's clock.
    """

    clinic: Clinic
    authorization: Authorization
    patient: Patient
    control_number: str
    document: bytes
    created: str
    studied_on: str = ""
    asked_under: str = ""
    wanted: str = ""
    has_images: bool = True


def documents(said: EvidenceFile, version: str) -> Draft:
    """
    Return the 275 of a packet. version: GS08, of PACKAGINGS.

    Raises: Incomplete for what the guide wants and nobody said, and for a text that X12 has no letters for.
    """
    packaging: Packaging = PACKAGINGS[version]
    number = said.authorization.number
    patient = _patient(said, "QC", (Reference("G1", plain(number)),) if number else ())
    trace = Trace("2", said.asked_under) if said.asked_under else Trace("1", said.control_number)
    document = Document(said.document, name=f"{said.control_number}.pdf")
    whole = AdditionalInformation(
        purpose=SOLICITED if said.asked_under else UNSOLICITED,
        reference=said.control_number,
        created=said.created,
        payer=_payer(said, "PR"),
        submitter=Party("41", _name(said.clinic.name), qualifier="46", number=said.clinic.submitter),
        provider=_provider(said),
        patient=patient,
        dates=(When("472", said.studied_on),) if said.studied_on else (),
        answers=(Answer(trace, (document,), asked_for=said.wanted if said.asked_under else ""),),
    )
    return Draft("275", packaging.version, segments_of_documents(whole, packaging))


def request(said: EvidenceFile) -> Draft:
    """
    Return the 278 request that a packet supports. The member is asked for as the subscriber, by its own number.

    Raises: Incomplete, as `documents`; without a line or a diagnosis, too.
    """
    authorization = said.authorization
    if not authorization.lines:
        raise Incomplete("no procedure is named", code="missing", where="lines")
    diagnoses = tuple(dict.fromkeys(_undotted(one) for line in authorization.lines for one in line.diagnoses))
    member = Member(_patient(said, "IL"), said.patient.patient_birth_date, _sex(said.patient.patient_sex), _SUBSCRIBER)
    urgent = authorization.urgency is Urgency.EXPEDITED
    kind = RADIOLOGY_FILMS if said.has_images else RADIOLOGY_REPORT
    whole = PriorAuthorization(
        purpose=REQUEST,
        reference=said.control_number,
        created=said.created,
        payer=_payer(said, "X3"),
        requester=_provider(said),
        subscriber=member,
        event=Event(
            Review(
                authorization.request_category or _HEALTH_SERVICES,
                authorization.certification or _INITIAL,
                authorization.service_type or _IMAGING,
                level_of_service="U" if urgent else "E",
            ),
            tuple(_line(one, diagnoses) for one in authorization.lines),
            traces=(Trace("1", trace_of(authorization, said.control_number), said.clinic.npi),),
            diagnoses=tuple(
                Code(_FURTHER if place else _PRINCIPAL, one) for place, one in enumerate(diagnoses[:_DIAGNOSES_MAX])
            ),
            evidence=(Evidence(kind, ELECTRONIC, said.control_number),),
        ),
    )
    return Draft("278", VERSION, segments_of_request(whole))


def trace_of(authorization: Authorization, control_number: str) -> str:
    """Return under which number a request is told from others, here and at the payer (TRN02)."""
    return plain(authorization.trace) or control_number


def plain(text: str) -> str:
    """Return a text as X12 has it: upper case, without accents, marks that separate as blanks."""
    return "".join(" " if sign in "*:^~" else sign for sign in fold(text)).strip()


def _line(line: AuthorizationLine, diagnoses: tuple[str, ...]) -> Line:
    known = diagnoses[:_DIAGNOSES_MAX]
    pointers = [str(known.index(code) + 1) for one in line.diagnoses if (code := _undotted(one)) in known]
    dates: tuple[When, ...] = ()
    if line.service_from and line.service_to and line.service_to != line.service_from:
        dates = (When("472", f"{line.service_from}-{line.service_to}", "RD8"),)
    elif line.service_from:
        dates = (When("472", line.service_from),)
    modifiers = line.modifiers[:4]
    service = Service(
        line.code,
        modifiers=modifiers,
        unit="UN",
        quantity=line.requested_units or "1",
        pointers=tuple(pointers[:_POINTERS_MAX]),
    )
    return Line(service, traces=(), dates=dates)


def _payer(said: EvidenceFile, role: str) -> Party:
    authorization = said.authorization
    if not authorization.payer_id:
        raise Incomplete("the payer's number is not known", code="missing", where="payer_id")
    return Party(role, _name(authorization.payer_name), qualifier="PI", number=plain(authorization.payer_id))


def _provider(said: EvidenceFile) -> Party:
    if not said.clinic.npi:
        raise Incomplete("our own NPI is not in the settings ([bridge] npi)", code="missing", where="npi")
    return Party("1P", _name(said.clinic.name), qualifier="XX", number=said.clinic.npi)


def _patient(said: EvidenceFile, role: str, references: tuple[Reference, ...] = ()) -> Party:
    member = said.authorization.member_id or said.authorization.subscriber_id
    if not member:
        raise Incomplete("the authorization names no member number", code="missing", where="member_id")
    parts = said.patient.patient_name.split("=", 1)[0].split("^")
    names = [plain(part) for part in (*parts, "", "", "")[:3]]
    if not names[0] or not all(name.isascii() for name in names):
        raise Incomplete("the patient's name cannot be written in X12's letters", code="character", where="NM103")
    for name, (limit, what) in zip(names, _NAME_PARTS, strict=True):
        if len(name) > limit:
            raise Incomplete(f"the patient's {what} has more letters than X12 takes", code="too_long", where="NM1")
    family, given, middle = names
    number = plain(member + said.authorization.member_suffix)
    return Party(role, family, given, middle, is_person=True, qualifier="MI", number=number, references=references)


def _name(name: str) -> str:
    """Return an organization's name; it is no identifier, and what does not fit of it is left off."""
    return plain(name)[:60].strip()


def _undotted(code: str) -> str:
    return code.replace(".", "").upper()


def _sex(sex: str) -> str:
    return sex if sex in ("F", "M") else "U"

"""Da Vinci CDex: a packet as the Parameters of $submit-attachment, told before it leaves and written when it does.

Source: HL7 Da Vinci CDex, operation submit-attachment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from bridge.codecs.fhir.cdex_parameters import CdexAttachment, parameters
from bridge.domain.attachment import AttachmentKind, purpose_of_use
from bridge.domain.authorization import Authorization
from bridge.domain.evidence_request import EvidenceRequest, in_words
from bridge.domain.submission import Outgoing, Submission
from bridge.errors import Incomplete
from bridge.leaving.payer_ways import Sendable, encoded_bytes, evidence_of, payer_for
from bridge.outbox.enqueue import CDEX
from bridge.sections.payer import Payer
from bridge.store.db import ReadTx, WriteTx

OPERATION = "$submit-attachment"


class CdexWay:
    """Evidence that no one asked for, or that a payer asked for by a Task. payers: those of the settings."""

    kind = AttachmentKind.CDEX
    topic = CDEX

    def __init__(self, payers: Sequence[Payer]) -> None:
        self._payers = tuple(payers)

    def place_of(self, authorization: Authorization, named: str = "") -> str:
        """Return the payer's name in the settings, "" where none of them takes CDex."""
        found = payer_for(self._payers, self.kind, authorization, named)
        return found.name if found is not None else ""

    def keep(self, tx: WriteTx, found: Sendable, release: Submission) -> None:
        """Keep nothing beside the release: all that leaves is its packet."""

    def outgoing(self, tx: ReadTx, found: Sendable) -> Outgoing:
        """Return what would leave. Raises: LookupError, where no payer of the settings is the authorization's."""
        payer = payer_for(self._payers, self.kind, found.authorization, found.attachment.payer)
        if payer is None:
            raise LookupError("no payer takes it by CDex")
        said = attachment_of(found, payer, b"")
        lacks, size = list[str](), 0
        try:
            size = len(orjson.dumps(parameters(said))) + encoded_bytes(found.document_bytes)
        except Incomplete as fault:
            lacks.append(fault.detail)
        return Outgoing(
            to=payer.name,
            address=f"{payer.base_url.rstrip('/')}/{OPERATION}",
            way="Da Vinci CDex, $submit-attachment",
            control_number=said.tracking_id,
            purpose_of_use=found.request.purpose_of_use if found.request is not None else purpose_of_use(self.kind),
            document_bytes=found.document_bytes,
            size_bytes=size,
            limit_bytes=int(payer.max_packet_mb * 1_000_000),
            facts=(*_asked(found.request), *_facts(said)),
            notes=found.request.gaps if found.request is not None else (),
            lacks=tuple(lacks),
        )


def attachment_of(found: Sendable, payer: Payer, document: bytes) -> CdexAttachment:
    """Return what is sent of a packet. document: its PDF."""
    authorization = found.authorization
    lines, request = authorization.lines, found.request
    asked: dict[str, Any] = {"tracking_id": found.control_number}
    if request is not None:
        asked = {"tracking_id": request.tracking_id, "lines": request.lines, "attach_to": request.attach_to}
        asked |= {"administrative_reference": request.administrative_reference}
        asked |= {"tracking_system": request.tracking_system} if request.tracking_system else {}
    service_on = _only(line.service_from for line in lines)
    return CdexAttachment(
        **asked,
        member_id=authorization.member_id or authorization.subscriber_id,
        evidence=(evidence_of(found, document),),
        payer_id=payer.id,
        organization_npi=_only(line.site_npi for line in lines),
        provider_npi=_only(line.ordering_npi for line in lines),
        service_on=(request.service_on if request is not None else "") or service_on,
    )


def written(found: Sendable, payer: Payer, document: bytes) -> dict[str, Any]:
    """Return the Parameters as they leave. Raises: Incomplete, where what they require is not known."""
    return parameters(attachment_of(found, payer, document))


def _facts(said: CdexAttachment) -> tuple[tuple[str, str], ...]:
    (evidence,) = said.evidence
    code, words = evidence.loinc
    named = (
        ("Tracking number", said.tracking_id),
        ("Payer's own reference", said.administrative_reference),
        ("Attached to", said.attach_to),
        ("Payer", said.payer_id),
        ("Member", said.member_id),
        ("Organization (NPI)", said.organization_npi),
        ("Ordered by (NPI)", said.provider_npi),
        ("Day of service", said.service_on),
        ("Lines", ", ".join(str(one) for one in said.lines)),
        ("Document", f"{evidence.content_type}, LOINC {code} {words}"),
        ("More to follow", "no" if said.is_final else "yes"),
    )
    return tuple((name, value) for name, value in named if value)


def _asked(request: EvidenceRequest | None) -> tuple[tuple[str, str], ...]:
    """Return what the payer asked for, in words."""
    if request is None:
        return ()
    due = f", until {request.due_at:%Y-%m-%d %H:%M} UTC" if request.due_at is not None else ""
    return (("The payer asked for", f"{', '.join(in_words(code) for code in request.codes)}{due}"),)


def _only(values: Iterable[str]) -> str:
    """Return the value that every line that says one agrees on, "" if they differ."""
    said = {one for one in values if one}
    return said.pop() if len(said) == 1 else ""

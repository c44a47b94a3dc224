"""Da Vinci PAS: what would be asked of a payer about an authorization now, with evidence or without, told before it leaves.

Source: HL7 Da Vinci PAS, operation Claim/$submit, profile-claim, profile-claim-update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from bridge.codecs.fhir import pas_bundle
from bridge.codecs.fhir.inline_evidence import InlineEvidence
from bridge.domain.attachment import AttachmentKind, purpose_of_use
from bridge.domain.authorization import Authorization, AuthorizationStatus
from bridge.domain.narrative import control_number
from bridge.domain.patient import Patient
from bridge.domain.payer_request import PayerRequest, RequestKind, Told, in_words, told_by
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.records import replace
from bridge.domain.request_lines import Lack, lacks_of, lines_to_ask
from bridge.domain.submission import Outgoing, Submission
from bridge.errors import Incomplete
from bridge.leaving.authorized_exams import exams_under
from bridge.leaving.payer_request import RequestGround, insured, submission_of, whom_digest
from bridge.leaving.payer_ways import Sendable, encoded_bytes, evidence_of, payer_for
from bridge.outbox.enqueue import PAYER_REQUEST
from bridge.sections.payer import Payer
from bridge.store import payer_requests
from bridge.store.db import ReadTx, WriteTx

SUBMIT, INQUIRE = "Claim/$submit", "Claim/$inquire"
# How an authorization stands of which the payer is to be asked for the first time.
_NEW = frozenset({AuthorizationStatus.UNCONFIRMED, AuthorizationStatus.DRAFT, AuthorizationStatus.ERROR})
_OVER = {
    AuthorizationStatus.DENIED: "the payer has denied it: an appeal goes its own way, or ask for it anew",
    AuthorizationStatus.CANCELLED: "it is cancelled: ask for it anew",
    AuthorizationStatus.EXPIRED: "its time is over: ask for it anew",
    AuthorizationStatus.SUPERSEDED: "another one took its place",
    AuthorizationStatus.NOT_REQUIRED: "the payer says that none is required",
}
_NO_PAYER = "its payer takes no requests from here: [[payers]] names none of its number with kind pas"


@dataclass(frozen=True, slots=True)
class Proposal:
    """
    What would be asked now. lines: a sentence each. why_not: why nothing can be asked, "" if it can.

    request: as it would be kept; lacks: what is missing.
    """

    request: PayerRequest
    patient: Patient
    lines: tuple[str, ...]
    lacks: tuple[Lack, ...]
    why_not: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it could leave as it is."""
        return not self.why_not and not any(one.is_needed for one in self.lacks)


class PasWay:
    """Requests for authorization, and what changed of them, with the packet inside. payers: those of the settings."""

    kind = AttachmentKind.PAS
    topic = PAYER_REQUEST

    def __init__(self, payers: Sequence[Payer], rules: ReconcileRules, ground: RequestGround) -> None:
        self._payers = tuple(payers)
        self._rules = rules
        self._ground = ground

    def payer_of(self, one: Authorization, named: str = "") -> Payer | None:
        """Return who takes requests for an authorization, None where nobody does."""
        return payer_for(self._payers, self.kind, one, named)

    def place_of(self, authorization: Authorization, named: str = "") -> str:
        """Return the payer's name in the settings, "" where none of them takes PAS."""
        found = self.payer_of(authorization, named)
        return found.name if found is not None else ""

    def outgoing(self, tx: ReadTx, found: Sendable) -> Outgoing:
        """Return what would leave. Raises: LookupError, where no payer of the settings is the authorization's."""
        payer = self.payer_of(found.authorization, found.attachment.payer)
        if payer is None:
            raise LookupError("no payer takes it by PAS")
        said = self._with_evidence(tx, found)
        lacks = [one.sentence.rstrip(".") for one in said.lacks if one.is_needed]
        return Outgoing(
            to=payer.name,
            address=f"{payer.base_url.rstrip('/')}/{SUBMIT}",
            way=f"Da Vinci PAS, {SUBMIT}",
            control_number=found.control_number,
            purpose_of_use=purpose_of_use(self.kind),
            document_bytes=found.document_bytes,
            size_bytes=self._size(tx, found, said) if not lacks else 0,
            limit_bytes=int(payer.max_packet_mb * 1_000_000),
            facts=_facts(said, insured(tx, found.authorization)[0], payer),
            lacks=tuple([said.why_not] if said.why_not else lacks),
        )

    def keep(self, tx: WriteTx, found: Sendable, release: Submission) -> None:
        """Keep what is asked with the evidence that was released: that leaves, whatever changes after."""
        said = self._with_evidence(tx, found).request
        asked = replace(said, submission_key=release.key, asked_by=release.released_by, reason=release.reason)
        payer_requests.add(tx, asked, release.released_at)

    def propose(
        self, tx: ReadTx, one: Authorization, control_numbers: tuple[str, ...] = (), named: str = ""
    ) -> Proposal:
        """Return what would be asked about an authorization now. control_numbers: of the evidence that would go with it."""
        payer = self.payer_of(one, named)
        known, patient = insured(tx, one)
        told = told_by(payer_requests.of_authorization(tx, one.key))
        kind = RequestKind.UPDATE if told.is_known or one.status not in _NEW else RequestKind.SUBMIT
        before = told.lines if told.is_known else one.lines if kind == RequestKind.UPDATE else ()
        asked = lines_to_ask(one, exams_under(tx, one, self._rules), before, told.cancelled)
        request = PayerRequest(
            key=0,
            authorization_key=one.key,
            payer=payer.name if payer is not None else "",
            kind=kind,
            trace=one.trace or control_number("request", one.key),
            lines=asked.lines,
            cancelled=tuple(sorted(asked.cancelled)),
            control_numbers=control_numbers,
            whom_digest=whom_digest(known, patient),
        )
        why_not = self.why_not(tx, one, request, replace(told, lines=before))
        words = tuple(in_words(asked.lines, before, asked.cancelled))
        return Proposal(request, patient, words, lacks_of(known, asked, self._ground.npi), why_not)

    def why_not(self, tx: ReadTx, one: Authorization, request: PayerRequest, told: Told) -> str:
        """Return why *request* cannot be made now, "" if it can. told: what the payer has."""
        if not request.payer:
            return _NO_PAYER
        if any(each.changes_something for each in payer_requests.open_of(tx, one.key)):
            return "an earlier request to the payer is still under way"
        if request.kind == RequestKind.SUBMIT:
            return ""
        if not told.is_known and not one.trace:
            return "the payer has it, and nobody here knows under which trace: say which, and what changed can be sent"
        if one.status in _OVER:
            return _OVER[one.status]
        changed = request.lines != told.lines or set(request.cancelled) != told.cancelled
        if not changed and set(request.control_numbers) <= told.control_numbers:
            return "nothing changed since the payer was last asked"
        return ""

    def _with_evidence(self, tx: ReadTx, found: Sendable) -> Proposal:
        return self.propose(tx, found.authorization, (found.control_number,), found.attachment.payer)

    def _size(self, tx: ReadTx, found: Sendable, said: Proposal) -> int:
        """Return how many bytes would leave: all of it without the document, and the document as Base64."""
        evidence: tuple[InlineEvidence, ...] = (evidence_of(found, b""),)
        submission = submission_of(tx, said.request, self._ground, found.packet.made_at, evidence)
        try:
            bundle = pas_bundle.request(submission, self._ground.system_of)
        except Incomplete:
            return 0
        return len(orjson.dumps(bundle)) + encoded_bytes(found.document_bytes)


def _facts(said: Proposal, known: Authorization, payer: Payer) -> tuple[tuple[str, str], ...]:
    what = "a change of what was asked" if said.request.kind == RequestKind.UPDATE else "a first request"
    told = [each.sentence for each in said.lacks if not each.is_needed]
    named = (
        ("What it is", what),
        ("Our trace", said.request.trace),
        ("Payer", payer.id),
        ("Member", " ".join(filter(None, (known.member_id or known.subscriber_id, known.member_suffix)))),
        *((f"Asked for ({number})", line) for number, line in enumerate(said.lines, start=1)),
        *(("Not said", each) for each in told),
        ("Document", "application/pdf, LOINC 18748-4 Diagnostic imaging study"),
    )
    return tuple((name, value) for name, value in named if value)

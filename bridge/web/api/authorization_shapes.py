"""Authorizations as the API writes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bridge.codecs.x12.claim_text import ClaimText
from bridge.domain.attachment import ClaimAttachment
from bridge.domain.authorization import Authorization, AuthorizationLine
from bridge.domain.authorization_clock import ClockRules, days_left, decision_clock
from bridge.domain.authorization_warnings import ExamWarning
from bridge.domain.evidence_needs import NeedRow
from bridge.domain.submission import Outgoing, Submission
from bridge.store.authorization_news import Heard
from bridge.store.listings.authorizations import AuthorizationRow
from bridge.store.packets import KeptPacket
from bridge.store.submissions import AnswerRow
from bridge.web.api.shapes import date, instant, person

Json = dict[str, Any]


def authorization_row(row: AuthorizationRow) -> Json:
    """Return one authorization as it stands in a list."""
    one = row.authorization
    return {
        "id": one.key,
        "number": one.number,
        "status": one.status.value,
        "payer": one.payer_name or one.payer_id,
        "payer_id": one.payer_id,
        "member_id": one.member_id or None,
        "patient": person(row.patient),
        "accession_number": row.accession_number or None,
        "urgency": one.urgency.value,
        "lines": [_line(line) for line in one.lines],
        "effective_on": date(one.effective_on),
        "expires_on": date(one.expires_on),
        "due_at": instant(row.due_at),
        "warnings": [_warning(each, row.accessions or {}) for each in row.warnings],
        "missing": [need.value for need in row.missing],
        "source": one.source,
        "policy_level": one.policy_level,
        "attachments": row.attached,
    }


def authorization_detail(row: AuthorizationRow, heard: Sequence[Heard], rules: ClockRules, now: datetime) -> Json:
    """Return one authorization whole. heard: everything that was said of it; rules: its payer's clock."""
    one = row.authorization
    accessions = row.accessions or {}
    return authorization_row(row) | {
        "administrative_reference": one.administrative_reference or None,
        "trace": one.trace or None,
        "member_suffix": one.member_suffix or None,
        "subscriber_id": one.subscriber_id or None,
        "request_category": one.request_category or None,
        "certification": one.certification or None,
        "service_type": one.service_type or None,
        "decision": one.decision or None,
        "reason_codes": list(one.reason_codes),
        "wanted": list(one.wanted),
        "received_at": instant(one.received_at),
        "answered_at": instant(one.answered_at),
        "superseded_by": one.superseded_by,
        "clock": _clock(one, rules, now),
        "days_left": days_left(one, now, rules),
        "orders": [
            {
                "id": link.key,
                "accession_number": accessions.get(link.order_key) or None,
                "exam": f"order-{link.order_key}",
                "rule": link.rule.value,
                "line": link.line or None,
                "linked_by": link.linked_by,
                "linked_at": instant(link.linked_at),
            }
            for link in row.links
        ],
        "history": [news_row(each) for each in heard],
    }


def news_row(heard: Heard) -> Json:
    """Return one word that was said of an authorization."""
    said = heard.news
    return {
        "id": heard.key,
        "source": said.source,
        "kind": said.kind.value,
        "said_at": instant(said.said_at),
        "heard_at": instant(heard.heard_at),
        "payer_id": said.payer_id or None,
        "number": said.number or None,
        "administrative_reference": said.administrative_reference or None,
        "decision": said.decision or None,
        "reason_codes": list(said.reason_codes),
        "effective_on": date(said.effective_on),
        "expires_on": date(said.expires_on),
        "lines": [_line(line) for line in said.lines],
        "waits": heard.waits or None,
    }


def _line(line: AuthorizationLine) -> Json:
    said: Json = {"code": line.code, "description": line.description, "decision": line.decision or None}
    said |= {"sequence": line.sequence or None, "number": line.number or None}
    said |= {name: list(getattr(line, name)) for name in ("modifiers", "diagnoses", "reason_codes")}
    for name in ("requested_units", "approved_units", "place_of_service", "trace", "site_name"):
        said[name] = getattr(line, name) or None
    for name in ("rendering_npi", "ordering_npi", "site_npi"):
        said[name] = getattr(line, name) or None
    return said | {"service_from": date(line.service_from), "service_to": date(line.service_to)}


def _warning(one: ExamWarning, accessions: dict[int, str]) -> Json:
    order_key = one.order_key
    return {
        "kind": one.kind.value,
        "sentence": one.sentence,
        "line": one.line or None,
        "accession_number": (accessions.get(order_key) or None) if order_key is not None else None,
        "exam": f"order-{order_key}" if order_key is not None else None,
    }


def _clock(one: Authorization, rules: ClockRules, now: datetime) -> Json | None:
    clock = decision_clock(one, rules)
    if clock is None:
        return None
    return {
        "received_at": instant(clock.received_at),
        "due_at": instant(clock.due_at),
        "passed_percent": clock.passed(now),
        "is_paused": clock.is_paused,
    }


def claim_text(text: ClaimText) -> Json:
    """
    Return what is copied onto a claim. text: for the CPT line; claim_segments: of loop 2400 (PWK, REF, NTE).

    whole_claim_segments: the same of loop 2300.
    """
    return {
        "text": text.text,
        "claim_segments": list(text.segments),
        "whole_claim_segments": list(text.whole_claim_segments),
        "line_segments": [{"code": code, "claim_segments": list(segments)} for code, segments in text.line_segments],
        "texts": [{"place": one.place.value, "text": one.text, "limit": one.limit} for one in text.places],
    }


def attachment(one: ClaimAttachment, study_instance_uid: str, made: KeptPacket | None) -> Json:
    """Return one attachment of an authorization. made: its packet, if it has one that stands."""
    return {
        "id": one.key,
        "as": one.kind.value,
        "state": one.state.value,
        "study_instance_uid": study_instance_uid,
        "reference": one.reference or None,
        "detail": one.detail or None,
        "attached_by": one.attached_by,
        "attached_at": instant(one.attached_at),
        "instances": list(one.instances),
        "url": _packet_address(one) if made is not None else None,
        "packet": packet(one, made) if made is not None else None,
    }


def needs(rows: Sequence[NeedRow]) -> list[Json]:
    """Return a payer's checklist: what each row is satisfied by, or what is missing and what to do."""
    return [{"need": row.need.value, "met": row.is_met, "by": list(row.by), "gap": row.gap or None} for row in rows]


def packet(one: ClaimAttachment, made: KeptPacket) -> Json:
    """Return one version of an attachment's packet."""
    address = _packet_address(one)
    return {
        "id": made.key,
        "version": made.version,
        "made_at": instant(made.made_at),
        "evidence_digest": made.evidence_digest,
        "reports": made.reports,
        "prior_reports": made.prior_reports,
        "notes": made.notes,
        "labs": made.labs,
        "priors": made.priors,
        "pictures": made.pictures,
        "left_out": list(made.left_out),
        "files": [
            {
                "kind": file.kind.value,
                "bytes": file.size_bytes,
                "sha256": file.digest,
                "url": f"{address}/{file.kind.value}?version={made.version}",
            }
            for file in made.files
        ],
    }


def outgoing(one: ClaimAttachment, made: KeptPacket, said: Outgoing) -> Json:
    """Return what would leave. digest: of all that is said beside the packet; lacks: what keeps it here, in sentences."""
    return {
        "id": one.key,
        "as": one.kind.value,
        "to": said.to,
        "address": said.address,
        "way": said.way,
        "control_number": said.control_number,
        "purpose_of_use": said.purpose_of_use,
        "packet": packet(one, made),
        "document_bytes": said.document_bytes,
        "bytes": said.size_bytes,
        "limit_bytes": said.limit_bytes,
        "digest": said.digest,
        "content": [{"name": name, "value": value} for name, value in said.facts],
        "segments": list(said.segments),
        "lacks": list(said.lacks),
        "notes": list(said.notes),
    }


def submission(one: ClaimAttachment, said: Submission, version: int, answers: Sequence[AnswerRow]) -> Json:
    """Return one release. version: of the packet that it let go."""
    address = f"/api/authorizations/{one.authorization_key}/attachments/{one.key}/answers"
    return {
        "id": said.key,
        "to": said.destination,
        "state": said.state.value,
        "detail": said.detail or None,
        "control_number": said.control_number,
        "purpose_of_use": said.purpose_of_use,
        "packet_version": version,
        "reason": said.reason,
        "released_by": said.released_by,
        "released_at": instant(said.released_at),
        "answers": [
            {
                "id": each.key,
                "heard_at": instant(each.heard_at),
                "status": each.status or None,
                "payer_numbers": list(each.payer_numbers),
                "detail": each.detail or None,
                "url": f"{address}/{each.key}",
            }
            for each in answers
        ],
    }


def _packet_address(one: ClaimAttachment) -> str:
    return f"/api/authorizations/{one.authorization_key}/attachments/{one.key}/packet"

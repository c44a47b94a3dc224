"""Drafts as lines of text: what `imaging-bridge map` prints, and what the cases beside a mapping expect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from bridge.codecs.hl7.ack import verdict_of
from bridge.domain.details import Finding
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Code
from bridge.errors import BridgeError
from bridge.mapping.apply import Mapped
from bridge.mapping.evaluate import shown

_LISTS = {
    "merges": "merge",
    "moves": "move",
    "orders": "order",
    "steps": "step",
    "appointments": "appointment",
    "slots": "slot",
    "authorizations": "authorization",
    "reports": "report",
    "sections": "section",
    "documents": "document",
    "labs": "lab",
    "notes": "note",
}
_LEAVES = (EntityIdentifier, Code)
# What a draft keeps by name; only what was said stands there, an empty value for what is erased.
_KEPT_TOGETHER = frozenset({"details", "findings"})


def show(mapped: Mapped) -> str:
    """Return every value the message gives, one a line, in a fixed order; a value that is erased shows as nothing."""
    lines = [f"event: {mapped.event}"]
    for name in ("patient", "visit"):
        draft = getattr(mapped, name)
        if draft is not None:
            lines += _lines(name, draft)
    lines += _numbered("", "merges", mapped.merges)
    lines += _numbered("", "moves", mapped.moves)
    for number, link in enumerate(mapped.links, 1):
        lines += _lines(f"link {number}", link)
    lines += _numbered("", "orders", mapped.orders)
    lines += _numbered("", "appointments", mapped.appointments)
    lines += _numbered("", "reports", mapped.reports)
    lines += _numbered("", "labs", mapped.labs)
    lines += _numbered("", "notes", mapped.notes)
    lines += _numbered("", "authorizations", mapped.authorizations)
    for notice in mapped.notices:
        place = f" {notice.where}" if notice.where else ""
        lines.append(f"notice: {notice.severity}{place} {notice.detail}")
    return "\n".join(lines) + "\n"


def show_error(error: BridgeError) -> str:
    """Return a refusal as its sender is told it."""
    verdict = verdict_of(error)
    return f"error: {verdict.acknowledgment_code} {verdict.error_code} {verdict.where} {error.detail}\n"


def _lines(prefix: str, draft: Any) -> Iterator[str]:
    for each in fields(draft):
        if not each.repr:
            continue
        value = getattr(draft, each.name)
        name = f"{prefix}.{each.name}"
        if each.name in _KEPT_TOGETHER:
            yield from (f"{prefix}.{key}: {_text(one)}".rstrip() for key, one in value.items())
        elif each.name in _LISTS:
            yield from _numbered(f"{prefix} ", each.name, value)
        elif is_dataclass(value) and not isinstance(value, (*_LEAVES, PatientIdentifier, type)):
            yield from _lines(name, value)
        elif value is not None and value != each.default and (value or not _is_empty_default(each)):
            yield f"{name}: {_text(value)}".rstrip()


def _is_empty_default(each: Any) -> bool:
    """Whether an empty value only means that nothing was said."""
    return each.default == "" or each.default_factory in _LEAVES or each.default == () or each.default == frozenset()


def _numbered(prefix: str, name: str, drafts: tuple[Any, ...]) -> Iterator[str]:
    for number, draft in enumerate(drafts, 1):
        yield from _lines(f"{prefix}{_LISTS[name]} {number}", draft)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, frozenset):
        return ", ".join(sorted(value))
    if isinstance(value, dict):
        return ", ".join(f"{name} = {one}" for name, one in value.items())
    if isinstance(value, Finding):
        return f"{_text(value.value)} ({_text(value.found_at)})" if value.found_at else _text(value.value)
    if isinstance(value, Code):
        return " | ".join((value.code_value, value.coding_scheme_designator, value.code_meaning))
    if isinstance(value, tuple) and value and isinstance(value[0], Code):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, tuple) and value and isinstance(value[0], PatientIdentifier):
        return ", ".join(f"{shown(each)} {each.identifier_type}".rstrip() for each in value)
    return shown(value).replace("\r\n", " / ")

"""The tables of docs/hl7-conformance.md that the code itself holds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bridge.codecs.hl7 import ack, charset
from bridge.mapping.load import load_mappings
from bridge.mapping.site import SiteMapping
from tests.conformance.words import ANSWERED, MESSAGES


def static_part(mappings: Path) -> str:
    """Return everything that needs no running product: messages, order controls, answers, fields, character sets."""
    base = load_mappings(mappings).base
    parts = (
        ("Messages", "What MSH-9 may say; anything else is AR 200 or 201, and journalled.", _messages(base)),
        ("Order controls", "ORC-1, and the ORC-5 values that go with it; an empty one always does.", _controls(base)),
        ("Answers", _ANSWERS, _answers()),
        ("Fields", "Where each value is looked for: the first that has one. A site may say otherwise.", _fields(base)),
        (
            "Character sets",
            "What MSH-18 may say, in any usual spelling, and how the message is then read.",
            _charsets(),
        ),
    )
    return "\n".join(f"## {title}\n\n{lead}\n\n{rows}" for title, lead, rows in parts)


_ANSWERS = """AA only when everything is committed. MSA-2 is the received MSH-10, empty where that cannot be read. A refused
message stays in the journal with its reason. Beside an AA, an ERR with code 0 and severity W or I says what was let through,
or what became of one order group (from 2.5 on; before, MSA-3 says it). In enhanced mode (MSH-15, MSH-16) CA, CE and CR stand
for AA, AE and AR of the accept acknowledgment."""


def _messages(base: SiteMapping) -> str:
    return table(("message", "what it does"), [(kind, MESSAGES[kind]) for kind in sorted(base.accepts)])


def _controls(base: SiteMapping) -> str:
    rows = []
    for code, row in base.order_control.items():
        reports = [f"{status} → {state}" if state else status for status, state in row.status.items()]
        values = "any" if row.any_status else ", ".join(reports)
        rows.append((code, str(row.action), values, "filler" if row.by_filler else ""))
    return table(("ORC-1", "does", "ORC-5 → state", "a fact from"), rows)


def _answers() -> str:
    rows = []
    for kind, (code, default, place, by_slug) in ack._TABLE:
        for error_code in dict.fromkeys((default, *by_slug.values())):
            where = place if error_code == default else ""
            rows.append((code, error_code, ack.MEANINGS[error_code], where, ANSWERED[kind.__name__]))
    fault = ack._OUR_FAULT
    rows.append((fault.acknowledgment_code, fault.error_code, ack.MEANINGS[fault.error_code], "", "our own fault"))
    return table(("MSA-1", "ERR-3", "table 0357", "place, if none is known better", "when"), rows)


def _fields(base: SiteMapping) -> str:
    rows = []
    for target, rule in sorted(base.rules.items()):
        paths = ", ".join(f"`{path.text}`" for path in rule.paths)
        rows.append((f"`{target}`", paths, rule.converter.replace("_", " "), "yes" if rule.required else ""))
    return table(("value", "from", "read as", "needed"), rows)


def _charsets() -> str:
    names: dict[str, list[str]] = {}
    for name, codec in charset._CODECS.items():
        names.setdefault(codec, []).append(name)
    return table(("read as", "MSH-18"), [(codec, ", ".join(found)) for codec, found in sorted(names.items())])


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    cells = list(head)
    lines = [cells, ["---"] * len(cells), *([_cell(one) for one in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

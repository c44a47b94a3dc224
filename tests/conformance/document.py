"""The document as a whole, and how its halves are told apart."""

from __future__ import annotations

from tests.conftest import ROOT

PLACE = ROOT / "docs" / "hl7-conformance.md"
MAPPINGS = ROOT / "mappings"
_TITLE = """# HL7 v2 conformance

Written by `make conformance` from the running code; do not edit. How the doors work stands in
[conformance.md](conformance.md), what was decided where senders differ in [decisions.md](decisions.md), and how a site's rules
differ from these in [mappings.md](mappings.md).

"""
_CORPUS = "## The corpus\n"


def whole(static: str, corpus: str) -> str:
    """Return the document."""
    return f"{_TITLE}{static}\n{corpus}"


def static_of(text: str) -> str:
    """Return the part of a document that only the code decides."""
    return text.removeprefix(_TITLE).split(f"\n{_CORPUS}", 1)[0]


def corpus_of(text: str) -> str:
    """Return the part of a document that a running product decided, "" if it has none."""
    _, found, rest = text.partition(f"\n{_CORPUS}")
    return f"{_CORPUS}{rest}" if found else ""

"""The document that was written is what the code says now."""

from __future__ import annotations

import re

from bridge.mapping.load import load_mappings
from tests.conformance.code_tables import table
from tests.conformance.document import MAPPINGS, PLACE, corpus_of, static_of, whole
from tests.conformance.words import MESSAGES


def test_every_served_message_has_a_sentence_and_stands_in_the_document() -> None:
    accepts = load_mappings(MAPPINGS).base.accepts

    assert accepts <= set(MESSAGES)
    listed = re.findall(r"^\| ([A-Z]{3}\^[A-Z]\d\d) \|", static_of(PLACE.read_text("utf-8")), re.MULTILINE)
    assert set(listed) == accepts


def test_both_halves_come_out_of_a_document_as_they_went_in() -> None:
    text = whole("## Messages\n\nfirst\n", "## The corpus\n\nsecond\n")

    assert static_of(text) == "## Messages\n\nfirst\n"
    assert corpus_of(text) == "## The corpus\n\nsecond\n"


def test_a_cell_may_hold_what_ends_cells() -> None:
    assert table(["a"], [["x|y"]]) == "| a |\n| --- |\n| x\\|y |\n"

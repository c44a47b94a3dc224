"""The acceptance of other people's messages: each is answered once, by its own control id, and none breaks anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.codecs.hl7.batch import is_batch
from bridge.mapping.load import load_mappings
from tests.conformance.corpus_run import Outcome, Sent, control_id_of, outcomes, send_corpus
from tests.conformance.corpus_table import Row, corpus_part, is_served, read_rows
from tests.conformance.document import MAPPINGS, PLACE, corpus_of
from tests.product.running import Product

MESSAGES = 392


class Answered:
    """Everything that was sent, and what became of it."""

    def __init__(self, sent: list[Sent], found: dict[str, Outcome], log: str) -> None:
        self.sent, self.found, self.log = sent, found, log
        self.rows: list[Row] = read_rows(sent, found)


@pytest.fixture(scope="module")
def answered(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Answered:
    product = Product(tmp_path_factory.mktemp("corpus"), {"hl7": 'port = 0\nsenders = "any"'}).start("--roles", "hl7")
    try:
        sent = send_corpus(product, corpus)
    finally:
        product.stop()
    return Answered(sent, outcomes(product), product.log.read_text("utf-8"))


def test_every_message_is_journalled_and_answered_once(answered: Answered) -> None:
    assert [(sent.file, sent.number) for sent, _, _ in answered.rows if len(sent.answers) != 1] == []
    assert len([one for one in answered.sent if b"MSH" in one.raw]) >= MESSAGES


def test_every_answer_names_the_control_id_it_answers(answered: Answered) -> None:
    wrong = [
        (sent.file, sent.number)
        for sent, envelope, _ in answered.rows
        for answer in sent.answers
        if is_batch(answer) or control_id_of(answer) != envelope.control_id
    ]
    assert wrong == []


def test_no_message_leaves_a_traceback_or_a_fault_of_ours(answered: Answered) -> None:
    assert "traceback" not in answered.log.lower()
    assert "internal_error" not in answered.log
    assert [sent.file for sent, _, outcome in answered.rows if outcome.state == "failed"] == []


def test_a_served_message_is_applied_or_says_which_value_keeps_it_from_being(answered: Answered) -> None:
    accepts = load_mappings(MAPPINGS).base.accepts
    served = [row for row in answered.rows if is_served(row, accepts)]
    vague = [(s.file, o) for s, _, o in served if o.code != "AA" and (o.code != "AE" or not o.where or not o.detail)]

    assert vague == []
    assert len([row for row in served if row[2].code == "AA"]) > len(served) * 0.75


def test_the_document_says_what_was_answered(answered: Answered) -> None:
    assert corpus_of(PLACE.read_text("utf-8")) == corpus_part(answered.sent, answered.found, MAPPINGS), (
        "make conformance"
    )

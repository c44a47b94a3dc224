"""277 and 276, 999 and TA1: how claims stand, what is asked for, and whether the other side could read us."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from bridge.codecs.x12 import acknowledgement, claim_status, envelope
from bridge.codecs.x12.claim_status import StatusReport, outcomes
from bridge.domain.claim_outcome import OutcomeStatus
from bridge.errors import Malformed, Unsupported
from tests.unit.codecs.x12.claims import ACKNOWLEDGED, ASKED, file_of
from tests.unit.codecs.x12.judge import complaints


def read(raw: bytes) -> StatusReport:
    [transaction] = envelope.read(raw)[0].transactions()
    return claim_status.read(transaction)


def test_our_acknowledgement_is_one_that_an_independent_reader_accepts(tmp_path: Path) -> None:
    assert complaints(file_of("277", "005010X214", ACKNOWLEDGED), tmp_path) == []


def test_an_acknowledgement_says_what_was_taken_in_and_what_was_returned() -> None:
    report = read(file_of("277", "005010X214", ACKNOWLEDGED))
    taken, returned = outcomes(report)

    assert report.notices == ()
    assert [one.level for one in report.statuses] == ["2000A", "2000B", "2000C", "2000D", "2000D"]
    assert (taken.claim_number, taken.status, taken.payer_claim_number) == (
        "ACC17",
        OutcomeStatus.ACCEPTED,
        "EP-CLM-1",
    )
    assert (returned.claim_number, returned.status) == ("ACC18", OutcomeStatus.RETURNED)
    assert returned.status_codes == ("A7:562", "A6:21")
    assert (returned.payer_id, returned.charged, returned.said_on) == ("EAST01", Decimal(900), date(2026, 3, 12))


def test_a_request_for_documents_says_what_by_when_and_under_which_number() -> None:
    report = read(file_of("277", "005010X213", ASKED))
    [asked] = outcomes(report)

    assert asked.status is OutcomeStatus.ASKED
    assert asked.claim_number == "ACC17"
    assert asked.attachment_control_numbers == ("EP-CTRL-77",)
    assert asked.wanted == ("18748-4", "55113-5", "RR")
    assert asked.due_on == date(2026, 4, 30)
    assert [(line.code, line.control_number) for line in asked.lines] == [("72148", "LINE1")]
    assert [one.about for one in report.statuses[0].statuses] == ["documents are asked for"]


def test_a_status_of_a_batch_is_no_claim() -> None:
    report = read(file_of("277", "005010X214", ACKNOWLEDGED.split("HL*4*")[0]))

    assert outcomes(report) == []
    assert [one.statuses[0].text for one in report.statuses if one.statuses] == ["A1:19", "A1:19"]


def test_a_category_that_nobody_knows_decides_nothing() -> None:
    report = read(file_of("277", "005010X214", ACKNOWLEDGED.replace("STC*A2:20", "STC*Q9:20")))
    first, _ = outcomes(report)

    assert first.status is OutcomeStatus.UNKNOWN
    assert first.status_codes == ("Q9:20",)


def test_another_transaction_and_one_without_its_beginning_are_refused() -> None:
    [transaction] = envelope.read(file_of("277", "005010X214", ACKNOWLEDGED))[0].transactions()
    for one in (claim_status.read, acknowledgement.read):
        with pytest.raises(Unsupported):
            one(replace(transaction, name="835"))
    with pytest.raises(Malformed):
        claim_status.read(replace(transaction, segments=transaction.segments[1:]))
    with pytest.raises(Malformed):
        acknowledgement.read(replace(transaction, name="999"))


def test_the_997_of_older_partners_is_read() -> None:
    text = "AK1*HI*1\nAK2*278*0001\nAK3*PWK*12**8\nAK4*6**5\nAK5*R*5\nAK9*R*1*1*0"
    [transaction] = envelope.read(file_of("997", "004010", text))[0].transactions()
    found = acknowledgement.read(transaction)

    assert (found.name, found.control_number, found.is_accepted) == ("HI", "1", False)
    assert [(one.where, one.codes) for one in found.transactions[0].errors] == [
        ("PWK (segment 12)", ("8",)),
        ("PWK (segment 12), element 6", ("5",)),
    ]


# What each file of the corpus says: (level, trace, statuses), and its claims (number, status).
CORPUS_SAYS = {
    "claim-level-status-ncpdp.276": ([("2000D", "ABCXYZ1", [])], []),
    "claim-level-status-ncpdp.277": ([("2000D", "ABCXYZ1", ["F2:80"])], [("ABCXYZ1", "denied")]),
    "claim-level-status.276": (
        [("2000D", "ABCXYZ1", []), ("2000D", "ABCXYZ2", []), ("2000E", "ABCXYZ3", [])],
        [],
    ),
    "demo.276": ([("2000D", "ABCXYZ1", []), ("2000D", "ABCXYZ2", []), ("2000E", "ABCXYZ3", [])], []),
    "demo.277": (
        [("2000D", "ABCXYZ1", ["P3:317"]), ("2000D", "ABCXYZ2", ["F0:3"]), ("2000E", "ABCXYC3", ["F2:88"])],
        [("SM123456", "asked"), ("J0234567", "paid"), ("MA345678", "denied")],
    ),
    "information-receiver-level-status.276": ([("2000D", "ABCXYZ1", [])], []),
    "information-receiver-level-status.277": ([("2000B", "ABC276XXX", ["E0:0"])], []),
    "provider-level-status.276": ([("2000D", "ABCXYZ1", []), ("2000E", "ABCXYZ3", [])], []),
    "provider-level-status.277": (
        [("2000D", "ABCXYZ1", ["P3:317"]), ("2000C", "0", ["E0:24"])],
        [("SM123456", "asked")],
    ),
}


@pytest.mark.parametrize("name", CORPUS_SAYS)
def test_a_claim_status_of_the_corpus_is_read(corpus: Path, name: str) -> None:
    statuses, claims = CORPUS_SAYS[name]
    report = read((corpus / "x12/linuxforhealth" / name).read_bytes())

    assert report.notices == ()
    found = [(one.level, one.trace.number, [said.text for said in one.statuses]) for one in report.statuses]
    assert found == statuses
    assert [(one.claim_number, one.status.value) for one in outcomes(report)] == claims
    assert all(one.payer is not None and one.payer.name == "ABC INSURANCE" for one in report.statuses)


@pytest.mark.parametrize(
    ("name", "accepted", "errors"),
    [
        ("999-accept.edi", True, 0),
        ("999-accept-with-errors.edi", True, 2),
        ("999-reject-control-number-mismatch.edi", False, 0),
    ],
)
def test_a_999_of_the_corpus_is_read(corpus: Path, name: str, accepted: bool, errors: int) -> None:
    [transaction] = envelope.read((corpus / "x12/cosyte/ack" / name).read_bytes())[0].transactions()
    found = acknowledgement.read(transaction.let_through())

    assert found.is_accepted is accepted
    assert [(one.name, one.is_accepted, len(one.errors)) for one in found.transactions] == [("837", accepted, errors)]


@pytest.mark.parametrize(
    ("name", "accepted", "note"),
    [
        ("ta1-accept.edi", True, "000"),
        ("ta1-accept-with-errors.edi", True, "016"),
        ("ta1-reject-control-mismatch.edi", False, "001"),
    ],
)
def test_a_ta1_of_the_corpus_is_read(corpus: Path, name: str, accepted: bool, note: str) -> None:
    [interchange] = envelope.read((corpus / "x12/cosyte/ack" / name).read_bytes())
    [found] = acknowledgement.read_interchange(interchange)

    assert (found.control_number, found.is_accepted, found.note) == ("000000019", accepted, note)

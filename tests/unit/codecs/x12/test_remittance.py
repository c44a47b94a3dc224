"""835: what was paid and what was not, with denials for want of documents told apart, and sums that are checked."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest

from bridge.codecs.x12 import envelope, remittance
from bridge.codecs.x12.reasons import category_of, is_about_documents, words_for
from bridge.codecs.x12.remittance import Remittance
from bridge.domain.claim_outcome import OutcomeStatus, ReasonCategory
from bridge.errors import Malformed, Unsupported
from tests.unit.codecs.x12.claims import PAYMENT, file_of
from tests.unit.codecs.x12.judge import complaints


def read(raw: bytes) -> Remittance:
    [transaction] = envelope.read(raw)[0].transactions()
    return remittance.read(transaction)


def payment(old: str = "", new: str = "") -> bytes:
    assert old in PAYMENT
    return file_of("835", "005010X221A1", PAYMENT.replace(old, new) if old else PAYMENT)


def test_our_payment_is_one_that_an_independent_reader_accepts(tmp_path: Path) -> None:
    assert complaints(payment(), tmp_path) == []


def test_a_payment_names_its_money_its_day_and_its_payer() -> None:
    found = read(payment())

    assert (found.number, found.amount, found.method) == ("EFT0017", Decimal(770), "ACH")
    assert found.paid_on == date(2026, 4, 1)
    assert (found.payer_id, found.payer_name, found.payee_id) == ("EAST01", "EASTPLAN HEALTH", "1234567893")
    assert [(one.reason, one.reference, one.amount) for one in found.provider_adjustments] == [
        ("WO", "EP-CLM-9", Decimal(-50)),
        ("L6", "", Decimal(0)),
    ]
    assert found.notices == ()


@pytest.mark.parametrize(
    ("claim", "status", "categories"),
    [
        ("ACC17", OutcomeStatus.PAID, set()),
        ("ACC18", OutcomeStatus.DENIED, {ReasonCategory.DOCUMENTATION}),
        ("ACC19", OutcomeStatus.DENIED, {ReasonCategory.DOCUMENTATION, ReasonCategory.AUTHORIZATION}),
        ("ACC20", OutcomeStatus.PARTLY_PAID, {ReasonCategory.BUNDLED}),
        ("ACC21", OutcomeStatus.REVERSED, set()),
    ],
)
def test_each_claim_comes_out_by_its_money_and_its_reasons(
    claim: str, status: OutcomeStatus, categories: set[ReasonCategory]
) -> None:
    [found] = [one for one in read(payment()).claims if one.claim_number == claim]

    assert found.status is status
    assert found.denial_categories == categories
    assert found.lacks_documents == (ReasonCategory.DOCUMENTATION in categories)


def test_a_claim_keeps_its_numbers_dates_lines_and_remarks() -> None:
    first, second, third, *_ = read(payment()).claims

    assert (first.payer_claim_number, first.authorization_numbers) == ("EP-CLM-1", ("EPAUTH001",))
    assert (first.charged, first.paid, first.patient_share) == (Decimal(650), Decimal(520), Decimal(65))
    assert first.service_from == first.service_to == date(2026, 3, 10)
    [line] = first.lines
    assert (line.code, line.modifiers, line.control_number, line.paid) == ("72148", ("TC",), "LINE1", Decimal(585))
    assert second.lines[0].remarks == ("N706", "M31")
    assert second.service_from == date(2026, 3, 11)
    assert third.remarks == ("N457",)
    assert [(one.group, one.reason, one.amount) for one in third.adjustments] == [
        ("CO", "252", Decimal(300)),
        ("CO", "197", Decimal(100)),
    ]
    assert (first.said_on, first.payment_number) == (date(2026, 4, 1), "EFT0017")
    assert len({one.source_number for one in read(payment()).claims}) == 5


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        ("BPR*I*770*", "BPR*I*771*", ["the payment is not the sum of its claims and adjustments"]),
        ("CAS*CO*252*300**197*100", "CAS*CO*252*300", ["the claim's charge less its adjustments is not what was paid"]),
        (
            "SVC*HC:73721*300*250",
            "SVC*HC:73721*300*240",
            [
                "the line's charge less its adjustments is not what was paid",
                "the claim's payment is not that of its lines",
            ],
        ),
    ],
)
def test_a_sum_that_does_not_agree_is_told_with_its_place(old: str, new: str, sentences: list[str]) -> None:
    found = read(payment(old, new))

    assert [one.detail for one in found.notices] == sentences
    assert all(one.where.startswith("segment ") for one in found.notices)
    assert len(found.claims) == 5


@pytest.mark.parametrize("amount", ["6x0", "--1", "1,5", "NaN", "1e9", "9" * 30, "∞"])
def test_what_is_no_amount_is_refused_and_not_repeated(amount: str) -> None:
    raw = payment("CLP*ACC17*1*650*", "CLP*ACC17*1*~*").replace(b"*~*", b"*" + amount.encode() + b"*")
    with pytest.raises(Malformed) as caught:
        read(raw)
    assert caught.value.code == "amount"
    assert caught.value.where.endswith("(CLP03)")
    assert amount not in caught.value.detail


def test_a_remark_of_the_claim_says_what_a_lines_general_reason_is_about() -> None:
    own = "LQ*HE*N706\nLQ*HE*M31\n"
    assert own in PAYMENT
    text = PAYMENT.replace(own, "").replace("MI*EP0041005\n", "MI*EP0041005\nMOA***M127\n")
    raw = file_of("835", "005010X221A1", text)
    [found] = [one for one in read(raw).claims if one.claim_number == "ACC18"]

    assert found.lines[0].remarks == ()
    assert found.lacks_documents


def test_the_same_news_have_the_same_number_and_others_another() -> None:
    first, again = read(payment()).claims[0], read(payment()).claims[0]
    other = read(payment().replace(b"*000000041", b"*000000042")).claims[0]

    assert first.source_number == again.source_number == "CLEARVIEW/000000041/260302/1405/1/835/005010X221A1/0001/15"
    assert other.source_number != first.source_number


def test_money_that_is_taken_back_is_negative() -> None:
    assert read(payment("BPR*I*770*C*", "BPR*I*770*D*")).amount == Decimal(-770)


def test_a_general_reason_is_about_documents_where_its_remark_is() -> None:
    assert category_of("16", ("N706",)) is ReasonCategory.DOCUMENTATION
    assert category_of("16", ("MA130",)) is ReasonCategory.INFORMATION
    assert category_of("45", ("N706",)) is ReasonCategory.CONTRACT
    assert category_of("999", ()) is ReasonCategory.OTHER
    assert [category_of(code, ()) for code in ("163", "164", "226", "227", "250", "251", "252")] == [
        ReasonCategory.DOCUMENTATION
    ] * 7


def test_every_reason_has_a_category_words_and_a_source() -> None:
    text = resources.files("bridge.codecs.x12").joinpath("tables", "reasons.toml").read_text("utf-8")
    table = tomllib.loads(text)

    assert len(table["carc"]) > 80
    assert all(ReasonCategory(row["category"]) and row["about"] for row in table["carc"].values())
    assert {row["source"] for row in table["carc"].values()} == {"X12 139"}
    assert {row["source"] for row in table["rarc"].values()} == {"X12 411"}
    assert all(is_about_documents(code) and words_for(code) for code in table["rarc"])
    assert (words_for("252"), words_for("ZZ")) == ("an attachment is needed to decide", "")


def test_another_transaction_is_refused() -> None:
    [transaction] = envelope.read(file_of("277", "005010X214", "BHT*0085*08*A*20260312"))[0].transactions()
    with pytest.raises(Unsupported):
        remittance.read(transaction)


def test_the_835_of_the_corpus_is_read_and_its_sums_agree(corpus: Path) -> None:
    found = read((corpus / "x12/linuxforhealth/demo.835").read_bytes())

    assert found.notices == ()
    assert (found.amount, found.payer_id) == (Decimal("150000.00"), "999")
    assert [(one.claim_number, one.status, one.paid) for one in found.claims] == [
        ("666123", OutcomeStatus.PAID, Decimal("138018.40")),
        ("777777", OutcomeStatus.PAID, Decimal("11980.33")),
    ]
    assert found.claims[1].remarks == ("MA02",)
    assert (found.claims[0].service_from, found.claims[0].service_to) == (date(2002, 8, 16), date(2002, 8, 24))

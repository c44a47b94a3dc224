"""One claim out of all that was said of it: counted once, under the insurer that decides first."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bridge.domain.claim_outcome import Adjustment, ClaimOutcome, OutcomeStatus, ReasonCategory
from bridge.domain.claim_story import ClaimStory, ClaimWord, FirstAnswer, tell_claims

SERVICE = date(2026, 3, 10)
DOCUMENTS = Adjustment("CO", "252", Decimal(400), ReasonCategory.DOCUMENTATION)
CODING = Adjustment("CO", "4", Decimal(500), ReasonCategory.CODING)
PAID, DENIED, REVERSED = OutcomeStatus.PAID, OutcomeStatus.DENIED, OutcomeStatus.REVERSED


class Mail:
    """What came, word by word."""

    def __init__(self) -> None:
        self.words: list[ClaimWord] = []

    def said(self, status: OutcomeStatus, day: int, **more: Any) -> None:
        """Let a payer say something of the claim A1 so many days after its service."""
        facts: dict[str, Any] = {
            "payer_id": "EAST01",
            "payer_name": "Eastplan",
            "payer_claim_number": "E1",
            "service_from": SERVICE,
            "processed_as": "1",
            "charged": Decimal(400),
            "paid": Decimal(300) if status is PAID else Decimal(0),
            "said_on": SERVICE + timedelta(days=day),
            "payment_number": f"EFT{day}",
        }
        facts |= {"processed_as": "22"} if status is REVERSED else {}
        self.words.append(ClaimWord(len(self.words) + 1, ClaimOutcome("A1", status=status, **(facts | more))))

    def told(self, status: OutcomeStatus, day: int, **more: Any) -> None:
        """The same in a 277."""
        self.said(status, day, **({"processed_as": "", "payment_number": "", "payer_claim_number": ""} | more))

    def one(self) -> ClaimStory:
        """Return the one claim that all of it is about."""
        (found,) = tell_claims(self.words)
        return found


@pytest.fixture
def mail() -> Mail:
    return Mail()


def test_a_claim_that_is_paid_at_once_took_the_days_from_its_service(mail: Mail) -> None:
    mail.told(OutcomeStatus.ACCEPTED, 2)
    mail.said(PAID, 21)
    one = mail.one()
    assert (one.first, one.was_returned, one.category, one.days_to_payment) == (FirstAnswer.PAID, False, None, 21)


def test_a_denial_stays_the_first_answer_when_it_is_paid_later(mail: Mail) -> None:
    mail.said(DENIED, 14, adjustments=(DOCUMENTS, CODING), remarks=("N706",))
    mail.said(PAID, 40, payer_claim_number="E2")
    one = mail.one()
    assert (one.first, one.category, one.days_to_payment) == (FirstAnswer.DENIED, ReasonCategory.DOCUMENTATION, 40)
    assert [(said.category.value, said.code) for said in one.denials] == [
        ("coding", "CO-4"),
        ("documentation", "CO-252"),
        ("documentation", "N706"),
    ]


def test_without_documents_among_them_the_reason_with_most_money_counts(mail: Mail) -> None:
    other = Adjustment("CO", "29", Decimal(10), ReasonCategory.TIMELY_FILING)
    mail.said(DENIED, 14, adjustments=(other, CODING))
    assert mail.one().category is ReasonCategory.CODING


def test_a_reversal_with_its_correction_is_still_one_claim(mail: Mail) -> None:
    mail.said(PAID, 20)
    mail.said(REVERSED, 50, paid=Decimal(-300))
    mail.said(PAID, 50, paid=Decimal(250), payer_claim_number="E2", processed_as="1")
    one = mail.one()
    assert (one.first, one.is_void, one.days_to_payment) == (FirstAnswer.PAID, False, 50)


def test_what_was_taken_back_and_never_decided_anew_is_void(mail: Mail) -> None:
    mail.said(PAID, 20)
    mail.said(REVERSED, 50, paid=Decimal(-300))
    one = mail.one()
    assert (one.is_void, one.days_to_payment) == (True, None)


def test_a_correction_of_what_was_decided_before_these_files_is_no_first_answer(mail: Mail) -> None:
    mail.said(REVERSED, 50, paid=Decimal(0), payment_number="EFT51")
    mail.said(PAID, 50, payer_claim_number="E2", payment_number="EFT51")
    assert mail.one().is_void
    mail.said(DENIED, 14, adjustments=(DOCUMENTS,))
    one = mail.one()
    assert (one.is_void, one.first, one.category) == (False, FirstAnswer.DENIED, ReasonCategory.DOCUMENTATION)


def test_what_a_second_insurer_takes_back_leaves_the_claim_undecided(mail: Mail) -> None:
    mail.told(OutcomeStatus.ACCEPTED, 2)
    mail.said(PAID, 40, payer_id="WEST", payer_claim_number="W1", processed_as="2")
    mail.said(REVERSED, 60, payer_id="WEST", payer_claim_number="W1", paid=Decimal(-300))
    one = mail.one()
    assert (one.payer, one.first, one.is_void) == ("EAST01", FirstAnswer.NONE, False)


def test_a_denial_that_is_taken_back_in_the_same_file_was_a_denial_first(mail: Mail) -> None:
    mail.said(DENIED, 14, adjustments=(DOCUMENTS,))
    mail.said(REVERSED, 30)
    mail.said(PAID, 30)
    one = mail.one()
    assert (one.first, one.category, one.is_void) == (FirstAnswer.DENIED, ReasonCategory.DOCUMENTATION, False)


def test_a_second_insurer_decides_nothing_of_the_first(mail: Mail) -> None:
    mail.said(DENIED, 40, payer_id="WEST", payer_claim_number="W1", adjustments=(DOCUMENTS,), processed_as="2")
    mail.said(PAID, 20)
    one = mail.one()
    assert (one.payer, one.first, one.category, one.days_to_payment) == ("EAST01", FirstAnswer.PAID, None, 20)


def test_of_a_denial_that_names_no_rank_the_earlier_insurer_is_the_first(mail: Mail) -> None:
    mail.said(DENIED, 20, adjustments=(CODING,), processed_as="4")
    mail.said(DENIED, 45, payer_id="WEST", payer_claim_number="W1", adjustments=(DOCUMENTS,), processed_as="4")
    one = mail.one()
    assert (one.payer, one.category) == ("EAST01", ReasonCategory.CODING)


def test_where_a_second_insurer_alone_spoke_the_first_has_not_decided(mail: Mail) -> None:
    mail.told(OutcomeStatus.ACCEPTED, 2)
    mail.said(PAID, 40, payer_id="WEST", payer_claim_number="W1", processed_as="2")
    one = mail.one()
    assert (one.payer, one.first, one.days_to_payment) == ("EAST01", FirstAnswer.NONE, None)


def test_a_claim_that_was_handed_on_or_forecast_is_not_decided(mail: Mail) -> None:
    mail.said(OutcomeStatus.UNKNOWN, 20, processed_as="23")
    assert mail.one().first is FirstAnswer.NONE


def test_a_claim_that_was_sent_back_before_is_no_first_pass(mail: Mail) -> None:
    mail.told(OutcomeStatus.RETURNED, 2)
    assert mail.one().first is FirstAnswer.RETURNED
    mail.said(PAID, 20)
    one = mail.one()
    assert (one.first, one.was_returned) == (FirstAnswer.PAID, True)


def test_what_is_sent_back_after_the_decision_changes_nothing_of_it(mail: Mail) -> None:
    mail.said(PAID, 20)
    mail.told(OutcomeStatus.RETURNED, 25)
    assert mail.one().was_returned is False


def test_a_status_decides_only_where_no_payment_came(mail: Mail) -> None:
    mail.told(OutcomeStatus.ASKED, 5)
    mail.told(DENIED, 12)
    one = mail.one()
    assert (one.first, one.category, one.was_asked) == (FirstAnswer.DENIED, ReasonCategory.OTHER, True)
    mail.said(DENIED, 14, adjustments=(DOCUMENTS,))
    assert mail.one().category is ReasonCategory.DOCUMENTATION


def test_a_split_claim_is_one_that_was_paid_in_part(mail: Mail) -> None:
    mail.said(PAID, 20)
    mail.said(DENIED, 20, payer_claim_number="E2", adjustments=(DOCUMENTS,), service_from=SERVICE)
    one = mail.one()
    assert (one.first, one.category) == (FirstAnswer.PARTLY_PAID, ReasonCategory.DOCUMENTATION)


def test_a_payment_that_came_in_two_files_counts_once_and_is_taken_back_once(mail: Mail) -> None:
    mail.said(PAID, 20)
    mail.said(PAID, 20)
    mail.said(REVERSED, 50, paid=Decimal(-300))
    assert mail.one().is_void


def test_a_number_used_for_two_visits_is_two_claims(mail: Mail) -> None:
    later = SERVICE + timedelta(days=60)
    mail.said(PAID, 20)
    mail.said(DENIED, 80, service_from=later, payer_claim_number="E9", adjustments=(DOCUMENTS,))
    mail.told(OutcomeStatus.ASKED, 70, service_from=None)
    mail.told(OutcomeStatus.PENDED, 75, service_from=None, payer_claim_number="E1")
    first, second = tell_claims(mail.words)
    assert (first.service_on, first.first, first.was_asked) == (SERVICE, FirstAnswer.PAID, False)
    assert (second.service_on, second.first, second.was_asked) == (later, FirstAnswer.DENIED, True)


def test_a_correction_of_the_day_of_service_under_the_payers_number_is_no_second_claim(mail: Mail) -> None:
    mail.said(PAID, 20)
    mail.said(REVERSED, 30, paid=Decimal(-300))
    mail.said(PAID, 31, service_from=SERVICE + timedelta(days=1))
    assert mail.one().service_on == SERVICE


def test_words_come_in_any_order(mail: Mail) -> None:
    mail.said(PAID, 40)
    mail.said(DENIED, 14, adjustments=(DOCUMENTS,), payer_claim_number="E0")
    assert mail.one().first is FirstAnswer.DENIED


def test_without_a_day_of_service_no_days_are_counted(mail: Mail) -> None:
    mail.said(PAID, 20, service_from=None)
    one = mail.one()
    assert (one.service_on, one.first, one.days_to_payment) == (None, FirstAnswer.PAID, None)
    assert tell_claims([]) == []


def test_a_copy_that_was_denied_as_one_changes_nothing_and_alone_it_is_a_denial(mail: Mail) -> None:
    again = Adjustment("CO", "18", Decimal(400), ReasonCategory.DUPLICATE)
    mail.said(DENIED, 20, payer_claim_number="E2", adjustments=(again,), paid=Decimal(0))
    assert (mail.one().first, mail.one().category) == (FirstAnswer.DENIED, ReasonCategory.DUPLICATE)
    mail.said(PAID, 20)
    assert (mail.one().first, mail.one().category) == (FirstAnswer.PAID, None)

"""One claim out of all that was said of it: how its first payer answered it first, and when it was paid.

A payer's files name a claim many times: taken in, asked about, paid, taken back and paid anew, and again by the next
insurer. Here it is one claim. Source: 005010X221A1 1.10.2.8 (reversals and corrections), CLP02.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from bridge.domain.claim_outcome import DECIDED, ClaimOutcome, OutcomeStatus, ReasonCategory

_FIRST_INSURER = frozenset({"1", "19"})
_LATER_INSURER = frozenset({"2", "3", "20", "21"})


class FirstAnswer(StrEnum):
    """How the payer answered a claim first. returned: sent back unread, and not decided since; none: not decided yet."""

    PAID = "paid"
    PARTLY_PAID = "partly-paid"
    DENIED = "denied"
    RETURNED = "returned"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ClaimWord:
    """One word on a claim, in the order it was heard. order_key: the exam it is known to be about."""

    number: int
    said: ClaimOutcome
    order_key: int | None = None

    @property
    def payer(self) -> str:
        """By which id, else name, its sender goes."""
        return self.said.payer_id or self.said.payer_name

    @property
    def is_payment(self) -> bool:
        """Whether an 835 said it: what a 277 says of money is only told, and never by reason."""
        return bool(self.said.processed_as)


@dataclass(frozen=True, slots=True)
class Denial:
    """Why something was denied. code: group and CARC ("CO-252"), or a RARC ("N706")."""

    category: ReasonCategory
    code: str


@dataclass(frozen=True, slots=True)
class ClaimStory:
    """
    One claim. payer, payer_name: the insurer that decides first. was_returned: sent back unread before it was decided.

    category: why the first answer denied most of the money, None where nothing was denied; documentation wherever
    documents were among the reasons. is_void: what was decided was taken back, and nothing came in its place, or nobody
    knows any more what it was.
    paid_on: of the first payment that stands.
    """

    claim_number: str
    service_on: date | None
    payer: str
    payer_name: str
    first: FirstAnswer
    was_returned: bool
    was_asked: bool
    category: ReasonCategory | None
    denials: tuple[Denial, ...]
    is_void: bool
    paid_on: date | None
    order_key: int | None

    @property
    def days_to_payment(self) -> int | None:
        """From the service to the first payment that stands; None where there is none, or a date makes no sense."""
        if self.paid_on is None or self.service_on is None or self.paid_on < self.service_on:
            return None
        return (self.paid_on - self.service_on).days


def tell_claims(words: Sequence[ClaimWord]) -> list[ClaimStory]:
    """
    Return the claims behind all words with one claim number, oldest service first.

    A number that an office uses for several visits is as many claims as there are days of service; a word without one
    belongs to the claim that the payer numbers the same, else to the last day of service before it was said.
    """
    return [_tell(apart) for apart in _apart(words)]


def _apart(words: Sequence[ClaimWord]) -> list[list[ClaimWord]]:
    by_day: dict[date, list[ClaimWord]] = {}
    for word in words:
        if word.said.service_from is not None:
            by_day.setdefault(word.said.service_from, []).append(word)
    joined = _with_one_payer_number(by_day)
    undated = [word for word in words if word.said.service_from is None]
    if not joined:
        return [undated] if undated else []
    for word in undated:
        _belongs(word, joined).append(word)
    return joined


def _with_one_payer_number(by_day: dict[date, list[ClaimWord]]) -> list[list[ClaimWord]]:
    """Return the groups, days that one payer's number stands on made one: its claim was corrected."""
    groups: list[list[ClaimWord]] = []
    for day in sorted(by_day):
        numbers = _payer_numbers(by_day[day])
        same = next((one for one in groups if numbers & _payer_numbers(one)), None)
        if same is None:
            groups.append(list(by_day[day]))
        else:
            same.extend(by_day[day])
    return groups


def _payer_numbers(words: Iterable[ClaimWord]) -> set[tuple[str, str]]:
    return {(one.payer, one.said.payer_claim_number) for one in words if one.said.payer_claim_number}


def _belongs(word: ClaimWord, groups: list[list[ClaimWord]]) -> list[ClaimWord]:
    numbers = _payer_numbers([word])
    same = [one for one in groups if numbers & _payer_numbers(one)]
    said_on = word.said.said_on
    earlier = [one for one in groups if said_on is not None and (_service(one) or said_on) <= said_on]
    return (same or earlier[-1:] or groups)[0]


def _service(words: Iterable[ClaimWord]) -> date | None:
    return min((one.said.service_from for one in words if one.said.service_from is not None), default=None)


def _tell(words: list[ClaimWord]) -> ClaimStory:
    ordered = _once(sorted(words, key=lambda one: (one.said.said_on or date.min, one.number)))
    payer = _first_insurer(ordered)
    heard = _without_copies(_heard(ordered, payer))
    decided, standing = _decisions(heard)
    first_on = decided[0].said.said_on if decided else None
    denied = [word for word in decided if word.said.denials or word.said.status is OutcomeStatus.DENIED]
    returned = [one for one in ordered if one.said.status is OutcomeStatus.RETURNED]
    before = [one for one in returned if first_on is None or one.said.said_on is None or one.said.said_on <= first_on]
    paid = [one.said.said_on for one in standing if one.said.paid > 0 and one.said.said_on is not None]
    return ClaimStory(
        claim_number=ordered[0].said.claim_number,
        service_on=_service(ordered),
        payer=payer,
        payer_name=next((one.said.payer_name for one in reversed(ordered) if one.payer == payer), ""),
        first=_first_answer(decided, was_returned=bool(before)),
        was_returned=bool(before),
        was_asked=any(one.said.status is OutcomeStatus.ASKED for one in ordered),
        category=_category(denied),
        denials=_reasons(denied),
        is_void=_is_void(heard, standing),
        paid_on=min(paid, default=None),
        order_key=next((one.order_key for one in reversed(ordered) if one.order_key is not None), None),
    )


def _once(words: Iterable[ClaimWord]) -> list[ClaimWord]:
    """Return the words, those of a payment that was sent again in another file once."""
    found: dict[object, ClaimWord] = {}
    for word in words:
        said = word.said
        same = (word.payer, said.payment_number, said.payer_claim_number, said.processed_as, said.charged, said.paid)
        found.setdefault(same if word.is_payment and said.payment_number else word.number, word)
    return list(found.values())


def _first_insurer(words: Sequence[ClaimWord]) -> str:
    """Return who decides first: whoever says so, else who was not said to come later; a status names a clearinghouse, too."""
    payments = [one for one in words if one.is_payment]
    first = [one for one in payments if one.said.processed_as in _FIRST_INSURER]
    later = {one.payer for one in payments if one.said.processed_as in _LATER_INSURER}
    if found := [*first, *(one for one in payments if one.payer not in later)]:
        return found[0].payer
    told = [one for one in words if not one.is_payment]
    return told[0].payer if told else ""


def _heard(words: Sequence[ClaimWord], payer: str) -> Sequence[ClaimWord]:
    """Return the words that decide: the first insurer's payments; a status (277) only where no payment of that claim came."""
    payments = [one for one in words if one.is_payment]
    return [one for one in payments if one.payer == payer] if payments else words


def _without_copies(heard: Sequence[ClaimWord]) -> Sequence[ClaimWord]:
    """Leave out what a payer denied only because it had it before, where it says elsewhere what it decided: a claim that was sent twice is one."""
    copies = [one for one in heard if one.said.denial_categories == {ReasonCategory.DUPLICATE}]
    others = [one for one in heard if one.said.status in DECIDED and one not in copies]
    return [one for one in heard if one not in copies] if others else heard


def _is_void(heard: Sequence[ClaimWord], standing: Sequence[ClaimWord]) -> bool:
    """Say whether all was taken back, or what was decided first is not known: it was taken back before it was heard of."""
    told = [one.said.status for one in heard if one.said.status in DECIDED or one.said.status is OutcomeStatus.REVERSED]
    return OutcomeStatus.REVERSED in told and (not standing or told[0] is OutcomeStatus.REVERSED)


def _decisions(heard: Sequence[ClaimWord]) -> tuple[list[ClaimWord], list[ClaimWord]]:
    """Return the first decision, in parts if the payer split the claim, and what stands of all of them."""
    first: list[ClaimWord] = []
    standing: list[ClaimWord] = []
    for word in heard:
        if word.said.status is OutcomeStatus.REVERSED:
            _take_back(standing, word)
        elif word.said.status in DECIDED:
            if not first or (_stands(standing, first) and word.said.said_on == first[0].said.said_on):
                first.append(word)
            standing.append(word)
    return first, standing


def _stands(standing: Sequence[ClaimWord], first: Sequence[ClaimWord]) -> bool:
    """Say whether the whole first decision stands, so that a part of the same day belongs to it."""
    return all(any(one is word for one in standing) for word in first)


def _take_back(standing: list[ClaimWord], reversal: ClaimWord) -> None:
    number = reversal.said.payer_claim_number
    same = [one for one in standing if number and one.said.payer_claim_number == number]
    back = next(iter([*reversed(same), *reversed(standing)]), None)
    if back is not None:
        standing.remove(back)


def _first_answer(decided: Sequence[ClaimWord], *, was_returned: bool) -> FirstAnswer:
    found = {one.said.status for one in decided}
    if not found:
        return FirstAnswer.RETURNED if was_returned else FirstAnswer.NONE
    if found == {OutcomeStatus.PAID}:
        return FirstAnswer.PAID
    return FirstAnswer.DENIED if found == {OutcomeStatus.DENIED} else FirstAnswer.PARTLY_PAID


def _category(denied: Sequence[ClaimWord]) -> ReasonCategory | None:
    if not denied:
        return None
    if any(one.said.lacks_documents for one in denied):
        return ReasonCategory.DOCUMENTATION
    reasons = [one for word in denied for one in word.said.denials]
    return max(reasons, key=lambda one: one.amount).category if reasons else ReasonCategory.OTHER


def _reasons(denied: Sequence[ClaimWord]) -> tuple[Denial, ...]:
    found: dict[str, Denial] = {}
    for word in denied:
        for one in word.said.denials:
            found.setdefault(one.code, Denial(one.category, one.code))
        category = _category([word])
        for code in word.said.every_remark:
            found.setdefault(code, Denial(category or ReasonCategory.OTHER, code))
    return tuple(found.values())

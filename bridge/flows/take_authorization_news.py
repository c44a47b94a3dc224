"""What a source says of an authorization, taken in: kept as it was said, and the authorization made anew from all of it.

Every source comes through here. The same news again change nothing; late ones change only what nobody said later; what
names nobody for certain is kept and waits for a person. A number decides nothing: the status is the payer's decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.domain.authorization import Authorization, AuthorizationStatus, status_of
from bridge.domain.authorization_clock import decision_clock, status_at
from bridge.domain.authorization_links import LinkRule
from bridge.domain.authorization_news import AuthorizationNews, NewsKind, fold, without_answer
from bridge.domain.order import Order
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.records import replace
from bridge.errors import Conflict
from bridge.flows.find_attached import find_attached
from bridge.flows.find_insured import find_insured, order_named
from bridge.flows.follow_evidence import asked_changed
from bridge.flows.link_authorizations import link_by_rule, link_order
from bridge.store import audit, authorization_links, authorization_news, authorizations, events, news, patients
from bridge.store.authorization_news import Heard
from bridge.store.db import WriteTx
from bridge.store.events import Event, Station

_OTHER_NUMBER = "its number is another authorization's"
_ANOTHERS = "the authorization is another patient's and was left there"


class NewsOutcome(StrEnum):
    """What became of news. known: they were heard before; waits: a person must say whose they are."""

    APPLIED = "applied"
    KNOWN = "known"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Taking:
    """
    How news are taken in. at: now. by: who brought them. order: the order that names the authorization, None for none.

    patient_key: whose a person says they are. source_kind, source_id: where they came from, as the timeline names it.
    is_undated: their source does not say when; the same words as it last said are no news. about: the authorization that
    they answer to, where that is known otherwise than by what they say.
    """

    rules: ReconcileRules
    at: datetime
    by: str
    order: Order | None = None
    patient_key: int | None = None
    source_kind: str = ""
    source_id: str = ""
    is_undated: bool = False
    about: int | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one source's news. why: in words, "" if nothing is to be said."""

    outcome: NewsOutcome
    news_key: int
    authorization: Authorization | None = None
    is_new: bool = False
    why: str = ""


def take_authorization_news(tx: WriteTx, said: AuthorizationNews, taking: Taking) -> Taken:
    """Take news in, inside the caller's transaction, which holds "identity"."""
    digest, content_digest = authorization_news.digests_of(said)
    heard = authorization_news.by_digest(tx, digest)
    if heard is None and taking.is_undated:
        heard = authorization_news.last_alike(tx, said.source, content_digest)
    if heard is not None:
        known = authorizations.get(tx, heard.authorization_key) if heard.authorization_key is not None else None
        if known is not None and taking.order is not None:
            _link(tx, known, said, taking)
        return Taken(NewsOutcome.KNOWN, heard.key, known, why=heard.waits)
    found = _meant(tx, said, taking)
    if found is None and said.kind == NewsKind.WITHDRAWN:
        return Taken(NewsOutcome.KNOWN, 0, why="what it takes back was never heard")
    waits, patient_key = _whose(tx, said, taking, found)
    if waits or patient_key is None:
        blank = Heard(0, said, digest, taking.at, None, None, waits, taking.source_kind, taking.source_id)
        return Taken(NewsOutcome.WAITS, authorization_news.add(tx, blank, content_digest), why=waits)
    order_key = taking.order.key if taking.order is not None else None
    key = found.key if found is not None else authorizations.add(tx, patient_key, order_key, said.source, taking.at)
    again = authorization_news.named_alike(tx, key, content_digest) if said.kind != NewsKind.ANSWERED else None
    if again is None:
        row = Heard(0, said, digest, taking.at, key, patient_key, "", taking.source_kind, taking.source_id)
        news_key = authorization_news.add(tx, row, content_digest)
    else:
        news_key = again.key
        if again.news.said_at < said.said_at:
            authorization_news.say_again(tx, again.key, said, digest, taking.at)
    made = remake(tx, key, taking.rules, taking.at)
    _link(tx, made, said, taking)
    _tell(tx, found, made, taking)
    _supersede(tx, made, said, taking)
    return Taken(NewsOutcome.APPLIED, news_key, authorizations.get(tx, key), found is None)


def remake(tx: WriteTx, key: int, rules: ReconcileRules, at: datetime) -> Authorization:
    """Make an authorization anew from everything that was said of it."""
    account = fold(_standing(authorization_news.of_authorization(tx, key)))
    status = status_of(account.standing)
    before = authorizations.get(tx, key)
    if before.superseded_by is not None:
        status = AuthorizationStatus.SUPERSEDED
    clock_rules = rules.authorizations.clock_of(account.payer_id)
    made = authorizations.write(tx, key, account, status, due_at=None, at=at)
    status = status_at(made, at, clock_rules)
    clock = decision_clock(made, clock_rules)
    authorizations.set_status(tx, key, status, at, due_at=clock.due_at if clock is not None else None)
    if made.wanted != before.wanted:
        asked_changed(tx, key, at)
    news.look_at(tx, news.AUTHORIZATION, key, at)
    authorization_news.look_again(tx, at)
    return authorizations.get(tx, key)


def _standing(every: Sequence[Heard]) -> list[tuple[AuthorizationNews, str]]:
    """Return what was said, with its digest, without the answers that their source took back since."""
    back = {
        (heard.news.source, heard.source_id): heard.news.said_at
        for heard in every
        if heard.news.kind == NewsKind.WITHDRAWN and heard.source_id
    }
    found = []
    for heard in every:
        until = back.get((heard.news.source, heard.source_id))
        is_gone = heard.news.kind == NewsKind.ANSWERED and until is not None and heard.news.said_at <= until
        if heard.news.kind != NewsKind.WITHDRAWN:
            found.append((without_answer(heard.news) if is_gone else heard.news, heard.digest))
    return found


def assign_news(tx: WriteTx, news_key: int, patient_key: int, taking: Taking) -> Taken:
    """
    Let a person say whose waiting news are, and take them in.

    Raises: LookupError; Conflict, if they wait for nobody, or the authorization that they mean is another patient's.
    """
    heard = authorization_news.get(tx, news_key)
    if not heard.waits:
        raise Conflict("these news wait for nobody", code="settled")
    taking = replace(taking, patient_key=patient_key)
    found = _meant(tx, heard.news, taking)
    waits, owner = _whose(tx, heard.news, taking, found)
    if waits or owner is None:
        raise Conflict(waits, code="other_patient", where="patient")
    return _settle(tx, heard, found, owner, taking)


def take_waiting(tx: WriteTx, heard: Heard, taking: Taking) -> Taken:
    """
    Take in news that waited, if what is known by now says for certain whose they are; else they wait on.

    What was brought by an order or a record of somebody else than the authorization's must name its patient itself.
    """
    said = heard.news
    taking = replace(taking, source_kind=heard.source_kind, source_id=heard.source_id)
    found = _meant(tx, said, taking)
    waits, owner = _whose(tx, said, taking, found)
    is_named = heard.waits != _ANOTHERS or find_insured(tx, said, taking.rules).patient_key is not None
    if waits or owner is None or not is_named:
        return Taken(NewsOutcome.WAITS, heard.key, why=heard.waits)
    return _settle(tx, heard, found, owner, taking)


def _settle(tx: WriteTx, heard: Heard, found: Authorization | None, owner: int, taking: Taking) -> Taken:
    """Take in news that waited as those of *owner*."""
    key = found.key if found is not None else authorizations.add(tx, owner, None, heard.news.source, taking.at)
    authorization_news.settle(tx, heard.key, key, owner)
    made = remake(tx, key, taking.rules, taking.at)
    _link(tx, made, heard.news, taking)
    _tell(tx, found, made, taking)
    _supersede(tx, made, heard.news, taking)
    detail = {"authorization": key, "news": heard.key}
    audit.add(tx, at=taking.at, action="authorization_assigned", actor=taking.by, patient_key=owner, detail=detail)
    return Taken(NewsOutcome.APPLIED, heard.key, authorizations.get(tx, key), found is None)


def _meant(tx: WriteTx, said: AuthorizationNews, taking: Taking) -> Authorization | None:
    """Return the authorization that is meant: by its number, a line's, the payer's reference or the requester's."""
    if taking.about is not None:
        return authorizations.get(tx, taking.about)
    for number, kinds in (
        (said.number, ("number", "reference")),
        (said.administrative_reference, ("reference", "number")),
        (said.trace, ("trace",)),
        *((line.number, ("line", "number")) for line in said.lines),
        *((line.trace, ("trace",)) for line in said.lines),
    ):
        found = authorizations.known_as(tx, said.payer_id, number, kinds) if number else []
        if len(found) == 1:
            return found[0]
        if not found and number and said.payer_id and kinds[0] == "number":
            unnamed = _of_no_payer(tx, number, said, taking)
            if unnamed is not None:
                return unnamed
    return _attached_to(tx, said) if said.kind == NewsKind.ANSWERED else None


def _attached_to(tx: WriteTx, said: AuthorizationNews) -> Authorization | None:
    """Return the payer's authorization that a control number of ours was told for, where it is one and not in question."""
    numbers = (said.trace, said.number, said.administrative_reference, *(line.trace for line in said.lines))
    found = find_attached(tx, numbers)
    if len(found) != 1 or found[0].in_question:
        return None
    one = authorizations.get(tx, found[0].authorization_key)
    return None if said.payer_id and one.payer_id and said.payer_id != one.payer_id else one


def _of_no_payer(tx: WriteTx, number: str, said: AuthorizationNews, taking: Taking) -> Authorization | None:
    """Return the patient's own authorization of that number whose payer nobody named so far."""
    unnamed = authorizations.find(tx, "", number)
    whose = find_insured(tx, said, taking.rules, taking.order, taking.patient_key)
    if unnamed is None or whose.patient_key != patients.survivor(tx, unnamed.patient_key).key:
        return None
    return unnamed


def _whose(tx: WriteTx, said: AuthorizationNews, taking: Taking, found: Authorization | None) -> tuple[str, int | None]:
    """Return why a person must say whose news are, or the live record they belong to."""
    whose = find_insured(tx, said, taking.rules, taking.order, taking.patient_key)
    if found is None:
        return whose.why, whose.patient_key
    if any(one.key != found.key for one in authorizations.known_as(tx, found.payer_id, said.number, ("number",))):
        return _OTHER_NUMBER, None
    owner = patients.survivor(tx, found.patient_key).key
    if whose.patient_key is not None and whose.patient_key != owner:
        return _ANOTHERS, None
    # An answer to a known request needs name nobody, but must contradict nobody.
    return (whose.why, None) if whose.contradicts else ("", owner)


def _link(tx: WriteTx, made: Authorization, said: AuthorizationNews, taking: Taking) -> None:
    if taking.order is not None:
        rule = LinkRule.INSURANCE if said.policy_level else LinkRule.NUMBER
        link_order(tx, made, taking.order, rule, taking.rules, by=taking.by, at=taking.at)
    named = order_named(tx, said, made.patient_key)
    if named is not None:
        link_order(tx, made, named, LinkRule.NAMED, taking.rules, by=taking.by, at=taking.at)
    link_by_rule(tx, authorizations.get(tx, made.key), taking.rules, by=taking.by, at=taking.at)


def _supersede(tx: WriteTx, made: Authorization, said: AuthorizationNews, taking: Taking) -> None:
    """End the authorization that this one follows, of the same patient and payer."""
    earlier = authorizations.known_as(tx, said.payer_id, said.replaces, ("number", "reference", "trace"))
    for one in earlier if said.replaces else ():
        if one.key != made.key and one.superseded_by is None and one.patient_key == made.patient_key:
            authorizations.supersede(tx, one.key, made.key)
            _tell(tx, one, remake(tx, one.key, taking.rules, taking.at), taking)


def _tell(tx: WriteTx, before: Authorization | None, made: Authorization, taking: Taking) -> None:
    """Write on the timeline of the orders under an authorization how it stands now, where that is new."""
    if before is not None and before.status == made.status and before.number == made.number:
        return
    if before is None and made.status == AuthorizationStatus.UNCONFIRMED:
        return
    source = (taking.source_kind, taking.source_id) if taking.source_kind else ("authorization", str(made.key))
    what = f"Authorization {made.name}: {STATUS_WORDS[made.status]}"
    for order_key in _orders_of(tx, made):
        events.add(tx, Event(taking.at, Station.AUTHORIZATION, what, taking.by, *source, order_key))


def _orders_of(tx: WriteTx, made: Authorization) -> Sequence[int]:
    linked = [link.order_key for link in authorization_links.of_authorization(tx, made.key)]
    return list(dict.fromkeys([*([made.order_key] if made.order_key is not None else []), *linked]))


STATUS_WORDS = {
    AuthorizationStatus.UNCONFIRMED: "no answer of the payer is known",
    AuthorizationStatus.DRAFT: "not sent yet",
    AuthorizationStatus.SUBMITTED: "sent, not answered yet",
    AuthorizationStatus.PENDED: "pended, the payer has not decided",
    AuthorizationStatus.APPROVED: "approved",
    AuthorizationStatus.PARTIAL: "approved in part",
    AuthorizationStatus.MODIFIED: "approved with changes",
    AuthorizationStatus.DENIED: "denied",
    AuthorizationStatus.CONTACT_PAYER: "the payer wants to be called",
    AuthorizationStatus.NOT_REQUIRED: "not required",
    AuthorizationStatus.CANCELLED: "cancelled",
    AuthorizationStatus.ERROR: "the payer could not read the request",
    AuthorizationStatus.EXPIRED: "expired",
    AuthorizationStatus.SUPERSEDED: "replaced by another",
}

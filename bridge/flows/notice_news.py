"""
What has changed becomes news, once: how a study, an order or an authorization stands now beside how it was told last.

A change asks for a look in its own transaction; the look compares, appends the news, numbers them for every subscription
that they fit and queues what tells them, in one transaction. Nothing that was committed goes untold, and nothing is told
twice as new, whatever is killed when. Only bound studies speak; one that was told of and is bound no more is withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bridge.clock import Clock
from bridge.codecs.fhir.imaging_study import AVAILABLE, CANCELLED, ENTERED_IN_ERROR
from bridge.codecs.fhir.service_request import status_of
from bridge.domain.identifiers import digest_of
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Study
from bridge.domain.subscription import (
    AUTHORIZATION_WARNING,
    ORDER_STATUS,
    PRIOR_AUTH_RESULT,
    STUDY_AVAILABLE,
    STUDY_CHANGED,
    News,
    fits,
)
from bridge.flows.lookout import Lookout
from bridge.flows.take_authorization_news import Taking, take_waiting
from bridge.flows.tell_charts import queue_parts
from bridge.flows.weigh_authorization import weigh_authorization
from bridge.leaving.completeness import study_complete_at
from bridge.leaving.studies import ORDER_ID
from bridge.outbox import enqueue
from bridge.outbox.enqueue import SUBSCRIBERS, SUBSCRIPTION, WEBHOOK, Work
from bridge.store import (
    authorization_links,
    authorization_news,
    authorization_warnings,
    authorizations,
    chart_withdrawals,
    leases,
    news,
    orders,
    overlays,
    patients,
    placements,
    rejections,
    reports,
    studies,
    subscriptions,
)
from bridge.store.db import ReadTx, Store, WriteTx, lock
from bridge.store.news import Look, Told

_LEASE = timedelta(seconds=15)
_IN_CHART = (AVAILABLE, CANCELLED)


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook of the settings. topics: what it is told of."""

    name: str
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told beside subscriptions. charts: the FHIR servers that take more than studies, and what of it."""

    hooks: tuple[Hook, ...] = ()
    charts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class NewsWatch(Lookout):
    """
    Looks at what may be news, in one process at a time. quiet: so long without an image is complete.

    owner: this process, unlike any other. rules: by which exams are compared with their authorizations.
    """

    name = "news"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        quiet: timedelta,
        audience: Audience,
        *,
        owner: str,
        rules: ReconcileRules | None = None,
    ) -> None:
        super().__init__()
        self._rules = rules or ReconcileRules()
        self._store = store
        self._clock = clock
        self._quiet = quiet
        self._hooks, self._charts = audience.hooks, audience.charts
        self._owner = owner

    def work(self) -> bool:
        """Look at what has been due the longest; False if nothing is, or another process looks. Raises: Unavailable."""
        with self._store.read() as tx:
            look = news.next_due(tx, self._clock.now())
        if look is None:
            return False
        with self._store.write() as tx:
            lock(tx, "news")
            now = self._clock.now()
            if not leases.take(tx, "news", self._owner, now, _LEASE):
                return False
            if news.is_due(tx, look):
                news.looked(tx, look, self._look(tx, look, now))
        return True

    def _look(self, tx: WriteTx, look: Look, now: datetime) -> datetime | None:
        """Tell what is new of a subject; return when to look again, None for never."""
        if look.kind == news.WAITING:
            self._look_at_waiting(tx, look, now)
            return None
        queue_parts(tx, look, self._charts, now)
        if look.kind == news.PATIENT:
            self._look_at_evidence_of(tx, look.row, now)
        if look.kind == news.REPORT:
            self._look_at_evidence_of(tx, reports.get(tx, look.row).patient_key, now)
        if look.kind in (news.PATIENT, news.PERFORMED, news.REPORT):
            return None
        if look.kind == news.STUDY:
            return self._look_at_study(tx, look, now)
        if look.kind == news.AUTHORIZATION:
            return self._look_at_authorization(tx, look, now)
        self._tell_if_new(tx, look.subject, _order_news(tx, look, now), orders.get(tx, look.row).status.value, now)
        return None

    def _look_at_waiting(self, tx: WriteTx, look: Look, now: datetime) -> None:
        """See whether news of an authorization are somebody's by now, then have the next that wait looked at."""
        lock(tx, "identity")
        if look.row:
            heard = authorization_news.get(tx, look.row)
            if heard.waits:
                take_waiting(tx, heard, Taking(self._rules, now, "authorization rules"))
        following = authorization_news.next_waiting(tx, look.row)
        if following is not None:
            news.look_at(tx, news.WAITING, following, now)

    def _look_at_authorization(self, tx: WriteTx, look: Look, now: datetime) -> datetime | None:
        again_at = weigh_authorization(tx, look.row, self._rules, now)
        said = _authorization_news(tx, look, now)
        self._tell_if_new(tx, look.subject, said, _authorization_digest(tx, look.row), now)
        warned = [one.warning for one in authorization_warnings.of_authorizations(tx, [look.row])]
        subject = f"warnings:{look.row}"
        if warned or news.told(tx, subject) is not None:
            digest = digest_of(repr([(one.kind.value, one.order_key, one.line) for one in warned]).encode())
            said = replace(said, topic=AUTHORIZATION_WARNING, status="warned" if warned else "resolved")
            self._tell_if_new(tx, subject, said, digest, now)
        return again_at

    def _tell_if_new(self, tx: WriteTx, subject: str, said: News, digest: str, now: datetime) -> None:
        standing = Told(said.status, digest, said.patient_key)
        if news.told(tx, subject) != standing:
            self._tell(tx, said, now)
            news.put_told(tx, subject, standing, now)

    def _look_at_evidence_of(self, tx: WriteTx, patient_key: int | None, now: datetime) -> None:
        """Have a patient's authorizations looked at: a study or a report of theirs came, or counts no more."""
        if patient_key is not None:
            live = patients.survivor(tx, patient_key).key
            authorization_links.look_at_patient(tx, [live, *patients.merged_into(tx, live)], now)

    def _look_at_study(self, tx: WriteTx, look: Look, now: datetime) -> datetime | None:
        study = studies.hold(tx, look.row)
        self._look_at_evidence_of(tx, study.patient_key, now)
        before = news.told(tx, look.subject)
        owner = patients.survivor(tx, study.patient_key).key if study.is_bound and study.patient_key else None
        if chart_withdrawals.withdrawal_of(tx, study.key) is not None:
            owner = None
        if before is not None and before.status in _IN_CHART and _survivor(tx, before.patient_key) != owner:
            before = self._withdraw(tx, study, before, ENTERED_IN_ERROR, now)
        if owner is None:
            return None
        was_out = before is not None and before.status == AVAILABLE
        if not rejections.shown_uids(tx, study.key):
            if before is not None and was_out:
                self._withdraw(tx, study, before, CANCELLED, now)
            return None
        ready_at = study_complete_at(tx, study, self._quiet, now)
        if ready_at > now:
            return ready_at
        standing = Told(AVAILABLE, _study_digest(tx, study, owner), owner)
        if before != standing:
            said = _study_news(tx, study, AVAILABLE, owner, now)
            if not was_out:
                self._tell(tx, replace(said, topic=STUDY_AVAILABLE), now)
            self._tell(tx, said, now)
            news.put_told(tx, look.subject, standing, now)
        return None

    def _withdraw(self, tx: WriteTx, study: Study, before: Told, status: str, now: datetime) -> Told:
        """Tell those who were told of a study that it is not in that chart, or shows nothing any more."""
        self._tell(tx, _study_news(tx, study, status, before.patient_key, now), now)
        standing = replace(before, status=status, digest="")
        news.put_told(tx, f"{news.STUDY}:{study.key}", standing, now)
        return standing

    def _tell(self, tx: WriteTx, said: News, now: datetime) -> None:
        wanted = subscriptions.told_of(tx, said.topic)
        hooks = [one for one in self._hooks if said.topic in one.topics]
        if not wanted and not hooks:
            return
        kept = news.add(tx, said)
        people = _records(tx, said.patient_key)
        for one in wanted:
            if fits(kept, one.draft.filters, people) and one.state_at(now) == one.state:
                subscriptions.tell(tx, one, kept.key)
                enqueue.enqueue(tx, Work(SUBSCRIPTION, SUBSCRIBERS, enqueue.subscription_of(one.key)), now)
        for hook in hooks:
            enqueue.enqueue(tx, Work(WEBHOOK, hook.name, enqueue.news_of(kept.key)), now)


def _study_news(tx: ReadTx, study: Study, status: str, patient_key: int | None, now: datetime) -> News:
    modalities = tuple(dict.fromkeys(one.modality for one in studies.series_of(tx, [study.key]) if one.modality))
    return News(
        0,
        now,
        STUDY_CHANGED,
        "ImagingStudy",
        _resource_id(tx, study, patient_key),
        status,
        patient_key,
        study.key,
        study.order_key,
        modalities,
    )


def _resource_id(tx: ReadTx, study: Study, patient_key: int | None) -> str:
    """Return what the study is called in the chart of *patient_key*."""
    owner = _survivor(tx, patient_key)
    known = placements.of_study(tx, study.key)
    in_chart = (one.resource_id for one in known if patients.survivor(tx, one.patient_key).key == owner)
    return next(in_chart, str(study.key))


def _order_news(tx: ReadTx, look: Look, now: datetime) -> News:
    order = orders.get(tx, look.row)
    owner = patients.survivor(tx, order.patient_key).key
    focus = f"{ORDER_ID}{order.key}"
    return News(0, now, ORDER_STATUS, "ServiceRequest", focus, status_of(order), owner, order_key=order.key)


def _authorization_news(tx: ReadTx, look: Look, now: datetime) -> News:
    one = authorizations.get(tx, look.row)
    owner = patients.survivor(tx, one.patient_key).key
    return News(0, now, PRIOR_AUTH_RESULT, "ClaimResponse", str(one.key), "active", owner, order_key=one.order_key)


def _authorization_digest(tx: ReadTx, key: int) -> str:
    """Return what must differ for an authorization to be news again."""
    one = authorizations.get(tx, key)
    standing = (one.number, one.status.value, one.lines, one.effective_on, one.expires_on, one.wanted)
    return digest_of(repr(standing).encode())


def _study_digest(tx: ReadTx, study: Study, owner: int) -> str:
    """Return what must differ for a study that was told of to be news again."""
    shown = sorted(rejections.shown_uids(tx, study.key))
    corrected = sorted(overlays.current(tx, study).values.items())
    order = orders.get(tx, study.order_key) if study.order_key is not None else None
    ordered = (order.accession_number, order.requested_procedure_description) if order is not None else None
    return digest_of(repr((owner, shown, corrected, study.order_key, ordered)).encode())


def _survivor(tx: ReadTx, patient_key: int | None) -> int | None:
    return patients.survivor(tx, patient_key).key if patient_key is not None else None


def _records(tx: ReadTx, patient_key: int | None) -> frozenset[str]:
    """Return every record of a person, as filters name them."""
    live = _survivor(tx, patient_key)
    if live is None:
        return frozenset()
    return frozenset(str(key) for key in (live, *patients.merged_into(tx, live)))

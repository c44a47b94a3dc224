"""A person sends a study to the charts again, takes it out of all of them, or lets it back."""

from __future__ import annotations

from datetime import datetime

from bridge.clock import Clock
from bridge.domain.study import Study
from bridge.errors import Conflict, Malformed
from bridge.flows.announce import Destinations
from bridge.outbox import enqueue
from bridge.outbox.enqueue import IMAGING_STUDY, Work
from bridge.store import audit, chart_withdrawals, deliveries, events, news, served_studies, studies
from bridge.store.db import ReadTx, Store, WriteTx, lock
from bridge.store.deliveries import DeliveryState
from bridge.store.events import Event, Station


class ChartDesk:
    """What people may do with a study's place in the charts of *destinations*."""

    def __init__(self, store: Store, clock: Clock, destinations: Destinations) -> None:
        self._store = store
        self._clock = clock
        self._servers = destinations.studies

    @property
    def servers(self) -> tuple[str, ...]:
        """Whose charts there are."""
        return self._servers

    def publish(self, study_instance_uid: str, actor: str, server: str = "") -> tuple[str, ...]:
        """
        Let every chart, or *server*'s alone, be brought to what the study is now; return which.

        Raises: LookupError for no such study; Malformed for no such server; Conflict, if it is nobody's or withdrawn.
        """
        if server and server not in self._servers:
            raise Malformed("not a chart that studies come into", code="unknown_destination", where="server")
        to, now = (server,) if server else self._servers, self._clock.now()
        with self._store.write() as tx:
            study = _bound(tx, study_instance_uid)
            if chart_withdrawals.withdrawal_of(tx, study.key) is not None:
                raise Conflict("a person withdrew it: take the withdrawal back first", code="withdrawn")
            for one in to:
                _queue(tx, study, one, now)
            self._note(tx, study, "Sent to the charts again", "chart_published", actor, now)
        return to

    def withdraw(self, study_instance_uid: str, reason: str, actor: str) -> None:
        """
        Take a bound study out of every chart until that is taken back, whatever else is decided about it.

        Raises: LookupError for no such study; Conflict, if it is nobody's or withdrawn already.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}")
            study = _bound(tx, study_instance_uid)
            if chart_withdrawals.withdrawal_of(tx, study.key) is not None:
                raise Conflict("it is withdrawn already", code="withdrawn")
            chart_withdrawals.add(tx, study.key, actor, reason, now)
            served_studies.end(tx, study, now)
            news.look_at(tx, news.STUDY, study.key, now)
            for server, _ in sorted(deliveries.may_stand_outside(tx, study.key, IMAGING_STUDY)):
                _queue(tx, study, server, now)
            self._note(tx, study, "Withdrawn from every chart", "chart_withdrawn", actor, now)

    def take_back(self, study_instance_uid: str, reason: str, actor: str) -> None:
        """
        Let a study into the charts again that a person took out.

        Raises: LookupError for no such study; Conflict, if none stands.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}")
            study = _found(tx, study_instance_uid)
            if chart_withdrawals.withdrawal_of(tx, study.key) is None:
                raise Conflict("no withdrawal stands", code="not_withdrawn")
            chart_withdrawals.take_back(tx, study.key, actor, reason, now)
            news.look_at(tx, news.STUDY, study.key, now)
            for server in self._servers if study.is_bound else ():
                _queue(tx, study, server, now)
            self._note(tx, study, "Withdrawal from the charts taken back", "chart_withdrawal_undone", actor, now)

    def _note(self, tx: WriteTx, study: Study, what: str, action: str, actor: str, at: datetime) -> None:
        source = ("chart", str(study.key))
        events.add(tx, Event(at, Station.CHART, what, actor, *source, study.order_key, study.key))
        audit.add(tx, at=at, action=action, actor=actor, study_key=study.key, patient_key=study.patient_key)


def _queue(tx: WriteTx, study: Study, server: str, at: datetime) -> None:
    """Queue a study's chart entry, now; one that was given up goes on rather than a new one beside it."""
    uid = study.study_instance_uid
    waits = deliveries.waiting(tx, IMAGING_STUDY, server, uid)
    mine = (
        one for one in deliveries.of_study(tx, study.key) if (one.topic, one.destination) == (IMAGING_STUDY, server)
    )
    last = waits or next(mine, None)
    if last is not None and last.state in (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.DEAD):
        enqueue.retry(tx, last.key, at)
    else:
        enqueue.enqueue(tx, Work(IMAGING_STUDY, server, uid, study_key=study.key), at)


def _bound(tx: ReadTx, study_instance_uid: str) -> Study:
    study = _found(tx, study_instance_uid)
    if not study.is_bound:
        raise Conflict("the study is not bound to a patient: it is in no chart until it is", code="not_bound")
    return study


def _found(tx: ReadTx, study_instance_uid: str) -> Study:
    study = studies.by_uid(tx, study_instance_uid)
    if study is None:
        raise LookupError("no such study")
    return study

"""A person sends a study, or a part of its exam, to the charts again, takes it out of all of them, or lets it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.chart import Part, part_named
from bridge.domain.study import Study
from bridge.errors import Conflict, Malformed
from bridge.flows.announce import Destinations
from bridge.flows.tell_charts import OfExam, Takers, parts_of_study
from bridge.outbox import enqueue
from bridge.outbox.enqueue import IMAGING_STUDY, Work, chart_part
from bridge.store import audit, chart_withdrawals, deliveries, events, news, served_studies, studies
from bridge.store.chart_withdrawals import Subject
from bridge.store.db import ReadTx, Store, WriteTx, lock
from bridge.store.deliveries import DeliveryState
from bridge.store.events import Event, Station


class ChartDesk:
    """
    What people may do with a study's place in the charts of *destinations*, and with what rests on it there.

    takers: which parts of exams each server takes. A part is named as `Part.name` says; "" is the study with all of them.
    """

    def __init__(self, store: Store, clock: Clock, destinations: Destinations, takers: Takers) -> None:
        self._store = store
        self._clock = clock
        self._studies = destinations.studies
        self.takers = takers

    @property
    def servers(self) -> tuple[str, ...]:
        """Whose charts there are."""
        return tuple(dict.fromkeys((*self._studies, *self.takers)))

    def publish(self, study_instance_uid: str, actor: str, server: str = "", part: str = "") -> tuple[str, ...]:
        """
        Let every chart, or *server*'s alone, be brought to what the study, or the *part* of its exam, is now; return which.

        Raises: LookupError for no such study or part; Malformed for no such server; Conflict, if it is nobody's or withdrawn.
        """
        if server and server not in self.servers:
            raise Malformed("not a chart that studies come into", code="unknown_destination", where="server")
        with self._store.write() as tx:
            study = _found(tx, study_instance_uid)
            named = [_part_of(tx, study, part)] if part else parts_of_study(tx, study)
            about: Sequence[Subject] = [study.key, *(named[0][0].rests_on if part else ())]
            if not part:
                _refuse_unbound(study)
            if any(chart_withdrawals.withdrawal_of(tx, one) is not None for one in about):
                raise Conflict("a person withdrew it: take the withdrawal back first", code="withdrawn")
            to = self._sent(tx, study, named, (server,) if server else self.servers, is_whole=not part)
            if not to:
                raise Conflict("no chart takes resources of this kind", code="not_taken")
            what = f"{named[0][0].kind} sent to the charts again" if part else "Sent to the charts again"
            self._note(tx, study, what, "chart_published", actor)
        return to

    def _sent(
        self, tx: WriteTx, study: Study, named: Sequence[OfExam], servers: Sequence[str], *, is_whole: bool
    ) -> tuple[str, ...]:
        """Queue it for each of *servers* that takes it; return which."""
        now, to = self._clock.now(), []
        for server in servers:
            works = [Work(IMAGING_STUDY, server, study.study_instance_uid, study_key=study.key)]
            works = works if is_whole and server in self._studies else []
            works += [chart_part(one, server, key) for one, key in named if one.kind in self.takers.get(server, ())]
            for work in works:
                _queue(tx, work, now)
            to += [server] if works else []
        return tuple(to)

    def withdraw(self, study_instance_uid: str, reason: str, actor: str, part: str = "") -> None:
        """
        Take a bound study with all that rests on it, or one part alone, out of every chart until that is taken back.

        Raises: LookupError for no such study or part; Conflict, if it is nobody's, withdrawn already or the EHR's own.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}")
            study = _found(tx, study_instance_uid)
            about: Subject = _ours(_part_of(tx, study, part)[0]) if part else study.key
            if not part:
                _refuse_unbound(study)
            if any(chart_withdrawals.withdrawal_of(tx, one) is not None for one in (about, study.key)):
                raise Conflict("it is withdrawn already", code="withdrawn")
            chart_withdrawals.add(tx, about, actor, reason, now)
            if not part:
                served_studies.end(tx, study, now)
                for server, uid in sorted(deliveries.may_stand_outside(tx, study.key, IMAGING_STUDY)):
                    _queue(tx, Work(IMAGING_STUDY, server, uid, study_key=study.key), now)
            self._requeue_parts(tx, study, part, now)
            what = f"{part.partition(':')[0]} withdrawn" if part else "Withdrawn"
            self._note(tx, study, f"{what} from every chart", "chart_withdrawn", actor)

    def take_back(self, study_instance_uid: str, reason: str, actor: str, part: str = "") -> None:
        """
        Let a study, or one part of its exam, into the charts again that a person took out.

        Raises: LookupError for no such study or part; Conflict, if none stands.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}")
            study = _found(tx, study_instance_uid)
            about: Subject = _part_of(tx, study, part)[0] if part else study.key
            if chart_withdrawals.withdrawal_of(tx, about) is None:
                raise Conflict("no withdrawal stands", code="not_withdrawn")
            chart_withdrawals.take_back(tx, about, actor, reason, now)
            for server in self._studies if study.is_bound and not part else ():
                _queue(tx, Work(IMAGING_STUDY, server, study.study_instance_uid, study_key=study.key), now)
            self._requeue_parts(tx, study, part, now)
            what = f"Withdrawal of the {part.partition(':')[0]}" if part else "Withdrawal"
            self._note(tx, study, f"{what} from the charts taken back", "chart_withdrawal_undone", actor)

    def _requeue_parts(self, tx: WriteTx, study: Study, part: str, at: datetime) -> None:
        """Let what rests on the study, or on *part*, be looked at anew, and subscribers be told of the study."""
        every = parts_of_study(tx, study)
        named = [one for one in every if not part or part_named(part) in one[0].rests_on]
        self._sent(tx, study, named, self.servers, is_whole=False)
        if not part:
            news.look_at(tx, news.STUDY, study.key, at)

    def _note(self, tx: WriteTx, study: Study, what: str, action: str, actor: str) -> None:
        at, source = self._clock.now(), ("chart", str(study.key))
        events.add(tx, Event(at, Station.CHART, what, actor, *source, study.order_key, study.key))
        audit.add(tx, at=at, action=action, actor=actor, study_key=study.key, patient_key=study.patient_key)


def _queue(tx: WriteTx, work: Work, at: datetime) -> None:
    """Queue a chart entry, now; one that was given up goes on rather than a new one beside it."""
    last = deliveries.waiting(tx, work.topic, work.destination, work.order_of)
    last = last or deliveries.newest_of_work(tx, work.topic, work.destination, work.order_of)
    if last is not None and last.state in (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.DEAD):
        enqueue.retry(tx, last.key, at)
    else:
        enqueue.enqueue(tx, work, at)


def _part_of(tx: ReadTx, study: Study, name: str) -> OfExam:
    wanted = part_named(name)
    found = next((one for one in parts_of_study(tx, study) if one[0] == wanted), None)
    if found is None:
        raise LookupError("the study's exam has no such part")
    return found


def _ours(part: Part) -> Part:
    if not part.may_be_withdrawn:
        raise Conflict("the order is the EHR's own: only its status is ours to say", code="not_ours")
    return part


def _refuse_unbound(study: Study) -> None:
    if not study.is_bound:
        raise Conflict("the study is not bound to a patient: it is in no chart until it is", code="not_bound")


def _found(tx: ReadTx, study_instance_uid: str) -> Study:
    study = studies.by_uid(tx, study_instance_uid)
    if study is None:
        raise LookupError("no such study")
    return study

"""A person sends a study, or a part of its exam, to the charts again, takes it out of all of them, or lets it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.chart import OWN, WAY, Part, part_named
from bridge.errors import Conflict, Malformed
from bridge.flows.announce import Destinations
from bridge.flows.charted import ChartedExam, charted
from bridge.flows.follow_attachments import claims_follow_chart
from bridge.flows.tell_charts import OfExam, Takers
from bridge.outbox import enqueue
from bridge.outbox.enqueue import ANNOUNCEMENT, IMAGING_STUDY, Work, chart_part, chart_way
from bridge.store import audit, chart_withdrawals, deliveries, events, news, served_studies
from bridge.store.chart_withdrawals import Subject
from bridge.store.db import Store, WriteTx, lock
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
        self._announced = destinations.announced
        self._claims = destinations.claims
        self.takers = takers

    @property
    def servers(self) -> tuple[str, ...]:
        """Whose charts there are."""
        return tuple(dict.fromkeys((*self._studies, *self.takers)))

    def publish(self, study_instance_uid: str, actor: str, server: str = "", part: str = "") -> tuple[str, ...]:
        """
        Let every chart, or *server*'s alone, be brought to what the study, or the *part* of its exam, is now; return which.

        The part "Endpoint" is the ways to the images.

        Raises: LookupError for no such study or part; Malformed for no such server; Conflict, if it is nobody's or withdrawn.
        """
        if server and server not in self.servers:
            raise Malformed("not a chart that studies come into", code="unknown_destination", where="server")
        with self._store.write() as tx:
            exam = charted(tx, study_instance_uid)
            if part == WAY:
                return self._mend_ways(tx, exam, (server,) if server else self.servers, actor)
            named = [_part_of(exam, part)] if part else exam.parts
            about: Sequence[Subject] = [exam.subject, *(named[0][0].rests_on if part else ())]
            if not part:
                exam.refuse_unbound()
            if any(chart_withdrawals.withdrawal_of(tx, one) is not None for one in about):
                raise Conflict("a person withdrew it: take the withdrawal back first", code="withdrawn")
            to = self._sent(tx, exam, named, (server,) if server else self.servers, is_whole=not part)
            if not to:
                raise Conflict("no chart takes resources of this kind", code="not_taken")
            what = f"{named[0][0].kind} sent to the charts again" if part else "Sent to the charts again"
            self._note(tx, exam, what, "chart_published", actor)
        return to

    def _mend_ways(self, tx: WriteTx, exam: ChartedExam, servers: Sequence[str], actor: str) -> tuple[str, ...]:
        """Have the ways to the images looked at on each of *servers* that has some: they are the same for every study."""
        to = tuple(one for one in servers if one in self._studies and one != OWN)
        if not to:
            raise Conflict("no chart takes resources of this kind", code="not_taken")
        for one in to:
            _queue(tx, chart_way(one), self._clock.now())
        self._note(tx, exam, f"{WAY} sent to the charts again", "chart_published", actor)
        return to

    def _sent(
        self, tx: WriteTx, exam: ChartedExam, named: Sequence[OfExam], servers: Sequence[str], *, is_whole: bool
    ) -> tuple[str, ...]:
        """Queue it for each of *servers* that takes it; return which."""
        now, to = self._clock.now(), []
        takes_study = self._studies if exam.study is not None else self._announced
        for server in servers:
            works = [_of_study(exam, server)] if is_whole and server in takes_study else []
            works += [chart_part(one, server, key) for one, key in named if one.kind in self.takers.get(server, ())]
            for work in works:
                _queue(tx, work, now)
            to += [server] if works else []
        return tuple(to)

    def withdraw(self, study_instance_uid: str, reason: str, actor: str, part: str = "") -> None:
        """
        Take a bound study with all that rests on it, or one part alone, out of every chart until that is taken back.

        One of which no image is here stays out with its images.
        Raises: LookupError for no such study or part; Conflict, if it is nobody's, withdrawn already or the EHR's own.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}")
            exam = charted(tx, study_instance_uid)
            about: Subject = _ours(_part_of(exam, part)[0]) if part else exam.subject
            if not part:
                exam.refuse_unbound()
            if any(chart_withdrawals.withdrawal_of(tx, one) is not None for one in (about, exam.subject)):
                raise Conflict("it is withdrawn already", code="withdrawn")
            chart_withdrawals.add(tx, about, actor, reason, now)
            if not part:
                _end(tx, exam, now)
            self._requeue_parts(tx, exam, part, now)
            what = f"{part.partition(':')[0]} withdrawn" if part else "Withdrawn"
            self._note(tx, exam, f"{what} from every chart", "chart_withdrawn", actor)

    def take_back(self, study_instance_uid: str, reason: str, actor: str, part: str = "") -> None:
        """
        Let a study, or one part of its exam, into the charts again that a person took out.

        Raises: LookupError for no such study or part; Conflict, if none stands.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity", f"study:{study_instance_uid}")
            exam = charted(tx, study_instance_uid)
            about: Subject = _part_of(exam, part)[0] if part else exam.subject
            if chart_withdrawals.withdrawal_of(tx, about) is None:
                raise Conflict("no withdrawal stands", code="not_withdrawn")
            chart_withdrawals.take_back(tx, about, actor, reason, now)
            if exam.is_bound and not part:
                self._sent(tx, exam, (), self.servers, is_whole=True)
            self._requeue_parts(tx, exam, part, now)
            what = f"Withdrawal of the {part.partition(':')[0]}" if part else "Withdrawal"
            self._note(tx, exam, f"{what} from the charts taken back", "chart_withdrawal_undone", actor)

    def _requeue_parts(self, tx: WriteTx, exam: ChartedExam, part: str, at: datetime) -> None:
        """Let what rests on the study, or on *part*, be looked at anew, and subscribers be told of the study."""
        named = [one for one in exam.parts if not part or part_named(part) in one[0].rests_on]
        self._sent(tx, exam, named, self.servers, is_whole=False)
        if not part and exam.study is not None:
            news.look_at(tx, news.STUDY, exam.study.key, at)
            # A Claim names the study by its chart entry.
            claims_follow_chart(tx, exam.study, self._claims, at)

    def _note(self, tx: WriteTx, exam: ChartedExam, what: str, action: str, actor: str) -> None:
        at, study_key = self._clock.now(), exam.study.key if exam.study is not None else None
        source = ("chart", str(study_key or ""))
        events.add(tx, Event(at, Station.CHART, what, actor, *source, exam.order_key, study_key))
        about: audit.About = {"study_key": study_key, "patient_key": exam.patient_key}
        if study_key is None:
            about["order_key"] = exam.order_key
        audit.add(tx, at=at, action=action, actor=actor, **about)


def _of_study(exam: ChartedExam, server: str) -> Work:
    if exam.study is None:
        return Work(ANNOUNCEMENT, server, exam.study_instance_uid, order_key=exam.order_key)
    return Work(IMAGING_STUDY, server, exam.study_instance_uid, study_key=exam.study.key)


def _end(tx: WriteTx, exam: ChartedExam, at: datetime) -> None:
    """Take back what stands of a study, or of its announcement, wherever it may."""
    study, uid = exam.study, exam.study_instance_uid
    if study is None:
        for server in deliveries.places_tried(tx, ANNOUNCEMENT, uid):
            _queue(tx, _of_study(exam, server), at)
        return
    served_studies.end(tx, study, at)
    for server, order_of in sorted(deliveries.may_stand_outside(tx, study.key, IMAGING_STUDY)):
        _queue(tx, Work(IMAGING_STUDY, server, order_of, study_key=study.key), at)


def _queue(tx: WriteTx, work: Work, at: datetime) -> None:
    """Queue a chart entry, now; one that was given up goes on rather than a new one beside it."""
    last = deliveries.waiting(tx, work.topic, work.destination, work.order_of)
    last = last or deliveries.newest_of_work(tx, work.topic, work.destination, work.order_of)
    if last is not None and last.state in (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.DEAD):
        enqueue.retry(tx, last.key, at)
    else:
        enqueue.enqueue(tx, work, at)


def _part_of(exam: ChartedExam, name: str) -> OfExam:
    wanted = part_named(name)
    found = next((one for one in exam.parts if one[0] == wanted), None)
    if found is None:
        raise LookupError("the study's exam has no such part")
    return found


def _ours(part: Part) -> Part:
    if not part.may_be_withdrawn:
        raise Conflict("the order is the EHR's own: only its status is ours to say", code="not_ours")
    return part

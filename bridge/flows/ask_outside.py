"""Other registries are asked about studies that nobody here is known for.

The worker asks each registry one question at a time, never inside a transaction. Whatever goes wrong leaves the study
where it was, with a line that says so. What an answer may do stands in `take_answer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from bridge.clock import Clock
from bridge.domain.outside import AnswerState, Found, Question, pause_after, question_of, waits_for_an_answer
from bridge.domain.study import Study
from bridge.errors import OUR_FAULT, BridgeError, Conflict, Unavailable
from bridge.flows.gather_evidence import evidence_of
from bridge.flows.lookout import Lookout
from bridge.flows.take_answer import AnswerTaker, Outcome, Said
from bridge.store import audit, events, leases, outside_questions, studies
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station
from bridge.store.outside_questions import Asked

_log = structlog.get_logger(__name__)

_LEASE = timedelta(minutes=15)
# A registry that gave no answer rests, however many studies wait for it.
_REST = timedelta(seconds=5)
_REST_MAX = timedelta(minutes=5)


class Registry(Protocol):
    """Another registry, asked outside of any transaction; its answer is bounded in size and time."""

    @property
    def name(self) -> str: ...

    def ask(self, question: Question) -> tuple[Found, ...]:
        """Return the patients that *question* may mean. Raises: Unavailable without an answer; else what is wrong with it."""
        ...


@dataclass(frozen=True, slots=True)
class Memory:
    """How long an answer serves for the same question about another study, and how often a question is asked at most."""

    found: timedelta = timedelta(hours=24)
    nobody: timedelta = timedelta(hours=4)
    attempts: int = 4


class OutsideAsker(Lookout):
    """Asks one registry. owner: this process, unlike any other."""

    def __init__(self, store: Store, clock: Clock, registry: Registry, taker: AnswerTaker, how: Memory, *, owner: str):
        super().__init__()
        self.name = f"ask-{registry.name}"
        self._store = store
        self._clock = clock
        self._registry = registry
        self._taker = taker
        self._how = how
        self._owner = owner
        self._failures = 0
        self._rests_until: datetime | None = None

    def work(self) -> bool:
        """Ask what has waited longest; False if nothing does, or another process asks. Raises: Unavailable, without a database."""
        now = self._clock.now()
        if self._rests_until is not None and now < self._rests_until:
            return False
        with self._store.read() as tx:
            due = outside_questions.next_due(tx, self._registry.name, now)
        if due is None or not self._hold(now):
            return False
        question = self._begin(due, now)
        if question is not None:
            self._ask(due.key, question)
        return True

    def _hold(self, now: datetime) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, f"outside:{self._registry.name}", self._owner, now, _LEASE)

    def _begin(self, due: Asked, now: datetime) -> Question | None:
        """Put on record who is about to be asked about which study; None where nobody need be."""
        with self._store.write() as tx:
            study = studies.get(tx, due.study_key)
            if not waits_for_an_answer(study):
                outside_questions.put(tx, due.key, state=AnswerState.UNNEEDED.value, settled_at=now)
                return None
            question = question_of(evidence_of(tx, study), self._taker.rules)
            if question.is_empty:
                nothing = Outcome(AnswerState.NOBODY, "not asked: the images say neither number nor name")
                self._note(tx, due, nothing, digest="")
                return None
            known = None if due.is_fresh else self._remembered(tx, question, now)
            if known is not None:
                said = Outcome(known.state, known.sentence, known.patient_key)
                self._note(tx, due, said, digest=question.digest, asked_at=known.asked_at)
                return None
            # Until it is settled nobody asks it again; one whose process ends here is asked once the lease ran out.
            attempts, asked_next = due.attempts + 1, now + _LEASE
            outside_questions.put(
                tx, due.key, asked_at=now, attempts=attempts, next_at=asked_next, digest=question.digest
            )
            self._audit(tx, study, due.asked_by, "outside_asked", "")
            return question

    def _remembered(self, tx: WriteTx, question: Question, now: datetime) -> Asked | None:
        """Return what this registry said to the same question before, if that is not too long ago."""
        name, nobody = self._registry.name, (AnswerState.NOBODY, AnswerState.SEVERAL)
        found = outside_questions.earlier(tx, name, question.digest, (AnswerState.FOUND,), now - self._how.found)
        return found or outside_questions.earlier(tx, name, question.digest, nobody, now - self._how.nobody)

    def _ask(self, key: int, question: Question) -> None:
        try:
            found = self._registry.ask(question)
        except Unavailable as fault:
            self._note_silence(key, fault)
            return
        except BridgeError as fault:
            self._settle(key, Outcome(AnswerState.REFUSED, fault.detail))
            return
        except Exception as fault:  # noqa: BLE001 - an odd answer must not be asked for again and again, nor stop the others
            # Neither its text nor what stood around it is logged: both may hold the answer.
            _log.error("outside_failed", source=self._registry.name, question=key, code=type(fault).__name__)
            self._settle(key, Outcome(AnswerState.REFUSED, OUR_FAULT))
            return
        self._failures, self._rests_until = 0, None
        try:
            self._take(key, question, found)
        except Unavailable:
            raise
        except BridgeError as fault:
            self._settle(key, Outcome(AnswerState.REFUSED, fault.detail))

    def _take(self, key: int, question: Question, found: tuple[Found, ...]) -> None:
        """Put an answer on record under one commit with what follows from it."""
        said = Said(self._registry.name, self._clock.now())
        with self._store.write() as tx:
            lock(tx, "identity")
            asked = outside_questions.get(tx, key)
            study = studies.get(tx, asked.study_key)
            self._note(tx, asked, self._taker.take(tx, study, question, found, said))

    def _note_silence(self, key: int, fault: Unavailable) -> None:
        now = self._clock.now()
        self._rests_until = now + min(_REST * 2 ** min(self._failures, 10), _REST_MAX)
        self._failures += 1
        _log.warning("outside_no_answer", source=self._registry.name, question=key, code=fault.code)
        with self._store.write() as tx:
            asked = outside_questions.get(tx, key)
            if asked.attempts >= self._how.attempts:
                self._note(tx, asked, Outcome(AnswerState.NO_ANSWER, fault.detail))
            else:
                next_at = now + pause_after(asked.attempts)
                outside_questions.put(tx, key, sentence=fault.detail, next_at=next_at)

    def _settle(self, key: int, outcome: Outcome) -> None:
        with self._store.write() as tx:
            self._note(tx, outside_questions.get(tx, key), outcome)

    def _note(self, tx: WriteTx, asked: Asked, outcome: Outcome, **also: object) -> None:
        """End a question, and say on the study's timeline what came of it."""
        now, name = self._clock.now(), self._registry.name
        outside_questions.put(
            tx,
            asked.key,
            state=outcome.state.value,
            sentence=outcome.sentence,
            patient_key=outcome.patient_key,
            settled_at=now,
            is_fresh=False,
            **also,
        )
        study = studies.get(tx, asked.study_key)
        what = f"Asked {name} who this is: {outcome.sentence}"
        events.add(tx, Event(now, Station.RECONCILED, what, by=name, study_key=study.key, order_key=study.order_key))
        self._audit(tx, study, asked.asked_by, "outside_answered", outcome.state.value, outcome.patient_key)

    def _audit(
        self, tx: WriteTx, study: Study, actor: str, action: str, outcome: str, patient_key: int | None = None
    ) -> None:
        detail = {"source": self._registry.name} | ({"answer": outcome} if outcome else {})
        now = self._clock.now()
        audit.add(tx, at=now, action=action, actor=actor, study_key=study.key, patient_key=patient_key, detail=detail)


def ask_again(store: Store, clock: Clock, sources: tuple[str, ...], study_instance_uid: str, actor: str) -> None:
    """
    Let every registry be asked about a study once more, whatever was said before.

    actor: "user:maria". Raises: LookupError, if nothing of the study was received; Conflict, if nobody is configured to
    be asked, or no answer could settle it.
    """
    if not sources:
        raise Conflict("no other registry is configured", code="nobody_to_ask")
    now = clock.now()
    with store.write() as tx:
        study = studies.by_uid(tx, study_instance_uid)
        if study is None:
            raise LookupError("no such study")
        if not waits_for_an_answer(study):
            raise Conflict("no other registry can settle this study", code="not_needed")
        for source in sources:
            outside_questions.ask_again(tx, study.key, source, actor, now)
        audit.add(tx, at=now, action="outside_asked_again", actor=actor, study_key=study.key)

"""Another registry that is asked over MLLP: PIX for whose number one is, PDQ for who that is. Source: IHE ITI TF-2 3.9, 3.21."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from bridge.clock import Clock
from bridge.codecs.hl7.er7 import Message, Segment
from bridge.codecs.hl7.patient_query import (
    Authority,
    PatientQuery,
    QueryAnswer,
    QueryKind,
    QueryRoute,
    build_query,
    read_answer,
)
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.outside import Found, Question
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import Conflict, Malformed
from bridge.publishers.mllp_link import MllpLink


@dataclass(frozen=True, slots=True)
class Asking:
    """
    How one registry is asked. kinds: which queries it serves; ours: the authorities whose numbers are this house's; oids:
    of the authorities that have one, by name. read: whom a PID names.
    """

    kinds: Collection[QueryKind]
    route: QueryRoute
    ours: Sequence[Authority]
    zone: tzinfo
    oids: Mapping[str, str]
    read: Callable[[Message, Segment], Found]


class Hl7Registry:
    """One registry. Thread-safe."""

    def __init__(self, name: str, link: MllpLink, asking: Asking, clock: Clock, rules: ReconcileRules) -> None:
        self.name = name
        self._link = link
        self._asking = asking
        self._clock = clock
        self._rules = rules

    def ask(self, question: Question) -> tuple[Found, ...]:
        """
        Return the patients that the registry names for *question*: none, one, or more than one.

        Raises: Unavailable, if there was no answer; Malformed, Incomplete, Refused, Unsupported, Conflict, if it is of
        no use.
        """
        for number in question.numbers:
            found = self._by_number(number)
            if found:
                return found
        if question.numbers or QueryKind.PDQ not in self._asking.kinds or not question.names_a_person:
            return ()
        query = PatientQuery(
            QueryKind.PDQ,
            self._clock.new_id()[-20:],
            self._clock.now().astimezone(self._asking.zone),
            patient_name=question.patient_name,
            birth_date=question.birth_date,
            sex=question.sex,
        )
        return self._patients(self._exchange(query))

    def _by_number(self, number: PatientIdentifier) -> tuple[Found, ...]:
        """Ask whose *number* is: PIX for a number of ours that it stands for, PDQ for who has that."""
        if QueryKind.PIX in self._asking.kinds and not self._rules.is_ours(number.issuer_of_patient_id):
            ours = self._ours_of(number)
            if ours:
                return tuple(replace(one, asked=(number, *one.asked)) for one in self._who(ours))
        if QueryKind.PDQ not in self._asking.kinds:
            return ()
        return self._who_has(number)

    def _ours_of(self, number: PatientIdentifier) -> tuple[PatientIdentifier, ...]:
        query = replace(self._query(QueryKind.PIX, number), wanted=tuple(self._asking.ours))
        answer = self._exchange(query)
        if len(answer.patients) > 1:
            raise Malformed("one number, and more than one patient in the answer", code="too_many", where="PID[2]")
        stated = [one for found in self._patients(answer) for one in found.numbers]
        return tuple(one for one in stated if self._rules.is_ours(one.issuer_of_patient_id))

    def _who(self, ours: tuple[PatientIdentifier, ...]) -> tuple[Found, ...]:
        """Return who has these numbers of ours: with PDQ by name, else by the numbers alone."""
        if QueryKind.PDQ in self._asking.kinds:
            named = [found for one in ours for found in self._who_has(one)]
            if named:
                return tuple({found.numbers: found for found in named}.values())
        return (Found(ours),)

    def _who_has(self, number: PatientIdentifier) -> tuple[Found, ...]:
        named = self._patients(self._exchange(self._query(QueryKind.PDQ, number)))
        holding = tuple(
            replace(one, asked=(number,)) for one in named if number.key in {each.key for each in one.numbers}
        )
        if named and not holding:
            raise Conflict("answered with another patient than was asked for", code="other_patient", where="PID-3")
        return holding

    def _query(self, kind: QueryKind, number: PatientIdentifier) -> PatientQuery:
        issuer = number.issuer_of_patient_id
        at = self._clock.now().astimezone(self._asking.zone)
        authority = Authority(issuer, self._asking.oids.get(issuer, ""))
        return PatientQuery(kind, self._clock.new_id()[-20:], at, number, authority)

    def _exchange(self, query: PatientQuery) -> QueryAnswer:
        payload = build_query(query, self._asking.route)
        answered = self._link.exchange(payload, query.control_id, lambda: None)
        return read_answer(answered.payload, query)

    def _patients(self, answer: QueryAnswer) -> tuple[Found, ...]:
        if answer.has_more:
            raise Conflict("more patients fit than one answer holds", code="several")
        return tuple(self._asking.read(answer.message, segment) for segment in answer.patients)

"""Whose study is it: decided by rule when it comes and whenever a fact about it does, or by a person; always undoable.

A decision is appended, never changed. The binding's version goes up with each one that changed it, and what leaves
carries the version it was prepared under.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.domain.evidence import OrderRecord, PatientRecord, StudyEvidence
from bridge.domain.reconcile import decide
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.reconsider import Binding, Step, chosen_by_person, reconsider
from bridge.domain.study import Difference, Study, StudyState, is_person
from bridge.domain.verdict import Outcome, Verdict
from bridge.domain.waking import fact_keys
from bridge.errors import Conflict
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.check_tags import compare_again
from bridge.flows.decision_row import decision_of
from bridge.flows.file_report import ReportNews, look_again
from bridge.flows.gather_evidence import evidence_of
from bridge.flows.lay_overlay import Made, lay_binding, standing_corrections
from bridge.flows.learn_reference import follow_binding
from bridge.flows.move_steps import Moving
from bridge.flows.question_part import holds_late, question_part
from bridge.flows.record_incident import Found, record_incidents
from bridge.flows.register_patient import News, refresh_keys
from bridge.flows.second_person import lapse
from bridge.flows.start_exam import leave_exam, start_exam
from bridge.flows.weigh_case import weigh_case
from bridge.store import authorization_news, decisions, events, patients, reports, splits, studies
from bridge.store.db import WriteTx
from bridge.store.decisions import Decision
from bridge.store.events import Event, Station
from bridge.store.registry import StoredRegistry

_STATES = {
    Outcome.BIND: StudyState.BOUND,
    Outcome.BIND_WITH_CORRECTION: StudyState.BOUND_WITH_CORRECTION,
    Outcome.REVIEW: StudyState.REVIEW,
    Outcome.QUARANTINE: StudyState.QUARANTINE,
}


@dataclass(frozen=True, slots=True)
class Deciding:
    """What every decision needs: the site's rules, who gets what, and when it is. confirmed_by: its second person."""

    rules: ReconcileRules
    destinations: Destinations
    at: datetime
    cause: str = ""
    confirmed_by: str = ""

    @property
    def following(self) -> Deciding:
        """How what follows from a decision is decided: nobody confirmed that."""
        return replace(self, confirmed_by="")


def decide_by_rule(tx: WriteTx, study: Study, how: Deciding) -> Study:
    """
    Decide an undecided study, or ask whether a bound one still stands.

    The caller holds the lock "identity": a merge in another transaction would otherwise pass unseen.
    """
    if study.closed_reason:
        return study
    evidence = evidence_of(tx, study)
    registry = StoredRegistry(tx)
    if study.is_bound:
        return _reconsider(tx, study, evidence, registry, how)
    return _apply(tx, study, decide(evidence, registry, how.rules), how)


def decide_questioned(tx: WriteTx, study: Study, how: Deciding) -> None:
    """Decide again a study that a signal is about, and what was split off it: a device knows it as one."""
    decide_touched(tx, (studies.get(tx, key) for key in (study.key, *splits.parts_of(tx, study.key))), how)


def decide_part(tx: WriteTx, study: Study, how: Deciding) -> Study:
    """Decide what was just split off; where the other part speaks against what a rule would say, a person is asked."""
    verdict = question_part(tx, study, decide(evidence_of(tx, study), StoredRegistry(tx), how.rules))
    return _record(tx, study, verdict, how, actor=verdict.rule)


def decide_touched(tx: WriteTx, touched: Iterable[Study], how: Deciding) -> None:
    """Decide again, each once, the studies that a new fact may be about."""
    for key in dict.fromkeys(study.key for study in touched):
        decide_by_rule(tx, studies.get(tx, key), how)


@dataclass(slots=True)
class Known:
    """What a message made, as it would be read again. patients: new ones, to whom nothing is bound."""

    patients: list[PatientRecord] = field(default_factory=list)
    orders: list[OrderRecord] = field(default_factory=list)


def decide_after(
    tx: WriteTx, patient_keys: Iterable[int], order_keys: Iterable[int], how: Deciding, known: Known | None = None
) -> None:
    """
    Decide again what patients and orders that just changed may be about: by shared values, and by their bindings.

    known: what need not be read again.
    """
    known = known or Known()
    registry = StoredRegistry(tx, known.patients)
    made = {record.key: record for record in known.orders}
    new = {record.key for record in known.patients}
    records = [record for key in dict.fromkeys(patient_keys) if (record := registry.survivor(key)) is not None]
    named = (made.get(key) or registry.order_by_key(key) for key in dict.fromkeys(order_keys))
    ordered = [one for one in named if one is not None]
    touched = studies.answering(tx, fact_keys(records, ordered))
    for record in records:
        touched += studies.of_patient(tx, record.key) if record.key not in new else []
    decide_touched(tx, touched, how)
    for placed in ordered:
        compare_again(tx, studies.of_order(tx, placed.key), how.rules.checklist, how.at)
    announce.begun_changed(tx, patient_keys, order_keys, how.destinations, how.at)
    authorization_news.look_again(tx, how.at)


def bind_by_person(tx: WriteTx, study: Study, bound: Binding, reason: str, actor: str, how: Deciding) -> Study:
    """
    Bind *study* because a person says so; rules may follow merges, refresh values or hold it, never re-bind it.

    It says, too, that the patient's record is who it says by now, if an update had put that in question.
    Raises: Conflict, if the patient is no longer on record.
    """
    verdict = chosen_by_person(bound, evidence_of(tx, study), StoredRegistry(tx), how.rules)
    if verdict is None:
        raise Conflict("no such patient", code="unknown", where="patient")
    after = _record(tx, study, verdict, how, actor=actor, reason=reason)
    assert after.patient_key is not None
    doubted = in_question(tx, after.patient_key)
    for key in doubted:
        patients.confirm(tx, key)
    if doubted:
        refresh_keys(tx, after.patient_key)
        decide_after(tx, [after.patient_key], [], how.following)
    return studies.get(tx, study.key)


def propose(tx: WriteTx, study: Study, patient_key: int, actor: str, how: Deciding) -> Study:
    """
    Bind an undecided study to whom somebody proposes who brought it, unless a veto speaks against that: then it asks.

    What a rule or a person has decided already, a proposal does not move.
    """
    held = study.held_from_patient_key is not None
    if study.is_bound or study.closed_reason or held or study.is_decided_by_person:
        return study
    evidence = replace(evidence_of(tx, study), proposed_patient_key=patient_key)
    verdict = question_part(tx, study, decide(evidence, StoredRegistry(tx), how.rules))
    if verdict.binds and verdict.patient_key == patient_key:
        chosen = Binding(patient_key, verdict.order_key, by_person=True)
        return bind_by_person(tx, study, chosen, _PROPOSED, actor, how)
    return _record(tx, study, verdict, how, actor=verdict.rule, reason=f"{_PROPOSED} ({actor})")


_PROPOSED = "proposed by whoever imported it"


def in_question(tx: WriteTx, patient_key: int) -> list[int]:
    """Return the records of a live patient, merged ones too, that an update made another person of."""
    keys = [patient_key, *patients.merged_into(tx, patient_key)]
    return [one.key for one in patients.get_many(tx, keys) if one.in_question]


def free_by_rule(tx: WriteTx, study: Study, reason: str, actor: str, how: Deciding) -> None:
    """Bind a held study again to whom it was bound to, because a person settled the doubt and a rule says so now."""
    held_from = study.held_from_patient_key
    if held_from is None or study.is_decided_by_person:
        return
    verdict = decide(evidence_of(tx, study), StoredRegistry(tx), how.rules)
    if verdict.binds and verdict.patient_key == patients.survivor(tx, held_from).key and not holds_late(tx, study):
        _record(tx, study, verdict, how, actor=actor, reason=reason)


def withdraw(
    tx: WriteTx, study: Study, rule: str, sentence: str, how: Deciding, *, actor: str, reason: str = ""
) -> Study:
    """Take a study's binding away and put it before a person, with the earlier binding named."""
    candidates = decide(evidence_of(tx, study), StoredRegistry(tx), how.rules)
    verdict = replace(
        candidates, outcome=Outcome.REVIEW, rule=rule, sentence=sentence, patient_key=None, order_key=None
    )
    return _record(tx, study, verdict, how, actor=actor, reason=reason)


def close(tx: WriteTx, study: Study, reason: str, actor: str, how: Deciding) -> Study:
    """Take a study out of the queue for good: not ours, a test, discarded. It is never published; a person may reopen it."""
    verdict = Verdict(Outcome.QUARANTINE, "person", "A person closed the case.", rules_version=how.rules.version)
    closed = _record(tx, study, verdict, how, actor=actor, reason=reason)
    decisions.close_mismatch(tx, study.key, actor, "closed", how.at)
    after = studies.save(tx, replace(closed, closed_reason=reason or "closed"))
    record_incidents(tx, after, Found(decisions.of_study(tx, study.key)[0].key, actor, how.at))
    return after


def reopen(tx: WriteTx, study: Study, reason: str, actor: str, how: Deciding) -> Study:
    """
    Take back that a person closed a study's case: it waits again as a rule finds it today, and none binds it now.

    What was bound before is held from whom it was bound to: no rule gives it back there.
    """
    verdict = decide(evidence_of(tx, study), StoredRegistry(tx), how.rules)
    bound = decisions.last_binding(tx, study.key)
    if bound is not None:
        study = replace(study, held_from_patient_key=bound.patient_key, held_from_order_key=bound.order_key)
    if verdict.binds or bound is not None:
        words = "A person opened the case again; by now a rule would bind it."
        words = words if verdict.binds else f"A person opened the case again. {verdict.sentence}"
        rule = "person" if verdict.binds else verdict.rule
        verdict = replace(verdict, outcome=Outcome.REVIEW, rule=rule, sentence=words, patient_key=None, order_key=None)
    return _record(tx, study, verdict, how, actor=actor, reason=reason)


def put_back(tx: WriteTx, study: Study, before: Study, reason: str, actor: str, how: Deciding) -> Study:
    """Let *study* wait again as it did *before* somebody decided about many at once; a later fact may decide it."""
    states = {state: outcome for outcome, state in _STATES.items()}
    found = decide(evidence_of(tx, study), StoredRegistry(tx), how.rules)
    was = replace(found, outcome=states[before.state], rule=before.rule, sentence=before.sentence)
    after = _record(tx, study, replace(was, patient_key=None, order_key=None), how, actor=actor, reason=reason)
    held_from = (before.held_from_patient_key, before.held_from_order_key)
    return studies.save(
        tx,
        replace(
            after, held_from_patient_key=held_from[0], held_from_order_key=held_from[1], decided_by=before.decided_by
        ),
    )


def _reconsider(tx: WriteTx, study: Study, evidence: StudyEvidence, registry: StoredRegistry, how: Deciding) -> Study:
    found = reconsider(_binding(tx, study), evidence, registry, how.rules)
    if found.step == Step.KEEP:
        return study
    if found.step == Step.HOLD:
        return withdraw(tx, study, found.verdict.rule, found.verdict.sentence, how, actor=found.verdict.rule)
    how = replace(how, confirmed_by=decisions.of_study(tx, study.key)[0].confirmed_by)
    return _record(tx, study, found.verdict, how, actor=study.decided_by or found.verdict.rule)


def return_to(tx: WriteTx, study: Study, before: Decision, how: Deciding, *, reason: str = "") -> None:
    """Give a study back what it was bound to by *before*, unless something newly speaks against it, or images came since."""
    owner = patients.survivor(tx, before.patient_key or 0).key
    binding = replace(_binding_of(before), patient_key=owner)
    found = reconsider(binding, evidence_of(tx, study), StoredRegistry(tx), how.rules)
    if found.step != Step.HOLD and not holds_late(tx, study, decisions.ended_at(tx, before) or how.at):
        how = replace(how, confirmed_by=before.confirmed_by)
        _record(tx, study, found.verdict, how, actor=before.actor, reason=reason)


def _binding(tx: WriteTx, study: Study) -> Binding:
    """Return a bound study's binding with what was known when it was made."""
    assert study.patient_key is not None
    made = decisions.of_study(tx, study.key)[0]
    return replace(_binding_of(made), patient_key=study.patient_key, order_key=study.order_key)


def _binding_of(made: Decision) -> Binding:
    """Return the binding that a decision made. Its record may have been merged since."""
    assert made.patient_key is not None
    return Binding(
        made.patient_key,
        made.order_key,
        linked_order_keys=tuple(made.snapshot["linked_order_keys"]),
        rule=made.rule,
        by_person=is_person(made.actor),
        decided_at=made.decided_at,
        accepted=tuple(made.snapshot["concerns"]),
        differences=tuple(Difference(**one) for one in made.differences),
    )


def _apply(tx: WriteTx, study: Study, verdict: Verdict, how: Deciding) -> Study:
    held_from = study.held_from_patient_key
    if held_from is not None and not may_free(study, patients.survivor(tx, held_from).key, verdict):
        return study
    said = (study.rule, study.sentence, study.state)
    if verdict.binds:
        verdict = question_part(tx, study, verdict)
    if not verdict.binds and said == (verdict.rule, verdict.sentence, _STATES[verdict.outcome]):
        return study
    return _record(tx, study, verdict, how, actor=verdict.rule)


def may_free(study: Study, held_from: int, verdict: Verdict) -> bool:
    """
    Say whether a rule may end a hold: only by finding another patient, and never what a person took back.

    held_from: the survivor of whom it was bound to; a merge since then makes nobody another patient.
    What was bound to the same patient before was held by a contradiction; that it was right all the same, a person says.
    """
    by_person = study.is_decided_by_person
    return verdict.binds and not by_person and verdict.patient_key != held_from


def _move_exam(tx: WriteTx, before: Study, after: Study, how: Moving) -> None:
    """Start the exam that images are of now, and put back what they were taken to be of; what a rule holds, waits."""
    if after.order_key is None and before.order_key is not None and how.by:
        leave_exam(tx, after, before.order_key, how)
    if after.order_key is None or after.order_key == before.order_key:
        return
    start_exam(tx, after, after.order_key, how)
    left = before.order_key or before.held_from_order_key
    if left is not None and left != after.order_key:
        leave_exam(tx, after, left, how)


def _record(tx: WriteTx, study: Study, verdict: Verdict, how: Deciding, *, actor: str, reason: str = "") -> Study:
    """Append the decision, bring the study in line with it, and announce what follows."""
    corrected = standing_corrections(tx, study, verdict.patient_key) if verdict.binds else ()
    state = StudyState.BOUND_WITH_CORRECTION if corrected else _STATES[verdict.outcome]
    held_from: tuple[int | None, int | None] = (None, None)
    if not verdict.binds and state == StudyState.REVIEW:
        held_from = (
            (study.patient_key, study.order_key)
            if study.is_bound
            else (study.held_from_patient_key, study.held_from_order_key)
        )
    changed = (state, verdict.patient_key, verdict.order_key) != (study.state, study.patient_key, study.order_key)
    after = studies.save(
        tx,
        replace(
            study,
            state=state,
            patient_key=verdict.patient_key if verdict.binds else None,
            order_key=verdict.order_key if verdict.binds else None,
            rule=verdict.rule,
            sentence=verdict.sentence,
            decided_by=actor,
            binding_version=study.binding_version + (1 if changed or verdict.binds else 0),
            held_from_patient_key=held_from[0],
            held_from_order_key=held_from[1],
            closed_reason="",
        ),
    )
    _move_exam(tx, study, after, Moving(how.destinations, how.at, actor if is_person(actor) else ""))
    if changed:
        _refile_reports(tx, after, actor, how)
    decision_key = _append(tx, after, decision_of(tx, after, verdict, actor, reason, how.at), how)
    lay_binding(tx, after, verdict, corrected, Made(how.at, actor, reason or verdict.sentence))
    if verdict.binds and study.binding_version:
        record_incidents(tx, after, Found(decision_key, actor, how.at))
    _announce(tx, after, verdict, actor, how)
    _log(tx, after, verdict, actor, decision_key, how)
    touched = follow_binding(tx, after, how.rules, how.at)
    decide_touched(tx, (one for one in touched if one.key != after.key), how.following)
    return after


def _append(tx: WriteTx, study: Study, made: Decision, how: Deciding) -> int:
    """Append a decision, in both names if two people took it; what waits for a second person lapses."""
    lapse(tx, study, made.actor, how.at)
    return decisions.add(tx, replace(made, confirmed_by=how.confirmed_by if is_person(made.actor) else ""))


def _announce(tx: WriteTx, study: Study, verdict: Verdict, actor: str, how: Deciding) -> None:
    """Put the case before people or take it from them, and let what leaves follow."""
    if verdict.binds:
        decisions.close_mismatch(tx, study.key, actor, verdict.outcome.value, how.at)
        announce.study_changed(tx, study, how.destinations, how.at)
    else:
        risk = weigh_case(tx, study, verdict)
        decisions.open_mismatch(tx, study.key, verdict.rule, verdict.sentence, how.at, risk=risk)
        announce.study_withdrawn(tx, study, how.at)
        announce.study_undecided(tx, study, how.destinations, how.at)
    compare_again(tx, [study], how.rules.checklist, how.at)


def _refile_reports(tx: WriteTx, study: Study, actor: str, how: Deciding) -> None:
    """A report that names this study alone belongs to whom it is bound to, and to nobody while it is not."""
    told = ReportNews(News("binding", how.at, how.at), how.rules, actor, source_kind="decision")
    look_again(tx, reports.of_study(tx, study.study_instance_uid), told)


def _log(tx: WriteTx, study: Study, verdict: Verdict, actor: str, decision_key: int, how: Deciding) -> None:
    events.add(
        tx,
        Event(
            how.at,
            Station.RECONCILED,
            verdict.sentence,
            by=actor,
            source_kind="decision",
            source_id=str(decision_key),
            study_key=study.key,
            order_key=study.order_key,
        ),
    )

"""What another registry said of a patient enters by registration's door, and the rules decide again; it never binds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bridge.domain.evidence import IdentityKey
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.identity_change import becomes_another_person
from bridge.domain.outside import AnswerState, Found, Question, is_who_was_asked_for
from bridge.domain.patient import PatientDraft
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Study
from bridge.domain.waking import PATIENT_ID
from bridge.errors import Conflict
from bridge.flows.announce import Destinations
from bridge.flows.apply_message import MessageApplier
from bridge.flows.decide_study import Deciding, decide_touched
from bridge.flows.learn_reference import learn_reference
from bridge.mapping.apply import Mapped
from bridge.mapping.patients import NEVER_PRIMARY
from bridge.store import patients, studies
from bridge.store.cross_references import CrossReference
from bridge.store.db import WriteTx
from bridge.store.registry import StoredRegistry

# As registration says that a person's particulars are so: no visit, and no news of anybody's number. Source: HL7 2.5.1 3.3.31.
_SAID_AS = "ADT^A31"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer came to. sentence: without patient data, to go on behind the registry's name."""

    state: AnswerState
    sentence: str
    patient_key: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """Who answered, and when."""

    source: str
    at: datetime


class AnswerTaker:
    """Applies answers inside their caller's transaction, which holds the lock "identity"."""

    def __init__(self, applier: MessageApplier, rules: ReconcileRules, destinations: Destinations) -> None:
        self.rules = rules
        self._applier = applier
        self._destinations = destinations

    def take(self, tx: WriteTx, study: Study, question: Question, found: tuple[Found, ...], said: Said) -> Outcome:
        """
        Put on record what *found* says, and decide again what it touches.

        Raises: Conflict, if it contradicts the question, or what is known here; Incomplete, Malformed, if it is no
        registration.
        """
        if not found:
            return Outcome(AnswerState.NOBODY, "knows nobody of that number or name")
        if len(found) > 1:
            return Outcome(AnswerState.SEVERAL, "names more than one patient")
        one = found[0]
        if not one.asked and (one.draft is None or not is_who_was_asked_for(question, one.draft, self.rules)):
            raise Conflict("answered with another patient than was asked for", code="other_patient")
        ours = tuple(number for number in one.numbers if self._is_ours(number))
        if not ours:
            return Outcome(AnswerState.NOBODY, "knows the patient, but names no number of ours")
        holders = self._holders(tx, ours)
        if len(holders) > 1:
            return Outcome(AnswerState.SEVERAL, "names numbers of more than one of our patients")
        if holders:
            patient_key, sentence = self._refresh(tx, holders.pop(), one, ours, said), "names one of our patients"
        elif _names_a_person(one.draft):
            assert one.draft is not None
            patient_key = self._register(tx, replace(one.draft, identifiers=ours), one.said_at, said)
            sentence = "named a patient who is on record now"
        else:
            return Outcome(
                AnswerState.NOBODY, "names a number of ours that nobody here has, and does not say whose it is"
            )
        self._learn(tx, study, one, patient_key, said)
        return Outcome(AnswerState.FOUND, sentence, patient_key)

    def _is_ours(self, number: PatientIdentifier) -> bool:
        return self.rules.is_ours(number.issuer_of_patient_id) and number.identifier_type not in NEVER_PRIMARY

    def _holders(self, tx: WriteTx, numbers: tuple[PatientIdentifier, ...]) -> set[int]:
        registry = StoredRegistry(tx)
        found = (registry.patients_by_identifier(one.patient_id, one.issuer_of_patient_id) for one in numbers)
        return {record.key for records in found for record in records}

    def _refresh(self, tx: WriteTx, holder: int, one: Found, ours: tuple[PatientIdentifier, ...], said: Said) -> int:
        """
        Apply what is newer than what is known of a patient whom we have; an answer without a time of its own is none.

        Raises: Conflict, if it says of another person what is known of this one.
        """
        if one.draft is None:
            return holder
        record = StoredRegistry(tx).survivor(holder)
        assert record is not None
        patient = record.patient
        after = replace(
            patient,
            patient_name=one.draft.patient_name or patient.patient_name,
            patient_birth_date=one.draft.patient_birth_date or patient.patient_birth_date,
        )
        if becomes_another_person(record, after, self.rules):
            raise Conflict("says that a number of ours is another person's", code="other_patient")
        known = [number for number in ours if number in patient.identifiers]
        if one.said_at is not None and known:
            draft = replace(one.draft, identifiers=tuple(dict.fromkeys((*known, *ours))))
            self._register(tx, draft, one.said_at, said)
        return holder

    def _register(self, tx: WriteTx, draft: PatientDraft, said_at: datetime | None, said: Said) -> int:
        told_at = min(said_at, said.at) if said_at is not None else said.at
        applied = self._applier.apply(tx, Mapped(_SAID_AS, told_at, "", patient=draft), said.at, said.source)
        self._applier.follow(tx, applied, f"outside:{said.source}")
        assert applied.patient_key is not None
        return patients.survivor(tx, applied.patient_key).key

    def _learn(self, tx: WriteTx, study: Study, one: Found, patient_key: int, said: Said) -> None:
        """
        Keep which of another hospital's numbers are this patient's, and decide what waits under them.

        Raises: Conflict, if one of them is another patient's here.
        """
        touched = [study]
        for number in one.asked:
            if self.rules.is_ours(number.issuer_of_patient_id):
                continue
            if self._holders(tx, (number,)) - {patient_key}:
                raise Conflict("says that another patient's number is this one's", code="other_patient")
            learn_reference(tx, CrossReference(patient_key, number, f"outside:{said.source}", said.at))
            touched += studies.answering(tx, [IdentityKey(PATIENT_ID, number.patient_id)])
        decide_touched(tx, touched, Deciding(self.rules, self._destinations, said.at, cause=f"outside:{said.source}"))


def _names_a_person(draft: PatientDraft | None) -> bool:
    return draft is not None and bool(draft.patient_name and draft.patient_birth_date)

"""A study's case: its keys followed, every candidate graded and ranked. It decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bridge.domain.birth_dates import BirthDateGrade, SexGrade, grade_birth_date, grade_sex
from bridge.domain.evidence import NamedIdentity, OrderRecord, PatientRecord, Registry, Signal, StudyEvidence
from bridge.domain.identity_keys import header_keys
from bridge.domain.leads import (
    OrderLead,
    PatientLead,
    Via,
    cross_references,
    is_foreign,
    order_leads,
    patient_leads,
    with_proposal,
)
from bridge.domain.name_grades import HeaderName, NameGrade, NameMatch, grade_name, read_header_name
from bridge.domain.order import WAITING
from bridge.domain.other_orders import other_order_leads
from bridge.domain.other_people import find_other_people, other_patient_leads
from bridge.domain.reconcile_rules import ReconcileRules

FITTING_NAMES = frozenset({NameGrade.EQUAL, NameGrade.CLOSE})
# Below it someone who merely shares a birth date or a surname would fill the list.
_LOWEST_SCORE_TO_SHOW = 7
_MOST_TO_SHOW = 20
_KEYED_AMONG_FIRST = 3
# Where nobody fits, the records that come nearest; they are no candidates, and a coordinator is told so.
_NEAREST_TO_SHOW = 3


@dataclass(frozen=True, slots=True)
class Graded:
    """A patient compared with the header. demographics: the part of the score that no key gave."""

    patient: PatientRecord
    name: NameMatch
    birth_date: BirthDateGrade
    sex: SexGrade
    demographics: int

    @property
    def key(self) -> int:
        return self.patient.key

    @property
    def is_namesake(self) -> bool:
        return self.name.grade in FITTING_NAMES


@dataclass(frozen=True)
class Case:
    """
    Everything found about one study.

    orders: whom K names, empty for a foreign study. identities: whom I names (cross-references for a foreign one).
    imports: waiting import orders of those a foreign study may be. graded: everyone found, by patient key.
    other_people: whom other instances name instead, others: whose numbers those are. other_orders: which orders only they
    name.
    nearest: where nobody fits, who resembles the header at all; they are no candidates.
    """

    evidence: StudyEvidence
    rules: ReconcileRules
    foreign: bool
    name: HeaderName
    orders: tuple[OrderLead, ...]
    identities: tuple[PatientLead, ...]
    imports: tuple[OrderLead, ...]
    graded: Mapping[int, Graded]
    signals: tuple[Signal, ...]
    other_people: tuple[NamedIdentity, ...]
    notes: tuple[str, ...]
    other_orders: tuple[OrderLead, ...] = ()
    nearest: tuple[int, ...] = ()
    others: tuple[PatientLead, ...] = ()

    @cached_property
    def order_patients(self) -> tuple[int, ...]:
        """Whom K names, each once."""
        return tuple(dict.fromkeys(lead.patient.key for lead in self.orders))

    @cached_property
    def fitting_order_patients(self) -> tuple[int, ...]:
        """Those of several whom K names whose name and birth date fit; the only one whom K names otherwise."""
        if len(self.order_patients) < 2:
            return self.order_patients
        may_be = (BirthDateGrade.EQUAL, BirthDateGrade.NA)
        graded = [self.graded[key] for key in self.order_patients]
        return tuple(one.key for one in graded if one.is_namesake and one.birth_date in may_be)

    @cached_property
    def identity_patients(self) -> tuple[int, ...]:
        """Whom I names: of several the only one whose name and birth date are equal, else all of them."""
        keys = tuple(lead.patient.key for lead in self.identities)
        if len(keys) < 2 or any(lead.contradicts for lead in self.identities):
            return keys
        equal = tuple(key for key in keys if _is_equal(self.graded[key]))
        return equal if len(equal) == 1 else keys

    @cached_property
    def import_patients(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(lead.patient.key for lead in self.imports))

    @cached_property
    def keyed(self) -> frozenset[int]:
        """Everyone whom any key names."""
        identities = frozenset(lead.patient.key for lead in self.identities)
        return identities.union(self.order_patients, self.import_patients)

    def via(self, patient_key: int) -> tuple[Via, ...]:
        """Return every key that names this patient, strongest first."""
        leads: tuple[OrderLead | PatientLead, ...] = (
            *self.orders,
            *self.identities,
            *self.imports,
            *self.other_orders,
            *self.others,
        )
        return tuple(dict.fromkeys(lead.via for lead in leads if lead.patient.key == patient_key))

    def score(self, patient_key: int) -> int:
        """Return how well a patient fits, to order a list; it never binds."""
        scores, one = self.rules.scores, self.graded[patient_key]
        total = one.demographics
        via = self.via(patient_key)
        if Via.PATIENT_ID in via or Via.OTHER_PATIENT_ID in via:
            total += scores.exact_id
            total += scores.exact_id_with_equal_name if one.name.grade == NameGrade.EQUAL else 0
        if Via.CROSS_REFERENCE in via:
            total += scores.cross_reference
        if Via.NORMALISED_ID in via:
            total += scores.normalised_id
        if patient_key in self.order_patients or patient_key in self.import_patients:
            total += scores.order_key
        return total

    @cached_property
    def ranked(self) -> tuple[int, ...]:
        """
        Return the candidates, best first; whoever a key names is among the first three.

        Equal scores: an equal given name first, then the older record.
        """
        places = {key: self._place(key) for key in self.graded}
        named = self.keyed.union(lead.patient.key for lead in self.other_orders)
        named |= {lead.patient.key for lead in self.others}
        shown = [key for key in places if key in named or self._is_shown(self.graded[key])]
        shown.sort(key=places.__getitem__)
        keyed = [key for key in shown if key in named]
        last = [key for key in keyed if key not in shown[:_KEYED_AMONG_FIRST]]
        if last:
            room = max(0, _KEYED_AMONG_FIRST - len(keyed))
            strangers = [key for key in shown if key not in named]
            first = sorted([*keyed, *strangers[:room]], key=places.__getitem__)
            shown = first + strangers[room:]
        return tuple(shown[:_MOST_TO_SHOW])

    def _place(self, patient_key: int) -> tuple[int, bool, int]:
        return (-self.score(patient_key), not self.graded[patient_key].name.given_is_equal, patient_key)

    def _is_shown(self, one: Graded) -> bool:
        return one.demographics >= _LOWEST_SCORE_TO_SHOW

    def order_named_for(self, patient_key: int) -> OrderRecord | None:
        """Return the first order of this patient that a key names."""
        leads = (*self.orders, *self.imports, *self.other_orders)
        return next((lead.order for lead in leads if lead.patient.key == patient_key), None)


def _is_equal(one: Graded) -> bool:
    return one.name.grade == NameGrade.EQUAL and one.birth_date == BirthDateGrade.EQUAL


def open_case(evidence: StudyEvidence, registry: Registry, rules: ReconcileRules) -> Case:
    """Follow every key of a study and grade everyone it may belong to."""
    header = evidence.header
    foreign = is_foreign(evidence, rules)
    name = read_header_name(header, rules)
    orders, notes = ((), ()) if foreign else order_leads(evidence, registry, rules)
    identities = (cross_references if foreign else patient_leads)(header, registry, rules)
    identities = with_proposal(identities, evidence.proposed_patient_key, registry)
    found = {lead.patient.key: lead.patient for lead in orders}
    found.update({lead.patient.key: lead.patient for lead in identities})
    elsewhere = () if foreign else other_order_leads(evidence, orders, registry, rules)
    found.update({lead.patient.key: lead.patient for lead in elsewhere})
    graded = {key: grade(evidence, name, found[key], rules) for key in sorted(found)}
    signals = tuple(registry.signals_for(header.study_instance_uid))
    questioned = foreign or bool(signals) or bool(evidence.other_identities)
    looked_up = questioned or not nobody_fits_better(evidence, graded.values())
    if looked_up:
        keys = header_keys(header, name.texts, rules)
        alike = registry.patients_alike(keys, rules.lookup_limit, lambda dates: _may_matter(evidence, dates, rules))
        graded |= {one.key: grade(evidence, name, one, rules) for one in alike.patients if one.key not in graded}
        notes += tuple(
            f"More than {rules.lookup_limit} patients share one value ({key.kind}): not all were compared."
            for key in alike.capped
        )
    people = find_other_people(evidence, registry, rules) if evidence.other_identities else ()
    others = () if foreign else other_patient_leads(people, registry, rules)
    graded |= {one.patient.key: grade(evidence, name, one.patient, rules) for one in others}
    graded = dict(sorted(graded.items()))
    imports = _import_leads(evidence, graded.values(), registry) if foreign else ()
    found_out = (orders, identities, imports, graded, signals, people, notes, elsewhere)
    case = Case(evidence, rules, foreign, name, *found_out, others=others)
    return case if case.ranked or not looked_up else _with_nearest(case, registry)


def _with_nearest(case: Case, registry: Registry) -> Case:
    """Return *case*, in which nobody fits, with whoever resembles the header at all."""
    keys = header_keys(case.evidence.header, case.name.texts, case.rules)
    alike = registry.patients_alike(keys, case.rules.lookup_limit, lambda _: True).patients
    every = {one.key: one for one in (grade(case.evidence, case.name, one, case.rules) for one in alike)}
    some = sorted((one for one in every.values() if one.demographics > 0), key=lambda one: (-one.demographics, one.key))
    nearest = tuple(one.key for one in some[:_NEAREST_TO_SHOW])
    graded = {**case.graded, **{key: every[key] for key in nearest}}
    return replace(case, graded=dict(sorted(graded.items())), nearest=nearest)


def nobody_fits_better(evidence: StudyEvidence, keyed: Iterable[Graded]) -> bool:
    """Say whether the keys name one patient whose every grade is the best there is, so that no look-up can matter."""
    patients = list(keyed)
    if len(patients) != 1:
        return False
    one = patients[0]
    sex_is_said = evidence.header.patient_sex.strip().upper()[:1] in ("M", "F")
    return _is_equal(one) and one.name.given_is_equal and (one.sex == SexGrade.EQUAL or not sex_is_said)


def _may_matter(evidence: StudyEvidence, birth_dates: Sequence[str], rules: ReconcileRules) -> bool:
    """
    Say whether somebody found by name or birth date can be a namesake or be listed. birth_dates: all that are known.

    With another birth date nobody is a namesake of the vetoes; without any chance to be listed, not even compared.
    """
    birth_date = _grade_birth_date(evidence, birth_dates, rules)
    scores = rules.scores
    best = max(scores.name.values()) + max(scores.sex.values()) + scores.birth_date[birth_date]
    return birth_date != BirthDateGrade.DIFF or best >= _LOWEST_SCORE_TO_SHOW


def _grade_birth_date(evidence: StudyEvidence, known: Sequence[str], rules: ReconcileRules) -> BirthDateGrade:
    return grade_birth_date(evidence.header.patient_birth_date, known, rules.placeholder_birth_dates)


def grade(evidence: StudyEvidence, name: HeaderName, patient: PatientRecord, rules: ReconcileRules) -> Graded:
    """Compare a header with one patient."""
    match = grade_name(name, patient.known_names, rules)
    birth_date = _grade_birth_date(evidence, patient.known_birth_dates, rules)
    sex = grade_sex(evidence.header.patient_sex, patient.patient.patient_sex)
    scores = rules.scores
    total = scores.name[match.grade] + scores.birth_date[birth_date] + scores.sex[sex]
    return Graded(patient, match, birth_date, sex, total)


def _import_leads(evidence: StudyEvidence, graded: Iterable[Graded], registry: Registry) -> tuple[OrderLead, ...]:
    """Return the import orders that wait for such a study, of everyone who fits by name, birth date and sex."""
    modality = evidence.header.modality
    leads = []
    for one in graded:
        if one.is_namesake and one.birth_date == BirthDateGrade.EQUAL and one.sex != SexGrade.DIFF:
            orders = registry.import_orders_of(one.key, modality) if modality else ()
            leads += [OrderLead(Via.IMPORT_ORDER, order, one.patient) for order in orders]
    leads.sort(key=lambda lead: lead.order.key)
    # Once an order took the study in, it waits no more; for this study it stays the only one.
    uid = evidence.header.study_instance_uid
    used = [lead for lead in leads if uid in lead.order.study_instance_uids]
    return tuple(used or [lead for lead in leads if waits_for_import(lead.order)])


def waits_for_import(record: OrderRecord) -> bool:
    """Say whether an import order still waits for its study."""
    return record.order.status in WAITING and not record.study_instance_uids

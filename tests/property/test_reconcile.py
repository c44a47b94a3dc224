"""What no mixture of headers, patients and orders may bring about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.evidence import OrderRecord, StudyEvidence
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.name_grades import NameGrade, grade_texts
from bridge.domain.names import parse_name
from bridge.domain.patient import Patient
from bridge.domain.phonetics import edits_within
from bridge.domain.reconsider import Binding, Step, reconsider
from bridge.domain.study import Header, RequestAttributes
from bridge.domain.verdict import Verdict
from bridge.domain.waking import fact_keys, study_keys
from tests.unit.domain.hospital import DAY, RULES, THEIRS, Hospital, evidence, typed

FAMILIES = ["Perez", "Peres", "Pérez Ibáñez", "Okafor", "Doe", "佐藤"]
GIVENS = ["Luz", "Lus", "Ngozi", "Ngozi Ada", "John", "花", ""]
BIRTH_DATES = ["19800511", "19801105", "19800512", "19710930", "19800101", "19000101", ""]
NUMBERS = ["00012345", "12345", "00054321", "00054322", "771", "0", ""]
ACCESSIONS = ["A100", "A101", "A200", ""]
SEXES = ["F", "M", "O", ""]

names = st.builds("{}^{}".format, st.sampled_from(FAMILIES), st.sampled_from(GIVENS))
people = st.lists(
    st.tuples(names, st.sampled_from(BIRTH_DATES), st.sampled_from(SEXES), st.booleans(), st.booleans()),
    min_size=1,
    max_size=5,
)
orders = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(ACCESSIONS[:3]), st.sampled_from([DAY, "20250101"]), st.booleans()),
    max_size=4,
)
merges = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=2)


OUR_NUMBERS = ["00012345", "00054321", "00054322", "00060001", "00060002"]


@dataclass(frozen=True)
class Scene:
    """A hospital, and one header that mostly copies one of its people."""

    hospital: Hospital
    header: Header
    foreign: bool

    def decide(self) -> Verdict:
        return self.hospital.decide(self.header, from_foreign_source=self.foreign)


def scene_evidence(scene: Scene) -> StudyEvidence:
    return evidence(scene.header, from_foreign_source=scene.foreign)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    hospital, patients = Hospital(), []
    for index, (name, date, sex, is_twin, is_known_elsewhere) in enumerate(draw(people)):
        others = (PatientIdentifier("771", THEIRS),) if is_known_elsewhere and index == 0 else ()
        patients.append(hospital.admit(OUR_NUMBERS[index], name, date, sex, multiple_birth=is_twin, others=others))
    for who, accession, day, is_import in draw(orders):
        hospital.order(patients[who % len(patients)], accession, on=day, is_import=is_import)
    for retired, survivor in draw(merges):
        one, other = patients[retired % len(patients)].key, patients[survivor % len(patients)].key
        ends = [hospital.registry.survivor(key) for key in (one, other)]
        if ends[0] and ends[1] and ends[0].key == one != ends[1].key:
            hospital.registry.merge(one, ends[1].key)
    foreign = draw(st.sampled_from([False, False, True]))
    return Scene(hospital, _header(draw, draw(st.sampled_from(patients)), foreign), foreign)


def _header(draw: st.DrawFn, patient: Patient, foreign: bool) -> Header:
    def mostly(value: str, others: st.SearchStrategy[str]) -> str:
        return draw(others) if draw(st.integers(0, 3)) == 0 else value

    number = "771" if foreign else patient.primary.patient_id
    return typed(
        mostly(
            patient.patient_name, st.one_of(names, st.sampled_from(["", "PEREZ, LUZ", "??^??", "PEREZ", "LUZ^PEREZ"]))
        ),
        mostly(number, st.sampled_from(NUMBERS)),
        mostly(patient.patient_birth_date, st.sampled_from(BIRTH_DATES)),
        mostly(patient.patient_sex, st.sampled_from(SEXES)),
        accession_number=draw(st.sampled_from(ACCESSIONS)),
        study_instance_uid=draw(st.sampled_from(["1.2.3.1", "1.2.3.2", "9.9.9", "9.9.9"])),
        issuer_of_patient_id=draw(st.sampled_from(["", THEIRS] if foreign else ["", "", "HARBOR"])),
        request_attributes=draw(
            st.sampled_from([(), (), (RequestAttributes("RP1", "SPS1"),), (RequestAttributes("RP2"),)])
        ),
    )


def names_the_patient(hospital: Hospital, header: Header, verdict: Verdict) -> bool:
    """Say, from the registry alone, whether some key of the header leads to whom the verdict chose."""
    registry, found = hospital.registry, set()
    for order in (
        *registry.orders_by_study_uid(header.study_instance_uid),
        *registry.orders_by_accession(header.accession_number),
        *(
            o
            for item in header.request_attributes
            for o in registry.orders_by_step_id(item.scheduled_procedure_step_id)
        ),
        *(
            o
            for item in header.request_attributes
            for o in registry.orders_by_requested_procedure_id(item.requested_procedure_id)
        ),
    ):
        found.add(order.order.patient_key)
    for authority in ("HARBOR", THEIRS):
        padded = header.patient_id.lstrip("0").zfill(8)
        for number in {header.patient_id, padded}:
            found |= {one.key for one in registry.patients_by_identifier(number, authority)}
    live = {record.key for key in found if (record := registry.survivor(key)) is not None}
    assert verdict.patient_key is not None
    imports = registry.import_orders_of(verdict.patient_key, header.modality)
    return verdict.patient_key in live or bool(imports)


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_no_study_binds_without_a_key_that_names_its_live_patient(scene: Scene) -> None:
    hospital, header = scene.hospital, scene.header
    verdict = scene.decide()
    if verdict.binds:
        assert names_the_patient(hospital, header, verdict)
        assert hospital.registry.survivor(verdict.patient_key or 0).key == verdict.patient_key  # type: ignore[union-attr]
        assert verdict.rule in ("B01", "B02", "B03", "B04", "B05")
    else:
        assert verdict.patient_key is None
        assert verdict.rule.startswith("V")


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_a_bound_name_is_never_a_relatives_or_a_strangers(scene: Scene) -> None:
    hospital, header = scene.hospital, scene.header
    verdict = scene.decide()
    if verdict.binds:
        record = hospital.registry.survivor(verdict.patient_key or 0)
        assert record is not None
        grades = {grade_texts(header.patient_name, name, RULES).grade for name in record.known_names}
        assert grades & {NameGrade.EQUAL, NameGrade.CLOSE, NameGrade.GIVEN, NameGrade.NA}


@settings(max_examples=150, deadline=None)
@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_in_which_the_registry_answers_changes_nothing(scene: Scene, random: Random) -> None:
    before = scene.decide()
    registry = scene.hospital.registry
    answers = registry.patients_by_keys

    def shuffled(keys, limit):  # type: ignore[no-untyped-def]
        found = [(key, random.sample(list(rows), len(rows))) for key, rows in answers(keys, limit).items()]
        random.shuffle(found)
        return dict(found)

    alike = registry.patients_alike

    def shuffled_alike(keys, limit, may_be):  # type: ignore[no-untyped-def]
        found = alike(keys, limit, may_be)
        return replace(found, patients=random.sample(list(found.patients), len(found.patients)))

    by_accession = registry.orders_by_accession
    registry.patients_by_keys = shuffled  # type: ignore[method-assign]
    registry.patients_alike = shuffled_alike  # type: ignore[method-assign]

    def mixed(accession_number: str) -> list[OrderRecord]:
        found = list(by_accession(accession_number))
        return random.sample(found, len(found))

    registry.orders_by_accession = mixed  # type: ignore[method-assign]
    assert scene.decide() == before


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_a_look_up_that_is_left_out_would_have_changed_nothing(scene: Scene) -> None:
    quick = scene.decide()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.domain.case.nobody_fits_better", lambda *_: False)
        thorough = scene.decide()
    assert replace(quick, candidates=()) == replace(thorough, candidates=())
    assert quick.binds or quick.candidates == thorough.candidates


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_another_authoritys_number_never_stands_for_ours(scene: Scene) -> None:
    verdict = scene.hospital.decide(replace(scene.header, issuer_of_patient_id="ELSEWHERE"))
    assert not verdict.binds or verdict.rule == "B05"


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_a_fresh_binding_stands_when_it_is_looked_at_again(scene: Scene) -> None:
    hospital, header = scene.hospital, scene.header
    verdict = scene.decide()
    if verdict.binds and verdict.patient_key is not None:
        keys = [verdict.order_key, *verdict.linked_order_keys]
        for key in keys:
            if key is not None:
                hospital.registry.use_order(key, header.study_instance_uid)
        binding = Binding(
            verdict.patient_key,
            verdict.order_key,
            verdict.linked_order_keys,
            verdict.rule,
            accepted=verdict.concerns,
            differences=verdict.differences,
        )
        assert reconsider(binding, scene_evidence(scene), hospital.registry, RULES).step == Step.KEEP


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_whoever_a_key_names_is_among_the_first_three_candidates(scene: Scene) -> None:
    candidates = scene.decide().candidates
    keyed = [index for index, one in enumerate(candidates) if "nothing but" not in one.why]
    assert all(index < max(3, len(keyed)) for index in keyed)
    first = [one.score for one in candidates[:3]]
    assert first == sorted(first, reverse=True)


def decided(scene: Scene) -> tuple[str, int | None, int | None]:
    verdict = scene.decide()
    return (verdict.rule, verdict.patient_key, verdict.order_key)


@settings(max_examples=150, deadline=None)
@given(scenes(), names, st.sampled_from(BIRTH_DATES), st.sampled_from([*NUMBERS[:4], "MRN-00012345"]))
def test_a_registration_that_changes_a_decision_shares_a_key_with_the_study(
    scene: Scene, name: str, date: str, number: str
) -> None:
    before = decided(scene)
    patient = scene.hospital.admit(number, name, date)
    record = scene.hospital.registry.survivor(patient.key)
    assert record is not None
    if decided(scene) != before:
        assert set(study_keys(scene.header, RULES)) & set(fact_keys([record], []))


@settings(max_examples=150, deadline=None)
@given(scenes(), st.integers(0, 4), st.sampled_from(ACCESSIONS[:3]), st.booleans())
def test_an_order_that_changes_a_decision_shares_a_key_with_the_study(
    scene: Scene, who: int, accession: str, is_import: bool
) -> None:
    before = decided(scene)
    registry = scene.hospital.registry
    owner = registry.survivor(who + 1) or registry.survivor(1)
    assert owner is not None
    order = registry.order_by_key(scene.hospital.order(owner.patient, accession, is_import=is_import).key)
    assert order is not None
    if decided(scene) != before:
        assert set(study_keys(scene.header, RULES)) & set(fact_keys([owner], [order]))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_can_be_read_as_a_name_and_compared_both_ways(one: str, other: str) -> None:
    parse_name(one)
    there, back = grade_texts(one, other, RULES), grade_texts(other, one, RULES)
    assert (there.grade == NameGrade.EQUAL) == (back.grade == NameGrade.EQUAL)


@settings(max_examples=150, deadline=None)
@given(names, st.sampled_from(["upper", "lower", "title"]), st.integers(0, 3))
def test_case_carets_and_blanks_never_change_a_grade(name: str, case: str, carets: int) -> None:
    written = f" {getattr(name, case)()}{'^' * carets} "
    assert grade_texts(written, name, RULES).grade == NameGrade.EQUAL


def slow_edits(one: str, other: str) -> int:
    """Count edits by the definition, with a neighbour exchange as one."""
    table = {(i, -1): i + 1 for i in range(-1, len(one))} | {(-1, j): j + 1 for j in range(-1, len(other))}
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            best = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a != b))
            if i and j and a == other[j - 1] and one[i - 1] == b:
                best = min(best, table[i - 2, j - 2] + 1)
            table[i, j] = best
    return table[len(one) - 1, len(other) - 1]


@settings(max_examples=300, deadline=None)
@given(st.text("ABC", max_size=8), st.text("ABC", max_size=8), st.integers(0, 4))
def test_the_number_of_edits_agrees_with_its_definition(one: str, other: str, limit: int) -> None:
    assert edits_within(one, other, limit) == (slow_edits(one, other) <= limit)

"""What every registry answers that reconciliation asks: the dictionaries of the unit tests, and the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import pytest

from bridge.domain.evidence import IdentityKey, Registry
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Order, Step, StepStatus
from bridge.domain.patient import MergeDraft, Patient, PatientDraft
from bridge.flows.merge_patients import merge_patients
from bridge.flows.register_patient import News, refresh_keys
from bridge.store import decisions, orders, patients, studies
from bridge.store.db import Store, WriteTx
from bridge.store.registry import StoredRegistry
from tests.fakes.registry import DictRegistry
from tests.unit.domain.hospital import NOON, OURS, typed

LUZ = Patient(1, (PatientIdentifier("00012345", OURS),), "Perez^Luz", "19800511", "F")
DOUBLE = Patient(2, (PatientIdentifier("00077777", OURS),), "Okafor^Luz", "19790511", "F", multiple_birth=True)


class Filled(Protocol):
    """A registry that can be filled. Patients and orders get the keys 1, 2, … in the order they come."""

    def registry(self) -> Registry: ...
    def admit(self, patient: Patient) -> None: ...
    def change(self, patient: Patient) -> None: ...
    def merge(self, retired: Patient, survivor: Patient) -> None: ...
    def order(self, order: Order, step: Step) -> None: ...
    def use(self, order: Order, study_instance_uid: str) -> None: ...
    def signal(self, study_instance_uid: str, code: str) -> None: ...


class InDictionaries:
    def __init__(self) -> None:
        self._registry = DictRegistry()

    def registry(self) -> Registry:
        return self._registry

    def admit(self, patient: Patient) -> None:
        self._registry.put(patient, NOON)

    def change(self, patient: Patient) -> None:
        self._registry.put(patient)

    def merge(self, retired: Patient, survivor: Patient) -> None:
        self._registry.merge(retired.key, survivor.key)

    def order(self, order: Order, step: Step) -> None:
        self._registry.put_order(order, step)

    def use(self, order: Order, study_instance_uid: str) -> None:
        self._registry.use_order(order.key, study_instance_uid)

    def signal(self, study_instance_uid: str, code: str) -> None:
        self._registry.signal(study_instance_uid, code, NOON)


class InDatabase:
    def __init__(self, tx: WriteTx) -> None:
        self._tx = tx

    def registry(self) -> Registry:
        return StoredRegistry(self._tx)

    def admit(self, patient: Patient) -> None:
        assert patients.add(self._tx, patient, NOON).key == patient.key
        refresh_keys(self._tx, patient.key)

    def change(self, patient: Patient) -> None:
        version = patients.get(self._tx, patient.key).version
        patients.save(self._tx, replace(patient, version=version), NOON)
        refresh_keys(self._tx, patient.key)

    def merge(self, retired: Patient, survivor: Patient) -> None:
        draft = MergeDraft(PatientDraft(survivor.identifiers), retired.identifiers[0])
        merge_patients(self._tx, draft, News(said_at=NOON, heard_at=NOON, event="A40"))

    def order(self, order: Order, step: Step) -> None:
        assert orders.add(self._tx, order, NOON).key == order.key
        orders.add_step(self._tx, step)

    def use(self, order: Order, study_instance_uid: str) -> None:
        study = studies.add(self._tx, typed("X", study_instance_uid=study_instance_uid), "CT1", False, NOON)
        studies.save(self._tx, replace(study, order_key=order.key))

    def signal(self, study_instance_uid: str, code: str) -> None:
        decisions.add_signal(self._tx, study_instance_uid, code, "1.2", NOON)


def order_of(key: int, patient: Patient, **more: object) -> tuple[Order, Step]:
    blank = EntityIdentifier()
    order = Order(
        key,
        patient.key,
        "A100",
        "",
        EntityIdentifier(f"P{key}"),
        blank,
        f"RP{key}",
        f"1.2.3.{key}",
        StepStatus.SCHEDULED,
    )
    order = replace(order, ordered_at=NOON, **more)  # type: ignore[arg-type]
    return order, Step(key, key, f"SPS{key}", order.status, "CT", ("CT1",), "20260310120000")


class RegistryAnswers:
    """The suite; `filled` comes from the class that runs it."""

    def test_a_number_finds_its_holder_only_with_its_issuer(self, filled: Filled) -> None:
        filled.admit(LUZ)
        registry = filled.registry()
        assert [one.key for one in registry.patients_by_identifier("00012345", OURS)] == [1]
        assert list(registry.patients_by_identifier("00012345", "ELSEWHERE")) == []
        assert list(registry.patients_by_identifier("12345", OURS)) == []

    def test_a_merged_number_and_merged_keys_find_the_survivor_with_all_that_was_known(self, filled: Filled) -> None:
        filled.admit(LUZ)
        filled.admit(DOUBLE)
        filled.merge(DOUBLE, LUZ)
        registry = filled.registry()
        (found,) = registry.patients_by_identifier("00077777", OURS)
        assert (found.key, found.multiple_birth, found.registered_at) == (1, True, NOON)
        assert set(found.known_names) == {"Perez^Luz", "Okafor^Luz"}
        assert set(found.known_birth_dates) == {"19800511", "19790511"}
        key = IdentityKey("birth_date", "19790511")
        assert [one.key for one in registry.patients_by_keys([key], 10)[key]] == [1]
        survivor = registry.survivor(2)
        assert survivor is not None
        assert survivor.key == 1

    def test_a_changed_patient_is_found_by_old_values_and_new_ones(self, filled: Filled) -> None:
        filled.admit(LUZ)
        filled.change(replace(LUZ, patient_name="Lindström^Luz", patient_birth_date="19800512"))
        registry = filled.registry()
        keys = [IdentityKey("birth_date", "19800511"), IdentityKey("birth_date", "19800512")]
        found = registry.patients_by_keys(keys, 10)
        assert [[one.key for one in found[key]] for key in keys] == [[1], [1]]
        assert found[keys[0]][0].known_names == ("Lindström^Luz", "Perez^Luz")

    def test_of_those_alike_only_those_are_read_whose_birth_dates_may_be_meant(self, filled: Filled) -> None:
        filled.admit(LUZ)
        filled.change(replace(LUZ, patient_birth_date="19800512"))
        filled.admit(DOUBLE)
        filled.merge(DOUBLE, LUZ)
        filled.admit(replace(LUZ, key=3, identifiers=(PatientIdentifier("00010003", OURS),)))
        asked: list[list[str]] = []

        def may_be(dates: Sequence[str]) -> bool:
            asked.append(sorted(dates))
            return "19790511" in dates

        (date, *_) = keys = [IdentityKey("birth_date", one) for one in ("19800511", "19800512", "19600101")]
        found = filled.registry().patients_alike(keys, 2, may_be)
        assert [one.key for one in found.patients] == [1]
        assert sorted(asked) == [["19790511", "19800511", "19800512"], ["19800511"]]
        assert found.capped == (date,)

    def test_a_look_up_is_capped_and_a_key_of_nobody_finds_nobody(self, filled: Filled) -> None:
        for number in (1, 2, 3):
            filled.admit(replace(LUZ, key=number, identifiers=(PatientIdentifier(f"0001000{number}", OURS),)))
        key, nobody = IdentityKey("birth_date", "19800511"), IdentityKey("birth_date", "19990101")
        found = filled.registry().patients_by_keys([key, nobody], 2)
        assert len(found[key]) == 2
        assert not found.get(nobody)

    def test_an_order_is_found_by_each_of_its_numbers_with_its_steps(self, filled: Filled) -> None:
        filled.admit(LUZ)
        filled.order(*order_of(1, LUZ))
        registry = filled.registry()
        answers = [
            registry.orders_by_study_uid("1.2.3.1"),
            registry.orders_by_accession("A100"),
            registry.orders_by_requested_procedure_id("RP1"),
            registry.orders_by_step_id("SPS1"),
            [registry.order_by_key(1)],
        ]
        for answer in answers:
            (found,) = answer
            assert found is not None
            assert (found.key, [step.modality for step in found.steps]) == (1, ["CT"])
        assert registry.order_by_key(9) is None
        assert list(registry.orders_by_accession("A10")) == []

    def test_orders_of_a_merged_record_are_the_survivors_and_closed_ones_are_left_out(self, filled: Filled) -> None:
        filled.admit(LUZ)
        filled.admit(DOUBLE)
        filled.order(*order_of(1, DOUBLE))
        filled.order(*order_of(2, LUZ, status=StepStatus.CANCELED))
        filled.merge(DOUBLE, LUZ)
        assert [one.key for one in filled.registry().open_orders_of(1)] == [1]

    def test_an_order_names_the_studies_that_use_it(self, filled: Filled) -> None:
        filled.admit(LUZ)
        order, step = order_of(1, LUZ)
        filled.order(order, step)
        filled.use(order, "9.9.9")
        (found,) = filled.registry().open_orders_of(1)
        assert found.study_instance_uids == ("9.9.9",)

    def test_import_orders_are_told_by_modality_used_or_not(self, filled: Filled) -> None:
        filled.admit(LUZ)
        order, step = order_of(1, LUZ, is_import=True)
        filled.order(order, step)
        filled.order(*order_of(2, LUZ))
        filled.use(order, "9.9.9")
        registry = filled.registry()
        assert [one.key for one in registry.import_orders_of(1, "CT")] == [1]
        assert list(registry.import_orders_of(1, "MR")) == []

    def test_signals_are_told_by_study(self, filled: Filled) -> None:
        filled.signal("9.9.9", "110514")
        registry = filled.registry()
        assert [(one.code, one.at) for one in registry.signals_for("9.9.9")] == [("110514", NOON)]
        assert list(registry.signals_for("9.9.8")) == []


class TestInDictionaries(RegistryAnswers):
    @pytest.fixture
    def filled(self) -> Filled:
        return InDictionaries()


class TestInDatabase(RegistryAnswers):
    @pytest.fixture
    def filled(self, store: Store) -> Iterator[Filled]:
        with store.write() as tx:
            yield InDatabase(tx)

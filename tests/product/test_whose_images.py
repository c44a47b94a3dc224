"""The sixteen examples of whose images these are, told to one running product through its sockets, on each database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from tests.cast import MERGED, NEAR_TWIN, PLAIN, STRANGER, Person, adt, image, merge, order, study_uid
from tests.conftest import ROOT
from tests.flows.test_orders import cast_mpps
from tests.product.running import Product, wait_for
from tests.product.test_exam_walk import MPPS, as_file

NOW = datetime.now(UTC)
TODAY, LAST_YEAR = f"{NOW:%Y%m%d}", f"{NOW.year - 1}{NOW:%m}01"
AT = f"{TODAY}000500"

_NAMES = ("Vale", "Quist", "Roth", "Sund", "Tarn", "Ueda", "Wolff", "Ybarra", "Zander", "Acker", "Brandt", "Cole")
_GIVEN = ("Agnes", "Boris", "Clara", "Dario", "Elsa", "Femke", "Gustav", "Hilda", "Ivo", "Jutta", "Karl", "Lotte")


def person(number: int, **changed: str) -> Person:
    """Return one of those whom only these examples know. number: 0 to 11."""
    made = Person(f"0007{number:04}", f"{_NAMES[number]}^{_GIVEN[number]}", f"19{50 + number}05{number + 1:02}", "F")
    return replace(made, **changed)  # type: ignore[arg-type]


ACCENTS = Person("00080001", "Núñez^José", "19640712", "M")
CARMEN = Person("00080002", "Núñez^Carmen", "19770203", "F")
MARIA = replace(CARMEN, patient_id="00080003", name="Núñez^Maria")
DOE = replace(MERGED, patient_id="00080004")
FOUND = Person("00080005", "Lindqvist^Oskar", "19490601", "M")
IMPORT = "IMPORT OUTSIDE STUDY"


@dataclass(frozen=True)
class Decided:
    """What the API says of a study. first: the numbers of the candidates, the best first."""

    outcome: str
    rule: str
    patient_id: str
    corrected: frozenset[str]
    first: tuple[str, ...]


class Hospital:
    """One product, what it is told, and what it says."""

    def __init__(self, product: Product, folder: Path) -> None:
        self._product, self._folder = product, folder
        self._api: httpx2.Client = product.api(product.token())

    def hear(self, *said: bytes) -> None:
        assert all(b"MSA|AA" in answer for answer in self._product.say(*said))

    def order(self, who: Person, accession: str, *, day: str = TODAY, text: str = "") -> None:
        said = order(who, accession, at=f"{day}000500", start=f"{day}101500")
        self.hear(said.replace(b"CT CHEST WITH CONTRAST", text.encode()) if text else said)

    def receive(self, shown: Dataset) -> str:
        shown.StudyDate = TODAY
        (result,) = self._product.store([as_file(shown, self._folder)])
        assert result.status == 0
        return str(shown.StudyInstanceUID)

    def decided(self, uid: str) -> Decided:
        (last, *_) = sorted(self.decisions(uid), key=lambda one: one["at"], reverse=True)
        return Decided(
            last["outcome"],
            last["rule"],
            last["patient"]["patient_id"] if last["patient"] else "",
            frozenset(one["keyword"] for one in last["differences"] if one["applied"]),
            tuple(one["patient"]["patient_id"] for one in last["candidates"]),
        )

    def decisions(self, uid: str) -> list[dict[str, Any]]:
        answer = self._api.get(f"/api/studies/{uid}/decisions")
        assert answer.status_code == 200
        return list(answer.json()["decisions"])

    def state(self, uid: str) -> str:
        return str(self._api.get(f"/api/studies/{uid}").json()["state"])

    def discontinue(self, accession: str) -> None:
        """Say by MPPS that the wrong worklist entry was picked."""
        begun, ended, code = cast_mpps(accession), cast_mpps(accession, "DISCONTINUED"), Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "110514", "DCM", "Wrong entry"
        ended.PerformedProcedureStepDiscontinuationReasonCodeSequence = [code]
        device, node = AE("CT1"), self._product.dicom
        device.add_requested_context(MPPS)
        association = device.associate(node.host, node.port, ae_title=node.ae_title)
        assert association.is_established
        first, _ = association.send_n_create(begun, MPPS, "2.25.66001")
        last, _ = association.send_n_set(ended, MPPS, "2.25.66001")
        association.release()
        assert (first.Status, last.Status) == (0, 0)

    def close(self) -> None:
        self._api.close()


def shown(who: Person, accession: str = "", *, study: str = "", issuer: str = "", institution: str = "") -> Dataset:
    """Return an image with *who*'s values and the authority of a number as a device writes it: mostly none."""
    found = image(who, accession, study=study or study_uid(f"{who}{accession}"))
    found.IssuerOfPatientID = issuer
    if institution:
        found.InstitutionName = institution
    return found


def mappings(folder: Path) -> Path:
    """Write the samples' mappings with another hospital's name laid over."""
    found = folder / "mappings"
    found.mkdir()
    (found / "sites").symlink_to(ROOT / "samples" / "mappings" / "sites")
    (found / "reconcile.toml").write_text('schema = 1\n[sources]\ninstitutions = { "Mercy West" = "MERCY" }\n', "utf-8")
    return found


@pytest.mark.timeout(180)
def test_each_example_is_decided_as_the_procedure_says(
    durable_url: str, make_product: Callable[..., Product], tmp_path: Path
) -> None:
    bridge = f'data = "{tmp_path / "data"}"\nmappings = "{mappings(tmp_path)}"\ntime_zone = "UTC"'
    product = make_product(bridge=bridge, store=f'database = "{durable_url}"').start()
    hospital = Hospital(product, tmp_path)
    known = (*(person(number) for number in range(10)), ACCENTS, CARMEN, MARIA, DOE, FOUND, PLAIN, STRANGER)
    hospital.hear(*(adt(who, at=f"{TODAY}000100") for who in known))
    for example in (_transcription, _contradiction, _demographics, _foreign, _merged, _reused, _late):
        example(hospital)
    hospital.close()


def _transcription(hospital: Hospital) -> None:
    hospital.order(ACCENTS, "E1")
    copied = hospital.decided(hospital.receive(shown(replace(ACCENTS, name="NUNEZ^JOSE"), "E1")))
    assert (copied.rule, copied.patient_id) == ("B01", ACCENTS.patient_id)

    short = hospital.decided(hospital.receive(shown(person(0, patient_id="70000"))))
    assert (short.rule, short.patient_id) == ("B03", person(0).patient_id)
    assert "PatientID" in short.corrected

    hospital.order(person(1), "E3")
    swapped = hospital.decided(hospital.receive(shown(person(1, patient_id="", birth_date="19510205"), "E3")))
    assert (swapped.rule, swapped.patient_id) == ("B02", person(1).patient_id)
    assert swapped.corrected >= {"PatientID", "IssuerOfPatientID", "PatientBirthDate"}

    hospital.order(person(2), "E4")
    typed = hospital.decided(hospital.receive(shown(person(2, patient_id="99123456", name="Rothe^Clara"), "E4")))
    assert (typed.rule, typed.patient_id) == ("B02", person(2).patient_id)


def _contradiction(hospital: Hospital) -> None:
    hospital.order(person(3), "E5")
    typed_other = hospital.decided(hospital.receive(shown(person(3, patient_id=person(4).patient_id), "E5")))
    assert (typed_other.outcome, typed_other.rule) == ("review", "V06")
    assert set(typed_other.first[:2]) == {person(3).patient_id, person(4).patient_id}

    hospital.order(person(5), "E6")
    retyped = hospital.decided(hospital.receive(shown(person(4), study=study_uid("E6"))))
    assert (retyped.rule, retyped.first[0]) == ("V06", person(4).patient_id)

    twin = hospital.decided(hospital.receive(shown(replace(PLAIN, name=NEAR_TWIN.name))))
    assert (twin.outcome, twin.rule) == ("review", "V10")
    hospital.hear(adt(NEAR_TWIN, at=AT))
    other_twin = hospital.decided(hospital.receive(shown(replace(PLAIN, name=NEAR_TWIN.name), "NOBODYS")))
    assert (other_twin.outcome, other_twin.rule) == ("review", "V08")

    hospital.order(MARIA, "E14")
    sound = hospital.decided(hospital.receive(shown(replace(MARIA, name="NÚÑEZ^CARMEN"), "E14")))
    assert sound.outcome == "review"
    assert set(sound.first[:2]) == {CARMEN.patient_id, MARIA.patient_id}


def _demographics(hospital: Hospital) -> None:
    unique = hospital.decided(hospital.receive(shown(person(6, patient_id=""))))
    assert (unique.outcome, unique.rule, unique.first[0]) == ("review", "V07", person(6).patient_id)


def _foreign(hospital: Hospital) -> None:
    hospital.order(person(7), "E9", text=IMPORT)
    collides = person(7, patient_id=person(8).patient_id)
    disc = hospital.decided(hospital.receive(shown(collides, study="2.25.9009", institution="Mercy West")))
    assert (disc.rule, disc.patient_id) == ("B05", person(7).patient_id)

    hospital.order(person(8), "E10", text=IMPORT)
    brother = person(8, patient_id="4711", name=f"{_NAMES[8]}^Bertil", birth_date="19480119")
    of_brother = hospital.decided(hospital.receive(shown(brother, study="2.25.9010", institution="Mercy West")))
    assert (of_brother.outcome, of_brother.rule) in {("review", "V07"), ("quarantine", "V04")}


def _merged(hospital: Hospital) -> None:
    hospital.order(DOE, "E11")
    hospital.hear(merge(FOUND, DOE, at=f"{TODAY}000600"))
    temporary = hospital.decided(hospital.receive(shown(DOE, "E11")))
    assert (temporary.rule, temporary.patient_id) == ("B01", FOUND.patient_id)

    hospital.hear(merge(person(9), person(6), at=f"{TODAY}000700"))
    hospital.hear(adt(person(10, patient_id=person(6).patient_id), at=f"{TODAY}000800"))
    first_holder = hospital.decided(hospital.receive(shown(person(6), "FIRST")))
    assert (first_holder.outcome, first_holder.rule) == ("review", "V08")
    assert first_holder.first[0] == person(9).patient_id


def _reused(hospital: Hospital) -> None:
    hospital.order(STRANGER, "E13", day=LAST_YEAR)
    hospital.order(person(4), "OWN13")
    reused = hospital.receive(shown(person(4), "E13", study=study_uid("OWN13")))
    assert (hospital.decided(reused).rule, hospital.decided(reused).patient_id) == ("B01", person(4).patient_id)


def _late(hospital: Hospital) -> None:
    hospital.order(person(0), "E15")
    bound = hospital.receive(shown(person(0), "E15", study=study_uid("E15")))
    assert hospital.decided(bound).rule == "B01"
    hospital.discontinue("E15")
    wait_for(lambda: hospital.state(bound) == "review", "the binding to be withdrawn")
    assert hospital.decided(bound).rule == "V03"

    early = hospital.receive(shown(person(11), "E16", study=study_uid("E16")))
    assert hospital.decided(early).outcome == "quarantine"
    # The order's message registers her, too; an A04 alone would bind by her number (B03) and leave the order to link.
    hospital.order(person(11), "E16")
    wait_for(lambda: hospital.state(early) == "bound", "the binding by itself")
    assert [one["outcome"] for one in hospital.decisions(early)].count("quarantine") == 1
    assert (hospital.decided(early).rule, hospital.decided(early).patient_id) == ("B01", person(11).patient_id)

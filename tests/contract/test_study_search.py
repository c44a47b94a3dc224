"""What a Study Root query finds is what a plain model finds, over all studies, on both databases. Source: PS3.4 C.2.2.2, C.6.2."""

from __future__ import annotations

import random
import re
import unicodedata
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from bridge.clock import FixedClock
from bridge.domain.study import Header, Instance, Study, StudyState
from bridge.errors import Malformed
from bridge.flows import search_studies
from bridge.flows.search_studies import Asker, StudySearch
from bridge.store import studies
from bridge.store.blobs import FolderBlobs
from bridge.store.db import Store
from tests.fakes.clinic import AT, CT_STORAGE, header_of

IMPLICIT = "1.2.840.10008.1.2"
MR_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
SEEING = Asker("QA", "ISO_IR 192", unbound=True)

NAMES = ("Ek^Åsa", "EK^ASA", "Ek", "Ekman^Bo", "Yamada^Tarou=山田^太郎", "O'Neil[x]^%_", "")
NUMBERS = ("A1", "A10", "a1", "A*", "B_1", "")
DATES = ("20260101", "20260102", "20251231", "")
TIMES = ("080000", "0830", "235959.5", "")
ROOMS = ("CHEST", "HEAD")


class Scene:
    """Studies that nobody has bound, each with two series, and what searches them."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.search = StudySearch(store, FolderBlobs(folder, low_water_bytes=0), FixedClock(AT), "BRIDGE")

    def study(self, header: Header, modalities: tuple[str, str] = ("CT", "SR"), objects: int = 2) -> Study:
        with self.store.write() as tx:
            study = studies.add(tx, header, "CT1", False, AT)
            for at, modality in enumerate(modalities, 1):
                held = replace(header, modality=modality, series_number=at, body_part_examined=ROOMS[at - 1])
                held = replace(held, series_instance_uid=f"{header.study_instance_uid}.{at}")
                group = studies.add_series(tx, study.key, held)
                for number in range(1, objects + 1):
                    uid = f"{held.series_instance_uid}.{number}"
                    sop_class = CT_STORAGE if at == 1 else MR_STORAGE
                    blob = f"{study.key:032x}{at:016x}{number:016x}"
                    new = Instance(
                        0, study.key, group.key, uid, sop_class, "1.2.840.10008.1.2.1", blob, blob, 9, number
                    )
                    studies.add_instance(tx, replace(new, received_at=AT), "CT1")
        return study

    def find(self, asker: Asker = SEEING, level: str = "STUDY", **keys: Any) -> list[Dataset]:
        query = Dataset()
        query.SpecificCharacterSet = "ISO_IR 192"
        query.QueryRetrieveLevel = level
        query.StudyInstanceUID = None
        for keyword, value in keys.items():
            setattr(query, keyword, value)
        found = self.search.find(encoded(query), IMPLICIT, asker)
        return [read_dataset(BytesIO(one), True, True) for one in found]


def encoded(query: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = True, True
    write_dataset(buffer, query)
    return buffer.getvalue()


@pytest.fixture
def scene(store: Store, tmp_path: Path) -> Scene:
    return Scene(store, tmp_path)


# ── the plain model ──────────────────────────────────────────────────────────────────────────────────────────────────


def plain(name: str) -> list[str]:
    """Return a name's groups without case and accents."""
    bare = unicodedata.normalize("NFKD", name).casefold()
    bare = "".join(char for char in bare if not unicodedata.combining(char))
    return [group.rstrip("^") for group in bare.split("=") if group.rstrip("^")]


def like(wildcard: str, value: str) -> bool:
    pattern = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in wildcard)
    return bool(value) and re.fullmatch(pattern, value, re.DOTALL) is not None


def within(key: str, value: str) -> bool:
    low, hyphen, high = key.partition("-")
    return bool(value) and (low or "0") <= value <= ((high or "9") if hyphen else low)


def model(headers: list[Header], keys: dict[str, str]) -> set[str]:
    found = set()
    for header in headers:
        fits = True
        if name := keys.get("PatientName"):
            fits &= any(like(want, have) for want in plain(name) for have in plain(header.patient_name))
        for keyword, value in (("PatientID", header.patient_id), ("AccessionNumber", header.accession_number)):
            if wanted := keys.get(keyword):
                fits &= like(wanted, value)
        if day := keys.get("StudyDate"):
            fits &= within(day, header.study_date)
        if sex := keys.get("PatientSex"):
            fits &= header.patient_sex == sex
        if modality := keys.get("ModalitiesInStudy"):
            fits &= modality in ("SR", header.modality)
        if fits:
            found.add(header.study_instance_uid)
    return found


def some(chance: random.Random, number: int) -> Header:
    return replace(
        header_of(f"2.25.77.{number}", 1, 1),
        patient_name=chance.choice(NAMES),
        patient_id=chance.choice(NUMBERS),
        accession_number=chance.choice(NUMBERS),
        patient_sex=chance.choice(("F", "M", "")),
        study_date=chance.choice(DATES),
        study_time=chance.choice(TIMES),
        modality=chance.choice(("CT", "MR")),
    )


def asked(chance: random.Random) -> dict[str, str]:
    every = {
        "PatientName": chance.choice(("ek*", "Ek^Asa", "EK", "ek?an^*o", "*山*", "o'neil[[]*", "O'NEIL[X]^%_", "*asa")),
        "PatientID": chance.choice(("A1", "A*", "A?0", "*1", "B_1", "B?1")),
        "AccessionNumber": chance.choice(("A1", "a*", "*", "B%")),
        "StudyDate": chance.choice(("20260101", "20260101-", "-20260101", "20251231-20260101")),
        "PatientSex": chance.choice(("F", "M")),
        "ModalitiesInStudy": chance.choice(("CT", "MR", "SR")),
    }
    return {keyword: every[keyword] for keyword in chance.sample(sorted(every), chance.randint(1, 3))}


def test_queries_find_what_a_plain_model_finds(scene: Scene) -> None:
    chance = random.Random(20260302)
    headers = [some(chance, number) for number in range(60)]
    for header in headers:
        scene.study(header, (header.modality, "SR"), objects=1)
    for _ in range(150):
        keys = asked(chance)
        found = {one.StudyInstanceUID for one in scene.find(**keys)}
        universal = {keyword: value for keyword, value in keys.items() if value.strip("*")}
        assert found == model(headers, universal), keys


# ── dates and times, lists, sequences ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("day", "time", "found"),
    [
        ("20260101-20260102", "220000-060000", ["2", "3"]),
        ("20260101", "220000-235959", ["2"]),
        ("20260101-", "", ["1", "2", "3", "4"]),
        ("", "0800-0900", ["1"]),
        ("20260103", "", []),
    ],
)
def test_ranges_of_date_and_time_are_one_interval(scene: Scene, day: str, time: str, found: list[str]) -> None:
    started = {"1": ("20260101", "0830"), "2": ("20260101", "230000"), "3": ("20260102", "0500"), "4": ("20260102", "")}
    for number, (study_date, study_time) in started.items():
        scene.study(replace(header_of(f"2.25.5.{number}", 1, 1), study_date=study_date, study_time=study_time))
    answers = scene.find(StudyDate=day, StudyTime=time)
    assert sorted(one.StudyInstanceUID[-1] for one in answers) == found


def test_a_list_of_uids_finds_each(scene: Scene) -> None:
    for number in (1, 2, 3):
        scene.study(header_of(f"2.25.5.{number}", 1, 1))
    found = scene.find(StudyInstanceUID=["2.25.5.1", "2.25.5.3", "2.25.5.9"])
    assert sorted(one.StudyInstanceUID for one in found) == ["2.25.5.1", "2.25.5.3"]


def test_a_sequence_is_matched_and_answered_by_its_item(scene: Scene) -> None:
    scene.study(replace(header_of("2.25.5.1", 1, 1), issuer_of_accession_number="MERCY"))
    scene.study(replace(header_of("2.25.5.2", 1, 1), issuer_of_accession_number="OTHER"))
    issuer = Dataset()
    issuer.LocalNamespaceEntityID = "MER*"
    (found,) = scene.find(IssuerOfAccessionNumberSequence=Sequence([issuer]))
    assert found.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "MERCY"


# ── levels ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def listed(scene: Scene) -> Scene:
    scene.study(header_of("2.25.5.1", 1, 1))
    scene.study(header_of("2.25.5.2", 1, 1))
    return scene


def test_a_study_says_what_it_holds(listed: Scene) -> None:
    wanted = ("ModalitiesInStudy", "SOPClassesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances")
    (found,) = listed.find(StudyInstanceUID="2.25.5.1", **dict.fromkeys((*wanted, "RetrieveAETitle")))
    assert [found[keyword].value for keyword in wanted] == [["CT", "SR"], [CT_STORAGE, MR_STORAGE], 2, 4]
    assert found.RetrieveAETitle == "BRIDGE"


def test_series_and_images_are_found_below_what_is_named(listed: Scene) -> None:
    of_one = {"StudyInstanceUID": "2.25.5.1"}
    series = listed.find(level="SERIES", Modality="SR", NumberOfSeriesRelatedInstances=None, **of_one)
    assert [(one.Modality, one.NumberOfSeriesRelatedInstances) for one in series] == [("SR", 2)]
    heads = listed.find(level="SERIES", BodyPartExamined="H*", SeriesInstanceUID=None, **of_one)
    assert [one.SeriesInstanceUID for one in heads] == ["2.25.5.1.2"]
    images = listed.find(level="IMAGE", SeriesInstanceUID="2.25.5.1.1", SOPInstanceUID=None, **of_one)
    assert [one.SOPInstanceUID for one in images] == ["2.25.5.1.1.1", "2.25.5.1.1.2"]


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        ("SERIES", {}),
        ("SERIES", {"StudyInstanceUID": "*"}),
        ("IMAGE", {"StudyInstanceUID": "2.25.5.1"}),
        ("PATIENT", {"PatientID": "x"}),
        ("WARD", {}),
    ],
)
def test_a_query_that_does_not_name_what_is_above_it_is_refused(
    listed: Scene, level: str, keys: dict[str, str]
) -> None:
    with pytest.raises(Malformed):
        listed.find(replace(SEEING, relational=False), level, **keys)


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ({"PatientName": "ek*", "NumberOfStudyRelatedInstances": None}, 0xFF00),
        ({"NumberOfStudyRelatedInstances": "4"}, 0xFF01),
        ({"PatientComments": None}, 0xFF01),
    ],
)
def test_keys_that_are_not_matched_are_told_by_the_status(listed: Scene, keys: dict[str, Any], status: int) -> None:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    assert listed.search.find(encoded(query), IMPLICIT, SEEING).status == status


# ── who sees what, and how much ──────────────────────────────────────────────────────────────────────────────────────


def test_unbound_studies_are_found_only_by_who_may_see_them(listed: Scene) -> None:
    assert len(listed.find()) == 2
    assert listed.find(replace(SEEING, unbound=False)) == []


def test_a_study_is_found_by_what_was_decided_last(listed: Scene) -> None:
    assert len(listed.find(PatientID="00041001")) == 2
    with listed.store.write() as tx:
        study = studies.by_uid(tx, "2.25.5.1")
        assert study is not None
        # Bound without an overlay nothing may leave, and nothing may be found by what it was before.
        studies.save(tx, replace(study, state=StudyState.BOUND, binding_version=study.binding_version + 1))
    assert [one.StudyInstanceUID for one in listed.find(PatientID="00041001")] == ["2.25.5.2"]


def test_a_match_behind_many_others_is_found(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_studies, "MAX_STUDIES", 3)
    scene.study(replace(header_of("2.25.5.0", 1, 1), patient_name="Larch^Ada", study_date="20200101"))
    for number in range(1, 6):
        scene.study(header_of(f"2.25.5.{number}", 1, 1), objects=1)
    assert [one.StudyInstanceUID for one in scene.find(PatientName="larch*")] == ["2.25.5.0"]
    query = Dataset()
    query.QueryRetrieveLevel, query.PatientName = "STUDY", "HALV*"
    found = scene.search.find(encoded(query), IMPLICIT, SEEING)
    assert (len(found), found.was_cut) == (3, True)


def test_a_search_stops_once_it_has_enough(scene: Scene) -> None:
    for number in range(1, 4):
        scene.study(header_of(f"2.25.5.{number}", 1, 1), objects=2)
    assert len(scene.find(level="IMAGE", SOPInstanceUID="")) == 12
    assert len(scene.find(replace(SEEING, most=1), level="IMAGE", SOPInstanceUID="")) == 4


def test_who_may_see_some_people_only_finds_nobody_else_whatever_is_asked(listed: Scene) -> None:
    assert len(listed.find()) > 0
    assert listed.find(replace(SEEING, patient_keys=frozenset())) == []
    assert listed.find(replace(SEEING, patient_keys=frozenset({1}))) == []

"""What is written as FHIR, judged by validators from elsewhere, in R4 and R5: no error in anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom.filewriter import dcmwrite
from pydicom.uid import generate_uid

from bridge.codecs.dicom.datasets import read_header
from bridge.codecs.fhir import patient, r4, r5, server
from bridge.codecs.fhir.also_served import with_offers
from bridge.codecs.fhir.imaging_study import announced, begun, build, withdrawn
from bridge.codecs.fhir.references import Links
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient
from bridge.domain.study import Header, Instance, Series, Study, StudyContents, StudyState
from bridge.errors import BridgeError
from bridge.web.fhir import capability
from samples import make_images
from samples.exams import EXAMS, Picture
from tests.conftest import CORPUS
from tests.fakes.fhir_exchanges import exchanges
from tests.fakes.fhir_judges import complaints
from tests.fakes.fhir_samples import ATTRIBUTES, HOUSE, LINKS, MPPS, ORDER, everything, system_of
from tests.unit.codecs.fhir.test_study_details import detailed

pytestmark = pytest.mark.peer

Json = dict[str, Any]
Judged = list[tuple[str, Json]]
BLANK = Picture(1, 1, b"\0\0", 8)
CODECS = {"R4": r4, "R5": r5}
PATIENT = Patient(
    1,
    (PatientIdentifier("00041003", "RIVERSIDE", "MR"),),
    patient_name="YAMADA^TARO=山田^太郎=やまだ^たろう",
    patient_birth_date="19660221",
    patient_sex="M",
    merged_into=2,
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the judges say of each group; starting them takes longer than judging, so they are asked once."""
    groups = {
        "resources": [*_samples(), *_studies(), *_answers()],
        "exchanges": [(version, one) for version in CODECS for one in exchanges(version)],
        "samples": _written(_headers(_sample_files(tmp_path_factory.mktemp("samples")))),
        "corpus": _written(_headers(_corpus_files())),
        **{f"wrong {version} {name}": [(version, one)] for version in CODECS for name, one in _wrong(version).items()},
    }
    place = [name for name, judged in groups.items() for _ in judged]
    said = complaints([one for judged in groups.values() for one in judged])
    sorted_out: dict[str, list[str]] = {name: [] for name in groups}
    for number, sentence in said:
        sorted_out[place[number]].append(sentence)
    return sorted_out


@pytest.mark.parametrize("group", ["resources", "exchanges", "samples"])
def test_nothing_that_is_written_has_an_error(found: dict[str, list[str]], group: str) -> None:
    assert found[group] == []


def test_no_study_of_a_corpus_file_has_an_error(corpus: Path, found: dict[str, list[str]]) -> None:
    assert len(_corpus_files()) > 100
    assert found["corpus"] == []


def test_the_judges_find_what_is_wrong(found: dict[str, list[str]]) -> None:
    assert [name for name, said in found.items() if name.startswith("wrong") and not said] == []


def _wrong(version: str) -> dict[str, Json]:
    study = CODECS[version].imaging_study(build(detailed(), ORDER, LINKS, HOUSE))
    series = study["series"][0]
    return {
        "no status": {name: value for name, value in study.items() if name != "status"},
        "status": study | {"status": "done"},
        "empty text": study | {"description": ""},
        "negative count": study | {"numberOfSeries": -1},
        "time that is none": study | {"started": "2026-03-02T10:15"},
        "no UID": study | {"series": [{name: value for name, value in series.items() if name != "uid"}]},
        "bare code": study | {"series": [series | {"modality": "CT"}]},
        "unknown element": study | {"surprise": True},
        "subject": study | {"subject": {"reference": "Practitioner/7"}},
    }


def _corpus_files() -> list[Path]:
    return sorted(one for one in (CORPUS / "dicom").rglob("*") if one.is_file())


def _sample_files(folder: Path) -> Iterator[Path]:
    """Yield what the sample clinic's devices store, with one blank picture for each that would be drawn."""
    at = datetime(2026, 3, 2, 10, 15)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(make_images, "drawn", lambda series: (BLANK, BLANK))
        for name, exam in EXAMS.items():
            header = make_images.typed("00041001", "Nobody^Invented", "19700101", "O", at)
            header.StudyInstanceUID = generate_uid(prefix=None)
            for number, one in enumerate(make_images.objects(exam, header)):
                path = folder / f"{name}_{number}.dcm"
                dcmwrite(path, one, enforce_file_format=True)
                yield path


def _samples() -> Judged:
    return [(version, one) for version in CODECS for one in everything(version)]


def _studies() -> Judged:
    ways = ("Endpoint/3", "Endpoint/8")
    links = replace(LINKS, endpoints=ways, procedures=("Procedure/2",), series_endpoints={"2.25.77.1": "Endpoint/6"})
    contents = [
        build(detailed(), ORDER, links, HOUSE, performed=[ATTRIBUTES]),
        build(detailed(), None, Links("Patient/7"), HOUSE),
        begun(detailed(), ORDER, LINKS, HOUSE),
        announced(MPPS, ORDER, LINKS, HOUSE),
    ]
    found = [(version, codec.imaging_study(one)) for version, codec in CODECS.items() for one in contents]
    return found + [
        (version, withdrawn(one, status)) for version, one in found for status in ("cancelled", "entered-in-error")
    ]


def _answers() -> Iterator[tuple[str, Json]]:
    software = server.Software("Imaging Bridge", "0.1.0", "2026-03-02")
    base_url = "https://bridge.example.org/fhir"
    for version, codec in CODECS.items():
        yield version, patient.patient(PATIENT, system_of, [("Patient/2", "replaced-by")])
        said = server.capability_statement(version, base_url, software, capability.offers(version.lower()))
        yield version, with_offers(said, base_url)
        yield version, server.operation_outcome("not-found", "no such study")
        study = codec.imaging_study(build(detailed(), ORDER, LINKS, HOUSE)) | {"id": "5"}
        yield version, server.searchset(base_url, [study], 1, {"self": f"{base_url}/ImagingStudy"})


def _headers(files: Iterable[Path]) -> Iterator[Header]:
    for path in files:
        try:
            yield read_header(path)
        except BridgeError:
            continue


def _written(headers: Iterable[Header]) -> Judged:
    studies: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        studies[header.study_instance_uid].append(header)
    found: Judged = []
    for group in studies.values():
        contents = _contents(group)
        for version, codec in CODECS.items():
            found.append((version, codec.imaging_study(build(contents, ORDER, LINKS, HOUSE))))
            found.append((version, codec.imaging_study(build(contents, None, Links("Patient/7"), HOUSE))))
    return found


def _contents(headers: list[Header]) -> StudyContents:
    study = Study(1, headers[0].study_instance_uid, StudyState.BOUND, headers[0], "CT1", False, patient_key=1)
    keys: dict[str, int] = {}
    series: list[Series] = []
    instances: dict[int, tuple[Instance, ...]] = {}
    for number, header in enumerate({one.sop_instance_uid: one for one in headers}.values()):
        key = keys.setdefault(header.series_instance_uid, len(keys) + 1)
        if key not in instances:
            series.append(_series(key, header))
        instances[key] = (*instances.get(key, ()), _instance(number, key, header))
    return StudyContents(study, tuple(series), instances)


def _series(key: int, header: Header) -> Series:
    names = set(Series.__slots__) - {"key", "study_key"}
    return Series(key=key, study_key=1, **{name: getattr(header, name) for name in names})


def _instance(number: int, series_key: int, header: Header) -> Instance:
    return Instance(
        key=number,
        study_key=1,
        series_key=series_key,
        sop_instance_uid=header.sop_instance_uid,
        sop_class_uid=header.sop_class_uid,
        transfer_syntax_uid=header.transfer_syntax_uid,
        blob="",
        digest="",
        size_bytes=1,
        instance_number=header.instance_number,
        content_label=header.content_label,
        image_laterality=header.image_laterality,
    )

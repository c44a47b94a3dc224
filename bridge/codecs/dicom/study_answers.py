"""Answers to Study Root queries: a study's contents to one record each at the level asked. Source: PS3.4 C.6.2."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.codecs.dicom import answers, charset
from bridge.codecs.dicom.answers import CHARACTER_SET
from bridge.codecs.dicom.device_text import Reading
from bridge.codecs.dicom.elements import vr_of
from bridge.codecs.dicom.keys import StudyQuery
from bridge.domain import matching
from bridge.domain.study import Instance, Series, Study, StudyContents

Texts = dict[int, str]

_LEVEL = 0x00080052
_ONLINE = "ONLINE"
# Of what a rule removed here. Source: PS3.3 C.4.23.1.1.
_UNAVAILABLE = "UNAVAILABLE"
# Kept in a record as the text of its one item's Local Namespace Entity ID (0040,0031).
_ISSUER_OF_ACCESSION = 0x00080051
_LOCAL_NAMESPACE = 0x00400031
# What the binding or a person may have put in place of the header's values.
_CORRECTED = {
    "PatientID": 0x00100020,
    "IssuerOfPatientID": 0x00100021,
    "PatientName": 0x00100010,
    "PatientBirthDate": 0x00100030,
    "PatientSex": 0x00100040,
    "AccessionNumber": 0x00080050,
    "StudyDescription": 0x00081030,
    "ReferringPhysicianName": 0x00080090,
    "IssuerOfAccessionNumberSequence": _ISSUER_OF_ACCESSION,
}
_MATCHED: Mapping[str, int] = {
    "patient_id": 0x00100020,
    "issuer_of_patient_id": 0x00100021,
    "patient_name": 0x00100010,
    "patient_sex": 0x00100040,
    "accession_number": 0x00080050,
    "issuer_of_accession_number": _ISSUER_OF_ACCESSION,
    "study_instance_uid": 0x0020000D,
    "study_id": 0x00200010,
    "study_description": 0x00081030,
    "referring_physician_name": 0x00080090,
    "modalities_in_study": 0x00080061,
    "sop_classes_in_study": 0x00080062,
    "series_instance_uid": 0x0020000E,
    "modality": 0x00080060,
    "series_number": 0x00200011,
    "series_description": 0x0008103E,
    "station_name": 0x00081010,
    "body_part_examined": 0x00180015,
    "laterality": 0x00200060,
    "sop_instance_uid": 0x00080018,
    "sop_class_uid": 0x00080016,
    "instance_number": 0x00200013,
}


@dataclass(frozen=True, slots=True)
class StudyEntry:
    """
    A study as it may be shown.

    counts: instances by series key. instances: by series key, {} where nobody asks for them. corrections: keyword to the
    record's value. retrieve_ae_title: where to get it. is_here: no part of it was removed by rule.
    """

    study: Study
    series: Sequence[Series]
    counts: Mapping[int, int]
    sop_classes: Sequence[str] = ()
    instances: Mapping[int, Sequence[Instance]] = field(default_factory=dict)
    corrections: Mapping[str, str] = field(default_factory=dict)
    retrieve_ae_title: str = ""
    is_here: bool = True


def find_answers(
    entry: StudyEntry, query: StudyQuery, transfer_syntax_uid: str, charset_setting: str = ""
) -> Iterator[bytes]:
    """
    Return the identifiers of *entry* that answer *query*, exactly the keys asked for.

    charset_setting: what the peer can read, "" to follow its query. Source: PS3.4 C.2.2.1.2, C.4.1.1.3.2.
    """
    plan = answers.plan(query.keys, transfer_syntax_uid)
    reading = Reading(charset.parse_setting(charset_setting))
    for record in records(entry, query.level):
        if _matches(record, query):
            yield answers.give(plan, answers.encode_record(_encoded(record)), query.character_set, reading).identifier


def records(entry: StudyEntry, level: str) -> Iterator[Texts]:
    """Return what *entry* shows at *level*, tag to text, several values joined by backslashes."""
    study = _study_texts(entry)
    if level == "STUDY":
        yield study
        return
    for series in entry.series:
        texts = study | _series_texts(series, entry.counts.get(series.key, 0))
        if level == "SERIES":
            yield texts | {_LEVEL: "SERIES"}
            continue
        for instance in entry.instances.get(series.key, ()):
            yield texts | _instance_texts(instance)


def named_instances(contents: StudyContents, query: StudyQuery) -> Iterator[Instance]:
    """Return the instances that a retrieval with *query* names, by its unique keys. Source: PS3.4 C.4.3.1.3."""
    for series in contents.series:
        if query.series_instance_uid and series.series_instance_uid not in query.series_instance_uid:
            continue
        for instance in contents.instances[series.key]:
            if not query.sop_instance_uid or instance.sop_instance_uid in query.sop_instance_uid:
                yield instance


def _study_texts(entry: StudyEntry) -> Texts:
    header = entry.study.received
    texts = {
        0x00080020: header.study_date,
        0x00080030: header.study_time,
        0x00080050: header.accession_number,
        _LEVEL: "STUDY",
        0x00080054: entry.retrieve_ae_title,
        0x00080056: _ONLINE if entry.is_here else _UNAVAILABLE,
        _ISSUER_OF_ACCESSION: header.issuer_of_accession_number,
        0x00080061: "\\".join(sorted({series.modality for series in entry.series if series.modality})),
        0x00080062: "\\".join(entry.sop_classes),
        0x00080090: header.referring_physician_name,
        0x00081030: header.study_description,
        0x00100010: header.patient_name,
        0x00100020: header.patient_id,
        0x00100021: header.issuer_of_patient_id,
        0x00100030: header.patient_birth_date,
        0x00100040: header.patient_sex,
        0x0020000D: header.study_instance_uid,
        0x00200010: header.study_id,
        0x00201206: str(len(entry.series)),
        0x00201208: str(sum(entry.counts.values())),
    }
    return texts | {_CORRECTED[word]: value for word, value in entry.corrections.items() if word in _CORRECTED}


def _series_texts(series: Series, instance_count: int) -> Texts:
    return {
        0x00080021: series.series_date,
        0x00080031: series.series_time,
        0x00080060: series.modality,
        0x0008103E: series.series_description,
        0x00081010: series.station_name,
        0x00180015: series.body_part_examined,
        0x0020000E: series.series_instance_uid,
        0x00200011: "" if series.series_number is None else str(series.series_number),
        0x00200060: series.laterality,
        0x00201209: str(instance_count),
    }


def _instance_texts(instance: Instance) -> Texts:
    return {
        _LEVEL: "IMAGE",
        0x00080056: _ONLINE if instance.removed_at is None else _UNAVAILABLE,
        0x00080016: instance.sop_class_uid,
        0x00080018: instance.sop_instance_uid,
        0x00200013: "" if instance.instance_number is None else str(instance.instance_number),
        0x00280008: str(instance.number_of_frames),
    }


def _matches(record: Texts, query: StudyQuery) -> bool:
    for name, tag in _MATCHED.items():
        keys: tuple[str, ...] = getattr(query, name)
        if keys and not matching.match_any(_match_for(tag), keys, record.get(tag, "").split("\\")):
            return False
    if not matching.match_date_range(query.series_dates, record.get(0x00080021, "")):
        return False
    return matching.match_date_range(query.birth_dates, record[0x00100030]) and matching.match_date_time(
        query.study_dates, query.study_times, (record[0x00080020], record[0x00080030])
    )


def _match_for(tag: int) -> Callable[[str, str], bool]:
    vr = vr_of(tag)
    if vr == "PN":
        return matching.match_person_name
    return matching.match_single if vr in ("UI", "IS") else matching.match_wildcard


def _encoded(record: Texts) -> dict[int, bytes | list[bytes]]:
    encoded: dict[int, bytes | list[bytes]] = {
        tag: value.encode("utf-8") for tag, value in record.items() if value and tag != CHARACTER_SET
    }
    issuer = encoded.pop(_ISSUER_OF_ACCESSION, None)
    if isinstance(issuer, bytes):
        encoded[_ISSUER_OF_ACCESSION] = [answers.encode_record({_LOCAL_NAMESPACE: issuer})]
    return encoded

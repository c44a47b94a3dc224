"""A Study Root query as the criteria that the store looks studies up by. Source: PS3.4 C.2.2.2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bridge.codecs.dicom.keys import StudyQuery
from bridge.domain.matching import combined_range
from bridge.domain.worklist_search import Criterion, of_names, of_texts, of_uids
from bridge.store.study_search import StudyCriteria

_Of = Callable[[str, Iterable[str]], Criterion | None]


def criteria_of(query: StudyQuery, *, unbound: bool) -> StudyCriteria:
    """Return what *query* asks. unbound: whether studies that nobody has bound are looked at, too."""
    together = combined_range(query.study_dates, query.study_times)
    born = query.birth_dates
    return StudyCriteria(
        study=[
            *_asked(
                ("StudyInstanceUID", of_uids, query.study_instance_uid),
                ("PatientID", of_texts, query.patient_id),
                ("IssuerOfPatientID", of_texts, query.issuer_of_patient_id),
                ("PatientName", of_names, query.patient_name),
                ("PatientSex", of_texts, query.patient_sex),
                ("AccessionNumber", of_texts, query.accession_number),
                ("LocalNamespaceEntityID", of_texts, query.issuer_of_accession_number),
                ("StudyID", of_texts, query.study_id),
                ("StudyDescription", of_texts, query.study_description),
                ("ReferringPhysicianName", of_names, query.referring_physician_name),
            ),
            *([Criterion("PatientBirthDate", span=born)] if born is not None else []),
        ],
        series=[
            *_asked(
                ("SeriesInstanceUID", of_uids, query.series_instance_uid),
                ("Modality", of_texts, query.modality),
                ("SeriesDescription", of_texts, query.series_description),
                ("BodyPartExamined", of_texts, query.body_part_examined),
                ("Laterality", of_texts, query.laterality),
                ("StationName", of_texts, query.station_name),
            ),
            *([Criterion("SeriesDate", span=query.series_dates)] if query.series_dates is not None else []),
        ],
        instance=_asked(
            ("SOPInstanceUID", of_uids, query.sop_instance_uid), ("SOPClassUID", of_uids, query.sop_class_uid)
        ),
        modalities=of_texts("Modality", query.modalities_in_study),
        classes=of_uids("SOPClassUID", query.sop_classes_in_study),
        dates=None if together is not None else query.study_dates,
        times=None if together is not None else query.study_times,
        together=together,
        unbound=unbound,
    )


def _asked(*keys: tuple[str, _Of, Sequence[str]]) -> list[Criterion]:
    found = (of(keyword, values) for keyword, of, values in keys if values)
    return [criterion for criterion in found if criterion is not None]

"""An ImagingStudy built and written beside fhir.resources, whose models validate what they build."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import fhir.resources.imagingstudy
import fhir.resources.R4B.imagingstudy
import orjson

from bench.measure import Size, Table, note
from bridge.codecs.fhir import r4, r5
from bridge.codecs.fhir.imaging_study import House, build
from bridge.codecs.fhir.references import Links
from bridge.domain.study import Header, Instance, Series, Study, StudyContents, StudyState

HEADING = "Charts: an ImagingStudy of 500 instances, built and written"
AGAINST = "fhir.resources, R4B"
_UID, _CT, _EXPLICIT = "2.25.77", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
_SERIES, _INSTANCES = 5, 100
_OFTEN = 100


def writing_table(size: Size) -> tuple[Table, str]:
    """Build and write the same study with each, in turns."""
    study, links = _study(), Links("Patient/7", "ServiceRequest/9", ("Endpoint/3",), "2.25.5")
    house = House(timezone(timedelta(hours=-5)), lambda issuer: f"urn:example:{issuer}")
    plain_r4, plain_r5 = (codec.imaging_study(build(study, None, links, house)) for codec in (r4, r5))
    model_r4, model_r5 = fhir.resources.R4B.imagingstudy.ImagingStudy, fhir.resources.imagingstudy.ImagingStudy
    writers: dict[str, tuple[Callable[[], object], int]] = {
        AGAINST: (lambda: model_r4(**plain_r4).model_dump_json(), 3),
        "fhir.resources, R5": (lambda: model_r5(**plain_r5).model_dump_json(), 3),
        "imaging-bridge, R4": (lambda: orjson.dumps(r4.imaging_study(build(study, None, links, house))), _OFTEN),
        "imaging-bridge, R5": (lambda: orjson.dumps(r5.imaging_study(build(study, None, links, house))), _OFTEN),
    }
    table: Table = {}
    for _ in range(size.rounds):
        for name, (write, times) in writers.items():
            gc.collect()
            began, used = time.perf_counter(), time.process_time()
            for _ in range(times):
                write()
            note(table, name, "studies/s", (times, time.perf_counter() - began, time.process_time() - used))
    return table, AGAINST


def _study() -> StudyContents:
    header = Header(_CT, f"{_UID}.1.1", _UID, f"{_UID}.1", _EXPLICIT, study_date="20260302", study_time="101500")
    study = Study(1, _UID, StudyState.BOUND, header, "CT1", False, patient_key=1, last_instance_at=datetime.now())
    said = {"modality": "CT", "series_description": "Axial", "series_date": "20260302", "body_part_examined": "CHEST"}
    series = tuple(
        Series(key, 1, f"{_UID}.{key}", series_number=key, series_time="101500", **said)
        for key in range(1, _SERIES + 1)
    )
    return StudyContents(study, series, {one.key: _instances(one) for one in series})


def _instances(series: Series) -> tuple[Instance, ...]:
    return tuple(
        Instance(
            key=number,
            study_key=1,
            series_key=series.key,
            sop_instance_uid=f"{series.series_instance_uid}.{number}",
            sop_class_uid=_CT,
            transfer_syntax_uid=_EXPLICIT,
            blob="",
            digest="",
            size_bytes=1,
            instance_number=number,
            content_label="ORIGINAL\\PRIMARY\\AXIAL",
        )
        for number in range(1, _INSTANCES + 1)
    )

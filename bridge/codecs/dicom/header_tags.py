"""Which elements of an object its header is read from, by the name that each has there. Source: PS3.6."""

from __future__ import annotations

from pydicom.datadict import keyword_for_tag

from bridge.codecs.dicom import header_details
from bridge.codecs.dicom.elements import PIXEL_DATA_ELEMENTS

TEXT = {
    "patient_id": 0x00100020,
    "issuer_of_patient_id": 0x00100021,
    "accession_number": 0x00080050,
    "study_description": 0x00081030,
    "study_id": 0x00200010,
    "institution_name": 0x00080080,
    "series_description": 0x0008103E,
    "station_name": 0x00081010,
    "performed_procedure_step_id": 0x00400253,
    "manufacturer": 0x00080070,
    "manufacturer_model_name": 0x00081090,
}
NAMES = {"patient_name": 0x00100010, "referring_physician_name": 0x00080090}
CODES = {
    "patient_sex": 0x00100040,
    "patient_age": 0x00101010,
    "modality": 0x00080060,
    "body_part_examined": 0x00180015,
    "laterality": 0x00200060,
    "image_laterality": 0x00200062,
    "content_label": 0x00700080,
    "burned_in_annotation": 0x00280301,
    "lossy_image_compression": 0x00282110,
    "timezone_offset_from_utc": 0x00080201,
}
DATES = {"patient_birth_date": 0x00100030, "study_date": 0x00080020, "series_date": 0x00080021}
TIMES = {"study_time": 0x00080030, "series_time": 0x00080031}
INTEGERS = {"series_number": 0x00200011, "instance_number": 0x00200013, "number_of_frames": 0x00280008}
SHORTS = {"rows": 0x00280010, "columns": 0x00280011, "samples_per_pixel": 0x00280002, "bits_allocated": 0x00280100}
UIDS = {
    "sop_class_uid": 0x00080016,
    "sop_instance_uid": 0x00080018,
    "study_instance_uid": 0x0020000D,
    "series_instance_uid": 0x0020000E,
}
CHARACTER_SET = 0x00080005
OTHER_PATIENT_IDS = 0x00101000
ISSUER_OF_ACCESSION = 0x00080051
OTHER_PATIENT_IDS_SEQUENCE = 0x00101002
REQUEST_ATTRIBUTES = 0x00400275
WANTED = frozenset(
    tag for group in (TEXT, NAMES, CODES, DATES, TIMES, INTEGERS, SHORTS, UIDS) for tag in group.values()
) | {CHARACTER_SET, OTHER_PATIENT_IDS}
WANTED |= header_details.WANTED
WANTED_SEQUENCES = header_details.WANTED_SEQUENCES | {
    ISSUER_OF_ACCESSION: frozenset({0x00400031, 0x00400032, CHARACTER_SET}),
    OTHER_PATIENT_IDS_SEQUENCE: frozenset({0x00100020, 0x00100021, CHARACTER_SET}),
    REQUEST_ATTRIBUTES: frozenset({0x00401001, 0x00400009, 0x00080050, 0x0020000D, CHARACTER_SET}),
}
LOOKED_AT = WANTED.union(PIXEL_DATA_ELEMENTS, *WANTED_SEQUENCES.values())
REQUESTED_PROCEDURE_ID = 0x00401001
# What a site's rules for a device may look at, by keyword; all but the names and the codes are plain text.
READ_BY_RULE = {
    keyword_for_tag(tag): tag
    for tag in {
        **{name: TEXT[name] for name in ("patient_id", "issuer_of_patient_id", "accession_number", "study_id")},
        **{
            name: TEXT[name] for name in ("manufacturer", "manufacturer_model_name", "station_name", "institution_name")
        },
        **{name: CODES[name] for name in ("patient_sex", "patient_age", "modality")},
        **NAMES,
        **DATES,
        **TIMES,
        **INTEGERS,
    }.values()
}

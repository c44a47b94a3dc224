"""The attributes of the modality worklist model that we know and match on. Source: PS3.4 Table K.6-1."""

from __future__ import annotations

from bridge.codecs.dicom.elements import vr_of

CHARACTER_SET = 0x00080005
STEP_SEQUENCE = 0x00400100
START_DATE = 0x00400002
START_TIME = 0x00400003
QUERY_RETRIEVE_LEVEL = 0x00080052
PATIENT_BIRTH_DATE = 0x00100030
TIMEZONE_OFFSET = 0x00080201

_CODE = frozenset({0x00080100, 0x00080102, 0x00080103, 0x00080104, 0x00080119, 0x00080120})
_ISSUER = frozenset({0x00400031, 0x00400032, 0x00400033})
_REFERENCE = frozenset({0x00081150, 0x00081155})
_PERSON = frozenset({0x00401101, 0x00401102, 0x00401103, 0x00080080, 0x00080082})

# Sequences and what their items may hold. Items of items (a person's code) are returned whole or not at all.
SEQUENCES: dict[int, frozenset[int]] = {
    0x00400008: _CODE,
    0x0040000B: _PERSON,
    0x00080051: _ISSUER,
    0x00080082: _CODE,
    0x00081084: _CODE,
    0x00081110: _REFERENCE,
    0x00081120: _REFERENCE,
    0x00100024: _ISSUER,
    0x00100101: _CODE,
    0x00101002: frozenset({0x00100020, 0x00100021, 0x00100022, 0x00100024}),
    0x00321064: _CODE,
    0x00380014: _ISSUER,
    0x00400026: _ISSUER,
    0x00400027: _ISSUER,
    0x0040100A: _CODE,
}

# Scheduled procedure step: inside (0040,0100).
STEP_KEYS = frozenset(
    {
        0x00080060,  # Modality
        0x00321070,  # RequestedContrastAgent
        0x00400001,  # ScheduledStationAETitle
        START_DATE,
        START_TIME,
        0x00400004,  # ScheduledProcedureStepEndDate
        0x00400005,  # ScheduledProcedureStepEndTime
        0x00400006,  # ScheduledPerformingPhysicianName
        0x00400007,  # ScheduledProcedureStepDescription
        0x00400008,  # ScheduledProtocolCodeSequence
        0x00400009,  # ScheduledProcedureStepID
        0x0040000B,  # ScheduledPerformingPhysicianIdentificationSequence
        0x00400010,  # ScheduledStationName
        0x00400011,  # ScheduledProcedureStepLocation
        0x00400012,  # PreMedication
        0x00400020,  # ScheduledProcedureStepStatus
        0x00400400,  # CommentsOnTheScheduledProcedureStep
    }
)

# Requested procedure, imaging service request, visit, patient: the root.
ROOT_KEYS = frozenset(
    {CHARACTER_SET, STEP_SEQUENCE}
    | {0x00080020, 0x00080030, 0x00080050, 0x00080051, 0x00080080, 0x00080081, 0x00080082, 0x00080090, 0x00080201}
    | {0x00081040, 0x00081080, 0x00081084, 0x00081110, 0x00081120}
    | {
        0x00100010,
        0x00100020,
        0x00100021,
        0x00100024,
        0x00100030,
        0x00100040,
        0x00100101,
        0x00101000,
        0x00101001,
        0x00101002,
    }
    | {0x00101020, 0x00101030, 0x00101040, 0x00101060, 0x00102000, 0x00102110, 0x00102154, 0x00102155}
    | {0x00102201, 0x00102292, 0x00102297, 0x00102299}
    | {0x001021B0, 0x001021C0, 0x00104000, 0x0020000D, 0x00321032, 0x00321033, 0x00321060, 0x00321064}
    | {0x00380010, 0x00380014, 0x00380016, 0x00380020, 0x00380021, 0x00380050, 0x00380300, 0x00380500}
    | {0x00400026, 0x00400027, 0x00401001, 0x00401002, 0x00401003, 0x00401004, 0x00401005, 0x00401008, 0x00401009}
    | {0x00401010, 0x0040100A, 0x00401400, 0x00402001, 0x00402004, 0x00402005, 0x00402008, 0x00402009, 0x00402010}
    | {0x00402016, 0x00402017, 0x00402400, 0x00403001}
)

# What a key may ask something of; numbers (weight, size, pregnancy) are returned only. Sequences are matched by their sub-keys.
TEXT_VRS = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"})
MATCHED_VRS = TEXT_VRS | {"PN", "UI", "DA", "TM"}
NEVER_MATCHED = frozenset({CHARACTER_SET, TIMEZONE_OFFSET})
MATCHED = frozenset(tag for tag in STEP_KEYS | ROOT_KEYS if vr_of(tag) in MATCHED_VRS) - NEVER_MATCHED

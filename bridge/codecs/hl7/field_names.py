"""What segments and fields are called, for people who read messages. Source: HL7 2.5.1, chapters 2 to 7."""

from __future__ import annotations

_SEGMENTS = {
    "MSH": "Message header",
    "SFT": "Software",
    "EVN": "Event",
    "PID": "Patient",
    "PD1": "Patient, more",
    "NK1": "Next of kin",
    "PV1": "Visit",
    "PV2": "Visit, more",
    "MRG": "Merged away",
    "AL1": "Allergy",
    "DG1": "Diagnosis",
    "GT1": "Guarantor",
    "IN1": "Insurance",
    "IN2": "Insurance, more",
    "AUT": "Authorization",
    "ORC": "Order",
    "OBR": "Requested procedure",
    "TQ1": "Timing",
    "IPC": "Imaging procedure",
    "ZDS": "Study Instance UID",
    "OBX": "Observation",
    "NTE": "Note",
    "SCH": "Appointment",
    "AIS": "Booked service",
    "RGS": "Resource group",
    "ACC": "Accident",
    "ROL": "Role",
    "MSA": "Acknowledgment",
    "ERR": "Error",
}

_FIELDS = {
    "MSH": "Field separator|Encoding characters|Sending application|Sending facility|Receiving application|"
    "Receiving facility|Sent|Security|Message type|Control ID|Processing ID|Version|Sequence number|Continuation|"
    "Accept acknowledgment|Application acknowledgment|Country|Character set|Language|Character set scheme|Profile",
    "EVN": "Event|Recorded|Planned|Reason|Operator|Occurred|Facility",
    "PID": "Set ID|Patient ID, external|Patient numbers|Alternate numbers|Name|Mother's maiden name|Birth date|Sex|"
    "Other names|Race|Address|County|Phone, home|Phone, business|Language|Marital status|Religion|Account number|"
    "Social security number|Driver's license|Mother's number|Ethnic group|Birth place|Multiple birth|Birth order|"
    "Citizenship|Veteran|Nationality|Died|Dead|Identity unknown|Identity reliability|Updated|Updated by",
    "PV1": "Set ID|Class|Location|Admission type|Preadmit number|Prior location|Attending|Referring|Consulting|"
    "Service|Temporary location|Preadmit test|Readmission|Admit source|Ambulatory status|VIP|Admitting|Patient type|"
    "Visit number",
    "MRG": "Retired numbers|Retired alternate number|Retired account|Retired ID|Retired visit|Retired alternate visit|"
    "Retired name",
    "ORC": "Order control|Placer order number|Filler order number|Group number|Status|Response|Quantity and timing|"
    "Parent|Time of transaction|Entered by|Verified by|Ordering provider|Location|Callback|Effective|Reason|"
    "Organization|Device|Action by|Notice|Ordering facility|Facility address|Facility phone|Provider address",
    "OBR": "Set ID|Placer order number|Filler order number|Procedure|Priority|Requested|Observed|Ended|Volume|"
    "Collector|Action|Danger|Clinical information|Received|Specimen|Ordering provider|Callback|Placer field 1|"
    "Placer field 2|Filler field 1|Filler field 2|Results changed|Charge|Section|Result status|Parent result|"
    "Quantity and timing|Copies to|Parent|Transport|Reason|Interpreter|Assistant|Technician|Transcriber|Scheduled|"
    "Containers|Logistics|Comment|Transport arrangement|Transport arranged|Escort|Transport comment|Procedure code|"
    "Procedure modifier",
    "TQ1": "Set ID|Quantity|Repeat|Explicit time|Relative time|Duration|Start|End|Priority|Condition|Instruction",
    "IPC": "Accession number|Requested procedure ID|Study Instance UID|Scheduled step ID|Modality|Protocol code|"
    "Station name|Location|Station AE title",
    "ZDS": "Study Instance UID",
    "NTE": "Set ID|Source|Comment|Type",
    "OBX": "Set ID|Type|Observation|Sub-ID|Value|Units|Range|Flags|Probability|Nature|Status",
    "IN1": "Set ID|Plan|Company ID|Company|Company address|Contact|Phone|Group|Group name|Employer ID|Employer|"
    "Effective|Expires|Authorization|Plan type|Insured|Relationship|Insured's birth date|Insured's address",
    "AUT": "Plan|Company ID|Company|Effective|Expires|Authorization number|Limit|Authorized treatments",
    "AL1": "Set ID|Type|Allergy|Severity|Reaction",
    "DG1": "Set ID|Coding method|Diagnosis|Description|Diagnosed|Type",
    "MSA": "Answer|Control ID|Text|Expected sequence|Delayed|Error",
    "ERR": "Code and location|Location|Error code|Severity|Application code|Parameter|Diagnostic|Message for people",
}
_NAMES = {name: tuple(text.split("|")) for name, text in _FIELDS.items()}


def segment_name(name: str) -> str:
    """
    Return what a segment is called.

    >>> segment_name("PID"), segment_name("ZOR")
    ('Patient', 'Own segment of the sender')
    """
    return _SEGMENTS.get(name, "Own segment of the sender" if name.startswith("Z") else "")


def field_name(name: str, number: int) -> str:
    """
    Return what field *number* of a segment is called, "" if we have no word for it.

    >>> field_name("PID", 7), field_name("MSH", 10), field_name("OBR", 99)
    ('Birth date', 'Control ID', '')
    """
    names = _NAMES.get(name, ())
    return names[number - 1] if 0 < number <= len(names) else ""

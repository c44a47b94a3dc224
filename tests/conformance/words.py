"""What each message that may be served does, in a sentence: the one part of the conformance document written by hand."""

from __future__ import annotations

_SAME_ORDER = "an order and its procedures, steps and numbers, by ORC-1 and ORC-5 (below); several groups become several procedures"
_VISIT = "patient and visit are brought up to date"

MESSAGES = {
    "ADT^A01": f"admission: {_VISIT}; the visit is open",
    "ADT^A02": f"transfer: {_VISIT}; the worklist shows the new place",
    "ADT^A03": f"discharge: {_VISIT}; the visit is closed; orders stay",
    "ADT^A04": f"registration: {_VISIT}; the visit is open",
    "ADT^A05": f"pre-admission: {_VISIT}",
    "ADT^A06": f"an outpatient becomes an inpatient: {_VISIT}",
    "ADT^A07": f"an inpatient becomes an outpatient: {_VISIT}",
    "ADT^A08": "what is present in it is brought up to date; an empty field keeps, the HL7 null erases",
    "ADT^A10": f"arrival: {_VISIT}; waiting exams may have arrived, as the site says",
    "ADT^A11": "the admission is cancelled; the patient stays",
    "ADT^A12": "the transfer is cancelled; PV1-3 is the place again",
    "ADT^A13": "the discharge is cancelled; the visit is open again",
    "ADT^A18": "merge, as A40",
    "ADT^A23": "the record is made inactive, never erased; its visit is cancelled",
    "ADT^A24": "two records are linked as one person's; nothing moves",
    "ADT^A28": "a person is added; a known one is brought up to date",
    "ADT^A31": "a person is brought up to date, without a visit",
    "ADT^A34": "merge, as A40",
    "ADT^A37": "the link of A24 is undone",
    "ADT^A40": "the number in MRG-1 ends in the record of PID-3, and everything filed under it moves; can be undone",
    "ADT^A43": "the number in MRG-1 moves to the patient of PID-3, with what is filed under it",
    "ADT^A44": "the account in MRG-3 moves to the patient of PID-3",
    "ADT^A45": "the visit in MRG-5 moves to the patient of PID-3, with its orders",
    "ADT^A47": "the number in MRG-1 becomes that of PID-3, on the same record",
    "ADT^A49": "the account in MRG-3 becomes that of PID-18",
    "ORM^O01": _SAME_ORDER,
    "OMG^O19": _SAME_ORDER,
    "OMI^O23": f"{_SAME_ORDER}; each IPC is a step",
    "MDM^T02": "a note of whoever ordered an exam is kept for its patient",
    "MDM^T04": "its status and text change",
    "MDM^T06": "an addendum to it",
    "MDM^T08": "it was edited",
    "MDM^T10": "another one takes its place",
    "MDM^T11": "it is taken back",
    "ORU^R01": "a report: finds its exam by its numbers, closes it, is kept in every version; lab results that a payer may ask for",
    "REF^I12": "a referral: the authorization it names, with a line for each procedure; it decides nothing",
    "SIU^S12": "an appointment is booked: times and places of the order's steps",
    "SIU^S13": "an appointment is moved",
    "SIU^S14": "an appointment is changed",
    "SIU^S15": "an appointment is cancelled",
    "SIU^S16": "an appointment is discontinued",
    "SIU^S17": "an appointment is deleted",
    "SIU^S26": "the patient did not come",
}

ANSWERED = {
    "Malformed": "not readable as its own format, or not what its field may hold",
    "Unsupported": "of a kind that is not served",
    "Incomplete": "a value that is needed is missing, or not in its table",
    "Conflict": "what is known already forbids it",
    "Refused": "this sender may not",
    "Unavailable": "later may work: the same message again is right",
}

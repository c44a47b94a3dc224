"""The intake desk's words: why a case is held, how urgent it is, how long it waits, and the reasons people give."""

from __future__ import annotations

from bridge.domain.case_risk import CaseRisk

# A rule in a few words, for a list; the case itself says it in a sentence.
RULES = {
    "V01": "The name looks like a test",
    "V02": "Images of more than one patient",
    "V03": "A signal says: wrong patient",
    "V04": "Nobody here fits",
    "V05": "Orders of two patients",
    "V06": "Order and patient number disagree",
    "V07": "Only name and birth date fit",
    "V08": "A look-alike fits as well",
    "V09": "A namesake has that birth date",
    "V10": "Too different to be sure",
    "person": "Taken back by a person",
}
RISKS = {
    CaseRisk.SAFETY: "patient safety",
    CaseRisk.WITHDRAWN: "was in a chart",
    CaseRisk.LEFT: "has left the house",
    CaseRisk.URGENT: "urgent order",
    CaseRisk.ROUTINE: "routine",
}
AGES = {"1h": "under 1 h", "4h": "1–4 h", "1d": "4–24 h", "3d": "1–3 days", "old": "over 3 days"}
SORTS = {"risk": "Riskiest first", "oldest": "Oldest first", "newest": "Newest first"}
ASKED = {"waiting": "Waiting for the technologist", "answered": "Answered"}
SECOND = "Waiting for a second person"
# What came by no association: C-STORE always names its sender.
NO_DEVICE = "a disc or an upload"
LOOKED_AT = {"me": "Open by me", "others": "Open by somebody else", "nobody": "Nobody has it open"}

# One key each: what coordinators write most often beside a decision.
REASONS = (
    "Asked the technologist",
    "Asked the patient or the ward",
    "Wrong line picked on the worklist",
    "Name or number mistyped",
    "Looked it up in the EHR",
    "The images show it",
)
# What closes a case without a patient; the words stay with the study as the reason.
REJECTIONS = {"not_ours": "Not ours", "test": "A test or a phantom", "error": "Made in error"}


def rule_words(rule: str) -> str:
    """
    Return a rule in a few words.

    >>> rule_words("V08"), rule_words("X99")
    ('A look-alike fits as well', 'Held by X99')
    """
    return RULES.get(rule) or f"Held by {rule}"

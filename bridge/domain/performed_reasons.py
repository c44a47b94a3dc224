"""Why a performed step was discontinued, in words, and what that means for its order. Source: PS3.16 CID 9300."""

from __future__ import annotations

from typing import Final

INCORRECT_WORKLIST_ENTRY: Final = "110514"
# The step will be done after all: it goes back on the list.
BACK_ON_THE_LIST: Final = frozenset({INCORRECT_WORKLIST_ENTRY, "110528", "110529"})
# There will be no exam: whether the order is cancelled, a person says.
PROPOSES_CANCELLATION: Final = frozenset({"110500", "110507", "110510"})

_WORDS: Final = {
    "110500": "doctor canceled procedure",
    "110501": "equipment failure",
    "110502": "incorrect procedure ordered",
    "110503": "patient allergic to media or contrast",
    "110504": "patient died",
    "110505": "patient refused to continue procedure",
    "110506": "patient taken for treatment or surgery",
    "110507": "patient did not arrive",
    "110508": "patient pregnant",
    "110509": "change of procedure for correct charging",
    "110510": "duplicate order",
    "110511": "nursing unit cancel",
    "110512": "incorrect side ordered",
    "110513": "discontinued for unspecified reason",
    "110514": "incorrect worklist entry selected",
    "110515": "patient condition prevented continuing",
    "110516": "equipment change",
    "110521": "objects incorrectly formatted",
    "110522": "object types not supported",
    "110523": "object set incomplete",
    "110524": "media failure",
    "110526": "resource pre-empted",
    "110527": "resource inadequate",
    "110528": "procedure step rescheduled",
    "110529": "procedure step rescheduling recommended",
    "110530": "workitem assignment rejected by assigned resource",
    "110533": "workitem expired",
    "113568": "extravasation visible in image",
}


def reason_in_words(code: str, meaning: str = "") -> str:
    """
    Return the reason as a person reads it: by its code, else as the device put it, else the bare code, "" for none.

    meaning: Code Meaning as sent.

    >>> reason_in_words("110514"), reason_in_words("ZZ1", "Table too short"), reason_in_words("ZZ1"), reason_in_words("")
    ('incorrect worklist entry selected', 'Table too short', 'code ZZ1', '')
    """
    if code in _WORDS:
        return _WORDS[code]
    return meaning or (f"code {code}" if code else "")

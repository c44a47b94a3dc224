"""An OperationOutcome in words that may be shown and kept: what kind of fault, and where; its own text may quote the patient.

Source: FHIR R4 OperationOutcome, value set issue-type.
"""

from __future__ import annotations

import re

import orjson

_PLACE = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]()]{0,120}")
_SLUG = re.compile(r"[a-z-]{1,40}")
_MOST = 5
_WORDS = {
    "structure": "it is not built as the server's FHIR version has it",
    "required": "something is missing that the server requires",
    "value": "a value is not allowed",
    "invariant": "it breaks a rule of the server's profile",
    "invalid": "it is invalid",
    "code-invalid": "a code is not in its value set",
    "business-rule": "it breaks a rule of the server",
    "not-found": "a reference leads nowhere on the server",
    "not-supported": "the server does not support it",
    "duplicate": "the server has it already",
    "multiple-matches": "several resources fit",
    "conflict": "somebody else changed it meanwhile",
    "deleted": "it was deleted on the server",
    "extension": "an extension is not known to the server",
    "too-long": "it is too large for the server",
    "too-costly": "it costs the server too much",
    "forbidden": "we may not do this on the server",
    "security": "the server's access rules refuse it",
    "login": "the server does not know who we are",
    "suppressed": "we may not see the resource",
    "processing": "the server could not process it",
    "exception": "the server failed inside",
    "timeout": "the server took too long inside",
    "throttled": "the server has too much to do",
}


def in_words(outcome: object) -> str:
    """Return what an OperationOutcome says, "" if it says nothing that can be told: kinds and places, never its text."""
    issues = outcome.get("issue") if isinstance(outcome, dict) else None
    said: dict[str, None] = {}
    for issue in issues[: _MOST * 4] if isinstance(issues, list) else []:
        code = issue.get("code") if isinstance(issue, dict) else None
        if (
            not isinstance(code, str)
            or not _SLUG.fullmatch(code)
            or issue.get("severity") in ("warning", "information")
        ):
            continue
        words, place = _WORDS.get(code, code), _place(issue)
        said[f"{words} ({place})" if place else words] = None
    return "; ".join(list(said)[:_MOST])


def words_in(body: bytes) -> str:
    """Return what an answer's body says that is an OperationOutcome, as `in_words`; "" of any other."""
    try:
        return in_words(orjson.loads(body))
    except orjson.JSONDecodeError:
        return ""


def _place(issue: dict[str, object]) -> str:
    places = issue.get("expression") or issue.get("location")
    found = places if isinstance(places, list) else []
    return next((one for one in found if isinstance(one, str) and _PLACE.fullmatch(one)), "")

"""A payer's answer to Claim/$submit or Claim/$inquire: a Bundle that begins with a ClaimResponse, or a ClaimResponse alone.

What it decides is read elsewhere: here is only whether it is an answer, to which request, and whether the request was taken.
Source: HL7 Da Vinci PAS, profile-pas-response-bundle, profile-claimresponse; FHIR R4 ClaimResponse.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from bridge.codecs.fhir.outcome import in_words
from bridge.errors import Malformed

Json = dict[str, Any]

_KIND = "ClaimResponse"
# X12 901: what the payer found wrong, where it says so by code; what is not here is told as its code.
_REJECTIONS = {
    "04": "an authorized quantity is exceeded",
    "15": "something that the payer needs is missing",
    "33": "an input error",
    "41": "we are not allowed to ask it",
    "42": "the payer cannot answer now",
    "43": "the provider's number is unknown or missing",
    "50": "the provider may not ask for this",
    "51": "the provider is not on file",
    "57": "a date of service is missing or wrong",
    "71": "the patient's birth date does not fit",
    "72": "the member number is missing or wrong",
    "73": "the member's name is missing or wrong",
    "75": "the member is not found",
    "79": "the participant is not known",
    "T4": "the payer's name or number is missing",
}
_MOST = 5
_MOST_NUMBERS = 20


def read_answer(body: bytes) -> Json:
    """Return an answer's resource. Raises: Malformed, if it is no FHIR."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed("the payer's answer is no readable JSON", code="no_answer") from None
    if not isinstance(said, dict) or not isinstance(said.get("resourceType"), str):
        raise Malformed("the payer's answer is no FHIR resource", code="no_answer")
    return said


def responses_in(answer: Json) -> list[tuple[Json, dict[str, Json]]]:
    """Return each ClaimResponse of an answer, with what lies around it by full URL and by "Type/id"."""
    return list(_responses(answer, 0))


def _responses(answer: Json, depth: int) -> Iterator[tuple[Json, dict[str, Json]]]:
    if answer.get("resourceType") == _KIND:
        yield answer, {}
        return
    if answer.get("resourceType") != "Bundle" or depth > 1:
        return
    entries = answer.get("entry")
    found = [one for one in (entries if isinstance(entries, list) else []) if isinstance(one, dict)]
    resources = [one["resource"] for one in found if isinstance(one.get("resource"), dict)]
    around = {f"{one.get('resourceType')}/{one.get('id')}": one for one in resources}
    around |= {
        one["fullUrl"]: one["resource"]
        for one in found
        if isinstance(one.get("fullUrl"), str) and isinstance(one.get("resource"), dict)
    }
    for resource in resources:
        if resource.get("resourceType") == _KIND:
            yield resource, around
        else:
            yield from _responses(resource, depth + 1)


def numbers_of(response: Json) -> tuple[str, ...]:
    """Return the numbers that a ClaimResponse names: the requester's among them, and it may be that the payer's own stand first."""
    logical = (response.get("request") or {}).get("identifier") if isinstance(response.get("request"), dict) else None
    named = response.get("identifier")
    every = [*(named if isinstance(named, list) else []), logical]
    values = (one.get("value") for one in every if isinstance(one, dict))
    return tuple(dict.fromkeys(one for one in values if isinstance(one, str) and one))[:_MOST_NUMBERS]


def is_about(response: Json, trace: str) -> bool:
    """Say whether a ClaimResponse names no other request than the one with *trace*."""
    named = numbers_of(response)
    return not named or trace in named


def why_not_taken(answer: Json) -> str:
    """Return in words, without values, why a payer did not take a request, "" if it did."""
    if answer.get("resourceType") == "OperationOutcome":
        return in_words(answer) or "the payer answers with no decision"
    found = responses_in(answer)
    if not found:
        return "the payer answers with no decision"
    errors = [code for response, _ in found if response.get("outcome") == "error" for code in _codes(response)]
    if not any(response.get("outcome") == "error" for response, _ in found):
        return ""
    words = [_REJECTIONS.get(code, f"error {code}") for code in dict.fromkeys(errors)]
    return "; ".join(words[:_MOST]) or "the payer could not read the request"


def _codes(response: Json) -> Iterator[str]:
    errors = response.get("error")
    for one in errors if isinstance(errors, list) else ():
        said = one.get("code") if isinstance(one, dict) else None
        codings = said.get("coding") if isinstance(said, dict) else None
        for coding in codings if isinstance(codings, list) else ():
            code = coding.get("code") if isinstance(coding, dict) else None
            if isinstance(code, str) and len(code) <= 10 and code.isalnum():
                yield code

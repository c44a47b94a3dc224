"""Claim and ClaimResponse: authorizations, as they were asked for and as they were answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, false, true

from bridge.codecs.fhir.authorization import COMPLETE, OUTCOMES
from bridge.domain.authorization import AuthorizationStatus
from bridge.domain.resource_query import Term, Token
from bridge.store.db import ReadTx
from bridge.store.searches import conditions
from bridge.store.searches.charts import limited, of_patient
from bridge.store.searches.conditions import Condition, House, Search, Write
from bridge.store.tables import authorizations

_AUTHORIZATION_SYSTEM, _PAYER_SYSTEM = "urn:imaging-bridge:authorization", "urn:imaging-bridge:payer"


def _authorization_standing(_: ReadTx, __: Sequence[Term], house: House) -> list[Condition]:
    return limited(authorizations.c.patient_key, house)


def _among(column: ColumnElement[str], system: str) -> Write:
    def write(_: ReadTx, term: Term, __: House) -> Condition:
        if term.is_missing is not None:
            return column == "" if term.is_missing else column != ""
        asked: list[Token] = [one for one in term.tokens() if one.code and one.system in (None, system)]
        return column.in_([one.code for one in asked])

    return write


_AUTHORIZATION_TERMS: Mapping[str, Write] = {
    "_id": conditions.keys(authorizations.c.key),
    "_lastUpdated": conditions.within(authorizations.c.updated_at),
    "identifier": _among(authorizations.c.number, _AUTHORIZATION_SYSTEM),
    **of_patient(authorizations.c.patient_key, also_subject=False),
    "status": conditions.always(("active",), ("http://hl7.org/fhir/fm-status",)),
    "use": conditions.always(("preauthorization",), ("http://hl7.org/fhir/claim-use",)),
    "created": conditions.within(authorizations.c.created_at),
    "insurer.identifier": _among(authorizations.c.payer_id, _PAYER_SYSTEM),
    "insurer": conditions.in_words(true()),
}
CLAIMS = Search(
    rows=authorizations,
    key=authorizations.c.key,
    standing=_authorization_standing,
    terms={**_AUTHORIZATION_TERMS, "priority": conditions.always(("normal",)), "provider": conditions.in_words(true())}
    | {"provider.identifier": conditions.never},
    sorts={"_id": authorizations.c.key, "created": authorizations.c.created_at},
)


def _request(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    named = [one.resource_id for one in term.targets() if one.kind in ("", "Claim")]
    return authorizations.c.key.in_([int(one) for one in named if conditions.is_row(one)])


def _with_outcomes() -> dict[str, list[str]]:
    """Return the states of an authorization by the outcome that is said of them."""
    found: dict[str, list[str]] = {}
    for one in AuthorizationStatus:
        found.setdefault(OUTCOMES.get(one, COMPLETE), []).append(one.value)
    return found


CLAIM_RESPONSES = Search(
    rows=authorizations,
    key=authorizations.c.key,
    standing=_authorization_standing,
    terms={
        **_AUTHORIZATION_TERMS,
        "request": _request,
        "outcome": conditions.coded(
            authorizations.c.status, _with_outcomes(), ("http://hl7.org/fhir/remittance-outcome",)
        ),
        "disposition": conditions.never,
        "requestor": conditions.never,
        "requestor.identifier": conditions.never,
    },
    sorts={"_id": authorizations.c.key, "created": authorizations.c.created_at},
)

"""What the FHIR server has: each resource's parameters, how it is found, and how it is made of the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

from bridge.codecs.fhir.imaging_study import House
from bridge.domain.resource_query import Asked, Term, Token, Total
from bridge.store.db import ReadTx
from bridge.store.searches import conditions
from bridge.store.searches.conditions import Search

Json = dict[str, Any]
RELEASES = ("r4", "r5")
_TEST: Json = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """
    One search parameter. name: as the store knows it. kind: "token", "date", "string", "reference" or "uri".

    r4, r5: what each release calls it, "" where it has none; every name is understood in both. targets: what a reference
    points to. is_personal: its values are a person's, and stand in no address of ours.
    """

    name: str
    kind: str
    r4: str = ""
    r5: str = ""
    targets: tuple[str, ...] = ()
    is_personal: bool = False

    def called(self, release: str) -> str:
        """Return the name in a release."""
        return self.r4 if release == "r4" else self.r5


@dataclass(frozen=True, slots=True)
class Serving:
    """What is the same for all resources of one answer. base: the release's address, below *public_url*."""

    release: str
    base: str
    public_url: str
    organization: str
    house: House
    search: conditions.House

    @property
    def version(self) -> str:
        return self.release.upper()


@dataclass(frozen=True, slots=True)
class Made:
    """A resource as it is shown, and whom and what it is about."""

    resource: Json
    patient_key: int | None = None
    study_key: int | None = None
    order_key: int | None = None

    @property
    def reference(self) -> str:
        return f"{self.resource['resourceType']}/{self.resource['id']}"


Make = Callable[[ReadTx, Sequence[int], Serving], list[Made]]


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One resource. key_of: an id's row, None where there is none that may be shown. includes: parameters that can be
    followed to what they point to, each to its element. translate: turns a term's values into what the store holds.
    is_judged: of the rows that are found, *make* leaves out those that may not be shown. releases: those that have it.
    """

    name: str
    search: Search
    parameters: tuple[Parameter, ...]
    make: Make
    key_of: Callable[[ReadTx, str, Serving], int | None]
    includes: Mapping[str, str] = field(default_factory=dict)
    revincludes: tuple[tuple[str, str], ...] = ()
    translate: Mapping[str, Callable[[ReadTx, Term], Term]] = field(default_factory=dict)
    is_judged: bool = False
    releases: tuple[str, ...] = RELEASES

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter that *name* means in either release."""
        return next((one for one in self.parameters if name in (one.r4, one.r5)), None)

    def offered(self, release: str) -> list[Parameter]:
        """Return the parameters of a release."""
        return [one for one in self.parameters if one.called(release)]


def both(name: str, kind: str, *targets: str, is_personal: bool = False) -> Parameter:
    """Return a parameter that both releases call alike."""
    return Parameter(name, kind, name, name, targets, is_personal)


ID = both("_id", "token")
LAST_UPDATED = both("_lastUpdated", "date")
NUMBER = both("identifier", "token", is_personal=True)
PATIENT = both("patient", "reference", "Patient")
SUBJECT = both("subject", "reference", "Patient")


def meta_of(said: Json, number: str = "", changed: datetime | None = None) -> Json:
    """Return the version of what is made of several rows: whatever any of them says otherwise makes it another one."""
    digest = sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    version = {"versionId": f"{number}-{digest}" if number else digest}
    return version | ({"lastUpdated": changed.astimezone(UTC).isoformat()} if changed is not None else {})


def mark_of(is_test: bool) -> Json:
    """Return what marks a resource as a test's, for its meta. Source: FHIR R4 6.1.1 and R5 6.1.1, v3-ActReason."""
    return {"security": [_TEST]} if is_test else {}


def by_row(tx: ReadTx, kind: Search, resource_id: str, serving: Serving) -> int | None:
    """Return the row of a resource that may be shown, by the id that search knows it by."""
    found = kind.find(tx, Asked((Term("_id", (Token(resource_id),)),), count=1, total=Total.NONE), serving.search)
    return next(iter(found.keys), None)


def rows_of(search: Search) -> Callable[[ReadTx, str, Serving], int | None]:
    """Return how an id's row is found where the search's own `_id` says it."""
    return lambda tx, resource_id, serving: by_row(tx, search, resource_id, serving)

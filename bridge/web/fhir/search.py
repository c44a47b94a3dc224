"""What every FHIR resource is asked by and answered with: version, search parameters, pages. Source: FHIR R4 3.1."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from flask import Response, request
from werkzeug.exceptions import NotFound

from bridge.codecs.fhir import server
from bridge.errors import Malformed
from bridge.store import patients
from bridge.store.db import ReadTx
from bridge.store.listings import served
from bridge.web import addresses, paging
from bridge.web.access import services

Json = dict[str, Any]
CONTENT = "application/fhir+json"
_RESULT_PARAMETERS = frozenset({"_count", "_format", "cursor", "_summary", "_elements", "_include", "_sort", "_total"})
# What a link to the next page repeats: nothing that is a patient's own number.
_REPEATED = ("_id", "patient", "subject", "status", "_lastUpdated", "_count")
ROW = re.compile(r"[0-9]{1,18}")
SEARCH: Mapping[str, Mapping[str, str]] = {
    "ImagingStudy": {"_id": "token", "identifier": "token", "patient": "reference", "subject": "reference"},
    "DiagnosticReport": {
        "_id": "token",
        "_lastUpdated": "date",
        "identifier": "token",
        "patient": "reference",
        "patient.identifier": "token",
        "status": "token",
        "subject": "reference",
    },
    "Patient": {"_id": "token", "identifier": "token"},
    "Endpoint": {"_id": "token"},
    "Binary": {},
}


def version_of(release: str) -> str:
    """Return the version behind an address's release. Raises: NotFound, where it is not served."""
    version = release.upper()
    if version not in services().settings.fhir.serve:
        raise NotFound
    return version


def base(release: str) -> str:
    """Return the address that a release is served at."""
    return f"{addresses.base_url()}/fhir/{release}"


def parameters(resource_type: str) -> dict[str, str]:
    """Return the search parameters that are served; others are left out, or refused if the caller is strict."""
    known = SEARCH[resource_type]
    unknown = sorted(set(request.args) - set(known) - _RESULT_PARAMETERS)
    if unknown and "handling=strict" in request.headers.get("Prefer", ""):
        raise Malformed("this search parameter is not served", where=unknown[0][:40], source="FHIR R4 3.1.1.4.1")
    return {name: request.args[name] for name in known if request.args.get(name)}


def quiet_since() -> datetime:
    """Return since when nothing may have come for a study to count as complete."""
    here = services()
    return here.clock.now() - timedelta(seconds=here.settings.publish.study_quiet_secs)


def subjects(tx: ReadTx, reference: str) -> list[int]:
    """Return the records that references to patients mean, with those merged into them."""
    keys = []
    for one in reference.split(","):
        number = one.rpartition("/")[2]
        if ROW.fullmatch(number):
            try:
                live = patients.survivor(tx, int(number)).key
            except LookupError:
                continue
            keys += [live, *patients.merged_into(tx, live)]
    return keys


def patient_keys(tx: ReadTx, identifier: str) -> list[int]:
    """Return whose number *identifier* is, with or without the system that it is of."""
    system, bar, number = identifier.partition("|")
    wanted = issuers(system) if bar and system else None
    return served.patients_by_number(tx, number if bar else identifier, wanted)


def issuers(system: str) -> tuple[str, ...]:
    """Return the issuers that a FHIR system stands for."""
    identity = services().settings.identity
    names = [one.name for one in identity.authorities if identity.system_of(one.name) == system]
    own = system.removeprefix("urn:imaging-bridge:authority:")
    return (*names, own) if own != system else tuple(names)


def value(token: str) -> str:
    """Return a token's value without its system, a UID without its prefix."""
    return token.rpartition("|")[2].removeprefix("urn:oid:")


def count() -> int:
    """Return how many resources a page may have. Raises: Malformed."""
    text = request.args.get("_count", "50")
    if not text.isdecimal() or len(text) > 6:
        raise Malformed("a number is wanted", where="_count")
    return max(1, min(int(text), 500))


def key_of(resource_id: str) -> int:
    """Return the row that a resource's id names. Raises: LookupError."""
    if not ROW.fullmatch(resource_id):
        raise LookupError(resource_id)
    return int(resource_id)


def bundle(release: str, found: Iterable[Json], total: int, last: int | None, matches: Sequence[int] = ()) -> Response:
    """Return a searchset; its link to the next page repeats what was searched for, but no identifier: *matches* instead."""
    place = f"{base(release)}/{request.path.rpartition('/')[2]}"
    links = {"self": place}
    following = paging.next_url(
        last, matches, **{name: request.args[name] for name in request.args if name in _REPEATED}
    )
    if following:
        links["next"] = f"{addresses.base_url()}{following}"
    return answer(server.searchset(base(release), found, total, links))


def answer(resource: Json) -> Response:
    """Return a resource as an answer, with its version."""
    response = Response(orjson.dumps(resource), content_type=CONTENT)
    version = resource.get("meta", {}).get("versionId")
    if version:
        response.headers["ETag"] = f'W/"{version}"'
    return response

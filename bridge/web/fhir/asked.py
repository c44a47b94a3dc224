"""What a caller asks for: release, search parameters and what an answer shall look like. Source: FHIR R4 and R5, 3.1."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import orjson
from flask import current_app, request
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from werkzeug.exceptions import NotAcceptable, NotFound

from bridge.codecs.fhir import search_terms
from bridge.domain.resource_query import DEFAULT_COUNT, MOST_COUNT, Asked, Order, Term, Total
from bridge.errors import Malformed, Unsupported
from bridge.flows.keep_secret import cursor_secret
from bridge.leaving.studies import endpoint_ids, house_of
from bridge.store.db import ReadTx
from bridge.store.searches import conditions
from bridge.web import addresses
from bridge.web.access import caller, services
from bridge.web.fhir.kinds import Kind, Serving

CONTENT = "application/fhir+json"
_JSON = (
    "application/fhir+json",
    "application/json",
    "text/json",
    "json",
    "application/json+fhir",
    "*/*",
    "application/*",
)
_RESULT_PARAMETERS = frozenset(
    {"_count", "_format", "_pretty", "cursor", "_summary", "_elements", "_include", "_revinclude", "_sort", "_total"}
)
_MOST_PARAMETERS = 60
_MOST_TEXT = 12_000
_SUMMARIES = ("true", "text", "data", "count", "false")


@dataclass(frozen=True, slots=True)
class Shape:
    """How resources are shown. summary: "" for whole ones. elements: these alone, () for all."""

    summary: str = ""
    elements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """The parameters of a request, or of the one whose next page it asks for. after: where the page before ended."""

    said: tuple[tuple[str, str], ...]
    after: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Searching:
    """A search as it was asked. said: its parameters; personal: some of them are a person's. include, revinclude: as asked."""

    asked: Asked
    said: tuple[tuple[str, str], ...]
    personal: bool
    shape: Shape
    include: tuple[str, ...]
    revinclude: tuple[str, ...]
    left_out: tuple[str, ...]


def version_of(release: str) -> str:
    """Return the version behind an address's release. Raises: NotFound, where it is not served."""
    version = release.upper()
    if version not in services().settings.fhir.serve:
        raise NotFound
    return version


def negotiate() -> None:
    """Raises: NotAcceptable, if the caller takes no JSON. Source: FHIR R4 3.1.0.1.11."""
    wanted = request.args.get("_format", "").replace(" ", "+").partition(";")[0]
    if wanted:
        if wanted not in _JSON:
            raise NotAcceptable
        return
    accept = request.headers.get("Accept", "")
    kinds = [one.partition(";")[0].strip().lower() for one in accept.split(",") if one.strip()]
    # A browser that asks for a page is shown JSON all the same.
    if kinds and not any(one in _JSON or one == "text/html" for one in kinds):
        raise NotAcceptable


def is_strict() -> bool:
    """Say whether what is not known is to be refused rather than left out."""
    return "handling=strict" in request.headers.get("Prefer", "").replace(" ", "")


def is_lenient() -> bool:
    """Say whether what is not known may be left out where it would be refused otherwise."""
    return "handling=lenient" in request.headers.get("Prefer", "").replace(" ", "")


def base(release: str) -> str:
    """Return the address that a release is served at."""
    return f"{addresses.base_url()}/fhir/{release}"


def serving(tx: ReadTx, release: str) -> Serving:
    """Return what is the same for all resources of an answer. Raises: NotFound."""
    version_of(release)
    here = services()
    settings = here.settings
    only = caller().only_patient_key
    return Serving(
        release=release,
        base=base(release),
        public_url=addresses.base_url(),
        organization=settings.bridge.organization,
        house=house_of(settings),
        search=conditions.House(
            issuers=issuers,
            quiet_since=here.clock.now() - timedelta(seconds=settings.publish.study_quiet_secs),
            at=here.clock.now(),
            announces=settings.publish.announce,
            endpoints=endpoint_ids(settings),
            only_patients=None if only is None else tuple(conditions.same_people(tx, [only])),
            caller=caller().name,
            local=lambda at: at.astimezone(settings.time_zone),
        ),
    )


def issuers(system: str) -> tuple[str, ...]:
    """Return the issuers that a FHIR system stands for."""
    identity = services().settings.identity
    meant = [one for one in identity.authorities if identity.system_of(one.name) == system]
    names = [name for one in meant for name in (one.name, one.oid) if name]
    own = system.removeprefix("urn:imaging-bridge:authority:")
    return (*names, own) if own != system else tuple(names)


def searching(tx: ReadTx, kind: Kind, given: Given) -> Searching:
    """Return the search that the request asks, or the one whose next page it wants. Raises: Malformed."""
    said, after = given.said, given.after
    if len(said) > _MOST_PARAMETERS or sum(len(name) + len(value) for name, value in said) > _MOST_TEXT:
        raise Malformed("this search is too long", code="too_long")
    terms, left_out, personal = [], [], False
    for name, value in said:
        if name in _RESULT_PARAMETERS or not value:
            continue
        found = _term(tx, kind, name, value)
        if found is None:
            left_out.append(name)
            continue
        terms.append(found[0])
        personal = personal or found[1]
    if left_out and is_strict():
        raise Malformed("this search parameter is not served", where=left_out[0][:40], source="FHIR R4 3.1.1.4.1")
    results = {name: value for name, value in said if name in _RESULT_PARAMETERS}
    order = _sort(kind, results.get("_sort", ""))
    if order is None and results.get("_sort"):
        left_out.append("_sort")
    asked = Asked(tuple(terms), order, _count(results), after, _total(results))
    return Searching(
        asked,
        said,
        personal,
        shape(results.get("_summary", ""), results.get("_elements", "")),
        tuple(value for name, value in said if name == "_include"),
        tuple(value for name, value in said if name == "_revinclude"),
        tuple(left_out),
    )


def shape(summary: str, elements: str) -> Shape:
    """Return how resources are to be shown. Raises: Malformed."""
    if summary and summary not in _SUMMARIES:
        raise Malformed(f"one of {', '.join(_SUMMARIES)} is wanted", where="_summary")
    named = tuple(one.strip().rpartition(".")[2] for one in elements.split(",") if one.strip())
    return Shape("" if summary == "false" else summary, named[:100])


def cursor(searching: Searching, after: tuple[str, int] | None) -> str:
    """Return a search, and where its page ended, as nobody but us can read it."""
    held = {"q": searching.said, "a": after}
    return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, orjson.dumps(held), _key())


def given() -> Given:
    """Return what the request says. Raises: Malformed, Unsupported."""
    said = [*request.args.items(multi=True)]
    if request.method == "POST":
        if request.mimetype != "application/x-www-form-urlencoded":
            raise Unsupported("send application/x-www-form-urlencoded", where="Content-Type")
        said += request.form.items(multi=True)
    place = next((value for name, value in said if name == "cursor"), "")
    if any("\x00" in name + value for name, value in said):
        raise Malformed("a NUL is in no text")
    if not place:
        return Given(tuple(said), None)
    try:
        held = orjson.loads(jwe.decrypt_compact(place, _key(), algorithms=["dir", "A256GCM"]).plaintext or b"")
        after = held["a"]
        asked = tuple((str(name), str(value)) for name, value in held["q"])
        return Given(asked, (str(after[0]), int(after[1])) if after else None)
    except (JoseError, ValueError, KeyError, TypeError):
        raise Malformed("not a cursor of ours", where="cursor") from None


def _key() -> OctKey:
    held = current_app.extensions
    if "fhir_cursor" not in held:
        held["fhir_cursor"] = OctKey.import_key(cursor_secret(services().store))
    return cast(OctKey, held["fhir_cursor"])


def _term(tx: ReadTx, kind: Kind, name: str, value: str) -> tuple[Term, bool] | None:
    """Return a parameter as a term and whether its values are a person's, None for one that is not served."""
    if "." in name:
        return _chained(tx, kind, name, value)
    plain, colon, modifier = name.partition(":")
    known = kind.parameter(plain)
    if known is None:
        return None
    found = search_terms.term(
        known.name + colon + modifier, known.kind, value, services().settings.time_zone, known.targets
    )
    if found.name not in kind.search.terms:
        raise Malformed("this modifier is not served", where=name[:40], source="FHIR R4 3.1.1.4.3")
    translate = kind.translate.get(known.name)
    if translate is not None and found.is_missing is None:
        found = translate(tx, found)
    return found, known.is_personal or modifier == "identifier"


def _chained(tx: ReadTx, kind: Kind, name: str, value: str) -> tuple[Term, bool] | None:
    head, _, tail = name.partition(".")
    plain, _, modifier = head.partition(":")
    known = kind.parameter(plain)
    if known is None or known.kind != "reference" or tail not in ("identifier", "_id"):
        return None
    if modifier and modifier not in known.targets:
        raise Malformed("this chain is not served", where=name[:40], source="FHIR R4 3.1.1.4.5")
    if tail == "_id":
        return _term(tx, kind, plain, value)
    chained = f"{known.name}.identifier"
    if chained not in kind.search.terms:
        return None
    found = search_terms.term(chained, "token", value, services().settings.time_zone)
    return Term(chained, found.values), True


def _sort(kind: Kind, text: str) -> Order | None:
    name = text.split(",")[0].strip()
    known = kind.parameter(name.removeprefix("-"))
    if not name:
        return None
    if known is None or known.name not in kind.search.sorts:
        if is_strict():
            raise Malformed("answers are not sorted by that", where="_sort", source="FHIR R4 3.1.1.5.1")
        return None
    return Order(known.name, name.startswith("-"))


def _count(results: dict[str, str]) -> int:
    text = results.get("_count") or str(DEFAULT_COUNT)
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise Malformed("a number is wanted", where="_count")
    return 0 if results.get("_summary") == "count" else min(int(text), MOST_COUNT)


def _total(results: dict[str, str]) -> Total | None:
    text = results.get("_total", "")
    if results.get("_summary") == "count":
        return Total.ACCURATE
    if text and text not in list(Total):
        raise Malformed("none, estimate or accurate is wanted", where="_total")
    return Total(text) if text else None

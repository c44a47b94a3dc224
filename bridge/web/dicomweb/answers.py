"""What every DICOMweb answer shares: who looks, which form is wanted, versions, and bodies that begin before they end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flask import Response, request
from werkzeug.exceptions import NotFound

from bridge.codecs.dicom.frames import Pixels
from bridge.codecs.dicom.leaving_header import LeavingHeader
from bridge.codecs.dicomweb import multipart
from bridge.codecs.dicomweb.media_types import DICOM_JSON, DICOM_XML, Accepted, accepted
from bridge.codecs.dicomweb.multipart import Part
from bridge.errors import Conflict, Malformed, Unsupported
from bridge.flows.serve_objects import Looker, ObjectServer, version_of
from bridge.store import patients
from bridge.store.served_objects import Named, Served, Sight
from bridge.web.access import caller, origin, services
from bridge.web.addresses import base_url

_ROOT: Final = "/dicom-web"


def wanted() -> tuple[Accepted, ...]:
    """Return what the caller accepts, best first. Raises: Malformed."""
    return accepted(request.headers.get("Accept", ""), request.args.get("accept", ""))


def wants_xml() -> bool:
    """Say whether attributes are wanted as XML rather than JSON. Raises: Unsupported, if as neither. Source: PS3.18 8.7.3."""
    for one in wanted():
        if one.part in (DICOM_XML, "text/xml", "application/xml"):
            return True
        if one.takes(DICOM_JSON) or one.takes("application/json"):
            return one.is_multipart and not one.inner
    raise not_acceptable("attributes are written as application/dicom+json or as parts of application/dicom+xml")


def not_acceptable(sentence: str) -> Unsupported:
    """Return the fault of a representation that is not made here. Source: PS3.18 8.5."""
    return Unsupported(sentence, code="not_acceptable", where="Accept", source="PS3.18 8.7")


def sight() -> Sight:
    """Return what the caller may see: one patient's studies, or all; unbound ones with the role, or as a peer that may."""
    asking = caller()
    if asking.only_patient_key is not None:
        with services().store.read() as tx:
            return Sight(patient_keys=frozenset({patients.survivor(tx, asking.only_patient_key).key}))
    peers = services().settings.dicom.peers
    peer = next((one for one in peers if asking.ae_title and asking.ae_title in (one.ae_title, *one.aliases)), None)
    return Sight(unbound=asking.sees_unbound or (peer is not None and peer.sees_unbound))


def looker() -> Looker:
    """Return who looks."""
    return Looker(caller().name, origin(), sight())


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request names, once it may be seen. root: the address of DICOMweb. It outlives the request: bodies are streamed."""

    server: ObjectServer
    named: Named
    root: str

    @property
    def objects(self) -> tuple[Served, ...]:
        return self.named.objects

    @property
    def here(self) -> tuple[Served, ...]:
        """The objects that can be served; all of them where none can, so that each says why."""
        return tuple(one for one in self.objects if one.is_here) or self.objects

    def version(self, *representation: str) -> str:
        """Return the entity tag of a representation of it."""
        return version_of(self.named, self.root, *representation)

    def address_of(self, one: Served) -> str:
        """Return where an instance is found."""
        study, series = self.named.study.study_instance_uid, one.series_instance_uid
        return f"{self.root}/studies/{study}/series/{series}/instances/{one.instance.sop_instance_uid}"

    def at_hand(self, one: Served) -> AbstractContextManager[Path]:
        """Open an object as it leaves."""
        return self.server.at_hand(self.named, one)

    def pixels(self, one: Served) -> AbstractContextManager[Pixels]:
        """Open an object's pixels."""
        return self.server.pixels(self.named, one)

    def header(self, one: Served) -> LeavingHeader:
        """Return an object's header as it leaves."""
        return self.server.header(self.named, one)


def shown(uids: tuple[str, str, str], action: str) -> Shown:
    """Return what (study, series, instance) name, "" for all of it; audited as *action*. Raises: LookupError."""
    flow = services().objects
    if flow is None:
        raise NotFound
    return Shown(flow, flow.named(uids, looker(), action), f"{base_url()}{_ROOT}")


def is_known(version: str) -> bool:
    """Say whether the caller has this version already. Source: RFC 9110 13.1.2."""
    return request.if_none_match.contains_weak(version)


def unchanged(version: str) -> Response:
    """Return the answer to who has it already."""
    return versioned(Response(status=304), version)


def versioned(response: Response, version: str) -> Response:
    """Name the version of an answer, and what it depends on."""
    response.set_etag(version)
    response.vary.add("Accept")
    return response


def warned(response: Response, *warnings: str) -> Response:
    """Add Warnings. Source: PS3.18 8.4 (RFC 7234 5.5)."""
    for warning in warnings:
        response.headers.add("Warning", f"299 {base_url()}{_ROOT}: {warning}")
    return response


def whole(response: Response, shown: Shown) -> Response:
    """Say of an answer whether it leaves out what is damaged, or what an archive alone has. Source: PS3.18 10.4.3."""
    left_out = len(shown.objects) - len(shown.here)
    if not left_out:
        return response
    response.status_code = 206
    return warned(response, f"{left_out} instances are not here any more, or damaged")


def several(parts: Iterable[Part], media_type: str, version: str, status: int = 200) -> Response:
    """Return *parts* as multipart/related; what keeps the first from leaving is raised here."""
    # The same version has the same boundary, and so the same bytes.
    boundary = f"bridge-{version}"
    body = Begun(multipart.body(parts, boundary))
    return versioned(Response(body, status, content_type=multipart.content_type(boundary, media_type)), version)


def decompressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield *pieces*. Raises: Conflict, where the pixels cannot be decompressed: nothing else is sent in their place."""
    try:
        yield from pieces
    except (Malformed, Unsupported) as fault:
        sentence = f"the object is kept, but it cannot be decompressed: {fault.detail}"
        raise Conflict(sentence, code=f"cannot_leave_{fault.code}") from fault


class Begun:
    """A body whose first piece is there: what fails before it is an answer, what fails later ends the connection."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._first = next(pieces, b"")

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        yield from self._pieces

    def close(self) -> None:
        """Let go of what the rest would have been read from."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()

"""WADO-RS: objects as they leave, and their headers. Source: PS3.18 10.4.1.1.1, 10.4.1.1.2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson
from flask import Blueprint, Response

from bridge.codecs.dicom.elements import NATIVE
from bridge.codecs.dicom.explicit import explicit_pieces
from bridge.codecs.dicom.unpacked import UNPACKABLE, unpacked_pieces
from bridge.codecs.dicomweb import native_xml
from bridge.codecs.dicomweb.media_types import DICOM, DICOM_JSON, DICOM_XML, object_syntax
from bridge.codecs.dicomweb.metadata import metadata_of, path_text
from bridge.codecs.dicomweb.multipart import Part
from bridge.domain.accounts import Permission
from bridge.store.served_objects import Served
from bridge.web.access import needs
from bridge.web.dicomweb import answers
from bridge.web.dicomweb.answers import Shown

blueprint = Blueprint("dicomweb_objects", __name__, url_prefix="/dicom-web")

_CHUNK_BYTES: Final = 256 << 10


@blueprint.get("/studies/<study>")
@blueprint.get("/studies/<study>/series/<series>")
@blueprint.get("/studies/<study>/series/<series>/instances/<instance>")
@needs(Permission.READ_DICOMWEB)
def retrieve(study: str, series: str = "", instance: str = "") -> Response:
    """Return the objects themselves, with every correction, in a transfer syntax that is accepted."""
    wanted = answers.wanted()
    in_parts = [one for one in wanted if one.is_multipart or one.part == "*/*"]
    if not instance and not in_parts:
        raise answers.not_acceptable("a study and a series leave as parts: multipart/related; type=application/dicom")
    shown = answers.shown((study, series, instance), "dicomweb_retrieved")
    kept = ((one, one.instance.transfer_syntax_uid) for one in shown.here)
    takes = wanted if instance else in_parts
    chosen = [(one, object_syntax(takes, syntax, decodes=syntax in UNPACKABLE)) for one, syntax in kept]
    leaving = [(one, syntax) for one, syntax in chosen if syntax]
    if not leaving:
        raise answers.not_acceptable("no accepted transfer syntax can be made of what is kept")
    alone = not in_parts
    version = shown.version(DICOM, "alone" if alone else "", *(syntax for _, syntax in leaving))
    if answers.is_known(version):
        return answers.unchanged(version)
    if alone:
        one, syntax = leaving[0]
        body = answers.Begun(_pieces(shown, one, syntax))
        return answers.versioned(Response(body, content_type=f"{DICOM}; transfer-syntax={syntax}"), version)
    parts = (
        Part(f"{DICOM}; transfer-syntax={syntax}", _pieces(shown, one, syntax), shown.address_of(one))
        for one, syntax in leaving
    )
    left_out = len(chosen) - len(leaving)
    response = answers.several(parts, DICOM, version, 206 if left_out else 200)
    if left_out:
        answers.warned(response, f"{left_out} instances cannot be made in an accepted transfer syntax")
    return answers.whole(response, shown)


@blueprint.get("/studies/<study>/metadata")
@blueprint.get("/studies/<study>/series/<series>/metadata")
@blueprint.get("/studies/<study>/series/<series>/instances/<instance>/metadata")
@needs(Permission.READ_DICOMWEB)
def read_metadata(study: str, series: str = "", instance: str = "") -> Response:
    """Return headers as DICOM JSON or XML, corrected as they leave."""
    is_xml = answers.wants_xml()
    shown = answers.shown((study, series, instance), "dicomweb_metadata")
    version = shown.version(DICOM_XML if is_xml else DICOM_JSON)
    if answers.is_known(version):
        return answers.unchanged(version)
    if is_xml:
        parts = (Part(DICOM_XML, _as_xml(shown, one), shown.address_of(one)) for one in shown.here)
        return answers.whole(answers.several(parts, DICOM_XML, version), shown)
    response = Response(answers.Begun(_as_json(shown)), content_type=DICOM_JSON)
    return answers.whole(answers.versioned(response, version), shown)


def _pieces(shown: Shown, one: Served, syntax: str) -> Iterator[bytes]:
    with shown.at_hand(one) as path:
        if syntax != one.instance.transfer_syntax_uid:
            if one.instance.transfer_syntax_uid in NATIVE:
                yield from explicit_pieces(path)
            else:
                yield from answers.decompressed(unpacked_pieces(path, shown.server.unpack))
            return
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk


def _as_json(shown: Shown) -> Iterator[bytes]:
    for place, one in enumerate(shown.here):
        yield (b"," if place else b"[") + orjson.dumps(_header(shown, one))
    yield b"]"


def _as_xml(shown: Shown, one: Served) -> Iterator[bytes]:
    yield native_xml.to_xml(_header(shown, one))


def _header(shown: Shown, one: Served) -> dict[str, object]:
    address = shown.address_of(one)
    header = shown.header(one)
    return metadata_of(header, lambda path: f"{address}/bulkdata/{path_text(path)}")

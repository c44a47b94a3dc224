"""Ways to the images: WADO-RS for programs, the viewer for people. Source: FHIR R4 and R5 Endpoint, IHE RAD IMR, IHE IID."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bridge.codecs.fhir.elements import DCM, URI, without_empty
from bridge.domain.viewer_links import invoke_address

Json = dict[str, Any]

CONNECTION_TYPES = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
_STUDY: Json = {"coding": [{"system": DCM, "code": "113014", "display": "Study"}]}


class Connection(StrEnum):
    """What is spoken at an address. Source: code system endpoint-connection-type."""

    WADO_RS = "dicom-wado-rs"
    VIEWER = "ihe-iid"


_DISPLAYS = {Connection.WADO_RS: "DICOM WADO-RS", Connection.VIEWER: "IHE IID"}
_MEDIA_TYPES = {Connection.WADO_RS: ["application/dicom"], Connection.VIEWER: ["text/html"]}


@dataclass(frozen=True, slots=True)
class EndpointContent:
    """
    What both versions say.

    address: of WADO-RS its base URL, without "/studies", of a viewer without its query; neither ends with a slash, and
    neither holds a token or anything about a patient.
    """

    connection: Connection
    address: str
    name: str


# What our own server calls each way to the images.
IDS = {Connection.WADO_RS: "dicomweb", Connection.VIEWER: "viewer"}


def ways(public_url: str, *, has_viewer: bool) -> dict[Connection, str]:
    """Return the address of each way to the images. has_viewer: whether others reach our pages by *public_url*."""
    found = {Connection.WADO_RS: f"{public_url.rstrip('/')}/dicom-web"}
    return found | ({Connection.VIEWER: invoke_address(public_url)} if has_viewer else {})


def build(connection: Connection, address: str, name: str) -> EndpointContent:
    """Return the way to the images at *address*, which is brought to its plain form. Source: IHE RAD IMR, Endpoint."""
    plain = address.split("?")[0].rstrip("/")
    if connection == Connection.WADO_RS:
        plain = plain.removesuffix("/studies")
    return EndpointContent(connection, plain, name)


def r4(content: EndpointContent) -> Json:
    """Return *content* as an R4 Endpoint."""
    return _frame(content) | {
        "connectionType": _coding(content),
        "payloadType": [_STUDY],
        "payloadMimeType": _MEDIA_TYPES[content.connection],
    }


def r5(content: EndpointContent) -> Json:
    """Return *content* as an R5 Endpoint."""
    return _frame(content) | {
        "connectionType": [{"coding": [_coding(content)]}],
        "payload": [{"type": [_STUDY], "mimeType": _MEDIA_TYPES[content.connection]}],
    }


def _coding(content: EndpointContent) -> Json:
    return {"system": CONNECTION_TYPES, "code": content.connection.value, "display": _DISPLAYS[content.connection]}


def _frame(content: EndpointContent) -> Json:
    return without_empty(
        {
            "resourceType": "Endpoint",
            "identifier": [{"system": URI, "value": content.address}],
            "status": "active",
            "name": content.name,
            "address": content.address,
        }
    )

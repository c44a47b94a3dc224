"""Images that somebody marked, as an ImagingSelection of R5; R4 has no such resource. Source: FHIR R5 ImagingSelection."""

from __future__ import annotations

from typing import Any

from bridge.codecs.fhir.elements import concept, local_time, uid_identifier, unsigned, without_empty
from bridge.codecs.fhir.imaging_study import AVAILABLE, ENTERED_IN_ERROR, House, offset_of
from bridge.codecs.fhir.references import Links, order_reference, study_identifier
from bridge.domain.code import Code
from bridge.domain.key_images import KeySelection, SelectedImage
from bridge.domain.order import Order

Json = dict[str, Any]

# What the document is where it says no more. Source: PS3.16 CID 7010.
_OF_INTEREST = Code("113000", "DCM", "Of Interest")


def r5(said: KeySelection, study: str, order: Order | None, links: Links, house: House) -> Json:
    """
    Return what is said of marked images of a bound study; of those that are shown no more, only that it was an error.

    study: "ImagingStudy/5". The series is said where it is one: R5 has room for no more.
    """
    reference = {"reference": study, "type": "ImagingStudy", "identifier": study_identifier(said.study_instance_uid)}
    resource = {
        "resourceType": "ImagingSelection",
        "identifier": [uid_identifier(said.sop_instance_uid)],
        "status": AVAILABLE if said.stands else ENTERED_IN_ERROR,
        "subject": {"reference": links.subject},
        "issued": _issued(said, house),
        "basedOn": [one] if order is not None and (one := order_reference(order, links, house.system_of)) else [],
        "code": concept(said.title if said.title else _OF_INTEREST),
        "studyUid": said.study_instance_uid,
        "derivedFrom": [reference],
    }
    return without_empty(resource | (_selected(said.images, links) if said.stands else {}))


def _selected(images: tuple[SelectedImage, ...], links: Links) -> Json:
    of_series = {one.series_instance_uid for one in images}
    return {
        "endpoint": [{"reference": one} for one in links.endpoints],
        "seriesUid": next(iter(of_series)) if len(of_series) == 1 else "",
        "instance": [_instance(one) for one in images],
    }


def _instance(one: SelectedImage) -> Json:
    return without_empty(
        {
            "uid": one.sop_instance_uid,
            "number": unsigned(one.instance_number),
            "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{one.sop_class_uid}"},
            "subset": [str(frame) for frame in one.frames],
        }
    )


def _issued(said: KeySelection, house: House) -> str:
    """Return when the document was made as an instant, "" where it has no time of day. Source: PS3.3 C.17.2."""
    at = local_time(said.made_local, offset_of(said.timezone_offset_from_utc) or house.zone)
    return at if "T" in at else ""

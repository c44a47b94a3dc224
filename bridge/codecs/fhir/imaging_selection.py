"""Key images, as a Key Object Selection names them, as an ImagingSelection of R5; R4 has a DocumentReference instead.

Fed by Key Object Selections among the instances of a study: the document itself is read, as no row holds what it names.
Source: FHIR R5 ImagingSelection, PS3.3 A.35.4, PS3.16 CID 7010.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.codecs.fhir.elements import DCM, clean, coding_of, instant, uid_identifier, unsigned, without_empty
from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.references import Links, order_reference
from bridge.domain.key_images import KeyImage, KeyImages
from bridge.domain.order import Order

Json = dict[str, Any]

_OF_INTEREST = {"system": DCM, "code": "113000", "display": "Of Interest"}


@dataclass(frozen=True, slots=True)
class ImagingSelectionContent:
    """What is said of one document. images: of one study. study: a Reference to its ImagingStudy. issued: "" for none."""

    identifiers: tuple[Json, ...]
    subject: str
    based_on: Json | None
    issued: str
    code: Json
    title: str
    study_uid: str
    document_series_uid: str
    document_uid: str
    study: Json
    endpoints: tuple[str, ...]
    images: tuple[KeyImage, ...]


def build(
    said: KeyImages, study_reference: str, order: Order | None, links: Links, house: House
) -> ImagingSelectionContent:
    """Return what is said of the key images of a bound study. study_reference: "ImagingStudy/5"."""
    coding = coding_of(said.title)
    study = {"reference": study_reference, "type": "ImagingStudy"} if study_reference else {}
    return ImagingSelectionContent(
        identifiers=(uid_identifier(said.sop_instance_uid),),
        subject=links.subject,
        based_on=None if order is None else order_reference(order, links, house.system_of),
        issued=instant(said.made_at),
        code=coding if coding.get("system") == DCM else _OF_INTEREST,
        title=clean(said.description or said.title.code_meaning) or "Key images",
        study_uid=said.study_instance_uid,
        document_series_uid=said.series_instance_uid,
        document_uid=said.sop_instance_uid,
        study=study | {"identifier": uid_identifier(said.study_instance_uid)},
        endpoints=links.endpoints,
        images=said.images,
    )


def r5(content: ImagingSelectionContent) -> list[Json]:
    """Return one ImagingSelection for each series that the document names images of: R5 has one seriesUid in each."""
    groups: dict[str, list[KeyImage]] = {}
    for image in content.images:
        groups.setdefault(image.series_instance_uid, []).append(image)
    return [_selection(content, uid, images) for uid, images in groups.items()]


def _selection(content: ImagingSelectionContent, series_uid: str, images: list[KeyImage]) -> Json:
    return without_empty(
        {
            "resourceType": "ImagingSelection",
            "identifier": [
                *content.identifiers,
                {"system": _SERIES_OF, "value": f"{content.document_uid}/{series_uid}"},
            ],
            "status": "available",
            "subject": {"reference": content.subject},
            "issued": content.issued,
            "basedOn": [content.based_on] if content.based_on else [],
            "code": {"coding": [content.code], "text": content.title},
            "studyUid": content.study_uid,
            "derivedFrom": [content.study],
            "endpoint": [{"reference": one} for one in content.endpoints],
            "seriesUid": series_uid,
            "instance": [_instance(one) for one in images],
        }
    )


# What tells the selections of one document, one for each series, apart.
_SERIES_OF = "urn:imaging-bridge:key-images"


def _instance(image: KeyImage) -> Json:
    return without_empty(
        {
            "uid": image.sop_instance_uid,
            "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{image.sop_class_uid}"},
            "subset": [str(one) for one in image.frames if unsigned(one)],
        }
    )

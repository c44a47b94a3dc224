"""What the door offers: abstract syntaxes by service, transfer syntaxes by kind, rights by role. Source: PS3.4 B.5, C, F, K."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydicom._uid_dict import UID_dictionary
from pynetdicom.presentation import AllStoragePresentationContexts

from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from bridge.codecs.dicom.status import Service

VERIFICATION: Final = "1.2.840.10008.1.1"
MODALITY_WORKLIST_FIND: Final = "1.2.840.10008.5.1.4.31"
MODALITY_PERFORMED_PROCEDURE_STEP: Final = "1.2.840.10008.3.1.2.3.3"
MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE: Final = "1.2.840.10008.3.1.2.3.4"
STORAGE_COMMITMENT_PUSH_MODEL: Final = "1.2.840.10008.1.20.1"
INSTANCE_AVAILABILITY_NOTIFICATION: Final = "1.2.840.10008.5.1.4.33"
STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"

# The answers lie encoded in implicit VR, so that is what we take first where both are proposed.
TEXT_SYNTAXES: Final = (IMPLICIT_LITTLE, EXPLICIT_LITTLE)
# Of private_sop_classes: whatever class the standard does not have is kept as an object.
ANY_PRIVATE: Final = "any"
_STANDARD_ROOT = "1.2.840.10008."

_NOT_OBJECTS = frozenset({"1.2.840.10008.1.3.10", "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.2"})

RIGHTS: Final = {
    "modality": frozenset(
        {Service.WORKLIST, Service.PERFORMED_STEP, Service.STORAGE, Service.COMMITMENT}
        | {Service.FIND, Service.GET, Service.MOVE}
    ),
    "archive": frozenset(
        {Service.STORAGE, Service.COMMITMENT, Service.AVAILABILITY, Service.FIND, Service.GET, Service.MOVE}
    ),
    "viewer": frozenset({Service.FIND, Service.GET, Service.MOVE}),
    "referrer": frozenset({Service.STORAGE, Service.COMMITMENT}),
}


def _storage_classes() -> frozenset[str]:
    """Return the storage classes of the standard, the retired ones too: old devices still send them."""
    current = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}
    retired = {
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and "Storage" in name and uid not in _NOT_OBJECTS
    }
    return frozenset(current | retired)


STORAGE_CLASSES: Final = _storage_classes()


@dataclass(frozen=True, slots=True)
class Offered:
    """What is behind each abstract syntax. any_private: whatever is not the standard's is an object."""

    known: Mapping[str, Service]
    any_private: bool = False

    def get(self, abstract_syntax: str) -> Service | None:
        """Return the service behind *abstract_syntax*, None if we have none."""
        service = self.known.get(abstract_syntax)
        if service is None and self.any_private and not abstract_syntax.startswith(_STANDARD_ROOT):
            return Service.STORAGE
        return service


def offered_services(private_sop_classes: tuple[str, ...]) -> Offered:
    """Return the services we have. private_sop_classes: UIDs, or ANY_PRIVATE."""
    services = dict.fromkeys((*STORAGE_CLASSES, *private_sop_classes), Service.STORAGE)
    services.pop(ANY_PRIVATE, None)
    known = services | {
        VERIFICATION: Service.VERIFICATION,
        MODALITY_WORKLIST_FIND: Service.WORKLIST,
        MODALITY_PERFORMED_PROCEDURE_STEP: Service.PERFORMED_STEP,
        MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE: Service.PERFORMED_STEP,
        STORAGE_COMMITMENT_PUSH_MODEL: Service.COMMITMENT,
        INSTANCE_AVAILABILITY_NOTIFICATION: Service.AVAILABILITY,
        STUDY_ROOT_FIND: Service.FIND,
        STUDY_ROOT_GET: Service.GET,
        STUDY_ROOT_MOVE: Service.MOVE,
    }
    return Offered(known, ANY_PRIVATE in private_sop_classes)


def rights_of(roles: tuple[str, ...]) -> frozenset[Service]:
    """Return what a peer with *roles* may ask for; everybody may ask whether we are there."""
    return frozenset({Service.VERIFICATION}).union(*(RIGHTS.get(role, frozenset()) for role in roles))

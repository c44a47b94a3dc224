"""Who another registry's answer names, read as registration's own messages and resources are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from bridge.codecs.hl7.er7 import Message, Segment
from bridge.domain.outside import Found
from bridge.errors import BridgeError
from bridge.mapping.convert import Context
from bridge.mapping.dates import read_timestamp
from bridge.mapping.evaluate import Evaluator
from bridge.mapping.fhir_fields import FhirGround, Json, Resource
from bridge.mapping.fhir_patients import read_patient as read_fhir_patient
from bridge.mapping.patients import read_patient
from bridge.mapping.site import Defaults, SiteMapping

_LAST_UPDATE = 33


class SegmentReader:
    """Reads a PID by the base mapping. rules: that, as it is now; defaults: what the settings say where it is silent."""

    def __init__(self, rules: Callable[[], SiteMapping], defaults: Defaults, zone: tzinfo) -> None:
        self._rules = rules
        self._defaults = defaults
        self._zone = zone

    def read(self, message: Message, segment: Segment) -> Found:
        """Return whom *segment* names. Raises: Incomplete, without a number of a person; Malformed."""
        context = Context(message, self._rules(), self._defaults, self._zone, self._defaults.authority)
        draft = read_patient(Evaluator(context), {"PID": [segment]})
        return Found(draft.identifiers, draft, said_at=self._updated_at(segment))

    def _updated_at(self, segment: Segment) -> datetime | None:
        """Return when the other registry heard of it last (PID-33). Source: HL7 2.5.1 3.4.2.33."""
        try:
            read = read_timestamp(segment.value(_LAST_UPDATE), self._zone, "PID-33")
        except BridgeError:
            return None
        return read[0].at if read else None


def read_resource(patient: Json, ground: FhirGround) -> Found:
    """Return whom a Patient is. Raises: Incomplete, without an identifier; Malformed."""
    draft = read_fhir_patient(Resource(patient), ground)
    meta = patient.get("meta")
    said = meta.get("lastUpdated") if isinstance(meta, dict) else None
    return Found(draft.identifiers, draft, said_at=_instant(said))


def _instant(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None

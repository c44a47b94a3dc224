"""Finding on a FHIR server what a resource must point to: the patient, the order, the way to the images.

A patient is only ever found, never made from an image's header. Source: FHIR R4 Patient.link, Patient.active.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.codecs.fhir import endpoint
from bridge.codecs.fhir.endpoint import Connection
from bridge.codecs.fhir.imaging_study import same_content
from bridge.codecs.fhir.references import (
    SystemOf,
    derived_id,
    holds,
    order_identifiers,
    patient_identifier,
    same_target,
    token,
    visit_identifier,
)
from bridge.domain.identifiers import NOT_A_PERSONS_OWN
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.errors import Conflict, Unavailable, Unsupported
from bridge.publishers.fhir_client import FhirClient, Found
from bridge.publishers.put_once import put_once
from bridge.publishers.validation import UNSEEN, Validation
from bridge.store.lanes import PATIENT_UNKNOWN, VERSION_CONFLICT

Json = dict[str, Any]

_PATIENT_WAIT_SECS = 30.0
_MAX_LINKS = 5
_ENDPOINT_KEPT = timedelta(minutes=15)
PATIENT_TWICE = "patient_twice"
PATIENT_CIRCLE = "patient_circle"


@dataclass(frozen=True, slots=True)
class ImageAccess:
    """Where readers get the images. ways: the address of each. name: whose they are."""

    ways: Mapping[Connection, str]
    name: str


@dataclass(frozen=True, slots=True)
class Chart:
    """
    Whose a resource is, as one server has it. name: "Patient/7", or the number's system and value.

    subject: what a resource says of it: a reference, or the number alone where patients are not looked for.
    """

    name: str
    subject: Json

    def holds(self, found: Found) -> bool:
        """Say whether a resource that stands is in this chart."""
        said = found.resource.get("subject")
        if "reference" in self.subject:
            return same_target(said, self.name)
        return isinstance(said, dict) and holds(said, self.subject["identifier"])


class EhrDirectory:
    """
    One server's patients, orders and endpoints. Thread-safe.

    looks_up: patients are looked for, not only named. validation: how what it is given is looked at before.
    """

    def __init__(
        self,
        client: FhirClient,
        system_of: SystemOf,
        access: ImageAccess,
        *,
        looks_up: bool = True,
        validation: Validation = UNSEEN,
    ) -> None:
        self._client = client
        self._looks_up = looks_up
        self._system_of = system_of
        self._access = access
        self._validation = validation
        self._clock = client.clock
        # Two studies published in the same moment must not make two Endpoints.
        self._endpoint_turn = threading.Lock()
        self._endpoints: tuple[Found, ...] = ()
        self._endpoints_to_keep: tuple[Found, ...] = ()
        self._endpoints_until: datetime | None = None

    def chart(self, record: Patient) -> Chart:
        """Return the chart of *record*: that of its Patient, or of its first number where patients are only named."""
        if self._looks_up:
            reference = self.patient(record)
            return Chart(reference, {"reference": reference})
        identifier = patient_identifier(record.primary, self._system_of)
        return Chart(token(identifier), {"type": "Patient", "identifier": identifier})

    def patient(self, record: Patient) -> str:
        """
        Return the reference to *record*'s Patient: the one that all of its numbers lead to that lead anywhere, past merges.

        A number of an insurance or a state may be a relative's, and is not asked for.
        Raises: Unavailable, if the server does not know them yet; Conflict, if the numbers lead to several.
        """
        targets: set[str] = set()
        for number in record.identifiers:
            if number.identifier_type not in NOT_A_PERSONS_OWN:
                found = self._holders("Patient", patient_identifier(number, self._system_of))
                targets |= {live.reference for one in found if (live := live_patient(self._client, one)) is not None}
        if len(targets) > 1:
            raise Conflict("the server has several patients with the patient's numbers", code=PATIENT_TWICE)
        if targets:
            return targets.pop()
        raise Unavailable(
            "the server does not know the patient yet", code=PATIENT_UNKNOWN, retry_after_secs=_PATIENT_WAIT_SECS
        )

    def service_request(self, order: Order, chart: Chart) -> str:
        """
        Return the reference to *order*'s ServiceRequest, "" unless the server has exactly one in this chart.

        Without one the order is named by its number: an image in the right chart must not wait for it.
        """
        numbers = order_identifiers(order, self._system_of)
        if not numbers:
            return ""
        # A comma asks for any of them, so that an order costs one request however many numbers it has.
        found = self._client.search("ServiceRequest", {"identifier": ",".join(token(one) for one in numbers)})
        for number in numbers:
            fitting = {one.reference for one in found if holds(one.resource, number) and chart.holds(one)}
            if fitting:
                return fitting.pop() if len(fitting) == 1 else ""
        return ""

    def encounter(self, order: Order, chart: Chart) -> str:
        """Return the reference to the visit that *order* came under, "" unless the server has exactly one in this chart."""
        if not order.admission_id:
            return ""
        number = visit_identifier(order.admission_id, self._system_of)
        found = {one.reference for one in self._holders("Encounter", number) if chart.holds(one)}
        return found.pop() if len(found) == 1 else ""

    def endpoints(self) -> tuple[str, ...]:
        """
        Return the references to our Endpoints, made if they are not there, the one of programs first; () if the server
        keeps none.

        They are the same for every study, and looked for again after a while, or once they were forgotten.
        """
        with self._endpoint_turn:
            now = self._clock.now()
            if self._endpoints_until is None or now >= self._endpoints_until:
                found = [self._found_endpoint(way) for way in self._access.ways]
                self._endpoints = self._endpoints_to_keep = tuple(one for one in found if one is not None)
                self._endpoints_until = now + _ENDPOINT_KEPT
            return tuple(one.reference for one in self._endpoints)

    def mend_endpoints(self) -> tuple[str, ...]:
        """Look for our Endpoints anew and write what they say otherwise than we do; return those that were written."""
        written = []
        with self._endpoint_turn:
            self._endpoints_until = None
            for way in self._access.ways:
                found, ours = self._found_endpoint(way), self._endpoint(way)
                resource = {**found.resource, **ours} if found is not None else {}
                if found is not None and not same_content(resource, found.resource):
                    written.append(self._client.update(resource, found.version).reference)
        self.endpoints()
        return tuple(written)

    def take_endpoints(self) -> tuple[Found, ...]:
        """Return our Endpoints as they stood when they were looked for last; none, if that was asked since."""
        with self._endpoint_turn:
            found, self._endpoints_to_keep = self._endpoints_to_keep, ()
            return found

    @property
    def remembers_endpoints(self) -> bool:
        """Say whether the next `endpoints` is answered from memory, and so may be gone from the server."""
        return self._endpoints_until is not None and self._clock.now() < self._endpoints_until

    def forget_endpoints(self) -> None:
        """Look for our Endpoints anew the next time: the server has refused what points to them."""
        self._endpoints_until = None

    def _found_endpoint(self, way: Connection) -> Found | None:
        address, ours = self._access.ways[way], self._endpoint(way)
        identifier = ours["identifier"][0]
        standing = sorted(self._holders("Endpoint", identifier), key=lambda one: one.reference)
        if standing:
            return standing[0]
        try:
            ids = [derived_id(address, self._client.name)]
            checked = self._validation.checked(self._client.version, ours)
            return put_once(self._client, checked, identifier, ids).found
        except Unsupported:
            return None
        except Conflict as fault:
            if fault.code != VERSION_CONFLICT:
                raise
            raise Unavailable("the server's Endpoint is being changed", code=VERSION_CONFLICT) from None

    def _endpoint(self, way: Connection) -> Json:
        content = endpoint.build(way, self._access.ways[way], self._access.name)
        return endpoint.r5(content) if self._client.version == "R5" else endpoint.r4(content)

    def _holders(self, kind: str, identifier: Json) -> list[Found]:
        """Return the resources that really hold *identifier*: a server may ignore what it was asked for."""
        found = self._client.search(kind, {"identifier": token(identifier)})
        return list({one.reference: one for one in found if holds(one.resource, identifier)}.values())


def live_patient(client: FhirClient, found: Found) -> Found | None:
    """Return the live Patient at the end of *found*'s links, None if that way ends at an inactive one."""
    for _ in range(_MAX_LINKS):
        target = next((link["other"] for link in _links(found.resource) if link.get("type") == "replaced-by"), None)
        if target is None:
            return None if found.resource.get("active") is False else found
        said = str(target.get("reference", "") if isinstance(target, dict) else "")
        following = client.read(client.own_reference(said, "Patient"))
        if following is None:
            return None
        found = following
    raise Conflict("the server's patients replace each other in a circle", code=PATIENT_CIRCLE)


def _links(resource: Json) -> list[Json]:
    links = resource.get("link")
    return [one for one in links if isinstance(one, dict) and "other" in one] if isinstance(links, list) else []

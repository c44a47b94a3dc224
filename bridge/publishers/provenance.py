"""Where each version of a chart entry comes from, written beside it on servers that keep Provenance. Source: FHIR R4 Provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.codecs.fhir import provenance as codec
from bridge.codecs.fhir.provenance import Activity, ProvenanceContent, Source, Why
from bridge.codecs.fhir.references import derived_id
from bridge.domain.chart import Cause, ChartVersion
from bridge.errors import Conflict, Unavailable
from bridge.outbox import enqueue
from bridge.outbox.publisher import Nothing, Parcel, Receipt, StillWanted
from bridge.publishers.fhir_client import FhirClient, Found
from bridge.publishers.imaging_study import Ehr
from bridge.store import chart_sources, chart_versions
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VersionParcel(Parcel):
    """One version of an entry, and what is said of it."""

    content: ProvenanceContent


class ProvenancePublisher:
    """Writes one Provenance for each version that a server was given. organization: on whose behalf."""

    topic = enqueue.PROVENANCE

    def __init__(self, ehrs: Mapping[str, Ehr], organization: str) -> None:
        self._ehrs = dict(ehrs)
        self._organization = organization

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._ehrs)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> VersionParcel | Nothing:
        """Collect who made the version, and of what."""
        named = enqueue.version_in(delivery)
        version = chart_versions.get(tx, delivery.destination, *named) if named else None
        if version is None:
            return Nothing("it names no version")
        return VersionParcel(delivery, None, 0, self._content(tx, version))

    def send(self, parcel: VersionParcel, still_wanted: StillWanted) -> Receipt:
        """Write it under an id that follows from the version, or where there is none of that version yet."""
        try:
            return self._sent(parcel, still_wanted)
        except Conflict as fault:
            # Nobody else writes this one: whatever stood in its way passes.
            raise Unavailable(fault.detail, code=fault.code) from None

    def _sent(self, parcel: VersionParcel, still_wanted: StillWanted) -> Receipt:
        ehr = self._ehrs[parcel.delivery.destination]
        client = ehr.client
        made = codec.r5(parcel.content) if client.version == "R5" else codec.r4(parcel.content)
        ours = ehr.validation.checked(client.version, made)
        if client.offers.of("Provenance").takes_ids:
            still_wanted()
            written = client.update(ours | {"id": derived_id(client.name, parcel.content.target)}, "")
            return Receipt(f"{written.reference} tells where it comes from")
        standing = _of_version(client, parcel.content.target)
        if standing is not None:
            return Receipt(f"{standing.reference} tells where it comes from already")
        still_wanted()
        return Receipt(f"{client.create(ours).reference} tells where it comes from")

    def settled(self, tx: WriteTx, parcel: VersionParcel, receipt: Receipt, at: datetime) -> None:
        """The delivery's own row says it all."""

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """The delivery's own row says it all."""

    def _content(self, tx: ReadTx, version: ChartVersion) -> ProvenanceContent:
        is_first, by_hand = version.number == 1, version.why.cause == Cause.PERSON
        return ProvenanceContent(
            target=_target(version.reference, version.server_version),
            recorded_at=version.at,
            activity=Activity.CREATE if is_first else Activity.UPDATE,
            organization=self._organization,
            approved_by=(version.why.by,) if by_hand else (),
            sources=_sources(tx, version),
            why=Why.SAFETY if by_hand and not is_first else None,
            patient=version.subject,
        )


def _sources(tx: ReadTx, version: ChartVersion) -> tuple[Source, ...]:
    study, heard = chart_sources.study_uid(tx, version), chart_sources.message(tx, version)
    found = [Source("study", study)] if study else []
    found += [Source("performed step", uid) for uid in chart_sources.performed_uids(tx, version)]
    if heard is not None:
        found.append(Source("message", heard.control_id, heard.sending_application))
    return tuple(found)


def _target(reference: str, server_version: str) -> str:
    return f"{reference}/_history/{server_version}" if server_version else reference


def _of_version(client: FhirClient, target: str) -> Found | None:
    reference = target.split("/_history/")[0]
    return next((one for one in client.search("Provenance", {"target": reference}) if _names(one, target)), None)


def _names(found: Found, target: str) -> bool:
    said = found.resource.get("target")
    references = [one.get("reference") for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    return any(isinstance(one, str) and (one == target or one.endswith(f"/{target}")) for one in references)

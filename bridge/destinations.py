"""Builds what leaves the house: one publisher for each topic, with the clients and targets that the settings name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bridge.codecs.fhir.imaging_study import House as PublishingHouse
from bridge.outbox.publisher import Publisher
from bridge.publishers.archive_store import ArchiveStorePublisher
from bridge.publishers.claim_attachment import ClaimAttachmentPublisher
from bridge.publishers.ehr_directory import EhrDirectory, ImageAccess
from bridge.publishers.fhir_client import FhirClient
from bridge.publishers.imaging_study import Ehr, ImagingStudyPublisher
from bridge.settings import FhirServer
from bridge.targets import archive_target
from bridge.wiring import House


def publishers(house: House) -> list[Publisher[Any, Any]]:
    """Return the publishers of *house*; each knows its own destinations."""
    settings = house.settings
    ehrs = {server.name: _ehr(server, house) for server in settings.fhir.servers}
    chart = {s.name: ehrs[s.name] for s in settings.fhir.servers if "ImagingStudy" in s.publish}
    claims = {s.name: ehrs[s.name] for s in settings.fhir.servers if "Claim" in s.publish}
    archives = {
        peer.ae_title: archive_target(settings, peer) for peer in settings.dicom.peers if "archive" in peer.roles
    }
    publishing = PublishingHouse(settings.time_zone, settings.identity.system_of)
    return [
        ImagingStudyPublisher(chart, publishing, timedelta(seconds=settings.publish.study_quiet_secs)),
        ClaimAttachmentPublisher(claims),
        ArchiveStorePublisher(archives, settings.dicom.ae_title, house.blobs, house.clock),
    ]


def _ehr(server: FhirServer, house: House) -> Ehr:
    client = FhirClient(server, house.clock)
    access = ImageAccess(f"{house.public_url}/dicom-web", house.settings.bridge.organization)
    return Ehr(client, EhrDirectory(client, house.settings.identity.system_of, access))

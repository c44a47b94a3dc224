"""Builds what leaves the house: one publisher for each topic, with the clients and targets that the settings name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from bridge.building.asking import pas_way, request_ground
from bridge.building.clearing import x12_files, x12_way
from bridge.building.news import telling_publishers
from bridge.building.targets import (
    archive_target,
    asks_commitment,
    commits,
    fhir_client,
    mllp_target,
    payer_client,
    takes_decompressed,
)
from bridge.codecs.fhir import endpoint
from bridge.codecs.fhir.imaging_study import House as PublishingHouse
from bridge.codecs.hl7.written import Route
from bridge.domain.chart import ORDER, PARTS
from bridge.domain.day_hours import read_hours
from bridge.leaving.cdex_way import CdexWay
from bridge.leaving.packet_material import PacketGround
from bridge.leaving.payer_ways import PayerWay
from bridge.leaving.share_terms import ShareTerms
from bridge.leaving.studies import house_of
from bridge.outbox.claim import Lane
from bridge.outbox.enqueue import ARCHIVE, CDEX, IMAGING_STUDY, SUBSCRIBERS, SUBSCRIPTION
from bridge.outbox.publisher import Publisher
from bridge.publishers.archive_store import ArchiveStorePublisher, ArchiveStowPublisher
from bridge.publishers.availability import AvailabilityPublisher
from bridge.publishers.cdex import CdexPublisher
from bridge.publishers.chart_order import ChartOrderPublisher
from bridge.publishers.chart_part import ChartPartPublisher
from bridge.publishers.chart_way import ChartWayPublisher
from bridge.publishers.claim_attachment import ClaimAttachmentPublisher
from bridge.publishers.commitment_report import CommitmentReportPublisher
from bridge.publishers.commitment_request import CommitmentPublisher
from bridge.publishers.dicom_client import Timeouts
from bridge.publishers.ehr_directory import EhrDirectory, ImageAccess
from bridge.publishers.evidence_request import EvidenceRequestPublisher
from bridge.publishers.forwarding import Ways
from bridge.publishers.imaging_study import Ehr, ImagingStudyPublisher
from bridge.publishers.mllp_link import MllpLink
from bridge.publishers.order_owed import Answerable
from bridge.publishers.order_status import Destination, OrderStatusPublisher
from bridge.publishers.packet import PacketPublisher
from bridge.publishers.patient_notice import AdtDoor, PatientNoticePublisher
from bridge.publishers.payer_request import PayerRequestPublisher
from bridge.publishers.payer_sending import PayerDoor
from bridge.publishers.performed_step import PerformedStepPublisher
from bridge.publishers.provenance import ProvenancePublisher
from bridge.publishers.rejection_note import RejectionStorePublisher, RejectionStowPublisher
from bridge.publishers.served_announcement import ServedAnnouncementPublisher
from bridge.publishers.served_study import ServedStudyPublisher
from bridge.publishers.stow_client import StowClient
from bridge.publishers.study_announcement import StudyAnnouncementPublisher
from bridge.publishers.validation import Validation
from bridge.sections.fhir import FhirServer
from bridge.sections.hl7 import Hl7Destination
from bridge.sections.payer import MAX_PACKET_MB, packet_limits, share_days
from bridge.sections.remote import SendSection
from bridge.settings import Settings
from bridge.wiring import House

# One that answers slowly must not keep the others waiting.
_SUBSCRIBERS_AT_ONCE = 12


def publishers(house: House) -> list[Publisher[Any, Any]]:
    """Return the publishers of *house*; each knows its own destinations."""
    settings = house.settings
    ehrs = {server.name: _ehr(server, house) for server in settings.fhir.servers}
    chart = {s.name: ehrs[s.name] for s in settings.fhir.servers if "ImagingStudy" in s.publish}
    claims = {s.name: ehrs[s.name] for s in settings.fhir.servers if "Claim" in s.publish}
    asked = {one.ae_title: archive_target(settings, one) for one in settings.dicom.peers if commits(one)}
    must_commit = {one.ae_title for one in settings.dicom.peers if one.commitment}
    reported_to = {one.ae_title: archive_target(settings, one) for one in settings.dicom.peers if asks_commitment(one)}
    publishing = house_of(settings)
    quiet = timedelta(seconds=settings.publish.study_quiet_secs)
    notified = {one.ae_title: archive_target(settings, one) for one in settings.dicom.peers if one.notify}
    heard = {peer.ae_title: archive_target(settings, peer) for peer in settings.dicom.peers if peer.forward_mpps}
    told = {one.name: _told(one, settings) for one in settings.hl7.destinations}
    return [
        ImagingStudyPublisher(chart, publishing, quiet),
        ServedStudyPublisher(publishing, quiet, announces=settings.publish.announce),
        StudyAnnouncementPublisher(chart, publishing, quiet),
        ServedAnnouncementPublisher(publishing),
        ChartWayPublisher(chart),
        ClaimAttachmentPublisher(claims),
        *_beside_studies(house, ehrs, publishing),
        ProvenancePublisher(
            {name: ehr for name, ehr in ehrs.items() if ehr.keeps_provenance}, settings.bridge.organization
        ),
        *_study_senders(house, asked),
        CommitmentPublisher(asked, settings.dicom.ae_title, house.clock, must_commit),
        CommitmentReportPublisher(reported_to, settings.dicom.ae_title),
        AvailabilityPublisher(notified, settings.dicom.ae_title, quiet),
        OrderStatusPublisher(
            {one.name: told[one.name] for one in settings.hl7.destinations if one.tells_orders}, quiet
        ),
        PatientNoticePublisher({name: _adt_door(told[name]) for name, _ in settings.hl7.adt_doors}),
        PerformedStepPublisher(heard, settings.dicom.ae_title, house.rules),
        *telling_publishers(house),
        _packets(house),
        PayerRequestPublisher(payer_doors(house, "pas"), house.blobs, request_ground(house)),
        *_payers_by_cdex(house),
        x12_files(house),
    ]


def ways_to_payers(house: House) -> tuple[PayerWay, ...]:
    """Return every way that leads to a payer."""
    return (CdexWay(house.settings.payers), pas_way(house), x12_way(house))


def _payers_by_cdex(house: House) -> list[Publisher[Any, Any]]:
    doors = payer_doors(house, CDEX)
    return [CdexPublisher(doors, CdexWay(house.settings.payers), house.blobs), EvidenceRequestPublisher(doors)]


def payer_doors(house: House, kind: str) -> dict[str, PayerDoor]:
    """Return the FHIR endpoints of the payers that are reached by *kind*, by name."""
    reached = [one for one in house.settings.payers if kind in one.kind and one.base_url]
    return {one.name: PayerDoor(one, payer_client(one, house.clock)) for one in reached}


def _packets(house: House) -> PacketPublisher:
    settings = house.settings
    limits = packet_limits(settings.payers)

    def limit_of(payer_id: str, payer_name: str) -> int:
        return limits.get(payer_id, limits.get(payer_name, int(MAX_PACKET_MB * 1_000_000)))

    return PacketPublisher(house.blobs, house.pictures, packet_ground(house), limit_of)


def packet_ground(house: House) -> PacketGround:
    """Return what is the same for all packets of a house."""
    settings = house.settings
    return PacketGround(settings.bridge.organization, settings.time_zone, house.rules, share_terms(house))


def share_terms(house: House) -> ShareTerms:
    """Return which payers may get links to whole studies."""
    return ShareTerms(share_days(house.settings.payers), house.settings.http.public_url)


def _beside_studies(house: House, ehrs: Mapping[str, Ehr], publishing: PublishingHouse) -> list[Publisher[Any, Any]]:
    asked = {one.name: frozenset(one.publish) for one in house.settings.fhir.servers}
    parts = {name: ehrs[name] for name, kinds in asked.items() if kinds.intersection(PARTS) - {ORDER}}
    told = {name: ehrs[name] for name, kinds in asked.items() if ORDER in kinds}
    return [ChartPartPublisher(parts, publishing, _documents_at(house)), ChartOrderPublisher(told)]


def _documents_at(house: House) -> dict[str, str]:
    """Return where each release of FHIR finds our Binary: under its own address where that is served."""
    served = house.settings.fhir.serve
    address = {release: f"{house.public_url}/fhir/{release.lower()}/Binary" for release in ("R4", "R5")}
    other = address[served[0]] if served else address["R4"]
    return {release: address[release] if release in served else other for release in address}


def at_once(house: House) -> dict[Lane, int]:
    """Return how many studies may be on their way to each place at one time."""
    charts = {(IMAGING_STUDY, server.name): server.connections for server in house.settings.fhir.servers}
    archives = {(ARCHIVE, name): sends.associations for name, sends in _limits(house).items()}
    return charts | archives | {(SUBSCRIPTION, SUBSCRIBERS): _SUBSCRIBERS_AT_ONCE}


def _study_senders(house: House, committing: Collection[str]) -> list[Publisher[Any, Any]]:
    settings, limits = house.settings, _limits(house)
    ways = Ways(
        house.routes,
        timedelta(seconds=settings.publish.forward_quiet_secs),
        {name: read_hours(sends.between) for name, sends in limits.items() if sends.between},
        frozenset(name for name, sends in limits.items() if sends.corrected == "by_hand"),
    )
    pace = {name: sends.mb_per_second * 1e6 for name, sends in limits.items() if sends.mb_per_second}
    targets = {
        one.ae_title: archive_target(settings, one, house.decoders.unpack if takes_decompressed(one) else None)
        for one in settings.dicom.peers
        if one.ae_title in house.places.known
    }
    timeouts = {title: Timeouts(answer=limits[title].answer_secs) for title in targets}
    servers = {one.name: StowClient(one, house.clock) for one in settings.dicomweb.servers}
    ours = settings.dicom.ae_title
    return [
        ArchiveStorePublisher(targets, ours, house.blobs, ways, committing, bytes_per_second=pace, timeouts=timeouts),
        ArchiveStowPublisher(servers, house.blobs, ways, pace),
        RejectionStorePublisher(targets, ours, house.blobs, timeouts=timeouts),
        RejectionStowPublisher(servers, house.blobs),
    ]


def _limits(house: House) -> dict[str, SendSection]:
    peers = {one.ae_title: one.sends for one in house.settings.dicom.peers}
    return peers | {one.name: one.sends for one in house.settings.dicomweb.servers}


def _told(one: Hl7Destination, settings: Settings) -> Destination:
    route = Route(
        one.sending_application,
        one.sending_facility,
        one.receiving_application,
        one.receiving_facility,
        one.version,
        one.charset,
        settings.time_zone,
        settings.identity.oid_of,
    )
    how = Answerable(route, frozenset(one.messages), one.link, settings.http.public_url)
    return Destination(MllpLink(mllp_target(one)), how, one.max_attempts)


def _adt_door(told: Destination) -> AdtDoor:
    """Return the door behind a destination; what is told of orders there goes over the same connection."""
    return AdtDoor(told.link, told.answerable.route, told.max_attempts)


def _ehr(server: FhirServer, house: House) -> Ehr:
    client = fhir_client(server, house.clock)
    ways = endpoint.ways(house.public_url, has_viewer=bool(house.settings.http.public_url))
    access = ImageAccess(ways, house.settings.bridge.organization)
    looks_up = server.patients == "look_up"
    validation = Validation(house.settings.fhir.strict, house.settings.fhir.validated_share)
    system_of = house.settings.identity.system_of
    directory = EhrDirectory(client, system_of, access, looks_up=looks_up, validation=validation)
    return Ehr(client, directory, "Provenance" in server.publish, validation)

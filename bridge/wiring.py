"""The one place that builds and joins all rooms: settings in, roles out, to start and stop in one process or several."""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Protocol

from bridge import image_lines
from bridge.blob_store import open_blobs
from bridge.clock import Clock
from bridge.domain.chart import OWN
from bridge.domain.device_profile import UNASSIGNED_STATION
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import Misconfigured
from bridge.flows.announce import Destinations, NoticeDestination
from bridge.flows.answer_proposal import ProposalAnswers
from bridge.flows.answer_workitems import WorkitemSearch
from bridge.flows.answer_worklist import Answers, answer_worklist
from bridge.flows.apply_fhir import FhirApplier
from bridge.flows.apply_message import MessageApplier
from bridge.flows.change_step import StepChanger
from bridge.flows.complete_exam import ExamWatch, Patience
from bridge.flows.create_workitem import WorkitemCreator
from bridge.flows.device_desk import DeviceDesk
from bridge.flows.device_profiles import DeviceProfiles
from bridge.flows.device_queries import Device, DeviceQueries
from bridge.flows.enter_order import Entry
from bridge.flows.explain_worklist import Explainer
from bridge.flows.find_workitem import Ground as WorkitemGround
from bridge.flows.image_sources import ImageSources
from bridge.flows.import_orders import ListQueue, OrderLists
from bridge.flows.keep_pictures import is_here
from bridge.flows.link_exam import ExamLinks
from bridge.flows.live_routes import LiveRoutes, Places, places_of
from bridge.flows.message_queue import MessageQueue
from bridge.flows.perform_workitem import WorkitemPerformer
from bridge.flows.read_journal import JournalReader
from bridge.flows.receive_fhir import FhirReceiver
from bridge.flows.receive_instance import InstanceReceiver
from bridge.flows.receive_message import MessageReceiver
from bridge.flows.record_performed_step import PerformedStepRecorder
from bridge.flows.reload_mappings import LiveMappings, MappingWatch
from bridge.flows.replay_messages import ReplayQueue
from bridge.flows.route_studies import HandSender
from bridge.flows.search_studies import StudySearch
from bridge.flows.try_worklist import WorklistTrial
from bridge.mapping.device_presets import load_presets
from bridge.mapping.fhir_fields import FhirGround
from bridge.mapping.reconcile_rules import authorities_of_sites, load_rules
from bridge.mapping.resolve import MappingSet
from bridge.mapping.site import Defaults
from bridge.mapping.typed_orders import TypedGround
from bridge.pictures.gallery import Pictures
from bridge.pictures.pool import DecoderPool
from bridge.sections.dicom import Peer
from bridge.settings import Settings
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, Store

ROLES = ("hl7", "dicom", "web", "worker")


class Role(Protocol):
    """A running part of the product. addresses: what it listens on, by name; {} for none."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    @property
    def is_alive(self) -> bool: ...

    @property
    def addresses(self) -> Mapping[str, str]: ...


def make_role(name: str, house: House) -> Role:
    """Build the role called *name* over *house*, loading its module only now."""
    of_images = (house.images_lines[name],) if name in image_lines.PROCESSES else ()
    role: Role = importlib.import_module(f"bridge.roles.{'images' if of_images else name}").make(house, *of_images)
    return role


def shipped_mappings() -> Path:
    """Return the folder of the mappings that came with the program: beside the package in a checkout, inside it in a wheel."""
    inside = Path(__file__).parent / "_mappings"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "mappings"


@dataclass
class House:
    """Everything one process needs of the rooms, each built once, when first asked for."""

    settings: Settings
    clock: Clock
    is_demo: bool = False

    @cached_property
    def store(self) -> Store:
        return Store(self.settings.database_url)

    @cached_property
    def blobs(self) -> Blobs:
        return open_blobs(self.settings)

    @cached_property
    def live_mappings(self) -> LiveMappings:
        return LiveMappings(shipped_mappings(), self.settings.bridge.mappings)

    @cached_property
    def mapping_watch(self) -> MappingWatch:
        return MappingWatch(self.live_mappings)

    @property
    def mappings(self) -> MappingSet:
        """What messages are read by now; another set after a reload."""
        return self.live_mappings.current

    @cached_property
    def devices(self) -> DeviceProfiles:
        """What each peer is shown of the worklist. Raises: Misconfigured, with every fault of settings and presets."""
        presets = load_presets(shipped_mappings(), self.settings.bridge.mappings)
        settings = self.settings
        return DeviceProfiles(self.store, self.clock, settings.time_zone, settings.dicom.peers, presets)

    @cached_property
    def device_desk(self) -> DeviceDesk:
        titles = [one.ae_title for one in self.settings.dicom.peers if "modality" in one.roles]
        return DeviceDesk(self.store, self.clock, self.settings.time_zone, self.devices, titles)

    @cached_property
    def rules(self) -> ReconcileRules:
        return self.rules_of(None)

    def rules_of(self, candidate: Path | None) -> ReconcileRules:
        """Return the rules with the file *candidate* in place of the site's reconcile.toml. Raises: Misconfigured."""
        identity, folders = self.settings.identity, (shipped_mappings(), self.settings.bridge.mappings)
        return load_rules(
            *folders,
            authority=identity.authority,
            own_authorities=authorities_of_sites(self.mappings, folders[1]),
            authority_aliases={one.oid: one.name for one in identity.authorities if one.oid},
            zone=self.settings.time_zone,
            candidate=candidate,
        )

    @cached_property
    def destinations(self) -> Destinations:
        """Who gets what. Raises: Misconfigured, for an HL7 destination of a site that no mapping knows."""
        sites = {site.name for site in self.mappings.sites}
        named = [(one.name, site) for one in self.settings.hl7.destinations for site in one.sites]
        if unknown := [f"hl7.destinations: {name}: no site {site!r}" for name, site in named if site not in sites]:
            raise Misconfigured(unknown)
        return Destinations(
            studies=(
                *(one.name for one in self.settings.fhir.servers if "ImagingStudy" in one.publish),
                *((OWN,) if self.settings.fhir.serve else ()),
            ),
            claims=tuple(one.name for one in self.settings.fhir.servers if "Claim" in one.publish),
            archives=self.places.archives,
            notified=tuple(one.ae_title for one in self.settings.dicom.peers if one.notify),
            outside=self.settings.outside.names,
            routing=self.routes,
            notices=tuple(NoticeDestination(d.name, d.sites) for d in self.settings.hl7.destinations if d.tells_orders),
            adt_doors=self.settings.hl7.adt_doors,
            performed_steps=tuple(one.ae_title for one in self.settings.dicom.peers if one.forward_mpps),
            study_quiet=timedelta(seconds=self.settings.publish.study_quiet_secs),
            by_hand=self.settings.corrected_by_hand,
            announces=self.settings.publish.announce,
        )

    @cached_property
    def places(self) -> Places:
        """Where studies can be sent."""
        return places_of(self.settings)

    @cached_property
    def routes(self) -> LiveRoutes:
        """The routes in use. Raises: Misconfigured, with every fault of their file."""
        return LiveRoutes(shipped_mappings(), self.settings.bridge.mappings, self.places, self.settings.time_zone)

    @cached_property
    def hand_sender(self) -> HandSender:
        return HandSender(self.store, self.clock, self.routes)

    @cached_property
    def defaults(self) -> Defaults:
        identity = self.settings.identity
        return Defaults(
            identity.authority,
            self.settings.bridge.time_zone,
            {one.oid: one.name for one in identity.authorities if one.oid},
        )

    @property
    def typed_ground(self) -> TypedGround:
        """What orders without HL7 are read by: the base tables, and the procedures that any site knows."""
        tables = self.mappings.base.tables
        procedures: dict[str, str] = {}
        for site in (self.mappings.base, *self.mappings.sites):
            procedures |= {code: one for code, one in site.tables.get("procedure_modality", {}).items() if code != "*"}
        return TypedGround(
            self.settings.time_zone,
            self.settings.identity.authority,
            tables.get("modality", {}),
            procedures,
            {peer.ae_title: peer.modality for peer in self.settings.dicom.peers if "modality" in peer.roles},
            self.clock.now(),
        )

    @cached_property
    def applier(self) -> MessageApplier:
        return MessageApplier(self.clock, self.rules, self.destinations, self.stations_for, self.blobs)

    @cached_property
    def receiver(self) -> MessageReceiver:
        receiver = MessageReceiver(
            self.store, self.clock, self.mappings, self.defaults, self.applier, self.settings.hl7.senders
        )
        self.live_mappings.on_change.append(receiver.use)
        return receiver

    @cached_property
    def replays(self) -> ReplayQueue:
        return ReplayQueue(self.store, self.clock, self.journal_reader, self.live_mappings.look, owner=self.node)

    @cached_property
    def fhir_receiver(self) -> FhirReceiver:
        orders = FhirApplier(self.applier, lambda: self.fhir_ground)
        return FhirReceiver(self.store, self.clock, orders, self.applier)

    @cached_property
    def journal_reader(self) -> JournalReader:
        return JournalReader(self.receiver, self.fhir_receiver)

    @property
    def fhir_ground(self) -> FhirGround:
        """What FHIR orders are read by: what typed ones are, and what any site calls its devices."""
        typed = self.typed_ground
        names: dict[str, str] = {}
        for site in (self.mappings.base, *self.mappings.sites):
            names |= {name: title for name, title in site.tables.get("station", {}).items() if name != "*" and title}
        issuer_of = self.settings.identity.issuer_of
        return FhirGround(typed.zone, issuer_of, names, typed.stations, typed.procedures, typed.modalities)

    @cached_property
    def entry(self) -> Entry:
        return Entry(self.store, self.clock, self.rules, self.destinations, self.stations_for)

    @property
    def handed_in(self) -> OrderLists:
        """What people do with lists of orders."""
        return OrderLists(self.store, self.clock, self.entry, lambda: self.typed_ground)

    @cached_property
    def order_lists(self) -> ListQueue:
        return ListQueue(self.store, self.clock, self.entry, lambda: self.typed_ground, owner=self.node)

    @cached_property
    def message_queue(self) -> MessageQueue:
        return MessageQueue(self.receiver)

    @cached_property
    def instances(self) -> InstanceReceiver:
        return InstanceReceiver(self.store, self.blobs, self.clock, self.rules, self.destinations, self.image_sources)

    @cached_property
    def image_sources(self) -> ImageSources:
        return ImageSources(lambda: self.mappings, self.peer, self.settings.identity)

    @cached_property
    def performed_steps(self) -> PerformedStepRecorder:
        return PerformedStepRecorder(
            self.store,
            self.clock,
            self.rules,
            self.destinations,
            is_lenient=lambda title: (peer := self.peer(title)) is not None and peer.lenient_mpps,
            sees_others=lambda title: (peer := self.peer(title)) is not None and peer.unbound,
        )

    @cached_property
    def workitem_ground(self) -> WorkitemGround:
        return WorkitemGround(self.settings.time_zone, self.settings.bridge.organization or "Imaging Bridge")

    @cached_property
    def workitem_search(self) -> WorkitemSearch:
        return WorkitemSearch(self.store, self.clock, self.workitem_ground)

    @cached_property
    def workitem_performer(self) -> WorkitemPerformer:
        return WorkitemPerformer(self.store, self.clock, self.rules, self.destinations, self.workitem_ground)

    @cached_property
    def workitem_creator(self) -> WorkitemCreator:
        entry = Entry(self.store, self.clock, self.rules, self.destinations, self.stations_for)
        return WorkitemCreator(self.store, self.clock, entry, lambda: self.typed_ground, self.workitem_ground)

    @cached_property
    def exam_links(self) -> ExamLinks:
        return ExamLinks(self.store, self.clock, self.destinations)

    @cached_property
    def exam_proposals(self) -> ProposalAnswers:
        return ProposalAnswers(self.store, self.clock, self.destinations)

    @cached_property
    def exam_watch(self) -> ExamWatch:
        patience = Patience(
            timedelta(seconds=self.settings.publish.study_quiet_secs),
            timedelta(minutes=self.settings.dicom.mpps_idle_minutes),
            self.rules.checklist,
        )
        return ExamWatch(self.store, self.clock, self.destinations, patience, owner=self.node)

    @cached_property
    def search(self) -> StudySearch:
        return StudySearch(self.store, self.blobs, self.clock, self.settings.dicom.ae_title)

    @cached_property
    def decoders(self) -> DecoderPool:
        """Processes that decode pixels; none is started before one is asked for."""
        return DecoderPool()

    @cached_property
    def pictures(self) -> Pictures:
        """Pictures of received objects."""
        kept = self.settings.bridge.data / "pictures"
        return Pictures(self.blobs, self.decoders, kept, is_here=lambda blob: is_here(self.store, blob))

    @cached_property
    def node(self) -> str:
        """This process's name among all: host, process, and a part that no later process repeats."""
        return f"{socket.gethostname()}:{os.getpid()}:{self.clock.new_id()[:8]}"

    @property
    def public_url(self) -> str:
        """The address that others reach the web role by, without a slash at its end."""
        http = self.settings.http
        scheme = "https" if http.tls is not None else "http"
        return (http.public_url or f"{scheme}://{http.host}:{http.port}").rstrip("/")

    @property
    def images_lines(self) -> Mapping[str, Path]:
        """Where each process that carries images takes associations over from the role dicom."""
        return image_lines.lines_in(self.settings.bridge.data)

    def processes_of(self, roles: Sequence[str]) -> list[str]:
        """Return the processes that carry *roles*: the DICOM listener has two more, for what moves images."""
        return [*(self.images_lines if "dicom" in roles else ()), *roles]

    def peer(self, ae_title: str) -> Peer | None:
        """Return the configured peer that goes by that title."""
        peers = self.settings.dicom.peers
        return next((one for one in peers if ae_title == one.ae_title or ae_title in one.aliases), None)

    @cached_property
    def step_changer(self) -> StepChanger:
        return StepChanger(self.store, self.clock, self.destinations, self.settings.time_zone)

    @cached_property
    def device_queries(self) -> DeviceQueries:
        keep_days = self.settings.dicom.keep_queries_days
        return DeviceQueries(self.store, self.clock, self.settings.time_zone, self.device, keep_days)

    @cached_property
    def explainer(self) -> Explainer:
        return Explainer(self.store, self.device_queries)

    @cached_property
    def worklist_trial(self) -> WorklistTrial:
        return WorklistTrial(self.store, self.device_queries, self.explainer, self.answer_worklist)

    def answer_worklist(self, identifier: bytes, transfer_syntax_uid: str, calling_ae_title: str) -> Answers:
        """Return what a device is answered, whoever it is that asks for it: the device, or a person in its place."""
        return answer_worklist(self.store, identifier, transfer_syntax_uid, self.devices.asking(calling_ae_title))

    def device(self, tx: ReadTx, ae_title: str) -> Device:
        """Return what is known of the device that goes by that title, "" for devices in general."""
        peer, asking = self.peer(ae_title), self.devices.asking(ae_title)(tx)
        if peer is None:
            is_known = not ae_title or self.settings.dicom.callers == "any"
            return Device(ae_title, asking, is_known, may_ask=is_known)
        return Device(peer.ae_title, asking, may_ask="modality" in peer.roles)

    def stations_for(self, modality: str) -> tuple[str, ...]:
        """Return the devices that may do *modality* where an order names no station."""
        titles = [one.ae_title for one in self.settings.dicom.peers if "modality" in one.roles]
        devices = [self.devices.settled(title) for title in titles]
        fitting = [one.ae_title for one in devices if modality in one.modalities]
        anything = [one.ae_title for one in devices if not one.modalities]
        return tuple(fitting or anything) or (UNASSIGNED_STATION,)

"""The flows as the web room calls them, joined to one house."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.building.asking import evidence_requests, payer_desk, payer_ear
from bridge.building.casework import casework
from bridge.building.clearing import claim_files
from bridge.building.destinations import packet_ground, share_terms, ways_to_payers
from bridge.building.news import chart_takers
from bridge.building.next_rules import try_next
from bridge.building.shelf import shelf_desk
from bridge.domain.attachment import AttachmentKind, ClaimAttachment
from bridge.domain.device_profile import DeviceProfile
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.message import MessageFilter, MessageState
from bridge.errors import Conflict, Incomplete
from bridge.flows.attach_images import ImageAttacher
from bridge.flows.change_chart import ChartDesk
from bridge.flows.change_delivery import drop_delivery, retry_delivery
from bridge.flows.claim_texts import ClaimTexts
from bridge.flows.confirm_decision import Hands, SecondPersonDesk
from bridge.flows.correct_study import StudyCorrector
from bridge.flows.edit_message import MessageEditor
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.enter_order import Entered, Repeat, read_order
from bridge.flows.hear_changes import ChangeEar
from bridge.flows.import_authorizations import AuthorizationLists
from bridge.flows.import_media import MediaImporter
from bridge.flows.look_at_case import CaseDesk
from bridge.flows.look_at_parts import PartsDesk
from bridge.flows.offer_evidence import EvidenceDesk
from bridge.flows.preview_message import Ground, preview_messages
from bridge.flows.prove import Prover
from bridge.flows.read_again import StudyRereader
from bridge.flows.receive_batch import receive_whole
from bridge.flows.receive_message import Received
from bridge.flows.record_incident import OutsideTasks
from bridge.flows.reject_instances import RejectionDesk
from bridge.flows.release_attachment import PayerReleases
from bridge.flows.replay_message import replay_message
from bridge.flows.replay_messages import ask_replay, cancel_replay
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.flows.serve_objects import ObjectServer
from bridge.flows.share_study import ShareDesk
from bridge.flows.split_study import StudySplitter
from bridge.flows.store_parts import PartStorer
from bridge.flows.undo_merge import MergeUndoer
from bridge.mapping.typed_authorizations import Typing
from bridge.mapping.typed_orders import read_typed_order
from bridge.sections.payer import narratives
from bridge.store.case_proposals import CaseProposal
from bridge.web.services import BillingDesk, StudyDesks, WebFlows, WorkitemServices
from bridge.wiring import House

_ANSWER_SECS = 60


def web_flows(house: House) -> WebFlows:
    """Return every flow that a page or a REST call starts."""
    return _flows_of(house, _Calls(house))


def _flows_of(house: House, calls: _Calls) -> WebFlows:
    return WebFlows(
        receive_message=calls.receive_message,
        map_messages=calls.map_messages,
        site_names=calls.site_names,
        explain_worklist=house.explainer.explain,
        explain_order=house.explainer.explain_order,
        list_worklist=house.explainer.listed,
        kept_off=house.explainer.kept_off,
        usual_query=house.worklist_trial.usual,
        try_worklist=house.worklist_trial.run,
        read_queries=house.device_queries.read,
        replay_message=calls.replay_message,
        edit_message=calls.edit_message,
        ask_replay=calls.ask_replay,
        cancel_replay=calls.cancel_replay,
        mapping_faults=calls.mapping_faults,
        decide_study=calls.decide_study,
        studies=_study_desks(house),
        attach_images=calls.attach_images,
        billing=_billing_desk(house),
        enter_order=calls.enter_order,
        read_order=calls.read_order,
        change_order=calls.change_order,
        cancel_order=calls.cancel_order,
        step_changer=house.step_changer,
        devices=house.device_desk,
        shelf=shelf_desk(house),
        exam_links=house.exam_links,
        exam_proposals=house.exam_proposals,
        device_profiles=house.devices.every,
        order_lists=house.handed_in,
        import_media=media_importer(house).import_files,
        receive_fhir=house.fhir_receiver.receive,
        undo_merge=calls.undo_merge,
        hand_sender=house.hand_sender,
        retry_delivery=calls.retry_delivery,
        drop_delivery=calls.drop_delivery,
    )


def _billing_desk(house: House) -> BillingDesk:
    entry = AuthorizationEntry(house.store, house.clock, house.rules)
    releases = PayerReleases(house.store, house.clock, ways_to_payers(house))
    evidence = EvidenceDesk(house.rules, packet_ground(house))
    return BillingDesk(
        entry,
        authorization_lists(house),
        evidence,
        claim_files(house),
        payer_desk(house),
        releases,
        ShareDesk(house.store, house.clock, share_terms(house)),
        Prover(house.store),
        evidence_requests(house),
        payer_ear(house),
        ChangeEar(house.store, house.clock),
    )


def _study_desks(house: House) -> StudyDesks:
    return StudyDesks(
        StudyCorrector(house.store, house.blobs, house.clock, house.destinations),
        OutsideTasks(house.store, house.clock),
        CaseDesk(house.rules),
        casework(house),
        second_person_desk(house),
        lambda days: try_next(house, days),
        ChartDesk(house.store, house.clock, house.destinations, chart_takers(house)),
        PartsDesk(house.store, house.blobs, house.image_sources),
        ClaimTexts(house.store, house.clock, narratives(house.settings.payers)),
    )


def second_person_desk(house: House) -> SecondPersonDesk:
    """Return what carries out what people decide about studies, the second of two where the site asks for two."""
    parts = (house.store, house.clock, house.rules, house.destinations)
    splitter = StudySplitter(
        house.store, house.blobs, house.clock, house.rules, house.destinations, house.image_sources
    )
    hands = Hands(MismatchResolver(*parts), splitter, RejectionDesk(*parts))
    return SecondPersonDesk(house.store, house.clock, house.rules, hands)


def workitem_services(house: House) -> WorkitemServices:
    """Return what UPS-RS is answered from."""

    def device(ae_title: str) -> DeviceProfile | None:
        if house.peer(ae_title) is None:
            return None
        with house.store.read() as tx:
            return house.devices.of(tx, ae_title)

    return WorkitemServices(house.workitem_search, house.workitem_performer, house.workitem_creator, device)


def object_server(house: House) -> ObjectServer:
    """Return what DICOMweb opens objects with."""
    return ObjectServer(house.store, house.blobs, house.clock, house.decoders.unpack)


def part_storer(house: House) -> PartStorer:
    """Return what keeps the objects that STOW-RS brings."""
    max_bytes = house.settings.dicom.max_instance_mb << 20
    return PartStorer(house.instances, house.store, house.blobs, house.clock, max_bytes)


def authorization_lists(house: House) -> AuthorizationLists:
    """Return what takes in lists of authorizations."""
    settings = house.settings

    def typing() -> Typing:
        return Typing("", house.clock.now(), settings.time_zone, settings.identity.authority)

    return AuthorizationLists(house.store, house.clock, house.rules, typing)


def media_importer(house: House) -> MediaImporter:
    """Return what takes in discs, folders and ZIPs of other hospitals."""
    return MediaImporter(house.store, house.clock, part_storer(house), house.rules, house.destinations)


class _Calls:
    def __init__(self, house: House) -> None:
        self._house = house
        parts = (house.store, house.clock, house.rules, house.destinations)
        self._resolver = MismatchResolver(*parts)
        self._rereader = StudyRereader(
            house.store, house.blobs, house.clock, house.rules, house.destinations, house.image_sources
        )
        self._undoer = MergeUndoer(*parts)
        self._editor = MessageEditor(house.store, house.clock, house.receiver)
        self._entry = house.entry
        self._attacher = ImageAttacher(house.store, house.clock, house.destinations, narratives(house.settings.payers))

    def receive_message(self, raw: bytes, peer: str) -> bytes:
        return receive_whole(self._house.message_queue, self._house.clock, Received(raw, peer), _ANSWER_SECS)

    def map_messages(self, raw: bytes, site: str, *, is_text: bool) -> Sequence[Mapping[str, Any]]:
        house = self._house
        ground = Ground(house.mappings, house.defaults, house.stations_for, house.settings.identity.system_of)
        return preview_messages(raw, ground, site, is_text=is_text)

    def site_names(self) -> Mapping[str, str]:
        mappings = self._house.mappings
        sites = {site.name: site.about for site in mappings.sites}
        return sites | {f"sites/{preset.name}": preset.about for preset in mappings.presets}

    def replay_message(self, *, message_key: int, actor: str) -> MessageState:
        self._house.live_mappings.look()
        return MessageState(replay_message(self._house.store, self._house.journal_reader, message_key, actor))

    def edit_message(self, *, message_key: int, text: str, actor: str) -> int:
        self._house.live_mappings.look()
        return self._editor.send(message_key, text, actor)

    def ask_replay(self, *, wanted: MessageFilter, actor: str, dry_run: bool) -> int:
        if self.mapping_faults():
            raise Conflict("the mapping files have faults: mend them first", code="mapping_faults")
        return ask_replay(self._house.store, self._house.clock, wanted, actor, dry_run=dry_run)

    def cancel_replay(self, *, replay_key: int, actor: str) -> None:
        cancel_replay(self._house.store, self._house.clock, replay_key, actor)

    def mapping_faults(self) -> tuple[str, ...]:
        self._house.live_mappings.look()
        return self._house.live_mappings.faults

    def decide_study(
        self,
        *,
        study_instance_uid: str,
        action: str,
        accession_number: str | None,
        patient: tuple[str, str] | None,
        reason: str,
        actor: str,
        seen: int | None = None,
    ) -> CaseProposal | None:
        if action == "read_again":
            self._rereader.read_again(study_instance_uid, actor)
            return None
        whom = PatientIdentifier(*patient) if patient is not None else None
        ruling = Ruling(action, reason, actor, accession_number or "", whom, seen)
        return self._resolver.resolve(study_instance_uid, ruling)

    def attach_images(
        self,
        *,
        authorization_key: int,
        study_instance_uid: str,
        kinds: Sequence[str],
        instances: Sequence[str],
        payer: str,
        actor: str,
    ) -> list[ClaimAttachment]:
        try:
            chosen = [AttachmentKind(kind) for kind in kinds]
        except ValueError:
            known = ", ".join(AttachmentKind)
            raise Incomplete(f"kinds are {known}", code="not_in_table", where="as") from None
        return self._attacher.attach(authorization_key, study_instance_uid, chosen, instances, payer=payer, actor=actor)

    def enter_order(self, *, said: Mapping[str, Any], actor: str, repeat: Repeat | None = None) -> Entered:
        return self._entry.enter_order(read_typed_order(said, self._house.typed_ground), actor, repeat)

    def read_order(self, *, order_key: int, actor: str) -> Entered:
        return read_order(self._house.store, self._house.clock, order_key, actor)

    def change_order(self, *, order_key: int, said: Mapping[str, Any], actor: str, is_whole: bool) -> Entered:
        typed = read_typed_order(said, self._house.typed_ground, is_change=not is_whole)
        return self._entry.change_order(order_key, typed, actor)

    def cancel_order(self, *, order_key: int, reason: str, actor: str) -> Entered:
        return self._entry.cancel_order(order_key, reason, actor)

    def undo_merge(self, *, merge_key: int, reason: str, actor: str) -> str:
        return self._undoer.undo(merge_key, reason, actor)

    def retry_delivery(self, *, delivery_key: int, actor: str) -> None:
        retry_delivery(self._house.store, self._house.clock, delivery_key, actor)

    def drop_delivery(self, *, delivery_key: int, actor: str) -> None:
        drop_delivery(self._house.store, self._house.clock, delivery_key, actor)

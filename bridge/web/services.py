"""What the web room is handed by wiring: settings, store, clock, and the flows its views call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bridge.clock import Clock
from bridge.codecs.dicom.asked_keys import AskedKeys
from bridge.domain.attachment import ClaimAttachment
from bridge.domain.device_profile import DeviceProfile
from bridge.domain.message import MessageFilter, MessageState
from bridge.domain.oncology import OncologyRules
from bridge.domain.worklist_query import KeptQuery
from bridge.domain.worklist_reasons import Reason
from bridge.flows.answer_proposal import ProposalAnswers
from bridge.flows.answer_workitems import WorkitemSearch
from bridge.flows.ask_payer import PayerDesk
from bridge.flows.change_chart import ChartDesk
from bridge.flows.change_step import StepChanger
from bridge.flows.claim_texts import ClaimTexts
from bridge.flows.confirm_decision import SecondPersonDesk
from bridge.flows.correct_study import StudyCorrector
from bridge.flows.create_workitem import WorkitemCreator
from bridge.flows.device_desk import DeviceDesk
from bridge.flows.enter_authorization import AuthorizationEntry
from bridge.flows.enter_console import ConsoleDoor
from bridge.flows.enter_order import Entered, Repeat
from bridge.flows.explain_worklist import Explanation
from bridge.flows.export_resources import ExportDesk
from bridge.flows.give_access import AccessDesk
from bridge.flows.hear_changes import ChangeEar
from bridge.flows.hear_payer import PayerEar
from bridge.flows.import_authorizations import AuthorizationLists
from bridge.flows.import_claims import ClaimFiles
from bridge.flows.import_media import Imported, Importing
from bridge.flows.import_orders import OrderLists
from bridge.flows.link_exam import ExamLinks
from bridge.flows.look_at_case import CaseDesk
from bridge.flows.look_at_parts import PartsDesk
from bridge.flows.look_at_shelf import ShelfDesk
from bridge.flows.make_viewer_link import LinkDesk
from bridge.flows.media_files import MediaFile
from bridge.flows.offer_evidence import EvidenceDesk
from bridge.flows.open_view import Launches, ViewDesk
from bridge.flows.perform_workitem import WorkitemPerformer
from bridge.flows.prove import Prover
from bridge.flows.read_fhir import FhirRequest
from bridge.flows.receive_fhir import FhirAnswer
from bridge.flows.record_incident import OutsideTasks
from bridge.flows.release_attachment import PayerReleases
from bridge.flows.route_studies import HandSender
from bridge.flows.search_studies import StudySearch
from bridge.flows.serve_objects import ObjectServer
from bridge.flows.share_study import ShareDesk
from bridge.flows.store_parts import PartStorer
from bridge.flows.subscribe import SubscriptionDesk
from bridge.flows.take_evidence_request import EvidenceRequests
from bridge.flows.try_rules import Trial as RulesTrial
from bridge.flows.try_worklist import Trial, Wanted
from bridge.pictures.gallery import Pictures
from bridge.settings import Settings
from bridge.store.blobs import Blobs
from bridge.store.case_proposals import CaseProposal
from bridge.store.db import ReadTx, Store
from bridge.store.listings.worklists import WorklistRow
from bridge.web.casework import Casework


class ListWorklist(Protocol):
    """Return what a device gets when it asks for its own steps; every open entry for ""."""

    def __call__(self, title: str, *, limit: int, after: int = 0) -> list[WorklistRow]: ...


class DecideStudy(Protocol):
    """
    Bind, unbind, reject or reopen a study by a person; returns what waits for a second one. patient: (patient_id, issuer).

    seen: the decision they had before them; Conflict "decided_meanwhile" where it is no longer the last one.
    """

    def __call__(
        self,
        *,
        study_instance_uid: str,
        action: str,
        accession_number: str | None,
        patient: tuple[str, str] | None,
        reason: str,
        actor: str,
        seen: int | None = None,
    ) -> CaseProposal | None: ...


class AttachImages(Protocol):
    """Attach a study to an authorization in each of *kinds*."""

    def __call__(
        self,
        *,
        authorization_key: int,
        study_instance_uid: str,
        kinds: Sequence[str],
        instances: Sequence[str],
        payer: str,
        actor: str,
    ) -> list[ClaimAttachment]: ...


@dataclass(frozen=True)
class BillingDesk:
    """
    entry: authorizations that people write down, answer, link and assign. lists: those that come as files.

    evidence: what could be attached to which. claims: what payers say of claims. payers: asks those that take requests.
    releases: what is let go to payers. shares: who may look at whole studies. requests: what payers ask to see.
    prover: what came of it all. ear: where payers tell by themselves what they decided; changes: where
    servers say that something changed.
    """

    entry: AuthorizationEntry
    lists: AuthorizationLists
    evidence: EvidenceDesk
    claims: ClaimFiles
    payers: PayerDesk
    releases: PayerReleases
    shares: ShareDesk
    prover: Prover
    requests: EvidenceRequests
    ear: PayerEar
    changes: ChangeEar


class EnterOrder(Protocol):
    """Take an order without HL7. said: as `bridge.mapping.typed_orders` has it."""

    def __call__(self, *, said: Mapping[str, Any], actor: str, repeat: Repeat | None = None) -> Entered: ...


class ReadOrder(Protocol):
    """Return how an order stands; the look is audited."""

    def __call__(self, *, order_key: int, actor: str) -> Entered: ...


class ChangeOrder(Protocol):
    """Change an order by what is said of it. is_whole: everything that a new one needs must be said."""

    def __call__(self, *, order_key: int, said: Mapping[str, Any], actor: str, is_whole: bool) -> Entered: ...


class CancelOrder(Protocol):
    """Cancel an order that nobody has started."""

    def __call__(self, *, order_key: int, reason: str, actor: str) -> Entered: ...


class UndoMerge(Protocol):
    """Take a merge, move or changed number back; returns what could not go back, "" if all did."""

    def __call__(self, *, merge_key: int, reason: str, actor: str) -> str: ...


class ReplayMessage(Protocol):
    """Process a journalled message again; returns its new state."""

    def __call__(self, *, message_key: int, actor: str) -> MessageState: ...


class EditMessage(Protocol):
    """Send an edited message as a new one; returns its key."""

    def __call__(self, *, message_key: int, text: str, actor: str) -> int: ...


class AskReplay(Protocol):
    """Ask for every message that is wanted to be processed again, or for what would come of it; returns its key."""

    def __call__(self, *, wanted: MessageFilter, actor: str, dry_run: bool) -> int: ...


class CancelReplay(Protocol):
    """Stop a replay of many messages."""

    def __call__(self, *, replay_key: int, actor: str) -> None: ...


class ChangeDelivery(Protocol):
    """Send a delivery again, or give it up."""

    def __call__(self, *, delivery_key: int, actor: str) -> None: ...


class MapMessages(Protocol):
    """Say what messages would do."""

    def __call__(self, raw: bytes, site: str, *, is_text: bool) -> Sequence[Mapping[str, Any]]: ...


@dataclass(frozen=True)
class StudyDesks:
    """
    What a person does with a study besides saying whose it is.

    second_person: splits, rejections, and what two people decide.
    try_next_rules: what the site's changed reconcile.toml would decide of the last so many days, None where it has none.
    """

    corrector: StudyCorrector
    outside_tasks: OutsideTasks
    cases: CaseDesk
    casework: Casework
    second_person: SecondPersonDesk
    try_next_rules: Callable[[int], RulesTrial | None]
    chart_desk: ChartDesk
    parts: PartsDesk
    claim_texts: ClaimTexts


@dataclass(frozen=True)
class WebFlows:
    """
    What the product does, as callables.

    receive_message: raw bytes and peer in, the ACK's bytes out; it never raises for a bad message. map_messages: a
    dry run of bytes (or of a clipboard's text, in UTF-8) by its sender's site or the one named; returns, for each message,
    sections of plain values ("site", "worklist", "trace", "missing", "ignored" …) and stores nothing. site_names: every
    site, then every preset, with what is said about it. mapping_faults: looks at the mapping files, and
    says what is wrong with them as they are now. explain_worklist: a number and a device's title in, explain_order: an
    order's row and a title. kept_off: whose lists an order's open steps are kept off, "" for everybody's. usual_query: what a device asks, or asked in the row that is named, for try_worklist to ask it.
    read_queries: what each asks, None where it cannot be read.
    """

    receive_message: Callable[[bytes, str], bytes]
    map_messages: MapMessages
    site_names: Callable[[], Mapping[str, str]]
    explain_worklist: Callable[[str, str], Explanation]
    explain_order: Callable[[int, str], Explanation]
    list_worklist: ListWorklist
    kept_off: Callable[[int], Sequence[tuple[str, Reason]]]
    usual_query: Callable[[str, int | None], Wanted]
    try_worklist: Callable[[Wanted], Trial]
    read_queries: Callable[[Sequence[KeptQuery]], list[AskedKeys | None]]
    replay_message: ReplayMessage
    edit_message: EditMessage
    ask_replay: AskReplay
    cancel_replay: CancelReplay
    mapping_faults: Callable[[], tuple[str, ...]]
    decide_study: DecideStudy
    studies: StudyDesks
    attach_images: AttachImages
    billing: BillingDesk
    enter_order: EnterOrder
    read_order: ReadOrder
    change_order: ChangeOrder
    cancel_order: CancelOrder
    step_changer: StepChanger
    devices: DeviceDesk
    shelf: ShelfDesk
    exam_links: ExamLinks
    exam_proposals: ProposalAnswers
    device_profiles: Callable[[ReadTx], Mapping[str, DeviceProfile]]
    order_lists: OrderLists
    import_media: Callable[[Iterable[MediaFile], Importing], Imported]
    receive_fhir: Callable[[FhirRequest], FhirAnswer]
    undo_merge: UndoMerge
    hand_sender: HandSender
    retry_delivery: ChangeDelivery
    drop_delivery: ChangeDelivery


@dataclass(frozen=True)
class WorkitemServices:
    """UPS-RS: search, performer, creator, and what each device is shown, by title."""

    search: WorkitemSearch
    performer: WorkitemPerformer
    creator: WorkitemCreator
    device: Callable[[str], DeviceProfile | None]


@dataclass(frozen=True)
class PeerDesks:
    """What other systems ask of us beside reading: to be told, everything at once, and tokens for what they sign."""

    subscriptions: SubscriptionDesk
    exports: ExportDesk
    access: AccessDesk


@dataclass(frozen=True)
class ViewDesks:
    """How somebody who has no session here comes to look at one person's studies: launched by an EHR, or by a link."""

    views: ViewDesk
    launches: Launches
    console: ConsoleDoor
    links: LinkDesk


def _nothing_listens() -> Mapping[str, bool]:
    return {}


@dataclass(frozen=True)
class WebServices:
    """
    Everything views need. blobs, search, objects, parts, pictures, workitems: None where none of it is served. is_demo: pages say so.

    listeners: state by name ("hl7", "dicom") as far as this process knows it, for /readyz. version: the product's.
    oncology: which exams follow a tumour.
    """

    settings: Settings
    store: Store
    clock: Clock
    flows: WebFlows
    peers: PeerDesks
    viewing: ViewDesks
    blobs: Blobs | None = None
    search: StudySearch | None = None
    pictures: Pictures | None = None
    objects: ObjectServer | None = None
    parts: PartStorer | None = None
    workitems: WorkitemServices | None = None
    is_demo: bool = False
    version: str = ""
    oncology: OncologyRules = field(default_factory=OncologyRules)
    listeners: Callable[[], Mapping[str, bool]] = _nothing_listens

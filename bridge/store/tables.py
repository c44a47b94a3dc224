"""Every table. States are text with a CHECK; what may follow what stands in the domain.

Columns are named after DICOM keywords where they are DICOM elements; `<noun>_key` refers to that table's `key`.
A local date and time stays as sent ("YYYYMMDDHHMMSS") beside its instant. Instants are aware, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    column,
    func,
    text,
)
from sqlalchemy.types import TypeDecorator

from bridge.domain.adt_events import JOURNALLED, IdentityChange
from bridge.domain.appointment import AppointmentState
from bridge.domain.attachment import AttachmentKind, AttachmentState
from bridge.domain.authorization import AuthorizationStatus, Urgency
from bridge.domain.authorization_links import LinkRule
from bridge.domain.authorization_news import NewsKind
from bridge.domain.authorization_warnings import WarningKind
from bridge.domain.availability import Availability
from bridge.domain.bulk import BulkKind, BulkOutcome, BulkState
from bridge.domain.chart import Cause
from bridge.domain.chart_status import ChartStatus
from bridge.domain.claim_match import MatchRule
from bridge.domain.claim_outcome import OutcomeStatus, ReasonCategory
from bridge.domain.claim_story import FirstAnswer
from bridge.domain.clinical_note import NoteStatus, Relation
from bridge.domain.commitment import CommitmentState
from bridge.domain.evidence_needs import Need
from bridge.domain.evidence_request import AskState
from bridge.domain.incident import DisclosureKind
from bridge.domain.interchange import InterchangeState
from bridge.domain.lab_result import LabStatus
from bridge.domain.message import MessageState, ReplayState
from bridge.domain.order import StepStatus
from bridge.domain.order_list import ListState, RowOutcome
from bridge.domain.outside import AnswerState
from bridge.domain.overlay import VersionKind
from bridge.domain.packet import PacketFile
from bridge.domain.patient import VisitState
from bridge.domain.payer_file import PayerFileState
from bridge.domain.payer_request import RequestKind, RequestState
from bridge.domain.performed import ChangeCause, PerformedStatus
from bridge.domain.proof import Warned
from bridge.domain.questions import AnswerKind
from bridge.domain.rejection import RejectionState
from bridge.domain.report import ReportStatus
from bridge.domain.second_person import ProposalEnd
from bridge.domain.study import StudyState
from bridge.domain.submission import SubmissionState
from bridge.domain.subscription import SubscriptionState
from bridge.domain.telling import TellingState
from bridge.domain.workitem import WorkitemState
from bridge.domain.worklist_query import QueryOutcome

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Key = BigInteger().with_variant(Integer, "sqlite")


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime on both databases; SQLite would otherwise lose the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return _instant_to_text if dialect.name == "sqlite" else _instant

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        return _instant_from_text if dialect.name == "sqlite" else _instant


def _instant(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("an instant needs its zone")
    return value.astimezone(UTC)


def _instant_to_text(value: datetime | None) -> str | None:
    """Return "YYYY-MM-DD HH:MM:SS.ffffff", always as long, so that order as text is order in time."""
    instant = _instant(value)
    return None if instant is None else instant.isoformat(" ", "microseconds")[:26]


def _instant_from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


def _key() -> Column[int]:
    return Column("key", Key, primary_key=True, autoincrement=True)


def _to(table: str, *, column: str | None = None, nullable: bool = False, index: bool = True) -> Column[int]:
    return Column(column or f"{table}_key", Key, ForeignKey(f"{_PLURALS[table]}.key"), nullable=nullable, index=index)


def _text(name: str, **kwargs: Any) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="", **kwargs)


def _exact(name: str) -> Column[str]:
    """A text that is compared byte by byte, whatever the database's language."""
    return Column(name, Text().with_variant(Text(collation="C"), "postgresql"))


def _only(where: Any) -> dict[str, Any]:
    """What an index is told to hold some rows only."""
    return {"sqlite_where": where, "postgresql_where": where}


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _details(name: str = "details") -> Column[Any]:
    return Column(name, JSON, nullable=False, server_default=text("'{}'"))


def _count(name: str, start: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=str(start))


def _one_of(column: str, values: type[StrEnum] | Iterable[str], name: str = "state") -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=name)


def _named_patient() -> tuple[Column[Any], ...]:
    """Whom the sender of a fact named, and who that was when it came: what it is bound by is looked up when it is read."""
    return (
        _to("patient", nullable=True),
        _text("patient_id"),
        _text("issuer_of_patient_id"),
        Column("other_patient_ids", JSON, nullable=False, server_default=text("'[]'")),
        _text("patient_name"),
        _text("patient_birth_date"),
    )


_PLURALS = {
    "patient": "patients",
    "note": "clinical_notes",
    "order": "orders",
    "appointment": "appointments",
    "step": "steps",
    "performed_step": "performed_steps",
    "study": "studies",
    "announced_study": "announced_studies",
    "series": "series",
    "instance": "instances",
    "rejection": "rejections",
    "key_object": "key_objects",
    "incident": "incidents",
    "split": "splits",
    "message": "messages",
    "delivery": "deliveries",
    "authorization": "authorizations",
    "attachment": "attachments",
    "payer_request": "payer_requests",
    "packet": "packets",
    "payer_file": "payer_files",
    "claim_figure": "claim_figures",
    "submission": "payer_submissions",
    "evidence_request": "evidence_requests",
    "question": "questions",
    "user": "users",
    "token": "tokens",
    "client": "smart_clients",
    "viewer_link": "viewer_links",
    "merge": "merges",
    "decision": "decisions",
    "visit": "visits",
    "report": "reports",
    "version": "report_versions",
    "workitem": "workitems",
    "subscription": "subscriptions",
    "news": "news",
    "export": "exports",
}

# ── who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

patients = Table(
    "patients",
    metadata,
    _key(),
    _text("patient_name"),
    _text("patient_birth_date", index=True),
    _text("patient_sex"),
    Column("other_patient_names", JSON, nullable=False, server_default=text("'[]'")),
    _flag("multiple_birth"),
    _flag("provisional"),
    _flag("inactive"),
    _text("patient_address"),
    _text("patient_telephone"),
    # What is only handed on to devices; and what was measured or learned, each with its own time.
    _details(),
    _details("findings"),
    Column("as_of", Instant),
    # What the record said before an update made another person of it; null: nobody doubts it.
    Column("in_question", JSON(none_as_null=True)),
    _to("patient", column="merged_into", nullable=True),
    _count("version", 1),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    # The search box finds names by how they begin; text_pattern_ops makes that an index range whatever the collation.
    Index(
        "ix_patients_patient_name",
        func.lower(column("patient_name")).label("name_in_lower_case"),
        postgresql_ops={"name_in_lower_case": "text_pattern_ops"},
    ),
)

patient_identifiers = Table(
    "patient_identifiers",
    metadata,
    _key(),
    _to("patient"),
    Column("issuer_of_patient_id", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    _text("identifier_type"),
    _count("position"),
    # By the sender's clock: since when it is this patient's, because it was moved.
    Column("moved_at", Instant),
    UniqueConstraint("issuer_of_patient_id", "patient_id"),
    Index(None, "patient_id"),
)

# Other hospitals' numbers that were learned: by a person's binding of a foreign study, or from whom we asked. What
# registration says itself stands among the patient's own identifiers. ended_at: taken back; null while it stands.
cross_references = Table(
    "cross_references",
    metadata,
    _key(),
    _to("patient"),
    Column("issuer_of_patient_id", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    # "user:maria", or "outside:" and the name of whom we asked.
    Column("source", Text, nullable=False),
    _to("study", nullable=True),
    Column("learned_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index(None, "patient_id", "issuer_of_patient_id"),
)

# What a record was known by before: names and birth dates, those of records merged into it too.
patient_aliases = Table(
    "patient_aliases",
    metadata,
    _key(),
    _to("patient"),
    _text("patient_name"),
    _text("patient_birth_date"),
    Column("learned_at", Instant, nullable=False),
)

# The indexed look-ups of reconciliation: no scan ever finds a candidate.
patient_keys = Table(
    "patient_keys",
    metadata,
    _key(),
    _to("patient"),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    # Of a namesake with another birth date nothing is read: the index alone says so.
    _text("birth_dates"),
    Index(None, "kind", "value", "patient_key", "birth_dates"),
)

visits = Table(
    "visits",
    metadata,
    _key(),
    _to("patient"),
    _text("issuer_of_admission_id"),
    Column("admission_id", Text, nullable=False),
    _text("issuer_of_account_number"),
    _text("account_number"),
    # The patient's number that the visit came under.
    _text("issuer_of_patient_id"),
    _text("patient_id"),
    Column("state", Text, nullable=False, server_default=VisitState.OPEN.value),
    _text("patient_class"),
    _text("current_patient_location"),
    _text("referring_physician_name"),
    _text("admitted_local"),
    _text("discharged_local"),
    _details(),
    Column("as_of", Instant),
    # By the sender's clock: since when it is this patient's, or has this number, because it was moved.
    Column("moved_at", Instant),
    _to("visit", column="moved_into", nullable=True),
    UniqueConstraint("issuer_of_admission_id", "admission_id"),
    Index(None, "account_number"),
    _one_of("state", VisitState),
)

# The journal of merges, moves and changed numbers. moved: rows by table; replaced: values that were written over.
merges = Table(
    "merges",
    metadata,
    _key(),
    Column("kind", Text, nullable=False, server_default=IdentityChange.MERGE.value),
    _to("patient", column="survivor_key"),
    _to("patient", column="retired_key"),
    _text("number"),
    _text("issuer_of_number"),
    _text("new_number"),
    _text("issuer_of_new_number"),
    _to("message", nullable=True),
    Column("merged_at", Instant, nullable=False),
    Column("heard_at", Instant, nullable=False),
    Column("moved", JSON, nullable=False, server_default=text("'{}'")),
    Column("replaced", JSON, nullable=False, server_default=text("'[]'")),
    Column("undone_at", Instant),
    _text("undone_by"),
    _text("undo_reason"),
    _text("undo_note"),
    Index(None, "number"),
    _one_of("kind", JOURNALLED, "kind"),
)

# Two records that registration says are one person's; they stay two. The lower row's key is first.
patient_links = Table(
    "patient_links",
    metadata,
    _key(),
    _to("patient", column="first_patient_key"),
    _to("patient", column="second_patient_key"),
    _flag("linked"),
    Column("said_at", Instant, nullable=False),
    UniqueConstraint("first_patient_key", "second_patient_key"),
)

# ── what was ordered, what was performed ─────────────────────────────────────────────────────────────────────────────

orders = Table(
    "orders",
    metadata,
    _key(),
    _to("patient"),
    # The patient's number that the order came under: what is moved with that number, and comes back with it.
    _text("patient_id"),
    _text("issuer_of_patient_id"),
    _text("accession_number"),
    _text("issuer_of_accession_number"),
    _text("placer_order_number"),
    _text("issuer_of_placer_order_number"),
    _text("filler_order_number"),
    _text("issuer_of_filler_order_number"),
    _text("requested_procedure_id"),
    _text("study_instance_uid"),
    Column("status", Text, nullable=False),
    _text("requested_procedure_description"),
    _text("requested_procedure_code"),
    _text("requested_procedure_code_scheme"),
    _text("requested_procedure_code_meaning"),
    _text("requested_procedure_priority"),
    _text("reason_for_the_requested_procedure"),
    _text("requested_procedure_comments"),
    _text("requesting_physician"),
    _text("referring_physician_name"),
    _text("admission_id"),
    _text("issuer_of_admission_id"),
    _text("current_patient_location"),
    _text("institution_name"),
    _details(),
    _flag("is_import"),
    _flag("is_test"),
    Column("transaction_at", Instant),
    # The newest word on its state, by the sender's clock; what it is about has a time of its own (transaction_at).
    Column("status_at", Instant),
    _to("order", column="replaced_by", nullable=True),
    _to("order", column="parent_key", nullable=True),
    Column("ordered_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    _count("version", 1),
    _one_of("status", StepStatus, "status"),
    Index(None, "accession_number"),
    Index(None, "placer_order_number"),
    Index(None, "filler_order_number"),
    Index(None, "study_instance_uid"),
    Index(None, "requested_procedure_id"),
    Index(None, "ordered_at"),
    Index(None, "updated_at"),
)

steps = Table(
    "steps",
    metadata,
    _key(),
    _to("order"),
    Column("scheduled_procedure_step_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    _text("modality"),
    _text("scheduled_start_local"),
    Column("scheduled_start_at", Instant),
    _text("scheduled_procedure_step_description"),
    _text("scheduled_protocol_code"),
    _text("scheduled_protocol_code_scheme"),
    _text("scheduled_protocol_code_meaning"),
    _text("scheduled_performing_physician_name"),
    _text("scheduled_station_name"),
    _text("scheduled_procedure_step_location"),
    _text("requested_contrast_agent"),
    _text("pre_medication"),
    _details(),
    # The state before HELD, to which a release returns.
    _text("held_from"),
    # The appointment that says when and where, since when it does, and why no device is shown a step that waits for another.
    _to("appointment", nullable=True),
    Column("booked_at", Instant),
    _text("withheld"),
    # What people decided about it, oldest first; null: nobody did.
    Column("by_hand", JSON(none_as_null=True)),
    # The worklist answer as it was encoded in the transaction that wrote the step; null: a required value is missing.
    Column("encoded", LargeBinary),
    _text("incomplete"),
    # What that answer holds by keyword, for the keys that worklist_entries has no column for.
    Column("item_values", JSON, nullable=False, server_default=text("'{}'")),
    # How often it was put back on the list or begun anew; each of its runs is a workitem of its own.
    _count("workitem_run"),
    _count("version", 1),
    UniqueConstraint("order_key", "scheduled_procedure_step_id"),
    _one_of("status", StepStatus, "status"),
    Index("ix_steps_live", "status", "scheduled_start_local"),
    Index(None, "scheduled_procedure_step_id"),
)

# What a device may be shown, as its queries are matched: a row for each station of a step; null is unknown. Names are folded.
_FIRST_ROWS = text("position = 0")
# Shown until the day is over to a device whose profile says so.
ENDED = text("status IN ('COMPLETED', 'DISCONTINUED')")
worklist_entries = Table(
    "worklist_entries",
    metadata,
    Column("step_key", Key, ForeignKey("steps.key"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    _flag("is_confidential"),
    _exact("scheduled_start_local"),
    _exact("scheduled_station_ae_title"),
    _exact("modality"),
    _exact("accession_number"),
    _exact("patient_id"),
    _exact("issuer_of_patient_id"),
    _exact("patient_name_1"),
    _exact("patient_name_2"),
    _exact("patient_name_3"),
    _exact("study_instance_uid"),
    _exact("requested_procedure_id"),
    _exact("scheduled_procedure_step_id"),
    _exact("admission_id"),
    Index("ix_worklist_entries_start", "scheduled_start_local", "step_key", **_only(_FIRST_ROWS)),
    Index("ix_worklist_entries_ended", "scheduled_start_local", **_only(ENDED)),
    Index("ix_worklist_entries_modality", "modality", "scheduled_start_local", "step_key", **_only(_FIRST_ROWS)),
    Index("ix_worklist_entries_station", "scheduled_station_ae_title", "scheduled_start_local", "step_key"),
    Index(None, "accession_number"),
    Index(None, "patient_id"),
    Index(None, "patient_name_1"),
    *(Index(None, name, **_only(column(name).is_not(None))) for name in ("patient_name_2", "patient_name_3")),
    Index(None, "study_instance_uid"),
    Index(None, "requested_procedure_id"),
    Index(None, "scheduled_procedure_step_id"),
    Index(None, "admission_id", **_only(column("admission_id").is_not(None))),
    # Found by its key alone, in one look.
    sqlite_with_rowid=False,
)

# What an order is found by besides its numbers: who asked for it, who sent the patient, what is to be done and why.
# name: the search parameter; issuer: who gave the number, or the code's scheme, in capitals.
order_tokens = Table(
    "order_tokens",
    metadata,
    _key(),
    _to("order", index=False),
    Column("name", Text, nullable=False),
    _text("issuer"),
    Column("value", Text, nullable=False),
    UniqueConstraint("order_key", "name", "issuer", "value"),
    Index(None, "value", "name", "order_key"),
)

step_stations = Table(
    "step_stations",
    metadata,
    _key(),
    _to("step"),
    Column("scheduled_station_ae_title", Text, nullable=False),
    UniqueConstraint("step_key", "scheduled_station_ae_title"),
    Index(None, "scheduled_station_ae_title"),
)

appointments = Table(
    "appointments",
    metadata,
    _key(),
    _to("patient"),
    _to("order", nullable=True),
    _text("placer_appointment_id"),
    _text("issuer_of_placer_appointment_id"),
    _text("filler_appointment_id"),
    _text("issuer_of_filler_appointment_id"),
    Column("state", Text, nullable=False),
    # When and where, one for each service booked; starts_at: the first of them.
    Column("slots", JSON, nullable=False),
    Column("starts_at", Instant, index=True),
    Column("said_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False, index=True),
    _one_of("state", AppointmentState),
    Index(None, "filler_appointment_id"),
    Index(None, "placer_appointment_id"),
)

# What came before its order: an appointment, or an exam that a device performed. A new order looks here, once.
awaited_orders = Table(
    "awaited_orders",
    metadata,
    _key(),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    _text("issuer"),
    _text("scheduled_procedure_step_id"),
    _to("appointment", nullable=True),
    _to("performed_step", nullable=True),
    Index(None, "value"),
)

performed_steps = Table(
    "performed_steps",
    metadata,
    _key(),
    Column("sop_instance_uid", Text, nullable=False, unique=True),
    Column("status", Text, nullable=False),
    _text("study_instance_uid", index=True),
    _text("performed_procedure_step_id"),
    _text("performed_station_ae_title"),
    _text("modality"),
    _text("patient_id"),
    _text("issuer_of_patient_id"),
    _text("started_local"),
    _text("ended_local"),
    _text("discontinuation_code"),
    _text("discontinuation_meaning"),
    _text("calling_ae_title"),
    # What its device left out at its end, and the order's cancellation that its reason proposes to a person.
    _text("incomplete"),
    _text("proposal"),
    # When we gave up waiting for its end: its device may still say one.
    Column("timed_out_at", Instant),
    Column("referenced_instances", JSON, nullable=False, server_default=text("'[]'")),
    Column("attributes", JSON, nullable=False, server_default=text("'{}'")),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    _one_of("status", PerformedStatus, "status"),
    Index(None, "performed_station_ae_title", "updated_at"),
    Index(None, "updated_at"),
)

performed_step_links = Table(
    "performed_step_links",
    metadata,
    _key(),
    _to("performed_step"),
    _to("step"),
    # The device named no step: whose images they are was decided, and so whose exam it was.
    _flag("inferred"),
    UniqueConstraint("performed_step_key", "step_key"),
)

# What somebody said of a workitem (UPS) or claimed; a scheduled step that nobody touched so has no row.
workitems = Table(
    "workitems",
    metadata,
    _key(),
    Column("workitem_uid", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    _to("step", nullable=True),
    _count("run"),
    _to("patient", nullable=True),
    _text("transaction_uid"),
    _text("claimed_by"),
    _to("performed_step", nullable=True),
    Column("attributes", JSON, nullable=False, server_default=text("'{}'")),
    _text("created_by"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    _count("version", 1),
    UniqueConstraint("step_key", "run"),
    _one_of("state", WorkitemState),
    Index(None, "state", "key"),
)

# The studies that a task works on: it is shown only while every one of them is bound to its patient.
workitem_inputs = Table(
    "workitem_inputs",
    metadata,
    _key(),
    _to("workitem"),
    _to("study"),
    UniqueConstraint("workitem_key", "study_key"),
)

# Each N-CREATE and N-SET as received; without a performed step it was refused, and is kept for a while all the same.
performed_messages = Table(
    "performed_messages",
    metadata,
    _key(),
    _to("performed_step", nullable=True),
    Column("operation", Text, nullable=False),
    _text("sop_instance_uid"),
    _text("calling_ae_title"),
    Column("received_at", Instant, nullable=False),
    Column("transfer_syntax_uid", Text, nullable=False),
    Column("status", Integer, nullable=False),
    _text("comment"),
    Column("attributes", LargeBinary, nullable=False),
    _one_of("operation", ("create", "set"), "operation"),
)

# How far each receiver has heard of a performed step: the last message that it took.
performed_forwards = Table(
    "performed_forwards",
    metadata,
    _key(),
    _to("performed_step", index=False),
    Column("destination", Text, nullable=False),
    Column("sent_through", Key, nullable=False),
    Column("sent_at", Instant, nullable=False),
    UniqueConstraint("performed_step_key", "destination"),
)

# What became of a scheduled step here without its device's word: by its images, a rest, a person. Append-only.
step_changes = Table(
    "step_changes",
    metadata,
    _key(),
    _to("order"),
    _to("step", index=False),
    Column("was", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("cause", Text, nullable=False),
    _text("actor"),
    _text("reason"),
    Column("changed_at", Instant, nullable=False),
    _one_of("status", StepStatus, "status"),
    _one_of("cause", ChangeCause, "cause"),
)

# What is to be looked at, and when: a study whose images may have stopped, a performed step that was left open.
exam_checks = Table(
    "exam_checks",
    metadata,
    _key(),
    _to("study", nullable=True, index=False),
    _to("performed_step", nullable=True, index=False),
    Column("due_at", Instant, nullable=False, index=True),
    UniqueConstraint("study_key"),
    UniqueConstraint("performed_step_key"),
)

# ── what was received ────────────────────────────────────────────────────────────────────────────────────────────────

studies = Table(
    "studies",
    metadata,
    _key(),
    Column("study_instance_uid", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("received", JSON, nullable=False),
    Column("other_identities", JSON, nullable=False, server_default=text("'[]'")),
    _text("source_ae_title"),
    _flag("foreign"),
    _to("patient", nullable=True),
    _to("order", nullable=True),
    _text("rule"),
    _text("decided_by"),
    _text("sentence"),
    _count("binding_version"),
    _to("patient", column="held_from_patient_key", nullable=True, index=False),
    _to("order", column="held_from_order_key", nullable=True, index=False),
    _text("closed_reason"),
    # What the header says, for look-ups by a person and for re-deciding when a fact about it arrives.
    _text("received_patient_id", index=True),
    _text("received_issuer_of_patient_id"),
    _text("received_patient_name"),
    _text("received_patient_birth_date", index=True),
    _text("received_accession_number", index=True),
    _text("study_date", index=True),
    _text("study_time"),
    Column("first_instance_at", Instant, nullable=False),
    Column("last_instance_at", Instant, nullable=False, index=True),
    Column("completed_at", Instant),
    # How many instances it had when its exam was found ended; null while that goes on.
    Column("ended_with", Integer),
    _count("version", 1),
    # The version that its entry in study_entries was made of; another one is made before the next query.
    _count("entry_version"),
    _one_of("state", StudyState),
    Index(None, "state", "last_instance_at"),
    Index(None, "source_ae_title", "last_instance_at"),
    Index("ix_studies_unlisted", "key", **_only(text("entry_version <> version"))),
)

# Studies that a modality has begun for an order, as they are read here before an image of them is: each in one chart.
announced_studies = Table(
    "announced_studies",
    metadata,
    _key(),
    Column("study_instance_uid", Text, nullable=False, index=True),
    _to("patient"),
    _to("order"),
    # The study that goes on as it, once images of it are bound in this chart.
    _to("study", nullable=True),
    _text("modality"),
    _text("started_local"),
    Column("status", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Index("ix_announced_studies_apart", "key", **_only(text("study_key IS NULL"))),
    _one_of("status", ChartStatus, name="status"),
)


# Each chart that a study was in, one after the other: FHIR has a resource for each. changed_in: the study's version that ended it, or let it stand again.
study_placements = Table(
    "study_placements",
    metadata,
    _key(),
    _to("study", index=False),
    Column("number", Integer, nullable=False),
    _to("patient"),
    Column("stands", Boolean, nullable=False),
    _count("changed_in"),
    # What had been announced of it in this chart: they are one resource.
    _to("announced_study", nullable=True),
    UniqueConstraint("study_key", "number"),
)

# What queries match a study on: its identity as it leaves, names folded and by component group.
study_entries = Table(
    "study_entries",
    metadata,
    Column("study_key", Key, ForeignKey("studies.key"), primary_key=True, autoincrement=False),
    *(_exact(f"patient_name_{n}") for n in (1, 2, 3)),
    *(_exact(f"referring_physician_name_{n}") for n in (1, 2, 3)),
    _exact("patient_id"),
    _exact("issuer_of_patient_id"),
    _exact("patient_birth_date"),
    _exact("patient_sex"),
    _exact("accession_number"),
    _exact("issuer_of_accession_number"),
    _exact("study_id"),
    _exact("study_description"),
    # "YYYYMMDDHHMMSS[.F]", the date alone where no time is known: that is what ranges of both are compared with.
    _exact("study_started_local"),
    *(Index(None, f"patient_name_{n}") for n in (1, 2, 3)),
    Index(None, "patient_id"),
    Index(None, "accession_number"),
    Index(None, "study_started_local"),
)

# The indexed values of a study's header: a patient or order that comes later finds it by them.
study_keys = Table(
    "study_keys",
    metadata,
    _key(),
    _to("study"),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Index(None, "kind", "value"),
)

series = Table(
    "series",
    metadata,
    _key(),
    _to("study"),
    Column("series_instance_uid", Text, nullable=False, unique=True),
    _text("modality"),
    Column("series_number", BigInteger),
    _text("series_description"),
    _text("series_date"),
    _text("series_time"),
    _text("body_part_examined"),
    _text("laterality"),
    _text("station_name"),
    # What a chart is told of it: persons, codes, specimens.
    _details(),
    Index(None, "modality", "study_key"),
    Index(None, "body_part_examined", "study_key"),
)

instances = Table(
    "instances",
    metadata,
    _key(),
    _to("study"),
    _to("series"),
    Column("sop_instance_uid", Text, nullable=False, unique=True),
    Column("sop_class_uid", Text, nullable=False),
    Column("transfer_syntax_uid", Text, nullable=False),
    Column("blob", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("instance_number", BigInteger),
    # Content Label, else a document's title, else Image Type: what a chart calls it.
    _text("content_label"),
    _count("number_of_frames", 1),
    Column("received_at", Instant, nullable=False),
    _text("received_from"),
    # When its bytes were removed here, because every archive that had to has committed to keep it.
    Column("removed_at", Instant),
    # What a person should know of it, slugs apart by blanks.
    _text("warnings"),
    # Why it is no part of what its study shows: the code of a rejection note, or that it is one itself.
    _text("withheld"),
    # Image Laterality (0020,0062): of one image, where Laterality is of its series.
    _text("image_laterality"),
    Index(None, "blob"),
    Index("ix_instances_removed", "study_key", **_only(text("removed_at IS NOT NULL"))),
    Index("ix_instances_withheld", "study_key", **_only(text("withheld <> ''"))),
)

# What reading an object again found. verified_at: when it was last as received; damage: what is wrong with it since.
object_checks = Table(
    "object_checks",
    metadata,
    Column("blob", Text, primary_key=True),
    Column("verified_at", Instant),
    _text("damage"),
    Column("damaged_at", Instant),
    Index("ix_object_checks_damaged", "blob", **_only(text("damage <> ''"))),
)

# Each reading of all objects, in the order of their names. reached: the last name read; objects: how many it began with.
verifications = Table(
    "verifications",
    metadata,
    _key(),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    _text("reached"),
    _count("objects"),
    _count("read_objects"),
    Column("read_bytes", BigInteger, nullable=False, server_default=text("0")),
    _count("damaged"),
)

# Studies that a person wants kept here, whatever archives have committed to.
study_holds = Table(
    "study_holds",
    metadata,
    Column("study_key", Key, ForeignKey("studies.key"), primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("held_by", Text, nullable=False),
    Column("held_at", Instant, nullable=False),
)

# A SOP Instance UID that came again with other content, or under another study: kept, never shown as the study's.
conflicting_instances = Table(
    "conflicting_instances",
    metadata,
    _key(),
    Column("sop_instance_uid", Text, nullable=False, index=True),
    _text("study_instance_uid"),
    Column("blob", Text, nullable=False, index=True),
    Column("digest", Text, nullable=False),
    Column("received", JSON, nullable=False),
    _text("reason"),
    Column("received_at", Instant, nullable=False),
    _text("received_from"),
    UniqueConstraint("sop_instance_uid", "digest"),
)

decisions = Table(
    "decisions",
    metadata,
    _key(),
    _to("study"),
    Column("decided_at", Instant, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    _text("rule"),
    _text("sentence"),
    _to("patient", nullable=True, index=False),
    _to("order", nullable=True, index=False),
    Column("evidence", JSON, nullable=False, server_default=text("'[]'")),
    Column("differences", JSON, nullable=False, server_default=text("'[]'")),
    Column("candidates", JSON, nullable=False, server_default=text("'[]'")),
    Column("snapshot", JSON, nullable=False, server_default=text("'{}'")),
    _text("reason"),
    _to("decision", column="supersedes", nullable=True, index=False),
    _count("binding_version"),
    # Who confirmed what the actor had proposed; "" where one person was enough, or none.
    _text("confirmed_by"),
)

# Decisions that one person proposed and another is to confirm, where the site asks for two; append-only but for the end.
case_proposals = Table(
    "case_proposals",
    metadata,
    _key(),
    _to("study"),
    _to("decision", index=False),
    _count("binding_version"),
    Column("action", Text, nullable=False),
    _text("reason"),
    _to("patient", nullable=True, index=False),
    _to("order", nullable=True, index=False),
    _details("terms"),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_at", Instant, nullable=False),
    Column("settled_at", Instant),
    _text("settled_as"),
    _text("settled_by"),
    _text("settled_reason"),
    _one_of("settled_as", ("", *ProposalEnd), "settled_as"),
    Index("uq_case_proposals_open", "study_key", unique=True, **_only(text("settled_at IS NULL"))),
)

# What lies over a study's objects when they leave, and how it came to. Append-only: an undo is a version too.
overlay_versions = Table(
    "overlay_versions",
    metadata,
    _key(),
    _to("study", index=False),
    Column("number", Integer, nullable=False),
    _count("binding_version"),
    _count("since"),
    Column("kind", Text, nullable=False),
    Column("made_at", Instant, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    _text("why"),
    _to("patient", nullable=True, index=False),
    Column("layers", JSON, nullable=False, server_default=text("'[]'")),
    Column("changes", JSON, nullable=False, server_default=text("'[]'")),
    Column("undoes", Integer),
    UniqueConstraint("study_key", "number"),
    UniqueConstraint("study_key", "binding_version"),
    _one_of("kind", VersionKind, "kind"),
)

mismatches = Table(
    "mismatches",
    metadata,
    _key(),
    _to("study"),
    _text("rule"),
    _text("sentence"),
    # How urgent a decision is, as `CaseRisk` numbers it, and the device: what the queue is sorted and narrowed by.
    _count("risk", 4),
    _text("device"),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    _text("closed_by"),
    _text("outcome"),
    Index("uq_mismatches_open", "study_key", unique=True, **_only(text("closed_at IS NULL"))),
    Index("ix_mismatches_queue", "risk", "key", **_only(text("closed_at IS NULL"))),
    Index("ix_mismatches_closed", "closed_at", "key", **_only(text("closed_at IS NOT NULL"))),
    Index("ix_mismatches_taken_back", "opened_at", **_only(text("rule = 'person'"))),
)

# Who has which case open; a lease, never a lock.
presences = Table(
    "presences",
    metadata,
    _key(),
    _to("study", index=False),
    Column("actor", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    UniqueConstraint("study_key", "actor"),
    Index(None, "actor"),
)

# What other registries are asked about studies that nobody here is known for. digest: what the same question about
# another study has in common with it; nobody can read a person from it.
outside_questions = Table(
    "outside_questions",
    metadata,
    _key(),
    _to("study", index=False),
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_by", Text, nullable=False, server_default="system"),
    Column("created_at", Instant, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("asked_at", Instant),
    Column("settled_at", Instant),
    _count("attempts"),
    _text("sentence"),
    _text("digest"),
    _to("patient", nullable=True),
    _flag("is_fresh"),
    _one_of("state", AnswerState),
    UniqueConstraint("study_key", "source"),
    Index(None, "source", "state", "next_at"),
    Index(None, "digest", "source"),
)

# Lines of a study's import checklist at which somebody should look; seen_by: who did, since the line says so.
study_looks = Table(
    "study_looks",
    metadata,
    _key(),
    _to("study", index=False),
    Column("subject", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("found_at", Instant, nullable=False),
    _text("seen_by"),
    Column("seen_at", Instant),
    _text("remark"),
    UniqueConstraint("study_key", "subject"),
    Index("ix_study_looks_open", "key", **_only(text("seen_at IS NULL"))),
)

# What the intake desk asks whoever made the images. candidates: rows of patients, in the order they were shown in.
questions = Table(
    "questions",
    metadata,
    _key(),
    _to("study"),
    Column("wording", Text, nullable=False),
    _text("remark"),
    _text("rule"),
    Column("candidates", JSON, nullable=False, server_default=text("'[]'")),
    _text("ae_title"),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    # When it needs nobody any more: answered, taken back, or the case was decided without it.
    Column("settled_at", Instant),
    _text("settled_as"),
    Index("ix_questions_open", "ae_title", "key", **_only(text("settled_at IS NULL"))),
)

# What people said to a question, append-only: the newest answer counts.
question_answers = Table(
    "question_answers",
    metadata,
    _key(),
    _to("question"),
    Column("kind", Text, nullable=False),
    _to("patient", nullable=True, index=False),
    _text("remark"),
    Column("answered_by", Text, nullable=False),
    Column("answered_at", Instant, nullable=False),
    _one_of("kind", AnswerKind, "kind"),
)

# Rejection notes and MPPS codes that question a study's patient. Source: PS3.16 CID 7010, CID 9300.
signals = Table(
    "signals",
    metadata,
    _key(),
    Column("study_instance_uid", Text, nullable=False, index=True),
    Column("code", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    # When a person took back what it rests on; null while it stands.
    Column("taken_back_at", Instant),
    UniqueConstraint("study_instance_uid", "code", "source"),
)

# A rejection note in one of the studies that it speaks of. Source: IHE RAD TF-3 4.66.
rejections = Table(
    "rejections",
    metadata,
    _key(),
    _to("instance", column="note_key"),
    Column("sop_instance_uid", Text, nullable=False),
    Column("study_instance_uid", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    _text("received_from"),
    # Its sender speaks only for what it brought itself.
    _flag("own_only"),
    _text("decided_by"),
    Column("decided_at", Instant),
    _text("why"),
    UniqueConstraint("sop_instance_uid", "study_instance_uid"),
    _one_of("state", RejectionState),
)

# Which instances each names, whether or not they are here yet.
rejected_instances = Table(
    "rejected_instances",
    metadata,
    _key(),
    _to("rejection"),
    Column("sop_instance_uid", Text, nullable=False, index=True),
    # When it came again although its retention had ended.
    Column("restored_at", Instant),
)

# A Key Object Selection that marks images, as it was received. Source: PS3.3 A.35.4.
key_objects = Table(
    "key_objects",
    metadata,
    _key(),
    _to("study"),
    _to("instance"),
    _text("title_code_value"),
    _text("title_coding_scheme_designator"),
    _text("title_code_meaning"),
    # As its maker's clock said, "YYYYMMDDHHMMSS" or less.
    _text("made_local"),
    _text("timezone_offset_from_utc"),
)

# Which instances each marks, whether or not they are here yet, in its order. frames: from 1; empty: all of it.
key_images = Table(
    "key_images",
    metadata,
    _key(),
    _to("key_object"),
    Column("sop_instance_uid", Text, nullable=False),
    Column("frames", JSON, nullable=False, server_default=text("'[]'")),
)

# What a person split off a study into one of its own, and joined again. number: which split of its study.
# last_instance_key: the newest that the study had when it was parted; what came since, nobody has looked at.
splits = Table(
    "splits",
    metadata,
    _key(),
    _to("study"),
    _to("study", column="new_study_key"),
    _count("number", 1),
    Column("last_instance_key", BigInteger, nullable=False),
    Column("split_at", Instant, nullable=False),
    Column("split_by", Text, nullable=False),
    _text("reason"),
    Column("joined_at", Instant),
    _text("joined_by"),
    _text("join_reason"),
)

# Each instance that was split off, and the copy that stands for it.
split_instances = Table(
    "split_instances",
    metadata,
    _key(),
    _to("split"),
    _to("instance", index=False),
    _to("instance", column="new_instance_key", index=False),
)

# What had left under a patient whose a study was not; both append-only. Source: 45 CFR 164.528.
incidents = Table(
    "incidents",
    metadata,
    _key(),
    _to("study"),
    _to("decision", nullable=True, index=False),
    Column("found_at", Instant, nullable=False),
    Column("found_by", Text, nullable=False),
    _to("patient", column="wrong_patient_key"),
    _to("patient", column="right_patient_key", nullable=True, index=False),
)

disclosures = Table(
    "disclosures",
    metadata,
    _key(),
    _to("incident"),
    Column("kind", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    _text("what"),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    _count("count", 1),
    _one_of("kind", DisclosureKind, "kind"),
)

# What a person must do at another system, as no message does it.
outside_tasks = Table(
    "outside_tasks",
    metadata,
    _key(),
    _to("study"),
    Column("destination", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("done_at", Instant),
    _text("done_by"),
    _text("why"),
)

# ── what was said, what happened ─────────────────────────────────────────────────────────────────────────────────────

# The long columns stand last: whoever reads a state or a type need not pass over ten megabytes of report.
messages = Table(
    "messages",
    metadata,
    _key(),
    Column("received_at", Instant, nullable=False, index=True),
    _text("peer"),
    _text("sending_application"),
    _text("sending_facility"),
    _text("control_id", index=True),
    _text("message_type"),
    Column("message_at", Instant),
    _text("processing_id"),
    _text("site"),
    _text("charset"),
    Column("digest", Text, nullable=False),
    Column("state", Text, nullable=False),
    _text("answer_code"),
    _text("error_code"),
    _text("error_where"),
    _text("error_detail"),
    _flag("is_test"),
    _flag("stranger"),
    _count("times_received", 1),
    Column("last_received_at", Instant, nullable=False),
    # The message that a person edited to make this one.
    _to("message", column="edited_from", nullable=True, index=False),
    Column("answer", LargeBinary, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("trace", JSON, nullable=False, server_default=text("'[]'")),
    Column("notices", JSON, nullable=False, server_default=text("'[]'")),
    UniqueConstraint("sending_application", "sending_facility", "control_id", "digest"),
    _one_of("state", MessageState),
    # What the desk filters by: few different values, so that a search jumps from one to the next and pages by the key.
    Index("ix_messages_facets", "state", "site", "message_type", "error_code", "is_test", "key"),
    Index(
        "ix_messages_edited_from",
        "edited_from",
        sqlite_where=text("edited_from IS NOT NULL"),
        postgresql_where=text("edited_from IS NOT NULL"),
    ),
)

# The numbers a message goes by, refused ones included; the table is its own index, newest last within a value.
message_terms = Table(
    "message_terms",
    metadata,
    Column("value", Text, primary_key=True),
    Column("message_key", Key, ForeignKey("messages.key"), primary_key=True, autoincrement=False, index=True),
    Column("kind", Text, primary_key=True),
    Column("issuer", Text, primary_key=True),
    sqlite_with_rowid=False,
)

# Messages that somebody had processed again. cursor: the last one done; until_key: none that came later is meant.
replay_jobs = Table(
    "replay_jobs",
    metadata,
    _key(),
    Column("filter", JSON, nullable=False),
    _text("asked_by"),
    _flag("dry_run"),
    Column("state", Text, nullable=False),
    Column("until_key", Key, nullable=False),
    Column("cursor", Key, nullable=False, server_default="0"),
    _count("total"),
    _count("done"),
    _count("applied"),
    _count("refused"),
    _count("failed"),
    _count("changed"),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    _one_of("state", ReplayState),
    Index(None, "state", "key"),
)

# Many cases with one cause, done as one. repair: how what the device sent in the window is read, while this is applied.
bulk_jobs = Table(
    "bulk_jobs",
    metadata,
    _key(),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    _text("reason"),
    _text("asked_by"),
    _text("device"),
    Column("since", Instant),
    Column("until", Instant),
    _details("repair"),
    _text("applied_by"),
    _text("undone_by"),
    _text("undo_reason"),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    _one_of("kind", BulkKind, "kind"),
    _one_of("state", BulkState),
    Index(None, "state", "key"),
)

# Each study of it. step: the last that was done with it; before: what it was, {} for one that came later and was read by the repair at once.
bulk_studies = Table(
    "bulk_studies",
    metadata,
    _key(),
    Column("job_key", Key, ForeignKey("bulk_jobs.key"), nullable=False),
    _to("study"),
    _text("step"),
    Column("outcome", Text, nullable=False, server_default="waiting"),
    _details("before"),
    _details("foreseen"),
    Column("decision_key", Key),
    _text("fault"),
    _one_of("outcome", BulkOutcome, "outcome"),
    UniqueConstraint("job_key", "study_key"),
    Index(None, "job_key", "step", "key"),
)

# The keys by which a program repeats an order that it has sent before. Source: the header Idempotency-Key.
order_entries = Table(
    "order_entries",
    metadata,
    _key(),
    _text("actor"),
    _text("idempotency_key"),
    _text("digest"),
    _to("order"),
    Column("entered_at", Instant, nullable=False),
    UniqueConstraint("actor", "idempotency_key"),
)

# Lists of orders that people hand in as files, and what became of each row.
order_lists = Table(
    "order_lists",
    metadata,
    _key(),
    _text("file_name"),
    Column("raw", LargeBinary, nullable=False),
    _text("digest"),
    _text("date_form"),
    _text("entered_by"),
    Column("state", Text, nullable=False),
    _count("total"),
    _count("cursor"),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    _one_of("state", ListState),
    Index(None, "state", "key"),
)
order_list_rows = Table(
    "order_list_rows",
    metadata,
    _key(),
    Column("list_key", Key, ForeignKey("order_lists.key"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    _to("order", nullable=True),
    Column("faults", JSON, nullable=False),
    _one_of("outcome", RowOutcome),
    UniqueConstraint("list_key", "number"),
)

# What a FHIR client calls its orders and appointments: by it they are found when they come again.
fhir_resources = Table(
    "fhir_resources",
    metadata,
    _key(),
    _text("source"),
    _text("resource_type"),
    _text("resource_id"),
    _to("order", nullable=True),
    _to("patient", nullable=True),
    UniqueConstraint("source", "resource_type", "resource_id"),
)
# How far the reading of a FHIR server has come, by its own clock. told: how often it said that something changed; taken: how many of
# those its last reading knew of.
fhir_bookmarks = Table(
    "fhir_bookmarks",
    metadata,
    _key(),
    _text("server"),
    _text("since"),
    Column("read_at", Instant),
    _text("fault"),
    _count("failures"),
    _count("told"),
    _count("taken"),
    UniqueConstraint("server"),
)

# Which exams, patients a message touched: its page leads to them.
message_subjects = Table(
    "message_subjects",
    metadata,
    _key(),
    _to("message"),
    _to("order", nullable=True),
    _to("patient", nullable=True),
)

# A report on an exam, as it stands; what it says is its version number `current`. Without an order it waits for one.
reports = Table(
    "reports",
    metadata,
    _key(),
    Column("identity", Text, nullable=False, unique=True),
    _to("patient", nullable=True),
    _to("order", nullable=True),
    _text("waits_for"),
    _text("accession_number", index=True),
    _text("issuer_of_accession_number"),
    _text("placer_order_number", index=True),
    _text("issuer_of_placer_order_number"),
    _text("filler_order_number", index=True),
    _text("issuer_of_filler_order_number"),
    _text("study_instance_uid", index=True),
    _text("sr_instance_uid"),
    # Whom its sender named: nobody is registered for that, but it must be the exam's patient.
    _text("patient_id"),
    _text("issuer_of_patient_id"),
    Column("other_patient_ids", JSON, nullable=False, server_default=text("'[]'")),
    _text("patient_name"),
    _text("patient_birth_date"),
    Column("status", Text, nullable=False),
    _count("current"),
    Column("said_at", Instant, nullable=False),
    Column("sent_at", Instant, nullable=False),
    _flag("is_test"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False, index=True),
    _count("version", 1),
    _one_of("status", ReportStatus, "status"),
    Index(None, "patient_id", "issuer_of_patient_id"),
)

report_versions = Table(
    "report_versions",
    metadata,
    _key(),
    _to("report", index=False),
    Column("number", Integer, nullable=False),
    Column("status", Text, nullable=False),
    _text("code_value"),
    _text("coding_scheme_designator"),
    _text("code_meaning"),
    _text("title"),
    Column("issued_at", Instant),
    _text("observed_local"),
    Column("observed_at", Instant),
    Column("interpreters", JSON, nullable=False, server_default=text("'[]'")),
    Column("sections", JSON, nullable=False, server_default=text("'[]'")),
    Column("links", JSON, nullable=False, server_default=text("'[]'")),
    Column("said_at", Instant, nullable=False),
    Column("heard_at", Instant, nullable=False),
    _to("message", nullable=True, index=False),
    UniqueConstraint("report_key", "number"),
    _one_of("status", ReportStatus, "status"),
)

report_documents = Table(
    "report_documents",
    metadata,
    _key(),
    _to("version"),
    _text("title"),
    Column("content_type", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("digest", Text, nullable=False, index=True),
)

# Results of laboratories that a payer may ask for. identity: what a correction names.
lab_results = Table(
    "lab_results",
    metadata,
    _key(),
    Column("identity", Text, nullable=False, index=True),
    *_named_patient(),
    _text("kind"),
    _text("code_value"),
    _text("coding_scheme_designator"),
    _text("code_meaning"),
    _text("value"),
    _text("units"),
    Column("status", Text, nullable=False),
    _text("observed_local"),
    Column("observed_at", Instant),
    Column("said_at", Instant, nullable=False),
    Column("sent_at", Instant, nullable=False),
    Column("heard_at", Instant, nullable=False, index=True),
    _flag("is_test"),
    _to("message", nullable=True, index=False),
    _one_of("status", LabStatus, "status"),
    Index(None, "patient_id", "issuer_of_patient_id"),
)

# Notes of whoever ordered exams. parent: the identity of the one that it adds to or replaces.
clinical_notes = Table(
    "clinical_notes",
    metadata,
    _key(),
    Column("identity", Text, nullable=False, index=True),
    *_named_patient(),
    _text("parent", index=True),
    Column("relation", Text, nullable=False),
    _text("kind"),
    _text("code_value"),
    _text("coding_scheme_designator"),
    _text("code_meaning"),
    Column("status", Text, nullable=False),
    _text("written_local"),
    Column("written_at", Instant),
    _text("author"),
    Column("sections", JSON, nullable=False, server_default=text("'[]'")),
    Column("said_at", Instant, nullable=False),
    Column("heard_at", Instant, nullable=False, index=True),
    _flag("is_test"),
    _to("message", nullable=True, index=False),
    _one_of("status", NoteStatus, "status"),
    _one_of("relation", Relation, "relation"),
    Index(None, "patient_id", "issuer_of_patient_id"),
)

note_documents = Table(
    "note_documents",
    metadata,
    _key(),
    _to("note"),
    _text("title"),
    Column("content_type", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("digest", Text, nullable=False, index=True),
)

# One line for each thing that happened to an exam. station: order, scheduled, performed, images, reconciled, chart, authorization.
events = Table(
    "events",
    metadata,
    _key(),
    Column("at", Instant, nullable=False),
    Column("station", Text, nullable=False),
    Column("what", Text, nullable=False),
    _text("by"),
    _text("source_kind"),
    _text("source_id"),
    _to("order", nullable=True),
    _to("study", nullable=True),
    CheckConstraint("order_key IS NOT NULL OR study_key IS NOT NULL", name="subject"),
)

deliveries = Table(
    "deliveries",
    metadata,
    _key(),
    Column("topic", Text, nullable=False),
    Column("destination", Text, nullable=False),
    # Deliveries with one order_of never overtake each other; the work itself is described by topic and subject.
    Column("order_of", Text, nullable=False),
    _to("study", nullable=True),
    _to("order", nullable=True),
    _to("attachment", nullable=True),
    Column("state", Text, nullable=False),
    _count("attempts"),
    Column("next_at", Instant, nullable=False),
    # Of those that are due for one place the highest goes first.
    _count("urgency"),
    _text("lease_owner"),
    Column("lease_until", Instant),
    _count("fence"),
    _text("held_reason"),
    # Why a held one is held, for what may free it: store.deliveries.HoldKind.
    _text("hold_kind"),
    _text("last_error"),
    _text("detail"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("settled_at", Instant),
    _one_of("state", ("pending", "sending", "held", "sent", "dead")),
    Index("ix_deliveries_due", "state", "next_at"),
    # What was ever told of one thing, sent and settled long ago among it.
    Index("ix_deliveries_order_of", "order_of"),
    Index(
        "uq_deliveries_waiting",
        "topic",
        "destination",
        "order_of",
        unique=True,
        sqlite_where=text("state IN ('pending', 'held')"),
        postgresql_where=text("state IN ('pending', 'held')"),
    ),
    Index(
        "uq_deliveries_sending",
        "topic",
        "destination",
        "order_of",
        unique=True,
        sqlite_where=text("state = 'sending'"),
        postgresql_where=text("state = 'sending'"),
    ),
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    _key(),
    _to("delivery"),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    _text("outcome"),
    _text("detail"),
    _text("node"),
)

# What stands outside, at whom, and for which binding: what a withdrawal or a correction must reach.
publications = Table(
    "publications",
    metadata,
    _key(),
    _to("study"),
    Column("server", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("reference", Text, nullable=False),
    _text("version"),
    _text("status"),
    # subject: the patient's reference on that server; patient_key: whom we meant by it.
    _text("subject"),
    _to("patient", nullable=True, index=False),
    _text("content_digest"),
    _count("binding_version"),
    Column("published_at", Instant, nullable=False),
    Column("retired_at", Instant),
    UniqueConstraint("server", "reference"),
)

# What stands on servers of an exam beside its studies. of_work: the delivery's order_of, what it is about.
chart_parts = Table(
    "chart_parts",
    metadata,
    _key(),
    Column("server", Text, nullable=False),
    Column("of_work", Text, nullable=False),
    Column("reference", Text, nullable=False),
    _text("version"),
    _text("status"),
    _to("patient", nullable=True, index=False),
    _text("content_digest"),
    Column("at", Instant, nullable=False),
    UniqueConstraint("server", "of_work", "reference"),
    Index("ix_chart_parts_of_work", "of_work"),
)

# What each chart has of an exam, version by version: on servers that we write to, and served by ourselves.
chart_versions = Table(
    "chart_versions",
    metadata,
    _key(),
    Column("server", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("reference", Text, nullable=False),
    # number: ours; server_version: what the server calls it.
    Column("number", Integer, nullable=False),
    _text("server_version"),
    Column("at", Instant, nullable=False),
    _text("status"),
    _text("subject"),
    _to("study", nullable=True),
    _to("patient", nullable=True),
    _to("order", nullable=True),
    # Of what is said of a study before an image of it is here; study_key follows with the first.
    _text("study_instance_uid"),
    _count("binding_version"),
    Column("cause", Text, nullable=False),
    _text("made_by"),
    _text("why"),
    _text("digest"),
    # The resource by FHIR release, as compressed JSON; NULL once it is kept no more.
    Column("content", LargeBinary),
    UniqueConstraint("server", "reference", "number"),
    Index("ix_chart_versions_of_type", "server", "resource_type", "key"),
    Index("ix_chart_versions_at", "at"),
    Index("ix_chart_versions_announced", "study_instance_uid", **_only(text("study_instance_uid <> ''"))),
    _one_of("cause", Cause, name="cause"),
)

# Studies, or single parts of exams (of_work, as in chart_parts), that a person took out of every chart until it is taken back.
chart_withdrawals = Table(
    "chart_withdrawals",
    metadata,
    _key(),
    _to("study", nullable=True),
    _text("of_work", index=True),
    # Of a study of which no image was here; study_key follows with the first.
    _text("study_instance_uid", index=True),
    Column("made_at", Instant, nullable=False),
    Column("made_by", Text, nullable=False),
    _text("reason"),
    Column("taken_back_at", Instant),
    _text("taken_back_by"),
    _text("taken_back_reason"),
    CheckConstraint("(study_key IS NULL AND study_instance_uid = '') = (of_work <> '')", name="subject"),
)

# Which object each archive has, and as which binding: what a forward still owes.
forwards = Table(
    "forwards",
    metadata,
    _key(),
    _to("instance"),
    _to("study"),
    Column("destination", Text, nullable=False),
    _count("binding_version"),
    _text("status"),
    Column("sent_at", Instant, nullable=False),
    # What the archive says of keeping it: committed only by its own report on what it holds now. Source: PS3.4 J.3.
    _text("commitment"),
    _text("transaction_uid", index=True),
    _count("commitment_asks"),
    _count("commitment_failures"),
    Column("failure_reason", Integer),
    Column("commitment_at", Instant),
    UniqueConstraint("instance_key", "destination"),
    _one_of("commitment", CommitmentState),
)

# What peers asked us to commit to, and what we reported. Source: PS3.4 J.3.2, J.3.3.
commitment_requests = Table(
    "commitment_requests",
    metadata,
    _key(),
    Column("ae_title", Text, nullable=False),
    Column("transaction_uid", Text, nullable=False),
    Column("digest", Text, nullable=False),
    # Pairs of class and instance UID; failed: triples with the reason, null until all were looked at.
    Column("referenced", JSON, nullable=False),
    Column("failed", JSON(none_as_null=True)),
    Column("asked_at", Instant, nullable=False),
    Column("verified_at", Instant),
    Column("reported_at", Instant),
    UniqueConstraint("ae_title", "transaction_uid", "digest"),
    Index("ix_commitment_requests_open", "key", **_only(text("verified_at IS NULL"))),
)

# Where a person sent a study besides where the routes send it.
sends_by_hand = Table(
    "sends_by_hand",
    metadata,
    _key(),
    _to("study"),
    Column("destination", Text, nullable=False),
    _text("asked_by"),
    Column("asked_at", Instant, nullable=False),
    UniqueConstraint("study_key", "destination"),
)

# What each peer was told last of a study's availability: a digest of the instances.
availability_told = Table(
    "availability_told",
    metadata,
    _key(),
    _to("study"),
    Column("destination", Text, nullable=False),
    _text("said"),
    # The keys of the instances that it may believe to be online.
    Column("believed", JSON, nullable=False, server_default=text("'[]'")),
    Column("told_at", Instant, nullable=False),
    UniqueConstraint("study_key", "destination"),
)

# Availability notes that were taken, by their own UIDs: one that comes again is no news. Source: PS3.4 R.3.2, PS3.7 C.5.7.
availability_notes = Table(
    "availability_notes",
    metadata,
    _key(),
    Column("sop_instance_uid", Text, nullable=False, unique=True),
    Column("ae_title", Text, nullable=False),
    Column("study_instance_uid", Text, nullable=False),
    Column("noted_at", Instant, nullable=False),
)

# What peers say can be retrieved from them, whether its study is here or not; since: when each first said just this.
stated_instances = Table(
    "stated_instances",
    metadata,
    _key(),
    Column("study_instance_uid", Text, nullable=False),
    Column("ae_title", Text, nullable=False),
    Column("sop_instance_uid", Text, nullable=False),
    Column("instance_availability", Text, nullable=False),
    Column("retrieve_ae_title", Text, nullable=False),
    _text("retrieve_url"),
    Column("since", Instant, nullable=False),
    UniqueConstraint("study_instance_uid", "ae_title", "sop_instance_uid"),
    _one_of("instance_availability", Availability),
)

# What each HL7 destination was told last of an order, under subject "status", and of each of its studies, under its UID.
order_notices = Table(
    "order_notices",
    metadata,
    _key(),
    _to("order"),
    Column("destination", Text, nullable=False),
    Column("subject", Text, nullable=False),
    _text("said"),
    _flag("is_certain"),
    _text("control_id"),
    _count("times_taken"),
    _to("study", nullable=True),
    # Whose chart it was about when it was told: a withdrawal must reach the same one.
    _to("patient", nullable=True, index=False),
    _text("refused_control_id"),
    _to("delivery", column="refused_delivery_key", nullable=True, index=False),
    Column("told_at", Instant, nullable=False),
    UniqueConstraint("order_key", "destination", "subject"),
)

# What an archive is told of a patient by ADT, since it holds images under a number that ended or a name that changed.
# begun_at: when the first bytes of it may have reached it, null for never; told_at: when it said that it took it.
archive_notices = Table(
    "archive_notices",
    metadata,
    _key(),
    Column("destination", Text, nullable=False),
    Column("archive", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    _to("patient"),
    _to("merge", nullable=True),
    _text("number"),
    _text("issuer_of_number"),
    _text("new_number"),
    _text("issuer_of_new_number"),
    _text("cause"),
    Column("said_at", Instant, nullable=False),
    _text("control_id"),
    Column("begun_at", Instant),
    Column("told_at", Instant),
    UniqueConstraint("destination", "merge_key"),
    _one_of("trigger", ("A08", "A40", "A47"), "trigger"),
)

# ── authorizations ───────────────────────────────────────────────────────────────────────────────────────────────────

# What all that was said of an authorization comes to: made anew from authorization_news whenever there are any.
authorizations = Table(
    "authorizations",
    metadata,
    _key(),
    _text("number"),
    _text("payer_id"),
    _text("payer_name"),
    _text("member_id"),
    _text("member_suffix"),
    _text("subscriber_id"),
    _to("patient"),
    _to("order", nullable=True),
    Column("status", Text, nullable=False),
    _text("decision"),
    _text("administrative_reference"),
    _text("trace"),
    _text("request_category"),
    _text("certification"),
    _text("service_type"),
    Column("urgency", Text, nullable=False),
    Column("lines", JSON, nullable=False, server_default=text("'[]'")),
    Column("reason_codes", JSON, nullable=False, server_default=text("'[]'")),
    Column("wanted", JSON, nullable=False, server_default=text("'[]'")),
    _text("effective_on"),
    _text("expires_on"),
    _flag("policy_level"),
    _text("source"),
    Column("received_at", Instant),
    Column("answered_at", Instant),
    Column("said_at", Instant),
    # When the payer owes its answer, null while nothing is asked.
    Column("due_at", Instant),
    _to("authorization", column="superseded_by", nullable=True),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index(None, "number"),
    Index(None, "status"),
    Index("ix_authorizations_due", "due_at", **_only(text("due_at IS NOT NULL"))),
    _one_of("status", AuthorizationStatus, "status"),
    _one_of("urgency", Urgency, "urgency"),
)

# Every number that an authorization or a line of it goes by, as it is looked for: without blanks and hyphens.
_IS_NUMBER = text("kind = 'number'")
authorization_numbers = Table(
    "authorization_numbers",
    metadata,
    _key(),
    _to("authorization"),
    _text("payer_id"),
    Column("kind", Text, nullable=False),
    Column("number_key", Text, nullable=False),
    UniqueConstraint("authorization_key", "kind", "number_key"),
    Index("ix_authorization_numbers_number", "number_key"),
    Index("ix_authorization_numbers_once", "payer_id", "number_key", unique=True, **_only(_IS_NUMBER)),
    _one_of("kind", ("number", "line", "reference", "trace"), "kind"),
)

# What every source said, append-only. waits: why a person must say whose it is, "" if nobody need.
authorization_news = Table(
    "authorization_news",
    metadata,
    _key(),
    Column("digest", Text, nullable=False, unique=True),
    Column("content_digest", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    _text("source"),
    Column("said_at", Instant, nullable=False),
    Column("heard_at", Instant, nullable=False),
    _to("authorization", nullable=True),
    _to("patient", nullable=True),
    Column("content", JSON, nullable=False),
    _text("waits"),
    _text("source_kind"),
    _text("source_id"),
    _one_of("kind", NewsKind, "kind"),
    Index("ix_authorization_news_waiting", "key", **_only(text("waits <> ''"))),
)

# Which orders an authorization is for, and by which rule or person. An ended one is never made again by a rule.
authorization_links = Table(
    "authorization_links",
    metadata,
    _key(),
    _to("authorization"),
    _to("order"),
    Column("rule", Text, nullable=False),
    _text("line"),
    _text("linked_by"),
    Column("linked_at", Instant, nullable=False),
    Column("ended_at", Instant),
    _text("ended_by"),
    _text("end_reason"),
    Index(
        "ix_authorization_links_once",
        "authorization_key",
        "order_key",
        unique=True,
        **_only(text("ended_at IS NULL")),
    ),
    _one_of("rule", LinkRule, "rule"),
)

# What stands between an exam and its authorization, or an authorization and its time; closed once it no longer does.
authorization_warnings = Table(
    "authorization_warnings",
    metadata,
    _key(),
    _to("authorization"),
    _to("order", nullable=True),
    Column("kind", Text, nullable=False),
    _text("line"),
    _text("sentence"),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Index("ix_authorization_warnings_open", "authorization_key", **_only(text("closed_at IS NULL"))),
    Index("ix_authorization_warnings_open_of_order", "order_key", **_only(text("closed_at IS NULL"))),
    _one_of("kind", WarningKind, "kind"),
)

# What of a payer's checklist is not here, as it was when the authorization was looked at last.
authorization_gaps = Table(
    "authorization_gaps",
    metadata,
    _key(),
    _to("authorization"),
    Column("need", Text, nullable=False),
    UniqueConstraint("authorization_key", "need"),
    Index(None, "need", "authorization_key"),
    _one_of("need", Need, "need"),
)

# The insurances that a record was said to have; those of merged records are read along with the survivor's.
coverages = Table(
    "coverages",
    metadata,
    _key(),
    _to("patient"),
    _text("payer_id"),
    _text("payer_name"),
    _text("member_id"),
    _text("member_key"),
    _text("member_suffix"),
    _text("subscriber_id"),
    _text("source"),
    Column("said_at", Instant, nullable=False),
    UniqueConstraint("patient_key", "payer_id", "source"),
    Index(None, "member_key"),
)

# Files of payers and clearinghouses, whose bytes are kept as they came: each once, however often and under what name it comes.
# origin: whose folder it lay in, "" of one that a person handed in. mends: the refused one that it stands in for.
payer_files = Table(
    "payer_files",
    metadata,
    _key(),
    Column("blob", Text, nullable=False, unique=True),
    _count("size_bytes"),
    _text("name"),
    _text("origin"),
    Column("state", Text, nullable=False),
    Column("reasons", JSON, nullable=False, server_default=text("'[]'")),
    Column("mends", BigInteger, index=True),
    _text("taken_by"),
    Column("taken_at", Instant, nullable=False),
    Index(None, "state", "key"),
    _one_of("state", PayerFileState),
)

# What a payer said of one claim at one time, append-only but for whom it is about. why: why nobody knows.
claim_outcomes = Table(
    "claim_outcomes",
    metadata,
    _key(),
    _to("payer_file", nullable=True),
    Column("source_number", Text, nullable=False, unique=True),
    _text("claim_number"),
    _text("payer_claim_number"),
    _text("payer_id"),
    _text("payer_name"),
    Column("status", Text, nullable=False),
    Column("charged_cents", BigInteger, nullable=False),
    Column("paid_cents", BigInteger, nullable=False),
    _flag("lacks_documents"),
    _text("said_on"),
    _text("service_from"),
    Column("content", JSON, nullable=False),
    _to("authorization", nullable=True),
    _to("order", nullable=True),
    Column("matched_by", Text, nullable=False),
    _text("why"),
    Column("heard_at", Instant, nullable=False),
    Index(None, "said_on"),
    Index(None, "claim_number"),
    Index("ix_claim_outcomes_waiting", "key", **_only(text("matched_by = 'none'"))),
    Index("ix_claim_outcomes_assigned", "key", **_only(text("matched_by = 'by-hand'"))),
    _one_of("status", OutcomeStatus, "status"),
    _one_of("matched_by", MatchRule, "matched_by"),
)

# One claim out of all that was said of it, made anew with each word; what the proof counts.
claim_figures = Table(
    "claim_figures",
    metadata,
    _key(),
    _text("claim_number", index=True),
    # "YYYYMMDD", "" if nobody says.
    _text("service_on"),
    _text("payer"),
    _text("payer_name"),
    # Whose images they are: the title of the device that its exam's study came from, "" while none is known.
    _text("device"),
    _to("order", nullable=True),
    Column("first", Text, nullable=False),
    _flag("was_returned"),
    _flag("was_asked"),
    _flag("is_void"),
    _text("category"),
    Column("days_to_payment", Integer),
    Index(None, "payer", "key"),
    Index(
        "ix_claim_figures_counted",
        *("service_on", "payer", "device", "first", "category", "was_returned", "was_asked", "is_void"),
        "days_to_payment",
    ),
    _one_of("first", FirstAnswer, "first"),
)

claim_denials = Table(
    "claim_denials",
    metadata,
    _key(),
    _to("claim_figure"),
    _text("service_on"),
    Column("category", Text, nullable=False),
    Column("code", Text, nullable=False),
    Index("ix_claim_denials_counted", "service_on", "category", "code"),
    _one_of("category", ReasonCategory, "category"),
)

# One exam under an authorization, with images; made anew now and then; what the proof counts.
exam_figures = Table(
    "exam_figures",
    metadata,
    _key(),
    _to("order", index=False),
    Column("exam_on", Text, nullable=False),
    _text("payer"),
    _text("payer_name"),
    _text("device"),
    Column("warned", Text, nullable=False),
    # From its last image until the first attachment had left; null while none has.
    Column("evidence_minutes", Integer),
    UniqueConstraint("order_key"),
    Index(None, "payer", "key"),
    Index("ix_exam_figures_counted", "exam_on", "payer", "device", "warned", "evidence_minutes"),
    _one_of("warned", Warned, "warned"),
)

# How often anything of a month was counted anew: what was read of it stands as long as that does.
figure_months = Table(
    "figure_months",
    metadata,
    Column("month", Text, primary_key=True),
    _count("version", 1),
)

attachments = Table(
    "attachments",
    metadata,
    _key(),
    _to("authorization"),
    _to("study"),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    # What a held one was before its study's patient came in question.
    _text("state_before"),
    _count("binding_version"),
    Column("instances", JSON, nullable=False, server_default=text("'[]'")),
    _text("payer"),
    _text("control_number", index=True),
    _text("reference"),
    _text("detail"),
    _text("attached_by"),
    Column("attached_at", Instant, nullable=False),
    # When the other side had it first.
    Column("sent_at", Instant),
    Column("updated_at", Instant, nullable=False),
    # Since when, and why, its payer may look at the whole study.
    Column("shared_at", Instant),
    _text("shared_because"),
    UniqueConstraint("authorization_key", "study_key", "kind"),
    Index(None, "state"),
    _one_of("kind", AttachmentKind, "kind"),
    _one_of("state", AttachmentState),
)

# What was put together for a payer, version by version; binding_version: the study's that it rests on.
packets = Table(
    "packets",
    metadata,
    _key(),
    _to("attachment", index=False),
    Column("version", Integer, nullable=False),
    _count("binding_version"),
    Column("evidence_digest", Text, nullable=False),
    _count("reports"),
    _count("prior_reports"),
    _count("notes"),
    _count("labs"),
    _count("priors"),
    _count("pictures"),
    Column("instances", JSON, nullable=False, server_default=text("'[]'")),
    Column("holds", JSON, nullable=False, server_default=text("'[]'")),
    Column("left_out", JSON, nullable=False, server_default=text("'[]'")),
    Column("made_at", Instant, nullable=False),
    Column("opened_at", Instant),
    UniqueConstraint("attachment_key", "version"),
)

packet_files = Table(
    "packet_files",
    metadata,
    _key(),
    _to("packet", index=False),
    Column("kind", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("digest", Text, nullable=False, index=True),
    UniqueConstraint("packet_key", "kind"),
    _one_of("kind", PacketFile, "kind"),
)

# What payers ask to see, a row for each Task; content: what it says.
evidence_requests = Table(
    "evidence_requests",
    metadata,
    _key(),
    Column("payer", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("tracking_id", Text, nullable=False, index=True),
    Column("content", JSON, nullable=False),
    Column("due_at", Instant),
    Column("heard_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    _text("why"),
    _to("authorization", nullable=True),
    Column("same_as", Key, index=True),
    _text("told"),
    UniqueConstraint("payer", "task_id"),
    Index("ix_evidence_requests_open", "due_at", **_only(text("state IN ('waits', 'open')"))),
    _one_of("state", AskState),
)

# What a person let go to a payer, one row for each release. packet: the version that leaves.
payer_submissions = Table(
    "payer_submissions",
    metadata,
    _key(),
    _to("attachment"),
    _to("packet", index=False),
    _to("evidence_request", nullable=True),
    Column("destination", Text, nullable=False),
    Column("control_number", Text, nullable=False, index=True),
    Column("purpose_of_use", Text, nullable=False),
    _text("reason"),
    _text("released_by"),
    Column("released_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    _text("detail"),
    Column("updated_at", Instant, nullable=False),
    _text("content_digest"),
    Index("ix_payer_submissions_unclear", "attachment_key", **_only(text("state = 'unclear'"))),
    _one_of("state", SubmissionState),
)

# What a person let go to a payer about an authorization: asked for the first time, changed, ended, or how it stands.
payer_requests = Table(
    "payer_requests",
    metadata,
    _key(),
    _to("authorization"),
    _to("submission", nullable=True),
    Column("payer", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("trace", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("lines", JSON, nullable=False, server_default=text("'[]'")),
    Column("cancelled", JSON, nullable=False, server_default=text("'[]'")),
    Column("control_numbers", JSON, nullable=False, server_default=text("'[]'")),
    _text("asked_by"),
    _text("reason"),
    _text("whom_digest"),
    Column("asked_at", Instant, nullable=False),
    Column("begun_at", Instant),
    Column("ended_at", Instant),
    _text("detail"),
    _one_of("kind", RequestKind, "kind"),
    _one_of("state", RequestState),
    Index(None, "payer", "trace"),
)

# What payers answered, as it came; append-only. read_at: when a decision in it was read; why: why it decides nothing.
payer_answers = Table(
    "payer_answers",
    metadata,
    _key(),
    _to("submission", nullable=True),
    _to("payer_request", column="request_key", nullable=True),
    Column("heard_at", Instant, nullable=False),
    _count("status"),
    _text("content_type"),
    Column("payer_numbers", JSON, nullable=False, server_default=text("'[]'")),
    _text("detail"),
    Column("content", LargeBinary, nullable=False),
    Column("read_at", Instant),
    _text("why"),
    Index("ix_payer_answers_unread", "key", **_only(text("request_key IS NOT NULL AND read_at IS NULL"))),
)

# Subscriptions that we keep at payers and servers, so that they tell us. secret_digest: of what they show.
tellings = Table(
    "tellings",
    metadata,
    _key(),
    Column("name", Text, nullable=False, unique=True),
    _text("address"),
    _text("secret_digest"),
    Column("state", Text, nullable=False),
    _text("reference"),
    Column("number", BigInteger, nullable=False, server_default="0"),
    Column("made_at", Instant),
    Column("heard_at", Instant),
    Column("looked_at", Instant),
    _count("failures"),
    _text("detail"),
    _one_of("state", TellingState),
)

# What payers told by these, as it came; what became an answer to a request of ours is kept there alone. number: of its last event, as the
# payer counts them; overtaken_at: when one with a higher number was heard before it.
payer_notices = Table(
    "payer_notices",
    metadata,
    _key(),
    Column("payer", Text, nullable=False),
    Column("digest", Text, nullable=False),
    _count("number"),
    Column("heard_at", Instant, nullable=False),
    Column("overtaken_at", Instant),
    Column("content", LargeBinary, nullable=False),
    Column("read_at", Instant),
    _text("why"),
    UniqueConstraint("payer", "digest"),
    Index("ix_payer_notices_unread", "key", **_only(text("read_at IS NULL"))),
)

# Files that we hand over to clearinghouses; a control number is no other file's, ever.
interchanges = Table(
    "interchanges",
    metadata,
    _key(),
    _to("submission"),
    _text("clearinghouse"),
    _text("transaction_name"),
    Column("control_number", Integer, nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    _text("stamp"),
    _text("blob"),
    _count("copies"),
    Column("state", Text, nullable=False),
    _text("detail"),
    Column("answered_at", Instant),
    _one_of("state", InterchangeState),
)

# ── who may, who did ─────────────────────────────────────────────────────────────────────────────────────────────────

users = Table(
    "users",
    metadata,
    _key(),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    _text("password_hash"),
    _flag("disabled"),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    _key(),
    Column("token_digest", Text, nullable=False, unique=True),
    _to("user"),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    # What was typed into the search box: page addresses hold its number, never the text.
    Column("searches", JSON, nullable=False, server_default=text("'[]'")),
)

# A link that signs in once: the first administrator, or a new user without a password yet.
sign_in_links = Table(
    "sign_in_links",
    metadata,
    _key(),
    Column("token_digest", Text, nullable=False, unique=True),
    _to("user", nullable=True),
    # A trusted link signs in without a password: the demonstration's.
    _flag("trusted"),
    Column("created_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("used_at", Instant),
)

# A link that somebody may open once, without a sign-in, to look at one person's studies, or one of them. record_keys: as
# in views. credential: of whoever made it, without whom it opens nothing. attachment: in whose packet it stands; then it
# opens until it ends, while the study is bound as in binding_version.
viewer_links = Table(
    "viewer_links",
    metadata,
    _key(),
    Column("token_digest", Text, nullable=False, unique=True),
    Column("record_keys", JSON, nullable=False),
    _to("study", nullable=True, index=False),
    _to("attachment", nullable=True),
    _count("binding_version"),
    Column("made_for", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("credential", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False, index=True),
    Column("opened_at", Instant),
    Column("revoked_at", Instant),
    _text("revoked_by"),
)

# A browser that looks at one person's studies and at nothing else, launched from a chart or by a link. name: stands in its
# addresses and opens nothing by itself. record_keys: the records that were meant, each followed through its merges.
# study_keys: [] for all of the person's. issuer: the EHR's, "" for a link's.
views = Table(
    "views",
    metadata,
    _key(),
    Column("name", Text, nullable=False, unique=True),
    Column("token_digest", Text, nullable=False),
    Column("actor", Text, nullable=False),
    _to("user", nullable=True),
    _to("viewer_link", column="link_key", nullable=True),
    Column("record_keys", JSON, nullable=False),
    Column("study_keys", JSON, nullable=False, server_default=text("'[]'")),
    _text("issuer"),
    Column("opened_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False, index=True),
)

tokens = Table(
    "tokens",
    metadata,
    _key(),
    Column("name", Text, nullable=False),
    Column("token_digest", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("scopes", JSON, nullable=False, server_default=text("'[]'")),
    _text("ae_title"),
    Column("created_at", Instant, nullable=False),
    Column("ends_at", Instant),
    Column("revoked_at", Instant),
    Column("used_at", Instant),
)

# A program that shows who it is by signing; what may be ended is its token row, whose own secret nobody has.
smart_clients = Table(
    "smart_clients",
    metadata,
    _key(),
    _to("token"),
    Column("client_id", Text, nullable=False, unique=True),
    # Its public keys, or where they are.
    Column("jwks", JSON),
    _text("jwks_url"),
)

# What a client was given for a signed assertion, whose number is good once; kept until both have ended.
access_tokens = Table(
    "access_tokens",
    metadata,
    _key(),
    _to("client", index=False),
    Column("jti_digest", Text, nullable=False),
    Column("token_digest", Text, nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("forgotten_at", Instant, nullable=False, index=True),
    UniqueConstraint("client_key", "jti_digest"),
)

audit_rows = Table(
    "audit_rows",
    metadata,
    _key(),
    Column("at", Instant, nullable=False, index=True),
    Column("action", Text, nullable=False),
    _text("actor"),
    _text("origin"),
    _text("outcome"),
    _to("patient", nullable=True),
    _to("study", nullable=True),
    _to("order", nullable=True),
    Column("detail", JSON, nullable=False, server_default=text("'{}'")),
    # SHA-256 over the row before and this one: an edited or missing row breaks the chain.
    Column("chain", Text, nullable=False),
)

# What devices asked of the worklist, the same question with the same answer once. identifier, step_keys: what was asked
# and which steps were sent, as nobody else sees them.
worklist_queries = Table(
    "worklist_queries",
    metadata,
    _key(),
    Column("asked_at", Instant, nullable=False),
    Column("last_asked_at", Instant, nullable=False, index=True),
    _count("times", 1),
    _text("calling_ae_title"),
    _text("called_ae_title"),
    _text("address"),
    _text("association"),
    Column("outcome", Text, nullable=False),
    Column("status", Integer),
    _text("reason"),
    _text("transfer_syntax_uid"),
    Column("identifier", LargeBinary, nullable=False),
    Column("step_keys", JSON, nullable=False, server_default=text("'[]'")),
    _flag("was_cut"),
    Column("secs", Float, nullable=False),
    _one_of("outcome", QueryOutcome, "outcome"),
    Index(None, "calling_ae_title", "last_asked_at"),
    Index(None, "calling_ae_title", "key"),
)

# What people chose for a device beyond its settings: the same keys, laid over them.
device_choices = Table(
    "device_choices",
    metadata,
    Column("ae_title", Text, primary_key=True),
    Column("choices", JSON, nullable=False),
    Column("changed_at", Instant, nullable=False),
    _text("changed_by"),
    _count("version", 1),
)

# ── the house itself ─────────────────────────────────────────────────────────────────────────────────────────────────

# Who ticks, who owns what, for how long: one row a thing, taken by fenced update.
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("until", Instant, nullable=False),
    _count("fence"),
)

# Facts about this database: schema version, whether it ever held demonstration data, its epoch.
stamps = Table(
    "stamps",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)


# ── who asked to be told ─────────────────────────────────────────────────────────────────────────────────────────────

# What may be news: looked at when its time comes. subject: "study:7", "order:3", "authorization:2".
news_looks = Table(
    "news_looks",
    metadata,
    _key(),
    Column("subject", Text, nullable=False, unique=True),
    Column("due_at", Instant, nullable=False, index=True),
)

# How each subject stood when it was news last: what has not changed since is none.
told_subjects = Table(
    "told_subjects",
    metadata,
    _key(),
    Column("subject", Text, nullable=False, unique=True),
    _text("status"),
    _text("digest"),
    _to("patient", nullable=True),
    Column("at", Instant, nullable=False),
)

news = Table(
    "news",
    metadata,
    _key(),
    Column("at", Instant, nullable=False, index=True),
    Column("topic", Text, nullable=False),
    Column("focus_type", Text, nullable=False),
    Column("focus_id", Text, nullable=False),
    _text("status"),
    _to("patient", nullable=True),
    _to("study", nullable=True),
    _to("order", nullable=True),
    Column("modalities", JSON, nullable=False, server_default=text("'[]'")),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    _key(),
    _count("version", 1),
    Column("state", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("filters", JSON, nullable=False),
    Column("endpoint", Text, nullable=False),
    # Secrets: written into requests, shown to nobody.
    Column("headers", JSON, nullable=False, server_default=text("'[]'")),
    Column("content", Text, nullable=False),
    _count("heartbeat_secs"),
    _count("timeout_secs"),
    _count("max_count", 1),
    Column("ends_at", Instant),
    Column("resource", JSON, nullable=False),
    Column("owner", Text, nullable=False),
    _text("owner_name"),
    _count("told"),
    _count("delivered"),
    _count("failures"),
    _text("error"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("activated_at", Instant),
    Column("sent_at", Instant),
    _one_of("state", SubscriptionState),
)

# The news that one subscription is told, numbered from 1 without gaps.
subscription_news = Table(
    "subscription_news",
    metadata,
    _key(),
    _to("subscription", index=False),
    _count("number"),
    _to("news", column="news_key"),
    UniqueConstraint("subscription_key", "number"),
)

# What somebody asked for in bulk. at_type, after: how far it is; after: where the page before ended, null at a type's begin.
exports = Table(
    "exports",
    metadata,
    _key(),
    Column("release", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("types", JSON, nullable=False),
    Column("since", Instant),
    _to("patient", nullable=True),
    Column("owner", Text, nullable=False),
    _text("owner_name"),
    Column("state", Text, nullable=False),
    _count("at_type"),
    Column("after", JSON),
    Column("asked_at", Instant, nullable=False),
    Column("done_at", Instant),
    Column("ends_at", Instant),
    _one_of("state", ("running", "done", "failed")),
)

# NDJSON, compressed, in the order it was made; a file is so many parts of one type.
export_parts = Table(
    "export_parts",
    metadata,
    _key(),
    _to("export", index=False),
    Column("resource_type", Text, nullable=False),
    _count("number"),
    _count("lines"),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("export_key", "resource_type", "number"),
)

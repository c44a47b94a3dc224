"""Everything the first version keeps."""

import sqlalchemy as sa
from alembic import op

from bridge.store.tables import Instant

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "availability_notes",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("ae_title", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("noted_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_availability_notes")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_availability_notes_sop_instance_uid")),
    )
    op.create_table(
        "bulk_jobs",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_by", sa.Text(), server_default="", nullable=False),
        sa.Column("device", sa.Text(), server_default="", nullable=False),
        sa.Column("since", Instant(), nullable=True),
        sa.Column("until", Instant(), nullable=True),
        sa.Column("repair", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("applied_by", sa.Text(), server_default="", nullable=False),
        sa.Column("undone_by", sa.Text(), server_default="", nullable=False),
        sa.Column("undo_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.CheckConstraint("kind IN ('close', 'repair')", name=op.f("ck_bulk_jobs_kind")),
        sa.CheckConstraint(
            "state IN ('previewing', 'previewed', 'applying', 'applied', 'undoing', 'undone', 'dropped')",
            name=op.f("ck_bulk_jobs_state"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_bulk_jobs")),
    )
    op.create_index(op.f("ix_bulk_jobs_state_key"), "bulk_jobs", ["state", "key"], unique=False)
    op.create_table(
        "commitment_requests",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ae_title", sa.Text(), nullable=False),
        sa.Column("transaction_uid", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("referenced", sa.JSON(), nullable=False),
        sa.Column("failed", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("verified_at", Instant(), nullable=True),
        sa.Column("reported_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_commitment_requests")),
        sa.UniqueConstraint(
            "ae_title", "transaction_uid", "digest", name=op.f("uq_commitment_requests_ae_title_transaction_uid_digest")
        ),
    )
    op.create_index(
        "ix_commitment_requests_open",
        "commitment_requests",
        ["key"],
        unique=False,
        sqlite_where=sa.text("verified_at IS NULL"),
        postgresql_where=sa.text("verified_at IS NULL"),
    )
    op.create_table(
        "conflicting_instances",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("received", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("received_from", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_conflicting_instances")),
        sa.UniqueConstraint(
            "sop_instance_uid", "digest", name=op.f("uq_conflicting_instances_sop_instance_uid_digest")
        ),
    )
    op.create_index(op.f("ix_conflicting_instances_blob"), "conflicting_instances", ["blob"], unique=False)
    op.create_index(
        op.f("ix_conflicting_instances_sop_instance_uid"), "conflicting_instances", ["sop_instance_uid"], unique=False
    )
    op.create_table(
        "device_choices",
        sa.Column("ae_title", sa.Text(), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.Column("changed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("ae_title", name=op.f("pk_device_choices")),
    )
    op.create_table(
        "fhir_bookmarks",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("server", sa.Text(), server_default="", nullable=False),
        sa.Column("since", sa.Text(), server_default="", nullable=False),
        sa.Column("read_at", Instant(), nullable=True),
        sa.Column("fault", sa.Text(), server_default="", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("told", sa.Integer(), server_default="0", nullable=False),
        sa.Column("taken", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_fhir_bookmarks")),
        sa.UniqueConstraint("server", name=op.f("uq_fhir_bookmarks_server")),
    )
    op.create_table(
        "figure_months",
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_figure_months")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "messages",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("peer", sa.Text(), server_default="", nullable=False),
        sa.Column("sending_application", sa.Text(), server_default="", nullable=False),
        sa.Column("sending_facility", sa.Text(), server_default="", nullable=False),
        sa.Column("control_id", sa.Text(), server_default="", nullable=False),
        sa.Column("message_type", sa.Text(), server_default="", nullable=False),
        sa.Column("message_at", Instant(), nullable=True),
        sa.Column("processing_id", sa.Text(), server_default="", nullable=False),
        sa.Column("site", sa.Text(), server_default="", nullable=False),
        sa.Column("charset", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answer_code", sa.Text(), server_default="", nullable=False),
        sa.Column("error_code", sa.Text(), server_default="", nullable=False),
        sa.Column("error_where", sa.Text(), server_default="", nullable=False),
        sa.Column("error_detail", sa.Text(), server_default="", nullable=False),
        sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("stranger", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("times_received", sa.Integer(), server_default="1", nullable=False),
        sa.Column("last_received_at", Instant(), nullable=False),
        sa.Column("edited_from", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("trace", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("notices", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.CheckConstraint("state IN ('applied', 'refused', 'failed')", name=op.f("ck_messages_state")),
        sa.ForeignKeyConstraint(["edited_from"], ["messages.key"], name=op.f("fk_messages_edited_from")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_messages")),
        sa.UniqueConstraint(
            "sending_application",
            "sending_facility",
            "control_id",
            "digest",
            name=op.f("uq_messages_sending_application_sending_facility_control_id_digest"),
        ),
    )
    op.create_index(op.f("ix_messages_control_id"), "messages", ["control_id"], unique=False)
    op.create_index(
        "ix_messages_edited_from",
        "messages",
        ["edited_from"],
        unique=False,
        sqlite_where=sa.text("edited_from IS NOT NULL"),
        postgresql_where=sa.text("edited_from IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_facets",
        "messages",
        ["state", "site", "message_type", "error_code", "is_test", "key"],
        unique=False,
    )
    op.create_index(op.f("ix_messages_received_at"), "messages", ["received_at"], unique=False)
    op.create_table(
        "news_looks",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_news_looks")),
        sa.UniqueConstraint("subject", name=op.f("uq_news_looks_subject")),
    )
    op.create_index(op.f("ix_news_looks_due_at"), "news_looks", ["due_at"], unique=False)
    op.create_table(
        "object_checks",
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("verified_at", Instant(), nullable=True),
        sa.Column("damage", sa.Text(), server_default="", nullable=False),
        sa.Column("damaged_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("blob", name=op.f("pk_object_checks")),
    )
    op.create_index(
        "ix_object_checks_damaged",
        "object_checks",
        ["blob"],
        unique=False,
        sqlite_where=sa.text("damage <> ''"),
        postgresql_where=sa.text("damage <> ''"),
    )
    op.create_table(
        "order_lists",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("file_name", sa.Text(), server_default="", nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.Text(), server_default="", nullable=False),
        sa.Column("date_form", sa.Text(), server_default="", nullable=False),
        sa.Column("entered_by", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cursor", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.CheckConstraint(
            "state IN ('looked-at', 'waiting', 'running', 'done', 'stopped')", name=op.f("ck_order_lists_state")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_order_lists")),
    )
    op.create_index(op.f("ix_order_lists_state_key"), "order_lists", ["state", "key"], unique=False)
    op.create_table(
        "patients",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("patient_name", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_birth_date", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_sex", sa.Text(), server_default="", nullable=False),
        sa.Column("other_patient_names", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("multiple_birth", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("provisional", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("inactive", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("patient_address", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_telephone", sa.Text(), server_default="", nullable=False),
        sa.Column("details", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("findings", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("as_of", Instant(), nullable=True),
        sa.Column("in_question", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("merged_into", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["merged_into"], ["patients.key"], name=op.f("fk_patients_merged_into")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_patients")),
    )
    op.create_index(op.f("ix_patients_merged_into"), "patients", ["merged_into"], unique=False)
    op.create_index(op.f("ix_patients_patient_birth_date"), "patients", ["patient_birth_date"], unique=False)
    op.create_table(
        "payer_files",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("origin", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reasons", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("mends", sa.BigInteger(), nullable=True),
        sa.Column("taken_by", sa.Text(), server_default="", nullable=False),
        sa.Column("taken_at", Instant(), nullable=False),
        sa.CheckConstraint("state IN ('open', 'taken', 'refused')", name=op.f("ck_payer_files_state")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_payer_files")),
        sa.UniqueConstraint("blob", name=op.f("uq_payer_files_blob")),
    )
    op.create_index(op.f("ix_payer_files_mends"), "payer_files", ["mends"], unique=False)
    op.create_index(op.f("ix_payer_files_state_key"), "payer_files", ["state", "key"], unique=False)
    op.create_table(
        "payer_notices",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("heard_at", Instant(), nullable=False),
        sa.Column("overtaken_at", Instant(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("read_at", Instant(), nullable=True),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_payer_notices")),
        sa.UniqueConstraint("payer", "digest", name=op.f("uq_payer_notices_payer_digest")),
    )
    op.create_index(
        "ix_payer_notices_unread",
        "payer_notices",
        ["key"],
        unique=False,
        sqlite_where=sa.text("read_at IS NULL"),
        postgresql_where=sa.text("read_at IS NULL"),
    )
    op.create_table(
        "performed_steps",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("performed_procedure_step_id", sa.Text(), server_default="", nullable=False),
        sa.Column("performed_station_ae_title", sa.Text(), server_default="", nullable=False),
        sa.Column("modality", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("started_local", sa.Text(), server_default="", nullable=False),
        sa.Column("ended_local", sa.Text(), server_default="", nullable=False),
        sa.Column("discontinuation_code", sa.Text(), server_default="", nullable=False),
        sa.Column("discontinuation_meaning", sa.Text(), server_default="", nullable=False),
        sa.Column("calling_ae_title", sa.Text(), server_default="", nullable=False),
        sa.Column("incomplete", sa.Text(), server_default="", nullable=False),
        sa.Column("proposal", sa.Text(), server_default="", nullable=False),
        sa.Column("timed_out_at", Instant(), nullable=True),
        sa.Column("referenced_instances", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("attributes", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "status IN ('IN PROGRESS', 'COMPLETED', 'DISCONTINUED')", name=op.f("ck_performed_steps_status")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_performed_steps")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_performed_steps_sop_instance_uid")),
    )
    op.create_index(
        op.f("ix_performed_steps_performed_station_ae_title_updated_at"),
        "performed_steps",
        ["performed_station_ae_title", "updated_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_performed_steps_study_instance_uid"), "performed_steps", ["study_instance_uid"], unique=False
    )
    op.create_index(op.f("ix_performed_steps_updated_at"), "performed_steps", ["updated_at"], unique=False)
    op.create_table(
        "replay_jobs",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("filter", sa.JSON(), nullable=False),
        sa.Column("asked_by", sa.Text(), server_default="", nullable=False),
        sa.Column("dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("until_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("cursor", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("applied", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refused", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'cancelled')", name=op.f("ck_replay_jobs_state")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_replay_jobs")),
    )
    op.create_index(op.f("ix_replay_jobs_state_key"), "replay_jobs", ["state", "key"], unique=False)
    op.create_table(
        "signals",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("taken_back_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_signals")),
        sa.UniqueConstraint(
            "study_instance_uid", "code", "source", name=op.f("uq_signals_study_instance_uid_code_source")
        ),
    )
    op.create_index(op.f("ix_signals_study_instance_uid"), "signals", ["study_instance_uid"], unique=False)
    op.create_table(
        "stamps",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_stamps")),
    )
    op.create_table(
        "stated_instances",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("ae_title", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("instance_availability", sa.Text(), nullable=False),
        sa.Column("retrieve_ae_title", sa.Text(), nullable=False),
        sa.Column("retrieve_url", sa.Text(), server_default="", nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.CheckConstraint(
            "instance_availability IN ('ONLINE', 'NEARLINE', 'OFFLINE', 'UNAVAILABLE')",
            name=op.f("ck_stated_instances_state"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_stated_instances")),
        sa.UniqueConstraint(
            "study_instance_uid",
            "ae_title",
            "sop_instance_uid",
            name=op.f("uq_stated_instances_study_instance_uid_ae_title_sop_instance_uid"),
        ),
    )
    op.create_table(
        "subscriptions",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("headers", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("heartbeat_secs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("timeout_secs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_count", sa.Integer(), server_default="1", nullable=False),
        sa.Column("ends_at", Instant(), nullable=True),
        sa.Column("resource", sa.JSON(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("owner_name", sa.Text(), server_default="", nullable=False),
        sa.Column("told", sa.Integer(), server_default="0", nullable=False),
        sa.Column("delivered", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("activated_at", Instant(), nullable=True),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.CheckConstraint("state IN ('requested', 'active', 'error', 'off')", name=op.f("ck_subscriptions_state")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_subscriptions")),
    )
    op.create_table(
        "tellings",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("secret_digest", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), server_default="", nullable=False),
        sa.Column("number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("made_at", Instant(), nullable=True),
        sa.Column("heard_at", Instant(), nullable=True),
        sa.Column("looked_at", Instant(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("state IN ('making', 'telling', 'silent')", name=op.f("ck_tellings_state")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_tellings")),
        sa.UniqueConstraint("name", name=op.f("uq_tellings_name")),
    )
    op.create_table(
        "tokens",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("ae_title", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=True),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("used_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_tokens")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_tokens_token_digest")),
    )
    op.create_table(
        "users",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("disabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "verifications",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("reached", sa.Text(), server_default="", nullable=False),
        sa.Column("objects", sa.Integer(), server_default="0", nullable=False),
        sa.Column("read_objects", sa.Integer(), server_default="0", nullable=False),
        sa.Column("read_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("damaged", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_verifications")),
    )
    op.create_table(
        "worklist_queries",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("last_asked_at", Instant(), nullable=False),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False),
        sa.Column("calling_ae_title", sa.Text(), server_default="", nullable=False),
        sa.Column("called_ae_title", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("association", sa.Text(), server_default="", nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("identifier", sa.LargeBinary(), nullable=False),
        sa.Column("step_keys", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("was_cut", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("secs", sa.Float(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('answered', 'cancelled', 'failed', 'broken_off', 'refused', 'rejected', 'unkept')",
            name=op.f("ck_worklist_queries_outcome"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_worklist_queries")),
    )
    op.create_index(
        op.f("ix_worklist_queries_calling_ae_title_key"), "worklist_queries", ["calling_ae_title", "key"], unique=False
    )
    op.create_index(
        op.f("ix_worklist_queries_calling_ae_title_last_asked_at"),
        "worklist_queries",
        ["calling_ae_title", "last_asked_at"],
        unique=False,
    )
    op.create_index(op.f("ix_worklist_queries_last_asked_at"), "worklist_queries", ["last_asked_at"], unique=False)
    op.create_table(
        "chart_parts",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("of_work", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("content_digest", sa.Text(), server_default="", nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_chart_parts_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_chart_parts")),
        sa.UniqueConstraint("server", "of_work", "reference", name=op.f("uq_chart_parts_server_of_work_reference")),
    )
    op.create_index("ix_chart_parts_of_work", "chart_parts", ["of_work"], unique=False)
    op.create_table(
        "clinical_notes",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("other_patient_ids", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("patient_name", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_birth_date", sa.Text(), server_default="", nullable=False),
        sa.Column("parent", sa.Text(), server_default="", nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("code_value", sa.Text(), server_default="", nullable=False),
        sa.Column("coding_scheme_designator", sa.Text(), server_default="", nullable=False),
        sa.Column("code_meaning", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("written_local", sa.Text(), server_default="", nullable=False),
        sa.Column("written_at", Instant(), nullable=True),
        sa.Column("author", sa.Text(), server_default="", nullable=False),
        sa.Column("sections", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("said_at", Instant(), nullable=False),
        sa.Column("heard_at", Instant(), nullable=False),
        sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("message_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("relation IN ('none', 'addendum', 'replacement')", name=op.f("ck_clinical_notes_relation")),
        sa.CheckConstraint("status IN ('preliminary', 'final', 'withdrawn')", name=op.f("ck_clinical_notes_status")),
        sa.ForeignKeyConstraint(["message_key"], ["messages.key"], name=op.f("fk_clinical_notes_message_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_clinical_notes_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_clinical_notes")),
    )
    op.create_index(op.f("ix_clinical_notes_heard_at"), "clinical_notes", ["heard_at"], unique=False)
    op.create_index(op.f("ix_clinical_notes_identity"), "clinical_notes", ["identity"], unique=False)
    op.create_index(op.f("ix_clinical_notes_parent"), "clinical_notes", ["parent"], unique=False)
    op.create_index(
        op.f("ix_clinical_notes_patient_id_issuer_of_patient_id"),
        "clinical_notes",
        ["patient_id", "issuer_of_patient_id"],
        unique=False,
    )
    op.create_index(op.f("ix_clinical_notes_patient_key"), "clinical_notes", ["patient_key"], unique=False)
    op.create_table(
        "coverages",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("payer_id", sa.Text(), server_default="", nullable=False),
        sa.Column("payer_name", sa.Text(), server_default="", nullable=False),
        sa.Column("member_id", sa.Text(), server_default="", nullable=False),
        sa.Column("member_key", sa.Text(), server_default="", nullable=False),
        sa.Column("member_suffix", sa.Text(), server_default="", nullable=False),
        sa.Column("subscriber_id", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("said_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_coverages_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_coverages")),
        sa.UniqueConstraint("patient_key", "payer_id", "source", name=op.f("uq_coverages_patient_key_payer_id_source")),
    )
    op.create_index(op.f("ix_coverages_member_key"), "coverages", ["member_key"], unique=False)
    op.create_index(op.f("ix_coverages_patient_key"), "coverages", ["patient_key"], unique=False)
    op.create_table(
        "exports",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("since", Instant(), nullable=True),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("owner_name", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at_type", sa.Integer(), server_default="0", nullable=False),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("done_at", Instant(), nullable=True),
        sa.Column("ends_at", Instant(), nullable=True),
        sa.CheckConstraint("state IN ('running', 'done', 'failed')", name=op.f("ck_exports_state")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_exports_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_exports")),
    )
    op.create_index(op.f("ix_exports_patient_key"), "exports", ["patient_key"], unique=False)
    op.create_table(
        "lab_results",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("other_patient_ids", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("patient_name", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_birth_date", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("code_value", sa.Text(), server_default="", nullable=False),
        sa.Column("coding_scheme_designator", sa.Text(), server_default="", nullable=False),
        sa.Column("code_meaning", sa.Text(), server_default="", nullable=False),
        sa.Column("value", sa.Text(), server_default="", nullable=False),
        sa.Column("units", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("observed_local", sa.Text(), server_default="", nullable=False),
        sa.Column("observed_at", Instant(), nullable=True),
        sa.Column("said_at", Instant(), nullable=False),
        sa.Column("sent_at", Instant(), nullable=False),
        sa.Column("heard_at", Instant(), nullable=False),
        sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("message_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint(
            "status IN ('preliminary', 'final', 'corrected', 'withdrawn')", name=op.f("ck_lab_results_status")
        ),
        sa.ForeignKeyConstraint(["message_key"], ["messages.key"], name=op.f("fk_lab_results_message_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_lab_results_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_lab_results")),
    )
    op.create_index(op.f("ix_lab_results_heard_at"), "lab_results", ["heard_at"], unique=False)
    op.create_index(op.f("ix_lab_results_identity"), "lab_results", ["identity"], unique=False)
    op.create_index(
        op.f("ix_lab_results_patient_id_issuer_of_patient_id"),
        "lab_results",
        ["patient_id", "issuer_of_patient_id"],
        unique=False,
    )
    op.create_index(op.f("ix_lab_results_patient_key"), "lab_results", ["patient_key"], unique=False)
    op.create_table(
        "merges",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), server_default="merge", nullable=False),
        sa.Column("survivor_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("retired_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_number", sa.Text(), server_default="", nullable=False),
        sa.Column("new_number", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_new_number", sa.Text(), server_default="", nullable=False),
        sa.Column("message_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("merged_at", Instant(), nullable=False),
        sa.Column("heard_at", Instant(), nullable=False),
        sa.Column("moved", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("replaced", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("undone_at", Instant(), nullable=True),
        sa.Column("undone_by", sa.Text(), server_default="", nullable=False),
        sa.Column("undo_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("undo_note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "kind IN ('merge', 'move_number', 'change_number', 'move_account', 'move_visit', 'change_account')",
            name=op.f("ck_merges_kind"),
        ),
        sa.ForeignKeyConstraint(["message_key"], ["messages.key"], name=op.f("fk_merges_message_key")),
        sa.ForeignKeyConstraint(["retired_key"], ["patients.key"], name=op.f("fk_merges_retired_key")),
        sa.ForeignKeyConstraint(["survivor_key"], ["patients.key"], name=op.f("fk_merges_survivor_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_merges")),
    )
    op.create_index(op.f("ix_merges_message_key"), "merges", ["message_key"], unique=False)
    op.create_index(op.f("ix_merges_number"), "merges", ["number"], unique=False)
    op.create_index(op.f("ix_merges_retired_key"), "merges", ["retired_key"], unique=False)
    op.create_index(op.f("ix_merges_survivor_key"), "merges", ["survivor_key"], unique=False)
    op.create_table(
        "message_terms",
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column(
            "message_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["message_key"], ["messages.key"], name=op.f("fk_message_terms_message_key")),
        sa.PrimaryKeyConstraint("value", "message_key", "kind", "issuer", name=op.f("pk_message_terms")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_message_terms_message_key"), "message_terms", ["message_key"], unique=False)
    op.create_table(
        "orders",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("accession_number", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_accession_number", sa.Text(), server_default="", nullable=False),
        sa.Column("placer_order_number", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_placer_order_number", sa.Text(), server_default="", nullable=False),
        sa.Column("filler_order_number", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_filler_order_number", sa.Text(), server_default="", nullable=False),
        sa.Column("requested_procedure_id", sa.Text(), server_default="", nullable=False),
        sa.Column("study_instance_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("requested_procedure_description", sa.Text(), server_default="", nullable=False),
        sa.Column("requested_procedure_code", sa.Text(), server_default="", nullable=False),
        sa.Column("requested_procedure_code_scheme", sa.Text(), server_default="", nullable=False),
        sa.Column("requested_procedure_code_meaning", sa.Text(), server_default="", nullable=False),
        sa.Column("requested_procedure_priority", sa.Text(), server_default="", nullable=False),
        sa.Column("reason_for_the_requested_procedure", sa.Text(), server_default="", nullable=False),
        sa.Column("requested_procedure_comments", sa.Text(), server_default="", nullable=False),
        sa.Column("requesting_physician", sa.Text(), server_default="", nullable=False),
        sa.Column("referring_physician_name", sa.Text(), server_default="", nullable=False),
        sa.Column("admission_id", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_admission_id", sa.Text(), server_default="", nullable=False),
        sa.Column("current_patient_location", sa.Text(), server_default="", nullable=False),
        sa.Column("institution_name", sa.Text(), server_default="", nullable=False),
        sa.Column("details", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("is_import", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("transaction_at", Instant(), nullable=True),
        sa.Column("status_at", Instant(), nullable=True),
        sa.Column("replaced_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("parent_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("ordered_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "status IN ('SCHEDULED', 'ARRIVED', 'READY', 'STARTED', 'COMPLETED', 'DISCONTINUED', 'CANCELED', 'HELD')",
            name=op.f("ck_orders_status"),
        ),
        sa.ForeignKeyConstraint(["parent_key"], ["orders.key"], name=op.f("fk_orders_parent_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_orders_patient_key")),
        sa.ForeignKeyConstraint(["replaced_by"], ["orders.key"], name=op.f("fk_orders_replaced_by")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_orders")),
    )
    op.create_index(op.f("ix_orders_accession_number"), "orders", ["accession_number"], unique=False)
    op.create_index(op.f("ix_orders_filler_order_number"), "orders", ["filler_order_number"], unique=False)
    op.create_index(op.f("ix_orders_ordered_at"), "orders", ["ordered_at"], unique=False)
    op.create_index(op.f("ix_orders_parent_key"), "orders", ["parent_key"], unique=False)
    op.create_index(op.f("ix_orders_patient_key"), "orders", ["patient_key"], unique=False)
    op.create_index(op.f("ix_orders_placer_order_number"), "orders", ["placer_order_number"], unique=False)
    op.create_index(op.f("ix_orders_replaced_by"), "orders", ["replaced_by"], unique=False)
    op.create_index(op.f("ix_orders_requested_procedure_id"), "orders", ["requested_procedure_id"], unique=False)
    op.create_index(op.f("ix_orders_study_instance_uid"), "orders", ["study_instance_uid"], unique=False)
    op.create_index(op.f("ix_orders_updated_at"), "orders", ["updated_at"], unique=False)
    op.create_table(
        "patient_aliases",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("patient_name", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_birth_date", sa.Text(), server_default="", nullable=False),
        sa.Column("learned_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_patient_aliases_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_patient_aliases")),
    )
    op.create_index(op.f("ix_patient_aliases_patient_key"), "patient_aliases", ["patient_key"], unique=False)
    op.create_table(
        "patient_identifiers",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("identifier_type", sa.Text(), server_default="", nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("moved_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_patient_identifiers_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_patient_identifiers")),
        sa.UniqueConstraint(
            "issuer_of_patient_id", "patient_id", name=op.f("uq_patient_identifiers_issuer_of_patient_id_patient_id")
        ),
    )
    op.create_index(op.f("ix_patient_identifiers_patient_id"), "patient_identifiers", ["patient_id"], unique=False)
    op.create_index(op.f("ix_patient_identifiers_patient_key"), "patient_identifiers", ["patient_key"], unique=False)
    op.create_table(
        "patient_keys",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("birth_dates", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_patient_keys_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_patient_keys")),
    )
    op.create_index(
        op.f("ix_patient_keys_kind_value_patient_key_birth_dates"),
        "patient_keys",
        ["kind", "value", "patient_key", "birth_dates"],
        unique=False,
    )
    op.create_index(op.f("ix_patient_keys_patient_key"), "patient_keys", ["patient_key"], unique=False)
    op.create_table(
        "patient_links",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("first_patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("second_patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("linked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("said_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["first_patient_key"], ["patients.key"], name=op.f("fk_patient_links_first_patient_key")
        ),
        sa.ForeignKeyConstraint(
            ["second_patient_key"], ["patients.key"], name=op.f("fk_patient_links_second_patient_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_patient_links")),
        sa.UniqueConstraint(
            "first_patient_key",
            "second_patient_key",
            name=op.f("uq_patient_links_first_patient_key_second_patient_key"),
        ),
    )
    op.create_index(op.f("ix_patient_links_first_patient_key"), "patient_links", ["first_patient_key"], unique=False)
    op.create_index(op.f("ix_patient_links_second_patient_key"), "patient_links", ["second_patient_key"], unique=False)
    op.create_table(
        "performed_forwards",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("performed_step_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("sent_through", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sent_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["performed_step_key"], ["performed_steps.key"], name=op.f("fk_performed_forwards_performed_step_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_performed_forwards")),
        sa.UniqueConstraint(
            "performed_step_key", "destination", name=op.f("uq_performed_forwards_performed_step_key_destination")
        ),
    )
    op.create_table(
        "performed_messages",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("performed_step_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("calling_ae_title", sa.Text(), server_default="", nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("attributes", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("operation IN ('create', 'set')", name=op.f("ck_performed_messages_operation")),
        sa.ForeignKeyConstraint(
            ["performed_step_key"], ["performed_steps.key"], name=op.f("fk_performed_messages_performed_step_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_performed_messages")),
    )
    op.create_index(
        op.f("ix_performed_messages_performed_step_key"), "performed_messages", ["performed_step_key"], unique=False
    )
    op.create_table(
        "sessions",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("user_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.Column("searches", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.ForeignKeyConstraint(["user_key"], ["users.key"], name=op.f("fk_sessions_user_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_sessions_token_digest")),
    )
    op.create_index(op.f("ix_sessions_user_key"), "sessions", ["user_key"], unique=False)
    op.create_table(
        "sign_in_links",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("user_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("trusted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.Column("used_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["user_key"], ["users.key"], name=op.f("fk_sign_in_links_user_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_links")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_sign_in_links_token_digest")),
    )
    op.create_index(op.f("ix_sign_in_links_user_key"), "sign_in_links", ["user_key"], unique=False)
    op.create_table(
        "smart_clients",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("token_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("jwks", sa.JSON(), nullable=True),
        sa.Column("jwks_url", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["token_key"], ["tokens.key"], name=op.f("fk_smart_clients_token_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_smart_clients")),
        sa.UniqueConstraint("client_id", name=op.f("uq_smart_clients_client_id")),
    )
    op.create_index(op.f("ix_smart_clients_token_key"), "smart_clients", ["token_key"], unique=False)
    op.create_table(
        "told_subjects",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_told_subjects_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_told_subjects")),
        sa.UniqueConstraint("subject", name=op.f("uq_told_subjects_subject")),
    )
    op.create_index(op.f("ix_told_subjects_patient_key"), "told_subjects", ["patient_key"], unique=False)
    op.create_table(
        "visits",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("issuer_of_admission_id", sa.Text(), server_default="", nullable=False),
        sa.Column("admission_id", sa.Text(), nullable=False),
        sa.Column("issuer_of_account_number", sa.Text(), server_default="", nullable=False),
        sa.Column("account_number", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("patient_class", sa.Text(), server_default="", nullable=False),
        sa.Column("current_patient_location", sa.Text(), server_default="", nullable=False),
        sa.Column("referring_physician_name", sa.Text(), server_default="", nullable=False),
        sa.Column("admitted_local", sa.Text(), server_default="", nullable=False),
        sa.Column("discharged_local", sa.Text(), server_default="", nullable=False),
        sa.Column("details", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("as_of", Instant(), nullable=True),
        sa.Column("moved_at", Instant(), nullable=True),
        sa.Column("moved_into", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("state IN ('pre_admit', 'open', 'closed', 'cancelled')", name=op.f("ck_visits_state")),
        sa.ForeignKeyConstraint(["moved_into"], ["visits.key"], name=op.f("fk_visits_moved_into")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_visits_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_visits")),
        sa.UniqueConstraint(
            "issuer_of_admission_id", "admission_id", name=op.f("uq_visits_issuer_of_admission_id_admission_id")
        ),
    )
    op.create_index(op.f("ix_visits_account_number"), "visits", ["account_number"], unique=False)
    op.create_index(op.f("ix_visits_moved_into"), "visits", ["moved_into"], unique=False)
    op.create_index(op.f("ix_visits_patient_key"), "visits", ["patient_key"], unique=False)
    op.create_table(
        "access_tokens",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("client_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("jti_digest", sa.Text(), nullable=False),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.Column("forgotten_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["client_key"], ["smart_clients.key"], name=op.f("fk_access_tokens_client_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_access_tokens")),
        sa.UniqueConstraint("client_key", "jti_digest", name=op.f("uq_access_tokens_client_key_jti_digest")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_access_tokens_token_digest")),
    )
    op.create_index(op.f("ix_access_tokens_forgotten_at"), "access_tokens", ["forgotten_at"], unique=False)
    op.create_table(
        "appointments",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("placer_appointment_id", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_placer_appointment_id", sa.Text(), server_default="", nullable=False),
        sa.Column("filler_appointment_id", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_filler_appointment_id", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("slots", sa.JSON(), nullable=False),
        sa.Column("starts_at", Instant(), nullable=True),
        sa.Column("said_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'booked', 'arrived', 'cancelled', 'no-show')", name=op.f("ck_appointments_state")
        ),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_appointments_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_appointments_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_appointments")),
    )
    op.create_index(
        op.f("ix_appointments_filler_appointment_id"), "appointments", ["filler_appointment_id"], unique=False
    )
    op.create_index(op.f("ix_appointments_order_key"), "appointments", ["order_key"], unique=False)
    op.create_index(op.f("ix_appointments_patient_key"), "appointments", ["patient_key"], unique=False)
    op.create_index(
        op.f("ix_appointments_placer_appointment_id"), "appointments", ["placer_appointment_id"], unique=False
    )
    op.create_index(op.f("ix_appointments_starts_at"), "appointments", ["starts_at"], unique=False)
    op.create_index(op.f("ix_appointments_updated_at"), "appointments", ["updated_at"], unique=False)
    op.create_table(
        "archive_notices",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("archive", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("merge_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("number", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_number", sa.Text(), server_default="", nullable=False),
        sa.Column("new_number", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_new_number", sa.Text(), server_default="", nullable=False),
        sa.Column("cause", sa.Text(), server_default="", nullable=False),
        sa.Column("said_at", Instant(), nullable=False),
        sa.Column("control_id", sa.Text(), server_default="", nullable=False),
        sa.Column("begun_at", Instant(), nullable=True),
        sa.Column("told_at", Instant(), nullable=True),
        sa.CheckConstraint("trigger IN ('A08', 'A40', 'A47')", name=op.f("ck_archive_notices_trigger")),
        sa.ForeignKeyConstraint(["merge_key"], ["merges.key"], name=op.f("fk_archive_notices_merge_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_archive_notices_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_archive_notices")),
        sa.UniqueConstraint("destination", "merge_key", name=op.f("uq_archive_notices_destination_merge_key")),
    )
    op.create_index(op.f("ix_archive_notices_merge_key"), "archive_notices", ["merge_key"], unique=False)
    op.create_index(op.f("ix_archive_notices_patient_key"), "archive_notices", ["patient_key"], unique=False)
    op.create_table(
        "authorizations",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("number", sa.Text(), server_default="", nullable=False),
        sa.Column("payer_id", sa.Text(), server_default="", nullable=False),
        sa.Column("payer_name", sa.Text(), server_default="", nullable=False),
        sa.Column("member_id", sa.Text(), server_default="", nullable=False),
        sa.Column("member_suffix", sa.Text(), server_default="", nullable=False),
        sa.Column("subscriber_id", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), server_default="", nullable=False),
        sa.Column("administrative_reference", sa.Text(), server_default="", nullable=False),
        sa.Column("trace", sa.Text(), server_default="", nullable=False),
        sa.Column("request_category", sa.Text(), server_default="", nullable=False),
        sa.Column("certification", sa.Text(), server_default="", nullable=False),
        sa.Column("service_type", sa.Text(), server_default="", nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("lines", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("reason_codes", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("wanted", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("effective_on", sa.Text(), server_default="", nullable=False),
        sa.Column("expires_on", sa.Text(), server_default="", nullable=False),
        sa.Column("policy_level", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("received_at", Instant(), nullable=True),
        sa.Column("answered_at", Instant(), nullable=True),
        sa.Column("said_at", Instant(), nullable=True),
        sa.Column("due_at", Instant(), nullable=True),
        sa.Column("superseded_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "status IN ('unconfirmed', 'draft', 'submitted', 'pended', 'approved', 'partial', 'modified', 'denied', 'contact-payer', 'not-required', 'cancelled', 'error', 'expired', 'superseded')",
            name=op.f("ck_authorizations_status"),
        ),
        sa.CheckConstraint("urgency IN ('standard', 'expedited')", name=op.f("ck_authorizations_urgency")),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_authorizations_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_authorizations_patient_key")),
        sa.ForeignKeyConstraint(
            ["superseded_by"], ["authorizations.key"], name=op.f("fk_authorizations_superseded_by")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_authorizations")),
    )
    op.create_index(
        "ix_authorizations_due",
        "authorizations",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_authorizations_number"), "authorizations", ["number"], unique=False)
    op.create_index(op.f("ix_authorizations_order_key"), "authorizations", ["order_key"], unique=False)
    op.create_index(op.f("ix_authorizations_patient_key"), "authorizations", ["patient_key"], unique=False)
    op.create_index(op.f("ix_authorizations_status"), "authorizations", ["status"], unique=False)
    op.create_index(op.f("ix_authorizations_superseded_by"), "authorizations", ["superseded_by"], unique=False)
    op.create_table(
        "claim_figures",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("claim_number", sa.Text(), server_default="", nullable=False),
        sa.Column("service_on", sa.Text(), server_default="", nullable=False),
        sa.Column("payer", sa.Text(), server_default="", nullable=False),
        sa.Column("payer_name", sa.Text(), server_default="", nullable=False),
        sa.Column("device", sa.Text(), server_default="", nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("was_returned", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("was_asked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_void", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("category", sa.Text(), server_default="", nullable=False),
        sa.Column("days_to_payment", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "first IN ('paid', 'partly-paid', 'denied', 'returned', 'none')", name=op.f("ck_claim_figures_first")
        ),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_claim_figures_order_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_claim_figures")),
    )
    op.create_index(op.f("ix_claim_figures_claim_number"), "claim_figures", ["claim_number"], unique=False)
    op.create_index(
        "ix_claim_figures_counted",
        "claim_figures",
        [
            "service_on",
            "payer",
            "device",
            "first",
            "category",
            "was_returned",
            "was_asked",
            "is_void",
            "days_to_payment",
        ],
        unique=False,
    )
    op.create_index(op.f("ix_claim_figures_order_key"), "claim_figures", ["order_key"], unique=False)
    op.create_index(op.f("ix_claim_figures_payer_key"), "claim_figures", ["payer", "key"], unique=False)
    op.create_table(
        "exam_figures",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("exam_on", sa.Text(), nullable=False),
        sa.Column("payer", sa.Text(), server_default="", nullable=False),
        sa.Column("payer_name", sa.Text(), server_default="", nullable=False),
        sa.Column("device", sa.Text(), server_default="", nullable=False),
        sa.Column("warned", sa.Text(), nullable=False),
        sa.Column("evidence_minutes", sa.Integer(), nullable=True),
        sa.CheckConstraint("warned IN ('never', 'before', 'after')", name=op.f("ck_exam_figures_warned")),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_exam_figures_order_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_exam_figures")),
        sa.UniqueConstraint("order_key", name=op.f("uq_exam_figures_order_key")),
    )
    op.create_index(
        "ix_exam_figures_counted",
        "exam_figures",
        ["exam_on", "payer", "device", "warned", "evidence_minutes"],
        unique=False,
    )
    op.create_index(op.f("ix_exam_figures_payer_key"), "exam_figures", ["payer", "key"], unique=False)
    op.create_table(
        "export_parts",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("export_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["export_key"], ["exports.key"], name=op.f("fk_export_parts_export_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_export_parts")),
        sa.UniqueConstraint(
            "export_key", "resource_type", "number", name=op.f("uq_export_parts_export_key_resource_type_number")
        ),
    )
    op.create_table(
        "fhir_resources",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("resource_type", sa.Text(), server_default="", nullable=False),
        sa.Column("resource_id", sa.Text(), server_default="", nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_fhir_resources_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_fhir_resources_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_fhir_resources")),
        sa.UniqueConstraint(
            "source", "resource_type", "resource_id", name=op.f("uq_fhir_resources_source_resource_type_resource_id")
        ),
    )
    op.create_index(op.f("ix_fhir_resources_order_key"), "fhir_resources", ["order_key"], unique=False)
    op.create_index(op.f("ix_fhir_resources_patient_key"), "fhir_resources", ["patient_key"], unique=False)
    op.create_table(
        "message_subjects",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("message_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["message_key"], ["messages.key"], name=op.f("fk_message_subjects_message_key")),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_message_subjects_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_message_subjects_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_message_subjects")),
    )
    op.create_index(op.f("ix_message_subjects_message_key"), "message_subjects", ["message_key"], unique=False)
    op.create_index(op.f("ix_message_subjects_order_key"), "message_subjects", ["order_key"], unique=False)
    op.create_index(op.f("ix_message_subjects_patient_key"), "message_subjects", ["patient_key"], unique=False)
    op.create_table(
        "note_documents",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("note_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["note_key"], ["clinical_notes.key"], name=op.f("fk_note_documents_note_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_note_documents")),
    )
    op.create_index(op.f("ix_note_documents_digest"), "note_documents", ["digest"], unique=False)
    op.create_index(op.f("ix_note_documents_note_key"), "note_documents", ["note_key"], unique=False)
    op.create_table(
        "order_entries",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("idempotency_key", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.Text(), server_default="", nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("entered_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_order_entries_order_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_order_entries")),
        sa.UniqueConstraint("actor", "idempotency_key", name=op.f("uq_order_entries_actor_idempotency_key")),
    )
    op.create_index(op.f("ix_order_entries_order_key"), "order_entries", ["order_key"], unique=False)
    op.create_table(
        "order_list_rows",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("list_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("faults", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('new', 'changed', 'unchanged', 'refused')", name=op.f("ck_order_list_rows_state")
        ),
        sa.ForeignKeyConstraint(["list_key"], ["order_lists.key"], name=op.f("fk_order_list_rows_list_key")),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_order_list_rows_order_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_order_list_rows")),
        sa.UniqueConstraint("list_key", "number", name=op.f("uq_order_list_rows_list_key_number")),
    )
    op.create_index(op.f("ix_order_list_rows_order_key"), "order_list_rows", ["order_key"], unique=False)
    op.create_table(
        "order_tokens",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), server_default="", nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_order_tokens_order_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_order_tokens")),
        sa.UniqueConstraint(
            "order_key", "name", "issuer", "value", name=op.f("uq_order_tokens_order_key_name_issuer_value")
        ),
    )
    op.create_index(
        op.f("ix_order_tokens_value_name_order_key"), "order_tokens", ["value", "name", "order_key"], unique=False
    )
    op.create_table(
        "reports",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("waits_for", sa.Text(), server_default="", nullable=False),
        sa.Column("accession_number", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_accession_number", sa.Text(), server_default="", nullable=False),
        sa.Column("placer_order_number", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_placer_order_number", sa.Text(), server_default="", nullable=False),
        sa.Column("filler_order_number", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_filler_order_number", sa.Text(), server_default="", nullable=False),
        sa.Column("study_instance_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("sr_instance_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("other_patient_ids", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("patient_name", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_birth_date", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("current", sa.Integer(), server_default="0", nullable=False),
        sa.Column("said_at", Instant(), nullable=False),
        sa.Column("sent_at", Instant(), nullable=False),
        sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "status IN ('registered', 'partial', 'preliminary', 'final', 'amended', 'corrected', 'appended', 'cancelled', 'entered-in-error', 'unknown')",
            name=op.f("ck_reports_status"),
        ),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_reports_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_reports_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_reports")),
        sa.UniqueConstraint("identity", name=op.f("uq_reports_identity")),
    )
    op.create_index(op.f("ix_reports_accession_number"), "reports", ["accession_number"], unique=False)
    op.create_index(op.f("ix_reports_filler_order_number"), "reports", ["filler_order_number"], unique=False)
    op.create_index(op.f("ix_reports_order_key"), "reports", ["order_key"], unique=False)
    op.create_index(
        op.f("ix_reports_patient_id_issuer_of_patient_id"),
        "reports",
        ["patient_id", "issuer_of_patient_id"],
        unique=False,
    )
    op.create_index(op.f("ix_reports_patient_key"), "reports", ["patient_key"], unique=False)
    op.create_index(op.f("ix_reports_placer_order_number"), "reports", ["placer_order_number"], unique=False)
    op.create_index(op.f("ix_reports_study_instance_uid"), "reports", ["study_instance_uid"], unique=False)
    op.create_index(op.f("ix_reports_updated_at"), "reports", ["updated_at"], unique=False)
    op.create_table(
        "studies",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("received", sa.JSON(), nullable=False),
        sa.Column("other_identities", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("source_ae_title", sa.Text(), server_default="", nullable=False),
        sa.Column("foreign", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("rule", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_by", sa.Text(), server_default="", nullable=False),
        sa.Column("sentence", sa.Text(), server_default="", nullable=False),
        sa.Column("binding_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held_from_patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("held_from_order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("closed_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("received_patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("received_issuer_of_patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("received_patient_name", sa.Text(), server_default="", nullable=False),
        sa.Column("received_patient_birth_date", sa.Text(), server_default="", nullable=False),
        sa.Column("received_accession_number", sa.Text(), server_default="", nullable=False),
        sa.Column("study_date", sa.Text(), server_default="", nullable=False),
        sa.Column("study_time", sa.Text(), server_default="", nullable=False),
        sa.Column("first_instance_at", Instant(), nullable=False),
        sa.Column("last_instance_at", Instant(), nullable=False),
        sa.Column("completed_at", Instant(), nullable=True),
        sa.Column("ended_with", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("entry_version", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "state IN ('bound', 'bound_with_correction', 'review', 'quarantine')", name=op.f("ck_studies_state")
        ),
        sa.ForeignKeyConstraint(["held_from_order_key"], ["orders.key"], name=op.f("fk_studies_held_from_order_key")),
        sa.ForeignKeyConstraint(
            ["held_from_patient_key"], ["patients.key"], name=op.f("fk_studies_held_from_patient_key")
        ),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_studies_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_studies_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_studies")),
        sa.UniqueConstraint("study_instance_uid", name=op.f("uq_studies_study_instance_uid")),
    )
    op.create_index(op.f("ix_studies_last_instance_at"), "studies", ["last_instance_at"], unique=False)
    op.create_index(op.f("ix_studies_order_key"), "studies", ["order_key"], unique=False)
    op.create_index(op.f("ix_studies_patient_key"), "studies", ["patient_key"], unique=False)
    op.create_index(
        op.f("ix_studies_received_accession_number"), "studies", ["received_accession_number"], unique=False
    )
    op.create_index(
        op.f("ix_studies_received_patient_birth_date"), "studies", ["received_patient_birth_date"], unique=False
    )
    op.create_index(op.f("ix_studies_received_patient_id"), "studies", ["received_patient_id"], unique=False)
    op.create_index(
        op.f("ix_studies_source_ae_title_last_instance_at"),
        "studies",
        ["source_ae_title", "last_instance_at"],
        unique=False,
    )
    op.create_index(op.f("ix_studies_state_last_instance_at"), "studies", ["state", "last_instance_at"], unique=False)
    op.create_index(op.f("ix_studies_study_date"), "studies", ["study_date"], unique=False)
    op.create_index(
        "ix_studies_unlisted",
        "studies",
        ["key"],
        unique=False,
        sqlite_where=sa.text("entry_version <> version"),
        postgresql_where=sa.text("entry_version <> version"),
    )
    op.create_table(
        "announced_studies",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("modality", sa.Text(), server_default="", nullable=False),
        sa.Column("started_local", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "status IN ('registered', 'available', 'cancelled', 'entered-in-error')",
            name=op.f("ck_announced_studies_status"),
        ),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_announced_studies_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_announced_studies_patient_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_announced_studies_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_announced_studies")),
    )
    op.create_index(
        "ix_announced_studies_apart",
        "announced_studies",
        ["key"],
        unique=False,
        sqlite_where=sa.text("study_key IS NULL"),
        postgresql_where=sa.text("study_key IS NULL"),
    )
    op.create_index(op.f("ix_announced_studies_order_key"), "announced_studies", ["order_key"], unique=False)
    op.create_index(op.f("ix_announced_studies_patient_key"), "announced_studies", ["patient_key"], unique=False)
    op.create_index(
        op.f("ix_announced_studies_study_instance_uid"), "announced_studies", ["study_instance_uid"], unique=False
    )
    op.create_index(op.f("ix_announced_studies_study_key"), "announced_studies", ["study_key"], unique=False)
    op.create_table(
        "attachments",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("authorization_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_before", sa.Text(), server_default="", nullable=False),
        sa.Column("binding_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("instances", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("payer", sa.Text(), server_default="", nullable=False),
        sa.Column("control_number", sa.Text(), server_default="", nullable=False),
        sa.Column("reference", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("attached_by", sa.Text(), server_default="", nullable=False),
        sa.Column("attached_at", Instant(), nullable=False),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("shared_at", Instant(), nullable=True),
        sa.Column("shared_because", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "kind IN ('claim', 'pdf', 'narrative', 'cdex', 'pas', 'x12-275')", name=op.f("ck_attachments_kind")
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'review', 'released', 'sent', 'failed')", name=op.f("ck_attachments_state")
        ),
        sa.ForeignKeyConstraint(
            ["authorization_key"], ["authorizations.key"], name=op.f("fk_attachments_authorization_key")
        ),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_attachments_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_attachments")),
        sa.UniqueConstraint(
            "authorization_key", "study_key", "kind", name=op.f("uq_attachments_authorization_key_study_key_kind")
        ),
    )
    op.create_index(op.f("ix_attachments_authorization_key"), "attachments", ["authorization_key"], unique=False)
    op.create_index(op.f("ix_attachments_control_number"), "attachments", ["control_number"], unique=False)
    op.create_index(op.f("ix_attachments_state"), "attachments", ["state"], unique=False)
    op.create_index(op.f("ix_attachments_study_key"), "attachments", ["study_key"], unique=False)
    op.create_table(
        "audit_rows",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("origin", sa.Text(), server_default="", nullable=False),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("detail", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_audit_rows_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_audit_rows_patient_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_audit_rows_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_audit_rows")),
    )
    op.create_index(op.f("ix_audit_rows_at"), "audit_rows", ["at"], unique=False)
    op.create_index(op.f("ix_audit_rows_order_key"), "audit_rows", ["order_key"], unique=False)
    op.create_index(op.f("ix_audit_rows_patient_key"), "audit_rows", ["patient_key"], unique=False)
    op.create_index(op.f("ix_audit_rows_study_key"), "audit_rows", ["study_key"], unique=False)
    op.create_table(
        "authorization_gaps",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("authorization_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("need", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "need IN ('order', 'report', 'prior-reports', 'images', 'key-images', 'office-note', 'labs')",
            name=op.f("ck_authorization_gaps_need"),
        ),
        sa.ForeignKeyConstraint(
            ["authorization_key"], ["authorizations.key"], name=op.f("fk_authorization_gaps_authorization_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_authorization_gaps")),
        sa.UniqueConstraint("authorization_key", "need", name=op.f("uq_authorization_gaps_authorization_key_need")),
    )
    op.create_index(
        op.f("ix_authorization_gaps_authorization_key"), "authorization_gaps", ["authorization_key"], unique=False
    )
    op.create_index(
        op.f("ix_authorization_gaps_need_authorization_key"),
        "authorization_gaps",
        ["need", "authorization_key"],
        unique=False,
    )
    op.create_table(
        "authorization_links",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("authorization_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), server_default="", nullable=False),
        sa.Column("linked_by", sa.Text(), server_default="", nullable=False),
        sa.Column("linked_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.Column("end_reason", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "rule IN ('number', 'named', 'member-code-date', 'insurance', 'by-hand')",
            name=op.f("ck_authorization_links_rule"),
        ),
        sa.ForeignKeyConstraint(
            ["authorization_key"], ["authorizations.key"], name=op.f("fk_authorization_links_authorization_key")
        ),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_authorization_links_order_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_authorization_links")),
    )
    op.create_index(
        op.f("ix_authorization_links_authorization_key"), "authorization_links", ["authorization_key"], unique=False
    )
    op.create_index(
        "ix_authorization_links_once",
        "authorization_links",
        ["authorization_key", "order_key"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(op.f("ix_authorization_links_order_key"), "authorization_links", ["order_key"], unique=False)
    op.create_table(
        "authorization_news",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("said_at", Instant(), nullable=False),
        sa.Column("heard_at", Instant(), nullable=False),
        sa.Column("authorization_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("waits", sa.Text(), server_default="", nullable=False),
        sa.Column("source_kind", sa.Text(), server_default="", nullable=False),
        sa.Column("source_id", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "kind IN ('named', 'drafted', 'requested', 'answered', 'withdrawn')",
            name=op.f("ck_authorization_news_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["authorization_key"], ["authorizations.key"], name=op.f("fk_authorization_news_authorization_key")
        ),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_authorization_news_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_authorization_news")),
        sa.UniqueConstraint("digest", name=op.f("uq_authorization_news_digest")),
    )
    op.create_index(
        op.f("ix_authorization_news_authorization_key"), "authorization_news", ["authorization_key"], unique=False
    )
    op.create_index(
        op.f("ix_authorization_news_content_digest"), "authorization_news", ["content_digest"], unique=False
    )
    op.create_index(op.f("ix_authorization_news_patient_key"), "authorization_news", ["patient_key"], unique=False)
    op.create_index(
        "ix_authorization_news_waiting",
        "authorization_news",
        ["key"],
        unique=False,
        sqlite_where=sa.text("waits <> ''"),
        postgresql_where=sa.text("waits <> ''"),
    )
    op.create_table(
        "authorization_numbers",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("authorization_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("payer_id", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number_key", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('number', 'line', 'reference', 'trace')", name=op.f("ck_authorization_numbers_kind")
        ),
        sa.ForeignKeyConstraint(
            ["authorization_key"], ["authorizations.key"], name=op.f("fk_authorization_numbers_authorization_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_authorization_numbers")),
        sa.UniqueConstraint(
            "authorization_key",
            "kind",
            "number_key",
            name=op.f("uq_authorization_numbers_authorization_key_kind_number_key"),
        ),
    )
    op.create_index(
        op.f("ix_authorization_numbers_authorization_key"), "authorization_numbers", ["authorization_key"], unique=False
    )
    op.create_index("ix_authorization_numbers_number", "authorization_numbers", ["number_key"], unique=False)
    op.create_index(
        "ix_authorization_numbers_once",
        "authorization_numbers",
        ["payer_id", "number_key"],
        unique=True,
        sqlite_where=sa.text("kind = 'number'"),
        postgresql_where=sa.text("kind = 'number'"),
    )
    op.create_table(
        "authorization_warnings",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("authorization_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), server_default="", nullable=False),
        sa.Column("sentence", sa.Text(), server_default="", nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('other_patient', 'merged_patient', 'order_cancelled', 'code_not_covered', 'line_cancelled', 'side_differs', 'modifier_differs', 'site_differs', 'place_differs', 'provider_differs', 'date_outside', 'units_used_up', 'units_reduced', 'member_differs', 'pended', 'denied', 'contact_payer', 'unconfirmed', 'ended', 'expired', 'expires_soon', 'clock_runs', 'overdue')",
            name=op.f("ck_authorization_warnings_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["authorization_key"], ["authorizations.key"], name=op.f("fk_authorization_warnings_authorization_key")
        ),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_authorization_warnings_order_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_authorization_warnings")),
    )
    op.create_index(
        op.f("ix_authorization_warnings_authorization_key"),
        "authorization_warnings",
        ["authorization_key"],
        unique=False,
    )
    op.create_index(
        "ix_authorization_warnings_open",
        "authorization_warnings",
        ["authorization_key"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "ix_authorization_warnings_open_of_order",
        "authorization_warnings",
        ["order_key"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(op.f("ix_authorization_warnings_order_key"), "authorization_warnings", ["order_key"], unique=False)
    op.create_table(
        "availability_told",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), server_default="", nullable=False),
        sa.Column("believed", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("told_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_availability_told_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_availability_told")),
        sa.UniqueConstraint("study_key", "destination", name=op.f("uq_availability_told_study_key_destination")),
    )
    op.create_index(op.f("ix_availability_told_study_key"), "availability_told", ["study_key"], unique=False)
    op.create_table(
        "awaited_orders",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), server_default="", nullable=False),
        sa.Column("scheduled_procedure_step_id", sa.Text(), server_default="", nullable=False),
        sa.Column("appointment_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("performed_step_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(
            ["appointment_key"], ["appointments.key"], name=op.f("fk_awaited_orders_appointment_key")
        ),
        sa.ForeignKeyConstraint(
            ["performed_step_key"], ["performed_steps.key"], name=op.f("fk_awaited_orders_performed_step_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_awaited_orders")),
    )
    op.create_index(op.f("ix_awaited_orders_appointment_key"), "awaited_orders", ["appointment_key"], unique=False)
    op.create_index(
        op.f("ix_awaited_orders_performed_step_key"), "awaited_orders", ["performed_step_key"], unique=False
    )
    op.create_index(op.f("ix_awaited_orders_value"), "awaited_orders", ["value"], unique=False)
    op.create_table(
        "bulk_studies",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("job_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("step", sa.Text(), server_default="", nullable=False),
        sa.Column("outcome", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("before", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("foreseen", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("decision_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("fault", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "outcome IN ('waiting', 'changed', 'same', 'kept', 'failed')", name=op.f("ck_bulk_studies_outcome")
        ),
        sa.ForeignKeyConstraint(["job_key"], ["bulk_jobs.key"], name=op.f("fk_bulk_studies_job_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_bulk_studies_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_bulk_studies")),
        sa.UniqueConstraint("job_key", "study_key", name=op.f("uq_bulk_studies_job_key_study_key")),
    )
    op.create_index(op.f("ix_bulk_studies_job_key_step_key"), "bulk_studies", ["job_key", "step", "key"], unique=False)
    op.create_index(op.f("ix_bulk_studies_study_key"), "bulk_studies", ["study_key"], unique=False)
    op.create_table(
        "chart_versions",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("server_version", sa.Text(), server_default="", nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("study_instance_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("binding_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), server_default="", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.Text(), server_default="", nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("cause IN ('rule', 'person', 'event', 'delivery')", name=op.f("ck_chart_versions_cause")),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_chart_versions_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_chart_versions_patient_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_chart_versions_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_chart_versions")),
        sa.UniqueConstraint("server", "reference", "number", name=op.f("uq_chart_versions_server_reference_number")),
    )
    op.create_index(
        "ix_chart_versions_announced",
        "chart_versions",
        ["study_instance_uid"],
        unique=False,
        sqlite_where=sa.text("study_instance_uid <> ''"),
        postgresql_where=sa.text("study_instance_uid <> ''"),
    )
    op.create_index("ix_chart_versions_at", "chart_versions", ["at"], unique=False)
    op.create_index("ix_chart_versions_of_type", "chart_versions", ["server", "resource_type", "key"], unique=False)
    op.create_index(op.f("ix_chart_versions_order_key"), "chart_versions", ["order_key"], unique=False)
    op.create_index(op.f("ix_chart_versions_patient_key"), "chart_versions", ["patient_key"], unique=False)
    op.create_index(op.f("ix_chart_versions_study_key"), "chart_versions", ["study_key"], unique=False)
    op.create_table(
        "chart_withdrawals",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("of_work", sa.Text(), server_default="", nullable=False),
        sa.Column("study_instance_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("taken_back_at", Instant(), nullable=True),
        sa.Column("taken_back_by", sa.Text(), server_default="", nullable=False),
        sa.Column("taken_back_reason", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "(study_key IS NULL AND study_instance_uid = '') = (of_work <> '')",
            name=op.f("ck_chart_withdrawals_subject"),
        ),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_chart_withdrawals_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_chart_withdrawals")),
    )
    op.create_index(op.f("ix_chart_withdrawals_of_work"), "chart_withdrawals", ["of_work"], unique=False)
    op.create_index(
        op.f("ix_chart_withdrawals_study_instance_uid"), "chart_withdrawals", ["study_instance_uid"], unique=False
    )
    op.create_index(op.f("ix_chart_withdrawals_study_key"), "chart_withdrawals", ["study_key"], unique=False)
    op.create_table(
        "claim_denials",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("claim_figure_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("service_on", sa.Text(), server_default="", nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "category IN ('documentation', 'information', 'authorization', 'eligibility', 'coverage', 'necessity', 'coding', 'bundled', 'duplicate', 'timely-filing', 'other-payer', 'limit', 'contract', 'patient-share', 'other')",
            name=op.f("ck_claim_denials_category"),
        ),
        sa.ForeignKeyConstraint(
            ["claim_figure_key"], ["claim_figures.key"], name=op.f("fk_claim_denials_claim_figure_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_claim_denials")),
    )
    op.create_index(op.f("ix_claim_denials_claim_figure_key"), "claim_denials", ["claim_figure_key"], unique=False)
    op.create_index("ix_claim_denials_counted", "claim_denials", ["service_on", "category", "code"], unique=False)
    op.create_table(
        "claim_outcomes",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("payer_file_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("source_number", sa.Text(), nullable=False),
        sa.Column("claim_number", sa.Text(), server_default="", nullable=False),
        sa.Column("payer_claim_number", sa.Text(), server_default="", nullable=False),
        sa.Column("payer_id", sa.Text(), server_default="", nullable=False),
        sa.Column("payer_name", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("charged_cents", sa.BigInteger(), nullable=False),
        sa.Column("paid_cents", sa.BigInteger(), nullable=False),
        sa.Column("lacks_documents", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("said_on", sa.Text(), server_default="", nullable=False),
        sa.Column("service_from", sa.Text(), server_default="", nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("authorization_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("matched_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("heard_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "matched_by IN ('authorization', 'accession', 'both', 'by-hand', 'control-number', 'none')",
            name=op.f("ck_claim_outcomes_matched_by"),
        ),
        sa.CheckConstraint(
            "status IN ('accepted', 'returned', 'pended', 'asked', 'paid', 'partly-paid', 'denied', 'reversed', 'unknown')",
            name=op.f("ck_claim_outcomes_status"),
        ),
        sa.ForeignKeyConstraint(
            ["authorization_key"], ["authorizations.key"], name=op.f("fk_claim_outcomes_authorization_key")
        ),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_claim_outcomes_order_key")),
        sa.ForeignKeyConstraint(["payer_file_key"], ["payer_files.key"], name=op.f("fk_claim_outcomes_payer_file_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_claim_outcomes")),
        sa.UniqueConstraint("source_number", name=op.f("uq_claim_outcomes_source_number")),
    )
    op.create_index(
        "ix_claim_outcomes_assigned",
        "claim_outcomes",
        ["key"],
        unique=False,
        sqlite_where=sa.text("matched_by = 'by-hand'"),
        postgresql_where=sa.text("matched_by = 'by-hand'"),
    )
    op.create_index(op.f("ix_claim_outcomes_authorization_key"), "claim_outcomes", ["authorization_key"], unique=False)
    op.create_index(op.f("ix_claim_outcomes_claim_number"), "claim_outcomes", ["claim_number"], unique=False)
    op.create_index(op.f("ix_claim_outcomes_order_key"), "claim_outcomes", ["order_key"], unique=False)
    op.create_index(op.f("ix_claim_outcomes_payer_file_key"), "claim_outcomes", ["payer_file_key"], unique=False)
    op.create_index(op.f("ix_claim_outcomes_said_on"), "claim_outcomes", ["said_on"], unique=False)
    op.create_index(
        "ix_claim_outcomes_waiting",
        "claim_outcomes",
        ["key"],
        unique=False,
        sqlite_where=sa.text("matched_by = 'none'"),
        postgresql_where=sa.text("matched_by = 'none'"),
    )
    op.create_table(
        "cross_references",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("learned_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_cross_references_patient_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_cross_references_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_cross_references")),
    )
    op.create_index(
        op.f("ix_cross_references_patient_id_issuer_of_patient_id"),
        "cross_references",
        ["patient_id", "issuer_of_patient_id"],
        unique=False,
    )
    op.create_index(op.f("ix_cross_references_patient_key"), "cross_references", ["patient_key"], unique=False)
    op.create_index(op.f("ix_cross_references_study_key"), "cross_references", ["study_key"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("decided_at", Instant(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), server_default="", nullable=False),
        sa.Column("sentence", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("evidence", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("differences", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("candidates", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("snapshot", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("supersedes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("binding_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("confirmed_by", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_decisions_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_decisions_patient_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_decisions_study_key")),
        sa.ForeignKeyConstraint(["supersedes"], ["decisions.key"], name=op.f("fk_decisions_supersedes")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_decided_at"), "decisions", ["decided_at"], unique=False)
    op.create_index(op.f("ix_decisions_study_key"), "decisions", ["study_key"], unique=False)
    op.create_table(
        "events",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("source_kind", sa.Text(), server_default="", nullable=False),
        sa.Column("source_id", sa.Text(), server_default="", nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("order_key IS NOT NULL OR study_key IS NOT NULL", name=op.f("ck_events_subject")),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_events_order_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_events_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_order_key"), "events", ["order_key"], unique=False)
    op.create_index(op.f("ix_events_study_key"), "events", ["study_key"], unique=False)
    op.create_table(
        "evidence_requests",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("tracking_id", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("due_at", Instant(), nullable=True),
        sa.Column("heard_at", Instant(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("authorization_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("same_as", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("told", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "state IN ('waits', 'open', 'answered', 'declined', 'closed')", name=op.f("ck_evidence_requests_state")
        ),
        sa.ForeignKeyConstraint(
            ["authorization_key"], ["authorizations.key"], name=op.f("fk_evidence_requests_authorization_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_evidence_requests")),
        sa.UniqueConstraint("payer", "task_id", name=op.f("uq_evidence_requests_payer_task_id")),
    )
    op.create_index(
        op.f("ix_evidence_requests_authorization_key"), "evidence_requests", ["authorization_key"], unique=False
    )
    op.create_index(
        "ix_evidence_requests_open",
        "evidence_requests",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('waits', 'open')"),
        postgresql_where=sa.text("state IN ('waits', 'open')"),
    )
    op.create_index(op.f("ix_evidence_requests_same_as"), "evidence_requests", ["same_as"], unique=False)
    op.create_index(op.f("ix_evidence_requests_tracking_id"), "evidence_requests", ["tracking_id"], unique=False)
    op.create_table(
        "exam_checks",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("performed_step_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("due_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["performed_step_key"], ["performed_steps.key"], name=op.f("fk_exam_checks_performed_step_key")
        ),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_exam_checks_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_exam_checks")),
        sa.UniqueConstraint("performed_step_key", name=op.f("uq_exam_checks_performed_step_key")),
        sa.UniqueConstraint("study_key", name=op.f("uq_exam_checks_study_key")),
    )
    op.create_index(op.f("ix_exam_checks_due_at"), "exam_checks", ["due_at"], unique=False)
    op.create_table(
        "mismatches",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rule", sa.Text(), server_default="", nullable=False),
        sa.Column("sentence", sa.Text(), server_default="", nullable=False),
        sa.Column("risk", sa.Integer(), server_default="4", nullable=False),
        sa.Column("device", sa.Text(), server_default="", nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.Column("closed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_mismatches_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_mismatches")),
    )
    op.create_index(
        "ix_mismatches_closed",
        "mismatches",
        ["closed_at", "key"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NOT NULL"),
        postgresql_where=sa.text("closed_at IS NOT NULL"),
    )
    op.create_index(
        "ix_mismatches_queue",
        "mismatches",
        ["risk", "key"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(op.f("ix_mismatches_study_key"), "mismatches", ["study_key"], unique=False)
    op.create_index(
        "ix_mismatches_taken_back",
        "mismatches",
        ["opened_at"],
        unique=False,
        sqlite_where=sa.text("rule = 'person'"),
        postgresql_where=sa.text("rule = 'person'"),
    )
    op.create_index(
        "uq_mismatches_open",
        "mismatches",
        ["study_key"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "news",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("focus_type", sa.Text(), nullable=False),
        sa.Column("focus_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("modalities", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_news_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_news_patient_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_news_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_news")),
    )
    op.create_index(op.f("ix_news_at"), "news", ["at"], unique=False)
    op.create_index(op.f("ix_news_order_key"), "news", ["order_key"], unique=False)
    op.create_index(op.f("ix_news_patient_key"), "news", ["patient_key"], unique=False)
    op.create_index(op.f("ix_news_study_key"), "news", ["study_key"], unique=False)
    op.create_table(
        "outside_questions",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), server_default="system", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("asked_at", Instant(), nullable=True),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sentence", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("is_fresh", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'found', 'nobody', 'several', 'refused', 'no_answer', 'unneeded')",
            name=op.f("ck_outside_questions_state"),
        ),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_outside_questions_patient_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_outside_questions_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_outside_questions")),
        sa.UniqueConstraint("study_key", "source", name=op.f("uq_outside_questions_study_key_source")),
    )
    op.create_index(op.f("ix_outside_questions_digest_source"), "outside_questions", ["digest", "source"], unique=False)
    op.create_index(op.f("ix_outside_questions_patient_key"), "outside_questions", ["patient_key"], unique=False)
    op.create_index(
        op.f("ix_outside_questions_source_state_next_at"),
        "outside_questions",
        ["source", "state", "next_at"],
        unique=False,
    )
    op.create_table(
        "outside_tasks",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("done_at", Instant(), nullable=True),
        sa.Column("done_by", sa.Text(), server_default="", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_outside_tasks_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_outside_tasks")),
    )
    op.create_index(op.f("ix_outside_tasks_study_key"), "outside_tasks", ["study_key"], unique=False)
    op.create_table(
        "overlay_versions",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("binding_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("since", sa.Integer(), server_default="0", nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("layers", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("changes", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('bound', 'followed', 'held', 'corrected', 'undone')", name=op.f("ck_overlay_versions_kind")
        ),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_overlay_versions_patient_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_overlay_versions_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_overlay_versions")),
        sa.UniqueConstraint("study_key", "binding_version", name=op.f("uq_overlay_versions_study_key_binding_version")),
        sa.UniqueConstraint("study_key", "number", name=op.f("uq_overlay_versions_study_key_number")),
    )
    op.create_index(op.f("ix_overlay_versions_made_at"), "overlay_versions", ["made_at"], unique=False)
    op.create_table(
        "presences",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_presences_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_presences")),
        sa.UniqueConstraint("study_key", "actor", name=op.f("uq_presences_study_key_actor")),
    )
    op.create_index(op.f("ix_presences_actor"), "presences", ["actor"], unique=False)
    op.create_table(
        "publications",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("content_digest", sa.Text(), server_default="", nullable=False),
        sa.Column("binding_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("published_at", Instant(), nullable=False),
        sa.Column("retired_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_publications_patient_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_publications_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_publications")),
        sa.UniqueConstraint("server", "reference", name=op.f("uq_publications_server_reference")),
    )
    op.create_index(op.f("ix_publications_study_key"), "publications", ["study_key"], unique=False)
    op.create_table(
        "questions",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("remark", sa.Text(), server_default="", nullable=False),
        sa.Column("rule", sa.Text(), server_default="", nullable=False),
        sa.Column("candidates", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("ae_title", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.Column("settled_as", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_questions_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_questions")),
    )
    op.create_index(
        "ix_questions_open",
        "questions",
        ["ae_title", "key"],
        unique=False,
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_index(op.f("ix_questions_study_key"), "questions", ["study_key"], unique=False)
    op.create_table(
        "report_versions",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("report_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code_value", sa.Text(), server_default="", nullable=False),
        sa.Column("coding_scheme_designator", sa.Text(), server_default="", nullable=False),
        sa.Column("code_meaning", sa.Text(), server_default="", nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("issued_at", Instant(), nullable=True),
        sa.Column("observed_local", sa.Text(), server_default="", nullable=False),
        sa.Column("observed_at", Instant(), nullable=True),
        sa.Column("interpreters", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("sections", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("links", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("said_at", Instant(), nullable=False),
        sa.Column("heard_at", Instant(), nullable=False),
        sa.Column("message_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint(
            "status IN ('registered', 'partial', 'preliminary', 'final', 'amended', 'corrected', 'appended', 'cancelled', 'entered-in-error', 'unknown')",
            name=op.f("ck_report_versions_status"),
        ),
        sa.ForeignKeyConstraint(["message_key"], ["messages.key"], name=op.f("fk_report_versions_message_key")),
        sa.ForeignKeyConstraint(["report_key"], ["reports.key"], name=op.f("fk_report_versions_report_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_report_versions")),
        sa.UniqueConstraint("report_key", "number", name=op.f("uq_report_versions_report_key_number")),
    )
    op.create_table(
        "sends_by_hand",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_sends_by_hand_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sends_by_hand")),
        sa.UniqueConstraint("study_key", "destination", name=op.f("uq_sends_by_hand_study_key_destination")),
    )
    op.create_index(op.f("ix_sends_by_hand_study_key"), "sends_by_hand", ["study_key"], unique=False)
    op.create_table(
        "series",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), server_default="", nullable=False),
        sa.Column("series_number", sa.BigInteger(), nullable=True),
        sa.Column("series_description", sa.Text(), server_default="", nullable=False),
        sa.Column("series_date", sa.Text(), server_default="", nullable=False),
        sa.Column("series_time", sa.Text(), server_default="", nullable=False),
        sa.Column("body_part_examined", sa.Text(), server_default="", nullable=False),
        sa.Column("laterality", sa.Text(), server_default="", nullable=False),
        sa.Column("station_name", sa.Text(), server_default="", nullable=False),
        sa.Column("details", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_series_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_series")),
        sa.UniqueConstraint("series_instance_uid", name=op.f("uq_series_series_instance_uid")),
    )
    op.create_index(
        op.f("ix_series_body_part_examined_study_key"), "series", ["body_part_examined", "study_key"], unique=False
    )
    op.create_index(op.f("ix_series_modality_study_key"), "series", ["modality", "study_key"], unique=False)
    op.create_index(op.f("ix_series_study_key"), "series", ["study_key"], unique=False)
    op.create_table(
        "splits",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("new_study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), server_default="1", nullable=False),
        sa.Column("last_instance_key", sa.BigInteger(), nullable=False),
        sa.Column("split_at", Instant(), nullable=False),
        sa.Column("split_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("joined_at", Instant(), nullable=True),
        sa.Column("joined_by", sa.Text(), server_default="", nullable=False),
        sa.Column("join_reason", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["new_study_key"], ["studies.key"], name=op.f("fk_splits_new_study_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_splits_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_splits")),
    )
    op.create_index(op.f("ix_splits_new_study_key"), "splits", ["new_study_key"], unique=False)
    op.create_index(op.f("ix_splits_study_key"), "splits", ["study_key"], unique=False)
    op.create_table(
        "steps",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("scheduled_procedure_step_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), server_default="", nullable=False),
        sa.Column("scheduled_start_local", sa.Text(), server_default="", nullable=False),
        sa.Column("scheduled_start_at", Instant(), nullable=True),
        sa.Column("scheduled_procedure_step_description", sa.Text(), server_default="", nullable=False),
        sa.Column("scheduled_protocol_code", sa.Text(), server_default="", nullable=False),
        sa.Column("scheduled_protocol_code_scheme", sa.Text(), server_default="", nullable=False),
        sa.Column("scheduled_protocol_code_meaning", sa.Text(), server_default="", nullable=False),
        sa.Column("scheduled_performing_physician_name", sa.Text(), server_default="", nullable=False),
        sa.Column("scheduled_station_name", sa.Text(), server_default="", nullable=False),
        sa.Column("scheduled_procedure_step_location", sa.Text(), server_default="", nullable=False),
        sa.Column("requested_contrast_agent", sa.Text(), server_default="", nullable=False),
        sa.Column("pre_medication", sa.Text(), server_default="", nullable=False),
        sa.Column("details", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("held_from", sa.Text(), server_default="", nullable=False),
        sa.Column("appointment_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("booked_at", Instant(), nullable=True),
        sa.Column("withheld", sa.Text(), server_default="", nullable=False),
        sa.Column("by_hand", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("encoded", sa.LargeBinary(), nullable=True),
        sa.Column("incomplete", sa.Text(), server_default="", nullable=False),
        sa.Column("item_values", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("workitem_run", sa.Integer(), server_default="0", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "status IN ('SCHEDULED', 'ARRIVED', 'READY', 'STARTED', 'COMPLETED', 'DISCONTINUED', 'CANCELED', 'HELD')",
            name=op.f("ck_steps_status"),
        ),
        sa.ForeignKeyConstraint(["appointment_key"], ["appointments.key"], name=op.f("fk_steps_appointment_key")),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_steps_order_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_steps")),
        sa.UniqueConstraint(
            "order_key", "scheduled_procedure_step_id", name=op.f("uq_steps_order_key_scheduled_procedure_step_id")
        ),
    )
    op.create_index(op.f("ix_steps_appointment_key"), "steps", ["appointment_key"], unique=False)
    op.create_index("ix_steps_live", "steps", ["status", "scheduled_start_local"], unique=False)
    op.create_index(op.f("ix_steps_order_key"), "steps", ["order_key"], unique=False)
    op.create_index(
        op.f("ix_steps_scheduled_procedure_step_id"), "steps", ["scheduled_procedure_step_id"], unique=False
    )
    op.create_table(
        "study_entries",
        sa.Column(
            "study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("patient_name_1", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("patient_name_2", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("patient_name_3", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column(
            "referring_physician_name_1", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True
        ),
        sa.Column(
            "referring_physician_name_2", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True
        ),
        sa.Column(
            "referring_physician_name_3", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True
        ),
        sa.Column("patient_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("issuer_of_patient_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("patient_birth_date", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("patient_sex", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("accession_number", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column(
            "issuer_of_accession_number", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True
        ),
        sa.Column("study_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("study_description", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("study_started_local", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_study_entries_study_key")),
        sa.PrimaryKeyConstraint("study_key", name=op.f("pk_study_entries")),
    )
    op.create_index(op.f("ix_study_entries_accession_number"), "study_entries", ["accession_number"], unique=False)
    op.create_index(op.f("ix_study_entries_patient_id"), "study_entries", ["patient_id"], unique=False)
    op.create_index(op.f("ix_study_entries_patient_name_1"), "study_entries", ["patient_name_1"], unique=False)
    op.create_index(op.f("ix_study_entries_patient_name_2"), "study_entries", ["patient_name_2"], unique=False)
    op.create_index(op.f("ix_study_entries_patient_name_3"), "study_entries", ["patient_name_3"], unique=False)
    op.create_index(
        op.f("ix_study_entries_study_started_local"), "study_entries", ["study_started_local"], unique=False
    )
    op.create_table(
        "study_holds",
        sa.Column(
            "study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("held_by", sa.Text(), nullable=False),
        sa.Column("held_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_study_holds_study_key")),
        sa.PrimaryKeyConstraint("study_key", name=op.f("pk_study_holds")),
    )
    op.create_table(
        "study_keys",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_study_keys_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_study_keys")),
    )
    op.create_index(op.f("ix_study_keys_kind_value"), "study_keys", ["kind", "value"], unique=False)
    op.create_index(op.f("ix_study_keys_study_key"), "study_keys", ["study_key"], unique=False)
    op.create_table(
        "study_looks",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("found_at", Instant(), nullable=False),
        sa.Column("seen_by", sa.Text(), server_default="", nullable=False),
        sa.Column("seen_at", Instant(), nullable=True),
        sa.Column("remark", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_study_looks_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_study_looks")),
        sa.UniqueConstraint("study_key", "subject", name=op.f("uq_study_looks_study_key_subject")),
    )
    op.create_index(
        "ix_study_looks_open",
        "study_looks",
        ["key"],
        unique=False,
        sqlite_where=sa.text("seen_at IS NULL"),
        postgresql_where=sa.text("seen_at IS NULL"),
    )
    op.create_table(
        "case_proposals",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("decision_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("binding_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("terms", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed_at", Instant(), nullable=False),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.Column("settled_as", sa.Text(), server_default="", nullable=False),
        sa.Column("settled_by", sa.Text(), server_default="", nullable=False),
        sa.Column("settled_reason", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "settled_as IN ('', 'confirmed', 'declined', 'withdrawn', 'lapsed')",
            name=op.f("ck_case_proposals_settled_as"),
        ),
        sa.ForeignKeyConstraint(["decision_key"], ["decisions.key"], name=op.f("fk_case_proposals_decision_key")),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_case_proposals_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_case_proposals_patient_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_case_proposals_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_case_proposals")),
    )
    op.create_index(op.f("ix_case_proposals_study_key"), "case_proposals", ["study_key"], unique=False)
    op.create_index(
        "uq_case_proposals_open",
        "case_proposals",
        ["study_key"],
        unique=True,
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "deliveries",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("order_of", sa.Text(), nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("attachment_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("urgency", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Text(), server_default="", nullable=False),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("hold_kind", sa.Text(), server_default="", nullable=False),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'sending', 'held', 'sent', 'dead')", name=op.f("ck_deliveries_state")),
        sa.ForeignKeyConstraint(["attachment_key"], ["attachments.key"], name=op.f("fk_deliveries_attachment_key")),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_deliveries_order_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_deliveries_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_attachment_key"), "deliveries", ["attachment_key"], unique=False)
    op.create_index("ix_deliveries_due", "deliveries", ["state", "next_at"], unique=False)
    op.create_index(op.f("ix_deliveries_order_key"), "deliveries", ["order_key"], unique=False)
    op.create_index("ix_deliveries_order_of", "deliveries", ["order_of"], unique=False)
    op.create_index(op.f("ix_deliveries_study_key"), "deliveries", ["study_key"], unique=False)
    op.create_index(
        "uq_deliveries_sending",
        "deliveries",
        ["topic", "destination", "order_of"],
        unique=True,
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "uq_deliveries_waiting",
        "deliveries",
        ["topic", "destination", "order_of"],
        unique=True,
        sqlite_where=sa.text("state IN ('pending', 'held')"),
        postgresql_where=sa.text("state IN ('pending', 'held')"),
    )
    op.create_table(
        "incidents",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("decision_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("found_at", Instant(), nullable=False),
        sa.Column("found_by", sa.Text(), nullable=False),
        sa.Column("wrong_patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("right_patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["decision_key"], ["decisions.key"], name=op.f("fk_incidents_decision_key")),
        sa.ForeignKeyConstraint(["right_patient_key"], ["patients.key"], name=op.f("fk_incidents_right_patient_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_incidents_study_key")),
        sa.ForeignKeyConstraint(["wrong_patient_key"], ["patients.key"], name=op.f("fk_incidents_wrong_patient_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_incidents")),
    )
    op.create_index(op.f("ix_incidents_study_key"), "incidents", ["study_key"], unique=False)
    op.create_index(op.f("ix_incidents_wrong_patient_key"), "incidents", ["wrong_patient_key"], unique=False)
    op.create_table(
        "instances",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("series_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text(), nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("instance_number", sa.BigInteger(), nullable=True),
        sa.Column("content_label", sa.Text(), server_default="", nullable=False),
        sa.Column("number_of_frames", sa.Integer(), server_default="1", nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("received_from", sa.Text(), server_default="", nullable=False),
        sa.Column("removed_at", Instant(), nullable=True),
        sa.Column("warnings", sa.Text(), server_default="", nullable=False),
        sa.Column("withheld", sa.Text(), server_default="", nullable=False),
        sa.Column("image_laterality", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["series_key"], ["series.key"], name=op.f("fk_instances_series_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_instances_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_instances")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_instances_sop_instance_uid")),
    )
    op.create_index(op.f("ix_instances_blob"), "instances", ["blob"], unique=False)
    op.create_index(
        "ix_instances_removed",
        "instances",
        ["study_key"],
        unique=False,
        sqlite_where=sa.text("removed_at IS NOT NULL"),
        postgresql_where=sa.text("removed_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_instances_series_key"), "instances", ["series_key"], unique=False)
    op.create_index(op.f("ix_instances_study_key"), "instances", ["study_key"], unique=False)
    op.create_index(
        "ix_instances_withheld",
        "instances",
        ["study_key"],
        unique=False,
        sqlite_where=sa.text("withheld <> ''"),
        postgresql_where=sa.text("withheld <> ''"),
    )
    op.create_table(
        "packets",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("attachment_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("binding_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("evidence_digest", sa.Text(), nullable=False),
        sa.Column("reports", sa.Integer(), server_default="0", nullable=False),
        sa.Column("prior_reports", sa.Integer(), server_default="0", nullable=False),
        sa.Column("notes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("labs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("priors", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pictures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("instances", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("holds", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("left_out", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["attachment_key"], ["attachments.key"], name=op.f("fk_packets_attachment_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_packets")),
        sa.UniqueConstraint("attachment_key", "version", name=op.f("uq_packets_attachment_key_version")),
    )
    op.create_table(
        "performed_step_links",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("performed_step_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("step_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("inferred", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["performed_step_key"], ["performed_steps.key"], name=op.f("fk_performed_step_links_performed_step_key")
        ),
        sa.ForeignKeyConstraint(["step_key"], ["steps.key"], name=op.f("fk_performed_step_links_step_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_performed_step_links")),
        sa.UniqueConstraint(
            "performed_step_key", "step_key", name=op.f("uq_performed_step_links_performed_step_key_step_key")
        ),
    )
    op.create_index(
        op.f("ix_performed_step_links_performed_step_key"), "performed_step_links", ["performed_step_key"], unique=False
    )
    op.create_index(op.f("ix_performed_step_links_step_key"), "performed_step_links", ["step_key"], unique=False)
    op.create_table(
        "question_answers",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("question_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("remark", sa.Text(), server_default="", nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=False),
        sa.Column("answered_at", Instant(), nullable=False),
        sa.CheckConstraint("kind IN ('patient', 'neither', 'words')", name=op.f("ck_question_answers_kind")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_question_answers_patient_key")),
        sa.ForeignKeyConstraint(["question_key"], ["questions.key"], name=op.f("fk_question_answers_question_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_question_answers")),
    )
    op.create_index(op.f("ix_question_answers_question_key"), "question_answers", ["question_key"], unique=False)
    op.create_table(
        "report_documents",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("version_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["version_key"], ["report_versions.key"], name=op.f("fk_report_documents_version_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_report_documents")),
    )
    op.create_index(op.f("ix_report_documents_digest"), "report_documents", ["digest"], unique=False)
    op.create_index(op.f("ix_report_documents_version_key"), "report_documents", ["version_key"], unique=False)
    op.create_table(
        "step_changes",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("step_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("was", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.CheckConstraint("cause IN ('images', 'quiet', 'timeout', 'person')", name=op.f("ck_step_changes_cause")),
        sa.CheckConstraint(
            "status IN ('SCHEDULED', 'ARRIVED', 'READY', 'STARTED', 'COMPLETED', 'DISCONTINUED', 'CANCELED', 'HELD')",
            name=op.f("ck_step_changes_status"),
        ),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_step_changes_order_key")),
        sa.ForeignKeyConstraint(["step_key"], ["steps.key"], name=op.f("fk_step_changes_step_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_step_changes")),
    )
    op.create_index(op.f("ix_step_changes_order_key"), "step_changes", ["order_key"], unique=False)
    op.create_table(
        "step_stations",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("step_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("scheduled_station_ae_title", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["step_key"], ["steps.key"], name=op.f("fk_step_stations_step_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_step_stations")),
        sa.UniqueConstraint(
            "step_key", "scheduled_station_ae_title", name=op.f("uq_step_stations_step_key_scheduled_station_ae_title")
        ),
    )
    op.create_index(
        op.f("ix_step_stations_scheduled_station_ae_title"),
        "step_stations",
        ["scheduled_station_ae_title"],
        unique=False,
    )
    op.create_index(op.f("ix_step_stations_step_key"), "step_stations", ["step_key"], unique=False)
    op.create_table(
        "study_placements",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("stands", sa.Boolean(), nullable=False),
        sa.Column("changed_in", sa.Integer(), server_default="0", nullable=False),
        sa.Column("announced_study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(
            ["announced_study_key"], ["announced_studies.key"], name=op.f("fk_study_placements_announced_study_key")
        ),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_study_placements_patient_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_study_placements_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_study_placements")),
        sa.UniqueConstraint("study_key", "number", name=op.f("uq_study_placements_study_key_number")),
    )
    op.create_index(
        op.f("ix_study_placements_announced_study_key"), "study_placements", ["announced_study_key"], unique=False
    )
    op.create_index(op.f("ix_study_placements_patient_key"), "study_placements", ["patient_key"], unique=False)
    op.create_table(
        "subscription_news",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("subscription_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("news_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["news_key"], ["news.key"], name=op.f("fk_subscription_news_news_key")),
        sa.ForeignKeyConstraint(
            ["subscription_key"], ["subscriptions.key"], name=op.f("fk_subscription_news_subscription_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_subscription_news")),
        sa.UniqueConstraint("subscription_key", "number", name=op.f("uq_subscription_news_subscription_key_number")),
    )
    op.create_index(op.f("ix_subscription_news_news_key"), "subscription_news", ["news_key"], unique=False)
    op.create_table(
        "viewer_links",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("record_keys", sa.JSON(), nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("attachment_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("binding_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("made_for", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("credential", sa.Text(), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=True),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("revoked_by", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["attachment_key"], ["attachments.key"], name=op.f("fk_viewer_links_attachment_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_viewer_links_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_viewer_links")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_viewer_links_token_digest")),
    )
    op.create_index(op.f("ix_viewer_links_attachment_key"), "viewer_links", ["attachment_key"], unique=False)
    op.create_index(op.f("ix_viewer_links_ends_at"), "viewer_links", ["ends_at"], unique=False)
    op.create_table(
        "workitems",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("workitem_uid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("step_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("run", sa.Integer(), server_default="0", nullable=False),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("transaction_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("claimed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("performed_step_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("attributes", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_by", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "state IN ('SCHEDULED', 'IN PROGRESS', 'COMPLETED', 'CANCELED')", name=op.f("ck_workitems_state")
        ),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_workitems_patient_key")),
        sa.ForeignKeyConstraint(
            ["performed_step_key"], ["performed_steps.key"], name=op.f("fk_workitems_performed_step_key")
        ),
        sa.ForeignKeyConstraint(["step_key"], ["steps.key"], name=op.f("fk_workitems_step_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_workitems")),
        sa.UniqueConstraint("step_key", "run", name=op.f("uq_workitems_step_key_run")),
        sa.UniqueConstraint("workitem_uid", name=op.f("uq_workitems_workitem_uid")),
    )
    op.create_index(op.f("ix_workitems_patient_key"), "workitems", ["patient_key"], unique=False)
    op.create_index(op.f("ix_workitems_performed_step_key"), "workitems", ["performed_step_key"], unique=False)
    op.create_index(op.f("ix_workitems_state_key"), "workitems", ["state", "key"], unique=False)
    op.create_index(op.f("ix_workitems_step_key"), "workitems", ["step_key"], unique=False)
    op.create_table(
        "worklist_entries",
        sa.Column(
            "step_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("is_confidential", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("scheduled_start_local", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column(
            "scheduled_station_ae_title", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True
        ),
        sa.Column("modality", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("accession_number", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("patient_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("issuer_of_patient_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("patient_name_1", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("patient_name_2", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("patient_name_3", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("study_instance_uid", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column(
            "requested_procedure_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True
        ),
        sa.Column(
            "scheduled_procedure_step_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True
        ),
        sa.Column("admission_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.ForeignKeyConstraint(["step_key"], ["steps.key"], name=op.f("fk_worklist_entries_step_key")),
        sa.PrimaryKeyConstraint("step_key", "position", name=op.f("pk_worklist_entries")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_worklist_entries_accession_number"), "worklist_entries", ["accession_number"], unique=False
    )
    op.create_index(
        op.f("ix_worklist_entries_admission_id"),
        "worklist_entries",
        ["admission_id"],
        unique=False,
        sqlite_where=sa.text("admission_id IS NOT NULL"),
        postgresql_where=sa.text("admission_id IS NOT NULL"),
    )
    op.create_index(
        "ix_worklist_entries_ended",
        "worklist_entries",
        ["scheduled_start_local"],
        unique=False,
        sqlite_where=sa.text("status IN ('COMPLETED', 'DISCONTINUED')"),
        postgresql_where=sa.text("status IN ('COMPLETED', 'DISCONTINUED')"),
    )
    op.create_index(
        "ix_worklist_entries_modality",
        "worklist_entries",
        ["modality", "scheduled_start_local", "step_key"],
        unique=False,
        sqlite_where=sa.text("position = 0"),
        postgresql_where=sa.text("position = 0"),
    )
    op.create_index(op.f("ix_worklist_entries_patient_id"), "worklist_entries", ["patient_id"], unique=False)
    op.create_index(op.f("ix_worklist_entries_patient_name_1"), "worklist_entries", ["patient_name_1"], unique=False)
    op.create_index(
        op.f("ix_worklist_entries_patient_name_2"),
        "worklist_entries",
        ["patient_name_2"],
        unique=False,
        sqlite_where=sa.text("patient_name_2 IS NOT NULL"),
        postgresql_where=sa.text("patient_name_2 IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_worklist_entries_patient_name_3"),
        "worklist_entries",
        ["patient_name_3"],
        unique=False,
        sqlite_where=sa.text("patient_name_3 IS NOT NULL"),
        postgresql_where=sa.text("patient_name_3 IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_worklist_entries_requested_procedure_id"), "worklist_entries", ["requested_procedure_id"], unique=False
    )
    op.create_index(
        op.f("ix_worklist_entries_scheduled_procedure_step_id"),
        "worklist_entries",
        ["scheduled_procedure_step_id"],
        unique=False,
    )
    op.create_index(
        "ix_worklist_entries_start",
        "worklist_entries",
        ["scheduled_start_local", "step_key"],
        unique=False,
        sqlite_where=sa.text("position = 0"),
        postgresql_where=sa.text("position = 0"),
    )
    op.create_index(
        "ix_worklist_entries_station",
        "worklist_entries",
        ["scheduled_station_ae_title", "scheduled_start_local", "step_key"],
        unique=False,
    )
    op.create_index(
        op.f("ix_worklist_entries_study_instance_uid"), "worklist_entries", ["study_instance_uid"], unique=False
    )
    op.create_table(
        "delivery_attempts",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("delivery_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("node", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["delivery_key"], ["deliveries.key"], name=op.f("fk_delivery_attempts_delivery_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_delivery_attempts")),
    )
    op.create_index(op.f("ix_delivery_attempts_delivery_key"), "delivery_attempts", ["delivery_key"], unique=False)
    op.create_table(
        "disclosures",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("incident_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), server_default="", nullable=False),
        sa.Column("first_at", Instant(), nullable=False),
        sa.Column("last_at", Instant(), nullable=False),
        sa.Column("count", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "kind IN ('chart', 'copy', 'authorization', 'notice', 'look')", name=op.f("ck_disclosures_kind")
        ),
        sa.ForeignKeyConstraint(["incident_key"], ["incidents.key"], name=op.f("fk_disclosures_incident_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_disclosures")),
    )
    op.create_index(op.f("ix_disclosures_incident_key"), "disclosures", ["incident_key"], unique=False)
    op.create_table(
        "forwards",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("instance_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("binding_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("sent_at", Instant(), nullable=False),
        sa.Column("commitment", sa.Text(), server_default="", nullable=False),
        sa.Column("transaction_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("commitment_asks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("commitment_failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failure_reason", sa.Integer(), nullable=True),
        sa.Column("commitment_at", Instant(), nullable=True),
        sa.CheckConstraint(
            "commitment IN ('', 'asked', 'committed', 'failed', 'unsupported')", name=op.f("ck_forwards_state")
        ),
        sa.ForeignKeyConstraint(["instance_key"], ["instances.key"], name=op.f("fk_forwards_instance_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_forwards_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_forwards")),
        sa.UniqueConstraint("instance_key", "destination", name=op.f("uq_forwards_instance_key_destination")),
    )
    op.create_index(op.f("ix_forwards_instance_key"), "forwards", ["instance_key"], unique=False)
    op.create_index(op.f("ix_forwards_study_key"), "forwards", ["study_key"], unique=False)
    op.create_index(op.f("ix_forwards_transaction_uid"), "forwards", ["transaction_uid"], unique=False)
    op.create_table(
        "key_objects",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("instance_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("title_code_value", sa.Text(), server_default="", nullable=False),
        sa.Column("title_coding_scheme_designator", sa.Text(), server_default="", nullable=False),
        sa.Column("title_code_meaning", sa.Text(), server_default="", nullable=False),
        sa.Column("made_local", sa.Text(), server_default="", nullable=False),
        sa.Column("timezone_offset_from_utc", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["instance_key"], ["instances.key"], name=op.f("fk_key_objects_instance_key")),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_key_objects_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_key_objects")),
    )
    op.create_index(op.f("ix_key_objects_instance_key"), "key_objects", ["instance_key"], unique=False)
    op.create_index(op.f("ix_key_objects_study_key"), "key_objects", ["study_key"], unique=False)
    op.create_table(
        "order_notices",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("order_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), server_default="", nullable=False),
        sa.Column("is_certain", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("control_id", sa.Text(), server_default="", nullable=False),
        sa.Column("times_taken", sa.Integer(), server_default="0", nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("patient_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("refused_control_id", sa.Text(), server_default="", nullable=False),
        sa.Column("refused_delivery_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("told_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["order_key"], ["orders.key"], name=op.f("fk_order_notices_order_key")),
        sa.ForeignKeyConstraint(["patient_key"], ["patients.key"], name=op.f("fk_order_notices_patient_key")),
        sa.ForeignKeyConstraint(
            ["refused_delivery_key"], ["deliveries.key"], name=op.f("fk_order_notices_refused_delivery_key")
        ),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_order_notices_study_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_order_notices")),
        sa.UniqueConstraint(
            "order_key", "destination", "subject", name=op.f("uq_order_notices_order_key_destination_subject")
        ),
    )
    op.create_index(op.f("ix_order_notices_order_key"), "order_notices", ["order_key"], unique=False)
    op.create_index(op.f("ix_order_notices_study_key"), "order_notices", ["study_key"], unique=False)
    op.create_table(
        "packet_files",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("packet_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('document', 'manifest', 'key-objects')", name=op.f("ck_packet_files_kind")),
        sa.ForeignKeyConstraint(["packet_key"], ["packets.key"], name=op.f("fk_packet_files_packet_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_packet_files")),
        sa.UniqueConstraint("packet_key", "kind", name=op.f("uq_packet_files_packet_key_kind")),
    )
    op.create_index(op.f("ix_packet_files_digest"), "packet_files", ["digest"], unique=False)
    op.create_table(
        "payer_submissions",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("attachment_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("packet_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("evidence_request_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("control_number", sa.Text(), nullable=False),
        sa.Column("purpose_of_use", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("released_by", sa.Text(), server_default="", nullable=False),
        sa.Column("released_at", Instant(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("content_digest", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "state IN ('ready', 'sending', 'unclear', 'sent', 'accepted', 'refused', 'taken-back')",
            name=op.f("ck_payer_submissions_state"),
        ),
        sa.ForeignKeyConstraint(
            ["attachment_key"], ["attachments.key"], name=op.f("fk_payer_submissions_attachment_key")
        ),
        sa.ForeignKeyConstraint(
            ["evidence_request_key"], ["evidence_requests.key"], name=op.f("fk_payer_submissions_evidence_request_key")
        ),
        sa.ForeignKeyConstraint(["packet_key"], ["packets.key"], name=op.f("fk_payer_submissions_packet_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_payer_submissions")),
    )
    op.create_index(op.f("ix_payer_submissions_attachment_key"), "payer_submissions", ["attachment_key"], unique=False)
    op.create_index(op.f("ix_payer_submissions_control_number"), "payer_submissions", ["control_number"], unique=False)
    op.create_index(
        op.f("ix_payer_submissions_evidence_request_key"), "payer_submissions", ["evidence_request_key"], unique=False
    )
    op.create_index(
        "ix_payer_submissions_unclear",
        "payer_submissions",
        ["attachment_key"],
        unique=False,
        sqlite_where=sa.text("state = 'unclear'"),
        postgresql_where=sa.text("state = 'unclear'"),
    )
    op.create_table(
        "rejections",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("note_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("received_from", sa.Text(), server_default="", nullable=False),
        sa.Column("own_only", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("decided_by", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "state IN ('applied', 'not_allowed', 'undone', 'overruled')", name=op.f("ck_rejections_state")
        ),
        sa.ForeignKeyConstraint(["note_key"], ["instances.key"], name=op.f("fk_rejections_note_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rejections")),
        sa.UniqueConstraint(
            "sop_instance_uid", "study_instance_uid", name=op.f("uq_rejections_sop_instance_uid_study_instance_uid")
        ),
    )
    op.create_index(op.f("ix_rejections_note_key"), "rejections", ["note_key"], unique=False)
    op.create_index(op.f("ix_rejections_study_instance_uid"), "rejections", ["study_instance_uid"], unique=False)
    op.create_table(
        "split_instances",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("split_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("instance_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("new_instance_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["instance_key"], ["instances.key"], name=op.f("fk_split_instances_instance_key")),
        sa.ForeignKeyConstraint(
            ["new_instance_key"], ["instances.key"], name=op.f("fk_split_instances_new_instance_key")
        ),
        sa.ForeignKeyConstraint(["split_key"], ["splits.key"], name=op.f("fk_split_instances_split_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_split_instances")),
    )
    op.create_index(op.f("ix_split_instances_split_key"), "split_instances", ["split_key"], unique=False)
    op.create_table(
        "views",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("user_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("link_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("record_keys", sa.JSON(), nullable=False),
        sa.Column("study_keys", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("issuer", sa.Text(), server_default="", nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["link_key"], ["viewer_links.key"], name=op.f("fk_views_link_key")),
        sa.ForeignKeyConstraint(["user_key"], ["users.key"], name=op.f("fk_views_user_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_views")),
        sa.UniqueConstraint("name", name=op.f("uq_views_name")),
    )
    op.create_index(op.f("ix_views_ends_at"), "views", ["ends_at"], unique=False)
    op.create_index(op.f("ix_views_link_key"), "views", ["link_key"], unique=False)
    op.create_index(op.f("ix_views_user_key"), "views", ["user_key"], unique=False)
    op.create_table(
        "workitem_inputs",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("workitem_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("study_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["studies.key"], name=op.f("fk_workitem_inputs_study_key")),
        sa.ForeignKeyConstraint(["workitem_key"], ["workitems.key"], name=op.f("fk_workitem_inputs_workitem_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_workitem_inputs")),
        sa.UniqueConstraint("workitem_key", "study_key", name=op.f("uq_workitem_inputs_workitem_key_study_key")),
    )
    op.create_index(op.f("ix_workitem_inputs_study_key"), "workitem_inputs", ["study_key"], unique=False)
    op.create_index(op.f("ix_workitem_inputs_workitem_key"), "workitem_inputs", ["workitem_key"], unique=False)
    op.create_table(
        "interchanges",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("submission_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("clearinghouse", sa.Text(), server_default="", nullable=False),
        sa.Column("transaction_name", sa.Text(), server_default="", nullable=False),
        sa.Column("control_number", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("stamp", sa.Text(), server_default="", nullable=False),
        sa.Column("blob", sa.Text(), server_default="", nullable=False),
        sa.Column("copies", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("answered_at", Instant(), nullable=True),
        sa.CheckConstraint(
            "state IN ('begun', 'sent', 'received', 'accepted', 'refused')", name=op.f("ck_interchanges_state")
        ),
        sa.ForeignKeyConstraint(
            ["submission_key"], ["payer_submissions.key"], name=op.f("fk_interchanges_submission_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_interchanges")),
        sa.UniqueConstraint("control_number", name=op.f("uq_interchanges_control_number")),
    )
    op.create_index(op.f("ix_interchanges_submission_key"), "interchanges", ["submission_key"], unique=False)
    op.create_table(
        "key_images",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key_object_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("frames", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.ForeignKeyConstraint(["key_object_key"], ["key_objects.key"], name=op.f("fk_key_images_key_object_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_key_images")),
    )
    op.create_index(op.f("ix_key_images_key_object_key"), "key_images", ["key_object_key"], unique=False)
    op.create_table(
        "payer_requests",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("authorization_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("submission_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("trace", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lines", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("cancelled", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("control_numbers", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("asked_by", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("whom_digest", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("begun_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("kind IN ('submit', 'update', 'cancel', 'inquire')", name=op.f("ck_payer_requests_kind")),
        sa.CheckConstraint(
            "state IN ('waiting', 'begun', 'answered', 'failed', 'dropped')", name=op.f("ck_payer_requests_state")
        ),
        sa.ForeignKeyConstraint(
            ["authorization_key"], ["authorizations.key"], name=op.f("fk_payer_requests_authorization_key")
        ),
        sa.ForeignKeyConstraint(
            ["submission_key"], ["payer_submissions.key"], name=op.f("fk_payer_requests_submission_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_payer_requests")),
    )
    op.create_index(op.f("ix_payer_requests_authorization_key"), "payer_requests", ["authorization_key"], unique=False)
    op.create_index(op.f("ix_payer_requests_payer_trace"), "payer_requests", ["payer", "trace"], unique=False)
    op.create_index(op.f("ix_payer_requests_submission_key"), "payer_requests", ["submission_key"], unique=False)
    op.create_table(
        "rejected_instances",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("rejection_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("restored_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["rejection_key"], ["rejections.key"], name=op.f("fk_rejected_instances_rejection_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rejected_instances")),
    )
    op.create_index(op.f("ix_rejected_instances_rejection_key"), "rejected_instances", ["rejection_key"], unique=False)
    op.create_index(
        op.f("ix_rejected_instances_sop_instance_uid"), "rejected_instances", ["sop_instance_uid"], unique=False
    )
    op.create_table(
        "payer_answers",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("submission_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("request_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("heard_at", Instant(), nullable=False),
        sa.Column("status", sa.Integer(), server_default="0", nullable=False),
        sa.Column("content_type", sa.Text(), server_default="", nullable=False),
        sa.Column("payer_numbers", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("read_at", Instant(), nullable=True),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["request_key"], ["payer_requests.key"], name=op.f("fk_payer_answers_request_key")),
        sa.ForeignKeyConstraint(
            ["submission_key"], ["payer_submissions.key"], name=op.f("fk_payer_answers_submission_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_payer_answers")),
    )
    op.create_index(op.f("ix_payer_answers_request_key"), "payer_answers", ["request_key"], unique=False)
    op.create_index(op.f("ix_payer_answers_submission_key"), "payer_answers", ["submission_key"], unique=False)
    op.create_index(
        "ix_payer_answers_unread",
        "payer_answers",
        ["key"],
        unique=False,
        sqlite_where=sa.text("request_key IS NOT NULL AND read_at IS NULL"),
        postgresql_where=sa.text("request_key IS NOT NULL AND read_at IS NULL"),
    )
    op.create_index(
        "ix_patients_patient_name",
        "patients",
        [sa.func.lower(sa.column("patient_name")).label("name_in_lower_case")],
        postgresql_ops={"name_in_lower_case": "text_pattern_ops"},
    )

"""the first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("shops", JSON, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset_seconds", sa.Float(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_clock_one_row")),
        sa.CheckConstraint("offset_seconds >= 0", name=op.f("ck_clock_forward")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock")),
    )
    op.create_table(
        "data_keys",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("wrapping_key_id", sa.String(length=40), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_data_keys")),
    )
    op.create_table(
        "job_decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("args", JSON, nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_decisions")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("args", JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rings", sa.Integer(), nullable=False),
        sa.Column("starts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("timer_of", sa.Uuid(), nullable=True),
        sa.Column("chain_id", sa.Uuid(), nullable=True),
        sa.Column("chain_position", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index(
            "ix_jobs_chain",
            ["chain_id", "chain_position"],
            unique=False,
            postgresql_where=sa.text("chain_id IS NOT NULL"),
            sqlite_where=sa.text("chain_id IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_jobs_due",
            ["queue", "due_at"],
            unique=False,
            postgresql_where=sa.text("rung_at IS NULL AND parked_at IS NULL AND due_at IS NOT NULL"),
            sqlite_where=sa.text("rung_at IS NULL AND parked_at IS NULL AND due_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_jobs_parked",
            ["parked_at"],
            unique=False,
            postgresql_where=sa.text("parked_at IS NOT NULL"),
            sqlite_where=sa.text("parked_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_jobs_rung",
            ["queue", "rung_at"],
            unique=False,
            postgresql_where=sa.text("rung_at IS NOT NULL AND parked_at IS NULL"),
            sqlite_where=sa.text("rung_at IS NOT NULL AND parked_at IS NULL"),
        )
        batch_op.create_index(
            "ix_jobs_timer_of",
            ["timer_of"],
            unique=False,
            postgresql_where=sa.text("timer_of IS NOT NULL"),
            sqlite_where=sa.text("timer_of IS NOT NULL"),
        )

    op.create_table(
        "queue_marks",
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_queue_marks")),
    )
    op.create_table(
        "receipts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("once_key", sa.String(length=200), nullable=False),
        sa.Column("vendor", sa.String(length=32), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("reference", sa.String(length=120), nullable=True),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column(
            "fact",
            sa.Enum(
                "queued",
                "sending",
                "sent",
                "delivered",
                "undelivered",
                "failed",
                "expired",
                "voided",
                "unknown",
                name="state",
                native_enum=False,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
        sa.UniqueConstraint("once_key", name=op.f("uq_receipts_once_key")),
    )
    with op.batch_alter_table("receipts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_receipts_attempt_id"), ["attempt_id"], unique=False)

    op.create_table(
        "shops",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name_ja", sa.String(length=100), nullable=False),
        sa.Column("name_en", sa.String(length=100), nullable=False),
        sa.Column("short_name", sa.String(length=20), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("calendar", JSON, nullable=False),
        sa.Column("deadline_policy", JSON, nullable=False),
        sa.Column("page_url", sa.String(length=500), nullable=False),
        sa.Column("booking_page_url", sa.String(length=500), nullable=True),
        sa.Column("privacy_url", sa.String(length=500), nullable=False),
        sa.Column("contact_url", sa.String(length=500), nullable=False),
        sa.Column("notice_email", sa.String(length=254), nullable=False),
        sa.Column("code_minutes", sa.Integer(), nullable=False),
        sa.Column("hold_cap_minutes", sa.Integer(), nullable=False),
        sa.Column("entry_opens_minutes", sa.Integer(), nullable=False),
        sa.Column("entry_closes_minutes", sa.Integer(), nullable=False),
        sa.Column("max_changes", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shops")),
    )
    op.create_table(
        "terms_documents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("party", sa.Enum("platform", "provider", name="party", native_enum=False, length=40), nullable=False),
        sa.Column("provider", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_terms_documents")),
    )
    op.create_table(
        "verifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Enum("booking", name="purpose", native_enum=False, length=40), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Enum("sms", "mail", name="channel", native_enum=False, length=40), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cap_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("expires_at <= cap_at", name=op.f("ck_verifications_life_within_cap")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
    )
    with op.batch_alter_table("verifications", schema=None) as batch_op:
        batch_op.create_index("ix_verifications_subject", ["purpose", "subject_id"], unique=True)

    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id", "version"],
            ["terms_documents.id", "terms_documents.version"],
            name=op.f("fk_consents_document_id_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.UniqueConstraint(
            "booking_id", "document_id", "version", name=op.f("uq_consents_booking_id_document_id_version")
        ),
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.Enum("sms", "mail", name="channel", native_enum=False, length=40), nullable=False),
        sa.Column("contact_index", sa.String(length=64), nullable=False),
        sa.Column("sealed_contact", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_customers_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("shop_id", "contact_index", name=op.f("uq_customers_shop_id_contact_index")),
    )
    op.create_table(
        "idempotent_requests",
        sa.Column("api_key_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("sealed_answer", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"], name=op.f("fk_idempotent_requests_api_key_id")),
        sa.PrimaryKeyConstraint("api_key_id", "key", name=op.f("pk_idempotent_requests")),
    )
    with op.batch_alter_table("idempotent_requests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotent_requests_created_at"), ["created_at"], unique=False)

    op.create_table(
        "bookings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Enum("sms", "mail", name="channel", native_enum=False, length=40), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "held",
                "confirmed",
                "in_call",
                "released",
                "cancelled",
                "no_show",
                "completed",
                name="status",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shop_zone", sa.String(length=64), nullable=False),
        sa.Column("change_deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entry_opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entry_closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("most_changes", sa.Integer(), nullable=False),
        sa.Column("live_index", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("change_window_closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("customer_entered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("staff_entered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "released_because",
            sa.Enum("expired", "attempts", "abandoned", "undeliverable", name="released", native_enum=False, length=40),
            nullable=True,
        ),
        sa.Column(
            "cancelled_by",
            sa.Enum("customer", "shop", "suspension", name="cause", native_enum=False, length=40),
            nullable=True,
        ),
        sa.Column("absent", sa.String(length=16), nullable=True),
        sa.Column(
            "entry_point",
            sa.Enum("shop_page", "product_page", name="entrypoint", native_enum=False, length=40),
            nullable=True,
        ),
        sa.Column("item_codes", JSON, nullable=False),
        sa.Column("customer_ip_index", sa.String(length=64), nullable=True),
        sa.Column("sealed_name", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_memo", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_source_url", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_bookings_ends_after_it_starts")),
        sa.CheckConstraint("revision >= 1 AND revision <= 255", name=op.f("ck_bookings_revision_fits_a_link")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_bookings_customer_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_bookings_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
        sa.UniqueConstraint("live_index", name=op.f("uq_bookings_live_index")),
    )
    with op.batch_alter_table("bookings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bookings_customer_id"), ["customer_id"], unique=False)
        batch_op.create_index("ix_bookings_shop_start", ["shop_id", "starts_at"], unique=False)

    op.create_table(
        "booking_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "held",
                "confirmed",
                "in_call",
                "released",
                "cancelled",
                "no_show",
                "completed",
                name="status",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_booking_events_booking_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_events")),
    )
    with op.batch_alter_table("booking_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_booking_events_booking_id"), ["booking_id"], unique=False)

    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "booking_code",
                "booking_confirmed",
                "booking_confirmed_same_day",
                "booking_changed",
                "booking_changed_final",
                "booking_cancelled",
                "booking_withdrawn",
                "booking_reminder_eve",
                "booking_reminder_day",
                "shop_booking_new",
                "shop_booking_changed",
                "shop_booking_cancelled",
                "shop_day_list",
                "shop_day_fixed",
                name="kind",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("channel", sa.Enum("sms", "mail", name="channel", native_enum=False, length=40), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("once_key", sa.String(length=120), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "sending",
                "sent",
                "delivered",
                "undelivered",
                "failed",
                "expired",
                "voided",
                "unknown",
                name="state",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("because", sa.String(length=64), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_messages_booking_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_messages_customer_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_messages_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("once_key", name=op.f("uq_messages_once_key")),
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index("ix_messages_booking", ["booking_id"], unique=False)

    op.create_table(
        "slot_claims",
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("tick_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seat", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_slot_claims_booking_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_slot_claims_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "tick_at", "seat", name=op.f("pk_slot_claims")),
    )
    with op.batch_alter_table("slot_claims", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_slot_claims_booking_id"), ["booking_id"], unique=False)

    op.create_table(
        "attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("vendor", sa.String(length=32), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.String(length=16), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("reference", sa.String(length=120), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_attempts_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attempts_message_id"), ["message_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_attempts_reference"), ["reference"], unique=False)

    clock = sa.table("clock", sa.column("id"), sa.column("offset_seconds"))
    op.bulk_insert(clock, [{"id": 1, "offset_seconds": 0.0}])
    marks = sa.table("queue_marks", sa.column("queue"))
    queues = ("codes", "bookings", "disclosure", "delivery", "webhooks", "sweeps")
    op.bulk_insert(marks, [{"queue": queue} for queue in queues])
    if op.get_bind().dialect.name == "postgresql":
        # Rows come and go all day: vacuum by their number, not by a share of a table that is nearly empty.
        op.execute(
            "ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, "
            "autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 2000, "
            "autovacuum_vacuum_cost_delay = 0, fillfactor = 70)"
        )


def downgrade() -> None:
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_attempts_reference"))
        batch_op.drop_index(batch_op.f("ix_attempts_message_id"))

    op.drop_table("attempts")
    with op.batch_alter_table("slot_claims", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_slot_claims_booking_id"))

    op.drop_table("slot_claims")
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index("ix_messages_booking")

    op.drop_table("messages")
    with op.batch_alter_table("booking_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_booking_events_booking_id"))

    op.drop_table("booking_events")
    with op.batch_alter_table("bookings", schema=None) as batch_op:
        batch_op.drop_index("ix_bookings_shop_start")
        batch_op.drop_index(batch_op.f("ix_bookings_customer_id"))

    op.drop_table("bookings")
    with op.batch_alter_table("idempotent_requests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotent_requests_created_at"))

    op.drop_table("idempotent_requests")
    op.drop_table("customers")
    op.drop_table("consents")
    with op.batch_alter_table("verifications", schema=None) as batch_op:
        batch_op.drop_index("ix_verifications_subject")

    op.drop_table("verifications")
    op.drop_table("terms_documents")
    op.drop_table("shops")
    with op.batch_alter_table("receipts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_receipts_attempt_id"))

    op.drop_table("receipts")
    op.drop_table("queue_marks")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_jobs_timer_of",
            postgresql_where=sa.text("timer_of IS NOT NULL"),
            sqlite_where=sa.text("timer_of IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_jobs_rung",
            postgresql_where=sa.text("rung_at IS NOT NULL AND parked_at IS NULL"),
            sqlite_where=sa.text("rung_at IS NOT NULL AND parked_at IS NULL"),
        )
        batch_op.drop_index(
            "ix_jobs_parked",
            postgresql_where=sa.text("parked_at IS NOT NULL"),
            sqlite_where=sa.text("parked_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_jobs_due",
            postgresql_where=sa.text("rung_at IS NULL AND parked_at IS NULL AND due_at IS NOT NULL"),
            sqlite_where=sa.text("rung_at IS NULL AND parked_at IS NULL AND due_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_jobs_chain",
            postgresql_where=sa.text("chain_id IS NOT NULL"),
            sqlite_where=sa.text("chain_id IS NOT NULL"),
        )

    op.drop_table("jobs")
    op.drop_table("job_decisions")
    op.drop_table("data_keys")
    op.drop_table("clock")
    op.drop_table("api_keys")

"""The concierge whole: calls at once, in the call, shops fed by their systems, video, suspensions, people's rights."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _calls()
    _in_call()
    _shops()
    _video()
    _suspensions()
    _people()


def downgrade() -> None:
    _no_people()
    _no_suspensions()
    _no_video()
    _no_shops()
    _no_in_call()
    _no_calls()


def _calls() -> None:
    op.create_table(
        "staff_members",
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name_ja", sa.String(length=100), nullable=False),
        sa.Column("name_en", sa.String(length=100), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=True),
        sa.Column("hours", JSON, nullable=True),
        sa.Column("link_generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_staff_members_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "id", name=op.f("pk_staff_members")),
    )

    op.create_table(
        "presences",
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.String(length=64), nullable=False),
        sa.Column(
            "state", sa.Enum("idle", "busy", "away", name="presencestate", native_enum=False, length=40), nullable=False
        ),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["shop_id", "staff_id"],
            ["staff_members.shop_id", "staff_members.id"],
            name=op.f("fk_presences_shop_id_staff_id"),
        ),
        sa.PrimaryKeyConstraint("shop_id", "staff_id", name=op.f("pk_presences")),
    )

    op.create_table(
        "calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.Enum("sms", "mail", name="channel", native_enum=False, length=40), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "asked",
                "ringing",
                "connected",
                "refused",
                "abandoned",
                "unanswered",
                "ended",
                "failed",
                name="status",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "refused_because",
            sa.Enum(
                "closed",
                "all_busy",
                "suspended",
                "prohibited_use",
                "disabled",
                name="refused",
                native_enum=False,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rings_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("caller_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("staff_id", sa.String(length=64), nullable=True),
        sa.Column("customer_entered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("staff_entered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("customer_left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("staff_left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("connects_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("enter_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_latest_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "end_reason",
            sa.Enum(
                "hung_up",
                "caller_gone",
                "no_answer",
                "staff_ended",
                "customer_ended",
                "both_left",
                "longest",
                "never_entered",
                "connection",
                name="endreason",
                native_enum=False,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column(
            "failed_side",
            sa.Enum("customer", "staff", "both", "provider", "us", name="failedside", native_enum=False, length=40),
            nullable=True,
        ),
        sa.Column(
            "entry_point",
            sa.Enum("shop_page", "product_page", name="entrypoint", native_enum=False, length=40),
            nullable=True,
        ),
        sa.Column(
            "purpose",
            sa.Enum("colour", "size", "detail", "advice", "other", name="visitpurpose", native_enum=False, length=40),
            nullable=True,
        ),
        sa.Column("item_codes", JSON, nullable=False),
        sa.Column("sealed_name", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_memo", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_source_url", sa.LargeBinary(), nullable=True),
        sa.Column("customer_ip_index", sa.String(length=64), nullable=True),
        sa.Column("provider", sa.String(length=40), nullable=True),
        sa.Column("caller", sa.String(length=64), nullable=False),
        sa.Column("once_key", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_calls_customer_id")),
        sa.ForeignKeyConstraint(
            ["shop_id", "staff_id"],
            ["staff_members.shop_id", "staff_members.id"],
            name=op.f("fk_calls_shop_id_staff_id"),
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_calls_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
        sa.UniqueConstraint("once_key", name=op.f("uq_calls_once_key")),
    )
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.create_index(
            "ix_calls_customer",
            ["customer_id"],
            unique=False,
            postgresql_where=sa.text("customer_id IS NOT NULL"),
            sqlite_where=sa.text("customer_id IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_calls_live",
            ["shop_id"],
            unique=False,
            postgresql_where=sa.text("status IN ('ringing', 'connected')"),
            sqlite_where=sa.text("status IN ('ringing', 'connected')"),
        )
        batch_op.create_index("ix_calls_shop_requested", ["shop_id", "requested_at"], unique=False)
        batch_op.create_index(
            "ix_calls_staff_requested",
            ["shop_id", "staff_id", "requested_at"],
            unique=False,
            postgresql_where=sa.text("staff_id IS NOT NULL"),
            sqlite_where=sa.text("staff_id IS NOT NULL"),
        )

    op.create_table(
        "call_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "asked",
                "ringing",
                "connected",
                "refused",
                "abandoned",
                "unanswered",
                "ended",
                "failed",
                name="status",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("facts", JSON, nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_call_events_call_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_events")),
    )
    with op.batch_alter_table("call_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_call_events_call_id"), ["call_id"], unique=False)

    op.create_table(
        "call_rings",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.String(length=64), nullable=False),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_call_rings_call_id")),
        sa.PrimaryKeyConstraint("call_id", "staff_id", name=op.f("pk_call_rings")),
    )

    op.create_table(
        "call_desks",
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("missed_in_a_row", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_call_desks_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", name=op.f("pk_call_desks")),
    )

    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("call_id", sa.Uuid(), nullable=True))
        batch_op.alter_column("booking_id", existing_type=sa.Uuid(), nullable=True)
        batch_op.create_unique_constraint(
            batch_op.f("uq_consents_call_id_document_id_version"), ["call_id", "document_id", "version"]
        )

    if op.get_bind().dialect.name == "sqlite":
        # A table that others refer to cannot be made anew under their eyes, as a batch would.
        op.execute(
            "ALTER TABLE messages ADD COLUMN call_id CHAR(32) CONSTRAINT fk_messages_call_id REFERENCES calls (id)"
        )
    else:
        op.add_column("messages", sa.Column("call_id", sa.Uuid(), nullable=True))
        op.create_foreign_key(op.f("fk_messages_call_id"), "messages", "calls", ["call_id"], ["id"])

    # Without its mark nothing that was lost on its way through the new queue would be missed.
    op.bulk_insert(sa.table("queue_marks", sa.column("queue")), [{"queue": "calls"}])

    # The defaults stay, for the same reason; whoever writes a shop gives all of them.
    for column in (
        sa.Column("takes_calls", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("ring_seconds", sa.Integer(), nullable=False, server_default="60"),
        sa.Column("connect_seconds", sa.Integer(), nullable=False, server_default="30"),
        sa.Column("longest_call_minutes", sa.Integer(), nullable=False, server_default="60"),
        sa.Column("escalate_after", sa.Integer(), nullable=False, server_default="3"),
    ):
        op.add_column("shops", column)


def _no_calls() -> None:
    for column in ("escalate_after", "longest_call_minutes", "connect_seconds", "ring_seconds", "takes_calls"):
        op.drop_column("shops", column)
    with op.batch_alter_table("messages", schema=None) as batch_op:
        if op.get_bind().dialect.name != "sqlite":
            batch_op.drop_constraint(batch_op.f("fk_messages_call_id"), type_="foreignkey")
        batch_op.drop_column("call_id")
    op.execute("DELETE FROM queue_marks WHERE queue = 'calls'")
    # A downgrade has no place for them.
    op.execute("DELETE FROM consents WHERE booking_id IS NULL")
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_consents_call_id_document_id_version"), type_="unique")
        batch_op.alter_column("booking_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.drop_column("call_id")
    for table in ("call_desks", "call_rings", "call_events", "calls", "presences", "staff_members"):
        op.drop_table(table)


def _in_call() -> None:
    for column in (
        sa.Column("staff_id", sa.String(length=64), nullable=True),
        sa.Column("call_began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("customer_left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("staff_left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "ended_because",
            sa.Enum("both_left", "time_over", "staff", name="ended", native_enum=False, length=40),
            nullable=True,
        ),
    ):
        op.add_column("bookings", column)
    # Until now a call began when the second of both came, and ended with its window.
    op.execute(
        "UPDATE bookings SET ended_because = CASE WHEN status = 'completed' THEN 'time_over' END, call_began_at ="
        " CASE WHEN customer_entered_at > staff_entered_at THEN customer_entered_at ELSE staff_entered_at END"
        " WHERE status IN ('in_call', 'completed')"
    )
    # The default stays, as those of the other rules do.
    op.add_column("shops", sa.Column("sends_thanks", sa.Boolean(), nullable=False, server_default=sa.false()))

    op.create_table(
        "call_facts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column(
            "kind",
            sa.Enum("joined", "left", "closed", "failed", name="factkind", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column(
            "side",
            sa.Enum("customer", "staff", "both", "provider", "us", name="failedside", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("room", sa.String(length=200), nullable=True),
        sa.Column("participant", sa.String(length=200), nullable=True),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("fact_key", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(booking_id IS NULL) <> (call_id IS NULL)", name=op.f("ck_call_facts_is_about_one_call")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_call_facts_booking_id")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_call_facts_call_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_call_facts_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_facts")),
        sa.UniqueConstraint("fact_key", name=op.f("uq_call_facts_fact_key")),
    )
    for subject in ("booking", "call"):
        op.create_index(
            f"ix_call_facts_{subject}",
            "call_facts",
            [f"{subject}_id"],
            unique=False,
            postgresql_where=sa.text(f"{subject}_id IS NOT NULL"),
            sqlite_where=sa.text(f"{subject}_id IS NOT NULL"),
        )

    op.create_table(
        "conduct_reports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("staff_id", sa.String(length=64), nullable=True),
        sa.Column(
            "category",
            sa.Enum(
                "abuse",
                "harassment",
                "impersonation",
                "recording",
                "other",
                name="category",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("sealed_text", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Enum("new", "seen", name="state", native_enum=False, length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_by", sa.String(length=64), nullable=True),
        sa.Column("once_key", sa.String(length=64), nullable=True),
        sa.CheckConstraint(
            "(booking_id IS NULL) <> (call_id IS NULL)", name=op.f("ck_conduct_reports_is_about_one_call")
        ),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_conduct_reports_booking_id")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_conduct_reports_call_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_conduct_reports_customer_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_conduct_reports_shop_id")),
        sa.ForeignKeyConstraint(
            ["shop_id", "staff_id"],
            ["staff_members.shop_id", "staff_members.id"],
            name=op.f("fk_conduct_reports_shop_id_staff_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conduct_reports")),
        sa.UniqueConstraint("once_key", name=op.f("uq_conduct_reports_once_key")),
    )
    op.create_index(op.f("ix_conduct_reports_customer_id"), "conduct_reports", ["customer_id"], unique=False)
    op.create_index("ix_conduct_reports_state", "conduct_reports", ["state", "at"], unique=False)


def _no_in_call() -> None:
    op.drop_table("conduct_reports")
    op.drop_table("call_facts")
    op.drop_column("shops", "sends_thanks")
    for column in ("ended_because", "staff_left_at", "customer_left_at", "call_began_at", "staff_id"):
        op.drop_column("bookings", column)


def _shops() -> None:
    op.create_table(
        "menus",
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name_ja", sa.String(length=100), nullable=False),
        sa.Column("name_en", sa.String(length=100), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("buffer_before_minutes", sa.Integer(), nullable=True),
        sa.Column("buffer_after_minutes", sa.Integer(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_menus_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "id", name=op.f("pk_menus")),
    )
    op.create_table(
        "shop_versions",
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("profile", JSON, nullable=False),
        sa.Column("accepted_conflicts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_shop_versions_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "number", name=op.f("pk_shop_versions")),
    )
    op.create_table(
        "catalogue_items",
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("on_sale", sa.Boolean(), nullable=False),
        sa.Column("low_stock", sa.Boolean(), nullable=False),
        sa.Column("looked_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_catalogue_items_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "code", name=op.f("pk_catalogue_items")),
    )
    op.create_table(
        "catalogue_health",
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_catalogue_health_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", name=op.f("pk_catalogue_health")),
    )
    op.create_table(
        "terms_announcements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("after_booking_id", sa.Uuid(), nullable=True),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["document_id", "version"],
            ["terms_documents.id", "terms_documents.version"],
            name=op.f("fk_terms_announcements_document_id_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terms_announcements")),
        sa.UniqueConstraint("document_id", "version", name=op.f("uq_terms_announcements_document_id_version")),
    )
    op.create_table(
        "terms_notices",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_terms_notices_customer_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_terms_notices_message_id")),
        sa.ForeignKeyConstraint(
            ["document_id", "version"],
            ["terms_documents.id", "terms_documents.version"],
            name=op.f("fk_terms_notices_document_id_version"),
        ),
        sa.PrimaryKeyConstraint("customer_id", "document_id", "version", name=op.f("pk_terms_notices")),
    )
    op.create_index(op.f("ix_terms_notices_message_id"), "terms_notices", ["message_id"])
    op.create_table(
        "governing_terms",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("governs_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id", "version"],
            ["terms_documents.id", "terms_documents.version"],
            name=op.f("fk_governing_terms_document_id_version"),
        ),
        sa.PrimaryKeyConstraint("subject_id", "document_id", "version", name=op.f("pk_governing_terms")),
    )
    with op.batch_alter_table("shops", schema=None) as batch_op:
        batch_op.add_column(sa.Column("slots_by", sa.String(length=8), nullable=False, server_default="seats"))
        batch_op.add_column(sa.Column("catalogue_url", sa.String(length=500), nullable=True))
        batch_op.add_column(sa.Column("profile_version", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("shops", schema=None) as batch_op:
        batch_op.alter_column("slots_by", existing_type=sa.String(length=8), server_default=None)
        batch_op.alter_column("profile_version", existing_type=sa.Integer(), server_default=None)
    with op.batch_alter_table("bookings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("purpose", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("menu_id", sa.String(length=64), nullable=True))
    # After everything that makes one of these tables anew: their triggers would not outlive that.
    for table, key in _RECORDS.items():
        for statement in _record_triggers(table, key)[op.get_bind().dialect.name]:
            op.execute(statement)


_RECORDS = {
    "consents": "id = NEW.id",
    "shop_versions": "shop_id = NEW.shop_id AND number = NEW.number",
    # What is written down a second time is let be, not refused: no trigger may see it.
    "governing_terms": None,
}
"""What is written once and never changes, and how SQLite knows a row that would replace another."""


def _record_triggers(table: str, key: str | None) -> dict[str, list[str]]:
    refusal = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    sqlite = [
        f"CREATE TRIGGER {table}_refuses_{on} BEFORE {on.upper()} ON {table} {refusal}" for on in ("update", "delete")
    ]
    if key is not None:
        found = f"EXISTS (SELECT 1 FROM {table} WHERE {key})"  # noqa: S608 - names of this file, nothing given
        sqlite.append(f"CREATE TRIGGER {table}_refuses_insert BEFORE INSERT ON {table} WHEN {found} {refusal}")
    postgresql = [
        f"CREATE TRIGGER {table}_refuses_{on} BEFORE {on.upper()} ON {table} FOR EACH {each} "
        "EXECUTE FUNCTION append_only_refuse()"
        for on, each in (("update", "ROW"), ("delete", "ROW"), ("truncate", "STATEMENT"))
    ]
    return {"sqlite": sqlite, "postgresql": postgresql}


def _no_shops() -> None:
    # Those of the other two go with their tables.
    dialect = op.get_bind().dialect.name
    for on in ("update", "delete", "insert" if dialect == "sqlite" else "truncate"):
        op.execute(f"DROP TRIGGER consents_refuses_{on}" + ("" if dialect == "sqlite" else " ON consents"))
    with op.batch_alter_table("bookings", schema=None) as batch_op:
        batch_op.drop_column("menu_id")
        batch_op.drop_column("purpose")
    with op.batch_alter_table("shops", schema=None) as batch_op:
        batch_op.drop_column("profile_version")
        batch_op.drop_column("catalogue_url")
        batch_op.drop_column("slots_by")
    op.drop_table("governing_terms")
    op.drop_index(op.f("ix_terms_notices_message_id"), table_name="terms_notices")
    op.drop_table("terms_notices")
    op.drop_table("terms_announcements")
    op.drop_table("catalogue_health")
    op.drop_table("catalogue_items")
    op.drop_table("shop_versions")
    op.drop_table("menus")


def _video() -> None:
    op.add_column("bookings", sa.Column("provider", sa.String(length=40), nullable=True))
    op.add_column("attempts", sa.Column("segments", sa.Integer(), nullable=True))
    op.create_table(
        "video_rooms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("room_ids", JSON, nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(length=64), nullable=True),
        sa.CheckConstraint("(booking_id IS NULL) <> (call_id IS NULL)", name=op.f("ck_video_rooms_is_for_one_call")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_video_rooms_booking_id")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_video_rooms_call_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_video_rooms_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_video_rooms")),
        sa.UniqueConstraint("name", name=op.f("uq_video_rooms_name")),
    )
    for name, columns in (("ux_video_rooms_booking", ["booking_id", "revision"]), ("ux_video_rooms_call", ["call_id"])):
        where = sa.text(f"{columns[0]} IS NOT NULL")
        op.create_index(name, "video_rooms", columns, unique=True, postgresql_where=where, sqlite_where=where)


def _no_video() -> None:
    op.drop_table("video_rooms")
    op.drop_column("attempts", "segments")
    op.drop_column("bookings", "provider")


def _suspensions() -> None:
    op.create_table(
        "suspensions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "reach", sa.Enum("global", "shop", "provider", name="reach", native_enum=False, length=40), nullable=False
        ),
        sa.Column("shop_id", sa.String(length=64), nullable=True),
        sa.Column("provider", sa.String(length=32), nullable=True),
        sa.Column(
            "status",
            sa.Enum("planned", "running", "ended", "undone", "lifted", name="status", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column(
            "treatment",
            sa.Enum("keep", "cancel", "move", name="treatment", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notice_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("without_notice_because", sa.String(length=200), nullable=True),
        sa.Column("notice_url", sa.String(length=500), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name=op.f("ck_suspensions_ends_after_it_starts")),
        sa.CheckConstraint(
            "(notice_at IS NULL) <> (without_notice_because IS NULL)",
            name=op.f("ck_suspensions_notice_or_a_reason_for_none"),
        ),
        sa.CheckConstraint(
            "ends_at IS NOT NULL OR treatment = 'keep'", name=op.f("ck_suspensions_no_end_keeps_bookings")
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_suspensions_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suspensions")),
    )
    with op.batch_alter_table("suspensions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_suspensions_live",
            ["starts_at"],
            unique=False,
            postgresql_where=sa.text("status IN ('planned', 'running')"),
            sqlite_where=sa.text("status IN ('planned', 'running')"),
        )

    op.create_table(
        "suspension_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("suspension_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column(
            "status",
            sa.Enum("planned", "running", "ended", "undone", "lifted", name="status", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("facts", JSON, nullable=False),
        sa.ForeignKeyConstraint(["suspension_id"], ["suspensions.id"], name=op.f("fk_suspension_events_suspension_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suspension_events")),
    )
    with op.batch_alter_table("suspension_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_suspension_events_suspension_id"), ["suspension_id"], unique=False)

    op.create_table(
        "suspended_bookings",
        sa.Column("suspension_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "told",
                "kept",
                "withdrawn",
                "moved_away",
                "untouched",
                name="outcome",
                native_enum=False,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_suspended_bookings_booking_id")),
        sa.ForeignKeyConstraint(
            ["suspension_id"], ["suspensions.id"], name=op.f("fk_suspended_bookings_suspension_id")
        ),
        sa.PrimaryKeyConstraint("suspension_id", "booking_id", name=op.f("pk_suspended_bookings")),
    )
    with op.batch_alter_table("suspended_bookings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_suspended_bookings_booking_id"), ["booking_id"], unique=False)


def _no_suspensions() -> None:
    op.drop_table("suspended_bookings")
    op.drop_table("suspension_events")
    op.drop_table("suspensions")


def _people() -> None:
    op.add_column("api_keys", sa.Column("member", sa.String(length=64), nullable=True))
    for column in (
        sa.Column("contact_days", sa.Integer(), nullable=False, server_default="90"),
        sa.Column("trail_days", sa.Integer(), nullable=False, server_default="1826"),
        sa.Column("fair_use", JSON, nullable=False, server_default="{}"),
    ):
        op.add_column("shops", column)
    for column in (
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "erased_because", sa.Enum("asked", "retention", name="erased", native_enum=False, length=40), nullable=True
        ),
    ):
        op.add_column("customers", column)
    op.add_column("verifications", sa.Column("network_digest", sa.String(length=64), nullable=True))
    op.add_column("bookings", sa.Column("displaced_at", sa.DateTime(timezone=True), nullable=True))
    for looked_up, column_name in _LOOKED_UP_BY:
        op.create_index(f"ix_{looked_up}_{column_name}", looked_up, [column_name])

    op.create_table(
        "blocks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("shop_id", sa.String(length=64), nullable=True),
        sa.Column("contact_hash", sa.String(length=64), nullable=False),
        sa.Column(
            "because",
            sa.Enum(
                "unlawful_purpose",
                "defamation",
                "obstruction",
                "breach_of_terms",
                "similar_act",
                name="because",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("report_id", sa.Uuid(), nullable=True),
        sa.Column("sealed_words", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("live_key", sa.String(length=140), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_blocks_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocks")),
        sa.UniqueConstraint("live_key", name=op.f("uq_blocks_live_key")),
    )
    op.create_table(
        "inquiries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("shop_id", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column(
            "topic",
            sa.Enum(
                "item",
                "booking",
                "service",
                "video_call",
                "personal_data",
                "other",
                name="topic",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum("received", "handed_over", "answered", name="state", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("sealed_text", sa.LargeBinary(), nullable=True),
        sa.Column(
            "recipient", sa.Enum("shop", "provider", name="recipient", native_enum=False, length=40), nullable=True
        ),
        sa.Column("provider", sa.String(length=40), nullable=True),
        sa.Column("handovers", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handed_over_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_inquiries_booking_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_inquiries_customer_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_inquiries_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inquiries")),
    )
    op.create_index("ix_inquiries_booking_id", "inquiries", ["booking_id"])
    op.create_index("ix_inquiries_customer_id", "inquiries", ["customer_id"])
    op.create_index("ix_inquiries_shop_received", "inquiries", ["shop_id", "received_at"])
    op.create_table(
        "customer_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_text", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_customer_requests_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_requests")),
    )
    op.create_index("ix_customer_requests_customer_id", "customer_requests", ["customer_id"])
    op.create_table(
        "booking_stubs",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("pk_booking_stubs")),
    )
    op.create_table(
        "call_stubs",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_call_stubs")),
    )
    for subject in ("booking", "call"):
        for statement in _TRAIL_TRIGGERS[op.get_bind().dialect.name]:
            op.execute(statement.replace("booking", subject))


def _no_people() -> None:
    op.drop_column("api_keys", "member")
    for subject in ("booking", "call"):
        for statement in _NO_TRAIL_TRIGGERS[op.get_bind().dialect.name]:
            op.execute(statement.replace("booking", subject))
    for looked_up, column_name in _LOOKED_UP_BY:
        op.drop_index(f"ix_{looked_up}_{column_name}", table_name=looked_up)
    op.drop_column("bookings", "displaced_at")
    op.drop_column("verifications", "network_digest")
    for table in ("call_stubs", "booking_stubs", "customer_requests", "inquiries", "blocks"):
        op.drop_table(table)
    for column in ("erased_because", "erased_at"):
        op.drop_column("customers", column)
    for column in ("fair_use", "trail_days", "contact_days"):
        op.drop_column("shops", column)


_LOOKED_UP_BY = (
    ("verifications", "customer_id"),
    ("messages", "customer_id"),
    ("messages", "call_id"),
    ("counters", "window_ends_at"),
)
"""What retention and erasure look for; nobody did before them."""

_TRAIL_TRIGGERS = {
    "sqlite": (
        (
            "CREATE TRIGGER booking_events_refuses_insert BEFORE INSERT ON booking_events WHEN EXISTS (SELECT 1 FROM "
            "booking_events WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'booking_events is append-only'); END"
        ),
        (
            "CREATE TRIGGER booking_events_refuses_update BEFORE UPDATE ON booking_events BEGIN SELECT RAISE(ABORT, "
            "'booking_events is append-only'); END"
        ),
        (
            "CREATE TRIGGER booking_events_refuses_delete BEFORE DELETE ON booking_events WHEN NOT EXISTS (SELECT 1 "
            "FROM booking_stubs WHERE booking_id = OLD.booking_id) BEGIN SELECT RAISE(ABORT, 'booking_events is "
            "append-only'); END"
        ),
        (
            "CREATE TRIGGER booking_stubs_refuses_insert BEFORE INSERT ON booking_stubs WHEN EXISTS (SELECT 1 FROM "
            "booking_stubs WHERE booking_id = NEW.booking_id) BEGIN SELECT RAISE(ABORT, 'booking_stubs is "
            "append-only'); END"
        ),
        (
            "CREATE TRIGGER booking_stubs_refuses_update BEFORE UPDATE ON booking_stubs BEGIN SELECT RAISE(ABORT, "
            "'booking_stubs is append-only'); END"
        ),
        (
            "CREATE TRIGGER booking_stubs_refuses_delete BEFORE DELETE ON booking_stubs BEGIN SELECT RAISE(ABORT, "
            "'booking_stubs is append-only'); END"
        ),
    ),
    # `append_only_refuse` is there since the disclosure cases.
    "postgresql": (
        (
            "CREATE TRIGGER booking_events_refuses_update BEFORE UPDATE ON booking_events FOR EACH ROW EXECUTE "
            "FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER booking_events_refuses_truncate BEFORE TRUNCATE ON booking_events FOR EACH STATEMENT "
            "EXECUTE FUNCTION append_only_refuse()"
        ),
        (
            "CREATE OR REPLACE FUNCTION booking_events_may_go() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NOT "
            "EXISTS (SELECT 1 FROM booking_stubs WHERE booking_id = OLD.booking_id) THEN RAISE EXCEPTION USING ERRCODE "
            "= 'integrity_constraint_violation', MESSAGE = TG_TABLE_NAME || ' is append-only'; END IF; RETURN OLD; "
            "END $$"
        ),
        (
            "CREATE TRIGGER booking_events_refuses_delete BEFORE DELETE ON booking_events FOR EACH ROW EXECUTE "
            "FUNCTION booking_events_may_go()"
        ),
        (
            "CREATE TRIGGER booking_stubs_refuses_update BEFORE UPDATE ON booking_stubs FOR EACH ROW EXECUTE "
            "FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER booking_stubs_refuses_truncate BEFORE TRUNCATE ON booking_stubs FOR EACH STATEMENT "
            "EXECUTE FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER booking_stubs_refuses_delete BEFORE DELETE ON booking_stubs FOR EACH ROW EXECUTE "
            "FUNCTION append_only_refuse()"
        ),
    ),
}
"""A booking's trail only grows; a line may go once the booking's stub stands. A call's the same, by the same words."""
_NO_TRAIL_TRIGGERS = {
    "sqlite": tuple(f"DROP TRIGGER booking_events_refuses_{on}" for on in ("insert", "update", "delete")),
    "postgresql": (
        *(f"DROP TRIGGER booking_events_refuses_{on} ON booking_events" for on in ("update", "truncate", "delete")),
        "DROP FUNCTION booking_events_may_go()",
    ),
}

"""The marketplace's registry; disclosure cases with decisions, papers, money and notices; their audit trail."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = (
    "release_switches",
    "releases",
    "papers",
    "notices",
    "letters",
    "invoices",
    "work_items",
    "payments",
    "document_items",
    "decisions",
    "case_checks",
    "trade_snapshots",
    "trade_messages",
    "disclosure_cases",
    "trades",
    "organisation_snapshots",
    "member_snapshots",
    "organisations",
    "members",
    "head_leaves",
    "disclosure_records",
    "daily_heads",
    "case_stubs",
    "case_events",
    "case_chains",
)
"""In the order in which they can be dropped."""
_TRIGGERS = {
    "sqlite": (
        (
            "CREATE TRIGGER case_events_refuses_insert BEFORE INSERT ON case_events WHEN EXISTS (SELECT 1 "
            "FROM case_events WHERE id = NEW.id OR (case_id = NEW.case_id AND number = NEW.number)) OR EXISTS "
            "(SELECT 1 FROM case_stubs WHERE case_id = NEW.case_id) BEGIN SELECT RAISE(ABORT, 'case_events is "
            "append-only'); END"
        ),
        (
            "CREATE TRIGGER case_events_refuses_update BEFORE UPDATE ON case_events BEGIN SELECT RAISE(ABORT, "
            "'case_events is append-only'); END"
        ),
        (
            "CREATE TRIGGER case_events_refuses_delete BEFORE DELETE ON case_events WHEN NOT EXISTS (SELECT 1 "
            "FROM case_stubs WHERE case_id = OLD.case_id) BEGIN SELECT RAISE(ABORT, 'case_events is "
            "append-only'); END"
        ),
        (
            "CREATE TRIGGER case_stubs_refuses_insert BEFORE INSERT ON case_stubs WHEN EXISTS (SELECT 1 FROM "
            "case_stubs WHERE case_id = NEW.case_id) BEGIN SELECT RAISE(ABORT, 'case_stubs is append-only'); "
            "END"
        ),
        (
            "CREATE TRIGGER case_stubs_refuses_update BEFORE UPDATE ON case_stubs BEGIN SELECT RAISE(ABORT, "
            "'case_stubs is append-only'); END"
        ),
        (
            "CREATE TRIGGER case_stubs_refuses_delete BEFORE DELETE ON case_stubs BEGIN SELECT RAISE(ABORT, "
            "'case_stubs is append-only'); END"
        ),
        (
            "CREATE TRIGGER daily_heads_refuses_insert BEFORE INSERT ON daily_heads WHEN EXISTS (SELECT 1 "
            "FROM daily_heads WHERE day = NEW.day) BEGIN SELECT RAISE(ABORT, 'daily_heads is append-only'); "
            "END"
        ),
        (
            "CREATE TRIGGER daily_heads_refuses_update BEFORE UPDATE ON daily_heads BEGIN SELECT RAISE(ABORT, "
            "'daily_heads is append-only'); END"
        ),
        (
            "CREATE TRIGGER daily_heads_refuses_delete BEFORE DELETE ON daily_heads BEGIN SELECT RAISE(ABORT, "
            "'daily_heads is append-only'); END"
        ),
        (
            "CREATE TRIGGER head_leaves_refuses_insert BEFORE INSERT ON head_leaves WHEN EXISTS (SELECT 1 "
            "FROM head_leaves WHERE case_id = NEW.case_id AND day = NEW.day) BEGIN SELECT RAISE(ABORT, "
            "'head_leaves is append-only'); END"
        ),
        (
            "CREATE TRIGGER head_leaves_refuses_update BEFORE UPDATE ON head_leaves BEGIN SELECT RAISE(ABORT, "
            "'head_leaves is append-only'); END"
        ),
        (
            "CREATE TRIGGER head_leaves_refuses_delete BEFORE DELETE ON head_leaves BEGIN SELECT RAISE(ABORT, "
            "'head_leaves is append-only'); END"
        ),
        (
            "CREATE TRIGGER disclosure_records_refuses_insert BEFORE INSERT ON disclosure_records WHEN EXISTS "
            "(SELECT 1 FROM disclosure_records WHERE id = NEW.id OR (case_id = NEW.case_id AND number = "
            "NEW.number)) OR EXISTS (SELECT 1 FROM case_stubs WHERE case_id = NEW.case_id) BEGIN SELECT "
            "RAISE(ABORT, 'disclosure_records is append-only'); END"
        ),
        (
            "CREATE TRIGGER disclosure_records_refuses_update BEFORE UPDATE ON disclosure_records BEGIN "
            "SELECT RAISE(ABORT, 'disclosure_records is append-only'); END"
        ),
        (
            "CREATE TRIGGER disclosure_records_refuses_delete BEFORE DELETE ON disclosure_records WHEN NOT "
            "EXISTS (SELECT 1 FROM case_stubs WHERE case_id = OLD.case_id AND case_stubs.purged_at >= "
            "OLD.kept_until) BEGIN SELECT RAISE(ABORT, 'disclosure_records is append-only'); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE OR REPLACE FUNCTION append_only_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_TABLE_NAME || ' "
            "is append-only'; END $$"
        ),
        (
            "CREATE TRIGGER case_events_refuses_update BEFORE UPDATE ON case_events FOR EACH ROW EXECUTE "
            "FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER case_events_refuses_truncate BEFORE TRUNCATE ON case_events FOR EACH STATEMENT "
            "EXECUTE FUNCTION append_only_refuse()"
        ),
        (
            "CREATE OR REPLACE FUNCTION case_events_may_go() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF "
            "NOT EXISTS (SELECT 1 FROM case_stubs WHERE case_id = OLD.case_id) THEN RAISE EXCEPTION USING "
            "ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_TABLE_NAME || ' is append-only'; END "
            "IF; RETURN OLD; END $$"
        ),
        (
            "CREATE TRIGGER case_events_refuses_delete BEFORE DELETE ON case_events FOR EACH ROW EXECUTE "
            "FUNCTION case_events_may_go()"
        ),
        (
            "CREATE OR REPLACE FUNCTION case_events_may_come() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF EXISTS (SELECT 1 FROM case_stubs WHERE case_id = NEW.case_id) THEN RAISE EXCEPTION USING "
            "ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_TABLE_NAME || ' is append-only'; END "
            "IF; RETURN NEW; END $$"
        ),
        (
            "CREATE TRIGGER case_events_refuses_insert BEFORE INSERT ON case_events FOR EACH ROW EXECUTE "
            "FUNCTION case_events_may_come()"
        ),
        (
            "CREATE TRIGGER case_stubs_refuses_update BEFORE UPDATE ON case_stubs FOR EACH ROW EXECUTE "
            "FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER case_stubs_refuses_truncate BEFORE TRUNCATE ON case_stubs FOR EACH STATEMENT "
            "EXECUTE FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER case_stubs_refuses_delete BEFORE DELETE ON case_stubs FOR EACH ROW EXECUTE "
            "FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER daily_heads_refuses_update BEFORE UPDATE ON daily_heads FOR EACH ROW EXECUTE "
            "FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER daily_heads_refuses_truncate BEFORE TRUNCATE ON daily_heads FOR EACH STATEMENT "
            "EXECUTE FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER daily_heads_refuses_delete BEFORE DELETE ON daily_heads FOR EACH ROW EXECUTE "
            "FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER head_leaves_refuses_update BEFORE UPDATE ON head_leaves FOR EACH ROW EXECUTE "
            "FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER head_leaves_refuses_truncate BEFORE TRUNCATE ON head_leaves FOR EACH STATEMENT "
            "EXECUTE FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER head_leaves_refuses_delete BEFORE DELETE ON head_leaves FOR EACH ROW EXECUTE "
            "FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER disclosure_records_refuses_update BEFORE UPDATE ON disclosure_records FOR EACH "
            "ROW EXECUTE FUNCTION append_only_refuse()"
        ),
        (
            "CREATE TRIGGER disclosure_records_refuses_truncate BEFORE TRUNCATE ON disclosure_records FOR "
            "EACH STATEMENT EXECUTE FUNCTION append_only_refuse()"
        ),
        (
            "CREATE OR REPLACE FUNCTION disclosure_records_may_go() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN IF NOT EXISTS (SELECT 1 FROM case_stubs WHERE case_id = OLD.case_id AND "
            "case_stubs.purged_at >= OLD.kept_until) THEN RAISE EXCEPTION USING ERRCODE = "
            "'integrity_constraint_violation', MESSAGE = TG_TABLE_NAME || ' is append-only'; END IF; RETURN "
            "OLD; END $$"
        ),
        (
            "CREATE TRIGGER disclosure_records_refuses_delete BEFORE DELETE ON disclosure_records FOR EACH "
            "ROW EXECUTE FUNCTION disclosure_records_may_go()"
        ),
        (
            "CREATE OR REPLACE FUNCTION disclosure_records_may_come() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN IF EXISTS (SELECT 1 FROM case_stubs WHERE case_id = NEW.case_id) THEN RAISE EXCEPTION "
            "USING ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_TABLE_NAME || ' is append-only'; "
            "END IF; RETURN NEW; END $$"
        ),
        (
            "CREATE TRIGGER disclosure_records_refuses_insert BEFORE INSERT ON disclosure_records FOR EACH "
            "ROW EXECUTE FUNCTION disclosure_records_may_come()"
        ),
    ),
}
"""What makes the trail append-only, as the models declare it; see models/audit.py."""
_FUNCTIONS = (
    "append_only_refuse",
    "case_events_may_go",
    "case_events_may_come",
    "disclosure_records_may_go",
    "disclosure_records_may_come",
)


def upgrade() -> None:
    _make_the_trail()
    _make_the_registry()
    _make_cases()
    _make_what_belongs_to_cases()
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("person", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("roles", JSON, nullable=True))

    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("case_id", sa.Uuid(), nullable=True))
        batch_op.add_column(
            sa.Column(
                "party", sa.Enum("applicant", "counterparty", name="party", native_enum=False, length=40), nullable=True
            )
        )
        batch_op.alter_column("shop_id", existing_type=sa.VARCHAR(length=64), nullable=True)
        batch_op.create_index(
            "ix_messages_case",
            ["case_id"],
            unique=False,
            postgresql_where=sa.text("case_id IS NOT NULL"),
            sqlite_where=sa.text("case_id IS NOT NULL"),
        )
        batch_op.create_foreign_key(batch_op.f("fk_messages_case_id"), "disclosure_cases", ["case_id"], ["id"])

    for statement in _TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)


def _make_the_trail() -> None:
    op.create_table(
        "case_chains",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_chains")),
    )
    op.create_table(
        "case_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=True),
        sa.Column("sealed_reason", sa.LargeBinary(), nullable=True),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_case_events_numbers_begin_at_1")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_events")),
        sa.UniqueConstraint("case_id", "number", name=op.f("uq_case_events_case_id_number")),
    )
    op.create_table(
        "case_stubs",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(length=64), nullable=False),
        sa.Column("because", sa.String(length=40), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_stubs")),
    )
    op.create_table(
        "daily_heads",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cases", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("stubs", sa.BigInteger(), nullable=False),
        sa.Column("leaves", sa.BigInteger(), nullable=False),
        sa.Column("previous_digest", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_daily_heads")),
    )
    op.create_table(
        "disclosure_records",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("release_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("whose_id", sa.Uuid(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("fields", JSON, nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("basis", sa.String(length=40), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disclosure_records")),
        sa.UniqueConstraint("case_id", "number", name=op.f("uq_disclosure_records_case_id_number")),
    )
    with op.batch_alter_table("disclosure_records", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_disclosure_records_whose_id"), ["whose_id"], unique=False)

    op.create_table(
        "head_leaves",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("before", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(length=64), nullable=False),
        sa.Column("purged", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "day", name=op.f("pk_head_leaves")),
    )
    with op.batch_alter_table("head_leaves", schema=None) as batch_op:
        batch_op.create_index("ix_head_leaves_day", ["day", "case_id"], unique=False)


def _make_the_registry() -> None:
    op.create_table(
        "members",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(length=64), nullable=False),
        sa.Column(
            "kind", sa.Enum("individual", "shop", name="memberkind", native_enum=False, length=40), nullable=False
        ),
        sa.Column(
            "status", sa.Enum("active", "left", name="memberstatus", native_enum=False, length=40), nullable=False
        ),
        sa.Column("protected_address", sa.Boolean(), nullable=False),
        sa.Column("nickname_index", sa.String(length=64), nullable=False),
        sa.Column("name_index", sa.String(length=64), nullable=False),
        sa.Column("email_index", sa.String(length=64), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("snapshot_id", sa.Uuid(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("email_changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint("external_id", name=op.f("uq_members_external_id")),
    )
    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_members_email_index"), ["email_index"], unique=False)
        batch_op.create_index(batch_op.f("ix_members_name_index"), ["name_index"], unique=False)
        batch_op.create_index(
            "ix_members_nickname_in_use",
            ["nickname_index"],
            unique=True,
            sqlite_where=sa.text("status = 'active'"),
            postgresql_where=sa.text("status = 'active'"),
        )
        batch_op.create_index(batch_op.f("ix_members_nickname_index"), ["nickname_index"], unique=False)

    op.create_table(
        "organisations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(length=64), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("accredited", "contracted", name="organisationkind", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email_index", sa.String(length=64), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("snapshot_id", sa.Uuid(), nullable=False),
        sa.Column("accredited_by", sa.String(length=200), nullable=True),
        sa.Column("contract_reference", sa.String(length=100), nullable=True),
        sa.Column("judged_by", sa.String(length=64), nullable=True),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind <> 'accredited' OR accredited_by IS NOT NULL", name=op.f("ck_organisations_accredited_by_somebody")
        ),
        sa.CheckConstraint(
            "kind <> 'contracted' OR (contract_reference IS NOT NULL AND judged_by IS NOT NULL"
            " AND judged_at IS NOT NULL)",
            name=op.f("ck_organisations_judged_and_contracted"),
        ),
        sa.CheckConstraint(
            "valid_until IS NULL OR valid_from < valid_until", name=op.f("ck_organisations_valid_for_a_while")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
        sa.UniqueConstraint("external_id", name=op.f("uq_organisations_external_id")),
    )
    with op.batch_alter_table("organisations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_organisations_email_index"), ["email_index"], unique=False)

    op.create_table(
        "member_snapshots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column(
            "kind", sa.Enum("individual", "shop", name="memberkind", native_enum=False, length=40), nullable=False
        ),
        sa.Column(
            "status", sa.Enum("active", "left", name="memberstatus", native_enum=False, length=40), nullable=False
        ),
        sa.Column("protected_address", sa.Boolean(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed_nickname", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_name", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_kana", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_postal_code", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_address", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_email", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_representative", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_representative_kana", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_member_snapshots_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_snapshots")),
        sa.UniqueConstraint("member_id", "revision", name=op.f("uq_member_snapshots_member_id_revision")),
    )
    with op.batch_alter_table("member_snapshots", schema=None) as batch_op:
        batch_op.create_index("ix_member_snapshots_in_time", ["member_id", "taken_at"], unique=False)

    op.create_table(
        "organisation_snapshots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("sealed_email", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_postal_code", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_postal_address", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_addressee", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_organisation_snapshots_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation_snapshots")),
        sa.UniqueConstraint(
            "organisation_id", "revision", name=op.f("uq_organisation_snapshots_organisation_id_revision")
        ),
    )
    op.create_table(
        "trades",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("item_number", sa.String(length=40), nullable=False),
        sa.Column("item_name", sa.String(length=200), nullable=False),
        sa.Column("won_on", sa.Date(), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("anonymous_shipping", sa.Boolean(), nullable=False),
        sa.Column("payment_service", sa.Boolean(), nullable=False),
        sa.Column("message_window_opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message_window_closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seller_id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "message_window_opens_at <= message_window_closes_at", name=op.f("ck_trades_window_runs_forward")
        ),
        sa.CheckConstraint("seller_id <> buyer_id", name=op.f("ck_trades_two_parties")),
        sa.ForeignKeyConstraint(["buyer_id"], ["members.id"], name=op.f("fk_trades_buyer_id")),
        sa.ForeignKeyConstraint(["seller_id"], ["members.id"], name=op.f("fk_trades_seller_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trades")),
        sa.UniqueConstraint("number", name=op.f("uq_trades_number")),
    )
    with op.batch_alter_table("trades", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_trades_buyer_id"), ["buyer_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_trades_seller_id"), ["seller_id"], unique=False)


def _make_cases() -> None:
    op.create_table(
        "disclosure_cases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.Enum("party", "rights_holder", name="path", native_enum=False, length=40), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "received",
                "screening",
                "intake_deficient",
                "exchanging",
                "negotiating",
                "awaiting_documents",
                "reviewing",
                "documents_deficient",
                "awaiting_fee",
                "releasing",
                "disclosed",
                "settled",
                "refused",
                "withdrawn",
                "expired",
                "lapsed",
                "service_ended",
                name="state",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("applicant_id", sa.Uuid(), nullable=True),
        sa.Column("counterparty_id", sa.Uuid(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("trade_id", sa.Uuid(), nullable=True),
        sa.Column("crossed_with_id", sa.Uuid(), nullable=True),
        sa.Column("live_key", sa.String(length=120), nullable=True),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("filed_by", sa.String(length=64), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state_since_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_eligible", sa.Boolean(), nullable=True),
        sa.Column("needs_legal", sa.Boolean(), nullable=False),
        sa.Column("told_counterparty_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("intake_rounds", sa.Integer(), nullable=False),
        sa.Column("paper_rounds", sa.Integer(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=True),
        sa.Column("release_id", sa.Uuid(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applicant_reached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counterparty_reached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stage_2_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pledge_version", sa.String(length=20), nullable=True),
        sa.Column("stage_2_told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opinion_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opinion_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fee_yen", sa.Integer(), nullable=False),
        sa.Column("paid_yen", sa.Integer(), nullable=False),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("consents", JSON, nullable=False),
        sa.Column("sealed_form", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_stage_2", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_opinion", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "path <> 'rights_holder' OR told_counterparty_at IS NULL OR released_at IS NOT NULL",
            name=op.f("ck_disclosure_cases_sellers_are_not_told_before"),
        ),
        sa.CheckConstraint("fee_yen >= 0 AND paid_yen >= 0", name=op.f("ck_disclosure_cases_money_is_counted_up")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_disclosure_cases_version_counts")),
        sa.ForeignKeyConstraint(["applicant_id"], ["members.id"], name=op.f("fk_disclosure_cases_applicant_id")),
        sa.ForeignKeyConstraint(["counterparty_id"], ["members.id"], name=op.f("fk_disclosure_cases_counterparty_id")),
        sa.ForeignKeyConstraint(
            ["crossed_with_id"], ["disclosure_cases.id"], name=op.f("fk_disclosure_cases_crossed_with_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_disclosure_cases_organisation_id")
        ),
        sa.ForeignKeyConstraint(["trade_id"], ["trades.id"], name=op.f("fk_disclosure_cases_trade_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disclosure_cases")),
        sa.UniqueConstraint("live_key", name=op.f("uq_disclosure_cases_live_key")),
    )
    with op.batch_alter_table("disclosure_cases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_disclosure_cases_applicant_id"), ["applicant_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_disclosure_cases_counterparty_id"), ["counterparty_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_disclosure_cases_organisation_id"), ["organisation_id"], unique=False)
        batch_op.create_index("ix_disclosure_cases_state", ["state", "state_since_at"], unique=False)
        batch_op.create_index("ix_disclosure_cases_trade", ["trade_id"], unique=False)

    op.create_table(
        "trade_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("trade_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(length=64), nullable=False),
        sa.Column(
            "sent_by", sa.Enum("seller", "buyer", name="tradeside", native_enum=False, length=40), nullable=False
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["trade_id"], ["trades.id"], name=op.f("fk_trade_messages_trade_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trade_messages")),
        sa.UniqueConstraint("trade_id", "external_id", name=op.f("uq_trade_messages_trade_id_external_id")),
    )
    op.create_table(
        "trade_snapshots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("trade_id", sa.Uuid(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.ForeignKeyConstraint(["trade_id"], ["trades.id"], name=op.f("fk_trade_snapshots_trade_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trade_snapshots")),
        sa.UniqueConstraint("trade_id", "revision", name=op.f("uq_trade_snapshots_trade_id_revision")),
    )
    op.create_table(
        "case_checks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("clause", sa.String(length=8), nullable=False),
        sa.Column("holds", sa.Boolean(), nullable=False),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("checked_by", sa.String(length=64), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["disclosure_cases.id"], name=op.f("fk_case_checks_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_checks")),
    )
    with op.batch_alter_table("case_checks", schema=None) as batch_op:
        batch_op.create_index("ix_case_checks_case", ["case_id"], unique=False)

    op.create_table(
        "decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("case_version", sa.Integer(), nullable=False),
        sa.Column(
            "stage",
            sa.Enum("addresses", "particulars", "holder", name="stage", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column(
            "verdict", sa.Enum("disclose", "refuse", name="verdict", native_enum=False, length=40), nullable=False
        ),
        sa.Column(
            "refusal",
            sa.Enum(
                "rules_broken",
                "not_eligible",
                "not_qualified",
                "procedure",
                "other",
                name="refusalreason",
                native_enum=False,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("content", JSON, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("sealed_note", sa.LargeBinary(), nullable=True),
        sa.Column("proposed_by", sa.String(length=64), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reviewed_by", sa.String(length=64), nullable=True),
        sa.Column("approved_by", sa.String(length=64), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("as_legal", sa.Boolean(), nullable=False),
        sa.Column("sent_back_by", sa.String(length=64), nullable=True),
        sa.Column("sent_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("open_key", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "stage <> 'particulars' OR verdict <> 'disclose' OR reviewed_by IS NOT NULL",
            name=op.f("ck_decisions_papers_were_reviewed"),
        ),
        sa.CheckConstraint(
            "verdict <> 'refuse' OR refusal IS NOT NULL", name=op.f("ck_decisions_refusals_have_a_ground")
        ),
        sa.CheckConstraint(
            "(approved_by IS NULL) = (approved_at IS NULL)", name=op.f("ck_decisions_approvals_are_dated")
        ),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> proposed_by", name=op.f("ck_decisions_another_person_approves")
        ),
        sa.CheckConstraint(
            "approved_by IS NULL OR reviewed_by IS NULL OR approved_by <> reviewed_by",
            name=op.f("ck_decisions_no_reviewer_approves"),
        ),
        sa.ForeignKeyConstraint(["case_id"], ["disclosure_cases.id"], name=op.f("fk_decisions_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("open_key", name=op.f("uq_decisions_open_key")),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index("ix_decisions_case", ["case_id"], unique=False)

    op.create_table(
        "document_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "certificate_of_residence",
                "licence_or_passport",
                "pledge",
                "seal_certificate",
                "representative_tie",
                "other",
                name="itemkind",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("sealed_wish", sa.LargeBinary(), nullable=True),
        sa.Column(
            "standing",
            sa.Enum(
                "awaited", "arrived", "accepted", "deficient", "waived", name="standing", native_enum=False, length=40
            ),
            nullable=False,
        ),
        sa.Column("flaws", JSON, nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paper_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["disclosure_cases.id"], name=op.f("fk_document_items_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_items")),
        sa.UniqueConstraint("case_id", "position", name=op.f("uq_document_items_case_id_position")),
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("once_key", sa.String(length=64), nullable=False),
        sa.Column("amount_yen", sa.Integer(), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint("amount_yen > 0", name=op.f("ck_payments_money_comes_in")),
        sa.ForeignKeyConstraint(["case_id"], ["disclosure_cases.id"], name=op.f("fk_payments_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("case_id", "once_key", name=op.f("uq_payments_case_id_once_key")),
    )
    with op.batch_alter_table("payments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_payments_case_id"), ["case_id"], unique=False)


def _make_what_belongs_to_cases() -> None:
    op.create_table(
        "work_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column(
            "work",
            sa.Enum(
                "screen",
                "approve",
                "mend_exchange",
                "mend_notice",
                "finish_exchange",
                "review_papers",
                "check_payment",
                "print_letter",
                "post_letter",
                "destroy_papers",
                "look_at_pattern",
                name="work",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "role",
            sa.Enum(
                "intake",
                "reviewer",
                "maker",
                "checker",
                "legal",
                "mail_room",
                "accounting",
                "auditor",
                "admin",
                name="role",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("overdue_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(length=64), nullable=True),
        sa.Column("open_key", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["disclosure_cases.id"], name=op.f("fk_work_items_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_items")),
        sa.UniqueConstraint("open_key", name=op.f("uq_work_items_open_key")),
    )
    with op.batch_alter_table("work_items", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_work_items_case_id"), ["case_id"], unique=False)
        batch_op.create_index(
            "ix_work_items_open",
            ["role", "opened_at"],
            unique=False,
            postgresql_where=sa.text("closed_at IS NULL"),
            sqlite_where=sa.text("closed_at IS NULL"),
        )

    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("lines", JSON, nullable=False),
        sa.Column("total_yen", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["disclosure_cases.id"], name=op.f("fk_invoices_case_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_invoices_decision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_invoices_decision_id")),
    )
    with op.batch_alter_table("invoices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invoices_case_id"), ["case_id"], unique=False)

    op.create_table(
        "letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("sealed_pdf", sa.LargeBinary(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("by_hand", JSON, nullable=False),
        sa.Column("rendered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("printed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("printed_by", sa.String(length=64), nullable=True),
        sa.Column("spoiled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("spoiled_by", sa.String(length=64), nullable=True),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispatched_by", sa.String(length=64), nullable=True),
        sa.Column("tracking_number", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["disclosure_cases.id"], name=op.f("fk_letters_case_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_letters_decision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
    )
    with op.batch_alter_table("letters", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_letters_case_id"), ["case_id"], unique=False)
        batch_op.create_index(
            "ix_letters_standing",
            ["case_id"],
            unique=True,
            postgresql_where=sa.text("spoiled_at IS NULL"),
            sqlite_where=sa.text("spoiled_at IS NULL"),
        )

    op.create_table(
        "notices",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column(
            "party", sa.Enum("applicant", "counterparty", name="party", native_enum=False, length=40), nullable=False
        ),
        sa.Column("case_version", sa.Integer(), nullable=False),
        sa.Column("wording", sa.String(length=120), nullable=True),
        sa.Column("sealed_address", sa.LargeBinary(), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deemed_arrived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undeliverable_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["disclosure_cases.id"], name=op.f("fk_notices_case_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_notices_message_id")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_notices")),
    )
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.create_index("ix_notices_case", ["case_id", "party"], unique=False)

    op.create_table(
        "papers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("once_key", sa.String(length=64), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "certificate_of_residence",
                "driving_licence",
                "passport",
                "health_insurance_card",
                "pension_book",
                "pledge",
                "seal_certificate",
                "company_register",
                "other",
                name="paperkind",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("is_original", sa.Boolean(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("applied_on", sa.Date(), nullable=True),
        sa.Column("pledge_version", sa.String(length=20), nullable=True),
        sa.Column("states_neither", sa.Boolean(), nullable=False),
        sa.Column("forbidden_data_visible", sa.Boolean(), nullable=False),
        sa.Column("address_equal", sa.Boolean(), nullable=True),
        sa.Column("seal_matches", sa.Boolean(), nullable=True),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.String(length=64), nullable=False),
        sa.Column("shelf", sa.String(length=40), nullable=False),
        sa.Column("postage_due_yen", sa.Integer(), nullable=False),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("destroyed_by", sa.String(length=64), nullable=True),
        sa.Column("destroyed_with", sa.String(length=64), nullable=True),
        sa.CheckConstraint(
            "destroyed_at IS NULL OR (destroyed_by IS NOT NULL AND destroyed_with IS NOT NULL"
            " AND destroyed_by <> destroyed_with)",
            name=op.f("ck_papers_two_persons_destroy"),
        ),
        sa.ForeignKeyConstraint(["case_id"], ["disclosure_cases.id"], name=op.f("fk_papers_case_id")),
        sa.ForeignKeyConstraint(["item_id"], ["document_items.id"], name=op.f("fk_papers_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_papers")),
        sa.UniqueConstraint("case_id", "once_key", name=op.f("uq_papers_case_id_once_key")),
    )
    with op.batch_alter_table("papers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_papers_case_id"), ["case_id"], unique=False)

    op.create_table(
        "releases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column(
            "stage",
            sa.Enum("addresses", "particulars", "holder", name="stage", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed_to_applicant", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_to_counterparty", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["disclosure_cases.id"], name=op.f("fk_releases_case_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_releases_decision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_releases_decision_id")),
    )
    with op.batch_alter_table("releases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_releases_case_id"), ["case_id"], unique=False)

    op.create_table(
        "release_switches",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("turned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("turned_by", sa.String(length=64), nullable=False),
        sa.Column("sealed_reason", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_release_switches")),
    )


def downgrade() -> None:
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_messages_case_id"), type_="foreignkey")
        batch_op.drop_index("ix_messages_case")
        batch_op.alter_column("shop_id", existing_type=sa.VARCHAR(length=64), nullable=False)
        batch_op.drop_column("party")
        batch_op.drop_column("case_id")

    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_column("roles")
        batch_op.drop_column("person")

    for table in _TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for function in _FUNCTIONS:
            op.execute(f"DROP FUNCTION IF EXISTS {function}()")

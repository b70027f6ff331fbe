"""Accounts of vendors, rates and caps, suppressed addresses, decisions about messages; proofs that stand alone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "buckets",
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("spent_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_buckets")),
    )
    op.create_table(
        "carrier_moves",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("carrier", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("before", sa.Float(), nullable=False),
        sa.Column("after", sa.Float(), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carrier_moves")),
    )
    with op.batch_alter_table("carrier_moves", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_carrier_moves_carrier"), ["carrier"], unique=False)

    op.create_table(
        "carriers",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.Enum("sms", "mail", name="channel", native_enum=False, length=40), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("base_share", sa.Float(), nullable=False),
        sa.Column("fixed_share", sa.Float(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rests", sa.Integer(), nullable=False),
        sa.Column("probed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("share >= 0 AND base_share >= 0", name=op.f("ck_carriers_shares_are_parts")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_carriers")),
    )
    op.create_table(
        "counters",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("window_ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_counters")),
    )
    op.create_table(
        "suppressions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel", sa.Enum("sms", "mail", name="channel", native_enum=False, length=40), nullable=False),
        sa.Column("address_digest", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.String(length=64), nullable=True),
        sa.Column("lifted_because", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
    )
    with op.batch_alter_table("suppressions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_suppressions_address",
            ["channel", "address_digest"],
            unique=True,
            postgresql_where=sa.text("lifted_at IS NULL"),
            sqlite_where=sa.text("lifted_at IS NULL"),
        )

    op.create_table(
        "message_decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_message_decisions_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_decisions")),
    )
    with op.batch_alter_table("message_decisions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_message_decisions_message_id"), ["message_id"], unique=False)

    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index("ix_attempts_vendor", ["vendor", "started_at"], unique=False)

    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("next_poll_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(
            "ix_messages_queued",
            ["channel", "shop_id"],
            unique=False,
            postgresql_where=sa.text("state = 'queued'"),
            sqlite_where=sa.text("state = 'queued'"),
        )
        batch_op.create_index(
            "ix_messages_to_poll",
            ["next_poll_at"],
            unique=False,
            postgresql_where=sa.text("next_poll_at IS NOT NULL"),
            sqlite_where=sa.text("next_poll_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_messages_unknown",
            ["created_at"],
            unique=False,
            postgresql_where=sa.text("state = 'unknown'"),
            sqlite_where=sa.text("state = 'unknown'"),
        )

    with op.batch_alter_table("verifications", schema=None) as batch_op:
        batch_op.add_column(sa.Column("customer_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("api_key_id", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("language", sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column("contact_digest", sa.String(length=64), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("prefix_digest", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("page_host", sa.String(length=253), nullable=True))

    # Those that are there are for bookings, which know whose they are.
    op.execute(
        "UPDATE verifications SET "
        "customer_id = (SELECT customer_id FROM bookings WHERE bookings.id = verifications.subject_id), "
        "language = (SELECT language FROM bookings WHERE bookings.id = verifications.subject_id)"
    )
    with op.batch_alter_table("verifications", schema=None) as batch_op:
        batch_op.alter_column("customer_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.alter_column("language", existing_type=sa.String(length=8), nullable=False)
        batch_op.alter_column("contact_digest", existing_type=sa.String(length=64), server_default=None)
        batch_op.create_foreign_key(batch_op.f("fk_verifications_api_key_id"), "api_keys", ["api_key_id"], ["id"])
        batch_op.create_foreign_key(batch_op.f("fk_verifications_customer_id"), "customers", ["customer_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("verifications", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_verifications_customer_id"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("fk_verifications_api_key_id"), type_="foreignkey")
        batch_op.drop_column("page_host")
        batch_op.drop_column("prefix_digest")
        batch_op.drop_column("contact_digest")
        batch_op.drop_column("language")
        batch_op.drop_column("api_key_id")
        batch_op.drop_column("customer_id")

    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_messages_unknown",
            postgresql_where=sa.text("state = 'unknown'"),
            sqlite_where=sa.text("state = 'unknown'"),
        )
        batch_op.drop_index(
            "ix_messages_to_poll",
            postgresql_where=sa.text("next_poll_at IS NOT NULL"),
            sqlite_where=sa.text("next_poll_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_messages_queued", postgresql_where=sa.text("state = 'queued'"), sqlite_where=sa.text("state = 'queued'")
        )
        batch_op.drop_column("next_poll_at")

    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_index("ix_attempts_vendor")

    with op.batch_alter_table("message_decisions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_message_decisions_message_id"))

    op.drop_table("message_decisions")
    with op.batch_alter_table("suppressions", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_suppressions_address",
            postgresql_where=sa.text("lifted_at IS NULL"),
            sqlite_where=sa.text("lifted_at IS NULL"),
        )

    op.drop_table("suppressions")
    op.drop_table("counters")
    op.drop_table("carriers")
    with op.batch_alter_table("carrier_moves", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_carrier_moves_carrier"))

    op.drop_table("carrier_moves")
    op.drop_table("buckets")

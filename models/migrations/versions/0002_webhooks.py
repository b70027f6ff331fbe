"""outgoing webhooks: endpoints, secrets, events, deliveries, attempts, resends."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _instant(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _word(name: str, *, nullable: bool = False) -> sa.Column:
    """States and kinds are text of at most 40 letters; the models know which."""
    return sa.Column(name, sa.String(length=40), nullable=nullable)


def _of(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("api_key_id", sa.String(length=40), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("types", JSON, nullable=True),
        _instant("created_at"),
        _instant("disabled_at", nullable=True),
        _word("disabled_because", nullable=True),
        _instant("failing_since", nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        _instant("paused_until", nullable=True),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"], name=op.f("fk_webhook_endpoints_api_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_index(op.f("ix_webhook_endpoints_api_key_id"), "webhook_endpoints", ["api_key_id"])
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _instant("created_at"),
        _instant("valid_until", nullable=True),
        _of("webhook_secrets", "endpoint_id", "webhook_endpoints"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_secrets")),
    )
    op.create_index(op.f("ix_webhook_secrets_endpoint_id"), "webhook_secrets", ["endpoint_id"])
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        _word("type"),
        sa.Column("shop_id", sa.String(length=64), nullable=True),
        sa.Column("data", JSON, nullable=False),
        _instant("occurred_at"),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_webhook_events_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
    )
    op.create_index(op.f("ix_webhook_events_occurred_at"), "webhook_events", ["occurred_at"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        _word("cause"),
        _word("state"),
        sa.Column("tries", sa.Integer(), nullable=False),
        _instant("created_at"),
        _instant("next_attempt_at", nullable=True),
        _instant("ended_at", nullable=True),
        sa.Column("because", sa.String(length=40), nullable=True),
        _of("webhook_deliveries", "endpoint_id", "webhook_endpoints"),
        _of("webhook_deliveries", "event_id", "webhook_events"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index("ix_webhook_deliveries_log", "webhook_deliveries", ["endpoint_id", "id"])
    op.create_index(op.f("ix_webhook_deliveries_event_id"), "webhook_deliveries", ["event_id"])
    op.create_table(
        "webhook_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        _instant("started_at"),
        _instant("ended_at", nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(length=40), nullable=True),
        _of("webhook_attempts", "delivery_id", "webhook_deliveries"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_attempts")),
    )
    op.create_index(op.f("ix_webhook_attempts_delivery_id"), "webhook_attempts", ["delivery_id"])
    op.create_index(
        "ix_webhook_attempts_under_way",
        "webhook_attempts",
        ["endpoint_id"],
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "webhook_resends",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        _instant("from_at"),
        _instant("until_at"),
        sa.Column("include_delivered", sa.Boolean(), nullable=False),
        sa.Column("after_event_id", sa.Uuid(), nullable=True),
        sa.Column("found", sa.Integer(), nullable=False),
        _instant("created_at"),
        _instant("ended_at", nullable=True),
        _of("webhook_resends", "endpoint_id", "webhook_endpoints"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_resends")),
    )
    op.create_index(op.f("ix_webhook_resends_endpoint_id"), "webhook_resends", ["endpoint_id"])


def downgrade() -> None:
    for table in ("resends", "attempts", "deliveries", "events", "secrets", "endpoints"):
        op.drop_table(f"webhook_{table}")

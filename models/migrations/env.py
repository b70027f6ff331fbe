"""Alembic's entry: migrations run on the connection that worker/schema.py hands over."""

from alembic import context

import models.access
import models.audit
import models.block
import models.booking
import models.call
import models.call_fact
import models.carrier
import models.clock
import models.customer
import models.decision
import models.disclosure
import models.fee
import models.inquiry
import models.item
import models.job
import models.limit
import models.marketplace
import models.menu
import models.message
import models.notice
import models.paper
import models.release
import models.shop
import models.shop_version
import models.staff
import models.suppression
import models.suspension
import models.terms
import models.verification
import models.video_room
import models.webhook
import models.work  # noqa: F401 - every table must be known
from models.base import Base, Instant, Json


def plain_type(kind: str, item: object, _context: object) -> str | bool:
    """Write our own column types as what they are in the database: a migration outlives the models."""
    if kind == "type" and isinstance(item, Instant):
        return "sa.DateTime(timezone=True)"
    if (kind == "type" and item is Json) or repr(item) == repr(Json):
        return "JSON"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    # SQLite changes a table by making it anew.
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    render_item=plain_type,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()

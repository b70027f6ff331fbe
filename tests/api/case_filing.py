"""Forms of disclosure cases as a system files them, about the transaction of tests/worker/marketplace.py."""

from typing import Any

from tests.worker import marketplace
from worker.cases import guideline


def body(**changes: Any) -> dict[str, Any]:
    """Return a form of which everything is true, with changes."""
    plain: dict[str, Any] = {
        "nickname": "nick-mbuyer",
        "name": "見本 mbuyer",
        "transaction_number": marketplace.NUMBER,
        "counterparty_nickname": "nick-mseller",
        "item_number": "I-1024",
        "item_name": "見本の腕時計",
        "won_on": marketplace.WON_ON.isoformat(),
        "situation": "届いた品が壊れていたことをメッセージで伝えました。",
        "reason": "返金を求めるため。",
        "consents": {each.number: each.sha256 for each in guideline.sections("ja")},
        "customer_ip": "192.0.2.10",
    }
    return {key: value for key, value in (plain | changes).items() if value is not None}


def holders_body(**changes: Any) -> dict[str, Any]:
    """Return the same of an organisation."""
    asks = {"path": "rights_holder", "organisation": "o-body", "attestation": "確認しました。"}
    return body(**{**asks, "nickname": None, "name": None, **changes})

"""An inquiry's way: received, handed over, answered; and whom each topic is for (B34)."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from models.errors import IllegalMove
from models.inquiry import ROUTES, Inquiry, Recipient, State, Topic

NOW = datetime(2030, 6, 3, 1, tzinfo=UTC)


def inquiry(state: State = State.RECEIVED) -> Inquiry:
    return Inquiry(id=UUID(int=1), state=state, handovers=0)


def test_what_goes_wrong_in_the_call_is_for_its_provider_and_all_else_for_the_brand() -> None:
    assert {topic for topic, recipient in ROUTES.items() if recipient is Recipient.PROVIDER} == {Topic.VIDEO_CALL}
    assert set(ROUTES) == set(Topic)


def test_who_has_it_does_not_get_it_again() -> None:
    asked = inquiry()

    first = asked.hand_over(Recipient.SHOP, provider="jitsi", now=NOW)
    again = asked.hand_over(Recipient.SHOP, provider="jitsi", now=NOW)

    assert (first, again, asked.handovers) == (True, False, 1)


def test_it_may_be_handed_to_the_other_one() -> None:
    asked = inquiry()
    asked.hand_over(Recipient.SHOP, provider="jitsi", now=NOW)

    asked.hand_over(Recipient.PROVIDER, provider="jitsi", now=NOW)

    assert (asked.recipient, asked.provider, asked.handovers) == (Recipient.PROVIDER, "jitsi", 2)


def test_the_brand_has_no_provider_written_beside_it() -> None:
    asked = inquiry()

    asked.hand_over(Recipient.SHOP, provider="jitsi", now=NOW)

    assert asked.provider is None


def test_what_nobody_has_cannot_be_answered() -> None:
    with pytest.raises(IllegalMove):
        inquiry().answer(by="person:sato", now=NOW)


def test_what_is_answered_goes_nowhere_any_more() -> None:
    asked = inquiry()
    asked.hand_over(Recipient.SHOP, provider="jitsi", now=NOW)
    asked.answer(by="person:sato", now=NOW)

    with pytest.raises(IllegalMove):
        asked.hand_over(Recipient.PROVIDER, provider="jitsi", now=NOW)


def test_it_is_answered_once() -> None:
    asked = inquiry()
    asked.hand_over(Recipient.SHOP, provider="jitsi", now=NOW)

    assert (asked.answer(by="person:sato", now=NOW), asked.answer(by="person:ito", now=NOW)) == (True, False)
    assert asked.answered_by == "person:sato"

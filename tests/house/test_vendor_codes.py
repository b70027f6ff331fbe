"""Holds our tables of vendors' codes and words to the vendors' own lists, written out here a second time.

A code that is missing would go to a person, a word that is missing would move nothing; neither is an accident.
"""

from models.message import MOVES, State
from worker.vendors import sendgrid, twilio

TWILIO_REFUSES_OUR_ACCOUNT = {20003, 20404, 21212, 21603, 21606}
TWILIO_WANTS_A_PERSON = {21408, 21612}
TWILIO_REFUSES_THIS_RECIPIENT_OR_TEXT = {21211, 21614, 21617, 21635}
TWILIO_KNOWS_WHO_IS_UNWILLING = {21610}
TWILIO_ASKS_TO_SLOW_DOWN = {14107, 20429, 21611}
"""Source: https://www.twilio.com/docs/api/errors, one page for each code."""

TWILIO_OUTBOUND_STATUSES = {
    "accepted",
    "scheduled",
    "queued",
    "sending",
    "sent",
    "delivered",
    "undelivered",
    "failed",
    "canceled",
    "read",
}
"""Source: https://www.twilio.com/docs/messaging/api/message-resource, without `receiving` and `received`, which are
of messages that came in.
"""

SENDGRID_DELIVERY_EVENTS = {"processed", "dropped", "delivered", "deferred", "bounce"}
SENDGRID_ENGAGEMENT_EVENTS = {
    "open",
    "click",
    "spamreport",
    "unsubscribe",
    "group_unsubscribe",
    "group_resubscribe",
}
"""Source: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event."""

SENDGRID_REFUSES_THIS_MAIL = {400, 413}
SENDGRID_REFUSES_OUR_ACCOUNT_OR_CONFIGURATION = {401, 403, 404, 405, 415}
"""Source: https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/responses. 429 and 5xx are
no refusals.
"""


def test_every_code_that_twilio_answers_a_message_with_has_its_meaning() -> None:
    expected = (
        dict.fromkeys(TWILIO_REFUSES_OUR_ACCOUNT, "account")
        | dict.fromkeys(TWILIO_WANTS_A_PERSON, "operator")
        | dict.fromkeys(TWILIO_REFUSES_THIS_RECIPIENT_OR_TEXT, "refused")
        | dict.fromkeys(TWILIO_KNOWS_WHO_IS_UNWILLING, "suppress")
        | dict.fromkeys(TWILIO_ASKS_TO_SLOW_DOWN, "try_later")
    )

    assert dict(twilio.CODES) == expected


def test_no_code_that_leaves_the_outcome_open_is_taken_for_an_answer() -> None:
    # 20500 and 20503 come with a 5xx: the message may have been queued before.
    assert not {20500, 20503} & set(twilio.CODES)


def test_every_status_of_twilio_has_its_meaning() -> None:
    assert set(twilio.STATES) == TWILIO_OUTBOUND_STATUSES


def test_every_event_of_sendgrid_has_its_meaning() -> None:
    assert set(sendgrid.STATES) == SENDGRID_DELIVERY_EVENTS | SENDGRID_ENGAGEMENT_EVENTS


def test_what_people_do_with_a_mail_moves_no_message() -> None:
    assert {sendgrid.STATES[event] for event in SENDGRID_ENGAGEMENT_EVENTS} == {None}


def test_every_status_that_sendgrid_refuses_with_has_its_meaning() -> None:
    expected = dict.fromkeys(SENDGRID_REFUSES_THIS_MAIL, False) | dict.fromkeys(
        SENDGRID_REFUSES_OUR_ACCOUNT_OR_CONFIGURATION, True
    )

    assert dict(sendgrid.REFUSALS) == expected


def test_whatever_a_vendor_reports_can_be_learnt_from_sending() -> None:
    told = {state for table in (twilio.STATES, sendgrid.STATES) for state in table.values() if state is not None}

    assert told <= MOVES[State.SENDING]

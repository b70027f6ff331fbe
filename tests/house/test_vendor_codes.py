"""Holds our tables of vendors' codes and words to the vendors' own lists, written out here a second time.

A code that is missing would go to a person, a word that is missing would move nothing; neither is an accident.
"""

from models.message import MOVES, State
from models.suppression import SILENCES
from sandbox.carrier import EXPIRED
from sandbox.faults import KINDS
from worker.vendors import Fate, sendgrid, twilio

TWILIO_REFUSES_OUR_ACCOUNT = {20003, 20404, 21212, 21603, 21606}
TWILIO_WANTS_A_PERSON = {21408, 21612}
TWILIO_REFUSES_THIS_RECIPIENT_OR_TEXT = {21211, 21614, 21617, 21635}
TWILIO_KNOWS_WHO_IS_UNWILLING = {21610}
TWILIO_ASKS_TO_SLOW_DOWN = {14107, 20429, 21611}
"""Source: https://www.twilio.com/docs/api/errors, one page for each code."""

TWILIO_FAILED_AND_MAY_ARRIVE_LATER = {"30001", "30003"}
TWILIO_KNOWS_THAT_NOTHING_ARRIVES_AT_THE_NUMBER = {"30004", "30005", "30006"}
TWILIO_OR_A_CARRIER_FILTERS_THE_TEXT = {"30007"}
TWILIO_DOES_NOT_KNOW = {"30008"}
TWILIO_LET_IT_EXPIRE = {"30036"}
TWILIO_WARNS_AGAINST_TRYING_AGAIN = {"30410"}
TWILIO_SEES_TOLL_FRAUD = {"30450", "30453"}
"""Source: https://www.twilio.com/docs/api/errors, one page for each code; they come with reports."""

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


def test_every_code_that_twilio_reports_a_failure_with_has_its_meaning() -> None:
    expected = (
        dict.fromkeys(TWILIO_FAILED_AND_MAY_ARRIVE_LATER, Fate.LATER)
        | dict.fromkeys(TWILIO_KNOWS_THAT_NOTHING_ARRIVES_AT_THE_NUMBER, Fate.DEAD)
        | dict.fromkeys(TWILIO_OR_A_CARRIER_FILTERS_THE_TEXT, Fate.FILTERED)
        | dict.fromkeys(TWILIO_DOES_NOT_KNOW, Fate.UNCLEAR)
        | dict.fromkeys(TWILIO_LET_IT_EXPIRE, Fate.EXPIRED)
        | dict.fromkeys(TWILIO_WARNS_AGAINST_TRYING_AGAIN, Fate.FINAL)
        | dict.fromkeys(TWILIO_SEES_TOLL_FRAUD, Fate.PUMPING)
    )

    assert dict(twilio.FATES) == expected


def test_every_failure_that_the_sandbox_reports_has_its_meaning() -> None:
    reported = {kind.name.partition("_")[2] for kind in KINDS if kind.name.startswith(("failed_", "undelivered_"))}

    assert reported | {str(EXPIRED)} <= set(twilio.FATES)


def test_every_number_at_which_nothing_arrives_is_silenced_for_a_time() -> None:
    reasons = {twilio.SILENCES[code] for code in TWILIO_KNOWS_THAT_NOTHING_ARRIVES_AT_THE_NUMBER}

    assert all(SILENCES[reason].lasts for reason in reasons)


def test_every_reason_that_silences_says_for_how_long() -> None:
    assert {*twilio.SILENCES.values(), *sendgrid._SILENCES.values()} <= set(SILENCES)


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

    assert told | {State.EXPIRED} <= MOVES[State.SENDING]

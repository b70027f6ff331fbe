"""Why the domain refuses. Instances carry ids and numbers, never personal data.

Refusal                     the request was understood and may not happen
├── IllegalMove             no arrow leads from this state to that one
├── WindowClosed            the deadline for a change or cancellation has passed
│   └── DeadlinePassed      the deadline of a disclosure case has passed
├── StaleRevision           the caller decided on an older version of the row
├── SlotTaken               somebody else holds the slot
├── SlotUnknown             the shop's calendar has no such slot, or it is not open for acceptance
├── MenuUnknown             the shop offers no such menu
├── ConflictsStand          bookings that stand would not fit what a shop becomes; the feeder must say it knows
├── VersionStale            the shop was fed by somebody else since
├── TermsPublished          a version of a document says something else already
├── TermsTooSoon            a version would hold before everybody could be told
├── ShopClosed              the shop takes no bookings
├── Suspended               the service is suspended, for all, for the shop or for the provider of calls
├── TooManyChanges          the booking was changed as often as the shop allows
├── ConfirmationNeeded      the new time can no longer be changed or cancelled; the caller must say it knows
├── HoldEnded               the hold is over, nothing terminal revives
├── CodeWrong               not the code that was sent
├── CodeExhausted           the code was guessed at too often
├── ResendTooSoon           the cool-down since the last code is not over
├── ResendTooOften          the code was sent as often as it may be
├── TooManyRequests         a cap on codes, tries or requests is reached
├── ServiceEnded            the disclosure service takes nothing new any more
├── NotReady                a guard of a disclosure case is not met; it names which
├── CaseHeld                a person put the case on hold
├── FourEyes                the second person must be another one
├── OwnCase                 nobody handles a case that they are a party of
├── KnownAlready            somebody has written down or done just this before
├── ReleasesStopped         a person has stopped all releases
├── AlreadyOpen             the same applicant has an open case about the same transaction
├── ConsentMissing          a section of the guideline was not agreed to in its present wording
├── MemberUnknown           a party of the trade is not in the registry
├── NicknameTaken           another member bears the nickname
├── PartyOfCase             somebody is a party of an open case
├── PartiesFixed            a trade's parties never change
├── ProhibitedUse           the contact is on the block list
├── TooManyOpenBookings     the contact has as many open bookings as the shop allows
├── StillOpen               a person's data is needed while something of theirs is open
├── NotAvailable            nobody can be rung for a call at once; a booking is offered
├── CallTaken               another member of the staff answered first
├── RingOver                the call rings no more
├── StaffBusy               who answers is in another call
├── StaffUnknown            the shop has no such member of the staff
├── EntryUsed               a one-time entry was used before
├── TermsNotAccepted        a document that governs was not agreed to in its present version
└── ContactRefused          the phone number or mailbox cannot be served (models/contact.py)
    ├── PhoneInvalid        it is no phone number
    ├── PhoneNotMobile      an SMS would reach nobody
    ├── PhoneCountryNotServed   SMS are not sent to that country
    └── EmailInvalid        it is no mail address
"""

from typing import ClassVar


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """The request was understood and may not happen.

    Attributes:
        code: stable, machine-readable; the API hands it out unchanged.
        facts: ids, numbers and instants that help the caller; never personal data.
    """

    code: ClassVar[str] = "refused"

    def __init__(self, **facts: object) -> None:
        super().__init__(self.code)
        self.facts = facts


class IllegalMove(Refusal):
    """No arrow of the table of moves leads there from the present state."""

    code = "illegal_move"


class WindowClosed(Refusal):
    """Changes and cancellations are possible until the deadline, an exclusive end (B20)."""

    code = "window_closed"


class DeadlinePassed(WindowClosed):
    """What was awaited came after the date that the notice stated, an exclusive end (D54)."""

    code = "deadline_passed"


class StaleRevision(Refusal):
    """The caller decided on an older version; acting would undo what it has not seen."""

    code = "stale_revision"


class SlotTaken(Refusal):
    """Another booking holds the slot; the first to insert its ticks wins."""

    code = "slot_taken"


class SlotUnknown(Refusal):
    """The shop's calendar has no such slot, or it is outside the window of acceptance (B10, B11)."""

    code = "slot_unknown"


class MenuUnknown(Refusal):
    """The shop has no such menu, or offers it no more (B11)."""

    code = "menu_unknown"


class ConflictsStand(Refusal):
    """Bookings stand that the new rules would not allow: nothing is done to them, but whoever feeds must have seen."""

    code = "conflicts_stand"


class VersionStale(Refusal):
    """The shop's profile is at another version than the one that was read; overwriting would lose what came since."""

    code = "version_stale"


class TermsTooSoon(Refusal):
    """Customers are told beforehand, by day: a new version holds a day after it is published at the soonest (B46)."""

    code = "terms_too_soon"


class TermsPublished(Refusal):
    """What customers agree to by its version never changes; another text is another version (B45)."""

    code = "terms_published"


class ShopClosed(Refusal):
    """The shop is not in the registry, is disabled, or takes no bookings now (B1)."""

    code = "shop_closed"


class Suspended(Refusal):
    """The service stands still, as `notice_url` explains; `ends_at` is absent while nobody knows the end (B40, B41)."""

    code = "suspended"


class TooManyChanges(Refusal):
    """A booking may be changed only so often, or one customer could block a calendar; and its links count to 255."""

    code = "too_many_changes"


class ConfirmationNeeded(Refusal):
    """The new slot's own deadline is past: after this change nothing can be changed any more."""

    code = "confirmation_needed"


class HoldEnded(Refusal):
    """The hold ended before the code came; a late code revives nothing."""

    code = "code_expired"


class CodeWrong(Refusal):
    """The code does not match; the attempt was counted before it was compared."""

    code = "code_wrong"


class CodeExhausted(Refusal):
    """Five wrong codes end the hold: a guesser gets no sixth try."""

    code = "code_exhausted"


class ResendTooSoon(Refusal):
    """A code was sent a moment ago; a cool-down keeps one customer from sending many."""

    code = "resend_too_soon"


class ResendTooOften(Refusal):
    """The code was sent as often as it may be."""

    code = "resend_too_often"


class TooManyRequests(Refusal):
    """A cap is reached; `retry_at` says when its window ends. The same answer whoever's cap it is."""

    code = "too_many_requests"


class ServiceEnded(Refusal):
    """The service's end is past, and with it every new application, of whichever kind (D3)."""

    code = "service_ended"


class NotReady(Refusal):
    """Something that must come first has not come: `lacks` names it (D11, D22, D25, D41)."""

    code = "case_not_ready"


class CaseHeld(Refusal):
    """A hold freezes a case; a person ends it first."""

    code = "case_held"


class FourEyes(Refusal):
    """Who proposed or reviewed may not approve (D25)."""

    code = "four_eyes"


class OwnCase(Refusal):
    """Whoever is a party of a case neither handles it nor reads it as a handler (S6)."""

    code = "own_case"


class KnownAlready(Refusal):
    """A second person tells what a first one told; it is not done twice, and both should know (a paper, a payment)."""

    code = "known_already"


class ReleasesStopped(Refusal):
    """A release cannot be taken back, so the legal department may stop them all and look first (S17)."""

    code = "releases_stopped"


class MemberUnknown(Refusal):
    """A trade is between two members that are known; put them first. `sides` says which is not."""

    code = "member_unknown"

    def __init__(self, *sides: str) -> None:
        super().__init__()
        self.sides = sides


class NicknameTaken(Refusal):
    """Two members that are registered now cannot bear one nickname, or an application would name both (D71)."""

    code = "nickname_taken"


class PartyOfCase(Refusal):
    """An open case needs what is registered of its parties; they are forgotten when it is over (S9)."""

    code = "party_of_case"


class PartiesFixed(Refusal):
    """Whose trade it was is no matter of change: a case might disclose somebody to a stranger (D7)."""

    code = "parties_fixed"


class ProhibitedUse(Refusal):
    """The contact is on the block list; `contact_url` says where to ask, nothing says why (B38)."""

    code = "prohibited_use"


class TooManyOpenBookings(Refusal):
    """Whoever has several bookings before them leaves the other times to others (B39)."""

    code = "too_many_open_bookings"


class StillOpen(Refusal):
    """What is kept of a person is needed while a booking, a call or an inquiry of theirs is open (B36)."""

    code = "still_open"


class AlreadyOpen(Refusal):
    """One open case per transaction, applicant and path; it is told to whoever proved the registered address alone."""

    code = "case_already_open"


class ConsentMissing(Refusal):
    """Every section of the guideline is agreed to by naming the digest of its text (D64)."""

    code = "consent_missing"


class NotAvailable(Refusal):
    """Nobody can be rung now; `because` says why, and a booking is offered instead (B7)."""

    code = "not_available"


class CallTaken(Refusal):
    """The first member of the staff who answers has the call (対応済み)."""

    code = "call_taken"


class RingOver(Refusal):
    """The caller hung up, or nobody answered in time: there is nobody to answer any more."""

    code = "ring_over"


class StaffBusy(Refusal):
    """One cannot be in two calls."""

    code = "staff_busy"


class StaffUnknown(Refusal):
    """The shop has no such member of the staff, or they take no calls."""

    code = "staff_unknown"


class EntryUsed(Refusal):
    """An entry to a call at once opens the room once for each side; whoever has the address later stays outside."""

    code = "entry_used"


class TermsNotAccepted(Refusal):
    """A call at once is asked for under both documents that govern; `documents` names those to agree to (B27, B35)."""

    code = "terms_not_accepted"


class ContactRefused(Refusal):
    """The phone number or mailbox cannot be served; the subclass's code says why (B13)."""

    code = "contact_refused"

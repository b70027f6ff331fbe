"""How disclosure cases are handled: every period, list and flag that the source leaves open, in one place.

The defaults are considered ones; a legal department may set others. A policy that contradicts itself does not load.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from typing import Any

from models.calendar import RuleError, first_instant
from models.period import JAPAN

PRESETS: Mapping[str, Mapping[str, Any]] = {"end-of-2016": {"service_ends_on": date(2016, 10, 31)}}
"""The end that the source announces (D1): the last good instant is 30 October 2016, 23:59:59.999… in Japan (D3)."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

FIELDS = ("name", "kana", "postal_code", "address")
"""What stage 2 may disclose (A16): a closed list. A telephone number is not in it."""


@dataclass(frozen=True)
class CasePolicy:
    """Periods are in the unit of their name, counted from deemed arrival where a notice sets them off.

    Attributes:
        service_ends_on: from this day on, in Japan, no application is taken (D3); None: the service has no end.
        wind_down_days: how long after it what is open may still come to its end.
        confirm_hours: life of the link to the registered address.
        eligible_months: how long after completion an application may be made (D14, A2).
        eligible_extends_over_rest_days: whether 民法142条 applies to it.
        cool_down_days: how long a changed address waits before stage 1 is sent to it (A19).
        arrival_hours: when a notice is deemed to have arrived after the vendor took it (D54).
        negotiation_reminder_days, negotiation_days: of stage 1's release.
        papers_days, papers_reminders: to send the papers; reminders so many days before the end.
        deficiency_days, most_deficiency_rounds: for missing facts and papers, each.
        opinion_days: how long the counterparty may state an opinion (A12); 0 asks for none.
        fee_days, fee_reminders: to pay.
        certificate_months: how old official certificates may be when they arrive (A8).
        postage_yen, expenses_yen: what an invoice holds (D41).
        screening_alert_days, review_alert_days, dispatch_alert_days: business days until a person is reminded.
        cross_grace_days: how long after N7 the counterparty's own application counts as made in time (A17).
        most_applications: by one applicant about one transaction (A15).
        most_against_one: applications of one applicant against one counterparty in a year before an alarm (S16).
        most_releases_an_hour: over the whole house; what comes on top waits (S17).
        seller_told_after: whether the rights holders' path tells the seller afterwards (A14).
        case_years, papers_days_kept: retention by class (S9).
        disclosable: what stage 2 may disclose.
    """

    service_ends_on: date | None = None
    wind_down_days: int = 90
    confirm_hours: int = 24
    eligible_months: int = 3
    eligible_extends_over_rest_days: bool = False
    cool_down_days: int = 7
    arrival_hours: int = 1
    negotiation_reminder_days: int = 60
    negotiation_days: int = 90
    papers_days: int = 30
    papers_reminders: tuple[int, ...] = (14, 7, 1)
    deficiency_days: int = 14
    most_deficiency_rounds: int = 2
    opinion_days: int = 14
    fee_days: int = 14
    fee_reminders: tuple[int, ...] = (7, 2)
    certificate_months: int = 3
    postage_yen: int = 1_100
    expenses_yen: int = 500
    screening_alert_days: int = 3
    review_alert_days: int = 5
    dispatch_alert_days: int = 2
    cross_grace_days: int = 14
    most_applications: int = 2
    most_against_one: int = 3
    most_releases_an_hour: int = 200
    seller_told_after: bool = False
    case_years: int = 3
    papers_days_kept: int = 90
    disclosable: tuple[str, ...] = field(default=FIELDS)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            RuleError: with the field at fault.
        """
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, int) and not isinstance(value, bool) and value < 0:
                raise RuleError(f"/{each.name}", "is at least 0")
        for name in ("confirm_hours", "eligible_months", "papers_days", "deficiency_days", "fee_days", "case_years"):
            if not getattr(self, name):
                raise RuleError(f"/{name}", "is at least 1, or nobody could be in time")
        if not self.most_releases_an_hour:
            raise RuleError("/most_releases_an_hour", "is at least 1; to stop all releases there is a switch")
        if self.negotiation_reminder_days >= self.negotiation_days:
            raise RuleError("/negotiation_reminder_days", "is less than negotiation_days")
        for name, whole in (("papers_reminders", self.papers_days), ("fee_reminders", self.fee_days)):
            if any(not 0 <= days < whole for days in getattr(self, name)):
                raise RuleError(f"/{name}", "lies within the period it reminds of")
        if not self.disclosable or not set(self.disclosable) <= set(FIELDS):
            raise RuleError("/disclosable", f"is some of {', '.join(FIELDS)}")

    @classmethod
    def parse(cls, given: object) -> "CasePolicy":
        """Read a JSON object of departures from the defaults; `{"preset": "end-of-2016", …}` begins with a preset.

        Raises:
            RuleError: it says which field is wrong.
        """
        if not isinstance(given, Mapping):
            raise RuleError("", "is an object")
        rest = dict(given)
        preset = rest.pop("preset", None)
        if preset is not None and (not isinstance(preset, str) or preset not in PRESETS):
            raise RuleError("/preset", f"is one of {', '.join(PRESETS)}")
        known = {each.name: each for each in fields(cls)}
        for name, value in rest.items():
            if name not in known:
                raise RuleError(f"/{name}", "is not known")
            rest[name] = _read(name, value, getattr(cls(), name))
        return replace(cls(), **{**PRESETS.get(preset, {}), **rest}) if preset else replace(cls(), **rest)

    @property
    def service_end_at(self) -> datetime | None:
        """The first instant at which nothing new is taken; 以降 includes the day itself (D3, A1)."""
        return None if self.service_ends_on is None else first_instant(self.service_ends_on, JAPAN)

    @property
    def wind_down_until(self) -> datetime | None:
        """When what is still open ends."""
        if self.service_ends_on is None:
            return None
        return first_instant(self.service_ends_on + timedelta(days=self.wind_down_days), JAPAN)

    def service_has_ended(self, at: datetime) -> bool:
        """Whether an application that comes at `at` comes too late (D3)."""
        return self.service_end_at is not None and at >= self.service_end_at

    def is_winding_up(self, at: datetime) -> bool:
        """Whether even what was open ends now."""
        return self.wind_down_until is not None and at >= self.wind_down_until

    def window_outlasts_eligibility(self, window_closes_at: datetime, eligible_until: datetime) -> bool:
        """Whether no instant lies after the message window and still within the months (A3: D12 and D14 exclude)."""
        return window_closes_at >= eligible_until


def _read(name: str, value: object, default: object) -> object:
    if name == "service_ends_on":
        if value is None:
            return None
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise RuleError(f"/{name}", "is a date, YYYY-MM-DD")
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise RuleError(f"/{name}", "is a day of the calendar, YYYY-MM-DD") from None
    if isinstance(default, tuple):
        kind = type(default[0])
        if not isinstance(value, list) or not all(type(each) is kind for each in value):
            raise RuleError(f"/{name}", f"is a list of {'numbers' if kind is int else 'names'}")
        return tuple(value)
    if type(value) is not type(default):
        raise RuleError(f"/{name}", "is true or false" if isinstance(default, bool) else "is a whole number")
    return value

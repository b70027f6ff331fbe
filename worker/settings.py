"""What can be set, typed and checked at start. Nothing else reads the environment."""

import base64
import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.calendar import RuleError
from models.case_policy import CasePolicy

REPOSITORY = Path(__file__).resolve().parent.parent
_DEVELOPMENT_SECRET = "development-only-" * 4
_WRAPPING_KEY_BYTES = 32
_LONGEST_KEY_ID = 40
# RFC 7518, section 3.2: a key for HS256 has the size of the hash at least.
_SHORTEST_HMAC_KEY = 32
_OFFICE = ("office_name", "office_postal_code", "office_address", "case_contact_url", "payment_account")


class Environment(StrEnum):
    """Where the process runs; production refuses every default made for development."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class _Account(BaseModel):
    """One account at a vendor. Several of a channel share its messages.

    Attributes:
        name: how attempts, receipts and operators name it, for ever.
        share: its part of the channel's messages while all accounts are well.
        requests_per_second: how fast it may be called, by all workers together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    api_url: str
    share: float = Field(1.0, gt=0, le=1000)
    requests_per_second: float = Field(100.0, gt=0)


class SmsAccount(_Account):
    """A Twilio account.

    Attributes:
        sender: a number (`+…`), a Messaging Service (`MG…`) or an alphanumeric sender.
        segments_per_second: how fast its sender may send, in segments.
        urls_ok: whether its route carries texts with URLs; if not, they are said without.
    """

    account_sid: str
    auth_token: SecretStr
    sender: str
    segments_per_second: float = Field(100.0, gt=0)
    urls_ok: bool = True


class MailAccount(_Account):
    """A SendGrid account.

    Attributes:
        webhook_key: its public verification key (base64 DER); empty: every event is refused.
        has_activity: whether the account has the Email Activity Feed, in which lost answers can be looked up.
    """

    api_key: SecretStr
    sender: str
    webhook_key: str = ""
    has_activity: bool = False


class VideoChoice(StrEnum):
    """Who may carry the calls; see worker/video."""

    JITSI = "jitsi"
    JITSI_JWT = "jitsi-jwt"
    LIVEKIT = "livekit"


class Settings(BaseSettings):
    """Every setting, with its unit and its default; `docs/settings.md` is held to this list by a test."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        # Otherwise the error of a process that refuses to start would print every secret it was given.
        hide_input_in_errors=True,
    )

    environment: Environment = Field(Environment.DEVELOPMENT, description="development, test or production.")
    database_url: str = Field(
        f"sqlite:///{REPOSITORY}/var/toritsugi.db",
        description="SQLAlchemy URL: `sqlite:///…` or `postgresql+psycopg://…`.",
    )
    keys_database_url: str | None = Field(
        None, description="A database of its own for data keys, with short-lived backups; unset: the same one."
    )
    broker_url: str = Field("redis://127.0.0.1:6379/0", description="Celery's broker.")
    broker_acknowledges: bool = Field(
        default=False,
        description="Turns Celery's acknowledgement emulation on Redis back on. The rows make it unnecessary.",
    )
    secret_key: SecretStr = Field(
        SecretStr(_DEVELOPMENT_SECRET),
        min_length=32,
        description="At least 32 characters. Keys for codes, links, look-ups and digests are derived from it.",
    )
    secret_key_previous: SecretStr | None = Field(
        None, description="The SECRET_KEY before a rotation, while links and codes made under it are still about."
    )
    seal_keys: SecretStr = Field(
        SecretStr("dev:" + "A" * 43 + "="),
        description="`id:base64` of 32 bytes each, separated by commas; the first wraps, all unwrap.",
    )
    public_url: str = Field(
        "http://127.0.0.1:8000", description="Where customers reach the pages and vendors the receipts."
    )
    twilio_api_url: str = Field(
        "http://127.0.0.1:8025", description="The sandbox, or `https://api.twilio.com` for real messages."
    )
    twilio_account_sid: str = Field("AC" + "0" * 32, description="Twilio account.")
    twilio_auth_token: SecretStr = Field(
        SecretStr("sandbox-auth-token"), description="Authenticates calls and the vendor's receipts."
    )
    twilio_sender: str = Field(
        "+15005550006", description="A number (`+…`), a Messaging Service (`MG…`) or an alphanumeric sender."
    )
    sendgrid_api_url: str = Field(
        "http://127.0.0.1:8025", description="The sandbox, or `https://api.sendgrid.com` for real mail."
    )
    sendgrid_api_key: SecretStr = Field(SecretStr("SG.sandbox"), description="Authenticates calls.")
    sendgrid_sender: str = Field("concierge@mail.example.jp", description="The mailbox that mail comes from.")
    sendgrid_webhook_key: str = Field(
        "", description="SendGrid's public verification key (base64 DER); empty: every event is refused."
    )
    sms_accounts: tuple[SmsAccount, ...] = Field(
        (),
        description="JSON list of Twilio accounts that share the SMS, instead of the one of `TWILIO_…`.",
    )
    mail_accounts: tuple[MailAccount, ...] = Field(
        (),
        description="JSON list of SendGrid accounts that share the mail, instead of the one of `SENDGRID_…`.",
    )
    case_policy: str = Field(
        "", description="JSON object: how disclosure cases depart from the defaults of docs/cases.md."
    )
    office_name: str = Field("取次事務局", description="Who handles disclosure cases; signs letters and notices.")
    office_postal_code: str = Field("100-0000", description="Where papers are sent.")
    office_address: str = Field("東京都千代田区見本町1-1", description="Where papers are sent.")
    case_contact_url: str = Field(
        "https://toritsugi.example.jp/contact", description="The inquiry form; the only way to ask about a case."
    )
    payment_account: str = Field(
        "見本銀行 見本支店 普通 0000000", description="Where the applicant of a case pays the fee."
    )
    sms_segments_alarm: int = Field(
        10_000, gt=0, description="So many SMS segments a day to one account raise an alarm in the log."
    )
    vendor_connect_seconds: float = Field(3.0, gt=0, description="How long a connection to a vendor may take.")
    vendor_read_seconds: float = Field(
        30.0, gt=0, description="How long a vendor's answer may take; after it the outcome is unknown."
    )
    test_numbers: Annotated[tuple[str, ...], NoDecode] = Field(
        ("+81900000",),
        description="Prefixes that count as mobile numbers outside production; production wants it empty.",
    )
    sms_countries: Annotated[frozenset[str], NoDecode] = Field(
        frozenset({"JP"}), description="ISO country codes that SMS may be sent to."
    )
    video_provider: VideoChoice = Field(
        VideoChoice.JITSI, description="Who carries new calls: `jitsi`, `jitsi-jwt` or `livekit`."
    )
    video_url: str = Field("https://meet.jit.si", description="The Jitsi server that calls are handed over to.")
    jitsi_app_id: str = Field("", description="The application id of a Jitsi server that lets nobody in without a JWT.")
    jitsi_app_secret: SecretStr = Field(
        SecretStr(""), description="The secret it shares with us; it signs who may enter which room, and until when."
    )
    livekit_url: str = Field(
        "http://127.0.0.1:8025", description="The sandbox, or `https://….livekit.cloud` for real calls."
    )
    livekit_meet_url: str = Field(
        "http://127.0.0.1:8025", description="The LiveKit Meet page that calls are handed over to; or the sandbox."
    )
    livekit_api_key: str = Field("sandbox", description="LiveKit's name for our key.")
    livekit_api_secret: SecretStr = Field(
        SecretStr("sandbox-livekit-secret-of-32-bytes-or-more"),
        description="Signs calls and entries, and the provider's webhooks.",
    )
    provider_support_email: str = Field(
        "",
        description="Where the provider of the video calls takes inquiries about them. Empty: the shop gets these too.",
    )
    webhook_allow_private: bool = Field(
        default=False,
        description="Lets webhooks go to plain http and to addresses that are not public, such as this machine's.",
    )
    flower_basic_auth: SecretStr | None = Field(None, description="`user:password` for Flower; required in production.")
    ring_lease_seconds: float = Field(
        15.0, gt=0, description="A job rung this long before a mark that came through its queue was lost."
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: dict[str, object]) -> dict[str, object]:
        """Lists are written with commas: `JP,KR`."""
        for name in ("test_numbers", "sms_countries"):
            text = values.get(name)
            if isinstance(text, str):
                values[name] = tuple(part.strip() for part in text.split(",") if part.strip())
        return values

    @model_validator(mode="after")
    def _refuse_development_defaults(self) -> Self:
        if self.environment is not Environment.PRODUCTION:
            return self
        defaults = type(self).model_fields
        wrong = [
            name.upper()
            for name in ("secret_key", "seal_keys", *self._of_the_provider(), *_OFFICE, *self._single_accounts())
            if getattr(self, name) == defaults[name].default
        ]
        if not self.database_url.startswith("postgresql"):
            wrong.append("DATABASE_URL (PostgreSQL)")
        if self.test_numbers:
            wrong.append("TEST_NUMBERS (empty)")
        if self.webhook_allow_private:
            wrong.append("WEBHOOK_ALLOW_PRIVATE (unset)")
        if self.flower_basic_auth is None or ":" not in self.flower_basic_auth.get_secret_value():
            wrong.append("FLOWER_BASIC_AUTH (user:password)")
        if urlsplit(self.public_url).scheme != "https":
            wrong.append("PUBLIC_URL (https)")
        wrong += [
            f"{self._set_by(account, 'API_URL')} (https: the sandbox is not for production)"
            for account in (*self.sms_carriers, *self.mail_carriers)
            if urlsplit(account.api_url).scheme != "https"
        ]
        wrong += [
            f"{name.upper()} (https: the sandbox is not for production)"
            for name in ("livekit_url", "livekit_meet_url")
            if self.video_provider is VideoChoice.LIVEKIT and urlsplit(getattr(self, name)).scheme != "https"
        ]
        wrong += [self._set_by(account, "WEBHOOK_KEY") for account in self.mail_carriers if not account.webhook_key]
        if wrong:
            raise ValueError("production refuses development defaults; set: " + ", ".join(sorted(wrong)))
        return self

    def _set_by(self, account: _Account, part: str) -> str:
        """Return where a part of an account is set: a variable of its own, or a list."""
        if isinstance(account, SmsAccount):
            return f"SMS_ACCOUNTS ({account.name}: {part.lower()})" if self.sms_accounts else f"TWILIO_{part}"
        return f"MAIL_ACCOUNTS ({account.name}: {part.lower()})" if self.mail_accounts else f"SENDGRID_{part}"

    def _single_accounts(self) -> tuple[str, ...]:
        """What the accounts are made of that are used because no list names others."""
        return (() if self.sms_accounts else ("twilio_account_sid", "twilio_auth_token", "twilio_sender")) + (
            () if self.mail_accounts else ("sendgrid_api_key", "sendgrid_sender")
        )

    def _of_the_provider(self) -> tuple[str, ...]:
        """What the chosen provider of calls cannot be without."""
        match self.video_provider:
            case VideoChoice.LIVEKIT:
                return ("livekit_api_key", "livekit_api_secret")
            case VideoChoice.JITSI_JWT:
                return ("video_url", "jitsi_app_id", "jitsi_app_secret")
            case VideoChoice.JITSI:
                return ("video_url",)

    @model_validator(mode="after")
    def _refuse_a_nameless_provider(self) -> Self:
        if self.video_provider is VideoChoice.JITSI_JWT and not self.has_jitsi_jwt:
            raise ValueError("VIDEO_PROVIDER=jitsi-jwt wants JITSI_APP_ID and JITSI_APP_SECRET (32 characters or more)")
        return self

    @property
    def has_jitsi_jwt(self) -> bool:
        """Whether there is what tokens for a Jitsi server are made of."""
        return bool(self.jitsi_app_id) and len(self.jitsi_app_secret.get_secret_value()) >= _SHORTEST_HMAC_KEY

    @property
    def has_livekit(self) -> bool:
        """Whether LiveKit's key is one of our own: everybody knows the sandbox's, so in production it is none."""
        key, secret = (type(self).model_fields[name].default for name in ("livekit_api_key", "livekit_api_secret"))
        is_the_sandboxs = self.livekit_api_key == key or self.livekit_api_secret == secret
        return self.environment is not Environment.PRODUCTION or not is_the_sandboxs

    @model_validator(mode="after")
    def _refuse_broken_keys(self) -> Self:
        _ = self.seal_ring
        return self

    @model_validator(mode="after")
    def _refuse_a_broken_policy(self) -> Self:
        _ = self.case_rules
        return self

    @model_validator(mode="after")
    def _refuse_equal_names(self) -> Self:
        names = [account.name for account in (*self.sms_carriers, *self.mail_carriers)]
        if len(set(names)) != len(names):
            raise ValueError("SMS_ACCOUNTS and MAIL_ACCOUNTS: each account needs a name of its own")
        return self

    @property
    def sms_carriers(self) -> tuple[SmsAccount, ...]:
        """The accounts that SMS go through; the one of `TWILIO_…` unless several are named."""
        return self.sms_accounts or (
            SmsAccount(
                name="twilio",
                api_url=self.twilio_api_url,
                account_sid=self.twilio_account_sid,
                auth_token=self.twilio_auth_token,
                sender=self.twilio_sender,
            ),
        )

    @property
    def mail_carriers(self) -> tuple[MailAccount, ...]:
        """The accounts that mail goes through; the one of `SENDGRID_…` unless several are named."""
        return self.mail_accounts or (
            MailAccount(
                name="sendgrid",
                api_url=self.sendgrid_api_url,
                api_key=self.sendgrid_api_key,
                sender=self.sendgrid_sender,
                webhook_key=self.sendgrid_webhook_key,
            ),
        )

    @property
    def case_rules(self) -> CasePolicy:
        """How disclosure cases are handled.

        Raises:
            ValueError: CASE_POLICY is not an object of known rules.
        """
        try:
            return CasePolicy.parse(json.loads(self.case_policy or "{}"))
        except json.JSONDecodeError:
            raise ValueError("CASE_POLICY is not JSON") from None
        except RuleError as wrong:
            raise ValueError(f"CASE_POLICY: {wrong}") from None

    @property
    def seal_ring(self) -> Mapping[str, bytes]:
        """The keys that wrap data keys, by id; the first is the current one.

        Raises:
            ValueError: SEAL_KEYS is not `id:base64` of 32 bytes each, with commas between them.
        """
        ring: dict[str, bytes] = {}
        for place, part in enumerate(self.seal_keys.get_secret_value().split(","), start=1):
            name, _, encoded = part.strip().partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except ValueError:
                key = b""
            # Neither the part nor an exception that quotes it may be shown: it is a key.
            if not 1 <= len(name) <= _LONGEST_KEY_ID or len(key) != _WRAPPING_KEY_BYTES or name in ring:
                raise ValueError(f"SEAL_KEYS: key {place} is not `id:base64` of 32 bytes with an id of its own")
            ring[name] = key
        return ring

    @property
    def public_host(self) -> str:
        """The host of the public pages, as the last line of a code message names it."""
        return urlsplit(self.public_url).hostname or "localhost"


@cache
def settings() -> Settings:
    """Return the process's settings, read once from the environment.

    Raises:
        pydantic.ValidationError: a setting is wrong; the process must not start.
    """
    return Settings()

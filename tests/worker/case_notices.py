"""A disclosure case in which everything that could be said is there and can be told apart, and what may not be said."""

from datetime import UTC, datetime

from worker.wording import CaseWords, FeeEntry, FlawedPaperEntry, PaperEntry

# Each end of a day in Japan is another day, so that a date in a notice tells which deadline it is.
WRITTEN_AT = datetime(2030, 5, 31, 15, 30, tzinfo=UTC)  # half past midnight on 1 June, there
EXPIRES_AT = datetime(2030, 6, 2, 9, 30, tzinfo=UTC)  # 18:30, there
DEADLINE_AT = datetime(2030, 6, 30, 15, tzinfo=UTC)
OPINION_DEADLINE_AT = datetime(2030, 7, 10, 15, tzinfo=UTC)
CROSS_DEADLINE_AT = datetime(2030, 7, 20, 15, tzinfo=UTC)
ITEM_DEADLINE_AT = datetime(2030, 7, 25, 15, tzinfo=UTC)
POSTED_AT = datetime(2030, 8, 1, 15, 30, tzinfo=UTC)

REFERENCE = "DK7M2-94QX"
PAGE_URL = "https://go.example.jp/d/own-page-of-this-reader"
CONFIRM_URL = "https://go.example.jp/d/confirm-once"
CONTACT_URL = "https://contact.example.jp/form"
OTHER_EMAIL = "other.side@example.jp"

SECRETS = {
    f"{side}_{what}": f"canary-{side}-{what}"
    for side in ("applicant", "counterparty")
    for what in ("nickname", "name", "kana", "representative", "postal_code", "address", "email", "member_id")
} | {
    word: f"canary-{word}"
    for word in (
        "item_name",
        "item_number",
        "circumstances",
        "reason",
        "category",
        "refusal",
        "refusal_reason",
        "note",
        "opinion",
        "evidence",
        "state",
        "decision",
        "organisation",
        "shelf",
        "seal",
    )
}
"""What a case knows and no notice may say: put beside the words, a file that named one would show it."""


def case_words(language: str, *, reference: str = REFERENCE, written_at: datetime = WRITTEN_AT) -> CaseWords:
    """Return a case's words with none absent."""
    return CaseWords.of(
        language=language,
        operator_name="Example Market",
        contact_url=CONTACT_URL,
        reference=reference,
        written_at=written_at,
        page_url=PAGE_URL,
        confirm_url=CONFIRM_URL,
        expires_at=EXPIRES_AT,
        transaction_number="T-20300401-77",
        deadline_at=DEADLINE_AT,
        opinion_deadlines_at=(OPINION_DEADLINE_AT,),
        cross_deadline_at=CROSS_DEADLINE_AT,
        other_email=OTHER_EMAIL,
        missing_facts=("circumstances", "won_on"),
        papers=(
            PaperEntry.of("certificate_of_residence", language=language),
            PaperEntry.of("licence_or_passport", language=language),
            PaperEntry.of("other", language=language, wish="wished-for paper", deadline_at=ITEM_DEADLINE_AT),
        ),
        flawed_papers=(
            FlawedPaperEntry.of("pledge", ("not_signed", "old_pledge"), language=language),
            FlawedPaperEntry.of("seal_certificate", ("outdated",), language=language),
        ),
        post_address=("100-0000 Example-ku 1-2-3", "Example Market, case desk"),
        fees=(FeeEntry.of("postage", 1100, language=language), FeeEntry.of("expenses", 567, language=language)),
        pay_to=("Example Bank, main branch", "Account 0000001"),
        payment_reference="PAY-5512",
        posted_at=POSTED_AT,
        tracking_number="TRACK-123-45",
        disclosed=("postal_code", "kana"),
    )

"""Which terms govern when, and what is kept of a customer's agreement (B27, B35, B45)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import permutations
from uuid import UUID

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.base import Base
from models.terms import Consent, Party, TermsDocument, consents_to, governing

BOOKING = UUID("00000000-0000-4000-8000-000000000001")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def document(
    name: str, version: str, effective_at: str = "2021-09-28T00:00+09:00", provider: str | None = None
) -> TermsDocument:
    return TermsDocument(
        id=name,
        version=version,
        url=f"https://www.example.jp/terms/{name}/{version}",
        sha256="ab" * 32,
        effective_at=at(effective_at),
        party=Party.PROVIDER if provider else Party.PLATFORM,
        provider=provider,
    )


def platform(version: str) -> TermsDocument:
    return document("platform-terms", version, f"{version}T00:00+09:00")


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine, tables=[Base.metadata.tables[name] for name in ("terms_documents", "consents")])
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.mark.parametrize(
    ("moment", "versions"),
    [
        ("2021-09-27T23:59:59.999999+09:00", []),
        ("2021-09-28T00:00+09:00", ["2021-09-28"]),
        ("2027-03-31T23:59:59.999999+09:00", ["2021-09-28"]),
        ("2027-04-01T00:00+09:00", ["2027-04-01"]),
        ("2030-01-01T00:00+09:00", ["2027-04-01"]),
    ],
)
def test_the_later_version_governs_from_the_instant_it_takes_effect(moment: str, versions: list[str]) -> None:
    documents = [platform("2021-09-28"), platform("2027-04-01")]

    assert [each.version for each in governing(documents, at(moment))] == versions


def test_the_order_in_which_versions_are_given_means_nothing() -> None:
    documents = [platform("2021-09-28"), platform("2027-04-01"), platform("2024-01-01")]

    found = {governing(order, at("2028-01-01T00:00Z"))[0].version for order in permutations(documents)}

    assert found == {"2027-04-01"}


def test_each_document_has_its_own_versions_and_the_platforms_come_first() -> None:
    documents = [
        document("a-provider-terms-livecall", "7", provider="livecall"),
        platform("2021-09-28"),
        platform("2027-04-01"),
    ]

    found = governing(documents, at("2028-01-01T00:00Z"))

    assert [(each.id, each.version) for each in found] == [
        ("platform-terms", "2027-04-01"),
        ("a-provider-terms-livecall", "7"),
    ]


def test_only_the_provider_that_carries_the_call_counts() -> None:
    documents = [
        platform("2021-09-28"),
        document("provider-terms-livecall", "7", provider="livecall"),
        document("provider-terms-jitsi", "1", provider="jitsi"),
    ]

    found = governing(documents, at("2028-01-01T00:00Z"), provider="jitsi")

    assert [each.id for each in found] == ["platform-terms", "provider-terms-jitsi"]


def test_an_agreement_is_recorded_for_every_document_with_version_address_and_hash(session: Session) -> None:
    documents = [platform("2021-09-28"), document("provider-terms-jitsi", "1", provider="jitsi")]
    session.add_all(documents)
    session.flush()

    session.add_all(
        consents_to(
            documents,
            booking_id=BOOKING,
            accepted_at=at("2025-11-20T12:00+09:00"),
            channel="sms",
            request_id="request-1",
        )
    )
    session.flush()

    kept = session.scalars(select(Consent).where(Consent.booking_id == BOOKING).order_by(Consent.id)).all()
    assert [(each.document_id, each.version, each.url, each.sha256) for each in kept] == [
        (each.id, each.version, each.url, each.sha256) for each in documents
    ]
    assert {(each.accepted_at, each.channel, each.request_id) for each in kept} == {
        (at("2025-11-20T12:00+09:00"), "sms", "request-1")
    }


def test_one_version_is_agreed_to_once_for_one_booking(session: Session) -> None:
    documents = [platform("2021-09-28")]
    session.add_all(documents)
    session.flush()

    for request in ("request-1", "request-2"):
        session.add_all(
            consents_to(
                documents,
                booking_id=BOOKING,
                accepted_at=at("2025-11-20T12:00Z"),
                channel="mail",
                request_id=request,
            )
        )

    with pytest.raises(IntegrityError):
        session.flush()


def test_two_versions_of_one_document_may_stand_side_by_side_for_one_booking(session: Session) -> None:
    # B45: made under one version, held under the next.
    documents = [platform("2021-09-28"), platform("2027-04-01")]
    session.add_all(documents)
    session.flush()

    session.add_all(
        consents_to(documents, booking_id=BOOKING, accepted_at=at("2027-04-02T00:00Z"), channel="sms", request_id="r")
    )
    session.flush()

    assert len(session.scalars(select(Consent)).all()) == 2

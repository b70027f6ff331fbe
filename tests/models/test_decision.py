"""Two pairs of eyes: who may approve what, that an approval binds exactly what was looked at, and what ends it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from models.decision import Decision, RefusalReason, Stage, Verdict, digest_of
from models.errors import FourEyes, IllegalMove, StaleRevision
from tests.models.case_world import (
    CASE,
    CHECKER,
    DECISION,
    FILED_AT,
    MAKER,
    OTHER_CASE,
    REVIEWER,
    a_case,
    a_decision,
    an_approved_decision,
    values_of,
    write,
)

LATER = FILED_AT + timedelta(days=1)

# Closed lists and ids, as a decision's content holds them.
plain = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
contents = st.dictionaries(st.text(max_size=8), plain | st.lists(plain, max_size=3), max_size=4)


def proposal(stage: Stage = Stage.PARTICULARS, verdict: Verdict = Verdict.DISCLOSE, **columns: Any) -> Decision:
    return a_decision(a_case(), stage, verdict, **columns)


def approve(decision: Decision, by: str = CHECKER, *, as_legal: bool = False, digest: str | None = None) -> None:
    decision.approve(by=by, digest=digest or decision.digest, at=LATER, as_legal=as_legal)


def send_back(decision: Decision) -> None:
    decision.send_back(by=MAKER, at=LATER)


def void(decision: Decision) -> None:
    decision.void(at=LATER)


# Who approves


def test_another_person_approves() -> None:
    decision = proposal()

    approve(decision)

    assert (decision.approved_by, decision.approved_at, decision.open_key) == (CHECKER, LATER, None)
    assert decision.binds(1, needs_legal=False)


@pytest.mark.parametrize(
    ("stage", "verdict", "by"),
    [(stage, verdict, MAKER) for stage in Stage for verdict in Verdict]
    + [(Stage.PARTICULARS, verdict, REVIEWER) for verdict in Verdict],
)
def test_who_proposed_or_reviewed_does_not_approve(stage: Stage, verdict: Verdict, by: str) -> None:
    decision = proposal(stage, verdict)
    before = values_of(decision)

    with pytest.raises(FourEyes):
        approve(decision, by, as_legal=True)

    assert values_of(decision) == before


def test_who_proposed_and_reviewed_is_one_person_and_another_may_approve() -> None:
    decision = proposal(reviewed_by=MAKER)

    approve(decision)

    assert decision.binds(1, needs_legal=False)


def test_four_eyes_are_looked_for_before_the_digest_or_it_would_tell_a_guesser() -> None:
    with pytest.raises(FourEyes):
        approve(proposal(), MAKER, digest="0" * 64)


# What is approved


def test_who_looked_at_something_else_is_told_what_stands_there() -> None:
    decision = proposal()
    before = values_of(decision)

    with pytest.raises(StaleRevision) as refusal:
        approve(decision, digest="0" * 64)

    assert refusal.value.facts["digest"] == decision.digest
    assert values_of(decision) == before


CHANGES: list[dict[str, Any]] = [
    {"content": {"fields": ["name", "address", "kana"]}},
    {"content": {"fields": ["address", "name"]}},
    {"stage": Stage.HOLDER},
    {"verdict": Verdict.REFUSE},
    {"refusal": RefusalReason.OTHER},
    {"case_id": OTHER_CASE},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_was_changed_behind_its_digest_is_not_approved(change: dict[str, Any]) -> None:
    decision = proposal()
    for name, value in change.items():
        setattr(decision, name, value)

    with pytest.raises(StaleRevision):
        approve(decision)

    assert decision.approved_by is None


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_was_changed_after_its_approval_binds_no_more(change: dict[str, Any]) -> None:
    decision = an_approved_decision(a_case(), Stage.PARTICULARS)
    for name, value in change.items():
        setattr(decision, name, value)

    assert not decision.binds(1, needs_legal=False)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"approved_by": None}, "nobody approved it"),
        ({"approved_by": MAKER}, "the same person approved it"),
        ({"approved_by": REVIEWER}, "who reviewed the papers approved it"),
        ({"proposed_by": CHECKER}, "who approved it is written down as its author"),
        ({"case_version": 2}, "the case has moved since"),
        ({"voided_at": LATER}, "what it was decided on has changed"),
        ({"sent_back_at": LATER}, "it was sent back"),
        ({"digest": "0" * 64}, "something else was approved"),
    ],
)
def test_an_approval_does_not_bind_when(columns: dict[str, Any], why: str) -> None:
    decision = an_approved_decision(a_case(), Stage.PARTICULARS)
    for name, value in columns.items():
        setattr(decision, name, value)

    assert not decision.binds(1, needs_legal=False), why


@pytest.mark.parametrize(("as_legal", "needs_legal", "binds"), [(0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 0)])
def test_where_the_legal_department_is_needed_it_has_to_approve(as_legal: int, needs_legal: int, binds: int) -> None:
    decision = proposal()

    approve(decision, as_legal=bool(as_legal))

    assert decision.binds(1, needs_legal=bool(needs_legal)) is bool(binds)


# What becomes of it


def test_a_proposal_is_sent_back_also_by_its_author() -> None:
    decision = proposal()

    send_back(decision)

    assert (decision.sent_back_by, decision.sent_back_at, decision.open_key) == (MAKER, LATER, None)


def test_what_is_void_is_open_no_more() -> None:
    decision = proposal()

    void(decision)

    assert (decision.voided_at, decision.open_key) == (LATER, None)


@pytest.mark.parametrize("earlier", [approve, send_back, void])
@pytest.mark.parametrize("later", [approve, send_back])
def test_of_what_something_has_become_nothing_else_becomes(
    earlier: Callable[[Decision], None], later: Callable[[Decision], None]
) -> None:
    decision = proposal()
    earlier(decision)
    before = values_of(decision)

    with pytest.raises(IllegalMove):
        later(decision)

    assert values_of(decision) == before


def test_voiding_is_a_fact_and_comes_also_after_an_approval() -> None:
    decision = an_approved_decision(a_case(), Stage.PARTICULARS)

    void(decision)

    assert not decision.binds(1, needs_legal=False)


@pytest.mark.parametrize("earlier", [send_back, void])
def test_voiding_what_is_over_changes_nothing(earlier: Callable[[Decision], None]) -> None:
    decision = proposal()
    earlier(decision)
    before = values_of(decision)

    decision.void(at=LATER + timedelta(days=1))

    assert values_of(decision) == before


# The digest


@given(contents)
def test_a_digest_does_not_depend_on_the_order_in_which_things_stand(content: dict[str, Any]) -> None:
    turned = dict(reversed(content.items()))

    assert digest_of(CASE, Stage.HOLDER, Verdict.DISCLOSE, None, turned) == digest_of(
        CASE, Stage.HOLDER, Verdict.DISCLOSE, None, content
    )


@given(contents)
def test_a_digest_is_the_same_once_the_content_was_in_the_database(content: dict[str, Any]) -> None:
    stored = json.loads(json.dumps(content))

    assert digest_of(CASE, Stage.HOLDER, Verdict.DISCLOSE, None, stored) == digest_of(
        CASE, Stage.HOLDER, Verdict.DISCLOSE, None, content
    )


@given(contents, contents)
def test_different_contents_have_different_digests(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = digest_of(CASE, Stage.HOLDER, Verdict.DISCLOSE, None, one) == digest_of(
        CASE, Stage.HOLDER, Verdict.DISCLOSE, None, other
    )

    assert same is (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


def test_all_that_is_decided_makes_a_difference_to_the_digest() -> None:
    variants = [
        digest_of(case, stage, verdict, refusal, content)
        for case in (CASE, OTHER_CASE)
        for stage in Stage
        for verdict in Verdict
        for refusal in (None, *RefusalReason)
        for content in ({"fields": ["name"]}, {"fields": ["name", "address"]}, {"addressee": str(UUID(int=1))})
    ]

    assert len(set(variants)) == len(variants)
    assert {len(digest) for digest in variants} == {64}


# What the database refuses, whatever the code does


def approved(**columns: Any) -> dict[str, Any]:
    return {"approved_by": CHECKER, "approved_at": LATER, "open_key": None} | columns


@pytest.mark.parametrize(
    ("stage", "verdict", "columns", "constraint"),
    [
        (Stage.ADDRESSES, Verdict.DISCLOSE, approved(approved_by=MAKER), "another_person_approves"),
        (Stage.ADDRESSES, Verdict.REFUSE, approved(approved_by=MAKER), "another_person_approves"),
        (Stage.HOLDER, Verdict.DISCLOSE, approved(approved_by=MAKER), "another_person_approves"),
        (Stage.PARTICULARS, Verdict.DISCLOSE, approved(approved_by=REVIEWER), "no_reviewer_approves"),
        (Stage.PARTICULARS, Verdict.REFUSE, approved(approved_by=REVIEWER), "no_reviewer_approves"),
        (Stage.PARTICULARS, Verdict.DISCLOSE, {"reviewed_by": None}, "papers_were_reviewed"),
        (Stage.ADDRESSES, Verdict.DISCLOSE, approved(approved_at=None), "approvals_are_dated"),
        (Stage.ADDRESSES, Verdict.DISCLOSE, approved(approved_by=None), "approvals_are_dated"),
        (Stage.ADDRESSES, Verdict.REFUSE, {"refusal": None}, "refusals_have_a_ground"),
    ],
)
def test_the_database_refuses(stage: Stage, verdict: Verdict, columns: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        write(proposal(stage, verdict, **({"as_legal": True} | columns)))


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("verdict", Verdict)
def test_the_database_takes_what_two_people_decided(stage: Stage, verdict: Verdict) -> None:
    write(proposal(stage, verdict, **approved()))


def test_the_database_takes_one_open_proposal_about_a_case() -> None:
    with pytest.raises(IntegrityError, match="open_key"):
        write(proposal(), proposal(id=UUID(int=99)))


def test_a_proposal_may_follow_one_that_was_sent_back() -> None:
    first = proposal()
    first.send_back(by=CHECKER, at=LATER)

    write(first, proposal(id=UUID(int=99)))

    assert first.id == DECISION

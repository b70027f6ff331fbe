"""Mutants of the terms and of agreeing to them: B27, B35, B45 to B47."""

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "B27",
        "models/terms.py",
        "        for document in documents\n    ]\n",
        "        for document in documents\n        if document.party is Party.PLATFORM\n    ]\n",
        (
            "tests/models/test_terms.py::test_an_agreement_is_recorded_for_every_document_with_version_address_and_hash",
            "tests/worker/test_bookings.py::test_consent_to_both_documents_is_stamped_when_the_code_is_accepted",
        ),
    ),
    Mutant(
        "B35",
        "worker/bookings.py",
        "    _stamp_consent(session, booking, at=received_at)\n",
        "",
        ("tests/worker/test_bookings.py::test_consent_to_both_documents_is_stamped_when_the_code_is_accepted",),
    ),
    Mutant(
        "B35",
        "worker/calls/ringing.py",
        "    _check_accepted(agreed_to, wish.accepted)\n",
        "",
        ("tests/worker/test_calls_at_once.py::test_whoever_did_not_name_both_documents_calls_nobody",),
    ),
    Mutant(
        "B45",
        "models/terms.py",
        "        if document.effective_at <= at and not foreign:\n            latest[document.id] = document\n",
        "        if document.effective_at <= at and not foreign:\n"
        "            latest.setdefault(document.id, document)\n",
        ("tests/models/test_terms.py::test_the_later_version_governs_from_the_instant_it_takes_effect",),
    ),
    Mutant(
        "B45",
        "worker/in_call/facts.py",
        "        terms.record_governing(session, booking.id, at=booking.call_began_at, provider=booking.provider)\n",
        "        terms.record_governing(session, booking.id, at=booking.created_at, provider=booking.provider)\n",
        ("tests/api/test_terms_api.py::test_made_under_one_version_and_held_under_the_next_both_are_on_record",),
    ),
    Mutant(
        "B46",
        "worker/terms.py",
        "    enqueue(session, Name.ANNOUNCE_TERMS, announcement_id=announcement.id)\n",
        "",
        ("tests/tasks/test_terms_notices.py::test_whoever_has_an_open_booking_is_told_by_the_channel_they_proved",),
    ),
    Mutant(
        "B46",
        "tasks/terms.py",
        "    if before not in {None, State.VOIDED}:\n        return False\n",
        "",
        ("tests/tasks/test_terms_notices.py::test_a_customer_with_two_bookings_is_told_once",),
    ),
    Mutant(
        "B46",
        "worker/terms.py",
        "    if given.effective_at < now + LEAST_NOTICE:\n        raise TermsTooSoon(earliest_at=now + LEAST_NOTICE)\n",
        "",
        ("tests/api/test_terms_api.py::test_no_version_holds_before_everybody_can_be_told",),
    ),
    Mutant(
        "B47",
        "worker/shops_seed.py",
        "_ENACTED_AT = local_instant(date(2021, 9, 28), 0, ZONE)\n",
        "_ENACTED_AT = local_instant(date(2021, 9, 29), 0, ZONE)\n",
        ("tests/models/test_shop.py::test_the_seeds_two_documents_govern_from_the_day_of_enactment",),
    ),
)

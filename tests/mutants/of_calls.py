"""Mutants of the video call, booked or at once: B2, B4, B7 to B9, B25, B26, B29, B32, B33."""

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "B2",
        "api/pages/call.py",
        "        return see_other(rooms.enter(database().transact(admit)))\n",
        "        return call_page(request, token, received_at)\n",
        ("tests/api/test_pages.py::test_inside_its_window_a_press_leads_to_the_room",),
    ),
    Mutant(
        "B2",
        "worker/video/rooms.py",
        '    secret = authenticated(derived("video rooms"), subject_id.bytes, str(revision))[:_NAME_BYTES]\n',
        "    secret = new_id(unix_ms()).bytes\n",
        ("tests/api/test_clauses_of_bookings.py::test_another_provider_carries_the_call_once_it_is_the_one",),
    ),
    Mutant(
        "B2",
        "api/resources.py",
        '        out["call_url"] = links.call_url(booking, Side.CUSTOMER)\n',
        "",
        ("tests/api/test_booking_operations.py::test_links_are_handed_out_only_once_the_booking_is_complete",),
    ),
    Mutant(
        "B4",
        "worker/webhooks/events.py",
        "    return Queue.CALLS if type_ in URGENT_EVENTS else Queue.WEBHOOKS\n",
        "    return Queue.WEBHOOKS\n",
        (
            "tests/tasks/test_webhook_deliveries.py::test_a_ringing_goes_before_everything_else_once_and_then_like_any_other",
        ),
    ),
    Mutant(
        "B4",
        "Procfile",
        "-Q calls --pool",
        "-Q calls,webhooks --pool",
        (
            "tests/house/test_jobs_are_served.py::test_what_somebody_waits_for_at_a_screen_shares_its_worker_with_nothing",
        ),
    ),
    Mutant(
        "B7",
        "worker/calls/availability.py",
        "        Presence.seen_at > now - FRESH_FOR,\n",
        "",
        ("tests/worker/test_calls_at_once.py::test_a_laptop_that_was_closed_is_not_rung",),
    ),
    Mutant(
        "B7",
        "worker/calls/availability.py",
        "    return max(0, idle - ringing - booked)\n",
        "    return max(0, idle)\n",
        (
            "tests/worker/test_calls_at_once.py::test_a_call_that_rings_keeps_one_of_the_staff",
            "tests/worker/test_calls_at_once.py::test_a_booked_call_that_begins_in_a_moment_keeps_one_of_the_staff",
        ),
    ),
    Mutant(
        "B7",
        "worker/calls/availability.py",
        "    if not shop.calendar.is_open(now):\n"
        "        return Availability(Because.CLOSED, opens_at=shop.calendar.next_opening(now))\n",
        "",
        ("tests/worker/test_calls_at_once.py::test_a_closed_shop_cannot_be_called_and_says_when_it_opens",),
    ),
    Mutant(
        "B8",
        "models/call.py",
        "        return open_ and (entered is None or now < entered + SAME_PRESS)\n",
        "        return open_\n",
        ("tests/models/test_call.py::test_an_entry_opens_once_for_its_side",),
    ),
    Mutant(
        "B8",
        "worker/calls/ringing.py",
        "    enqueue(session, Name.END_RINGING, due_at=ends_at, timer_of=call.id, call_id=call.id)\n",
        "",
        ("tests/worker/test_calls_at_once.py::test_a_ring_has_a_timer_on_a_queue_of_its_own",),
    ),
    Mutant(
        "B9",
        "api/pages/templates/call_now.html",
        '  <p><a class="button{% if not found.is_available %} primary{% endif %}" href="{{ book }}">'
        '{{ t("call_now.book") }}</a></p>\n',
        "",
        ("tests/api/test_call_now_pages.py::test_both_kinds_are_offered_and_terms_stand_before_the_button",),
    ),
    Mutant(
        "B25",
        "worker/video/__init__.py",
        "    return _made(settings().video_provider, settings())\n",
        "    return _made(VideoChoice.JITSI, settings())\n",
        ("tests/worker/test_video.py::test_which_provider_it_is_is_configured",),
    ),
    Mutant(
        "B25",
        "worker/bookings.py",
        "    booking.provider = video_provider().name\n",
        "",
        ("tests/tasks/test_video_rooms.py::test_a_booking_stays_with_the_provider_whose_terms_were_agreed_to",),
    ),
    Mutant(
        "B26",
        "api/pages/templates/booking.html",
        '  <p><a href="{{ url("/device-check", shop=shop.id) }}">{{ t("base.device_check") }}</a></p>\n',
        "",
        ("tests/api/test_clauses_of_bookings.py::test_the_booking_page_links_the_device_check",),
    ),
    Mutant(
        "B26",
        "models/call_fact.py",
        "    return FailedSide(other if problem is Symptom.OTHER_SIDE else told_by)\n",
        "    return FailedSide(told_by)\n",
        ("tests/models/test_in_call.py::test_a_failed_connection_lies_with_the_side_that_whoever_tells_it_means",),
    ),
    Mutant(
        "B26",
        "worker/calls/ending.py",
        "        enqueue(session, Name.LOOK_INTO_ROOM, timer_of=call.id, call_id=call.id, look=1)\n",
        "        give_up_unseen(session, call, now=now)\n",
        ("tests/tasks/test_looking_into_rooms.py::test_a_lost_webhook_puts_nobody_out",),
    ),
    Mutant(
        "B29",
        "api/pages/templates/base.html",
        '    <p>{{ t("base.operator", provider=provider) }}</p>\n',
        "",
        ("tests/api/test_pages.py::test_every_foot_names_contact_policy_terms_and_who_operates_the_call",),
    ),
    Mutant(
        "B29",
        "worker/video/livekit.py",
        '        grants = {"roomJoin": True, "room": name,',
        '        grants = {"roomJoin": True, "roomRecord": True, "room": name,',
        ("tests/api/test_video_receipts.py::test_no_recording_can_be_made_with_what_a_tap_gives",),
    ),
    Mutant(
        "B32",
        "models/booking.py",
        "        self._need(Status.IN_CALL)\n        self._complete(Ended.STAFF, at=now, actor=actor)\n",
        "        self._need(Status.IN_CALL)\n",
        ("tests/models/test_in_call.py::test_staff_can_end_a_call",),
    ),
    Mutant(
        "B32",
        "worker/in_call/reporting.py",
        "    session.add(made)\n",
        "",
        ("tests/api/test_in_call_api.py::test_a_report_reaches_the_operators_list_until_it_is_seen",),
    ),
    Mutant(
        "B33",
        "worker/in_call/facts.py",
        "            participant=told.participant,\n            error=told.error,\n",
        "",
        ("tests/worker/test_in_call_facts.py::test_the_providers_ids_and_errors_are_kept_as_evidence",),
    ),
)

"""Mutants of stopping the service, and of what becomes of bookings then: B20, B40 to B42, B44."""

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "B40",
        "worker/suspending.py",
        "    refuse(running(session, shop_id, at=at, provider=provider))\n",
        "",
        ("tests/worker/test_suspensions.py::test_while_it_runs_no_slot_can_be_held",),
    ),
    Mutant(
        "B40",
        "worker/suspensions.py",
        "    for deed in (Deed.RELEASE, Deed.TREAT):\n",
        "    for deed in (Deed.TREAT,):\n",
        ("tests/worker/test_suspensions.py::test_holds_are_released_when_it_begins",),
    ),
    Mutant(
        "B40",
        "worker/calls/availability.py",
        "    if stop is not None:\n        return Availability(Because.SUSPENDED, suspension=stop)\n",
        "",
        ("tests/worker/test_suspensions.py::test_while_it_runs_nobody_can_be_called",),
    ),
    Mutant(
        "B41",
        "worker/suspending.py",
        "    refuse(over(session, shop_id, starts_at, ends_at, provider=provider))\n",
        "",
        ("tests/worker/test_suspensions.py::test_no_time_inside_a_planned_one_can_be_held",),
    ),
    Mutant(
        "B41",
        "worker/suspensions.py",
        "    if stop.treatment is Treatment.KEEP:\n        found.outcome = Outcome.KEPT\n        return False\n",
        "",
        ("tests/worker/test_suspensions.py::test_kept_bookings_stand_as_promised",),
    ),
    Mutant(
        "B41",
        "models/suspension.py",
        "        return max(self.starts_at, starts_at - MOVE_BEFORE)"
        " if self.treatment is Treatment.MOVE else self.starts_at\n",
        "        return self.starts_at\n",
        ("tests/worker/test_suspensions.py::test_to_be_moved_a_booking_has_until_an_hour_before_its_time",),
    ),
    Mutant(
        "B20",
        "worker/suspensions.py",
        "    told_until = stop.move_until(booking.starts_at)\n",
        "    told_until = booking.change_deadline_at\n",
        (
            "tests/tasks/test_suspension_tasks.py::test_the_deadline_that_the_notice_named_holds_after_a_lift_and_is_named_again",
        ),
    ),
    Mutant(
        "B41",
        "worker/suspending.py",
        "    return first if first is not None and at < first.move_until(booking.starts_at) else None\n",
        "    return first\n",
        ("tests/worker/test_suspensions.py::test_from_the_end_that_was_told_a_late_worker_leaves_no_choice_open",),
    ),
    Mutant(
        "B42",
        "worker/suspending.py",
        '        return session.get_one(Suspension, UUID(message.facts["suspension_id"])).is_taken_back\n',
        "        return False\n",
        (
            "tests/tasks/test_suspension_tasks.py::test_a_notice_that_the_vendor_puts_off_while_it_is_undone_is_never_sent",
        ),
    ),
    Mutant(
        "B42",
        "worker/suspensions.py",
        "        _reach(session, stop, Deed.ANNOUNCE)\n",
        "",
        ("tests/worker/test_suspensions.py::test_those_affected_are_told_beforehand_once",),
    ),
    Mutant(
        "B42",
        "api/suspensions.py",
        "        if self.starts_at is None and self.without_notice_because is None:\n"
        '            raise ValueError("what begins at once cannot be told of before: give `without_notice_because`")\n',
        "",
        ("tests/api/test_suspensions_api.py::test_what_does_not_fit_together_is_refused",),
    ),
    Mutant(
        "B44",
        "models/booking.py",
        "        self.cancelled_by = cause\n",
        "        self.cancelled_by = Cause.CUSTOMER\n",
        (
            "tests/api/test_booking_operations.py::test_the_shop_withdraws_after_the_deadline_with_a_reason",
            "tests/worker/test_suspensions.py::test_cancelled_bookings_are_withdrawn_with_their_cause",
        ),
    ),
    Mutant(
        "B44",
        "tasks/bookings.py",
        "    if booking.status is Status.CANCELLED and booking.revision == revision:\n",
        "    if booking.cancelled_by is Cause.CUSTOMER and booking.revision == revision:\n",
        ("tests/tasks/test_booking_tasks.py::test_a_booking_that_the_shop_withdrew_is_answered_with_an_apology",),
    ),
)

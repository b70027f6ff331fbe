"""All mutants of the concierge, in the order of the clauses B1 to B47; each file beside this one knows a theme."""

from tests.mutants import of_bookings, of_calls, of_people, of_shops, of_suspensions, of_terms

_THEMES = (of_bookings, of_calls, of_people, of_shops, of_suspensions, of_terms)

MUTANTS = tuple(
    sorted((mutant for theme in _THEMES for mutant in theme.MUTANTS), key=lambda mutant: int(mutant.clause[1:]))
)

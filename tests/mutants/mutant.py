"""What a mutant is: one rule of the code taken out, and the tests that must notice."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One clause's rule, removed.

    Attributes:
        clause: whose rule it is, such as "B20".
        file: where the rule is kept, from the top of the repository.
        old: the lines that keep it; they stand in the file exactly once.
        new: what stands there when the rule is removed.
        tests: ids of tests, each of them in the clause's row of docs/clauses.md; at least one must fail.
    """

    clause: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

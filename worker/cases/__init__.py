"""Disclosure cases' transactions, for API, page, commands and tasks alike: lock, ask the model, write what follows.

Each function takes the caller's session and commits nothing. `moving` knows what every move brings with it; `noticing`
what the parties are told; the others one part of a case's life each.
"""

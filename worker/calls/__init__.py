"""Calls at once, for API, pages and tasks alike: who is free, who is rung, who answers, and how it ends.

Each transaction takes the caller's session and commits nothing. Locks are taken in one order: gate and desk before a
new call; a call, then a presence, then the desk.
"""

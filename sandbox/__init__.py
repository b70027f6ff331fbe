"""A stand-in for Twilio, SendGrid and LiveKit: speaks their HTTP, keeps a ledger of what was delivered, plays faults.

Imported by nobody, and imports nothing of ours: the project meets it over HTTP alone, as it meets the vendors.
"""

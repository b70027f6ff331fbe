"""A stand-in for Twilio and SendGrid: it speaks their HTTP, keeps a ledger of what was delivered, and plays faults.

Imported by nobody, and imports nothing of ours: the project meets it over HTTP alone, as it meets the vendors.
"""

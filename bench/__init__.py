"""Measures what the README claims: this system beside a bare Celery no-op, in one run. Imported by nobody."""

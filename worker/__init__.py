"""EQUIPS: what tasks stand on. The Celery app, the jobs engine, database, clock, seals, settings, vendors, words."""

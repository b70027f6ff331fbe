"""ADMITS: authenticate, validate, write rows and their jobs in one transaction, answer. No talk with the broker."""

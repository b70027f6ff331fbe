"""DECIDE: tables and the rules of what may happen next. No input or output, no clock, no chance, no settings."""

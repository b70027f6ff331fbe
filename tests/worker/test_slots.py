import pytest
def test_a(seeded): pass
def test_b(seeded): pass
def test_c(seeded, time): pass

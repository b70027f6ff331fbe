"""Papers that go by post, as PDF: the pledge that an applicant signs, the letter that discloses.

It knows type, lines, pages and the words on them, and makes equal bytes of equal words. It refuses to know cases,
clocks and seals: it prints what it is handed, and forgets it.
"""

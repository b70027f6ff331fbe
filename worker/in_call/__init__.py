"""What happens in a call, booked or at once: who came and left, who is waited for, how it ended, what is reported.

It takes the caller's session and commits nothing. It knows no provider: what one tells arrives here as a fact.
"""

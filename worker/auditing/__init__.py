"""The audit trail of disclosure cases: written with what it is about, signed day by day, verified from end to end.

Four layers, each against somebody else. Triggers refuse what an application or a shell would change in passing. A hash
chain per case shows what somebody changed, removed or inserted who could drop the triggers. The signed head of each day
shows what somebody did who also made all the hashes anew. Heads that were handed out (`python -m worker audit head`)
show what somebody did who has the SECRET_KEY and signed everything anew: keep them where he cannot write.

What happened since the last head is held by triggers and hashes alone.
"""

from worker.auditing.heads import exported, head_is_owed, sign_day
from worker.auditing.signing import public_key
from worker.auditing.trail import StillKept, append, chain_of_shop, purge, reason_of, record_disclosure, trail
from worker.auditing.verifying import Finding, Report, What, verify

__all__ = [
    "Finding",
    "Report",
    "StillKept",
    "What",
    "append",
    "chain_of_shop",
    "exported",
    "head_is_owed",
    "public_key",
    "purge",
    "reason_of",
    "record_disclosure",
    "sign_day",
    "trail",
    "verify",
]

"""What people may know, ask and have erased: customers' trails, exports, erasure and retention, all of it audited.

Every act of a person is an event in the shop's chain, written in the transaction of the act, with a sealed reason.
"""

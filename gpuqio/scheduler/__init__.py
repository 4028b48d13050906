"""Which job runs next, on this machine.

lifecycle: a job's states, as a table. turns: whose turn it is. policy: decisions, without I/O. crossing: a worker's
trip into the engine. ledger: the records. loop: the trio half. local: threads, and the backend that a trio run shares.
"""

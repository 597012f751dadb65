"""What lasts: one small interface (`api`), SQLite behind it (`sqlite`), PostgreSQL's place beside it.

A unit of work is a plain function over a `Transaction`; the store runs it on its one writer thread. Works that wait are
committed together, and a work's future is done when its effect is on disk. If the disk refuses, every work of that
commit raises `StoreError` and nothing of it is there: do not acknowledge.
"""

"""The domain: values in, decisions out.

Nothing here does I/O, logs, or reads a clock: the time is an argument (epoch milliseconds, ``*_ms``).
May import the standard library's pure parts and RE2 (pure matching), nothing of Tocsin outside this package.
"""

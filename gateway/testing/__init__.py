"""Public kit for tests of Tocsin and of third-party plugins: a clock turned by hand, recording fakes, conformance.

May import `gateway.plugin` and `gateway.core` only.
"""

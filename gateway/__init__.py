"""Tocsin's daemon: the pure core, the services around it, and the public plugin API (`gateway.plugin`)."""

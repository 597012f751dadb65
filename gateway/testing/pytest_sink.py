"""Pytest plugin: ``pytest --sink MODULE`` runs the conformance kit (`gateway.testing.sink_kit`) on a sink.

``MODULE`` is a module whose attribute ``plugin`` is a `gateway.plugin.SinkPlugin`, or the name of an entry point in the
group ``tocsin.sinks``. Without the option the plugin imports nothing and collects nothing.
"""

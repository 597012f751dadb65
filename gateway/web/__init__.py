"""The HTTP faces: metrics, health, JSON API and status pages, on loopback unless told otherwise.

What belongs here: what people and programs may see, and the few commands they may give. A command needs the
configured bearer token, or the admin socket in the state directory, which only the daemon's user can open.

What happens on failure: a store that cannot be read is a 503 with one sentence; the daemon goes on.

By hand: ``curl http://127.0.0.1:9464/api/v1/incidents``, ``curl http://127.0.0.1:9464/metrics``.
"""

from gateway.web.server import FacesError, listen_tcp, serve_faces

__all__ = ["FacesError", "listen_tcp", "serve_faces"]

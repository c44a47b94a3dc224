"""The address that links to ourselves begin with: never the Host header, which anybody may set."""

from __future__ import annotations

from flask import request

from bridge.web.access import services


def base_url() -> str:
    """Return `public_url`, else the listener's own address; without a slash at its end."""
    configured = services().settings.http.public_url.rstrip("/")
    if configured:
        return configured
    name, port = request.environ["SERVER_NAME"], request.environ["SERVER_PORT"]
    return f"{request.scheme}://{f'[{name}]' if ':' in name else name}:{port}"

"""What an EHR's authorization server says of itself: secrets go where they are safe."""

from __future__ import annotations

import pytest

from bridge.codecs.fhir.smart_launch import read_configuration
from bridge.errors import Unavailable


def test_an_ehr_over_tls_names_no_endpoint_without() -> None:
    here = "http://127.0.0.1:8080/token"
    said = {
        "issuer": "https://ehr.example.org",
        "code_challenge_methods_supported": ["S256"],
        "authorization_endpoint": "https://ehr.example.org/authorize",
        "token_endpoint": here,
        "jwks_uri": "https://ehr.example.org/jwks",
    }
    assert read_configuration(said, "http://127.0.0.1:8080/fhir").token == here
    with pytest.raises(Unavailable, match="token_endpoint"):
        read_configuration(said, "https://ehr.example.org/fhir")

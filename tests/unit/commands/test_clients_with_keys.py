"""`client add`: a program's public keys in, its client id out; a private key is sent back."""

from __future__ import annotations

from pathlib import Path

import orjson
from click.testing import CliRunner
from joserfc.jwk import ECKey

from bridge.cli import main


def test_a_program_is_registered_by_its_public_keys_alone(tmp_path: Path) -> None:
    settings = tmp_path / "bridge.toml"
    settings.write_text(f'[bridge]\ndata = "{tmp_path / "var"}"\n', encoding="utf-8")
    key = ECKey.generate_key("P-384", {"kid": "a"})
    said = []
    for name, is_private in (("public", False), ("private", True)):
        path = tmp_path / f"{name}.json"
        path.write_bytes(orjson.dumps({"keys": [key.as_dict(private=is_private)]}))
        words = ["client", "add", "bi", "--jwks", str(path), "--scope", "system/ImagingStudy.rs", "-c", str(settings)]
        said.append(CliRunner().invoke(main, words))
    assert said[0].exit_code == 0
    assert said[0].output.startswith("ib-client-")
    assert said[1].exit_code != 0
    assert "private key" in said[1].output

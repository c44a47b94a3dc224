"""`client add`: a program's public keys in, its client id out; a private key is sent back."""

from __future__ import annotations

from pathlib import Path

import orjson
from click.testing import CliRunner
from joserfc.jwk import ECKey, RSAKey

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


def test_the_public_parts_of_private_keys_are_printed_as_what_registers_a_program(tmp_path: Path) -> None:
    settings, files = tmp_path / "bridge.toml", [tmp_path / "ec.pem", tmp_path / "rsa.pem"]
    settings.write_text(f'[bridge]\ndata = "{tmp_path / "var"}"\n', encoding="utf-8")
    files[0].write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    files[1].write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
    printed = CliRunner().invoke(main, ["client", "jwks", *map(str, files)])
    assert printed.exit_code == 0
    keys = orjson.loads(printed.output)["keys"]
    assert [one["alg"] for one in keys] == ["ES384", "RS384"]
    assert not any({"d", "p", "q", "dp", "dq", "qi"} & one.keys() for one in keys)
    jwks = tmp_path / "jwks.json"
    jwks.write_text(printed.output, encoding="utf-8")
    words = ["client", "add", "bi", "--jwks", str(jwks), "--scope", "system/ImagingStudy.rs", "-c", str(settings)]
    assert CliRunner().invoke(main, words).output.startswith("ib-client-")
    assert CliRunner().invoke(main, ["client", "jwks", str(settings)]).exit_code != 0

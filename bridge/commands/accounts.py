"""user, token: who may come in."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from bridge.codecs.fhir.client_assertion import read_key_set
from bridge.codecs.signing_keys import public_key, read_signing_key
from bridge.commands.setting_up import actor, open_house, reports_errors, settings_option
from bridge.domain.accounts import Role, Scope
from bridge.flows.give_access import ClientKeys, add_client
from bridge.flows.manage_users import add_user, create_token
from bridge.start import prepare_store
from bridge.wiring import House


@click.group()
def user() -> None:
    """People who sign in."""


@user.command("add")
@click.argument("name")
@click.option("--role", required=True, type=click.Choice([one.value for one in Role if one != Role.SYSTEM]))
@settings_option
@reports_errors
def user_add(name: str, role: str, config: Path | None) -> None:
    """Add a person and print the link, good once, with which they choose their password.

    Example: imaging-bridge user add maria --role intake -c bridge.toml
    """
    house = _ready(config)
    link = add_user(house.store, house.clock, name, Role(role), actor())
    click.echo(f"{house.public_url}/sign-in/{link}")


@click.group()
def token() -> None:
    """Programs that call."""


@token.command("create")
@click.argument("name")
@click.option("--role", required=True, type=click.Choice([one.value for one in Role]))
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help=f"For system: {', '.join(Scope)}; all without it. system/ImagingStudy.rs: these resources over FHIR. patient/ID|ISSUER: one patient's studies over DICOMweb; with fhir or patient/ImagingStudy.rs beside it, over FHIR too; nothing else.",
)
@click.option(
    "--as",
    "ae_title",
    default="",
    help="Whose it is: what it stores counts as this peer's, and it performs and sees workitems as that device.",
)
@settings_option
@reports_errors
def token_create(name: str, role: str, scopes: tuple[str, ...], ae_title: str, config: Path | None) -> None:
    """Make an API token and print it: it is shown this once.

    Example: imaging-bridge token create ris --role system --scope hl7 -c bridge.toml
    """
    house = _ready(config)
    click.echo(
        create_token(house.store, house.clock, name, Role(role), scopes=scopes, ae_title=ae_title, actor=actor())
    )


@click.group()
def client() -> None:
    """Programs that sign who they are (SMART Backend Services)."""


@client.command("add")
@click.argument("name")
@click.option(
    "--jwks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its public keys, a JWKS file."
)
@click.option("--jwks-url", default="", help="Where it publishes them; https.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help=f"The most it may ask for: system/ImagingStudy.rs, {', '.join(Scope)}.",
)
@settings_option
@reports_errors
def client_add(name: str, jwks: Path | None, jwks_url: str, scopes: tuple[str, ...], config: Path | None) -> None:
    """Register a program by its public keys and print its client id.

    Example: imaging-bridge client add bi --jwks-url https://bi.example.org/jwks.json --scope system/ImagingStudy.rs -c bridge.toml
    """
    house = _ready(config)
    keys = ClientKeys(read_key_set(jwks.read_bytes()) if jwks is not None else None, jwks_url)
    click.echo(add_client(house.store, house.clock, name, scopes=scopes, keys=keys, actor=actor()))


@client.command("jwks")
@click.argument("keys", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@reports_errors
def client_jwks(keys: tuple[Path, ...]) -> None:
    """Print the public parts of private keys (PEM) as a JWKS, for whoever registers a program by it.

    Example: imaging-bridge client jwks bi.pem > bi.jwks.json
    """
    found = [public_key(read_signing_key(one)) for one in keys]
    click.echo(orjson.dumps({"keys": found}, option=orjson.OPT_INDENT_2))


def _ready(config: Path | None) -> House:
    """Open the house; on a fresh machine accounts may be made before the first start."""
    house = open_house(config)
    prepare_store(house)
    return house

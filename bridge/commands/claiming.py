"""claims: what payers paid and denied, from a terminal."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from bridge.building.clearing import claim_files
from bridge.commands.setting_up import actor, json_option, open_house, print_json, reports_errors, settings_option


@click.group(name="claims")
def claims_command() -> None:
    """Take in what payers say of claims."""


@claims_command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@settings_option
@json_option
@reports_errors
def import_file(file: Path, config: Path | None, as_json: bool) -> None:
    """Take in a payer's or clearinghouse's file (X12 835, 277, 278); the same file again changes nothing.

    Example: imaging-bridge claims import remittance.835 -c bridge.toml
    """
    done = claim_files(open_house(config)).import_file(file.read_bytes(), actor(), file.name)
    if as_json:
        print_json(asdict(done))
    else:
        click.echo(f"{done.taken} new, of which {done.waiting} about nobody known; {done.known} known already")
        if done.news:
            click.echo(f"{done.news} new on authorizations")
        if done.answered:
            click.echo(f"{done.answered} on files that were handed over")
        for why in done.refused:
            click.echo(f"not taken in: {why}")
    if done.refused:
        sys.exit(1)

"""authorizations: what payers permitted, from a terminal."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import click

from bridge.building.web_flows import authorization_lists
from bridge.commands.setting_up import actor, json_option, open_house, print_json, reports_errors, settings_option
from bridge.flows.import_authorizations import ImportedRow


@click.group(name="authorizations")
def authorizations_command() -> None:
    """Take in authorizations."""


@authorizations_command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@settings_option
@json_option
@reports_errors
def import_list(file: Path, config: Path | None, as_json: bool) -> None:
    """Take in a payer's or portal's list (CSV); rows with faults are left out and named.

    Example: imaging-bridge authorizations import portal.csv -c bridge.toml
    """
    house = open_house(config)
    imported = authorization_lists(house).import_list(file.read_bytes(), actor())
    if as_json:
        print_json({"rows": [_said(row) for row in imported.rows], "unread": list(imported.unread)})
    else:
        _print(imported.rows, imported.unread)
    if any(row.outcome == "faulty" for row in imported.rows):
        sys.exit(1)


def _said(row: ImportedRow) -> dict[str, object]:
    why = [{"column": column, "detail": sentence} for column, sentence in row.why]
    return {"row": row.number, "outcome": row.outcome, "authorization": row.authorization_key, "faults": why}


def _print(rows: tuple[ImportedRow, ...], unread: tuple[str, ...]) -> None:
    for row in rows:
        for column, sentence in row.why:
            click.echo(f"row {row.number}: {f'{column}: ' if column else ''}{sentence}")
    if unread:
        click.echo(f"not read: {', '.join(unread)}")
    counted = Counter(row.outcome for row in rows)
    click.echo(", ".join(f"{number} {outcome}" for outcome, number in sorted(counted.items())))

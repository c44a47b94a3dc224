"""x12: what a file from a payer or clearinghouse says, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bridge.codecs.x12 import envelope
from bridge.codecs.x12.envelope import Interchange
from bridge.codecs.x12.summary import Row, Summary, acknowledgements_of, summary_of
from bridge.commands.setting_up import json_option, print_json, reports_errors


@click.command("x12")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--with-patients", is_flag=True, help="Also what names a patient, a claim or an authorization.")
@json_option
@reports_errors
def x12_command(file: Path, with_patients: bool, as_json: bool) -> None:
    """Read an X12 file (278, 275, 277, 835, 999, TA1) and say in words what is in it and what is wrong with it; no database.

    Example: imaging-bridge x12 answer.edi
    """
    found = envelope.read(file.read_bytes())
    if as_json:
        print_json([_as_json(one, with_patients) for one in found])
        return
    for interchange in found:
        _print(interchange, with_patients)


def _as_json(interchange: Interchange, with_patients: bool) -> dict[str, Any]:
    return {
        "control_number": interchange.control_number,
        "sender": interchange.sender[1],
        "receiver": interchange.receiver[1],
        "is_test": interchange.is_test,
        "acknowledgements": [_row(one, with_patients) for one in acknowledgements_of(interchange)],
        "transactions": [
            {
                "name": one.name,
                "version": one.version,
                "control_number": one.control_number,
                "title": one.title,
                "refusal": one.refusal,
                "faults": [fault._asdict() for fault in one.faults],
                "let_through": [{"where": notice.where, "detail": notice.detail} for notice in one.notices],
                "says": [_row(row, with_patients) for row in one.rows],
            }
            for one in map(summary_of, interchange.transactions())
        ],
        "faults": [fault._asdict() for fault in interchange.all_faults()],
    }


def _print(interchange: Interchange, with_patients: bool) -> None:
    test = ", a test" if interchange.is_test else ""
    parties = f"from {interchange.sender[1]} to {interchange.receiver[1]}"
    click.echo(f"Interchange {interchange.control_number} {parties}{test}")
    for row in acknowledgements_of(interchange):
        _print_row(row, with_patients)
    for one in map(summary_of, interchange.transactions()):
        _print_transaction(one, with_patients)
    for fault in interchange.faults:
        click.echo(f"AT FAULT  {fault.where}: {fault.detail}")


def _print_transaction(said: Summary, with_patients: bool) -> None:
    click.echo(f"{said.name} {said.title} ({said.version}), number {said.control_number}")
    for fault in said.faults:
        click.echo(f"  AT FAULT  {fault.where}: {fault.detail}")
    if said.refusal:
        click.echo(f"  NOT READ  {said.refusal}")
    for row in said.rows:
        _print_row(row, with_patients)
    for notice in said.notices:
        click.echo(f"  let through  {notice.where}: {notice.detail}")


def _print_row(row: Row, with_patients: bool) -> None:
    shown = dict(_row(row, with_patients))
    what = shown.pop("what")
    click.echo(f"  {what}  " + ", ".join(f"{name} {value}" for name, value in shown.items()))


def _row(row: Row, with_patients: bool) -> dict[str, str]:
    return {**row.says, **row.private} if with_patients else row.says

"""merges: what was merged, moved and renumbered, and the way back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bridge.commands.setting_up import (
    actor,
    json_option,
    open_house,
    person,
    print_json,
    print_table,
    reports_errors,
    settings_option,
)
from bridge.flows.record_access import record_access
from bridge.flows.undo_merge import MergeUndoer
from bridge.store import audit
from bridge.store.listings import queues

_LIMIT = 200


@click.group("merges", invoke_without_command=True)
@settings_option
@json_option
@click.pass_context
@reports_errors
def merges_command(context: click.Context, config: Path | None, as_json: bool) -> None:
    """List merges, moves and changed numbers, newest first; `undo` takes one back.

    Example: imaging-bridge merges -c bridge.toml
    """
    context.obj = config
    if context.invoked_subcommand is not None:
        return
    house = open_house(config)
    with house.store.read() as tx:
        rows = [asdict(row) for row in queues.merge_rows(tx, before=None, limit=_LIMIT)]
    about: audit.About = {"detail": {"count": len(rows)}}
    record_access(house.store, house.clock, action="merges_listed", actor=actor(), **about)
    if as_json:
        print_json({"merges": rows})
    else:
        columns = ("key", "kind", "merged_at", "number", "new_number", "undone_at", "undone_by", "undo_note")
        print_table(rows, columns, "nothing was merged")


@merges_command.command("undo")
@click.argument("merge_id", type=int)
@click.option("--reason", required=True, help="Why; it is kept with the merge.")
@click.pass_obj
@reports_errors
def undo_command(config: Path | None, merge_id: int, reason: str) -> None:
    """Take a merge, a move or a changed number back: everything returns, and its studies are decided again.

    Example: imaging-bridge merges -c bridge.toml undo 3 --reason "two people after all"
    """
    house = open_house(config)
    undoer = MergeUndoer(house.store, house.clock, house.rules, house.destinations)
    note = undoer.undo(merge_id, reason, person())
    click.echo(f"undone; {note}" if note else "undone")

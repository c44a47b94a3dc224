"""orders: orders without HL7, from a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import click

from bridge.commands.setting_up import actor, json_option, open_house, print_json, reports_errors, settings_option
from bridge.domain.order_list import RowOutcome
from bridge.mapping.order_lists import ROWS_MAX, OrderList
from bridge.store import order_lists
from bridge.store.order_lists import DoneRow
from bridge.wiring import House

_LOOK_SECS = 0.2
_DATES = {"day-first": "day_first", "month-first": "month_first"}


@click.group(name="orders")
def orders_command() -> None:
    """Enter orders without HL7."""


@orders_command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dates", type=click.Choice(sorted(_DATES)), help="How dates such as 3/4/2026 are meant.")
@click.option("--dry-run", is_flag=True, help="Say what each row would do; write nothing.")
@settings_option
@json_option
@reports_errors
def import_list(file: Path, dates: str | None, dry_run: bool, config: Path | None, as_json: bool) -> None:
    """Put a day's list (CSV) on the worklist; rows with faults are left out and named.

    Example: imaging-bridge orders import tomorrow.csv --dry-run -c bridge.toml
    """
    house = open_house(config)
    raw, form = file.read_bytes(), _DATES.get(dates or "", "")
    found = house.handed_in.read_file(raw, form)
    rows = _outlook(house, found) if dry_run else _applied(house, file.name, raw, form)
    if as_json:
        print_json({"applied": not dry_run, "counts": _counted(rows), "rows": [_said(row) for row in rows]})
    else:
        _print(rows, every=dry_run)
    if any(row.faults for row in rows):
        sys.exit(1)


def _outlook(house: House, found: OrderList) -> list[DoneRow]:
    looked = house.handed_in.outlook(found.rows)
    return [DoneRow(one.row.number, one.outcome, one.order_key, one.row.faults) for one in looked]


def _applied(house: House, file_name: str, raw: bytes, form: str) -> list[DoneRow]:
    key = house.handed_in.hand_in(file_name, raw, actor())
    house.handed_in.apply(key, form, actor())
    _wait(house, key)
    with house.store.read() as tx:
        return order_lists.rows_of(tx, key, ROWS_MAX)


def _counted(rows: Sequence[DoneRow]) -> dict[str, int]:
    return {outcome.value: sum(row.outcome == outcome for row in rows) for outcome in RowOutcome}


def _said(row: DoneRow) -> dict[str, object]:
    said = {
        "row": row.number,
        "outcome": row.outcome.value,
        "order": f"order-{row.order_key}" if row.order_key else None,
    }
    return said | {"faults": [{"column": column, "detail": sentence} for column, sentence in row.faults]}


def _print(rows: Sequence[DoneRow], *, every: bool) -> None:
    for row in rows:
        for column, sentence in row.faults:
            click.echo(f"row {row.number}: {f'{column}: ' if column else ''}{sentence}")
        if every and not row.faults:
            click.echo(f"row {row.number}: {row.outcome}")
    if not every:
        click.echo(", ".join(f"{number} {outcome}" for outcome, number in _counted(rows).items()))


def _wait(house: House, key: int) -> None:
    """Apply the list here, unless a running worker is quicker."""
    pause = threading.Event()
    while True:
        with house.store.read() as tx:
            if not order_lists.get(tx, key).is_open:
                return
        if not house.order_lists.work():
            pause.wait(_LOOK_SECS)

"""orders: orders without HL7, from a terminal."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import click

from bridge.commands.setting_up import actor, open_house, reports_errors, settings_option
from bridge.domain.order_list import RowOutcome
from bridge.mapping.order_lists import OrderList
from bridge.store import order_lists
from bridge.wiring import House

_LOOK_SECS = 0.2
_DATES = {"day-first": "day_first", "month-first": "month_first"}
_FAULTS_MAX = 1000


@click.group(name="orders")
def orders_command() -> None:
    """Enter orders without HL7."""


@orders_command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dates", type=click.Choice(sorted(_DATES)), help="How dates such as 3/4/2026 are meant.")
@click.option("--dry-run", is_flag=True, help="Say what each row would do; write nothing.")
@settings_option
@reports_errors
def import_list(file: Path, dates: str | None, dry_run: bool, config: Path | None) -> None:
    """Put a day's list (CSV) on the worklist; rows with faults are left out and named.

    Example: imaging-bridge orders import tomorrow.csv --dry-run -c bridge.toml
    """
    house = open_house(config)
    raw, form = file.read_bytes(), _DATES.get(dates or "", "")
    found = house.handed_in.read_file(raw, form)
    if dry_run:
        _print_outlook(house, found)
        return
    key = house.handed_in.hand_in(file.name, raw, actor())
    house.handed_in.apply(key, form, actor())
    _wait(house, key)
    with house.store.read() as tx:
        counted = order_lists.counted(tx, key)
        refused = order_lists.rows_of(tx, key, _FAULTS_MAX, only=RowOutcome.REFUSED)
    for row in refused:
        _print_faults(row.number, row.faults)
    click.echo(", ".join(f"{number} {outcome}" for outcome, number in counted.items()))
    if refused:
        sys.exit(1)


def _print_outlook(house: House, found: OrderList) -> None:
    looked = {one.row.number: one for one in house.handed_in.outlook(found.rows)}
    for number, one in looked.items():
        if one.row.faults:
            _print_faults(number, one.row.faults)
        else:
            click.echo(f"row {number}: {one.outcome}")
    if any(one.row.faults for one in looked.values()):
        sys.exit(1)


def _print_faults(number: int, faults: tuple[tuple[str, str], ...]) -> None:
    for column, sentence in faults:
        click.echo(f"row {number}: {f'{column}: ' if column else ''}{sentence}")


def _wait(house: House, key: int) -> None:
    """Apply the list here, unless a running worker is quicker."""
    pause = threading.Event()
    while True:
        with house.store.read() as tx:
            if not order_lists.get(tx, key).is_open:
                return
        if not house.order_lists.work():
            pause.wait(_LOOK_SECS)

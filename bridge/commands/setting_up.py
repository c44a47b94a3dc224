"""What every command needs: the settings file, a house over it, one way to print rows, one way to fail."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click
import orjson

from bridge import log, settings
from bridge.clock import Clock
from bridge.errors import BridgeError, Misconfigured

if TYPE_CHECKING:
    from bridge.wiring import House

P = ParamSpec("P")
R = TypeVar("R")

settings_option = click.option(
    "-c",
    "--config",
    "config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="IMAGING_BRIDGE_CONFIG",
    help="Settings file (TOML); without it every setting has its default.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def own_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Hand *command* the settings file that is named after it, else the one named after its group."""

    def chosen(of_group: Path | None, /, config: Path | None, **said: Any) -> None:
        command(config or of_group, **said)

    functools.update_wrapper(chosen, command)
    return settings_option(click.pass_obj(chosen))


def open_house(config: Path | None) -> House:
    """Return the house of *config*, with logs kept to warnings: a command's output is its answer."""
    # Nothing else takes as long to load, and looking at a file needs no house.
    from bridge.wiring import House

    log.configure(level=30)
    return House(settings.load(config), Clock())


def actor() -> str:
    """Return whom the audit trail names for a command: the account it ran under."""
    return f"terminal:{os.environ.get('USER') or os.getuid()}"


def person() -> str:
    """Return whom a record names for what a command decides: a person at a terminal."""
    return f"user:{actor()}"


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the house's errors into one sentence each on stderr and status 1 (2 for settings)."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except Misconfigured as fault:
            for sentence in fault.faults:
                click.echo(sentence, err=True)
            sys.exit(2)
        except BridgeError as fault:
            place = f"{fault.where}: " if fault.where else ""
            click.echo(f"{place}{fault.to_caller}", err=True)
            sys.exit(1)
        except LookupError as fault:
            click.echo(str(fault), err=True)
            sys.exit(1)

    return wrapped


def print_json(value: Any) -> None:
    """Print *value* as JSON."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
    """Print *rows* under their headings, each column as wide as its widest value; *empty* where there are none."""
    if not rows:
        click.echo(empty)
        return
    cells = [[_cell(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(len(line[n]) for line in [list(columns), *cells]) for n in range(len(columns))]
    for line in [[column.replace("_", " ") for column in columns], *cells]:
        click.echo("  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(_cell(one) for one in value)
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return str(value)

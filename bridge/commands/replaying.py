"""replay: journalled messages again, by number or by filter."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import click

from bridge.commands.setting_up import actor, open_house, reports_errors, settings_option
from bridge.errors import Incomplete, Malformed
from bridge.flows.read_filter import PARAMETERS, read_filter
from bridge.flows.replay_message import replay_message
from bridge.flows.replay_messages import ask_replay, cancel_replay
from bridge.store import replays
from bridge.store.replays import Replay
from bridge.wiring import House

_LOOK_SECS = 0.2


@click.command()
@click.argument("message_ids", nargs=-1, type=int)
@click.option(
    "--filter",
    "said",
    multiple=True,
    metavar="NAME=VALUE",
    help=f"Every message of a kind; several narrow it. Names: {', '.join(PARAMETERS)}.",
)
@click.option("--dry-run", is_flag=True, help="Say what would come of them by today's mapping; write nothing.")
@settings_option
@reports_errors
def replay(message_ids: tuple[int, ...], said: tuple[str, ...], dry_run: bool, config: Path | None) -> None:
    """Process journalled messages again, with today's mapping: by number, or all that a filter names.

    Example: imaging-bridge replay --filter state=refused --filter since=2026-03-02 --dry-run -c bridge.toml
    """
    if bool(message_ids) == bool(said) or (dry_run and not said):
        raise Incomplete("name messages by number, or by --filter NAME=VALUE (which alone takes --dry-run)")
    house = open_house(config)
    if said:
        _replay_many(house, said, dry_run=dry_run)
        return
    states = [replay_message(house.store, house.journal_reader, key, actor()) for key in message_ids]
    for key, state in zip(message_ids, states, strict=True):
        click.echo(f"{key}: {state}")
    if any(state != "applied" for state in states):
        sys.exit(1)


def _replay_many(house: House, said: Sequence[str], *, dry_run: bool) -> None:
    """Ask for a replay and do it here, unless a running worker is quicker; Ctrl-C stops it."""
    wanted = read_filter(_parameters(said), house.settings.time_zone)
    key = ask_replay(house.store, house.clock, wanted, actor(), dry_run=dry_run)
    house.replays.start()
    try:
        done = _watch(house, key)
    except KeyboardInterrupt:
        cancel_replay(house.store, house.clock, key, actor())
        done = _read(house, key)
    finally:
        house.replays.stop()
    words = "would change" if dry_run else "changed"
    click.echo(f"{done.state}: {done.done} of {done.total}, {words} {done.changed}")
    click.echo(f"applied {done.applied}, refused {done.refused}, failed {done.failed}")
    if done.state != "done" or done.refused or done.failed:
        sys.exit(1)


def _watch(house: House, key: int) -> Replay:
    pause = threading.Event()
    shown = -1
    while (replay := _read(house, key)).is_open:
        if replay.done != shown and sys.stderr.isatty():
            click.echo(f"\r{replay.done} of {replay.total}", nl=False, err=True)
            shown = replay.done
        pause.wait(_LOOK_SECS)
    return replay


def _read(house: House, key: int) -> Replay:
    with house.store.read() as tx:
        return replays.get(tx, key)


def _parameters(said: Sequence[str]) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for each in said:
        name, mark, value = each.partition("=")
        if name not in PARAMETERS or not mark:
            raise Malformed(f"NAME=VALUE is wanted, NAME being one of {', '.join(PARAMETERS)}", where="--filter")
        parameters[name] = value
    return parameters

"""serve, check, migrate: a node's life."""

from __future__ import annotations

import functools
import gc
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from bridge import log, settings
from bridge.clock import Clock
from bridge.commands.setting_up import json_option, open_house, print_json, print_table, reports_errors, settings_option
from bridge.domain.accounts import Role
from bridge.errors import Misconfigured
from bridge.flows.manage_users import first_sign_in_link, trusted_sign_in_link
from bridge.peer_check import check_peers
from bridge.start import make_data_folder, prepare, work_in_data_folder
from bridge.store import schema
from bridge.supervisor import Supervisor
from bridge.wiring import ROLES, House, make_role
from bridge.wiring import Role as RunningRole

# Objects made and not let go, then searches of the younger for one of the older.
_GARBAGE_SOUGHT_AFTER = (20_000, 20, 20)


@click.command()
@settings_option
@click.option("--roles", default=",".join(ROLES), help="Which roles this node takes, comma separated.")
@click.option("--one-process", is_flag=True, help="All roles as threads of this process: less memory, less isolation.")
@click.option("--demo", is_flag=True, help="Mark every page as a demonstration, and let a link sign in; loopback only.")
@reports_errors
def serve(config: Path | None, roles: str, one_process: bool, demo: bool) -> None:
    """Run everything the settings configure.

    Prints one line that begins with "ready" once every listener answers; logs go to stderr.

    Example: imaging-bridge serve -c bridge.toml
    """
    chosen = _read_roles(roles)
    log.configure()
    house = House(settings.load(config), Clock(), is_demo=demo)
    prepare(house)
    work_in_data_folder(house)
    processes = chosen if one_process else house.processes_of(chosen)
    if one_process or len(processes) == 1:
        _serve_here(house, chosen)
    else:
        # A pool's connections must not be shared with child processes.
        house.store.dispose()
        _set_aside_what_stays()
        supervisor = Supervisor(processes, functools.partial(_run_role, config, demo))
        _say_ready(house, supervisor.start())
        supervisor.run()


@click.command()
@settings_option
@click.option("--connect", is_flag=True, help="Also call every peer and server.")
@json_option
@reports_errors
def check(config: Path | None, connect: bool, as_json: bool) -> None:
    """Check settings, mappings, rules and schema, and say what falls back to a default.

    Example: imaging-bridge check -c bridge.toml --connect
    """
    house = open_house(config)
    prepare(house)
    falling_back = [site.name for site in house.mappings.sites if not site.authority]
    with house.store.read() as tx:
        overruled = house.devices.faults(tx)
    calls = check_peers(house) if connect else []
    if as_json:
        faults = {"sites_without_authority": falling_back, "device_choices_that_do_not_count": overruled}
        print_json({"ok": True, **faults, "peers": calls})
        return
    click.echo(f"settings, mappings ({len(house.mappings.sites)} sites), rules and schema {schema.latest()} are sound")
    for name in falling_back:
        click.echo(f"site {name}: identifiers without an authority count as {house.settings.identity.authority}'s")
    for fault in overruled:
        click.echo(f"{fault}: what was chosen in the console does not count")
    if connect:
        print_table(calls, ("name", "kind", "address", "answer", "milliseconds"), "no peers or servers are configured")
        if any(not call["ok"] for call in calls):
            sys.exit(1)


@click.command()
@settings_option
@reports_errors
def migrate(config: Path | None) -> None:
    """Bring the database to this version.

    Example: imaging-bridge migrate -c bridge.toml
    """
    house = open_house(config)
    make_data_folder(house)
    click.echo(f"the database is at version {schema.migrate(house.store)}")


def _read_roles(text: str) -> list[str]:
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(wanted) - set(ROLES))
    if unknown or not wanted:
        raise Misconfigured([f"--roles: {', '.join(unknown) or 'none'} not known; roles are {', '.join(ROLES)}"])
    return [name for name in ROLES if name in wanted]


def _serve_here(house: House, names: list[str]) -> None:
    roles = [make_role(name, house) for name in names]
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    addresses: dict[str, str] = {}
    for role in roles:
        role.start()
        addresses |= role.addresses
    _set_aside_what_stays()
    _say_ready(house, addresses)
    alive = _wait(stopping, roles)
    for role in roles:
        role.stop()
    house.store.dispose()
    if not alive:
        click.echo("a role ended by itself", err=True)
        sys.exit(1)


def _set_aside_what_stays() -> None:
    """Leave what a started process holds for good out of every search for garbage: nobody is answered meanwhile."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_SOUGHT_AFTER)


def _wait(stopping: threading.Event, roles: list[RunningRole]) -> bool:
    """Wait for the end; False if a role died: half alive is worse than down."""
    while not stopping.wait(0.5):
        if not all(role.is_alive for role in roles):
            return False
    return True


def _run_role(config: Path | None, demo: bool, name: str, report: Callable[[Mapping[str, str]], None]) -> None:
    """What one child of the supervisor does."""
    log.configure()
    house = House(settings.load(config), Clock(), is_demo=demo)
    role = make_role(name, house)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    role.start()
    _set_aside_what_stays()
    report(role.addresses)
    alive = _wait(stopping, [role])
    role.stop()
    house.store.dispose()
    if not alive:
        sys.exit(1)


def _say_ready(house: House, addresses: Mapping[str, str]) -> None:
    """Print the ready line, and before it the link that makes the first administrator: there is no default password."""
    console = addresses.get("http")
    link = _sign_in_link(house) if console is not None else None
    if console is not None and link is not None:
        address = (house.settings.http.public_url or console).rstrip("/")
        lasts = "24 hours" if house.is_demo else "30 minutes"
        click.echo(f"sign in once, within {lasts}: {address}/sign-in/{link}")
    places = " ".join(f"{name}={address}" for name, address in addresses.items())
    click.echo(f"ready {places or 'worker'}")
    sys.stdout.flush()


def _sign_in_link(house: House) -> str | None:
    if house.is_demo:
        return trusted_sign_in_link(house.store, house.clock, "demo", Role.ADMIN)
    return first_sign_in_link(house.store, house.clock)

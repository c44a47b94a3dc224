"""blobs: the store of objects, how full, how sound, and what may go."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click

from bridge.building.shelf import object_verifier, removal_rule, shelf_desk
from bridge.commands.setting_up import actor, json_option, open_house, print_json, reports_errors, settings_option
from bridge.flows.remove_archived import remove_archived, what_would_go
from bridge.flows.sweep_objects import sweep_objects
from bridge.store import objects

_MB = 1_000_000


@click.group("blobs")
def blobs_command() -> None:
    """Look after the kept objects.

    Example: imaging-bridge blobs usage -c bridge.toml
    """


@blobs_command.command()
@settings_option
@json_option
@reports_errors
def usage(config: Path | None, as_json: bool) -> None:
    """Say what is kept, what room there is, and what is damaged.

    Example: imaging-bridge blobs usage -c bridge.toml
    """
    shelf = shelf_desk(open_house(config)).look()
    if as_json:
        print_json(dataclasses.asdict(shelf))
        return
    total = shelf.used.total
    click.echo(
        f"{shelf.where}: {total.objects} objects, {total.size_bytes / _MB:.1f} MB (counted {shelf.used.counted_at:%Y-%m-%d %H:%M}Z)"
    )
    for name, amount in shelf.used.by_modality.items():
        click.echo(f"  {name or 'no modality'}: {amount.objects} objects, {amount.size_bytes / _MB:.1f} MB")
    lasts = f", for {shelf.room_days} days at the present rate" if shelf.room_days is not None else ""
    click.echo(f"room on this disk above the low-water mark: {shelf.free_bytes / _MB:.0f} MB{lasts}")
    click.echo(f"damaged: {shelf.damaged_count}")


@blobs_command.command()
@settings_option
@json_option
@reports_errors
def verify(config: Path | None, as_json: bool) -> None:
    """Read every object now and compare it with its digest; exit status 1 if one is damaged.

    Example: imaging-bridge blobs verify -c bridge.toml
    """
    house = open_house(config)
    done = object_verifier(house).read_all()
    with house.store.read() as tx:
        damaged = objects.count_damaged(tx)
    if as_json:
        print_json({"objects": done.read_objects, "bytes": done.read_bytes, "damaged": damaged})
    else:
        click.echo(f"{done.read_objects} objects, {done.read_bytes / _MB:.1f} MB read; {damaged} damaged")
    sys.exit(1 if damaged else 0)


@blobs_command.command()
@settings_option
@click.option("--yes", is_flag=True, help="Remove it; else it is only listed.")
@json_option
@reports_errors
def remove(config: Path | None, yes: bool, as_json: bool) -> None:
    """Say which studies the retention rule would remove here, since archives keep them.

    Example: imaging-bridge blobs remove -c bridge.toml
    """
    house = open_house(config)
    if yes:
        done = remove_archived(house.store, house.blobs, house.clock, removal_rule(house), actor())
        said = dataclasses.asdict(done)
    else:
        found = what_would_go(house.store, removal_rule(house), house.clock.now())
        size_bytes = sum(one.size_bytes for one in found)
        said = {"studies": len(found), "objects": sum(one.instances for one in found), "size_bytes": size_bytes}
    if as_json:
        print_json({"removed": yes, **said})
        return
    words = "removed" if yes else "would be removed"
    click.echo(f"{said['studies']} studies, {said['objects']} objects, {said['size_bytes'] / _MB:.1f} MB {words}")


@blobs_command.command()
@settings_option
@click.option("--however-many", is_flag=True, help="Also if more than a hundredth of all objects have no row.")
@reports_errors
def sweep(config: Path | None, however_many: bool) -> None:
    """Lay apart what no row names, bring back what one does, drop what lay apart long enough.

    Example: imaging-bridge blobs sweep -c bridge.toml
    """
    house = open_house(config)
    done = sweep_objects(house.store, house.blobs, house.clock.now(), however_many=however_many)
    click.echo(f"{done.taken} laid apart, {done.returned} brought back, {done.dropped} dropped")

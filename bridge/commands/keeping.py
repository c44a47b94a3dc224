"""backup, restore: embedded storage, copied and brought back."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.commands.setting_up import open_house, reports_errors, settings_option
from bridge.flows.back_up import back_up, restore
from bridge.start import make_data_folder


@click.command("backup")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@settings_option
@reports_errors
def backup_command(folder: Path, config: Path | None) -> None:
    """Copy the embedded database and every object into a new folder, while the node runs.

    Example: imaging-bridge backup /srv/backup/monday -c bridge.toml
    """
    house = open_house(config)
    made = back_up(house.settings.database_url, house.blobs, folder, house.clock)
    click.echo(f"{made.objects} objects, {made.bytes / 1_000_000:.1f} MB and the database are in {folder}")
    if made.lacking:
        click.echo(f"{made.lacking} objects are damaged or missing here and lack there too", err=True)


@click.command("restore")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@settings_option
@reports_errors
def restore_command(folder: Path, config: Path | None) -> None:
    """Lay a backup out as this node's data, which must be empty; deliveries then wait for a person.

    Example: imaging-bridge restore /srv/backup/monday -c bridge.toml
    """
    house = open_house(config)
    make_data_folder(house)
    made = restore(folder, house.settings.database_url, house.blobs, house.clock)
    click.echo(f"{made.objects} objects and the database are restored; see imaging-bridge deliveries --state held")

"""import: studies of another hospital from a disc, a folder or a ZIP."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from bridge.building.web_flows import media_importer
from bridge.commands.setting_up import json_option, open_house, person, print_json, reports_errors, settings_option
from bridge.domain.identifiers import PatientIdentifier
from bridge.errors import Incomplete
from bridge.flows.import_media import Imported, Importing
from bridge.flows.media_files import files_of

_TELL_EVERY = 250
_STATES = {
    "bound": "bound",
    "bound_with_correction": "bound, and what leaves is corrected",
    "review": "waits for a person",
    "quarantine": "waits for evidence or a person",
}


@click.command(name="import")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--patient", default="", metavar="ID", help="Whose it is, as you say; a veto still asks.")
@click.option("--issuer", default="", help="Who gave that number; ours if it is left out.")
@click.option("--match", "by_rules", is_flag=True, help="Let the rules look whose it is (they do so anyway).")
@click.option("--dry-run", is_flag=True, help="Say what is on it; take nothing in.")
@settings_option
@json_option
@reports_errors
def import_command(
    path: Path, patient: str, issuer: str, config: Path | None, *, by_rules: bool, dry_run: bool, as_json: bool
) -> None:
    """Take in a disc (DICOMDIR), a folder or a ZIP from another hospital. What is here already is recognised.

    Example: imaging-bridge import /media/cdrom --patient 00041001 --issuer MERCY -c bridge.toml
    """
    if patient and by_rules:
        raise Incomplete("either --patient or --match", where="--match")
    if issuer and not patient:
        raise Incomplete("whose number?", where="--patient")
    house = open_house(config)
    importer = media_importer(house)
    if dry_run:
        objects, others = importer.look(files_of(path))
        said = {"objects": objects, "other_files": others}
        print_json(said) if as_json else click.echo(
            f"{objects} DICOM objects, {others} other files; nothing was taken in"
        )
        return
    whom = PatientIdentifier(patient, issuer) if patient else None
    done = importer.import_files(files_of(path), Importing(person(), "terminal", whom, _looks))
    if as_json:
        print_json(asdict(done) | {"studies": [asdict(one) for one in done.studies.values()]})
    else:
        _print(done)
    if done.set_aside or done.stopped or not done.studies:
        sys.exit(1)


def _looks(imported: Imported) -> bool:
    if imported.objects % _TELL_EVERY == 0 and sys.stderr.isatty():
        click.echo(f"{imported.objects} objects of {len(imported.studies)} studies", err=True)
    return True


def _print(done: Imported) -> None:
    for one in done.studies.values():
        here = f", {one.known} here before" if one.known else ""
        click.echo(f"{one.study_instance_uid}  {one.taken} new{here}  {_STATES.get(one.state, one.state)} ({one.rule})")
        click.echo(f"  {one.sentence}")
    click.echo(f"{len(done.studies)} studies, {done.objects} objects")
    for why, count in sorted(done.set_aside.items()):
        click.echo(f"set aside: {count}, {why}")
    if done.other_files:
        click.echo(f"{done.other_files} other files on it")
    if done.missing:
        click.echo(f"{done.missing} files that the DICOMDIR names are not there")
    if done.stopped:
        click.echo(f"stopped: {done.stopped}")

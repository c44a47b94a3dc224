"""view: what the bridge reads of an object, beside what its device wrote."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bridge.codecs.dicom import datasets
from bridge.commands.setting_up import (
    json_option,
    open_house,
    print_json,
    print_table,
    reports_errors,
    settings_option,
)
from bridge.domain.study import Header

_SHOWN = (
    "patient_id",
    "issuer_of_patient_id",
    "patient_name",
    "patient_birth_date",
    "patient_sex",
    "patient_age",
    "accession_number",
    "study_id",
    "study_date",
    "study_time",
    "modality",
    "series_number",
    "instance_number",
    "referring_physician_name",
    "manufacturer",
    "manufacturer_model_name",
    "station_name",
    "institution_name",
)


@click.command("view")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--from", "sender", default="", help="Read it as if this AE title had sent it.")
@settings_option
@json_option
@reports_errors
def view_command(file: Path, sender: str, config: Path | None, as_json: bool) -> None:
    """Show what is read of a DICOM file as its device wrote it, and by the site's rules (mappings/repairs); no database.

    Example: imaging-bridge view plate.dcm --from CRCELLAR
    """
    house = open_house(config)
    header = house.image_sources.read_header(file, sender)
    rows = _rows(datasets.read_header(file), header)
    if as_json:
        print_json({"values": rows, "clock_ahead_secs": header.clock_ahead_secs, "let_through": list(header.faults)})
        return
    print_table(rows, ("value", "as_written", "as_read", "by_rule"), "nothing")
    if header.clock_ahead_secs:
        click.echo(f"Its clock goes {header.clock_ahead_secs / 60:+g} minutes ahead, as far as order windows go.")
    if header.faults:
        click.echo(f"Let through: {', '.join(header.faults)}")


def _rows(written: Header, read: Header) -> list[dict[str, Any]]:
    said, now = asdict(written), asdict(read)
    repaired = {one.keyword.lower(): one for one in reversed(read.repairs)}
    rules: dict[str, list[str]] = {}
    for one in read.repairs:
        rules.setdefault(one.keyword.lower(), []).append(one.rule)
    rows = []
    for name in _SHOWN:
        keyword = name.replace("_", "").lower()
        first = repaired.get(keyword)
        received = first.received if first is not None else said[name]
        if received not in ("", None) or now[name] not in ("", None):
            row = {"value": name, "as_written": received, "as_read": now[name], "by_rule": rules.get(keyword, [])}
            rows.append(row)
    return rows

"""map: what a message would do, from a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bridge.commands.setting_up import (
    json_option,
    open_house,
    print_json,
    print_table,
    reports_errors,
    settings_option,
)
from bridge.errors import Incomplete
from bridge.flows.preview_message import Ground, Preview, preview_messages
from bridge.mapping.resolve import MappingSet

_VALUE_MAX = 60
_ABOUT_MAX = 150


@click.command("map")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--site", default="", help="Read it by the rules of this site, or of a preset (sites/us_ehr).")
@settings_option
@json_option
@reports_errors
def map_command(file: Path, site: str, config: Path | None, as_json: bool) -> None:
    """Show what HL7 messages would do, where each value came from, and what was ignored; nothing is stored.

    FILE: one message or several, a batch, or frames out of a log.

    Example: imaging-bridge map order.hl7 --site riverside
    """
    house = open_house(config)
    _check_site(house.mappings, site)
    ground = Ground(house.mappings, house.defaults, house.stations_for, house.settings.identity.system_of)
    previews = preview_messages(file.read_bytes(), ground, site)
    if as_json:
        print_json(previews[0] if len(previews) == 1 else {"messages": previews})
    for number, preview in enumerate(previews if not as_json else (), 1):
        if len(previews) > 1:
            click.echo(f"{'' if number == 1 else chr(10)}=== message {number} of {len(previews)} ===")
        _print_preview(preview)
    if any(preview["error"] for preview in previews):
        sys.exit(1)


def _check_site(mappings: MappingSet, name: str) -> None:
    if name and mappings.rules_named(name) is None:
        sites = ", ".join(site.name for site in mappings.sites) or "none"
        presets = ", ".join(f"sites/{preset.name}" for preset in mappings.presets)
        raise Incomplete(f"no such site; there are {sites}; presets are {presets}", where="--site")


def _print_preview(preview: Preview) -> None:
    click.echo(f"{preview['event']}  control ID {preview['control_id'] or 'none'}  {preview['charset']}".rstrip())
    click.echo(f"site: {preview['site'] or 'none: the base rules read it'} ({preview['site_because']})")
    error = preview["error"]
    if error:
        click.echo(f"refused: {error['code']} {error['error_code']} {error['where']}: {error['detail']}")
    _print_rows("Presets that read it, the best first", preview["presets"], ("name", "about"), _ABOUT_MAX)
    _print_asked(preview["asked"])
    _print_items(preview["worklist"])
    _print_rows("Warnings", preview["notices"], ("severity", "where", "detail"))
    _print_rows("Ignored: no rule reads it", preview["ignored"], ("where", "label", "value"))
    _print_rows("Where each value came from", preview["trace"], ("target", "value", "source", "rule"))
    _print_rows("Not needed: another place came first", preview["not_needed"], ("where", "label", "value", "targets"))
    _print_missing(preview["missing"])
    if preview["drafts"]:
        _section("What it says")
        click.echo(preview["drafts"].rstrip())
    if preview["fhir"]:
        _section("FHIR R4")
        for resource in preview["fhir"]:
            click.echo(json.dumps(resource, ensure_ascii=False))
    for number, fault in enumerate(preview["lint"]):
        if not number:
            _section("The standard would have it otherwise")
        click.echo(fault)


def _print_asked(asked: Sequence[dict[str, Any]]) -> None:
    if asked:
        _section("Asked first")
    for one in asked:
        found = f"{one['value']}  from {one['source']}" if one["value"] else "not found"
        click.echo(f"  {one['target']:<40}{found}  [{one['rule']}]")
        if one["tried"]:
            click.echo(f"  {'':<40}{_places(one['tried'])}")


def _print_items(items: Sequence[dict[str, Any]]) -> None:
    for number, item in enumerate(items, 1):
        state = f"kept back: {item['incomplete']}" if item["incomplete"] else "complete"
        _section(f"Worklist item {number}: {state}")
        for name, value in item.items():
            if name != "incomplete":
                shown = ", ".join(value) if isinstance(value, list) else value
                click.echo(f"  {name:<30}{shown or '-'}")


def _print_missing(missing: Sequence[dict[str, Any]]) -> None:
    if missing:
        _section("Looked for, and not found")
    for one in missing:
        instead = f" -> {one['instead']}, from {one['made_from']}" if one["instead"] else ""
        click.echo(f"  {one['target']}{instead}\n      {_places(one['tried'])}  [{one['rule']}]")


def _places(tried: Sequence[dict[str, Any]]) -> str:
    return "; ".join(
        f"{one['path']}: {one['why']}" + (f" ({_cut(one['value'], _VALUE_MAX)})" if one["value"] else "")
        for one in tried
    )


def _print_rows(title: str, rows: Sequence[dict[str, Any]], columns: Sequence[str], longest: int = _VALUE_MAX) -> None:
    if not rows:
        return
    _section(title)
    print_table([{name: _cut(value, longest) for name, value in row.items()} for row in rows], columns, "")


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, list):
        value = ", ".join(value)
    return f"{value[: longest - 1]}…" if isinstance(value, str) and len(value) > longest else value


def _section(title: str) -> None:
    click.echo(f"\n{title}")

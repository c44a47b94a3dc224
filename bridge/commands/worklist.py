"""worklist: what a device gets when it asks, why not, and what it asked, from a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bridge.codecs.dicom.asked_keys import AskedKeys
from bridge.commands.setting_up import (
    actor,
    json_option,
    open_house,
    print_json,
    print_table,
    reports_errors,
    settings_option,
)
from bridge.domain.worklist_query import KeptQuery
from bridge.domain.worklist_reasons import refusal_words
from bridge.flows.explain_worklist import Explanation
from bridge.flows.record_access import record_look_at
from bridge.store import worklist_queries
from bridge.store.listings import worklists
from bridge.web.api import worklist_shapes
from bridge.wiring import House

_LIMIT = 200
_QUERIES = 20


@click.command()
@click.option("--as", "ae_title", default="", help="As this device would see it; all devices without it.")
@click.option("--explain", "number", help="Say why this accession number or patient id is, or is not, on the list.")
@click.option("--queries", is_flag=True, help="List what was asked of the worklist, newest first.")
@settings_option
@json_option
@reports_errors
def worklist(ae_title: str, number: str | None, queries: bool, config: Path | None, as_json: bool) -> None:
    """Show what a device would get, or why not.

    Example: imaging-bridge worklist --as CT1 --explain RIV24010001 -c bridge.toml
    """
    house = open_house(config)
    if number is not None:
        _explain(house, number, ae_title, as_json)
    elif queries:
        _list_queries(house, ae_title, as_json)
    else:
        _list_items(house, ae_title, as_json)


def _list_items(house: House, ae_title: str, as_json: bool) -> None:
    found = house.explainer.listed(ae_title, limit=_LIMIT)
    _note(house, "worklist_viewed", [row.patient.key for row in found if row.patient is not None])
    if as_json:
        print_json({"items": [_item(row) for row in found]})
        return
    columns = ("start", "station", "modality", "patient", "accession_number", "procedure", "status", "kept_back")
    lines = [_item(row) | {"start": _clock(row.scheduled_local)} for row in found]
    print_table(lines, columns, "nothing is scheduled")
    for reason in house.explainer.turned_away(ae_title):
        click.echo(reason.sentence)


def _explain(house: House, number: str, ae_title: str, as_json: bool) -> None:
    explanation = house.explainer.explain(number, ae_title)
    _note(house, "worklist_explained", explanation.patient_keys)
    if as_json:
        print_json(worklist_shapes.explanation(explanation))
        return
    click.echo(_headline(explanation))
    for reason in explanation.reasons:
        click.echo(f"  {reason.sentence}")
    if explanation.queries:
        click.echo(f"\nWhat {explanation.title} asked last:")
        _print_queries(explanation.queries[:_QUERIES], house)


def _headline(one: Explanation) -> str:
    verdict = "shown" if one.shown else "not shown"
    return f"{verdict} to {one.title}" if one.title else verdict


def _list_queries(house: House, ae_title: str, as_json: bool) -> None:
    with house.store.read() as tx:
        found = worklist_queries.listed(tx, ae_title, limit=_LIMIT)
    _note(house, "queries_listed", [])
    rows = list(zip(found, house.device_queries.read(found), strict=True))
    if as_json:
        print_json({"queries": [worklist_shapes.query(kept, keys) for kept, keys in rows]})
    else:
        _print_queries(rows, house)


def _print_queries(rows: Sequence[tuple[KeptQuery, AskedKeys | None]], house: House) -> None:
    columns = ("query", "last_asked", "times", "device", "asks", "answered")
    zone = house.settings.time_zone
    lines = [_query(kept, keys, f"{kept.last_asked_at.astimezone(zone):%Y-%m-%d %H:%M:%S}") for kept, keys in rows]
    print_table(lines, columns, "nobody has asked in the time that is kept")


def _query(kept: KeptQuery, keys: AskedKeys | None, last_asked: str) -> dict[str, Any]:
    asked = kept.asked
    asks = ", ".join(f"{key.keyword or key.tag}={key.value}" for key in keys.asking) if keys is not None else ""
    cut = ", cut" if asked.was_cut else ""
    refused = refusal_words(kept)
    return {
        "query": kept.key,
        "last_asked": last_asked,
        "times": kept.times,
        "device": asked.calling_ae_title,
        "asks": asks or ("everything" if keys is not None else ""),
        "answered": f"{asked.outcome.value}: {refused}"
        if refused
        else f"{len(asked.step_keys)} in {asked.secs:.3f} s{cut}",
    }


def _item(row: worklists.WorklistRow) -> dict[str, Any]:
    return {
        "start": row.scheduled_local,
        "station": row.station_ae_titles,
        "modality": row.modality,
        "patient": row.patient.name if row.patient is not None else "",
        "accession_number": row.accession_number,
        "procedure": row.procedure,
        "status": row.status,
        "kept_back": row.incomplete,
    }


def _clock(local: str) -> str:
    """Return "YYYYMMDDHHMMSS" as people read it."""
    return f"{local[:4]}-{local[4:6]}-{local[6:8]} {local[8:10]}:{local[10:12]}" if len(local) >= 12 else local


def _note(house: House, action: str, patient_keys: Sequence[int]) -> None:
    record_look_at(house.store, house.clock, patient_keys, action=action, actor=actor(), origin="")

"""routes: where a study goes and why, and a study sent by hand, from a terminal."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from bridge.commands.setting_up import (
    actor,
    json_option,
    open_house,
    print_json,
    print_table,
    reports_errors,
    settings_option,
)
from bridge.flows.explain_routes import StudyRoutes, explain_routes, find_studies
from bridge.flows.record_access import record_access
from bridge.wiring import House


@click.command("routes")
@click.argument("query", required=False)
@click.option("--send", "to", default="", help="Also send the study there: an AE title or a DICOMweb server's name.")
@settings_option
@json_option
@reports_errors
def routes_command(query: str | None, to: str, config: Path | None, as_json: bool) -> None:
    """Say where a study goes, by its UID or its accession number, and why not elsewhere; without one, list the routes.

    Nothing is sent unless --send says so.

    Example: imaging-bridge routes RIV24010001 -c bridge.toml
    """
    house = open_house(config)
    if not query:
        _list_routes(house, as_json)
        return
    with house.store.read() as tx:
        found = find_studies(tx, query)
        traces = [explain_routes(tx, study, house.routes) for study in found]
    for study in found:
        record_access(
            house.store, house.clock, action="routes_explained", actor=actor(), study_key=study.key, detail={}
        )
    if not traces:
        raise LookupError("no study found")
    if to:
        _send(house, traces, to)
    elif as_json:
        print_json({"studies": [asdict(trace) for trace in traces]})
    else:
        for trace in traces:
            _print(trace)


def _list_routes(house: House, as_json: bool) -> None:
    routing = house.routes()
    rows = [{"route": one.name, "to": one.to, "last": one.is_last} for one in routing.routes.routes]
    if as_json:
        print_json({"routes": rows, "get_everything": routing.unnamed})
        return
    print_table(rows, ("route", "to", "last"), "no routes: every archive gets every study")
    click.echo(f"get every study: {', '.join(routing.unnamed) or 'none'}")


def _send(house: House, traces: list[StudyRoutes], to: str) -> None:
    if len(traces) > 1:
        click.echo("several studies are meant; name one by its UID", err=True)
        sys.exit(1)
    house.hand_sender.send(traces[0].study_instance_uid, to, actor())
    click.echo(f"queued for {to}")


def _print(trace: StudyRoutes) -> None:
    bound = "bound" if trace.is_bound else "not bound: nothing leaves"
    click.echo(f"{trace.study_instance_uid}  {trace.instances} objects, {bound}")
    for one in trace.routes:
        said = f"takes it, to {', '.join(one.to)}" if one.takes else f"not taken: {'; '.join(one.reasons)}"
        click.echo(f"  route {one.route}: {said}")
    rows = [asdict(place) | {"has": f"{place.has} of {trace.instances}"} for place in trace.places]
    print_table(rows, ("destination", "because", "has", "state", "detail"), "  it goes nowhere")

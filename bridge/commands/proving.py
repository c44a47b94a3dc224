"""proof: how claims and authorizations fared before and since a day, from a terminal."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.commands.setting_up import json_option, open_house, print_json, print_table, reports_errors, settings_option


@click.command(name="proof")
@click.option("--since", default="", help="Compare what was before this day with what is since, YYYY-MM-DD.")
@click.option("--from", "begins", default="", help="The first day looked at; without it two years back.")
@click.option("--to", "ends", default="", help="The last day looked at; without it today.")
@settings_option
@json_option
@reports_errors
def proof_command(since: str, begins: str, ends: str, config: Path | None, as_json: bool) -> None:
    """Show how many claims were denied for missing documents, paid at once, and how long it took; no patient is in it.

    Example: imaging-bridge proof --since 2026-05-01 -c bridge.toml
    """
    from bridge.domain.proof import Measure
    from bridge.flows import show_proof
    from bridge.flows.prove import Prover

    house = open_house(config)
    today = house.clock.now().astimezone(house.settings.time_zone).date()
    window = show_proof.window_of(begins, ends, since, today)
    proof = Prover(house.store).prove(window)
    if as_json:
        print_json(
            {
                one.name: [dict(zip(one.columns, row, strict=True)) for row in one.rows]
                for one in show_proof.tables_of(proof)
            }
        )
        return
    rows = []
    for measure in Measure:
        row = {"measure": show_proof.NAMES[measure]}
        row |= {
            period: show_proof.figure_text(figures, measure)
            for period, figures in show_proof.periods(proof, proof.overall)
        }
        rows.append(row | {"change": show_proof.change_text(proof.overall, measure)[0]})
    columns = ("measure", "before", "since", "change") if since else ("measure", "all")
    print_table(rows, columns, "")

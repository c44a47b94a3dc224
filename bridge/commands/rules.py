"""rules: a changed reconcile.toml is tried beside the one in use, and then taken into use."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bridge.building.next_rules import try_next, use_next
from bridge.commands.setting_up import (
    actor,
    json_option,
    open_house,
    print_json,
    print_table,
    reports_errors,
    settings_option,
)
from bridge.errors import Incomplete
from bridge.flows.record_access import record_access
from bridge.flows.try_rules import Said, Trial
from bridge.mapping.reconcile_rules import NEXT_FILE_NAME
from bridge.store import audit

_DAYS = 14


@click.group("rules")
def rules_command() -> None:
    """Try a changed reconcile.toml on the studies that came, and take it into use.

    Example: imaging-bridge rules try reconcile.new.toml --days 30
    """


@rules_command.command("try")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--days", default=_DAYS, show_default=True, type=click.IntRange(1, 3650), help="How far back.")
@settings_option
@json_option
@reports_errors
def try_command(file: Path | None, days: int, config: Path | None, as_json: bool) -> None:
    """Show which studies of the last days a changed file would decide otherwise; nothing is decided.

    FILE: the changed reconcile.toml; without it reconcile.next.toml of the site's mappings.

    Example: imaging-bridge rules try --days 30 -c bridge.toml
    """
    house = open_house(config)
    trial = try_next(house, days, file)
    if trial is None:
        raise Incomplete(f"name a file, or put one as {NEXT_FILE_NAME} beside the site's mappings", where="FILE")
    about: audit.About = {"detail": {"count": len(trial.changed)}}
    record_access(house.store, house.clock, action="rules_tried", actor=actor(), **about)
    if as_json:
        print_json(asdict(trial))
        return
    _print_trial(trial)


@rules_command.command("use")
@settings_option
@reports_errors
def use_command(config: Path | None) -> None:
    """Put reconcile.next.toml in the place of reconcile.toml; nodes read it when they start again.

    Example: imaging-bridge rules use -c bridge.toml
    """
    house = open_house(config)
    version, before = use_next(house)
    about: audit.About = {"detail": {"version": version}}
    record_access(house.store, house.clock, action="rules_taken_into_use", actor=actor(), **about)
    kept = f"; the one before is {before.name}" if before is not None else ""
    click.echo(f"version {version} is reconcile.toml now{kept}. Start the nodes again to decide by it.")


def _print_trial(trial: Trial) -> None:
    more = " (there are more)" if trial.is_cut else ""
    click.echo(f"in use: {trial.live_version}   tried: {trial.candidate_version}")
    click.echo(
        f"{trial.looked_at} studies{more} since {trial.since:%Y-%m-%d %H:%M}: {len(trial.changed)} decided otherwise, "
        f"{trial.newly_bound} newly bound, {trial.no_longer_bound} no longer, {trial.bound_otherwise} to another patient"
    )
    rows = [
        {
            "study": one.study_instance_uid,
            "received": f"{one.received_at:%Y-%m-%d %H:%M}",
            "stands": f"{one.state}, by a person" if one.by_person else one.state,
            "in use": _words(one.live),
            "tried": _words(one.candidate),
            "why": one.candidate.sentence,
        }
        for one in trial.changed
    ]
    print_table(rows, ("study", "received", "stands", "in use", "tried", "why"), "nothing would be decided otherwise")


def _words(said: Said) -> str:
    whom = f" {said.patient.patient_id}" if said.patient is not None else ""
    return f"{said.outcome.value.lower()} {said.rule}{whom}"

"""chart: what each server has of a study, published again or taken out, from a terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bridge.building.news import chart_takers
from bridge.commands.setting_up import (
    actor,
    json_option,
    open_house,
    own_settings,
    person,
    print_json,
    print_table,
    reports_errors,
    settings_option,
)
from bridge.domain.accounts import Caller, Role
from bridge.errors import Conflict, Incomplete
from bridge.flows.change_chart import ChartDesk
from bridge.flows.charted import ChartedExam, charted, find_coming
from bridge.flows.explain_routes import find_studies
from bridge.flows.record_access import record_access
from bridge.store import audit
from bridge.store.db import ReadTx
from bridge.store.deliveries import DeliveryState
from bridge.web import chart_views
from bridge.web.api import chart_shapes
from bridge.web.chart_views import Chart, ChartView, Entry
from bridge.wiring import House

_COLUMNS = ("what", "state", "reference", "version", "since", "waits")


@click.group("chart")
@settings_option
@click.pass_context
def chart_command(context: click.Context, config: Path | None) -> None:
    """What each server has of a study and its exam: `show`, `publish` again, `withdraw`, `restore`.

    Example: imaging-bridge chart show RIV24010001 -c bridge.toml
    """
    context.obj = config


@chart_command.command("show")
@click.argument("query")
@json_option
@own_settings
@reports_errors
def show_chart(config: Path | None, query: str, as_json: bool) -> None:
    """Show what each server has now, and what waits for it. QUERY: a study UID or an accession number.

    --json has every version before it, too, and what each says otherwise.

    Example: imaging-bridge chart show RIV24010001 -c bridge.toml
    """
    house = open_house(config)
    desk = _desk(house)
    with house.store.read() as tx:
        views = [_view(tx, desk, exam) for exam in _found(tx, query)]
    for view in views:
        exam, study = view.exam, view.exam.study
        about: audit.About = {"order_key": exam.order_key, "patient_key": exam.patient_key}
        about["study_key"] = study.key if study is not None else None
        record_access(house.store, house.clock, action="chart_viewed", actor=actor(), **about)
    if as_json:
        print_json({"studies": [chart_shapes.whole(view, sees_all=True) for view in views]})
        return
    for view in views:
        _print(view)


@chart_command.command("publish")
@click.argument("query")
@click.option("--server", default="", help="Its chart alone.")
@click.option("--part", default="", help="One part of the exam alone, as `show` names it.")
@own_settings
@reports_errors
def publish_again(config: Path | None, query: str, server: str, part: str) -> None:
    """Bring every chart to what a study and its exam are now; a chart that has it so is left alone.

    Example: imaging-bridge chart publish RIV24010001 --server ehr -c bridge.toml
    """
    house = open_house(config)
    to = _desk(house).publish(_only(house, query), person(), server, part)
    click.echo(f"queued for {', '.join(to)}")


def _with_reason(command: Callable[..., None]) -> Callable[..., None]:
    named = click.option("--part", default="", help="One part of the exam alone, as `show` names it.")
    said = click.option("--reason", required=True, help="Why; it is kept and shown on the chart page.")
    return click.argument("query")(said(named(own_settings(reports_errors(command)))))


@chart_command.command("withdraw")
@_with_reason
def withdraw(config: Path | None, query: str, reason: str, part: str) -> None:
    """Take a study with all that rests on it out of every chart, until that is taken back.

    Example: imaging-bridge chart withdraw RIV24010001 --reason "a test of the scanner" -c bridge.toml
    """
    house = open_house(config)
    _desk(house).withdraw(_only(house, query), _words(reason), person(), part)
    click.echo("withdrawn; each chart shows it as entered in error as soon as its server answers")


@chart_command.command("restore")
@_with_reason
def restore(config: Path | None, query: str, reason: str, part: str) -> None:
    """Let a study, or a part of its exam, into the charts again that was withdrawn.

    Example: imaging-bridge chart restore RIV24010001 --reason "it was none" -c bridge.toml
    """
    house = open_house(config)
    _desk(house).take_back(_only(house, query), _words(reason), person(), part)
    click.echo("queued for every chart again")


def _desk(house: House) -> ChartDesk:
    return ChartDesk(house.store, house.clock, house.destinations, chart_takers(house))


def _words(reason: str) -> str:
    """Return a reason that others understand later. Raises: Incomplete, for none."""
    if not reason.strip():
        raise Incomplete("say why, so that others understand it later", where="reason")
    return reason.strip()[:1000]


def _found(tx: ReadTx, query: str) -> list[ChartedExam]:
    """Return the exams that *query* names, those of which no image is here among them. Raises: LookupError, for none."""
    uids = [one.study_instance_uid for one in find_studies(tx, query)] or find_coming(tx, query)
    if not uids:
        raise LookupError("no study found")
    return [charted(tx, one) for one in uids]


def _only(house: House, query: str) -> str:
    with house.store.read() as tx:
        found = _found(tx, query)
    if len(found) > 1:
        raise Conflict("several studies are meant; name one by its UID", code="ambiguous")
    return found[0].study_instance_uid


def _view(tx: ReadTx, desk: ChartDesk, exam: ChartedExam) -> ChartView:
    return chart_views.read(tx, exam, desk.servers, desk.takers, Caller(person(), Role.ADMIN))


def _print(view: ChartView) -> None:
    study = view.exam.study
    state = study.state.value.replace("_", " ") if study is not None else "no image here"
    click.echo(f"{view.exam.study_instance_uid}  {state}")
    if view.withdrawal is not None:
        click.echo(f"  withdrawn from every chart by {view.withdrawal.made_by}: {view.withdrawal.reason}")
    for chart in view.charts:
        click.echo(f"{chart.server}:")
        print_table(_rows(chart), _COLUMNS, "  nothing")


def _rows(chart: Chart) -> list[dict[str, Any]]:
    every: list[tuple[str, Entry]] = [("study", chart), *((one.part.name, one) for one in chart.parts)]
    return [row for what, entry in every for row in _rows_of(what, entry)]


def _rows_of(what: str, entry: Entry) -> list[dict[str, Any]]:
    sent = entry.delivery
    waits = "" if sent is None or sent.state == "sent" else sent.held_reason or sent.last_error or sent.state.value
    if not entry.standing:
        state = "given up" if sent is not None and sent.state == DeliveryState.DEAD else "nothing yet"
        return [{"what": what, "state": state, "waits": waits}]
    return [
        {
            "what": what,
            "state": one.status,
            "reference": one.reference,
            "version": one.number,
            "since": f"{one.at:%Y-%m-%d %H:%M:%S}Z",
            "waits": waits,
        }
        for one in entry.standing
    ]

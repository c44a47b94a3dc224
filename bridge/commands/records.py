"""exam, mismatches, deliveries: the queues and records, from a terminal."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from bridge.commands.many_cases import bulk
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
from bridge.domain.identifiers import PatientIdentifier
from bridge.errors import Incomplete
from bridge.flows.ask_outside import ask_again
from bridge.flows.change_delivery import drop_delivery, retry_delivery
from bridge.flows.read_again import StudyRereader
from bridge.flows.record_access import record_access
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.store import audit, decisions, studies
from bridge.store.db import ReadTx
from bridge.store.deliveries import DeliveryState
from bridge.store.listings import exam_detail, queues, search
from bridge.store.listings.exam_detail import Exam
from bridge.wiring import House

_LIMIT = 200


@click.command()
@click.argument("query")
@settings_option
@json_option
@reports_errors
def exam(query: str, config: Path | None, as_json: bool) -> None:
    """Show an exam's timeline, by accession number, patient id, control ID or study UID.

    Example: imaging-bridge exam RIV24010001 -c bridge.toml
    """
    house = open_house(config)
    with house.store.read() as tx:
        found = search.find(tx, query, unbound=True)
        exams = [exam_detail.find(tx, row.id, unbound=True) for row in found.exams]
    _note_look(house, exams)
    if as_json:
        print_json({"recognised": found.recognised, "exams": [asdict(one) for one in exams]})
    elif not exams:
        click.echo("no exam found")
    for one in exams if not as_json else ():
        _print_exam(one)
    if not exams:
        sys.exit(1)


@click.group(invoke_without_command=True)
@settings_option
@json_option
@click.pass_context
@reports_errors
def mismatches(context: click.Context, config: Path | None, as_json: bool) -> None:
    """List the studies that wait for a person; `show` and `decide` look at one.

    Example: imaging-bridge mismatches -c bridge.toml
    """
    context.obj = config
    if context.invoked_subcommand is not None:
        return
    house = open_house(config)
    with house.store.read() as tx:
        rows = [asdict(row) for row in queues.open_mismatches(tx, before=None, limit=_LIMIT)]
    about: audit.About = {"detail": {"count": len(rows)}}
    record_access(house.store, house.clock, action="mismatches_listed", actor=actor(), **about)
    if as_json:
        print_json({"mismatches": rows})
    else:
        columns = ("key", "opened_at", "rule", "modality", "instance_count", "study_instance_uid", "sentence")
        print_table(rows, columns, "no study waits for a person")


mismatches.add_command(bulk)


def _case(tx: ReadTx, case: str) -> list[queues.MismatchRow]:
    """Return the case of that number, or of the study of that UID: the open one, else its last."""
    if case.isdecimal() and len(case) <= 18:
        return queues.mismatches_by_key(tx, [int(case)])
    study = studies.by_uid(tx, case)
    key = decisions.case_of(tx, study.key) if study is not None else None
    return queues.mismatches_by_key(tx, [key]) if key is not None else []


@mismatches.command("show")
@click.argument("case")
@own_settings
@reports_errors
def show_mismatch(config: Path | None, case: str) -> None:
    """Show one case with its evidence and candidates. CASE: its number in the list, or its study's UID.

    Example: imaging-bridge mismatches show 3 -c bridge.toml
    """
    house = open_house(config)
    with house.store.read() as tx:
        rows = _case(tx, case)
        if not rows:
            raise LookupError(f"no mismatch {case}")
        study = studies.get(tx, rows[0].study_key)
        decision = decisions.of_study(tx, study.key)[0]
    about: audit.About = {"study_key": study.key, "patient_key": study.patient_key}
    record_access(house.store, house.clock, action="mismatch_viewed", actor=actor(), **about)
    print_json(
        {
            "mismatch": asdict(rows[0]),
            "evidence": decision.evidence,
            "candidates": decision.candidates,
            "release": decision.snapshot.get("release", ""),
        }
    )


@mismatches.command("decide")
@click.argument("study_instance_uid")
@click.argument("action", type=click.Choice(["bind", "unbind", "reject", "reopen", "restore"]))
@click.option("--accession", default="", help="The order it belongs to.")
@click.option("--patient", default="", help="Patient ID, as ID^^^ISSUER or ID.")
@click.option("--reason", required=True, help="Why; it is kept with the decision.")
@own_settings
@reports_errors
def decide_mismatch(
    config: Path | None, study_instance_uid: str, action: str, accession: str, patient: str, reason: str
) -> None:
    """Bind, unbind or reject a study, reopen a rejected one; or restore the record that an update made another person.

    Where two people decide, this proposes it, if your account here is that of a console's user who may decide; somebody
    else confirms or declines it in the console, where a sign-in says who they are.

    Example: imaging-bridge mismatches decide 2.25.1 bind --accession RIV24010001 --reason "wristband checked" -c bridge.toml
    """
    house = open_house(config)
    number, _, issuer = patient.partition("^^^")
    whom = PatientIdentifier(number, issuer) if number else None
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    proposal = resolver.resolve(study_instance_uid, Ruling(action, reason, person(), accession, whom))
    click.echo("done" if proposal is None else f"proposal {proposal.key} waits for a second person")


@mismatches.command("ask")
@click.argument("study_instance_uid")
@own_settings
@reports_errors
def ask_outside(config: Path | None, study_instance_uid: str) -> None:
    """Let the registries of [outside] be asked once more who a waiting study is of.

    Example: imaging-bridge mismatches ask 2.25.1 -c bridge.toml
    """
    house = open_house(config)
    sources = house.settings.outside.names
    ask_again(house.store, house.clock, sources, study_instance_uid, person())
    click.echo(f"asked by the worker: {', '.join(sources)}")


@mismatches.command("read-again")
@click.argument("study_instance_uids", nargs=-1)
@click.option("--from", "sender", default="", help="Every waiting study that this AE title sent.")
@own_settings
@reports_errors
def read_again(config: Path | None, study_instance_uids: tuple[str, ...], sender: str) -> None:
    """Read waiting studies again by what mappings/repairs says of their devices by now; nothing need be sent again.

    Example: imaging-bridge mismatches read-again --from CRCELLAR -c bridge.toml
    """
    if not (study_instance_uids or sender):
        raise Incomplete("name studies, or whose", where="--from")
    house = open_house(config)
    reader = StudyRereader(house.store, house.blobs, house.clock, house.rules, house.destinations, house.image_sources)
    for uid in study_instance_uids or reader.waiting(sender):
        after = reader.read_again(uid, person())
        rules = ", ".join(sorted({one.rule for one in after.received.repairs})) or "no rule"
        click.echo(f"{uid}  {after.state.value}  {rules}")


@click.group(invoke_without_command=True)
@settings_option
@click.option("--state", type=click.Choice([one.value for one in DeliveryState]), help="Only these.")
@json_option
@click.pass_context
@reports_errors
def deliveries(context: click.Context, config: Path | None, state: str | None, as_json: bool) -> None:
    """List deliveries; `retry` and `drop` act on one.

    Example: imaging-bridge deliveries --state dead -c bridge.toml
    """
    context.obj = config
    if context.invoked_subcommand is not None:
        return
    house = open_house(config)
    with house.store.read() as tx:
        rows = [asdict(row.delivery) for row in queues.delivery_rows(tx, state=state or "", before=None, limit=_LIMIT)]
    if as_json:
        print_json({"deliveries": rows})
    else:
        columns = ("key", "topic", "destination", "state", "attempts", "next_at", "held_reason", "last_error", "detail")
        print_table(rows, columns, "no deliveries")


@deliveries.command("retry")
@click.argument("delivery_id", type=int)
@own_settings
@reports_errors
def retry_command(config: Path | None, delivery_id: int) -> None:
    """Send a delivery now.

    Example: imaging-bridge deliveries retry 12 -c bridge.toml
    """
    house = open_house(config)
    click.echo(f"delivery {retry_delivery(house.store, house.clock, delivery_id, actor())} waits to be sent")


@deliveries.command("drop")
@click.argument("delivery_id", type=int)
@own_settings
@reports_errors
def drop_command(config: Path | None, delivery_id: int) -> None:
    """Give a delivery up; it stays on record.

    Example: imaging-bridge deliveries drop 12 -c bridge.toml
    """
    house = open_house(config)
    drop_delivery(house.store, house.clock, delivery_id, actor())
    click.echo(f"delivery {delivery_id} was given up")


def _note_look(house: House, exams: list[Exam]) -> None:
    """Audit each exam before it is printed: without the row there is no look."""
    for one in exams:
        row = one.row
        about: audit.About = {"order_key": row.order_key, "study_key": row.study_key}
        if row.patient is not None and row.patient.key:
            about["patient_key"] = row.patient.key
        record_access(house.store, house.clock, action="exam_viewed", actor=actor(), **about)


def _print_exam(one: Exam) -> None:
    person = one.row.patient
    click.echo(f"{one.row.accession_number or one.row.id}  {person.name if person is not None else 'not bound'}")
    stations = "  ".join(f"{reached.station.value}:{reached.state}" for reached in one.stations)
    click.echo(f"  {stations}")
    for event in one.timeline:
        click.echo(f"  {event.at:%Y-%m-%d %H:%M:%S}Z  {event.station.value:<13} {event.what}  [{event.by}]")

"""mismatches bulk: many cases with one cause, closed or read otherwise as one, and taken back as one."""

from __future__ import annotations

import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import orjson

from bridge.building.bulk import bulk_queue
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
from bridge.domain.bulk import BulkKind, Repairing
from bridge.errors import Incomplete, Malformed
from bridge.flows.bulk_cases import BulkDesk
from bridge.flows.record_access import record_access
from bridge.store import bulk_jobs, studies
from bridge.store.bulk_jobs import BulkJob
from bridge.store.db import ReadTx
from bridge.store.listings import bulk_rows
from bridge.wiring import House

_LISTED_MAX = 50
_SHOWN_MAX = 5_000
_LOOK_SECS = 0.1
_COLUMNS = ("study_instance_uid", "state", "rule", "tried", "outcome", "fault")
_reason = click.option("--reason", default="", help="Why; it is kept with every decision. Needed with --apply.")
_apply = click.option("--apply", "is_meant", is_flag=True, help="Do it; without this nothing changes.")


@click.group("bulk", invoke_without_command=True)
@settings_option
@json_option
@click.pass_context
@reports_errors
def bulk(context: click.Context, config: Path | None, as_json: bool) -> None:
    """List what was done with many cases at once; `close` and `repair` do more, `undo` takes one back.

    Example: imaging-bridge mismatches bulk --json
    """
    context.obj = config or context.obj
    if context.invoked_subcommand is not None:
        return
    house = open_house(context.obj)
    with house.store.read() as tx:
        found = [_shape(tx, job) for job in bulk_jobs.recent(tx, _LISTED_MAX)]
    if as_json:
        print_json({"bulks": found})
    else:
        columns = ("id", "kind", "state", "device", "total", "done", "changed", "kept", "failed", "asked_by", "reason")
        print_table(found, columns, "nothing was done with many cases yet")


@bulk.command("show")
@click.argument("number", type=int)
@own_settings
@json_option
@reports_errors
def show_bulk(config: Path | None, number: int, as_json: bool) -> None:
    """Show one: how far it has come, and what came of each study.

    Example: imaging-bridge mismatches bulk show 7 -c bridge.toml
    """
    _tell(open_house(config), number, as_json)


@bulk.command("close")
@click.argument("study_instance_uids", nargs=-1)
@click.option("--from", "sender", default="", help="Every waiting study that this AE title sent.")
@click.option("--rule", default="", help="Of those, what this veto holds, as V01.")
@_reason
@_apply
@own_settings
@json_option
@reports_errors
def close_cases(
    config: Path | None, *, study_instance_uids: tuple[str, ...], sender: str, rule: str, as_json: bool, **said: Any
) -> None:
    """Close cases that are nobody's here; without --apply say which ones.

    Example: imaging-bridge mismatches bulk close --from CT1 --rule V01 --reason "phantoms of the acceptance test" --apply
    """
    if not (study_instance_uids or sender or rule):
        raise Incomplete("name studies, or whose, or by which veto", where="--from")
    house = open_house(config)
    with house.store.read() as tx:
        chosen = [
            one
            for one in studies.undecided(tx)
            if (one.study_instance_uid in study_instance_uids or not study_instance_uids)
            and sender in ("", one.source_ae_title)
            and rule in ("", one.rule)
        ]
    missing = set(study_instance_uids) - {one.study_instance_uid for one in chosen}
    if missing:
        raise LookupError(f"no such case waits: {', '.join(sorted(missing))}")
    if said["is_meant"]:
        number = BulkDesk(house.store, house.clock).close([one.key for one in chosen], said["reason"], person())
        _work(house, number)
        _tell(house, number, as_json)
        return
    rows = [
        {"study_instance_uid": one.study_instance_uid, "state": one.state.value, "rule": one.rule} for one in chosen
    ]
    record_access(house.store, house.clock, action="mismatches_listed", actor=actor(), detail={"count": len(rows)})
    _say_dry({"would_close": rows}, as_json, "no such case waits")


@bulk.command("repair")
@click.option("--device", required=True, help="The AE title whose studies were written wrongly.")
@click.option(
    "--since", required=True, help="The first image came from then on: 2026-03-02T15:00, the hospital's clock."
)
@click.option("--until", default="", help="And before then; without it the repair counts until it is undone.")
@click.option(
    "--clock-ahead", type=int, default=None, metavar="MINUTES", help="Its clock went ahead; below zero: behind."
)
@click.option(
    "--strip", "of", multiple=True, metavar="KEYWORD", help="PatientID or AccessionNumber, with --prefix, --suffix."
)
@click.option("--prefix", default="", help="What stands before each number.")
@click.option("--suffix", default="", help="What stands behind each number.")
@click.option("--charset", default="", metavar="TERM", help="What its text is in truth: ISO_IR 192.")
@click.option("--entry", default="", metavar="JSON", help='Any repair of a device\'s file: {"do": "comma_name"}.')
@_reason
@_apply
@own_settings
@json_option
@reports_errors
def repair(config: Path | None, *, as_json: bool, is_meant: bool, reason: str, **said: Any) -> None:
    """Read what a device sent otherwise. Each waiting study is tried first; with --apply it is then decided by rule.

    Without --apply the trial is kept: `bulk apply` lets it count, `bulk drop` lets it go.

    Example: imaging-bridge mismatches bulk repair --device CT1 --since 2026-03-02T08:00 --strip PatientID --prefix 77
    """
    if is_meant and not reason.strip():
        raise Incomplete("say why", code="missing", where="--reason")
    house = open_house(config)
    until = _time(house, "--until", said["until"]) if said["until"] else None
    repairing = Repairing(said["device"], _time(house, "--since", said["since"]), until, _entry(said))
    desk = BulkDesk(house.store, house.clock)
    number = desk.preview(repairing, person())
    _work(house, number)
    if is_meant:
        desk.apply(number, reason, person())
        _work(house, number)
    _tell(house, number, as_json)


@bulk.command("apply")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why; it is kept with every decision.")
@own_settings
@json_option
@reports_errors
def apply_repair(config: Path | None, number: int, reason: str, as_json: bool) -> None:
    """Let a repair count that was tried.

    Example: imaging-bridge mismatches bulk apply 7 --reason "wrong label roll on Monday" -c bridge.toml
    """
    house = open_house(config)
    BulkDesk(house.store, house.clock).apply(number, reason, person())
    _work(house, number)
    _tell(house, number, as_json)


@bulk.command("drop")
@click.argument("number", type=int)
@own_settings
@reports_errors
def drop_repair(config: Path | None, number: int) -> None:
    """Let go of a repair that was tried.

    Example: imaging-bridge mismatches bulk drop 7 -c bridge.toml
    """
    house = open_house(config)
    BulkDesk(house.store, house.clock).drop(number, person())
    click.echo(f"bulk {number} was let go; nothing had changed")


@bulk.command("undo")
@click.argument("number", type=int)
@_reason
@_apply
@own_settings
@json_option
@reports_errors
def undo_bulk(config: Path | None, number: int, reason: str, is_meant: bool, as_json: bool) -> None:
    """Take all of one back; without --apply say which studies would wait again, and which stay.

    Example: imaging-bridge mismatches bulk undo 7 --reason "it was not the labels" --apply -c bridge.toml
    """
    house = open_house(config)
    desk = BulkDesk(house.store, house.clock)
    if is_meant:
        desk.undo(number, reason, person())
        _work(house, number)
        _tell(house, number, as_json)
        return
    with house.store.read() as tx:
        back, stays = desk.would_undo(tx, number)
        uids = {one.key: one.study_instance_uid for one in studies.many(tx, [*back, *stays])}
    record_access(house.store, house.clock, action="bulk_viewed", actor=actor(), detail={"bulk": number})
    rows = [{"study_instance_uid": uids[key], "comes": "is read and waits as before"} for key in back]
    rows += [{"study_instance_uid": uids[key], "comes": "stays: somebody decided since"} for key in stays]
    _say_dry({"would_undo": rows}, as_json, "nothing of it would change")


def _time(house: House, option: str, text: str) -> datetime:
    """Return a time; one without an offset is of the hospital's clock."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed("a time is wanted, as 2026-03-02T15:00", where=option) from None
    return told if told.tzinfo is not None else told.replace(tzinfo=house.settings.time_zone)


def _entry(said: dict[str, Any]) -> dict[str, Any]:
    """Return the one repair that the options name. Raises: Incomplete, if they name none or several."""
    named: list[dict[str, Any]] = []
    if said["clock_ahead"] is not None:
        named.append({"do": "clock", "ahead_minutes": said["clock_ahead"]})
    if said["of"]:
        ends = {name: said[name] for name in ("prefix", "suffix") if said[name]}
        named.append({"do": "strip", "of": list(said["of"]), **ends})
    if said["charset"]:
        named.append({"do": "charset", "is": said["charset"], "always": True})
    if said["entry"]:
        named.append(_json_object(said["entry"]))
    if len(named) != 1:
        raise Incomplete("say one thing that was wrong: --clock-ahead, --strip, --charset or --entry", where="--strip")
    return named[0]


def _json_object(text: str) -> dict[str, Any]:
    try:
        entry = orjson.loads(text)
    except orjson.JSONDecodeError:
        entry = None
    if not isinstance(entry, dict):
        raise Malformed("a JSON object is wanted", where="--entry")
    return entry


def _work(house: House, number: int) -> None:
    """Do it here, unless a running worker is quicker; where this is killed, a worker goes on behind the last study."""
    queue, pause = bulk_queue(house), threading.Event()
    queue.start()
    try:
        while _read(house, number).is_open:
            pause.wait(_LOOK_SECS)
    finally:
        queue.stop()


def _read(house: House, number: int) -> BulkJob:
    with house.store.read() as tx:
        return bulk_jobs.get(tx, number)


def _shape(tx: ReadTx, job: BulkJob) -> dict[str, Any]:
    said: dict[str, Any] = {"id": job.key, "kind": job.kind.value, "state": job.state.value, **bulk_jobs.tally(tx, job)}
    said |= {"asked_by": job.asked_by, "reason": job.reason}
    if job.kind == BulkKind.REPAIR and job.repairing is not None:
        said |= {"device": job.repairing.device, "repair": dict(job.repairing.entry)}
        said |= {"since": job.repairing.since, "until": job.repairing.until}
    return said


def _tell(house: House, number: int, as_json: bool) -> None:
    """Print how far a bulk has come and what came of each study; status 1 if one failed."""
    with house.store.read() as tx:
        said = _shape(tx, bulk_jobs.get(tx, number))
        rows = [_row(row) for row in bulk_rows.of_bulk(tx, number, _SHOWN_MAX)]
    record_access(house.store, house.clock, action="bulk_viewed", actor=actor(), detail={"bulk": number})
    if as_json:
        print_json(said | {"studies": rows})
    else:
        print_table(rows, _COLUMNS, "no study is in it")
        click.echo(
            f"bulk {number} {said['state']}: {said['done']} of {said['total']}, "
            f"changed {said['changed']}, same {said['same']}, kept {said['kept']}, failed {said['failed']}"
        )
    if said["failed"]:
        sys.exit(1)


def _row(row: bulk_rows.BulkRow) -> dict[str, Any]:
    tried = row.one.foreseen
    return {
        "study_instance_uid": row.study.study_instance_uid,
        "state": row.study.state.value,
        "rule": row.study.rule,
        "tried": f"{tried['outcome']} {tried['rule']}" if tried else None,
        "outcome": row.one.outcome.value,
        "fault": row.one.fault or None,
    }


def _say_dry(said: dict[str, list[dict[str, Any]]], as_json: bool, empty: str) -> None:
    """Print what would come; nothing has changed."""
    (rows,) = said.values()
    if as_json:
        print_json({"applied": False, **said})
        return
    print_table(rows, tuple(rows[0]) if rows else (), empty)
    if rows:
        click.echo(f"{len(rows)} in all; nothing has changed (--apply does it)")

"""The command `imaging-bridge`: every command in one group."""

from __future__ import annotations

import click

from bridge import __version__
from bridge.commands import (
    accounts,
    authorizing,
    charting,
    claiming,
    clients,
    importing,
    keeping,
    many_cases,
    mapping,
    merges,
    ordering,
    records,
    replaying,
    routing,
    rules,
    running,
    shelf,
    viewing,
    worklist,
    x12,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="imaging-bridge")
def main() -> None:
    """The bridge between an EHR's HL7 and FHIR and a clinic's DICOM devices."""


for _command in (
    running.serve,
    running.check,
    running.migrate,
    mapping.map_command,
    viewing.view_command,
    x12.x12_command,
    clients.send,
    clients.find,
    worklist.worklist,
    records.exam,
    replaying.replay,
    records.deliveries,
    routing.routes_command,
    charting.chart_command,
    records.mismatches,
    rules.rules_command,
    merges.merges_command,
    accounts.user,
    accounts.token,
    accounts.client,
    ordering.orders_command,
    authorizing.authorizations_command,
    claiming.claims_command,
    importing.import_command,
    shelf.blobs_command,
    keeping.backup_command,
    keeping.restore_command,
):
    main.add_command(_command)

records.mismatches.add_command(many_cases.bulk)

"""The command `imaging-bridge`: every command in one group, each loaded when it is called."""

from __future__ import annotations

import importlib

import click

from bridge import __version__

# Where each stands in bridge/commands: to load them all takes longer than most of them run.
_COMMANDS = {
    "serve": "running.serve",
    "check": "running.check",
    "migrate": "running.migrate",
    "map": "mapping.map_command",
    "view": "viewing.view_command",
    "x12": "x12.x12_command",
    "send": "clients.send",
    "find": "clients.find",
    "worklist": "worklist.worklist",
    "exam": "records.exam",
    "replay": "replaying.replay",
    "deliveries": "records.deliveries",
    "routes": "routing.routes_command",
    "chart": "charting.chart_command",
    "mismatches": "records.mismatches",
    "rules": "rules.rules_command",
    "merges": "merges.merges_command",
    "user": "accounts.user",
    "token": "accounts.token",
    "client": "accounts.client",
    "orders": "ordering.orders_command",
    "authorizations": "authorizing.authorizations_command",
    "claims": "claiming.claims_command",
    "proof": "proving.proof_command",
    "import": "importing.import_command",
    "blobs": "shelf.blobs_command",
    "backup": "keeping.backup_command",
    "restore": "keeping.restore_command",
}


class _Commands(click.Group):
    """The commands by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(".")
        command: click.Command = getattr(importlib.import_module(f"bridge.commands.{module}"), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="imaging-bridge")
def main() -> None:
    """The bridge between an EHR's HL7 and FHIR and a clinic's DICOM devices."""

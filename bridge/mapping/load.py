"""Reads mappings/ and a folder laid over it, and reports everything that is wrong with them at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge.domain.order_control import OrderControl
from bridge.errors import Misconfigured
from bridge.mapping.order_controls import read_order_controls
from bridge.mapping.repair_rules import read_repairs
from bridge.mapping.resolve import MappingSet
from bridge.mapping.rules_file import Faults, check_schema, read_rules, read_table, read_toml
from bridge.mapping.site import Match, Rule, SiteMapping
from bridge.mapping.site_file import read_preset, read_site

_BASE_FILES = ("patient", "adt", "order", "report", "appointment", "referral", "document")
_BASE_KEYS = ("schema", "accepts", "each")


def load_mappings(shipped: Path, overlay: Path | None = None) -> MappingSet:
    """
    Return the base rules, every preset, every site and what devices write wrongly.

    shipped: the product's mappings/. overlay: a folder whose files take the place of shipped ones of the same name, and
    whose sites come on top. Raises: Misconfigured, with every fault that was found, each with file, key and nearest word.
    """
    faults = Faults()
    layers = [shipped, *([overlay] if overlay else [])]
    for layer in layers:
        if not layer.is_dir():
            faults.add(str(layer), "", "no such folder")
    tables = _read_tables(layers, faults)
    base = _read_base(layers, tables, faults)
    presets = [
        read_preset(name, content, base, faults)
        for name, file in _files(layers, "preset.toml").items()
        if (content := read_toml(file, faults)) is not None
    ]
    sites = [
        read_site(name, content, base, faults, presets)
        for name, file in _files(layers, "site.toml").items()
        if (content := read_toml(file, faults)) is not None
    ]
    repairs = read_repairs(layers, faults)
    _check_names(sites, presets, faults)
    _check_one_site_for_each_sender(sites, faults)
    if faults.found:
        raise Misconfigured(faults.found)
    return MappingSet(base, tuple(sites), tuple(presets), repairs)


def _read_tables(layers: list[Path], faults: Faults) -> dict[str, dict[str, str]]:
    files = {file.stem: file for layer in layers for file in sorted((layer / "base" / "tables").glob("*.toml"))}
    read = {name: read_toml(file, faults) for name, file in files.items()}
    return {
        name: read_table(name, content, f"base/tables/{name}", faults)
        for name, content in read.items()
        if content is not None
    }


def _read_base(layers: list[Path], tables: dict[str, dict[str, str]], faults: Faults) -> SiteMapping:
    rules: dict[str, Rule] = {}
    accepts: set[str] = set()
    for name in _BASE_FILES:
        content = _read_base_file(name, layers, faults)
        if content is None:
            continue
        check_schema(content, f"base/{name}", faults)
        accepts.update(content.get("accepts", ()))
        if content.get("each", "ORC") != "ORC":
            faults.unknown(f"base/{name}", "each", str(content["each"]), ("ORC",))
        sections = {key: value for key, value in content.items() if key not in _BASE_KEYS}
        rules.update(read_rules(sections, f"base/{name}", tables, faults))
    return SiteMapping(
        "",
        processing_ids=(),
        accepts=frozenset(accepts),
        rules=rules,
        order_control=_read_order_controls(layers, faults),
        tables=tables,
    )


def _read_order_controls(layers: list[Path], faults: Faults) -> dict[str, OrderControl]:
    content = _read_base_file("order_control", layers, faults)
    if content is None:
        return {}
    check_schema(content, "base/order_control", faults)
    return read_order_controls(content.get("order_control"), "base/order_control", faults)


def _read_base_file(name: str, layers: list[Path], faults: Faults) -> dict[str, Any] | None:
    file = next((f for layer in reversed(layers) if (f := layer / "base" / f"{name}.toml").is_file()), None)
    if file is None:
        faults.add(f"base/{name}.toml", "", "missing")
        return None
    return read_toml(file, faults)


def _files(layers: list[Path], file_name: str) -> dict[str, Path]:
    return {file.parent.name: file for layer in layers for file in sorted((layer / "sites").glob(f"*/{file_name}"))}


def _check_names(sites: list[SiteMapping], presets: list[SiteMapping], faults: Faults) -> None:
    """Report a site that has a preset's name: whoever reads "sites/x" in a trace must know which of the two is meant."""
    shared = {site.name for site in sites} & {preset.name for preset in presets}
    for name in sorted(shared):
        faults.add(f"sites/{name}", "", "is a preset's name; give the site's folder another")


def _check_one_site_for_each_sender(sites: list[SiteMapping], faults: Faults) -> None:
    owners: dict[Match, str] = {}
    for site in sites:
        for match in site.matches:
            if match in owners:
                sender = f"{match.sending_application or '*'}/{match.sending_facility or '*'}"
                faults.add(f"sites/{site.name}", "match", f"{sender} is already matched by sites/{owners[match]}")
            owners.setdefault(match, site.name)

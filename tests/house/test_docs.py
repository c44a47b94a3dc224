"""What the documents say is what the code does: settings, mappings, conformance, commands, addresses."""

from __future__ import annotations

import re
import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest
from click import Context, Group
from pydantic import BaseModel

from bridge.cli import main as command_line
from bridge.codecs.dicom import charset, object_syntaxes, worklist_model
from bridge.codecs.dicom.elements import vr_of
from bridge.domain.device_profile import Rule
from bridge.listeners.dicom import catalogue
from bridge.mapping.converters import CONVERTERS
from bridge.mapping.site import POLICY_CHOICES
from bridge.mapping.targets import TARGETS
from bridge.settings import Settings
from bridge.web.fhir import endpoints as fhir_endpoints
from bridge.web.fhir.registry import KINDS as SERVED_BY_FHIR

Rows = list[list[str]]


def text_of(root: Path, name: str) -> str:
    return (root / name).read_text("utf-8")


def tables(text: str) -> Rows:
    """Return the cells of every table row of a document, marks of emphasis and code taken off."""
    rows = []
    for line in text.splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
            rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return rows


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no heading {heading!r}"
    return found.group(1)


def keys_of(model: type[BaseModel], place: str) -> list[tuple[str, str]]:
    """Return (heading, key) for every setting below *model*, as docs/settings.md orders them."""
    found = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        inner = [
            m for m in (field.annotation, *walk(field.annotation)) if isinstance(m, type) and issubclass(m, BaseModel)
        ]
        found.append((place, key))
        if len(inner) == 1 and inner[0].__name__ not in {"Tls", "ClientTls", "NoAuth"}:
            found += keys_of(inner[0], f"[[{place}.{key}]]")
    return found


def walk(annotation: Any) -> list[Any]:
    inner = list(typing.get_args(annotation))
    return inner + [deeper for one in inner for deeper in walk(one)]


def test_every_setting_is_documented_under_its_section(root: Path) -> None:
    text, missing = text_of(root, "docs/settings.md"), []
    for name, field in Settings.model_fields.items():
        models = [
            m for m in (field.annotation, *walk(field.annotation)) if isinstance(m, type) and issubclass(m, BaseModel)
        ]
        many = field.annotation is not models[0]
        for place, key in keys_of(models[0], name):
            heading = place.replace("[[", "").replace("]]", "")
            plain = f"`[{heading}]`"
            title = plain if (heading == name and not many) or f"# {plain}\n" in text else f"`[[{heading}]]`"
            if [key] not in [row[:1] for row in tables(section(text, title))]:
                missing.append(f"{title} {key}")
    assert not missing, "\n".join(missing)


def test_no_documented_setting_is_unknown(root: Path) -> None:
    text = text_of(root, "docs/settings.md")
    known = {name for model in _models(Settings) for name in _names(model)}
    documented = {row[0] for row in tables(text) if len(row) == 3 and row[0] != "key"}
    assert sorted(documented - known) == []


def _models(model: type[BaseModel]) -> set[type[BaseModel]]:
    inner = {
        m
        for field in model.model_fields.values()
        for m in (field.annotation, *walk(field.annotation))
        if isinstance(m, type) and issubclass(m, BaseModel)
    }
    return {model, *inner, *(deeper for one in inner for deeper in _models(one))}


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


@pytest.mark.parametrize("place", ["hl7.port", "dicom.port", "http.port", "dicom.ae_title"])
def test_the_readme_names_the_default_addresses(root: Path, place: str) -> None:
    value: Any = Settings()
    for step in place.split("."):
        value = getattr(value, step)
    assert str(value) in section(text_of(root, "README.md"), "Ports")


def test_the_example_settings_load(root: Path) -> None:
    for block in re.findall(r"```toml\n(.*?)```", text_of(root, "README.md"), re.DOTALL):
        Settings.model_validate(tomllib.loads(block))
    Settings.model_validate(tomllib.loads(text_of(root, "samples/demo.toml")))


def test_every_target_converter_and_policy_is_documented(root: Path) -> None:
    text = text_of(root, "docs/mappings.md")
    wanted = [*TARGETS, *CONVERTERS, *POLICY_CHOICES, *(v for values in POLICY_CHOICES.values() for v in values)]
    assert [name for name in wanted if f"`{name}`" not in text] == []


def test_every_device_preset_and_rule_is_documented(root: Path) -> None:
    text = text_of(root, "docs/devices.md")
    listed = {row[0] for row in tables(section(text, "2. Choose its family"))} - {"preset"}
    assert listed == {file.stem for file in (root / "mappings/devices").glob("*.toml")}
    assert [rule for rule in Rule if f"`{rule}`" not in text] == []


def test_every_choice_of_reconcile_toml_is_documented(root: Path) -> None:
    text = section(text_of(root, "docs/mappings.md"), "How images find their patient: `reconcile.toml`")
    content = tomllib.loads(text_of(root, "mappings/reconcile.toml"))
    keys = [key for name, entries in content.items() if name != "schema" for key in entries]
    assert [key for key in [*keys, *(n for n in content if n != "schema")] if f"`{key}`" not in text] == []


def test_the_documented_site_is_a_site(root: Path, tmp_path: Path) -> None:
    from bridge.mapping.load import load_mappings

    block = re.search(r"```toml\n(.*?)```", section(text_of(root, "docs/mappings.md"), "A site"), re.DOTALL)
    assert block
    (tmp_path / "sites" / "example").mkdir(parents=True)
    (tmp_path / "sites" / "example" / "site.toml").write_text(block.group(1), "utf-8")
    assert [site.name for site in load_mappings(root / "mappings", tmp_path).sites if site.name == "example"]


def test_the_readme_lists_the_messages_that_are_taken(root: Path) -> None:
    base = [tomllib.loads(file.read_text("utf-8")) for file in (root / "mappings/base").glob("*.toml")]
    accepted = {message for one in base for message in one.get("accepts", ())}
    listed = set(re.findall(r"\b[A-Z]{3}\^[A-Z]\d\d\b", section(text_of(root, "README.md"), "What it speaks")))
    assert listed == accepted


def test_the_service_tables_are_the_catalogue(root: Path) -> None:
    services = catalogue.offered_services(()).known
    named = {uid: service for uid, service in services.items() if uid not in catalogue.STORAGE_CLASSES}
    roles = list(catalogue.RIGHTS)
    rows = {row[1]: row[2:] for row in tables(section(text_of(root, "README.md"), "What it speaks")) if len(row) == 6}
    assert rows["SOP class"] == roles
    for uid, service in named.items():
        offered = ["yes" if service in catalogue.rights_of((role,)) else "" for role in roles]
        assert rows[uid] == offered, uid
    storage = services[next(iter(catalogue.STORAGE_CLASSES))]
    words = next(cells for name, cells in rows.items() if name.startswith("every storage class"))
    assert words == ["yes" if storage in catalogue.rights_of((role,)) else "" for role in roles]
    listed = {row[1] for row in tables(section(text_of(root, "docs/conformance.md"), "DICOM"))}
    assert set(named) <= listed


def test_the_transfer_syntaxes_are_those_that_storage_takes(root: Path) -> None:
    rows = tables(section(text_of(root, "docs/conformance.md"), "Transfer syntaxes"))
    assert {uid for row in rows for uid in re.findall(r"1\.2\.840[0-9.]+", row[0])} == set(
        object_syntaxes.OBJECT_SYNTAXES
    )


def test_the_character_sets_are_those_that_are_read(root: Path) -> None:
    text = section(text_of(root, "docs/conformance.md"), "Character sets")
    alone = {term for term in charset._CODECS if term and not term.startswith("ISO 2022")}
    listed = set(re.findall(r"ISO_IR \d+|ISO 2022 IR \d+|GB18030|GBK", text))
    assert listed >= alone
    assert listed <= set(charset._CODECS)


def test_the_worklist_keys_are_those_that_are_matched(root: Path) -> None:
    from pydicom.datadict import keyword_for_tag

    text = section(text_of(root, "docs/conformance.md"), "Worklist")
    sequences = {tag for tag in worklist_model.STEP_KEYS | worklist_model.ROOT_KEYS if vr_of(tag) == "SQ"}
    wanted = {keyword_for_tag(tag) for tag in worklist_model.MATCHED | sequences} - {"ScheduledProcedureStepSequence"}
    matched = " ".join(part for part in text.strip().split("\n\n") if part.startswith("Matched"))
    assert {word for word in re.findall(r"\w+", matched) if word in _keywords()} == wanted


def _keywords() -> set[str]:
    from pydicom.datadict import DicomDictionary

    sequences = {"ScheduledProcedureStepSequence"}
    return {str(entry[4]) for entry in DicomDictionary.values()} - sequences


def test_the_fhir_table_is_what_is_served(root: Path) -> None:
    rows = tables(section(text_of(root, "docs/conformance.md"), "FHIR"))
    served = {
        row[0]: set(re.findall(r"[-_.a-zA-Z]+", row[2])) for row in rows if len(row) == 3 and row[0] != "resource"
    }
    kinds = (*SERVED_BY_FHIR.values(), fhir_endpoints.KIND)
    wanted = {one.name: {name for each in one.parameters for name in (each.r4, each.r5) if name} for one in kinds}
    assert served == wanted | {"Binary": set()}


def test_the_hl7_tables_are_what_the_code_says_now(root: Path) -> None:
    from tests.conformance.code_tables import static_part
    from tests.conformance.document import static_of

    written = static_of(text_of(root, "docs/hl7-conformance.md"))
    assert written == static_part(root / "mappings"), "run: make conformance"


def test_every_command_in_the_documents_exists(root: Path) -> None:
    assert isinstance(command_line, Group)
    names = [
        "README.md",
        "samples/walkthrough.md",
        *(f.relative_to(root).as_posix() for f in (root / "docs").glob("*.md")),
    ]
    unknown = []
    for name in names:
        for words in re.findall(r"imaging-bridge ([a-z][a-z0-9]*(?: [a-z0-9]+)?)", text_of(root, name)):
            first, _, second = words.partition(" ")
            command = command_line.get_command(Context(command_line), first)
            inner = command.commands if isinstance(command, Group) and not command.invoke_without_command else {}
            if command is None or (inner and second and second not in inner):
                unknown.append(f"{name}: {words}")
    assert not unknown, "\n".join(unknown)


def test_every_chore_in_the_documents_exists(root: Path) -> None:
    chores = set(re.findall(r"^([a-z-]+):", text_of(root, "Makefile"), re.MULTILINE))
    named = {
        chore for name in ("README.md", "CHANGELOG.md") for chore in re.findall(r"`make ([a-z-]+)", text_of(root, name))
    }
    assert named <= chores


def test_every_command_line_has_an_example(root: Path) -> None:
    bare, seen = [], []

    def look(command: Any, path: str) -> None:
        if isinstance(command, Group):
            context = Context(command)
            for name in command.list_commands(context):
                look(command.get_command(context, name), f"{path} {name}")
            return
        seen.append(path)
        with Context(command, info_name=path) as context:
            if f"Example: {' '.join(path.split()[:2])}" not in command.get_help(context):
                bare.append(path)

    look(command_line, "imaging-bridge")
    assert len(seen) >= 20
    assert not bare, "\n".join(bare)


def test_a_link_between_documents_leads_somewhere(root: Path) -> None:
    broken = []
    for file in [root / "README.md", *(root / "docs").glob("*.md"), *(root / "samples").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", file.read_text("utf-8")):
            if not (file.parent / target).exists():
                broken.append(f"{file.relative_to(root)}: {target}")
    assert not broken, "\n".join(broken)


def test_the_tree_in_the_readme_is_there(root: Path) -> None:
    tree = section(text_of(root, "README.md"), "The house")
    for folder in re.findall(r"^([a-z]+)/", tree, re.MULTILINE):
        assert (root / folder).is_dir(), folder
    for name in re.findall(r"^  ((?:[a-z_]+(?:/|\.py) ?)+)", tree, re.MULTILINE):
        for part in name.split():
            assert (root / "bridge" / part).exists(), part


def test_a_changelog_fragment_has_a_known_kind(root: Path) -> None:
    kinds = {"added", "changed", "fixed", "mapping", "schema", "security"}
    odd = [
        f.name
        for f in (root / "changelog.d").glob("*.md")
        if f.name.count(".") != 2 or f.name.split(".")[1] not in kinds
    ]
    assert odd == []

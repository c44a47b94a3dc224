"""A mapping is edited under a running process: good files count at once, bad ones change nothing but what is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge.errors import Misconfigured
from bridge.flows.reload_mappings import LiveMappings
from bridge.mapping.resolve import MappingSet
from bridge.wiring import shipped_mappings

SITE = 'extends = "base/order"\nmatch = { sending_facility = "MERCYW" }\nauthority = "MERCYW"\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "sites" / "mercy_west" / "site.toml"
    file.parent.mkdir(parents=True)
    file.write_text(SITE)
    return file


def edit(file: Path, text: str) -> None:
    """Write *text* with a time of its own: two edits within one tick of the disk's clock are two."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(before + 1_000_000, before + 1_000_000))


def test_an_edited_file_counts_from_the_next_look_on_and_whoever_reads_by_it_hears(site: Path, tmp_path: Path) -> None:
    live = LiveMappings(shipped_mappings(), tmp_path)
    heard: list[MappingSet] = []
    live.on_change.append(heard.append)
    assert not live.look()
    edit(site, SITE.replace("MERCYW", "MERCYE"))
    assert live.look()
    assert live.current.resolve("", "MERCYE") is not None
    assert live.current.resolve("", "MERCYW") is None
    assert heard == [live.current]


def test_files_with_faults_change_nothing_until_they_are_mended(site: Path, tmp_path: Path) -> None:
    live = LiveMappings(shipped_mappings(), tmp_path)
    before = live.current
    edit(site, SITE + '[requested_procedure.accesion]\nfrom = "ZOR-2"\n')
    assert not live.look()
    assert live.current is before
    assert any("accesion" in fault for fault in live.faults)
    assert not live.look()
    edit(site, SITE)
    assert live.look()
    assert live.faults == ()


def test_a_file_that_is_being_written_is_left_alone_until_it_has_settled(site: Path, tmp_path: Path) -> None:
    live = LiveMappings(shipped_mappings(), tmp_path)
    edit(site, SITE[:20])
    assert not live.look_when_settled()
    edit(site, SITE.replace("MERCYW", "MERCYE"))
    assert not live.look_when_settled()
    assert live.faults == ()
    assert live.look_when_settled()


def test_a_site_that_is_taken_away_is_known_no_longer(site: Path, tmp_path: Path) -> None:
    live = LiveMappings(shipped_mappings(), tmp_path)
    site.unlink()
    assert live.look()
    assert live.current.resolve("", "MERCYW") is None


def test_a_start_with_faults_is_refused(site: Path, tmp_path: Path) -> None:
    edit(site, "nonsense = 1\n")
    with pytest.raises(Misconfigured):
        LiveMappings(shipped_mappings(), tmp_path)

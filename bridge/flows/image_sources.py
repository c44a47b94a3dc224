"""What is known of those who send images: whose they are until proven otherwise, and how what they write is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bridge.codecs.dicom import charset, datasets
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.skim import Head
from bridge.domain.repairs import DeviceRepairs, View, view_of
from bridge.domain.study import Header
from bridge.mapping.repair_rules import with_authorities
from bridge.mapping.resolve import MappingSet
from bridge.sections.dicom import Peer
from bridge.sections.identity import IdentitySection


class _Reading(NamedTuple):
    default_charset: CharacterSet
    view: View | None


class ImageSources:
    """
    How every AE title's objects are read, made ready once for each set of mappings.

    Thread-safe: what two threads make at once is the same.
    """

    def __init__(
        self, mappings: Callable[[], MappingSet], peer_of: Callable[[str], Peer | None], identity: IdentitySection
    ) -> None:
        self._mappings = mappings
        self._peer_of = peer_of
        self._identity = identity
        self._made: tuple[MappingSet, list[DeviceRepairs], dict[str, _Reading]] | None = None

    def is_foreign(self, ae_title: str) -> bool:
        """Say whether what comes from *ae_title*, "" for no peer of ours, is another hospital's until proven ours."""
        peer = self._peer_of(ae_title)
        return not ae_title or (peer is not None and "referrer" in peer.roles)

    def roles_of(self, ae_title: str) -> frozenset[str]:
        """Return what *ae_title* is here: with callers = "any" a stranger is a modality, "" is nobody of the house."""
        peer = self._peer_of(ae_title)
        if peer is not None:
            return frozenset(peer.roles)
        return frozenset({"modality"}) if ae_title else frozenset()

    def read_header(
        self, path: Path, ae_title: str, head: Head | None = None, first: Sequence[DeviceRepairs] = ()
    ) -> Header:
        """
        Return what an object of *ae_title* says, read by the site's rules. Raises: as `datasets.read_header`.

        first: what people found out about what the device sent, which goes before the files.
        """
        reading = self._reading_of(ae_title)
        view = reading.view
        if first:
            authorities = self._authorities(self._mappings())
            made = tuple(with_authorities(one, authorities) for one in first)
            view = View((*made, *(view.devices if view is not None else ())))
        return datasets.read_header(path, default_charset=reading.default_charset, view=view, head=head)

    def _reading_of(self, ae_title: str) -> _Reading:
        current, made = self._mappings(), self._made
        if made is None or made[0] is not current:
            authorities = self._authorities(current)
            devices = [with_authorities(device, authorities) for device in current.repairs]
            made = self._made = (current, devices, {})
        _, devices, readings = made
        found = readings.get(ae_title)
        if found is None:
            peer = self._peer_of(ae_title)
            declared = charset.parse_setting(peer.charset) if peer is not None else None
            found = _Reading(declared or charset.LATIN_1, view_of(devices, peer.ae_title if peer else ae_title))
            # With callers = "any" everybody may make up titles.
            if peer is not None:
                readings[ae_title] = found
        return found

    def _authorities(self, mappings: MappingSet) -> dict[str, str]:
        """Return every spelling of an authority that is configured, folded, and its name."""
        names = {self._identity.authority, *(site.authority for site in mappings.sites)}
        spelled = {name.casefold(): name for name in names if name}
        for one in self._identity.authorities:
            spelled |= {text.casefold(): one.name for text in (one.name, one.oid) if text}
        return spelled

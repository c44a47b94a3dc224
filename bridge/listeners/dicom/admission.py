"""Who may call: our own title, a known caller, from its own address. Source: PS3.8 9.3.4 (rejection reasons)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.codecs.dicom.status import Service
from bridge.listeners.dicom.catalogue import rights_of
from bridge.listeners.dicom.ports import Peer

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CALLING_AE_TITLE_NOT_RECOGNIZED: Final = 3
CALLED_AE_TITLE_NOT_RECOGNIZED: Final = 7


@dataclass(frozen=True, slots=True)
class Caller:
    """One admitted association. ae_title: the configured one, whichever alias it called by; as sent where anybody may."""

    ae_title: str
    address: str
    association_id: str
    rights: frozenset[Service]


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a caller is sent away. diagnostic: of result source 1 (service user), rejected permanent."""

    diagnostic: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Source:
    peer: Peer
    addresses: frozenset[Address]
    networks: tuple[Network, ...]

    def matches(self, address: Address) -> bool:
        if address in self.addresses or any(address in network for network in self.networks):
            return True
        # One machine has many loopback addresses; they are the same host.
        return address.is_loopback and any(known.is_loopback for known in self.addresses)


class Admission:
    """
    The list of who may call, with the peers' names resolved once.

    unresolved: titles of peers whose host has no address now; they cannot call until the next start.
    """

    def __init__(self, ae_title: str, peers: Sequence[Peer], *, any_caller: bool) -> None:
        self._ae_title = ae_title
        self._any_caller = any_caller
        self._sources: dict[str, list[_Source]] = {}
        self.unresolved: list[str] = []
        for peer in peers:
            addresses = _resolve(peer.host)
            if not addresses and not peer.networks:
                self.unresolved.append(peer.ae_title)
            source = _Source(peer, addresses, parse_networks(peer.networks))
            for title in (peer.ae_title, *peer.aliases):
                self._sources.setdefault(title, []).append(source)

    def admit(self, called: str, calling: str, address: str, association_id: str) -> Caller | Rejection:
        """Decide about one association request; titles as sent, without padding."""
        if called != self._ae_title:
            return Rejection(CALLED_AE_TITLE_NOT_RECOGNIZED, "called_ae_title")
        came_from = parse_address(address)
        sources = self._sources.get(calling, [])
        peer = next((source.peer for source in sources if source.matches(came_from)), None)
        if peer is not None:
            return Caller(peer.ae_title, address, association_id, rights_of(peer.roles))
        if self._any_caller:
            return Caller(calling, address, association_id, rights_of(("modality",)))
        return Rejection(CALLING_AE_TITLE_NOT_RECOGNIZED, "address" if sources else "calling_ae_title")

    def peer(self, ae_title: str) -> Peer | None:
        """Return the configured peer of that title: a C-MOVE goes to no other."""
        sources = self._sources.get(ae_title)
        return sources[0].peer if sources else None


def may_come_plain(address: str, plain_from: Iterable[Network]) -> bool:
    """Say whether a connection without TLS is taken from *address*: loopback, or a network that was named."""
    source = parse_address(address)
    return source.is_loopback or any(source in network for network in plain_from)


def parse_address(address: str) -> Address:
    """Return an address as the socket gave it; an IPv4 address inside IPv6 is that IPv4 address."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def parse_networks(networks: Iterable[str]) -> tuple[Network, ...]:
    """Return networks in CIDR notation, host bits allowed."""
    return tuple(ipaddress.ip_network(network, strict=False) for network in networks)


def _resolve(host: str) -> frozenset[Address]:
    if not host:
        return frozenset()
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset(parse_address(str(entry[4][0])) for entry in found)

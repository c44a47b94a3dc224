"""Addresses that others ask us to call: which of them we do. Source: OWASP ASVS 5.0 V1.3.6, RFC 6890."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from bridge.errors import Malformed, Refused

_ADDRESS_MAX = 2000
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NOT_PUBLIC = "only public addresses are called, and networks that [fhir.subscriptions] names in private"
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
# This machine itself: what listens here only, answers whoever is here.
LOOPBACK = ("127.0.0.0/8", "::1/128")


def check_endpoint(url: str, private: Iterable[str] = ()) -> SplitResult:
    """
    Return *url* in its parts if we may be asked to call it: https, or http on this machine where that is in *private*.

    private: networks that may be called though they are no public ones, this machine among them. Its name is judged again when it is called.
    Raises: Malformed, Refused.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise Malformed("not an address", where="endpoint") from None
    if len(url) > _ADDRESS_MAX or not url.isascii() or not url.isprintable() or " " in url or not host or port == 0:
        raise Malformed("not an address", where="endpoint")
    if "@" in parts.netloc or parts.fragment:
        raise Malformed("an address has no user and no fragment", where="endpoint")
    if parts.scheme not in ("https", "http"):
        raise Malformed("https is wanted", where="endpoint")
    if parts.scheme == "http" and host not in _LOCAL_NAMES:
        raise Refused("https is wanted beyond this machine", code="plain_endpoint", where="endpoint")
    address = "127.0.0.1" if host == "localhost" else host
    if _is_literal(address) and not is_permitted(address, parts.scheme, private):
        raise Refused(_NOT_PUBLIC, code="private_address", where="endpoint")
    return parts


def is_permitted(address: str, scheme: str, private: Iterable[str] = ()) -> bool:
    """Say whether a numeric address may be called: public, or in *private*; in plain http this machine only."""
    try:
        found = _plain(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    is_ours = any(found.version == one.version and found in one for one in map(ipaddress.ip_network, private))
    if found.is_loopback:
        return is_ours
    if scheme != "https":
        return False
    if is_ours:
        return True
    return found.is_global and not found.is_multicast


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _plain(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 one stands for, where it does. Source: RFC 4291 2.5.5, RFC 6052, RFC 3056."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address

"""Unsafe starts are refused, every reason at once: what is beyond loopback must be encrypted, known and administered."""

from __future__ import annotations

import ipaddress
import os
import ssl
import stat
from pathlib import Path
from urllib.parse import urlsplit

from bridge.errors import Misconfigured
from bridge.sections.remote import SmartBackendAuth
from bridge.sections.section import ClientTls, Tls
from bridge.settings import Settings

_GROUP_OR_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


def is_loopback(host: str) -> bool:
    """Say whether *host* cannot be reached from another machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_start(settings: Settings, *, has_administrator: bool) -> None:
    """
    Refuse a start that would be unsafe.

    Raises: Misconfigured, with every reason.
    """
    faults = [*_hl7(settings), *_dicom(settings), *_http(settings), *_destinations(settings)]
    faults += [*_keys(settings), *_blobs(settings), *_outside(settings), *_charts(settings)]
    if not has_administrator and not all(is_loopback(host) for host in _hosts(settings)):
        faults.append(
            "a listener beyond loopback needs an administrator: start on loopback first, or run user add NAME --role admin, whose link is good for a day"
        )
    if faults:
        raise Misconfigured(faults)


def check_demonstration(settings: Settings) -> None:
    """
    Refuse a demonstration that could be reached, or could reach anybody, beyond this machine.

    Raises: Misconfigured.
    """
    outside = [host for host in _hosts(settings) if not is_loopback(host)]
    outside += [peer.host for peer in settings.dicom.peers if not is_loopback(peer.host)]
    outside += [one.host for one in settings.hl7.destinations if not is_loopback(one.host)]
    outside += [one.host for one in settings.outside.hl7 if not is_loopback(one.host)]
    servers = [server.base_url for server in settings.fhir.servers]
    servers += [server.base_url for server in settings.outside.fhir]
    servers += [payer.base_url for payer in settings.payers if payer.base_url]
    outside += [url for url in servers if not is_loopback(urlsplit(url).hostname or "")]
    if settings.store.is_s3 and not is_loopback(urlsplit(settings.store.s3.endpoint).hostname or ""):
        outside.append("a bucket")
    if outside:
        raise Misconfigured([f"--demo keeps to this machine, but the settings name {host}" for host in outside])


def server_context(tls: Tls) -> ssl.SSLContext:
    """
    Return the TLS context of a listener: TLS 1.2 or newer, AEAD suites, client certificates where a CA is named.

    Raises: Misconfigured, if certificate, key or CA cannot be used. Source: PS3.15 B.12, RFC 9325.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
            asked = tls.client_certificates == "required"
            context.verify_mode = ssl.CERT_REQUIRED if asked else ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as fault:
        raise Misconfigured([f"tls: {tls.certificate}: cannot be used: {fault.strerror or 'no such file'}"]) from None
    return context


class ServerTls:
    """
    A listener's TLS context, made anew when one of its files changes.

    Whoever is connected stays so; files that cannot be used leave the context as it was.
    """

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._seen = self._look()
        self.context = server_context(tls)

    def renew(self) -> bool:
        """
        Look at the files and say whether there is a new context.

        Raises: Misconfigured, once for each change that cannot be used.
        """
        found = self._look()
        if found == self._seen:
            return False
        # Noted before they are read: what changes meanwhile is seen the next time.
        self._seen = found
        fault = _key_fault(self._tls.key)
        if fault:
            raise Misconfigured([f"tls: {self._tls.key}: {fault}"])
        self.context = server_context(self._tls)
        return True

    def _look(self) -> list[tuple[int, int, int] | None]:
        files = (self._tls.certificate, self._tls.key, self._tls.client_ca)
        return [_stamp(file) for file in files if file is not None]


def client_context(tls: Tls | None) -> ssl.SSLContext:
    """
    Return the context we call a remote with: its certificate is verified, by our CA where one is named, and ours is shown.

    Raises: Misconfigured, if a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=tls.client_ca if tls is not None else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as fault:
        raise Misconfigured([f"tls: cannot be used: {fault.strerror or 'no such file'}"]) from None
    return context


def caller_context(tls: ClientTls) -> ssl.SSLContext:
    """
    Return the context we call an HL7 destination or a FHIR server with; certificate and host name are always verified.

    Raises: Misconfigured, if a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as fault:
        raise Misconfigured([f"tls: cannot be used: {fault.strerror or 'no such file'}"]) from None
    return context


def _charts(settings: Settings) -> list[str]:
    """What is published, or goes to payers, names patients, and a token opens their charts."""
    called = [(f"fhir.servers: {server.name}", server.base_url) for server in settings.fhir.servers]
    called += [(f"payers: {payer.name}", payer.base_url) for payer in settings.payers]
    return [
        f"{name}: plain http beyond loopback would show patients and tokens; use https"
        for name, address in called
        if urlsplit(address).scheme == "http" and not is_loopback(urlsplit(address).hostname or "")
    ]


def _hl7(settings: Settings) -> list[str]:
    hl7 = settings.hl7
    if is_loopback(hl7.host):
        return []
    faults = []
    if (hl7.tls is None or hl7.tls.port is not None) and not hl7.plain_from:
        faults.append("hl7: plain MLLP beyond loopback needs hl7.plain_from, or TLS on its port")
    if hl7.senders == "any":
        faults.append('hl7.senders: "any" is for a trial on loopback')
    return faults


def _dicom(settings: Settings) -> list[str]:
    dicom = settings.dicom
    if is_loopback(dicom.host):
        return []
    faults = []
    if (dicom.tls is None or dicom.tls.port is not None) and not dicom.plain_from:
        faults.append("dicom: plain DICOM beyond loopback needs dicom.plain_from, or TLS on its port")
    if dicom.callers == "any":
        faults.append('dicom.callers: "any" is for a trial on loopback')
    if not dicom.peers:
        faults.append("dicom: a listener beyond loopback needs known peers")
    return faults


def _http(settings: Settings) -> list[str]:
    http = settings.http
    if is_loopback(http.host) or http.tls is not None or http.behind_proxy:
        return []
    return ["http: a console beyond loopback needs http.tls or http.behind_proxy"]


def _destinations(settings: Settings) -> list[str]:
    return [
        f"hl7.destinations: {one.name}: plain MLLP beyond loopback needs tls, or plain = true"
        for one in settings.hl7.destinations
        if one.tls is None and not one.plain and not is_loopback(one.host)
    ]


def _outside(settings: Settings) -> list[str]:
    """Whoever is asked who somebody is, is told who that may be."""
    faults = [
        f"outside.hl7: {one.name}: plain MLLP beyond loopback needs tls, or plain = true"
        for one in settings.outside.hl7
        if one.tls is None and not one.plain and not is_loopback(one.host)
    ]
    for server in settings.outside.fhir:
        address = urlsplit(server.base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            faults.append(f"outside.fhir: {server.name}: base_url is no address")
        elif address.username or address.password:
            faults.append(f"outside.fhir: {server.name}: a password belongs in auth, not in base_url")
        elif address.scheme == "http" and not is_loopback(address.hostname):
            faults.append(
                f"outside.fhir: {server.name}: plain http beyond loopback would show who is asked for; use https"
            )
    return faults


def _hosts(settings: Settings) -> list[str]:
    return [settings.hl7.host, settings.dicom.host, settings.http.host]


def _keys(settings: Settings) -> list[str]:
    """A private key that others can read is no secret."""
    sections = {"hl7": settings.hl7.tls, "dicom": settings.dicom.tls, "http": settings.http.tls}
    paths = [(f"{name}.tls.key", tls.key) for name, tls in sections.items() if tls is not None]
    for one in settings.hl7.destinations:
        if one.tls is not None and one.tls.key is not None:
            paths.append((f"hl7.destinations: {one.name}: tls.key", one.tls.key))
    for asked in settings.outside.hl7:
        if asked.tls is not None and asked.tls.key is not None:
            paths.append((f"outside.hl7: {asked.name}: tls.key", asked.tls.key))
    for server in settings.outside.fhir:
        if isinstance(server.auth, SmartBackendAuth):
            paths.append((f"outside.fhir: {server.name}: auth.key", server.auth.key))
    for chart in settings.fhir.servers:
        if isinstance(chart.auth, SmartBackendAuth):
            paths.append((f"fhir.servers: {chart.name}: auth.key", chart.auth.key))
        if chart.launch is not None and chart.launch.key is not None:
            paths.append((f"fhir.servers: {chart.name}: launch.key", chart.launch.key))
        if chart.tls is not None and chart.tls.key is not None:
            paths.append((f"fhir.servers: {chart.name}: tls.key", chart.tls.key))
    faults = []
    for place, path in paths:
        fault = _key_fault(path)
        if fault:
            faults.append(f"{place}: {path}: {fault}")
    return faults


def _key_fault(path: Path) -> str:
    try:
        mode = os.stat(path).st_mode
    except OSError as fault:
        return fault.strerror or "cannot be read"
    return "others can read it; chmod 600" if mode & _GROUP_OR_OTHERS else ""


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file does; None for one that is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _blobs(settings: Settings) -> list[str]:
    address = urlsplit(settings.store.s3.endpoint)
    if address.scheme != "http" or is_loopback(address.hostname or ""):
        return []
    return ["store.s3.endpoint: plain http beyond loopback would show every object and its patient; use https"]

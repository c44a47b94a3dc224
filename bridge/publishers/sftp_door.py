"""A folder of somebody else's that files are handed over in by SFTP: to the host whose key the settings pin, and to no other.

A file is uploaded under a name that nobody takes, then renamed; what lies there is never overwritten.
Source: draft-ietf-secsh-filexfer-02 6.5 (a rename onto a name that is taken fails); RFC 4253 8 (host keys).
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import paramiko

from bridge.domain.host_key import read_host_key
from bridge.errors import Misconfigured, Refused, Unavailable
from bridge.outbox.retry import DESTINATION_DOWN
from bridge.publishers.file_folder import UNFINISHED, name_taken

# By which signatures a host proves that it has a key of a kind. Source: RFC 8332 3.
_SIGNED_BY = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True, slots=True)
class SftpPlace:
    """
    Where files go. folder: on the host, "" for where the user begins. host_key: its type and its key in Base64, as
    ssh-keyscan writes it. key: PEM or OpenSSH file of the user's private key; password: where there is none.
    """

    host: str
    port: int
    user: str
    host_key: str
    folder: str = ""
    key: Path | None = None
    password: str = ""
    timeout_secs: float = 30.0


class SftpDoor:
    """
    One folder of one host; a connection for each file.

    Raises: Misconfigured, if the host's key or ours cannot be read.
    """

    def __init__(self, place: SftpPlace) -> None:
        self._place = place
        try:
            self._key_type, self._host_key = read_host_key(place.host_key)
        except ValueError as fault:
            raise Misconfigured([f"sftp host_key: {fault}"]) from None
        self._key = _own_key(place)

    def put(self, name: str, content: bytes) -> bool:
        """Upload a file, then give it its name. Raises: Conflict, "name_taken"; Refused; Unavailable."""
        with self._folder() as folder:
            if _is_there(folder, name, content):
                return False
            unfinished = f".{name}{UNFINISHED}"
            with folder.open(unfinished, "wb") as file:
                file.set_pipelined(True)
                file.write(content)
            if folder.stat(unfinished).st_size != len(content):
                raise Unavailable("not all of the file arrived", code="cut_off")
            self._rename(folder, unfinished, name, content)
        return True

    def probe(self) -> str:
        """Sign in and look at the folder; nothing is written, as what lies there may be taken at once."""
        with self._folder() as folder:
            folder.stat(".")
        return "signed in, the folder is there"

    def _rename(self, folder: paramiko.SFTPClient, unfinished: str, name: str, content: bytes) -> None:
        try:
            folder.rename(unfinished, name)
        except OSError:
            # It may have come there meanwhile; else the fault is what it was.
            if not _is_there(folder, name, content):
                raise
            folder.remove(unfinished)

    @contextmanager
    def _folder(self) -> Iterator[paramiko.SFTPClient]:
        """Yield the folder, signed in to the host that has the pinned key."""
        place = self._place
        try:
            connection = socket.create_connection((place.host, place.port), place.timeout_secs)
        except OSError as fault:
            raise _down(fault) from fault
        with contextlib.closing(paramiko.Transport(connection)) as transport:
            self._sign_in(transport)
            try:
                yield self._opened(transport)
            except (paramiko.SSHException, EOFError, OSError) as fault:
                raise _failed(fault) from fault

    def _sign_in(self, transport: paramiko.Transport) -> None:
        place = self._place
        transport.get_security_options().key_types = _SIGNED_BY.get(self._key_type, (self._key_type,))
        transport.auth_timeout = place.timeout_secs
        try:
            transport.start_client(timeout=place.timeout_secs)
            # Before our name or password is told to whoever answers.
            if not hmac.compare_digest(transport.get_remote_server_key().asbytes(), self._host_key):
                raise _stranger()
            if self._key is not None:
                transport.auth_publickey(place.user, self._key)
            else:
                transport.auth_password(place.user, place.password)
        except paramiko.AuthenticationException as fault:
            raise Refused("the host does not let us sign in", code="not_signed_in") from fault
        except paramiko.ssh_exception.IncompatiblePeer as fault:
            raise _stranger() from fault
        except (paramiko.SSHException, EOFError, OSError) as fault:
            raise _down(fault) from fault

    def _opened(self, transport: paramiko.Transport) -> paramiko.SFTPClient:
        folder = paramiko.SFTPClient.from_transport(transport)
        if folder is None:
            raise Unavailable("the host offers no SFTP", code=DESTINATION_DOWN)
        folder.get_channel().settimeout(self._place.timeout_secs)
        folder.chdir(self._place.folder or ".")
        return folder


def _own_key(place: SftpPlace) -> paramiko.PKey | None:
    if place.key is None:
        return None
    try:
        return paramiko.PKey.from_path(place.key)
    except (OSError, ValueError, paramiko.SSHException, paramiko.UnknownKeyType) as fault:
        raise Misconfigured([f"sftp key: {place.key} cannot be read as a private key"]) from fault


def _is_there(folder: paramiko.SFTPClient, name: str, content: bytes) -> bool:
    """Say whether *name* is this file. Raises: Conflict, if it is another one."""
    try:
        size = folder.stat(name).st_size
    except FileNotFoundError:
        return False
    if size == len(content):
        with folder.open(name, "rb") as file:
            file.prefetch(size)
            if file.read() == content:
                return True
    raise name_taken()


def _stranger() -> Refused:
    return Refused("the host's key is not the one in the settings: nothing was sent", code="host_key")


def _down(fault: Exception) -> Unavailable:
    return Unavailable(f"the host cannot be reached ({type(fault).__name__})", code=DESTINATION_DOWN)


def _failed(fault: Exception) -> Refused | Unavailable:
    if isinstance(fault, PermissionError) or (isinstance(fault, OSError) and fault.errno == errno.EACCES):
        return Refused("the host does not let us write to the folder", code="not_permitted")
    if isinstance(fault, FileNotFoundError):
        return Refused("the folder is not there", code="no_folder")
    return Unavailable(f"the file could not be handed over ({type(fault).__name__})", code="cut_off")

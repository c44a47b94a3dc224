"""OpenSSH's own server on loopback, for one test run: its key, a user's key, a folder."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
_LIMIT_SECS = 30.0


@dataclass(frozen=True)
class Sshd:
    """A running server. host_key: its public line; key: the user's private one; folder: into which files go."""

    port: int
    user: str
    host_key: str
    key: Path
    folder: Path


def is_here() -> bool:
    """Say whether this machine can run one: the server refuses to sign other users in without root's rights."""
    return Path(SSHD).exists() and shutil.which("ssh-keygen") is not None


@contextmanager
def running(place: Path) -> Iterator[Sshd]:
    """Start a server in *place*, and end it by its process behind the block."""
    host, user, folder = place / "host", place / "user", place / "outgoing"
    folder.mkdir(parents=True)
    for path in (host, user):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    allowed = place / "authorized"
    allowed.write_bytes(user.with_suffix(".pub").read_bytes())
    for path in (host, user, allowed):
        path.chmod(0o600)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    config = place / "config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nAuthorizedKeysFile {allowed}\nStrictModes no\nUsePAM no\n"
        f"PasswordAuthentication no\nPermitRootLogin yes\nPidFile {place / 'pid'}\nSubsystem sftp internal-sftp\n"
    )
    with (place / "log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stdout=log, stderr=log)
    try:
        _wait(process, port, place / "log")
        yield Sshd(port, getpass.getuser(), host.with_suffix(".pub").read_text(), user, folder)
    finally:
        process.terminate()
        process.wait(timeout=_LIMIT_SECS)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _LIMIT_SECS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(log.read_text())
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError("sshd does not listen")

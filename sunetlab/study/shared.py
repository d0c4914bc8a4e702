"""A database that several machines share, and where a study's folder says that its own is.

`postgresql://USER@HOST/DATABASE` is a PostgreSQL server, `grpc://HOST:PORT` Optuna's proxy before one. A password is in
neither: libpq takes it from PGPASSWORD or ~/.pgpass, and so no list of processes, log, report or folder has it. To a
server it is proved and not told, for a folder may be a stranger's; where it must be (LDAP, PAM), PGREQUIREAUTH=password
allows that.
"""

import os
import secrets
import socket
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage, get_storage
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from sunetlab.errors import InputError
from sunetlab.files import read_table, validate, write_table
from sunetlab.study.patience import Patient, Told, is_passing

PLACE = "storage.toml"  # in a study's folder: which database it is in, and under what name
FORMS = "postgresql://USER@HOST/DATABASE, or grpc://HOST:PORT of a proxy"
CONNECT_S = 10  # seconds that a connection may take to be made
RESTART_S = 60.0  # and that a server which is known may be away when somebody comes
_ADVICE = {  # what libpq says → what to do
    "no password supplied": "set PGPASSWORD, or write it to ~/.pgpass",
    'requirement "!password"': "it wants the password as it is, which PGREQUIREAUTH=password allows",
}
_SECRET = ("pass", "secret")  # what names of libpq's parameters have that hold a password, or say where one is
_REQUIRES_AUTH = 160_000  # the first libpq that can refuse to send a password as it is
MADE = {"23505", "42P07", "42710"}  # SQLSTATE of PostgreSQL: a row, a table or a type is there already
BEGUN = 5  # times that the tables of an empty database are begun again: of several who make them at once one succeeds
# Seconds, and milliseconds: a server that vanished, with its power or the network, is noticed in about a minute.
_DEAD = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_CONNECTIONS = {"pool_size": 2, "max_overflow": 2, "pool_pre_ping": True}  # a process has two threads that ask


class Place(BaseModel):
    """Where a study is.

    Attributes:
        url: of the database, without a password.
        key: what its name there ends with, so that studies of one name are two.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]


def parse_url(text: str) -> URL:
    """The address of a shared database.

    Raises:
        InputError: it is none, or has a password in it.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise InputError(f"--storage: must be written {FORMS}") from None
    if url.password is not None or any(word in key.lower() for key in url.query for word in _SECRET):  # not said again
        raise InputError(
            "--storage: leave the password out, for others see what is typed: set PGPASSWORD, or write it to ~/.pgpass"
        )
    if url.drivername not in ("postgresql", "grpc") or not url.host:
        raise InputError(f"--storage: {text!r}: must be written {FORMS}")
    if url.drivername == "grpc" and (url.port is None or url.username or url.database):
        raise InputError(f"--storage: {text!r}: a proxy's address is written grpc://HOST:PORT")
    if url.drivername == "postgresql" and not url.database:
        raise InputError(f"--storage: {text!r}: says no database: postgresql://USER@HOST/DATABASE")
    return url


def place_of(folder: Path) -> Place | None:
    """Where the study of a folder is; None where it is in the folder itself.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / PLACE
    return validate(Place, read_table(path), str(path)) if path.exists() else None


def settle_place(folder: Path, url: URL) -> Place:
    """Where a folder's study is from now on: what whoever came first has said.

    Raises:
        InputError: the folder's study is in its own database, or cannot be put elsewhere.
    """
    if place_of(folder) is None:
        part = folder / f".{PLACE}.{secrets.token_hex(8)}.toml"
        write_table(part, {"url": url.render_as_string(hide_password=True), "key": secrets.token_hex(4)})
        with suppress(FileExistsError):
            os.link(part, folder / PLACE)  # whole, and for the first alone
        part.unlink()
    place = place_of(folder)
    assert place is not None
    return place


def open_shared(url: URL, told: Told = lambda seconds: None, wait_s: float = 0.0) -> BaseStorage:  # noqa: ARG005
    """The database at an address, patient with it once it has answered.

    Args:
        url: the address.
        told: as `Patient`'s.
        wait_s: seconds in which it may answer for the first time, where it is known to be there.

    Raises:
        InputError: what is needed to speak with it is not installed; nobody answers there; it refuses.
    """
    return Patient(_proxy(url, wait_s) if url.drivername == "grpc" else _database(url, told, wait_s), told)


def open_database(address: str, **engine: Any) -> RDBStorage:
    """Optuna's storage at an address of SQLAlchemy's, made where missing; what it has read stays read."""
    database = RDBStorage(address, engine_kwargs=engine)
    database.remove_session()  # one that is there already would stay as it is
    database.scoped_session.configure(expire_on_commit=False)  # Optuna closes a session once it has committed
    return database


def _database(url: URL, told: Told, wait_s: float) -> BaseStorage:
    _need("psycopg", "postgresql")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    connect: dict[str, Any] = {"connect_timeout": CONNECT_S, "application_name": "sunetlab", **_DEAD}
    if "PGREQUIREAUTH" not in os.environ and import_module("psycopg").pq.version() >= _REQUIRES_AUTH:
        connect["require_auth"] = "!password"  # whose server this is, a folder says: it is shown no password
    address = url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    began, again = time.monotonic(), BEGUN
    while True:
        try:
            return get_storage(open_database(address, **_CONNECTIONS, connect_args=connect))
        except Exception as error:
            waited = time.monotonic() - began
            if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in MADE:
                again -= 1  # others make the same tables just now
            elif is_passing(error) and waited < wait_s:
                told(waited)
            else:
                again = -1
            if again < 0:
                raise InputError(f"--storage: {url}: {_why(error)}") from None
        time.sleep(secrets.randbelow(1000) / 1000)


def _proxy(url: URL, wait_s: float) -> BaseStorage:
    _need("grpc", "proxy")
    assert url.host is not None
    assert url.port is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        proxy = GrpcStorageProxy(host=url.host, port=url.port)
    try:
        proxy.wait_server_ready(timeout=max(CONNECT_S, round(wait_s)))
    except Exception as error:
        proxy.close()
        raise InputError(f"--storage: {url}: nobody answers: {_why(error)}") from None
    return proxy


def _why(error: BaseException) -> str:
    """What a driver says, in one line."""
    inner = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
    lines = [" ".join(line.split()) for line in str(inner).splitlines()]
    advice = [text for said, text in _ADVICE.items() if said in str(inner)]
    return "; ".join(filter(None, [*lines, *advice])) or type(inner).__name__


def _need(package: str, extra: str) -> None:
    try:
        import_module(package)
    except ImportError:
        raise InputError(f"--storage: needs {package}; pip install 'sunetlab[{extra}]'") from None


def run_proxy(url: URL, host: str, port: int, ready: Callable[[], None] = lambda: None) -> None:
    """Answer for a database until somebody interrupts.

    Args:
        url: the database's address.
        host: where to listen.
        port: likewise.
        ready: is called once the database has answered and nobody else listens there.

    Raises:
        InputError: the database cannot be reached, or the address be listened at.
    """
    _need("grpc", "proxy")
    if url.drivername != "postgresql":
        raise InputError(f"--storage: {url}: a proxy stands before postgresql://USER@HOST/DATABASE")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a proxy that died may linger
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(f"--port: {host}:{port}: cannot be listened at: {error.strerror}") from None
    with warnings.catch_warnings(), suppress(KeyboardInterrupt):
        warnings.simplefilter("ignore", ExperimentalWarning)
        database = open_shared(url)
        ready()
        optuna.storages.run_grpc_proxy_server(database, host=host, port=port)

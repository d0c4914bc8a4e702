"""A real PostgreSQL server on loopback, of the distribution's package, in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

USER = "faults"
PACKAGE = "needs the programs of PostgreSQL (Debian: postgresql; Fedora: postgresql-server)"
STOPS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}  # of its manual: roll back and end; end and recover later
READY_S = 60.0  # seconds that a start may take, with its recovery


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`, which distributions keep out of the PATH; None where there is none."""
    folders = [Path(found).parent for found in (shutil.which("postgres"),) if found]
    if config := shutil.which("pg_config"):
        said = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
        folders.append(Path(said))
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((one for one in folders if (one / "initdb").exists() and (one / "postgres").exists()), None)


class Server:
    """A server that is started, stopped in the ways of its manual, and started again; as a context, gone at the end."""

    def __init__(self, bin_folder: Path) -> None:
        self.bin = bin_folder
        self.home = Path(tempfile.mkdtemp(prefix="faults-postgres-"))
        self.who: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if self.who:  # the server refuses to be root's
            shutil.chown(self.home, **self.who)
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Server":
        make = [str(self.bin / "initdb"), "-D", str(self.home / "data"), "-A", "trust", "-U", USER]
        subprocess.run(make, check=True, capture_output=True, cwd=self.home, **self.who)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.home)

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = ("listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={self.port}")
        line = [
            str(self.bin / "postgres"),
            "-D",
            str(self.home / "data"),
            *(part for word in words for part in ("-c", word)),
        ]
        with (self.home / "log").open("ab") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(line, stdout=log, stderr=log, cwd=self.home, **self.who)
        self.process = process
        deadline = time.monotonic() + READY_S
        while True:
            try:
                self.ask("select 1")
                return
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self, way: str) -> None:
        """Stop it in one of `STOPS`."""
        if self.process is not None:
            self.process.send_signal(STOPS[way])
            self.process.wait(READY_S)
            self.process = None

    def make(self, name: str) -> str:
        """A new database; its address."""
        self.ask(f"create database {name}")
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def ask(self, question: str) -> None:
        """Say something to the server."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, dbname="postgres", autocommit=True, connect_timeout=5
        ) as connection:
            connection.execute(question.encode())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

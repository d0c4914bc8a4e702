"""`sunetlab study dashboard`: a study's trials in optuna-dashboard, in the browser."""

import errno
import importlib
import ipaddress
import os
import socket
import sys
import webbrowser
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import Annotated, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import typer

from sunetlab import InputError

from .output import note, say
from .study_named import Name, existing

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def dashboard(
    study: Name,
    host: Annotated[str, typer.Option(help="The address to listen at; by default this machine alone sees it.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8080,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
) -> None:
    """Show a study's trials in optuna-dashboard, until Ctrl-C; nothing there can change the study."""
    from sunetlab.study.results import load_study
    from sunetlab.study.storage import DATABASE, is_begun

    folder = existing(study)
    load_study(folder)
    if not is_begun(folder):
        raise InputError(f"{folder}: has no {DATABASE} yet: no trial was put in line; sunetlab study run begins")
    server = _server(read_only(_application(folder)), host, port)
    with server:
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:{server.server_port}/dashboard"
        say(f"{url}  (Ctrl-C ends it)")
        sys.stdout.flush()  # it may be a pipe
        if not _is_loopback(host):
            note(f"--host: {host}: whoever reaches this machine can read the study")
        if open_page and _has_display():
            webbrowser.open(url)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def read_only(application: Application) -> Application:
    """The same application without what changes a study: a click must not delete what took days."""

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return application(environ, start_response)
        start_response("405 Method Not Allowed", [("Content-Type", "application/json"), ("Allow", "GET, HEAD")])
        return [b'{"reason": "sunetlab shows the study, and changes nothing"}']

    return guarded


def _application(folder: Path) -> Application:
    from sunetlab.study.storage import database_errors, open_storage

    try:
        package = importlib.import_module("optuna_dashboard")
    except ImportError:
        raise InputError("dashboard: needs optuna-dashboard; pip install 'sunetlab[dashboard]'") from None
    with database_errors(folder):
        application: Application = package.wsgi(open_storage(folder))
    return application


class _Server(ThreadingMixIn, WSGIServer):
    """A server that answers several requests at once, as a page makes them."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Take the address, without asking for this machine's name: where no name server answers that takes seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    """No line per request."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def _server(application: Application, host: str, port: int) -> WSGIServer:
    kind = _Server6 if ":" in host else _Server
    try:
        return make_server(host, port, application, kind, _Quiet)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"--port: {port}: is in use; choose another, or 0 for a free one") from None
        if error.errno == errno.EACCES:
            raise InputError(f"--port: {port}: {error.strerror}; those below 1024 are the system's") from None
        raise InputError(f"--host: {host}: cannot be listened at: {error.strerror}") from None


def _has_display() -> bool:
    """Whether a browser has a window to open: one in the terminal would take the place of this command."""
    return sys.platform == "darwin" or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

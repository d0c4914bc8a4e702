"""The dashboard: what it needs, where it listens, that it shows the study and changes nothing."""

import json
import shutil
import socket
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sunetlab.cli import dashboard
from sunetlab.study import attempt
from sunetlab.study.definition import Study
from sunetlab.study.runner import run_study
from tests.conftest import Said
from tests.tiny import stand_in, write_study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dashboard")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, "train", stand_in)
        run_study(Study.load(write_study(folder)), folder / "out", "cpu")
    return folder / "out"


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "runs" / "tiny")
    return tmp_path / "runs" / "tiny"


Answer = tuple[int, bytes]


def visited(monkeypatch: pytest.MonkeyPatch, *asked: tuple[str, str]) -> list[Answer]:
    """Has a visitor in the place of a browser ask for pages, and press Ctrl-C; what is answered."""
    answers: list[Answer] = []
    urls: list[str] = []

    def serve(server: dashboard.WSGIServer) -> None:
        visitor = threading.Thread(target=lambda: answers.extend(fetch(urls[0], *each) for each in asked))
        visitor.start()
        for _ in asked:
            server.handle_request()
        visitor.join()
        raise KeyboardInterrupt

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("webbrowser.open", urls.append)
    monkeypatch.setattr(dashboard.WSGIServer, "serve_forever", serve)
    return answers


def fetch(url: str, method: str, path: str) -> Answer:
    request = urllib.request.Request(url.removesuffix("/dashboard") + path, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A package of the same name; the storages that it was given."""
    package, storages = ModuleType("optuna_dashboard"), []

    def wsgi(storage: Any) -> dashboard.Application:
        def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [environ["PATH_INFO"].encode()]

        storages.append(storage)
        return application

    package.wsgi = wsgi  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "optuna_dashboard", package)
    return storages


def test_it_serves_the_studys_database_until_ctrl_c(
    study: Path, fake: list[Any], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = visited(monkeypatch, ("GET", "/dashboard"), ("DELETE", "/api/studies/1"), ("POST", "/x"), ("GET", "/b"))
    status, out, err = said("study dashboard tiny --port 0")
    assert (status, err) == (0, "")
    assert out.startswith("http://127.0.0.1:")
    assert [code for code, _ in answers] == [200, 405, 405, 200]
    assert answers[3] == (200, b"/b")
    (storage,) = fake
    assert [each.study_name for each in storage.get_all_studies()] == ["tiny-classification"]
    assert (study / "optuna.db").is_file()


def test_no_page_is_opened_unasked(study: Path, fake: list[Any], said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    del study, fake
    visited(monkeypatch)
    monkeypatch.setattr("webbrowser.open", None)
    assert said("study dashboard tiny --port 0 --no-open")[0] == 0
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert said("study dashboard tiny --port 0")[0] == 0  # only a browser in the terminal could be opened


def test_whoever_lets_others_in_is_told(
    study: Path, fake: list[Any], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    del study, fake
    visited(monkeypatch)
    status, _, err = said("study dashboard tiny --host 0.0.0.0 --port 0 --no-open")
    assert (status, err) == (0, "--host: 0.0.0.0: whoever reaches this machine can read the study\n")
    assert said("study dashboard tiny --host localhost --port 0 --no-open")[2] == ""


def test_what_it_cannot_do_is_one_line(
    study: Path, fake: list[Any], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    del fake
    visited(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = said(f"study dashboard tiny --port {port}")
        assert line == (2, "", f"sunetlab: --port: {port}: is in use; choose another, or 0 for a free one\n")
    status, out, err = said("study dashboard tiny --host 203.0.113.1")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "--host: 203.0.113.1: cannot be listened at" in err
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    told = (2, "", "sunetlab: dashboard: needs optuna-dashboard; pip install 'sunetlab[dashboard]'\n")
    assert said("study dashboard tiny") == told
    (study / "optuna.db").unlink()
    status, out, err = said("study dashboard tiny")
    assert (status, out) == (2, "")
    assert "has no optuna.db yet" in err
    assert not (study / "optuna.db").exists()


def test_the_real_one_shows_the_trials(study: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna_dashboard")
    before = (study / "optuna.db").read_bytes()
    answers = visited(monkeypatch, ("GET", "/dashboard"), ("GET", "/api/studies"), ("GET", "/api/studies/1?after=0"))
    assert said("study dashboard tiny --port 0")[0] == 0
    assert b"Optuna Dashboard" in answers[0][1]
    assert [each["study_name"] for each in json.loads(answers[1][1])["study_summaries"]] == ["tiny-classification"]
    trials = json.loads(answers[2][1])["trials"]
    assert [trial["state"] for trial in trials] == ["Complete"] * 4
    assert sorted(trial["values"][0] for trial in trials) == pytest.approx([0.55, 0.56, 0.65, 0.66])
    assert (study / "optuna.db").read_bytes() == before

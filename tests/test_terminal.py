"""The command line among other programs: pipes that break, streams that are closed, signals, narrow terminals."""

import fcntl
import json
import math
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sunetlab import InputError, Report, SUNetSpec, analyze
from sunetlab.cli.output import binary, print_json, print_table, short
from sunetlab.files import validate
from sunetlab.folders import DATA, WEIGHTS
from sunetlab.model.sunet import SUNet
from sunetlab.model.weights import save_weights
from sunetlab.train.data import DataConfig
from sunetlab.train.data.image_files import read_image
from sunetlab.train.recipe import Recipe
from sunetlab.train.run import Run
from tests.conftest import Said

SUNETLAB = f"{sys.executable} -m sunetlab"
NETWORK: dict[str, Any] = {"depth": 1, "n": 4, "stacks": (1,), "widths": (8,), "stem_width": 4, "stem": "small"}
TINY = "--depth 1 --n 4 --stacks 1 --widths 8 --stem-width 4 --stem small"


def shell(line: str, **environment: str) -> tuple[int, str, str]:
    """Runs a line of bash: status, standard output, standard error."""
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=os.environ | environment)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("reader", ["head -c 5", "true"])
@pytest.mark.parametrize("form", ["--json", ""])
def test_a_reader_that_has_seen_enough_is_no_failure(reader: str, form: str) -> None:
    status, _, err = shell(f"{SUNETLAB} report layers sunet-7-128 {form} | {reader}; exit ${{PIPESTATUS[0]}}")
    assert (status, err) == (0, "")


def test_closed_streams_take_everything() -> None:
    assert shell(f"{SUNETLAB} build sunet-64 >&-") == (0, "", "")
    assert shell(f"{SUNETLAB} build sunet-65 >&- 2>&-") == (2, "", "")


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_an_encoding_without_the_character_is_no_failure(environment: dict[str, str]) -> None:
    status, out, err = shell(f"{SUNETLAB} report macs sunet-64", **environment)
    assert (status, err) == (0, "")
    assert "2?MACs" in out


@pytest.mark.parametrize("line", ["report params sunet-64", "draw sunet-64 --out -", "report layers sunet-64 --json"])
def test_output_that_finds_no_room_is_one_line(line: str) -> None:
    assert shell(f"{SUNETLAB} {line} > /dev/full") == (1, "", "sunetlab: no room on the disk\n")


def test_nothing_heavy_is_loaded_before_ctrl_c_is_taken_care_of() -> None:
    code = "import sys, sunetlab.__main__; print({'pydantic', 'typer', 'numpy', 'sunetlab.spec'} & {*sys.modules})"
    assert shell(f'{sys.executable} -c "{code}"') == (0, "set()\n", "")
    names = "import sunetlab; print(all(hasattr(sunetlab, name) for name in sunetlab.__all__), hasattr(sunetlab, 'x'))"
    assert shell(f'{sys.executable} -c "{names}"') == (0, "True False\n", "")


@pytest.mark.parametrize("module", ["pydantic", "typer", "sunetlab.cli.main", "sunetlab.spec"])
def test_ctrl_c_while_the_command_line_is_loaded(module: str) -> None:
    code = (
        "import os, signal, sys\n"
        "class Presses:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == '{module}': os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.meta_path.insert(0, Presses())\n"
        "from sunetlab.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, "build", "sunet-64"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "sunetlab: stopped\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_command_as_ctrl_c_does(number: signal.Signals) -> None:
    code = (
        "import os, signal; from sunetlab.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"main.typer.main.get_command = lambda _: os.kill(os.getpid(), {int(number)})\n"
        "main.main(['build'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr == "sunetlab: stopped\n"


def in_terminal(columns: int, line: str, term: str = "dumb", told: Callable[[bytes], None] = lambda _: None) -> str:
    """What a command prints in a terminal so wide; `told` is called with all that it has printed so far."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        line.split(), stdin=theirs, stdout=theirs, stderr=theirs, env=environment | {"TERM": term}
    )
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
            told(b"".join(parts))
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return b"".join(parts).decode()


@pytest.mark.parametrize("columns", [40, 80, 110, 200])
def test_a_terminal_of_any_width_shows_every_number_whole(columns: int) -> None:
    out = in_terminal(columns, f"{SUNETLAB} report layers sunet-64")
    assert "…" not in out
    for text in ("2,532,519,936", "9,633,792", "dilation", "112x112"):
        assert text in out
    fits = max(map(len, out.splitlines())) <= columns
    assert fits == (columns >= 110)
    assert columns == 110 or "blocks.2.unets.1.expand.norm.relu" in out  # folds where that makes the table fit


@pytest.mark.parametrize(("columns", "beside"), [(100, False), (120, True)])
def test_what_is_counted_apart_stands_beside_where_there_is_room(columns: int, beside: bool) -> None:
    heading = next(
        line for line in in_terminal(columns, f"{SUNETLAB} report macs sunet-64").splitlines() if "MACs  " in line
    )
    assert ("concat" in heading) == beside


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (2**10, "1.00 KiB"), (19 * 2**20, "19.0 MiB"), (1021 * 2**10, "1,021 KiB"),
     (2**30 - 1, "1,024 MiB"), (int(63.44 * 2**30), "63.4 GiB"), (10**15, "931,323 GiB")],
)  # fmt: skip
def test_bytes_in_words(size: int, text: str) -> None:
    assert binary(size) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(7, "7"), (999, "999"), (1000, "1.00 k"), (22e9, "22.0 G"), (63.44e9, "63.4 G"), (999.6e9, "1,000 G")],
)
def test_numbers_in_words(number: float, text: str) -> None:
    assert short(number) == text


def test_a_command_that_takes_long_says_so_once(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*arguments: Any) -> Report:
        time.sleep(0.3)
        return analyze(*arguments)

    monkeypatch.setattr("sunetlab.cli.network.analyze", slowly)
    assert said("build sunet-64 --json")[2] == ""
    monkeypatch.setattr("sunetlab.cli.output.PATIENCE", 0.01)
    assert said("build sunet-64 --input 64 --json")[2] == "still at work: 11 u-nets, input 64\n"


def test_a_table_of_many_rows_takes_seconds_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.process_time()
    print_table(["layer", "kind", "params"], [[f"blocks.0.unets.{row}", "conv", row] for row in range(50_000)])
    assert time.process_time() - began < 5
    assert capsys.readouterr().out.splitlines()[-1] == "blocks.0.unets.49999  conv  49,999"


def test_columns_of_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["class", "IoU"], [["猫", "1.0 %"], ["dog", "12.5 %"]])
    assert capsys.readouterr().out.splitlines() == ["class     IoU", "猫      1.0 %", "dog    12.5 %"]


def test_json_has_null_for_what_is_not_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"loss": math.nan, "by": {"a": [math.inf, 1.5]}})
    assert json.loads(capsys.readouterr().out) == {"loss": None, "by": {"a": [None, 1.5]}}


def write_run(folder: Path, task: str, source: str, classes: list[str]) -> None:
    """A run's folder as training leaves it, with untrained weights."""
    spec = SUNetSpec.make(**NETWORK, task=task, num_classes=len(classes))
    data = validate(DataConfig, {"source": source, "task": task})
    folder.mkdir()
    Run(spec=spec, recipe=Recipe.load("quick"), data=data).save(folder)
    save_weights(SUNet(spec), folder / WEIGHTS)
    (folder / DATA).write_text(json.dumps({"classes": classes}))


def grey(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 32), value, np.uint8)).save(path)


def test_figures_of_a_split_that_is_all_void(said: Said, tmp_path: Path) -> None:
    for split in ("train", "val"):
        grey(tmp_path / "road" / split / "images" / "1.png", 0)
        grey(tmp_path / "road" / split / "masks" / "1.png", 255 if split == "val" else 1)
    (tmp_path / "road" / "classes.txt").write_text("sky\nroad\n")
    write_run(tmp_path / "net", "segmentation", "folder:road", ["sky", "road"])
    status, out, err = said("evaluate net --json --device cpu")
    assert status == 0, err
    assert json.loads(out)["miou"] is None
    assert "undefined" in said("evaluate net --device cpu")[1]


def test_evaluating_refuses_other_classes(said: Said, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for number in range(4):
            grey(tmp_path / "pets" / name / f"{number}.png", number)
    write_run(tmp_path / "net", "classification", "folder:pets", ["cat", "cow"])
    status, out, err = said("evaluate net --data folder:pets --device cpu")
    assert (status, out) == (2, "")
    assert err == "sunetlab: --data: folder:pets: class 1 is 'dog' there; the network learned 'cow'\n"
    (tmp_path / "net" / DATA).unlink()
    assert said("evaluate net --data folder:pets --device cpu")[0] == 0


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        ("--seed 9223372036854775808", ("--seed", "9223372036854775808")),
        ("--size abc", ("--size", "'abc'")),
        ("--size 4", ("--size", "4", "8")),
        ("--epochs 0", ("--epochs", "0")),
        ("--lr -1", ("--lr", "-1", "greater than 0")),
        ("--lr nan", ("--lr", "nan")),
        ("--batch-size 0", ("--batch-size", "0")),
        ("--data folder:~nosuch/x", ("--data", "~nosuch")),
    ],
)
def test_a_wrong_value_is_told_by_its_flag(said: Said, flags: str, parts: tuple[str, ...]) -> None:
    status, out, err = said(f"train {TINY} --data scenes {flags}")
    assert (status, out, len(err.splitlines())) == (2, "", 1), err
    for part in parts:
        assert part in err


def test_fewer_epochs_than_the_warm_up_are_all_warm_up(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Run] = []

    def trained(asked: Run, *_: Any) -> dict[str, Any]:
        seen.append(asked)
        return {"value": 0.5}

    monkeypatch.setattr("sunetlab.train.loop.train", trained)
    line = f"train {TINY} --data scenes --size 32 --train-images 8 --val-images 8 --recipe cifar10 --json"
    assert said(f"{line} --epochs 1")[0] == 0
    assert said(line)[0] == 0
    assert [(asked.recipe.epochs, asked.recipe.warmup) for asked in seen] == [(1, 1), (60, 3)]


@pytest.mark.parametrize("field", ["train", "val", "test", "seed", "workers", "size", "memory_gib"])
def test_true_is_no_number(field: str) -> None:
    with pytest.raises(InputError, match=field):
        validate(DataConfig, {"source": "scenes", "task": "classification", field: True})


@pytest.mark.parametrize("error", [RuntimeError("Failed to decode frame 0"), NotImplementedError("DDS")])
def test_a_decoder_that_gives_up_is_a_broken_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def gives_up(_: Path) -> Image.Image:
        raise error

    monkeypatch.setattr(Image, "open", gives_up)
    with pytest.raises(InputError, match=r"1\.png: a broken image"):
        read_image(tmp_path / "1.png", (8, 8), crop=True)

"""What a bad disk, a clumsy hand or a stranger leaves in a folder: one line that names it, or the right answer.

Nothing here may end in a traceback, hang, or pass in silence.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sunetlab.errors import InputError, SunetlabError
from sunetlab.files import read_table
from sunetlab.model.weights import read_weights
from sunetlab.train.data import Batch, FileSplit, Task
from sunetlab.train.data.image_files import read_image
from sunetlab.train.loop import train
from sunetlab.train.pictures.overlay import MOST_HEIGHT, overlay
from sunetlab.train.run import read_log, read_result, seen_size
from tests.conftest import Said
from tests.published import save
from tests.tiny import EPOCH, TinyData, tiny_run

NETWORK = "--depth 1 --n 4 --stacks 1,1 --widths rule --stem-width 4"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two epochs."""
    folder = tmp_path_factory.mktemp("damaged") / "run"
    train(tiny_run(epochs=2), TinyData(), folder, "cpu")
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    folder = tmp_path / "run"
    folder.mkdir()
    for file in trained.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def alarm() -> Iterator[None]:
    """Ends what hangs."""
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(10)
    yield
    signal.alarm(0)


@pytest.mark.usefixtures("alarm")
def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    readers: dict[str, Callable[[Path], Any]] = {
        "weights.safetensors": read_weights,
        "run.toml": read_table,
        "data.json": read_table,
    }
    for name, read in readers.items():
        os.mkfifo(tmp_path / name)
        with pytest.raises(InputError, match=f"{name}: is no ordinary file"):
            read(tmp_path / name)


LINE = json.dumps(EPOCH | {"epoch": 1, "val_accuracy": 0.5})


@pytest.mark.parametrize(
    "text",
    [
        *("5", "null", "[]", "{}", '"x"', "", LINE + "\n" + LINE, '{"epoch": 1}', "[" * 100_000),
        *(LINE.replace('"lr": 0.1', '"lr": "x"'), LINE.replace('"epoch": 1', '"epoch": 2')),
        *(LINE.replace('"val_accuracy": 0.5', '"val_accuracy": null'), LINE.replace("train_loss", "loss")),
    ],
)
def test_a_log_that_holds_no_rows_of_epochs(run: Path, said: Said, text: str) -> None:
    (run / "log.jsonl").write_text(text + "\n")
    for flags in ("", " --json", " --csv", " --plot curves.svg"):
        status, out, err = said("report training run" + flags)
        assert (status, out) == (2, "")
        assert err.startswith("sunetlab: run/log.jsonl: is damaged; without it and result.json")
        assert err.count("\n") == 1
    assert not Path("curves.svg").exists()


def test_the_log_comes_back_as_its_message_says(run: Path, said: Said) -> None:
    whole = (run / "log.jsonl").read_text()
    (run / "log.jsonl").unlink()
    assert "log.jsonl: is gone or empty; without result.json" in said("report training run")[2]
    (run / "log.jsonl").mkdir()
    assert "log.jsonl: is damaged" in said("report training run")[2]
    (run / "log.jsonl").rmdir()
    (run / "result.json").unlink()
    train(tiny_run(epochs=2), TinyData(), run, "cpu")
    assert (run / "log.jsonl").read_text() == whole


@pytest.mark.parametrize(
    ("key", "value", "lost"),
    [
        *(("best", None, "best"), ("best", {}, r"best\.epoch"), ("last", 5, "last"), ("value", "x", "value")),
        *(("seconds", None, "seconds"), ("objective", 5, "objective"), ("last", {"epoch": "x"}, r"last\.epoch")),
    ],
)
def test_a_result_with_something_else_in_the_place_of_a_figure(run: Path, key: str, value: object, lost: str) -> None:
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(result | {key: value}))
    with pytest.raises(InputError, match=f"result.json: is damaged: it has no {lost}; delete it"):
        read_result(run)


@pytest.mark.parametrize(
    "size", [None, 5, "ab", [8], [8, 8, 8], [0, 8], [-8, 8], [8.5, 8], ["8", 8], [True, 8], [2**40, 8]]
)
def test_a_record_of_data_that_tells_no_size(run: Path, size: object) -> None:
    record = {"classes": ["red", "green", "blue"], "size": size}
    (run / "data.json").write_text(json.dumps(record))
    with pytest.raises(
        InputError, match=r"data\.json: is damaged: size: .*must be two whole numbers of pixels"
    ) as told:
        seen_size(run)
    assert "\n" not in str(told.value)


def test_predict_tells_of_such_a_record(run: Path, said: Said) -> None:
    save(Path("a.png"), np.zeros((24, 24, 3), np.uint8))
    (run / "data.json").write_text('{"classes": ["red", "green", "blue"]}')
    status, out, err = said("predict run a.png")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("sunetlab: run/data.json: is damaged: size: None")


def test_images_too_small_for_a_network_that_was_trained_on_larger_ones(said: Said, tmp_path: Path) -> None:
    for split in ("train", "val"):
        for number in range(2):
            save(tmp_path / f"set/{split}/images/{number}.png", np.zeros((16, 16, 3), np.uint8))
            save(tmp_path / f"set/{split}/masks/{number}.png", np.eye(16, dtype=np.uint8))
    told = said(f"train {NETWORK} --task segmentation --data folder:set --epochs 1 --out net")
    assert told[0] == 0, told
    words = "sunetlab: --size: 8x8: too small for block 3"
    deeper = "--depth 1 --n 4 --stacks 1,1,1,1 --widths rule --stem-width 4 --task segmentation --data folder:set"
    status, _, err = said(f"train {deeper} --size 8 --epochs 1 --out deep")
    assert (status, err.startswith(words)) == (2, True), err
    assert said(f"train {deeper} --size 64 --epochs 1 --out deep")[0] == 0
    for flags in ("", " --flip", " --boundary 1"):
        status, out, err = said("evaluate deep --size 8" + flags)
        assert (status, out, err.count("\n"), err.startswith(words)) == (2, "", 1, True), err


def test_postscript_by_the_name_of_an_image_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow gives it to Ghostscript where there is one."""
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_, **__: pytest.fail("a program was run"))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: not an image that can be read"):
        read_image(tmp_path / "a.png", (8, 8), crop=False)


def test_a_thin_and_tall_image_is_not_enlarged_beyond_all_bounds() -> None:
    for height, width, times in ((3000, 1, 1), (MOST_HEIGHT, 2, 1), (64, 64, 5), (300, 100, 3), (20, 1, 64)):
        image, labels = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
        picture = overlay(image, labels, ["only"], np.zeros((1, 3), np.uint8))
        assert height * times < picture.height < height * times + 100


def test_a_link_that_leads_in_a_circle_is_no_folder_to_make(said: Said) -> None:
    torch.save({"state_dict": {}}, "x.pth")
    Path("circle").symlink_to("circle")
    status, out, err = said("weights import x.pth --out circle")
    assert (status, out) == (2, "")
    assert err == "sunetlab: circle: is there already and is no earlier import; choose another --out\n"


def test_no_folder_but_the_one_that_was_named_is_named(said: Said, run: Path) -> None:
    read_log(run)
    Path("file").write_text("")
    train(tiny_run(words={"stem_width": 8}, epochs=1), TinyData(), Path("net"), "cpu")
    assert said("export net --format authors --out net.pth")[0] == 0
    status, _, err = said("weights import net.pth --out file/new")
    assert (status, err) == (2, "sunetlab: file/new: cannot be made: Not a directory\n")


BYTES = os.fsdecode(b"\xff")


def test_names_that_are_no_text(said: Said, tmp_path: Path) -> None:
    for split, name, number in product(("train", "val"), ("a", BYTES), range(2)):
        save(tmp_path / f"set/{split}/{name}/{number}.png", np.zeros((16, 16, 3), np.uint8))
    assert said(f"train {NETWORK} --data folder:set --epochs 1 --out net")[0] == 0
    assert said("evaluate net --confusion c.csv --confusion c.svg")[0] == 0
    assert "\\xff" in Path("c.csv").read_text(encoding="utf-8")
    (tmp_path / f"set{BYTES}").symlink_to("set")
    for flags in (f"--data folder:set{BYTES} --out other", f"--data folder:set --out {BYTES}"):
        status, _, err = said(f"train {NETWORK} --epochs 1 {flags}")
        assert (status, err.count("\n")) == (2, 1)
        assert "\\xff: a name with bytes that are no UTF-8, in which a run is recorded" in err
    assert not Path("other").exists()


@dataclass(frozen=True)
class _Deadly:
    """A reader whose process is killed, as the system does where memory runs out."""

    task: Task = "classification"

    def __len__(self) -> int:
        return 1

    def read(self, rows: Sequence[int]) -> Batch:
        del rows
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@pytest.mark.slow
def test_a_decoding_process_that_is_killed_is_told_of_in_a_line() -> None:
    with pytest.raises(SunetlabError, match="a process that decodes images was killed") as told:
        list(FileSplit(_Deadly(), workers=1).batches(torch.arange(1), 1))
    assert not isinstance(told.value, InputError)

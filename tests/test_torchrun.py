"""`torchrun … -m sunetlab`, as a user types it: two real processes, one of them killed, and the same command again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sunetlab.study.results import load_study, trials
from sunetlab.train.run import read_log
from tests.tiny import STUDY, write_study

pytestmark = pytest.mark.slow

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "--", "sunetlab"]
ALONE = [sys.executable, "-m", "sunetlab"]
NETWORK = "train --depth 1 --n 4 --stacks 1,1 --widths rule --stem-width 8 --task segmentation --device cpu"
RECIPE = """
base = "quick"
optimizer = "sgd"
lr = 0.02
epochs = 4
batch_size = 7
accumulate = 2
[augment]
flip = true
scale = [0.7, 1.4]
"""
PATIENCE_S = 240


def paint(folder: Path, count: int) -> None:
    """Images whose masks are void to very different parts."""
    generator = np.random.default_rng(count)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        Image.fromarray(generator.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / f"images/{number}.png")
        mask = generator.integers(0, 3, (32, 32), dtype=np.uint8)
        mask[: generator.integers(0, 31)] = 255
        Image.fromarray(mask).save(folder / f"masks/{number}.png")


def call(command: list[str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def children(pid: int) -> dict[int, int]:
    """The processes that torchrun has begun: rank → number."""
    found: dict[int, int] = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        found |= {int(word[5:]): int(child) for word in words if word.startswith(b"RANK=")}
    return found


def wait_for(path: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_a_run_whose_process_dies_goes_on_and_is_that_of_one_process(tmp_path: Path) -> None:
    for name, count in (("train", 23), ("val", 9)):
        paint(tmp_path / "data" / name, count)
    (tmp_path / "r.toml").write_text(RECIPE)
    line = [*NETWORK.split(), "--data", "folder:data", "--recipe", "r.toml", "--out"]
    one = call([*ALONE, *line, "one"], tmp_path)
    one.communicate(timeout=PATIENCE_S)
    two = call([*TORCHRUN, *line, "two"], tmp_path)
    wait_for(tmp_path / "two" / "last.pt")
    os.kill(children(two.pid)[1], signal.SIGKILL)
    _, said = two.communicate(timeout=PATIENCE_S)
    assert two.returncode == 1
    assert "another process of this training has ended" in said or "SIGTERM" in said
    assert len(read_log(tmp_path / "two")) < 4
    two = call([*TORCHRUN, *line, "two"], tmp_path)
    out, said = two.communicate(timeout=PATIENCE_S)
    assert two.returncode == 0, said
    assert "going on after epoch" in said
    assert len(out.splitlines()) == 1  # only the first process speaks
    logs = [read_log(tmp_path / name) for name in ("one", "two")]
    for here, there in zip(*logs, strict=True):
        for key in here.keys() - {"seconds", "images_per_second"}:
            assert there[key] == pytest.approx(here[key], rel=1e-5)
    states: list[dict[str, Any]] = [
        torch.load(tmp_path / name / "last.pt", weights_only=True)["model"] for name in ("one", "two")
    ]
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-4, atol=1e-5)
    assert json.loads((tmp_path / "two" / "result.json").read_text())["machine"]["processes"] == 2


def test_a_study_whose_trainings_take_two_processes(tmp_path: Path) -> None:
    """With trials that fail, and Ctrl-C in the midst: what one process finds, two do."""
    text = STUDY.replace("depth = [1, 2]", "depth = [1, 2]\nrecipe.lr = [0.003, 1e30]").replace(
        'base = "quick", epochs = 2', 'base = "quick", optimizer = "sgd", epochs = 2'
    )
    write_study(tmp_path, text)
    line = "study run tiny.toml --device cpu --out"
    one = call([*ALONE, *line.split(), "one"], tmp_path)
    two = call([*TORCHRUN, *line.split(), "two"], tmp_path)
    wait_for(tmp_path / "two" / "trials")
    time.sleep(3)
    two.send_signal(signal.SIGINT)
    _, said = two.communicate(timeout=PATIENCE_S)
    assert two.returncode == 1
    assert "sunetlab: stopped; what has finished is kept" in said
    two = call([*TORCHRUN, *line.split(), "two"], tmp_path)
    _, said = two.communicate(timeout=PATIENCE_S)
    assert two.returncode == 0, said
    one.communicate(timeout=PATIENCE_S)
    tables = [trials(load_study(tmp_path / name), tmp_path / name) for name in ("one", "two")]
    found = [{row.folder: row for row in table.itertuples() if row.state != "interrupted"} for table in tables]
    assert found[0].keys() == found[1].keys()
    for name, row in found[0].items():
        assert found[1][name].state == row.state
        assert found[1][name].value == pytest.approx(row.value, nan_ok=True)
    assert {row.state for row in found[0].values()} == {"finished", "failed"}


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    line = [*NETWORK.split(), "--data", "scenes", "--size", "32", "--train-images", "8", "--val-images", "4"]
    for more, rule in (
        (["--batch-size", "1"], "batch_size: 1: fewer images than the 2 processes that train together"),
        (["--device", "cuda:1"], "--device: 'cuda:1': several processes have auto, cpu, or cuda"),
    ):
        _, said = (two := call([*TORCHRUN, *line, *more], tmp_path)).communicate(timeout=PATIENCE_S)
        assert two.returncode == 1
        assert f"sunetlab: {rule}" in said
        assert "sunetlab/" not in said  # no traceback of ours

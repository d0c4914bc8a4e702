"""The command line as a user meets it: what it prints, what it writes, how it refuses."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sunetlab import SUNetSpec, preset
from sunetlab.cli.output import note
from tests.conftest import Said
from tests.tiny import STUDY, write_study

TINY = "--depth 1 --n 4 --stacks 1,1 --widths rule --stem-width 4"
SCENES = "--data scenes --size 32 --train-images 16 --val-images 16"


def test_build_prints_the_published_number_and_the_widths_rule(said: Said) -> None:
    status, out, err = said("build --depth 2 --n 128 --stacks 2,7,7,1")
    assert (status, err) == (0, "")
    for text in ("39,113,832", "36,808,832", "10,166,380,544", "Table 1", "170", "c9df2fa4de"):
        assert text in out


def test_build_says_which_rule_gave_the_widths(said: Said) -> None:
    assert "by rule" in said("build --n 32 --stacks 2,3,3")[1]
    assert "by hand" in said("build --n 32 --stacks 2,3 --widths 100,200")[1]


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_saved_network_is_read_back_and_may_be_changed(said: Said, suffix: str) -> None:
    flags = "sunet-64 --output-stride 8 --degrid --task segmentation --classes 11"
    assert said(f"build {flags} --out net.{suffix}")[0] == 0
    wanted = preset("sunet-64").replace(output_stride=8, degrid=True, task="segmentation", num_classes=11)
    assert SUNetSpec.load(f"net.{suffix}") == wanted
    assert json.loads(said(f"build net.{suffix} --json")[1])["id"] == wanted.id
    assert (
        json.loads(said(f"build net.{suffix} --no-degrid --n 128 --json")[1])["id"]
        == wanted.replace(n=128, degrid=False).id
    )


@pytest.mark.parametrize("command", ["build", "report params", "report macs", "report layers"])
def test_json_is_one_object_and_nothing_else(said: Said, command: str) -> None:
    status, out, err = said(f"{command} sunet-64 --json")
    assert (status, err) == (0, "")
    assert json.loads(out)["params"] == 6_910_248


def test_report_macs_names_the_published_count(said: Said) -> None:
    table = json.loads(said("report macs sunet-64-os32 --input 512 --batch 2 --json")[1])
    assert table["macs"] == 2 * 13_220_446_208
    assert table["tools"]["torch"] == 2 * table["macs"]
    assert sum(table["by_part"].values()) == table["macs"]


def test_reports_add_up(said: Said) -> None:
    table = json.loads(said("report params sunet-128 --json")[1])
    assert sum(table["by_kind"].values()) == table["params"] == 24_704_360
    rows = json.loads(said("report layers sunet-128 --json")[1])["rows"]
    assert sum(row["params"] for row in rows) == table["params"]
    for command in ("params", "macs", "layers"):
        assert "total" in said(f"report {command} sunet-64")[1]


def test_analysing_commands_import_no_torch() -> None:
    heavy = "print({'torch', 'pandas', 'optuna'} & {*sys.modules})"
    code = f"import sys; from sunetlab.cli.main import run; run(sys.argv[1:]); {heavy}"
    for line in ("build sunet-64", "report layers sunet-64", "--help", "study --help", "train --help"):
        done = subprocess.run([sys.executable, "-c", code, *line.split()], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "set()", line


def test_who_looks_at_a_study_imports_no_torch(said: Said, tmp_path: Path) -> None:
    """Which takes longer than all that there is to be looked at."""
    write_study(tmp_path)
    assert said("study run tiny.toml --trials 0 --device cpu --out out")[0] == 0
    lines = ("study list", "study status out", "study verdict out", "study report out")
    code = f"import sys; from sunetlab.cli.main import run; [run(line.split()) for line in {lines}]"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_train_evaluate_and_build_read_one_run(said: Said) -> None:
    status, out, err = said(f"train {TINY} {SCENES} --epochs 2 --batch-size 8 --out net --device cpu")
    assert status == 0, err
    assert "epoch 2/2" in err
    assert "the run is in net" in out
    result = json.loads(Path("net/result.json").read_text())
    status, out, err = said("evaluate net --json")
    assert json.loads(out)["accuracy"] == pytest.approx(result["value"])
    assert said("build net --json")[1] == said("build net/spec.toml --input 32 --json")[1]  # at the size of its images
    assert said("evaluate net --split best")[::2] == (2, "sunetlab: --split: 'best': scenes has train, val, test\n")
    status, out, err = said("evaluate net --split test")
    assert status == 0
    assert "disc" in out
    assert said(f"train {TINY} {SCENES} --epochs 2 --batch-size 8 --out net --json --device cpu")[0] == 0


def test_a_study_from_the_command_to_the_exported_weights(said: Said, tmp_path: Path) -> None:
    write_study(tmp_path)
    status, out, err = said("study run tiny.toml --device cpu --trials 1")
    assert status == 0, err
    assert "3 trials are left" in err
    status, out, err = said("study run tiny.toml --device cpu")
    assert status == 0, err
    for text in ("validation accuracy", "best for classification", "report.html"):
        assert text in out
    assert Path("runs/tiny/report.html").is_file()
    assert "finished" in said("study status tiny")[1]
    table = json.loads(said("study status runs/tiny --json")[1])["trials"]
    assert len(table) == 4
    smallest = min(row["params"] for row in table)
    status, out, err = said(f"study export tiny --where params<={smallest} --out chosen")
    assert status == 0, err
    assert json.loads(said("build chosen/spec.toml --json")[1])["params"] == smallest
    assert json.loads(said("build chosen/spec.json --json")[1])["params"] == smallest
    best = max(row["value"] for row in table if row["params"] == smallest)
    assert json.loads(said("evaluate chosen --json")[1])["accuracy"] == pytest.approx(best)
    assert said("study report tiny")[1].strip().endswith("report.html")


def test_studies_are_listed_and_shown(said: Said) -> None:
    assert "quick" in said("study list")[1]
    assert "quick" in json.loads(said("study list --json")[1])
    out = said("study show quick")[1]
    assert "classification" in out
    assert "segmentation" in out


def test_help_and_version(said: Said) -> None:
    assert said("--version")[1].startswith("sunetlab ")
    status, out, err = said("")
    assert (status, err) == (2, "")
    assert "study" in out


def image(path: Path, size: tuple[int, int] = (32, 32), value: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if value is None:
        Image.fromarray(np.zeros((*size, 3), np.uint8)).save(path)
    else:
        Image.fromarray(np.full(size, value, np.uint8)).save(path)


def wrong_folders(root: Path) -> None:
    """One wrong data set per folder."""
    for name in ("a", "b"):
        for number in range(4):
            image(root / "broken" / name / f"{number}.png")
            image(root / "gap" / name / f"{number}.png")
    (root / "broken" / "a" / "1.png").write_bytes(b"no image")
    (root / "gap" / "void").mkdir()
    (root / "nothing").mkdir()
    for name, size, value in (("range", (32, 32), 7), ("size", (30, 32), 0), ("fine", (32, 32), 1)):
        for number in range(4):
            image(root / name / "images" / f"{number}.png")
            image(root / name / "masks" / f"{number}.png", size if number == 1 else (32, 32), value)
        (root / name / "classes.txt").write_text("sky\nroad\n")
    image(root / "unmasked" / "images" / "1.png")
    image(root / "unmasked" / "images" / "2.png")
    image(root / "unmasked" / "masks" / "1.png", (32, 32), 0)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("build", ("NETWORK", "sunet-64", "--depth 2")),
        ("build --n 0", ("--n", "0", "greater than or equal to 1")),
        ("build --n x", ("--n", "integer")),
        ("build --stacks 2,0,7", ("--stacks", "entry 2", "0")),
        ("build --stacks 2,,7", ("--stacks", "2,,7", "whole numbers")),
        ("build --depth 2,2", ("--depth", "2,2", "one per block")),
        ("build --widths tabel", ("--widths", "tabel", "table")),
        ("build --stacks 1,2 --widths table", ("--widths", "table", "2,4,4,1")),
        ("build --dilations 2,1,1,1", ("--dilations", "2,1,1,1", "never fall")),
        ("build --output-stride 5", ("--output-stride", "5", "4, 8, 16, 32")),
        ("build --connectivity dense --widths 64,64,64,64", ("--widths", "dense")),
        ("build --stem-width 7", ("--stem-width", "7", "even")),
        ("build --nn 3", ("--nn",)),
        ("build sunet-65", ("sunet-65", "sunet-64")),
        ("build none.toml", ("none.toml", "no such file")),
        ("build bad.toml", ("bad.toml", "not valid TOML", "line 1")),
        ("build key.toml", ("key.toml", "stax", "unknown key", "stacks")),
        ("build sunet-64 --input 0", ("--input", "'0'")),
        ("build sunet-64 --input 8", ("--input: 8x8", "too small for block 3")),
        ("build sunet-64 --out none/net.toml", ("none/net.toml", "No such file")),
        ("build sunet-64 --out net.yaml", ("net.yaml", ".toml")),
        ("build sunet-64 --out net.toml/", ("--out", "'net.toml/'", ".toml")),
        ("build sunet-64 --out fifo.toml", ("--out", "fifo.toml", "Not an ordinary file")),
        ("draw sunet-64 --out fifo.svg", ("--out", "fifo.svg", "Not an ordinary file")),
        (f"build {'x' * 300}", ("network: 'xxxx", "no such preset")),
        ("build empty.json", ("empty.json", "widths: []: has 0 entries", "one per block")),
        ("build deep.json", ("deep.json", "n: ", "integer")),
        ("build --stacks ٣,2", ("--stacks", "٣,2", "whole numbers")),
        ("build sunet-64 --input ٢", ("--input", "٢")),
        ("build absurd", ("absurd/result.json", "damaged", "size: 1000000,5")),
        (f"verify sunet-64 --batch {10**18}", ("--batch",)),
        (f"report macs sunet-64 --batch {10**320}", ("--batch",)),
        (f"report layers sunet-64 --batch {2**31}", ("--batch",)),
        ("report fovv sunet-64", ("fovv",)),
        (f"train {TINY}", ("--data",)),
        (f"train {TINY} --data secnes", ("--data", "secnes", "folder:PATH")),
        (f"train {TINY} --data folder:none", ("none",)),
        (f"train {TINY} --data folder:nothing", ("nothing",)),
        (f"train {TINY} --data folder:gap", ("gap", "void", "empty")),
        (f"train {TINY} --data folder:broken", ("broken", "1.png")),
        (f"train {TINY} --task segmentation --data folder:unmasked", ("2.png", "mask")),
        (f"train {TINY} --task segmentation --data folder:size", ("1.png", "30", "32")),
        (f"train {TINY} --task segmentation --data folder:range", ("masks/", "7", "2 classes")),
        (f"train {TINY} --data folder:fine", ("masks", "segmentation")),
        (f"train {TINY} --classes 3 {SCENES}", ("--classes", "3", "10 classes")),
        (f"train {TINY} {SCENES} --recipe quik", ("quik", "quick")),
        (f"train {TINY} {SCENES} --epochs 0", ("--epochs", "greater than or equal to 1")),
        (f"train {TINY} {SCENES} --device tpu", ("tpu",)),
        (f"train {TINY} {SCENES} --size 32x", ("--size", "32x")),
        (f"train {TINY} {SCENES} --recipe nothing", ("--recipe: 'nothing'",)),
        (f"train {TINY} {SCENES} --device tpu", ("--device: 'tpu'",)),
        (f"train {TINY} {SCENES} --in-channels 4 --out r", ("--in-channels: 4",)),
        ("train --depth 1 --n 4 --stacks 1,1,1,1 --data scenes --size 24 --out r", ("--size: 24x24: too small",)),
        ("evaluate nothing", ("nothing", "spec.toml")),
        ("study run quik", ("quik", "quick")),
        ("study run none.toml", ("none.toml", "no such file")),
        ("study run empty.toml", ("empty.toml", "no design is left")),
        ("study run key.toml", ("key.toml", "stax")),
        ("study status quick", ("quick", "not run here")),
        ("study run quick --data shapes", ("--data", "classification=SOURCE")),
        ("study run quick --data detection=shapes", ("--data", "detection", "segmentation")),
        ("study run camvid --data secnes", ("--data", "secnes")),
        ("study run camvid --data folder:none", ("none",)),
        ("study export nothing --out x", ("nothing", "holds no study")),
        ("study export nowhere --out x", ("nowhere", "not run here")),
        ("study export quick", ("--out",)),
    ],
)
def test_wrong_input_is_one_line_and_status_2(said: Said, tmp_path: Path, line: str, parts: tuple[str, ...]) -> None:
    wrong_folders(tmp_path)
    (tmp_path / "bad.toml").write_text("n == 3")
    (tmp_path / "key.toml").write_text("stax = [1]")
    (tmp_path / "empty.json").write_text('{"widths": []}')
    (tmp_path / "deep.json").write_text(f'{{"n": {"[" * 900}1{"]" * 900}}}')
    for name in ("fifo.toml", "fifo.svg"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "absurd").mkdir()
    preset("sunet-64").save(tmp_path / "absurd" / "spec.toml")
    (tmp_path / "absurd" / "result.json").write_text('{"size": [1000000, 5]}')
    (tmp_path / "empty.toml").write_text(STUDY.replace("[network]", 'where = "params<1k"\n[network]'))
    before = everything(tmp_path)
    status, out, err = said(line)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1, err
    for part in parts:
        assert part in err
    assert everything(tmp_path) == before, "something was left behind"


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_line_and_status_1(said: Said, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def full(*_: Any) -> None:
        raise OSError(number, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    status, out, err = said("build sunet-64 --out net.toml")
    assert (status, out) == (1, "")
    assert err == "sunetlab: no room on the disk for net.toml\n"
    assert not list(Path().iterdir())
    status, _, err = said(f"train {TINY} {SCENES} --device cpu --out r")
    kept = "what has finished is kept, and the same command goes on from there"
    assert (status, err.splitlines()[-1]) == (1, f"sunetlab: no room on the disk for r/spec.toml; {kept}")


def test_a_damaged_database_is_one_line_and_status_1(said: Said, tmp_path: Path) -> None:
    write_study(tmp_path)
    assert said("study run tiny.toml --trials 1 --device cpu")[0] == 0
    Path("runs/tiny/optuna.db").write_bytes(b"rubbish" * 1000)
    for line in ("study run tiny.toml", "study status tiny", "study export tiny --out x"):
        status, _, err = said(line)
        assert status == 1
        assert len(err.splitlines()) == 1
        assert "optuna.db" in err


def test_ctrl_c_says_how_to_go_on(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sunetlab.train.loop.train", pressed)
    status, _, err = said(f"train {TINY} {SCENES} --device cpu")
    assert status == 130
    assert "the same command goes on" in err
    monkeypatch.setattr("sunetlab.cli.network.analyze", pressed)
    assert said("build sunet-64") == (130, "", "sunetlab: stopped\n")  # which keeps nothing


def test_a_suffix_may_be_written_large(said: Said) -> None:
    for name in ("A.TOML", "b.Json"):
        assert said(f"build sunet-64 --out {name}")[2] == f"saved {name}\n"
        assert json.loads(said(f"report params {name} --json")[1])["id"] == preset("sunet-64").id


def test_a_link_stays_a_link(said: Said, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    Path("link.svg").symlink_to("folder/real.svg")
    for _ in range(2):  # where it names nothing yet, and where there is a file
        assert said("draw sunet-64 --out link.svg") == (0, "", "saved link.svg\n")
        assert Path("link.svg").is_symlink()
        assert [file.name for file in (tmp_path / "folder").iterdir()] == ["real.svg"]


def test_a_note_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    note("saved a\nb.svg")
    assert capsys.readouterr().err == "saved a b.svg\n"


def test_training_may_start_from_a_runs_weights_and_says_which(said: Said) -> None:
    short = f"{SCENES} --iterations 2 --batch-size 8 --device cpu"
    assert said(f"train {TINY} {short} --out a")[0] == 0
    status, out, err = said(f"train {TINY} --task segmentation --output-stride 4 {short} --init-from a --out b")
    assert status == 0, err
    assert "tensors from a; new: classifier (2 tensors)" in err
    assert "at epoch 1 of 1" in out
    status, out, err = said(f"train {TINY} --task segmentation --output-stride 4 {short} --out b")
    assert (status, out) == (2, "")
    assert "init.source: a there" in err
    for source, rule in (("nothing", "no such file"), ("b/spec.toml", "not a readable safetensors file")):
        status, out, err = said(f"train {TINY} {short} --init-from {source} --out c")
        assert (status, out, len(err.splitlines())) == (2, "", 1)
        assert rule in err
    status, _, err = said(f"train {TINY} --n 5 {short} --init-from a --out c")
    assert status == 2
    assert "only depth, n, stacks and widths alike fit" in err
    assert not Path("c").exists()

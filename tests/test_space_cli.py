"""`sunetlab space` as a user meets it: what it prints and writes, how it refuses, what Ctrl-C leaves."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest

from sunetlab import SUNetSpec, analyze
from sunetlab.cli.main import run
from tests.conftest import Said

SPACE = """
where = "params<=2M, fov>=600"
input = [128, 96]
batch = 4
precision = "bf16"
[network]
task = "segmentation"
output_stride = 8
widths = "rule"
[factors]
n = "8..32:8"
depth = [1, 2, 3]
stacks = "1..2x1..4x1..4x1"
"""
FLAGS = (
    "--vary n=8..32:8 --vary depth=1..3 --vary stacks=1..2x1..4x1..4x1 --task segmentation --output-stride 8 "
    "--widths rule --input 128x96 --batch 4 --precision bf16"
)


@pytest.fixture
def space(said: Said) -> str:
    del said  # which has gone to an empty folder
    Path("space.toml").write_text(SPACE)
    return "space.toml"


def test_a_file_and_flags_say_the_same_space(said: Said, space: str) -> None:
    status, out, err = said(f"space screen {space} --json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    with_flags = run([*shlex.split(f"space screen {FLAGS} --json"), "--where", "params<=2M, fov>=600"])
    assert with_flags == 0
    assert found["combinations"] == 4 * 3 * 2 * 4 * 4 == found["looked_at"]
    assert found["whole"]
    assert found["bounds"][0]["before"] == found["possible"]
    assert found["bounds"][1]["after"] == found["survivors"] > 0


def test_both_ways_give_the_same_numbers(said: Said, space: str, capsys: pytest.CaptureFixture[str]) -> None:
    by_file = json.loads(said(f"space screen {space} --json")[1])
    assert run([*shlex.split(f"space screen {FLAGS} --json"), "--where", "params<=2M, fov>=600"]) == 0
    by_flags = json.loads(capsys.readouterr().out)
    by_file.pop("seconds"), by_flags.pop("seconds"), by_file.pop("factors"), by_flags.pop("factors")
    assert by_file == by_flags


def test_every_design_told_is_what_the_analysis_says(said: Said, space: str) -> None:
    found = json.loads(said(f"space screen {space} --best 3 --by params --columns block2_fov,degrid --json")[1])
    assert len(found["best"]) == 3
    for told in [*found["best"], *found["front"]]:
        spec = SUNetSpec(**told["spec"])
        report = analyze(spec, (128, 96), 4)
        memory = report.memory(precision="bf16")
        assert told["id"] == spec.id
        assert (told["params"], told["macs"], told["layers"]) == (report.params, report.macs // 4, report.depth)
        assert (told["activations"], told["memory"]) == (memory.activations, memory.training.bytes)
        assert told["fov"] == report.fov.network.image.usual
        assert (told["block2_fov"], told["degrid"]) == (report.fov.blocks[1].image.usual, "false")
        assert told["params"] <= 2_000_000
        assert told["fov"] >= 600


def test_the_words_that_are_printed_make_the_design(said: Said, space: str) -> None:
    out = said(f"space screen {space} --by macs --best 1")[1]
    words = re.findall(r"the first: sunetlab (build .*)", out)[0]
    best = json.loads(said(f"space screen {space} --by macs --best 1 --json")[1])["best"][0]
    assert json.loads(said(f"{words} --json")[1])["id"] == best["id"]
    for text in (
        "combinations of n, depth, stacks",
        "params<=2M",
        "kept",
        "Pareto front of params and fov",
        "sunet-64",
    ):
        assert text in out


def test_no_worse_than_a_network_in_some_quantities(said: Said, space: str) -> None:
    flags = "--no-worse-than net.toml:params,memory,fov --compare net.toml --json"
    said("build --n 16 --depth 2 --stacks 1,2,2,1 --widths rule --task segmentation --output-stride 8 --out net.toml")
    found = json.loads(said(f"space screen {space} {flags}")[1])
    known = found["known"][0]
    bounds = [row["bound"] for row in found["bounds"]]
    assert bounds[2:] == [f"params<={known['params']}", f"memory<={known['memory']}", f"fov>={known['fov']}"]
    assert known["breaks"] == []
    for told in found["front"]:
        assert told["params"] <= known["params"]
        assert told["fov"] >= known["fov"]


def test_all_survivors_to_files(said: Said, space: str) -> None:
    survivors = json.loads(said(f"space screen {space} --json --columns memory --out all.parquet")[1])["survivors"]
    status, _, err = said(f"space screen {space} --out all.csv --columns block4_fov,memory")
    assert (status, err.strip()) == (0, "saved all.csv")
    wide, plain = pd.read_parquet("all.parquet"), pd.read_csv("all.csv")
    assert len(wide) == len(plain) == survivors
    assert plain["block4_fov"].equals(plain["fov"])
    shared = ["design", "n", "stacks1", "stacks3", "widths4", "params", "macs", "memory", "fov"]
    assert wide[shared].astype("int64").equals(plain[shared])


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_figure_and_a_page(said: Said, space: str) -> None:
    assert said(f"space screen {space} --plot cloud.svg --front macs,fov")[0] == 0
    svg = Path("cloud.svg").read_text()
    for text in ("fov against macs", "SUNet-64", "Pareto front"):
        assert text in svg
    assert said(f"space screen {space} --plot cloud.html")[0] == 0
    reader = _Text()
    reader.feed(Path("cloud.html").read_text())
    text = " ".join(reader.text)
    survivors = json.loads(said(f"space screen {space} --json")[1])["survivors"]
    for part in (
        f"{survivors:,} of 384 designs",
        "params<=2M",
        "fov>=600",
        "sunetlab build --depth",
        "The best in fov",
    ):
        assert part in text


def test_nothing_left_is_an_answer(said: Said, space: str) -> None:
    status, out, err = said(f"space screen {space} --where params<1k")
    assert (status, err) == (0, "")
    assert "no design is left" in out
    assert said(f"space sample {space} --where params<1k")[0] == 2


def test_filters_add_up_and_widths_follow_the_rule(said: Said, space: str) -> None:
    found = json.loads(said(f"space screen {space} --where macs<=400M --json")[1])
    assert [row["bound"] for row in found["bounds"]] == ["params<=2M", "fov>=600", "macs<=400M"]
    tabled = json.loads(said("space screen --vary n=64 --vary stacks=2x4x4x1 --json")[1])["best"][0]
    assert tabled["spec"]["widths"] == [256, 512, 768, 768]
    Path("text.toml").write_text(SPACE.replace("[128, 96]", '"128x96"'))
    assert json.loads(said("space screen text.toml --json")[1])["survivors"] == found["bounds"][1]["after"]


def test_samples_are_told_and_saved_as_arms(said: Said, space: str) -> None:
    status, out, err = said(f"space sample {space} --count 6 --seed 2 --by params --strata 3 --out arms.toml --json")
    assert (status, err.strip()) == (0, "saved arms.toml")
    found = json.loads(out)
    assert len(found["designs"]) == 6
    assert len(found["strata"]) == 3
    study = Path("arms.toml").read_text() + (
        '\n[[tasks]]\ntask = "segmentation"\nrecipe = "quick"\ndata = { source = "shapes", size = [128, 96] }\n'
    )
    Path("mine.toml").write_text('question = "Which?"\n' + study)
    out = said("study show mine.toml")[1]
    assert "6 designs" in out
    for design in found["designs"]:
        assert design["levels"]["stacks"] in out


def test_a_family_is_told_and_saved(said: Said) -> None:
    line = "space match sunet-64 --vary depth=1,2,3,4 --hold params --solve n"
    found = json.loads(said(f"{line} --json")[1])
    assert found["network"]["values"]["params"] == 6_910_248
    assert [arms[0]["spec"]["n"] for arms in found["arms"]] == [88, 70, 64, 62]
    assert all(arms[0]["within"] for arms in found["arms"])
    out = said(f"{line} --out family.toml")[1]
    for text in (
        "6.91 M ± 1.00 %",
        "-0.676 %",
        "the network",
        "sunetlab build --depth 3 --n 64 --stacks 2,4,4,1 --widths rule",
    ):
        assert text in out
    study = Path("family.toml").read_text() + (
        '\n[[tasks]]\ntask = "classification"\nrecipe = "quick"\ndata = { source = "shapes", size = 224 }\n'
    )
    Path("mine.toml").write_text('question = "How deep?"\n' + study)
    assert "4 designs" in said("study show mine.toml")[1]
    out = said(f"{line} --where fov>=4000")[1]
    assert "Nothing for depth=1: no design is left" in out
    assert "beyond" in said("space match sunet-64 --vary depth=1,2 --solve n=8..16")[1]
    dense = "space match sunet-128 --vary connectivity=identity,dense --solve stacks --json"
    assert [arms[0]["within"] for arms in json.loads(said(dense)[1])["arms"]] == [True, True]
    rows = said(f"{line} --hold macs=20% --count 2 --csv")[1].splitlines()
    assert len(rows) == 1 + 4 * 2
    assert {"vary_depth", "params", "params_off", "macs_off", "within"} <= set(rows[0].split(","))


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("screen", ("SPACE", "nothing varies")),
        ("screen missing.toml", ("missing.toml", "no such file")),
        ("screen --vary n", ("--vary: 'n'", "WORD=LEVELS")),
        ("screen --vary m=1..3", ("factors: m", "known are depth")),
        ("screen --vary n=1..3 --n 5", ("--vary: n", "flag")),
        ("screen --vary n=1..3 --vary n=5", ("--vary: n", "twice")),
        ("screen --vary n=1..3 --where prams<1", ("where:", "character 1", "did you mean params")),
        ("screen --vary n=1..3 --where params<4GiB", ("where:", "character 9", "GiB", "count")),
        ("screen --vary n=1..3 --front params", ("--front", "two quantities")),
        ("screen --vary n=1..3 --front params,layers", ("--front", "layers", "layers:less")),
        ("screen --vary n=1..3 --front params,stem:less", ("--front", "stem", "word")),
        ("screen --vary n=1..3 --by params:fewer", ("--by", "'params:fewer'", ":less")),
        ("screen --vary n=1..3 --by size", ("'size'", "no such quantity")),
        ("screen --vary n=1..3 --plot a.png", ("--plot", ".svg or .html")),
        ("screen --vary n=1..3 --out a.txt", ("--out", ".parquet or .csv")),
        ("screen --vary n=1..3 --no-worse-than sunet-64", ("--no-worse-than", "names of quantities")),
        ("screen --vary n=1..3 --no-worse-than sunet-64:layers", ("layers", "neither")),
        ("screen --vary n=1..3 --input 7", ("7x7", "too small")),
        ("screen --vary n=1..3 --out missing/a.csv", ("missing/a.csv", "cannot be written")),
        ("sample --vary n=1..3 --strata 3", ("--strata", "--by")),
        ("sample --vary n=1..3 --by size", ("'size'", "no such quantity")),
        ("match sunet-64", ("--vary", "is needed")),
        ("match sunet-64 --vary depth=1,2 --hold fov", ("hold: 'fov'", "params")),
        ("match sunet-64 --vary depth=1,2 --hold params=1", ("--hold: '1'", "1% or 0.01")),
        ("match sunet-64 --vary depth=1,2 --out family.txt", ("--out", ".toml or .json")),
        ("match sunet-64 --vary depth=1,2 --tolerance x", ("--tolerance: 'x'", "1%")),
        ("match sunet-64 --vary depth=1,2 --solve depth", ("solve: 'depth'",)),
        ("match sunet-64 --vary depth=1,2 --solve n=9..8", ("n: '9..8'", "empty")),
    ],
)
def test_wrong_input_is_one_line(said: Said, line: str, parts: tuple[str, ...]) -> None:
    status, out, err = said(f"space {line}")
    assert (status, out) == (2, "")
    assert len(err.strip().splitlines()) == 1, err
    for part in parts:
        assert part in err, err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_stopped_it_leaves_a_readable_file(number: signal.Signals, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"all.{suffix}"
    line = f"space screen --vary n=1..1024 --vary stacks=1..9x1..20x1..20x1..20 --vary depth=1..4 --out {path}"
    command = [sys.executable, "-m", "sunetlab", *line.split()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    while not list(tmp_path.glob(".*.part")):
        time.sleep(0.05)
        assert process.poll() is None, process.communicate()
    time.sleep(1.0)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "stopped early" in err
    assert "stopped early" in out
    assert "Traceback" not in err
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    found = pd.read_parquet(path) if suffix == "parquet" else pd.read_csv(path)
    told = int(re.findall(r"([\d,]+) designs looked at", out)[0].replace(",", ""))
    assert 0 < len(found) <= told < 1024 * 72_000 * 4
    if suffix == "parquet":
        about = pyarrow.parquet.read_metadata(path).metadata
        assert (about[b"whole"], int(about[b"looked_at"])) == (b"false", told)


def test_no_torch_is_loaded() -> None:
    line = "import sys; from sunetlab.cli.main import run; run({!r}.split()); assert 'torch' not in sys.modules"
    for command in ("space screen --vary n=8,16 --json", "space match sunet-64 --vary depth=1,2 --json"):
        done = subprocess.run([sys.executable, "-c", line.format(command)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

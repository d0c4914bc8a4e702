"""Nothing from outside is executed, unpacked or followed out of its folder; images and checkpoints have a limit."""

import ast
import io
import json
import os
import pickle
import shutil
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sunetlab import SUNetSpec
from sunetlab.errors import InputError, SunetlabError, first_line
from sunetlab.files import read_table
from sunetlab.model.checkpoint import read_checkpoint
from sunetlab.model.weights import read_weights
from sunetlab.study import results
from sunetlab.study.definition import Study
from sunetlab.study.runner import run_study
from sunetlab.study.storage import DATABASE, TRIALS
from sunetlab.study.testing import read_test
from sunetlab.train.data import DataConfig, open_data
from sunetlab.train.data.frames import fitted
from sunetlab.train.data.image_files import LIMIT_PX, image_size, mask_size, read_image, read_mask, read_view
from sunetlab.train.data.listing import names_listed
from sunetlab.train.data.published.cifar_batches import read_batch
from sunetlab.train.data.published.coco import read_instances
from sunetlab.train.data.published.voc_masks import read_sbd
from sunetlab.train.loop import train
from tests.conftest import Said
from tests.reader import watchdog
from tests.test_data_coco import COCO_NAMES, NUMBERS
from tests.test_house import MODULES
from tests.tiny import STUDY, TinyData, stand_in, tiny_run, write_study

# ------------------------------------------------------------------------------------------------ nothing is executed

MODULES_BARRED = {
    *(
        "pickle",
        "marshal",
        "shelve",
        "dill",
        "cloudpickle",
        "joblib",
        "yaml",
        "ruamel",
        "xml",
        "code",
        "runpy",
        "ctypes",
    ),
    *("subprocess", "pty", "tarfile", "zipfile", "torch.load", "numpy.load", "scipy.io", "shutil.unpack_archive"),
}
CALLS_BARRED = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.execvp", "os.posix_spawn"),
    *("torch.jit.load", "torch.hub.load", "torch.export.load", "torch.package.PackageImporter", "np.memmap"),
}
METHODS_BARRED = {"extract", "extractall", "loadmat", "unpack_archive", "read_pickle", "load_library", "fromfile"}
ALLOWED = {  # module → what it may import of these
    "sunetlab.train.data.published.cifar_batches": {"pickle"},  # for an unpickler whose every name is a stand-in
    "sunetlab.model.checkpoint": {"tarfile", "zipfile"},  # to see that a file is one, and how its parts are stored
}
LOADS = {"json.load", "json.loads", "tomllib.loads", "load"}  # `load`: our own, of a study by its name
OURS = ("Study.", "Run.", "SUNetSpec.", "Recipe.", "SpaceFile.", "study_named.", "_Unpickler(")  # whose `load` is ours


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules that are imported, and the names taken from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrongs(source: str, allowed: Collection[str] = ()) -> list[str]:
    """What a module's text would do that nothing may which reads from outside."""
    tree = ast.parse(source)
    barred = MODULES_BARRED.difference(allowed)
    found = [name for name in imported(tree) if any(f"{name}.".startswith(f"{each}.") for each in barred)]
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name, words = ast.unparse(call.func), {word.arg: ast.unparse(word.value) for word in call.keywords}
        last = name.rpartition(".")[2]
        is_safe = name in LOADS or name.startswith(OURS) or (name, words.get("weights_only")) == ("torch.load", "True")
        if name in CALLS_BARRED or last in METHODS_BARRED or (last in ("load", "loads") and not is_safe):
            found.append(name)
        found += [word for word in ("shell", "allow_pickle") if words.get(word, "False") != "False"]
    return found


@pytest.mark.parametrize("name", MODULES)
def test_no_module_executes_or_unpacks(name: str) -> None:
    assert wrongs(MODULES[name].read_text(encoding="utf-8"), ALLOWED.get(name, set())) == []


@pytest.mark.parametrize(
    "line",
    [
        *("import yaml", "from pickle import load", "import os.path, marshal", "from scipy.io import loadmat"),
        *("eval(x)", "exec(x)", "os.system(x)", "torch.load(x)", "torch.load(x, weights_only=False)", "a.extractall()"),
        *("np.load(x, allow_pickle=True)", "run(x, shell=True)", "pickle.Unpickler(x).load()", "joblib.load(x)"),
        *("import subprocess", "np.load(x)", "compile(x, '', 'exec')", "torch.hub.load(x)", "torch.jit.load(x)"),
    ],
)
def test_such_a_line_would_be_seen(line: str) -> None:
    assert wrongs(line)


class Trap:
    """Makes a file where it is unpickled by whoever executes what pickles ask for."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def test_no_reader_of_files_executes_a_pickle(tmp_path: Path) -> None:
    marker, file = tmp_path / "executed", tmp_path / "trap"
    trapped = pickle.dumps({"labels": Trap(marker), "data": Trap(marker)})
    pickle.loads(trapped)
    assert marker.exists()  # so the trap works
    marker.unlink()
    zipped, plain = io.BytesIO(), io.BytesIO()
    torch.save({"model": Trap(marker)}, zipped)
    torch.save({"model": Trap(marker)}, plain, _use_new_zipfile_serialization=False)
    readers: list[Callable[[Path], object]] = [
        *(read_checkpoint, read_weights, lambda path: read_batch(path, "labels", 10), lambda path: read_sbd(path, 21)),
        *(read_instances, image_size, mask_size, lambda path: read_table(path.with_suffix(".json"))),
    ]
    for content in (trapped, zipped.getvalue(), plain.getvalue()):
        for path in (file, file.with_suffix(".json")):
            path.write_bytes(content)
        for read in readers:
            with pytest.raises(InputError):
                read(file)
        train(tiny_run(epochs=1), TinyData(), tmp_path / "run", "cpu")
        (tmp_path / "run/result.json").unlink()
        (tmp_path / "run/last.pt").write_bytes(content)
        with pytest.raises(InputError, match="cannot be gone on from"):
            train(tiny_run(epochs=1), TinyData(), tmp_path / "run", "cpu")
        (tmp_path / "run/last.pt").unlink()
    assert not marker.exists()


# ------------------------------------------------------------------------------------------- limits, before it is late


def png(width: int, height: int) -> bytes:
    """A PNG that says to be so large, of a few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(width + 1) * min(height, 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [60_000, 15_000])  # Pillow refuses the first by itself; of the second it only warns
def test_an_image_beyond_the_limit_is_refused_before_it_is_decoded(
    side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("it was decoded"))
    (tmp_path / "a.png").write_bytes(png(side, side))
    assert side**2 > LIMIT_PX
    readers: list[Callable[[Path], object]] = [
        *(image_size, mask_size, lambda path: read_image(path, (8, 8), crop=True)),
        *(lambda path: read_mask(path, (8, 8)), lambda path: read_view(path, partial(fitted, (8, 8)))),
    ]
    for read in readers:
        with pytest.raises(InputError, match=r"a\.png: too large; an image may have at most 178,956,970 pixels"):
            read(tmp_path / "a.png")
    monkeypatch.undo()
    (tmp_path / "a.png").write_bytes(png(30, 20))
    assert image_size(tmp_path / "a.png") == (20, 30)


@pytest.mark.parametrize("packed", ["deflated", "said twice"])
def test_a_checkpoint_that_unpacks_to_more_than_it_is(packed: str, tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(100_000)}}, buffer := io.BytesIO())
    parts = zipfile.ZipFile(buffer)
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED if packed == "deflated" else 0) as bomb:
        for part in parts.infolist():
            bomb.writestr(part.filename, parts.read(part))
        if packed != "deflated":  # names that all mean one part
            largest = max(bomb.filelist, key=lambda part: part.file_size)
            bomb.filelist += [largest] * 50
    assert "state_dict" in torch.load(tmp_path / "bomb.pth", weights_only=True)  # which torch unpacks
    with pytest.raises(InputError, match=r"bomb\.pth: is an archive with packed parts.*nothing is unpacked"):
        read_checkpoint(tmp_path / "bomb.pth")


def test_a_batch_that_remembers_under_a_vast_number(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\x80\x02]r" + struct.pack("<I", 2**31) + b".")  # a table of 32 GiB to Python's own
    with pytest.raises(InputError, match="not a pickle that can be read"):
        read_batch(tmp_path / "a", "labels", 10)


def test_a_number_that_python_does_not_print(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(f"n = [{{ a = 0x{'f' * 9000} }}]")
    with pytest.raises(InputError, match=r"a\.toml: holds a number of 36000 bits: at most 256"):
        read_table(tmp_path / "a.toml")


def test_a_study_of_more_designs_than_anybody_looks_at(tmp_path: Path) -> None:
    text = STUDY.replace("stacks = [1, 1]\n", "").replace("depth = [1, 2]", f'stacks = "{"x".join(["1..1000"] * 4)}"')
    with pytest.raises(InputError, match="1,000,000,000,000 designs to look at: a study has at most 100,000,000"):
        Study.load(write_study(tmp_path, text))


def test_many_modules_are_refused() -> None:
    with pytest.raises(InputError, match=r"stacks\.0: 1000000000: input should be less than or equal to 1048576"):
        SUNetSpec.make(stacks=(10**9, 1))
    with pytest.raises(InputError, match="at most 4096 modules in all"):
        SUNetSpec.make(n=1, stacks=(4096, 1))


# ------------------------------------------------------------------------------------------------------------- one line


@settings(max_examples=50)
@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=50), st.integers(0, 5000))
def test_every_message_is_a_line_that_is_only_seen(text: str, times: int) -> None:
    line = str(InputError(text + "x" * times))
    assert line.isprintable()
    assert len(line.encode()) >= len(line)
    assert len(line) <= 2000 + 10 * len(text) + 3
    if text.isprintable() and len(text) + times <= 2000:
        assert line == text + "x" * times


def test_messages_of_others() -> None:
    assert first_line(ValueError("a\nb")) == "a"
    assert first_line(EOFError()) == first_line(EOFError("\n")) == "EOFError"
    assert str(SunetlabError("a\n\x1b[2J\udcff\ud800é")) == "a\\n\\x1b[2J\\xff\\ud800é"


# ------------------------------------------------------------------------------------------------ nothing leads outside


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that has ended."""
    folder = tmp_path_factory.mktemp("trust")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sunetlab.study.attempt.train", stand_in)
        run_study(Study.load(write_study(folder)), folder / "study", "cpu")
    return folder / "study"


@pytest.fixture
def study(ended: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(ended, tmp_path / "runs/tiny"))


def say_folder(study: Path, name: str) -> None:
    """Let the database say that the first trial's folder is called so."""
    with closing(sqlite3.connect(study / DATABASE)) as database:
        where = "key = 'folder' and trial_id = (select min(trial_id) from trials)"
        database.execute(f"update trial_user_attributes set value_json = ? where {where}", (json.dumps(name),))
        database.commit()


@pytest.mark.parametrize("name", ["../../../bait", "{}/bait", "..", ".", "a/b", "a\0b", "-rf", "\n", "é"])
def test_a_database_whose_folders_lead_elsewhere(study: Path, tmp_path: Path, name: str) -> None:
    say_folder(study, name.format(tmp_path))
    with pytest.raises(SunetlabError, match=r"trial 0: folder: .*: must be the name of a run's folder"):
        results.trials(Study.load(study / "study.toml"), study)


def test_every_command_refuses_it(study: Path, tmp_path: Path, said: Said) -> None:
    say_folder(study, "../../../../bait")
    (tmp_path / "bait").mkdir()
    (tmp_path / "bait/result.json").write_text("precious")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    for command in ("status", "report", "run", "export --out x"):
        status, _, err = said(f"study {command} runs/tiny")
        assert (status, err.count("\n"), "must be the name of a run's folder" in err) == (1, 1, True), err
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before


@pytest.mark.parametrize("name", ["report.html", ".lock", "command.txt", "data-classification.json", "optuna.db"])
def test_a_link_out_of_a_study(study: Path, tmp_path: Path, said: Said, name: str) -> None:
    for text in ("precious", None):  # also where there is nothing yet, which would be made
        outside = tmp_path / f"outside {text}"
        if text:
            outside.write_text(text)
        (study / name).unlink(missing_ok=True)
        (study / name).symlink_to(outside)
        for command in ("run", "report"):
            status, _, err = said(f"study {command} runs/tiny")
            assert (status, err.count("\n")) == (2, 1), err
            assert f"runs/tiny/{name}: is a link out of its folder, to {outside}" in err
        assert (outside.read_text() == text) if text else not outside.exists()


def test_links_that_stay_or_are_folders_are_followed(study: Path, tmp_path: Path, said: Said) -> None:
    (study / TRIALS).rename(tmp_path / "large disk")
    (study / TRIALS).symlink_to(tmp_path / "large disk")
    (study / "study.toml").rename(study / "asked.toml")
    (study / "study.toml").symlink_to("asked.toml")
    assert said("study report runs/tiny")[0] == 0


@pytest.mark.parametrize(
    "name", ["spec.toml", "run.toml", "last.pt", "log.jsonl", "result.json", "weights.safetensors"]
)
def test_a_link_out_of_a_run(tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match=f"{name}: is a link out of its folder"):
        train(tiny_run(epochs=1), TinyData(), tmp_path / "run", "cpu")
    (tmp_path / "run" / name).unlink()
    (tmp_path / "run/test.json").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match=r"test\.json: is a link out of its folder"):
        read_test([tmp_path / "run"], TinyData(), "cpu")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", ".x", "", "a\n", "\x1b"])
def test_a_study_whose_name_is_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="name: "):
        Study.load(write_study(tmp_path, f"name = {json.dumps(name)}\n{STUDY}"))
    tasks = STUDY[STUDY.index("[[tasks]]") :].replace("[[tasks]]", f"[[on.a]]{{}}\n[[on.{json.dumps('x/../' + name)}]]")
    first, second = tasks.split("{}\n")
    body = second.partition("\n")[2]
    with pytest.raises(InputError, match="name: "):
        Study.load(write_study(tmp_path, f"{STUDY[: STUDY.index('[[tasks]]')]}{first}\n{body}{second}"), f"x/../{name}")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", "a\x1b"])
def test_names_in_lists_that_are_paths(tmp_path: Path, name: str) -> None:
    (tmp_path / "train.txt").write_text(f"2007_000032\n{name}\n")
    with pytest.raises(InputError, match="not the name of an image"):
        names_listed(tmp_path / "train.txt", "")
    names = dict(zip(NUMBERS, COCO_NAMES.values(), strict=True))
    image = {"id": 1, "file_name": name, "height": 8, "width": 8}
    categories = [{"id": number, "name": each} for number, each in names.items()]
    (tmp_path / "a.json").write_text(json.dumps({"images": [image], "annotations": [], "categories": categories}))
    with pytest.raises(InputError, match="not the name of a file"):
        read_instances(tmp_path / "a.json")


@pytest.mark.parametrize("kind", ["train.txt", "a.json", "data_batch_1", "a.mat"])
def test_a_pipe_in_the_place_of_a_file_of_a_set(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / kind)
    readers: dict[str, Callable[[Path], object]] = {
        "train.txt": lambda path: names_listed(path, ""),
        "a.json": read_instances,
        "data_batch_1": lambda path: read_batch(path, "labels", 10),
        "a.mat": lambda path: read_sbd(path, 21),
    }
    with watchdog(10), pytest.raises(InputError, match=f"{kind}: is no ordinary file"):
        readers[kind](tmp_path / kind)


def test_archives_of_a_set_are_not_unpacked(tmp_path: Path) -> None:
    for name in ("leftImg8bit_trainvaltest.zip", "train.tar", "cifar-10-python.tar.gz"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("leftImg8bit/train/a/a_leftImg8bit.png", b"x")
    before = sorted(tmp_path.rglob("*"))
    for source, task in (("cityscapes", "segmentation"), ("imagenet", "classification"), ("cifar10", "classification")):
        with pytest.raises(InputError, match=r"missing|no class folders"):
            open_data(DataConfig.model_validate({"source": f"{source}:{tmp_path}", "task": task}))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_command_of_a_stranger_is_text(study: Path, said: Said) -> None:
    (study / "command.txt").write_bytes(b"rm \xff <script>alert(1)</script>")
    status, _, err = said("study report runs/tiny")
    assert (status, err) == (0, "")
    page = (study / "report.html").read_text(encoding="utf-8")
    assert "rm \\xff &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page

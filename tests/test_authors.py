"""The authors' checkpoints come in and go out: the same function, every tensor; nothing executed; refused in a line."""

import json
import math
import os
import pickle
import re
import tarfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sunetlab import InputError, SUNetSpec, build, preset
from sunetlab.model.authors import names, shapes, spec_of
from sunetlab.model.exporting import write_authors
from sunetlab.model.folder import load_network
from sunetlab.model.importing import import_checkpoint
from sunetlab.model.weights import read_weights
from sunetlab.presets import PRESETS, published_name
from tests.authors import PUBLISHED, TINY, Widths, fake_state, layout, run, save_as_of_2017
from tests.conftest import Said
from tests.test_paper import reference

PLAIN = TINY._replace(final="plain", classes=3)
SMALL = Widths(3, (2, 1), (6, 8), (2, 1), stem=4, classes=10)
DEGRID = Widths(2, (1, 1, 1, 1), (4, 6, 8, 6), stem=4, classes=3, final="degrid")
RATES = {32: (1, 1, 1, 1), 16: (1, 1, 1, 2), 8: (1, 1, 2, 4)}
FORMS = {"zip": True, "pickles": False}


def save(content: object, path: Path, form: str = "zip") -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=FORMS[form])
    return path


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """The same names in the same order, the same types, shapes and bits."""
    return list(a) == list(b) and all(a[n].dtype == b[n].dtype and torch.equal(a[n], b[n]) for n in a)


# --------------------------------------------------------------------------------------------------- names and shapes


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_names_are_those_of_the_published_files(name: str) -> None:
    listed = json.loads(reference("authors_state_dict_keys.json").read_text())[name]
    assert [(key, list(shape)) for key, shape in layout(PUBLISHED[name]).items()] == [tuple(row) for row in listed]
    ours = shapes(preset(name))
    assert [[theirs, list(ours[mine])] for theirs, mine in names(preset(name)).items()] == listed


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_known_by_its_tensors(name: str) -> None:
    size = PUBLISHED[name.partition("-os")[0]]
    final, classes = ("plain", 21) if "-os" in name else ("linear", 1000)
    spec = spec_of(layout(size._replace(final=final, classes=classes)))
    assert spec.replace(output_stride=preset(name).output_stride) == preset(name)
    assert published_name(preset(name).replace(num_classes=7)) == name
    degrid = preset(name).replace(task="segmentation", degrid=True, num_classes=19)
    assert spec_of(layout(size._replace(final="degrid", classes=19))) == degrid.replace(output_stride=32)


def test_every_tensor_of_a_network_has_one_name_and_its_shape() -> None:
    words: dict[str, Any] = {"n": 2, "stem_width": 4, "stacks": (1, 2), "widths": (4, 6), "depth": (3, 1)}
    for more in ({}, {"task": "segmentation"}, {"task": "segmentation", "degrid": True}):
        spec = SUNetSpec.make(**words, **more, num_classes=3)
        state = build(spec).state_dict()
        assert sorted(names(spec).values()) == sorted(state)
        assert shapes(spec) == {name: tuple(tensor.shape) for name, tensor in state.items()}


# --------------------------------------------------------------------------------------------------- the same function


def difference(size: Widths, stride: int, side: tuple[int, int], folder: Path, seed: int = 0) -> float:
    """The largest difference of logits in float64, over the largest logit, of the file and of what was imported."""
    state = fake_state(size, seed)
    path = save({"state_dict": state}, folder / "file.pth.tar")
    import_checkpoint(path, stride).save(folder / "net")
    model = load_network(folder / "net").double().eval()
    x = torch.randn(2, 3, *side, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    doubled = {name: tensor.double() for name, tensor in state.items()}
    with torch.no_grad():
        expected, found = run(doubled, x, RATES[stride]), model(x)
    assert expected.shape == found.shape
    assert expected.std() > 0.01
    return float((expected - found).abs().max() / expected.abs().max())


@pytest.mark.parametrize("stride", RATES)
@pytest.mark.parametrize("size", [TINY, PLAIN, DEGRID], ids=["linear", "plain", "degrid"])
def test_what_is_imported_is_the_same_function(size: Widths, stride: int, tmp_path: Path) -> None:
    """Odd sides too, where their maps are even at every level with a stride: 16 pixels at a quarter of 61 to 64."""
    side = {32: (61, 128), 16: (63, 128), 8: (95, 30)}[stride]
    assert difference(size, stride, side, tmp_path) < 1e-12


@pytest.mark.parametrize(
    "size",
    [
        Widths(3, (1, 2, 1, 1), (6, 6, 9, 9), (3, 1, 2, 1), stem=6, classes=4),
        Widths(5, (3, 1, 1, 2), (8, 12, 16, 16), (1, 3, 1, 2), stem=8, classes=2, final="plain"),
    ],
)
def test_other_sizes_in_their_names_are_theirs_too(size: Widths, tmp_path: Path) -> None:
    assert difference(size, 32, (128, 128), tmp_path) < 1e-12
    assert difference(size, 16, (128, 128), tmp_path) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("stride", RATES)
def test_sunet_64_itself_is_the_same_function(stride: int, tmp_path: Path) -> None:
    assert difference(PUBLISHED["sunet-64"], stride, (192, 128), tmp_path) < 1e-12


def test_the_comparison_sees_a_difference() -> None:
    """The test above would find a wrong dilation, and two tensors in one another's place."""
    state = fake_state(TINY)
    x = torch.randn(1, 3, 64, 64)
    right = run(state, x)
    assert not torch.allclose(right, run(state, x, RATES[16]), rtol=1e-3)
    one, two = (f"module.features.unet1_0.{name}.conv1.weight" for name in ("down.0", "down.1"))
    assert not torch.allclose(right, run({**state, one: state[two], two: state[one]}, x), rtol=1e-3)


# --------------------------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [TINY, PLAIN, DEGRID], ids=["linear", "plain", "degrid"])
def test_in_and_out_again_is_the_same_file(size: Widths, form: str, tmp_path: Path) -> None:
    state = fake_state(size)
    import_checkpoint(save({"state_dict": state}, tmp_path / "in.pth.tar", form)).save(tmp_path / "net")
    write_authors(load_network(tmp_path / "net"), tmp_path / "out.pth.tar")
    assert same(torch.load(tmp_path / "out.pth.tar", weights_only=True)["state_dict"], state)


@pytest.mark.parametrize(
    "words",
    [
        {"depth": 1, "stacks": (1, 1), "widths": (4, 4), "stem_width": 4},
        {"stacks": (1, 2, 1), "task": "segmentation", "dilations": (1, 2, 3), "degrid": True, "in_channels": 1},
        {"depth": 8, "stacks": (1,), "task": "segmentation", "num_classes": 1},
        {"stacks": (2, 1, 1, 1), "output_stride": 8, "downsampling": "strided"},
    ],
)
def test_out_and_in_again_is_the_same_network(words: dict[str, Any], tmp_path: Path) -> None:
    """Bit for bit, and the spec whole, dilations too."""
    spec = SUNetSpec.make(**{"n": 2, "stem_width": 4, **words})
    model = build(spec)
    with torch.no_grad():
        for index, tensor in enumerate(model.state_dict().values()):
            tensor.add_(index)
    write_authors(model, tmp_path / "out.pth")
    found = import_checkpoint(tmp_path / "out.pth")
    found.save(tmp_path / "net")
    assert found.spec == SUNetSpec.load(tmp_path / "net" / "spec.toml") == spec
    back = read_weights(tmp_path / "net" / "weights.safetensors")
    state = dict(model.state_dict())
    assert same({name: back[name] for name in state}, state)
    assert len(back) == len(state)
    if len(spec.stacks) > 2:
        assert import_checkpoint(tmp_path / "out.pth", 8).spec.output_stride == 8


def test_what_is_written_is_read_by_the_pytorch_of_their_time(tmp_path: Path) -> None:
    """A file that begins with the magic number, not with a zip's, and calls for nothing that PyTorch 0.4 lacks."""
    write_authors(build(SUNetSpec.make(n=2, stem_width=4, stacks=(1,))), tmp_path / "out.pth.tar")
    content = (tmp_path / "out.pth.tar").read_bytes()
    assert content.startswith(pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2))
    called = set(re.findall(rb"c([\w.]+\n\w+)\n", content[: content.index(b"features.bn2")]))
    assert called == {
        b"collections\nOrderedDict",
        b"torch\nFloatStorage",
        b"torch\nLongStorage",
        b"torch._utils\n_rebuild_tensor_v2",
    }


# ----------------------------------------------------------------------------------------------------- forms of a file


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_file_of_2017_is_read(wrapped: bool, tmp_path: Path) -> None:
    """From a GPU, by Python 2, before counters were: with the optimiser's state, and numbers that are tensors."""
    state = fake_state(SMALL, counters=False, wrapped=wrapped)
    more = {"epoch": 90, "arch": "sunet64", "best_prec1": torch.tensor([70.5]), "optimizer": {"state": {}, "lr": 0.1}}
    save_as_of_2017({"state_dict": state, **more}, tmp_path / "old.pth.tar")
    content = (tmp_path / "old.pth.tar").read_bytes()
    assert b"torch._utils\n_rebuild_tensor\n" in content
    assert b"ctorch.cuda\nFloatStorage\n" in content
    assert b"U\x0astate_dict" in content
    found = import_checkpoint(tmp_path / "old.pth.tar")
    assert found.source["told"] == {"arch": "sunet64", "epoch": 90, "best_prec1": 70.5}
    assert [note[:25] for note in found.notes] == ["no num_batches_tracked in"]
    expected = fake_state(SMALL, wrapped=False)
    for theirs, ours in names(found.spec).items():
        wanted = torch.tensor(0) if theirs.endswith("tracked") else expected[theirs]
        assert torch.equal(found.tensors[ours], wanted), theirs


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32_and_it_is_said(dtype: torch.dtype, form: str, tmp_path: Path) -> None:
    state = {n: t.to(dtype) if t.is_floating_point() else t for n, t in fake_state(SMALL, wrapped=False).items()}
    found = import_checkpoint(save(state, tmp_path / "other.pth", form))
    assert found.notes == (f"{str(dtype)[6:]} in the file; float32 here",)
    for theirs, ours in names(found.spec).items():
        assert found.tensors[ours].dtype == (torch.int64 if theirs.endswith("tracked") else torch.float32)
        assert torch.equal(found.tensors[ours].to(state[theirs].dtype), state[theirs])


def test_parameters_and_tensors_that_are_laid_out_otherwise_or_share_memory_are_read(tmp_path: Path) -> None:
    state = fake_state(SMALL, wrapped=False)
    given: dict[str, Tensor] = {name: nn.Parameter(t) if t.is_floating_point() else t for name, t in state.items()}
    name = "features.unet1_0.down.0.conv1.weight"
    given[name] = state[name].to(memory_format=torch.channels_last)
    one, two = "features.bn2.running_mean", "features.bn2.bias"
    given[one] = given[two] = state[one]
    import_checkpoint(save(given, tmp_path / "a.pth")).save(tmp_path / "net")
    back, ours = read_weights(tmp_path / "net" / "weights.safetensors"), names(spec_of(layout(SMALL)))
    for theirs, tensor in state.items():
        assert torch.equal(back[ours[theirs]], state[one] if theirs == two else tensor)


# -------------------------------------------------------------------------------------------------- nothing is executed


class Trap:
    """What makes a folder where it is unpickled as pickle does."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.marker),)


class Network(nn.Module):
    """A network of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1)


@pytest.mark.parametrize("form", [*FORMS, "pickle"])
@pytest.mark.parametrize("beside", [True, False])
def test_code_in_a_file_is_not_run(form: str, beside: bool, tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "trap.pth.tar"
    content = {"state_dict": fake_state(SMALL), "epoch": Trap(marker)} if beside else Trap(marker)
    if form == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        save(content, path, form)
    with pytest.raises(InputError, match="is no checkpoint" if form == "pickle" else r"wants (posix|nt).mkdir to be"):
        import_checkpoint(path)
    assert not marker.exists()
    torch.load(path, weights_only=False) if form != "pickle" else pickle.loads(path.read_bytes())
    assert marker.exists()  # the trap was set


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_a_whole_pickled_model_is_refused_and_told_how_to_be_saved(form: str, wrapped: bool, tmp_path: Path) -> None:
    model = nn.Sequential(Network()) if wrapped else Network()
    with pytest.raises(InputError, match=r"whole pickled model \(.*\), and so holds code.*model\.state_dict\(\), FILE"):
        import_checkpoint(save(model, tmp_path / "model.pth", form))


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("form", [*FORMS, "2017"])
def test_a_file_cut_short_anywhere_is_refused_in_one_line(form: str, tmp_path: Path) -> None:
    path, state = tmp_path / "cut.pth.tar", {"state_dict": fake_state(SMALL)}
    save_as_of_2017(state, path) if form == "2017" else save(state, path, form)
    whole = path.read_bytes()
    for length in (0, 1, 4, 13, 14, 20, 40, 200, len(whole) // 2, len(whole) - 4, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError) as refused:
            import_checkpoint(path)
        said = "is empty" if not length else "is cut short, damaged" if length > 14 else "is"
        assert str(refused.value).startswith(f"{path}: {said}"), (length, refused.value)
        assert "\n" not in str(refused.value)
    path.write_bytes(whole)
    import_checkpoint(path)


BN = "features.unet2_0.bn.bn0"
HUGE = torch.full((10,), 1e300, dtype=torch.float64)  # beyond float32


def _put(name: str, value: Tensor | None) -> Callable[[OrderedDict[str, Tensor]], None]:
    def change(state: OrderedDict[str, Tensor]) -> None:
        if value is None:
            del state[name]
        else:
            state[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (_put("features.bn2.bias", None), "tensor features.bn2.bias is missing"),
        (_put("linear.weight", None), "tensor linear.weight is missing"),
        (_put("features.conv1.weight", None), "tensor features.conv1.weight is missing"),
        (_put("features.unet2_0.up.0.conv2.weight", None), "features.unet2_0.up.0.conv2.weight is missing"),
        (_put(f"{BN}.num_batches_tracked", None), f"tensor {BN}.num_batches_tracked is missing"),
        (_put("features.extra.weight", torch.zeros(3)), "tensor features.extra.weight is left over"),
        (_put("final.conv1.weight", torch.zeros(3, 8, 1, 1)), "tensor final.conv1.weight is left over"),
        (_put("features.unet1_0.down.9.bn1.bias", torch.zeros(4)), "depth.0: 10"),
        (_put("features.unet4_0.bn.bn0.bias", torch.zeros(4)), "features.unet3_0.down.0.conv0.weight is missing"),
        (_put("features.unet1_999999.bn.bn0.bias", torch.zeros(4)), "at most 4096 modules"),
        (_put("features.unet1_1.down.0.conv0.bias", torch.zeros(5)), "conv0.bias has shape (5,), but the others ask"),
        (_put("features.conv1.weight", torch.zeros(4)), "tensor features.conv1.weight has shape (4,): too few axes"),
        (_put(f"{BN}.bias", torch.full((6,), torch.nan)), f"tensor {BN}.bias: 6 of its 6 numbers are not finite"),
        (
            _put("linear.bias", torch.full((10,), 1e300, dtype=torch.float64)),
            "tensor linear.bias: 10 of its 10 numbers are not",
        ),
        (_put(f"{BN}.running_var", -torch.ones(6)), f"tensor {BN}.running_var holds -1: a variance must not be"),
        (_put("linear.bias", torch.zeros(10, dtype=torch.int32)), "tensor linear.bias holds torch.int32, and no"),
        (_put(f"{BN}.num_batches_tracked", torch.tensor(-1)), "num_batches_tracked is -1 (torch.int64): must be"),
        (_put(f"{BN}.num_batches_tracked", torch.tensor(2.5)), "num_batches_tracked is 2.5 (torch.float32): must"),
        (_put("linear.bias", torch.zeros(10).to_sparse()), "tensor linear.bias is not stored number by number"),
        (_put("linear.weight", torch.zeros(1).expand(10, 8)), "tensor linear.weight is not stored number by"),
        (_put("module.linear.bias", torch.zeros(10)), "tensor module.linear.bias has 'module.' before its name"),
    ],
)
def test_tensors_that_are_not_those_of_a_network(
    change: Callable[[OrderedDict[str, Tensor]], None], rule: str, tmp_path: Path
) -> None:
    state = fake_state(SMALL, wrapped=False)
    change(state)
    with pytest.raises(InputError, match=re.escape(rule)):
        import_checkpoint(save(state, tmp_path / "bad.pth"))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ([1, 2], "holds a list, and no state_dict"),
        ({}, "holds no state_dict, or an empty one"),
        ({"epoch": 3, "model": 4}, "holds no state_dict, or an empty one; its keys are 'epoch','model'"),
        ({"state_dict": 5}, "holds a int, and no state_dict"),
        ({"a": torch.zeros(1), "b": 2.0}, "state_dict: 'b' is a float, and no tensor"),
        ({"a": torch.zeros(1), 5: torch.zeros(1)}, "state_dict: 5 (int) is no name of a tensor"),
        ({"a": torch.zeros(1)}, "tensor features.unet1_0.down.0.conv0.weight is missing"),
        ({"state_dict": fake_state(SMALL), "sunetlab_spec": 3}, "sunetlab_spec: holds a int, and no table"),
        ({"state_dict": fake_state(SMALL), "sunetlab_spec": {"n": 4}}, "sunetlab_spec: depth: is needed and not given"),
        (
            {"state_dict": fake_state(SMALL), "sunetlab_spec": preset("sunet-64").model_dump(mode="json")},
            "is another network than the tensors are of",
        ),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_files_that_hold_something_else(content: object, rule: str, form: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(rule)):
        import_checkpoint(save(content, tmp_path / "other.pth", form))


def test_files_of_another_kind(tmp_path: Path) -> None:
    text, archive, folder = tmp_path / "text.pth.tar", tmp_path / "packed.pth.tar", tmp_path / "folder.pth.tar"
    text.write_text("weights " * 100)
    with tarfile.open(archive, "w") as file:
        file.add(text, "weights.pth")
    folder.mkdir()
    (tmp_path / "zip.pth").write_bytes(b"PK\x03\x04" + bytes(1000))
    for path, rule in (
        (text, "is no checkpoint"),
        (archive, "is a tar archive.*unpack it first"),
        (folder, "Is a directory"),
        (tmp_path / "none.pth.tar", "no such file"),
        (tmp_path / "zip.pth", "is cut short, damaged"),
    ):
        with pytest.raises(InputError, match=f"^{re.escape(str(path))}: {rule}"):
            import_checkpoint(path)


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ({"connectivity": "dense", "widths": (8,)}, "connectivity: dense"),
        ({"stem": "small"}, "stem: small"),
        ({"degrid": True}, "degrid: "),
    ],
)
def test_a_network_that_their_names_cannot_say_is_not_written(words: dict[str, Any], rule: str, tmp_path: Path) -> None:
    model = build(SUNetSpec.make(**{"n": 2, "stacks": (1,), "stem_width": 4, **words}))
    with pytest.raises(InputError, match=rule):
        write_authors(model, tmp_path / "out.pth")
    assert not list(tmp_path.iterdir())


# ----------------------------------------------------------------------------------------------------- the command line


def test_an_imported_folder_is_a_network_to_other_commands(said: Said, tmp_path: Path) -> None:
    save({"state_dict": fake_state(SMALL), "epoch": 7}, tmp_path / "in.pth.tar", "pickles")
    status, out, err = said("weights import in.pth.tar --out net")
    spec = spec_of(layout(SMALL))
    assert (status, err) == (0, "")
    count = len(layout(SMALL))
    params = sum(math.prod(shape) for name, shape in layout(SMALL).items() if name.endswith(("weight", "bias")))
    assert out.startswith(f"net: SUNet {spec.id} (")
    assert f"epoch 7: {params:,} parameters; {count} tensors, each in its place" in out
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == [
        "source.json",
        "spec.json",
        "spec.toml",
        "weights.safetensors",
    ]
    source = json.loads((tmp_path / "net" / "source.json").read_text())
    assert (source["file"], source["tensors"], source["told"]) == ("in.pth.tar", count, {"epoch": 7})
    assert json.loads(said("build net --json")[1])["id"] == spec.id
    assert json.loads(said("report macs net --output-stride 4 --json")[1])["params"] == params
    data = "--data scenes --size 32 --split val"
    status, out, err = said(f"evaluate net {data} --json")
    assert status == 0, err
    assert 0 <= json.loads(out)["accuracy"] <= 1
    assert said("evaluate net")[::2] == (
        2,
        "sunetlab: --data: net holds weights without the data that they were made from; give some\n",
    )
    status, out, err = said("export net --format authors --out again.pth.tar")
    assert (status, err) == (0, "")
    assert out.startswith(f"again.pth.tar: {count} tensors of SUNet {spec.id}")
    again = torch.load(tmp_path / "again.pth.tar", weights_only=True)["state_dict"]
    assert same(again, fake_state(SMALL))


def test_the_output_stride_is_given_or_supposed_and_it_is_said(said: Said, tmp_path: Path) -> None:
    save({"state_dict": fake_state(PLAIN)}, tmp_path / "plain.pth")
    save({"state_dict": fake_state(DEGRID)}, tmp_path / "degrid.pth")
    for name, stride in (("plain", 16), ("degrid", 8)):
        status, _, err = said(f"weights import {name}.pth --out {name}")
        assert (status, err.split(",")[0]) == (0, f"output stride {stride}")
        assert SUNetSpec.load(tmp_path / name / "spec.toml").output_stride == stride
        status, out, err = said(f"weights import {name}.pth --out {name} --output-stride 32 --json")
        assert (status, err, json.loads(out)["notes"]) == (0, "", [])
        assert SUNetSpec.load(tmp_path / name / "spec.toml").output_stride == 32
    assert "takes the place of an earlier import, of plain.pth" in said("weights import degrid.pth --out plain")[2]
    said("weights import plain.pth --out plain")
    status, _, err = said("weights import plain.pth --out plain --output-stride 7")
    assert (status, err) == (2, "sunetlab: --output-stride: 7: stem paper with 4 blocks can have 4, 8, 16, 32\n")


def test_what_the_commands_refuse(said: Said, tmp_path: Path) -> None:
    save({"state_dict": fake_state(SMALL)}, tmp_path / "in.pth.tar")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "spec.toml").write_text("n = 4")  # of an import's files, but no import
    (tmp_path / "empty").mkdir()
    assert said("weights import in.pth.tar --out empty")[0] == 0
    for line, rule in (
        ("weights import in.pth.tar --out mine", "mine: is there already and is no earlier import"),
        ("weights import in.pth.tar --out in.pth.tar", "in.pth.tar: is there already and is no earlier import"),
        ("weights import none.pth --out out", "none.pth: no such file"),
        ("export mine --format authors --out x.pth", "mine/weights.safetensors: no such file"),
        ("export nowhere --format authors --out x.pth", "nowhere: not the folder of a run, of an exported"),
        ("export empty --format onyx --out x.pth", "--format: 'onyx': unknown; known are authors"),
        ("export empty --format authors --out x.txt", "--out: 'x.txt': must be the name of a file that ends in .tar"),
        ("evaluate nowhere", "nowhere: not the folder of a run"),
    ):
        status, out, err = said(line)
        assert (status, out) == (2, ""), line
        assert err.startswith(f"sunetlab: {rule}"), (line, err)
        assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "in.pth.tar", "mine"]


def test_an_import_that_fails_leaves_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = import_checkpoint(save({"state_dict": fake_state(SMALL)}, tmp_path / "in.pth"))
    found.save(tmp_path / "net")
    before = (tmp_path / "net" / "weights.safetensors").read_bytes()
    rename = Path.rename
    for refused in (".part", "net"):  # the new folder on its way in, the old one on its way out

        def full(path: Path, target: Path, refused: str = refused) -> Path:
            if path.name.endswith(refused):
                raise OSError(28, "full")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", full)
        with pytest.raises(OSError, match="full"):
            found.save(tmp_path / "net")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.pth", "net"]
        assert (tmp_path / "net" / "weights.safetensors").read_bytes() == before


def test_what_may_never_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    for path in (tmp_path / "pipe.pth", Path("/dev/zero")):
        with pytest.raises(InputError, match="is no ordinary file"):
            import_checkpoint(path)

"""The spec: presets, rules resolved, round trips, identities, and every way of getting it wrong."""

import json
import os
import random
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sunetlab.errors import InputError
from sunetlab.files import read_table, whole_file, write_table, write_text
from sunetlab.presets import PRESETS, preset
from sunetlab.spec import MOST_MODULES, Module, SUNetSpec
from tests.specs import random_spec, random_specs

# ---------------------------------------------------------------------------------------------- what words resolve to


@pytest.mark.parametrize(
    ("name", "stacks", "widths"),
    [
        ("sunet-64", (2, 4, 4, 1), (256, 512, 768, 1024)),
        ("sunet-128", (2, 4, 4, 1), (512, 1024, 1536, 2048)),
        ("sunet-7-128", (2, 7, 7, 1), (512, 1280, 2048, 2304)),
    ],
)
def test_presets_are_table_1(name: str, stacks: tuple[int, ...], widths: tuple[int, ...]) -> None:
    spec = preset(name)
    assert (spec.stacks, spec.widths, spec.widths_rule) == (stacks, widths, "table")
    assert (spec.depth, spec.n, spec.stem_width) == ((2, 2, 2, 1), int(name.split("-")[-1]), 128)
    assert (spec.task, spec.num_classes, spec.output_stride, spec.dilations) == ("classification", 1000, 32, (1,) * 4)
    for stride, dilations in ((32, (1, 1, 1, 1)), (16, (1, 1, 1, 2)), (8, (1, 1, 2, 4))):
        dilated = preset(f"{name}-os{stride}")
        assert dilated == spec.replace(task="segmentation", dilations=dilations)
        assert (dilated.task, dilated.num_classes, dilated.output_stride) == ("segmentation", 21, stride)
        assert (dilated.depth, dilated.widths, dilated.degrid) == (spec.depth, widths, False)


def test_an_unknown_preset_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"^network: 'sunet-65': no such preset; known are sunet-64, .*$"):
        preset("sunet-65")


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ({}, "depth", (2, 2, 2, 1)),
        ({}, "widths", (256, 512, 768, 1024)),
        ({"widths": "rule"}, "widths", (256, 512, 768, 768)),
        ({"widths": "table", "n": 8}, "widths", (32, 64, 96, 128)),
        ({"widths": [9, 8, 7, 6]}, "widths", (9, 8, 7, 6)),
        ({"stacks": (1, 1)}, "widths", (128, 256)),
        ({"depth": 4}, "depth", (4, 3, 2, 1)),
        ({"depth": 4, "output_stride": 8}, "depth", (4, 3, 2, 1)),  # dilating does not change depths
        ({"depth": [1, 2, 3, 4]}, "depth", (1, 2, 3, 4)),
        ({"depth": 4, "stem": "small"}, "depth", (3, 2, 1, 1)),
        ({"output_stride": 8}, "dilations", (1, 1, 2, 4)),
        ({"output_stride": 8, "dilations": (1, 1, 3, 5)}, "dilations", (1, 1, 3, 5)),
        ({"task": "segmentation"}, "num_classes", 21),
        ({"task": "segmentation", "num_classes": 5}, "num_classes", 5),
        ({}, "num_classes", 1000),
        ({}, "head_width", 1024),
        ({"degrid": True}, "head_width", 512),
        ({}, "design_size", (224, 224)),
        ({"stem": "small"}, "design_size", (32, 32)),
        ({"stem": "small"}, "output_stride", 8),
        ({"widths": "rule"}, "widths_rule", "rule"),
        ({"widths": (256, 512, 768, 1024)}, "widths_rule", "table"),
        ({"widths": (256, 512, 768, 1025)}, "widths_rule", "by hand"),
    ],
)
def test_words_resolve(words: dict[str, Any], field: str, value: object) -> None:
    assert getattr(SUNetSpec.make(**words), field) == value


def test_modules_of_identity_and_dense_blocks() -> None:
    identity = SUNetSpec.make(stacks=(2, 3), widths=(7, 20), stem_width=4)
    assert [block.modules for block in identity.blocks] == [
        (Module(4, 7, 0), Module(7, 7, 0)),
        (Module(7, 20, 0), Module(20, 20, 0), Module(20, 20, 0)),
    ]
    dense = identity.replace(connectivity="dense")
    assert [block.modules for block in dense.blocks] == [
        (Module(4, 6, 2), Module(6, 7, 1)),
        (Module(7, 12, 5), Module(12, 16, 4), Module(16, 20, 4)),
    ]


@given(random_specs())
def test_modules_chain_from_the_stem_to_the_widths(spec: SUNetSpec) -> None:
    before = spec.stem_width
    for block, width, stack in zip(spec.blocks, spec.widths, spec.stacks, strict=True):
        assert len(block.modules) == stack
        for module in block.modules:
            assert module.in_channels == before
            assert (module.growth > 0) == (spec.connectivity == "dense")
            before += module.growth or width - before
            assert module.out_channels == before
        assert before == width


# -------------------------------------------------------------------------------------------------------- round trips


@given(random_specs())
def test_words_and_fields_round_trip(spec: SUNetSpec) -> None:
    assert SUNetSpec.make(**spec.words()) == spec
    assert SUNetSpec.make(**spec.model_dump()) == spec
    assert spec.replace() == spec
    assert SUNetSpec.make(**json.loads(json.dumps(spec.model_dump(mode="json")))) == spec


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=random_specs(), suffix=st.sampled_from([".toml", ".json", ".JSON"]))
def test_files_round_trip(tmp_path: Path, spec: SUNetSpec, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    spec.save(path)
    loaded = SUNetSpec.load(str(path))
    assert (loaded, loaded.id, hash(loaded)) == (spec, spec.id, hash(spec))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    path.unlink()


def test_a_saved_file_says_in_its_first_line_what_it_holds(tmp_path: Path) -> None:
    spec = preset("sunet-7-128-os8")
    spec.save(tmp_path / "net.toml")
    first = (tmp_path / "net.toml").read_text().splitlines()[0]
    assert first == f"# SUNet {spec.id}: depth=2 n=128 stacks=2,7,7,1 task=segmentation output_stride=8"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("net.toml", 'n = 128\nstacks = [2, 7, 7, 1]\ntask = "segmentation"\noutput_stride = 8\n'),
        ("net.json", '{"n": 128, "stacks": [2, 7, 7, 1], "task": "segmentation", "output_stride": 8}'),
    ],
)
def test_a_file_may_hold_words(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert SUNetSpec.load(tmp_path / name) == preset("sunet-7-128-os8")


@pytest.mark.parametrize("name", PRESETS)
def test_words_of_a_preset_are_the_words_of_its_row(name: str) -> None:
    words = preset(name).words()
    row = {"depth": 2, **PRESETS[name]}
    if row.get("output_stride") == 32:  # what comes of dilating nothing
        del row["output_stride"]
    assert words == row


# ----------------------------------------------------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("name", "digits"), [("sunet-64", "b35d75a4bd"), ("sunet-7-128", "c9df2fa4de"), ("sunet-128-os8", "d1f55cf0dd")]
)
def test_ids_stay_what_they_were(name: str, digits: str) -> None:
    assert preset(name).id == digits  # results are filed under these: a change here orphans them


CHANGES: dict[str, Any] = {
    "depth": 1,
    "n": 63,
    "stacks": (2, 4, 4, 2),
    "widths": "rule",
    "dilations": (1, 1, 1, 3),
    "downsampling": "strided",
    "connectivity": "dense",
    "degrid": True,
    "stem": "small",
    "stem_width": 126,
    "in_channels": 1,
    "task": "segmentation",
    "num_classes": 999,
}


def test_every_field_changes_the_id() -> None:
    assert set(CHANGES) == set(SUNetSpec.model_fields)
    spec = SUNetSpec.make()
    ids = [spec.replace(**{field: value}).id for field, value in CHANGES.items()]
    assert len({spec.id, *ids}) == 1 + len(CHANGES)


@given(random_specs(), st.integers(0, 2**32))
def test_equal_content_equal_id(spec: SUNetSpec, seed: int) -> None:
    other = random_spec(random.Random(seed))
    assert (spec.id == other.id) == (spec == other)
    again = SUNetSpec.make(**spec.words())
    assert (again.id, hash(again)) == (spec.id, hash(spec))
    assert len(spec.id) == 10
    assert int(spec.id, 16) >= 0
    assert "\n" not in spec.summary


# ------------------------------------------------------------------------------------------------------------ replace


@pytest.mark.parametrize(
    ("start", "change", "same_as"),
    [
        ({"n": 128}, {"n": 64}, {"n": 64}),
        ({}, {"stacks": (2, 7, 7, 1)}, {"stacks": (2, 7, 7, 1)}),
        ({"widths": "rule"}, {"n": 8}, {"widths": "rule", "n": 8}),
        ({"depth": 3}, {"stem": "small"}, {"depth": 3, "stem": "small"}),
        ({"output_stride": 8}, {"stacks": (1,) * 5}, {"stacks": (1,) * 5, "output_stride": 8}),
        ({"output_stride": 8}, {"output_stride": 16}, {"output_stride": 16}),
        ({"output_stride": 8}, {"dilations": (1, 1, 1, 1)}, {}),
        ({"dilations": (1, 1, 1, 5)}, {"output_stride": 8}, {"output_stride": 8}),
        ({"dilations": (1, 1, 1, 5)}, {"n": 8}, {"dilations": (1, 1, 1, 5), "n": 8}),
        ({"task": "segmentation"}, {"task": "classification"}, {}),
        ({"num_classes": 7}, {"task": "segmentation"}, {"num_classes": 7, "task": "segmentation"}),
        ({"widths": (256, 512, 768, 1024)}, {"n": 8}, {"n": 8}),  # by hand, but what the rule says: the rule
    ],
)
def test_replace_follows_the_rules_again(
    start: dict[str, Any], change: dict[str, Any], same_as: dict[str, Any]
) -> None:
    assert SUNetSpec.make(**start).replace(**change) == SUNetSpec.make(**same_as)


@pytest.mark.parametrize(
    ("start", "change", "field"),
    [
        ({"widths": (9, 9, 9, 9)}, {"stacks": (1, 1)}, "widths"),
        ({"depth": (1, 1, 1, 2)}, {"stacks": (1, 1)}, "depth"),
        ({"dilations": (1, 1, 1, 3)}, {"stacks": (1, 1)}, "dilations"),
        ({"widths": (9, 9, 9, 9)}, {"connectivity": "dense"}, "widths"),
        ({"output_stride": 8}, {"stacks": (1,)}, "output_stride"),
        ({}, {"output_stride": 8, "dilations": (1, 1, 1, 2)}, "output_stride"),
    ],
)
def test_replace_refuses_what_no_longer_fits(start: dict[str, Any], change: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=f"^{field}: "):
        SUNetSpec.make(**start).replace(**change)


# -------------------------------------------------------------------------------------------------------- wrong input

PER_BLOCK = r"but stacks 2,4,4,1 has 4: one per block"
IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"n": 0}, "n: 0: input should be greater than or equal to 1"),
    ({"n": -64}, "n: -64: input should be greater than or equal to 1"),
    ({"n": "64"}, "n: '64': input should be a valid integer"),
    ({"n": 1.5}, "n: 1.5: input should be a valid integer"),
    ({"n": True}, "n: True: input should be a valid integer"),
    ({"n": 2**20 + 1}, "n: 1048577: input should be less than or equal to 1048576"),
    ({"stacks": ()}, "stacks: empty: a network has at least one block"),
    ({"stacks": (2, 0, 7)}, "stacks.1: 0: input should be greater than or equal to 1"),
    ({"stacks": "2,7"}, "stacks: '2,7': input should be a valid tuple"),
    ({"stacks": 3}, "stacks: 3: input should be a valid tuple"),
    ({"stacks": (4000, 97)}, f"stacks: 4000,97: at most {MOST_MODULES} modules in all"),
    ({"depth": 0}, "depth: 0: input should be greater than or equal to 1"),
    ({"depth": 9}, "depth: 9: input should be less than or equal to 8"),
    ({"depth": "2"}, "depth: '2': input should be a valid integer"),
    ({"depth": (2, 2)}, f"depth: 2,2: has 2 entries, {PER_BLOCK}"),
    ({"depth": (2, 2, 0, 1)}, "depth.2: 0: input should be greater than or equal to 1"),
    ({"widths": (1, 2, 3)}, f"widths: 1,2,3: has 3 entries, {PER_BLOCK}"),
    ({"widths": (1, 2, 3, 0)}, "widths.3: 0: input should be greater than or equal to 1"),
    ({"widths": "wide"}, "widths: 'wide': input should be 'auto', 'table' or 'rule'"),
    (
        {"widths": "table", "stacks": (1, 1)},
        "widths: table: Table 1 has no stacks 1,1, only 2,4,4,1 and 2,7,7,1",
    ),
    ({"dilations": (1, 1)}, f"dilations: 1,1: has 2 entries, {PER_BLOCK}"),
    ({"dilations": (1, 2, 1, 1)}, "dilations: 1,2,1,1: must never fall from block to block"),
    ({"dilations": (0, 1, 1, 1)}, "dilations.0: 0: input should be greater than or equal to 1"),
    ({"output_stride": 64}, "output_stride: 64: stem paper with 4 blocks can have 4, 8, 16, 32"),
    ({"output_stride": 5}, "output_stride: 5: stem paper with 4 blocks can have 4, 8, 16, 32"),
    (
        {"output_stride": 2, "stem": "small", "stacks": (1,)},
        "output_stride: 2: stem small with 1 blocks can have 1",
    ),
    (
        {"output_stride": 8, "dilations": (1, 1, 1, 1)},
        "output_stride: 8: dilations 1,1,1,1 give an output stride of 32; give one of the two",
    ),
    ({"downsampling": "pool"}, "downsampling: 'pool': input should be 'multigrid' or 'strided'"),
    ({"connectivity": 3}, "connectivity: 3: input should be 'identity' or 'dense'"),
    (
        {"connectivity": "dense", "n": 4},
        "widths: 16,32,48,64: too little growth for dense connectivity: from 128 to 16 maps, but each of 2 modules "
        "must add at least one",
    ),
    (
        {"connectivity": "dense", "widths": (130, 133, 200, 300)},
        "widths: 130,133,200,300: too little growth for dense connectivity: from 130 to 133 maps, but each of 4 "
        "modules must add at least one",
    ),
    ({"degrid": 1}, "degrid: 1: input should be a valid boolean"),
    ({"stem": "big\nstem"}, "stem: 'big\\nstem': input should be 'paper' or 'small'"),
    ({"stem_width": 0}, "stem_width: 0: input should be greater than or equal to 1"),
    ({"stem_width": 7}, "stem_width: 7: must be even: the first convolution has half of it"),
    ({"in_channels": 0}, "in_channels: 0: input should be greater than or equal to 1"),
    ({"task": "detection"}, "task: 'detection': input should be 'classification' or 'segmentation'"),
    ({"num_classes": 0}, "num_classes: 0: input should be greater than or equal to 1"),
    ({"n": 0, "depth": 0, "stacks": (0, 0)}, "depth: 0: input should be greater than or equal to 1 (and 2 more)"),
    ({"colour": 1}, "colour: unknown key; known are " + ", ".join(("depth", "n", "stacks", "widths"))),
    ({"a\nb": 1}, "'a\\nb': unknown key; known are depth, n, stacks"),
]


@pytest.mark.parametrize(("words", "line"), IMPOSSIBLE, ids=lambda value: str(value)[:40] if value else "empty")
def test_an_impossible_network_is_refused_in_one_line(words: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as caught:
        SUNetSpec.make(**words)
    message = str(caught.value)
    assert message == line if "known are" not in line else message.startswith(line)
    assert len(message.splitlines()) == 1


def test_every_word_is_refused_somewhere() -> None:
    fields = {*SUNetSpec.model_fields, "output_stride"}
    assert fields <= {line.split(":")[0].split(".")[0] for _, line in IMPOSSIBLE}


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("net.yaml", b"n: 1", "unknown kind of file; known are .toml, .json"),
        ("net", b"", "unknown kind of file; known are .toml, .json"),
        ("net.toml", b"n = \n", "not valid TOML: Invalid value (at line 1, column 5)"),
        ("net.json", b'{"n": 1,\n', "not valid JSON: Expecting property name enclosed in double quotes: line 2"),
        ("net.toml", b"n = 1\ncolour = 2\n", "colour: unknown key; known are depth, n, stacks"),
        ("net.json", b'{"n": 0}', "n: 0: input should be greater than or equal to 1"),
        ("net.json", b'{"n": NaN}', "n: nan: input should be a valid integer"),
        ("net.toml", b"[n]\nn = 1\n", "n: {'n': 1}: input should be a valid integer"),
        ("net.toml", b"output_stride = 5\n", "output_stride: 5: stem paper with 4 blocks can have 4, 8, 16, 32"),
        ("net.json", b"[1, 2]", "must hold a table of keys, not a list"),
        ("net.json", b"3", "must hold a table of keys, not a int"),
        ("net.json", b"", "not valid JSON: Expecting value"),
        ("net.json", b"[" * 100_000, "not valid JSON: "),
        ("net.toml", b"\xff\xfen = 1", "not valid TOML: 'utf-8' codec can't decode byte 0xff"),
        ("net.json", b"\xff\xfe", "not valid JSON: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes, rule: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        SUNetSpec.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {rule}")
    assert message.count(str(path)) == 1
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("nothing.toml", "no such file"),
        ("none/nothing.json", "no such file"),
        ("folder.toml", "Is a directory"),
        ("file.toml/net.toml", "Not a directory"),
        ("x" * 300 + ".toml", "File name too long"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, name: str, rule: str) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "file.toml").touch()
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: {rule}"


# ------------------------------------------------------------------------------------------------- files that are whole


def interrupted(path: Path) -> None:
    with whole_file(path) as file:
        file.write(b"half of it")
        raise KeyboardInterrupt


def test_an_interrupted_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "out.bin")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_file_leaves_the_old_one_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]
    write_text(path, "new é")
    assert [file.read_text(encoding="utf-8") for file in tmp_path.iterdir()] == ["new é"]


def test_no_one_sees_a_file_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    with whole_file(path) as file:
        file.write(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_a_file_has_the_mode_that_the_umask_allows(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        SUNetSpec.make().save(tmp_path / "net.toml")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "net.toml").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("net.yaml", "{path}: unknown kind of file; known are .toml, .json"),
        ("none/net.toml", "{path}: cannot be written: No such file or directory: {path.parent}"),
        ("file/net.toml", "{path}: cannot be written: Not a directory: {path.parent}"),
        ("folder.toml", "{path}: cannot be written: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path, name: str, rule: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.toml").mkdir()
    path = tmp_path / name
    with pytest.raises(InputError) as caught:
        SUNetSpec.make().save(path)
    assert str(caught.value) == rule.format(path=path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.toml"]


def test_none_is_left_out_of_toml_at_every_depth(tmp_path: Path) -> None:
    table = {"a": None, "b": {"c": None, "d": [{"e": None, "f": 1}]}}
    write_table(tmp_path / "table.toml", table, comment="two\nlines")
    write_table(tmp_path / "table.json", table)
    assert (tmp_path / "table.toml").read_text().startswith("# two\n# lines\n")
    assert read_table(tmp_path / "table.toml") == {"b": {"d": [{"f": 1}]}}
    assert read_table(tmp_path / "table.json") == table

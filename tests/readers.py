"""The readers of texts and tables, each with valid inputs."""

import tomllib
from functools import partial
from pathlib import Path
from typing import Any

from sunetlab import preset
from sunetlab.cli import evaluate, inference, match, network, space_words, work
from sunetlab.files import validate
from sunetlab.presets import PRESETS
from sunetlab.space.arrays.quantities import known
from sunetlab.space.definition import SpaceFile
from sunetlab.space.space import Space
from sunetlab.space.where import parse_where
from sunetlab.spec import SUNetSpec
from sunetlab.study import reading
from sunetlab.study.definition import Study
from sunetlab.study.shared import parse_url, place_of
from sunetlab.train.data import DataConfig
from sunetlab.train.recipe import Recipe
from sunetlab.train.recipes import RECIPES
from tests.reader import Reader, of_tables, of_texts, of_words
from tests.tiny import SEARCH, STUDY

SPECS: list[dict[str, Any]] = [
    *({**words, "stacks": list(words["stacks"])} for words in PRESETS.values()),
    *(preset(name).model_dump(mode="json") for name in ("sunet-64", "sunet-7-128-os8")),
    {"depth": [1, 2], "n": 4, "stacks": [1, 2], "widths": [8, 16], "stem_width": 4, "connectivity": "dense"},
    {"depth": 3, "n": 8, "stacks": [1, 1, 1], "dilations": [1, 1, 2], "downsampling": "strided", "degrid": True},
]
FLAGS = {
    "depth": ("2", "2,2,1", "3,3,2,1"),
    "stacks": ("2,4,4,1", "1,1", " 2, 7 ,7,1"),
    "widths": ("auto", "table", "rule", "256,512,768,1024"),
    "dilations": ("1,1,2,4", "1,1"),
}
SPACES: list[dict[str, Any]] = [
    {"factors": {"n": "2..8:2", "stacks": "1..2x1..2"}, "network": {"depth": 1}, "where": "params<=1M, fov>=16"},
    {"factors": {"n": [2, 4], "depth": "1..2x1..2", "stacks": ["1x1"], "widths": ["rule", "2nx4n"]}, "input": [64, 96]},
    {"factors": {"widths": "rule*0.5..1.5:0.5", "degrid": [False, True]}, "input": "64x64", "batch": 8},
    {
        "factors": {"dilations": ["1x1|2", "1x4"], "stem": ["paper", "small"]},
        "network": {"stacks": [1, 1]},
        "input": 96,
    },
    {"factors": {"connectivity": ["identity", "dense"], "widths": ["8..16x20"]}, "network": {"stacks": [1, 1], "n": 2}},
]
LEVELS = [
    *("n=16..256:16", "depth=1..3", "stacks=1..3x1..8x1..8x1|2", "stacks=2x4x4x1,2x7x7x1", "widths=rule,2..8nx4..12n"),
    *("widths=rule*0.25..2:0.05", "degrid=true,false", "stem=paper,small", "classes=10", "output-stride=8,16,32"),
]
FILTERS = [
    *("params<=2M", "1M <= params <= 10M, memory < 4GiB, degrid == true", "fov>=512px, macs < 2.5e9", "layers != 110"),
    *(
        "downsampling = strided",
        "block4_modules<=2,block1_width>=3k",
        "10_000_000 > params",
        "-1 < n, activations<=.5G",
    ),
]
ADDRESSES = [
    *("postgresql://me@host/base", "postgresql://me@[::1]:5432/base?sslmode=require", "grpc://host:13000"),
    *("postgresql://me:secret@host/base", "sqlite:///a.db", "postgresql+psycopg://u@h/d", "grpc://[::1]:1"),
]
PLACES = [{"url": "postgresql://me@host/base", "key": "0123abcd"}, {"url": "grpc://host:13000", "key": "ffffffff"}]
DATA: list[dict[str, Any]] = [
    {"source": "scenes", "task": "classification", "size": 32, "train": 16, "val": 16},
    {"source": "folder:images", "task": "segmentation", "size": [64, 96], "val_fraction": 0.2, "workers": 0},
    {"source": "voc:VOCdevkit", "task": "segmentation", "train_split": "train_aug", "memory_gib": 1.5, "partial": True},
    {"source": "cifar10:~", "task": "classification", "seed": 3},
]


def of_specs(folder: Path) -> list[Reader]:
    """Networks, in words, in files, in flags."""
    texts = [text for said in FLAGS.values() for text in said]

    def read_flags(text: str) -> None:
        word = list(FLAGS)[len(text) % len(FLAGS)]
        network.find_network(None, network.words_of({word: text}))

    sizes = ["224", "360x480", "64×64"]
    return [
        of_words("words of a network", SPECS, lambda found: _tell(SUNetSpec.make(**found))),
        of_tables("spec.toml", SPECS, folder / "spec.toml", lambda path: _tell(SUNetSpec.load(path))),
        of_tables("spec.json", SPECS, folder / "spec.json", lambda path: _tell(SUNetSpec.load(path))),
        of_texts("flags of a network", texts, read_flags),
        of_texts("names of networks", [*PRESETS, "a.toml", "b/c.json"], partial(network.find_network, words={})),
        of_texts("--input", sizes, network.input_size),
        of_texts("--scales", ["0.5,0.75,1,1.25", " .5, 2"], inference._numbers),
        of_texts("--tolerance", ["1%", "0.01", " 2.5 %"], lambda text: match._holds(["params", "macs"], text)),
        of_texts("--boundary", ["1,3,5", "2"], lambda text: evaluate._distances(text, "segmentation")),
    ]


def _tell(spec: SUNetSpec) -> None:
    """What is said of every network that is read; its blocks are made."""
    assert spec.blocks
    assert spec.id
    assert spec.summary
    assert SUNetSpec.make(**spec.words()) == spec


def of_spaces(folder: Path) -> list[Reader]:
    """Spaces, factors, filters."""

    def read_levels(text: str) -> None:
        Space({"stacks": [1, 1]} if "stacks" not in text else {}, space_words.factors_of([text]))

    quantities = known(4)
    return [
        of_tables("space.toml", SPACES, folder / "space.toml", lambda path: SpaceFile.load(path).space(), cost=8),
        of_tables("space.json", SPACES, folder / "space.json", lambda path: SpaceFile.load(path).space(), cost=8),
        of_texts("--vary", LEVELS, read_levels, cost=4),
        of_texts("--where", FILTERS, lambda text: parse_where(text, quantities)),
    ]


def _data(source: str) -> DataConfig:
    return validate(DataConfig, {**DATA[0], "source": source})


def _place(path: Path) -> None:
    place = place_of(path.parent)
    assert place is not None
    parse_url(place.url)


def of_studies(folder: Path) -> list[Reader]:
    """Studies, recipes, the tables of data, addresses of databases."""
    shipped = [tomllib.loads(path.read_text(encoding="utf-8")) for path in reading.shipped().values()]
    tiny = [tomllib.loads(text) for text in (STUDY, SEARCH)]
    recipes: list[dict[str, Any]] = [*RECIPES.values(), {"base": "quick", "epochs": 2, "augment": {"flip": True}}]
    recipes.append(Recipe().model_dump(mode="json"))
    return [
        of_tables("studies", [*shipped, *tiny, *tiny], folder / "study.toml", Study.load, cost=40),
        of_tables("small studies", tiny, folder / "tiny.toml", Study.load, cost=12),
        of_tables("recipe.toml", recipes, folder / "recipe.toml", lambda path: Recipe.load(str(path))),
        of_tables("recipe.json", recipes, folder / "recipe.json", lambda path: Recipe.load(str(path))),
        of_words("words of a recipe", recipes, Recipe.resolve),
        of_words("tables of data", DATA, lambda found: validate(DataConfig, found, "data").path),
        of_texts("--data", [each["source"] for each in DATA], _data),
        of_texts("--storage", ADDRESSES, work.storage_said),
        of_texts("--workers", ["auto", "1", "16"], work.workers_said),
        of_tables("storage.toml", PLACES, folder / "storage.toml", _place),
    ]

"""The studies that would test what only training can tell: what each would compare, one row each."""

from importlib import resources
from typing import Literal

StudyName = Literal[
    "depth",
    "size",
    "search",
    "selection",
    "multigrid",
    "output-stride",
    "connectivity",
    "context",
    "fidelity",
]

COMPARED: dict[StudyName, str] = {
    "depth": "u-nets of depth 1 to 4 at equal parameters, for classification and for segmentation",
    "size": "more maps (N) against more u-nets at equal cost, and both along a growing budget",
    "search": "the best design for segmentation within a budget, beside the three of the paper",
    "selection": "whether designs chosen by classification are those that segment well",
    "multigrid": "Table 4: multigrid against strides in dilated blocks",
    "output-stride": "Table 5: output strides 32, 16 and 8, with and without de-gridding and several scales",
    "connectivity": "the identity against dense connectivity between u-nets",
    "context": "accuracy against the field of view",
    "fidelity": "whether short trainings rank designs as long ones do",
}


def is_shipped(name: StudyName) -> bool:
    """Whether a study of that name comes with sunetlab, so that `sunetlab study list` has it."""
    return resources.files("sunetlab.studies").joinpath(f"{name}.toml").is_file()


def sentence(name: StudyName) -> str:
    """What a study would compare, and whether it is there to be run."""
    there = f"`sunetlab study run {name}`" if is_shipped(name) else "`sunetlab study list` does not have it yet"
    return f"{name} would compare {COMPARED[name]}; {there}".replace("compare whether", "tell whether")

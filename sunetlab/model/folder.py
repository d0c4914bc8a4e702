"""A folder that holds a network and its weights: a run's, an exported configuration's, imported weights'."""

from pathlib import Path

from sunetlab.errors import InputError
from sunetlab.folders import SPEC, WEIGHTS
from sunetlab.model.sunet import SUNet
from sunetlab.model.weights import load_weights
from sunetlab.spec import SUNetSpec


def load_network(folder: Path) -> SUNet:
    """The network of such a folder, with its weights; in training mode, as every fresh module.

    Raises:
        InputError: not such a folder, or one without usable weights.
    """
    if not (folder / SPEC).is_file():
        kinds = "a run, of an exported configuration or of imported weights"
        raise InputError(f"{folder}: not the folder of {kinds}: it has no {SPEC}")
    model = SUNet(SUNetSpec.load(folder / SPEC))
    load_weights(model, folder / WEIGHTS)
    return model

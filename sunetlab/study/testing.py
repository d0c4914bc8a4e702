"""The test split, read once: for the designs that a search chose, when nothing is left to be chosen."""

from collections.abc import Sequence
from pathlib import Path

from sunetlab.files import write_table
from sunetlab.folders import refuse_links_out
from sunetlab.study.tested import TEST
from sunetlab.train.data import DataSource, Progress
from sunetlab.train.device import pick_device
from sunetlab.train.evaluate import evaluate
from sunetlab.train.run import load_model


def read_test(runs: Sequence[Path], data: DataSource, device: str, progress: Progress | None = None) -> None:
    """Write the test figures of finished runs that have none yet; what was read once is not read again.

    Args:
        runs: their folders.
        data: with a split `test`.
        device: where to look.
        progress: is called with (done, total) runs.
    """
    for done, folder in enumerate(runs, 1):
        refuse_links_out(folder)
        if not (folder / TEST).exists():
            model, run = load_model(folder)
            target = pick_device(device)
            found = evaluate(model.to(target), data.split("test"), target, run.recipe.batch_size)
            write_table(folder / TEST, found.figures)
        if progress is not None:
            progress(done, len(runs))

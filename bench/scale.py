"""Studies of very many trials: prints the table of bench/README.md on what a database bears.

    python bench/scale.py [--trials 100,1000] [--workers 1,4] [--storage postgresql://USER@HOST/DATABASE]

Trainings are stand-ins of a millisecond that write what a run leaves, so that all of the time is the study's own: the
queue, the database, the folder of every trial. Every line is a process of its own; memory is the largest that had,
workers apart; `study status` and `study report` are timed as commands, the start of Python and its imports included.
"""

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

STUDY = """
question = "What does a study of many trials cost?"
seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
[network]
stacks = [1, 1]
widths = "rule"
[factors]
depth = [1, 2]
n = [4, 5, 6, 7, 8]
stem_width = [{stem_widths}]
[baseline]
depth = 1
n = 4
{baseline}
[[tasks]]
task = "classification"
recipe = {{ base = "quick", epochs = 1, batch_size = 8, warmup = 0.0 }}
data = {{ source = "shapes", size = 32, train = 16, val = 16 }}
"""
TRAINING_S = 0.001


def train(run: Any, data: Any, folder: Path, *_: object) -> dict[str, Any]:
    """What a training leaves, without one."""
    from sunetlab.train.run import RESULT

    time.sleep(TRAINING_S)
    epoch = {"epoch": 1, "lr": 0.1, "train_loss": 1.0, "val_accuracy": 0.5, "seconds": TRAINING_S}
    result = {
        "task": "classification",
        "objective": "accuracy",
        "value": 0.5 + (7919 * run.seed + run.spec.n * run.spec.stem_width + 31 * run.spec.depth[0]) % 101 / 1010,
        "best": epoch,
        "last": epoch,
        "seconds": TRAINING_S,
        "train_images": 16,
        "val_images": 16,
        "machine": {},
        "params": 1000 * run.spec.n,
        "macs": 1000 * run.spec.n * run.spec.stem_width,
        "size": list(data.size),
    }
    folder.mkdir(parents=True, exist_ok=True)
    run.save(folder)
    (folder / "log.jsonl").write_text(json.dumps(epoch) + "\n", encoding="utf-8")
    (folder / RESULT).write_text(json.dumps(result), encoding="utf-8")
    return result


def serve(*words: Any) -> None:
    """What runs in a worker."""
    from sunetlab.study import attempt, worker

    with mock.patch.object(attempt, "train", train):
        worker.serve(*words)


def once(trials: int, workers: int, storage: str | None, folder: Path) -> None:
    """Run a study; print its seconds, those of the commands that tell of it, and the MiB of who runs it."""
    from sunetlab.study import attempt, crew
    from sunetlab.study.definition import Study
    from sunetlab.study.results import trials as trials_of
    from sunetlab.study.runner import run_study
    from sunetlab.study.shared import parse_url

    path = folder / "scale.toml"
    path.write_text(
        STUDY.format(
            stem_widths=", ".join(map(str, range(4, 4 + trials // 50, 2))),
            baseline="stem_width = 4" if trials > 100 else "",
        ),
        encoding="utf-8",
    )
    study, out = Study.load(path), folder / "out"
    place = None if storage is None else parse_url(storage)
    with mock.patch.object(attempt, "train", train), mock.patch.object(crew, "serve", serve):
        run_study(study, out, "cpu", most=0, place=place)
        began = time.perf_counter()
        run_study(study, out, "cpu", workers=workers, place=place)
    ran = time.perf_counter() - began
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table = trials_of(study, out)
    assert len(table) == trials
    assert set(table["state"]) == {"finished"}
    status, report = (told(word, out) for word in ("status", "report"))
    print(  # noqa: T201
        f"| {trials:,} | {workers} | {ran:.1f} s | {1000 * ran / trials:.1f} ms | {status:.2f} s | {report:.2f} s "
        f"| {mib:,.0f} MiB |",
        flush=True,
    )


def told(word: str, out: Path) -> float:
    """Seconds of `sunetlab study WORD`, the start of Python included."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "sunetlab", "study", word, str(out)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", default="100,1000")
    parser.add_argument("--workers", default="1,4")
    parser.add_argument("--storage")
    parser.add_argument("--once", action="store_true")
    asked = parser.parse_args()
    if asked.once:
        with tempfile.TemporaryDirectory() as place:
            once(int(asked.trials), int(asked.workers), asked.storage, Path(place))
        return
    for line in ("trials|workers|whole|a trial|status|report|memory", "|".join(["---"] * 7)):
        print("| " + line.replace("|", " | ") + " |", flush=True)  # noqa: T201
    for workers in asked.workers.split(","):
        for trials in asked.trials.split(","):
            storage = ["--storage", asked.storage] if asked.storage else []
            command = [sys.executable, __file__, "--once", "--trials", trials, "--workers", workers, *storage]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    multiprocessing.freeze_support()
    main()

"""What a look at a study's database costs while many trials run: prints the table of docs/many-machines.md.

    python bench/looks.py --storage postgresql://USER@HOST/DATABASE [--running 10,100,1000]

For every number of trials that run: the median of five looks (Optuna's own reading, as a participant does), of fifty
pulses, and the mean of putting a trial there. Everything is in a study of its own, which is deleted afterwards.
"""

import argparse
import secrets
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from sunetlab.study.company import PULSE
from sunetlab.study.shared import open_shared, parse_url

LEVELS = {"depth": [1, 2], "n": [4, 8, 16], "stem_width": [8, 16]}


def seconds(question: Callable[[], object], times: int) -> float:
    """The median of so many."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        question()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storage", help="a shared database or its proxy; without it SQLite in a temporary folder")
    parser.add_argument("--running", default="10,100,1000")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as place:
        storage = (
            f"sqlite:///{Path(place) / 'looks.db'}" if asked.storage is None else open_shared(parse_url(asked.storage))
        )
        study = optuna.create_study(storage=storage, study_name=f"looks-{secrets.token_hex(4)}")
        told = {name: CategoricalDistribution(levels) for name, levels in LEVELS.items()}
        first = {name: levels[0] for name, levels in LEVELS.items()}
        print("| trials that run | a look | a pulse | a trial put there |\n| --- | --- | --- | --- |")  # noqa: T201
        for count in map(int, asked.running.split(",")):
            made, began = len(study.get_trials(deepcopy=False)), time.perf_counter()
            for number in range(made, count):
                known = {"folder": f"d{number}-s0", "levels": {**first, "seed": 0}, "stage": "trial"}
                study.add_trial(
                    create_trial(state=TrialState.RUNNING, params=first, distributions=told, user_attrs=known)
                )
            each = (time.perf_counter() - began) / max(1, count - made)
            look = seconds(lambda: study.get_trials(deepcopy=False), 5)
            running = study.get_trials(deepcopy=False)[0]._trial_id
            pulse = seconds(lambda: study._storage.set_trial_user_attr(running, PULSE, [0, time.time(), 10.0]), 50)  # noqa: B023
            print(f"| {count:,} | {1000 * look:.0f} ms | {1000 * pulse:.1f} ms | {1000 * each:.0f} ms |", flush=True)  # noqa: T201
        optuna.delete_study(study_name=study.study_name, storage=study._storage)


if __name__ == "__main__":
    main()

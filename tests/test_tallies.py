"""What becomes of survivors, against sorting all of them at once; samples against the uniform distribution."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sunetlab import InputError, SUNetSpec, analyze, preset
from sunetlab.analysis.memory import Setting
from sunetlab.space.arrays.view import PLAIN, Training
from sunetlab.space.pick import arm_words, design, drawn, everything, listed, where_of
from sunetlab.space.screen import Screen, figures
from sunetlab.space.space import Space
from sunetlab.space.survey import Wanted, bounds_of, survey
from sunetlab.space.table import table
from sunetlab.space.tallies import Best, Density, Front, Spread

FACTORS = {
    "n": "4..12:4",
    "depth": [1, 2, 3],
    "stacks": "1..3x1..4x1..2",
    "output_stride": [4, 8],
    "stem_width": [8, 16],
}
BOUNDS = "params<=600k, fov>=300, block2_modules!=3"
SPACE = Space({"task": "segmentation"}, FACTORS, (96, 80))
NAMES = ("params", "macs", "activations", "fov", "layers")


@pytest.fixture(scope="module")
def survivors() -> pd.DataFrame:
    """All survivors, from the analysis of each design by itself."""
    rows = []
    for number in range(len(SPACE)):
        spec = SPACE.spec(number)
        report = analyze(spec, (96, 80))
        fov = report.fov.network.image.usual
        if report.params <= 600_000 and fov >= 300 and spec.stacks[1] != 3:
            rows.append((number, report.params, report.macs, report.memory().activations, fov, report.depth))
    return pd.DataFrame(rows, columns=["design", *NAMES])


def screened(*tallies: Spread | Density | Front | Best, most: int = 50) -> Screen:
    screen = Screen(SPACE, where_of(SPACE, BOUNDS), NAMES)
    for some in screen.run(most=most):
        for tally in tallies:
            tally.take(some)
    return screen


def test_the_funnel_counts_what_each_bound_lets_through(survivors: pd.DataFrame) -> None:
    funnel = screened().funnel
    assert funnel.possible + funnel.impossible.total() == funnel.combinations == 3 * 3 * 24 * 2 * 2
    assert funnel.survivors == len(survivors) == len(everything(SPACE, where_of(SPACE, BOUNDS)))
    assert [bound for bound, _, _ in funnel.rows()] == ["params<=600k", "fov>=300", "block2_modules!=3"]
    befores, afters = zip(*((before, after) for _, before, after in funnel.rows()), strict=True)
    assert befores == (funnel.possible, *afters[:-1])
    assert everything(SPACE, where_of(SPACE, BOUNDS)).tolist() == survivors["design"].tolist()


@pytest.mark.parametrize("most", [1, 13, 10_000])
def test_spreads_and_densities_hold_every_survivor(most: int, survivors: pd.DataFrame) -> None:
    spread, density = Spread("params"), Density("params", "macs")
    screened(spread, density, most=most)
    bins = spread.bins(7)
    assert len(bins.counts) <= 7
    assert bins.edges[0] == survivors["params"].min()
    assert bins.edges[-1] == survivors["params"].max()
    for low, high, count in zip(bins.edges, bins.edges[1:], bins.counts, strict=False):
        inside = survivors["params"].between(low, high, inclusive="left").sum()
        assert abs(count - inside) <= (survivors["params"] == survivors["params"].max()).sum()
    x, y, counts = density.cells(20)
    assert counts.shape == (len(y) - 1, len(x) - 1)
    assert max(counts.shape) <= 20
    wanted, _, _ = np.histogram2d(survivors["macs"], survivors["params"], (y, x))
    assert counts.sum() == bins.counts.sum() == len(survivors)
    assert np.array_equal(counts, wanted)


@pytest.mark.parametrize("pair", [("params", "fov"), ("fov", "macs"), ("params", "activations"), ("fov", "block1_fov")])
def test_a_front_is_what_no_other_beats(pair: tuple[str, str], survivors: pd.DataFrame) -> None:
    if pair[1] == "block1_fov":
        found = figures(SPACE, survivors["design"].to_numpy(), ["block1_fov"])
        survivors = survivors.assign(block1_fov=[row["block1_fov"] for row in found])
    signs = [-1 if "fov" in name else 1 for name in pair]
    costs = [(signs[0] * x, signs[1] * y) for x, y in zip(survivors[pair[0]], survivors[pair[1]], strict=True)]
    best = {c for c in costs if not any(o != c and o[0] <= c[0] and o[1] <= c[1] for o in set(costs))}
    wanted = [int(survivors["design"].iloc[costs.index(cost)]) for cost in sorted(best)]
    for most in (1, 17, 10_000):
        front = Front(*pair)
        screen = Screen(SPACE, where_of(SPACE, BOUNDS), pair)
        for some in screen.run(most=most):
            front.take(some)
        assert front.chosen.numbers.tolist() == wanted
        assert list(zip(*(v.tolist() for v in front.chosen.values), strict=True)) == [
            (signs[0] * x, signs[1] * y) for x, y in sorted(best)
        ]


def test_which_way_is_better_can_be_said(survivors: pd.DataFrame) -> None:
    wanted = Wanted(front=("layers", "params"), better=("less", "more"), by="layers", by_better="less", best=1)
    found = survey(SPACE, where_of(SPACE, BOUNDS), wanted)
    shallow = survivors[survivors["layers"] == survivors["layers"].min()]
    assert found.front[0].values["params"] == shallow["params"].max()
    assert found.best[0].number == shallow["design"].min()
    assert [told.values["params"] for told in found.front] == sorted(told.values["params"] for told in found.front)


@pytest.mark.parametrize("name", ["params", "fov", "layers"])
@pytest.mark.parametrize("most", [1, 29, 10_000])
def test_the_best_are_the_first_of_all_sorted(name: str, most: int, survivors: pd.DataFrame) -> None:
    best = Best(name, 10)
    screened(best, most=most)
    ordered = survivors.sort_values([name, "design"], ascending=[name == "params", True])
    assert best.chosen.numbers.tolist() == ordered["design"].head(10).tolist()
    assert best.chosen.values[0].tolist() == ordered[name].head(10).tolist()


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_file_has_every_survivor_and_makes_it_again(suffix: str, survivors: pd.DataFrame, tmp_path: Path) -> None:
    path, names = tmp_path / f"all{suffix}", (*NAMES, "degrid", "n", "stem")
    mixed = Space({"task": "segmentation"}, FACTORS | {"stacks": "1..3x1..4x1..2,2x2"}, (96, 80))
    screen = Screen(mixed, where_of(mixed, BOUNDS), names)
    with table(path, mixed, names, {"command": "a test"}) as file:
        for some in screen.run(most=64):
            file.take(some)
            file.flush()
    found = pd.read_parquet(path) if suffix == ".parquet" else pd.read_csv(path)
    assert len(found) == screen.funnel.survivors > len(survivors)
    for row in found.sample(40, random_state=0).to_dict("records"):
        blocks = [j for j in (1, 2, 3) if not pd.isna(row[f"stacks{j}"])]
        spec = SUNetSpec.make(
            n=row["n"],
            stem_width=row["stem_width"],
            task=row["task"],
            depth=tuple(int(row[f"depth{j}"]) for j in blocks),
            stacks=tuple(int(row[f"stacks{j}"]) for j in blocks),
            widths=tuple(int(row[f"widths{j}"]) for j in blocks),
            dilations=tuple(map(int, str(row["dilations"]).split(","))),
        )
        assert spec == mixed.spec(row["design"])
        report = analyze(spec, (96, 80))
        assert (row["params"], row["macs"], row["layers"]) == (report.params, report.macs, report.depth)
        assert row["fov"] == report.fov.network.image.usual
        assert (str(row["degrid"]).lower(), row["stem"]) == ("false", "paper")


def test_a_file_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with table(tmp_path / "all.csv", SPACE, NAMES, {}):
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"\.parquet or \.csv"), table(tmp_path / "all.txt", SPACE, NAMES, {}):
        pass


# -------------------------------------------------------------------------------------------------------------- samples


def test_samples_are_uniform(survivors: pd.DataFrame) -> None:
    """Chi-squared over 400 draws of 20: draws without replacement vary less than the distribution allows."""
    counts: Counter[int] = Counter()
    where = where_of(SPACE, BOUNDS)
    for seed in range(400):
        numbers = drawn(SPACE, where, 20, seed).numbers.tolist()
        assert len(set(numbers)) == 20
        counts.update(numbers)
    assert set(counts) <= set(survivors["design"])
    observed = [counts[number] for number in survivors["design"]]
    assert stats.chisquare(observed).pvalue > 1e-3


def test_pairs_are_drawn_as_often_as_any_other(survivors: pd.DataFrame) -> None:
    """No design brings a neighbour with it: pairs of consecutive numbers are as common as they should be."""
    where, total, together = where_of(SPACE, BOUNDS), len(survivors), 0
    for seed in range(300):
        places = survivors["design"].searchsorted(drawn(SPACE, where, 10, seed).numbers)
        together += int((np.diff(places) == 1).sum())
    pairs = 300 * 10 * 9 / total  # (total − 1) neighbours, each drawn with probability 10·9 / (total·(total − 1))
    assert abs(together - pairs) < 4 * pairs**0.5


def test_a_draw_does_not_depend_on_the_pieces_and_holds_smaller_ones() -> None:
    where = where_of(SPACE, BOUNDS)
    small, large = (drawn(SPACE, where, count, 3).numbers.tolist() for count in (5, 50))
    assert set(small) < set(large)
    assert drawn(SPACE, where, 5, 3).numbers.tolist() == small
    assert drawn(SPACE, where, 5, 4).numbers.tolist() != small


def test_strata_are_drawn_from_evenly(survivors: pd.DataFrame) -> None:
    found = drawn(SPACE, where_of(SPACE, BOUNDS), 11, 0, by="params", strata=4)
    edges = np.geomspace(survivors["params"].min(), survivors["params"].max(), 5)
    places = np.searchsorted(edges[1:-1], survivors.set_index("design")["params"].loc[found.numbers], "right")
    sizes = np.bincount(np.searchsorted(edges[1:-1], survivors["params"], "right"), minlength=4)
    assert [stratum.designs for stratum in found.strata] == sizes.tolist()
    assert np.bincount(places, minlength=4).tolist() == [min(q, s) for q, s in zip((3, 3, 3, 2), sizes, strict=True)]


def test_samples_as_arms_are_the_same_designs() -> None:
    """What `space sample --out` writes makes the same networks in a study."""
    factors = FACTORS | {"widths": "rule,rule*0.5,16x24x32", "depth": [1, 2, [2, 1, 1]]}
    space = Space({"task": "segmentation"}, factors, (96, 80))
    found = [design(space, int(n)) for n in drawn(space, None, 60, 1).numbers]
    again = listed({"task": "segmentation"}, [arm_words(each) for each in found], (96, 80))
    assert [each.spec for each in again] == [each.spec for each in found]


# -------------------------------------------------------------------------------------------------------------- surveys


def test_known_networks_stand_beside_the_survivors(survivors: pd.DataFrame) -> None:
    training = Training(2, Setting(precision="bf16"))
    spec = SUNetSpec.make(n=8, depth=2, stacks=(2, 2, 1), output_stride=8, task="segmentation", stem_width=16)
    report = analyze(spec, (96, 80), 2)
    wanted = Wanted(networks={"mine": spec}, best=3, by="params")
    found = survey(SPACE, where_of(SPACE, BOUNDS), wanted, training)
    known = found.known[0]
    fov = report.fov.network.image.usual
    assert known.values["memory"] == report.memory(training.setting).training.bytes
    beats = (survivors["params"] <= report.params) & (survivors["fov"] >= fov)
    beats &= (survivors["params"] < report.params) | (survivors["fov"] > fov)
    assert known.beaten == beats.sum()
    assert known.breaks == tuple(
        text
        for text, kept in zip(BOUNDS.split(", "), (report.params <= 600_000, fov >= 300, True), strict=True)
        if not kept
    )
    assert found.whole
    assert [told.number for told in found.best] == survivors.sort_values(["params", "design"])["design"].head(
        3
    ).tolist()
    bounds = bounds_of(spec, ("params", "fov"), SPACE, training)
    assert [bound.text for bound in bounds] == [f"params<={report.params}", f"fov>={fov}"]


def test_a_survey_that_is_stopped_says_so() -> None:
    answers = itertools.chain([False, False], itertools.repeat(True))
    big = Space({}, {"n": "1..64", "stacks": "1..8x1..8x1..4x1..4", "depth": "1..3"})
    found = survey(big, None, Wanted(), PLAIN, stop=lambda: next(answers))
    assert not found.whole
    assert 0 < found.funnel.looked_at < len(big)
    assert found.funnel.survivors == sum(found.spreads[0].bins().counts)


@pytest.mark.parametrize(
    ("wanted", "parts"),
    [
        (Wanted(by="prams"), ("'prams'", "no such quantity", "params")),
        (Wanted(front=("params", "depth")), ("--front", "depth", "neither")),
        (Wanted(front=("fov", "fov")), ("--front", "two quantities")),
        (Wanted(names=("block9_fov",)), ("'block9_fov'",)),
    ],
)
def test_a_wrong_wish_is_refused(wanted: Wanted, parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as error:
        survey(SPACE, None, wanted)
    for part in parts:
        assert part in str(error.value)


def test_memory_does_not_grow_with_the_space() -> None:
    """Four million designs leave no more behind than four thousand: arrays of one piece at a time."""
    import tracemalloc

    peaks = []
    for largest in (8, 128):
        space = Space({}, {"n": f"1..{largest}", "stacks": "1..8x1..16x1..16x1..4", "depth": "1..4"})
        spread, front = Spread("params"), Front("params", "fov")
        tracemalloc.start()
        for some in Screen(space, None, ("params", "fov")).run():
            spread.take(some)
            front.take(some)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] < 64e6


def test_the_presets_are_where_table_1_puts_them() -> None:
    space = Space({"widths": "table"}, {"n": [64, 128], "stacks": [[2, 4, 4, 1], [2, 7, 7, 1]]})
    specs = {space.spec(int(number)) for number in everything(space, None)}
    assert {preset("sunet-64"), preset("sunet-128"), preset("sunet-7-128")} < specs

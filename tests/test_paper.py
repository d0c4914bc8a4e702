"""The audit of the paper: verdicts follow from figures and computations, searches find what was hidden, and the rows
say what the paper says.

Where the paper's text and the list of the checkpoints' shapes lie beside the repository, or in the folder that
SUNETLAB_REFERENCE names, rows are compared with them; elsewhere those tests are skipped.
"""

import csv
import io
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from functools import cache, partial
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunetlab import InputError, SUNetSpec, analyze, build
from sunetlab.analysis.memory import memory
from sunetlab.analysis.plan import plan
from sunetlab.paper import aspp, others, pspnet, tables
from sunetlab.paper.audit import BY_ID, CLAIMS, audit, audit_one
from sunetlab.paper.claim import (
    Change,
    Claim,
    Comparison,
    Computed,
    Figure,
    Number,
    Place,
    Quantity,
    Reading,
    Search,
    printed,
    reads,
)
from sunetlab.paper.counts import COUNTS
from sunetlab.paper.judge import ABOUT, VERDICTS, judge, with_unit
from sunetlab.paper.memories import P6000_BYTES, most_images
from sunetlab.paper.networks import spec_of
from sunetlab.paper.reconcile import Remedy, Target, changes, one_word, reconcile, seek
from sunetlab.paper.released import RELEASED, Release
from sunetlab.paper.studies import COMPARED, is_shipped, sentence
from tests.conftest import Said

REFERENCE = Path(os.environ.get("SUNETLAB_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))
STANDS = ("holds", "holds when read as")
PLACE = Place("4", 5)


class NeedsTorchError(Exception):
    """A computation asked for a network of torchvision's."""


def refuse(*_: object, **__: object) -> NoReturn:
    raise NeedsTorchError


@cache
def cheap() -> dict[str, Computed]:
    """What every computation found that needs no network of torchvision's."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for function in ("network", "bottleneck_params", "aspp_params", "dilated_resnet_macs", "errors"):
            patch.setattr(others, function, refuse)
        for claim in CLAIMS:
            try:
                if claim.compute:
                    found[claim.id] = claim.compute()
            except NeedsTorchError:
                continue
    return found


def reference(name: str) -> Path:
    path = REFERENCE / name
    if not path.is_file():
        pytest.skip(f"{name} is not here")
    return path


# ------------------------------------------------------------------------------------------------------------- the rows


def test_there_are_many_claims_of_all_parts_of_the_paper() -> None:
    assert len(CLAIMS) == len(BY_ID) >= 45
    assert {claim.place.page for claim in CLAIMS} == {1, 2, 3, 4, 5, 6, 7, 8, 9, 13}
    assert {claim.place.item for claim in CLAIMS} >= {f"Table {number}" for number in range(1, 8)}
    assert [claim.place.page for claim in CLAIMS] == sorted(claim.place.page for claim in CLAIMS)


def test_rows_are_sound() -> None:
    for claim in CLAIMS:
        assert (claim.compute is None) == (claim.study in COMPARED), claim.id
        assert (claim.compute is None) == (claim.unit == ""), claim.id
        assert claim.words, claim.id
        assert re.fullmatch(r"[a-z0-9.-]+", claim.id)
        assert not hasattr(claim, "verdict")
        for other in claim.same_as:
            assert len(BY_ID[other].figures) == len(claim.figures), claim.id
        for other in claim.together:
            assert BY_ID[other].compute is not None, claim.id


def test_every_study_of_the_list_is_asked_for() -> None:
    assert {claim.study for claim in CLAIMS if claim.study} == set(COMPARED)


# ------------------------------------------------------------------------------------------------------------ the paper


@cache
def pages() -> list[str]:
    """The paper's pages, each on one line, without what the extraction loses: powers, signs of approximation."""
    text = reference("paper.txt").read_text(encoding="utf-8")
    whole = text.split("Under review as a conference paper at ICLR 2019\n")[1:]
    return [" ".join(page.replace("-\n", "-").split()) for page in whole]


def test_figures_stand_where_a_row_says() -> None:
    missing = []
    for claim in CLAIMS:
        page = pages()[claim.place.page - 1]
        for figure in claim.figures:
            text = re.escape(figure.text.replace("²", "2"))
            missing += [(claim.id, figure.text)] * (re.search(rf"(?<![\w.]){text}(?!\d)", page) is None)
        missing += [(claim.id, claim.place.item)] * (claim.place.item != "" and f"{claim.place.item}:" not in page)
    assert not missing


def test_sections_have_begun_where_a_row_says() -> None:
    missing = []
    for claim in CLAIMS:
        before = " ".join(pages()[: claim.place.page])
        section = claim.place.section.replace("abstract", "ABSTRACT")
        heading = rf"(?<![\w.]){re.escape(section)} (?=[A-Z])([A-Z-]{{3}}|Many)"
        missing += [(claim.id, claim.place.section)] * (re.search(heading, before) is None)
    assert not missing


def test_our_words_are_not_the_papers() -> None:
    """No claim has six words in a row from the paper."""
    text = " ".join(re.findall(r"[a-z0-9]+", " ".join(pages()).lower()))
    for claim in CLAIMS:
        words = re.findall(r"[a-z0-9]+", claim.words.lower())
        runs = (" ".join(words[at : at + 6]) for at in range(len(words) - 5))
        assert not [run for run in runs if f" {run} " in f" {text} "], claim.id


def test_tables_are_transcribed() -> None:
    text = " ".join(pages())
    for name, row in tables.TABLE2.items():
        assert f"{name} {' '.join(row)}" in text
    for scores in (tables.TABLE3.values(), *tables.TABLE4.values(), *tables.TABLE5.values(), tables.COCO.values()):
        assert all(score in text for score in scores)


def test_released_networks_are_what_the_checkpoints_shapes_say() -> None:
    shapes = json.loads(reference("authors_state_dict_keys.json").read_text(encoding="utf-8"))
    for name, release in RELEASED.items():
        keys = {key.removeprefix("features."): shape for key, shape in shapes[name.lower()]}
        modules = [key.split("_")[0] for key in keys if key.endswith(".down.0.conv0.weight")]
        weights = [shape for key, shape in keys.items() if not re.search(r"running|num_batches", key)]
        assert release == Release(
            n=keys["unet1_0.down.0.conv0.weight"][0],
            stacks=tuple(modules.count(f"unet{j}") for j in range(1, 5)),
            widths=tuple(keys[f"unet{j}_0.upsample.conv0.weight"][0] for j in range(1, 5)),
            params=sum(map(math.prod, weights)),
        )


def test_released_networks_are_the_presets() -> None:
    for name, release in RELEASED.items():
        spec = spec_of(name)
        assert (spec.n, spec.stacks, spec.widths, analyze(spec).params) == release


# -------------------------------------------------------------------------------------------------------------- figures


@pytest.mark.parametrize(
    ("text", "value", "step"),
    [
        ("6.9M", 6_900_000, 100_000),
        ("20M", 20_000_000, 1_000_000),
        ("5K", 5_000, 1_000),
        ("82.2%", Fraction(822, 10), Fraction(1, 10)),
        ("7×", 7, 1),
        ("10,582", 10_582, 1),
        ("50, 000", 50_000, 1),
        ("1000", 1000, 1),
        ("0.0002", Fraction(2, 10_000), Fraction(1, 10_000)),
        ("56 × 56", 56, 1),
        ("7×7", 7, 1),
        ("64²", 64, 1),
        ("2N", 2, 1),
    ],
)
def test_printed_figures(text: str, value: Number, step: Number) -> None:
    assert printed(text) == (Figure(text, Fraction(value), Fraction(step)),)


@pytest.mark.parametrize("text", ["", "most", "6.9G", "7 × 8", "1,23", "6.9 M", "-1"])
def test_no_figures(text: str) -> None:
    with pytest.raises(ValueError, match="no figure"):
        printed(text)


# ------------------------------------------------------------------------------------------------------------ the judge


def claim_of(figures: tuple[Figure, ...], compare: Comparison, **more: Any) -> Claim:
    return Claim("this", PLACE, "something", figures, compare, study="fidelity", **more)


def verdict_on(figures: tuple[Figure, ...], compare: Comparison, *values: Number, way: str = "", **more: Any) -> str:
    computed = Computed((Reading(values, "", way),))
    return judge(claim_of(figures, compare, **more), computed, {}).verdict


@pytest.mark.parametrize(
    ("figures", "compare", "holds", "read", "differs"),
    [
        (printed("110"), "exact", [110], [], [109, 111, 110.5]),
        (printed("6.9M"), "rounded", [6_900_000], [6_850_000, 6_950_000, 6_910_248], [6_849_999, 6_950_001]),
        (printed("4.5%"), "rounded", [Fraction(9, 2)], [Fraction(446, 100)], [Fraction(444, 100)]),
        (printed("7×"), "rounded", [7], [6.5, 7.2], [6.447, 7.6]),
        (printed("20"), "about", [20], [18, 22], [17.9, 22.1]),
        (printed("10"), "at least", [10, 11], [], [9]),
        (printed("10"), "at most", [10, 9], [], [11]),
        (printed("10"), "more than", [11], [], [10, 9]),
        (printed("10"), "less than", [9], [], [10, 11]),
        (reads("most", Fraction(1, 2)), "more than", [0.51], [], [0.5]),
    ],
)
def test_comparisons(
    figures: tuple[Figure, ...], compare: Comparison, holds: list[Number], read: list[Number], differs: list[Number]
) -> None:
    verdicts = {"holds": holds, "holds when read as": read, "differs": differs}
    for verdict, values in verdicts.items():
        assert [verdict_on(figures, compare, value) for value in values] == [verdict] * len(values)
    for value in holds:
        assert verdict_on(figures, compare, value, way="otherwise") == "holds when read as"
    for bad in differs:
        for good in holds:  # one value of several that is off spoils the claim
            assert verdict_on(figures, compare, good, bad) == "differs"


def test_about_is_a_tenth() -> None:
    assert Fraction(1, 10) == ABOUT


def test_the_judges_order() -> None:
    """The plain reading, then another place, then other readings."""
    rivals = {"that": claim_of(printed("6.9M"), "rounded")}
    plain, other = Reading((6_910_248,), "counted"), Reading((6_700_000,), "otherwise counted", "otherwise")

    def verdict(text: str, *readings: Reading, same_as: tuple[str, ...] = ()) -> str:
        return judge(claim_of(printed(text), "rounded", same_as=same_as), Computed(readings), rivals).verdict

    assert verdict("6.9M", plain, same_as=("that",)) == "holds when read as"
    assert verdict("6.7M", plain, other, same_as=("that",)) == "contradicts"
    assert verdict("6.7M", plain, other) == "holds when read as"
    assert verdict("6.7M", plain) == "differs"
    assert verdict("6.92M", other, same_as=("that",)) == "differs"  # 6.92 may be printed as 6.9: no contradiction
    found = judge(claim_of(printed("6.7M"), "rounded", same_as=("that",)), Computed((plain,)), rivals)
    assert "6.9M" in found.note
    assert "210,248 more (+3.1 %)" in found.note


def test_counts_contradict_by_one() -> None:
    rivals = {"that": claim_of(printed("110"), "exact")}
    found = judge(claim_of(printed("111"), "exact", same_as=("that",)), Computed((Reading((110,), ""),)), rivals)
    assert found.verdict == "contradicts"


def test_without_a_computation_only_training_can_tell() -> None:
    found = judge(claim_of(printed("72.85"), "exact"), None, {})
    assert (found.verdict, found.note, found.reading) == ("needs training", "study fidelity", None)


def test_figures_and_values_must_pair() -> None:
    with pytest.raises(ValueError, match="2 figures, but 3"):
        verdict_on(printed("1", "2"), "exact", 1, 2, 3)


# ------------------------------------------------------------------------------------------------- verdicts are derived


def spoiled(claim: Claim, value: Number) -> Number:
    """A value that the claim's figures cannot agree with."""
    far = 3 * max(abs(Fraction(value)), *(abs(figure.value) for figure in claim.figures)) + 7
    return -far if claim.compare in ("at least", "more than") else far


def assert_derived(claim: Claim, computed: Computed) -> None:
    """The verdict follows the computation, and follows the figures."""
    verdict = judge(claim, computed, BY_ID).verdict
    assert verdict in VERDICTS
    assert verdict != "needs training"
    wrong = [r._replace(values=tuple(spoiled(claim, value) for value in r.values)) for r in computed.readings]
    assert judge(claim, computed._replace(readings=tuple(wrong)), BY_ID).verdict not in STANDS
    if verdict in STANDS:
        off = -1 if claim.compare in ("at most", "less than") else 1
        away = tuple(f._replace(value=f.value + off * (10 * abs(f.value) + 10**9)) for f in claim.figures)
        assert judge(claim._replace(figures=away), computed, BY_ID).verdict not in STANDS
    else:
        values = computed.readings[0].values
        right = tuple(Figure(str(value), Fraction(value), Fraction(0)) for value in values)
        fitting = claim._replace(figures=right, compare="exact")
        assert judge(fitting, computed, {}.fromkeys(claim.same_as, fitting)).verdict in STANDS


def test_verdicts_are_derived() -> None:
    judged = {claim.id for claim in CLAIMS if claim.compute}
    assert len(judged) >= 100
    for name, computed in cheap().items():
        assert_derived(BY_ID[name], computed)
    left = {BY_ID[name].words for name in judged - cheap().keys()}
    rivals = re.compile("ResNet|DenseNet|PSPNet|usual networks|networks at 8|percent|errs")
    assert not [words for words in left if not rivals.search(words)]


def test_a_wrong_computation_changes_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """All the way: a table of released widths with a slip in it."""
    assert audit_one(BY_ID["table1-widths-7-128"]).finding.verdict == "holds"
    slip = RELEASED["SUNet-7-128"]._replace(widths=(512, 1280, 1792, 2304))
    monkeypatch.setitem(RELEASED, "SUNet-7-128", slip)
    found = audit_one(BY_ID["table1-widths-7-128"]).finding
    assert found.verdict == "differs"
    assert "1,792 is 256 less" in found.note


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("table1-params-64", (6_910_248,)),
        ("table1-params-128", (24_704_360,)),
        ("table1-params-7-128", (39_113_832,)),
        ("table1-layers-64", (110,)),
        ("table1-layers-128", (110,)),
        ("table1-layers-7-128", (170,)),
        ("figure1-fields", (1, 3, 7, 11, 19)),
    ],
)
def test_known_numbers_come_out(name: str, values: tuple[int, ...]) -> None:
    assert cheap()[name].readings[0].values == values


@pytest.mark.parametrize(
    ("name", "verdict", "note"),
    [
        ("table2-layers-64", "contradicts", "table1-layers-64"),
        ("table2-layers-7-128", "contradicts", "table1-layers-7-128"),
        ("smallest-params", "contradicts", "table1-params-64"),
        ("table1-layers-64", "holds when read as", "without the stem's shortcut"),
        ("table1-layers-7-128", "holds when read as", "main path"),
        ("field-halved", "holds when read as", "what a u-net adds"),
        ("widths-retain-all", "holds when read as", "N maps from each u-net"),
        ("widths-in-words-64", "differs", "counting the stem's maps too: 1, 1, 1, 0.8125"),
        ("batch-212", "holds when read as", "could only refute"),
        ("batch-256", "holds when read as", "could only refute"),
        ("batch-22", "holds when read as", "could only refute"),
        ("coco-images", "holds when read as", "82,783 is 7,217 less"),
        ("cityscapes-classes", "holds", ""),
        ("all-above-resnet-101", "holds", ""),
        ("table1-params-64", "holds when read as", "rounded to 0.1M"),
        ("table1-params-128", "differs", "104,360 more"),
        ("table1-params-7-128", "differs", "1,413,832 more"),
        ("sunet-params", "differs", "without the classifier: 36,808,832"),
        ("field-constant", "differs", "1.385, 1.2, 1.277 times the field"),
        ("convs-at-14", "holds when read as", "3×3"),
        ("convs-at-7", "holds when read as", "3×3"),
        ("gradient-path", "holds when read as", "shortest way"),
        ("e2-input", "holds when read as", "gives, not takes"),
        ("margin-64", "holds when read as", "rounded to 0.1%"),
        ("margin-7-128", "holds", ""),
        ("fewer-pixels", "holds", ""),
        ("twice-as-fast", "holds when read as", "a proxy for time"),
        ("no-drop", "holds when read as", "-2.61"),
        ("table3-scores", "needs training", "study fidelity"),
    ],
)
def test_what_is_known_of_the_paper(name: str, verdict: str, note: str) -> None:
    claim = BY_ID[name]
    found = judge(claim, cheap().get(name), BY_ID)
    assert found.verdict == verdict
    assert note in found.note


def test_margins_shrink_in_table_5_as_printed() -> None:
    gains = {stride: [Fraction(text) for text in row] for stride, row in tables.TABLE5.items()}
    for column in (0, -1):
        steps = [after[column] - before[column] for before, after in pairwise(gains[s] for s in (32, 16, 8))]
        assert steps[1] < steps[0]
    assert audit(["margins-shrink"])[0].finding.verdict == "holds"


# --------------------------------------------------------------------------------------------------------- the searches


def params_of(spec: SUNetSpec) -> int:
    """Parameters as the built network has them."""
    import torch

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(spec).parameters())


def test_the_search_finds_block_3_of_sunet_7_128() -> None:
    """37.7 M and 35.4 M without the classifier: both, by one change, the smallest."""
    for name in ("table1-params-7-128", "table2-params-7-128", "sunet-params"):
        audited = audit_one(BY_ID[name])
        assert audited.finding.verdict == "differs"
        best, *more = audited.remedies
        assert best.design == {"widths": (512, 1280, 1792, 2304)}
        assert best.counting == {"35.4M counted without the classifier"}
        assert sorted(best.values) == [35_426_944, 37_731_944]
        assert more
        assert all(best.size <= other.size for other in more)
        assert any(other.design["widths"] != best.design["widths"] for other in more if "widths" in other.design)
    narrower = spec_of("SUNet-7-128").replace(**best.design)
    assert params_of(narrower) == 37_731_944
    assert params_of(narrower) - 2304 * 1000 - 1000 == 35_426_944


def test_the_search_finds_another_way_to_count() -> None:
    best, *more = audit_one(BY_ID["table1-params-128"]).remedies
    assert (best.design, best.values) == ({}, (24_618_176,))
    assert more
    assert not [pair for pair in permutations((best, *more), 2) if does_with_less(*pair)]
    assert "without biases and BN" in best.words
    for name, layers in (("table2-layers-64", 111), ("table2-layers-7-128", 171)):
        best = audit_one(BY_ID[name]).remedies[0]
        assert (best.words, best.values) == (f"{layers} counted with the stem's shortcut", (layers,))


def test_the_search_finds_widths_for_the_papers_words() -> None:
    """Block 4 of SUNet-64, as wide as the stem's maps and N from each u-net come to, or within a tenth of it."""
    audited = audit_one(BY_ID["widths-in-words-64"])
    best = audited.remedies[0]
    assert best.design == {"widths": (256, 512, 768, 896)}
    assert best.counting == {"read as counting the stem's maps too"}
    assert best.values == (1, 1, 1, Fraction(832, 896))
    assert [remedy.size for remedy in audited.remedies] == sorted(remedy.size for remedy in audited.remedies)


def test_what_no_change_reconciles_says_how_many_were_tried() -> None:
    audited = audit_one(BY_ID["field-constant"])
    assert audited.remedies == ()
    assert re.fullmatch(r"[1-9]\d* designs with one word changed tried: none reconciles", audited.searched)


def test_a_claims_own_search() -> None:
    """Sums of two numbers: what gives 6, plainly or doubled, coarse steps before fine ones."""

    def readings(words: Any) -> tuple[Reading, ...]:
        pair = {"a": 1, "b": 1, **words}
        if pair["a"] > 8:
            raise InputError("too large")
        return Reading((pair["a"] + pair["b"],), ""), Reading((2 * pair["a"],), "", "doubled")

    def list_changes(step: int) -> list[Change]:
        return [Change(f"{word} {new}", new - 1, {word: new}) for word in "ab" for new in range(1, 12, step)]

    claim = claim_of(printed("6"), "exact")
    coarse, fine = (partial(list_changes, step) for step in (5, 1))
    none = seek(claim, Search((coarse,), readings))
    assert (none.remedies, none.tried) == ((), 3)  # a 6, b 6, b 11; a 11 is too large, a 1 and b 1 alter nothing
    found = seek(claim, Search((coarse, fine), readings))
    assert [(remedy.words, remedy.values) for remedy in found.remedies] == [
        ("a 3; read as doubled", (6,)),
        ("a 5", (6,)),
        ("b 5", (6,)),
    ]


def test_measured_claims_have_no_design_to_change() -> None:
    measured = {claim.id: claim.measured for claim in CLAIMS if claim.measured}
    assert set(measured.values()) == {"errors", "times"}
    assert audit_one(BY_ID["table2-errors-resnet-50"]).searched == "errors are measured: no change of design applies"


SMALL = SUNetSpec.make(depth=2, n=16, stacks=(1, 2), widths=(64, 96), stem_width=32, num_classes=10)


@settings(max_examples=12)
@given(st.data())
def test_a_hidden_change_is_found(data: st.DataObject) -> None:
    """A design with one word changed, told by its parameters to the last one."""
    hidden = data.draw(st.sampled_from([c for c in changes(SMALL, SMALL.n) if possible(c.design)]))
    count = analyze(SMALL.replace(**hidden.design)).params
    found = reconcile([Target(printed(str(count))[0], Quantity(SMALL, "params"))]).remedies
    if count != analyze(SMALL).params:
        assert any(SMALL.replace(**r.design) == SMALL.replace(**hidden.design) or r.size <= hidden.size for r in found)
        for remedy in found:
            ways = [count_of(SMALL.replace(**remedy.design)) for count_of in parameter_counts()]
            assert count in ways
            assert remedy.values == (count,)
    assert [remedy.size for remedy in found] == sorted(remedy.size for remedy in found)
    assert not [pair for pair in permutations(found, 2) if does_with_less(*pair)]


def possible(design: dict[str, Any]) -> bool:
    try:
        analyze(SMALL.replace(**design))
    except InputError:
        return False
    return True


def parameter_counts() -> list[Any]:
    return [lambda spec, count=count: count(analyze(spec)) for count in COUNTS["params"].values()]


def does_with_less(one: Remedy, other: Remedy) -> bool:
    if one.design and one.design != other.design:
        return False
    return one.counting < other.counting or (one.counting == other.counting and one.design != other.design)


def test_ways_to_count_are_the_built_networks() -> None:
    import torch
    from torch import nn

    spec = spec_of("SUNet-64")
    with torch.device("meta"):
        model = build(spec)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    weighted = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    whole = sum(parameter.numel() for parameter in model.parameters())
    of_norms = sum(parameter.numel() for norm in norms for parameter in norm.parameters())
    biases = sum(module.bias.numel() for module in weighted if module.bias is not None)
    running = sum(
        buffer.numel() for norm in norms for buffer in (norm.running_mean, norm.running_var) if buffer is not None
    )
    head = sum(parameter.numel() for parameter in model.classifier.parameters())
    assert {way: count(analyze(spec)) for way, count in COUNTS["params"].items()} == {
        "": whole,
        "without the classifier": whole - head,
        "without biases": whole - biases,
        "without BN": whole - of_norms,
        "without biases and BN": whole - biases - of_norms,
        "with BN's running statistics": whole + running,
    }
    assert COUNTS["layers"]["with every convolution on a skip"](analyze(spec)) == len(weighted)
    one_skip = analyze(spec.replace(widths=(128, 128, 128, 128)))  # the stem's; all u-nets keep their width
    assert COUNTS["layers"]["with the stem's shortcut"](one_skip) == one_skip.depth + 1
    assert COUNTS["layers"]["with every convolution on a skip"](one_skip) == one_skip.depth + 1


# ----------------------------------------------------------------------------------------------- torchvision's networks


def test_what_a_pass_keeps_is_what_the_analysis_counts() -> None:
    """The hooks that weigh torchvision's networks, on one of ours, beside the count from its plan."""
    import torch

    with torch.device("meta"):
        model = build(SMALL)
    convs, kept = others.watched(model, 64)
    report = analyze(SMALL, (64, 64))
    found = report.memory()
    assert kept == found.activations + found.image
    counted = {row.layer.name: (row.layer.out_channels, row.layer.out_size[1], row.macs) for row in report.rows}
    assert convs
    assert all(counted[conv.name] == conv[1:] for conv in convs)


def test_the_most_images_that_fit() -> None:
    for spec, size in ((spec_of("SUNet-128"), None), (spec_of("SUNet-7-128", 8), (512, 512))):
        images = most_images(spec, size)
        fits = [memory(plan(spec, size), many).training.bytes <= P6000_BYTES for many in (images, images + 1)]
        assert fits == [True, False]


def test_torchvisions_networks_and_all_that_needs_them() -> None:
    """One test, for building them takes seconds: published counts, then every claim that rests on them."""
    published = {  # by torchvision's documentation
        "resnet18": (11_689_512, 18),
        "resnet50": (25_557_032, 50),
        "resnet101": (44_549_160, 101),
        "densenet201": (20_013_928, 201),
        "densenet161": (28_681_000, 161),
    }
    for name, (params, layers) in published.items():
        network = others.network(name)
        assert (network.params, network.layers) == (params, layers)
    gmacs = sum(conv.macs for conv in others.network("densenet161").convs) / 1e9  # no shortcuts, so all convolutions
    assert gmacs == pytest.approx(7.73, abs=0.01)  # torchvision states 7.73 GFLOPS
    done = cheap()
    for claim in CLAIMS:
        if claim.compute and claim.id not in done:
            assert_derived(claim, claim.compute())
    found = {one.finding.claim.id: one.finding for one in audit(["times-fewer", "table2-params-densenet-161"])}
    assert found["times-fewer"].note.startswith("counted without both classifiers")
    assert "without BN" in found["table2-params-densenet-161"].note
    expected = {
        "pspnet-params": ("differs", "1,084,725 more (+1.7 %)"),
        "pspnet-added": ("differs", "1,084,565 more (+4.9 %)"),
        "pspnet-params-added-up": ("holds when read as", "without its classifier"),
        "aspp-added": ("differs", "another design than the one cited"),
        "table2-layers-resnet-101": ("holds when read as", "105 is 4 more"),
        "table2-layers-densenet-201": ("holds", ""),
    }
    for one in audit(expected):
        verdict, note = expected[one.finding.claim.id]
        assert one.finding.verdict == verdict
        assert note in one.finding.note
    assert Counter(one.finding.verdict for one in audit()) == {
        "contradicts": 4,
        "differs": 18,
        "holds when read as": 54,
        "needs training": 20,
        "holds": 83,
    }
    for one in audit():
        assert (one.finding.verdict in ("differs", "contradicts")) == (one.searched != "")
        assert one.searched != "no design to change", one.finding.claim.id


def test_heads_of_other_networks_are_what_their_layers_hold() -> None:
    import torch
    from torch import nn

    def count(*layers: nn.Module) -> int:
        return sum(parameter.numel() for layer in layers for parameter in layer.parameters())

    with torch.device("meta"):
        pooled = [nn.Sequential(nn.Conv2d(2048, 512, 1, bias=False), nn.BatchNorm2d(512)) for _ in pspnet.BINS]
        joined = nn.Sequential(nn.Conv2d(4096, 512, 3, bias=False), nn.BatchNorm2d(512), nn.Conv2d(512, 21, 1))
        on_resnet = [nn.Conv2d(2048, 21, 3, dilation=rate) for rate in (6, 12, 18, 24)]
        on_vgg = [
            nn.Sequential(nn.Conv2d(512, 1024, 3), nn.Conv2d(1024, 1024, 1), nn.Conv2d(1024, 21, 1)) for _ in range(4)
        ]
    assert pspnet.head_params() == count(*pooled, joined)
    assert aspp.aspp_params(aspp.ON_RESNET) == count(*on_resnet)
    assert aspp.aspp_params(aspp.ON_VGG) == count(*on_vgg)
    words = [change.words for change in one_word(aspp.ON_RESNET, {"branches": (3, 4, 5)})]
    assert words == ["branches 3 for 4", "branches 5 for 4"]


# ---------------------------------------------------------------------------------------------------- units and studies


def test_units_follow_their_number() -> None:
    claim = claim_of(reads("each", 0), "exact", unit="exception(s)")
    assert [with_unit(claim, values) for values in ("0", "1", "2", "0, 1")] == [
        "0 exceptions",
        "1 exception",
        "2 exceptions",
        "0, 1 exceptions",
    ]
    found = judge(claim, Computed((Reading((1,), ""),)), {})
    assert found.note == "1 exception, against 0"


def test_a_study_is_there_once_it_is_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sunetlab.paper.studies.resources.files", lambda _: tmp_path)
    assert not is_shipped("depth")
    assert sentence("depth").endswith("`sunetlab study list` does not have it yet")
    (tmp_path / "depth.toml").touch()
    assert is_shipped("depth")
    assert sentence("depth").endswith("`sunetlab study run depth`")


def test_shipped_studies_are_those_of_the_list() -> None:
    from sunetlab.study.reading import shipped

    assert {name for name in COMPARED if is_shipped(name)} == COMPARED.keys() & shipped().keys()


# ----------------------------------------------------------------------------------------------------- the command line


def test_one_claim_in_full(said: Said) -> None:
    status, out, err = said("report paper --claim table1-params-7-128")
    assert (status, err) == (0, "")
    for text in ("37.7M", "39,113,832", "differs", "block 3's width 1792 for 2048", "37,731,944, 35,426,944"):
        assert text in out


def test_the_nearest_changes_and_how_many_more(said: Said) -> None:
    out = said("report paper --claim smallest-params")[1]
    more = len(audit_one(BY_ID["smallest-params"]).remedies) - 5
    assert out.count("reconciled by") == 1
    assert out.count("  or by") == 5
    assert f"or by         {more} more, none a smaller change" in out


def test_what_needs_training_names_its_study(said: Said) -> None:
    out = said("report paper --claim deeper-is-worse")[1]
    assert f"study         {sentence('depth')}" in out
    assert "depth 1 to 4" in out
    found = json.loads(said("report paper --claim deeper-is-worse --claim fewer-pixels --json")[1])
    assert found["studies"] == {"depth": {"compares": COMPARED["depth"], "shipped": is_shipped("depth")}}
    assert [one["study"] for one in found["claims"]] == ["depth", None]


def test_json_and_csv_say_the_same(said: Said) -> None:
    chosen = "--claim smallest-params --claim fewer-pixels --claim table3-scores"
    status, out, err = said(f"report paper {chosen} --json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["counts"] == {
        "contradicts": 1,
        "differs": 0,
        "holds when read as": 0,
        "needs training": 1,
        "holds": 1,
    }
    rows = list(csv.DictReader(io.StringIO(said(f"report paper {chosen} --csv")[1])))
    assert [row["claim"] for row in rows] == [one["id"] for one in found["claims"]]
    assert [row["verdict"] for row in rows] == [one["verdict"] for one in found["claims"]]
    assert found["claims"][0]["figures"] == [{"text": "68.39", "value": 68.39}, *found["claims"][0]["figures"][1:]]


def test_verdicts_are_chosen(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [claim for claim in CLAIMS if claim.id in ("smallest-params", "fewer-pixels", "table3-scores", "margin-64")]
    monkeypatch.setattr("sunetlab.paper.audit.CLAIMS", kept)
    status, out, _ = said("report paper --verdict contradicts,holds-when-read-as")
    assert status == 0
    assert out.startswith("4 claims: 1 contradicts, 0 differs, 1 holds when read as, 1 needs training, 1 holds")
    assert "smallest-params" in out
    assert "margin-64" in out
    assert "fewer-pixels" not in out
    listing = said("report paper")[1]
    assert "computed 16 times" in listing
    assert f"study fidelity: {COMPARED['fidelity']}" in listing


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--claim nonsense", "claim: 'nonsense': no such claim"),
        ("--verdict maybe", "--verdict: 'maybe': must be some of contradicts, differs"),
        ("--json --csv", "--csv"),
    ],
)
def test_wrong_input_is_one_line(said: Said, flags: str, words: str) -> None:
    status, out, err = said(f"report paper {flags}")
    assert (status, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_claim_on_a_network_imports_no_torch() -> None:
    code = "import sys; from sunetlab.cli.main import run; run(sys.argv[1:]); print('torch' in sys.modules)"
    line = "report paper --claim convs-at-14 --claim field-constant --json"
    done = subprocess.run([sys.executable, "-c", code, *line.split()], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"

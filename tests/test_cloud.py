"""The cloud and its page, read back from their markup."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sunetlab.draw import density
from sunetlab.draw.beside import rooms_beside
from sunetlab.draw.cloud import NOTHING, Cloud, Mark, Scale, draw_cloud
from sunetlab.draw.cloud_page import Column, Page, Row, Step, Table, cloud_page, share
from sunetlab.draw.ramp import STEPS, ink, shade
from sunetlab.draw.svg import Rect
from tests.drawn import Drawing, Room, points, shapes, well_laid_out

HOSTILE = "<b>&\"'</title><script>alert(1)</script>\x07"
SVG = "{http://www.w3.org/2000/svg}"
Better = Literal["less", "more", ""]

PARAMS = Scale("parameters", "count", np.geomspace(1e6, 6e7, 31).tolist(), "less", log=True)
BYTES = Scale("training memory", "bytes", (2.0 ** np.linspace(26, 32, 21)).tolist(), "less", log=True)
FIELD = Scale("field of view", "px", np.linspace(0, 1300, 14).tolist(), "more")
NAMED = (
    Mark(6.9e6, 2**29, "SUNet-64: 6.91M", "SUNet-64", "named"),
    Mark(7.1e6, 2**29.1, "SUNet-128: 7.1M", "SUNet-128", "named"),
    Mark(6.8e6, 2**28.9, "SUNet-7-128: 6.8M", "SUNet-7-128", "named"),
)


def counts_of(x: Scale, y: Scale, cells: Sequence[tuple[int, int, int]] = ()) -> NDArray[np.int64]:
    counts = np.zeros((len(y.edges) - 1, len(x.edges) - 1), np.int64)
    for row, column, number in cells:
        counts[row, column] = number
    return counts


def crowd(x: Scale, y: Scale, seed: int, most: int = 10**6) -> NDArray[np.int64]:
    """Counts over all powers of ten, a third of the cells empty."""
    rng = np.random.default_rng(seed)
    counts = (most ** rng.random((len(y.edges) - 1, len(x.edges) - 1))).astype(np.int64)
    return np.where(rng.random(counts.shape) < 0.3, 0, counts)


def read(svg: str) -> Drawing:
    """The figure, nothing of it outside the page or in the way of something else, no name over a mark."""
    drawing = well_laid_out(svg)
    marks = [
        room for mark in spots(drawing).values() if "front" not in mark.attrib["class"] for room in shapes(mark)[1:]
    ]
    names = [text.room for group in groups(drawing, "beside") for text in drawing.texts_in(group)]
    assert not [(name, mark) for name in names for mark in marks if name.overlaps(mark)]
    return drawing


def groups(drawing: Drawing, class_: str) -> list[Any]:
    return [group for group in drawing.root.iter(f"{SVG}g") if group.get("class") == class_]


def spots(drawing: Drawing) -> dict[int, Any]:
    """The marks by their place in the cloud's."""
    return {int(name): group for name, group in drawing.marked("mark").items()}


def told(drawing: Drawing) -> list[str]:
    """What the cells say."""
    return [path.findtext(f"{SVG}title") or "" for group in groups(drawing, "told") for path in group]


def number(words: str) -> int:
    return int(re.sub(r"\D", "", words.split(" design")[0]))


def area(drawing: Drawing) -> Room:
    frame = next(path for path in drawing.root.iter(f"{SVG}path") if path.get("class") == "frame")
    xs, ys = zip(*points(frame.attrib["d"]), strict=True)
    return Room(min(xs), min(ys), max(xs), max(ys))


@pytest.mark.parametrize("x", [PARAMS, FIELD])
@pytest.mark.parametrize("y", [BYTES, FIELD._replace(name="layers", unit="count", better="")])
def test_every_design_is_told_of_once(x: Scale, y: Scale) -> None:
    counts = crowd(x, y, seed=1)
    drawing = read(draw_cloud(Cloud(x, y, counts), "A cloud", "of designs"))
    assert sorted(map(number, told(drawing))) == sorted(counts[counts > 0].tolist())
    assert any(text.words.startswith(f"{counts.sum():,} designs") for text in drawing.texts)


def test_a_cell_says_what_it_holds_and_where_it_is() -> None:
    cloud = Cloud(PARAMS, BYTES, counts_of(PARAMS, BYTES, [(0, 0, 1234), (19, 29, 1)]))
    drawing = read(draw_cloud(cloud, "A cloud", ""))
    assert told(drawing) == [
        "1,234 designs, 1M–1.15M parameters, 64–78.8 MiB training memory",
        "1 design, 52.3M–60M parameters, 3.25–4 GiB training memory",
    ]
    low, high = (points(path.attrib["d"]) for path in groups(drawing, "told")[0])
    inside = area(drawing)
    assert min(x for x, _ in low) == pytest.approx(inside.left, abs=0.1)
    assert max(y for _, y in low) == pytest.approx(inside.bottom, abs=0.1)
    assert max(x for x, _ in high) == pytest.approx(inside.right, abs=0.1)
    assert min(y for _, y in high) == pytest.approx(inside.top, abs=0.1)


def test_a_fine_grid_stays_small_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    x = PARAMS._replace(edges=np.geomspace(1e6, 6e7, 201).tolist())
    y = BYTES._replace(edges=(2.0 ** np.linspace(26, 32, 141)).tolist())
    counts = np.random.default_rng(0).integers(1, 10**4, (140, 200))
    svg = draw_cloud(Cloud(x, y, counts), "A cloud", "")
    assert len(svg) < 1_500_000
    said = told(Drawing(svg))
    assert len(said) <= density.MOST_TOLD
    assert sum(map(number, said)) == counts.sum()
    monkeypatch.setattr(density, "MOST_TOLD", 10)
    assert sum(map(number, told(Drawing(draw_cloud(Cloud(x, y, counts), "A cloud", ""))))) == counts.sum()


@pytest.mark.parametrize("cells", [[(3, 4, 1)], [(3, 4, 10**8)], [(3, 4, 1), (3, 5, 10**8)], [(0, 0, 2), (19, 29, 3)]])
@pytest.mark.parametrize("marks", [(), NAMED])
def test_few_designs_are_seen(cells: list[tuple[int, int, int]], marks: tuple[Mark, ...]) -> None:
    drawing = read(draw_cloud(Cloud(PARAMS, BYTES, counts_of(PARAMS, BYTES, cells), marks), "A cloud", ""))
    assert sorted(map(number, told(drawing))) == sorted(count for _, _, count in cells)
    shaded = [path for path in drawing.root.iter(f"{SVG}path") if "cell" in path.get("class", "")]
    steps = {path.attrib["class"] for path in shaded[:-(STEPS)]}  # without the legend's
    assert len(steps) == len({count for _, _, count in cells})
    for path in shaded:
        corners = points(path.attrib["d"])
        assert max(x for x, _ in corners) - min(x for x, _ in corners) >= density.LEAST - 0.1


def test_no_designs_are_said_to_be_none() -> None:
    drawing = read(draw_cloud(Cloud(PARAMS, BYTES, counts_of(PARAMS, BYTES), NAMED), "A cloud", ""))
    assert sum(text.words == NOTHING for text in drawing.texts) == 2  # below the title, and where they would be
    assert not told(drawing)
    assert len(spots(drawing)) == 3


def test_shades_rise_with_counts_and_leave_the_paper() -> None:
    found = [shade(10**power, 1e8) for power in range(9)]
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (0, STEPS - 1)

    def lightness(colour: str) -> float:
        return sum(w * int(colour[i : i + 2], 16) for w, i in ((0.2126, 1), (0.7152, 3), (0.0722, 5)))

    light, dark = ([lightness(tone[i]) for tone in map(ink, range(STEPS))] for i in (0, 1))
    assert light == sorted(light, reverse=True)
    assert dark == sorted(dark)
    assert light[0] < 210
    assert dark[0] > 50


values = st.floats(0, 1).map(lambda part: round(part, 3))
kinds = st.sampled_from(["front", "named", "best"])


@settings(max_examples=30)
@given(
    st.lists(st.tuples(values, values), min_size=1, max_size=25),
    st.sampled_from(["less", "more"]),
    st.sampled_from(["less", "more"]),
)
def test_the_front_goes_in_steps_from_edge_to_edge(places: list[tuple[float, float]], x: Better, y: Better) -> None:
    marks = tuple(Mark(1e6 * 60**a, 2 ** (26 + 6 * b), f"design {i}") for i, (a, b) in enumerate(places))
    cloud = Cloud(PARAMS._replace(better=x), BYTES._replace(better=y), counts_of(PARAMS, BYTES, [(0, 0, 5)]), marks)
    drawing = read(draw_cloud(cloud, "A cloud", ""))
    line = points(next(p for p in drawing.root.iter(f"{SVG}path") if p.get("class") == "front-line").attrib["d"])
    inside, (xs, ys) = area(drawing), zip(*line, strict=True)
    assert list(xs) == sorted(xs, reverse=x == "more")
    assert list(ys) == sorted(ys, reverse=y == "more")
    assert ys[0] == pytest.approx(inside.top if y == "less" else inside.bottom, abs=0.02)
    assert xs[-1] == pytest.approx(inside.right if x == "less" else inside.left, abs=0.02)
    for mark in spots(drawing).values():  # none lies on the line's better side
        place = shapes(mark)[0].middle
        assert any(
            (a <= place.left + 0.05 if x == "less" else a >= place.left - 0.05)
            and (b >= place.top - 0.05 if y == "less" else b <= place.top + 0.05)
            for a, b in line
        )


def test_without_a_better_side_there_is_no_front() -> None:
    cloud = Cloud(PARAMS._replace(better=""), BYTES, counts_of(PARAMS, BYTES, [(1, 1, 1)]), (Mark(2e6, 2**28, "one"),))
    svg = draw_cloud(cloud, "A cloud", "")
    assert svg.count('class="front-line"') == 1  # the legend's
    assert "more is better" not in svg


@pytest.mark.parametrize("better", ["less", "more"])
def test_axes_say_which_way_is_better(better: Better) -> None:
    cloud = Cloud(PARAMS._replace(better=better), BYTES._replace(better=better), counts_of(PARAMS, BYTES))
    said = [text.words for text in read(draw_cloud(cloud, "A cloud", "")).texts]
    arrows = "←↓" if better == "less" else "→↑"
    assert {f"{arrow} {better} is better" for arrow in arrows} <= set(said)


@settings(max_examples=25)
@given(st.lists(st.tuples(values, values, kinds), max_size=40), st.integers(0, 99))
def test_names_find_room(places: list[tuple[float, float, Any]], seed: int) -> None:
    marks = tuple(
        Mark(1e6 * 60**a, 2 ** (26 + 6 * b), f"design {i}", "" if kind == "front" else f"SUNet-{i}", kind)
        for i, (a, b, kind) in enumerate(places)
    )
    drawing = read(draw_cloud(Cloud(PARAMS, BYTES, crowd(PARAMS, BYTES, seed), (*marks, *NAMED)), "A cloud", ""))
    assert {mark.findtext(f"{SVG}title") for mark in spots(drawing).values()} == {m.words for m in (*marks, *NAMED)}
    assert all(area(drawing).holds(text.room) for g in groups(drawing, "beside") for text in drawing.texts_in(g))


def test_known_networks_always_have_their_names() -> None:
    best = tuple(Mark(6.9e6 * 1.02**i, 2 ** (29 + i / 20), f"best {i}", str(i), "best") for i in range(10))
    cloud = Cloud(PARAMS, BYTES, crowd(PARAMS, BYTES, 3), (*NAMED, *best))
    said = {text.words for text in read(draw_cloud(cloud, "A cloud", "")).texts}
    assert {mark.label for mark in NAMED} <= said


def test_a_place_without_room_has_no_name() -> None:
    found = rooms_beside([(50, 50)] * 3, [(60, 15)] * 3, Rect(0, 0, 120, 40), [], [])
    assert found[0] is not None
    assert found[-1] is None


def test_marks_beyond_the_border_stand_on_it() -> None:
    far = (Mark(1e9, 2**29, "far right", "R", "named"), Mark(0, 0, "at nought", "L", "best"), Mark(2e6, 2**40, "up"))
    drawing = read(draw_cloud(Cloud(PARAMS, BYTES, counts_of(PARAMS, BYTES, [(1, 1, 1)]), far), "A cloud", ""))
    inside, found = area(drawing), spots(drawing)
    middles = [shapes(found[index])[0].middle for index in range(3)]
    assert middles[0].left == pytest.approx(inside.right, abs=0.02)
    assert (middles[1].left, middles[1].top) == pytest.approx((inside.left, inside.bottom), abs=0.02)
    assert middles[2].top == pytest.approx(inside.top, abs=0.02)
    assert all("beyond" in (mark.findtext(f"{SVG}title") or "") for mark in found.values())


def test_weird_names_are_escaped_and_cut() -> None:
    x, y = PARAMS._replace(name=HOSTILE * 5), BYTES._replace(name="名" * 200)
    cloud = Cloud(x, y, counts_of(x, y, [(1, 1, 7)]), (Mark(2e6, 2**28, HOSTILE, HOSTILE * 9, "named"),))
    drawing = Drawing(draw_cloud(cloud, HOSTILE, HOSTILE))  # which parses it
    assert HOSTILE.replace("\x07", "?") in (drawing.root.findtext(f"{SVG}title") or "")
    assert not list(drawing.root.iter(f"{SVG}script"))


# The page.


class Parsed(HTMLParser):
    """A page taken apart; tags that do not balance fail."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link"}:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


COLUMNS = (Column("design"), Column("parameters", "count"), Column("memory", "bytes"), Column("command", "words"))


def make_page(words: str = "sunetlab build --n 64") -> Page:
    rows = tuple(Row((f"{words} {i}", 10**6 + i, 2.0**29, words), i) for i in range(30))
    return Page(
        title=words,
        command=f"sunetlab space screen {words}",
        funnel=(Step("all", 10**8, 10**8), Step(f"params<=10M {words}", 10**8, 12), Step("fov>=9", 12, 0)),
        cloud=Cloud(PARAMS, BYTES, crowd(PARAMS, BYTES, 5), NAMED),
        tables=(Table("Pareto front", COLUMNS, rows), Table("Best", COLUMNS, ())),
        refused=((f"too small {words}", 1234567),),
        notes=(words,),
    )


@pytest.mark.parametrize("words", ["sunetlab build --n 64", HOSTILE.replace("\x07", "")])
def test_page_has_every_row(words: str) -> None:
    page = Parsed(cloud_page(make_page(words)))
    assert ["all", "100,000,000", "100,000,000", "100.0 %", ""] in page.rows
    assert [f"params<=10M {words}", "100,000,000", "12", "< 0.0001 %", ""] in page.rows
    assert ["fov>=9", "12", "0", "0.0 %", ""] in page.rows
    assert [f"too small {words}", "1,234,567"] in page.rows
    for index in range(30):
        assert [f"{words} {index}", "1M", "512 MiB", words] in page.rows
    assert {"1,000,029"} <= {attrs["title"] for tag, attrs in page.tags if tag == "td" and "title" in attrs}
    assert sum(tag == "script" for tag, _ in page.tags) == 1


def test_page_needs_nothing_from_outside_and_no_script() -> None:
    text = cloud_page(make_page())
    assert not re.search(r"(https?:)?//\w", text.replace('xmlns="http://www.w3.org/2000/svg"', ""))
    assert not re.search(r"@import|url\(", text)
    assert "button" not in re.sub(r"<script>.*</script>|<style>.*?</style>", "", text, flags=re.DOTALL)


def test_page_ties_rows_to_marks() -> None:
    page = Parsed(cloud_page(make_page()))
    rows = [attrs["data-mark"] for tag, attrs in page.tags if tag == "tr" and "data-mark" in attrs]
    marks = [attrs["data-mark"] for tag, attrs in page.tags if tag == "g" and "data-mark" in attrs]
    assert rows == [str(index) for index in range(30)]
    assert marks == ["0", "1", "2"]


def test_page_of_nothing() -> None:
    empty = Cloud(PARAMS, BYTES, counts_of(PARAMS, BYTES))
    text = cloud_page(Page("Nothing", "sunetlab space screen", (Step("all", 0, 0),), empty))
    Parsed(text)
    assert NOTHING in text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0.0 %"),
        (10, 10, "100.0 %"),
        (9999, 10000, "99.9 %"),
        (1, 3, "33.3 %"),
        (1, 10_000, "0.01 %"),
        (1, 10**8, "< 0.0001 %"),
        (0, 0, "0.0 %"),
    ],
)
def test_shares_are_never_rounded_to_none_or_all(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text

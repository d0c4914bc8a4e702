"""A figure as a file: colours, what it says of itself, the same bytes each time, the command, a browser's view."""

import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from sunetlab import PRESETS, preset
from sunetlab.draw.module import draw_module
from sunetlab.draw.network import draw_network
from tests.conftest import Said
from tests.drawn import ODD, Drawing, Room


def colours(sheet: str) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """Selector → property → value, on a light page and on a dark one."""
    light, _, dark = sheet.partition("@media (prefers-color-scheme:dark){")

    def parsed(part: str) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", part):
            properties = dict(item.split(":", 1) for item in body.split(";"))
            for selector in selectors.split(","):
                found.setdefault(selector.strip().removeprefix(".sunet "), {}).update(properties)
        return found

    day = parsed(light)
    night = {name: {**day.get(name, {}), **properties} for name, properties in parsed(dark).items()}
    return day, {**day, **night}


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.1)."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_words_and_lines_stand_out_on_light_and_on_dark_pages() -> None:
    day, night = colours(Drawing(draw_module(preset("sunet-64"), 1)).sheet)
    for scheme in (day, night):
        assert scheme[".paper"]["fill"] == (night if scheme is night else day)[".paper"]["fill"]
        for ground in (".paper", ".card", ".point", ".conv", ".down", ".up", ".plain"):
            for ink in ("text", ".muted"):
                assert contrast(scheme[ink]["fill"], scheme[ground]["fill"]) >= 4.5, (ink, ground)
        for line in (".wire", ".point", ".conv", ".down", ".up", ".pool", ".plain"):
            assert contrast(scheme[line]["stroke"], scheme[".card"]["fill"]) >= 3, line
    assert luminance(day[".paper"]["fill"]) > 0.9
    assert luminance(night[".paper"]["fill"]) < 0.05


@pytest.mark.parametrize("block", [None, 3])
def test_a_figure_stands_alone_and_says_what_it_is(block: int | None) -> None:
    spec = preset("sunet-64-os8")
    svg = draw_network(spec) if block is None else draw_module(spec, block)
    drawing = Drawing(svg)
    day, night = colours(drawing.sheet)
    classes = {f".{name}" for each in drawing.root.iter() for name in each.get("class", "").split()} - {".sunet"}
    assert classes <= set(day)
    coloured = {name for name in classes if "#" in "".join(day[name].values())}
    assert coloured >= {".paper", ".muted", ".conv", ".point", ".wire"}
    assert all(day[name] != night[name] for name in coloured)
    assert drawing.root.attrib["role"] == "img"
    first, second = list(drawing.root)[:2]
    assert (first.tag.rpartition("}")[2], second.tag.rpartition("}")[2]) == ("title", "desc")
    assert "sunet-64-os8" in (first.text or "")
    assert ("U-nets 2–4 of 4, × 3: 768 to 768 maps" if block else "Block 3: 4 × U-Net, depth 2") in (second.text or "")
    for outside in ("http:", "https:", "url(", "@import", "<script", "<image", "href"):
        assert outside not in svg.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_the_same_network_gives_the_same_bytes_and_no_torch_is_needed() -> None:
    code = (
        "import sys, hashlib, json; from sunetlab import preset;"
        "from sunetlab.draw.network import draw_network; from sunetlab.draw.module import draw_module;"
        "spec = preset('sunet-64-os8'); svgs = [draw_network(spec), draw_module(spec, 3)];"
        "print(json.dumps([hashlib.sha256(svg.encode()).hexdigest() for svg in svgs]), 'torch' in sys.modules)"
    )
    spec = preset("sunet-64-os8")
    here = [hashlib.sha256(svg.encode()).hexdigest() for svg in (draw_network(spec), draw_module(spec, 3))]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{json.dumps(here)} False"


def test_draw_writes_what_the_library_draws(said: Said) -> None:
    assert said("draw sunet-64 --output-stride 8 --out net.svg") == (0, "", "saved net.svg\n")
    assert Path("net.svg").read_text(encoding="utf-8") == draw_network(preset("sunet-64").replace(output_stride=8))
    assert said("draw sunet-64 --block 2 --input 60x45 --out module.SVG")[0] == 0
    assert Path("module.SVG").read_text(encoding="utf-8") == draw_module(preset("sunet-64"), 2, (60, 45))
    assert said("draw sunet-64 --block 4 --out -") == (0, draw_module(preset("sunet-64"), 4), "")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--out net.png", "--out: 'net.png': must be the name of a file that ends in .svg"),
        ("--out svg", "--out: 'svg': must be"),
        ("--out net.svg --block 5", "--block: 5: must be one of the network's blocks, 1 to 4"),
        ("--out net.svg --block 0", "--block: 0: must be"),
        ("--out net.svg/", "--out: 'net.svg/': must be the name of a file"),
        ("--out net.svg --input 16", "--input: 16x16: too small"),
        ("--out nowhere/net.svg", "--out: nowhere/net.svg: cannot be written"),
        ("", "--out"),
    ],
)
def test_draw_refuses_in_one_line_and_leaves_no_file(said: Said, line: str, told: str) -> None:
    status, out, err = said(f"draw sunet-64 {line}")
    assert (status, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert list(Path().iterdir()) == []


# In a browser.

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
MEASURE = """
const found = [];
for (const svg of document.querySelectorAll("svg")) {
  const of = (e) => { const b = e.getBBox(); return [b.x, b.y, b.x + b.width, b.y + b.height]; };
  found.push({
    page: [0, 0, svg.viewBox.baseVal.width, svg.viewBox.baseVal.height],
    rects: [...svg.querySelectorAll("rect")].map(of),
    texts: [...svg.querySelectorAll("text")].map((e) => [e.textContent, ...of(e)]),
    paper: getComputedStyle(svg.querySelector(".paper")).fill,
  });
}
document.body.textContent = "MEASURED" + JSON.stringify(found) + "MEASURED";
"""


def measured(folder: Path, svgs: list[str], *flags: str) -> list[dict[str, Any]]:
    """What a browser finds on a page of figures."""
    assert CHROMIUM is not None
    page = folder / "page.html"
    page.write_text(f"<!doctype html><body>{''.join(svgs)}<script>{MEASURE}</script>", encoding="utf-8")
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
    command = [CHROMIUM, *quiet, *flags, f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: list[dict[str, Any]] = json.loads(html.unescape(done.stdout.split("MEASURED")[1]))
    return found


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_finds_every_text_in_its_box(tmp_path: Path) -> None:
    svgs = [draw_network(spec) for spec in (*ODD.values(), *map(preset, PRESETS))]
    svgs += [draw_module(spec, len(spec.stacks)) for spec in (*ODD.values(), *map(preset, PRESETS))]
    found = measured(tmp_path, svgs)
    assert len(found) == len(svgs)
    for figure in found:
        rects = [Room(*rect) for rect in figure["rects"]]
        texts_ = [(words, Room(*place)) for words, *place in figure["texts"]]
        assert texts_
        for words, place in texts_:
            across = Room(place.left, place.middle.top, place.right, place.middle.top)
            assert all(rect.holds(across) for rect in rects if rect.holds(place.middle)), words
            assert Room(*figure["page"]).holds(place), words
        for (one, a), (other, b) in combinations(texts_, 2):
            assert not a.overlaps(b, slack=4), (one, other)  # a browser's box has room for accents above


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_a_dark_figure_where_dark_is_preferred(tmp_path: Path) -> None:
    svg = draw_module(preset("sunet-64"), 1)
    dark = "--blink-settings=preferredColorScheme=0"
    assert [measured(tmp_path, [svg], *flags)[0]["paper"] for flags in ((), (dark,))] == [
        "rgb(255, 255, 255)",
        "rgb(13, 17, 23)",
    ]

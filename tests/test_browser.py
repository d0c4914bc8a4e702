"""The page of a study in a real browser: no complaint, the verdict in sight, nothing too wide, tables that sort."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from sunetlab.study.definition import Study
from sunetlab.study.report import write_report
from tests import browser
from tests.browser import Tab
from tests.test_report import fill, make_study

SEEDS = range(7)  # two comparisons need so many to show anything
DEPTH2 = {  # accuracy by seed; depth 1 has 0.5 each time
    **{f"classification/2/1,1/{seed}": 0.6 + 0.01 * seed for seed in SEEDS},
    **{f"classification/2/1,2/{seed}": 0.5 + 0.01 * (-1) ** seed for seed in SEEDS},
}


def judged_study() -> Study:
    study = make_study("Is <b>deeper</b> better?", SEEDS, ("classification",))
    return study.model_copy(update={"baseline": {"depth": 1}})


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page with verdicts and failures."""
    folder = tmp_path_factory.mktemp("page") / "a study"
    study = judged_study()
    fill(study, folder, {"": 0.5, **DEPTH2, "classification/1/1,2/5": "not finite"})
    return write_report(study, folder, "sunetlab study run tiny").resolve().as_uri()


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    found = browser.executable()
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(browser.BROWSERS)} is installed")
    with browser.tab(found, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def place(tab: Tab, selector: str) -> tuple[float, float]:
    """The middle of an element, scrolled into sight."""
    x, y = tab.run(
        f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
        " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    return x, y


def test_the_verdict_is_the_first_that_is_seen(tab: Tab, page: str) -> None:
    tab.open(page)
    assert tab.run("document.querySelector('h1').innerText") == "Is <b>deeper</b> better?"
    first, second = tab.run("[...document.querySelectorAll('.verdicts li')].map((li) => li.innerText)")
    assert "depth 2, stacks 1,1 is better than depth 1, stacks 1,1 by 13.00 points" in first
    assert "No conclusion on depth 2, stacks 1,2 against depth 1, stacks 1,2" in second
    assert tab.run("document.querySelector('.verdicts').getBoundingClientRect().bottom") < 600  # without scrolling
    assert tab.run("document.querySelectorAll('table.forest tbody svg.forest').length") == 2
    assert tab.complaints() == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_too_wide_nor_unreadable(tab: Tab, page: str, width: int, dark: bool) -> None:
    tab.open(page, width, dark=dark)
    assert tab.run("document.documentElement.scrollWidth") <= width
    paper, ink = tab.run("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    assert contrast(paper, ink) > 12
    assert (luminance(paper) < luminance(ink)) == dark
    assert tab.complaints() == []


def test_tables_sort_by_click_and_say_so(tab: Tab, page: str) -> None:
    tab.open(page)
    head = "document.querySelectorAll('table.sortable')[0].tHead.rows[0].cells"
    body = "document.querySelectorAll('table.sortable')[0].tBodies[0].rows"
    column = tab.run(f"[...{head}].findIndex((cell) => cell.innerText.startsWith('params'))")
    number = f"Number(row.cells[{column}].innerText.replaceAll(',', ''))"
    read = f"[{head}[{column}].ariaSort, [...{body}].map((row) => {number})]"
    unsorted, params = tab.run(read)
    assert unsorted is None
    for way, expected in (("descending", sorted(params, reverse=True)), ("ascending", sorted(params))):
        tab.run(f"{head}[{column}].firstChild.click()")
        assert tab.run(read) == [way, expected]
    assert params not in (sorted(params), sorted(params, reverse=True))  # it was in neither order before


def test_a_design_is_lit_everywhere_until_it_is_released(tab: Tab, page: str) -> None:
    tab.open(page)
    tab.click(*place(tab, "svg.chart .mark.best"))
    name = tab.run("document.querySelector('svg.chart .mark.best').dataset.design")
    lit = "[...document.querySelectorAll('.lit')].map((e) => [e.tagName.toLowerCase(), e.dataset.design])"
    assert {design for _, design in tab.run(lit)} == {name}
    assert {"path", "polyline", "tr"} <= {tag for tag, _ in tab.run(lit)}
    assert tab.run("document.querySelector('#tip').innerText").startswith("depth\u00a02, stacks\u00a01,1\n63.0 %")
    assert "depth\u00a02, stacks\u00a01,1" in tab.run("document.querySelector('#held').innerText")
    assert tab.run("document.querySelector('button.name[aria-pressed=true]').closest('tr').dataset.design") == name
    tab.press("Escape")
    assert tab.run(lit) == []
    assert tab.run("document.querySelector('#held').hidden")


def test_a_table_is_filtered_and_so_are_its_marks(tab: Tab, page: str, tmp_path: Path) -> None:
    text = Path(unquote(page.removeprefix("file://"))).read_text()
    few = text.replace("const MANY = 12;", "const MANY = 3;")  # so that four rows are many
    before, after = (each.partition("<script>")[2].partition("</script>")[0] for each in (text, few))
    (tmp_path / "page.html").write_text(few.replace(sha256(before), sha256(after)))
    tab.open((tmp_path / "page.html").as_uri())
    tab.click(*place(tab, ".filter input"))
    tab.call("Input.insertText", text="depth 2, stacks 1,1")
    rows = "[...document.querySelectorAll('table.sortable')[0].tBodies[0].rows].filter((row) => !row.hidden)"
    assert tab.run(f"{rows}.map((row) => [row.cells[0].innerText, row.cells[1].innerText])") == [["2", "1,1"]]
    assert tab.run("document.querySelector('.filter output').innerText") == " 1 of 4"
    off = "[...new Set([...document.querySelectorAll('svg.chart .off')].map((mark) => mark.dataset.design))]"
    assert len(tab.run(off)) == 3
    assert tab.complaints() == []


def test_a_page_on_paper_is_black_on_white_and_unfolded(tab: Tab, page: str) -> None:
    tab.open(page, dark=True)
    tab.call("Emulation.setEmulatedMedia", media="print")
    paper, ink = tab.run("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    assert (paper, ink) == ("rgb(255, 255, 255)", "rgb(0, 0, 0)")
    tab.run("dispatchEvent(new Event('beforeprint'))")
    assert tab.run("document.querySelectorAll('details:not([open])').length") == 0
    tab.run("dispatchEvent(new Event('afterprint'))")
    assert tab.run("document.querySelectorAll('details:not([open])').length") > 0


def test_a_script_that_came_in_with_the_words_would_not_run(tab: Tab, page: str, tmp_path: Path) -> None:
    """The policy lets the page's own script run and no other: the same file with a second one in it."""
    text = Path(unquote(page.removeprefix("file://"))).read_text()
    (tmp_path / "page.html").write_text(text.replace("</main>", "<script>document.title = 'taken'</script></main>"))
    tab.open((tmp_path / "page.html").as_uri())
    assert tab.run("document.title").startswith("tiny: ")
    assert tab.run("document.querySelectorAll('button.name').length") == 4  # its own did
    assert any("Content Security Policy" in complaint for complaint in tab.complaints())


def sha256(script: str) -> str:
    """A script's hash as a policy says it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def luminance(colour: str) -> float:
    """Relative luminance of a colour as a browser tells it, rgb(1, 2, 3); WCAG 2.2."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)

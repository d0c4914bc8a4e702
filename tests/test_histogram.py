"""Histograms, read back from what is printed."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunetlab.cli import histogram
from sunetlab.cli.histogram import LEAST, Histogram, block_bar, lines, plain_bar, print_histograms

PARAMS = Histogram("params", "count", [1e6, 2e6, 5e6, 1e7], [12, 4800, 0], [("SUNet-64", 6.91e6), ("far", 1e9)])
MEMORY = Histogram("memory", "bytes", [2.0**28, 2.0**29, 2.0**30], [10**8, 1])


class Terminal:
    """Standard output that says that it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.encoding, self.text = encoding, ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


def printed(
    monkeypatch: pytest.MonkeyPatch, columns: list[Histogram], width: int, encoding: str = "utf-8"
) -> list[str]:
    terminal = Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    print_histograms(columns)
    monkeypatch.undo()
    return terminal.text.splitlines()


def test_a_pipe_has_plain_ones_one_below_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    print_histograms([PARAMS, MEMORY])
    assert capsys.readouterr().out == (
        "params, 1M–10M                           designs\n"
        "   1M .                                       12\n"
        "   2M ##################################### 4.8k\n"
        "   5M                                          0\n"
        "6.91M < SUNet-64\n"
        "   1G < far\n"
        "\n"
        "memory, 256 MiB–1 GiB                    designs\n"
        "256 MiB ################################### 100M\n"
        "512 MiB .                                      1\n"
    )


@pytest.mark.parametrize("width", [80, 100, 140, 200])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_terminal_has_as_many_side_by_side_as_there_is_room(
    monkeypatch: pytest.MonkeyPatch, width: int, count: int
) -> None:
    found = printed(monkeypatch, [PARAMS, MEMORY, PARAMS, MEMORY, PARAMS][:count], width)
    assert max(map(len, found)) <= width
    heads = [line for line in found if "designs" in line]
    most = (width + histogram.GAP) // (LEAST + histogram.GAP)
    assert len(heads) == -(-count // most)
    assert sum(line.count("designs") for line in heads) == count
    assert heads[0].count("designs") - heads[-1].count("designs") <= max(
        0, len(heads) * heads[0].count("designs") - count
    )


def test_no_histograms_are_no_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    print_histograms([])
    assert capsys.readouterr().out == ""
    assert printed(monkeypatch, [], 80) == []


def test_a_terminal_that_cannot_write_blocks_has_plain_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(printed(monkeypatch, [PARAMS], 80, "ascii"))
    assert "####" in text
    assert "< SUNet-64" in text
    text = "\n".join(printed(monkeypatch, [PARAMS], 80))
    assert "█" in text
    assert "◂ SUNet-64" in text


@given(
    st.lists(st.integers(0, 10**8), min_size=1, max_size=12),
    st.integers(36, 60),
    st.lists(st.tuples(st.text("abcdefgh-", min_size=1), st.floats(0, 100)), max_size=3),
)
def test_bars_are_linear_and_the_longest_is_full(counts: list[int], width: int, marks: list[tuple[str, float]]) -> None:
    edges = [float(edge) for edge in range(1, len(counts) + 2)]
    found = lines(Histogram("n" * 99, "count", edges, counts, marks), width, plain_bar, "<")
    bars = [line.middle for line in found if line.kind == "bin"]
    assert {sum(map(len, (line.left, line.middle, line.right))) for line in found if line.kind == "bin"} == {width - 2}
    room = len(bars[0])
    for count, bar in zip(counts, bars, strict=True):
        assert bool(bar.strip()) == bool(count)
        assert abs(bar.count("#") - room * count / max(1, *counts)) <= 0.5 + 1e-9
    rows = [edges[i] for i in range(len(counts))] + [value for _, value in marks]
    assert len(found) == len(rows) + 1


@given(st.floats(0, 1), st.integers(4, 60))
def test_a_bar_of_blocks_is_right_to_half_an_eighth(share: float, room: int) -> None:
    bar = block_bar(share, room)
    eighths = sum(" ▏▎▍▌▋▊▉█".index(letter) for letter in bar)
    assert abs(eighths - 8 * room * share) <= 0.5 + 1e-9 or (eighths == 1 and share)
    assert len(bar) <= room
    assert bool(bar) == (share > 0)

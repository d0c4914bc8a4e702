"""How much memory is free on this machine, and whether a network's maps fit in it."""

from pathlib import Path

from sunetlab.analysis.cost import CONVOLUTIONS, area
from sunetlab.analysis.report import Report, analyze
from sunetlab.errors import InputError
from sunetlab.model.gradient import slender

_GROUPS = (  # of a container: limit, usage, statistics, and what of its usage are files that can be dropped
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)
_FLOAT64 = 8  # bytes


def refuse_what_does_not_fit(report: Report, needed: int) -> None:
    """Refuse an input that takes more than is free, before a process is killed for it.

    Raises:
        InputError: saying what is needed, in bytes, and what is free.
    """
    free = free_bytes()
    if free is not None and needed > free:
        raise InputError(
            f"input: {report.size[0]}x{report.size[1]}: takes about {needed / 2**30:,.1f} GiB of memory to run, "
            f"and {free / 2**30:,.1f} GiB are free; give a smaller input"
        )


def bytes_of_a_run(report: Report) -> int:
    """Bytes that one image takes on a CPU, without gradients.

    Beside the peak fvcore's run takes 0.4 to 0.5 of it (measured on images of 768² and 1024²).
    """
    one = analyze(report.spec, report.size)
    return one.memory(device="cpu", inference_mode=False).inference.bytes * 3 // 2


def bytes_of_a_gradient(report: Report) -> int:
    """Bytes that `gradient.support` takes: a slender network's training step in float64, and its widest unfolded map.

    In float64 PyTorch's kernels write out every window of a map; measured on 1024² and 1536², both terms are needed.
    """
    one = analyze(slender(report.spec), report.size)
    windows = (c.kernel**2 * c.in_channels * area(c.out_size) for c in one.layers if c.kind in CONVOLUTIONS)
    return 2 * one.memory(device="cpu").training.bytes + _FLOAT64 * max(windows)


def free_bytes() -> int | None:
    """Bytes that can be taken, by the machine or by this process's container; None where neither says."""
    groups = Path("/sys/fs/cgroup")
    found = [1024 * size for size in [_named(Path("/proc/meminfo"), "MemAvailable:")] if size is not None]
    for limit, usage, statistics, droppable in _GROUPS:
        most, used = _number(groups / limit), _number(groups / usage)
        if most is not None and used is not None:
            found.append(max(0, most - used + (_named(groups / statistics, droppable) or 0)))
    return min(found, default=None)


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None  # "max" where there is no limit


def _named(path: Path, name: str) -> int | None:
    """The number after a name at the beginning of a line."""
    words = next((line.split() for line in _text(path).splitlines() if line.startswith(f"{name} ")), [])
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""

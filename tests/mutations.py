"""Valid inputs made wrong, by a seed: tables in their structure, texts and files in their bytes."""

import copy
import datetime
import random
from collections.abc import Callable, Sequence
from typing import Any

import tomli_w

HUGE = "7" * 40  # in a table's text it becomes a number of twenty thousand bits, which Python reads but does not print
HUGE_IN_HEX = "0x" + "f" * 5000

_CLOCK = datetime.datetime(2024, 2, 29, 23, 59, 59, tzinfo=datetime.UTC)
_WHOLE = (0, -1, 1, 2, 7, 8, 9, 255, 256, 4096, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63))
_LARGE = (10**9, 10**13, 10**18, 10**30, 10**400, -(10**400), int(HUGE))
_FLOATS = (0.0, -0.0, 0.5, 1.0, -1.0, 1e-9, 1e9, 1e300, 1.8e308, -1.8e308, 5e-324, float("nan"), 0.1 + 0.2, 64.0)
_TEXTS = (
    *("", " ", "\0", "a", "0", "1", "nan", "inf", "-1", "1e999", "true", "null", "None", "auto", "rule", "table"),
    *("a\nb", "a\tb", "a\rb", "\x1b[2J", "\x7f", "\u2028", "\u202e", "ü", "\ufeff", "𝔫", "٣", "²"),
    *("a" * 300, "a" * 70_000, "1," * 9000, "1..4", "1..9x1..9", "1..1000000", "1..999999999", "1..9:0", "9..1", "x"),
    *("1x", "..", "rule*0.5", "rule*0", "4nx8n", "rule*0.0001..9999:0.0001", "1..1000x1..1000x1..1000x1..1000"),
    *("1|2|3", "1|1", "params<=1M", "params<", "fov>=1k", "../../etc/passwd", "/etc/passwd", "/dev/zero"),
    *("folder:/dev", "folder:~nobody-there", "voc:.", "scenes:", "{{7*7}}", "<script>", "%s%n", "$(id)", "`id`"),
    *("'; drop table trials; --", "!!python/object/apply:os.system", "__class__"),
)
_NESTS: tuple[Any, ...] = (
    *([], {}, [[]], [{}], {"": 0}, [0], [1, 2], [1, 1, 1, 1], [True], ["a"], [1, "a", None, 2.5], list(range(300))),
    *([[1, 2], [3, 4]], {"a": {"b": {"c": 1}}}, [10**400], ["a" * 5000], [float("nan")] * 3, {"a" * 500: 1}, {"\n": 1}),
)
_TIMES = (_CLOCK, _CLOCK.date(), _CLOCK.time())
PLAIN: tuple[Any, ...] = (*_WHOLE, *_LARGE, *_FLOATS, *_TEXTS, *_NESTS, *_TIMES, None, False, True)


def value(rng: random.Random) -> Any:
    """One of the odd values, or a nest of them."""
    found = copy.deepcopy(rng.choice(PLAIN))
    if rng.random() < 0.05:
        for _ in range(rng.choice((3, 30, 120))):
            found = [found] if rng.random() < 0.5 else {"a": found}
    return found


def table(rng: random.Random, valid: Any, others: Sequence[Any] = ()) -> Any:
    """A copy of nested tables and lists with one to three values replaced, lost, moved, repeated or renamed."""
    found = copy.deepcopy(valid)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = _places(found)
        if not places:
            return value(rng)
        holder, key = rng.choice(places)
        rng.choice(_MOVES)(rng, holder, key, [found, *others])
    return found


def _places(at: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below a value, those of containers among them."""
    found: list[tuple[Any, Any]] = []
    stack = [at]
    while stack:
        here = stack.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        for key in keys:
            found.append((here, key))
            stack.append(here[key])
    return found


def _replace(rng: random.Random, holder: Any, key: Any, _: Sequence[Any]) -> None:
    holder[key] = value(rng)


def _nudge(rng: random.Random, holder: Any, key: Any, _: Sequence[Any]) -> None:
    """A value of the same kind, near it."""
    old = holder[key]
    if isinstance(old, bool):
        holder[key] = not old
    elif isinstance(old, int) and abs(old) < 2**64:
        holder[key] = rng.choice((old + 1, old - 1, -old, old * 2, old * 1000, old**9, float(old), str(old), [old]))
    elif isinstance(old, float):
        whole = round(old) if abs(old) < 1e9 else 0
        holder[key] = rng.choice((-old, old * 1e6, old / 1e6, old * 1e300, whole, str(old)))
    elif isinstance(old, str):
        holder[key] = text(rng, old)
    elif isinstance(old, list) and len(old) < 1000:
        holder[key] = rng.choice((old * 2, old[:1], old[1:], old[::-1], old * 400, [old]))
    else:
        holder[key] = value(rng)


def _splice(rng: random.Random, holder: Any, key: Any, sources: Sequence[Any]) -> None:
    """A value from elsewhere, of this input or of another."""
    places = _places(rng.choice(sources))
    if places:
        there, name = rng.choice(places)
        holder[key] = copy.deepcopy(there[name])


def _lose(_: random.Random, holder: Any, key: Any, __: Sequence[Any]) -> None:
    del holder[key]


def _add(rng: random.Random, holder: Any, key: Any, sources: Sequence[Any]) -> None:
    """One more: a key from elsewhere, or an unknown one; a list's entry again."""
    if isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
        return
    names = [name for there, name in _places(rng.choice(sources)) if isinstance(name, str)]
    odd = ("a", "", "a.b", "\n", "\x1b[31m", "__class__", "é", "n" * 200, "recipe", "recipe.lr")
    name = rng.choice((*names[:50], *odd))
    holder[name] = value(rng) if rng.random() < 0.5 else copy.deepcopy(holder[key])


def _rename(rng: random.Random, holder: Any, key: Any, _: Sequence[Any]) -> None:
    if isinstance(holder, dict):
        holder[text(rng, str(key))] = holder.pop(key)


def _wrap(rng: random.Random, holder: Any, key: Any, _: Sequence[Any]) -> None:
    holder[key] = [holder[key]] if rng.random() < 0.5 else {str(key): holder[key]}


_MOVES: tuple[Callable[[random.Random, Any, Any, Sequence[Any]], None], ...] = (
    *(_replace, _replace, _replace, _nudge, _nudge, _splice, _splice, _lose, _add, _rename, _wrap),
)

_BITS = (
    *"\0\n\t \"'\\#,=[]{}.-+_e:@?x|n*<019é٣²ſİk\u2028\ufeff\ud800\x7f\x85",
    *("\r\n", '"""', "[[", "//", "%00", "%s", "..", "<=", "==", "!=", "\x1b[2J", "nan", "inf", "true", "null", "1e999"),
    *("1.", "1_0", "  ", "px", "GiB", "[" * 3000, "{" * 300, "9" * 5000, "0x" + "f" * 5000, "a" * 3000, "(" * 300),
    *(", " * 300, "=a" * 100),
)


def text(rng: random.Random, valid: str, others: Sequence[str] = ()) -> str:
    """A copy of a text with one to four changes: pieces put in, cut out, repeated, swapped, taken from others."""
    found = valid
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, end = sorted((rng.randrange(len(found) + 1), rng.randrange(len(found) + 1)))
        near = min(end, at + rng.choice((1, 1, 2, 8)))
        kind = rng.randrange(7)
        if kind == 0:
            found = found[:at] + rng.choice(_BITS) + found[at:]
        elif kind == 1:
            found = found[:at] + rng.choice(_BITS) + found[near:]
        elif kind == 2:
            found = found[:at] + found[near:]
        elif kind == 3:
            found = found[:end] + found[at:end] * rng.choice((1, 1, 3)) + found[end:]
        elif kind == 4:
            found = found[:at]
        elif kind == 5 and found:
            found = found[:at] + chr(rng.choice((rng.randrange(32, 127), rng.randrange(0x250)))) + found[at + 1 :]
        elif others:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            found = found[:at] + other[start : start + rng.choice((4, 20, 80))] + found[near:]
    return found


def data(rng: random.Random, valid: bytes, others: Sequence[bytes] = ()) -> bytes:
    """A copy of a file's bytes with one to eight changes: bits turned, words made large, pieces lost or put in."""
    found = bytearray(valid)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        size = len(found)
        # the first bytes say what the rest is
        at = rng.randrange(min(size, rng.choice((16, 64, 512, size or 1))) or 1) if size else 0
        kind = rng.randrange(8)
        if kind == 0 and size:
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and size:
            found[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            width = rng.choice((2, 4, 8))
            most = 2 ** (8 * width) - 1
            number = min(most, rng.choice((0, 1, most, most // 2 + 1, most // 2, 10**4, 60_000)))
            found[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))
        elif kind == 3:
            del found[at : at + rng.choice((1, 2, 4, 64))]
        elif kind == 4:
            found[at:at] = rng.randbytes(rng.choice((1, 2, 4, 64)))
        elif kind == 5:
            del found[rng.randrange(size + 1) :]
        elif kind == 6:
            found[at:at] = found[at : at + rng.choice((1, 8, 100))] * rng.choice((1, 3))
        elif others:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            length = rng.choice((8, 64, 1000))
            found[at : at + length] = other[start : start + length]
    return bytes(found)


def as_toml(found: Any) -> bytes:
    """A table as TOML, without what TOML has no form for."""
    said = tomli_w.dumps(_for_toml(found if isinstance(found, dict) else {"a": found}))
    return said.replace(HUGE, HUGE_IN_HEX).encode("utf-8", "surrogatepass")


def _for_toml(found: Any) -> Any:
    if isinstance(found, dict):
        return {str(key): _for_toml(each) for key, each in found.items() if each is not None}
    if isinstance(found, list | tuple):
        return [_for_toml(each) for each in found if each is not None]
    return found

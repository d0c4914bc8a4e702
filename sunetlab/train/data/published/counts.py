"""Whether a published set is all there: the files of its lists, and their number."""

from collections.abc import Callable, Mapping
from pathlib import Path

from sunetlab.errors import InputError
from sunetlab.train.data.config import DataConfig
from sunetlab.train.data.image_files import shown
from sunetlab.train.data.listing import files_in
from sunetlab.train.data.splits import Item

PARTIAL = "data.partial = true, or --partial-data, takes what is there"


def present(root: Path, items: list[Item], config: DataConfig, archive_of: Callable[[str], str]) -> list[Item]:
    """The items whose image, and mask if it has one, are there.

    Args:
        root: The folder that their paths are relative to.
        items: What the set's lists say.
        config: Whether some may be missing.
        archive_of: From a path to where its file is from.

    Raises:
        InputError: One is missing, and `partial` is not set; it is named.
    """
    listed: dict[str, frozenset[str] | None] = {}  # None: no such folder

    def there(path: str) -> bool:
        folder, _, name = path.rpartition("/")
        if folder not in listed:
            is_folder = (root / folder).is_dir()
            listed[folder] = frozenset(files_in(root / folder, archive_of(path))) if is_folder else None
        return name in (listed[folder] or ())

    kept = []
    for item in items:
        missing = next((path for path in (item.image, item.target) if isinstance(path, str) and not there(path)), None)
        if missing is None:
            kept.append(item)
        elif not config.partial:
            folder = missing.rpartition("/")[0]
            place = folder if listed[folder] is None else missing
            raise InputError(f"{shown(root / place)}: missing; {archive_of(missing)} ({PARTIAL})")
    return kept


def check_counts(config: DataConfig, title: str, found: Mapping[str, int], published: Mapping[str, int]) -> None:
    """Refuse a set that has another number of something than it was published with, unless `partial` is set.

    Args:
        config: The `[data]` table.
        title: What the set is called.
        found: Numbers by what they are numbers of, such as "images in val".
        published: The same, as published.

    Raises:
        InputError: A number differs, or is 0.
    """
    for what, count in found.items():
        if count == 0 or (count != published[what] and not config.partial):
            raise InputError(
                f"{shown(config.path)}: {count:,} {what}; {title} has {published[what]:,}"
                + (f" ({PARTIAL})" if count else "")
            )

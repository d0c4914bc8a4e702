"""A study's folder → one HTML page that opens without a network: what stands, and what it stands on."""

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sunetlab.draw.quantity import short
from sunetlab.files import write_text
from sunetlab.folders import refuse_links_out
from sunetlab.garbage import uncollected
from sunetlab.study.definition import Study
from sunetlab.study.page import settings
from sunetlab.study.page.content import MOST_SAID, task_pages
from sunetlab.study.page.drawings import without_style
from sunetlab.study.page.forest import SIGNS, signed
from sunetlab.study.page.rows import Names
from sunetlab.study.search import STARTUP

PAGE = "report.html"


def write_report(study: Study, folder: Path, command: str) -> Path:
    """Write the study's page and return its path; the same folder gives the same page, byte for byte.

    Args:
        study: the study that `folder` holds.
        folder: its folder.
        command: what was typed to make it.

    Raises:
        InputError: the page cannot be written, or is a link out of the folder.
        SunetlabError: the database is damaged.
    """
    refuse_links_out(folder)
    with uncollected():
        write_text(folder / PAGE, _page(study, folder, command))
    return folder / PAGE


def _page(study: Study, folder: Path, command: str) -> str:
    names = Names(study)
    pages = task_pages(study, folder, names)
    templates = Environment(
        loader=PackageLoader("sunetlab.study.page", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"short": short, "duration": duration, "plural": plural, "without_style": _without_style}
    script = _file("page.js")
    return templates.get_template("page.html.jinja").render(
        study=study,
        pages=pages,
        names=names,
        command=command,
        first_drawn=next((page.name for page in pages if page.drawings), ""),
        signs=SIGNS,
        signed=signed,
        most_said=MOST_SAID,
        startup=STARTUP,
        factors=settings.factors(study),
        shared=settings.shared(study),
        data=settings.data(study, [page.results for page in pages]),
        recipe=settings.recipes(study),
        machines=settings.machines(result for page in pages for result in page.results),
        style=Markup(_file("page.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def duration(seconds: float) -> str:
    """Seconds as they are best read: 9.4 s, 12 min, 3.5 h."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def plural(count: int, noun: str) -> str:
    """A count with its noun: 1 seed, 2 seeds."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _without_style(svg: Markup) -> Markup:
    return Markup(without_style(svg))


def _file(name: str) -> str:
    """A file that comes with the page's templates."""
    return files("sunetlab.study.page").joinpath(name).read_text(encoding="utf-8")

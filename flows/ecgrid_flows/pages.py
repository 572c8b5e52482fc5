"""HTML by Jinja templates (`templates/`): every value is escaped, unless it is itself a rendered piece (`Html`).

Control characters in texts become spaces, and None an empty text. `base.html.j2` is the frame of a page that opens
offline, `macros.html.j2` has its parts: tables, tiles, folds, pills, names.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from ecgrid_flows import figures
from ecgrid_transforms.money import Decimal, plain, rounded

__all__ = ["Html", "macro", "page", "piece", "source", "without_controls"]

TEMPLATES = Path(__file__).resolve().parent / "templates"

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Html:
    """A rendered piece of a page; notebooks show it, and templates insert it as it is."""

    markup: str

    def __html__(self) -> str:
        return self.markup

    def _repr_html_(self) -> str:
        return self.markup


def page(template: str, **values: Any) -> str:
    """A whole page; raises `jinja2.UndefinedError` where the template names a value that is not given."""
    return _environment().get_template(template).render(values)


def piece(template: str, **values: Any) -> Html:
    """A piece of a page."""
    return Html(page(template, **values).strip())


def macro(name: str, *values: Any) -> Html:
    """The output of a macro of `macros.html.j2`."""
    return Html(str(getattr(_environment().get_template("macros.html.j2").module, name)(*values)).strip())


def source(template: str) -> str:
    """The text of a file in `templates/`, such as a script whose hash goes into the content security policy."""
    return (TEMPLATES / template).read_text(encoding="utf-8")


def without_controls(text: str) -> str:
    """The text with a space in the place of each control character and line separator."""
    return _CONTROL.sub(" ", text)


def _finalized(value: object) -> object:
    return without_controls(value) if type(value) is str else "" if value is None else value


def _quantity(value: object) -> str:
    """A quantity rounded to two decimals."""
    return figures.number(rounded(value)) if isinstance(value, Decimal) else figures.MISSING


def _sort_key(value: object) -> str:
    """The text by which the page's script sorts a cell of numbers; empty where the number is missing."""
    return plain(value) if isinstance(value, Decimal) else "" if value is None else str(value)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for filter_ in (figures.money, figures.signed, figures.number, figures.exactly, figures.plural):
        environment.filters[filter_.__name__] = filter_
    environment.filters |= {"quantity": _quantity, "sort_key": _sort_key}
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return environment

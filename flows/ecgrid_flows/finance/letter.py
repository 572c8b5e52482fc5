"""The letter of a claim: one HTML page that opens offline and prints, all its text escaped by Jinja."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

__all__ = ["render"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")


def render(words: Mapping[str, Any]) -> str:
    """The page of these words; a text of the service is shown as text, whatever it holds."""
    return _template().render(words)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: _CONTROL.sub(" ", value) if type(value) is str else value,
        keep_trailing_newline=True,
    )
    return environment.get_template("letter.html.j2")

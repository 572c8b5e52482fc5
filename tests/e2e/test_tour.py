"""The tour, run as it stands there: every command, and each line of output that it shows, of the last full month."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecgrid_transforms.period import last_full_month, month_text

pytestmark = pytest.mark.slow

TOUR = (Path(__file__).resolve().parents[2] / "flows/TOUR.md").read_text(encoding="utf-8")
#: The month that the tour shows.
SHOWN = "2026-10"
#: Exit status 1: done, with open errors. All are decided in the tour's step 4.
WITH_OPEN_ERRORS = {"run", "findings"}


@dataclass(frozen=True)
class Step:
    command: str
    shown: tuple[str, ...]


def steps() -> list[Step]:
    """Each `$ command` of the console blocks with the lines below it, of the last full month, as the tour asks."""
    month = month_text(last_full_month())
    text = TOUR.replace(SHOWN, month).replace(SHOWN.replace("-", ""), month.replace("-", ""))
    found: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for part in block.split("$ ")[1:]:
            command, *shown = part.replace("\\\n", "").splitlines()
            found.append(Step(command, tuple(line for line in shown if line != "…")))
    return found


def is_shown(line: str, output: str) -> bool:
    """Whether the output has this line; `…` stands for anything within a line."""
    pattern = ".*".join(map(re.escape, re.split(r"\s*…\s*", line)))
    return re.search(f"^{pattern}$", output, re.MULTILINE) is not None


def test_a_line_is_compared_whole() -> None:
    assert is_shown("a … d", "a b c d")
    assert not is_shown("a … d", "a b c d e")
    assert not is_shown("a b", "a b c")


@pytest.mark.soak
def test_every_step_prints_what_the_tour_shows(billing, tmp_path: Path) -> None:
    env = {"COLUMNS": "120"}
    decided = False
    assert len(steps()) >= 10
    for step in steps():
        program, *arguments = shlex.split(step.command)
        if program == "export":  # the shell's
            env |= [argument.split("=", 1) for argument in arguments]
            continue
        done = billing(*arguments, env=env, cwd=tmp_path)
        decided = decided or "accepted" in arguments
        wanted = 1 if arguments[0] in WITH_OPEN_ERRORS and "set" not in arguments and not decided else 0
        assert done.returncode == wanted, f"{step.command}: {done.stdout}{done.stderr}"
        missing = [line for line in step.shown if not is_shown(line, done.stdout + done.stderr)]
        assert missing == [], f"{step.command}: {done.stdout}{done.stderr}"

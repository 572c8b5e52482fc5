"""The FinOps Foundation's validator on FOCUS files, in an environment of its own: it wants Python 3.12 and old pins.

    python tests/finance/validate_focus.py --prepare          make the environment (once, about two minutes)
    python tests/finance/validate_focus.py FILE.parquet …     validate; status 0 when nothing unexpected fails

Status 3: the environment is not there, or cannot be made here. It lies in ~/.cache/ecgrid-billing/focus-validator, or
where ECGRID_FOCUS_VALIDATOR says. What was learnt about the validator (focus_validator 2.2.1, model 1.2.0.1):

- it pins numpy 1.26, which has no wheel for Python 3.13, and a pyarrow from 23 on does not load beside that;
- its currency rules open a file relative to the working directory, so it runs from its own site-packages;
- its exit status is 0 whatever fails: the summary line is read instead;
- two rules of its model are faulty and fail for any invoice and any purchase (`KNOWN_FAULTS`).
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = ("focus_validator==2.2.1", "pyarrow<23")
CRITERIA = (
    "UNIT_PRICING_SUPPORTED",
    "USAGE_MEASUREMENT_SUPPORTED",
    "SUB_ACCOUNT_SUPPORTED",
    "NEGOTIATED_PRICING_SUPPORTED",
)
KNOWN_FAULTS = {
    "InvoiceId-C-004-C": "its condition is empty, so that any InvoiceId fails",
    "EffectiveCost-C-005-C": "it drops `intended to cover future charges`, so that any Purchase fails",
}
#: Fewer passes than this would mean that rules were skipped, not met.
LEAST_PASSES = 150


class NotHere(Exception):
    """The validator cannot run on this machine; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the validator said of one file: how many rules passed, and which failed."""

    passed: int
    failed: tuple[str, ...]

    @property
    def unexpected(self) -> tuple[str, ...]:
        return tuple(name for name in self.failed if name not in KNOWN_FAULTS)

    @property
    def is_good(self) -> bool:
        return not self.unexpected and self.passed >= LEAST_PASSES


def environment() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("ECGRID_FOCUS_VALIDATOR") or cache / "ecgrid-billing/focus-validator")


def python_312() -> str:
    """A Python 3.12; raises `NotHere`."""
    installed = sorted((Path.home() / ".pyenv/versions").glob("3.12.*/bin/python"))
    for candidate in (sys.executable, shutil.which("python3.12"), *map(str, installed)):
        if candidate and "3.12" in subprocess.run([candidate, "--version"], capture_output=True, text=True).stdout:
            return candidate
    raise NotHere("no Python 3.12 was found: install one (python3.12 on the PATH, or by pyenv)")


def prepare() -> None:
    """Make the environment unless it is there whole; raises `NotHere`."""
    folder = environment()
    if (folder / "ready").is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python_312(), "-m", "venv", str(folder)], check=True)
    installed = subprocess.run(
        [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS],
        capture_output=True,
        text=True,
    )
    if installed.returncode != 0:
        raise NotHere(f"pip cannot install {' and '.join(REQUIREMENTS)}: {installed.stderr.strip()[-400:]}")
    (folder / "ready").touch()


def validate(path: Path) -> Verdict:
    """Run the validator on one Parquet file; raises `NotHere` when its environment is not there."""
    folder = environment()
    if not (folder / "ready").is_file():
        raise NotHere("the validator's environment is not there: python tests/finance/validate_focus.py --prepare")
    ran = subprocess.run(
        [
            folder / "bin/focus-validator",
            *("--data-file", path.resolve()),
            *("--validate-version", "1.2"),
            "--block-download",
            *("--applicability-criteria", ",".join(CRITERIA)),
            *("--output-type", "console"),
            "--show-violations",
        ],
        cwd=next(folder.glob("lib/python3.12/site-packages")),
        capture_output=True,
        text=True,
    )
    said = ran.stdout + ran.stderr
    summary = re.search(r"Total: \d+ \| Pass: (\d+) \| Fail: (\d+) \|", said)
    if summary is None:
        raise RuntimeError(f"the validator gave no summary:\n{said[-2000:]}")
    failed = tuple(sorted(set(re.findall(r"(\S+): FAIL ", said))))
    if len(failed) != int(summary[2]):
        raise RuntimeError(f"{summary[2]} rules failed, but these were named: {failed}")
    return Verdict(int(summary[1]), failed)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prepare", action="store_true", help="make the environment first")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.parquet")
    given = parser.parse_args()
    try:
        if given.prepare:
            prepare()
        verdicts = {path: validate(path) for path in given.files}
    except NotHere as why:
        print(why, file=sys.stderr)
        return 3
    for path, verdict in verdicts.items():
        print(f"{path}: {verdict.passed} rules passed, {len(verdict.failed)} failed")
        for name in verdict.failed:
            print(f"  {name}: {KNOWN_FAULTS.get(name, 'UNEXPECTED')}")
    return 0 if all(verdict.is_good for verdict in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

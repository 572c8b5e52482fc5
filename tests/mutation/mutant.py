"""A file with one small fault, and the running of tests with it in place."""

import csv
import importlib
import os
import resource
import shutil
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: CPU seconds after which tests with a fault in place count as failed: some faults make a loop endless.
_CPU_S = 300
#: What is imported already cannot be rewritten by pytest; only the tests have to be.
_PLAIN = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
#: The tests marked `long` too, which `make test` leaves out.
_MARKED = ("-m", "not soak")
#: Packages of the checkout: a child process imports them anew, because a fault may be in one of them.
_OWN = ("ecgrid_client", "ecgrid_flows", "ecgrid_sandbox", "ecgrid_transforms", "tests")


#: Faults that change no result: with the reason why no test can find each.
EQUIVALENT = Path(__file__).with_name("equivalent.csv")


@dataclass(frozen=True)
class Mutant:
    """A file of the checkout with one fault: its path from the top, the change in words, and the whole new text.

    `place`: the code around the fault as the parser writes it, which stays when lines move.
    """

    path: Path
    change: str
    text: str
    place: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.path.as_posix(), self.change.rpartition(", ")[0], self.place


def place_of(original: str, changed: str) -> str:
    """The original around the first place where the two differ, in one line."""
    first = next(
        place for place, (one, other) in enumerate(zip(original, changed + "\0", strict=False)) if one != other
    )
    return " ".join(original[max(0, first - 40) : first + 60].split())


def equivalents() -> dict[tuple[str, str, str], str]:
    """The reasons of `EQUIVALENT`, by the key of their fault."""
    with EQUIVALENT.open(encoding="utf-8", newline="") as file:
        return {(row["path"], row["change"], row["place"]): row["reason"] for row in csv.DictReader(file)}


def copied(root: Path, folder: Path) -> Path:
    """Copy the files under `root` that git holds or would hold to `folder`, and compile the Python among them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)
    # by hash: a fault that keeps size and second of the file would otherwise not be read
    compile_ = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash"]
    subprocess.run([*compile_, "flows", "transforms", "tests"], cwd=folder, check=True)
    return folder


def preload() -> None:
    """Import what the tests import, so that a child process finds other packages imported."""
    for name in ("pytest", "hypothesis", "tests.finance.world", "tests.recon.meant"):
        importlib.import_module(name)


def is_found(mutant: Mutant, tests: Sequence[str]) -> bool:
    """Whether one of these tests fails with the fault in place, in a child process; the working directory is a copy.

    Each child imports the checkout's own packages anew.
    """
    original = mutant.path.read_bytes()
    mutant.path.write_text(mutant.text, encoding="utf-8")
    try:
        child = os.fork()
        if not child:
            _run(tests)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return True
        code = os.WEXITSTATUS(status)
        assert code != 4, f"pytest refuses {tests}"
        return code not in (0, 5)  # 5: all of them are skipped or deselected
    finally:
        mutant.path.write_bytes(original)


def _run(tests: Sequence[str]) -> None:
    """Run the tests and end this process with pytest's status."""
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        sys.dont_write_bytecode = True
        for name in [name for name in sys.modules if name.partition(".")[0] in _OWN]:
            del sys.modules[name]
        pytest = importlib.import_module("pytest")
        status = int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *_PLAIN, *_MARKED, *tests]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

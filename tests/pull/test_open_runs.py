"""Which run is current: that of the calling context, over the data directory that was given, and no other."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ecgrid_flows.errors import DataDirectoryHeld, Incomplete, SettingsError
from ecgrid_flows.extract.batches import Tally
from ecgrid_flows.extract.plan import Asked
from ecgrid_flows.extract.pull import Puller
from ecgrid_flows.orchestration import run_context, session, tasks
from ecgrid_flows.orchestration.pipeline import bill_months
from ecgrid_flows.orchestration.run_context import Context, MonthDone, Run
from ecgrid_flows.progress import Reporter
from ecgrid_flows.settings import Settings
from ecgrid_flows.storage.local import LocalStore
from ecgrid_sandbox import SpawnedSandbox, World

from .pulling import LAST_MONTH, lake_lines, true_lines

T = TypeVar("T")


@contextmanager
def over(folder: Path, **options: Any) -> Iterator[Run]:
    """A run over `folder`, opened as `monthly_billing` opens one."""
    with session.opened(str(folder), reporter=Reporter(mute=True), **options) as run:
        yield run


def in_thread(function: Callable[[], Any]) -> Any:
    """What `function` gives in a new thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function).result()


def at_once(work: Callable[[str, threading.Barrier], T]) -> list[T]:
    """`work` for the folders a and b, each in a thread, with a barrier for both; a failure of one ends the other."""
    both = threading.Barrier(2)

    def one(name: str) -> T:
        try:
            return work(name, both)
        except BaseException:
            both.abort()
            raise

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(one, ("a", "b")))


def directory() -> str:
    return run_context.current().settings.data_dir


def test_another_directory_is_another_run(tmp_path: Path) -> None:
    with over(tmp_path / "a") as first:
        with over(tmp_path / "b") as second:
            assert second.settings.data_dir == str(tmp_path / "b")
            assert run_context.current() is second
            assert second.store.exists(".lock")
        assert run_context.current() is first
        with pytest.raises(Incomplete), over(tmp_path / "b"):
            raise Incomplete("the inner run fails")
        assert run_context.current() is first
    with pytest.raises(Incomplete, match="no run is open"):
        run_context.current()


def test_the_same_directory_however_it_is_spelled_is_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("a")
    with over(tmp_path / "a") as run:
        for spelled in ("a", "./a/", "link", "b/../a"):
            with session.opened(spelled) as shared:
                assert shared is run, spelled
        with session.opened() as shared:
            assert shared is run
        with session.opened(settings=run.settings) as shared:
            assert shared is run
        with over(tmp_path / "b") as other:
            with session.opened() as shared:
                assert shared is other
            with session.opened("a") as shared:
                assert shared is run
                assert run_context.current() is run
            assert run_context.current() is other


def test_a_relative_directory_is_that_of_where_the_run_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with over(Path("a")) as run:
        monkeypatch.chdir(tmp_path / "elsewhere")
        with session.opened(str(tmp_path / "a")) as shared:
            assert shared is run
        with session.opened("a") as other:
            assert other is not run


def test_a_bucket_is_compared_by_its_address() -> None:
    assert run_context._place("s3://bucket/prefix/") == run_context._place("s3://bucket/prefix")
    assert run_context._place("s3://bucket/prefix") != run_context._place("s3://bucket/other")


def test_what_a_shared_run_cannot_do_is_refused(tmp_path: Path) -> None:
    with over(tmp_path) as run:
        for changes in ({"refresh": True}, {"settings": replace(run.settings, v3_url="https://other.example/x.asmx")}):
            with (
                pytest.raises(SettingsError, match="open with other settings or without --refresh"),
                over(tmp_path, **changes),
            ):
                pytest.fail("it must not open")
        assert run_context.current() is run
    with over(tmp_path, refresh=True) as run, over(tmp_path) as shared, over(tmp_path, refresh=True) as refreshing:
        assert shared is run
        assert refreshing is run


def test_two_threads_have_two_directories_at_once(tmp_path: Path) -> None:
    def work(name: str, both: threading.Barrier) -> tuple[str, str]:
        with over(tmp_path / name) as run:
            both.wait()
            found = run.settings.data_dir, directory()
            both.wait()
            return found

    assert at_once(work) == [(str(tmp_path / name),) * 2 for name in ("a", "b")]


def test_another_thread_never_finds_a_run_that_is_not_its_own(tmp_path: Path) -> None:
    def same() -> None:
        with over(tmp_path / "a"):
            pytest.fail("it must not open")

    def other() -> str:
        with over(tmp_path / "b"):
            return directory()

    with over(tmp_path / "a") as run:
        with pytest.raises(Incomplete, match="no run is open in this thread"):
            in_thread(run_context.current)
        with pytest.raises(DataDirectoryHeld):
            in_thread(same)
        assert in_thread(other) == str(tmp_path / "b")
        assert run_context.current() is run


def test_a_thread_that_copies_the_context_has_its_run_until_that_ends(tmp_path: Path) -> None:
    """As Prefect does for its tasks. A run that has ended is never given out, nor the one around it instead."""
    with over(tmp_path / "a"):
        with over(tmp_path / "b") as run:
            context = copy_context()
            assert in_thread(lambda: context.run(run_context.current)) is run
        with pytest.raises(Incomplete, match="no run is open"):
            in_thread(lambda: context.run(run_context.current))

    def anew() -> Run:
        with over(tmp_path / "b") as run:
            return run

    assert in_thread(lambda: context.run(anew)) is not run


def test_a_worker_process_has_one_context_for_all_its_threads(tmp_path: Path) -> None:
    settings, store = Settings(data_dir=str(tmp_path)), LocalStore(tmp_path)
    run, second = (Context(settings, store, Puller(settings, store)) for _ in range(2))
    run_context.enter_worker(run)
    try:
        assert in_thread(run_context.current) is run
        with pytest.raises(SettingsError, match="start each in its own process"):
            run_context.enter_worker(second)
        run_context.leave_worker(second)
        assert run_context.current() is run
    finally:
        run_context.leave_worker(run)
    with pytest.raises(Incomplete):
        run_context.current()


@pytest.fixture
def served(sandbox: SpawnedSandbox, few_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings of this process, as a caller of `monthly_billing` has them; and no report."""
    for name, value in sandbox.settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ECGRID_ACCOUNTS", str(few_file))
    monkeypatch.setenv("ECGRID_DATA_DIR", str(tmp_path / "default"))
    # Its kernel's client leaves an event loop open in a thread, which pytest reports.
    monkeypatch.setattr(tasks, "report", lambda *_: None)


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.usefixtures("served")
def test_two_threads_bill_into_the_directories_that_they_were_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World, few: list[tuple[int, int]]
) -> None:
    """Each pulls while the other's run is open, by threads of its own; and a third directory stays untouched."""
    pull, pull_batch, pulled_by = tasks.pull, Puller.pull_batch, set()

    def work(name: str, both: threading.Barrier) -> MonthDone:
        barriers[str(tmp_path / name)] = both
        with over(tmp_path / name) as run:
            (done,) = bill_months(run, [LAST_MONTH])
        return done

    def pulled(run: Run, month: date, size: int) -> Tally:
        both = barriers[run.settings.data_dir]
        both.wait()
        tally = pull(run, month, size)
        both.wait()
        return tally

    def noted(puller: Puller, month: date, asked: Sequence[Asked]) -> Tally:
        pulled_by.add((puller.settings.data_dir, threading.current_thread().name.split("_")[0]))
        return pull_batch(puller, month, asked)

    barriers: dict[str, threading.Barrier] = {}
    monkeypatch.setattr(tasks, "pull", pulled)
    monkeypatch.setattr(Puller, "pull_batch", noted)
    done = at_once(work)
    right = true_lines(world, accounts=few)
    for one, name in zip(done, ("a", "b"), strict=True):
        assert lake_lines(tmp_path / name) == right
        assert one.lines == len(right)
        assert {path.is_relative_to(tmp_path / name) for path in one.exports} == {True}
    assert pulled_by == {(str(tmp_path / name), "task") for name in ("a", "b")}
    assert not (tmp_path / "default").exists()


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.usefixtures("served")
def test_a_month_billed_inside_a_run_goes_where_it_was_given(tmp_path: Path) -> None:
    with over(tmp_path / "a") as outer:
        with over(tmp_path / "b") as inner:
            (done,) = bill_months(inner, [LAST_MONTH])
        assert outer.results == []
    assert {path.is_relative_to(tmp_path / "b/exports") for path in done.exports} == {True}
    assert not (tmp_path / "a/lake").exists()
    assert not (tmp_path / "a/exports").exists()

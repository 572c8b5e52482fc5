"""Logs: text lines on stderr, and JSON lines in a file if one is set. No secret reaches either.

    WARNING   what needs a person's attention; the default on stderr
    INFO      one line per stage: `stage=land month=2026-10 status=done ms=812`; the default of a file
    DEBUG     one line per call, by `ecgrid_client`: `op=v3.2.NetworkInfo key=4440 status=200 ms=31`, never an envelope

Secrets are masked where a record is made, so every handler receives the masked one, including Prefect's, which send
records to a server. Library records below INFO are never shown: at DEBUG zeep logs whole envelopes with their
passwords, botocore and httpcore log request headers.
"""

import functools
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TextIO, TypeVar

from ecgrid_flows.errors import SettingsError
from ecgrid_transforms.period import month_text

if TYPE_CHECKING:
    from ecgrid_client.masking import Masker

__all__ = ["LEVELS", "SHOWN", "attach", "hide", "masked", "set_up", "stage", "staged"]

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
#: Logger for what a command prints itself (its warnings, its last message): to the file only, not again to stderr.
SHOWN = logging.getLogger("ecgrid_flows.shown")
SHOWN.propagate = False
SHOWN.addHandler(logging.NullHandler())

_OURS = ("ecgrid_client", "ecgrid_flows", "ecgrid_sandbox")
#: It logs every request at INFO: a schedule that polls its server would fill 20,000 lines a day.
_VERBOSE = "httpx"
#: Environment variables of other programs that hold secrets.
_FOREIGN = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING")
_PLAIN = logging.getLogRecordFactory()

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


def set_up(level: str | None = None, file: str | None = None) -> None:
    """Log at `level` (one of `LEVELS`) to stderr and `file`; None keeps the previous setting.

    Raises `SettingsError` for an unknown level or a file that cannot be written.
    """
    if level is not None:
        if level.upper() not in LEVELS:
            raise SettingsError(f"the log level is {level[:20]!r}: write {', '.join(LEVELS)}")
        _STATE.level = level.upper()
    if file is not None:
        _STATE.file = _opened(file)
    logging.setLogRecordFactory(_record)
    attach()


def attach() -> None:
    """Attach the handlers again: Prefect replaces those of the root logger when it is first imported."""
    stderr = _STATE.stderr
    stderr.setLevel(_STATE.level or "WARNING")
    handlers: list[logging.Handler] = [stderr]
    if _STATE.file is not None:
        _STATE.file.setLevel(_STATE.level or "INFO")
        handlers.append(_STATE.file)
        SHOWN.handlers = [_STATE.file]
    level = min(handler.level for handler in handlers)
    for name in _OURS:
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate = False
        for handler in handlers:
            logger.addHandler(handler)
    root = logging.getLogger()
    others = [handler for handler in root.handlers if handler not in handlers]
    for handler in handlers:
        if handler is not stderr or not others:  # a console handler of Prefect shows the same on stderr
            root.addHandler(handler)
    root.setLevel(max(level, logging.INFO))
    logging.getLogger(_VERBOSE).setLevel(logging.WARNING)  # for Prefect's own handlers, on stderr too


def hide(*secrets: str | None) -> None:
    """Mask these secrets from now on, in every log record of this process."""
    _STATE.secrets.update(secret for secret in secrets if secret)


def masked(text: str) -> str:
    """`text` with the registered secrets masked."""
    from ecgrid_client.masking import MASKER, Masker

    if _STATE.masker is None:
        _STATE.masker = Masker()
        hide(*(os.environ.get(name) for name in _FOREIGN))
    while _STATE.secrets:
        _STATE.masker.learn(_STATE.secrets.pop())
    return _STATE.masker.text(MASKER.text(text))


@contextmanager
def stage(name: str, month: date | str | None = None) -> Iterator[None]:
    """Log one line at INFO when the block ends: stage, month, status and duration."""
    began = time.monotonic()
    shown = month_text(month) if isinstance(month, date) else month or "-"
    status = "failed"
    try:
        yield
        status = "done"
    finally:
        log.info("stage=%s month=%s status=%s ms=%d", name, shown, status, (time.monotonic() - began) * 1000)


def staged(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Log a function as a stage; its month is its first argument that is a date or a string, if there is one."""

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def logged(*args: P.args, **kwargs: P.kwargs) -> R:
            month = next((one for one in (*args, *kwargs.values()) if isinstance(one, date | str)), None)
            with stage(name, month):
                return function(*args, **kwargs)

        return logged

    return wrap


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to the current `sys.stderr`: a progress display replaces it, and lines then stay whole."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None: ...


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if record.exc_text:
            line["exception"] = record.exc_text
        return json.dumps(line, ensure_ascii=False)


class _State:
    """The logging set-up of this process."""

    def __init__(self) -> None:
        self.level: str | None = None
        self.file: logging.Handler | None = None
        self.stderr = _Stderr()
        form = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        form.converter = time.gmtime
        self.stderr.setFormatter(form)
        self.stderr.addFilter(_is_shown)
        #: Registered with the masker at the next record, so that a command that logs nothing does not import it.
        self.secrets: set[str] = set()
        self.masker: Masker | None = None


def _is_shown(record: logging.LogRecord) -> bool:
    """Whether a handler shows the record: ours at every level, a library's from INFO up, httpx's from WARNING up."""
    least = logging.WARNING if record.name == _VERBOSE else logging.INFO
    return record.levelno >= least or record.name.split(".", 1)[0] in _OURS


def _opened(path: str) -> logging.Handler:
    """A handler that appends to `path`, created readable by its owner alone, and reopens it after rotation."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
        handler = WatchedFileHandler(path, encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise SettingsError(f"the log file {Path(path)} cannot be written ({reason}): choose another") from error
    handler.setFormatter(_Json())
    handler.addFilter(_is_shown)
    return handler


def _record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """A log record without secrets, its traceback included."""
    record = _PLAIN(*args, **kwargs)
    try:
        text = record.getMessage()
    except Exception:  # the arguments do not match the format: Python would print them unmasked
        record.msg, record.args, text = str(record.msg), (), ""
    clean = masked(text or str(record.msg))
    if clean != text:
        record.msg, record.args = clean, ()  # without arguments `%` in the text is literal
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = masked("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
    if record.stack_info:
        record.stack_info = masked(record.stack_info)
    return record


_STATE = _State()

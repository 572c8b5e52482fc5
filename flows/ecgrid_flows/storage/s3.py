"""The store on S3-compatible storage: `ECGRID_DATA_DIR=s3://bucket/prefix` (extra `scale`: obstore).

Endpoint, region and credentials come from the usual AWS variables and files (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_PROFILE`, …; a profile or a role by boto3); none of them is stored here. Besides GET, PUT,
DELETE and LIST the storage must support the conditional PUT (`If-None-Match: *`, `If-Match: <etag>`), on which the lock
and the manifests depend; `prepare` verifies it. There is no rename, and nothing here needs one:

- an object is PUT in one request, so a reader sees the old one or the new one, whole;
- a growing segment is a sequence of objects, `<name>.00000.jsonl`, `<name>.00001.jsonl`, …; `sync` PUTs new pieces. The
  last object is PUT again with every `sync` until it holds `CHUNK_BYTES`, so that a slow service does not leave one
  object per response; `sync_all` runs at most every `SYNC_EVERY_S`. An object therefore never ends within a piece;
- `quarantine` copies, then deletes.

A request that fails in transit (5xx, throttled, broken connection, torn response) is retried with jitter, in one place.
A conditional PUT whose response was lost may have been executed: when the retry is refused, the stored object is
compared.
"""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from ecgrid_flows.errors import SettingsError, StorageFailed
from ecgrid_flows.storage.base import QUARANTINE, Appender, Entry, Quarantined, disk_errors, free_name, sha256_of_file
from ecgrid_flows.storage.s3_lease import Stored, held

#: A growing object is closed at this size; at most this much is PUT again with a flush.
CHUNK_BYTES = 1 << 19
SYNC_EVERY_S = 0.1
#: An object is downloaded in pieces of this size.
PIECE_BYTES = 1 << 23
ATTEMPTS, ATTEMPTS_TO_PREPARE = 10, 5
LONGEST_WAIT_S = 8.0
#: Concurrent requests of one bulk operation (fetching parts, syncing segments).
IN_FLIGHT = 16
#: Objects per page of a listing; S3's maximum.
PAGE = 1000
CACHE_DAYS = 14
PROBE = ".probe-"

_RETRY_CODES = frozenset(
    {
        "ConditionalRequestConflict",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
    }
)
#: In the text of an error: S3's code, and the status.
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status (?:code )?(\d{3})")
_REFUSED = frozenset({"PreconditionFailed", "412"})
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_REASONS = {
    "AccessDenied": "permission is denied: grant s3:GetObject, PutObject, DeleteObject and ListBucket on it",
    "403": "permission is denied: grant s3:GetObject, PutObject, DeleteObject and ListBucket on it",
    "NoSuchBucket": "there is no such bucket: create it, or correct ECGRID_DATA_DIR",
    "InvalidAccessKeyId": "the storage rejects this AWS_ACCESS_KEY_ID: correct the credentials",
    "SignatureDoesNotMatch": "the storage rejects the signature: correct AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "the credentials have expired: renew them and run again",
    "InvalidBucketName": "this is not a valid bucket name: write s3://bucket/prefix",
    "QuotaExceeded": "the storage's quota is used up: free space and run again",
    "XMinioStorageFull": "the storage is full: free space and run again",
    "NoCredentials": "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
}


T = TypeVar("T")


class _Answer(Exception):
    """The storage refused one request: `code` is S3's error code, the status, or the name of the transport error."""

    def __init__(self, code: str, status: int | None, should_retry: bool) -> None:
        super().__init__(code)
        self.code, self.status, self.should_retry = code, status, should_retry


class S3Store:
    """A bucket, or a prefix of one. Thread-safe; created anew in every process."""

    is_self_checking = True

    def __init__(self, root: str, cache: Path) -> None:
        """`root` is `s3://bucket/prefix`; `cache` is a local folder for objects that must be local files.

        Raises `SettingsError` when the extra is not installed or `root` names no bucket.
        """
        self._bucket, _, self._prefix = root.removeprefix("s3://").strip("/").partition("/")
        self.root = f"s3://{self._bucket}/{self._prefix}".rstrip("/")
        if not self._bucket:
            raise SettingsError(f"ECGRID_DATA_DIR is {root}: write s3://bucket/prefix")
        self._cache = cache / "objects"
        self.spool = cache / "spool"
        self._synced_at = 0.0
        #: Until the storage has carried out one request, a failure is a fault of the settings.
        self._has_answered = False
        self._store = _bucket(self._bucket, self.root)
        self._hashes: dict[Entry, str] = {}
        self._fence: Callable[[], str | None] = lambda: None

    # -- the Store interface --------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Verify that the storage responds, is writable and honours conditions; raises `SettingsError`."""
        probe = f"{PROBE}{secrets.token_hex(6)}"
        try:
            first = self._put(probe, b"1", None, ATTEMPTS_TO_PREPARE)
            second = self._put(probe, b"2", None, ATTEMPTS_TO_PREPARE)
            third = self._put(probe, b"3", '"0123456789abcdef0123456789abcdef"', ATTEMPTS_TO_PREPARE)
            self._ask(self._store.delete, probe, ATTEMPTS_TO_PREPARE)
        except _Answer as answer:
            raise self._unusable(answer) from answer
        if first is None or second is not None or third is not None:
            raise SettingsError(
                f"the storage behind {self.root} ignores conditional writes (If-None-Match, If-Match), without which "
                f"two runs would overwrite each other: update it, or use another storage"
            )

    def read(self, path: str) -> bytes:
        with self._errors(path):
            return self._ask(self._whole, path).body

    def open(self, path: str) -> BinaryIO:
        local = self.local(path)
        with disk_errors(local):
            return Path(local).open("rb")

    def write(self, path: str, data: bytes) -> None:
        with self._errors(path):
            self._guard()
            self._ask(self._store.put, path, ATTEMPTS, data)

    def write_if(self, path: str, data: bytes, version: str | None) -> bool:
        """PUT if the object is still `version` (None: still absent). True also when it already has this content."""
        with self._errors(path):
            self._guard()
            return self._put(path, data, version) is not None

    def version(self, path: str) -> str | None:
        with self._errors(path):
            found = self._head(path)
            return None if found is None else str(found["e_tag"])

    def appender(self, path: str) -> "S3Appender":
        return S3Appender(self, path)

    def sync_all(self, appenders: Iterable[Appender]) -> None:
        """`sync` each, concurrently: their requests do not wait for one another."""
        several = list(appenders)
        time.sleep(max(self._synced_at + SYNC_EVERY_S - time.monotonic(), 0))
        self._synced_at = time.monotonic()
        if len(several) == 1:
            several[0].sync()
        elif several:
            with ThreadPoolExecutor(min(IN_FLIGHT, len(several)), thread_name_prefix="sync") as pool:
                list(pool.map(lambda one: one.sync(), several))

    def entries(self, folder: str) -> Iterator[Entry]:
        """Every object below `folder`, in path order."""
        with self._errors(folder):
            for path, found in self._listed(folder.strip("/")):
                if not any(name.startswith(".") for name in path.split("/")):
                    yield Entry(path, int(found["size"]), str(found["e_tag"] or ""))

    def holds(self, entry: Entry, sha256: str) -> bool:
        """Checks the local copy; where that differs it is fetched again, because the copy may be what is damaged."""
        if entry not in self._hashes:
            copy = Path(self.local(entry.path))
            with disk_errors(str(copy)):
                self._hashes[entry] = sha256_of_file(copy)
                if self._hashes[entry] != sha256:
                    copy.unlink(missing_ok=True)
                    self._hashes[entry] = sha256_of_file(Path(self.local(entry.path)))
        return self._hashes[entry] == sha256

    def exists(self, path: str) -> bool:
        with self._errors(path):
            return self._head(path) is not None

    def written_at(self, path: str) -> datetime | None:
        with self._errors(path):
            found = self._head(path)
        if found is None:
            return None
        at: datetime = found["last_modified"]
        return at.astimezone(UTC).replace(microsecond=0)

    def delete(self, path: str) -> None:
        with self._errors(path):
            self._guard()
            self._ask(self._store.delete, path)

    def quarantine(self, path: str, why: str) -> Quarantined:
        with self._errors(path):
            self._guard()
            now = free_name(self, f"{QUARANTINE}/{path}")
            self._ask(self._store.copy, path, ATTEMPTS, self._key(now))
            self._ask(self._store.delete, path)
        return Quarantined(path, now, why)

    def uri(self, path: str) -> str:
        return f"{self.root}/{path}"

    def drop_half_written(self) -> None:
        """Store what runs killed on this machine left in the spool, and remove their probes."""
        with disk_errors(str(self.spool)):
            for left in sorted(self.spool.rglob("*")):
                if left.is_file():
                    self._store_spooled(left)
        with self._errors(""):
            for path, _ in self._listed(""):
                if path.startswith(PROBE):
                    self._ask(self._store.delete, path)

    def _store_spooled(self, left: Path) -> None:
        """The stored object is a prefix of the spool file. A locked spool file has a live writer."""
        with left.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if data := file.read():
                self.write(left.relative_to(self.spool).as_posix(), data)
            left.unlink(missing_ok=True)

    def local(self, path: str) -> str:
        """The object as a local file, fetched unless this version is already there."""
        with self._errors(path):
            head = self._head(path)
            if head is None:
                raise _Answer("NoSuchKey", 404, False)
            etag, size = str(head["e_tag"]), int(head["size"])
            name = hashlib.sha256(f"{path}\n{etag}".encode()).hexdigest()[:40]
            target = self._cache / name[:2] / f"{name}-{path.rsplit('/', 1)[-1]}"
            with disk_errors(str(target)):
                if target.is_file() and target.stat().st_size == size:
                    os.utime(target)
                    return str(target)
                target.parent.mkdir(parents=True, exist_ok=True)
                half = target.with_name(f".half-{secrets.token_hex(6)}")
                try:
                    self._fetch(path, etag, size, half)
                    half.replace(target)
                finally:
                    half.unlink(missing_ok=True)
        return str(target)

    def locals(self, paths: Sequence[str]) -> list[str]:
        """`local` of each, several at a time; then cached files unused for `CACHE_DAYS` are deleted."""
        if not paths:
            return []
        with ThreadPoolExecutor(min(IN_FLIGHT, len(paths)), thread_name_prefix="fetch") as pool:
            found = list(pool.map(self.local, paths))
        oldest = time.time() - CACHE_DAYS * 86_400
        with suppress(OSError):
            for file in self._cache.glob("*/*"):
                if file.stat().st_mtime < oldest:
                    file.unlink(missing_ok=True)
        return found

    # -- the lock (`s3_lease`) ----------------------------------------------------------------------------------------

    def lock(self, purpose: str) -> AbstractContextManager[None]:
        """Hold the bucket's prefix for the length of the block; raises `DataDirectoryHeld` when another run does."""
        return held(self, purpose)

    def stored(self, path: str) -> Stored | None:
        """The object with its version and time; None when it is absent."""
        with self._errors(path):
            return self._get(path)

    def now(self) -> datetime:
        """The time by the storage's own clock: when it received an object, which is deleted again."""
        probe = f"{PROBE}{secrets.token_hex(6)}"
        with self._errors(probe):
            self._ask(self._store.put, probe, ATTEMPTS, b"")
            now: datetime = self._ask(self._store.head, probe)["last_modified"]
            self._ask(self._store.delete, probe)
        return now

    def put_if(self, path: str, data: bytes, version: str | None, attempts: int = ATTEMPTS) -> str | None:
        """`write_if` that returns the new version, or None where the condition does not hold. No fence applies."""
        with self._errors(path):
            return self._put(path, data, version, attempts)

    def fence(self, why_not: Callable[[], str | None]) -> None:
        """Call `why_not` before every write; a reason that it returns refuses the write."""
        self._fence = why_not

    def _guard(self) -> None:
        if (why := self._fence()) is not None:
            raise StorageFailed(f"{self.root}: {why}; writing has stopped: run again")

    # -- requests -----------------------------------------------------------------------------------------------------

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix and path else self._prefix or path

    def _get(self, path: str, attempts: int = ATTEMPTS) -> Stored | None:
        try:
            return self._ask(self._whole, path, attempts)
        except _Answer as refused:
            if refused.code in _ABSENT:
                return None
            raise

    def _whole(self, key: str) -> Stored:
        found = self._store.get(key)
        return Stored(bytes(found.bytes()), str(found.meta["e_tag"]), found.meta["last_modified"])

    def _part(self, key: str, offset: int, length: int, etag: str) -> bytes:
        wanted = {"range": (offset, offset + length), "if_match": etag}
        return bytes(self._store.get(key, options=wanted).bytes())

    def _head(self, path: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._ask(self._store.head, path)
        except _Answer as answer:
            if answer.code in _ABSENT:
                return None
            raise
        return found

    def _put(self, path: str, data: bytes, version: str | None, attempts: int = ATTEMPTS) -> str | None:
        """A conditional PUT. A retry may be refused although the first request succeeded: then the object is ours."""
        mode: Any = "create" if version is None else {"e_tag": version}
        try:
            return str(self._ask(lambda key: self._store.put(key, data, mode=mode), path, attempts)["e_tag"])
        except _Answer as answer:
            if answer.code not in _REFUSED | _ABSENT:
                raise
            found = self._get(path, attempts)
            return found.version if found is not None and found.body == data else None

    def _listed(self, folder: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each object below `folder` with its path, in path order; one request per page."""

        def page_after(prefix: str, last: str | None) -> Sequence[Mapping[str, Any]]:
            return next(iter(self._store.list(prefix or None, offset=last, chunk_size=PAGE)), ())

        last = None
        while page := self._ask(page_after, folder, ATTEMPTS, last):
            last = str(page[-1]["path"])
            for found in page:
                yield str(found["path"])[len(self._prefix) + 1 if self._prefix else 0 :], found

    def _fetch(self, path: str, etag: str, size: int, target: Path) -> None:
        """Download the object into `target` in pieces, so that no part of the lake is held whole in memory."""
        with target.open("xb") as file:
            for offset in range(0, size, PIECE_BYTES):
                length = min(PIECE_BYTES, size - offset)
                file.write(self._ask(self._part, path, ATTEMPTS, offset, length, etag))

    def _ask(self, do: Callable[..., T], path: str, attempts: int = ATTEMPTS, /, *arguments: Any) -> T:
        """One request, retried while its error is transient. The only place that retries."""
        for attempt in Retrying(
            stop=stop_after_attempt(attempts if self._has_answered else min(attempts, ATTEMPTS_TO_PREPARE)),
            wait=wait_exponential_jitter(multiplier=0.1, max=LONGEST_WAIT_S, jitter=0.2),
            retry=retry_if_exception(lambda error: isinstance(error, _Answer) and error.should_retry),
            reraise=True,
        ):
            with attempt:
                try:
                    answer = do(self._key(path), *arguments)
                except Exception as error:
                    raise _answer_of(error) from None  # its text may hold the request
                self._has_answered = True
                return answer
        raise AssertionError("Retrying ends by an answer or an exception")

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        """Convert the storage's refusal inside to `StorageFailed`, naming the object; the first to `SettingsError`."""
        try:
            yield
        except _Answer as answer:
            if not self._has_answered and answer.code not in _ABSENT:
                raise self._unusable(answer) from answer
            raise StorageFailed(f"{self.uri(path)} cannot be used; {_reason(answer)}") from answer

    def _unusable(self, answer: _Answer) -> SettingsError:
        return SettingsError(f"the data directory {self.root} cannot be used; {_reason(answer)}")


class S3Appender:
    """A growing segment: `sync` makes the appended pieces durable in the bucket (see the module).

    Until then pieces are also in a local spool file, one per object, so that a killed process loses none: the next run
    that holds the data directory on this machine stores them (`S3Store.drop_half_written`).
    """

    def __init__(self, store: S3Store, path: str) -> None:
        self._store = store
        self._stem, self._dot, self._suffix = path.rpartition(".")
        self._lock = threading.Lock()  # `append` and `sync` are called from different threads
        self._sync_lock = threading.Lock()
        self._size = 0
        self._chunks = [self._chunk(0)]

    def append(self, piece: bytes) -> int:
        with self._lock:
            begin = self._size
            chunk = self._chunks[-1]
            if chunk.size and chunk.size + len(piece) > CHUNK_BYTES:
                chunk = self._chunk(chunk.number + 1)
                self._chunks.append(chunk)
            chunk.add(piece)
            self._size += len(piece)
            return begin

    def sync(self) -> None:
        with self._sync_lock:
            with self._lock:
                waiting = [(chunk, len(chunk.pieces)) for chunk in self._chunks]
            for chunk, pieces in waiting:
                if pieces > chunk.sent:
                    self._store.write(chunk.path, b"".join(chunk.pieces[:pieces]))
                    chunk.sent = pieces
            with self._lock:
                # `append` opens the next chunk only when one is full, so all but the last are full and stored.
                for chunk, _ in waiting[:-1]:
                    chunk.drop()
                del self._chunks[: len(waiting) - 1]

    def close(self) -> None:
        """Release the spool; unsynced pieces stay in it."""
        with self._lock:
            for chunk in self._chunks:
                if chunk.sent == len(chunk.pieces):
                    chunk.drop()
                else:
                    chunk.release()

    def _chunk(self, number: int) -> "_Chunk":
        path = f"{self._stem}.{number:05}{self._dot}{self._suffix}"
        return _Chunk(number, path, self._store.spool / path)


class _Chunk:
    """One object of a segment: its pieces, how many are stored, and its spool file, locked while it is ours."""

    def __init__(self, number: int, path: str, spool: Path) -> None:
        self.number, self.path = number, path
        self.pieces: list[bytes] = []
        self.size = self.sent = 0
        self._spool = spool
        with disk_errors(str(spool)):
            spool.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(spool, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def add(self, piece: bytes) -> None:
        with disk_errors(str(self._spool)):
            if os.write(self._file, piece) != len(piece):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.pieces.append(piece)
        self.size += len(piece)

    def drop(self) -> None:
        self._spool.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        os.close(self._file)


def _bucket(name: str, root: str) -> Any:
    """obstore's client, with its own retries off: only `_ask` retries."""
    try:
        from obstore.store import S3Store as Bucket
    except ImportError as error:
        raise SettingsError(
            "a data directory on s3:// needs the extra `scale`: pip install 'ecgrid-billing[scale]'"
        ) from error
    options: dict[str, Any] = {"retry_config": {"max_retries": 0}, "virtual_hosted_style_request": True}
    options["client_options"] = {"allow_http": True, "connect_timeout": "10s", "timeout": "30s"}
    if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        # other storages rarely support bucket.host names
        options |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    if "AWS_ACCESS_KEY_ID" not in os.environ:  # a profile or a role: boto3 reads them all
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider

        session = boto3.Session()
        if session.get_credentials() is None:
            raise SettingsError(f"the data directory {root} cannot be used; {_REASONS['NoCredentials']}")
        options |= {"credential_provider": Boto3CredentialProvider(session)}
        options |= {"region": session.region_name} if session.region_name else {}
    return Bucket(name, **options)


def _answer_of(error: Exception) -> _Answer:
    """An error of obstore as its code, and whether a retry may help. Its text holds the storage's response."""
    from obstore import exceptions

    code = found[1] if (found := _CODE.search(str(error))) else ""
    status = int(found[1]) if (found := _STATUS.search(str(error))) else None
    if isinstance(error, FileNotFoundError):
        return _Answer(code or "404", 404, False)
    if isinstance(error, exceptions.AlreadyExistsError | exceptions.PreconditionError):
        return _Answer(code or "412", 412, code in _RETRY_CODES)
    if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError):
        return _Answer(code or "403", 403, False)
    may_pass = status is None or status >= 500 or status == 429 or code in _RETRY_CODES
    return _Answer(code or str(status or type(error).__name__), status, may_pass)


def _reason(answer: _Answer) -> str:
    if answer.code in _REASONS:
        return _REASONS[answer.code]
    if answer.code in _ABSENT:
        return "it no longer exists: was the data directory moved or deleted during the run?"
    if answer.should_retry:
        return f"the storage failed at every attempt ({answer.code}): run again when it is available"
    return f"the storage returned {answer.code}: correct it and run again"

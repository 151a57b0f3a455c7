"""Remote places: listing them, and copying their files one by one for as long as each is read.

Everything goes through fsspec, so whatever it opens can be named: `s3://`, `gs://`, `hf://`,
`https://` and more. A file is copied to a temporary one before it is read: then every form works
alike, a broken connection is taken up where it broke, and hash and content are of the same bytes.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import fsspec

from data_prep.errors import AccessError, DataError
from data_prep.extras import how_to_install
from data_prep.limits import Limits
from data_prep.readers.session import UnreadableError

__all__ = [
    "NUM_TRIES",
    "RemoteFile",
    "Retries",
    "downloaded",
    "is_remote",
    "list_remote",
    "open_filesystem",
    "shown",
]

NUM_TRIES: Final = 6
"""How often something is tried in all; waits double from half a second: 16 seconds together."""

_FIRST_WAIT_S: Final = 0.5
_BLOCK_BYTES: Final = 1 << 20
_MAX_LIST_BYTES: Final = 64 << 20
_URL: Final = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_PATTERN: Final = re.compile(r"[*?\[]")
_LIST_SUFFIXES: Final = (".txt", ".list", ".urls")

_CREDENTIALS: Final = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws sso login`;"
    " for a public bucket set FSSPEC_S3_ANON=true",
    "gs": "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a"
    " key file; for a public bucket set FSSPEC_GS_TOKEN=anon",
    "hf": "run `hf auth login`, or set HF_TOKEN; a gated dataset must be asked for on its page",
    "https": "only addresses that need no login are read; sign the address, or fetch the files",
}
_EXTRAS: Final = {"s3": "s3", "gs": "gs", "https": "https"}
_SCHEME_NAMES: Final = {"gcs": "gs", "s3a": "s3", "http": "https"}
_CREDENTIAL_ERRORS: Final = frozenset(
    {
        *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
        *(
            "ProfileNotFound",
            "UnauthorizedSSOTokenError",
            "SSOTokenLoadError",
            "TokenRetrievalError",
        ),
        *("DefaultCredentialsError", "RefreshError", "GoogleAuthError"),
        *("GatedRepoError", "RepositoryNotFoundError", "LocalTokenNotFoundError"),
    }
)
_LIBRARY_ERRORS: Final = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("gcsfs.retry", "HttpError"),
    ("httpx", "HTTPError"),
    ("huggingface_hub.errors", "HfHubHTTPError"),
    ("huggingface_hub.errors", "LocalTokenNotFoundError"),
)
_LASTING: Final = (
    *(FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError),
    FileExistsError,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file of a remote place."""

    url: str
    relative: str
    """Its path below what was named, with /."""

    num_bytes: int
    """Size; 0 where the server does not tell."""

    version: str
    """ETag, hash or time of change: another one means other content. Empty where not told."""

    is_named: bool
    """It was named itself, not found below a prefix."""


class Retries:
    """Tries again what failed for a passing reason, and counts."""

    def __init__(self, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """Begin to count.

        Args:
            url: What is tried, for messages.
            sleep: Waits between tries.
        """
        self.num_retries = 0
        self._url, self._sleep = url, sleep

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` returns.

        Raises:
            AccessError: Credentials are missing or refused for all of the place.
            FileNotFoundError, PermissionError: The file is gone, or closed to us.
            DataError: It failed `NUM_TRIES` times.
        """
        for number in range(NUM_TRIES):
            try:
                return work()
            except _errors() as error:
                if isinstance(error, DataError | UnreadableError):
                    raise
                _raise_lasting(error, self._url)
                if number == NUM_TRIES - 1:
                    raise DataError(
                        f"{shown(self._url)}: failed {NUM_TRIES} times, last with {_said(error)}. "
                        "Run the same command again when the place can be reached"
                    ) from error
            self.num_retries += 1
            self._sleep(_FIRST_WAIT_S * 2**number * _jitter(self._url, number))
        raise AssertionError("the loop returns or raises")


def is_remote(place: object) -> bool:
    """Tell whether an input is an address ("s3://bucket/prefix") rather than a path."""
    return isinstance(place, str) and _URL.match(place) is not None


def list_remote(url: str) -> list[RemoteFile]:
    """Return the files below an address, sorted by name: of a file, a folder, or a pattern (*, ?).

    A text file of addresses, one a line (`.txt`, `.list` or `.urls`), stands for these.

    Raises:
        AccessError: A library or credentials are missing; says which and what to do.
        DataError: There is nothing, or the place cannot be reached.
    """
    retries = Retries(url)
    filesystem, path = open_filesystem(url)
    try:
        found = retries.call(lambda: _find(filesystem, path))
    except FileNotFoundError:
        raise DataError(
            f"{shown(url)} does not exist; name a folder, a file or a pattern"
        ) from None
    except PermissionError as error:
        raise AccessError(_denied(url, error)) from None
    is_single = len(found) == 1 and next(iter(found)).rstrip("/") == path.rstrip("/")
    if is_single and path.lower().endswith(_LIST_SUFFIXES):
        listed = _addresses_in(filesystem, path, url, retries)
        if listed:
            return [file for address in listed for file in list_remote(address)]
    root = _root_of(path, is_single=is_single)
    files = [
        RemoteFile(
            url=str(filesystem.unstrip_protocol(name)),
            relative=shown(name).removeprefix(shown(root)).lstrip("/"),
            num_bytes=int(info.get("size") or 0),
            version=_version_of(info),
            is_named=is_single,
        )
        for name, info in sorted(found.items())
        if info.get("type", "file") == "file"
    ]
    return [file for file in files if file.relative and not file.url.endswith("/")]


@contextmanager
def downloaded(
    url: str, num_bytes: int, limits: Limits, sleep: Callable[[float], None] = time.sleep
) -> Iterator[tuple[Path, int]]:
    """Give a temporary copy of a remote file, and how often something was tried again.

    Args:
        url: The file.
        num_bytes: Size as it was listed; 0 where it was not told.
        limits: Cap on the size.
        sleep: Waits between tries.

    Raises:
        UnreadableError: Gone, closed to us, or too large: the file is rejected, others go on.
        AccessError: Credentials are missing.
        DataError: It cannot be reached although it was tried again and again.
    """
    if num_bytes > limits.max_container_bytes:
        raise UnreadableError(f"larger than {limits.max_container_bytes:,} bytes")
    retries = Retries(url, sleep)
    filesystem, path = open_filesystem(url)
    with tempfile.NamedTemporaryFile(prefix="rrweb-bert-") as copy:
        try:
            retries.call(lambda: _copy(filesystem, path, copy, num_bytes, limits))
        except FileNotFoundError:
            raise UnreadableError("cannot be read: it is gone since it was listed") from None
        except PermissionError:
            raise UnreadableError("cannot be read: access denied") from None
        copy.flush()
        yield Path(copy.name), retries.num_retries


def _copy(filesystem: Any, path: str, copy: IO[bytes], num_bytes: int, limits: Limits) -> None:
    """Copy a file from where the copy stands on; called again after a broken connection."""
    place = copy.tell()
    with filesystem.open(path, "rb", block_size=_BLOCK_BYTES, cache_type="readahead") as source:
        if place:
            try:
                source.seek(place)
            except (OSError, ValueError):  # a server that sends files from their start only
                copy.seek(0)
                copy.truncate()
                place = 0
        while block := source.read(_BLOCK_BYTES):
            place += len(block)
            if place > limits.max_container_bytes:
                raise UnreadableError(f"larger than {limits.max_container_bytes:,} bytes")
            try:
                copy.write(block)
            except OSError as error:
                raise DataError(
                    f"no temporary copy of {shown(path)} can be written to {tempfile.gettempdir()} "
                    f"({error.strerror}); set TMPDIR to a larger disk"
                ) from error
    if place < num_bytes:
        raise ConnectionError(f"{place} of {num_bytes} bytes arrived")


def open_filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec filesystem of an address, and the path on it.

    Raises:
        AccessError: A library or credentials are missing; says which and what to do.
    """
    scheme = _scheme_of(url)
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        remedy = how_to_install(extra) if extra else str(error)
        raise AccessError(
            f"{shown(url)}: {scheme}:// needs a library that is missing: {remedy}"
        ) from None
    except _errors() as error:
        _raise_lasting(error, url)
        raise AccessError(f"{shown(url)}: {_said(error)}") from None
    return filesystem, str(path)


def _find(filesystem: Any, path: str) -> dict[str, dict[str, Any]]:
    filesystem.invalidate_cache()
    if _pattern_in(path):
        found: dict[str, dict[str, Any]] = filesystem.glob(path, detail=True)
    else:
        info = filesystem.info(path)
        if info["type"] == "file":
            return {path: info}
        found = filesystem.find(path, detail=True)
    if not found:
        raise FileNotFoundError(path)
    return found


def _addresses_in(filesystem: Any, path: str, url: str, retries: Retries) -> list[str]:
    """Return the addresses in a list file, relative ones below its own; none if it is no list."""
    text = retries.call(lambda: filesystem.cat_file(path, end=_MAX_LIST_BYTES))
    lines = [line.strip() for line in text.decode(errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines or not _URL.match(lines[0]):
        return []
    return [line if _URL.match(line) else urljoin(url, line) for line in lines]


def _root_of(path: str, *, is_single: bool) -> str:
    """Return the part of a path that the names below it are relative to."""
    pattern = _pattern_in(path)
    if pattern:
        return path[: pattern.start()].rpartition("/")[0]
    return path.rpartition("/")[0] if is_single else path


def _pattern_in(path: str) -> re.Match[str] | None:
    # In a web address, "?" begins a query.
    return re.search(r"[*]", path) if path.startswith("http") else _PATTERN.search(path)


def shown(url: str) -> str:
    """Return an address without what may be secret in it: a user, a password, a query."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if scheme.lower().startswith("http"):
        path = path.partition("?")[0].partition("#")[0]
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _version_of(info: dict[str, Any]) -> str:
    names = ("ETag", "etag", "generation", "blob_id", "sha256", "LastModified", "mtime")
    return next((str(info[name]) for name in names if info.get(name)), "")


def _raise_lasting(error: Exception, url: str) -> None:
    """Raise what would fail again: missing credentials as AccessError, a missing file as it is."""
    causes = [error, error.__cause__, error.__context__]
    names = {base.__name__ for cause in causes if cause for base in type(cause).__mro__}
    if names & _CREDENTIAL_ERRORS or _status_of(error) == 401:
        scheme = _scheme_of(url)
        remedy = _CREDENTIALS.get(scheme, "see the documentation of its fsspec library")
        raise AccessError(
            f"{shown(url)}: no credentials for {scheme}:// ({_said(error)}). Remedy: {remedy}"
        ) from None
    if isinstance(error, _LASTING):
        raise error
    status = _status_of(error)
    if status in (403, 404):
        kind = PermissionError if status == 403 else FileNotFoundError
        raise kind(url) from error
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        raise DataError(
            f"{shown(url)}: no space left in {tempfile.gettempdir()}; set TMPDIR"
        ) from error


def _status_of(error: Exception) -> int | None:
    """Return the HTTP status in an error, whichever library it comes from."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        response = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    status_code = getattr(response, "status_code", None)
    # gcsfs says `code`; aiohttp has it too, but warns.
    own = error.status if hasattr(error, "status") else getattr(error, "code", None)
    for status in (own, response, status_code):
        if isinstance(status, int):
            return status
        if isinstance(status, str) and status.isdecimal():
            return int(status)
    return None


def _denied(url: str, error: Exception) -> str:
    scheme = _scheme_of(url)
    remedy = _CREDENTIALS.get(scheme, "check the rights of the account that is used")
    return (
        f"{shown(url)}: access denied ({_said(error)}). Remedy: use an account that may read it, "
        f"or {remedy}"
    )


def _said(error: Exception) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


def _scheme_of(url: str) -> str:
    scheme = urlsplit(url).scheme.lower()
    return _SCHEME_NAMES.get(scheme, scheme)


def _jitter(url: str, number: int) -> float:
    """Return a factor in [0.5, 1.5) that differs by file, so that workers do not knock at once."""
    digest = hashlib.sha256(f"{url}#{number}".encode()).digest()
    return 0.5 + int.from_bytes(digest[:4], "little") / 2**32


def _errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of those libraries that are there."""
    found: list[type[Exception]] = [OSError, ValueError]
    for module, name in _LIBRARY_ERRORS:
        try:
            found.append(getattr(importlib.import_module(module), name))
        except (ImportError, AttributeError):
            continue
    return tuple(found)

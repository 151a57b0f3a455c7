"""Whether the Hugging Face Hub can be reached, asked before its client tries for minutes.

For each file that is not in its cache the client makes six attempts within 23 seconds, and a
tokenizer has eight files; no setting of it changes that. Where the machine has no way to the Hub,
all of them are in vain. A Hub that is slow or breaks connections off is left to that patience.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from functools import lru_cache
from pathlib import Path
from typing import Final

from huggingface_hub import constants, errors, get_session, try_to_load_from_cache

from data_prep.errors import DataError

__all__ = ["is_here", "local_files_only", "why_out_of_reach"]

_WAITS_S: Final = (1.0, 2.0)
_TIMEOUT_S: Final = 10.0
# Of httpx or of httpx2, by the client's release.
_HTTPError: Final[type[Exception]] = vars(errors)["HTTPError"]
_NO_WAY: Final = frozenset(
    {errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}
)


def is_here(name: str | Path) -> bool:
    """Whether a folder or file here has that name: the Hub is not asked for it then."""
    return os.path.exists(name)  # noqa: PTH110 - Path.exists raises for overlong names


def local_files_only(name: str | Path, file: str) -> bool:
    """Whether `name` is to be loaded from the Hub's cache alone, since the Hub is out of reach.

    Args:
        name: of a model or tokenizer; nothing is asked for a folder.
        file: one that it must have.

    Raises:
        DataError: the Hub is out of reach and the cache does not hold the file.
    """
    if is_here(name):
        return False
    try:
        cached = try_to_load_from_cache(str(name), file)
    except errors.HFValidationError:  # it is no name, as its client will say
        return False
    reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else why_out_of_reach()
    if reason is None:
        return False
    if not isinstance(cached, str):
        raise DataError(
            f"{constants.ENDPOINT} cannot be reached ({reason}), and {constants.HF_HUB_CACHE} does "
            f"not hold its {file}. Give a folder on this machine, or fetch it where there is a "
            f"connection: hf download {name} --local-dir FOLDER"
        )
    return True


@lru_cache(maxsize=1)
def why_out_of_reach() -> str | None:
    """Why there is no way to the Hub, after three attempts; None where there may be one."""
    reason = _no_way()
    for wait_s in _WAITS_S:
        if reason is None:
            break
        time.sleep(wait_s)
        reason = _no_way()
    return reason


def _no_way() -> str | None:
    started = time.monotonic()
    try:
        get_session().head(constants.ENDPOINT, timeout=_TIMEOUT_S)
    except _HTTPError as error:
        # Of several addresses the error is the last one's: another may have timed out before it.
        is_slow = time.monotonic() - started >= _TIMEOUT_S
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, socket.gaierror) or (
                isinstance(cause, OSError) and cause.errno in _NO_WAY and not is_slow
            ):
                return str(cause.strerror or cause)
            cause = cause.__cause__ or cause.__context__
    return None

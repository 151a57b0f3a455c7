"""Uploads to the Hugging Face Hub that survive a bad connection and fail with a plain sentence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from huggingface_hub import CommitOperationAdd, HfApi, constants, errors
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
)

from .callbacks import say
from .hub_files import PublishedFile
from .options import UsageError

__all__ = ["RETRY_WAITS_S", "HubError", "Repository", "check_access", "open_repository", "push"]

RETRY_WAITS_S: Final = (2.0, 10.0, 30.0)
"""Waits before the second and later attempts at a push; the Hub's client has its own before."""

# Of httpx or of httpx2, by the client's release; lost connections are among its subclasses.
HTTPError: Final[type[Exception]] = vars(errors)["HTTPError"]
_LOGIN: Final = "log in with `hf auth login`, or set HF_TOKEN to a token with write access"


class HubError(UsageError):
    """Nothing, or not everything, could be pushed; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """Where to push.

    Attributes:
        name: `owner/name`, or `name` alone for one's own.
        is_private: for a repository that does not exist yet; None: the owner's default.
        token: None takes HF_TOKEN or the login.
        revision: branch, made where it is missing; None: main.
    """

    name: str
    is_private: bool | None = None
    token: str | None = None
    revision: str | None = None


def check_access(token: str | None = None) -> None:
    """See that the Hub answers and knows the token, before hours of work depend on it.

    Raises:
        HubError: it does not.
    """
    try:
        HfApi().whoami(token=token)
    except (HTTPError, LocalTokenNotFoundError) as error:
        raise _explained(error, "the Hub") from error


def open_repository(repository: Repository) -> str:
    """Make the repository and its branch where they are missing; return the full name.

    Raises:
        HubError: the name is none, the token may not, or a private repository was asked for and a
            public one is there.
    """
    api = HfApi()
    try:
        url = api.create_repo(
            repository.name, token=repository.token, private=repository.is_private, exist_ok=True
        )
        name: str = url.repo_id
        if repository.is_private and not api.model_info(name, token=repository.token).private:
            raise HubError(
                f"{name} exists and is public, so nothing was pushed. Make it private in its "
                "settings on the Hub, give another name, or do not ask for a private one"
            )
        if repository.revision is not None:
            api.create_branch(
                name, branch=repository.revision, token=repository.token, exist_ok=True
            )
    except (HTTPError, HFValidationError, LocalTokenNotFoundError) as error:
        raise _explained(error, repository.name) from error
    return name


def push(
    files: Sequence[PublishedFile],
    name: str,
    repository: Repository,
    *,
    message: str,
    waits_s: Sequence[float] = RETRY_WAITS_S,
) -> str:
    """Upload files in one commit and return its address.

    A lost connection is tried again; large files that arrived are not sent twice, neither here nor
    by a later push of the same files.

    Args:
        files: what to upload.
        name: as `open_repository` gave it.
        repository: token and branch.
        message: of the commit.
        waits_s: seconds before each further attempt.

    Raises:
        HubError: the Hub refuses, or the connection stays lost.
    """
    operations = [
        CommitOperationAdd(
            path_in_repo=file.path_in_repo,
            path_or_fileobj=str(file.path) if file.content is None else file.content,
        )
        for file in files
    ]
    for wait_s in (*waits_s, None):
        try:
            commit = HfApi().create_commit(
                name,
                operations,
                commit_message=message,
                token=repository.token,
                revision=repository.revision,
            )
        except (HTTPError, ConnectionError, RuntimeError, LocalTokenNotFoundError) as error:
            cause = _cause_of(error)
            if wait_s is None or not _is_passing(cause):
                raise _explained(cause, name) from error
            say(f"note: the connection to the Hub was lost ({cause}); again in {wait_s:.0f} s")
            time.sleep(wait_s)
        else:
            return str(commit.commit_url)
    raise AssertionError("the last attempt returns or raises")


def _cause_of(error: Exception) -> Exception:
    """What went wrong, which the Hub's client wraps into a RuntimeError while it uploads."""
    cause = error.__cause__
    return cause if isinstance(error, RuntimeError) and isinstance(cause, Exception) else error


def _is_passing(error: Exception) -> bool:
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in (408, 429) or error.response.status_code >= 500
    return isinstance(error, (HTTPError, ConnectionError))


def _explained(error: Exception, name: str) -> HubError:
    if isinstance(error, LocalTokenNotFoundError):
        return HubError(f"nobody is logged in to the Hub: {_LOGIN}")
    if isinstance(error, HFValidationError):
        return HubError(f"{name!r} is no name of a repository; it has the form owner/name: {error}")
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        if status == 401:
            return HubError(f"the Hub does not accept the token (401): {_LOGIN}")
        if status == 403:
            return HubError(f"the token may not write to {name} (403): {_LOGIN}")
        if isinstance(error, RepositoryNotFoundError):
            return HubError(f"{name} is not there, or the token may not see it ({status})")
        said = error.server_message or str(error).splitlines()[0]
        return HubError(f"the Hub refuses {name} ({status}): {said}")
    if not isinstance(error, (HTTPError, ConnectionError)):
        return HubError(f"the upload to {name} failed: {type(error).__name__}: {error}")
    return HubError(
        f"{constants.ENDPOINT} cannot be reached ({error or type(error).__name__}). Run the same "
        "command again: what has arrived is not sent twice"
    )

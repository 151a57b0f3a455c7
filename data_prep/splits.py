"""Which split a session belongs to: decided by its group alone, so that no group is torn apart."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, Literal
from urllib.parse import urlsplit

from data_prep.errors import DataError
from rrweb_tokenizer.telling.wording import counted

__all__ = ["GROUP_BY", "VISITOR_FIELDS", "check_not_empty", "group_of", "split_of"]

GROUP_BY: Final = ("auto", "file", "site", "visitor", "host")
"""Rules without an argument; those with one are in module `grouping`."""

VISITOR_FIELDS: Final = (
    # A person before a device before a browser: the first that is there decides.
    "user_id",
    "userId",
    "userid",
    "uid",
    "user.id",
    "user.user_id",
    "account_id",
    "accountId",
    "person_id",
    "personId",
    "person.id",
    "participant_id",
    "participantId",
    "distinct_id",
    "distinctId",
    "person.distinct_id",
    "visitor_id",
    "visitorId",
    "visitor.id",
    "visitor",
    "anonymous_id",
    "anonymousId",
    "device_id",
    "deviceId",
    "device.id",
    "client_id",
    "clientId",
)
"""Names under which containers carry who was recorded, the first found decides."""

_NOBODY: Final = frozenset({"", "null", "none", "undefined", "anonymous", "unknown", "0", "-1"})


def group_of(
    *,
    group_by: str,
    file_id: str,
    fields: Mapping[str, str],
    first_href: str | None,
    parent_folder: str,
) -> str | None:
    """Return the group of a session, or None where `group_by` asks for what the session lacks.

    Args:
        group_by: "auto": the visitor where the container names one, else the file; "file",
            "site" (host of the first page without "www.", else the file's folder), "visitor" (or
            None), "host" (of the first page as it stands, or None).
        file_id: Stable name of the file.
        fields: Scalar members that the container has beside the events.
        first_href: Address in the first Meta event, if there is one.
        parent_folder: Name of the folder that the file lies in.

    Returns:
        "file:...", "site:...", "host:..." or "visitor:" and a hash, for a visitor's id is personal
        data.
    """
    if group_by == "site":
        return f"site:{_host(first_href).removeprefix('www.') or parent_folder}"
    if group_by == "host":
        host = _host(first_href)
        return f"host:{host}" if host else None
    if group_by in ("auto", "visitor"):
        for name in VISITOR_FIELDS:
            value = fields.get(name, "").strip()
            if value.casefold() not in _NOBODY:
                return (
                    f"visitor:{blake2b(value.encode(errors='replace'), digest_size=16).hexdigest()}"
                )
        if group_by == "visitor":
            return None
    return f"file:{file_id}"


def split_of(
    group: str,
    *,
    test_fraction: float = 0.05,
    validation_fraction: float = 0.1,
    salt: str = "",
) -> Literal["train", "validation", "test"]:
    """Return the split of a group: a pure function, so adding files moves none of the old ones.

    Args:
        group: What `group_of` returned.
        test_fraction: Expected share of the groups that is set aside first.
        validation_fraction: Expected share of the others that validates.
        salt: Another salt deals the groups out anew.
    """
    digest = blake2b(group.encode(errors="replace"), digest_size=16, key=salt.encode()[:64])
    words = digest.digest()
    if int.from_bytes(words[:8], "little") < test_fraction * 2**64:
        return "test"
    if int.from_bytes(words[8:], "little") < validation_fraction * 2**64:
        return "validation"
    return "train"


def check_not_empty(
    num_sessions: Mapping[str, int],
    num_groups: int,
    *,
    group_by: str,
    test_fraction: float,
    validation_fraction: float,
) -> None:
    """Check that each split that was asked for has a session.

    Raises:
        DataError: One has none; names what can be done about it.
    """
    wanted = {"train": True, "validation": validation_fraction > 0, "test": test_fraction > 0}
    empty = [split for split, is_wanted in wanted.items() if is_wanted and not num_sessions[split]]
    if not empty:
        return
    remedies = ["give more recordings"]
    if group_by != "file" and num_groups < sum(num_sessions.values()):
        remedies.append("split by file with --group_by file")
    for split, name, fraction in (
        ("validation", "validation_fraction", validation_fraction),
        ("test", "test_fraction", test_fraction),
    ):
        if split in empty:
            remedies.append(f"raise --{name} (now {fraction:g}) or set it to 0 to go without")
    raise DataError(
        f"no session fell into the {' and '.join(empty)} split: too few are there, "
        f"{counted(sum(num_sessions.values()), 'session')} in {counted(num_groups, 'group')} "
        f"(--group_by {group_by}). "
        f"Remedies: {'; '.join(remedies)}."
    )


def _host(href: str | None) -> str:
    if not href:
        return ""
    try:
        return urlsplit(href).hostname or ""
    except ValueError:  # "http://[" and the like
        return ""

"""`--group_by`: what a split keeps together, as the user says it.

::

    auto | file | site | visitor | host     see `splits.group_of`
    field:NAME                              a scalar that the container has beside the events
    path:REGEX                              the first capture group of a pattern on the file's path
    column:NAME   with a manifest file      a column of a table with one row a file
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal, get_args

from data_prep.errors import DataError
from data_prep.group_table import GroupTable, read_group_table
from data_prep.splits import GROUP_BY, group_of
from rrweb_tokenizer.command_line import none_of

__all__ = [
    "GROUP_BY_HELP",
    "MISSING_GROUP",
    "Grouping",
    "MissingGroup",
    "cached_grouping",
    "parse_grouping",
]

GROUP_BY_HELP: Final = (
    "what the split keeps together: auto (the visitor where named, else the file), file, visitor, "
    "site (host without www., else the folder), host, field:NAME (a member beside the events), "
    "path:REGEX (its first group, searched in the path below the input), column:NAME (of the "
    "--manifest)"
)

MissingGroup = Literal["reject", "file"]
MISSING_GROUP: Final[tuple[MissingGroup, ...]] = get_args(MissingGroup)

_WITH_ARGUMENT: Final = ("field", "path", "column")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """A rule that gives each session its group, from itself alone; pickles."""

    rule: str
    """As given: "site", "field:team", ..."""

    missing_group: MissingGroup = "reject"
    """What becomes of a session that lacks what the rule asks for: rejected, or its file's own."""

    pattern: re.Pattern[str] | None = None
    """Of path:REGEX."""

    table: GroupTable | None = None
    """Of column:NAME."""

    @property
    def kind(self) -> str:
        """The rule without its argument."""
        return self.rule.partition(":")[0]

    def group(
        self,
        *,
        file_id: str,
        paths: Sequence[str],
        fields: Mapping[str, str],
        first_href: str | None,
        parent_folder: str,
    ) -> str | None:
        """Return the group of a session, or None where it lacks what the rule asks for.

        Args:
            file_id: Stable name of the file, or of the recording in it.
            paths: The file's path below its input, with /; first as it is, then without suffixes.
            fields: Scalar members that the container has beside the events.
            first_href: Address in the first Meta event, if there is one.
            parent_folder: Name of the folder that the file lies in.
        """
        if self.pattern is not None:
            found = self.pattern.search(paths[0])
            value = found.group(1) if found else None
            group = f"path:{value}" if value else None
        elif self.table is not None:
            value = self.table.value_of(file_id, *paths)
            group = f"{self.rule}:{value}" if value else None
        elif self.kind == "field":
            value = fields.get(self.rule.partition(":")[2], "").strip()
            group = f"{self.rule}:{_hashed(value)}" if value else None
        else:
            group = group_of(
                group_by=self.rule,
                file_id=file_id,
                fields=fields,
                first_href=first_href,
                parent_folder=parent_folder,
            )
        if group is None and self.missing_group == "file":
            return f"file:{file_id}"
        return group

    def reason_without(self) -> str:
        """Return why a session without a group is rejected, with the remedy."""
        what = {
            "visitor": "names no visitor",
            "host": "its first page has no host",
            "field": f"has no member {self.rule.partition(':')[2]!r} beside its events",
            "path": "its path does not match the pattern of --group_by",
            "column": "its path stands in no row of the manifest, or the row names no group",
        }[self.kind]
        return f"{what}; --missing_group file keeps such sessions, each file a group of its own"


def parse_grouping(
    group_by: str, *, manifest: Path | None = None, missing_group: MissingGroup = "reject"
) -> Grouping:
    """Return the rule that a `--group_by` names; reads the manifest of column:NAME.

    Raises:
        ValueError: No such rule, or a pattern or a combination that cannot work; says what can.
        DataError: The manifest cannot be read or lacks what is needed.
    """
    kind, colon, argument = group_by.partition(":")
    if missing_group not in MISSING_GROUP:
        raise ValueError(f"missing_group must be one of {', '.join(MISSING_GROUP)}")
    if not (group_by in GROUP_BY or (kind in _WITH_ARGUMENT and colon)):
        known = [*GROUP_BY, *(f"{name}:..." for name in _WITH_ARGUMENT)]
        given = f"{kind}:..." if colon else group_by
        raise ValueError(f"--group_by {none_of(given, known)}")
    if colon and not argument:
        raise ValueError(f"group_by {group_by!r} lacks what follows the colon")
    if (manifest is not None) != (kind == "column"):
        raise ValueError(
            "a manifest belongs to group_by column:NAME, and column:NAME needs one: "
            "--group_by column:NAME --manifest FILE.csv"
        )
    pattern = _compiled(argument) if kind == "path" else None
    table = None
    if manifest is not None:
        table = read_group_table(manifest, argument)
        if len(table) == 0:
            raise DataError(f"{manifest} names no group in its column {argument!r}; fill it in")
    return Grouping(rule=group_by, missing_group=missing_group, pattern=pattern, table=table)


def cached_grouping(group_by: str, manifest: Path | None, missing_group: MissingGroup) -> Grouping:
    """Return what `parse_grouping` does; a manifest is read again only where it has changed."""
    changed_ns = 0
    if manifest is not None and manifest.is_file():
        changed_ns = manifest.stat().st_mtime_ns
    return _cached(group_by, manifest, missing_group, changed_ns)


@lru_cache(maxsize=1)
def _cached(
    group_by: str, manifest: Path | None, missing_group: MissingGroup, changed_ns: int
) -> Grouping:
    del changed_ns  # part of the key alone
    return parse_grouping(group_by, manifest=manifest, missing_group=missing_group)


def _compiled(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"the pattern {text!r} of group_by path: is not valid: {error}") from None
    if pattern.groups == 0:
        raise ValueError(
            f"the pattern {text!r} of group_by path: has no group in parentheses; the group is "
            "what files are put together by, for example path:^([^/]+)/"
        )
    return pattern


def _hashed(value: str) -> str:
    """Return a hash in place of a value that may be personal data."""
    return blake2b(value.encode(errors="replace"), digest_size=16).hexdigest()

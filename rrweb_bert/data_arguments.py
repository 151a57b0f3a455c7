"""Flags of the data: what `data_prep prepare` takes, and how windows are drawn and masked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from data_prep.prepare_options import OPTION_HELP, PrepareOptions

from .options import UsageError, check_share, option

__all__ = ["PREPARING", "DataArguments"]

_HELP: Final = {name: text[:1].upper() + text[1:] + "." for name, text in OPTION_HELP.items()}

PREPARING: Final = (
    "group_by",
    "manifest",
    "missing_group",
    "drop_near_duplicates",
    "test_fraction",
    "validation_fraction",
    "salt",
    "recogniser",
    "reader",
)
"""Flags that decide what a corpus holds; without effect on one that is prepared already."""


@dataclass
class DataArguments:
    """Which windows it is trained on."""

    data_dir: str | None = option(
        None,
        "Rrweb recordings (prepared once into a cache), or what `python -m data_prep prepare` "
        "wrote. None: the embedded sample with its own small plan.",
        "folder, file or address",
    )
    cache_dir: str | None = option(
        None, "Where prepared corpora are kept. None: the user's cache folder, printed.", "folder"
    )
    group_by: str = option("auto", _HELP["group_by"], "rule")
    manifest: str | None = option(None, _HELP["manifest"], "file")
    missing_group: Literal["reject", "file"] = option("reject", _HELP["missing_group"], "word")
    drop_near_duplicates: bool = option(False, _HELP["drop_near_duplicates"], "true or false")
    test_fraction: float = option(0.05, _HELP["test_fraction"], "share, 0 to 1")
    validation_fraction: float = option(0.1, _HELP["validation_fraction"], "share, 0 to 1")
    salt: str = option("", _HELP["salt"], "text")
    recogniser: str | None = option(None, _HELP["recogniser"], "module:function")
    reader: str | None = option(None, _HELP["reader"], "name")
    tokenizer_name_or_path: str | None = option(None, _HELP["tokenizer_name_or_path"], "folder")
    num_proc: int | None = option(None, _HELP["num_proc"], "processes")
    streaming: bool = option(
        False,
        "Tokenise recordings in the loader workers as they are drawn, instead of preparing all of "
        "them first: starts at once, takes no disk, makes far fewer windows a second.",
        "true or false",
    )
    cache_sessions: int = option(
        2_000, "Tokenised sessions that each loader worker keeps with --streaming.", "sessions"
    )
    cache_bytes: int = option(
        256 << 20, "What they may take together, in each loader worker.", "bytes"
    )
    samples_per_epoch: int = option(90_000, "Windows drawn in one epoch.", "windows")
    window_tokens: int = option(2048, "Length of a window, [CLS] and [SEP] included.", "ids")
    sampling: Literal["session", "length"] = option(
        "session",
        "Draw sessions equally often (session) or in proportion to their ids (length).",
        "word",
    )
    mlm_probability: float = option(
        0.15,
        "Share of ids that are to be predicted; 80/10/10 of them become [MASK], a random id, "
        "themselves.",
        "share, 0 to 1",
    )

    def __post_init__(self) -> None:
        """Refuse sizes, shares and rules that make no sense."""
        for name in ("test_fraction", "validation_fraction", "mlm_probability"):
            check_share(name, getattr(self, name))
        if self.streaming and self.data_dir is None:
            raise UsageError("--streaming needs --data_dir; the embedded sample needs none")
        if self.streaming and self.sampling == "length":
            raise UsageError(
                "--sampling length needs the lengths of all sessions, which --streaming does not "
                "know before it has read them; prepare the recordings, or leave it out"
            )
        if self.streaming and self.drop_near_duplicates:
            raise UsageError(
                "--drop_near_duplicates compares all sessions, which --streaming does not know "
                "before it has read them; prepare the recordings, or leave it out"
            )
        if min(self.cache_sessions, self.cache_bytes) < 0:
            raise UsageError("--cache_sessions and --cache_bytes must not be negative")
        if self.samples_per_epoch < 1:
            raise UsageError("--samples_per_epoch must be at least 1 window")
        if self.window_tokens < 8:
            raise UsageError("--window_tokens must be at least 8 ids")
        self.prepare_options()

    def prepare_options(self) -> PrepareOptions:
        """What `data_prep` needs to know.

        Raises:
            UsageError: the rule cannot work, or its manifest cannot be read.
        """
        try:
            return PrepareOptions(
                group_by=self.group_by,
                manifest=None if self.manifest is None else Path(self.manifest),
                missing_group=self.missing_group,
                drop_near_duplicates=self.drop_near_duplicates,
                test_fraction=self.test_fraction,
                validation_fraction=self.validation_fraction,
                salt=self.salt,
                recogniser=self.recogniser,
                reader=self.reader,
                tokenizer_name_or_path=self.tokenizer_name_or_path,
                num_proc=self.num_proc,
            )
        except ValueError as error:
            raise UsageError(str(error)) from error

"""How recordings are prepared: the options of `prepare`, and which of them decide the bytes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from data_prep.encoding import EncodingOptions
from data_prep.engine import ENGINES
from data_prep.grouping import GROUP_BY_HELP, Grouping, MissingGroup, cached_grouping
from data_prep.limits import DEFAULT_LIMITS, Limits
from data_prep.reading_options import READING_HELP

__all__ = ["OPTION_HELP", "PrepareOptions"]

OPTION_HELP: Final = {
    "group_by": GROUP_BY_HELP,
    "manifest": "table for column:NAME: .csv, .jsonl or .parquet with the columns path and NAME",
    "missing_group": "sessions without a group: rejected, or each file a group of its own",
    "drop_near_duplicates": "leave out validation and test sessions that nearly equal one of "
    "another split",
    "test_fraction": "share of the groups set aside first",
    "validation_fraction": "share of the others for validation",
    "salt": "another salt deals the groups out anew",
    "tokenizer_name_or_path": "folder of a tokenizer (the shipped one by default)",
    **READING_HELP,
    "num_proc": "processes (by default as many as pay)",
    "engine": "what works through the files: the processes of this machine, or a Ray cluster",
    "address": "of the Ray cluster, for instance auto; with --engine ray (by default the cluster "
    "that runs on this machine, or a new one)",
}
"""What each option does, for every command line that takes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """How recordings are prepared.

    Raises:
        ValueError: A field is out of its range.
    """

    group_by: str = "auto"
    """What the split keeps together: see module `grouping`."""

    manifest: Path | None = None
    """Table of the files, for group_by column:NAME."""

    missing_group: MissingGroup = "reject"
    """What becomes of sessions that lack what `group_by` asks for."""

    drop_near_duplicates: bool = False
    """Leave out validation and test sessions that are nearly the same as one of another split."""

    test_fraction: float = 0.05
    """Share of the groups set aside for the test split, first."""

    validation_fraction: float = 0.1
    """Share of the others for validation."""

    salt: str = ""
    """Another salt deals the groups out anew."""

    tokenizer_name_or_path: str | None = None
    """Folder of a tokenizer; the shipped one where not given."""

    recogniser: str | None = None
    """Name of a recogniser for what patterns cannot find, "module:function"."""

    num_proc: int | None = None
    """Processes; where not given, as many as there are cores and work for them."""

    engine: str = "local"
    """What works through the files, one of ENGINES; the bytes are the same."""

    address: str | None = None
    """Of the Ray cluster; where not given, of the one of this machine, or of a new one."""

    overwrite: bool = False
    """Replace a corpus of another fingerprint; what of it still holds is not encoded again."""

    max_shard_bytes: int = 512 << 20
    """A new file of a split is begun after this many bytes of ids."""

    show_progress: bool = True
    """Show a bar on a terminal, plain lines elsewhere."""

    limits: Limits = field(default_factory=lambda: DEFAULT_LIMITS)
    """Caps on what is read from one file."""

    reader: str | None = None
    """Name of the reader that reads every file; by content where not given."""

    def __post_init__(self) -> None:
        self.grouping()
        for name in ("test_fraction", "validation_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if self.num_proc is not None and self.num_proc < 1:
            raise ValueError(f"num_proc must be positive, got {self.num_proc}")
        if self.engine not in ENGINES:
            raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {self.engine!r}")
        if self.address is not None and self.engine != "ray":
            raise ValueError("address is of a Ray cluster, and has no effect without engine ray")

    def grouping(self) -> Grouping:
        """Return the rule that `group_by` names; reads the manifest, where there is one.

        Raises:
            ValueError: The rule cannot work, or the manifest cannot be read; says why.
        """
        return cached_grouping(self.group_by, self.manifest, self.missing_group)

    def encoding(self) -> EncodingOptions:
        """Return what each worker needs to know."""
        return EncodingOptions(
            grouping=self.grouping(),
            test_fraction=self.test_fraction,
            validation_fraction=self.validation_fraction,
            salt=self.salt,
            limits=self.limits,
            reader=self.reader,
        )

    def deciding(self) -> dict[str, Any]:
        """Return those options that decide the bytes of the corpus."""
        names = [
            "group_by",
            "test_fraction",
            "validation_fraction",
            "salt",
            "max_shard_bytes",
            "reader",
        ]
        # Named only where they differ from the default, so that older corpora are still the same.
        if self.missing_group != "reject":
            names.append("missing_group")
        if self.drop_near_duplicates:
            names.append("drop_near_duplicates")
        deciding = {name: getattr(self, name) for name in names} | {"limits": asdict(self.limits)}
        table = self.grouping().table
        return deciding if table is None else deciding | {"manifest": table.sha256()}

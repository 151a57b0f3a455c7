"""What of a folder is published: named files only, none of which tells about this machine.

An output folder holds more than a model: checkpoints with optimizer states, `training_args.bin` (a
pickle with paths, and with the Hub token where that was a flag), `run.json`, perhaps caches and
logs. What is not on the list below stays here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from .options import UsageError
from .run_record import RECORD_FILE

__all__ = [
    "CARD_FILE",
    "PublishedFile",
    "check_tells_no_paths",
    "checkpoint_files",
    "is_hub_name",
    "link_files",
    "model_files",
]

CARD_FILE: Final = "README.md"

_WEIGHTS: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "model-?????-of-?????.safetensors",
)
_TOKENIZER: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "structural_vocab.json",
    "text_bpe.model",
)
_MODEL: Final = ("config.json", *_WEIGHTS, *_TOKENIZER)
_SENTENCE_TRANSFORMERS: Final = (
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
)
_RESULTS: Final = (
    CARD_FILE,
    "training_summary.json",
    "training_history.json",
    "loss_and_lr.png",
    "metrics.json",
    "evaluation.json",
    "confusion_matrix.png",
    "LICENSE",
    "NOTICE",
)
_PUBLISHED: Final = (*_MODEL, *_SENTENCE_TRANSFORMERS, *_RESULTS)
_CHECKPOINT: Final = (
    *_MODEL,
    "trainer_state.json",
    "metrics.json",
    "optimizer.pt",
    "scheduler.pt",
    "scaler.pt",
    "rng_state*.pth",
    "progress.json",
    RECORD_FILE,
)
_TEXT_SUFFIXES: Final = (".json", ".md")
_HUB_NAME: Final = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
# Not within an address or a longer path, but after the `\n` of a JSON string and in `file:///`.
_BEFORE_PLACE: Final = r"(?:(?<![\w.:/-])|(?<=\\[bfnrt])|(?<=file://))"
_AFTER_PLACE: Final = r"(?![\w-]|\.\w)"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """A file and its name in the repository; `content` replaces what is on disk."""

    path_in_repo: str
    path: Path
    content: bytes | None = None

    def read(self) -> bytes:
        """What will be uploaded."""
        return self.path.read_bytes() if self.content is None else self.content


def model_files(folder: Path) -> list[PublishedFile]:
    """The files of a model folder that are published, in the order of their names.

    Raises:
        UsageError: the folder holds no model with its tokenizer; names what is missing.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder")
    missing = [name for name in ("config.json", *_TOKENIZER) if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in _WEIGHTS[:2]):
        missing.insert(0, _WEIGHTS[0])
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise UsageError(
            f"{folder} holds no complete model: {', '.join(missing)} {verb} missing. Give the "
            "output folder of a finished run, or one of its checkpoint-<step> folders"
        )
    return [
        PublishedFile(path_in_repo=name, path=folder / name) for name in _listed(folder, _PUBLISHED)
    ]


def checkpoint_files(checkpoint: Path, folder_in_repo: str) -> list[PublishedFile]:
    """The files from which training goes on: weights, optimizer, schedule, random states.

    Two of them name places, which are left out; so the seal of the checkpoint does not fit any
    more, and `training_args.bin` is not there: what is pushed wants a seal of its own.
    """
    files = [
        PublishedFile(path_in_repo=f"{folder_in_repo}/{name}", path=checkpoint / name)
        for name in _listed(checkpoint, _CHECKPOINT)
    ]
    return [
        replace(file, content=_WITHOUT_PLACES[file.path.name](file.path))
        if file.path.name in _WITHOUT_PLACES
        else file
        for file in files
    ]


def _state_without_places(path: Path) -> bytes:
    """`trainer_state.json` with the best checkpoint's name in place of its path."""
    content = json.loads(path.read_text())
    best = content.get("best_model_checkpoint")
    content["best_model_checkpoint"] = None if best is None else Path(best).name
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def _record_without_places(path: Path) -> bytes:
    """`run.json` with names of folders for their paths, and without what the user typed."""
    content = json.loads(path.read_text())
    start = content["identity"].get("model_name_or_path")
    if start is not None and not is_hub_name(start):
        content["identity"]["model_name_or_path"] = Path(start).name
    content["spoken"] = {}
    for origin in content.get("origins", ()):
        origin["path"] = Path(origin["path"]).name
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


_WITHOUT_PLACES: Final[dict[str, Callable[[Path], bytes]]] = {
    "trainer_state.json": _state_without_places,
    RECORD_FILE: _record_without_places,
}


def is_hub_name(start: str) -> bool:
    """Whether weights were named as the Hub does; else that is a place, even if nothing is there.

    `owner/name` may be a folder, too: it is taken for one as long as it exists.
    """
    # Path.exists raises for overlong names.
    return _HUB_NAME.fullmatch(start) is not None and not os.path.exists(start)  # noqa: PTH110


def _listed(folder: Path, patterns: Iterable[str]) -> list[str]:
    names = (
        path.relative_to(folder).as_posix()
        for level in ("*", "1_Pooling/*")
        for path in folder.glob(level)
        if path.is_file()
    )
    return sorted(name for name in names if any(fnmatchcase(name, p) for p in patterns))


def check_tells_no_paths(files: Iterable[PublishedFile], folder: Path) -> None:
    """Refuse text files that name this machine's folders.

    Raises:
        UsageError: names the file and what it holds.
    """
    places = _places(folder)
    for file in files:
        if file.path.suffix not in _TEXT_SUFFIXES or file.path.name == "tokenizer.json":
            continue
        text = file.read().decode(errors="replace")
        for place, pattern in places.items():
            if pattern.search(text):
                raise UsageError(
                    f"{file.path} names {place}, a place on this machine, so nothing was pushed. "
                    "Take it out of that file"
                )


def _places(folder: Path) -> dict[str, re.Pattern[str]]:
    """Folders that must not be named, and how to find them, as they are or in a JSON string.

    One right below the root is left out: `/model` is a likely word, and tells nothing.
    """
    folders = [folder.resolve()]
    with suppress(RuntimeError):  # this user has no home
        folders.append(Path.home())
    return {
        str(each): re.compile(f"{_BEFORE_PLACE}(?:{_spellings(str(each))}){_AFTER_PLACE}")
        for each in folders
        if len(each.parts) > 2  # the root is one
    }


def _spellings(place: str) -> str:
    """A pattern of a place as it is, and as JSON spells it, in ASCII or not."""
    in_json = {json.dumps(place, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)}
    return "|".join(re.escape(spelling) for spelling in sorted({place} | in_json))


def link_files(files: Iterable[PublishedFile], folder: Path) -> list[PublishedFile]:
    """The same files under `folder`, where they stay whatever becomes of the originals.

    Weights are linked, which takes no space; small files, which may be rewritten, are copied.
    """
    linked: list[PublishedFile] = []
    for file in files:
        path = folder / file.path_in_repo
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.content is not None:
            path.write_bytes(file.content)
        elif file.path.suffix in (".safetensors", ".pt"):
            _link(file.path, path)
        else:
            shutil.copyfile(file.path, path)
        linked.append(PublishedFile(path_in_repo=file.path_in_repo, path=path))
    return linked


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # file systems without links, or over their bounds
        shutil.copyfile(source, target)

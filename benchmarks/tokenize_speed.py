"""Raw rrweb JSON -> ids on one core, beside decoding alone and SentencePiece alone, in one run.

python benchmarks/tokenize_speed.py FOLDER [--every 4] [--stages]

Every file goes through all ways before the next one, so that a machine whose speed drifts changes
the figures and not their ratios. Process time, files read beforehand.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import sentencepiece

import rrweb_tokenizer.tokenization_rrweb as entry
from rrweb_tokenizer import RRWebTokenizer, serializer
from rrweb_tokenizer.attributes import AttributeWriter
from rrweb_tokenizer.chapters import ChapterWriter
from rrweb_tokenizer.collection import paused_collection
from rrweb_tokenizer.dom import ElementWriter
from rrweb_tokenizer.mirror import Mirror
from rrweb_tokenizer.mutations import MutationWriter
from rrweb_tokenizer.recording import find_events
from rrweb_tokenizer.schema import decode_events
from rrweb_tokenizer.serializer import Serializer
from rrweb_tokenizer.text_model import TextModel

JSON = "stdlib json alone"
SKIM = "msgspec alone, nothing kept"
DECODE = "msgspec alone, into our Structs"
PIECES = "sentencepiece alone, the same texts"
FRESH = "JSON -> ids, memos emptied before each file"
RUNNING = "JSON -> ids, memos empty before the first file"
AGAIN = "JSON -> ids, the same file once more"


class Listening:
    """A text encoder that notes which texts its model is asked for."""

    def __init__(self, text_model: TextModel) -> None:
        self.text_model = text_model
        self.texts: list[str] = []

    def encode(self, text: str, max_pieces: int) -> tuple[list[int], bool]:
        """The model's answer."""
        self.texts.append(text)
        return self.text_model.encode(text, max_pieces)


class Stopwatch:
    """Adds up process time by name; of nested names, each has what the inner ones left."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inner: list[float] = []

    def time(self, name: str, call: Callable[[], Any]) -> Any:
        """What a call returns; its time is added."""
        start = time.process_time()
        self._inner.append(0.0)
        try:
            return call()
        finally:
            spent = time.process_time() - start
            self.seconds[name] += spent - self._inner.pop()
            if self._inner:
                self._inner[-1] += spent

    def watch(self, owner: Any, function: str, name: str) -> None:
        """From now on, times a function or method of a module or class."""
        original = getattr(owner, function)

        def timed(*args: Any, **kwargs: Any) -> Any:
            return self.time(name, lambda: original(*args, **kwargs))

        setattr(owner, function, timed)


def main() -> None:
    """Prints MB/s of each way, and its share of the time of JSON -> ids."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=4, help="take every n-th file")
    parser.add_argument("--stages", action="store_true", help="show where the time goes instead")
    arguments = parser.parse_args()
    files = sorted(arguments.folder.rglob("*.json"))[:: arguments.every]
    tokenizer = RRWebTokenizer()
    tokenizer.encode_session(files[0])
    if arguments.stages:
        show_stages(files, tokenizer)
    else:
        compare(files, tokenizer.text_model.model_proto)


def compare(files: list[Path], model_proto: bytes) -> None:
    """Times all ways, file by file."""
    watch = Stopwatch()
    skim = msgspec.json.Decoder(list[msgspec.Raw]).decode
    processor = sentencepiece.SentencePieceProcessor(model_proto=model_proto)
    running = Serializer(TextModel(model_proto))
    num_bytes = num_ids = num_chars = 0

    def encode(text: bytes, with_serializer: Serializer) -> int:
        with paused_collection():
            events = decode_events(find_events(text).parts).events
            return len(with_serializer.serialize(events).ids)

    for file in files:
        text = file.read_bytes()
        num_bytes += len(text)
        watch.time(JSON, lambda text=text: json.loads(text))
        watch.time(SKIM, lambda text=text: skim(text))
        watch.time(DECODE, lambda text=text: decode_events(find_events(text).parts))
        num_ids += watch.time(RUNNING, lambda text=text: encode(text, running))
        watch.time(AGAIN, lambda text=text: encode(text, running))
        fresh = Serializer(TextModel(model_proto))
        watch.time(FRESH, lambda text=text, fresh=fresh: encode(text, fresh))
        listening = Listening(fresh.text_encoder)  # type: ignore[arg-type]  # a TextModel, see above
        encode(text, Serializer(listening))
        texts = list(dict.fromkeys(listening.texts))
        num_chars += sum(map(len, texts))
        watch.time(PIECES, lambda texts=texts: [processor.encode(text) for text in texts])
    megabytes = num_bytes / 1e6
    print(f"{len(files)} files, {megabytes:.1f} MB, {num_ids:,} ids")
    for name in (JSON, SKIM, DECODE, PIECES, AGAIN, RUNNING, FRESH):
        seconds = watch.seconds[name]
        share = seconds / watch.seconds[RUNNING]
        print(f"{name:48} {megabytes / seconds:7.1f} MB/s of JSON  {share:6.3f} of the time")
    print(f"sentencepiece: {num_chars / watch.seconds[PIECES] / 1e6:.2f} M characters/s")


def show_stages(files: list[Path], tokenizer: RRWebTokenizer) -> None:
    """Times the parts of the whole way; the clock itself takes a tenth."""
    watch = Stopwatch()
    watch.watch(entry, "find_events", "find events")
    watch.watch(entry, "decode_events", "decode")
    watch.watch(serializer, "in_true_time_order", "put in time order")
    watch.watch(Mirror, "reset", "mirror, snapshots")
    watch.watch(Mirror, "apply", "mirror, mutations")
    watch.watch(ElementWriter, "subtree", "DOM walk")
    watch.watch(AttributeWriter, "write", "attributes")
    watch.watch(TextModel, "encode", "text")
    watch.watch(MutationWriter, "apply", "mutations")
    watch.watch(ChapterWriter, "write_event", "chapters, targets")
    watch.watch(ChapterWriter, "write_long_event", "chapters, targets")
    num_bytes = 0
    for file in files:
        text = file.read_bytes()
        num_bytes += len(text)
        watch.time("actions, freeing memory", lambda text=text: tokenizer.encode_session(text))
    whole = sum(watch.seconds.values())
    print(f"{len(files)} files, {num_bytes / 1e6:.1f} MB, {num_bytes / whole / 1e6:.1f} MB/s")
    for name, seconds in watch.seconds.most_common():
        print(f"{name:28} {1e9 * seconds / num_bytes:6.2f} ms a MB  {100 * seconds / whole:5.1f}%")


if __name__ == "__main__":
    main()

"""W&B and TensorBoard: asked for with `--report_to`, never asking back.

Without a login W&B records offline, with a hint how to upload later; the same where its server
cannot be reached. TensorBoard writes to `runs` in the output folder, a resumed run into the same
curves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transformers import Trainer
from transformers.integrations import (
    INTEGRATION_TO_CALLBACK,
    TensorBoardCallback,
    WandbCallback,
)

from .callbacks import say
from .example_predictions import Example
from .options import UsageError, did_you_mean
from .training_arguments import RRWebTrainingArguments

if TYPE_CHECKING:
    from .training import RRWebTrainer

__all__ = ["WANDB_PROJECT", "check_trackers", "example_sinks", "markdown_table", "settle_trackers"]

WANDB_PROJECT: Final = "rrweb-bert-production"
_HINT: Final = "`wandb login` and `wandb sync FOLDER` upload it later"
_COLUMNS: Final = ("kind", "event", "tokens", "truth", "p(truth)")


def check_trackers(args: RRWebTrainingArguments) -> None:
    """See before any work starts that each tracker can be had; settle where W&B runs go.

    Raises:
        UsageError: there is no such tracker, it is not installed, or W&B refuses its key.
    """
    for name in args.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            hint = did_you_mean(name, INTEGRATION_TO_CALLBACK)
            raise UsageError(f"--report_to {name}: there is no such tracker{hint}")
    if "tensorboard" in args.report_to and not find_spec("tensorboard"):
        raise UsageError(
            "--report_to tensorboard needs a package that is not installed: pip install tensorboard"
        )
    if "wandb" in args.report_to:
        _check_wandb(args)


def _check_wandb(args: RRWebTrainingArguments) -> None:
    os.environ.setdefault("WANDB_PROJECT", WANDB_PROJECT)
    if args.process_index > 0:
        return
    try:
        is_online = _is_online()
    except ValueError as error:
        raise UsageError(f"--report_to wandb: {error}. Or set WANDB_MODE=offline") from error
    if not is_online:
        say(f"note: nobody is logged in to W&B, so the run is recorded offline; {_HINT}")


def _is_online() -> bool:
    """Whether W&B has a login, or was told by WANDB_MODE what to do.

    Raises:
        ValueError: there is a key, and it cannot be one.
    """
    if "WANDB_MODE" in os.environ:
        return True
    import wandb  # it takes a second, and few runs want it

    try:
        return bool(wandb.login(prompt=False, verify=False))
    except wandb.errors.Error as error:
        raise ValueError(str(error)) from error


class _Wandb(WandbCallback):  # type: ignore[misc]
    """Stock, but without a login or a server the run is recorded offline.

    By an argument, since W&B does not look at WANDB_MODE any more once it was asked for a login.

    Args:
        pause: makes the context in which time is no training time.
    """

    def __init__(self, pause: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__()
        self._pause = pause

    def setup(self, args: Any, state: Any, model: Any, **kwargs: Any) -> None:
        """Start the run; a server that does not answer is waited for, up to 90 seconds."""
        with self._pause():
            self._start(args, state, model, **kwargs)

    def _start(self, args: Any, state: Any, model: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero and not _is_online():
            self._start_offline(args)
        try:
            super().setup(args, state, model, **kwargs)
        except self._wandb.errors.Error as error:
            reason = str(error).partition("\n")[0]
            say(f"note: W&B cannot be reached ({reason}); the run is recorded offline; {_HINT}")
            self._start_offline(args)
            super().setup(args, state, model, **kwargs)

    def _start_offline(self, args: Any) -> None:
        project = os.environ.get("WANDB_PROJECT", WANDB_PROJECT)
        self._wandb.init(project=project, name=args.run_name, mode="offline")


def settle_trackers(trainer: RRWebTrainer, output_dir: Path) -> None:
    """Put our W&B callback in place of the stock one, and TensorBoard's files where they belong."""
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback) is WandbCallback:
            place = trainer.callback_handler.callbacks.index(callback)
            trainer.callback_handler.callbacks[place] = _Wandb(trainer.pace.pause)
        elif isinstance(callback, TensorBoardCallback) and callback.logging_dir is None:
            callback.logging_dir = str(output_dir / "runs")


def example_sinks(trainer: Trainer) -> list[Callable[[int, list[Example]], None]]:
    """What takes example predictions, one for each tracker that shows tables or text."""
    sinks: list[Callable[[int, list[Example]], None]] = []
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, WandbCallback):
            sinks.append(_wandb_sink(callback))
        elif isinstance(callback, TensorBoardCallback):
            sinks.append(_tensorboard_sink(callback))
    return sinks


def _wandb_sink(callback: Any) -> Callable[[int, list[Example]], None]:
    def log(step: int, examples: list[Example]) -> None:
        wandb = callback._wandb
        if wandb.run is None:
            return
        rows = [_cells(example) for example in examples]
        num_top = max((len(example.top) for example in examples), default=0)
        columns = [*_COLUMNS, *(f"top {i + 1}" for i in range(num_top))]
        table = wandb.Table(columns=columns, data=rows)
        wandb.log({"eval/examples": table, "train/global_step": step})

    return log


def _tensorboard_sink(callback: Any) -> Callable[[int, list[Example]], None]:
    def log(step: int, examples: list[Example]) -> None:
        if callback.tb_writer is not None:
            callback.tb_writer.add_text("eval/examples", markdown_table(examples), step)

    return log


def _cells(example: Example) -> list[str]:
    top = [f"{token} {probability:.1%}" for token, probability in example.top]
    probability = f"{example.truth_probability:.2%}"
    return [example.kind, example.event, example.tokens, example.truth, probability, *top]


def markdown_table(examples: Sequence[Example]) -> str:
    """The examples as a Markdown table in which page text is text and nothing else."""
    header = [*_COLUMNS, "likeliest"]
    lines = [" | ".join(header), " | ".join("---" for _ in header)]
    for example in examples:
        cells = [_escape(cell) for cell in _cells(example)]
        fixed, top = cells[: len(_COLUMNS)], cells[len(_COLUMNS) :]
        lines.append(" | ".join([*fixed, ", ".join(top)]))
    return "\n".join(f"| {line} |" for line in lines)


def _escape(text: str) -> str:
    """Text with every character that HTML or Markdown could take for its own as an entity."""
    return re.sub(r"[^\w\s.,:%]|_", lambda match: f"&#{ord(match[0])};", text)

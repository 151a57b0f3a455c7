"""Pushing while a run trains: what Trainer would do, without what it gets wrong.

Trainer uploads the whole output folder: `training_args.bin`, a pickle that holds paths and a token
given as a flag, `run.json`, logs and caches that lie there. It writes a card over an existing one,
reads files that training goes on rewriting, and a failed upload goes unnoticed.
"""

from __future__ import annotations

import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from transformers import Trainer
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import HubStrategy

from .arguments import RRWebTrainingArguments, UsageError
from .callbacks import say
from .history import HISTORY_FILE
from .hub import HubError, Repository, check_access, open_repository, push
from .hub_files import (
    PublishedFile,
    check_tells_no_paths,
    checkpoint_files,
    link_files,
    model_files,
)
from .push_command import push_folder
from .sealing import SEAL_FILE, seal_folder

__all__ = ["HubTrainer", "check_push", "repository_of"]

METRICS_FILE: Final = "metrics.json"
_STAGING: Final = "_push-"


def repository_of(args: RRWebTrainingArguments) -> Repository:
    """Where `--hub_model_id` and its companions say.

    Raises:
        UsageError: no name was given.
    """
    if not args.hub_model_id:
        raise UsageError("--push_to_hub needs --hub_model_id OWNER/NAME, the repository to push to")
    return Repository(
        name=args.hub_model_id,
        is_private=args.hub_private_repo,
        token=args.hub_token,
        revision=args.hub_revision,
    )


def check_push(args: RRWebTrainingArguments) -> None:
    """With `--push_to_hub`, see before any work starts that it can be done.

    Raises:
        UsageError: no name was given.
        HubError: the Hub cannot be reached or does not know the token.
    """
    if not args.push_to_hub or args.process_index > 0:
        return
    repository = repository_of(args)
    try:
        check_access(repository.token)
    except HubError as error:
        raise HubError(
            f"{error}. Or leave out --push_to_hub, and push the finished run with python -m "
            "rrweb_bert push DIR REPO"
        ) from error


class HubTrainer(Trainer):  # type: ignore[misc]
    """A Trainer whose pushes take listed files only; see `hub_files`."""

    args: RRWebTrainingArguments
    hub_model_id: str | None

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Make the repository if it is missing."""
        self._uploads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="push")
        self._pending: list[Future[None]] = []
        if self.is_world_process_zero():
            self.hub_model_id = open_repository(repository_of(self.args))
            for left in Path(self.args.output_dir or ".").glob(f"{_STAGING}*"):
                shutil.rmtree(left)  # of a run that was killed while it pushed

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: `model_card.write_card` writes it when the results are there."""

    def push_to_hub(
        self, commit_message: str | None = "End of training", *args: Any, **kwargs: Any
    ) -> str | None:
        """Upload the finished model from the output folder and return its address."""
        if not self.is_world_process_zero():
            return None
        self._finish_current_push()
        folder, message = Path(self.args.output_dir or "."), commit_message or "End of training"
        return push_folder(folder, repository_of(self.args), message=message)

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Upload a checkpoint's model, and the checkpoint if asked for, while training goes on."""
        strategy = self.args.hub_strategy
        if not self.is_world_process_zero() or strategy == HubStrategy.END:
            return
        is_busy = any(not push.done() for push in self._pending)
        if is_busy and not self.args.hub_always_push:
            return
        step = self.state.global_step
        try:
            files, staging = self._stage(Path(checkpoint_folder))
        except Exception as error:  # a full disk, a damaged file: training matters more
            _say_failed(step, error)
            return
        self._pending.append(self._uploads.submit(self._push_step, files, staging, step))

    def _stage(self, checkpoint: Path) -> tuple[list[PublishedFile], Path]:
        """The files of a push, and the folder that keeps them until they have gone up."""
        strategy, output_dir = self.args.hub_strategy, Path(self.args.output_dir or ".")
        # Its metrics are in the history, too, and the finished model has none of that name.
        files = [file for file in model_files(checkpoint) if file.path_in_repo != METRICS_FILE]
        history = output_dir / HISTORY_FILE
        if history.is_file():
            files.append(PublishedFile(path_in_repo=HISTORY_FILE, path=history))
        if strategy == HubStrategy.CHECKPOINT:
            files += checkpoint_files(checkpoint, "last-checkpoint")
        elif strategy == HubStrategy.ALL_CHECKPOINTS:
            files += checkpoint_files(checkpoint, checkpoint.name)
        # Linked now, since an old checkpoint may be removed before it has gone up.
        staging = Path(mkdtemp(prefix=_STAGING, dir=output_dir))
        try:
            return link_files(files, staging), staging
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def _push_step(self, files: list[PublishedFile], staging: Path, step: int) -> None:
        try:
            check_tells_no_paths(files, Path(self.args.output_dir or "."))
            files = files + _sealed(files, staging, step)
            message = f"Training in progress, step {step}"
            push(files, str(self.hub_model_id), repository_of(self.args), message=message)
        except Exception as error:
            # Whatever it is, in the Hub's client too: `_finish_current_push` would raise it when
            # training is over and its results are not yet written.
            _say_failed(step, error)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _finish_current_push(self) -> None:
        """Wait for pushes under way."""
        pending, self._pending = getattr(self, "_pending", []), []
        for each in pending:
            each.result()


def _say_failed(step: int, error: Exception) -> None:
    is_plain = isinstance(error, (UsageError, OSError))
    reason = str(error) if is_plain else f"{type(error).__name__}: {error}"
    say(f"note: the push of step {step} failed, training goes on: {reason}")


def _sealed(files: list[PublishedFile], staging: Path, step: int) -> list[PublishedFile]:
    """The seal of a checkpoint that is among the files, so that a run continues from it."""
    folders = {Path(f.path_in_repo).parent for f in files if f.path.name == TRAINER_STATE_NAME}
    for folder in folders:
        seal_folder(staging / folder, step=step)
    names = [(folder / SEAL_FILE).as_posix() for folder in folders]
    return [PublishedFile(path_in_repo=name, path=staging / name) for name in names]

"""A model and its norms -> sessions judged, each alone or as a folder, most unusual first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data_prep.errors import DataError
from rrweb_bert.command_encoder import encoder_of
from rrweb_bert.session_encoder import DEFAULT_MODEL, SessionEncoder
from rrweb_bert.surprise.moments import SessionSurprise, session_surprise
from rrweb_bert.surprise.norms import NORMS_FILE, Norms, fit_norms, weights_hash
from rrweb_bert.surprise.reading import NamedSession
from rrweb_bert.surprise.scoring import EventScores, Scorer, ScoringOptions
from rrweb_bert.window_passes import NUM_SPECIAL

__all__ = ["Judge", "load_judge"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judge:
    """Judges sessions.

    Attributes:
        encoder: the model with its tokenizer.
        scorer: the same model.
        norms: what is usual; None to compare the sessions with one another.
        remark: what a reader should know of the norms; empty where they are the model's own.
    """

    encoder: SessionEncoder
    scorer: Scorer
    norms: Norms | None
    remark: str

    def judge(
        self, sessions: Iterable[NamedSession], *, max_moments: int
    ) -> Iterator[SessionSurprise]:
        """Judge sessions in their order; without norms, all are scored before the first is told.

        Args:
            sessions: what to judge.
            max_moments: how many moments of each are kept.
        """
        if self.norms is not None:
            for named in sessions:
                scores = self.scorer.score(named.session)
                yield self._told(named, scores, self.norms, max_moments)
            return
        scored = [(named, self.scorer.score(named.session)) for named in sessions]
        norms = fit_norms((scores for _, scores in scored), self.scorer.options)
        for named, scores in scored:
            yield self._told(named, scores, norms, max_moments)

    def _told(
        self, named: NamedSession, scores: EventScores, norms: Norms, max_moments: int
    ) -> SessionSurprise:
        return session_surprise(
            named.name,
            named.session,
            scores,
            norms,
            self.encoder.tokenizer,
            max_moments=max_moments,
        )


def load_judge(
    model: str | Path | None,
    *,
    device: str = "auto",
    use_norms: bool = True,
    recogniser: str | None = None,
) -> Judge:
    """A judge with a model's weights, and its norms where they lie beside these.

    Args:
        model: folder or name; None for the model that comes with the package.
        device: "auto", "cpu", "cuda", ...
        use_norms: False leaves the model's norms aside.
        recogniser: name of one for the tokenizer, "module:function".

    Raises:
        UsageError: the model cannot be loaded.
        DataError: its norms are damaged.
    """
    encoder = encoder_of(model, device, recogniser=recogniser)
    folder = DEFAULT_MODEL if model is None else Path(model)
    norms, remark = _norms_of(folder) if use_norms else (None, "")
    options = ScoringOptions() if norms is None else norms.options
    most = encoder.model.config.max_position_embeddings - NUM_SPECIAL
    if options.window_ids > most:
        options = ScoringOptions(window_ids=most)
    scorer = Scorer(
        model=encoder.model, device=encoder.device, options=options, precision=encoder.precision
    )
    return Judge(encoder=encoder, scorer=scorer, norms=norms, remark=remark)


def _norms_of(folder: Path) -> tuple[Norms | None, str]:
    """The norms of a model's folder, or None and why they are not used."""
    remedy = (
        "events are compared with those of the same input; for a reference, run "
        "`python -m rrweb_bert surprise-norms CORPUS --model MODEL`"
    )
    path = folder / NORMS_FILE
    if not path.is_file():
        return None, f"no {NORMS_FILE} in {folder}: {remedy}"
    norms = Norms.load(path)
    try:
        weights = weights_hash(folder)
    except OSError as error:
        raise DataError(f"the weights in {folder} cannot be read: {error}") from error
    if norms.weights_sha256 != weights:
        return None, f"{path} was measured of other weights: {remedy}"
    return norms, ""

"""What the options of a command name -> the encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_prep.encoding import load_tokenizer, named_recogniser

from .early_checks import tokenizer_path
from .encoder_loading import Precision
from .options import UsageError
from .session_encoder import SessionEncoder

__all__ = ["encoder_of"]


def encoder_of(
    model: str | Path | None,
    device: str,
    *,
    precision: Precision = "auto",
    recogniser: str | None = None,
) -> SessionEncoder:
    """The encoder with a model's weights and tokenizer.

    Args:
        model: folder or name on the Hub; None for the package's own.
        device: "auto", "cpu", "cuda", ...
        precision: see `SessionEncoder.from_pretrained`.
        recogniser: name of one for the tokenizer, "module:function".

    Raises:
        UsageError: there is no such model or device, or its tokenizer wants a recogniser.
        DataError: there is no such recogniser.
    """
    tokenizer: Any = None
    if named_recogniser(recogniser) is not None:
        tokenizer = load_tokenizer(tokenizer_path(model), recogniser)
    try:
        encoder = SessionEncoder.from_pretrained(
            model, device, precision=precision, tokenizer=tokenizer
        )
    except (ValueError, RuntimeError) as error:  # the latter: a device that is not there
        raise UsageError(str(error)) from error
    if recogniser is None and (saved := encoder.tokenizer.saved_recogniser) is not None:
        raise UsageError(
            f"{model} was saved with a recogniser, without which it would read what that one "
            f"hides; name it: --recogniser {saved}"
        )
    return encoder

"""Libraries that only some need: how to install what is missing."""

from __future__ import annotations

__all__ = ["how_to_install"]


def how_to_install(extra: str) -> str:
    """Return the commands that install an extra: in a clone, and where the package is installed.

    Args:
        extra: A name of `extras_require` in setup.cfg.
    """
    return f'pip install -e ".[{extra}]" in a clone, else pip install "rrweb-bert[{extra}]"'

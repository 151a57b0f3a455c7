"""Named arguments: one YAML file a preset, to be read, copied and changed."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

__all__ = ["preset_file", "preset_names"]


def preset_file(name: str) -> Traversable:
    """The file of a preset, in the form that `config_file` reads."""
    return resources.files(__name__) / f"{name}.yaml"


def preset_names() -> list[str]:
    """The names of all presets, sorted."""
    files = (entry.name for entry in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))

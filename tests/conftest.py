"""Hypothesis profiles, chosen by HYPOTHESIS_PROFILE: dev 50, ci 200, night 10,000 examples."""

import os
import random

import pytest
from hypothesis import HealthCheck, settings

from data_prep.train_text_model import train_text_model

_PROXIES = {f"{scheme}_proxy" for scheme in ("http", "https", "ftp", "all", "ws", "wss", "no")}

# Two cores are shared with other work: time says nothing about the code here.
_COMMON = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
    "print_blob": True,
}
for _name, _num_examples in (("dev", 50), ("ci", 200), ("night", 10_000)):
    settings.register_profile(_name, max_examples=_num_examples, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo ya zen ing er th st".split()
_OTHER_WORDS = "$12.99 12:30 Größe précédent 購入する корзина a-b_c/d e.g. (new!) 3,000".split()


@pytest.fixture(scope="session", autouse=True)
def _no_proxies():
    """Tests talk to servers of their own: the proxies of whoever runs them do not count.

    For the session, since the Hub's client reads them when it is made, once.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower() in _PROXIES]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def made_up_texts():
    """3,000 made-up lines of a few words: what pages could say."""
    rng = random.Random(7)  # noqa: S311 - no secret
    words = ["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(1500)]
    return [
        " ".join(rng.choices(words + _OTHER_WORDS * 20, k=rng.randint(1, 12))).capitalize()
        for _ in range(3000)
    ]


@pytest.fixture(scope="session")
def small_model_proto(made_up_texts):
    """A text model of 800 pieces, trained once a run."""
    return train_text_model(made_up_texts, vocab_size=800)

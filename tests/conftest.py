"""Hypothesis profiles, chosen by HYPOTHESIS_PROFILE: dev 50, ci 200, night 10,000 examples."""

import os

from hypothesis import HealthCheck, settings

# Two cores are shared with other work: time says nothing about the code here.
_COMMON = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
    "print_blob": True,
}
for _name, _num_examples in (("dev", 50), ("ci", 200), ("night", 10_000)):
    settings.register_profile(_name, max_examples=_num_examples, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

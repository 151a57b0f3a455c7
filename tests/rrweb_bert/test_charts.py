"""Numbers beside the axes of charts."""

import pytest

from rrweb_bert.report.charts import _short


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"), (0.0005, "5e-04"), (6.031, "6.03"), (999.4, "999"), (999.6, "1,000"),
        (4361.2, "4,361"), (9999.6, "10k"), (450_300, "450k"), (2_500_000, "2.5M"),
    ],
)  # fmt: skip
def test_numbers_are_short_and_without_powers_of_ten_where_none_is_needed(value, told):
    assert _short(value) == told

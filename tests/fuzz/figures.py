"""What the fuzz tests counted, for the end of the run."""

from collections import Counter

COUNTS = Counter()
SLOWEST = [(0.0, "")]
REASONS = Counter()

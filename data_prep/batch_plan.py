"""Which samples each batch of each process holds: the one place where several processes differ.

With R processes of batch size B, samples are dealt out batch by batch, so that one round of all
processes is what a single process of batch size R x B would read::

    process 0    [s, s + B)         [s + R B, s + R B + B)      ...
    process 1    [s + B, s + 2 B)   [s + R B + B, ...)          ...

Nothing is read twice or left out, whatever R is, and a run may go on with another R.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BatchPlan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """The batches of one process.

    Raises:
        ValueError: A field is out of its range, or there is no sample at all.
    """

    batch_size: int
    """B, samples in a batch of this process."""

    stop_sample: int
    """One past the last sample of all processes."""

    start_sample: int = 0
    """First sample of all processes."""

    rank: int = 0
    """Number of this process, 0 <= rank < num_ranks."""

    num_ranks: int = 1
    """R, processes that read the samples together."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be positive, got {self.batch_size}")
        if not 0 <= self.rank < self.num_ranks:
            raise ValueError(f"rank must be in [0, {self.num_ranks}), got {self.rank}")
        if not 0 <= self.start_sample < self.stop_sample:
            raise ValueError(
                f"no samples between start {self.start_sample} and stop {self.stop_sample}"
            )

    @property
    def num_batches(self) -> int:
        """Batches of this process; fewer than another's, even none, where samples run out."""
        first = self.start_sample + self.rank * self.batch_size
        return max(0, -(-(self.stop_sample - first) // (self.num_ranks * self.batch_size)))

    def samples(self, batch: int) -> range:
        """Return the samples of batch `batch` of this process; the last one may be short."""
        if not 0 <= batch < self.num_batches:
            raise IndexError(f"batch {batch} of {self.num_batches}")
        start = self.start_sample + (batch * self.num_ranks + self.rank) * self.batch_size
        return range(start, min(start + self.batch_size, self.stop_sample))

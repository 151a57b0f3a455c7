"""Prints at the end of a run what the fuzz tests counted."""

from fuzz.figures import COUNTS, REASONS, SLOWEST


def pytest_terminal_summary(terminalreporter):
    if COUNTS:
        counted = ", ".join(f"{number:,} {what}" for what, number in sorted(COUNTS.items()))
        terminalreporter.write_line(f"fuzz: {counted}")
        for reason, number in REASONS.most_common(12):
            terminalreporter.write_line(f"fuzz: {number:,} x {reason}")
        for seconds, name in SLOWEST[:1]:
            terminalreporter.write_line(f"fuzz: slowest {seconds:.2f} s of CPU time ({name})")

"""The two streams of the terminal, as rich sees them: colours only on a terminal, and none where NO_COLOR is set."""

import sys

from rich.console import Console


def stdout() -> Console:
    """Make a console for what was asked for."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)


def stderr() -> Console:
    """Make a console for progress and remarks."""
    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False)

"""Units that chase each other: one wants to be where another is that wants to be elsewhere. They slow down."""

from typing import Final

WINDOW_SECONDS: Final = 60.0
MAX_MOVES: Final = 3


class Swings:
    """How often units moved of late; times are on the loop's clock."""

    def __init__(self) -> None:
        self._moves: dict[str, list[float]] = {}  # by uid, the one that moved last at the end

    def moved(self, uid: str, now: float) -> None:
        """A unit is elsewhere now."""
        recent = self._recent(uid, now)
        self._moves.pop(uid, None)
        self._moves[uid] = [*recent, now]
        while now - self._moves[oldest := next(iter(self._moves))][-1] >= WINDOW_SECONDS:
            del self._moves[oldest]

    def wait_seconds(self, uid: str, now: float) -> float:
        """How long a unit whose neighbours moved shall wait: not at all, unless it moved too often already."""
        recent = self._recent(uid, now)
        return 0.0 if len(recent) < MAX_MOVES else WINDOW_SECONDS - (now - recent[0])

    def _recent(self, uid: str, now: float) -> list[float]:
        return [at for at in self._moves.get(uid, ()) if now - at < WINDOW_SECONDS]

"""Units that chase each other: one wants to be where another is that wants to be elsewhere. They slow down."""

from typing import Final

WINDOW_SECONDS: Final = 60.0
MAX_MOVES: Final = 3


class Swings:
    """How often units moved of late; times are on the loop's clock."""

    def __init__(self) -> None:
        self._moves: dict[str, list[float]] = {}

    def moved(self, uid: str, now: float) -> None:
        """A unit is elsewhere now."""
        self._moves[uid] = [*self._recent(uid, now), now]
        for other in [key for key, times in self._moves.items() if now - times[-1] >= WINDOW_SECONDS]:
            del self._moves[other]

    def wait_seconds(self, uid: str, now: float) -> float:
        """How long a unit whose neighbours moved shall wait: not at all, unless it moved too often already."""
        recent = self._recent(uid, now)
        return 0.0 if len(recent) < MAX_MOVES else WINDOW_SECONDS - (now - recent[0])

    def _recent(self, uid: str, now: float) -> list[float]:
        return [at for at in self._moves.get(uid, ()) if now - at < WINDOW_SECONDS]

"""Pure: serials of zones, which are compared on a circle of 32 bits (RFC 1982)."""

from collections.abc import Iterable

_MODULUS = 2**32
_HALF = 2**31


def is_newer(serial: int, than: int) -> bool:
    """Whether a serial comes after another: by less than half of the circle. At exactly half neither does."""
    return 0 < (serial - than) % _MODULUS < _HALF


def following(serial: int) -> int:
    """The serial after one; 0 is left out, which some servers take for none."""
    return (serial + 1) % _MODULUS or 1


def after_restore(stored: int, *, seen: Iterable[int], unix_seconds: int) -> int:
    """The serial to go on with where what is stored may be older than what was served: after a restore from a backup.

    Secondaries keep what they have for ever if their primary comes back with an older serial.

    Args:
        stored: the serial that the restored data has.
        seen: what secondaries say that they hold.
        unix_seconds: the time; taken where it is ahead of the rest, so that no secondary need be reachable.

    Raises:
        ValueError: a secondary's serial is at exactly half the circle from what is stored: which is newer is undefined.
    """
    known = [stored, *seen]
    newest = stored
    for serial in known:
        if (serial - newest) % _MODULUS == _HALF:
            raise ValueError(f"a secondary has serial {serial}, half the circle from {newest}: RFC 1982 knows no order")
        if is_newer(serial, newest):
            newest = serial
    now = unix_seconds % _MODULUS
    return now if now and all(is_newer(now, serial) for serial in known) else following(newest)

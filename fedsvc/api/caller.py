"""Who calls, known to whatever runs below a call."""

from contextvars import ContextVar
from typing import Final

_CALLER: Final[ContextVar[str]] = ContextVar("fedsvc_caller", default="")


def set_caller(name: str) -> None:
    """Note the name of the token that the current call came with; every call runs in a context of its own."""
    _CALLER.set(name)


def caller() -> str:
    """The name of the token that the current call came with; empty outside of calls."""
    return _CALLER.get()

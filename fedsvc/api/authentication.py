"""Bearer tokens: looked up by their digest, and remembered for a few seconds."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from fedsvc.errors import UnauthenticatedError

FindCaller = Callable[[str], Awaitable[str | None]]
"""Name of a token, None where it is not known or has ended."""

_ADVICE: Final = "send metadata 'authorization: Bearer <token>'"


class Authenticator:
    """Turns the metadata of a call into the name of its token.

    A revoked token works for up to `cache_seconds` more; a wrong one is looked up every time, by its digest, so an
    answer takes the same time however much of it is right.
    """

    def __init__(self, find_caller: FindCaller, *, cache_seconds: float = 5.0, cache_size: int = 1_000) -> None:
        self._find_caller = find_caller
        self._cache_seconds = cache_seconds
        self._cache_size = cache_size
        self._known: dict[bytes, tuple[str, float]] = {}

    async def caller(self, metadata: Iterable[tuple[str, str | bytes]]) -> str:
        """The name of the token in the metadata.

        Raises:
            UnauthenticatedError: there is none, it is malformed, unknown or has ended.
            StoreUnavailableError: it cannot be looked up now.
        """
        token = _bearer_token(metadata)
        digest = hashlib.sha256(token.encode()).digest()
        now = time.monotonic()
        name, until = self._known.get(digest, ("", 0.0))
        if now < until:
            return name
        found = await self._find_caller(token)
        if found is None:
            self._known.pop(digest, None)
            raise UnauthenticatedError("the token is not known to this server: it was revoked, or is of another server")
        if len(self._known) >= self._cache_size:
            self._known.clear()
        self._known[digest] = (found, now + self._cache_seconds)
        return found


def _bearer_token(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    values = [value for key, value in metadata if key.lower() == "authorization"]
    if not values:
        raise UnauthenticatedError(f"the call brings no token: {_ADVICE}")
    if len(values) > 1:
        raise UnauthenticatedError(f"the call brings {len(values)} authorization values: {_ADVICE} once")
    scheme, _, token = str(values[0]).partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise UnauthenticatedError(f"the authorization is not a bearer token: {_ADVICE}")
    return token

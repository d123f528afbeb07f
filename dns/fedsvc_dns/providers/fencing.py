"""Updates that require what our mark was last, and write it anew: a late writer changes nothing.

After a lost answer the mark tells whether the update was done: no two updates ever write the same value.
"""

from collections.abc import Callable, Sequence

import dns.rcode
import dns.rdatatype

from fedsvc_dns.providers import asking, updates
from fedsvc_dns.providers.connection import ServerConnection
from fedsvc_dns.providers.contract import UnreachableError
from fedsvc_dns.providers.keys import TsigKey

_SENDS = 3
"""Of one message whose answer is lost."""
_MOVED = frozenset((dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN))


class MarkMovedError(Exception):
    """The prerequisite does not hold: somebody wrote since we read."""


class FencedWriter:
    """Sends the messages of one change set, each after the one before."""

    def __init__(
        self,
        connection: ServerConnection,
        key: TsigKey,
        *,
        origin: str,
        mark: str,
        expected: str | None,
        next_value: Callable[[], str],
    ) -> None:
        """For one zone.

        Args:
            connection: to its primary.
            key: to sign with.
            origin: of the zone.
            mark: the name of the mark.
            expected: its value as it was read; None where there is none.
            next_value: gives a value that was never written.
        """
        self._connection = connection
        self._key = key
        self._origin = origin
        self._mark = mark
        self._expected = expected
        self._next_value = next_value

    async def send(self, items: Sequence[updates.Item]) -> dns.rcode.Rcode:
        """Send one message, also again, until it is known what became of it.

        Returns:
            The server's code; NOERROR where it was done, now or at an earlier try.

        Raises:
            MarkMovedError: nothing was done, for somebody else wrote.
            UnreachableError: it is not known.
        """
        required = updates.Prerequisite(name=self._mark, expected=self._expected, written=self._next_value())
        for _ in range(_SENDS):
            message = updates.message(self._origin, required, items)
            try:
                answer = await asking.ask_signed(self._connection, self._key, message, again=False)
            except UnreachableError:
                found = await self._found()
                if found == required.expected:
                    continue  # not done, or not yet: should it be done later, the next try finds the mark moved
                return self._done(required, found)
            code = answer.rcode()
            if code in _MOVED:
                return self._done(required, await self._found())
            if code == dns.rcode.NOERROR:
                self._expected = required.written
            return code
        raise UnreachableError(
            f"{self._connection.address} gave no answer to an update of {self._origin}, {_SENDS} times"
        )

    def _done(self, required: updates.Prerequisite, found: str | None) -> dns.rcode.Rcode:
        if found != required.written:
            raise MarkMovedError
        self._expected = found
        return dns.rcode.NOERROR

    async def _found(self) -> str | None:
        """The mark's value now."""
        query = asking.header(asking.new_id(), counts=(1, 0, 0, 0)) + asking.question(self._mark, "TXT")
        answer = await asking.ask_signed(self._connection, self._key, query)
        if answer.rcode() != dns.rcode.NXDOMAIN:
            asking.refuse_errors(answer.rcode(), f"a question for {self._mark}", str(self._connection.address))
        found = [rdata.to_text() for rrset in answer.answer if rrset.rdtype == dns.rdatatype.TXT for rdata in rrset]
        return found[0] if found else None

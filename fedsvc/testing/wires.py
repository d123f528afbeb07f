"""What is still to come on the sockets of an event loop: what a clock that jumps must wait for, and nothing else does.

Two sorts of sockets are told apart. One of the family AF_UNIX leads to PostgreSQL: something is to come from when a
statement is sent until PostgreSQL says that it is ready for the next one. All others lead to servers in the same loop:
something is to come from when one end has sent until the other end, if it reads, has read it.
"""

import socket
from collections.abc import Callable
from typing import Any, Final

_STARTUP_HEAD: Final = 8
_CANCEL_REQUEST: Final = (80877102).to_bytes(4)
_ASKS: Final = frozenset(b"SQ")  # Sync and Query: PostgreSQL answers each by one ReadyForQuery
_FLUSH: Final = ord("H")
_READY: Final = ord("Z")
_FLUSHED: Final = frozenset(b"TnE")  # what ends the answer to a statement that is described, or cannot be


class Frames:
    """Reads the types of PostgreSQL's messages off a stream that comes in pieces.

    Source: PostgreSQL's manual, "Message Formats": a type byte and the length of what follows, itself included.
    """

    def __init__(self) -> None:
        self._head = b""  # the begin of a message whose length is not known yet
        self._skip = 0  # bytes of a message that are still to come

    def feed(self, piece: bytes) -> bytes:
        """The types of the messages that begin in the next piece."""
        data = self._head + piece
        at, types = self._skip, bytearray()
        while at + 5 <= len(data):
            types.append(data[at])
            at += 1 + int.from_bytes(data[at + 1 : at + 5])
        self._head, self._skip = (data[at:], 0) if at < len(data) else (b"", at - len(data))
        return bytes(types)


class Wires:
    """The sockets of a loop. `asked` is called before each message to PostgreSQL."""

    def __init__(self, *, asked: Callable[[], None]) -> None:
        self.asked = asked
        self._by_address: dict[tuple[Any, Any], LoopWire] = {}
        self._by_descriptor: dict[int, Wire] = {}
        self._owed: dict[Wire, None] = {}  # something is to be read from them
        self._unaccepted: dict[Wire, None] = {}  # have sent to somebody who has not accepted the connection yet
        self._count = 0

    def add(self, made: socket.socket) -> socket.socket:
        """Follow a socket that is connected; gives what to use instead of it."""
        if made.family == socket.AF_UNIX:
            wire: Wire = PostgresWire(made, self)
        else:
            try:
                address = made.getsockname(), made.getpeername()
            except OSError:  # the other end is gone already
                return made
            peer = self._by_address.get((address[1], address[0]))
            wire = self._by_address[address] = LoopWire(made, self, address, peer)
            if peer is not None:
                self._unaccepted.pop(peer, None)
        self._by_descriptor[wire.fileno()] = wire
        return wire

    def order(self, descriptor: int) -> int:
        """By what the events of one moment are sorted: the order in which they were asked for."""
        wire = self._by_descriptor.get(descriptor)
        return 0 if wire is None else wire.number

    def has(self, descriptor: int) -> bool:
        """Whether a socket is one of these."""
        return descriptor in self._by_descriptor

    def peer_of(self, address: tuple[Any, Any]) -> "LoopWire | None":
        """The other end, where it is in this loop and open."""
        return self._by_address.get((address[1], address[0]))

    def mark(self, wire: "Wire", *, owed: bool) -> None:
        """Something is to be read from a wire, or nothing is any more."""
        if not owed:
            self._owed.pop(wire, None)
        elif wire not in self._owed:
            self._count += 1
            wire.number = self._count
            wire.given_up = wire.is_late = False
            self._owed[wire] = None

    def mark_unaccepted(self, wire: "Wire") -> None:
        """A wire has sent to somebody who has not accepted the connection yet."""
        wire.given_up = False
        self._unaccepted[wire] = None

    def owed(self, is_read: Callable[[int], bool]) -> list["Wire"]:
        """Those from which something is to be read. `is_read` tells whether somebody reads a file descriptor."""
        return [wire for wire in self._owed if not wire.given_up and is_read(wire.fileno())]

    def unaccepted(self) -> list["Wire"]:
        """Those that have sent to somebody who has not accepted the connection yet."""
        return [wire for wire in self._unaccepted if not wire.given_up]

    def forget(self, wire: "Wire") -> None:
        """A wire is about to be closed."""
        self._by_descriptor.pop(wire.fileno(), None)
        self._owed.pop(wire, None)
        self._unaccepted.pop(wire, None)
        if isinstance(wire, LoopWire):
            self._by_address.pop(wire.address, None)


class Wire(socket.socket):
    """A socket that takes note of what goes over it, as an event loop uses it."""

    def __init__(self, made: socket.socket, wires: Wires) -> None:
        super().__init__(made.family, made.type, made.proto, fileno=made.detach())
        self.settimeout(0)
        self.number = 0  # grows with what is asked
        self.given_up = False  # waited for in vain: it is to come, but not now
        self.is_late = False  # it came later than what came at the same time
        self._wires = wires

    def send(self, data: Any, flags: int = 0, /) -> int:
        """As ever."""
        self.before_sent(data)
        count = super().send(data, flags)
        self.after_sent(count)
        return count

    def sendmsg(self, buffers: Any, /, *_: Any) -> int:
        """Send several at once; a loop asks for no more of it."""
        return self.send(b"".join(buffers))

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As ever."""
        try:
            data = super().recv(size, flags)
        except ConnectionError:
            self.received(b"")
            raise
        self.received(data)
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0, /) -> int:
        """As ever."""
        data = self.recv(nbytes or len(buffer), flags)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """As ever."""
        if self.fileno() >= 0:
            self._wires.forget(self)
            self.closed()
        super().close()

    def before_sent(self, data: Any) -> None:
        """Something is about to be sent, as far as the kernel takes it."""

    def after_sent(self, count: int) -> None:
        """So many bytes were."""
        raise NotImplementedError

    def received(self, data: bytes) -> None:
        """Something was read; nothing: the other end is closed."""
        raise NotImplementedError

    def closed(self) -> None:
        """This end is about to be closed."""


class PostgresWire(Wire):
    """A connection to PostgreSQL."""

    def __init__(self, made: socket.socket, wires: Wires) -> None:
        super().__init__(made, wires)
        self._sent, self._answers = Frames(), Frames()
        self._begun = False
        self._asks = 0  # not answered by ReadyForQuery yet
        self._flushes = False  # asked to tell what it has, without more
        self._data: Any = b""

    def before_sent(self, data: Any) -> None:
        """Something is about to be sent, as far as the kernel takes it."""
        self._wires.asked()
        self._data = data

    def after_sent(self, count: int) -> None:
        """So many bytes were sent."""
        data, self._data = bytes(self._data[:count]), b""
        if not self._begun:
            # Who connects sends this first, in one piece: neither it nor the wish to cancel a statement has a type.
            self._begun, self._asks = True, 1
            data = b"" if data[4:_STARTUP_HEAD] == _CANCEL_REQUEST else data[int.from_bytes(data[:4]) :]
        for kind in self._sent.feed(data):
            self._asks += kind in _ASKS
            self._flushes |= kind == _FLUSH
        self._mark()

    def received(self, data: bytes) -> None:
        """Something was read; nothing: the other end is closed."""
        if not data:
            self._asks, self._flushes = 0, False
        for kind in self._answers.feed(data):
            if kind == _READY:
                self._asks = max(0, self._asks - 1)
            if kind == _READY or kind in _FLUSHED:
                self._flushes = False
        self._mark()

    def _mark(self) -> None:
        self._wires.mark(self, owed=bool(self._asks) or self._flushes)


class LoopWire(Wire):
    """One end of a connection whose other end is, or will be, in the same loop."""

    def __init__(self, made: socket.socket, wires: Wires, address: tuple[Any, Any], peer: "LoopWire | None") -> None:
        super().__init__(made, wires)
        self.address = address
        self.sent_bytes = 0
        self._due_bytes = 0 if peer is None else peer.sent_bytes  # sent by the other end and not read yet
        self._end_is_due = False  # the other end is closed, which was not read yet
        self._mark()

    def after_sent(self, count: int) -> None:
        """So many bytes were sent."""
        self.sent_bytes += count
        peer = self._wires.peer_of(self.address)
        if peer is None:
            self._wires.mark_unaccepted(self)
        else:
            peer.expect(count)

    def expect(self, count: int) -> None:
        """The other end has sent so many bytes."""
        self._due_bytes += count
        self._mark()

    def expect_end(self) -> None:
        """The other end is about to be closed."""
        self._end_is_due = True
        self._mark()

    def received(self, data: bytes) -> None:
        """Something was read; nothing: the other end is closed."""
        self._due_bytes -= len(data)
        if not data:
            self._due_bytes, self._end_is_due = 0, False
        self._mark()

    def closed(self) -> None:
        """This end is about to be closed."""
        peer = self._wires.peer_of(self.address)
        if peer is not None:
            peer.expect_end()

    def _mark(self) -> None:
        self._wires.mark(self, owed=self._due_bytes > 0 or self._end_is_due)

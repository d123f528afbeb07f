"""Sends a change set in parts; what is refused is halved until the names that are not taken are found."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from fedsvc_dns.providers.batching import halves
from fedsvc_dns.providers.contract import Key, Outcome, Reason, Refusal
from fedsvc_dns.providers.judging import NameChange
from fedsvc_dns.records import RecordSet

MOST_REFUSALS = 64
"""Names that a server refuses, one by one, before the rest of a refused part is not tried any more."""


class Sendable(Protocol):
    """What is to be done at one name, in whatever form it is sent."""

    @property
    def change(self) -> NameChange:
        """What it is."""
        ...


Item = TypeVar("Item", bound=Sendable)


@dataclass(slots=True)
class Sent(Generic[Item]):
    """What became of the items of one change set so far."""

    done: list[Item] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    by_server: int = 0


async def send_parts(
    parts: Iterable[tuple[Item, ...]],
    sent: Sent[Item],
    *,
    send: Callable[[Sequence[Item]], Awaitable[str]],
    check: Callable[[], Awaitable[None]],
    most_refusals: int = MOST_REFUSALS,
) -> None:
    """Send parts in order.

    Args:
        parts: each goes whole or not at all; at least one, which may be empty: the zone's mark is written at least.
        sent: is told what becomes of them.
        send: sends a part; what the server said where it refused it, else nothing.
        check: tells a server that refuses something from one that refuses everything, which it raises.
        most_refusals: by the server, one by one.
    """
    checked = False
    waiting = list(reversed(list(parts)))
    while waiting:
        part = waiting.pop()
        said = await send(part)
        if not said:
            sent.done.extend(part)
            continue
        if not checked:
            await check()
            checked = True
        waiting.extend(reversed(_after_refusal(part, said, sent, most_refusals)))


def _after_refusal(part: Sequence[Item], said: str, sent: Sent[Item], most_refusals: int) -> list[tuple[Item, ...]]:
    """What of a refused part to send next, in order; a name that is refused by itself is quarantined."""
    if len(part) == 1:
        sent.by_server += 1
        name = part[0].change.name
        message = f"{name}: the server answers {said} to its change, and takes others; its log tells why"
        sent.refused.append(Refusal(name=name, reason=Reason.SERVER_REFUSED, message=message))
        return []
    if sent.by_server >= most_refusals:
        for item in part:
            name = item.change.name
            message = (
                f"{name}: it was in a message that the server answers {said} to, after"
                f" {most_refusals} names that it refuses; mend these first"
            )
            sent.refused.append(Refusal(name=name, reason=Reason.NOT_TRIED, message=message))
        return []
    first, second = halves(part)
    return [tuple(first), tuple(second)]


def outcome(sent: Sent[Item], record_sets: Mapping[Key, RecordSet], *, serial: int) -> Outcome:
    """What became of a change set, by what was read after it.

    Args:
        sent: what was sent, and refused.
        record_sets: what the zone holds.
        serial: of the zone.
    """
    written: list[str] = []
    for item in sent.done:
        strays = _not_so(item.change, record_sets)
        if strays:
            message = f"the server took its change, and yet {'; '.join(strays)}"
            sent.refused.append(Refusal(name=item.change.name, reason=Reason.NOT_TAKEN, message=message))
        else:
            written.append(item.change.name)
    return Outcome(serial=serial, written=tuple(sorted(written)), refused=by_name(sent.refused))


def by_name(refused: Iterable[Refusal]) -> tuple[Refusal, ...]:
    """Refusals as an `Outcome` has them."""
    return tuple(sorted(refused, key=lambda refusal: refusal.name))


def keys_of(change: NameChange) -> list[Key]:
    """What a change touches."""
    return [*change.deletes, *(record_set.key for record_set in change.puts)]


def _not_so(change: NameChange, record_sets: Mapping[Key, RecordSet]) -> list[str]:
    """What is not as a change says."""
    strays = [f"{name} {type_} is still there" for name, type_ in change.deletes if (name, type_) in record_sets]
    for record_set in change.puts:
        found = record_sets.get(record_set.key)
        if found != record_set:
            holds = "is not there" if found is None else f"has TTL {found.ttl_seconds} and {', '.join(found.values)}"
            strays.append(f"{record_set.name} {record_set.type} {holds}")
    return strays

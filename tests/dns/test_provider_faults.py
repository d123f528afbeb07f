"""Writers that end at any await, and change sets at random: what the server holds is told from the outside."""

import asyncio
import random
from typing import Any

import pytest

from fedsvc.testing.stepping import Steps
from fedsvc_dns.providers.contract import ChangeSet, Fence, Outcome
from fedsvc_dns.records import RecordSet, record_set

MOST_AWAITS = 60


def wanted_by(epoch: int, origin: str) -> tuple[RecordSet, ...]:
    """Twelve names, in three messages of the least octets, that all say who wrote them."""
    text = f'"{"x" * 200} {epoch}"'
    return tuple(record_set(f"n{number}.{origin}", "TXT", [text], ttl_seconds=30) for number in range(12))


def change(epoch: int, puts: tuple[RecordSet, ...], deletes: tuple[tuple[str, str], ...] = ()) -> ChangeSet:
    return ChangeSet(fence=Fence(epoch=epoch, generation=1), puts=puts, deletes=deletes)


async def test_whichever_await_a_writer_ends_at_the_next_one_makes_the_zone_what_it_wants(updated: Any) -> None:
    loop = asyncio.get_running_loop()
    steps = Steps(frozenset({"Rfc2136Zone.apply"}), ended=lambda: None)
    loop.set_task_factory(steps)
    ended = 0
    try:
        for number in range(1, MOST_AWAITS):
            steps.begin(number)
            dying = updated.provider(most_octets=1000)
            task = loop.create_task(dying.apply(change(2 * number, wanted_by(2 * number, updated.origin))))
            outcome: Outcome | BaseException = (await asyncio.gather(task, return_exceptions=True))[0]
            await dying.close()
            steps.begin(None)
            if isinstance(outcome, Outcome):
                break  # it came to its end before that await
            assert isinstance(outcome, asyncio.CancelledError), outcome
            ended += 1

            after = wanted_by(2 * number + 1, updated.origin)
            taken = await updated.provider(most_octets=1000).apply(change(2 * number + 1, after))

            assert taken.refused == ()
            served = await updated.served()
            assert served == {one.key: (one.ttl_seconds, frozenset(one.values)) for one in after}
        else:
            pytest.fail("it never comes to its end")
    finally:
        loop.set_task_factory(None)

    assert ended >= 10, "apply has as many awaits at least: connections, transfers, messages"


@pytest.mark.parametrize("seed", range(3))
async def test_after_any_changes_the_server_holds_what_was_not_refused(place: Any, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same changes each time
    provider = place.provider()
    model: dict[tuple[str, str], RecordSet] = {}
    for generation in range(1, 9):
        puts, gone = drawn(chance, place.origin)
        outcome = await provider.apply(ChangeSet(fence=Fence(epoch=1, generation=generation), puts=puts, deletes=gone))
        refused = {refusal.name for refusal in outcome.refused}
        for key in gone:
            if key[0] not in refused:
                model.pop(key, None)
        model |= {one.key: place.told_as(one) for one in puts if one.name not in refused}

        served = await place.served()
        assert served == {key: (one.ttl_seconds, frozenset(one.values)) for key, one in model.items()}
        read = dict((await provider.read()).record_sets)
        assert {key: one for key, one in read.items() if key in model} == model


def drawn(chance: random.Random, origin: str) -> tuple[tuple[RecordSet, ...], tuple[tuple[str, str], ...]]:
    """Some sets to put and to delete, of few names, so that they meet."""
    data = {
        "A": ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
        "AAAA": ["2001:db8::1", "2001:db8::2"],
        "TXT": ['"a"', '"b" "c"'],
        "CNAME": [f"target.{origin}"],
    }
    keys = [(f"{name}.{origin}", type_) for name in ("a", "b", "*.c", "x.y") for type_ in data]
    chosen = chance.sample(keys, 7)
    puts = tuple(
        record_set(
            name,
            type_,
            chance.sample(data[type_], chance.randint(1, len(data[type_]))),
            ttl_seconds=chance.choice([30, 60]),
        )
        for name, type_ in chosen[:4]
    )
    return puts, tuple(chosen[4:])

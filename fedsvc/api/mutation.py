"""What holds for every mutation: one transaction, `validate_only`, and answers that can be asked for again.

A call with a `request_id` stores its answer in the transaction that does the work: repeated within 24 hours it answers
as the first time and does nothing more; with other content it is refused. Ids are a caller's own (AIP-155).
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from fedsvc.api.caller import caller
from fedsvc.api.deeds import deed_of
from fedsvc.api.names import parse_request_id
from fedsvc.store import audit, requests
from fedsvc.store.store import Store, Transaction


class Mutation(Protocol):
    """A request of a mutation."""

    validate_only: bool
    request_id: str

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes:  # noqa: N802 - protobuf's name
        """Its bytes."""


RequestT = TypeVar("RequestT", bound=Mutation)
ResponseT = TypeVar("ResponseT", bound=Message)

Run = Callable[[Transaction, RequestT], Awaitable[ResponseT]]
"""Does the work in a transaction and answers."""


async def mutate(
    store: Store, request: RequestT, response_type: type[ResponseT], run: Run[RequestT, ResponseT]
) -> ResponseT:
    """Do the work of a mutation, once.

    Args:
        store: where.
        request: the request; with `validate_only` the work is done and taken back, so all checks are the real ones.
        response_type: of the answer, to read a stored one.
        run: the work.

    Raises:
        InvalidInputError: the request_id is not a UUID of version 4.
        RequestIdReusedError: it was used for another request.
    """
    request_id = parse_request_id(request.request_id)
    method = type(request).__name__.removesuffix("Request")
    if request.validate_only:
        return await _validate(store, request, run)
    async with store.transaction() as tx:
        if request_id is None:
            return await _do(tx, request, run)
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        name = caller()
        stored = await requests.find(tx, caller=name, request_id=request_id, method=method, digest=digest)
        if stored is not None:
            return response_type.FromString(stored)
        response = await _do(tx, request, run)
        await requests.remember(
            tx,
            caller=name,
            request_id=request_id,
            method=method,
            digest=digest,
            response=response.SerializeToString(),
        )
        return response


async def _do(tx: Transaction, request: RequestT, run: Run[RequestT, ResponseT]) -> ResponseT:
    """Do it, and keep that somebody asked for it."""
    response = await run(tx, request)
    deed = deed_of(request, response, caller())
    if deed is not None:
        await audit.add(tx, [deed])
    return response


async def _validate(store: Store, request: RequestT, run: Run[RequestT, ResponseT]) -> ResponseT:
    async with store.transaction() as tx:
        work = tx.savepoint()
        await work.start()
        response = await run(tx, request)
        await work.rollback()
        tx.changes.clear()
        return response

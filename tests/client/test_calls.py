import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from fedsvc.simulator.certificates import issue_serving, make_authority
from fedsvc.v1 import cluster_pb2, cluster_service_pb2, server_service_pb2, unit_pb2, unit_service_pb2
from fedsvc_client import (
    AlreadyExistsError,
    AsyncClient,
    ConflictError,
    DeadlineError,
    FedsvcError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    ResourceExhaustedError,
    ResumeTokenExpiredError,
    Retries,
    Server,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
)
from fedsvc_client.testing import FakeServer, RefusalError

Code = grpc.StatusCode


def refusing(*refusals: RefusalError, then: Any = None) -> Callable[[Any], Any]:
    left = list(refusals)

    def reply(_: Any) -> Any:
        if left:
            raise left.pop(0)
        return then

    return reply


async def test_a_call_brings_the_token_and_returns_the_message(server: FakeServer, client: AsyncClient) -> None:
    server.on(
        "GetCluster",
        lambda request: cluster_service_pb2.GetClusterResponse(cluster=cluster_pb2.Cluster(name=request.name)),
    )
    assert (await client.clusters.get("eu-1")).name == "clusters/eu-1"
    assert server.asked[0].metadata["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.INVALID_ARGUMENT, InvalidArgumentError),
        (Code.NOT_FOUND, NotFoundError),
        (Code.ALREADY_EXISTS, AlreadyExistsError),
        (Code.ABORTED, ConflictError),
        (Code.FAILED_PRECONDITION, PreconditionError),
        (Code.UNAUTHENTICATED, UnauthenticatedError),
        (Code.PERMISSION_DENIED, PermissionDeniedError),
        (Code.RESOURCE_EXHAUSTED, ResourceExhaustedError),
        (Code.OUT_OF_RANGE, ResumeTokenExpiredError),
        (Code.UNAVAILABLE, UnavailableError),
        (Code.DEADLINE_EXCEEDED, DeadlineError),
        (Code.UNIMPLEMENTED, UnsupportedError),
        (Code.INTERNAL, InternalError),
        (Code.DATA_LOSS, InternalError),
    ],
    ids=lambda value: value.name if isinstance(value, Code) else "",
)
async def test_every_code_becomes_its_error(
    server: FakeServer, client: AsyncClient, code: grpc.StatusCode, kind: type[FedsvcError]
) -> None:
    def reply(_: Any) -> Any:
        raise RefusalError(code, "SOME_REASON", "words", metadata={"name": "clusters/a"})

    server.on("GetCluster", reply)
    with pytest.raises(FedsvcError) as caught:
        await client.clusters.get("a")
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.reason) == ("words", "SOME_REASON")
    assert caught.value.metadata == {"name": "clusters/a"}
    assert caught.value.answer.code == code.name


async def test_an_error_carries_every_field_that_is_wrong(server: FakeServer, client: AsyncClient) -> None:
    refusal = RefusalError(
        Code.INVALID_ARGUMENT, "FIELD_INVALID", "bad", fields=[("unit.name", "no"), ("b", "neither")]
    )
    server.on("ApplyUnit", refusing(refusal))
    with pytest.raises(InvalidArgumentError) as caught:
        await client.units.apply(unit_pb2.Unit())
    assert [(problem.path, problem.message) for problem in caught.value.fields] == [
        ("unit.name", "no"),
        ("b", "neither"),
    ]


async def test_the_etag_of_the_stored_object_comes_with_a_conflict(server: FakeServer, client: AsyncClient) -> None:
    server.on("UpdateCluster", refusing(RefusalError(Code.ABORTED, "ETAG_MISMATCH", "x", metadata={"etag": "7"})))
    with pytest.raises(ConflictError) as caught:
        await client.clusters.update(cluster_pb2.Cluster(name="clusters/a"), ["labels"])
    assert caught.value.etag == "7"
    assert list(server.requests("UpdateCluster")[0].update_mask.paths) == ["labels"]


async def test_an_unavailable_server_is_asked_again_with_the_same_request_id(
    server: FakeServer, client: AsyncClient
) -> None:
    away = RefusalError(Code.UNAVAILABLE, "DRAINING", "stopping")
    server.on("ApplyUnit", refusing(away, away, then=unit_service_pb2.ApplyUnitResponse()))
    await client.units.apply(unit_pb2.Unit(name="namespaces/a/units/b"))
    ids = [request.request_id for request in server.requests("ApplyUnit")]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert ids[0]


async def test_two_mutations_never_share_a_request_id(server: FakeServer, client: AsyncClient) -> None:
    server.on("DeleteUnit", refusing(then=unit_service_pb2.DeleteUnitResponse()))
    await client.units.delete("a/b")
    await client.units.delete("a/b")
    first, second = server.requests("DeleteUnit")
    assert first.request_id != second.request_id


async def test_tries_are_bounded(server: FakeServer, client: AsyncClient) -> None:
    server.on("GetServerInfo", refusing(*[RefusalError(Code.UNAVAILABLE, "STORE_UNAVAILABLE", "no database")] * 9))
    with pytest.raises(UnavailableError, match="no database"):
        await client.server.info()
    assert len(server.asked) == 4


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.ABORTED, Code.DEADLINE_EXCEEDED], ids=lambda code: code.name)
async def test_nothing_else_is_tried_again(server: FakeServer, client: AsyncClient, code: grpc.StatusCode) -> None:
    server.on("GetServerInfo", refusing(*[RefusalError(code, "X", "x")] * 3))
    with pytest.raises(FedsvcError):
        await client.server.info()
    assert len(server.asked) == 1


async def test_the_server_can_ask_for_a_longer_pause_than_there_is_time(
    server: FakeServer, client: AsyncClient
) -> None:
    server.on("GetServerInfo", refusing(RefusalError(Code.UNAVAILABLE, "DRAINING", "later", retry_after_seconds=7_200)))
    with pytest.raises(UnavailableError) as caught:
        await client.server.info(timeout_seconds=3_600)  # which would be waited out, if the pause were begun
    assert len(server.asked) == 1
    assert caught.value.answer.retry_after_seconds == 7_200


async def test_a_call_ends_at_its_deadline(server: FakeServer, client: AsyncClient) -> None:
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def reply(_: Any) -> Any:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(20)
        return server_service_pb2.GetServerInfoResponse()

    server.on("GetServerInfo", reply)
    with pytest.raises(DeadlineError, match="no answer in time"):
        await client.server.info(timeout_seconds=0.1)
    release.set()


async def test_a_server_that_is_not_there_is_told_in_words() -> None:
    async with AsyncClient("127.0.0.1:1", retries=Retries(attempts=1)) as client:
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1: the server cannot be reached: connection refused"):
            await client.server.info()


async def test_a_call_without_reply_tells_that_the_server_is_older(client: AsyncClient) -> None:
    with pytest.raises(UnsupportedError, match="an older one"):
        await client.server.info()


async def test_a_list_yields_what_all_pages_hold(server: FakeServer, client: AsyncClient) -> None:
    def reply(request: unit_service_pb2.ListUnitsRequest) -> unit_service_pb2.ListUnitsResponse:
        start = int(request.page_token or 0)
        units = [unit_pb2.Unit(name=f"namespaces/a/units/u{number}") for number in range(start, start + 3)]
        token = str(start + 3) if start < 6 else ""
        return unit_service_pb2.ListUnitsResponse(units=units, next_page_token=token)

    server.on("ListUnits", reply)
    found = [unit.name async for unit in client.units.list(namespace="a", label_selector="x=y")]
    assert found == [f"namespaces/a/units/u{number}" for number in range(9)]
    assert {(request.parent, request.label_selector) for request in server.requests("ListUnits")} == {
        ("namespaces/a", "x=y")
    }


async def test_a_list_that_would_never_end_is_refused(server: FakeServer, client: AsyncClient) -> None:
    server.on("ListUnits", lambda _: unit_service_pb2.ListUnitsResponse(next_page_token="again"))
    with pytest.raises(FedsvcError, match="never end"):
        [unit async for unit in client.units.list()]


def test_pauses_grow_and_stay_within_bounds() -> None:
    retries = Retries(initial_seconds=1, factor=2, longest_seconds=5)
    for attempt, ceiling in enumerate((1, 2, 4, 5, 5)):
        assert ceiling / 2 <= retries.delay_seconds(attempt) <= ceiling
    assert retries.delay_seconds(0, asked=30) == 30


async def test_a_certificate_for_another_name_is_told_to_be_one(tmp_path: Path) -> None:
    pair = issue_serving(make_authority("test"), hosts=("fedsvc.example",))
    (tmp_path / "tls.crt").write_bytes(pair.certificate_pem)
    served = aio.server()
    credentials = grpc.ssl_server_credentials([(pair.key_pem, pair.certificate_pem)])
    address = f"127.0.0.1:{served.add_secure_port('127.0.0.1:0', credentials)}"
    await served.start()
    try:
        settings = Server(address=address, tls=True, ca_file=tmp_path / "tls.crt")
        async with AsyncClient(settings, retries=Retries(attempts=1)) as client:
            with pytest.raises(UnavailableError, match="its certificate is for another name; see `server_name`"):
                await client.clusters.get("a")
    finally:
        await served.stop(None)

"""The breaker's witness, and what is found of a probe."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY

from fedsvc.controllers.breaking import Breaking
from fedsvc.controllers.evidence import evidence_of, expected_of
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.health import Automation, EvidenceKind, Verdict
from fedsvc.members.errors import (
    MemberError,
    MemberGarbageError,
    MemberSettingsError,
    MemberStatusError,
    MemberUnreachableError,
    UnreachableKind,
)
from fedsvc.members.inspect import Readiness
from fedsvc.model.cluster import Cluster, Connection
from fedsvc.store import automation
from fedsvc_placement import Taint

STATUS_401 = MemberStatusError(code=401, reason="Unauthorized", message="no")


@pytest.mark.parametrize(
    ("readiness", "error", "kind"),
    [
        (Readiness(ready=True), None, EvidenceKind.WELL),
        (Readiness(ready=None), None, EvidenceKind.WELL),
        (Readiness(ready=False, message="etcd"), None, EvidenceKind.NOT_READY),
        (Readiness(ready=None, refusal=STATUS_401), None, EvidenceKind.CREDENTIALS_REFUSED),
        (Readiness(ready=None, is_busy=True), None, EvidenceKind.OVERLOADED),
        (None, MemberUnreachableError(UnreachableKind.REFUSED, "x"), EvidenceKind.REFUSED),
        (None, MemberUnreachableError(UnreachableKind.TIMEOUT, "x"), EvidenceKind.TIMED_OUT),
        (None, MemberUnreachableError(UnreachableKind.RESET, "x"), EvidenceKind.BROKEN_OFF),
        (None, MemberUnreachableError(UnreachableKind.NETWORK, "x"), EvidenceKind.NO_ROUTE),
        (None, MemberUnreachableError(UnreachableKind.TLS, "x"), EvidenceKind.TLS_FAILED),
        (None, MemberUnreachableError(UnreachableKind.DNS, "x"), EvidenceKind.NAME_NOT_FOUND),
        (None, MemberUnreachableError(UnreachableKind.PROXY, "x"), EvidenceKind.PROXY_FAILED),
        (None, MemberGarbageError("x"), EvidenceKind.NOT_AN_API_SERVER),
        (None, MemberSettingsError("x"), EvidenceKind.WRONG_SETTINGS),
        (None, STATUS_401, EvidenceKind.CREDENTIALS_REFUSED),
        (None, MemberStatusError(code=403, reason="", message=""), EvidenceKind.CREDENTIALS_REFUSED),
        (None, MemberStatusError(code=429, reason="", message=""), EvidenceKind.OVERLOADED),
        (None, MemberStatusError(code=503, reason="", message=""), EvidenceKind.NOT_READY),
    ],
)
def test_a_probe_is_evidence_by_the_kind_of_what_it_found(
    readiness: Readiness | None, error: MemberError | None, kind: EvidenceKind
) -> None:
    assert evidence_of(readiness, error).kind is kind


@pytest.mark.parametrize(
    ("readiness", "nodes", "ready_nodes", "kind"),
    [
        (Readiness(ready=True), 3, 0, EvidenceKind.NODES_NOT_READY),
        (Readiness(ready=True), 3, 1, EvidenceKind.WELL),
        (Readiness(ready=True), 0, 0, EvidenceKind.WELL),  # none, or not known
        (Readiness(ready=False, message="etcd"), 3, 0, EvidenceKind.NOT_READY),
        (Readiness(ready=None, refusal=STATUS_401), 3, 0, EvidenceKind.CREDENTIALS_REFUSED),
        (None, 3, 0, EvidenceKind.REFUSED),
        (None, 3, 3, EvidenceKind.REFUSED),  # what was read before says nothing of now
    ],
)
def test_a_member_that_answers_and_has_no_node_that_is_ready_cannot_be_worked_with(
    readiness: Readiness | None, nodes: int, ready_nodes: int, kind: EvidenceKind
) -> None:
    error = MemberUnreachableError(UnreachableKind.REFUSED, "x") if readiness is None else None
    found = evidence_of(readiness, error, nodes=nodes, ready_nodes=ready_nodes)
    assert found.kind is kind
    assert kind is not EvidenceKind.NODES_NOT_READY or found.message == "none of its 3 nodes is ready"


@pytest.mark.parametrize(
    ("key", "effect", "expected"),
    [
        ("fedsvc.io/maintenance", "NoExecute", Verdict.MAINTENANCE),
        ("fedsvc.io/maintenance", "NoSchedule", None),  # announced, and not begun
        ("fedsvc.io/hibernated", "NoSchedule", Verdict.HIBERNATED),
        ("other", "NoExecute", None),
    ],
)
def test_a_silence_is_announced_by_a_taint(key: str, effect: str, expected: Verdict | None) -> None:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    cluster = Cluster(
        name="a",
        uid="x",
        labels={},
        annotations={},
        provider="",
        region="",
        zones=(),
        taints=(),
        connection=Connection(endpoint="https://a"),
        create_time=now,
        update_time=now,
    )
    assert expected_of(cluster) is None
    assert expected_of(replace(cluster, taints=(Taint(key=key, value="", effect=effect),))) is expected


async def test_a_witness_that_falls_silent_holds_automation(quiet_world: Any) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    witness = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = witness.sockets[0].getsockname()[1]
    settings = ControllerSettings(witness=f"127.0.0.1:{port}", breaker_seconds=0.05, witness_timeout_seconds=1.0)
    breaking = Breaking(quiet_world.store, settings=settings)
    task = asyncio.get_running_loop().create_task(breaking.run())

    async def stands(wanted: Automation) -> automation.Stored | None:
        async with quiet_world.store.reader() as tx:
            found = await automation.get(tx)
        return found if found.state.automation is wanted and found.sight.has_witness else None

    try:
        await quiet_world.until(lambda: stands(Automation.ON))  # few members, and a witness
        witness.close()
        await witness.wait_closed()
        found = await quiet_world.until(lambda: stands(Automation.HOLDING))
        assert found.state.reason == "SelfCheckFailed"
        assert f"the witness 127.0.0.1:{port} does not answer" in found.state.message
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_api_of_ours_that_does_not_answer_holds_automation_and_lets_go_when_it_does(quiet_world: Any) -> None:
    errors = [""]

    async def ask(timeout_seconds: float) -> str:
        assert timeout_seconds == 0.75
        return errors[0]

    settings = ControllerSettings(breaker_seconds=0.2, detect_seconds=5.0)
    breaking = Breaking(quiet_world.store, settings=settings, self_check=ask)
    task = asyncio.get_running_loop().create_task(breaking.run())

    async def sees(error: str) -> automation.Stored | None:
        async with quiet_world.store.reader() as tx:
            found = await automation.get(tx)
        return found if found.sight.error == error and found.sight.detect_share == 0.25 else None

    try:
        await quiet_world.until(lambda: sees(""))
        errors[0] = "its own API at localhost:1 does not answer"
        found = await quiet_world.until(lambda: sees(errors[0]))
        assert (found.state.automation, found.state.reason) == (Automation.HOLDING, "SelfCheckFailed")
        assert value("fedsvc_self_check_failed") == 1
        errors[0] = ""
        found = await quiet_world.until(lambda: sees(""))
        assert found.state.automation is Automation.HOLDING  # for the time that it takes to be sure
        assert found.state.calm_since is not None
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert value("fedsvc_self_check_failed") == 0


def value(name: str) -> float | None:
    return REGISTRY.get_sample_value(name)

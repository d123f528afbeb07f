import threading
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from fedctl import completing
from fedctl.main import cli
from fedsvc.v1 import (
    cluster_pb2,
    cluster_service_pb2,
    policy_pb2,
    policy_service_pb2,
    unit_pb2,
    unit_service_pb2,
)
from fedsvc_client.testing import FakeServer


def completed(*words: str) -> list[str]:
    *before, incomplete = words
    return [item.value for item in ShellComplete(cli, {}, "fedctl", "X").get_completions(before, incomplete)]


@pytest.fixture
def world(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    clusters = [cluster_pb2.Cluster(name=f"clusters/{name}") for name in ("eu-1", "eu-2", "us-1")]

    def units(request: Any) -> Any:
        names = [f"{request.parent}/units/shop"]
        return unit_service_pb2.ListUnitsResponse(units=[unit_pb2.Unit(name=name) for name in names])

    policy = policy_pb2.PlacementPolicy(name="placementPolicies/everywhere")
    server.on("ListClusters", lambda _: cluster_service_pb2.ListClustersResponse(clusters=clusters))
    server.on("ListUnits", units)
    server.on(
        "ListPlacementPolicies", lambda _: policy_service_pb2.ListPlacementPoliciesResponse(placement_policies=[policy])
    )
    monkeypatch.setenv("FEDCTL_SERVER", server.address)
    return server


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("get", "cl"), ["clusters"]),
        (("describe", "un"), ["unit"]),
        (("delete", ""), ["unit", "placementpolicy", "overridepolicy", "statuspolicy"]),
        (("get", "clusters", "eu"), ["eu-1", "eu-2"]),
        (("get", "cluster/u"), ["cluster/us-1"]),
        (("describe", "cluster", "eu-1", "us"), ["us-1"]),
        (("get", "works", ""), []),
        (("get", "works", "--cluster", "eu-2"), ["eu-2"]),
        (("status", "sh"), ["shop"]),
        (("delete", "placementpolicy", ""), ["everywhere"]),
        (("apply", "--placement", ""), ["everywhere"]),
        (("apply", "--clusters", "eu-1,us"), ["eu-1,us-1"]),
        (("unjoin", "us"), ["us-1"]),
        (("cordon", "eu-1"), ["eu-1"]),
        (("label", "cluster", "us"), ["us-1"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_the_server_knows_is_completed(world: FakeServer, words: tuple[str, ...], shown: list[str]) -> None:
    assert completed(*words) == shown


def test_units_are_those_of_the_namespace(world: FakeServer) -> None:
    assert completed("status", "-n", "web", "") == ["shop"]
    assert world.requests("ListUnits")[0].parent == "namespaces/web"


@pytest.mark.parametrize("flags", [("--kubeconfig", "FILE"), ()], ids=["flag", "environment"])
def test_contexts_of_the_kubeconfig_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    path = tmp_path / "config"
    path.write_text("contexts: [{name: kind-eu}, {name: kind-us}, {name: other}]\n")
    monkeypatch.setenv("KUBECONFIG", "" if flags else f"{tmp_path / 'none'}:{path}")
    words = [str(path) if word == "FILE" else word for word in flags]
    assert completed("join", "eu-1", *words, "--context", "kind") == ["kind-eu", "kind-us"]


def test_without_a_server_nothing_is_completed_and_nothing_said(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDCTL_SERVER", "127.0.0.1:1")
    assert completed("get", "clusters", "") == []
    monkeypatch.delenv("FEDCTL_SERVER")
    monkeypatch.setenv("FEDCTL_CONFIG", "/none.yaml")
    assert completed("get", "clusters", "") == []
    told = capfd.readouterr()
    assert "error" not in told.out + told.err


def test_what_takes_too_long_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "DEADLINE_SECONDS", 0.0)
    never = threading.Event()

    def wait() -> list[str]:
        never.wait(20)
        return ["late"]

    assert completing.in_time(wait) == []
    never.set()

"""`fedctl recreate`: what is confirmed, shown, asked."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from click.testing import Result

from fedctl.resources import is_kind
from fedsvc.v1 import common_pb2, ownership_service_pb2, resource_pb2, resource_service_pb2
from fedsvc_client.testing import FakeServer, RefusalError

Run = Callable[..., Result]
WEB = common_pb2.ManifestRef(api_version="apps/v1", kind="Deployment", namespace="default", name="web")
SETTINGS = common_pb2.ManifestRef(api_version="v1", kind="ConfigMap", namespace="default", name="settings")
ELSEWHERE = common_pb2.ManifestRef(api_version="v1", kind="ConfigMap", namespace="other", name="settings")


@pytest.fixture(autouse=True)
def resources(world: FakeServer) -> None:
    listed = [resource_pb2.FederatedResource(ref=ref) for ref in (WEB, SETTINGS, ELSEWHERE)]
    world.on("ListResources", lambda _: resource_service_pb2.ListResourcesResponse(resources=listed))
    answer = ownership_service_pb2.ConfirmRecreationResponse(clusters=["eu-1", "us-1"])
    world.on("ConfirmRecreation", lambda _: answer)


def test_a_recreation_is_checked_first_and_confirmed_for_the_revision_of_now(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("recreate", "shop", "deployment/web", "--yes")

    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        "Deployment default/web of unit/default/shop at revision 4 is being made anew on eu-1, us-1\n"
    )
    checked, done = world.requests("ConfirmRecreation")
    assert (checked.validate_only, done.validate_only) == (True, False)
    assert (done.revision, done.ref, list(done.clusters)) == (4, WEB, [])


def test_a_recreation_on_one_cluster_of_what_was_looked_at(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("recreate", "shop", "deployments/web", "--cluster", "eu-1", "--revision", "3", "--dry-run")

    assert "would be deleted and made anew" in result.stdout
    (checked,) = world.requests("ConfirmRecreation")
    assert (checked.validate_only, checked.revision, list(checked.clusters)) == (True, 3, ["eu-1"])


def test_nothing_is_made_anew_without_being_sure(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("recreate", "shop", "deployment/web")

    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert [request.validate_only for request in world.requests("ConfirmRecreation")] == [True]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("shop", "web"), 2, "write KIND/NAME"),
        (("shop", "secret/web"), 3, "has no secret/web"),
        (("shop", "configmap/settings"), 2, "say configmap/default/settings, configmap/other/settings"),
        (("shopp", "configmap/settings"), 3, "shopp"),
    ],
)
def test_a_resource_that_is_not_clear_is_told(fedctl: Run, words: tuple[str, ...], code: int, told: str) -> None:
    result = fedctl("recreate", *words, "--yes")

    assert result.exit_code == code
    assert told in result.stderr


def test_what_waits_for_nothing_is_a_conflict(fedctl: Run, world: FakeServer) -> None:
    def refuse(_: Any) -> Any:
        raise RefusalError(grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_TO_CONFIRM", "it does not wait")

    world.on("ConfirmRecreation", refuse)
    result = fedctl("recreate", "shop", "configmap/other/settings", "--yes")

    assert result.exit_code == 4
    assert "it does not wait" in result.stderr


@pytest.mark.parametrize(
    ("word", "kind", "api_version", "means"),
    [
        ("deployment", "Deployment", "apps/v1", True),
        ("deployments.apps", "Deployment", "apps/v1", True),
        ("deployments.extensions", "Deployment", "apps/v1", False),
        ("networkpolicies", "NetworkPolicy", "networking.k8s.io/v1", True),
        ("ingresses", "Ingress", "networking.k8s.io/v1", True),
        ("pod", "PodDisruptionBudget", "policy/v1", False),
    ],
)
def test_kinds_are_known_as_people_write_them(word: str, kind: str, api_version: str, *, means: bool) -> None:
    assert is_kind(common_pb2.ManifestRef(kind=kind, api_version=api_version), word) is means

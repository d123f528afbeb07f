"""`fedctl recreate` and `fedctl diff`: what is confirmed, shown, asked, and what comes of it."""

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


def difference(**fields: Any) -> ownership_service_pb2.ObjectDifference:
    return ownership_service_pb2.ObjectDifference(cluster="eu-1", ref=SETTINGS, **fields)


FIELDS = [
    ownership_service_pb2.FieldDifference(
        path="data.a", desired_json='"1"', live_json='"2"', managers=["fedsvc", "kubectl-edit"]
    ),
    ownership_service_pb2.FieldDifference(path="data.long", desired_json='"one\\ntwo"'),
]
SAME = ownership_service_pb2.ClusterDiff(cluster="eu-1", work_count=3, compared_work_count=3)
SILENT = ownership_service_pb2.ClusterDiff(cluster="us-1", trouble="it did not answer within 10 s")


@pytest.mark.parametrize(
    ("differences", "clusters", "code", "told"),
    [
        ([], [SAME], 0, "unit/default/shop: nothing differs (3 objects on 1 cluster)\n"),
        (
            [difference(type=ownership_service_pb2.DIFFERENCE_TYPE_CHANGED, fields=FIELDS)],
            [SAME],
            1,
            (
                "cluster/eu-1\n  ConfigMap default/settings would be changed\n    data.a  (by kubectl-edit)\n"
                '      - "2"\n      + "1"\n    data.long\n      + one\n      + two\n'
            ),
        ),
        (
            [difference(type=ownership_service_pb2.DIFFERENCE_TYPE_FOREIGN, refusal="it is not\nmanaged")],
            [SAME],
            1,
            "cluster/eu-1\n  ConfigMap default/settings is there and somebody else's\n    refused: it is not managed\n",
        ),
        ([], [SAME, SILENT], 2, ""),
    ],
)
def test_a_diff_ends_as_diff_does(
    fedctl: Run, world: FakeServer, differences: list[Any], clusters: list[Any], code: int, told: str
) -> None:
    answer = ownership_service_pb2.DiffUnitResponse(differences=differences, clusters=clusters)
    world.on("DiffUnit", lambda _: answer)

    result = fedctl("diff", "shop", "--timeout", "3s")

    assert (result.exit_code, result.stdout) == (code, told)
    assert ("cluster/us-1: it did not answer" in result.stderr) is (SILENT in clusters)
    (request,) = world.requests("DiffUnit")
    assert (request.name, request.member_timeout_seconds) == ("namespaces/default/units/shop", 3)


def test_trouble_is_never_taken_for_a_difference(fedctl: Run, world: FakeServer) -> None:
    def refuse(_: Any) -> Any:
        raise RefusalError(grpc.StatusCode.INTERNAL, "INTERNAL", "a defect")

    world.on("DiffUnit", refuse)
    assert fedctl("diff", "shop").exit_code == 2

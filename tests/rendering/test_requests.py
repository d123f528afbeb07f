from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.requests import MAX_AMOUNT, amount_of, pod_requests, template_requests


def container(*, always: bool = False, limits: dict[str, Any] | None = None, **requests: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"resources": {"requests": requests, "limits": limits or {}}}
    return made | ({"restartPolicy": "Always"} if always else {})


@pytest.mark.parametrize(
    ("resource", "quantity", "amount"),
    [
        ("cpu", "250m", 250),
        ("cpu", "1", 1000),
        ("cpu", 0.5, 500),
        ("cpu", "1u", 1),
        ("memory", "64Mi", 64 << 20),
        ("memory", "1.5", 2),
        ("nvidia.com/gpu", "2", 2),
        ("memory", "-1Gi", 0),
        ("memory", "much", 0),
        ("memory", None, 0),
        ("memory", "9E99", MAX_AMOUNT),
    ],
)
def test_amounts_are_in_smallest_units_rounded_up(resource: str, quantity: Any, amount: int) -> None:
    assert amount_of(resource, quantity) == amount


PODS = [
    pytest.param({}, {}, id="nothing"),
    pytest.param(
        {"containers": [container(cpu="100m", memory="1Mi"), container(cpu="1")]},
        {"cpu": 1100, "memory": 1 << 20},
        id="containers together",
    ),
    pytest.param(
        {"containers": [container(cpu="100m")], "initContainers": [container(cpu="1"), container(cpu="500m")]},
        {"cpu": 1000},
        id="the largest init container, one after the other",
    ),
    pytest.param(
        {"containers": [container(cpu="100m")], "initContainers": [container(always=True, cpu="200m")]},
        {"cpu": 300},
        id="a sidecar runs on",
    ),
    pytest.param(
        {
            "containers": [container(cpu="100m")],
            "initContainers": [container(cpu="500m"), container(always=True, cpu="200m"), container(cpu="400m")],
        },
        {"cpu": 600},
        id="a sidecar beside the init containers after it",
    ),
    pytest.param({"containers": [container(limits={"cpu": "2"})]}, {"cpu": 2000}, id="a limit is a request"),
    pytest.param(
        {"containers": [container(limits={"cpu": "2"}, cpu="1")]}, {"cpu": 1000}, id="a request goes before the limit"
    ),
    pytest.param({"overhead": {"cpu": "50m"}, "containers": [container(cpu="50m")]}, {"cpu": 100}, id="overhead"),
    pytest.param({"containers": "none", "initContainers": [None]}, {}, id="nonsense"),
]


@pytest.mark.parametrize(("spec", "requests"), PODS)
def test_what_a_pod_requests(spec: dict[str, Any], requests: dict[str, int]) -> None:
    assert pod_requests(spec) == requests


@pytest.mark.parametrize(
    ("group", "kind", "requests"),
    [("apps", "Deployment", {"cpu": 100}), ("batch", "Job", {"cpu": 100}), ("", "ConfigMap", {})],
)
def test_what_a_replica_of_a_template_requests(group: str, kind: str, requests: dict[str, int]) -> None:
    manifest = {"spec": {"template": {"spec": {"containers": [container(cpu="100m")]}}}}
    assert template_requests(group, kind, manifest) == requests


@given(st.lists(st.integers(1, 100), max_size=4), st.lists(st.tuples(st.booleans(), st.integers(1, 100)), max_size=4))
def test_a_pod_requests_at_least_what_any_of_its_moments_needs(main: list[int], init: list[tuple[bool, int]]) -> None:
    spec = {
        "containers": [container(cpu=f"{cpu}m") for cpu in main],
        "initContainers": [container(always=always, cpu=f"{cpu}m") for always, cpu in init],
    }
    total = pod_requests(spec).get("cpu", 0)

    assert total >= sum(main) + sum(cpu for always, cpu in init if always)
    assert all(total >= cpu for _, cpu in init)
    assert total <= sum(main) + sum(cpu for _, cpu in init)

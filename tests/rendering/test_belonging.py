from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.belonging import Belongings, Holding, may_have_pods
from fedsvc.rendering.keys import ObjectKey

UNIT = "namespaces/shop/units/web"
DEPLOYMENT = ObjectKey(group="apps", version="v1", kind="Deployment", namespace="shop", name="web")


def owned(uid: str, *owners: str) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "ownerReferences": [{"uid": owner} for owner in owners]}}


@pytest.fixture
def belongings() -> Belongings:
    return Belongings.of([Holding(unit=UNIT, key=DEPLOYMENT, uid="d")])


def test_a_pod_belongs_to_the_deployment_that_owns_its_replica_set(belongings: Belongings) -> None:
    for live in (owned("p", "rs"), owned("rs", "d"), owned("stranger", "other")):
        belongings.saw(live)
    found = belongings.root_of("p")
    assert found is not None
    assert found.key == DEPLOYMENT
    assert belongings.root_of("d") is found
    assert belongings.root_of("stranger") is None


def test_an_object_that_is_not_made_yet_is_known_by_its_name() -> None:
    belongings = Belongings.of([Holding(unit=UNIT, key=DEPLOYMENT, uid="")])
    assert belongings.of_place("Deployment", "shop", "web") is not None
    assert belongings.root_of("") is None


@given(st.lists(st.tuples(st.sampled_from("abcdefd"), st.lists(st.sampled_from("abcdefd"), max_size=3))))
def test_owners_in_a_circle_come_to_an_end(pairs: list[tuple[str, list[str]]]) -> None:
    belongings = Belongings.of([Holding(unit=UNIT, key=DEPLOYMENT, uid="d")])
    for uid, owners in pairs:
        belongings.saw(owned(uid, *owners))
    for uid in "abcef":
        belongings.root_of(uid)
    assert belongings.root_of("d") is not None


@pytest.mark.parametrize(
    "live", [{}, {"metadata": None}, {"metadata": {"uid": 3, "ownerReferences": "x"}}, {"metadata": {"uid": "u"}}]
)
def test_what_has_another_shape_owns_nothing(belongings: Belongings, live: dict[str, Any]) -> None:
    belongings.saw(live)
    assert belongings.root_of("u") is None


@pytest.mark.parametrize(
    ("group", "kind", "may"),
    [
        ("", "Pod", True),
        ("", "ConfigMap", False),
        ("apps", "Deployment", True),
        ("policy", "PodDisruptionBudget", False),
        ("argoproj.io", "Rollout", True),
    ],
)
def test_kinds_that_run_no_pods_are_known(group: str, kind: str, may: bool) -> None:  # noqa: FBT001
    assert may_have_pods(ObjectKey(group=group, version="v1", kind=kind, namespace="n", name="x")) is may

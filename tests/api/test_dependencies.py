"""What a unit waits for, as the API takes it."""

from typing import Any

import grpc
import pytest

from fedsvc.v1 import placement_pb2, unit_pb2
from fedsvc.v1 import unit_service_pb2 as pb

Dependency = unit_pb2.UnitDependency


def on(*names: str) -> placement_pb2.Placement:
    return placement_pb2.Placement(clusters=placement_pb2.ClusterNames(names=names))


def annotated(config_map: dict[str, Any], **annotations: str) -> dict[str, Any]:
    return {**config_map, "metadata": {**config_map["metadata"], "annotations": annotations}}


async def test_what_a_unit_waits_for_comes_back_with_its_defaults(api: Any, helpers: Any) -> None:
    await api.apply(
        "web", helpers.config_map(), depends_on=[Dependency(unit="db")], wave_state=unit_pb2.AWAITED_STATE_APPLIED
    )

    unit = (await api.units.GetUnit(pb.GetUnitRequest(name="namespaces/shop/units/web"))).unit
    assert list(unit.spec.depends_on) == [
        Dependency(unit="db", state=unit_pb2.AWAITED_STATE_READY, where=unit_pb2.DEPENDENCY_SCOPE_SAME_CLUSTER)
    ]
    assert unit.spec.wave_state == unit_pb2.AWAITED_STATE_APPLIED


@pytest.mark.parametrize(
    ("dependencies", "path", "message"),
    [
        pytest.param([Dependency()], "[0].unit", "is missing: the unit to wait for", id="no name"),
        pytest.param([Dependency(unit="Db")], "[0].unit", "must be lower-case letters", id="no name of a unit"),
        pytest.param(
            [Dependency(unit="units/db")], "[0].unit", "namespaces/{namespace}/units/{unit}", id="half a name"
        ),
        pytest.param(
            [Dependency(unit="db"), Dependency(unit="namespaces/shop/units/db")],
            "[1].unit",
            "units/db stands here twice, also as [0]: keep one",
            id="twice",
        ),
        pytest.param([Dependency(unit="web")], "[0].unit", "closes a cycle", id="itself"),
        pytest.param([Dependency(unit="db", state=9)], "[0].state", "must be one of ready, applied", id="no state"),  # type: ignore[arg-type]
        pytest.param([Dependency(unit="db")] * 101, "", "at most 100 are accepted", id="too many"),
    ],
)
async def test_what_is_wrong_with_it_is_told_with_its_path(
    api: Any, helpers: Any, dependencies: list[Dependency], path: str, message: str
) -> None:
    refusal = await helpers.refused(api.apply("web", helpers.config_map(), depends_on=dependencies))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    [(field, words)] = refusal.fields
    assert field == f"unit.spec.depends_on{path}"
    assert message in words


async def test_a_cycle_is_spelled_out_also_when_nothing_is_to_be_stored(api: Any, helpers: Any) -> None:
    await api.apply("db", helpers.config_map("db"), depends_on=[Dependency(unit="web")])
    request = helpers.apply_request("web", helpers.config_map(), depends_on=[Dependency(unit="db")])
    request.validate_only = True

    refusal = await helpers.refused(api.units.ApplyUnit(request))

    assert refusal.message.endswith(
        "namespaces/shop/units/web waits for namespaces/shop/units/db, which waits for namespaces/shop/units/web"
    )


async def test_what_would_wait_without_end_is_told_at_once(api: Any, helpers: Any) -> None:
    for name in ("eu-1", "eu-2"):
        await api.join(name)
    await api.apply("db", helpers.config_map("db"), placement=on())
    everywhere = unit_pb2.DEPENDENCY_SCOPE_EVERYWHERE

    response = await api.apply(
        "web",
        helpers.config_map(),
        placement=on("eu-1", "eu-2"),
        depends_on=[Dependency(unit="db"), Dependency(unit="cache"), Dependency(unit="namespaces/x/units/y")],
    )
    again = await api.apply(
        "web", helpers.config_map(), placement=on("eu-1"), depends_on=[Dependency(unit="db", where=everywhere)]
    )

    assert list(response.warnings) == [
        "depends_on[0]: units/db is not placed on eu-1, eu-2; there this unit waits for it",
        "depends_on[1]: units/cache does not exist yet; this unit waits for it",
        "depends_on[2]: namespaces/x/units/y does not exist yet; this unit waits for it",
    ]
    assert list(again.warnings) == ["depends_on[0]: units/db is placed nowhere; this unit waits for it"]


async def test_a_unit_that_others_depend_on_is_not_deleted_before_them(api: Any, helpers: Any) -> None:
    await api.apply("db", helpers.config_map("db"))
    await api.apply("web", helpers.config_map(), depends_on=[Dependency(unit="db")])

    refusal = await helpers.refused(api.units.DeleteUnit(pb.DeleteUnitRequest(name="namespaces/shop/units/db")))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "IN_USE")
    assert refusal.metadata["used_by"] == "namespaces/shop/units/web"
    for name in ("web", "db"):
        await api.units.DeleteUnit(pb.DeleteUnitRequest(name=f"namespaces/shop/units/{name}"))


async def test_a_wave_that_is_none_is_refused_with_its_path(api: Any, helpers: Any) -> None:
    wrong = annotated(helpers.config_map(), **{"fedsvc.io/wave": "first"})

    refusal = await helpers.refused(api.apply("web", wrong))

    [(field, words)] = refusal.fields
    assert field == "unit.spec.resources[0].json"
    assert words == (
        "metadata.annotations[\"fedsvc.io/wave\"]: 'first' is no wave: write a whole number from -1000 to 1000 in "
        'quotes, as in "-5"'
    )


async def test_a_hook_of_others_is_told_to_mean_nothing(api: Any, helpers: Any) -> None:
    hooked = annotated(helpers.config_map(), **{"argocd.argoproj.io/hook": "PreSync"})

    response = await api.apply("web", hooked)

    assert any("an Argo CD hook is not understood" in warning for warning in response.warnings)


def naming(name: str, config_map: str) -> dict[str, Any]:
    """A Deployment whose pods name a ConfigMap, and account and ConfigMap that every namespace has."""
    volumes = [
        {"name": "v", "configMap": {"name": config_map}},
        {"name": "r", "configMap": {"name": "kube-root-ca.crt"}},
    ]
    template = {"spec": {"containers": [], "volumes": volumes, "serviceAccountName": "default"}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"template": template}}


async def test_what_follows_and_nobody_holds_is_told_at_once(api: Any, helpers: Any) -> None:
    await api.apply("shared", helpers.config_map("held"))
    own = helpers.config_map("own")

    response = await api.apply(
        "web", naming("a", "held"), naming("b", "nobody"), naming("c", "own"), own, follow_dependencies=True
    )
    without = await api.apply("web", naming("b", "nobody"))

    named = [warning for warning in response.warnings if "names" in warning]
    text = (
        "apps/v1 Deployment shop/b names ConfigMap shop/nobody, which no unit of shop holds: it must be in the clusters"
    )
    assert [warning[: len(text)] for warning in named] == [text]
    assert response.unit.spec.follow_dependencies
    assert not [warning for warning in without.warnings if "names" in warning]


async def test_units_of_other_namespaces_hold_nothing_that_could_follow(api: Any, helpers: Any) -> None:
    request = helpers.apply_request(
        "shared", {**helpers.config_map("held"), "metadata": {"name": "held", "namespace": "shop"}}
    )
    request.unit.name = "namespaces/other/units/shared"
    await api.units.ApplyUnit(request)

    response = await api.apply("web", naming("a", "held"), follow_dependencies=True)

    assert any("ConfigMap shop/held, which no unit of shop holds" in warning for warning in response.warnings)

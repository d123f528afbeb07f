"""How units say what is to be done about fields and objects of others, and OwnershipService."""

from typing import Any

import grpc
import pytest

from fedsvc.v1 import common_pb2, override_pb2, placement_pb2, unit_pb2, unit_service_pb2
from fedsvc.v1 import ownership_service_pb2 as pb

Code = grpc.StatusCode
UNIT = "namespaces/shop/units/shop"
IGNORE, FORCE, FAIL = unit_pb2.FIELD_POLICY_IGNORE, unit_pb2.FIELD_POLICY_FORCE, unit_pb2.FIELD_POLICY_FAIL
ADOPT = unit_pb2.CONFLICT_MODE_ADOPT


def rule(path: str, policy: unit_pb2.FieldPolicy.ValueType = IGNORE, **target: Any) -> unit_pb2.FieldRule:
    matcher = override_pb2.ResourceMatcher(**target) if target else None
    return unit_pb2.FieldRule(path=path, policy=policy, target=matcher)


async def test_what_is_said_of_fields_comes_back_as_it_was_written(api: Any, helpers: Any) -> None:
    propagation = unit_pb2.Propagation(
        conflict=ADOPT,
        fields=[rule("spec.replicas"), rule('metadata.labels["a/b"]', FAIL, kind="ConfigMap", name="web")],
        immutable=unit_pb2.IMMUTABLE_MODE_RECREATE,
        migrate=["kubectl", "my-script"],
        adopts=["namespaces/shop/units/other"],
        gives=["namespaces/shop/units/third"],
    )
    await api.apply("shop", helpers.config_map(), propagation=propagation)

    found = (await api.units.GetUnit(unit_service_pb2.GetUnitRequest(name=UNIT))).unit.spec.propagation

    assert list(found.fields) == list(propagation.fields)
    assert (found.immutable, list(found.migrate)) == (propagation.immutable, ["kubectl", "my-script"])
    assert list(found.adopts) == ["namespaces/shop/units/other"]
    assert list(found.gives) == ["namespaces/shop/units/third"]


@pytest.mark.parametrize(
    ("propagation", "field", "words"),
    [
        (unit_pb2.Propagation(fields=[rule("/spec/replicas")]), "fields[0].path", "spec.replicas"),
        (unit_pb2.Propagation(fields=[rule("")]), "fields[0].path", "name a field"),
        (unit_pb2.Propagation(fields=[rule("kind")]), "fields[0].path", "which object it is"),
        (unit_pb2.Propagation(fields=[rule("metadata.name", FORCE)]), "fields[0].path", "which object it is"),
        (unit_pb2.Propagation(fields=[rule("metadata.labels")]), "fields[0].path", "fedsvc's own marks"),
        (unit_pb2.Propagation(fields=[rule("metadata.labels.*")]), "fields[0].path", "fedsvc's own marks"),
        (
            unit_pb2.Propagation(fields=[rule('metadata.annotations["fedsvc.io/unit"]')]),
            "fields[0].path",
            "fedsvc's own marks",
        ),
        (
            unit_pb2.Propagation(fields=[unit_pb2.FieldRule(path="spec")]),
            "fields[0].policy",
            "is not set; it must be one of ignore, force, fail",
        ),
        (unit_pb2.Propagation(migrate=["kubectl"]), "migrate", "needs propagation.conflict adopt or overwrite"),
        (unit_pb2.Propagation(conflict=ADOPT, migrate=["fedsvc"]), "migrate[0]", "fedsvc's own field manager"),
        (unit_pb2.Propagation(conflict=ADOPT, migrate=["a", "a"]), "migrate[1]", "stands here twice"),
        (unit_pb2.Propagation(conflict=ADOPT, migrate=[""]), "migrate[0]", "one of kubectl, kubefed, karmada"),
        (unit_pb2.Propagation(adopts=["shop"]), "adopts[0]", "namespaces/{namespace}/units/{unit}"),
        (unit_pb2.Propagation(adopts=[UNIT]), "adopts[0]", "this very unit"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_path(
    api: Any, helpers: Any, propagation: unit_pb2.Propagation, field: str, words: str
) -> None:
    refusal = await helpers.refused(api.apply("shop", helpers.config_map(), propagation=propagation))

    assert refusal.code is Code.INVALID_ARGUMENT
    (found,) = refusal.fields
    assert found[0] == f"unit.spec.propagation.{field}"
    assert words in found[1]


async def test_a_rule_that_matches_no_resource_is_odd(api: Any, helpers: Any) -> None:
    propagation = unit_pb2.Propagation(fields=[rule("spec.replicas", kind="Deployment")])

    answer = await api.apply("shop", helpers.config_map(), propagation=propagation)

    assert "unit.spec.propagation.fields[0].target matches none of the unit's resources" in answer.warnings


@pytest.mark.parametrize(
    ("path", "divided", "odd"), [("spec.replicas", True, 1), ("spec.replicas", False, 0), ("spec.paused", True, 0)]
)
async def test_replicas_that_are_divided_and_left_to_others_are_odd(
    api: Any, helpers: Any, path: str, *, divided: bool, odd: int
) -> None:
    placement = placement_pb2.Placement(cluster_selector=common_pb2.LabelSelector())
    if divided:
        placement.replicas.mode = placement_pb2.REPLICA_MODE_DIVIDED
    propagation = unit_pb2.Propagation(fields=[rule(path)])

    answer = await api.apply("shop", helpers.config_map(), placement=placement, propagation=propagation)

    assert len([warning for warning in answer.warnings if "the placement divides them" in warning]) == odd


@pytest.mark.parametrize(
    ("request_", "code", "reason", "words"),
    [
        ({"name": UNIT, "revision": 1}, Code.INVALID_ARGUMENT, "FIELD_INVALID", "ref.kind: is missing"),
        ({"ref": {"kind": "ConfigMap", "name": "web"}}, Code.INVALID_ARGUMENT, "FIELD_INVALID", "revision"),
        ({"ref": {"kind": "ConfigMap", "name": "web"}, "revision": 7}, Code.FAILED_PRECONDITION, None, "revision 1"),
        (
            {"ref": {"kind": "ConfigMap", "name": "web", "namespace": "shop"}, "revision": 1},
            Code.FAILED_PRECONDITION,
            "NOTHING_TO_CONFIRM",
            "does not wait to be made anew",
        ),
        (
            {"name": "namespaces/shop/units/x", "ref": {"kind": "ConfigMap", "name": "web"}, "revision": 1},
            Code.NOT_FOUND,
            "NOT_FOUND",
            "does not exist",
        ),
    ],
)
async def test_a_confirmation_of_nothing_is_refused(
    api: Any, helpers: Any, request_: dict[str, Any], code: grpc.StatusCode, reason: str | None, words: str
) -> None:
    await api.apply("shop", helpers.config_map())
    fields = {"name": UNIT, **request_}
    fields["ref"] = common_pb2.ManifestRef(**fields.get("ref", {}))

    refusal = await helpers.refused(api.ownership.ConfirmRecreation(pb.ConfirmRecreationRequest(**fields)))

    assert refusal.code is code
    assert reason in (None, refusal.reason)
    assert words in refusal.message


WEB = common_pb2.ManifestRef(kind="ConfigMap", name="web", namespace="shop")


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"target": "namespaces/shop/units/two"}, Code.INVALID_ARGUMENT, "refs: is empty"),
        ({"target": UNIT, "refs": [WEB]}, Code.INVALID_ARGUMENT, "target: is the unit that has them"),
        ({"target": "two", "refs": [WEB]}, Code.INVALID_ARGUMENT, "namespaces/{namespace}/units/{unit}"),
        ({"target": "namespaces/shop/units/none", "refs": [WEB]}, Code.NOT_FOUND, "does not exist"),
        (
            {"target": "namespaces/shop/units/two", "refs": [common_pb2.ManifestRef(kind="Secret", name="x")]},
            Code.INVALID_ARGUMENT,
            "refs[0]: Secret x is no resource of namespaces/shop/units/shop",
        ),
    ],
)
async def test_a_hand_over_that_makes_no_sense_is_refused(
    api: Any, helpers: Any, fields: dict[str, Any], code: grpc.StatusCode, words: str
) -> None:
    await api.apply("shop", helpers.config_map())
    await api.apply("two", helpers.config_map("other"))

    refusal = await helpers.refused(api.ownership.HandOverResources(pb.HandOverResourcesRequest(source=UNIT, **fields)))

    assert refusal.code is code
    assert words in refusal.message


async def test_a_hand_over_is_previewed_without_being_done(api: Any, helpers: Any) -> None:
    await api.apply("shop", helpers.config_map(), helpers.config_map("stays"))
    await api.apply("two", helpers.config_map("other"))
    request = pb.HandOverResourcesRequest(source=UNIT, target="namespaces/shop/units/two", refs=[WEB])

    async def resources(unit: str) -> list[str]:
        found = await api.units.GetUnit(unit_service_pb2.GetUnitRequest(name=f"namespaces/shop/units/{unit}"))
        return [manifest.ref.name for manifest in found.unit.spec.resources]

    preview = pb.HandOverResourcesRequest(validate_only=True)
    preview.MergeFrom(request)
    assert (await api.ownership.HandOverResources(preview)).refs[0].name == "web"
    assert await resources("shop") == ["web", "stays"]

    await api.ownership.HandOverResources(request)

    assert (await resources("shop"), await resources("two")) == (["stays"], ["other", "web"])


async def test_two_units_that_claim_one_object_are_both_named(api: Any, helpers: Any) -> None:
    await api.apply("shop", helpers.config_map())

    refusal = await helpers.refused(api.apply("two", helpers.config_map()))

    assert refusal.reason == "OBJECT_OWNED"
    assert "namespaces/shop/units/shop" in refusal.message
    assert "propagation.adopts" in refusal.message

    answer = await api.apply("two", helpers.config_map(), propagation=unit_pb2.Propagation(adopts=[UNIT]))
    assert [outcome.outcome for outcome in answer.resources] == [unit_service_pb2.APPLY_OUTCOME_UNCHANGED]

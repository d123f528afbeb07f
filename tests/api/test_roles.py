"""Units with a primary, as people write them and ask for its move."""

from collections.abc import Sequence
from typing import Any

import grpc
import orjson
import pytest

from fedsvc.api.convert.unit import read_unit_spec, spec_message
from fedsvc.api.intent.unit import read_unit
from fedsvc.api.problems import Problems
from fedsvc.errors import InvalidInputError
from fedsvc.v1 import automation_service_pb2 as pb
from fedsvc.v1 import common_pb2, override_pb2, unit_pb2

ROLES = "unit.spec.failover.roles"
Evidence = unit_pb2.RoleEvidence
TOKEN = Evidence(kind="Database", name="db", path="status.token")


def manifest(kind: str, api_version: str, name: str) -> common_pb2.Manifest:
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}
    if kind == "Job":
        pod = {"restartPolicy": "Never", "containers": [{"name": "run", "image": "tools:1"}]}
        body["spec"] = {"template": {"spec": pod}}
    return common_pb2.Manifest(json=orjson.dumps(body))


def unit(*, overrides: Sequence[override_pb2.Override] = (), has_roles: bool = True, **roles: Any) -> unit_pb2.Unit:
    resources = [manifest("Database", "example.com/v1", "db"), manifest("Job", "batch/v1", "quiet")]
    policy = unit_pb2.RolePolicy(**{"proof": TOKEN, **roles}) if has_roles else None
    failover = unit_pb2.FailoverPolicy(roles=policy)
    spec = unit_pb2.UnitSpec(failover=failover, overrides=overrides, resources=resources)
    return unit_pb2.Unit(name="namespaces/shop/units/db", spec=spec)


def override(role: override_pb2.UnitRole.ValueType, value: str = "x") -> override_pb2.Override:
    return override_pb2.Override(role=role, annotations={"a": value})


async def problems_of(wanted: unit_pb2.Unit) -> list[tuple[str, str]]:
    try:
        await read_unit(wanted, {})
    except InvalidInputError as error:
        return [(problem.path, problem.message) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"proof": Evidence(kind="Database", name="x", path="status.a")}, f"{ROLES}.proof", "is not in the unit"),
        ({"proof": Evidence(kind="Database", name="db")}, f"{ROLES}.proof.path", "is missing"),
        ({"proof": Evidence(kind="Database", name="db", path="spec.a")}, f"{ROLES}.proof.path", "field of the status"),
        ({"proof": Evidence(kind="Database", path="status.a")}, f"{ROLES}.proof.name", "is missing"),
        ({"demote": Evidence(kind="Database", name="db")}, f"{ROLES}.demote.path", "only of a Job"),
        (
            {"proof": Evidence(kind="Database", name="db", path="status.a", equals="1", at_most=1)},
            f"{ROLES}.proof.at_most",
            "contradicts equals",
        ),
        (
            {"demote": Evidence(kind="Job", name="quiet"), "promote": Evidence(kind="Job", name="quiet")},
            f"{ROLES}.promote",
            "is the same resource",
        ),
        ({"prefer": ["a", "a"]}, f"{ROLES}.prefer[1]", "stands here twice"),
        ({"timeout_seconds": 1}, f"{ROLES}.timeout_seconds", "must be from 10"),
        ({"on_loss": unit_pb2.RoleLossPolicy()}, f"{ROLES}.on_loss", "says nothing"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_path(fields: dict[str, Any], path: str, words: str) -> None:
    found = await problems_of(unit(overrides=[override(override_pb2.UNIT_ROLE_PRIMARY)], **fields))
    assert words in dict(found)[path]


async def test_a_role_is_for_units_with_roles_and_a_variable_for_overrides_with_a_role() -> None:
    plain = unit(overrides=[override(override_pb2.UNIT_ROLE_REPLICA)], has_roles=False)
    assert [path for path, _ in await problems_of(plain)] == ["unit.spec.overrides[0].role"]
    unknown = unit(overrides=[override(override_pb2.UNIT_ROLE_REPLICA, "$(fedsvc.secret)")])
    assert "which there is not; known: $(fedsvc.cluster)" in (await problems_of(unknown))[0][1]
    without = unit(overrides=[override(override_pb2.UNIT_ROLE_UNSPECIFIED, "$(fedsvc.primary)")])
    assert "only where the override has a role" in (await problems_of(without))[0][1]
    right = unit(overrides=[override(override_pb2.UNIT_ROLE_REPLICA, "$(fedsvc.primary)")])
    assert await problems_of(right) == []


def test_what_is_written_is_read_back_as_it_was() -> None:
    loss = unit_pb2.RoleLossPolicy(fence=Evidence(kind="Job", name="quiet"), proof=TOKEN)
    given = unit(overrides=[override(override_pb2.UNIT_ROLE_PRIMARY)], prefer=["b"], on_loss=loss, dataset="d").spec
    problems = Problems()
    read = read_unit_spec(given, "unit.spec", problems)
    assert not len(problems)
    again = read_unit_spec(spec_message(read, []), "unit.spec", problems)
    assert again == read


SHOP = "namespaces/shop/units/shop"


async def test_a_loss_is_accepted_for_a_unit_with_a_primary_alone(town: Any) -> None:
    await town.divided("shop")
    await town.decide("shop")
    for subject in (SHOP, "clusters/eu-1"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await town.api.automation.FailOver(pb.FailOverRequest(subject=subject, accept_loss=True))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "accept_loss" in (refused.value.details() or "")

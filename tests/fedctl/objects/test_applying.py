"""`fedctl apply` and `delete`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import Result

from fedsvc.v1 import cluster_service_pb2, unit_service_pb2
from fedsvc_client.testing import FakeServer, RefusalError

Run = Callable[..., Result]
Code = grpc.StatusCode
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def lines(result: Result) -> list[str]:
    return result.stdout.splitlines()


def test_plain_manifests_become_a_unit(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("apply", "-f", "-", "--unit", "new", "--clusters", "eu-1,us-1", "-n", "web", stdin=CONFIG_MAP)
    assert result.exit_code == 0
    assert lines(result) == ["unit/web/new created (1 resource: 1 created) on eu-1, us-1"]
    assert "warning: cluster ap-9 is not registered" in result.stderr
    (request,) = world.requests("ApplyUnit")
    assert request.unit.name == "namespaces/web/units/new"
    assert list(request.unit.spec.placement.clusters.names) == ["eu-1", "us-1"]
    assert json.loads(request.unit.spec.resources[0].json)["kind"] == "ConfigMap"


@pytest.mark.parametrize(
    ("flags", "spec"),
    [
        (("--all-clusters",), {"placement": {"clusterSelector": {}}}),
        (("--selector", "tier=prod"), {"placement": {"clusterSelector": {"matchLabels": {"tier": "prod"}}}}),
        (
            ("-l", "region in (eu, us),!old,tier!=test"),
            {
                "placement": {
                    "clusterSelector": {
                        "matchExpressions": [
                            {"key": "region", "operator": "In", "values": ["eu", "us"]},
                            {"key": "old", "operator": "DoesNotExist"},
                            {"key": "tier", "operator": "NotIn", "values": ["test"]},
                        ]
                    }
                }
            },
        ),
        (("--placement", "everywhere"), {"placementPolicy": "everywhere"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_flags_tell_where_a_unit_runs(
    fedctl: Run, world: FakeServer, flags: tuple[str, ...], spec: dict[str, Any]
) -> None:
    from fedctl.files.convert import write_message  # noqa: PLC0415 - only this test reads a spec back

    result = fedctl("apply", "-f", "-", "--unit", "new", *flags, stdin=CONFIG_MAP)
    assert result.exit_code == 0
    sent = write_message(world.requests("ApplyUnit")[0].unit.spec)
    sent.pop("resources")
    assert sent == spec


def test_a_unit_that_is_there_keeps_its_placement(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("apply", "-f", "-", "--unit", "shop", stdin=CONFIG_MAP)
    assert result.exit_code == 0
    (request,) = world.requests("ApplyUnit")
    assert request.unit.spec.placement_policy == "everywhere"
    assert (request.unit.etag, dict(request.unit.labels)) == ("shop-4", {"team": "web"})
    assert "unit default/shop keeps its placement" in result.stderr


@pytest.mark.parametrize(
    ("stdin", "asked", "code"),
    [
        (CONFIG_MAP, 2, 0),
        ("apiVersion: fedsvc.io/v1\nkind: Unit\nmetadata: {name: shop}\nspec: {}\n", 2, 0),
        ("apiVersion: fedsvc.io/v1\nkind: Unit\nmetadata: {name: shop, etag: shop-3}\nspec: {}\n", 1, 4),
    ],
    ids=["plain manifests", "a document", "a document of one version"],
)
def test_it_is_applied_again_where_somebody_was_faster(
    fedctl: Run, world: FakeServer, stdin: str, asked: int, code: int
) -> None:
    accept, left = world._replies["ApplyUnit"], [RefusalError(Code.ABORTED, "ETAG_MISMATCH", "changed")]

    def reply(request: Any) -> Any:
        if left:
            raise left.pop()
        return accept(request)

    world.on("ApplyUnit", reply)
    unit = () if "Unit" in stdin else ("--unit", "shop")
    result = fedctl("apply", "-f", "-", *unit, stdin=stdin)
    assert (result.exit_code, len(world.requests("ApplyUnit"))) == (code, asked)
    assert ("Somebody else changed it meanwhile" in result.stderr) == bool(code)


def test_a_dry_run_says_so_and_lists_the_resources(fedctl: Run, world: FakeServer) -> None:
    result = fedctl("apply", "-f", "-", "--unit", "new", "--all-clusters", "--dry-run", stdin=CONFIG_MAP)
    assert lines(result)[0].endswith("(dry run)")
    assert lines(result)[1] == "  Deployment default/web created"
    assert world.requests("ApplyUnit")[0].validate_only


def test_a_refused_unit_is_told_by_file_and_line(fedctl: Run, world: FakeServer, tmp_path: Path) -> None:
    def refuse(_: Any) -> Any:
        fields = [("unit.spec.resources[0].json", "metadata.name: must be small")]
        raise RefusalError(Code.INVALID_ARGUMENT, "FIELD_INVALID", "x", fields=fields)

    world.on("ApplyUnit", refuse)
    path = tmp_path / "app.yaml"
    path.write_text(CONFIG_MAP)
    result = fedctl("apply", "-f", str(path), "--all-clusters")
    assert result.exit_code == 1
    assert f"{path}:3: ConfigMap a: metadata.name: must be small" in result.stderr


def test_one_refused_item_does_not_keep_the_others_back(fedctl: Run, world: FakeServer) -> None:
    accept = world._replies["ApplyUnit"]

    def reply(request: Any) -> Any:
        if request.unit.name.endswith("/b"):
            raise RefusalError(Code.FAILED_PRECONDITION, "OBJECT_OWNED", "belongs to namespaces/x/units/y")
        return accept(request)

    world.on("ApplyUnit", reply)
    text = "---\n".join(
        f"apiVersion: fedsvc.io/v1\nkind: Unit\nmetadata: {{name: {name}}}\nspec: {{}}\n" for name in "abc"
    )
    result = fedctl("apply", "-f", "-", stdin=text)
    assert result.exit_code == 4
    assert [line.split()[0] for line in lines(result)] == ["unit/default/a", "unit/default/c"]
    assert "belongs to namespaces/x/units/y" in result.stderr


def test_deleting_units_and_what_files_describe(fedctl: Run, world: FakeServer) -> None:
    assert lines(fedctl("delete", "unit", "shop", "--cascade", "orphan")) == ["unit/default/shop is being deleted"]
    assert world.requests("DeleteUnit")[0].cascade == cluster_service_pb2.OBJECT_DELETION_ORPHAN
    document = "apiVersion: fedsvc.io/v1\nkind: Unit\nmetadata: {name: u, namespace: web}\nspec: {}\n"
    assert lines(fedctl("delete", "-f", "-", stdin=document)) == ["unit/web/u is being deleted"]
    assert world.requests("DeleteUnit")[1].name == "namespaces/web/units/u"


def refuse_while_used(world: FakeServer, used_by: dict[str, set[str]]) -> list[str]:
    """Let units that others depend on be deleted after these alone; gives what is deleted, as it is."""
    deleted: list[str] = []

    def delete(request: Any) -> Any:
        users = used_by.get(request.name, set()) - set(deleted)
        if users:
            metadata = {"name": request.name, "used_by": ", ".join(sorted(users))}
            raise RefusalError(Code.FAILED_PRECONDITION, "IN_USE", "is used", metadata=metadata)
        if not request.validate_only:
            deleted.append(request.name)
        return unit_service_pb2.DeleteUnitResponse()

    world.on("DeleteUnit", delete)
    return deleted


DB, API, WEB = (f"namespaces/default/units/{name}" for name in ("db", "api", "web"))


def test_units_are_deleted_after_those_that_depend_on_them(fedctl: Run, world: FakeServer) -> None:
    deleted = refuse_while_used(world, {DB: {API, WEB}, API: {WEB}})
    result = fedctl("delete", "unit", "db", "api", "web")
    assert result.exit_code == 0
    assert deleted == [WEB, API, DB]
    assert lines(result)[-1] == "unit/default/db is being deleted"


def test_a_dry_run_takes_what_it_would_delete_as_gone(fedctl: Run, world: FakeServer) -> None:
    refuse_while_used(world, {DB: {WEB}})
    assert fedctl("delete", "unit", "db", "web", "--dry-run").exit_code == 0


def test_a_unit_that_others_depend_on_is_not_deleted_alone(fedctl: Run, world: FakeServer) -> None:
    deleted = refuse_while_used(world, {DB: {WEB}})
    assert fedctl("delete", "unit", "db", "api").exit_code != 0
    assert deleted == []

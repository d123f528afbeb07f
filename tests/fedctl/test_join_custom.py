"""Custom resources whose definitions come after joining, by the command line against simulated clusters with RBAC."""

import asyncio
from typing import Any

import yaml

RBAC = "/apis/rbac.authorization.k8s.io/v1"
WIDGET = "/apis/example.com/v1/namespaces/shop/widgets/one"
APPLY = ("apply", "-f", "-", "--unit", "custom", "--namespace", "shop", "--all-clusters")
WAIT = ("wait", "custom", "--namespace", "shop", "--for", "applied", "--timeout", "20")


def ok(result: Any) -> str:
    assert result.exit_code == 0, result.output
    return str(result.output)


def custom() -> str:
    """A definition and its object, as the file of one unit."""
    shape = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": shape}],
        },
    }
    metadata = {"name": "one", "namespace": "shop"}
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, "spec": {"size": 3}}
    return yaml.safe_dump_all([widget, definition])


async def test_a_custom_group_that_was_named_needs_no_joining_again(town: Any) -> None:
    ok(await town.join("a", "--custom-group", "example.com"))
    ok(await town.fedctl(*APPLY, stdin=custom()))
    ok(await town.fedctl(*WAIT))
    assert (await town.get("a", WIDGET))["spec"] == {"size": 3}


async def test_a_custom_group_that_was_not_named_is_granted_by_the_command_line_that_is_told(town: Any) -> None:
    ok(await town.join("a"))
    ok(await town.fedctl(*APPLY, stdin=custom()))
    command = "fedctl join a --custom-group example.com"

    async def described() -> None:
        while command not in " ".join(ok(await town.fedctl("describe", "unit", "custom", "-n", "shop")).split()):
            await asyncio.sleep(0.05)

    await asyncio.wait_for(described(), 20)
    ok(await town.join(*command.removeprefix("fedctl join ").split()))
    ok(await town.fedctl(*WAIT))


async def test_custom_groups_are_kept_when_joining_again_without_them(town: Any) -> None:
    ok(await town.join("a", "--custom-group", "example.com"))
    ok(await town.join("a", "--custom-group", "example.org"))
    assert "found rights: standard" in ok(await town.join("a"))
    rules = (await town.get("a", f"{RBAC}/clusterroles/fedsvc"))["rules"]
    assert any(rule.get("apiGroups") == ["example.com", "example.org"] for rule in rules)


async def test_a_group_that_is_none_is_refused_before_anything_is_made(town: Any) -> None:
    before = town.simulator.cluster("a").store.revision
    refused = await town.join("a", "--custom-group", "apps")
    assert (refused.exit_code, "is no group of custom resources" in refused.output) == (2, True)
    assert town.simulator.cluster("a").store.revision == before

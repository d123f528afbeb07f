"""A custom resource goes out when its kind is served, and not when somebody looks again."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from fedsvc.controllers import health, outcomes
from fedsvc.controllers.definitions import Definitions, defined_by
from fedsvc.members import discovery
from fedsvc.model.unit import UnitState
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.kinds import CRD_GROUP, CRD_KIND
from fedsvc.store import clusters, decisions, served_kinds, units
from fedsvc_placement import from_dict

CRD = (CRD_GROUP, "v1", CRD_KIND)
WIDGET = ("example.com", "v1", "Widget")
PATH = "/apis/example.com/v1/namespaces/shop/widgets/one"
NEVER_SECONDS = 3_600.0


def definition(*, established: bool | None = True, versions: tuple[str, ...] = ("v1",), **metadata: Any) -> Any:
    """A definition of Widgets; None: not judged yet."""
    shape = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    conditions = [{"type": "Established", "status": "True" if established else "False"}]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com", **metadata},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [
                {"name": name, "served": True, "storage": name == versions[0], "schema": shape} for name in versions
            ],
        },
        **({} if established is None else {"status": {"conditions": conditions}}),
    }


def widget() -> Any:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "one", "namespace": "shop"},
        "spec": {"size": 3},
    }


@pytest.fixture
async def patient(world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A world that has read what its members serve, and would neither read it nor try again on its own for an hour."""
    await world.apply("settings", make_config_map())
    await world.until_state("settings", UnitState.READY)
    monkeypatch.setattr(outcomes, "KIND_FIRST_SECONDS", NEVER_SECONDS)
    monkeypatch.setattr(outcomes, "KIND_MAX_SECONDS", NEVER_SECONDS)
    monkeypatch.setattr(discovery, "MIN_INTERVAL_SECONDS", NEVER_SECONDS)
    return world


@pytest.fixture
async def surveyed(world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A world that knows what its members serve, and may ask them again at once."""
    monkeypatch.setattr(discovery, "MIN_INTERVAL_SECONDS", 0.05)
    await world.apply("settings", make_config_map())
    await world.until_state("settings", UnitState.READY)

    async def kinds_known() -> bool:
        async with world.store.reader() as tx:
            return len([rows for rows in (await served_kinds.api_resources(tx)).values() if rows]) == 3

    await world.until(kinds_known)
    return world


async def test_an_object_goes_out_when_the_definition_beside_it_is_served(patient: Any) -> None:
    await patient.apply("custom", widget(), definition(established=None))
    await patient.until_state("custom", UnitState.READY)
    assert (await patient.get("b", PATH))["spec"] == {"size": 3}


async def test_an_object_goes_out_when_a_definition_of_another_unit_is_served(surveyed: Any) -> None:
    await surveyed.apply("objects", widget())
    await until_missing(surveyed)
    await surveyed.apply("definitions", definition(established=None))
    await surveyed.until_state("objects", UnitState.READY)


async def test_an_object_that_waited_before_a_restart_goes_out_when_its_kind_comes_after_it(surveyed: Any) -> None:
    await surveyed.apply("objects", widget())
    await until_missing(surveyed)
    await surveyed.stop()
    await surveyed.apply("definitions", definition(established=None))
    surveyed.start()
    await surveyed.until_state("objects", UnitState.READY)


async def until_missing(world: Any) -> None:
    """Wait until the unit "objects" is nowhere, since no member serves its kind."""

    async def decided() -> bool:
        async with world.store.reader() as tx:
            unit = await units.get(tx, "shop", "objects")
            newest = (await decisions.newest(tx, [unit.uid])).get(unit.uid)
        if newest is None:
            return False
        judged = from_dict(newest.record).clusters
        return all("KindsMissing" in {verdict.reason for verdict in entry.verdicts} for entry in judged)

    await world.until(decided)


async def test_a_unit_with_its_definition_can_be_removed_and_applied_again(patient: Any) -> None:
    for _ in range(2):
        await patient.apply("custom", widget(), definition(established=None))
        await patient.until_state("custom", UnitState.READY)
        await patient.delete("custom")
        await patient.until_gone("custom")
        assert await patient.get("b", PATH) is None


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
async def test_the_kinds_that_are_stored_follow_a_definition_without_a_survey(
    world: Any, monkeypatch: pytest.MonkeyPatch, *, restarted: bool
) -> None:
    never: dict[str, Any] = {"probe_seconds": NEVER_SECONDS, "survey_seconds": NEVER_SECONDS}
    monkeypatch.setattr(health, "HealthSettings", partial(health.HealthSettings, **never))
    monkeypatch.setattr(discovery, "MIN_INTERVAL_SECONDS", 0.02)

    async def stored() -> bool:
        async with world.store.reader() as tx:
            served = await served_kinds.api_resources(tx)
        return all((*WIDGET, "widgets", True) in served[name] for name in ("a", "b", "c"))

    async def judged() -> bool:
        async with world.store.reader() as tx:
            return all(cluster.condition("Ready") is not None for cluster in await clusters.list_all(tx))

    await world.until(judged)
    await world.stop()
    if not restarted:
        world.start()
        await world.apply("definitions", definition(established=None))
    else:
        for name in ("a", "b", "c"):
            path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            await world.client(name).post(path, definition(established=None))
        world.start()
    await world.until(stored)


@pytest.mark.parametrize(
    ("live", "kinds"),
    [
        pytest.param(definition(), {WIDGET}, id="established"),
        pytest.param(definition(versions=("v1", "v2")), {WIDGET, ("example.com", "v2", "Widget")}, id="two-versions"),
        pytest.param(definition(established=False), set(), id="names-not-accepted"),
        pytest.param(definition(established=None), set(), id="new"),
        pytest.param(definition(deletionTimestamp="2026-01-01T00:00:00Z"), set(), id="going"),
        pytest.param({**definition(), "spec": {"versions": "none"}}, set(), id="garbage"),
        pytest.param({}, set(), id="nothing"),
    ],
)
def test_only_an_established_definition_serves(live: Any, kinds: set[Any]) -> None:
    assert set(defined_by(live)) == kinds


def test_a_version_that_is_not_served_is_not_known() -> None:
    live = definition(versions=("v1", "v2"))
    live["spec"]["versions"][1]["served"] = False
    assert set(defined_by(live)) == {WIDGET}


def test_each_kind_is_told_once_when_it_comes_and_forgotten_when_it_goes() -> None:
    served: list[Any] = []
    changes: list[None] = []
    known = Definitions(changed=lambda: changes.append(None))
    known.tell_served(served.append)
    known.saw(CRD, definition(established=None))
    assert (served, len(changes)) == ([], 0)
    known.saw(CRD, definition())
    known.saw(CRD, definition())
    assert (served, len(changes)) == ([WIDGET], 1)
    found = known.resource(WIDGET)
    assert found is not None
    assert found.path(namespace="shop", name="one") == PATH

    known.saw(CRD, definition(), deleted=True)
    assert known.resource(WIDGET) is None
    known.saw(CRD, definition())
    known.forget(ObjectKey(group="", version="v1", kind="ConfigMap", namespace="", name="widgets.example.com"))
    assert known.resource(WIDGET) is not None
    known.forget(ObjectKey(group=CRD_GROUP, version="v1", kind=CRD_KIND, namespace="", name="widgets.example.com"))
    assert known.resource(WIDGET) is None
    assert (served, len(changes)) == ([WIDGET, WIDGET], 4)

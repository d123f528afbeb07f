"""A member that was given up, what we put there left as it is, and is joined again: its objects find their works."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fedsvc.rendering.marks import MANAGED_LABEL, MANAGED_VALUE, OwnerMark
from fedsvc.store import clusters
from fedsvc_placement import LabelSelector, Placement

MAPS = "/api/v1/namespaces/shop/configmaps"
STAGED = Placement(cluster_selector=LabelSelector(match_labels=(("stage", "prod"),)))


async def test_what_a_member_still_holds_is_no_stranger_when_it_is_joined_again(
    quiet_world: Any, make_config_map: Callable[..., Any], to_json: Callable[[Any], bytes]
) -> None:
    quiet_world.settings = replace(quiet_world.settings, stranger_seconds=8.0)
    await quiet_world.register("a", labels={"stage": "prod"})
    quiet_world.start()
    await quiet_world.apply("early", make_config_map("early", a="1"))
    await quiet_world.apply("late", make_config_map("late"), placement=STAGED)
    await quiet_world.until_state("early", "Ready")
    await quiet_world.until_state("late", "Ready")
    async with quiet_world.store.transaction() as tx:
        await clusters.forget(tx, "a")  # as `unjoin --force` does: the member is not asked, and our marks stay
    lost = make_config_map("lost")
    lost["metadata"] |= {
        "labels": {MANAGED_LABEL: MANAGED_VALUE},
        "annotations": OwnerMark(unit_namespace="shop", unit_name="old", unit_uid="0").annotations(),
    }
    await quiet_world.client("a").apply(f"{MAPS}/lost", to_json(lost), force=True)

    await quiet_world.register("a")  # all its ConfigMaps are listed for the one unit that is decided soon
    await quiet_world.until_work("a", "Applied", unit="early")
    await quiet_world.client("a").patch(f"{MAPS}/early", to_json({"data": {"a": "2"}}), field_manager="somebody")

    async def repaired() -> bool:  # so they were listed, and are watched
        return "DriftDetected" in {reason for _, reason, _ in await quiet_world.events()}

    await quiet_world.until(repaired)
    await quiet_world.change_cluster("a", labels={"stage": "prod"})
    await quiet_world.until_work("a", "Applied", unit="late")

    async def strangers() -> list[str]:
        return [message for _, reason, message in await quiet_world.events() if reason == "UnknownObject"]

    (told,) = await quiet_world.until(strangers, seconds=30)
    assert told.startswith("ConfigMap shop/lost carries fedsvc's mark for unit shop/old")

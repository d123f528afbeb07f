"""Written waves: what comes later waits until what comes earlier is as far as it must be."""

from collections.abc import Callable
from typing import Any

from fedsvc.model.unit import UnitSpec, UnitState
from fedsvc.rendering.waves import AwaitedState
from fedsvc.store import gates
from fedsvc_placement import LabelSelector, Placement

ON_A = Placement(clusters=("a",))
JOB = "/apis/batch/v1/namespaces/shop/jobs/migrate"
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"


def in_wave(manifest: dict[str, Any], wave: int) -> dict[str, Any]:
    metadata = {**manifest["metadata"], "annotations": {"fedsvc.io/wave": str(wave)}}
    return {**manifest, "metadata": metadata}


def job(*, stuck: bool) -> dict[str, Any]:
    """A Job that runs to its end at once, or that never ends: no node is fit for it."""
    template: dict[str, Any] = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}}
    if stuck:
        template["spec"]["nodeSelector"] = {"nowhere": "true"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "namespace": "shop"},
        "spec": {"template": template},
    }


async def test_a_deployment_waits_for_the_job_of_an_earlier_wave_to_complete(
    world: Any, make_deployment: Callable[..., Any]
) -> None:
    await world.apply("web", make_deployment(), in_wave(job(stuck=False), -5), placement=ON_A)
    await world.until_state("web", UnitState.READY)

    job_done = (await world.get("a", JOB))["status"]["completionTime"]
    assert (await world.get("a", WEB))["metadata"]["creationTimestamp"] >= job_done


async def test_what_waits_tells_for_what(world: Any, make_deployment: Callable[..., Any]) -> None:
    await world.apply("web", make_deployment(), in_wave(job(stuck=True), -5), placement=ON_A)

    text = "apps/v1 Deployment shop/web: waits for wave -5: batch/v1 Job shop/migrate is Progressing, not healthy"

    async def told() -> bool:
        lines = (await world.status("web")).clusters
        return [(line.reason, line.message[: len(text)]) for line in lines] == [("WaitingForWave", text)]

    await world.until(told)
    assert await world.get("a", WEB) is None
    async with world.store.reader() as tx:
        shown = {work.key.kind: work for work in await gates.with_waits(tx, await world.works("web"))}
    assert shown["Job"].reason == ""
    assert (shown["Deployment"].state, shown["Deployment"].reason) == ("Pending", "WaitingForWave")
    assert shown["Deployment"].message.startswith("waits for wave -5: batch/v1 Job shop/migrate is Progressing")


async def test_a_unit_may_say_that_applied_is_enough(world: Any, make_deployment: Callable[..., Any]) -> None:
    spec = UnitSpec(placement=ON_A, wave_state=AwaitedState.APPLIED)
    await world.apply("web", make_deployment(), in_wave(job(stuck=True), -5), spec=spec)

    async def there() -> bool:
        return await world.get("a", WEB) is not None

    await world.until(there)


async def test_a_drift_is_put_right_though_an_earlier_wave_is_ill(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(), in_wave(make_deployment(), -1), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    bad = make_deployment()
    bad["spec"]["template"]["spec"]["nodeSelector"] = {"nowhere": "true"}
    await world.apply("web", make_config_map(), in_wave(bad, -1), placement=ON_A)

    async def ill() -> bool:
        return any(work.key.kind == "Deployment" and work.health == "Progressing" for work in await world.works("web"))

    await world.until(ill)
    path = "/api/v1/namespaces/shop/configmaps/settings"
    await world.client("a").patch(path, b'{"data":{"a":"mine"}}', field_manager="me")

    async def back() -> bool:
        return (await world.get("a", path))["data"] == {"a": "1"}

    await world.until(back)


async def test_an_update_waits_for_the_new_version_of_the_earlier_wave_not_for_what_the_old_one_was(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(a="1"), in_wave(make_deployment(), -1), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    bad = make_deployment(image="nginx:2")
    bad["spec"]["template"]["spec"]["nodeSelector"] = {"nowhere": "true"}
    await world.apply("web", make_config_map(a="2"), in_wave(bad, -1), placement=ON_A)

    async def waits() -> bool:
        return any(line.reason == "WaitingForWave" for line in (await world.status("web")).clusters)

    await world.until(waits)
    assert (await world.get("a", "/api/v1/namespaces/shop/configmaps/settings"))["data"] == {"a": "1"}


async def test_removal_goes_through_the_waves_in_reverse(world: Any, make_config_map: Callable[..., Any]) -> None:
    held = in_wave(make_config_map("later"), 3)
    held["metadata"]["finalizers"] = ["example.com/held"]
    await world.apply("web", make_config_map("sooner"), held, placement=ON_A)
    await world.until_state("web", UnitState.READY)
    await world.delete("web")
    await world.until_work("a", "Removing", "BeingDeleted")

    assert await world.get("a", "/api/v1/namespaces/shop/configmaps/sooner") is not None
    patch = b'{"metadata":{"finalizers":null}}'
    path = "/api/v1/namespaces/shop/configmaps/later"
    await world.client("a").patch(path, patch, field_manager="me")
    await world.until_gone("web")


async def test_waves_count_on_each_cluster_by_itself(world: Any, make_deployment: Callable[..., Any]) -> None:
    everywhere = Placement(cluster_selector=LabelSelector())
    await world.apply("web", make_deployment(), in_wave(job(stuck=False), -5), placement=everywhere)
    await world.until_state("web", UnitState.READY)

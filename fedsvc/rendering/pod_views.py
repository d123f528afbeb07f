"""Pods as people look at them: one word for how a pod fares, readiness, restarts, and why where it says why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.status.health import condition, holds, items, number, part, text

_MAX_TEXT: Final = 500
_MAX_CONTAINERS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """One container of a pod."""

    name: str
    image: str
    is_init: bool
    ready: bool
    started: bool  # it runs or did: there is a log
    restarts: int
    state: str  # Running, or the reason why it waits or ended; empty: nothing is known yet
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """A pod in one cluster."""

    namespace: str
    name: str
    uid: str
    status: str  # one word, that kubectl would show
    message: str  # why, in Kubernetes' words; empty where there is nothing to say
    ready_containers: int
    restarts: int
    last_restart_time: str  # RFC 3339; empty: never restarted, or not told
    create_time: str  # RFC 3339
    node: str
    address: str
    containers: tuple[ContainerView, ...]  # those of its start first

    @property
    def container_count(self) -> int:
        """Containers that serve; those of its start end before."""
        return sum(not container.is_init for container in self.containers)


def pod_view(live: Mapping[str, Any]) -> PodView:
    """What is shown of a live pod, which may hold anything: what has another shape than expected counts as absent."""
    metadata, spec, status = part(live, "metadata"), part(live, "spec"), part(live, "status")
    containers = (
        *_containers(items(spec, "initContainers"), items(status, "initContainerStatuses"), is_init=True),
        *_containers(items(spec, "containers"), items(status, "containerStatuses"), is_init=False),
    )[:_MAX_CONTAINERS]
    word, why = _word(live, containers)
    restarted = [
        text(part(part(item, "lastState"), "terminated"), "finishedAt") for item in items(status, "containerStatuses")
    ]
    return PodView(
        namespace=text(metadata, "namespace"),
        name=text(metadata, "name"),
        uid=text(metadata, "uid"),
        status=word,
        message=why[:_MAX_TEXT],
        ready_containers=sum(container.ready for container in containers if not container.is_init),
        restarts=sum(container.restarts for container in containers),
        last_restart_time=max(restarted, default=""),
        create_time=text(metadata, "creationTimestamp"),
        node=text(spec, "nodeName"),
        address=text(status, "podIP"),
        containers=containers,
    )


def _containers(specs: list[JsonObject], statuses: list[JsonObject], *, is_init: bool) -> list[ContainerView]:
    known = {text(status, "name"): status for status in statuses}
    return [_container(spec, known.get(text(spec, "name"), {}), is_init=is_init) for spec in specs]


def _container(spec: JsonObject, status: JsonObject, *, is_init: bool) -> ContainerView:
    state = part(status, "state")
    word, message = "", ""
    if isinstance(state.get("running"), dict):
        word = "Running"
    elif waiting := part(state, "waiting"):
        word, message = text(waiting, "reason") or "Waiting", text(waiting, "message")
    elif ended := part(state, "terminated"):
        code = number(ended, "exitCode")
        word, message = text(ended, "reason") or f"ExitCode:{code}", text(ended, "message")
    return ContainerView(
        name=text(spec, "name"),
        image=text(spec, "image"),
        is_init=is_init,
        ready=status.get("ready") is True,
        started=isinstance(state.get("running"), dict) or isinstance(state.get("terminated"), dict),
        restarts=number(status, "restartCount"),
        state=word,
        message=message[:_MAX_TEXT],
    )


def _word(live: Mapping[str, Any], containers: tuple[ContainerView, ...]) -> tuple[str, str]:
    """The word, and why: the first that holds."""
    starting = [one for one in containers if one.is_init]
    serving = [one for one in containers if not one.is_init]
    return _of_pod(live) or _of_start(live, starting) or _of_trouble(serving) or _of_phase(live, serving)


def _of_pod(live: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is said of the pod as a whole: it goes, was evicted, fits nowhere."""
    status = part(live, "status")
    reason, message = text(status, "reason"), text(status, "message")
    if text(part(live, "metadata"), "deletionTimestamp"):
        return ("Unknown" if reason == "NodeLost" else "Terminating"), message
    if reason:
        return reason, message
    scheduled = condition(live, "PodScheduled") or {}
    if scheduled.get("status") == "False":
        return text(scheduled, "reason") or "Pending", text(scheduled, "message")
    return None


def _of_start(live: Mapping[str, Any], starting: list[ContainerView]) -> tuple[str, str] | None:
    stuck = next((one for one in starting if one.state not in ("", "Running", "Completed", "PodInitializing")), None)
    if stuck is not None:
        return f"Init:{stuck.state}", stuck.message
    done = sum(one.state == "Completed" or one.ready for one in starting)
    return (f"Init:{done}/{len(starting)}", "") if done < len(starting) and not holds(live, "Initialized") else None


def _of_trouble(serving: list[ContainerView]) -> tuple[str, str] | None:
    troubled = next((one for one in serving if one.state not in ("", "Running", "Completed")), None)
    return None if troubled is None else (troubled.state, troubled.message)


def _of_phase(live: Mapping[str, Any], serving: list[ContainerView]) -> tuple[str, str]:
    phase = text(part(live, "status"), "phase") or "Unknown"
    if phase == "Succeeded" or (serving and all(one.state == "Completed" for one in serving)):
        return "Completed", ""
    ready = condition(live, "Ready") or {}
    if phase == "Running" and ready.get("status") == "False":
        return "NotReady", text(ready, "message")
    return phase, ""

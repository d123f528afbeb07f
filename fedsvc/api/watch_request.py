"""What a watcher asks for, checked."""

from dataclasses import dataclass
from typing import Final

from fedsvc.api.names import (
    parse_cluster,
    parse_override_policy,
    parse_placement_policy,
    parse_status_policy,
    parse_unit,
    parse_zone,
)
from fedsvc.api.problems import Problems
from fedsvc.api.selectors import parse_label_selector
from fedsvc.errors import InvalidInputError
from fedsvc.rendering.names import dns_label_problem
from fedsvc.v1 import watch_service_pb2 as pb
from fedsvc_placement import LabelSelector, matches

KINDS: Final = {
    pb.WATCH_KIND_CLUSTER: "cluster",
    pb.WATCH_KIND_UNIT: "unit",
    pb.WATCH_KIND_WORK: "work",
    pb.WATCH_KIND_PLACEMENT_POLICY: "placement_policy",
    pb.WATCH_KIND_OVERRIDE_POLICY: "override_policy",
    pb.WATCH_KIND_EVENT: "event",
    pb.WATCH_KIND_STATUS_POLICY: "status_policy",
    pb.WATCH_KIND_ZONE: "zone",
}
"""The kinds as the change log writes them."""

_WITHOUT_LABELS: Final = ("work", "event")
_PARSERS: Final = {
    "clusters": parse_cluster,
    "namespaces": parse_unit,
    "placementPolicies": parse_placement_policy,
    "overridePolicies": parse_override_policy,
    "statusPolicies": parse_status_policy,
    "zones": parse_zone,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchFilter:
    """Which objects a watcher wants.

    Attributes:
        kinds: as the change log writes them, in the order of the request.
        namespace: of units, works and events; empty for all.
        name: of one object, or the unit or cluster whose works and events are wanted; empty for all.
        selector: over labels; None for all.
    """

    kinds: tuple[str, ...]
    namespace: str
    name: str
    selector: LabelSelector | None

    def wants(
        self, kind: str, name: str, *, labels: dict[str, str] | None = None, related: tuple[str, ...] = ()
    ) -> bool:
        """Whether an object is wanted.

        Args:
            kind: as the change log writes it.
            name: its name in the API.
            labels: of the object, where it has any.
            related: names of the unit and the cluster that a work or an event is of.
        """
        if kind not in self.kinds:
            return False
        if self.name and self.name != name and self.name not in related:
            return False
        if self.namespace and kind in {"unit", "work", "event"}:
            prefix = f"namespaces/{self.namespace}/"
            if not any(entry.startswith(prefix) for entry in (name, *related)):
                return False
        return self.selector is None or labels is None or matches(self.selector, labels)


def parse_watch(request: pb.WatchRequest) -> WatchFilter:
    """Check a request.

    Raises:
        InvalidInputError: with all that is wrong with it.
    """
    problems = Problems()
    kinds: dict[str, None] = {}
    if not request.kinds:
        problems.add("kinds", f"is missing: name at least one of {', '.join(KINDS.values())}")
    for index, kind in enumerate(request.kinds):
        if kind not in KINDS:
            problems.add(f"kinds[{index}]", f"{int(kind)} is not one of {', '.join(KINDS.values())}")
        else:
            kinds[KINDS[kind]] = None
    if request.namespace and (problem := dns_label_problem(request.namespace)) is not None:
        problems.add("namespace", problem)
    _check_name(request.name, problems)
    selector = _read_selector(request.label_selector, kinds, problems)
    if request.send_initial_state and request.resume_token:
        problems.add("send_initial_state", "contradicts resume_token: a resumed watch has what was there")
    problems.refuse()
    return WatchFilter(kinds=tuple(kinds), namespace=request.namespace, name=request.name, selector=selector)


def _check_name(name: str, problems: Problems) -> None:
    if not name:
        return
    parser = _PARSERS.get(name.partition("/")[0])
    if parser is None:
        forms = (
            "clusters/{cluster}, namespaces/{namespace}/units/{unit}, zones/{zone}"
            " or a policy: placementPolicies/{policy}"
        )
        problems.add(
            "name",
            f"'{name[:200]}' is not a name that is watched: write {forms}, overridePolicies/..., statusPolicies/...",
        )
        return
    try:
        parser(name, "name")
    except InvalidInputError as error:
        problems.extend(error.problems)


def _read_selector(text: str, kinds: dict[str, None], problems: Problems) -> LabelSelector | None:
    without = [kind for kind in kinds if kind in _WITHOUT_LABELS]
    if text and without:
        problems.add("label_selector", f"cannot be used with {' and '.join(without)}, which have no labels")
    try:
        return parse_label_selector(text, "label_selector")
    except InvalidInputError as error:
        problems.extend(error.problems)
    return None

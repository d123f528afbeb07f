"""Which members a call asks, and of what."""

from dataclasses import dataclass
from typing import Final

from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.names import check_cluster_id, parse_unit_parent
from fedsvc.api.problems import Problems
from fedsvc.errors import InvalidInputError
from fedsvc.v1 import member_service_pb2 as pb

DEFAULT_MILLISECONDS: Final = 5_000
MAX_MILLISECONDS: Final = 25_000
DEFAULT_LOGS: Final = 50
MAX_LOGS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is asked, of whom.

    Attributes:
        namespace: of the units.
        unit: empty: everything in the namespace.
        clusters: those asked; None: those that hold anything of it.
        all_clusters: whether the whole fleet is asked.
        seconds: how long each may take.
    """

    namespace: str
    unit: str
    clusters: frozenset[str] | None
    all_clusters: bool
    seconds: float

    @property
    def whole_namespace(self) -> str:
        """The namespace whose every object is meant; empty where a unit's are."""
        return "" if self.unit else self.namespace


def read_scope(message: pb.MemberScope, problems: Problems, *, needs_unit: bool = False) -> Scope:
    """Check a scope; what is wrong is added to `problems`."""
    namespace, unit = "", ""
    try:
        parent = parse_unit_parent(message.parent, "scope.parent")
        namespace, unit = parent.namespace or "", parent.name or ""
    except InvalidInputError as error:
        problems.extend(error.problems)
    else:
        if not namespace:
            problems.add("scope.parent", "must name a namespace: write namespaces/{namespace}/units/{unit}")
        elif needs_unit and not unit:
            problems.add("scope.parent", "must name a unit: write namespaces/{namespace}/units/{unit}")
    if len(message.clusters) > MAX_LISTED:
        problems.add("scope.clusters", f"has {len(message.clusters)} entries; at most {MAX_LISTED} are allowed")
    for index, name in enumerate(message.clusters[:MAX_LISTED]):
        check_cluster_id(name, f"scope.clusters[{index}]", problems)
    if message.clusters and message.all_clusters:
        problems.add("scope.all_clusters", "contradicts clusters, which names some")
    if message.timeout_milliseconds < 0:
        problems.add("scope.timeout_milliseconds", "must be 0, which stands for 5000, or more")
    milliseconds = min(message.timeout_milliseconds or DEFAULT_MILLISECONDS, MAX_MILLISECONDS)
    return Scope(
        namespace=namespace,
        unit=unit,
        clusters=frozenset(message.clusters) or None,
        all_clusters=message.all_clusters,
        seconds=milliseconds / 1000,
    )


def check_log_request(request: pb.ReadMemberLogsRequest, problems: Problems) -> None:
    """Check what is asked of logs beside the scope."""
    if request.follow and request.previous:
        problems.add("previous", "contradicts follow: a container that ended writes nothing more")
    for name in ("since_seconds", "tail_lines"):
        value = getattr(request, name)
        if request.HasField(name) and value < (1 if name == "since_seconds" else 0):
            problems.add(name, f"{value} is less than {1 if name == 'since_seconds' else 0}")
    if request.max_logs < 0:
        problems.add("max_logs", "must be 0, which stands for 50, or more")

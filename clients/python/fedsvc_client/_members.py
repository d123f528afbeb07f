"""The sub-client that reads from member clusters: pods, events and logs, as each member answers."""

from collections.abc import AsyncIterator, Iterable

from fedsvc.v1 import member_service_pb2, member_service_pb2_grpc
from fedsvc_client import names
from fedsvc_client._calls import Caller

DEADLINE_SECONDS = 5.0


class AsyncMembers:
    """What members say when they are asked.

    Every method yields what a member answered when it does, those that did not answer included: look at `answered`.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = member_service_pb2_grpc.MemberServiceStub(caller.channel)

    def pods(
        self,
        parent: str,
        *,
        clusters: Iterable[str] = (),
        all_clusters: bool = False,
        member_seconds: float = DEADLINE_SECONDS,
    ) -> AsyncIterator[member_service_pb2.ListMemberPodsResponse]:
        """Yield the pods of each member.

        Args:
            parent: A unit ("namespaces/shop/units/web"); with "-" for the unit: all pods of that namespace.
            clusters: Only these; none: those that hold anything of the parent.
            all_clusters: Ask the whole fleet.
            member_seconds: How long each member may take.
        """
        scope = _scope(parent, clusters, all_clusters=all_clusters, member_seconds=member_seconds)
        request = member_service_pb2.ListMemberPodsRequest(scope=scope)
        return self._caller.stream(self._stub.ListMemberPods, request)

    def events(
        self,
        parent: str,
        *,
        clusters: Iterable[str] = (),
        all_clusters: bool = False,
        type: str = "",  # noqa: A002 - the API's word
        member_seconds: float = DEADLINE_SECONDS,
    ) -> AsyncIterator[member_service_pb2.ListMemberEventsResponse]:
        """Yield the events of each member, of what the unit has there and of what that owns; see `pods`."""
        scope = _scope(parent, clusters, all_clusters=all_clusters, member_seconds=member_seconds)
        request = member_service_pb2.ListMemberEventsRequest(scope=scope, type=type)
        return self._caller.stream(self._stub.ListMemberEvents, request)

    def logs(
        self,
        unit: str,
        *,
        clusters: Iterable[str] = (),
        all_clusters: bool = False,
        pod: str = "",
        container: str = "",
        follow: bool = False,
        previous: bool = False,
        timestamps: bool = False,
        since_seconds: int | None = None,
        tail_lines: int | None = None,
        max_logs: int = 0,
        member_seconds: float = DEADLINE_SECONDS,
    ) -> AsyncIterator[member_service_pb2.ReadMemberLogsResponse]:
        """Yield the logs of a unit's containers, some lines at a time, as fast as they are taken.

        With `follow` it goes on until the containers end or the iterator is closed.
        """
        scope = _scope(unit, clusters, all_clusters=all_clusters, member_seconds=member_seconds)
        request = member_service_pb2.ReadMemberLogsRequest(
            scope=scope,
            pod=pod,
            container=container,
            follow=follow,
            previous=previous,
            timestamps=timestamps,
            since_seconds=since_seconds,
            tail_lines=tail_lines,
            max_logs=max_logs,
        )
        return self._caller.stream(self._stub.ReadMemberLogs, request)


def _scope(
    parent: str, clusters: Iterable[str], *, all_clusters: bool, member_seconds: float
) -> member_service_pb2.MemberScope:
    return member_service_pb2.MemberScope(
        parent=parent,
        clusters=[names.last_part(cluster) for cluster in clusters],
        all_clusters=all_clusters,
        timeout_milliseconds=max(1, round(member_seconds * 1000)),
    )

"""MemberService: pods, events and logs, read from the members when they are asked for."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from grpc import aio

from fedsvc.api.convert.member import answer_message, event_message, pod_message
from fedsvc.api.fan_out import fan_out
from fedsvc.api.intent.scope import DEFAULT_LOGS, MAX_LOGS, Scope, check_log_request, read_scope
from fedsvc.api.log_streams import MemberLogs, stream_logs
from fedsvc.api.problems import Problems
from fedsvc.errors import LimitExceededError, NotFoundError
from fedsvc.members.client import MemberClient
from fedsvc.members.logs import LogOptions, LogSource
from fedsvc.members.reading import FoundPod, read_events, read_pods
from fedsvc.members.registry import Member, Members
from fedsvc.model.cluster import Cluster
from fedsvc.rendering.belonging import Holding
from fedsvc.store import clusters, units
from fedsvc.store.holdings import holdings
from fedsvc.store.store import Store
from fedsvc.v1 import member_service_pb2 as pb
from fedsvc.v1 import member_service_pb2_grpc

Context = aio.ServicerContext[Any, Any]

_MAX_LOG_CALLS: Final = 100
"""Calls for logs that one server answers at the same time: each holds connections to members while it is read."""

_EVENT_TYPES: Final = ("", "Normal", "Warning")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Whom to ask, and what units have there."""

    clusters: Sequence[Cluster]
    holdings: Mapping[str, Sequence[Holding]]

    def of(self, member: Member) -> Sequence[Holding]:
        return self.holdings.get(member.name, ())


class MemberServicer(member_service_pb2_grpc.MemberServiceServicer):
    """See member_service.proto."""

    def __init__(self, store: Store, members: Members) -> None:
        self._store = store
        self._members = members
        self._log_calls = 0

    async def ListMemberPods(
        self, request: pb.ListMemberPodsRequest, context: Context
    ) -> AsyncGenerator[pb.ListMemberPodsResponse, None]:
        """Send the pods of each member as it answers."""
        del context
        problems = Problems()
        scope = read_scope(request.scope, problems)
        problems.refuse()
        asked = await self._asked(scope)

        async def ask(member: Member) -> tuple[list[FoundPod], bool]:
            return await read_pods(member.client, asked.of(member), namespace=scope.whole_namespace)

        async with aclosing(fan_out(self._members, asked.clusters, ask, seconds=scope.seconds)) as answers:
            async for said in answers:
                pods, cut = said.value or ([], False)
                yield pb.ListMemberPodsResponse(
                    answer=answer_message(said.cluster, said.failure, truncated=cut),
                    pods=[pod_message(said.cluster, pod) for pod in pods],
                )

    async def ListMemberEvents(
        self, request: pb.ListMemberEventsRequest, context: Context
    ) -> AsyncGenerator[pb.ListMemberEventsResponse, None]:
        """Send the events of each member as it answers."""
        del context
        problems = Problems()
        scope = read_scope(request.scope, problems)
        if request.type not in _EVENT_TYPES:
            problems.add("type", f"'{request.type[:50]}' is not Normal or Warning")
        problems.refuse()
        asked = await self._asked(scope)

        async def ask(member: Member) -> Any:
            return await read_events(member.client, asked.of(member), namespace=scope.whole_namespace)

        async with aclosing(fan_out(self._members, asked.clusters, ask, seconds=scope.seconds)) as answers:
            async for said in answers:
                events, cut = said.value or ([], False)
                yield pb.ListMemberEventsResponse(
                    answer=answer_message(said.cluster, said.failure, truncated=cut),
                    events=[
                        event_message(said.cluster, found) for found in events if request.type in ("", found.event.type)
                    ],
                )

    async def ReadMemberLogs(
        self, request: pb.ReadMemberLogsRequest, context: Context
    ) -> AsyncGenerator[pb.ReadMemberLogsResponse, None]:
        """Send the logs of a unit's containers."""
        del context
        problems = Problems()
        scope = read_scope(request.scope, problems, needs_unit=True)
        check_log_request(request, problems)
        problems.refuse()
        if self._log_calls >= _MAX_LOG_CALLS:
            raise LimitExceededError("max_log_calls", _MAX_LOG_CALLS, f"{self._log_calls} calls for logs are open")
        self._log_calls += 1
        try:
            async with aclosing(self._logs(request, scope)) as responses:
                async for response in responses:
                    yield response
        finally:
            self._log_calls -= 1

    async def _logs(
        self, request: pb.ReadMemberLogsRequest, scope: Scope
    ) -> AsyncGenerator[pb.ReadMemberLogsResponse, None]:
        asked = await self._asked(scope)

        async def ask(member: Member) -> list[FoundPod]:
            return (await read_pods(member.client, asked.of(member)))[0]

        by_name = {cluster.name: cluster for cluster in asked.clusters}
        wanted: list[MemberLogs] = []
        silent: list[pb.ReadMemberLogsResponse] = []
        seen: list[FoundPod] = []
        async with aclosing(fan_out(self._members, asked.clusters, ask, seconds=scope.seconds)) as answers:
            async for said in answers:
                seen += said.value or []
                sources = _sources(said.value or [], pod=request.pod, container=request.container)
                later = request.follow and not request.pod and said.failure is None
                if sources or later:
                    client = self._members.member(by_name[said.cluster]).client
                    look = partial(self._look, request, asked, client) if later else None
                    wanted.append(MemberLogs(cluster=said.cluster, client=client, sources=sources, look=look))
                else:
                    silent.append(pb.ReadMemberLogsResponse(answer=answer_message(said.cluster, said.failure)))
        _check_found(request, wanted, seen, everybody_answered=all(item.answer.answered for item in silent))
        options = LogOptions(
            follow=request.follow,
            previous=request.previous,
            timestamps=request.timestamps,
            since_seconds=request.since_seconds if request.HasField("since_seconds") else None,
            tail_lines=request.tail_lines if request.HasField("tail_lines") else None,
        )
        wanted.sort(key=lambda logs: logs.cluster)
        # Of who does not answer people hear at once where what follows has no end.
        for response in silent:
            yield response
        most = min(request.max_logs or DEFAULT_LOGS, MAX_LOGS)
        async with aclosing(stream_logs(wanted, options, begin_seconds=scope.seconds, most=most)) as responses:
            async for found in responses:
                yield found

    async def _look(
        self, request: pb.ReadMemberLogsRequest, asked: _Asked, client: MemberClient
    ) -> Sequence[LogSource]:
        """The logs there are by now; what the unit has there is as it was when the call began."""
        pods, _ = await read_pods(client, asked.holdings.get(client.name, ()))
        return _sources(pods, pod=request.pod, container=request.container)

    async def _asked(self, scope: Scope) -> _Asked:
        """Whom to ask.

        Raises:
            NotFoundError: the unit or a cluster that is named is not there.
        """
        async with self._store.reader() as tx:
            if scope.unit:
                await units.get(tx, scope.namespace, scope.unit)
            found = await holdings(tx, namespace=scope.namespace, unit=scope.unit, clusters=scope.clusters)
            if scope.all_clusters:
                chosen = await clusters.list_all(tx)
            else:
                chosen = await clusters.list_named(tx, found.keys() if scope.clusters is None else scope.clusters)
        known = {cluster.name for cluster in chosen}
        for name in sorted((scope.clusters or frozenset()) - known):
            self._members.forget(name)
            raise NotFoundError(f"clusters/{name}")
        return _Asked(clusters=sorted(chosen, key=lambda cluster: cluster.name), holdings=found)


def _sources(pods: Sequence[FoundPod], *, pod: str, container: str) -> list[LogSource]:
    """The logs that are meant."""
    return [
        LogSource(
            namespace=found.view.namespace,
            pod=found.view.name,
            container=one.name,
            is_only=found.view.container_count == 1 and not one.is_init,
            instance=f"{found.view.uid}/{one.restarts}",
            started=one.started,
        )
        for found in pods
        if pod in ("", found.view.name)
        for one in found.view.containers
        if (one.name == container if container else not one.is_init)
    ]


def _check_found(
    request: pb.ReadMemberLogsRequest,
    wanted: Sequence[MemberLogs],
    seen: Sequence[FoundPod],
    *,
    everybody_answered: bool,
) -> None:
    """Refuse what would read nothing, or too much at once.

    Raises:
        InvalidInputError: no pod has the container that is named, or none the name.
        LimitExceededError: there are more logs than may be read at once.
    """
    count, limit = sum(len(logs.sources) for logs in wanted), min(request.max_logs or DEFAULT_LOGS, MAX_LOGS)
    if count > limit:
        text = f"{count} logs would be read at once; choose by cluster, pod or container, or raise the limit"
        raise LimitExceededError("max_logs", limit, text)
    if count or not everybody_answered:
        return
    problems = Problems()
    pods = [found.view for found in seen if request.pod in ("", found.view.name)]
    if request.pod and not pods:
        names = ", ".join(sorted({found.view.name for found in seen})[:10])
        problems.add("pod", f"the unit has no pod '{request.pod[:253]}' there; it has: {names or 'none'}")
    elif request.container and pods:
        names = ", ".join(sorted({one.name for view in pods for one in view.containers})[:20])
        problems.add("container", f"no pod has a container '{request.container[:63]}'; there are: {names}")
    problems.refuse()

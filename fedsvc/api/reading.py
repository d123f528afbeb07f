"""Reading objects of a member as templates, to be adopted."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from fedsvc.api.fan_out import failure_of, fan_out
from fedsvc.members.api_table import ApiResource, ApiTable
from fedsvc.members.errors import MemberError, MemberStatusError
from fedsvc.members.registry import Member, Members
from fedsvc.model.cluster import Cluster
from fedsvc.rendering.canonical import JsonObject, canonical_json
from fedsvc.rendering.marks import FIELD_MANAGER, is_managed, owner_of
from fedsvc.rendering.takeover import managers_of, tools_of
from fedsvc.rendering.templates import is_readable, template_of
from fedsvc.v1 import common_pb2
from fedsvc.v1 import ownership_service_pb2 as pb

_SECONDS: Final = 20.0
_AT_ONCE: Final = 8


async def read_objects(
    members: Members, cluster: Cluster, refs: Sequence[common_pb2.ManifestRef]
) -> list[pb.ReadObject]:
    """The objects in the order asked for, each as a template or with why there is none.

    Args:
        members: connections.
        cluster: whose objects.
        refs: which; the kind of each as people write it, its api_version may be empty.
    """
    found = [pb.ReadObject(ref=ref, trouble="the cluster did not answer in time") for ref in refs]

    async def ask(member: Member) -> None:
        table = await member.discovery.table()
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(index: int) -> None:
            async with room:
                found[index] = await _read(member, table, refs[index])

        async with asyncio.TaskGroup() as group:
            for index in range(len(refs)):
                group.create_task(one(index), name=f"read-{member.name}")

    async with aclosing(fan_out(members, [cluster], ask, seconds=_SECONDS)) as answers:
        async for said in answers:
            if said.failure is not None:
                found = [
                    pb.ReadObject(ref=one.ref, trouble=said.failure.message) if one.trouble else one for one in found
                ]
    return found


async def _read(member: Member, table: ApiTable, ref: common_pb2.ManifestRef) -> pb.ReadObject:
    resource, trouble = _served(table, ref)
    if resource is None:
        return pb.ReadObject(ref=ref, trouble=trouble)
    namespace = (ref.namespace or "default") if resource.namespaced else ""
    api_version = f"{resource.group}/{resource.version}".removeprefix("/")
    known = common_pb2.ManifestRef(api_version=api_version, kind=resource.kind, namespace=namespace, name=ref.name)
    try:
        live = await member.client.get(resource.path(namespace=namespace, name=ref.name))
    except MemberStatusError as error:
        text = "is not there" if error.code == 404 else failure_of(member.name, error).message
        return pb.ReadObject(ref=known, trouble=text)
    except MemberError as error:
        return pb.ReadObject(ref=known, trouble=failure_of(member.name, error).message)
    return _as_template(known, live)


def _as_template(ref: common_pb2.ManifestRef, live: JsonObject) -> pb.ReadObject:
    owner = owner_of(live) if is_managed(live) else None
    answer = pb.ReadObject(
        ref=ref,
        tools=tools_of(live),
        managers=managers_of(live, but=FIELD_MANAGER),
        unit="" if owner is None else f"{owner.unit_namespace}/{owner.unit_name}",
    )
    if not is_readable(live):
        answer.trouble = "the values of a Secret do not leave the server: write it in a file, and apply it"
        return answer
    answer.left_out.extend(template_of(live))
    answer.template.CopyFrom(common_pb2.Manifest(json=canonical_json(live), ref=ref))
    return answer


def _served(table: ApiTable, ref: common_pb2.ManifestRef) -> tuple[ApiResource | None, str]:
    """How a kind as people write it is served, or why that is not clear: in the version that is listed first."""
    kind, _, group = ref.kind.lower().partition(".")
    fitting = [
        one
        for one in table.resources.values()
        if kind in (one.kind.lower(), one.plural)
        and (not group or one.group == group)
        and ref.api_version in ("", f"{one.group}/{one.version}".removeprefix("/"))
    ]
    groups = sorted({one.group for one in fitting})
    if not fitting:
        return None, f"the cluster serves no {ref.kind}"
    if "" in groups:
        fitting = [one for one in fitting if not one.group]
    elif len(groups) > 1:
        return None, f"{ref.kind} is served in {' and '.join(groups)}: write {kind}.{groups[0]} or the like"
    return min(fitting, key=lambda one: _rank(one.version)), ""


def _rank(version: str) -> tuple[int, str]:
    # v2 before v1 before v1beta1: stable versions first, of these the newest.
    stable = version[1:].isdigit()
    return (-int(version[1:]), version) if stable else (1, version)

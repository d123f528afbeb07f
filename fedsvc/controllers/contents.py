"""What would go with an object that is to be deleted: all in a namespace, and all of a kind with its definition.

An API server asks nobody about these. Whoever put them there may not even know that the namespace is somebody's, so as
long as there are any that nobody is about to remove the namespace, or the definition, stays.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fedsvc.controllers.definitions import defined_by
from fedsvc.controllers.session import MemberSession, is_terminating, metadata_of
from fedsvc.members.api_table import ApiResource, ApiTable
from fedsvc.members.errors import MemberStatusError
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.kinds import CRD_GROUP, CRD_KIND

MAX_SHOWN: Final = 5
_PARALLEL: Final = 4  # of the member's connections; the rest stay free for work

# Written by what runs in the cluster, and of no use without what it is about.
_FLEETING: Final = frozenset(
    {
        ("", "Endpoints"),
        ("", "Event"),
        ("coordination.k8s.io", "Lease"),
        ("discovery.k8s.io", "EndpointSlice"),
        ("events.k8s.io", "Event"),
        ("metrics.k8s.io", "PodMetrics"),
    }
)
# What every namespace is given by Kubernetes, OpenShift and Istio.
_GIVEN: Final = frozenset(
    {
        ("ConfigMap", "istio-ca-root-cert"),
        ("ConfigMap", "kube-root-ca.crt"),
        ("ConfigMap", "openshift-service-ca.crt"),
        ("ServiceAccount", "builder"),
        ("ServiceAccount", "default"),
        ("ServiceAccount", "deployer"),
    }
)
_TOKEN_OF: Final = "kubernetes.io/service-account.name"  # noqa: S105 - an annotation of generated Secrets


async def occupants(session: MemberSession, key: ObjectKey, live: Mapping[str, Any]) -> list[str]:
    """Objects that would go with this one, some of them where there are many, as words; empty: none, as far as is seen.

    What we have no right to list is not seen.

    Raises:
        MemberError: the member cannot be asked.
    """
    collections = _collections(await _table(session, key), key, live)
    room = asyncio.Semaphore(_PARALLEL)
    found: list[str] = []

    async def look(resource: ApiResource, path: str) -> None:
        async with room:
            if len(found) <= MAX_SHOWN:
                found.extend(await _list(session, resource, path))

    try:
        async with asyncio.TaskGroup() as group:
            for resource, path in collections:
                group.create_task(look(resource, path))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return sorted(found)


def is_container(key: ObjectKey) -> bool:
    """Whether others may go with an object of this kind."""
    return key.group_kind in (("", "Namespace"), (CRD_GROUP, CRD_KIND))


def goes_with_it(resource: ApiResource, live: Mapping[str, Any]) -> bool:
    """Pure: whether an object is one that somebody would miss, and not on its way out already."""
    metadata = metadata_of(live)
    annotations = metadata.get("annotations")
    is_token = (resource.group, resource.kind) == ("", "Secret") and _TOKEN_OF in (annotations or {})
    is_given = not resource.group and (resource.kind, metadata.get("name")) in _GIVEN
    return not (is_terminating(live) or metadata.get("ownerReferences") or is_token or is_given)


async def _table(session: MemberSession, key: ObjectKey) -> ApiTable | None:
    if key.group_kind == (CRD_GROUP, CRD_KIND):
        return None
    async with session.deadline("discovery"):
        return await session.member.discovery.table()


def _collections(table: ApiTable | None, key: ObjectKey, live: Mapping[str, Any]) -> Sequence[tuple[ApiResource, str]]:
    """Each kind once, in whatever version, with the path of those of its objects that would go."""
    if table is None:
        kinds = {one.kind: one for one in defined_by(live).values()}
        return [(one, one.collection_path) for one in kinds.values()]
    listed = {
        (one.group, one.plural): one
        for one in table.resources.values()
        if one.namespaced and "list" in one.verbs and (one.group, one.kind) not in _FLEETING
    }
    return [(one, one.path(namespace=key.name)) for one in listed.values()]


async def _list(session: MemberSession, resource: ApiResource, path: str) -> list[str]:
    found: list[str] = []
    try:
        async with session.deadline(f"GET {path}"):
            async for page in session.member.client.list_pages(path, metadata_only=True):
                found += [_words(resource, item) for item in page.get("items") or () if goes_with_it(resource, item)]
                if len(found) > MAX_SHOWN:
                    break
    except MemberStatusError as error:
        if error.code not in (403, 404, 405):
            raise
    return found


def _words(resource: ApiResource, live: Mapping[str, Any]) -> str:
    metadata = metadata_of(live)
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{resource.kind} {place}{metadata.get('name')}"

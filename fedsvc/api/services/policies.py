"""PolicyService: placements and overrides under names of their own."""

from typing import Any

from google.protobuf.message import Message
from grpc import aio

from fedsvc.api.convert.outcome import outcome_value
from fedsvc.api.convert.override import read_override
from fedsvc.api.convert.placement import read_placement
from fedsvc.api.convert.policy import override_policy_message, placement_policy_message
from fedsvc.api.intent.manifests import bounded
from fedsvc.api.intent.metadata import check_labels
from fedsvc.api.intent.overrides import unknown_clusters
from fedsvc.api.intent.placement import check_placement, placement_warnings
from fedsvc.api.intent.policy import POLICY_PATH, PolicyChange
from fedsvc.api.intent.trial import NamedOverride
from fedsvc.api.limits import MAX_UNIT_OVERRIDES
from fedsvc.api.mutation import mutate
from fedsvc.api.names import parse_override_policy, parse_placement_policy
from fedsvc.api.paging import Slice, cut, parse_page
from fedsvc.api.problems import Problems
from fedsvc.api.services.status_policies import StatusPolicyCalls
from fedsvc.api.trying import try_on_units
from fedsvc.errors import NotFoundError
from fedsvc.model.policy import Policy
from fedsvc.rendering.override_checks import validate_override
from fedsvc.rendering.workloads import looks_around
from fedsvc.store import clusters, placing, policies
from fedsvc.store.policies import OVERRIDE, PLACEMENT, PolicyKind
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import policy_service_pb2 as pb

Context = aio.ServicerContext[Any, Any]


class PolicyServicer(StatusPolicyCalls):
    """See policy_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ApplyPlacementPolicy(
        self, request: pb.ApplyPlacementPolicyRequest, context: Context
    ) -> pb.ApplyPlacementPolicyResponse:
        """Create or replace one."""
        del context
        return await mutate(self._store, request, pb.ApplyPlacementPolicyResponse, _apply_placement)

    async def GetPlacementPolicy(
        self, request: pb.GetPlacementPolicyRequest, context: Context
    ) -> pb.GetPlacementPolicyResponse:
        """Return one."""
        del context
        name = parse_placement_policy(request.name, "name")
        async with self._store.reader() as tx:
            policy = await policies.get(tx, PLACEMENT, name)
        return pb.GetPlacementPolicyResponse(placement_policy=placement_policy_message(policy))

    async def ListPlacementPolicies(
        self, request: pb.ListPlacementPoliciesRequest, context: Context
    ) -> pb.ListPlacementPoliciesResponse:
        """Return a page of them, by name."""
        del context
        found, token = await self._list(PLACEMENT, request.page_size, request.page_token)
        return pb.ListPlacementPoliciesResponse(
            placement_policies=[placement_policy_message(policy) for policy in found.rows],
            next_page_token=found.next_page_token,
            resume_token=token,
        )

    async def DeletePlacementPolicy(
        self, request: pb.DeletePlacementPolicyRequest, context: Context
    ) -> pb.DeletePlacementPolicyResponse:
        """Remove one that no unit uses."""
        del context

        async def run(tx: Transaction, asked: pb.DeletePlacementPolicyRequest) -> pb.DeletePlacementPolicyResponse:
            name = parse_placement_policy(asked.name, "name")
            await _delete(tx, PLACEMENT, name, asked.etag, allow_missing=asked.allow_missing)
            return pb.DeletePlacementPolicyResponse()

        return await mutate(self._store, request, pb.DeletePlacementPolicyResponse, run)

    async def ApplyOverridePolicy(
        self, request: pb.ApplyOverridePolicyRequest, context: Context
    ) -> pb.ApplyOverridePolicyResponse:
        """Create or replace one."""
        del context
        return await mutate(self._store, request, pb.ApplyOverridePolicyResponse, _apply_override)

    async def GetOverridePolicy(
        self, request: pb.GetOverridePolicyRequest, context: Context
    ) -> pb.GetOverridePolicyResponse:
        """Return one."""
        del context
        name = parse_override_policy(request.name, "name")
        async with self._store.reader() as tx:
            policy = await policies.get(tx, OVERRIDE, name)
        return pb.GetOverridePolicyResponse(override_policy=override_policy_message(policy))

    async def ListOverridePolicies(
        self, request: pb.ListOverridePoliciesRequest, context: Context
    ) -> pb.ListOverridePoliciesResponse:
        """Return a page of them, by name."""
        del context
        found, token = await self._list(OVERRIDE, request.page_size, request.page_token)
        return pb.ListOverridePoliciesResponse(
            override_policies=[override_policy_message(policy) for policy in found.rows],
            next_page_token=found.next_page_token,
            resume_token=token,
        )

    async def DeleteOverridePolicy(
        self, request: pb.DeleteOverridePolicyRequest, context: Context
    ) -> pb.DeleteOverridePolicyResponse:
        """Remove one that no unit uses."""
        del context

        async def run(tx: Transaction, asked: pb.DeleteOverridePolicyRequest) -> pb.DeleteOverridePolicyResponse:
            name = parse_override_policy(asked.name, "name")
            await _delete(tx, OVERRIDE, name, asked.etag, allow_missing=asked.allow_missing)
            return pb.DeleteOverridePolicyResponse()

        return await mutate(self._store, request, pb.DeleteOverridePolicyResponse, run)

    async def _list(self, kind: PolicyKind[Any], size: int, token: str) -> tuple[Slice[Policy[Any]], str]:
        page = parse_page(size, token, filter=(kind.collection,), key=(str,))
        after = str(page.after[0]) if page.after else ""
        async with self._store.reader() as tx:
            rows = await policies.list_page(tx, kind, after=after, limit=page.size + 1)
            resume = await tx.resume_token()
        return cut(page, rows, [(policy.name,) for policy in rows]), resume.encode()


async def _apply_placement(tx: Transaction, request: pb.ApplyPlacementPolicyRequest) -> pb.ApplyPlacementPolicyResponse:
    message = request.placement_policy
    name = parse_placement_policy(message.name, "placement_policy.name")
    problems = Problems()
    check_labels(message.labels, "placement_policy.labels", problems)
    _check_given(message, "spec", "placement_policy.spec", problems)
    spec = read_placement(message.spec, "placement_policy.spec", problems)
    check_placement(spec, "placement_policy.spec", problems)
    problems.refuse()
    fleet = await placing.read_fleet(tx, with_units=looks_around(spec))
    policy, outcome = await policies.apply(
        tx, PLACEMENT, name=name, labels=dict(message.labels), spec=spec, etag=message.etag
    )
    return pb.ApplyPlacementPolicyResponse(
        placement_policy=placement_policy_message(policy),
        outcome=outcome_value(outcome),
        warnings=placement_warnings(spec, fleet, tx.now),
    )


async def _apply_override(tx: Transaction, request: pb.ApplyOverridePolicyRequest) -> pb.ApplyOverridePolicyResponse:
    message = request.override_policy
    name = parse_override_policy(message.name, "override_policy.name")
    problems = Problems()
    check_labels(message.labels, "override_policy.labels", problems)
    _check_given(message, "spec", "override_policy.spec", problems)
    count = len(message.spec.overrides)
    if count > MAX_UNIT_OVERRIDES:
        problems.add(
            "override_policy.spec.overrides", f"has {count} entries; at most {MAX_UNIT_OVERRIDES} are accepted"
        )
        problems.refuse()
    warnings: list[str] = []
    spec = []
    for index, entry in enumerate(message.spec.overrides):
        path = f"override_policy.spec.overrides[{index}]"
        override = read_override(entry, path, problems)
        found = validate_override(override, path=path)
        problems.extend(problem for problem in found if not problem.warning)
        warnings.extend(str(problem) for problem in found if problem.warning)
        spec.append(override)
    problems.refuse()
    before = (await policies.get_many(tx, OVERRIDE, [name])).get(name)
    policy, outcome = await policies.apply(
        tx, OVERRIDE, name=name, labels=dict(message.labels), spec=tuple(spec), etag=message.etag
    )
    fleet = [cluster.snapshot() for cluster in await clusters.list_all(tx)]
    named = [
        NamedOverride(path=f"{POLICY_PATH}.overrides[{index}]", override=override)
        for index, override in enumerate(spec)
    ]
    warnings.extend(unknown_clusters(named, fleet))
    if before is not None and before.spec != policy.spec:
        warnings.extend(await try_on_units(tx, PolicyChange(policy=policy, before=before.spec), fleet))
    return pb.ApplyOverridePolicyResponse(
        override_policy=override_policy_message(policy), outcome=outcome_value(outcome), warnings=bounded(warnings)
    )


def _check_given(message: Message, field: str, path: str, problems: Problems) -> None:
    if not message.HasField(field):
        problems.add(path, "is missing")


async def _delete(tx: Transaction, kind: PolicyKind[Any], name: str, etag: str, *, allow_missing: bool) -> None:
    try:
        await policies.delete(tx, kind, name, etag=etag)
    except NotFoundError:
        if not allow_missing:
            raise

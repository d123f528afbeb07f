"""The calls of PolicyService that are of status policies."""

from typing import Any

from grpc import aio

from fedsvc.api.convert.outcome import outcome_value
from fedsvc.api.convert.status_policy import read_status_rule, status_policy_message
from fedsvc.api.intent.metadata import check_labels
from fedsvc.api.intent.status_policy import check_status_rules
from fedsvc.api.mutation import mutate
from fedsvc.api.names import parse_status_policy
from fedsvc.api.paging import cut, parse_page
from fedsvc.api.problems import Problems
from fedsvc.errors import NotFoundError
from fedsvc.store import policies
from fedsvc.store.policies import STATUS
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import policy_service_pb2 as pb
from fedsvc.v1 import policy_service_pb2_grpc

Context = aio.ServicerContext[Any, Any]


class StatusPolicyCalls(policy_service_pb2_grpc.PolicyServiceServicer):
    """See policy_service.proto."""

    _store: Store

    async def ApplyStatusPolicy(
        self, request: pb.ApplyStatusPolicyRequest, context: Context
    ) -> pb.ApplyStatusPolicyResponse:
        """Create or replace one."""
        del context
        return await mutate(self._store, request, pb.ApplyStatusPolicyResponse, _apply)

    async def GetStatusPolicy(self, request: pb.GetStatusPolicyRequest, context: Context) -> pb.GetStatusPolicyResponse:
        """Return one."""
        del context
        name = parse_status_policy(request.name, "name")
        async with self._store.reader() as tx:
            policy = await policies.get(tx, STATUS, name)
        return pb.GetStatusPolicyResponse(status_policy=status_policy_message(policy))

    async def ListStatusPolicies(
        self, request: pb.ListStatusPoliciesRequest, context: Context
    ) -> pb.ListStatusPoliciesResponse:
        """Return a page of them, by name."""
        del context
        page = parse_page(request.page_size, request.page_token, filter=(STATUS.collection,), key=(str,))
        after = str(page.after[0]) if page.after else ""
        async with self._store.reader() as tx:
            rows = await policies.list_page(tx, STATUS, after=after, limit=page.size + 1)
            token = await tx.resume_token()
        found = cut(page, rows, [(policy.name,) for policy in rows])
        return pb.ListStatusPoliciesResponse(
            status_policies=[status_policy_message(policy) for policy in found.rows],
            next_page_token=found.next_page_token,
            resume_token=token.encode(),
        )

    async def DeleteStatusPolicy(
        self, request: pb.DeleteStatusPolicyRequest, context: Context
    ) -> pb.DeleteStatusPolicyResponse:
        """Remove one."""
        del context
        return await mutate(self._store, request, pb.DeleteStatusPolicyResponse, _delete)


async def _apply(tx: Transaction, request: pb.ApplyStatusPolicyRequest) -> pb.ApplyStatusPolicyResponse:
    message = request.status_policy
    name = parse_status_policy(message.name, "status_policy.name")
    problems = Problems()
    check_labels(message.labels, "status_policy.labels", problems)
    if not message.HasField("spec"):
        problems.add("status_policy.spec", "is missing")
    path = "status_policy.spec.rules"
    rules = tuple(read_status_rule(rule, f"{path}[{index}]", problems) for index, rule in enumerate(message.spec.rules))
    # Whether a kind has a rule elsewhere is of all policies: none of them is written meanwhile.
    await policies.lock_all(tx, STATUS)
    others = {kind: rule.policy for kind, rule in (await policies.status_rules(tx)).items() if rule.policy != name}
    if message.HasField("spec"):
        check_status_rules(rules, path, problems, others=others)
    problems.refuse()
    policy, outcome = await policies.apply(
        tx, STATUS, name=name, labels=dict(message.labels), spec=rules, etag=message.etag
    )
    return pb.ApplyStatusPolicyResponse(status_policy=status_policy_message(policy), outcome=outcome_value(outcome))


async def _delete(tx: Transaction, request: pb.DeleteStatusPolicyRequest) -> pb.DeleteStatusPolicyResponse:
    name = parse_status_policy(request.name, "name")
    try:
        await policies.delete(tx, STATUS, name, etag=request.etag)
    except NotFoundError:
        if not request.allow_missing:
            raise
    return pb.DeleteStatusPolicyResponse()

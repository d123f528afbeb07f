from collections.abc import AsyncIterator

from fedsvc.v1 import policy_pb2, policy_service_pb2, policy_service_pb2_grpc
from fedsvc_client import names
from fedsvc_client._calls import DEADLINE_SECONDS, Caller, new_request_id, pages


class AsyncPolicies:
    """The placement and override policies, shared by units."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = policy_service_pb2_grpc.PolicyServiceStub(caller.channel)

    async def apply_placement(
        self,
        policy: policy_pb2.PlacementPolicy,
        *,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> policy_service_pb2.ApplyPlacementPolicyResponse:
        """Create or replace a placement policy."""
        request = policy_service_pb2.ApplyPlacementPolicyRequest(
            placement_policy=policy, validate_only=validate_only, request_id=new_request_id()
        )
        return await self._caller.call(self._stub.ApplyPlacementPolicy, request, timeout_seconds=timeout_seconds)

    async def get_placement(
        self, policy: str, *, timeout_seconds: float = DEADLINE_SECONDS
    ) -> policy_pb2.PlacementPolicy:
        """Return one placement policy, by its id or name."""
        request = policy_service_pb2.GetPlacementPolicyRequest(name=names.placement_policy_name(policy))
        answer = await self._caller.call(self._stub.GetPlacementPolicy, request, timeout_seconds=timeout_seconds)
        return answer.placement_policy

    async def list_placements_page(
        self, *, page_size: int = 0, page_token: str = "", timeout_seconds: float = DEADLINE_SECONDS
    ) -> policy_service_pb2.ListPlacementPoliciesResponse:
        """Return one page of placement policies, which also has the token to watch from."""
        request = policy_service_pb2.ListPlacementPoliciesRequest(page_size=page_size, page_token=page_token)
        return await self._caller.call(self._stub.ListPlacementPolicies, request, timeout_seconds=timeout_seconds)

    def list_placements(
        self, *, page_size: int = 0, timeout_seconds: float = DEADLINE_SECONDS
    ) -> AsyncIterator[policy_pb2.PlacementPolicy]:
        """Yield all placement policies, by name."""
        return pages(
            lambda token: self.list_placements_page(
                page_size=page_size, page_token=token, timeout_seconds=timeout_seconds
            ),
            lambda page: page.placement_policies,
        )

    async def delete_placement(
        self,
        policy: str,
        *,
        etag: str = "",
        allow_missing: bool = False,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        """Remove a placement policy that no unit uses."""
        request = policy_service_pb2.DeletePlacementPolicyRequest(
            name=names.placement_policy_name(policy),
            etag=etag,
            allow_missing=allow_missing,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        await self._caller.call(self._stub.DeletePlacementPolicy, request, timeout_seconds=timeout_seconds)

    async def apply_override(
        self,
        policy: policy_pb2.OverridePolicy,
        *,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> policy_service_pb2.ApplyOverridePolicyResponse:
        """Create or replace an override policy."""
        request = policy_service_pb2.ApplyOverridePolicyRequest(
            override_policy=policy, validate_only=validate_only, request_id=new_request_id()
        )
        return await self._caller.call(self._stub.ApplyOverridePolicy, request, timeout_seconds=timeout_seconds)

    async def get_override(
        self, policy: str, *, timeout_seconds: float = DEADLINE_SECONDS
    ) -> policy_pb2.OverridePolicy:
        """Return one override policy, by its id or name."""
        request = policy_service_pb2.GetOverridePolicyRequest(name=names.override_policy_name(policy))
        answer = await self._caller.call(self._stub.GetOverridePolicy, request, timeout_seconds=timeout_seconds)
        return answer.override_policy

    async def list_overrides_page(
        self, *, page_size: int = 0, page_token: str = "", timeout_seconds: float = DEADLINE_SECONDS
    ) -> policy_service_pb2.ListOverridePoliciesResponse:
        """Return one page of override policies, which also has the token to watch from."""
        request = policy_service_pb2.ListOverridePoliciesRequest(page_size=page_size, page_token=page_token)
        return await self._caller.call(self._stub.ListOverridePolicies, request, timeout_seconds=timeout_seconds)

    def list_overrides(
        self, *, page_size: int = 0, timeout_seconds: float = DEADLINE_SECONDS
    ) -> AsyncIterator[policy_pb2.OverridePolicy]:
        """Yield all override policies, by name."""
        return pages(
            lambda token: self.list_overrides_page(
                page_size=page_size, page_token=token, timeout_seconds=timeout_seconds
            ),
            lambda page: page.override_policies,
        )

    async def delete_override(
        self,
        policy: str,
        *,
        etag: str = "",
        allow_missing: bool = False,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        """Remove an override policy that no unit uses."""
        request = policy_service_pb2.DeleteOverridePolicyRequest(
            name=names.override_policy_name(policy),
            etag=etag,
            allow_missing=allow_missing,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        await self._caller.call(self._stub.DeleteOverridePolicy, request, timeout_seconds=timeout_seconds)

    async def apply_status(
        self,
        policy: policy_pb2.StatusPolicy,
        *,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> policy_service_pb2.ApplyStatusPolicyResponse:
        """Create or replace a status policy."""
        request = policy_service_pb2.ApplyStatusPolicyRequest(
            status_policy=policy, validate_only=validate_only, request_id=new_request_id()
        )
        return await self._caller.call(self._stub.ApplyStatusPolicy, request, timeout_seconds=timeout_seconds)

    async def get_status(self, policy: str, *, timeout_seconds: float = DEADLINE_SECONDS) -> policy_pb2.StatusPolicy:
        """Return one status policy, by its id or name."""
        request = policy_service_pb2.GetStatusPolicyRequest(name=names.status_policy_name(policy))
        answer = await self._caller.call(self._stub.GetStatusPolicy, request, timeout_seconds=timeout_seconds)
        return answer.status_policy

    async def list_statuses_page(
        self, *, page_size: int = 0, page_token: str = "", timeout_seconds: float = DEADLINE_SECONDS
    ) -> policy_service_pb2.ListStatusPoliciesResponse:
        """Return one page of status policies, which also has the token to watch from."""
        request = policy_service_pb2.ListStatusPoliciesRequest(page_size=page_size, page_token=page_token)
        return await self._caller.call(self._stub.ListStatusPolicies, request, timeout_seconds=timeout_seconds)

    def list_statuses(
        self, *, page_size: int = 0, timeout_seconds: float = DEADLINE_SECONDS
    ) -> AsyncIterator[policy_pb2.StatusPolicy]:
        """Yield all status policies, by name."""
        return pages(
            lambda token: self.list_statuses_page(
                page_size=page_size, page_token=token, timeout_seconds=timeout_seconds
            ),
            lambda page: page.status_policies,
        )

    async def delete_status(
        self,
        policy: str,
        *,
        etag: str = "",
        allow_missing: bool = False,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        """Remove a status policy."""
        request = policy_service_pb2.DeleteStatusPolicyRequest(
            name=names.status_policy_name(policy),
            etag=etag,
            allow_missing=allow_missing,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        await self._caller.call(self._stub.DeleteStatusPolicy, request, timeout_seconds=timeout_seconds)

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from fedsvc.v1 import (
    revision_pb2,
    revision_service_pb2,
    revision_service_pb2_grpc,
    rollout_pb2,
    rollout_service_pb2,
    rollout_service_pb2_grpc,
    watch_service_pb2,
)
from fedsvc_client import names
from fedsvc_client._calls import APPLY_DEADLINE_SECONDS, DEADLINE_SECONDS, Caller, new_request_id, pages
from fedsvc_client._errors import NotFoundError, WaitTimeoutError
from fedsvc_client._watch import AsyncWatch, Kind, Resynced, Synced, Trouble, WatchFilter

_OVER = (
    rollout_pb2.ROLLOUT_PHASE_FAILED,
    rollout_pb2.ROLLOUT_PHASE_ROLLED_BACK,
    rollout_pb2.ROLLOUT_PHASE_COMPLETED,
)


class AsyncRollouts:
    """The newest revisions of units on their way over the clusters."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = rollout_service_pb2_grpc.RolloutServiceStub(caller.channel)

    async def get(self, unit: str, *, timeout_seconds: float = DEADLINE_SECONDS) -> rollout_pb2.Rollout:
        """Return the rollout of a unit, given by its name or as "namespace/unit".

        Raises:
            NotFoundError: There is no such unit, or its newest revision went to all clusters at once.
        """
        request = rollout_service_pb2.GetRolloutRequest(name=names.rollout_name(unit))
        return (await self._caller.call(self._stub.GetRollout, request, timeout_seconds=timeout_seconds)).rollout

    async def pause(
        self,
        unit: str,
        *,
        revision: int = 0,
        reason: str = "",
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> rollout_pb2.Rollout:
        """Let it go to no further cluster; a revision, where given, must be the one that goes out."""
        request = rollout_service_pb2.PauseRolloutRequest(
            name=names.rollout_name(unit),
            revision=revision,
            reason=reason,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return (await self._caller.call(self._stub.PauseRollout, request, timeout_seconds=timeout_seconds)).rollout

    async def resume(
        self, unit: str, *, revision: int = 0, validate_only: bool = False, timeout_seconds: float = DEADLINE_SECONDS
    ) -> rollout_pb2.Rollout:
        """Let one go on that was paused, or that failed: in spite of the clusters that have failed so far."""
        request = rollout_service_pb2.ResumeRolloutRequest(
            name=names.rollout_name(unit), revision=revision, validate_only=validate_only, request_id=new_request_id()
        )
        return (await self._caller.call(self._stub.ResumeRollout, request, timeout_seconds=timeout_seconds)).rollout

    async def abort(
        self,
        unit: str,
        *,
        revision: int = 0,
        reason: str = "",
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> rollout_pb2.Rollout:
        """Let all clusters go back to the stable revision."""
        request = rollout_service_pb2.AbortRolloutRequest(
            name=names.rollout_name(unit),
            revision=revision,
            reason=reason,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return (await self._caller.call(self._stub.AbortRollout, request, timeout_seconds=timeout_seconds)).rollout

    async def approve(
        self,
        unit: str,
        *,
        revision: int = 0,
        wave: int | None = None,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> rollout_pb2.Rollout:
        """Let a wave begin that has to be approved: the one it waits for, or that of a number, from 1."""
        request = rollout_service_pb2.ApproveRolloutRequest(
            name=names.rollout_name(unit),
            revision=revision,
            wave=wave,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return (await self._caller.call(self._stub.ApproveRollout, request, timeout_seconds=timeout_seconds)).rollout

    async def retry(
        self, unit: str, *, revision: int = 0, validate_only: bool = False, timeout_seconds: float = DEADLINE_SECONDS
    ) -> rollout_pb2.Rollout:
        """Begin one again that was rolled back."""
        request = rollout_service_pb2.RetryRolloutRequest(
            name=names.rollout_name(unit), revision=revision, validate_only=validate_only, request_id=new_request_id()
        )
        return (await self._caller.call(self._stub.RetryRollout, request, timeout_seconds=timeout_seconds)).rollout

    async def follow(
        self,
        unit: str,
        *,
        timeout_seconds: float | None = None,
        on_change: Callable[[rollout_pb2.Rollout], object] | None = None,
        on_trouble: Trouble | None = None,
    ) -> rollout_pb2.Rollout:
        """Follow the rollout of a unit until it is completed, rolled back, or failed; return it as it then is.

        Args:
            unit: Its name, or "namespace/unit".
            timeout_seconds: How long; None: for ever.
            on_change: Called with the rollout first, and whenever anything of it changed.
            on_trouble: See `AsyncClient.watch`.

        Raises:
            NotFoundError: There is no such unit, it was deleted meanwhile, or it has no rollout (any more).
            WaitTimeoutError: It was not over in time; the text says where it stands.
        """
        name = names.unit_name(unit)
        seen: rollout_pb2.Rollout | None = None
        watch = AsyncWatch(
            self._caller,
            WatchFilter(kinds=(Kind.UNIT,), name=name),
            give_up_seconds=timeout_seconds,
            on_trouble=on_trouble,
        )
        try:
            async with asyncio.timeout(timeout_seconds), watch:
                async for item in watch:
                    if isinstance(item, Resynced | Synced) and seen is not None:
                        continue
                    if not isinstance(item, Resynced | Synced) and item.type == watch_service_pb2.CHANGE_TYPE_DELETED:
                        raise NotFoundError(f"{name} does not exist")
                    found = await self.get(name)
                    if found != seen and on_change is not None:
                        on_change(found)
                    seen = found
                    if seen.phase in _OVER:
                        return seen
        except TimeoutError as error:
            shown = "/".join(names.split_unit_name(name))
            phase = "" if seen is None else rollout_pb2.RolloutPhase.Name(seen.phase).removeprefix("ROLLOUT_PHASE_")
            stands = f": it is {phase.replace('_', ' ').lower()}" if phase else ""
            text = f"the rollout of unit {shown} is not over after {timeout_seconds or 0:g} s{stands}"
            raise WaitTimeoutError(text) from error
        raise AssertionError("a watch only ends by an error")


class AsyncRevisions:
    """What units were."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = revision_service_pb2_grpc.RevisionServiceStub(caller.channel)

    async def list_page(
        self,
        unit: str,
        *,
        page_size: int = 0,
        page_token: str = "",
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> revision_service_pb2.ListUnitRevisionsResponse:
        """Return one page of the kept revisions of a unit, newest first."""
        request = revision_service_pb2.ListUnitRevisionsRequest(
            parent=names.unit_name(unit), page_size=page_size, page_token=page_token
        )
        return await self._caller.call(self._stub.ListUnitRevisions, request, timeout_seconds=timeout_seconds)

    def list(
        self, unit: str, *, page_size: int = 0, timeout_seconds: float = DEADLINE_SECONDS
    ) -> AsyncIterator[revision_pb2.UnitRevision]:
        """Yield all kept revisions of a unit, newest first."""
        return pages(
            lambda token: self.list_page(unit, page_size=page_size, page_token=token, timeout_seconds=timeout_seconds),
            lambda page: page.revisions,
        )

    async def get(
        self, unit: str, revision: int, *, timeout_seconds: float = DEADLINE_SECONDS
    ) -> revision_service_pb2.GetUnitRevisionResponse:
        """Return a revision with the unit's spec as it was."""
        request = revision_service_pb2.GetUnitRevisionRequest(name=f"{names.unit_name(unit)}/revisions/{revision}")
        return await self._caller.call(self._stub.GetUnitRevision, request, timeout_seconds=timeout_seconds)

    async def roll_back(
        self,
        unit: str,
        *,
        revision: int = 0,
        etag: str = "",
        at_once: bool = False,
        confirmed_removals: Sequence[str] = (),
        validate_only: bool = False,
        timeout_seconds: float = APPLY_DEADLINE_SECONDS,
    ) -> revision_service_pb2.RollBackUnitResponse:
        """Make a new revision of a unit with the content of an earlier one; 0 stands for the one before."""
        request = revision_service_pb2.RollBackUnitRequest(
            name=names.unit_name(unit),
            revision=revision,
            etag=etag,
            at_once=at_once,
            confirmed_removals=[names.unit_name(name) for name in confirmed_removals],
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.RollBackUnit, request, timeout_seconds=timeout_seconds)

"""What the health controller asks a member: is it ready, which version, what may we do."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fedsvc.members.answers import http_date, parse_object
from fedsvc.members.client import MemberClient, status_of
from fedsvc.members.errors import MemberGarbageError, MemberStatusError
from fedsvc.members.refusals import Right

PROBE_TIMEOUT_SECONDS: Final = 5.0
_READY_PATHS: Final = (
    "/readyz",
    "/healthz",
)  # the first since 1.16; proxies in front of some clusters show only the other
_MAX_CHECKS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What a member said when it was asked whether it is ready.

    Attributes:
        ready: None where it answers, but does not tell.
        message: why it is not ready, in its own words.
        refusal: set where it refused our credential.
        skew_seconds: how far the member's clock is ahead of ours; None where it sent no time.
        is_busy: whether it told us to come back later (429).
    """

    ready: bool | None
    message: str = ""
    refusal: MemberStatusError | None = None
    skew_seconds: float | None = None
    is_busy: bool = False


async def probe(client: MemberClient, *, timeout_seconds: float = PROBE_TIMEOUT_SECONDS) -> Readiness:
    """Ask the member whether it is ready, on a connection of its own.

    An API server's whole answer is "ok". Where something else answers those paths, the version tells whether there is
    an API server at all.

    Raises:
        MemberError: it gave no answer that an API server gives.
    """
    for path in _READY_PATHS:
        answer = await client.probe_get(path, timeout_seconds=timeout_seconds)
        skew = _skew(answer.date)
        if answer.status == 200 and answer.body.strip().lower() == b"ok":
            return Readiness(ready=True, skew_seconds=skew)
        if answer.status == 401:
            refusal = status_of(answer, method="GET", path=path)
            return Readiness(ready=None, refusal=refusal, skew_seconds=skew)
        if answer.status >= 500:
            return Readiness(ready=False, message=_failing(answer.status, answer.body), skew_seconds=skew)
        if answer.status in (403, 429):  # it does not tell everybody, or is busy: not broken
            break
    else:
        try:
            await kubernetes_version(client, timeout_seconds=timeout_seconds)
        except MemberStatusError as error:
            return Readiness(ready=None, refusal=error if error.code == 401 else None, skew_seconds=skew)
    message = f"the answer to {path} was status {answer.status}"
    return Readiness(ready=None, message=message, skew_seconds=skew, is_busy=answer.status == 429)


async def kubernetes_version(client: MemberClient, *, timeout_seconds: float = PROBE_TIMEOUT_SECONDS) -> str:
    """The version of the API server, as in "v1.30.2".

    Raises:
        MemberGarbageError: what answers there is no API server.
        MemberError: it cannot be read.
    """
    answer = await client.probe_get("/version", timeout_seconds=timeout_seconds)
    if 300 <= answer.status < 400 or answer.status == 404:
        raise MemberGarbageError(f"no API server answers there: the answer to /version was status {answer.status}")
    if answer.status != 200:
        raise status_of(answer, method="GET", path="/version")
    version = parse_object(answer.body, what="/version").get("gitVersion")
    if not isinstance(version, str) or not version:
        raise MemberGarbageError("no API server answers there: the answer to /version names no version of Kubernetes")
    return version[:64]


async def may(client: MemberClient, right: Right) -> bool:
    """Whether the member lets us, by SelfSubjectAccessReview (every authenticated user may ask for himself).

    Raises:
        MemberError: it cannot be asked.
    """
    resource, _, subresource = right.resource.partition("/")
    attributes = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": subresource}
    if right.namespace:
        attributes["namespace"] = right.namespace
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await client.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return _dict(answer.get("status")).get("allowed") is True


def _failing(status: int, body: bytes) -> str:
    """The failing checks in the verbose text that an API server sends when it is not ready."""
    lines = body[:8192].decode("utf-8", "replace").splitlines()
    checks = [line.removeprefix("[-]").split(" ", 1)[0] for line in lines if line.startswith("[-]")]
    if checks:
        more = f" and {len(checks) - _MAX_CHECKS} more" if len(checks) > _MAX_CHECKS else ""
        return f"its checks fail: {', '.join(checks[:_MAX_CHECKS])}{more}"
    return f"it answers with status {status}"


def _skew(date: str | None) -> float | None:
    moment = http_date(date)
    return None if moment is None else (moment - datetime.now(UTC)).total_seconds()


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

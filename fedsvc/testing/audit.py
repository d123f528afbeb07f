"""Pure: which writes to members were forbidden, of all that a fleet received.

The oracle knows what was intended while the fleet was watched, and nothing of how the service works.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from fedsvc.simulator.server import Received

AGENT = "fedsvc/"
"""The service's requests are told from those of others by their user agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What the service may do at one time.

    Attributes:
        data: by path of an object, the values of `data` it may be made to have.
        removable: paths of objects that may be removed.
        foreign: (cluster, path) of objects that somebody else made and that are not to be taken over.
        held: paths of objects that nothing may be written to.
    """

    data: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    removable: frozenset[str] = frozenset()
    foreign: frozenset[tuple[str, str]] = frozenset()
    held: frozenset[str] = frozenset()


def why_forbidden(write: Received, intent: Intent) -> str | None:
    """What is wrong with a request that a member has dealt with; None: nothing, or it changed nothing."""
    if not write.user_agent.startswith(AGENT) or write.status >= 300 or write.query.get("dryRun"):
        return None
    fault = _fault(write, intent)
    return None if fault is None else f"{write.method} {write.cluster}{write.path}: {fault}"


def _fault(write: Received, intent: Intent) -> str | None:
    if (write.cluster, write.path) in intent.foreign:
        return "taken over from somebody else without leave"
    if write.path in intent.held:
        return "written while it was paused"
    if write.method == "DELETE":
        return None if write.path in intent.removable else "removed, which nobody asked for"
    if write.path.rpartition("/")[0] == "/api/v1/namespaces":
        return None  # made where it is missing
    wanted = [dict(data) for data in intent.data.get(write.path, ())]
    found = orjson.loads(write.body).get("data")
    return None if found in wanted else f"made to be {found}, which nobody wants"

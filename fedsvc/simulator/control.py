"""The control address ``/_simulator``: list clusters, break and heal them, over HTTP (for the demo and other processes).

GET    /_simulator/clusters                    names, regions, faults, counts
GET    /_simulator/clusters/NAME/faults        what is wrong
PATCH  /_simulator/clusters/NAME/faults        change some of it (JSON, the fields of Faults)
PUT    /_simulator/clusters/NAME/faults        set all of it
DELETE /_simulator/clusters/NAME/faults        heal
PATCH, PUT, DELETE /_simulator/regions/REGION/faults   the same for every cluster of a region
POST   /_simulator/clusters/NAME/drop-watches | forget-history | revoke-tokens
POST   /_simulator/clusters/NAME/say           a line for the log of a pod (JSON: namespace, pod, container, text)
"""

import dataclasses
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fedsvc.simulator.bodies import answer, failure, read_document, text
from fedsvc.simulator.cluster import SimulatedCluster
from fedsvc.simulator.errors import ApiError, bad_request
from fedsvc.simulator.faults import FaultError, Faults, read_faults

if TYPE_CHECKING:
    from fedsvc.simulator.server import Simulator


async def serve_control(simulator: "Simulator", request: web.BaseRequest, path: str) -> web.StreamResponse:
    """Answer a request to the control address."""
    parts = [part for part in path.split("/") if part]
    if parts == ["clusters"]:
        return answer({"clusters": [_summary(cluster) for cluster in simulator.clusters]})
    if len(parts) != 3 or parts[0] not in {"clusters", "regions"}:
        return text("404 page not found\n", 404)
    scope, name, what = parts
    chosen = [
        cluster
        for cluster in simulator.clusters
        if name == (cluster.name if scope == "clusters" else cluster.spec.region)
    ]
    if not chosen:
        return answer({"message": f"no cluster in {scope}/{name}"}, 404)
    try:
        if what == "faults":
            return await _serve_faults(request, chosen)
        if what == "say" and request.method == "POST":
            return await _say(request, chosen)
        return _act(request, chosen, what)
    except ApiError as error:
        return failure(error)


async def _serve_faults(request: web.BaseRequest, chosen: list[SimulatedCluster]) -> web.StreamResponse:
    if request.method in {"PATCH", "PUT"}:
        document = await read_document(request)
        for cluster in chosen:
            base = cluster.faults if request.method == "PATCH" else Faults()
            try:
                cluster.inject(read_faults(document, base))
            except FaultError as error:
                raise bad_request(str(error)) from error
    elif request.method == "DELETE":
        for cluster in chosen:
            cluster.inject(Faults())
    elif request.method != "GET":
        return text("405 method not allowed\n", 405)
    return answer({"clusters": [_summary(cluster) for cluster in chosen]})


async def _say(request: web.BaseRequest, chosen: list[SimulatedCluster]) -> web.StreamResponse:
    document = await read_document(request)
    said = document if isinstance(document, dict) else {}
    known = {name: said.get(name, "") for name in ("namespace", "pod", "container", "text")}
    if not all(isinstance(value, str) for value in known.values()) or not known["namespace"] or not known["pod"]:
        raise bad_request("write an object with the strings namespace, pod, text and, where it is meant, container")
    for cluster in chosen:
        cluster.say(known["namespace"], known["pod"], known["text"], container=known["container"])
    return answer({"clusters": [_summary(cluster) for cluster in chosen]})


def _act(request: web.BaseRequest, chosen: list[SimulatedCluster], what: str) -> web.StreamResponse:
    actions = {
        "drop-watches": SimulatedCluster.drop_watches,
        "forget-history": SimulatedCluster.forget_history,
        "revoke-tokens": SimulatedCluster.revoke_tokens,
    }
    action = actions.get(what)
    if action is None or request.method != "POST":
        return text("404 page not found\n", 404)
    for cluster in chosen:
        action(cluster)
    return answer({"clusters": [_summary(cluster) for cluster in chosen]})


def _summary(cluster: SimulatedCluster) -> dict[str, Any]:
    return {
        "name": cluster.name,
        "region": cluster.spec.region,
        "zones": list(cluster.spec.zones),
        "provider": cluster.spec.provider,
        "revision": cluster.store.revision,
        "faults": dataclasses.asdict(cluster.faults),
    }

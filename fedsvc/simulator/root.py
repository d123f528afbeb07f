"""The paths of one cluster: health, version, discovery, OpenAPI, and resources behind authentication."""

from aiohttp import web

from fedsvc.simulator import discovery
from fedsvc.simulator.access import ANONYMOUS
from fedsvc.simulator.bodies import answer, text
from fedsvc.simulator.cluster import SimulatedCluster
from fedsvc.simulator.errors import unauthorized
from fedsvc.simulator.handlers import serve_resource
from fedsvc.simulator.paths import parse_target
from fedsvc.simulator.rbac import Access

_HEALTH = frozenset({"/healthz", "/livez", "/readyz"})


async def serve_cluster(
    cluster: SimulatedCluster, request: web.BaseRequest, path: str, address: str
) -> web.StreamResponse:
    """Answer a request to one cluster; ``address`` is the server's host and port.

    Raises:
        ApiError: everything that is refused.
    """
    if cluster.faults.credentials_revoked:
        raise unauthorized()
    user = cluster.authority.authenticate(request.headers.get("Authorization"))
    target = parse_target(path)
    if target is not None:
        return await serve_resource(cluster, request, target, user)
    plain = path.rstrip("/") or "/"
    if user is ANONYMOUS or not user.almighty:
        cluster.authority.check(user, Access(verb=request.method.lower(), path=plain))
    return _serve_path(cluster, plain, address)


def _serve_path(cluster: SimulatedCluster, path: str, address: str) -> web.StreamResponse:
    if path in _HEALTH or path.rpartition("/")[0] in _HEALTH:
        return text("[-]etcd failed\nreadyz check failed\n", 500) if cluster.faults.not_ready else text("ok")
    parts = path.split("/")[1:]
    document = None
    if path == "/version":
        document = discovery.version_document(cluster)
    elif path == "/api":
        document = discovery.api_versions(address)
    elif path == "/api/v1":
        document = discovery.resource_list(cluster, "", "v1")
    elif path == "/apis":
        document = discovery.group_list(cluster)
    elif parts[0] == "apis" and len(parts) == 2:
        group = discovery.group_document(cluster, parts[1])
        document = {"kind": "APIGroup", "apiVersion": "v1", **group} if group is not None else None
    elif parts[0] == "apis" and len(parts) == 3:
        document = discovery.resource_list(cluster, parts[1], parts[2])
    elif path == "/openapi/v3":
        document = {"paths": {}}
    elif path == "/openapi/v2":
        # An empty document in the binary form that kubectl asks for: no schemas, so it validates nothing.
        return web.Response(
            body=b"", headers={"Content-Type": "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"}
        )
    return answer(document) if document is not None else text("404 page not found\n", 404)

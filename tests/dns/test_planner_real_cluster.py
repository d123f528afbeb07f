"""What the planner reads from a real API server, and what it gives it to hold."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedsvc.testing.control_plane import ControlPlane
from fedsvc.testing.members import Member
from fedsvc_dns.planner.clusterset import API_VERSION, Export, combine, derived_name, import_status, imported
from fedsvc_dns.planner.facts import Endpoint, Instance, Kind, Port
from fedsvc_dns.planner.manifests import ingress_hosts, ingress_instance, kind_of_service, service_instance

pytestmark = pytest.mark.kube
SERVICES = "/api/v1/namespaces/shop/services"
IMPORTS = f"/apis/{API_VERSION}/namespaces/shop/serviceimports"

DEFINITIONS = Path(__file__).parents[2] / "deploy" / "mcs-api" / "crds.yaml"


def slice_named(name: str, family: str, address: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": family,
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [
            {
                "addresses": [address],
                "hostname": "web-0",
                "nodeName": "node-1",
                "targetRef": {"kind": "Pod", "name": "web-0", "namespace": "shop"},
            }
        ],
    }


async def test_a_real_cluster_is_read_and_takes_what_it_imports(kube_assets: Path) -> None:
    async with (
        ControlPlane(name="mcs", assets=kube_assets, controller_manager=False) as plane,
        Member(name="mcs", server=plane.server, token=plane.token, ssl_context=plane.ssl_context()) as member,
    ):
        (await member.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})).expect(201)
        # Servers before 1.21 have the same slices as v1beta1.
        group = (await member.get("/apis/discovery.k8s.io")).expect(200)["preferredVersion"]["groupVersion"]
        await _check_reading(member, f"/apis/{group}/namespaces/shop/endpointslices")
        await _check_importing(member, group, f"/apis/{group}/namespaces/shop/endpointslices")


async def _check_reading(member: Member, slices_path: str) -> None:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    made = {
        "metadata": {"name": "web"},
        "spec": {"type": "LoadBalancer", "externalIPs": ["198.51.100.7"], "ports": ports},
    }
    (await member.post(SERVICES, made)).expect(201)
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.cloud.test"}]}}}
    service = (await member.patch(f"{SERVICES}/web/status", status)).expect(200)
    headless = {"metadata": {"name": "db"}, "spec": {"clusterIP": "None", "ports": ports}}
    pods = (await member.post(SERVICES, headless)).expect(201)
    slices = [
        (await member.post(slices_path, slice_named("web-4", "IPv4", "10.1.0.1"))).expect(201),
        (await member.post(slices_path, slice_named("web-6", "IPv6", "2001:db8::1"))).expect(201),
    ]
    ingress = {
        "metadata": {"name": "web"},
        "spec": {"rules": [{"host": "shop.example.com"}, {"host": "*.example.com"}]},
    }
    for rule in ingress["spec"]["rules"]:  # type: ignore[index]
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        rule["http"] = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    ingresses = "/apis/networking.k8s.io/v1/namespaces/shop/ingresses"
    (await member.post(ingresses, ingress)).expect(201)
    balanced = {"status": {"loadBalancer": {"ingress": [{"ip": "2001:db8::9"}]}}}
    entrance = (await member.patch(f"{ingresses}/web/status", balanced)).expect(200)

    assert service_instance("shop/web", "c1", service, slices) == Instance(
        service="shop/web",
        cluster="c1",
        addresses=("192.0.2.1", "lb.cloud.test", "198.51.100.7"),
        ready=1,
        ports=(Port(name="http", port=80),),
    )
    found = service_instance("shop/db", "c1", pods, slices)
    assert kind_of_service(pods) is Kind.HEADLESS
    assert found.ports == (Port(name="http", port=8080),)
    assert found.endpoints == (Endpoint(id="web-0", addresses=("10.1.0.1", "2001:db8::1"), hostname="web-0"),)
    assert ingress_hosts(entrance) == ("shop.example.com", "*.example.com")
    assert ingress_instance("shop/web", "c1", entrance).addresses == ("2001:db8::9",)


async def _check_importing(member: Member, slice_group: str, slices_path: str) -> None:
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for definition in yaml.safe_load_all(DEFINITIONS.read_text(encoding="utf-8")):
        (await member.post(definitions, definition)).expect(201)
    await member.until(IMPORTS, lambda reply: reply.status == 200, what="imports can be made")
    live = (await member.get(f"{SERVICES}/web")).expect(200)
    slices = (await member.get(slices_path)).expect(200)["items"]
    export = Export(cluster="far", exported_at=datetime(2026, 11, 26, tzinfo=UTC), service=live, slices=tuple(slices))
    service, _ = combine("shop", "web", [export])
    assert service is not None
    for one in imported(service):
        path = {"Service": SERVICES, "ServiceImport": IMPORTS, "EndpointSlice": slices_path}[one["kind"]]
        version = slice_group if one["kind"] == "EndpointSlice" else one["apiVersion"]
        applied = {**one, "apiVersion": version}
        (await member.apply(f"{path}/{one['metadata']['name']}", applied, manager="fedsvc")).expect(201)

    derived = (await member.get(f"{SERVICES}/{derived_name('web')}")).expect(200)
    _, with_address, *_ = imported(service)
    with_address = {**with_address, "spec": {**with_address["spec"], "ips": derived["spec"]["clusterIPs"]}}
    held = (await member.apply(f"{IMPORTS}/web", with_address, manager="fedsvc")).expect(200)

    told: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "ServiceImport",
        "metadata": {"name": "web", "namespace": "shop"},
    }
    told["status"] = import_status(service)
    assert (await member.apply(f"{IMPORTS}/web/status", told)).expect(200)["status"] == import_status(service)
    assert held["spec"]["ips"] == [derived["spec"]["clusterIP"]]
    assert held["spec"]["ports"] == [{"name": "http", "port": 80, "protocol": "TCP"}]
    taken = (await member.get(slices_path, labelSelector="multicluster.kubernetes.io/source-cluster=far")).expect(200)[
        "items"
    ]
    assert sorted(one["endpoints"][0]["addresses"][0] for one in taken) == ["10.1.0.1", "2001:db8::1"]
    assert all("nodeName" not in one["endpoints"][0] for one in taken)

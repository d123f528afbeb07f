"""Zones as objects of ExternalDNS: what is their own beside the contract of all providers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.controllers.endpoint_zone import EndpointPlace, EndpointZone
from fedsvc.members.client import MemberClient
from fedsvc.model.cluster import Connection, Credential
from fedsvc.testing import endpoints
from fedsvc.testing.control_plane import ControlPlane
from fedsvc.testing.zone_writing import a, puts
from fedsvc_dns.providers import endpoint_objects as objects
from fedsvc_dns.providers.contract import (
    ChangeSet,
    Fence,
    Mode,
    ReadOnlyZoneError,
    Reason,
    ServerRefusedError,
    ZoneNotOursError,
)
from fedsvc_dns.providers.octodns.forms import told_as
from fedsvc_dns.providers.owning import Claim
from fedsvc_dns.records import RecordSet, record_set

ORIGIN = "example.com."


def zone(client: MemberClient, namespace: str, *, labels: dict[str, str] | None = None, **claim: Any) -> EndpointZone:
    async def get_client() -> MemberClient:
        return client

    place = EndpointPlace(client=get_client, cluster="dns", namespace=namespace, labels=labels or {})
    return EndpointZone(Claim(**({"origin": ORIGIN, "owner": "test"} | claim)), place)


@pytest.fixture
async def real(kube_assets: Path) -> AsyncIterator[MemberClient]:
    """The administrator's client of a real API server."""
    async with ControlPlane(name="dns", assets=kube_assets, controller_manager=False) as plane:
        connection = Connection(
            endpoint=plane.server, ca_pem=plane.ca_file.read_bytes(), credential=Credential(token=plane.token)
        )
        async with MemberClient(connection) as client:
            yield client


@pytest.mark.kube
async def test_a_real_api_server_holds_a_zone_as_objects_that_external_dns_takes(real: MemberClient) -> None:
    with pytest.raises(
        ServerRefusedError, match=r"does not serve DNSEndpoint in externaldns\.k8s\.io/v1alpha1: install"
    ):
        await zone(real, "default").read()
    await endpoints.define(real)
    async with asyncio.timeout(60):
        while True:
            try:
                await zone(real, "default").read()
                break
            except ServerRefusedError:  # it takes a moment until what is defined is served
                await asyncio.sleep(0.05)
    wanted = [
        a("web.example.com.", "10.0.0.1", "10.0.0.2"),
        record_set("web.example.com.", "AAAA", ["2001:db8::1"], ttl_seconds=30),
        record_set("*.example.com.", "CNAME", ["web.example.com."], ttl_seconds=60),
        record_set("_http._tcp.web.example.com.", "SRV", ["10 50 80 web.example.com."], ttl_seconds=30),
        record_set("example.com.", "TXT", ['"hello"'], ttl_seconds=30),
    ]
    writer = zone(real, "default", labels={"team": "dns"})

    made = await writer.apply(puts(*wanted, generation=7))
    late = zone(real, "default")
    again = await late.apply(puts(*wanted, generation=7))
    gone = ChangeSet(fence=Fence(epoch=2, generation=1), deletes=(("web.example.com.", "AAAA"), wanted[4].key))
    after = await zone(real, "default").apply(gone)

    assert (made.refused, made.serial, len(made.written)) == ((), 7, 4)
    assert (again.written, after.written) == ((), ("example.com.", "web.example.com."))
    held = {one["metadata"]["name"]: one for one in await endpoints.objects_in(real, "default")}
    web = held[objects.object_name("web.example.com.")]
    assert web["spec"]["endpoints"] == [
        {"dnsName": "web.example.com", "recordType": "A", "recordTTL": 30, "targets": ["10.0.0.1", "10.0.0.2"]}
    ]
    assert held[objects.object_name("*.example.com.")]["spec"]["endpoints"][0]["targets"] == ["web.example.com"]
    assert held[objects.object_name("*.example.com.")]["metadata"]["labels"]["team"] == "dns"
    assert objects.object_name("example.com.") not in held
    assert len(held) == 4, "the mark, and one a name"


async def test_what_somebody_changes_in_an_object_is_drift_and_put_right(namespaces: Any) -> None:
    namespace = await namespaces.fresh()
    writer = zone(namespaces.client, namespace)
    await writer.apply(puts(a("web.example.com.", "10.0.0.1")))
    path = f"{endpoints.collection(namespace)}/{objects.object_name('web.example.com.')}"
    await namespaces.client.patch(path, b'{"spec": {"endpoints": [{"dnsName": "web.example.com", "recordType": "A",'
        b' "recordTTL": 5, "targets": ["203.0.113.1"]}]}}', field_manager="somebody")  # fmt: skip

    seen = await writer.read()
    done = await writer.apply(puts(a("web.example.com.", "10.0.0.1")))

    assert seen.drifted == (("web.example.com.", "A"),)
    assert done.written == ("web.example.com.",)
    assert await endpoints.sets_in(namespaces.client, namespace) == {
        ("web.example.com.", "A"): (30, frozenset({"10.0.0.1"}))
    }


async def test_names_of_objects_of_others_are_left_to_them(namespaces: Any) -> None:
    namespace = await namespaces.fresh()
    theirs = {
        "apiVersion": objects.API_VERSION,
        "kind": objects.KIND,
        "metadata": {"name": "theirs", "namespace": namespace},
        "spec": {
            "endpoints": [
                {"dnsName": "Web.example.com", "recordType": "A", "recordTTL": 60, "targets": ["203.0.113.1"]}
            ]
        },
    }
    await namespaces.client.post(endpoints.collection(namespace), theirs)

    done = await zone(namespaces.client, namespace).apply(
        puts(a("web.example.com.", "10.0.0.1"), a("api.example.com.", "10.0.0.2"))
    )

    assert [(one.name, one.reason) for one in done.refused] == [("web.example.com.", Reason.FOREIGN)]
    assert "of the object theirs" in done.refused[0].message
    assert done.written == ("api.example.com.",)


async def test_the_objects_of_another_installation_are_its_own_until_it_is_named(namespaces: Any) -> None:
    namespace = await namespaces.fresh()
    await zone(namespaces.client, namespace, owner="old").apply(puts(a("web.example.com.", "10.0.0.1"), epoch=9))
    changed = puts(a("web.example.com.", "10.0.0.2"))

    with pytest.raises(ZoneNotOursError, match="that of the owner old, not of test"):
        await zone(namespaces.client, namespace).apply(changed)
    done = await zone(namespaces.client, namespace, take_over=frozenset({"old"})).apply(changed)

    assert done.written == ("web.example.com.",)


async def test_two_zones_share_a_namespace(namespaces: Any) -> None:
    namespace = await namespaces.fresh()
    await zone(namespaces.client, namespace).apply(puts(a("web.example.com.", "10.0.0.1")))
    other = zone(namespaces.client, namespace, origin="example.org.", owner="other")
    await other.apply(puts(a("web.example.org.", "10.0.0.2")))

    assert set(await endpoints.sets_in(namespaces.client, namespace)) == {
        ("web.example.com.", "A"),
        ("web.example.org.", "A"),
    }
    assert [key for key in (await other.read()).record_sets if "_fedsvc" not in key[0]] == [("web.example.org.", "A")]


async def test_a_zone_that_is_read_only_has_no_object(namespaces: Any) -> None:
    namespace = await namespaces.fresh()
    with pytest.raises(ReadOnlyZoneError):
        await zone(namespaces.client, namespace, mode=Mode.READ_ONLY).apply(puts(a("web.example.com.", "10.0.0.1")))
    assert await endpoints.objects_in(namespaces.client, namespace) == []


@pytest.mark.parametrize(
    ("type_", "value", "message"),
    [
        ("HTTPS", "1 . alpn=h2", "no records of type HTTPS"),
        ("TXT", '"ends with a dot."', "takes no text that ends with a dot"),
        ("TXT", '"\\200"', "plain text only"),
    ],
)
async def test_what_external_dns_leaves_out_without_a_word_is_refused(
    namespaces: Any, type_: str, value: str, message: str
) -> None:
    bad = RecordSet(name="bad.example.com.", type=type_, ttl_seconds=30, values=(value,))
    done = await zone(namespaces.client, await namespaces.fresh()).apply(puts(bad, a("web.example.com.", "10.0.0.1")))

    assert [one.reason for one in done.refused] == [Reason.UNSUPPORTED]
    assert message in done.refused[0].message
    assert done.written == ("web.example.com.",)


_DATA = {
    "A": st.sampled_from(["10.0.0.1", "10.0.0.2"]),
    "AAAA": st.sampled_from(["2001:db8::1", "2001:db8::2"]),
    "SRV": st.sampled_from(["10 50 80 web.example.com.", "1 0 443 a.example.org."]),
    "TXT": st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=600).map(
        lambda text: f'"{text[:250]}" "{text[250:500]}" "{text[500:]}!"'
    ),
}


@given(st.dictionaries(st.sampled_from(sorted(_DATA)), st.integers(0, 2**31 - 1), min_size=1), st.data())
def test_an_object_stands_for_the_very_sets_that_it_was_made_of(types: dict[str, int], data: st.DataObject) -> None:
    name = "web.example.com."
    sets = {
        one.key: one
        for type_, ttl in types.items()
        for one in [told_as(record_set(name, type_, data.draw(st.lists(_DATA[type_], min_size=1)), ttl_seconds=ttl))]
    }
    made = objects.object_of(name, sets.values(), origin=ORIGIN, labels={})
    made["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    found = objects.read_objects([made], ORIGIN)

    assert found.sets == sets
    assert found.ours[name].unread == ""
    assert objects.read_objects([made], "example.org.").others == {name: made["metadata"]["name"]}


def test_names_of_objects_are_names_and_differ() -> None:
    names = [
        "*.example.com.",
        "example.com.",
        "_http._tcp.a.example.com.",
        "http-tcp-a.example.com.",
        f"{'x' * 63}." * 3,
    ]
    made = [objects.object_name(name) for name in names]

    assert len(set(made)) == len(made)
    assert all(len(one) <= 253 and one[0].isalnum() for one in made)

"""What tests of ExternalDNS' objects share: their definition, namespaces of their own, and what they stand for."""

from typing import Any

from fedsvc.members.client import MemberClient
from fedsvc.members.errors import MemberStatusError

GROUP = "externaldns.k8s.io"
# As much of the definition as says what its fields have to be.
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": f"dnsendpoints.{GROUP}",
        "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/external-dns/pull/2007"},
    },
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "dnsendpoints", "singular": "dnsendpoint", "kind": "DNSEndpoint"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "endpoints": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "properties": {
                                                "dnsName": {"type": "string"},
                                                "recordType": {"type": "string"},
                                                "recordTTL": {"type": "integer", "format": "int64"},
                                                "targets": {"type": "array", "items": {"type": "string"}},
                                            },
                                        },
                                    }
                                },
                            },
                            "status": {
                                "type": "object",
                                "properties": {"observedGeneration": {"type": "integer", "format": "int64"}},
                            },
                        },
                    }
                },
            }
        ],
    },
}


def collection(namespace: str) -> str:
    """The path of the objects of a namespace."""
    return f"/apis/{GROUP}/v1alpha1/namespaces/{namespace}/dnsendpoints"


async def define(client: MemberClient) -> None:
    """Have a cluster serve the kind; again is no error."""
    await _made(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION)


async def make_namespace(client: MemberClient, name: str) -> None:
    """Make a namespace; again is no error."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await _made(client, "/api/v1/namespaces", namespace)


async def _made(client: MemberClient, path: str, document: dict[str, Any]) -> None:
    try:
        await client.post(path, document)
    except MemberStatusError as error:
        if error.code != 409:
            raise


async def objects_in(client: MemberClient, namespace: str) -> list[Any]:
    """All objects of a namespace."""
    found: list[Any] = (await client.get(collection(namespace)))["items"]
    return found


async def sets_in(client: MemberClient, namespace: str) -> dict[tuple[str, str], tuple[int, frozenset[str]]]:
    """What the objects of a namespace stand for, in the words of name servers."""
    return {
        (f"{endpoint['dnsName']}.", endpoint["recordType"]): (
            endpoint["recordTTL"],
            frozenset(_told(endpoint["recordType"], target) for target in endpoint["targets"]),
        )
        for one in await objects_in(client, namespace)
        for endpoint in one["spec"].get("endpoints", ())
    }


def _told(type_: str, target: str) -> str:
    if type_ == "TXT":
        return f'"{target}"'
    return target if type_ in {"A", "AAAA"} else f"{target}."

"""The parts of access to members that need no socket: addresses, rights, tables of kinds, lines of watches."""

import contextlib
import itertools
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.members.answers import parse_object, status_error, status_of_document
from fedsvc.members.api_table import ApiTable, read_aggregated, read_groups, read_resources, table_of
from fedsvc.members.errors import KindNotServedError, MemberError, MemberGarbageError, MemberStatusError
from fedsvc.members.refusals import MAX_REFUSALS, Refusals, Right, right_of_request
from fedsvc.members.settings import endpoint_problem, is_loopback, proxy_problem
from fedsvc.members.watching import LineSplitter, parse_event
from fedsvc.rendering.keys import ObjectKey
from fedsvc.testing.scripted import status

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(min_value=-(2**53), max_value=2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("https://api.example:6443", None),
        ("https://[::1]:6443/clusters/a", None),
        ("http://127.0.0.1:8080", None),
        ("http://localhost", None),
        ("http://[::1]:1", None),
        ("http://10.0.0.1", "plain http"),
        ("http://127.0.0.1.evil.example", "plain http"),
        ("http://localhost.evil.example", "plain http"),
        ("ftp://x", "must begin with https://"),
        ("file:///etc/passwd", "must begin with"),
        ("api.example:6443", "must begin with"),
        ("https://", "names no host"),
        ("https://user:pass@x", "user name or password"),
        ("https://x:0", "port 0"),
        ("https://x:99999", "is not an address"),
        ("https://x:abc", "is not an address"),
        ("https://[::1", "is not an address"),
        ("https://x/?a=b", "query or fragment"),
        ("https://x/#", "query or fragment"),
        ("https://x y", "spaces"),
        ("", "must begin with"),
    ],
)
def test_only_what_an_api_server_may_have_is_an_address(address: str, problem: str | None) -> None:
    found = endpoint_problem(address)
    assert (found is None) == (problem is None), found
    assert problem is None or (found is not None and problem in found)


@given(address=st.text(max_size=30) | st.text(max_size=30).map(lambda text: f"https://{text}"))
def test_any_text_may_be_sent_as_an_address(address: str) -> None:
    for problem in (endpoint_problem(address), proxy_problem(address)):
        assert problem is None or problem
    is_loopback(address)


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        ("GET", "/api/v1/namespaces/shop/configmaps/web", "get configmaps in namespace shop"),
        ("GET", "/api/v1/configmaps", "list configmaps"),
        ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", "patch deployments.apps in namespace shop"),
        ("PATCH", "/api/v1/namespaces/shop", "patch namespaces"),
        ("GET", "/api/v1/namespaces", "list namespaces"),
        ("POST", "/apis/apps/v1/namespaces/shop/deployments", "create deployments.apps in namespace shop"),
        (
            "DELETE",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/x",
            "delete clusterroles.rbac.authorization.k8s.io",
        ),
        ("POST", "/api/v1/namespaces/f/serviceaccounts/a/token", "create serviceaccounts/token in namespace f"),
        ("PUT", "/api/v1/namespaces/shop/pods/web/status", "update pods/status in namespace shop"),
        ("GET", "/version", None),
        ("GET", "/apis/apps/v1", None),
        ("GET", "/api/v1", None),
    ],
)
def test_the_right_that_a_request_needs(method: str, path: str, text: str | None) -> None:
    right = right_of_request(method, path)
    assert (None if right is None else str(right)) == text


def refusal(
    message: str, *, method: str = "GET", path: str = "/api/v1/namespaces/shop/configmaps"
) -> MemberStatusError:
    return MemberStatusError(code=403, reason="Forbidden", message=message, method=method, path=path)


def test_a_refusal_counts_with_the_verb_that_the_member_names() -> None:
    refusals = Refusals()
    words = (
        'configmaps is forbidden: User "x" cannot watch resource "configmaps" in API group "" in the namespace "shop"'
    )
    assert str(refusals.report(refusal(words))) == "watch configmaps in namespace shop"
    assert refusals.message_of(refusals.missing()[0]) == words
    refusals.granted(refusals.missing()[0])
    assert refusals.missing() == []


@pytest.mark.parametrize(
    "error",
    [
        refusal('pods "x" is forbidden: exceeded quota: q'),
        refusal('admission webhook "policy.example" denied the request: no'),
        MemberStatusError(code=401, reason="", message='User "x" cannot get resource "y"'),
        refusal('User "x" cannot get resource "y"', path="/version"),
    ],
    ids=["quota", "webhook", "401", "no-object"],
)
def test_other_refusals_are_no_want_of_rights(error: MemberStatusError) -> None:
    refusals = Refusals()
    assert refusals.report(error) is None
    assert refusals.missing() == []


def test_refusals_of_one_member_are_bounded() -> None:
    refusals = Refusals()
    for number in range(MAX_REFUSALS + 20):
        path = f"/api/v1/namespaces/n{number}/configmaps"
        refusals.report(refusal('User "x" cannot list resource "configmaps"', path=path))
    assert len(refusals.missing()) == MAX_REFUSALS


RESOURCES = {
    "kind": "APIResourceList",
    "resources": [
        {"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get", "patch"]},
        {"name": "deployments/status", "kind": "Deployment", "namespaced": True, "verbs": ["get"]},
        {"name": "deployments/scale", "kind": "Scale", "namespaced": True, "verbs": ["get"]},
        {"name": 7},
        "nonsense",
    ],
}
AGGREGATED = {
    "kind": "APIGroupDiscoveryList",
    "items": [
        {
            "metadata": {"name": "apps"},
            "versions": [
                {
                    "version": "v1",
                    "freshness": "Current",
                    "resources": [
                        {
                            "resource": "deployments",
                            "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
                            "scope": "Namespaced",
                            "verbs": ["get", "patch"],
                            "subresources": [{"subresource": "status"}, {"subresource": "scale"}],
                        },
                        {"resource": "only-subresources", "subresources": [{"subresource": "status"}]},
                    ],
                }
            ],
        },
        {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale"}]},
    ],
}


def test_both_forms_of_discovery_say_the_same() -> None:
    resources, failed = read_aggregated(AGGREGATED)
    assert resources == read_resources("apps", "v1", RESOURCES)
    assert list(failed) == [("metrics.k8s.io", "v1beta1")]
    found = resources[0]
    assert found.subresources == {"status", "scale"}
    assert found.path(namespace="shop", name="web") == "/apis/apps/v1/namespaces/shop/deployments/web"
    assert found.path(namespace="shop") == "/apis/apps/v1/namespaces/shop/deployments"
    assert found.collection_path == "/apis/apps/v1/deployments"
    assert found.path(namespace="../x", name="a/b?c") == "/apis/apps/v1/namespaces/..%2Fx/deployments/a%2Fb%3Fc"


@given(document=st.dictionaries(st.sampled_from(["items", "groups", "versions", "resources", "kind"]), JSON))
def test_any_document_may_come_as_discovery(document: dict[str, Any]) -> None:
    read_aggregated(document)
    read_groups(document)
    read_resources("g", "v1", document)


def test_what_failed_keeps_what_was_known_and_the_rest_does_not() -> None:
    before = table_of(read_resources("apps", "v1", RESOURCES), {}, None)
    kept = table_of([], {("apps", "v1"): "no answer"}, before)
    assert kept.serves("apps", "v1", "Deployment")
    assert not table_of([], {}, before).serves("apps", "v1", "Deployment")
    assert kept.rows() == [["apps", "v1", "Deployment", "deployments", True]]


def test_a_kind_that_is_not_served_is_told_with_what_is() -> None:
    table = table_of(read_resources("apps", "v1", RESOURCES), {("apps", "v2"): "no answer"}, None)
    key = ObjectKey(group="apps", version="v2", kind="Deployment", namespace="", name="web")
    with pytest.raises(KindNotServedError, match=r"serves it in apps/v1 \(its discovery fails: no answer\)"):
        table.path(key)
    with pytest.raises(KindNotServedError, match=r"does not serve Pod in v1$"):
        ApiTable(resources={}).resource("", "v1", "Pod")
    here = ObjectKey(group="apps", version="v1", kind="Deployment", namespace="", name="web")
    assert table.path(here) == "/apis/apps/v1/namespaces/default/deployments/web"


EVENTS = [orjson.dumps({"type": "ADDED", "object": {"metadata": {"resourceVersion": str(n)}}}) for n in range(5)]


@given(cuts=st.lists(st.integers(min_value=0, max_value=400), max_size=12), blank=st.booleans())
def test_lines_are_the_same_however_the_stream_is_cut(cuts: list[int], *, blank: bool) -> None:
    stream = (b"\n\r\n" if blank else b"\n").join(EVENTS) + b"\n"
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    splitter = LineSplitter()
    lines = [line for start, end in itertools.pairwise(edges) for line in splitter.feed(stream[start:end])]
    splitter.end()
    assert lines == EVENTS
    assert [parse_event(line).resource_version for line in lines] == ["0", "1", "2", "3", "4"]


def test_a_line_that_never_ends_is_given_up() -> None:
    splitter = LineSplitter(max_bytes=10)
    assert list(splitter.feed(b"{" * 8)) == []
    with pytest.raises(MemberGarbageError, match="longer than 10 bytes"):
        list(splitter.feed(b"{" * 8))


@given(line=st.binary(max_size=60) | JSON.map(orjson.dumps))
def test_any_line_is_an_event_or_an_error_of_the_member(line: bytes) -> None:
    with contextlib.suppress(MemberError):
        assert parse_event(line).type != "ERROR"


@given(body=st.binary(max_size=60) | JSON.map(orjson.dumps), code=st.integers(min_value=400, max_value=599))
def test_any_body_of_a_refusal_makes_an_error_with_words(body: bytes, code: int) -> None:
    error = status_error(code, body, retry_after=None, now=datetime.now(UTC), method="GET", path="/x")
    assert (error.code, bool(error.message)) == (code, True)


@given(details=JSON, reason=JSON, message=JSON)
def test_any_status_object_makes_an_error_with_words(details: Any, reason: Any, message: Any) -> None:
    error = status_of_document({"kind": "Status", "details": details, "reason": reason, "message": message})
    assert error.message
    assert error.code == 500


def test_words_of_a_member_are_kept_in_bounds() -> None:
    causes = [{"reason": "FieldValueInvalid", "message": "x" * 5_000, "field": "spec"}] * 2_000
    error = status_of_document(status(422, "Invalid", "y" * 5_000, causes=causes))
    assert len(error.message) == 2_000
    assert len(error.causes) == 1_000
    assert len(error.causes[0].message) == 2_000


@given(body=st.binary(max_size=40) | JSON.map(orjson.dumps))
def test_any_body_is_an_object_or_garbage(body: bytes) -> None:
    with contextlib.suppress(MemberGarbageError):
        assert isinstance(parse_object(body, what="GET /x"), dict)


def test_a_right_reads_as_people_say_it() -> None:
    assert str(Right(group="", resource="pods/log", verb="get")) == "get pods/log"

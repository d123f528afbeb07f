"""Discovery, lists, selectors, pages, watches."""

from typing import Any

import pytest

from fedsvc.testing.members import Member


def maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


async def make(member: Member, namespace: str, *names: str, **labels: str) -> None:
    for name in names:
        body = {"metadata": {"name": name, "labels": labels}, "data": {"x": "1"}}
        (await member.post(maps(namespace), body)).expect(201)


async def test_health_and_version(member: Member) -> None:
    for path in ("/healthz", "/livez", "/readyz"):
        assert (await member.get(path)).expect(200) == "ok"
    version = (await member.get("/version")).expect(200)
    assert version["gitVersion"].startswith("v")


async def test_discovery_lists_groups_and_resources(member: Member) -> None:
    core = (await member.get("/api")).expect(200)
    assert core["versions"] == ["v1"]
    groups = (await member.get("/apis")).expect(200)
    names = {group["name"]: group for group in groups["groups"]}
    assert names["apps"]["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    resources = (await member.get("/apis/apps/v1")).expect(200)
    found = {item["name"]: item for item in resources["resources"]}
    assert found["deployments"]["kind"] == "Deployment"
    assert found["deployments"]["namespaced"] is True
    assert {"create", "delete", "get", "list", "patch", "update", "watch"} <= set(found["deployments"]["verbs"])
    assert found["deployments/status"]["kind"] == "Deployment"
    assert found["deployments/scale"]["kind"] == "Scale"
    core_resources = (await member.get("/api/v1")).expect(200)
    assert {"configmaps", "namespaces", "serviceaccounts/token"} <= {
        item["name"] for item in core_resources["resources"]
    }


async def test_unknown_kinds_and_groups(member: Member) -> None:
    status = (await member.get("/apis/apps/v1/gadgets")).expect(404)
    assert status["message"] == "the server could not find the requested resource"
    assert status["reason"] == "NotFound"
    assert (await member.get("/apis/never.example.com/v1/gadgets")).expect(404) == "404 page not found\n"
    assert (await member.get("/apis/never.example.com/v1")).expect(404) == "404 page not found\n"


async def test_list_items_of_built_in_kinds_do_not_repeat_their_type(member: Member, namespace: str) -> None:
    await make(member, namespace, "a")
    listed = (await member.get(maps(namespace))).expect(200)
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert int(listed["metadata"]["resourceVersion"]) > 0
    item = next(item for item in listed["items"] if item["metadata"]["name"] == "a")
    assert "kind" not in item
    assert "apiVersion" not in item


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        pytest.param("app=one", ["one"], id="equals"),
        pytest.param("app==one", ["one"], id="double-equals"),
        pytest.param("set=t,app!=one", ["three", "two"], id="not-equals"),
        pytest.param("app in (one, two)", ["one", "two"], id="in"),
        pytest.param("set=t,app notin (one,two)", ["three"], id="notin"),
        pytest.param("only", ["one"], id="exists"),
        pytest.param("set,!only", ["three", "two"], id="not-exists"),
        pytest.param("number>1,number<3", ["two"], id="numeric"),
        pytest.param("app=none", [], id="nothing"),
    ],
)
async def test_label_selectors(member: Member, namespace: str, selector: str, names: list[str]) -> None:
    await make(member, namespace, "one", set="t", app="one", only="", number="1")
    await make(member, namespace, "two", set="t", app="two", number="2")
    await make(member, namespace, "three", set="t", app="three", number="3")
    listed = (await member.get(maps(namespace), labelSelector=selector)).expect(200)
    assert [item["metadata"]["name"] for item in listed["items"]] == names


@pytest.mark.parametrize("selector", ["a+b", "a in b", "a in (b", "=x", "a=b=c", "a=b,", "a=_"])
async def test_bad_label_selectors_are_refused(member: Member, namespace: str, selector: str) -> None:
    status = (await member.get(maps(namespace), labelSelector=selector)).expect(400)
    assert status["reason"] == "BadRequest"


async def test_field_selectors(member: Member, namespace: str) -> None:
    await make(member, namespace, "a", "b")
    by_name = (await member.get(maps(namespace), fieldSelector="metadata.name=a")).expect(200)
    assert [item["metadata"]["name"] for item in by_name["items"]] == ["a"]
    others = (await member.get(maps(namespace), fieldSelector="metadata.name!=a")).expect(200)
    assert "a" not in [item["metadata"]["name"] for item in others["items"]]
    everywhere = (
        await member.get("/api/v1/configmaps", fieldSelector=f"metadata.namespace={namespace},metadata.name=b")
    ).expect(200)
    assert len(everywhere["items"]) == 1


async def test_fields_that_cannot_be_selected_by_are_refused(member: Member, namespace: str) -> None:
    status = (await member.get(maps(namespace), fieldSelector="data.x=1")).expect(400)
    assert '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"' in status["message"]
    status = (await member.get(f"/api/v1/namespaces/{namespace}/pods", fieldSelector="spec.x=1")).expect(400)
    assert "field label not supported: spec.x" in status["message"]


async def test_pages_show_one_revision(member: Member, namespace: str) -> None:
    await make(member, namespace, *"abcde", page="1")
    query = {"limit": "2", "labelSelector": "page=1"}
    first = (await member.get(maps(namespace), **query)).expect(200)
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    await make(member, namespace, "d2", page="1")
    (await member.delete(maps(namespace, "e"))).expect(200)
    names, token = [], first["metadata"]["continue"]
    while token:
        page = (await member.get(maps(namespace), **query, **{"continue": token})).expect(200)
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
    assert names == ["c", "d", "e"]


async def test_pages_say_how_many_are_left(member: Member, namespace: str) -> None:
    await make(member, namespace, *"abc")
    everything = (await member.get(maps(namespace))).expect(200)
    first = (await member.get(maps(namespace), limit="1")).expect(200)
    assert first["metadata"]["remainingItemCount"] == len(everything["items"]) - 1


async def test_a_broken_continue_token_is_refused(member: Member, namespace: str) -> None:
    status = (await member.get(maps(namespace), limit="1", **{"continue": "nonsense"})).expect(400)
    assert "continue key is not valid" in status["message"]


async def test_a_watch_goes_on_from_a_list(member: Member, namespace: str) -> None:
    await make(member, namespace, "before", watched="1")
    query: dict[str, Any] = {"labelSelector": "watched=1"}
    listed = (await member.get(maps(namespace), **query)).expect(200)
    await make(member, namespace, "missed", watched="1")
    revision = listed["metadata"]["resourceVersion"]
    async with member.watch(maps(namespace), resourceVersion=revision, **query) as watch:
        assert await watch.take(1) == [("ADDED", "missed")]
        (await member.patch(maps(namespace, "before"), {"data": {"x": "2"}})).expect(200)
        kind, changed = await watch.next()
        assert (kind, changed["data"], changed["kind"], changed["apiVersion"]) == (
            "MODIFIED",
            {"x": "2"},
            "ConfigMap",
            "v1",
        )
        (await member.delete(maps(namespace, "before"))).expect(200)
        kind, gone = await watch.next()
        assert kind == "DELETED"
        assert int(gone["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])
        assert gone["data"] == {"x": "2"}


async def test_a_watch_without_revision_begins_with_what_is_there(member: Member, namespace: str) -> None:
    await make(member, namespace, "a", "b", watched="1")
    async with member.watch(maps(namespace), labelSelector="watched=1") as watch:
        assert sorted(await watch.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        await make(member, namespace, "c", watched="1")
        assert await watch.take(1) == [("ADDED", "c")]


async def test_an_object_that_stops_matching_is_deleted_for_the_watcher(member: Member, namespace: str) -> None:
    await make(member, namespace, "a", watched="1")
    async with member.watch(maps(namespace), labelSelector="watched=1") as watch:
        assert await watch.take(1) == [("ADDED", "a")]
        (await member.patch(maps(namespace, "a"), {"metadata": {"labels": {"watched": "2"}}})).expect(200)
        kind, gone = await watch.next()
        assert (kind, gone["metadata"]["labels"]) == ("DELETED", {"watched": "1"})
        (await member.patch(maps(namespace, "a"), {"metadata": {"labels": {"watched": "1"}}})).expect(200)
        assert await watch.take(1) == [("ADDED", "a")]


async def test_a_watch_ends_when_its_time_is_over(member: Member, namespace: str) -> None:
    async with member.watch(maps(namespace), seconds=1, labelSelector="watched=never") as watch:
        assert await watch.next() == ("", {})


async def test_bookmarks_tell_the_revision(member: Member, namespace: str) -> None:
    await make(member, namespace, "a", watched="1")
    listed = (await member.get(maps(namespace), labelSelector="watched=1")).expect(200)
    revision = listed["metadata"]["resourceVersion"]
    query = {"labelSelector": "watched=1", "allowWatchBookmarks": "true", "resourceVersion": revision}
    await make(member, namespace, "other", watched="2")
    async with member.watch(maps(namespace), seconds=4, **query) as watch:
        kind, bookmark = await watch.next()
    if member.name == "real" and kind == "":
        return  # old releases send the first one after a minute: whoever watches must not count on them
    assert (kind, bookmark["kind"]) == ("BOOKMARK", "ConfigMap")
    assert int(bookmark["metadata"]["resourceVersion"]) >= int(revision)


async def test_a_revision_that_is_forgotten_is_gone(member: Member, namespace: str) -> None:
    await make(member, namespace, "a")
    listed = (await member.get(maps(namespace))).expect(200)
    await make(member, namespace, "b")
    assert member.forget_history is not None
    await member.forget_history()
    async with member.watch(maps(namespace), resourceVersion=listed["metadata"]["resourceVersion"]) as watch:
        assert watch.response.status == 200
        kind, status = await watch.next()
        assert kind == "ERROR"
        assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
        assert status["message"].startswith("too old resource version: ")
        assert await watch.next() == ("", {})
    again = (await member.get(maps(namespace))).expect(200)
    assert {"a", "b"} <= {item["metadata"]["name"] for item in again["items"]}

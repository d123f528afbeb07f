"""Explanations, history and fleet settings over a real channel; what would be is in test_simulations.py."""

import json
from typing import Any

import grpc
import pytest

from fedsvc.store.sql import text
from fedsvc.v1 import fleet_pb2, placement_pb2
from fedsvc.v1 import placement_service_pb2 as pb

SHOP = "namespaces/shop/units/shop"
NO_SUCH = "1c9f9b3e-6f0a-4d0c-9a0e-3f6f6f1b2a77"
UUID = "7d0a1f0e-5a3c-4b0e-8d43-0f1f4c1f6a11"


async def explain(api: Any, **fields: Any) -> pb.ExplainPlacementResponse:
    response: pb.ExplainPlacementResponse = await api.placement.ExplainPlacement(pb.ExplainPlacementRequest(**fields))
    return response


async def execute(store: Any, statement: str) -> None:
    async with store.transaction() as tx:
        await tx.execute(text(statement))


# --- explain --------------------------------------------------------------------------------------------------------


async def test_the_decision_in_force_is_explained_a_line_a_cluster(api: Any, town: Any) -> None:
    await town.divided("shop")
    decision_id = await town.decide("shop")

    answer = await explain(api, unit=SHOP)

    decision = answer.decision
    assert (decision.name, decision.unit, decision.revision) == (f"decisions/{decision_id}", SHOP, 1)
    assert decision.HasField("create_time")
    assert [(entry.cluster, entry.chosen, dict(entry.replicas)) for entry in decision.clusters] == [
        ("eu-1", True, {"apps/v1 Deployment shop/web": 6}),
        ("eu-2", False, {}),
        ("us-1", True, {"apps/v1 Deployment shop/web": 6}),
    ]
    assert list(decision.clusters[1].reasons) == ["LabelsDoNotMatch: label tier is missing"]
    assert [line.partition(": ")[0] for line in answer.lines] == ["eu-1", "eu-2", "us-1"]
    assert answer.lines[1] == "eu-2: not chosen (LabelsDoNotMatch): label tier is missing"
    record = json.loads(decision.record_json)
    assert [entry["cluster"] for entry in record["targets"]] == ["eu-1", "us-1"]
    assert record["divisions"][0]["steps"]
    assert not answer.same


async def test_of_one_cluster_all_is_told_and_of_others_nothing(api: Any, town: Any) -> None:
    await town.divided("shop")
    await town.decide("shop")

    answer = await explain(api, unit=SHOP, cluster="us-1")
    refused = await explain(api, unit=SHOP, cluster="eu-2")

    workload = "apps/v1 Deployment shop/web"
    assert [entry.cluster for entry in answer.decision.clusters] == ["us-1"]
    assert {move.cluster for move in answer.decision.moves} == {"us-1"}
    assert answer.lines[0].startswith("us-1: chosen (LabelsMatch): ")
    assert "rule Exclusion: met (NotExcluded)" in answer.lines
    assert f"division {workload}: 12 replicas over all clusters, from the template" in answer.lines
    record = json.loads(answer.decision.record_json)
    assert [entry["cluster"] for entry in record["clusters"]] == ["us-1"]
    assert [share["cluster"] for share in record["divisions"][0]["shares"]] == ["us-1"]
    assert refused.lines[0] == "eu-2: not chosen (LabelsDoNotMatch): label tier is missing"
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await explain(api, unit=SHOP, cluster="mars")
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "the decision knows no cluster 'mars'; it knows: eu-1, eu-2, us-1" in str(error.value.details())


async def test_an_earlier_decision_is_explained_by_its_id_with_or_without_its_unit(api: Any, town: Any) -> None:
    await town.divided("shop")
    first = await town.decide("shop")
    await town.divided("shop", replicas=2)
    second = await town.decide("shop")

    by_id = await explain(api, decision=f"decisions/{first}")
    by_both = await explain(api, unit=SHOP, decision=f"decisions/{first}")
    in_force = await explain(api, unit=SHOP)

    assert by_id == by_both
    assert (by_id.decision.revision, in_force.decision.revision) == (1, 2)
    assert in_force.decision.name == f"decisions/{second}"
    assert [(move.cluster, move.before, move.after) for move in in_force.decision.moves] == [
        ("eu-1", 6, 1),
        ("us-1", 6, 1),
    ]


async def test_replicas_that_an_autoscaler_owns_are_told_as_left_alone(api: Any, town: Any) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 9},
    }
    await town.divided("shop")
    plain = await town.decide("shop")
    await town.divided("shop", beside=[scaler])
    await town.decide("shop")

    in_force = await explain(api, unit=SHOP)
    now = await explain(api, unit=SHOP, now=True)
    before = await explain(api, decision=f"decisions/{plain}")

    line = "unit: replicas of apps/v1 Deployment shop/web are left to its autoscaler, not divided"
    assert (in_force.lines[-1], now.lines[-1]) == (line, line)
    assert not in_force.decision.clusters[0].replicas
    assert line not in before.lines


async def test_a_unit_that_is_not_decided_on_yet_says_so(api: Any, helpers: Any, town: Any) -> None:
    await town.divided("shop")

    refusal = await helpers.refused(explain(api, unit=SHOP))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_DECIDED")
    assert refusal.message == f"{SHOP} is not decided on yet: try again in a moment, or ask what would be decided now"


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"unit": "namespaces/shop/units/other"}, "namespaces/shop/units/other"),
        ({"unit": "namespaces/shop/units/other", "now": True}, "namespaces/shop/units/other"),
        ({"decision": f"decisions/{NO_SUCH}"}, f"decisions/{NO_SUCH}"),
    ],
    ids=["unit", "unit now", "decision"],
)
async def test_what_does_not_exist_is_not_found(api: Any, helpers: Any, request_: Any, name: str) -> None:
    refusal = await helpers.refused(explain(api, **request_))

    assert (refusal.reason, refusal.metadata) == ("NOT_FOUND", {"name": name})


async def test_the_decision_of_another_unit_is_not_found(api: Any, helpers: Any, town: Any) -> None:
    await town.divided("shop")
    await town.divided("other", name="api")
    decision_id = await town.decide("other")

    refusal = await helpers.refused(explain(api, unit=SHOP, decision=f"decisions/{decision_id}"))

    assert refusal.reason == "NOT_FOUND"
    assert refusal.message == f"decisions/{decision_id} of {SHOP} does not exist"


@pytest.mark.parametrize(
    ("request_", "paths"),
    [
        ({}, ["unit"]),
        ({"unit": "shop"}, ["unit"]),
        ({"decision": "decisions/7"}, ["decision"]),
        ({"unit": SHOP, "decision": f"decisions/{NO_SUCH}", "now": True}, ["now"]),
        ({"unit": SHOP, "now": True, "replay": True}, ["replay"]),
        ({"decision": f"decisions/{NO_SUCH}", "now": True, "replay": True}, ["now", "replay"]),
    ],
    ids=["nothing", "unit", "decision", "now and decision", "now and replay", "all"],
)
async def test_a_wrong_question_is_refused_with_its_paths(
    api: Any, helpers: Any, request_: Any, paths: list[str]
) -> None:
    refusal = await helpers.refused(explain(api, **request_))

    assert [path for path, _ in refusal.fields] == paths


async def test_what_would_be_decided_now_is_not_stored(api: Any, town: Any) -> None:
    await town.divided("shop")
    await town.decide("shop")
    await town.room("us-1", cpu=500)
    before = await town.tables()

    answer = await explain(api, unit=SHOP, now=True)

    assert (answer.decision.name, answer.decision.HasField("create_time")) == ("", False)
    assert {entry.cluster: entry.bound for entry in answer.decision.clusters} == {
        "eu-1": True,
        "eu-2": False,
        "us-1": True,
    }
    assert (await explain(api, unit=SHOP)).decision.name
    assert await town.tables() == before


# --- replay ---------------------------------------------------------------------------------------------------------


async def test_a_decision_is_replayed_to_the_same_bytes_whatever_changed_since(api: Any, town: Any) -> None:
    await town.divided("shop")
    decision_id = await town.decide("shop")
    stored = await explain(api, unit=SHOP)
    await town.divided("shop", replicas=2)
    await town.room("us-1", cpu=0)

    replayed = await explain(api, decision=f"decisions/{decision_id}", replay=True)

    assert replayed.same
    assert replayed.decision == stored.decision
    assert replayed.lines == stored.lines


async def test_a_record_that_is_not_what_its_inputs_give_is_told(api: Any, store: Any, town: Any) -> None:
    await town.divided("shop")
    await town.decide("shop")
    other = """UPDATE decision SET record = CAST(jsonb_set(CAST(record AS jsonb), '{reason}', '"Other"') AS json)"""
    await execute(store, other)

    replayed = await explain(api, unit=SHOP, replay=True)

    assert not replayed.same
    assert replayed.decision.reason == "", "what comes out now, not what is stored"
    assert (await explain(api, unit=SHOP)).decision.reason == "Other"


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE decision SET inputs = NULL", "what it was made from is not kept"),
        ("UPDATE decision SET fleet_digest = NULL", "what it was made from is not kept"),
        (
            "UPDATE decision SET inputs = CAST(CAST(inputs AS jsonb) || '{\"moon\": 1}' AS json)",
            "this release does not understand what it was made from: ",
        ),
    ],
    ids=["no inputs", "no fleet", "of another release"],
)
async def test_a_decision_without_its_inputs_is_not_replayed(
    api: Any, helpers: Any, store: Any, town: Any, statement: str, why: str
) -> None:
    await town.divided("shop")
    decision_id = await town.decide("shop")
    await execute(store, statement)

    refusal = await helpers.refused(explain(api, unit=SHOP, replay=True))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_REPLAYABLE")
    assert refusal.message.startswith(f"decisions/{decision_id} cannot be replayed: {why}")
    assert (await explain(api, unit=SHOP)).lines, "explained all the same"


# --- history --------------------------------------------------------------------------------------------------------


async def history(api: Any, **fields: Any) -> pb.ListDecisionsResponse:
    response: pb.ListDecisionsResponse = await api.placement.ListDecisions(
        pb.ListDecisionsRequest(**{"parent": SHOP, **fields})
    )
    return response


async def test_decisions_are_listed_page_by_page_the_newest_first(api: Any, town: Any) -> None:
    made = []
    for replicas in (1, 2, 3, 4, 5):
        await town.divided("shop", replicas=replicas)
        made.append(f"decisions/{await town.decide('shop')}")
    await town.divided("other", name="api")
    await town.decide("other")

    pages = [await history(api, page_size=2)]
    while pages[-1].next_page_token:
        pages.append(await history(api, page_size=2, page_token=pages[-1].next_page_token))

    assert [[row.name for row in page.decisions] for page in pages] == [
        made[:2:-1],
        [made[2], made[1]],
        [made[0]],
    ]
    newest = pages[0].decisions[0]
    assert (newest.unit, newest.revision, newest.record_json) == (SHOP, 5, b"")
    assert [entry.cluster for entry in newest.clusters if entry.chosen]


async def test_a_unit_without_decisions_has_an_empty_history(api: Any, town: Any) -> None:
    await town.divided("shop")

    assert await history(api) == pb.ListDecisionsResponse()


async def test_history_of_what_is_not_there_is_refused(api: Any, helpers: Any) -> None:
    missing = await helpers.refused(history(api))
    wrong = await helpers.refused(history(api, parent="shop"))

    assert (missing.reason, missing.metadata) == ("NOT_FOUND", {"name": SHOP})
    assert [path for path, _ in wrong.fields] == ["parent"]


async def test_a_page_token_that_was_tampered_with_is_refused(api: Any, helpers: Any, town: Any) -> None:
    import base64  # noqa: PLC0415 - only this test takes a token apart

    for replicas in (1, 2):
        await town.divided("shop", replicas=replicas)
        await town.decide("shop")
    token = (await history(api, page_size=1)).next_page_token
    parts = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    for changed in (["yesterday", parts[2]], [parts[1], "last"]):
        forged = base64.urlsafe_b64encode(json.dumps([parts[0], *changed]).encode()).decode().rstrip("=")

        refusal = await helpers.refused(history(api, page_token=forged))

        assert [path for path, _ in refusal.fields] == ["page_token"]


# --- fleet settings -------------------------------------------------------------------------------------------------


def spec(**fields: Any) -> fleet_pb2.FleetSettingsSpec:
    given: dict[str, Any] = {
        "distances": [fleet_pb2.RegionDistance(region="eu", other="us", milliseconds=90)],
        "datasets": [fleet_pb2.Dataset(name="orders", primary="eu-1", copies=[fleet_pb2.DataCopy(cluster="us-1")])],
        "headroom": fleet_pb2.Headroom(by=placement_pb2.TOPOLOGY_REGION),
    }
    return fleet_pb2.FleetSettingsSpec(**(given | fields))


async def update(
    api: Any, given: fleet_pb2.FleetSettingsSpec | None = None, *, etag: str = "", name: str = "", **fields: Any
) -> pb.UpdateFleetSettingsResponse:
    settings = fleet_pb2.FleetSettings(spec=given, etag=etag, name=name)
    response: pb.UpdateFleetSettingsResponse = await api.placement.UpdateFleetSettings(
        pb.UpdateFleetSettingsRequest(fleet_settings=settings, **fields)
    )
    return response


async def settings_of(api: Any) -> fleet_pb2.FleetSettings:
    response = await api.placement.GetFleetSettings(pb.GetFleetSettingsRequest())
    found: fleet_pb2.FleetSettings = response.fleet_settings
    return found


async def test_fleet_settings_are_always_there_and_replaced_as_a_whole(api: Any, town: Any) -> None:
    before = await settings_of(api)
    first = await update(api, spec())
    again = await update(api, spec())
    emptied = await update(api, fleet_pb2.FleetSettingsSpec(), name="fleetSettings", etag=first.fleet_settings.etag)

    assert (before.name, before.etag, before.HasField("update_time")) == ("fleetSettings", '"fleet-0"', False)
    assert before.spec == fleet_pb2.FleetSettingsSpec()
    assert (first.changed, list(first.warnings), first.fleet_settings.spec) == (True, [], spec())
    assert first.fleet_settings.HasField("update_time")
    assert (again.changed, again.fleet_settings) == (False, first.fleet_settings)
    assert (emptied.changed, emptied.fleet_settings.spec) == (True, fleet_pb2.FleetSettingsSpec())
    assert await settings_of(api) == emptied.fleet_settings


async def test_fleet_settings_are_kept_in_order(api: Any, town: Any) -> None:
    distances = [
        fleet_pb2.RegionDistance(region=one, other=other, milliseconds=1) for one, other in (("us", "ap"), ("eu", "us"))
    ]
    lag = fleet_pb2.DataCopy(cluster="eu-2", lag_seconds=0)
    datasets = [
        fleet_pb2.Dataset(name="z", copies=[fleet_pb2.DataCopy(cluster="us-1"), lag]),
        fleet_pb2.Dataset(name="a"),
    ]

    stored = (await update(api, spec(distances=distances, datasets=datasets))).fleet_settings.spec

    assert [(entry.region, entry.other) for entry in stored.distances] == [("eu", "us"), ("us", "ap")]
    assert [entry.name for entry in stored.datasets] == ["a", "z"]
    assert list(stored.datasets[1].copies) == [lag, fleet_pb2.DataCopy(cluster="us-1")]
    other_order = spec(distances=distances[::-1], datasets=datasets[::-1])
    assert not (await update(api, other_order)).changed


async def test_an_old_etag_of_fleet_settings_is_refused(api: Any, helpers: Any) -> None:
    unset = await settings_of(api)
    await update(api, spec(), etag=unset.etag)

    refusal = await helpers.refused(update(api, spec(headroom=None), etag=unset.etag))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert refusal.message.startswith("fleetSettings was changed by somebody else meanwhile")
    assert (await settings_of(api)).spec == spec()


async def test_fleet_settings_that_are_only_validated_are_not_stored(api: Any) -> None:
    answer = await update(api, spec(), validate_only=True)

    assert (answer.changed, answer.fleet_settings.spec) == (True, spec())
    assert (await settings_of(api)).etag == '"fleet-0"'


async def test_an_update_of_fleet_settings_that_is_repeated_answers_as_before(api: Any, helpers: Any) -> None:
    first = await update(api, spec(), request_id=UUID)
    await update(api, spec(headroom=None))

    again = await update(api, spec(), request_id=UUID)
    other = await helpers.refused(update(api, spec(datasets=[]), request_id=UUID))

    assert again == first
    assert not (await settings_of(api)).spec.HasField("headroom"), "nothing is done twice"
    assert other.reason == "REQUEST_ID_REUSED"


async def test_datasets_on_clusters_that_are_not_registered_are_a_warning(api: Any) -> None:
    answer = await update(api, spec())

    assert list(answer.warnings) == ["dataset orders names clusters that are not registered: eu-1, us-1"]


DISTANCE = fleet_pb2.RegionDistance


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        pytest.param(
            {"distances": [DISTANCE(milliseconds=1)]}, ["distances[0].region", "distances[0].other"], id="no regions"
        ),
        pytest.param({"distances": [DISTANCE(region="a b", other="c")]}, ["distances[0].region"], id="region"),
        pytest.param({"distances": [DISTANCE(region="a", other="a")]}, ["distances[0].other"], id="to itself"),
        pytest.param(
            {"distances": [DISTANCE(region="a", other="b", milliseconds=ms) for ms in (-1,)]},
            ["distances[0].milliseconds"],
            id="negative distance",
        ),
        pytest.param(
            {"distances": [DISTANCE(region="a", other="b", milliseconds=600_001)]},
            ["distances[0].milliseconds"],
            id="too far",
        ),
        pytest.param(
            {"distances": [DISTANCE(region="a", other="b"), DISTANCE(region="b", other="a")]},
            ["distances[1]"],
            id="both directions",
        ),
        pytest.param({"distances": [DISTANCE(region="a", other="b")] * 10_001}, ["distances"], id="too many distances"),
        pytest.param({"datasets": [fleet_pb2.Dataset()]}, ["datasets[0].name"], id="no name"),
        pytest.param({"datasets": [fleet_pb2.Dataset(name="A_b")]}, ["datasets[0].name"], id="name"),
        pytest.param({"datasets": [fleet_pb2.Dataset(name="a")] * 2}, ["datasets[1].name"], id="name twice"),
        pytest.param({"datasets": [fleet_pb2.Dataset(name="a")] * 1_001}, ["datasets"], id="too many datasets"),
        pytest.param({"datasets": [fleet_pb2.Dataset(name="a", primary="E!")]}, ["datasets[0].primary"], id="primary"),
        pytest.param(
            {"datasets": [fleet_pb2.Dataset(name="a", primary="e" * 49)]}, ["datasets[0].primary"], id="long primary"
        ),
        pytest.param(
            {"datasets": [fleet_pb2.Dataset(name="a", copies=[fleet_pb2.DataCopy()] * 2)]},
            ["datasets[0].copies[0].cluster", "datasets[0].copies[1].cluster"],
            id="copies nowhere",
        ),
        pytest.param(
            {
                "datasets": [
                    fleet_pb2.Dataset(
                        name="a",
                        primary="e",
                        copies=[fleet_pb2.DataCopy(cluster="e"), fleet_pb2.DataCopy(cluster="f", lag_seconds=-1)],
                    )
                ]
            },
            ["datasets[0].copies[0].cluster", "datasets[0].copies[1].lag_seconds"],
            id="copy beside the primary, lag",
        ),
        pytest.param(
            {"datasets": [fleet_pb2.Dataset(name="a", copies=[fleet_pb2.DataCopy(cluster="e")] * 1_001)]},
            ["datasets[0].copies"],
            id="too many copies",
        ),
        pytest.param({"headroom": fleet_pb2.Headroom()}, ["headroom.by"], id="headroom by nothing"),
        pytest.param(
            {"headroom": fleet_pb2.Headroom(by=placement_pb2.TOPOLOGY_LABEL)}, ["headroom.label_key"], id="no key"
        ),
        pytest.param(
            {"headroom": fleet_pb2.Headroom(by=placement_pb2.TOPOLOGY_ZONE, label_key="rack")},
            ["headroom.label_key"],
            id="key of no label",
        ),
    ],
)
async def test_wrong_fleet_settings_are_refused_with_their_paths(
    api: Any, helpers: Any, fields: dict[str, Any], paths: list[str]
) -> None:
    refusal = await helpers.refused(update(api, spec(**fields)))

    assert [path for path, _ in refusal.fields] == [f"fleet_settings.spec.{path}" for path in paths]
    assert (await settings_of(api)).etag == '"fleet-0"'


async def test_head_room_by_a_label_without_its_key_is_told_what_is_missing(api: Any, helpers: Any) -> None:
    headroom = fleet_pb2.Headroom(by=placement_pb2.TOPOLOGY_LABEL)

    refusal = await helpers.refused(update(api, spec(headroom=headroom)))

    assert refusal.fields == [
        (
            "fleet_settings.spec.headroom.label_key",
            "must be given with topology label: what is lost together has the same value of it",
        )
    ]


async def test_other_fleet_settings_and_none_at_all_are_refused(api: Any, helpers: Any) -> None:
    refusal = await helpers.refused(update(api, None, name="fleetSettings/two"))

    assert refusal.fields == [
        ("fleet_settings.name", "is not fleetSettings: there are no others"),
        ("fleet_settings.spec", "is missing"),
    ]

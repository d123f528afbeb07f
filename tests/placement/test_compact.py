"""Records in little room, and whether two of them say the same."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest

from bench.placement_cases import fleet_of, units_of, without_region
from fedsvc_placement import (
    ClusterPreference,
    Decision,
    ExternalScore,
    Fleet,
    LabelSelector,
    Learned,
    Memory,
    Placement,
    PreviousBinding,
    SpreadConstraint,
    Stability,
    UnitInput,
    answer_digest,
    decide,
    explain_lines,
    from_dict,
    to_dict,
    to_record,
)
from fedsvc_placement.batch import Ask, decide_all

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FLEET = fleet_of(60)


def decided(fleet: Fleet = FLEET, before: dict[str, Decision] | None = None) -> dict[str, Decision]:
    """Decide on one unit of every placement there is."""
    asks = []
    for unit in units_of(40):
        old = (before or {}).get(unit.key)
        targets = () if old is None else old.targets
        previous = tuple(PreviousBinding(cluster=entry.cluster, replicas=entry.replicas) for entry in targets)
        asks.append(Ask(unit=unit, previous=previous, memory=Memory() if old is None else old.memory))
    return {decision.unit: decision for decision in decide_all(asks, fleet, NOW)}


FIRST = decided()
LATER = decided(without_region(FLEET, "r7"), FIRST)
AGAIN = decided(without_region(FLEET, "r7"), LATER)
ONCE_MORE = decided(without_region(FLEET, "r7"), AGAIN)
DECISIONS = [*FIRST.values(), *LATER.values()]


def through_json(decision: Decision) -> Decision:
    return from_dict(json.loads(json.dumps(to_record(decision))))


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.unit)
def test_a_record_in_little_room_says_all_that_the_wide_one_says(decision: Decision) -> None:
    read = through_json(decision)

    assert read == decision
    assert json.dumps(to_dict(read)) == json.dumps(to_dict(decision))
    assert explain_lines(read) == explain_lines(decision)


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.unit)
def test_a_record_of_engine_3_is_read(decision: Decision) -> None:
    """There each kind had the parts of its score itself."""
    record = json.loads(json.dumps(to_record(decision)))
    scores = record["clusters"].pop("scores", ())
    for kind in record["clusters"]["kinds"]:
        if "score" in kind:
            kind["score"] = [scores[index] for index in kind["score"]]

    assert from_dict(record) == decision


def test_records_in_little_room_are_small() -> None:
    wide, small = (sum(len(json.dumps(form(one))) for one in DECISIONS) for form in (to_dict, to_record))

    assert small < wide / 5


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.unit)
def test_equal_decisions_give_equal_bytes_however_they_came_about(decision: Decision) -> None:
    record = json.dumps(to_record(decision))

    assert json.dumps(to_record(through_json(decision))) == record
    assert json.dumps(to_record(from_dict(to_dict(decision)))) == record


def test_more_kinds_than_there_are_letters_are_numbered() -> None:
    names = [f"team-{index}" for index in range(70)]
    decision = next(iter(FIRST.values()))
    first = decision.clusters[0]
    clusters = tuple(
        replace(first, cluster=name, verdicts=(replace(first.verdicts[0], message=name),), replicas={}, room={})
        for name in names
    )
    many = replace(decision, clusters=clusters, targets=())

    assert to_record(many)["clusters"]["kindOf"] == list(range(70))
    assert through_json(many) == many


def test_names_with_blanks_survive() -> None:
    decision = next(iter(FIRST.values()))
    clusters = (replace(decision.clusters[0], cluster="my cluster", chosen=False, replicas={}),)
    odd = replace(decision, clusters=clusters, targets=())

    assert through_json(odd) == odd
    assert through_json(replace(odd, clusters=())) == replace(odd, clusters=())


def test_what_disagrees_is_refused() -> None:
    decision = next(found for found in FIRST.values() if any(target.replicas for target in found.targets))

    with pytest.raises(ValueError, match="replicas of clusters"):
        to_record(replace(decision, clusters=tuple(decision.clusters), targets=()))


@pytest.mark.parametrize("key", LATER)
def test_a_decision_that_was_carried_out_and_is_made_again_is_the_same_answer(key: str) -> None:
    second, third = AGAIN[key], ONCE_MORE[key]

    assert answer_digest(to_record(third)) == answer_digest(to_record(second)) == answer_digest(to_dict(second))


def said(decision: Decision) -> Any:
    """What of a decision counts as its answer, cluster by cluster."""
    wide = to_dict(decision)
    memory = {name: value for name, value in wide.pop("memory", {}).items() if name != "learned"}
    told = []
    for entry in wide.pop("clusters"):
        failing = [verdict for verdict in entry["verdicts"] if not verdict["passed"]]
        reasons = [
            (verdict["reason"], "" if verdict["rule"] == "Select" else verdict["message"]) for verdict in failing
        ]
        told.append((entry["cluster"], entry["chosen"], reasons))
    wide["held_back"] = [re.sub(r" \(score \d+\)", "", text) for text in wide.get("held_back", ())]
    return told, memory, {name: wide[name] for name in wide if name not in ("inputs_digest", "moves", "divisions")}


@pytest.mark.parametrize("key", LATER)
def test_a_digest_tells_the_same_answer_from_others(key: str) -> None:
    decisions = [found[key] for found in (FIRST, LATER, AGAIN, ONCE_MORE)]
    for one, other in combinations(decisions, 2):
        digests = {answer_digest(form(decision)) for form in (to_dict, to_record) for decision in (one, other)}
        assert len(digests) == (1 if said(one) == said(other) else 2)


def test_scores_that_change_and_move_nothing_are_no_new_answer() -> None:
    placement = Placement(
        cluster_selector=LabelSelector(),
        spread=(SpreadConstraint(by="cluster", max_groups=1),),
        preferences=(ClusterPreference(score="fast", weight=90),),
        stability=Stability(stickiness=0),
    )
    bound = (PreviousBinding(cluster="c00003"),)

    def decided_with(**scores: int) -> Decision:
        clusters = tuple(
            replace(entry, scores=(ExternalScore(name="fast", value=scores.get(entry.name, 0)),))
            for entry in FLEET.clusters
        )
        return decide(UnitInput(key="web", placement=placement), Fleet(clusters=clusters), bound, NOW)

    one, other, better = (
        decided_with(c00003=10, **rest) for rest in ({"c00004": 60}, {"c00004": 90}, {"c00004": 60, "c00005": 70})
    )

    assert [decision.targets for decision in (other, better)] == [one.targets] * 2
    assert other.held_back != one.held_back, "by another score"
    assert answer_digest(to_record(other)) == answer_digest(to_record(one))
    assert answer_digest(to_record(better)) != answer_digest(to_record(one)), "another would be better"


def test_what_was_learned_anew_is_no_new_answer() -> None:
    (unit,) = (one for one in units_of(40) if one.key == "team-0/unit-00000")
    lesson = Learned(cluster="c00001", workload="w", wanted=4, running=2, at=NOW - timedelta(minutes=5))

    one, other = (
        to_record(decide(unit, FLEET, [], NOW, memory=Memory(learned=(entry,))))
        for entry in (lesson, replace(lesson, at=NOW))
    )

    assert one != other
    assert answer_digest(one) == answer_digest(other)

"""Decisions as plain data in little room: what many clusters have in common is said once.

`to_dict` says everything of every cluster, which for five hundred of them is a quarter of a megabyte; kept for ten
thousand units that would be gigabytes. Here clusters are told by kind, and divisions by terms. Equal decisions give
equal bytes, however they came about.
"""

import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, Generic, TypeVar

from fedsvc_placement.model import (
    ClusterVerdict,
    ClusterVerdicts,
    Decision,
    ScorePart,
    Shares,
    Verdict,
    VerdictKind,
    in_columns,
)
from fedsvc_placement.record import from_plain, to_plain
from fedsvc_placement.refusals import SELECT

T = TypeVar("T")

_CODES = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
_CODE_OF = {code: index for index, code in enumerate(_CODES)}
_TERMS = ("weight", "min", "max", "rule", "held", "tier")
# As `held_back` tells the score of a cluster.
_SCORE = re.compile(r" \(score -?\d+\)")
_NUMBERS = ("replicas", "before", "room", "completions")


def to_record(decision: Decision) -> dict[str, Any]:
    """Return a decision as JSON types, to be kept: as `to_dict` does, but for `clusters` and the shares of `divisions`.

    clusters: `names` (separated by blanks, a list where a name has one), `verdicts` and `scores` (each once), `kinds`
    (with indexes of these), `kindOf` (of each cluster: a digit, letter, - or _; a list of numbers where there are more
    than 64 kinds), and where room was asked for `workloads` and for each of these `rooms` by cluster. Replicas are
    those of `targets`.

    shares: `terms` (each once), `of` (the index of the terms of each share), and the other fields as lists.

    Raises:
        ValueError: what it says of clusters and of targets does not agree: it is not a decision of this engine.
    """
    record = to_plain(decision, without=("clusters", "divisions"))
    record["clusters"] = _clusters(_by_kind(decision))
    record["divisions"] = [
        {**to_plain(division, without=("shares",)), "shares": _shares(in_columns(division.shares))}
        for division in decision.divisions
    ]
    return record


def from_dict(data: Mapping[str, Any]) -> Decision:
    """Return the decision that `to_record` or `to_dict` was given, of this release or an older one.

    Raises:
        TypeError: a field is missing that has no default, or one is not known.
    """
    clusters = data.get("clusters")
    if not isinstance(clusters, Mapping):
        return from_plain(Decision, data)
    wide = {name: value for name, value in data.items() if name != "clusters"}
    wide["divisions"] = [{**division, "shares": []} for division in data["divisions"]]
    decision = from_plain(Decision, {**wide, "clusters": []})
    divisions = [
        replace(division, shares=_read_shares(given["shares"]))
        for division, given in zip(decision.divisions, data["divisions"], strict=True)
    ]
    replicas = {target.cluster: target.replicas for target in decision.targets}
    verdicts = [from_plain(Verdict, verdict) for verdict in clusters["verdicts"]]
    scores = [from_plain(ScorePart, part) for part in clusters.get("scores", ())]
    kind_of = clusters["kindOf"]
    read = ClusterVerdicts(
        names=_names(clusters["names"]),
        kinds=[
            VerdictKind(
                chosen=kind["chosen"],
                bound=kind["bound"],
                rules=tuple([verdicts[index] for index in kind["verdicts"]]),
                # Records of engine 3 and before have the parts themselves.
                score=tuple(
                    [
                        scores[part] if isinstance(part, int) else from_plain(ScorePart, part)
                        for part in kind.get("score", ())
                    ]
                ),
            )
            for kind in clusters["kinds"]
        ],
        kind_of=[_CODE_OF[code] for code in kind_of] if isinstance(kind_of, str) else kind_of,
        workloads=tuple(clusters.get("workloads", ())),
        rooms=tuple(clusters.get("rooms", ())),
        replicas=replicas,
    )
    return replace(decision, clusters=read, divisions=tuple(divisions))


def answer_digest(record: Mapping[str, Any]) -> bytes:
    """Return a digest that records, in either form, have in common when they say the same of where a unit runs and why.

    What they say of the run does not count: digest of inputs, moves, what was there before, scores, room, rules that
    are met, by how much a cluster that fits is not taken, and what was merely learned. A decision that was carried out
    and is made again is the same answer; so is one after others moved that the unit would rather be near to, where that
    moves nothing.
    """
    names, said, kind_of = _said(record["clusters"])
    # Kinds that say the same are one, numbered as they come first.
    numbers: dict[str, int] = {}
    number_of = {
        code: numbers.setdefault(json.dumps(said[code], ensure_ascii=False, sort_keys=True), len(numbers))
        for code in dict.fromkeys(kind_of)
    }
    beside = [json.dumps(part, ensure_ascii=False, sort_keys=True) for part in _beside_clusters(record)]
    text_of = {code: str(number) for code, number in number_of.items()}
    kinds = json.dumps(list(numbers), ensure_ascii=False)
    text = ", ".join((*beside, _names_json(names), kinds, f"[{', '.join([text_of[code] for code in kind_of])}]"))
    return sha256(f"[{text}]".encode()).digest()


@lru_cache(maxsize=4)
def _names_json(names: tuple[str, ...]) -> str:
    return json.dumps(names, ensure_ascii=False)


def _beside_clusters(record: Mapping[str, Any]) -> Any:
    skipped = {"inputs_digest", "moves", "divisions", "clusters", "memory"}
    memory = {name: value for name, value in record.get("memory", {}).items() if name != "learned"}
    beside = {name: value for name, value in record.items() if name not in skipped}
    if beside.get("held_back"):
        beside["held_back"] = [_SCORE.sub("", text) for text in beside["held_back"]]
    return beside, memory


def _said(clusters: Any) -> tuple[tuple[str, ...], Mapping[Any, Any], Sequence[Any]]:
    """Return the names of clusters, what is said of each kind by its code, and the code of the kind of each."""
    if not isinstance(clusters, Mapping):
        told = [(entry["chosen"], _failing(entry["verdicts"])) for entry in clusters]
        return tuple([entry["cluster"] for entry in clusters]), dict(enumerate(told)), range(len(told))
    verdicts, kind_of = clusters["verdicts"], clusters["kindOf"]
    told = [(kind["chosen"], _failing(verdicts[index] for index in kind["verdicts"])) for kind in clusters["kinds"]]
    codes = _CODES if isinstance(kind_of, str) else range(len(told))
    return _names(clusters["names"]), dict(zip(codes, told, strict=False)), kind_of


def _failing(verdicts: Iterable[Any]) -> list[Any]:
    """Those that are not met; what `Select` has to say compares scores and room, so only its reason counts."""
    return [
        {**verdict, "message": ""} if verdict["rule"] == SELECT else verdict
        for verdict in verdicts
        if not verdict["passed"]
    ]


def _names(given: Any) -> tuple[str, ...]:
    return _split(given) if isinstance(given, str) and given else tuple(given)


@lru_cache(maxsize=4)
def _split(names: str) -> tuple[str, ...]:
    return tuple(names.split(" "))


def _by_kind(decision: Decision) -> ClusterVerdicts:
    clusters = decision.clusters
    if isinstance(clusters, ClusterVerdicts):
        return clusters
    replicas = {target.cluster: target.replicas for target in decision.targets}
    if any(entry.replicas != (replicas.get(entry.cluster, {}) if entry.chosen else {}) for entry in clusters):
        raise ValueError("the replicas of clusters are not those of targets")
    workloads = tuple(sorted({key for entry in clusters for key in entry.room}))
    kinds = {_kind_of(entry): index for index, entry in enumerate(clusters)}
    numbers = {key: number for number, key in enumerate(kinds)}
    return ClusterVerdicts(
        names=tuple([entry.cluster for entry in clusters]),
        kinds=[
            VerdictKind(chosen=one.chosen, bound=one.bound, rules=one.verdicts, score=one.score)
            for one in (clusters[index] for index in kinds.values())
        ],
        kind_of=[numbers[_kind_of(entry)] for entry in clusters],
        workloads=workloads,
        rooms=tuple([[entry.room.get(key) for entry in clusters] for key in workloads]),
        replicas=replicas,
    )


def _kind_of(entry: ClusterVerdict) -> Hashable:
    return entry.chosen, entry.bound, entry.verdicts, entry.score


def _clusters(found: ClusterVerdicts) -> dict[str, Any]:
    verdicts = _Numbered[Verdict]()
    scores = _Numbered[ScorePart]()
    kinds: dict[Hashable, int] = {}
    plain: list[dict[str, Any]] = []
    number_of: dict[int, int] = {}
    # In the order in which they come: the same, however the kinds were found.
    for index in sorted(set(found.kind_of), key=found.kind_of.index):
        kind = found.kinds[index]
        indexes = verdicts.numbers(kind.rules)
        if kind.select is not None:
            indexes = (*indexes, verdicts.number(kind.select))
        parts = scores.numbers(kind.score)
        number = number_of[index] = kinds.setdefault((kind.chosen, kind.bound, indexes, parts), len(kinds))
        if number == len(plain):
            plain.append({"chosen": kind.chosen, "bound": kind.bound, "verdicts": list(indexes)})
            if parts:
                plain[-1]["score"] = list(parts)
    record: dict[str, Any] = {
        "names": _names_text(found.names),
        "verdicts": [_plain_verdict(verdict) for verdict in verdicts.found],
        "kinds": plain,
        "kindOf": _codes(found.kind_of, number_of, len(plain)),
    }
    if scores.found:
        record["scores"] = [{"name": part.name, "value": part.value, "message": part.message} for part in scores.found]
    rooms = {key: values for key, values in zip(found.workloads, found.rooms, strict=True) if _any_known(values)}
    if rooms:
        record["workloads"] = list(rooms)
        record["rooms"] = [list(values) for values in rooms.values()]
    return record


@lru_cache(maxsize=4_096)
def _plain_verdict(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON types; most are of rules, and said of many units."""
    return to_plain(verdict)


@lru_cache(maxsize=4)
def _names_text(names: tuple[str, ...]) -> str | tuple[str, ...]:
    """Return the names as they are recorded; most decisions are on one fleet."""
    return names if any(" " in name or not name for name in names) else " ".join(names)


def _any_known(values: Sequence[int | None]) -> bool:
    return any(value is not None for value in values)


def _codes(kind_of: Sequence[int], number_of: Mapping[int, int], count: int) -> str | list[int]:
    if count > len(_CODES):
        return [number_of[index] for index in kind_of]
    code_of = {index: _CODES[number] for index, number in number_of.items()}
    if isinstance(kind_of, bytes):
        table = bytearray(256)
        for index, code in code_of.items():
            table[index] = ord(code)
        return kind_of.translate(table).decode()
    return "".join([code_of[index] for index in kind_of])


class _Numbered(Generic[T]):
    """Numbers values, equal ones alike; most are the same value, which is faster to tell."""

    def __init__(self) -> None:
        self.found: list[T] = []
        self._of_many: dict[int, tuple[int, ...]] = {}
        self._by_id: dict[int, int] = {}
        self._by_value: dict[T, int] = {}

    def numbers(self, values: tuple[T, ...]) -> tuple[int, ...]:
        found = self._of_many.get(id(values))
        if found is None:
            found = self._of_many[id(values)] = tuple([self.number(value) for value in values])
        return found

    def number(self, value: T) -> int:
        index = self._by_id.get(id(value))
        if index is None:
            index = self._by_value.setdefault(value, len(self.found))
            if index == len(self.found):
                self.found.append(value)
            self._by_id[id(value)] = index
        return index


def _shares(shares: Shares) -> dict[str, Any]:
    rows = list(zip(shares.weights, shares.mins, shares.maxs, shares.rules, shares.held, shares.tiers, strict=True))
    terms = {row: index for index, row in enumerate(dict.fromkeys(rows))}
    found: dict[str, Any] = {
        "clusters": list(shares.clusters),
        "terms": [dict(zip(_TERMS, row, strict=True)) for row in terms],
        "of": [terms[row] for row in rows],
    }
    for name, values in zip(_NUMBERS, (shares.replicas, shares.befores, shares.rooms, shares.completions), strict=True):
        if any(value is not None for value in values):
            found[name] = list(values)
    return found


def _read_shares(found: Mapping[str, Any]) -> Shares:
    terms = [found["terms"][index] for index in found["of"]]
    unknown = [None] * len(terms)
    return Shares(
        clusters=found["clusters"],
        weights=[entry["weight"] for entry in terms],
        mins=[entry["min"] for entry in terms],
        maxs=[entry["max"] for entry in terms],
        rules=[entry["rule"] for entry in terms],
        held=[entry["held"] for entry in terms],
        replicas=found.get("replicas", ()),
        befores=found.get("before", unknown),
        rooms=found.get("room", unknown),
        tiers=[entry["tier"] for entry in terms],
        completions=found.get("completions", unknown),
    )

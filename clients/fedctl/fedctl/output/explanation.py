"""An explanation as an engineer would give it: a line a cluster, the deciding reason first, or all of one; pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fedctl.output import words
from fedsvc.v1 import decision_pb2, placement_service_pb2

_VERDICT = re.compile(r"(?P<word>chosen|not chosen) \((?P<reason>[A-Za-z]+)\): ", re.ASCII)
_ALSO = re.compile(r"; also \((?P<reason>[A-Za-z]+)\): ", re.ASCII)
_RULE = re.compile(r"(?P<word>(?:not )?met +)\((?P<reason>[A-Za-z]+)\)", re.ASCII)
_CHOSEN, _REFUSED = "chosen", "not chosen"
_MET, _NOT_MET = "met ", "not met "
_UNIT, _DIVISION = "unit", "division "
_BY_WORKLOAD = ("room", "division")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line, in two parts: who is spoken of, and what is said."""

    subject: str
    text: str
    style: str  # colour of the subject


def where_text(decision: decision_pb2.Decision) -> str:
    """Write in one line where the unit is: `on 2 of 3 clusters: eu-1, us-1`."""
    chosen = [entry.cluster for entry in decision.clusters if entry.chosen]
    if not chosen:
        return f"on no cluster: {decision.message}"
    return f"on {len(chosen)} of {len(decision.clusters)} clusters: {', '.join(chosen)}"


def cluster_lines(answer: placement_service_pb2.ExplainPlacementResponse) -> list[Line]:
    """Return a line a cluster, the chosen ones first."""
    workloads = sorted({key for entry in answer.decision.clusters for key in entry.replicas})
    told = dict(_split(line) for line in answer.lines)
    shown = sorted(answer.decision.clusters, key=lambda entry: not entry.chosen)
    width = max((len(entry.cluster) for entry in shown), default=0)
    return [
        Line(
            subject=entry.cluster.ljust(width),
            text=_verdict(entry, told.get(entry.cluster, "; ".join(entry.reasons)), workloads),
            style=words.GREEN if entry.chosen else words.DIM,
        )
        for entry in shown
    ]


def whole_lines(answer: placement_service_pb2.ExplainPlacementResponse) -> list[Line]:
    """Return all that is told of the one cluster that was asked about, by subject; that of the unit is `unit_lines`."""
    pairs = [_split(line) for line in answer.lines]
    told = [(subject, text) for subject, text in pairs if subject != _UNIT]
    several = len({subject.partition(" ")[2] for subject, _ in told if subject.startswith(_DIVISION)}) > 1
    named = [(_short(subject, several=several), text) for subject, text in told]
    width = max((len(subject) for subject, _ in named), default=0)
    found: list[Line] = []
    before = ""
    for subject, text in named:
        (entry,) = answer.decision.clusters
        style, said = words.YELLOW if text.startswith(_NOT_MET) else words.DIM, text
        if subject == entry.cluster:
            style, said = words.GREEN if entry.chosen else words.DIM, _verdict(entry, text, ())
        elif text.startswith((_MET, _NOT_MET)):
            said = _RULE.sub(r"\g<word>\g<reason>", text)
        # What goes on with a subject needs it no more.
        found.append(Line(subject=("" if subject == before else subject).ljust(width), text=said, style=style))
        before = subject
    return found


def _short(subject: str, *, several: bool) -> str:
    """Write a subject in few words: of one workload everybody knows which, of several their names tell them apart."""
    word, _, of = subject.partition(" ")
    if word not in _BY_WORKLOAD or not of:
        return subject
    return f"{word} {of.rpartition('/')[2]}" if several else word


def unit_lines(answer: placement_service_pb2.ExplainPlacementResponse) -> list[Line]:
    """Return what concerns the unit as a whole; that it is on no cluster is told by `where_text`."""
    pairs = [_split(line) for line in answer.lines]
    return [
        Line(subject=subject, text=text, style=words.YELLOW)
        for subject, text in pairs
        if subject == _UNIT and not text.startswith("no cluster is chosen")
    ]


def _split(line: str) -> tuple[str, str]:
    subject, _, text = line.partition(": ")
    return subject, text


def _verdict(entry: decision_pb2.ClusterDecision, text: str, workloads: Sequence[str]) -> str:
    found = _VERDICT.match(text)
    if found is not None:
        others = _ALSO.sub(r"; also \g<reason>: ", text[found.end() :])
        text = f"{found['reason']}: {others}"
    for workload in workloads:
        # Of one workload everybody knows which; of several their names tell them apart.
        name = "" if len(workloads) == 1 else f"{workload.rpartition('/')[2]} "
        text = text.replace(f"; {workload} ", f"; {name}")
    return f"{_CHOSEN if entry.chosen else _REFUSED:<{len(_REFUSED)}}  {text}"

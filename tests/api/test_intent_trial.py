from typing import Any

import pytest

from fedsvc.api.intent import trial
from fedsvc.api.intent.manifests import Template
from fedsvc.api.intent.trial import NamedOverride, try_overrides
from fedsvc.api.problems import Problems
from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.identity import key_of
from fedsvc.rendering.overrides import Override, PatchOperation, ResourceMatcher
from fedsvc_placement import ClusterMatcher, ClusterSnapshot, LabelSelector

EU = LabelSelector(match_labels=(("region", "eu"),))
CLUSTERS = (
    ClusterSnapshot(name="eu-1", labels={"region": "eu"}),
    ClusterSnapshot(name="eu-2", labels={"region": "eu"}),
    ClusterSnapshot(name="us-1", labels={"region": "us"}),
)


def template(kind: str = "ConfigMap", api_version: str = "v1", **content: Any) -> Template:
    manifest = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a", "namespace": "shop"}, **content}
    return Template(key=key_of(manifest), manifest=manifest, body=canonical_json(manifest))


def patch(op: str, path: str, value: Any = None, **where: Any) -> Override:
    return Override(patch=(PatchOperation(op=op, path=path, value=value),), **where)


def tried(
    *overrides: Override, templates: tuple[Template, ...] = (template(data={"a": "b"}),), divided: bool = False
) -> tuple[list[str], list[tuple[str, str]]]:
    problems = Problems()
    named = [NamedOverride(path=f"unit.spec.overrides[{index}]", override=each) for index, each in enumerate(overrides)]
    warnings = try_overrides(named, templates, CLUSTERS, divided=divided, problems=problems)
    found = problems.error().problems if len(problems) else ()
    return warnings, [(problem.path, problem.message) for problem in found]


def test_what_was_not_tried_any_more_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "MAX_TRIALS", 2)
    fitting = template(data={"a": "b"})
    warnings, problems = tried(patch("replace", "/data/a", "c"), templates=(fitting, fitting, template(data={})))

    assert problems == []
    assert warnings == ["overrides were tried on 2 of the 3 resources; what fails on the others is told by their works"]


def test_what_fits_is_accepted() -> None:
    assert tried(
        patch("replace", "/data/a", "c"), patch("add", "/data/b", "c", clusters=ClusterMatcher(selector=EU))
    ) == (
        [],
        [],
    )


@pytest.mark.parametrize(
    "where",
    [
        pytest.param({}, id="everywhere"),
        pytest.param({"clusters": ClusterMatcher(names=("eu-1",))}, id="one cluster"),
        pytest.param({"clusters": ClusterMatcher(names=("mars",))}, id="no cluster yet"),
    ],
)
def test_what_fails_wherever_it_is_for_is_refused(where: dict[str, Any]) -> None:
    warnings, problems = tried(patch("replace", "/data/zz", "c", **where))

    assert warnings == []
    assert [path for path, _ in problems] == ["unit.spec.overrides[0].patch[0].path"]
    assert "does not fit v1 ConfigMap shop/a: path /data/zz does not exist" in problems[0][1]


def test_what_fails_in_some_clusters_only_is_a_warning_that_names_them() -> None:
    added = patch("add", "/data/b", "c", clusters=ClusterMatcher(selector=EU))

    warnings, problems = tried(added, patch("replace", "/data/b", "d"))

    assert problems == []
    assert len(warnings) == 1
    assert "(in us-1; its works there will fail)" in warnings[0]


def test_an_override_counts_on_the_ones_before_it() -> None:
    assert tried(patch("add", "/data/b", "c"), patch("replace", "/data/b", "d")) == ([], [])


def test_what_comes_after_a_failure_is_not_blamed() -> None:
    _, problems = tried(patch("replace", "/data/zz", "c"), patch("replace", "/data/yy", "d"))

    assert [path for path, _ in problems] == ["unit.spec.overrides[0].patch[0].path"]


def test_an_override_without_target_is_told_to_have_one() -> None:
    objects = (template("Deployment", "apps/v1", spec={"replicas": 1}), template())

    _, problems = tried(patch("replace", "/spec/replicas", 2), templates=objects)

    assert len(problems) == 1
    assert problems[0][1].endswith("; give a target to leave it out")


def test_a_target_leaves_other_resources_alone() -> None:
    objects = (template("Deployment", "apps/v1", spec={"replicas": 1}), template())
    override = patch("replace", "/spec/replicas", 2, target=ResourceMatcher(kind="Deployment"))

    assert tried(override, templates=objects) == ([], [])


@pytest.mark.parametrize(
    ("divided", "refused"), [pytest.param(True, 0, id="divided"), pytest.param(False, 1, id="not")]
)
def test_replicas_are_there_when_placement_sets_them(divided: bool, refused: int) -> None:  # noqa: FBT001 - a table's column
    objects = (template("Deployment", "apps/v1", spec={}),)

    _, problems = tried(patch("replace", "/spec/replicas", 2), templates=objects, divided=divided)

    assert len(problems) == refused

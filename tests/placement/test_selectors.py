"""Label selectors and tolerations mean what they mean in Kubernetes."""

import pytest

from fedsvc_placement import (
    ClusterMatcher,
    ClusterSnapshot,
    Effect,
    LabelRequirement,
    LabelSelector,
    Taint,
    Toleration,
    matches,
    matches_cluster,
)
from fedsvc_placement.selectors import mismatches, tolerates

LABELS = {"tier": "prod", "region": "eu", "gpu": ""}


def requirement(key: str, operator: str, *values: str) -> LabelSelector:
    return LabelSelector(match_expressions=(LabelRequirement(key=key, operator=operator, values=values),))


@pytest.mark.parametrize(
    ("selector", "expected", "words"),
    [
        pytest.param(LabelSelector(), True, (), id="empty matches all"),
        pytest.param(LabelSelector(match_labels=(("tier", "prod"),)), True, (), id="label equal"),
        pytest.param(
            LabelSelector(match_labels=(("tier", "dev"),)), False, ("label tier is prod, not dev",), id="label differs"
        ),
        pytest.param(LabelSelector(match_labels=(("team", ""),)), False, ("label team is missing",), id="absent != ''"),
        pytest.param(LabelSelector(match_labels=(("gpu", ""),)), True, (), id="empty value equals empty"),
        pytest.param(
            LabelSelector(match_labels=(("tier", "prod"), ("region", "us"))),
            False,
            ("label region is eu, not us",),
            id="all labels must match",
        ),
        pytest.param(requirement("region", "In", "us", "eu"), True, (), id="In"),
        pytest.param(
            requirement("region", "In", "us", "ap"), False, ("label region is eu, not us or ap",), id="In, other value"
        ),
        pytest.param(requirement("zone", "In", "a"), False, ("label zone is missing",), id="In, absent"),
        pytest.param(requirement("region", "NotIn", "us"), True, (), id="NotIn"),
        pytest.param(
            requirement("region", "NotIn", "eu"), False, ("label region is eu, not other than eu",), id="NotIn, listed"
        ),
        pytest.param(requirement("zone", "NotIn", "a"), True, (), id="NotIn, absent counts as match"),
        pytest.param(requirement("gpu", "Exists"), True, (), id="Exists with empty value"),
        pytest.param(requirement("zone", "Exists"), False, ("label zone is missing",), id="Exists, absent"),
        pytest.param(requirement("zone", "DoesNotExist"), True, (), id="DoesNotExist"),
        pytest.param(requirement("gpu", "DoesNotExist"), False, ("label gpu is present",), id="DoesNotExist, present"),
        pytest.param(
            LabelSelector(
                match_labels=(("tier", "prod"),),
                match_expressions=(LabelRequirement(key="region", operator="In", values=("us",)),),
            ),
            False,
            ("label region is eu, not us",),
            id="labels and expressions must both hold",
        ),
    ],
)
def test_selector(selector: LabelSelector, expected: bool, words: tuple[str, ...]) -> None:  # noqa: FBT001 - a table's column
    assert matches(selector, LABELS) is expected
    assert mismatches(selector, LABELS) == words


def test_an_operator_that_does_not_exist_is_an_error_and_not_a_mismatch() -> None:
    with pytest.raises(ValueError, match="'Gt' is not one of In, NotIn, Exists, DoesNotExist"):
        matches(requirement("gpu", "Gt", "1"), LABELS)


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        pytest.param(ClusterMatcher(), True, id="both absent: all"),
        pytest.param(ClusterMatcher(names=()), False, id="no names: none"),
        pytest.param(ClusterMatcher(names=("eu-1",)), True, id="named"),
        pytest.param(ClusterMatcher(names=("eu-2",)), False, id="another named"),
        pytest.param(ClusterMatcher(selector=LabelSelector()), True, id="empty selector: all"),
        pytest.param(ClusterMatcher(selector=LabelSelector(match_labels=(("tier", "prod"),))), True, id="labels match"),
        pytest.param(
            ClusterMatcher(names=("eu-1",), selector=LabelSelector(match_labels=(("tier", "dev"),))),
            False,
            id="named, but labels do not match",
        ),
        pytest.param(ClusterMatcher(names=(), selector=LabelSelector()), False, id="labels match, but not named"),
    ],
)
def test_cluster_matcher(matcher: ClusterMatcher, expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert matches_cluster(matcher, ClusterSnapshot(name="eu-1", labels=LABELS)) is expected


TAINT = Taint(key="node", value="bad", effect=Effect.NO_EXECUTE)


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        pytest.param(Toleration(key="node", value="bad", effect="NoExecute"), True, id="equal"),
        pytest.param(Toleration(key="node", value="bad"), True, id="no effect means every effect"),
        pytest.param(Toleration(key="node", value="good"), False, id="another value"),
        pytest.param(Toleration(key="node"), False, id="Equal compares the empty value too"),
        pytest.param(Toleration(key="other", value="bad"), False, id="another key"),
        pytest.param(Toleration(key="node", value="bad", effect="NoSchedule"), False, id="another effect"),
        pytest.param(Toleration(key="node", operator="Exists"), True, id="Exists takes any value"),
        pytest.param(Toleration(operator="Exists"), True, id="empty key with Exists takes every taint"),
        pytest.param(Toleration(operator="Exists", effect="NoSchedule"), False, id="Exists, another effect"),
        pytest.param(Toleration(value="bad"), False, id="empty key with Equal takes none"),
    ],
)
def test_toleration(toleration: Toleration, expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert tolerates(toleration, TAINT) is expected

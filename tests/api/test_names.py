from collections.abc import Callable

import pytest

from fedsvc.api import names
from fedsvc.errors import InvalidInputError


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        pytest.param(names.parse_cluster, "clusters/eu-1", "eu-1", id="cluster"),
        pytest.param(names.parse_placement_policy, "placementPolicies/web", "web", id="placement policy"),
        pytest.param(names.parse_override_policy, "overridePolicies/web", "web", id="override policy"),
        pytest.param(
            names.parse_unit, "namespaces/shop/units/web", names.UnitName(namespace="shop", name="web"), id="unit"
        ),
        pytest.param(
            names.parse_resource,
            "namespaces/shop/units/web/resources/7",
            names.ResourceName(unit=names.UnitName(namespace="shop", name="web"), id=7),
            id="resource",
        ),
        pytest.param(names.parse_namespace_parent, "namespaces/-", None, id="all namespaces"),
        pytest.param(names.parse_namespace_parent, "namespaces/shop", "shop", id="one namespace"),
        pytest.param(
            names.parse_unit_parent, "namespaces/shop/units/-", names.UnitParent(namespace="shop"), id="all units"
        ),
        pytest.param(names.parse_unit_parent, "", names.UnitParent(), id="no parent"),
    ],
)
def test_names_are_parsed(parse: Callable[[str, str], object], text: str, expected: object) -> None:
    assert parse(text, "name") == expected


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        pytest.param(names.parse_cluster, "", "is missing: write clusters/{cluster}", id="nothing"),
        pytest.param(names.parse_cluster, "eu-1", "write clusters/{cluster}", id="bare id"),
        pytest.param(names.parse_cluster, "clusters/EU", "'eu' would do", id="capitals"),
        pytest.param(names.parse_cluster, "clusters/a/b", "write clusters/{cluster}", id="too long"),
        pytest.param(names.parse_unit, "namespaces/shop", "write namespaces/{namespace}/units/{unit}", id="no unit"),
        pytest.param(names.parse_unit, "namespaces//units/x", "namespace: must not be empty", id="empty namespace"),
        pytest.param(names.parse_unit, "namespaces/-/units/x", "namespace: '-' must be", id="wildcard in a name"),
        pytest.param(names.parse_resource, "namespaces/a/units/b/resources/x", "resources/{number}", id="no number"),
        pytest.param(names.parse_resource, f"namespaces/a/units/b/resources/{'9' * 30}", "{number}", id="huge"),
        pytest.param(names.parse_unit_parent, "units/x", "where - stands for any", id="half a parent"),
    ],
)
def test_what_is_no_name_is_refused_with_the_right_form(
    parse: Callable[[str, str], object], text: str, message: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse(text, "the.path")

    assert caught.value.problems[0].path == "the.path"
    assert message in caught.value.problems[0].message


def test_unit_names_are_formatted_as_they_are_parsed() -> None:
    text = "namespaces/shop/units/web"

    assert str(names.parse_unit(text, "name")) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("1", id="a number"),
        pytest.param("6ba7b810-9dad-11d1-80b4-00c04fd430c8", id="version 1"),
        pytest.param("1c9f9b3e6f0a4d0c9a0e3f6f6f1b2a77", id="without dashes"),
        pytest.param("{1c9f9b3e-6f0a-4d0c-9a0e-3f6f6f1b2a77}", id="with braces"),
    ],
)
def test_request_ids_must_be_random_uuids(text: str) -> None:
    with pytest.raises(InvalidInputError, match="request_id"):
        names.parse_request_id(text)


def test_request_ids_are_optional_and_compared_without_case() -> None:
    assert names.parse_request_id("") is None
    assert names.parse_request_id("1C9F9B3E-6F0A-4D0C-9A0E-3F6F6F1B2A77") == "1c9f9b3e-6f0a-4d0c-9a0e-3f6f6f1b2a77"

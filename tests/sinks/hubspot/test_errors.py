"""HubSpot's refusals in words, and the patience that they ask for."""

import pytest

from sinks.hubspot.errors import conflicts, explain, wait_s


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (None, ""),
        ([], ""),
        ({}, ""),
        ({"message": "no", "errors": "broken"}, "no"),
        (
            {"message": "no", "errors": [{"message": "no"}, {"message": "name is wrong", "in": "name"}, 5]},
            "no name is wrong",
        ),
        (
            {
                "message": "missing scopes",
                "errors": [{"message": "", "context": {"requiredGranularScopes": ["tickets", "tickets"]}}],
            },
            "Give the token these scopes: tickets. missing scopes",
        ),
        (
            {"message": "PROPERTY_DOESNT_EXIST"},
            "Our properties are missing: make them with tocsin setup hubspot --apply. PROPERTY_DOESNT_EXIST",
        ),
    ],
)
def test_an_error_is_explained(body, sentence) -> None:
    assert explain(body) == sentence


@pytest.mark.parametrize(
    ("status", "body", "taken"),
    [
        (409, {"category": "CONFLICT"}, True),
        (400, {"errors": [{"code": "CONFLICTING_UNIQUE_VALUE"}]}, True),
        (400, {"message": "propertyName x already has that value"}, True),
        (400, {"message": "something else"}, False),
        (500, {"message": "CONFLICTING_UNIQUE_VALUE"}, False),
        (400, None, False),
    ],
)
def test_a_taken_key_is_recognised(status, body, taken) -> None:
    assert conflicts(status, body) is taken


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ({"policyName": "DAILY"}, {}, 3600),
        ({"policyName": "SECONDLY"}, {}, 1),
        ({"policyName": "TEN_SECONDLY_ROLLING"}, {"x-hubspot-ratelimit-interval-milliseconds": "5000"}, 5),
        ({"policyName": "TEN_SECONDLY_ROLLING"}, {"x-hubspot-ratelimit-interval-milliseconds": "-"}, 10),
        (None, {}, 10),
    ],
)
def test_a_limit_says_when_it_is_over(body, headers, seconds) -> None:
    assert wait_s(body, headers) == seconds

"""The reference page and the JSON Schema are what the models say."""

import json
import tomllib

import jsonschema
import pytest

from gateway.config import schema, shipped
from gateway.config.reference import markdown
from gateway.plugins import discover


@pytest.fixture(scope="module")
def installed():
    return discover()


def test_the_reference_page_is_up_to_date(installed):
    assert shipped("docs", "reference", "configuration.md").read_text() == markdown(installed), "run make docs"


def test_the_schema_file_is_up_to_date(installed):
    assert shipped("config", "tocsin.schema.json").read_text() == schema.text(installed), "run make docs"


def test_every_option_of_every_plugin_explains_itself(installed):
    silent = [
        f"{model}.{name}"
        for model, definition in schema.schema(installed)["$defs"].items()
        for name, option in definition.get("properties", {}).items()
        if not option.get("description")
    ]
    assert silent == []


@pytest.mark.parametrize("name", ["quickstart.toml", "tocsin.example.toml"])
def test_the_shipped_configurations_fit_the_schema(installed, name):
    whole = schema.schema(installed)
    jsonschema.Draft202012Validator.check_schema(whole)
    document = tomllib.loads(shipped("config", name).read_text())
    assert [error.message for error in jsonschema.Draft202012Validator(whole).iter_errors(document)] == []


def test_the_schema_refuses_what_the_loader_refuses(plugins):
    validator = jsonschema.Draft202012Validator(schema.schema(plugins))
    for wrong in (
        {"colour": 1},
        {"http": {"lisen": "x"}},
        {"collectors": {"bell": {"limits": {"rate": 1000}}}},
        {"sinks": {"desk": {"url": "x"}}},
        {"rule": [{"name": "a", "impact": "huge"}]},
        {"stations": {"interval": "often"}},
    ):
        assert not validator.is_valid(wrong), wrong
    right = {"sinks": {"desk": {"type": "paper", "url": "x", "enabled": False}}, "stations": {"interval": 30}}
    assert validator.is_valid(json.loads(json.dumps(right)))


def test_the_page_says_type_bounds_default_and_meaning(plugins):
    page = markdown(plugins)
    assert "| `rate` | whole number, at least 1, at most 100 | `10` | Calls per second. |" in page
    assert "| `url` | text | required | Where the tracker is. It has no default. |" in page
    assert '| `hold` | duration, 0s .. 30d | `"0s"` |' in page
    assert "### `[sinks.paper]`" in page

"""Each mistake in the configuration is one sentence with its cure."""

import pytest
from pydantic import ValidationError

from gateway.plugin import Secret
from sinks.hubspot import plugin
from sinks.hubspot.config import HubspotConfig

TOKEN = Secret("pat-na1-secret", reference="env:HUBSPOT_TOKEN")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stages": {"open": "4"}}, "the open stage must differ"),
        ({"wont_fix_stages": ["1"]}, "cannot also be in wont_fix_stages"),
        ({"pipeline": "Support Pipeline"}, "pattern"),
        ({"owners": {"noc": "The NOC"}}, "the owner of team noc must be an owner id"),
        ({"base_url": "http://api.hubapi.com"}, "begins with https://"),
        ({"base_url": "https://api.hubapi.com/crm/v3"}, "without a path"),
        ({"token": Secret("two words")}, "store the bare token"),
        ({"token": "pat-na1-secret"}, "never by value"),
        ({"property_prefix": "Tocsin"}, "pattern"),
        ({"attachments_folder": "tocsin"}, "pattern"),
        ({"stage": {}}, "Extra inputs"),
    ],
)
def test_a_mistake_is_told_and_no_secret(options, sentence) -> None:
    with pytest.raises(ValidationError, match=sentence) as caught:
        HubspotConfig(**{"token": TOKEN, **options})
    assert "pat-na1-secret" not in str([error["msg"] for error in caught.value.errors()])


def test_the_plugin_promises_a_unique_key() -> None:
    assert (plugin.name, plugin.config, plugin.unique_key) == ("hubspot", HubspotConfig, True)


def test_a_dump_shows_no_secret() -> None:
    config = HubspotConfig(token=TOKEN)
    assert "pat-na1-secret" not in repr(config) + config.model_dump_json()

"""Each mistake in the configuration is one sentence, and no secret is ever shown."""

import pytest
from pydantic import ValidationError

from collectors.snmp.config import SnmpConfig, parse_listen
from collectors.snmp.keys import Localisation
from collectors.snmp.peers import Peers


def load(**fields):
    return SnmpConfig.model_validate(fields)


def told(**fields):
    with pytest.raises(ValidationError) as caught:
        load(**fields)
    return [error["msg"] for error in caught.value.errors()]


@pytest.fixture
def password(secret):
    return secret("SNMP_PASSWORD", "a-long-password")


def test_the_defaults_are_safe():
    config = SnmpConfig()
    assert config.listen == ("127.0.0.1:1162",)
    assert config.communities == ()
    assert config.relays == ()


def test_a_community_is_text_or_a_reference_and_never_shown(secret):
    config = load(communities=["s3cret", secret("COMMUNITY", "hidden")])
    assert [each.reveal() for each in config.communities] == ["s3cret", "hidden"]
    for shown in (repr(config), str(config.communities), config.model_dump_json()):
        assert "s3cret" not in shown
        assert "hidden" not in shown


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"communities": "public"}, "must be a list"),
        ({"communities": [""]}, "a community cannot be empty"),
        ({"communities": ["env:NOT_SET"]}, "NOT_SET is not set"),
        ({"listen": ["localhost"]}, 'write "127.0.0.1:1162"'),
        ({"listen": ["::1:162"]}, "[::1]:1162"),
        ({"listen": ["127.0.0.1:70000"]}, "no address to listen on"),
        ({"listen": []}, "at least one address"),
        ({"allow": ["10.0.0.0/33"]}, "no network"),
        ({"engine_id": "8000"}, "5 to 32 octets"),
        ({"users": [{"name": "a"}, {"name": "a"}]}, "configured twice"),
        ({"users": [{"name": "a", "auth": "sha256"}]}, "no auth_password"),
        ({"users": [{"name": "a", "auth_password": "env:SNMP_PASSWORD"}]}, "no auth"),
        ({"users": [{"name": "a", "priv": "aes128", "priv_password": "env:SNMP_PASSWORD"}]}, "without authentication"),
        ({"users": [{"name": "a", "level": "auth"}]}, "cannot give"),
    ],
)
def test_mistakes(fields, sentence, password):
    (said,) = told(**fields)
    assert sentence in said
    assert "a-long-password" not in said


def test_a_short_password_is_refused_and_not_shown(secret):
    (said,) = told(users=[{"name": "a", "auth": "sha1", "auth_password": secret("SHORT", "seven77")}])
    assert "shorter than 8 characters" in said
    assert "seven77" not in said


@pytest.mark.parametrize(
    ("fields", "least"), [({}, 3), ({"level": "priv"}, 3), ({"level": "auth"}, 1), ({"level": "none"}, 0)]
)
def test_a_user_must_use_all_that_it_has_unless_told_otherwise(password, fields, least):
    whole = {"auth": "sha256", "auth_password": password, "priv": "aes256", "priv_password": password}
    user = load(users=[{"name": "ops", **whole, **fields}]).users[0].user()

    assert user.least == least
    assert user.localisations == tuple(Localisation)
    assert user.strict


def test_addresses_to_listen_on():
    assert parse_listen("[::1]:162")[1:] == ("::1", 162)
    assert parse_listen("0.0.0.0:162")[1:] == ("0.0.0.0", 162)


def test_networks():
    peers = Peers(allow=["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"], relays=["192.0.2.1/32"])

    assert peers["192.0.2.1"] == (True, True)
    assert peers["192.0.2.2"] == (True, False)
    assert peers["198.51.100.7"].allowed
    assert not peers["198.51.100.8"].allowed
    assert peers["2001:db8::1"].allowed
    assert not peers["::1"].allowed

"""Published key vectors."""

import pytest

from collectors.snmp.keys import Auth, Localisation, Priv, User, ambiguous, extend, localise, user_key

ENGINE = bytes.fromhex("000000000000000000000002")
MAPLE = b"maplesyrup"


@pytest.mark.parametrize(
    ("auth", "key", "localised"),
    [
        # RFC 3414 sections A.3.1 and A.3.2
        (Auth.MD5, "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"),
        (Auth.SHA1, "9fb5cc0381497b3793528939ff788d5d79145211", "6695febc9288e36282235fc7151f128497b38f3f"),
    ],
)
def test_passwords_become_the_keys_of_rfc_3414(auth, key, localised):
    assert user_key(auth, MAPLE).hex() == key
    assert localise(auth, user_key(auth, MAPLE), ENGINE).hex() == localised


@pytest.mark.parametrize(
    ("auth", "octets", "extended"),
    [
        # draft-reeder-snmpv3-usm-3desede-00 section B
        (Auth.MD5, 32, "526f5eed9fcce26f8964c2930787d82b79eff44a90650ee0a3a40abfac5acc12"),
        (Auth.SHA1, 40, "6695febc9288e36282235fc7151f128497b38f3f9b8b6d78936ba6e7d19dfd9cd2d5065547743fb5"),
    ],
)
def test_short_keys_are_lengthened_as_reeder_says(auth, octets, extended):
    key = localise(auth, user_key(auth, MAPLE), ENGINE)
    assert extend(auth, key, ENGINE, octets=octets, how=Localisation.REEDER).hex() == extended


def test_a_digest_that_is_long_enough_needs_no_lengthening():
    key = localise(Auth.SHA256, user_key(Auth.SHA256, MAPLE), ENGINE)

    assert extend(Auth.SHA256, key, ENGINE, octets=24, how=Localisation.BLUMENTHAL) == key[:24]
    assert not ambiguous(Auth.SHA256, Priv.AES256)
    assert ambiguous(Auth.SHA224, Priv.AES256)


def test_an_empty_password_is_refused():
    with pytest.raises(ValueError, match="empty"):
        user_key(Auth.SHA1, b"")


def test_a_user_shows_no_key():
    user = User(name=b"ops", auth=Auth.SHA1, priv=Priv.NONE, auth_key=b"very secret key")
    assert "secret" not in repr(user)

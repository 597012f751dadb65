"""Judging SNMPv3 messages: time window, replays, discovery, levels; messages are made by a second engine of ours."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.snmp import codec, v3
from collectors.snmp.ber import DecodeError, encode_integer, encode_octets, encode_sequence
from collectors.snmp.keys import Auth, Localisation, Priv, User, user_key
from collectors.snmp.timeliness import Repeats
from collectors.snmp.usm import Keys, Usm, UsmError
from gateway.core.reason import Dropped

OURS = bytes.fromhex("8000000005") + b"receiver"
THEIRS = bytes.fromhex("80001f8880") + b"sender"
TRAP = codec.encode_pdu(codec.PduType.TRAP_V2, [], request_id=1)
INFORM = codec.encode_pdu(codec.PduType.INFORM, [], request_id=2)
GET = codec.encode_pdu(codec.PduType.GET_REQUEST, [], request_id=3)

OPS = User(
    name=b"ops",
    auth=Auth.SHA1,
    priv=Priv.AES128,
    auth_key=user_key(Auth.SHA1, b"authentic-password"),
    priv_key=user_key(Auth.SHA1, b"private-password"),
    least=3,
)
LENIENT = replace(OPS, name=b"lenient", strict=False)
OPEN = User(name=b"open", auth=Auth.NONE, priv=Priv.NONE)
PINNED = replace(OPS, name=b"pinned", engine_id=THEIRS)
AUTH_PRIV = v3.AUTHENTICATED | v3.ENCRYPTED


def usm(**more):
    given = {"engine_id": OURS, "boots": 3, "now_s": 1000.0, "salt": 7}
    return Usm([OPS, LENIENT, OPEN, PINNED], **(given | more))


def message(
    pdu=TRAP,
    *,
    user=OPS,
    flags=AUTH_PRIV,
    engine_id=THEIRS,
    boots=5,
    time=100_000,
    message_id=1,
    context=THEIRS,
    salt=1,
):
    """A message as a device would send it."""
    keys = Keys(user, engine_id)
    data, parameters = v3.encode_scoped(v3.Scoped(context, b"", pdu)), b""
    if flags & v3.ENCRYPTED:
        data, parameters = keys.ciphers()[0].encrypt(data, boots=boots, time=time, salt=salt)
    signed = flags & v3.AUTHENTICATED
    built = v3.encode_message(
        data,
        message_id=message_id,
        flags=flags,
        engine_id=engine_id,
        boots=boots,
        time=time,
        user=user.name,
        mac_octets=12 if signed else 0,
        salt=parameters,
    )
    if not signed:
        return built.whole
    return built.whole[: built.mac_at] + keys.mac(built) + built.whole[built.mac_at + 12 :]


def refused(receiver, data, now_s=1000.0):
    with pytest.raises(UsmError) as caught:
        receiver.receive(data, now_s)
    return caught.value


def report(error):
    """The counter that a Report carries."""
    parsed = v3.parse_message(error.report)
    pdu = v3.parse_scoped(parsed.data).pdu
    return parsed, codec.decode_pdu(pdu, 0, len(pdu), version=3, accept=codec.ANY_PDU).varbinds[0].oid


# --- time window ---------------------------------------------------------------------------------


def test_a_trap_passes_and_its_engine_is_remembered():
    receiver = usm()
    trusted = receiver.receive(message(), 1000.0)

    assert (trusted.user, trusted.scoped.pdu, trusted.scoped.engine_id) == (b"ops", TRAP, THEIRS)
    assert receiver.engines == 1


@pytest.mark.parametrize(
    ("boots", "time", "why"),
    [(5, 100_000 - 1000, "1000 s behind"), (4, 200_000, "went back from 5 to 4"), (1, 0, "went back from 5 to 1")],
)
def test_what_is_older_than_the_window_is_a_replay(boots, time, why):
    receiver = usm()
    receiver.receive(message(), 1000.0)
    error = refused(receiver, message(boots=boots, time=time))

    assert (error.reason, error.report) == (Dropped.REPLAYED, b"")
    assert why in str(error)


@pytest.mark.parametrize(("boots", "time"), [(5, 100_000 - 150), (5, 100_001), (6, 0)])
def test_what_is_within_the_window_passes(boots, time):
    receiver = usm()
    receiver.receive(message(), 1000.0)
    assert receiver.receive(message(boots=boots, time=time), 1000.0).late == ""


def test_the_window_moves_with_our_clock():
    receiver = usm()
    receiver.receive(message(), 1000.0)

    assert receiver.receive(message(message_id=2), 1150.0)
    assert refused(receiver, message(message_id=3), 1151.0).reason is Dropped.REPLAYED


def test_used_up_boots_are_never_in_time():
    assert refused(usm(), message(boots=2**31 - 1)).reason is Dropped.REPLAYED


def test_a_lenient_user_is_taken_and_marked_but_not_repeated():
    receiver = usm()
    receiver.receive(message(user=LENIENT), 1000.0)
    old = message(user=LENIENT, boots=1, time=0)

    assert "went back" in receiver.receive(old, 1000.0).late
    assert refused(receiver, old, 1149.0).reason is Dropped.REPLAYED


def test_an_exact_repeat_is_refused():
    receiver = usm()
    receiver.receive(message(), 1000.0)
    error = refused(receiver, message(), 1100.0)
    assert (error.reason, str(error)) == (Dropped.REPLAYED, "an exact repeat of an earlier message")


def test_an_exact_repeat_of_a_trap_that_names_us_as_its_engine_is_refused_too():
    """Only an inform is answered again; an agent that has our engine id for its own traps gets no second hearing."""
    receiver = usm()
    for pdu, pass_again in ((TRAP, False), (INFORM, True)):
        data = message(pdu, engine_id=OURS, boots=3, time=0)
        assert not receiver.receive(data, 1000.0).repeated
        if pass_again:
            assert receiver.receive(data, 1000.0).repeated
        else:
            assert refused(receiver, data).reason is Dropped.REPLAYED


def test_repeats_are_remembered_for_a_window_within_a_bound():
    repeats = Repeats(most=100)
    assert not repeats.seen(b"first", 0.0)
    for number in range(1000):
        repeats.seen(b"%d" % number, 1.0)
    assert len(repeats) <= 100
    assert repeats.seen(b"999", 150.0)
    assert not repeats.seen(b"999", 500.0)


def test_a_message_without_a_valid_mac_moves_no_clock_and_fills_no_table():
    receiver = usm()
    forged = bytearray(message(boots=9))
    forged[-1] ^= 1

    assert refused(receiver, bytes(forged)).reason is Dropped.AUTH_FAILED
    assert receiver.engines == 0
    receiver.receive(message(), 1000.0)
    assert refused(receiver, bytes(forged)).reason is Dropped.AUTH_FAILED
    assert receiver.receive(message(message_id=2), 1000.0)  # boots are still 5


def test_the_table_of_engines_forgets_the_one_unheard_for_longest():
    receiver = usm(engines_max=2)
    first, second, third = (b"\x80\0\0\0\5engine%d" % number for number in range(3))
    for engine_id in (first, second, first, third):
        receiver.receive(message(engine_id=engine_id, message_id=engine_id[-1] + receiver.engines), 1000.0)

    assert receiver.engines == 2
    assert refused(receiver, message(engine_id=first, boots=4)).reason is Dropped.REPLAYED
    assert receiver.receive(message(engine_id=second, boots=4), 1000.0)


def test_one_users_password_does_not_set_the_clock_for_another():
    receiver = usm()
    receiver.receive(message(user=LENIENT, boots=2**31 - 2), 1000.0)
    assert receiver.receive(message(), 1000.0)


# --- who -----------------------------------------------------------------------------------------


def test_a_wrong_password_is_an_authentication_failure():
    impostor = replace(OPS, auth_key=user_key(Auth.SHA1, b"forgotten-password"))
    assert refused(usm(), message(user=impostor)).reason is Dropped.AUTH_FAILED


def test_a_wrong_privacy_password_is_told_apart():
    error = refused(usm(), message(user=replace(OPS, priv_key=user_key(Auth.SHA1, b"forgotten-password"))))
    assert error.reason is Dropped.AUTH_FAILED
    assert "priv_password" in str(error)


def test_an_unknown_user_is_counted_and_shown_escaped():
    error = refused(usm(), message(user=replace(OPS, name=b"a\x1b[31m\xff")))
    assert error.reason is Dropped.UNKNOWN_USER
    assert "\x1b" not in str(error)


@pytest.mark.parametrize("flags", [0, v3.AUTHENTICATED])
def test_less_security_than_the_user_has_is_refused(flags):
    assert refused(usm(), message(flags=flags)).reason is Dropped.AUTH_FAILED


def test_more_security_than_the_user_has_is_refused():
    assert refused(usm(), message(user=replace(OPS, name=b"open"))).reason is Dropped.AUTH_FAILED


def test_a_user_without_protocols_is_believed_by_name():
    assert usm().receive(message(user=OPEN, flags=0), 1000.0).scoped.pdu == TRAP


def test_a_pinned_user_may_not_speak_for_another_engine():
    receiver = usm()
    assert receiver.receive(message(user=PINNED), 1000.0)
    other = message(user=PINNED, engine_id=THEIRS + b"2")
    assert refused(receiver, other).reason is Dropped.UNKNOWN_USER


@pytest.mark.parametrize(
    ("given", "tried"),
    [
        ((Localisation.REEDER,), (Localisation.REEDER, Localisation.BLUMENTHAL)),
        ((Localisation.BLUMENTHAL,), (Localisation.REEDER, Localisation.BLUMENTHAL)),
        ((Localisation.BLUMENTHAL,), (Localisation.BLUMENTHAL,)),
    ],
)
def test_the_other_localisation_is_tried_and_then_preferred(given, tried):
    device = replace(OPS, priv=Priv.AES256, localisations=given)
    receiver = Usm([replace(device, localisations=tried)], engine_id=OURS, boots=1, now_s=0.0, salt=1)

    for message_id in range(3):
        trusted = receiver.receive(message(user=device, message_id=message_id), 0.0)
        assert trusted.scoped.pdu == TRAP
        assert trusted.cipher is trusted.keys.ciphers()[0]


# --- informs, where we are the authority -----------------------------------------------------------


def test_who_asks_for_our_engine_id_is_told_and_it_is_no_loss():
    error = refused(usm(), message(GET, user=replace(OPEN, name=b""), flags=v3.REPORTABLE, engine_id=b""), 1042.0)
    parsed, oid = report(error)

    assert error.reason is None
    assert oid == "1.3.6.1.6.3.15.1.1.4.0"
    assert (parsed.engine_id, parsed.boots, parsed.time, parsed.message_id) == (OURS, 3, 42, 1)


def test_a_sender_that_synchronises_is_told_our_time_under_its_key():
    error = refused(usm(), message(INFORM, engine_id=OURS, boots=0, time=0, flags=AUTH_PRIV | v3.REPORTABLE), 1042.0)
    parsed, oid = report(error)

    assert error.reason is None
    assert oid == "1.3.6.1.6.3.15.1.1.2.0"
    assert (parsed.flags, parsed.boots, parsed.time) == (v3.AUTHENTICATED, 3, 42)
    assert Keys(OPS, OURS).mac(parsed) == parsed.mac


@pytest.mark.parametrize(("boots", "time"), [(2, 10), (4, 10), (3, 161), (3, 10_000)])
def test_an_inform_outside_our_window_is_refused_with_our_time(boots, time):
    error = refused(usm(), message(INFORM, engine_id=OURS, boots=boots, time=time, flags=AUTH_PRIV | 4), 1010.0)
    assert error.reason is Dropped.REPLAYED
    assert report(error)[1] == "1.3.6.1.6.3.15.1.1.2.0"


@pytest.mark.parametrize(
    ("user", "arc", "reason"),
    [
        (replace(OPS, name=b"stranger"), 3, Dropped.UNKNOWN_USER),
        (replace(OPS, auth_key=b"x" * 20), 5, Dropped.AUTH_FAILED),
        (replace(OPS, priv_key=b"x" * 20), 6, Dropped.AUTH_FAILED),
        (replace(OPS, name=b"open"), 1, Dropped.AUTH_FAILED),
    ],
)
def test_who_expects_an_answer_is_told_what_is_wrong(user, arc, reason):
    error = refused(usm(), message(INFORM, user=user, engine_id=OURS, boots=3, time=0, flags=AUTH_PRIV | 4))
    assert error.reason is reason
    assert report(error)[1] == f"1.3.6.1.6.3.15.1.1.{arc}.0"


@pytest.mark.parametrize("user", [OPS, replace(OPS, name=b"stranger"), replace(OPS, auth_key=b"x" * 20)])
def test_an_inform_meant_for_another_engine_is_told_ours(user):
    error = refused(usm(), message(INFORM, user=user, flags=AUTH_PRIV | v3.REPORTABLE))
    assert error.reason in {Dropped.UNKNOWN_ENGINE, Dropped.AUTH_FAILED}
    assert report(error)[1] == "1.3.6.1.6.3.15.1.1.4.0"


def test_a_trap_is_never_answered():
    assert refused(usm(), message(user=replace(OPS, name=b"stranger"))).report == b""


def test_a_response_is_in_time_authentic_and_encrypted_under_a_new_salt():
    receiver = usm()
    trusted = receiver.receive(message(INFORM, engine_id=OURS, boots=3, time=0, flags=AUTH_PRIV | 4), 1000.0)
    responses = [receiver.respond(trusted, b"\xa2\x00", 1007.0) for _ in range(2)]
    parsed = [v3.parse_message(response) for response in responses]
    keys = Keys(OPS, OURS)
    plain = keys.ciphers()[0].decrypt(parsed[0].data, boots=3, time=7, salt=parsed[0].salt)

    assert trusted.ours
    assert not trusted.repeated
    assert all(keys.mac(each) == each.mac for each in parsed)
    assert (parsed[0].flags, parsed[0].time) == (AUTH_PRIV, 7)
    assert v3.parse_scoped(plain) == v3.Scoped(THEIRS, b"", b"\xa2\x00")
    assert parsed[0].salt != parsed[1].salt


def test_an_exact_repeat_of_an_inform_is_marked_not_refused():
    receiver = usm()
    inform = message(INFORM, engine_id=OURS, boots=3, time=0, flags=AUTH_PRIV | 4)
    assert not receiver.receive(inform, 1000.0).repeated
    assert receiver.receive(inform, 1001.0).repeated


def test_a_context_longer_than_any_is_refused():
    with pytest.raises(DecodeError, match="too long"):
        usm().receive(message(user=OPEN, flags=0, context=b"x" * 33), 1000.0)


# --- hostile form --------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_any_octets_are_refused_politely(data):
    with pytest.raises((DecodeError, UsmError)):
        usm().receive(data, 1000.0)


@settings(max_examples=300)
@given(
    st.sampled_from(
        [message(), message(user=OPEN, flags=0), message(INFORM, engine_id=OURS, boots=3, time=0, flags=7)]
    ),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 400),
)
def test_a_damaged_message_raises_nothing_else(data, damage, cut):
    changed = bytearray(data)
    for at, octet in damage:
        changed[at % len(changed)] = octet
    with contextlib.suppress(DecodeError, UsmError):
        usm().receive(bytes(changed[: len(changed) - cut % 3]), 1000.0)


@given(st.sampled_from([OPS, replace(OPS, priv=Priv.DES), replace(OPS, priv=Priv.AES256)]), st.binary(max_size=100))
def test_a_key_holder_can_break_nothing_with_what_it_encrypts(user, plain):
    keys = Keys(user, THEIRS)
    data, salt = keys.ciphers()[0].encrypt(plain, boots=1, time=1, salt=1)
    built = v3.encode_message(
        data, message_id=1, flags=3, engine_id=THEIRS, boots=1, time=1, user=b"ops", mac_octets=12, salt=salt
    )
    whole = built.whole[: built.mac_at] + keys.mac(built) + built.whole[built.mac_at + 12 :]
    with pytest.raises((DecodeError, UsmError)):
        Usm([user], engine_id=OURS, boots=1, now_s=0.0, salt=1).receive(whole, 0.0)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ((1, 65507, b"\x02", 3), Dropped.MALFORMED),  # encrypted but not authenticated
        ((1, 65507, b"", 3), Dropped.MALFORMED),
        ((-1, 65507, b"\x00", 3), Dropped.MALFORMED),
        ((1, 65507, b"\x00", 2), Dropped.UNSUPPORTED),  # another security model
    ],
)
def test_impossible_headers(header, reason):
    encoded = [encode_octets(part) if isinstance(part, bytes) else encode_integer(part) for part in header]
    data = encode_sequence(encode_integer(3), encode_sequence(*encoded), encode_octets(b""), encode_sequence())
    with pytest.raises(DecodeError) as caught:
        usm().receive(data, 1000.0)
    assert caught.value.reason is reason

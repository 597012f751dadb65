"""A message that is known to be built like an earlier one is taken apart as if nothing were known."""

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.snmp import v3
from collectors.snmp.ber import DecodeError
from collectors.snmp.lookaside import MOST_LAYOUTS
from collectors.snmp.v3 import Messages, parse_message
from tests.traps import sealed, troubles

SEALED = [data for _, data in sealed(troubles(20), 60)]


def plain(message_id: int, time: int, user: bytes, pdu: bytes, flags: int = 0) -> bytes:
    scoped = v3.encode_scoped(v3.Scoped(b"\x80\0\0\0\1engine", b"", b"\xa7" + bytes([len(pdu)]) + pdu))
    return v3.encode_message(
        scoped, message_id=message_id, flags=flags, engine_id=b"\x80\0\0\0\1engine", boots=3, time=time, user=user,
        mac_octets=12 if flags else 0,
    ).whole  # fmt: skip


instants = st.integers(0, 2**31 - 1)
plainly = st.builds(
    plain, instants, instants, st.binary(max_size=8), st.binary(max_size=20), st.sampled_from([0, v3.AUTHENTICATED])
)
changes = st.lists(st.tuples(st.integers(0, 110) | st.integers(0, 10_000), st.integers(1, 255)), max_size=2)


def said(parse, data: bytes) -> object:
    try:
        return parse(data)
    except DecodeError as error:
        return str(error), error.reason


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(SEALED) | plainly, changes, st.booleans()), max_size=12),
    st.sampled_from([2, 99]),
)
def test_what_is_known_changes_nothing_of_what_is_said(sent, most) -> None:
    messages = Messages(most)
    for data, flipped, longer in sent:
        changed = bytearray(data + b"\0" if longer else data)
        for at, bits in flipped:
            changed[at % len(changed)] ^= bits
        for known in (data, bytes(changed)):
            assert said(messages.parse, known) == said(parse_message, known)


def test_a_message_built_like_another_is_not_read_again() -> None:
    messages = Messages()
    first = messages.parse(plain(1, 100, b"ann", b"x"))
    second = messages.parse(plain(2, 101, b"ann", b"y"))
    assert (second.message_id, second.time, second.data[-1:]) == (2, 101, b"y")
    assert second.engine_id is first.engine_id


def test_many_forms_of_one_length_do_not_make_a_look_up_long() -> None:
    messages = Messages()
    for size in range(31):
        messages.parse(plain(1, 100, b"u" * size, b"x" * (40 - size)))
    assert max(map(len, messages._shelves.values())) <= MOST_LAYOUTS

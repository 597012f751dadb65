"""Ciphers that are kept for many messages come to what the library's own, made for one, comes to."""

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp.privacy import AesCfb


@given(
    st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.lists(st.binary(max_size=100), min_size=1, max_size=4),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**31 - 1),
    st.binary(min_size=8, max_size=8),
)
def test_aes_deciphers_as_the_library_does_one_message_after_the_other(key, messages, boots, time, salt) -> None:
    kept, initial = AesCfb(key), boots.to_bytes(4, "big") + time.to_bytes(4, "big") + salt
    for message in messages:
        library = Cipher(AES(key), CFB(initial)).decryptor()
        assert kept.decrypt(message, boots=boots, time=time, salt=salt) == library.update(message) + library.finalize()

"""Durations, endpoints and networks read what people write, and refuse with a cure."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.types import Duration, Endpoint, network


@pytest.mark.parametrize(
    ("written", "ms"),
    [("90s", 90_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000), ("1h30m", 5_400_000), ("250ms", 250),
     (60, 60_000), (0.5, 500), (0, 0), ("1.5h", 5_400_000), ("2w", 1_209_600_000)],
)  # fmt: skip
def test_a_duration_is_read_in_milliseconds(written, ms):
    assert Duration.parse(written) == ms


@pytest.mark.parametrize(
    "written",
    ["", "5", "5 m", "-5m", -1, "m", "5y", "1e3s", True, None, [], float("nan"), float("inf"), 10**30, "\u0665m"],
)
def test_what_is_no_duration_is_refused_with_a_cure(written):
    with pytest.raises(ValueError, match='"90s", "5m"'):
        Duration.parse(written)


@given(st.integers(0, 3_000_000_000_000))
def test_a_duration_is_written_as_it_can_be_read(ms):
    assert Duration.parse(str(Duration(ms))) == ms


@given(st.text(max_size=30))
def test_no_text_makes_a_duration_fail_otherwise_than_by_value_error(text):
    with contextlib.suppress(ValueError):
        Duration.parse(text)


@pytest.mark.parametrize("written", ["127.0.0.1:9464", "[::1]:9464", "0.0.0.0:0", "[2001:db8::1]:65535"])
def test_an_endpoint_reads_back_as_written(written):
    assert str(Endpoint.parse(written)) == written


@pytest.mark.parametrize(
    "written", ["", "9464", ":9464", "localhost:80", "::1:9464", "127.0.0.1", "127.0.0.1:65536", "[127.0.0.1]:1", 5]
)
def test_what_is_no_endpoint_is_refused_with_a_cure(written):
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:9464"):
        Endpoint.parse(written)


def test_only_loopback_addresses_are_loopback():
    assert Endpoint.parse("127.0.0.1:1").loopback
    assert Endpoint.parse("[::1]:1").loopback
    assert not Endpoint.parse("0.0.0.0:1").loopback


def test_a_network_is_told_from_a_name():
    assert str(network("10.2.0.0/16")) == "10.2.0.0/16"
    assert network("r1") is None
    assert network("10.2.0.1") is None
    assert network("site/r1") is None


@pytest.mark.parametrize(
    ("text", "cure"), [("10.0.0.1/8", 'did you mean "10.0.0.0/8"'), ("10.0.0.0/33", "write it as")]
)
def test_a_wrong_network_is_refused_with_a_cure(text, cure):
    with pytest.raises(ValueError, match=cure):
        network(text)

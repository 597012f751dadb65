"""What each tracker signs, what it sends, and what nobody else can: the codecs of webhooks, on the vendors' vectors."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plugin import Secret, Webhook, WebhookRefused, WebhookRequest
from gateway.testing.clock import START_MS, ManualClock
from sinks.clickup import webhook as clickup
from sinks.clickup.config import ClickupConfig
from sinks.hubspot import webhook as hubspot
from sinks.hubspot.config import HubspotConfig
from sinks.jira import webhook as jira
from sinks.jira.config import JiraConfig
from tests.trackers import _webhooks as vendor

URL = "https://tocsin.example.com/webhooks/desk"
SECRET = Secret(vendor.SECRET)
CONFIGS = {
    "hubspot": HubspotConfig(token=Secret("t"), webhook_secret=SECRET, webhook_url=URL),
    "jira": JiraConfig(
        deployment="cloud",
        site="https://ops.atlassian.net",
        email="noc@example.com",
        token=Secret("t"),
        project="OPS",
        webhook_secret=SECRET,
    ),
    "clickup": ClickupConfig(token=Secret("t"), list_id="901", webhook_secret=SECRET),
}
CODECS = {"hubspot": hubspot.hints, "jira": jira.hints, "clickup": clickup.hints}
TICKETS = {"hubspot": "901", "jira": "10001", "clickup": "86c0001"}


def sent(tracker: str, clock: ManualClock, **how):
    extra = {"url": URL} if tracker == "hubspot" else {}
    return getattr(vendor, tracker)(TICKETS[tracker], clock, **extra, **how)


def heard(tracker: str, delivery, *, now_ms: int = START_MS, method: str = "POST", config=None):
    request = WebhookRequest(
        method=method,
        headers={name.lower(): value for name, value in delivery.headers.items()},
        body=delivery.body,
        now_ms=now_ms,
    )
    return CODECS[tracker](request, config or CONFIGS[tracker])


def refusal(tracker: str, delivery, **how) -> Webhook:
    with pytest.raises(WebhookRefused) as refused:
        heard(tracker, delivery, **how)
    return refused.value.reason


# --- the vendors' own vectors ---


@pytest.mark.parametrize(
    ("at_ms", "signature"),
    [
        (1693657560000, "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),
        (1700000300000, "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),
    ],
)
def test_hubspots_vectors_verify(at_ms: int, signature: str) -> None:
    config = HubspotConfig(
        token=Secret("t"),
        webhook_secret=Secret("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"),
        webhook_url="https://www.example.com/webhook_uri",
    )
    headers = {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": str(at_ms)}
    delivery = vendor.Delivery(headers, b"{'example_field':'example_value'}")
    # The vector's body is no JSON: that this is all that is minded shows that the signature was good.
    assert refusal("hubspot", delivery, now_ms=at_ms, config=config) is Webhook.MALFORMED
    wrong = vendor.Delivery(headers, b"{'example_field':'other_value'}")
    assert refusal("hubspot", wrong, now_ms=at_ms, config=config) is Webhook.BAD_SIGNATURE


def test_jiras_vector_verifies() -> None:
    signature = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    delivery = vendor.Delivery({"X-Hub-Signature": signature}, b"Hello World!")
    assert refusal("jira", delivery) is Webhook.MALFORMED
    assert refusal("jira", vendor.Delivery(delivery.headers, b"Hello World?")) is Webhook.BAD_SIGNATURE


def test_hubspot_signs_the_address_with_twelve_escapes_decoded_and_no_others() -> None:
    config = CONFIGS["hubspot"].model_copy(update={"webhook_url": "https://x.example/a%2Fb%3a%20c"})
    good = vendor.hubspot_signed(b"[]", START_MS, url="https://x.example/a/b:%20c")
    assert heard("hubspot", good, config=config) == []


# --- what is in them ---


@pytest.mark.parametrize("tracker", CODECS)
def test_a_good_one_names_its_ticket(tracker: str) -> None:
    (hint,) = heard(tracker, sent(tracker, ManualClock()))
    assert hint.ticket == TICKETS[tracker]


@pytest.mark.parametrize("tracker", CODECS)
def test_the_same_delivery_has_the_same_identity_and_another_has_not(tracker: str) -> None:
    delivery, later = sent(tracker, ManualClock()), sent(tracker, ManualClock(START_MS + 1))
    (first,), (again,), (other,) = (heard(tracker, one) for one in (delivery, delivery, later))
    assert first.identities == again.identities
    assert not set(first.identities) & set(other.identities)


def test_a_later_attempt_of_hubspots_is_the_same_event() -> None:
    clock = ManualClock()
    first, second = (sent("hubspot", clock, attemptNumber=number, eventId=1) for number in (0, 3))
    assert heard("hubspot", first) == heard("hubspot", second)


def test_jiras_later_attempt_is_known_by_its_identifier_even_if_its_body_differs() -> None:
    clock = ManualClock()
    bodies = [json.dumps({"timestamp": START_MS, "issue": {"id": "1"}, "n": n}).encode() for n in (1, 2)]
    (first,), (second,) = (heard("jira", vendor.jira_signed(body, delivery="d-7")) for body in bodies)
    assert set(first.identities) & set(second.identities) == {"d-7"}
    assert clock.now_ms() == START_MS


def test_a_merge_in_hubspot_names_every_ticket_concerned() -> None:
    delivery = sent(
        "hubspot", ManualClock(), subscriptionType="ticket.merge", primaryObjectId=901, mergedObjectIds=[902, 903],
        newObjectId=904,
    )  # fmt: skip
    assert [hint.ticket for hint in heard("hubspot", delivery)] == ["901", "904", "902", "903"]


def test_what_is_about_something_else_names_no_ticket() -> None:
    clock = ManualClock()
    assert heard("hubspot", sent("hubspot", clock, subscriptionType="contact.creation")) == []
    assert heard("jira", sent("jira", clock, issue=None)) == []
    assert heard("clickup", sent("clickup", clock, task_id=None, event="listUpdated")) == []


# --- what is refused ---


@pytest.mark.parametrize("tracker", CODECS)
def test_another_secret_another_body_and_no_signature_are_refused(tracker: str) -> None:
    clock = ManualClock()
    assert refusal(tracker, sent(tracker, clock, secret="x" * 32)) is Webhook.BAD_SIGNATURE
    good = sent(tracker, clock)
    assert refusal(tracker, vendor.Delivery(good.headers, good.body + b" ")) is Webhook.BAD_SIGNATURE
    for name in good.headers:
        fewer = {other: value for other, value in good.headers.items() if other != name}
        if name != "X-Atlassian-Webhook-Identifier":
            assert refusal(tracker, vendor.Delivery(fewer, good.body)) is Webhook.UNSIGNED


@pytest.mark.parametrize("tracker", CODECS)
def test_without_a_secret_nothing_is_believed(tracker: str) -> None:
    config = CONFIGS[tracker].model_copy(update={"webhook_secret": None})
    for secret in (vendor.SECRET, "", "None"):
        delivery = sent(tracker, ManualClock(), secret=secret)
        assert refusal(tracker, delivery, config=config) is Webhook.NOT_CONFIGURED


def test_hubspots_signature_covers_method_and_address() -> None:
    clock = ManualClock()
    assert refusal("hubspot", sent("hubspot", clock), method="PUT") is Webhook.BAD_SIGNATURE
    elsewhere = vendor.hubspot("901", clock, url=URL + "/")
    assert refusal("hubspot", elsewhere) is Webhook.BAD_SIGNATURE


@pytest.mark.parametrize(("tracker", "window_ms"), [("hubspot", 300_000), ("jira", 86_400_000)])
def test_old_ones_and_those_of_the_future_are_refused(tracker: str, window_ms: int) -> None:
    delivery = sent(tracker, ManualClock())
    assert len(heard(tracker, delivery, now_ms=START_MS + window_ms)) == 1
    assert len(heard(tracker, delivery, now_ms=START_MS - window_ms)) == 1
    assert refusal(tracker, delivery, now_ms=START_MS + window_ms + 1) is Webhook.STALE
    assert refusal(tracker, delivery, now_ms=START_MS - window_ms - 1) is Webhook.STALE


def test_hubspots_timestamp_cannot_be_renewed_without_the_secret() -> None:
    delivery = sent("hubspot", ManualClock())
    renewed = {**delivery.headers, "X-HubSpot-Request-Timestamp": str(START_MS + 400_000)}
    assert (
        refusal("hubspot", vendor.Delivery(renewed, delivery.body), now_ms=START_MS + 400_000) is Webhook.BAD_SIGNATURE
    )


@pytest.mark.parametrize("method", ["sha1=", "md5=", "SHA256=", "sha256:", ""])
def test_jira_takes_one_method_only(method: str) -> None:
    delivery = sent("jira", ManualClock())
    signed = delivery.headers["X-Hub-Signature"].removeprefix("sha256=")
    assert refusal("jira", vendor.Delivery({"X-Hub-Signature": method + signed}, delivery.body)) is (
        Webhook.BAD_SIGNATURE
    )


SIGN = {
    "hubspot": lambda body: vendor.hubspot_signed(body, START_MS, url=URL),
    "jira": vendor.jira_signed,
    "clickup": vendor.clickup_signed,
}
STRANGE = [
    b"", b"null", b"7", b'"x"', b"[null]", b"[[]]", b"{}", b"\xff\xfe", b"[" * 100_000, b"1" * 5000,
    b'{"issue":{"id":{}},"timestamp":1795305600000}', b'{"issue":7,"timestamp":1795305600000}',
    b'{"timestamp":"now"}', b'{"timestamp":true,"issue":{"id":"1"}}', b'{"task_id":["x"]}', b'{"task_id":"../../user"}',
    b'{"task_id":"x","history_items":[7,{"id":null}]}', b'[{"subscriptionType":"ticket.x","objectId":{}}]',
    b'{"timestamp":NaN,"issue":{"id":"1"}}', b'[{"subscriptionType":7}]', b"[" + b"{}," * 2000 + b"{}]",
]  # fmt: skip


@pytest.mark.parametrize("tracker", CODECS)
@pytest.mark.parametrize("body", STRANGE, ids=lambda body: repr(body[:30]))
def test_signed_nonsense_is_malformed_or_names_nothing_and_never_raises_else(tracker: str, body: bytes) -> None:
    try:
        hints = heard(tracker, SIGN[tracker](body))
    except WebhookRefused as refused:
        hints, reason = [], refused.reason
    else:
        reason = Webhook.MALFORMED
    assert reason is Webhook.MALFORMED
    assert all(isinstance(hint.ticket, str) and hint.identities for hint in hints)


@pytest.mark.parametrize("tracker", CODECS)
@given(data=st.data())
def test_no_headers_and_no_body_of_a_strangers_are_believed(tracker: str, data) -> None:
    names = ["x-hubspot-signature-v3", "x-hubspot-request-timestamp", "x-hub-signature", "x-signature"]
    headers = {name: data.draw(st.text(min_size=1, max_size=90)) for name in names}
    request = WebhookRequest(method="POST", headers=headers, body=data.draw(st.binary(max_size=200)), now_ms=START_MS)
    with pytest.raises(WebhookRefused) as refused:
        CODECS[tracker](request, CONFIGS[tracker])
    assert refused.value.reason is Webhook.BAD_SIGNATURE


# --- configuration ---


def test_a_short_secret_is_refused_with_the_cure() -> None:
    for tracker, config in CONFIGS.items():
        given = {**config.model_dump(exclude_unset=True), "token": config.token, "webhook_secret": Secret("short")}
        with pytest.raises(ValueError, match="choose a long random one"):
            type(config)(**given)
        assert tracker


def test_hubspot_needs_the_address_that_it_signs() -> None:
    with pytest.raises(ValueError, match="needs webhook_url"):
        HubspotConfig(token=Secret("t"), webhook_secret=SECRET)
    with pytest.raises(ValueError, match="webhook_url"):
        HubspotConfig(token=Secret("t"), webhook_secret=SECRET, webhook_url=URL + "?x=1")

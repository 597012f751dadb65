"""The vendor's own SDK works with our fake over a real socket: the fake speaks HubSpot, not merely what our sink speaks."""

import asyncio

import hubspot
import pytest
from hubspot.crm.objects.notes import SimplePublicObjectInputForCreate as NewNote
from hubspot.crm.objects.notes.models import AssociationSpec, PublicAssociationsForObject, PublicObjectId
from hubspot.crm.tickets import (
    ApiException,
    BatchReadInputSimplePublicObjectId,
    PublicMergeInput,
    PublicObjectSearchRequest,
    SimplePublicObjectId,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)

from gateway.core.impact import Impact
from gateway.core.ticket import TicketDraft, TicketState
from gateway.plugin import Host, Secret
from gateway.testing.clock import ManualClock
from gateway.testing.keep import MemoryKeep
from sinks.hubspot import plugin
from sinks.hubspot.config import HubspotConfig
from tests.trackers.hubspot import TOKEN, FakeHubspot

# The SDK's generated code compares integer header values and such; its warnings are not ours.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def portal():
    fake = FakeHubspot(ManualClock())
    fake.make_property("tocsin_incident_id", unique=True)
    return fake


@pytest.fixture
def address(portal, served) -> str:
    return served(portal)


@pytest.fixture
def sdk(address):
    """The SDK's APIs by name, pointed at the fake."""
    client = hubspot.Client.create(access_token=TOKEN)
    apis = {
        "tickets": client.crm.tickets.basic_api,
        "batch": client.crm.tickets.batch_api,
        "search": client.crm.tickets.search_api,
        "notes": client.crm.objects.notes.basic_api,
        "pipelines": client.crm.pipelines.pipelines_api,
        "owners": client.crm.owners.owners_api,
        "properties": client.crm.properties.core_api,
    }
    for api in apis.values():
        api.api_client.configuration.host = address
    yield apis
    for api in apis.values():
        api.api_client.rest_client.pool_manager.clear()
        api.api_client.close()


def new(key: str) -> SimplePublicObjectInputForCreate:
    return SimplePublicObjectInputForCreate(
        properties={"subject": "x", "hs_pipeline": "0", "hs_pipeline_stage": "1", "tocsin_incident_id": key},
        associations=[],
    )


def test_the_sdk_creates_reads_and_closes_a_ticket(sdk, portal) -> None:
    made = sdk["tickets"].create(simple_public_object_input_for_create=new("K1"))
    read = sdk["tickets"].get_by_id("K1", id_property="tocsin_incident_id", properties=["hs_pipeline_stage"])
    assert (read.id, read.properties["hs_pipeline_stage"]) == (made.id, "1")
    patch = SimplePublicObjectInput(properties={"hs_pipeline_stage": "4"})
    sdk["tickets"].update(made.id, simple_public_object_input=patch)
    wanted = BatchReadInputSimplePublicObjectId(
        inputs=[SimplePublicObjectId(id=made.id)], properties=["hs_pipeline_stage"], properties_with_history=[]
    )
    (seen,) = sdk["batch"].read(batch_read_input_simple_public_object_id=wanted).results
    assert seen.properties["hs_pipeline_stage"] == "4"
    sdk["tickets"].archive(made.id)
    assert portal.tickets() == []


@pytest.mark.parametrize("status", [409, 400])
def test_the_sdk_meets_the_unique_key(sdk, portal, status) -> None:
    portal.conflict_status = status
    sdk["tickets"].create(simple_public_object_input_for_create=new("K1"))
    with pytest.raises(ApiException) as caught:
        sdk["tickets"].create(simple_public_object_input_for_create=new("K1"))
    assert caught.value.status == status


def test_the_sdk_meets_a_missing_ticket(sdk) -> None:
    with pytest.raises(ApiException) as caught:
        sdk["tickets"].get_by_id("1")
    assert caught.value.status == 404


def test_the_sdk_writes_a_note_and_follows_a_merge(sdk, portal) -> None:
    one = sdk["tickets"].create(simple_public_object_input_for_create=new("K1"))
    two = sdk["tickets"].create(simple_public_object_input_for_create=new("K2"))
    types = [AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=228)]
    note = NewNote(
        properties={"hs_timestamp": "2026-11-22T03:00:00Z", "hs_note_body": "<p>hello</p>"},
        associations=[PublicAssociationsForObject(to=PublicObjectId(id=one.id), types=types)],
    )
    sdk["notes"].create(simple_public_object_input_for_create=note)
    read = sdk["tickets"].get_by_id(one.id, associations=["notes"])
    assert len(read.associations["notes"].results) == 1
    merge = PublicMergeInput(primary_object_id=one.id, object_id_to_merge=two.id)
    new_id = sdk["tickets"].merge(public_merge_input=merge).id
    assert sdk["tickets"].get_by_id(two.id).id == new_id


def test_the_sdk_searches_behind_the_index(sdk, portal) -> None:
    portal.search_lag_s = 10
    sdk["tickets"].create(simple_public_object_input_for_create=new("K1"))
    filters = [{"propertyName": "tocsin_incident_id", "operator": "EQ", "value": "K1"}]
    query = PublicObjectSearchRequest(
        filter_groups=[{"filters": filters}], limit=5, properties=["subject"], sorts=[], after="0"
    )
    assert sdk["search"].do_search(public_object_search_request=query).total == 0
    portal.clock.follow(10_000)
    assert sdk["search"].do_search(public_object_search_request=query).total == 1


def test_the_sdk_reads_the_set_up(sdk) -> None:
    (pipeline,) = sdk["pipelines"].get_all("tickets").results
    assert [stage.metadata["ticketState"] for stage in pipeline.stages] == ["OPEN", "OPEN", "OPEN", "CLOSED"]
    assert sdk["owners"].get_page(email="noc@example.com").results[0].id == "41629779"
    priority = sdk["properties"].get_by_name("tickets", "hs_ticket_priority")
    assert [option.value for option in priority.options] == ["LOW", "MEDIUM", "HIGH", "URGENT"]


async def test_what_our_sink_makes_the_sdk_sees(sdk, portal, address, tmp_path) -> None:
    draft = TicketDraft(
        key="K1",
        title="[P1] Link down",
        description="æøå <b>",
        impact=Impact.CRITICAL,
        state=TicketState.OPEN,
        fingerprint="1:f",
        source="gw-7",
        condition="link_down",
    )
    host = Host(name="hubspot", clock=portal.clock, keep=MemoryKeep(), state_dir=tmp_path)
    config = HubspotConfig(token=Secret(TOKEN), base_url=address, extra_properties=False)
    async with plugin.build(config, host) as sink:
        ref = await sink.open(draft)
        read = await asyncio.to_thread(sdk["tickets"].get_by_id, ref.id, properties=["subject", "content"])
    assert (read.properties["subject"], read.properties["content"]) == ("[P1] Link down", "æøå <\u2060b>")

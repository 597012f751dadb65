"""What the reference names is what there is: metrics, log events, API, states, reasons; both ways."""

import importlib
import pkgutil
import re

import pytest
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from gateway.app import NEEDS_RESTART
from gateway.config import rule_packs
from gateway.core.operation import OperationState
from gateway.core.reason import Dropped, Failed, Webhook
from gateway.core.station import StationState
from gateway.plugins import discover
from gateway.web.openapi import document

NAME = re.compile(r"^[a-z_]+\.[a-z_]+$")
KINDS = {"counter", "gauge", "histogram"}
LOG_CALL = re.compile(r"\b_?log\.(?:debug|info|warning|error|exception|critical)\(\s*(?P<what>[^,)]*)")
LOGGED = re.compile(r'"([a-z_]+\.[a-z_]+)"')
INDIRECT = re.compile(r"^\s*(?:say|\(self\._log\.warning if .*\))\((?P<what>.*)", re.MULTILINE)


@pytest.fixture(scope="module")
def live():
    """Kind and labels of every metric of ours, once every module is imported."""
    for package in ("gateway", "collectors", "sinks"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if ".testing" not in module.name:
                importlib.import_module(module.name)
    metrics = {one for one in REGISTRY._collector_to_names if isinstance(one, MetricWrapperBase)}
    ours = [one for one in metrics if one._name.startswith("tocsin_")]
    return {
        one._name + ("_total" if one._type == "counter" else ""): (one._type, frozenset(one._labelnames))
        for one in ours
    }


def test_every_metric_is_documented_with_its_kind_and_labels_and_no_other(live, pages, rows):
    told = {}
    for cells in rows(pages["docs/reference/metrics.md"]):
        if len(cells) == 4 and cells[1] in KINDS:
            told[cells[0].strip("`")] = (cells[1], frozenset(re.findall(r"`(\w+)`", cells[2])))
    assert told == live


def test_every_value_of_a_closed_label_is_explained(pages, rows):
    told = {cells[0].strip("`") for cells in rows(pages["docs/reference/metrics.md"]) if len(cells) == 2}
    assert told - {"reason", "outcome"} == {word.value for word in (*Dropped, *Failed, *Webhook)}


def test_every_log_event_is_documented_and_no_other(sources, pages, rows):
    logged = set()
    for file, text in sources.items():
        calls = [found["what"] for pattern in (LOG_CALL, INDIRECT) for found in pattern.finditer(text)]
        names = {name for call in calls for name in LOGGED.findall(call)}
        odd = [call for call in calls if not LOGGED.search(call)]
        assert not odd, f"{file} logs something that is no noun.verb_past: {odd}"
        logged |= names
    told = {cells[0].strip("`") for cells in rows(pages["docs/reference/log-events.md"]) if len(cells) == 3}
    assert {name for name in told if NAME.match(name)} == logged


def test_every_path_of_the_api_is_named_with_its_method(pages):
    page = pages["docs/reference/http-api.md"]
    told = set(re.findall(r"`(GET|POST) (/api/v1/[^`?]*)`", page))
    live = {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}
    assert live <= told
    assert told - live == {("GET", "/api/v1/openapi.json")}


def test_every_route_of_the_site_is_named(sources, pages):
    routes = re.findall(r'Route\("([^"]+)"', sources["gateway/web/site.py"])
    assert routes
    page = pages["docs/reference/http-api.md"]
    assert [route for route in routes if f"{re.sub(r':(int|path)', '', route)}`" not in page] == []


def test_the_states_are_drawn_from_the_table(states):
    stale = [path.name for path, text in states.files().items() if path.read_text("utf-8") != text]
    assert stale == [], "run python docs/states.py"


def test_how_costs_grow_is_drawn_from_what_was_measured(growth, pages):
    stale = [path.name for path, text in growth.files().items() if path.read_text("utf-8") != text]
    assert stale == [], "run python docs/growth.py"
    shown = re.findall(r"!\[[^]]+\]\((growth-\w+\.svg)\)", pages["docs/performance.md"])
    assert sorted(shown) == sorted(path.name for path in growth.files())


def test_curves_are_taken_from_the_last_line_of_each_run(growth):
    printed = 'traps  per_s\n{"bench": "a", "curves": {"cost, over rules": [[10, 1.5], [100, 2]]}}\n{"benches": {}}\n'
    curves = growth.curves_of(printed)
    assert curves == {"cost, over rules": [(10, 1.5), (100, 2)]}
    drawn = growth.svg(curves)
    assert '<polyline points="78.4,70.0 501.6,20.0"' in drawn
    assert ">100</text>" in drawn


def test_every_state_is_reached_and_left(states):
    edges = states.edges()
    assert {end for _, end, _ in edges} == set(states.NODES) - {states.NONE}
    assert {start for start, _, _ in edges} == set(states.NODES)


def test_the_sinks_are_compared_as_they_are(pages, rows):
    head, *facts = [cells for cells in rows(pages["docs/sinks/index.md"]) if len(cells) == 5]
    names = [re.search(r"\w+", cell)[0] for cell in head[1:]]
    plugins = discover().sinks
    assert set(names) == set(plugins)
    told = {cells[0]: dict(zip(names, cells[1:], strict=True)) for cells in facts}
    for name, plugin in plugins.items():
        unique = told["the tracker refuses a second ticket with our key"][name]
        assert (unique == "yes") is plugin.unique_key, name
        assert float(told["budget, calls per second"][name]) == plugin.calls_per_s


@pytest.mark.parametrize(
    ("page", "closed"),
    [("docs/concepts.md", StationState), ("docs/operations.md", OperationState)],
    ids=["stations", "operations"],
)
def test_every_state_of_a_closed_list_is_explained(page, closed, pages, rows):
    told = {cells[0].strip("`") for cells in rows(pages[page]) if len(cells) == 2}
    assert {state.value for state in closed} <= told


def test_every_rule_pack_is_described(pages, rows):
    told = {cells[0].strip("`") for cells in rows(pages["docs/rules.md"]) if len(cells) == 2}
    assert set(rule_packs()) <= told


def test_what_only_a_restart_applies_is_told(pages):
    (told,) = re.findall(r"A reload \(SIGHUP\).*?take effect at a restart", pages["docs/operations.md"], re.DOTALL)
    assert [name for name in NEEDS_RESTART if f"{name}]" not in told and name.title() not in told] == []

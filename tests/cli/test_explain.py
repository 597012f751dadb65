"""``tocsin explain`` takes an event however it is at hand."""

import json

import pytest

RULES = """
[sinks.local]
[[rule]]
name = "core"
condition = "linkDown"
match = ["role = core", "site = lyon", "speed > 5"]
[[rule]]
name = "any"
condition = "linkDown"
count = 5
within = "10m"
"""
WORDS = ("source=r1", "condition=linkDown", "role=core", "site=brest", "speed=10")


@pytest.fixture
def explained(command, tmp_path):
    path = tmp_path / "tocsin.toml"
    path.write_text(RULES)
    return lambda *words, **more: command("explain", "--config", str(path), *words, **more)


def test_words_a_json_object_and_a_file_say_the_same(explained, tmp_path):
    labels = {"role": "core", "site": "brest", "speed": 10}
    text = json.dumps({"source": "r1", "condition": "linkDown", "labels": labels})
    (tmp_path / "event.json").write_text(text)
    said = {
        explained(*words, "--json", stdin=text).stdout
        for words in (WORDS, [text], [str(tmp_path / "event.json")], ["-"])
    }
    assert len(said) == 1
    assert json.loads(said.pop())["verdict"]["rule"] == "any"


def test_how_often_it_must_be_raised_is_told(explained):
    assert "frequency      5 times within 10 min (interval)" in explained(*WORDS).stdout


def test_a_near_loser_is_told_how_near(explained):
    shown = explained(*WORDS).stdout
    assert "lost  core" in shown
    assert "site = lyon does not hold: site is 'brest'; 2 of its 3 matchers hold" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.json"], "EVENT nowhere.json cannot be read"),
        (["kind=up"], "EVENT has kind 'up'"),
        (["--incident", "T1", "--state-dir", "/nowhere"], "knows no incident T1"),
        (["a=1", "b.json"], "EVENT is words NAME=VALUE"),
        ([], "give one of EVENT, --incident, --hex and --pcap"),
    ],
)
def test_what_is_no_event_is_told(explained, words, said):
    shown = explained(*words)
    assert shown.exit_code in (1, 2)
    assert said in shown.stderr

"""``[[test]]`` is as strict as the rest: a wrong word is a sentence with its cure."""

import pytest

HEAD = '[sinks.desk]\ntype = "paper"\nurl = "x"\n[[test]]\nname = "t"\nstep = [\n'


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ('trapp = "linkDown", source = "r1"', 'test "t": step[1].trapp: unknown key; did you mean "trap"?'),
        ('trap = "linkDown"', 'test "t": step[1]: says not whose trap it is; add source = "..."'),
        ('trap = "a", beat = "ok", source = "r1"', 'test "t": step[1]: has trap and beat: one thing happens in a step, make it two'),
        ('at = "5m"', 'test "t": step[1]: says nothing; give it trap, mail, beat, condition, person, expect or calls'),
        ('expect = { stat = "open" }', 'test "t": step[1].expect.stat: unknown key; did you mean "state"?'),
        ('expect = [{ incidents = 0 }, { state = "opn" }]', ("test \"t\": step[1].expect[2].state: must be 'pending', 'open', "
         "'recovering', 'resolved' or 'closed', not \"opn\"; did you mean \"open\"?")),
        ('expect = { tickets = { dsk = "open" } }', 'test "t": step[1].expect[1].tickets.dsk: there is no sink "dsk"; did you mean "desk"?'),
        ('calls = ["dsk open"]', 'test "t": step[1].calls[1]: there is no sink "dsk"; did you mean "desk"?'),
        ('calls = ["desk opn P1"]', 'test "t": step[1].calls[1]: "desk opn P1": there is no call "opn"; did you mean "open"?'),
        ('calls = ["desk"]', ('test "t": step[1].calls[1]: "desk" is no call: write SINK CALL [P1..P4] [open|resolved|closed][: TEXT], '
         'as in "jira open P2" or "jira comment: Cleared"')),
        ('condition = "c", source = "r1", collector = "bel"', 'test "t": step[1].collector: there is no collector "bel"; remove it'),
        ('trap = "a", source = "r1", times = 0', 'test "t": step[1].times: must be at least 1, not 0'),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_cure(loading, step, said):
    (told,) = loading.mistakes(f"{HEAD}{{ {step} }}\n]\n")
    assert told == f"tocsin.toml:8: {said}"


def test_steps_are_in_the_order_of_time(loading):
    (told,) = loading.mistakes(f'{HEAD}{{ at = "5m", expect = {{}} }},\n{{ at = "1m", expect = {{}} }}\n]\n')
    assert "step 2 is at 1m, before the end of the one above it, 5m" in told


def test_a_test_and_its_steps_know_their_lines(loading):
    config = loading.load(f"{HEAD}{{ expect = {{}} }},\n{{ calls = [] }}\n]\n")
    assert config.tests[0].lines == (5, 8, 9)


def test_two_tests_have_two_names(loading):
    text = f"{HEAD}{{ calls = [] }}\n]\n"
    (told,) = loading.mistakes(text + text.partition("[[test]]")[1] + text.partition("[[test]]")[2])
    assert told.endswith("the name is taken by tocsin.toml:5; choose another")


def test_a_sink_in_shadow_says_so_in_one_word(loading):
    assert loading.load('[sinks.paper]\nurl = "x"\nshadow = true\n').sinks["paper"].shadow
    (told,) = loading.mistakes('[sinks.paper]\nurl = "x"\nshadow = "yes"\n')
    assert told == "tocsin.toml:4: sinks.paper.shadow: must be true or false"
    (told,) = loading.mistakes("[collectors.bell]\nshadow = true\n")
    assert "unknown key" in told

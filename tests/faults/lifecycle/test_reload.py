"""SIGHUP: a good file holds at once, a bad one changes nothing, and nothing that comes meanwhile is lost."""

import signal
import threading

RULE = """
[[rule]]
name = "{name}"
condition = "linkDown"
set_condition = "{condition}"
object = "{{ifIndex}}"
"""
NO_STORMS = """
[storm]
object_high = 0
source_high = 0
rule_high = 0
high = 0
"""


def hup(daemon, event: str, count: int = 1):
    """Reload, and wait for what is said then."""
    known = len(daemon.said(event))
    daemon.process.send_signal(signal.SIGHUP)
    return daemon.eventually(lambda: daemon.said(event)[known : known + count], what=event)


def test_rules_and_sinks_of_the_new_file_hold_at_once_and_sockets_stay(daemon) -> None:
    daemon.configure(daemon.troubled("desk", title="old"))
    daemon.start()
    daemon.trap(1)
    daemon.eventually(lambda: daemon.incidents(condition="link_down", state="open"), what="the first")
    daemon.eventually(lambda: daemon.tickets("desk"), what="its ticket")
    daemon.configure(RULE.format(name="mine", condition="port_dead") + daemon.troubled("desk", title="new"))
    hup(daemon, "configuration.reloaded")
    daemon.trap(2)
    daemon.eventually(lambda: daemon.incidents(condition="port_dead", object="2"), what="the new rule's")
    daemon.eventually(lambda: len(daemon.tickets("desk")) == 2, what="the new sink's")
    assert [one["title"] for one in daemon.tickets("desk")] == ["old", "new"]
    assert len(daemon.said("listener.opened")) == 1


def test_a_reload_under_load_loses_nothing(daemon) -> None:
    daemon.configure(NO_STORMS + daemon.troubled("desk", title="0"))
    daemon.start()
    sent: list[int] = []

    def send() -> None:
        for port in range(1, 401):
            daemon.trap(port)
            sent.append(port)

    thread = threading.Thread(target=send)
    thread.start()
    for number in range(3):
        daemon.configure(NO_STORMS + daemon.troubled("desk", title=str(number + 1)))
        hup(daemon, "configuration.reloaded")
    thread.join()

    def there() -> bool:
        return {int(item["object"]) for item in daemon.incidents(condition="link_down")} == set(sent)

    daemon.eventually(there, what="every trap")
    daemon.eventually(lambda: len(daemon.tickets("desk")) == len(sent), what="every ticket")
    assert daemon.stop() == 0
    assert len({one["object"] for one in daemon.tickets("desk")}) == len(sent)


def test_a_bad_file_changes_nothing_and_says_so(daemon) -> None:
    daemon.start()
    daemon.configure('[sinks.local]\n[[rule]]\nname = "x"\ncondition = "linkDown"\nsinks = ["desk"]\nimpct = "high"\n')
    refused = hup(daemon, "configuration.refused", 2)
    assert all(str(daemon.config) in line["mistake"] for line in refused)
    daemon.config.unlink()
    hup(daemon, "configuration.refused")
    assert daemon.said("configuration.reloaded") == []
    daemon.trap(1)
    daemon.eventually(lambda: daemon.incidents(condition="link_down", rule="ietf-link-down"), what="the old rule's")
    daemon.eventually(lambda: not daemon.outbox(), what="its ticket")


def test_a_sink_that_cannot_be_built_leaves_the_old_ones_and_the_old_rules(daemon) -> None:
    daemon.configure(daemon.troubled("desk"))
    daemon.start()
    daemon.configure(RULE.format(name="mine", condition="port_dead") + daemon.troubled("desk", mood="bug"))
    (refused,) = hup(daemon, "configuration.refused")
    assert refused["mistake"] == "sinks.desk: 'a bug in the plugin'"
    daemon.trap(1)
    daemon.eventually(lambda: daemon.incidents(condition="link_down"), what="the old rule's")
    daemon.eventually(lambda: daemon.tickets("desk"), what="the old sink's")


def test_what_needs_a_restart_is_told(daemon) -> None:
    daemon.start()
    text = daemon.config.read_text().replace('["public"]', '["private"]') + "[retention]\nclosed_days = 5\n"
    daemon.config.write_text(text)
    (partly,) = hup(daemon, "configuration.partly_applied")
    assert partly["restart_for"] == ["collectors", "retention"]
    daemon.trap(1)
    daemon.eventually(lambda: daemon.incidents(condition="link_down"), what="by the old community")

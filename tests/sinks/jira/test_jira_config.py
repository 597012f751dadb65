"""A configuration that cannot work is refused with its cure."""

import pytest
from pydantic import ValidationError

from tests.trackers._jira_rig import config


@pytest.mark.parametrize(
    ("deployment", "options", "cure"),
    [
        ("cloud", {"email": ""}, "set email"),
        ("cloud", {"site": "http://ops.atlassian.net"}, "https://"),
        ("cloud", {"site": "https://me:pw@ops.atlassian.net"}, "without user"),
        ("cloud", {"site": "https://api.atlassian.com/ex/jira/1-2"}, "set browse"),
        ("service_management", {"service_desk_id": ""}, "needs service_desk_id"),
        ("cloud", {"labels": ["two words"]}, "no spaces"),
        ("cloud", {"label_prefix": ""}, "1 to 200"),
        ("cloud", {"page": "https://noc.example/i/"}, "{key}"),
        ("cloud", {"project": 'OPS" OR project = "X'}, "project"),
        ("cloud", {"depolyment": "x"}, "depolyment"),
        ("cloud", {"priorities": {"gravest": "High"}}, "priorities"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_cure(deployment, options, cure) -> None:
    with pytest.raises(ValidationError) as caught:
        config(deployment, **options)
    assert cure in str(caught.value)


def test_people_open_tickets_where_browse_says() -> None:
    gateway = "https://api.atlassian.com/ex/jira/1-2/"
    through = config("cloud", site=gateway, browse="https://ops.atlassian.net/")
    assert (through.site, through.browse_url) == (gateway[:-1], "https://ops.atlassian.net")
    assert config("datacenter").browse_url == "https://jira.example"


def test_no_secret_is_shown() -> None:
    assert "token-of-the-noc" not in repr(config("cloud"))

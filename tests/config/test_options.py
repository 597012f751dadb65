"""No option lies: each one of the host's is read by somebody."""

import re

from gateway.config import shipped
from gateway.config.load import SECTIONS


def test_every_option_of_the_host_is_read():
    packages = shipped("gateway")
    code = "\n".join(
        path.read_text()
        for path in packages.rglob("*.py")
        if path.name not in ("models.py", "rules.py") or path.parent.name != "config"
    )
    unread = {
        f"{section}.{name}"
        for section, model in SECTIONS.items()
        for name in model.model_fields
        if not re.search(rf"\.{name}\b", code)
    }
    assert unread - {"daemon.node"} == set()

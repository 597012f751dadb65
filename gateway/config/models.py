"""The host's own sections of a configuration, frozen and strict; each option explains itself in the line below it.

Options that end in ``_ms`` or ``_s`` are numbers in that unit; the others that mean time are durations (``"5m"``).
"""

import socket
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.types import Between, Duration, Endpoint, Name, WebAddress, duration
from gateway.core.impact import Impact
from gateway.plugin import PluginConfig, Secret

Hold = Annotated[Duration, Between("0s", "30d")]


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogVerbosity(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class DaemonConfig(PluginConfig):
    """The daemon itself."""

    node: str = Field(default="", max_length=64)
    """This daemon's name in logs and in incidents about itself; empty means the machine's name."""
    log_format: LogFormat = LogFormat.AUTO
    """``console`` for people, ``json`` for programs; ``auto`` is ``console`` on a terminal and ``json`` elsewhere."""
    log_verbosity: LogVerbosity = LogVerbosity.INFO
    """The least urgent log lines that are written."""
    drain_s: float = Field(default=10.0, ge=0, le=300)
    """Seconds that a stop waits for what was already received and for calls to trackers under way."""
    loss_per_min: int = Field(default=100, ge=0, le=1_000_000_000)
    """Inputs that a collector may lose in a minute; more raise an incident ``input_loss`` with the reasons. 0: never."""

    blind_after: Annotated[Duration, Between("5s", "1d")] = duration("1m")
    """How long a collector may be deaf, or the daemon suspended or not running, before an incident ``blind`` tells so."""

    @property
    def node_name(self) -> str:
        """The configured name, or the machine's."""
        return self.node or socket.gethostname()


class HttpConfig(PluginConfig):
    """Metrics, health, JSON API and the status page."""

    enabled: bool = True
    """Whether to listen at all."""
    listen: Endpoint = Endpoint("127.0.0.1", 9464)
    """Address and port. Beyond loopback, put a reverse proxy with TLS and authentication before it."""
    public_url: WebAddress = ""
    """Where people reach the status page (``https://tocsin.example.com``), for links in tickets."""
    token: Secret | None = None
    """Bearer token for calls that change something. Without it they are taken on the admin socket only."""
    body_max: int = Field(default=65_536, ge=1024, le=16_777_216)
    """Bytes of a request's body."""
    connections_max: int = Field(default=100, ge=1, le=10_000)
    """Connections at once; for one more the longest idle is closed, and if none is idle it is answered with 503."""
    keep_alive_s: float = Field(default=5.0, ge=1, le=300)
    """Seconds that an idle connection is kept, and in which a request's head must have come."""


class EngineConfig(PluginConfig):
    """How inputs are gathered into transactions, and how much may wait in memory."""

    lazy_ms: int = Field(default=100, ge=1, le=10_000)
    """Longest wait, in milliseconds, of inputs that nobody waits for (traps) before they are committed."""
    repeat_ms: int = Field(default=1000, ge=1, le=60_000)
    """Longest wait, in milliseconds, of those of them that merely repeat what is on disk: the more are one number there."""
    batch_max: int = Field(default=2000, ge=1, le=100_000)
    """Inputs in one transaction."""
    pending_max: int = Field(default=20_000, ge=100, le=10_000_000)
    """Fingerprints that may wait in memory; beyond it mail and beats are told to repeat. Traps have three quarters of the room: beyond it they are dropped and counted."""
    pending_bytes: int = Field(default=67_108_864, ge=1_048_576, le=4_294_967_296)
    """Bytes of text and attachments that may wait in memory; beyond it as beyond ``pending_max``."""
    overtake_ms: int = Field(default=10_000, ge=0, le=60_000)
    """By how much, in milliseconds, a clear may overtake its raise: what comes so late behind it is over. 0: it is raised."""
    release_per_min: int = Field(default=60, ge=1, le=100_000)
    """Tickets opened in a minute for what is still raised when a silence, a maintenance or another mute is over."""
    source_new_per_min: int = Field(default=600, ge=0, le=1_000_000)
    """New incidents that one source may begin in a minute; the rest become one incident ``source_storm``. 0: any number."""
    open_max: int = Field(default=100_000, ge=1, le=10_000_000)
    """Incidents of all sources that are not over; what begins beyond them is counted in one incident ``overflow``."""


class RetentionConfig(PluginConfig):
    """What is forgotten, and when, and how the store is looked after. What is open is never forgotten."""

    closed_days: int = Field(default=400, ge=1, le=36_500)
    """Days that a closed incident and its timeline are kept."""
    timeline_rows: int = Field(default=1000, ge=10, le=100_000)
    """Timeline entries kept for one incident: the first ones and the latest."""
    quarantine_days: int = Field(default=14, ge=1, le=3650)
    """Days that inputs which could not be read are kept."""
    quarantine_mb: int = Field(default=64, ge=1, le=65_536)
    """Mebibytes of such inputs; the oldest go first."""
    ballast_mb: int = Field(default=16, ge=0, le=1024)
    """Mebibytes of the state directory's disk that are given up when it is full, so that deleting still works; 0: none."""
    check_every: Annotated[Duration, Between("1s", "30d")] = duration("1d")
    """How often the store's file is examined for damage while the daemon runs; it always is at the start."""


class JournalConfig(PluginConfig):
    """The journal of inputs, from which ``tocsin replay`` tells what another configuration would have made of them."""

    enabled: bool = True
    """Whether inputs are kept, with the texts of mails and without their files."""
    days: int = Field(default=14, ge=1, le=3650)
    """Days that they are kept."""
    mb: int = Field(default=128, ge=1, le=1_048_576)
    """Mebibytes, compressed, that they may take; the oldest go first."""


class DrillConfig(PluginConfig):
    """Drills: a trap, a station that falls silent and a mail, followed to the trackers and back (``tocsin drill``)."""

    every: Annotated[Duration, Between("0s", "30d")] = duration("0s")
    """How often the daemon drills by itself; ``"0s"``: only when told to."""
    patience: Annotated[Duration, Between("5s", "1h")] = duration("3m")
    """How long each stage of a drill may take; a station that falls silent is down after about a minute."""
    sinks: tuple[Name, ...] | None = None
    """Sinks that are drilled; left out: ``tickets.default_sinks``."""


class TicketsConfig(PluginConfig):
    """What holds for tickets in every tracker."""

    default_sinks: tuple[Name, ...] | None = None
    """Sinks that get a ticket where no rule names others; left out: all that are configured; ``[]``: none."""
    observe_every: Annotated[Duration, Between("5s", "1d")] = duration("1m")
    """How often open tickets are looked at for what people changed."""
    page_url: WebAddress = ""
    """Link to an incident, written into its ticket, ``{incident}`` being its id; empty: made from ``http.public_url``."""


class DefaultsConfig(PluginConfig):
    """What holds for an incident where no rule says otherwise."""

    impact: Impact = Impact.MEDIUM
    """Its impact."""
    team: str = ""
    """The team that its tickets go to; the sink's configuration maps it to an owner."""
    hold: Hold = duration("0s")
    """How long it must last before a ticket is opened."""
    clear_hold: Hold = duration("0s")
    """How long it must stay clear before it counts as resolved."""
    reopen_within: Hold = duration("2h")
    """How long after it was resolved a new raise reopens the same incident and ticket."""


class FlappingConfig(PluginConfig):
    """When the transitions of an incident come too fast for its ticket: each doubles a penalty that time decays."""

    enabled: bool = True
    """Whether flapping is looked for."""
    first: float = Field(default=2.0, ge=1.1, le=1000)
    """The penalty of the first transition; each further one doubles what is left of it."""
    most: float = Field(default=256.0, ge=2, le=1_000_000)
    """The greatest penalty: it bounds how long what flapped takes to be calm."""
    half_life: Annotated[Duration, Between("1s", "1d")] = duration("5m")
    """After so long without a transition the penalty has fallen to its own square root."""
    above: float = Field(default=35.0, ge=1.1, le=1_000_000)
    """Flapping from a greater penalty: with the defaults, from the sixth quick transition on."""
    below: float = Field(default=1.5, ge=1.01, le=1_000_000)
    """Calm at a smaller penalty; less than ``above``."""
    line_every: int = Field(default=100, ge=2, le=1_000_000)
    """Transitions from one line on the ticket of what flaps to the next."""

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if not self.below < self.above < self.most:
            raise PydanticCustomError("order", "below must be less than above, and above less than most")
        return self


class StationsConfig(PluginConfig):
    """The heartbeat watch: what every station owes unless its own entry says otherwise."""

    interval: Annotated[Duration, Between("1s", "7d")] = duration("1m")
    """How often a station beats, until its payload says so or enough beats were heard to learn it."""
    grace: Annotated[Duration, Between("0s", "7d")] | None = None
    """How late a beat may be; left out: half the interval, at least 30 s."""
    profile: str = ""
    """The ``[[profile]]`` of stations whose entry and site name none; empty: what stands here."""
    will_hold: Annotated[Duration, Between("0s", "1h")] = duration("30s")
    """How long a last will may be answered by a beat before the station is down."""
    new_beats: int = Field(default=3, ge=1, le=100)
    """Beats after which a station that is not listed can go down."""
    recovery_beats: int = Field(default=2, ge=1, le=100)
    """Beats that end an outage; a birth message counts for all but one of them."""
    clock_skew: Annotated[Duration, Between("0s", "1d")] = duration("0s")
    """A station whose own timestamps are off by more raises ``station_clock``, by less than half of it clears; ``"0s"``: never."""
    discover_per_min: int = Field(default=100, ge=0, le=1_000_000)
    """Stations that are not listed and may be taken up in one minute, others wait for their next beat; 0 takes up none."""
    stations_max: int = Field(default=100_000, ge=1, le=5_000_000)
    """Stations that are watched at once."""

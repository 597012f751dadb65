"""What each station owes: its own policy if it is listed, else that of its site, else that of all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.core.station import Policy, Station


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the watch holds stations to."""

    policy: Policy
    """What unlisted stations owe."""
    listed: Mapping[str, tuple[Policy, str]] = field(default_factory=dict)
    """Policy and site of listed stations, by name."""
    by_site: Mapping[str, Policy] = field(default_factory=dict)
    """What unlisted stations of these sites owe."""
    region_of: Callable[[str], str] = lambda _site: ""
    """The region of a site; empty if there is none."""
    most_stations: int = 1_000_000
    """Watched at once."""
    discover_per_min: int = 100
    """Unlisted stations taken up in a minute; 0: none."""

    def policy_of(self, station: Station) -> Policy:
        """What this one owes."""
        return self.policy_for(station.station, station.site)

    def policy_for(self, name: str, site: str) -> Policy:
        """What a station of this name at ``site`` owes."""
        own = self.listed.get(name)
        return own[0] if own else self.by_site.get(site, self.policy)

"""The stories that a heartbeat watch must not get wrong: what happens, what is true, and how soon it must be told.

They follow a simulation of the rules with 10,000 stations at 200 sites, beating every 60 s give or take 5 %, with 30 s of
grace. ``within_s`` is when that simulation told the outage; ``tickets`` how many it took. A station alone is told 100 s
after its last beat, so how soon the first of an outage is told depends on how many there are.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.core.event import BeatKind
from tests.fleet.world import JITTER, SETTLED_S, Outcome, Peer, World

MINUTE_S = 60
Act = Callable[[World], Awaitable["Truth"]]


@dataclass(slots=True, kw_only=True)
class Truth:
    """What really happened."""

    dead: frozenset[str] = frozenset()
    """Stations that were really out of reach for too long."""
    dark: frozenset[str] = frozenset()
    """Sites all of whose stations were."""
    blind: bool = False
    """We were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One story, and what must be told of it."""

    name: str
    act: Act
    tickets: int
    """No more tickets than these, of stations and sites."""
    within_s: float | None = None
    proven: bool = True
    """The canary comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was told."""

    story: Story
    false_incidents: int
    detected: int
    wanted: int
    tickets: int
    first_at_s: float | None
    feed: int

    @property
    def passed(self) -> bool:
        """Nothing false, everything true, and in time."""
        in_time = self.story.within_s is None or (self.first_at_s or 0.0) <= self.story.within_s
        return (
            not self.false_incidents and self.detected == self.wanted and in_time and self.tickets <= self.story.tickets
        )


async def normal(world: World) -> Truth:
    await world.run(world.length_s)
    return Truth()


async def link_down(world: World) -> Truth:
    world.link(up=False)
    await world.run(10 * MINUTE_S)
    world.link(up=True)
    await world.run(world.length_s - 10 * MINUTE_S)
    return Truth(blind=True)


async def broker_restart(world: World) -> Truth:
    """The broker is away for 30 s; the stations find their way back over two minutes."""
    world.link(up=False)
    for peer in world.peers:
        peer.wired = False
    await world.run(30)
    world.link(up=True)
    back = list(world.peers)
    world.random.shuffle(back)
    for second in range(120):
        for peer in back[second::120]:
            peer.wired = True
        await world.run(1)
    await world.run(world.length_s - 150)
    return Truth()


async def half_open(world: World) -> Truth:
    """We are connected, and nothing arrives."""
    world.open = False
    await world.run(10 * MINUTE_S)
    world.open = True
    await world.run(world.length_s - 10 * MINUTE_S)
    return Truth(blind=True)


async def stopped(world: World) -> Truth:
    """There is no daemon for 20 minutes: `play` ends one process and begins another."""
    await world.again(20 * MINUTE_S)
    await world.run(max(10 * MINUTE_S, world.length_s - 20 * MINUTE_S))
    return Truth(blind=True)


async def dark_site(world: World) -> Truth:
    await world.run(world.random.randrange(60))
    world.began()
    site = world.peers[7].site
    return await _dark(world, [site])


async def singles(world: World) -> Truth:
    """Stations of a dozen sites die, each alone; one of them just before its beat, when silence is found soonest."""
    chosen = [peers[3] for peers in list(world.by_site.values())[:12]]
    while not world.beats_next(chosen[0]):
        await world.run(1)
    world.began()
    for peer in chosen:
        peer.alive = False
    await world.run(world.length_s)
    return Truth(dead=frozenset(peer.name for peer in chosen))


async def cut(world: World) -> Truth:
    """Three stations in ten really die, with all at their sites."""
    return await _dark(world, list(world.by_site)[: len(world.by_site) * 3 // 10])


async def _dark(world: World, sites: list[str]) -> Truth:
    world.began()
    gone = [peer for site in sites for peer in world.by_site[site]]
    for peer in gone:
        peer.alive = False
    await world.run(world.length_s)
    return Truth(dead=frozenset(peer.name for peer in gone), dark=frozenset(sites))


async def flapping(world: World) -> Truth:
    """One station goes and comes, twelve times in an hour."""
    peer = world.peers[0]
    world.began()
    for _ in range(world.length_s // (5 * MINUTE_S)):
        peer.alive = False
        await world.run(150)
        peer.alive = True
        await world.run(150)
    return Truth(dead=frozenset([peer.name]))


async def replayed(world: World) -> Truth:
    """A dead station whose retained beat comes again whenever we connect."""
    peer: Peer = world.peers[0]
    while not world.beats_next(peer):
        await world.run(1)
    world.began()
    peer.alive = False
    for second in range(world.length_s):
        if second and second % 50 == 0 and second < 30 * MINUTE_S:
            world.hear(peer, retained=True)
        await world.run(1)
    return Truth(dead=frozenset([peer.name]))


async def handover(world: World) -> Truth:
    """One station in twenty loses its connection at once, and is back within an interval."""
    gone = [peer for peers in list(world.by_site.values())[: len(world.by_site) // 20] for peer in peers]
    for peer in gone:
        world.hear(peer, BeatKind.WILL)
    await world.run(world.length_s)
    return Truth()


STORIES = (
    Story(name="normal hour", act=normal, tickets=0),
    Story(name="our link down 10 min", act=link_down, tickets=0),
    Story(name="broker restart 30 s", act=broker_restart, tickets=0),
    Story(name="half-open link 10 min", act=half_open, tickets=0, proven=False),
    Story(name="gateway stopped 20 min", act=stopped, tickets=0),
    Story(name="one site loses power", act=dark_site, tickets=1, within_s=42),
    Story(name="12 single stations die", act=singles, tickets=12, within_s=42),
    Story(name="60 sites cut off", act=cut, tickets=60, within_s=37),
    Story(name="one station flaps", act=flapping, tickets=5),
    Story(name="dead, retained beat replayed", act=replayed, tickets=1, within_s=75),
    Story(name="500 last wills, all back", act=handover, tickets=0),
)


async def play(
    story: Story,
    folder: Path,
    *,
    stations: int = 10_000,
    sites: int = 200,
    length_s: int = 3600,
    seed: int = 1,
    jitter: float = JITTER,
    regions: int = 0,
) -> Result:
    """Tell ``story`` to a fresh daemon."""
    world = World(
        folder,
        stations=stations,
        sites=sites,
        seed=seed,
        proven=story.proven,
        jitter=jitter,
        length_s=length_s,
        regions=regions,
    )
    async with world.running():
        await world.run(SETTLED_S)
        world.began()
        truth = await story.act(world)
        return judged(story, truth, await world.outcome(), world)


def judged(story: Story, truth: Truth, outcome: Outcome, world: World) -> Result:
    """Compare what was told with what is true."""
    alone, dark = outcome.of("station_down"), outcome.of("site_down")
    silent = outcome.of("fleet_silence")
    wide = {site: at_s for region, at_s in outcome.of("region_down").items() for site in world.sites_of(region)}
    false = [name for name in alone if name not in truth.dead] + list(silent)
    false += [site for site in {**dark, **wide} if site not in truth.dark]
    covered = {peer.name for site in truth.dark & {**dark, **wide}.keys() for peer in world.by_site[site]}
    found = truth.dead & (alone.keys() | covered)
    times = [at_s for name, at_s in alone.items() if name in truth.dead]
    times += [at_s for site, at_s in [*dark.items(), *wide.items()] if site in truth.dark]
    return Result(
        story=story,
        false_incidents=len(false),
        detected=len(found),
        wanted=len(truth.dead),
        tickets=len(alone) + len(dark) + len(silent) + len(outcome.of("region_down")),
        first_at_s=min(times, default=None),
        feed=len(outcome.of("blind")),
    )

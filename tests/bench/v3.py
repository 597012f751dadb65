"""SNMPv3 traps, authPriv with SHA-1 and AES-128, at more than anybody takes, beside the peers."""

from tests.bench.harness import OURS, Options, Report, cores
from tests.bench.traps import WARM_S, saturate
from tests.sender import Sender, write_datagrams
from tests.traps import engine_id, sealed, troubles

RATE = 30_000
"""Messages a second; each is sent once, since an exact repeat is refused."""
FINGERPRINTS = 200
PEERS = ("snmptrapd", "pysnmp")
"""gosnmp's listener takes the keys of one engine only."""


def run(options: Options) -> Report:
    """Measure it."""
    report = Report("v3", options, main="per_s")
    sender = Sender(options.folder, cores=cores()[0])
    known = troubles(FINGERPRINTS)
    rate = 1_000 if options.small else RATE
    count = int(rate * (WARM_S + options.seconds / 2 + 0.5))
    traps = write_datagrams(options.folder / "sealed", sealed(known, count))
    engines = [engine_id(address).hex() for address in dict.fromkeys(trouble.address for trouble in known)]
    for _ in range(options.repeats):
        for name in (OURS, *(PEERS if options.peers else ())):
            case = f"authPriv, {FINGERPRINTS} fingerprints"
            saturate(report, case, name, sender, traps, rate=rate, engines=engines)
    return report

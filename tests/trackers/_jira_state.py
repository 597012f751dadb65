"""What a fake Jira remembers: issues, their workflow and screens, and what its index knew when."""

from dataclasses import dataclass, field
from typing import Any

from tests.trackers._jira_jql import Row

PRIORITIES = {"1": "Highest", "2": "High", "3": "Medium", "4": "Low", "5": "Lowest"}
RESOLUTIONS = {"10000": "Done", "10001": "Won't Do", "10002": "Duplicate"}
CATEGORIES = {"new": (2, "To Do"), "indeterminate": (4, "In Progress"), "done": (3, "Done")}


@dataclass(frozen=True, slots=True)
class Status:
    id: str
    name: str
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    id: str
    name: str
    to: str
    """Id of the status."""
    sources: tuple[str, ...]
    """Ids of the statuses that it leaves."""
    resolution: bool = False
    """Whether its screen has the resolution."""
    required: frozenset[str] = frozenset()
    """Fields that its screen demands."""


@dataclass(frozen=True, slots=True)
class Workflow:
    statuses: tuple[Status, ...]
    transitions: tuple[Transition, ...]

    def status(self, id_or_name: str) -> Status:
        return next(status for status in self.statuses if id_or_name in {status.id, status.name})

    def from_here(self, status_id: str) -> list[Transition]:
        return [transition for transition in self.transitions if status_id in transition.sources]


SIMPLE = Workflow(
    (Status("1", "To Do", "new"), Status("2", "In Progress", "indeterminate"), Status("3", "Done", "done")),
    (
        Transition(id="11", name="To Do", to="1", sources=("2", "3")),
        Transition(id="21", name="In Progress", to="2", sources=("1", "3")),
        Transition(id="31", name="Done", to="3", sources=("1", "2"), resolution=True),
    ),
)
"""As a new Cloud project has it, with a screen on the way to done."""
CLASSIC = Workflow(
    (
        Status("1", "Open", "new"),
        Status("3", "In Progress", "indeterminate"),
        Status("4", "Reopened", "new"),
        Status("5", "Resolved", "done"),
        Status("6", "Closed", "done"),
    ),
    (
        Transition(id="4", name="Start Progress", to="3", sources=("1", "4")),
        Transition(
            id="5",
            name="Resolve Issue",
            to="5",
            sources=("1", "3", "4"),
            resolution=True,
            required=frozenset({"resolution"}),
        ),
        Transition(
            id="2",
            name="Close Issue",
            to="6",
            sources=("1", "3", "4"),
            resolution=True,
            required=frozenset({"resolution"}),
        ),
        Transition(id="701", name="Close Issue", to="6", sources=("5",)),
        Transition(id="3", name="Reopen Issue", to="4", sources=("5", "6"), resolution=True),
    ),
)
"""As Data Center's default workflow has it: resolving demands a resolution."""


@dataclass(slots=True, kw_only=True)
class Issue:
    id: str
    project: str
    number: int
    created_ms: int
    summary: str
    status: str
    description: Any = None
    priority: str = "3"
    labels: list[str] = field(default_factory=list)
    assignee: str = ""
    components: list[str] = field(default_factory=list)
    resolution: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    comments: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Remote links by global id."""
    links: set[str] = field(default_factory=set)
    writes_ms: list[int] = field(default_factory=list)
    mails: int = 0
    """How many mails the edits of this issue caused."""
    indexed: list[tuple[int, Row]] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.project}-{self.number}"

    def index(self, now_ms: int) -> None:
        """Hand the index what is true now; it learns it when its lag has passed."""
        row: Row = {
            "id": self.id,
            "key": self.key,
            "project": self.project,
            "summary": self.summary,
            "labels": tuple(self.labels),
            "created_ms": self.created_ms,
        }
        self.indexed.append((now_ms, row))


@dataclass(slots=True, kw_only=True)
class Project:
    key: str = "OPS"
    id: str = "10000"
    kind: str = "software"
    workflow: Workflow = SIMPLE
    create_screen: set[str] = field(
        default_factory=lambda: {
            "summary", "description", "labels", "priority", "assignee", "components", "issuetype", "project",
        }
    )  # fmt: skip
    edit_screen: set[str] = field(
        default_factory=lambda: {"summary", "description", "labels", "priority", "assignee", "components"}
    )
    required: set[str] = field(default_factory=lambda: {"summary", "issuetype", "project"})
    """Fields that creating demands."""
    issue_types: dict[str, str] = field(default_factory=lambda: {"10001": "Task", "10002": "Bug"})
    components: set[str] = field(default_factory=lambda: {"Transmission"})
    users: set[str] = field(default_factory=lambda: {"noc", "anna"})
    permissions_lacking: set[str] = field(default_factory=set)
    text_limit: int = 32_767
    numbers: int = 0
    form: dict[str, bool] = field(default_factory=lambda: {"summary": True, "description": False})
    """Service Management: fields of the request form, and whether they are required."""
    publishes: bool = False
    """Service Management: whether internal comments come out public."""

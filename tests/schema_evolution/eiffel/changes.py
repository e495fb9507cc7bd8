"""Changes of sources: created by their authors, then submitted."""

from storied.domain.events import Event
from tests.schema_evolution.eiffel.parts import Custom, Link, Meta, Part, Person
from tests.schema_evolution.eiffel.upcasters import History, issues_beside, serializer_then_security


class Change(Part):
    insertions: int = 0
    deletions: int = 0
    files: str = ""
    details: str = ""
    tracker: str = ""
    id: str = ""


class Commit(Part):
    commit_id: str
    repo_uri: str
    branch: str = ""
    repo_name: str = ""


class Revision(Part):
    revision: int
    directory: str
    repo_uri: str
    repo_name: str = ""


class Composite(Part):
    vobs: list[str]
    branch: str
    config_spec: str


class Identified(Part):
    """A change by the name that its version control has for it."""

    git_identifier: Commit | None = None
    svn_identifier: Revision | None = None
    cc_composite_identifier: Composite | None = None
    hg_identifier: Commit | None = None
    custom_data: list[Custom] = []


class Created(Identified):
    author: Person | None = None
    change: Change | None = None


class Submitted(Identified):
    submitter: Person | None = None


class SourceChangeCreated(Event, name="EiffelSourceChangeCreatedEvent", version=9, forbid_unknown_fields=True):
    meta: Meta
    data: Created
    links: list[Link]


class SourceChangeSubmitted(Event, name="EiffelSourceChangeSubmittedEvent", version=8, forbid_unknown_fields=True):
    meta: Meta
    data: Submitted
    links: list[Link]


HISTORY: History = {
    SourceChangeCreated: {2: issues_beside} | serializer_then_security(3),
    SourceChangeSubmitted: serializer_then_security(2),
}

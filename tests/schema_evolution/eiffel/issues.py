"""Issues: defined in their trackers, and verified."""

from storied.domain.events import Event
from tests.schema_evolution.eiffel.parts import Custom, Link, Meta, Part, Remarks
from tests.schema_evolution.eiffel.upcasters import History, issues_beside, serializer_then_security


class Issue(Part):
    type: str
    tracker: str
    id: str
    uri: str
    title: str = ""
    custom_data: list[Custom] = []


class IssueDefined(Event, name="EiffelIssueDefinedEvent", version=7):
    """Its schemas never demanded a thing, nor did they close it: all three may be missing, and more may stand there."""

    meta: Meta | None = None
    data: Issue | None = None
    links: list[Link] = []


class IssueVerified(Event, name="EiffelIssueVerifiedEvent", version=11, forbid_unknown_fields=True):
    meta: Meta
    data: Remarks
    links: list[Link]


HISTORY: History = {
    IssueDefined: serializer_then_security(1),
    IssueVerified: {2: issues_beside} | serializer_then_security(3),
}

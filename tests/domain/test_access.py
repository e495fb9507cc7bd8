"""Rules say who may do what: without one everything is open, from the first one on everything else is closed."""

from typing import Any, cast

import msgspec
import pytest

from storied import EVERYONE, OPERATIONS, App, Command, DefinitionError, Entity, Event, Id, Principal, View, on
from storied.domain.access import HistoryOf, Roles
from storied.errors import AccessDenied

ANNA = Principal("anna", frozenset({"customer"}), {"region": "north"})
CLERK = Principal("carl", frozenset({"clerk"}))
BOTH = Principal("dora", frozenset({"customer", "clerk"}))


class Asked(Event):
    question: Id
    customer: Id


class Question(Entity):
    @on
    def asked(self, event: Asked) -> None: ...


class Ask(Command):
    question: Id
    customer: Id


class Page(View, indexes=["customer", ("region", "customer")]):
    question: Id
    customer: str = ""
    region: str = ""
    text: str = ""

    @on
    def asked(self, event: Asked) -> None:
        self.customer = event.customer


def code(denied: pytest.ExceptionInfo[AccessDenied]) -> str:
    """The code of the error that was raised."""
    return denied.value.code


def test_without_a_rule_everybody_may_do_everything() -> None:
    """An app whose author has not thought of access yet works."""
    app = App("open")
    app.access.check(None, OPERATIONS)
    app.access.check_command(None, Ask(question="q", customer="c"))
    assert (app.access.configured, app.access.visible(None, Page)) == (False, {})


def test_what_no_rule_allows_is_denied_once_there_is_one() -> None:
    """One rule about one thing closes all others."""
    app = App("closed")
    app.allow(Ask, to="customer")
    for subject in (Page, Question, OPERATIONS):
        with pytest.raises(AccessDenied) as denied:
            app.access.check(ANNA, subject)
        assert code(denied) == "forbidden"
    with pytest.raises(AccessDenied):
        app.access.visible(ANNA, Page)


def test_a_rule_is_for_those_who_have_one_of_its_roles() -> None:
    """Several roles in one rule are alternatives."""
    app = App("roles")
    app.allow(Ask, to=["customer", "clerk"])
    for principal in (ANNA, CLERK, BOTH):
        app.access.check_command(principal, Ask(question="q", customer="c"))
    with pytest.raises(AccessDenied):
        app.access.check_command(Principal("eve", frozenset({"Customer", "admin"})), Ask(question="q", customer="c"))


def test_who_is_unknown_is_told_so() -> None:
    """A missing credential and a missing role are two errors."""
    app = App("unknown")
    app.allow(Ask, to="customer")
    with pytest.raises(AccessDenied) as denied:
        app.access.check(None, Ask)
    assert code(denied) == "unauthenticated"


def test_everyone_is_also_who_shows_no_credential() -> None:
    """A public page needs no login."""
    app = App("public")
    app.allow(Page, to=EVERYONE)
    assert app.access.visible(None, Page) == {}
    assert app.access.visible(ANNA, Page) == {}


def test_when_looks_at_the_single_command() -> None:
    """Anna asks for herself and for nobody else."""
    app = App("when")
    app.allow(Ask, to="customer", when=lambda principal, command: command.customer == principal.id)
    app.access.check_command(ANNA, Ask(question="q", customer="anna"))
    with pytest.raises(AccessDenied):
        app.access.check_command(ANNA, Ask(question="q", customer="bert"))


def test_one_rule_that_fits_is_enough() -> None:
    """Rules widen each other."""
    app = App("wider")
    app.allow(Ask, to="customer", when=lambda principal, command: command.customer == principal.id)
    app.allow(Ask, to="clerk")
    app.access.check_command(BOTH, Ask(question="q", customer="anybody"))


def test_a_condition_is_never_met_by_who_is_unknown() -> None:
    """There is no principal that it could be asked about."""
    app = App("conditions")
    app.allow(Ask, to=EVERYONE, when=lambda principal, command: True)
    app.allow(Page, to=EVERYONE, where=lambda principal: {"customer": "all"})
    with pytest.raises(AccessDenied):
        app.access.check_command(None, Ask(question="q", customer="c"))
    with pytest.raises(AccessDenied):
        app.access.visible(None, Page)
    assert app.access.visible(ANNA, Page) == {"customer": "all"}


def test_a_claim_that_is_missing_is_a_no() -> None:
    """What a token happens not to say cannot make the server fail."""
    app = App("claims")
    app.allow(Ask, to=EVERYONE, when=lambda principal, command: bool(principal.claims["region"]))
    app.allow(Page, to=EVERYONE, where=lambda principal: {"region": principal.claims["region"]})
    app.access.check_command(ANNA, Ask(question="q", customer="c"))
    assert app.access.visible(ANNA, Page) == {"region": "north"}
    with pytest.raises(AccessDenied):
        app.access.check_command(CLERK, Ask(question="q", customer="c"))
    with pytest.raises(AccessDenied):
        app.access.visible(CLERK, Page)


class _Later:
    async def __call__(self, principal: Principal, command: object = None) -> bool:
        return False


async def _no(principal: Principal, command: object = None) -> bool:
    return False


@pytest.mark.parametrize("condition", [_no, _Later()])
def test_a_condition_that_has_to_be_awaited_is_refused(condition: Any) -> None:
    """What it promises would count as a yes, for everybody."""
    app = App("late")
    with pytest.raises(DefinitionError, match="when= for Ask is async"):
        app.allow(Ask, to="customer", when=condition)
    with pytest.raises(DefinitionError, match="where= for Page is async"):
        app.allow(Page, to="customer", where=condition)


@pytest.mark.filterwarnings("error")
def test_a_condition_that_answers_with_a_promise_lets_nobody_in() -> None:
    """A plain function may call one that is not."""
    app, hidden = App("hidden"), cast("Any", lambda principal, command=None: _no(principal))
    app.allow(Ask, to="customer", when=hidden)
    with pytest.raises(DefinitionError, match="when= for Ask has to be awaited"):
        app.access.check_command(ANNA, Ask(question="q", customer="anna"))
    with pytest.raises(DefinitionError, match="where= for Page has to be awaited"):
        app.allow(Page, to="customer", where=hidden)


def test_when_may_answer_with_anything_that_is_true_or_false() -> None:
    """As conditions do in Python."""
    app = App("lax")
    region = cast("Any", lambda principal, command: principal.claims.get("region"))
    app.allow(Ask, to="customer", when=region)
    app.access.check_command(ANNA, Ask(question="q", customer="anna"))
    with pytest.raises(AccessDenied):
        app.access.check_command(Principal("eve", frozenset({"customer"})), Ask(question="q", customer="eve"))


def test_a_claim_that_is_missing_shows_nothing_when_it_comes_as_none() -> None:
    """Otherwise it would show each document in which nothing stands."""
    app = App("none")
    app.allow(Page, to="customer", where=lambda principal: {"customer": "c", "region": principal.claims.get("region")})
    assert app.access.visible(ANNA, Page) == {"customer": "c", "region": "north"}
    with pytest.raises(AccessDenied):
        app.access.visible(Principal("eve", frozenset({"customer"})), Page)


def test_where_narrows_a_view() -> None:
    """To the documents that are the principal's, unless another rule shows all."""
    app = App("where")
    app.allow(Page, to="customer", where=lambda principal: {"customer": principal.id})
    app.allow(Page, to="clerk")
    assert app.access.visible(ANNA, Page) == {"customer": "anna"}
    assert app.access.visible(BOTH, Page) == {}


def test_of_several_narrow_rules_the_first_counts() -> None:
    """Lists, documents and streams all ask one question, so there is one condition."""
    app = App("first")
    app.allow(Page, to="clerk", where=lambda principal: {"region": "south"})
    app.allow(Page, to="customer", where=lambda principal: {"customer": principal.id})
    assert app.access.visible(BOTH, Page) == {"region": "south"}
    assert app.access.visible(ANNA, Page) == {"customer": "anna"}


@pytest.mark.parametrize("fields", [{"text": "hi"}, {"customer": "c", "text": "hi"}, {"absent": 1}, {}, None])
def test_where_compares_indexed_fields(fields: dict[str, str]) -> None:
    """A list could not be asked for by any other field; it is found while modules load."""
    with pytest.raises(DefinitionError, match="where="):
        App("fields").allow(Page, to="customer", where=lambda principal: fields)


def test_where_may_compare_the_key() -> None:
    """A document may belong to whom it is named after."""
    app = App("key")
    app.allow(Page, to="customer", where=lambda principal: {"question": principal.id})
    assert app.access.visible(ANNA, Page) == {"question": "anna"}


def test_a_field_that_only_real_principals_bring_is_checked_when_it_comes() -> None:
    """The condition may depend on claims, which are not known while modules load; it fails, and shows nothing."""
    app = App("late")
    app.allow(Page, to="customer", where=lambda principal: {{"north": "text"}[principal.claims["region"]]: "x"})
    with pytest.raises(DefinitionError, match="not indexed"):
        app.access.visible(ANNA, Page)


@pytest.mark.parametrize("to", ["", [], [""], [1]])
def test_a_rule_names_roles(to: Roles) -> None:
    """One that is for nobody is a slip."""
    with pytest.raises(DefinitionError, match="role"):
        App("nobody").allow(Ask, to=to)


@pytest.mark.parametrize("subject", ["Ask", None, 3])
def test_a_rule_is_about_something_that_can_be_asked_for(subject: object) -> None:
    """A name as text is not it."""
    with pytest.raises(DefinitionError, match="cannot be about"):
        App("nothing").allow(subject, to="customer")  # type: ignore[arg-type]  # what is refused


def test_conditions_go_with_what_they_look_at() -> None:
    """A command has no documents, and a view no command."""
    with pytest.raises(DefinitionError, match="where= is for views"):
        App("a").allow(Ask, to="customer", where=lambda principal: {"customer": "c"})
    with pytest.raises(DefinitionError, match="when= is for commands"):
        App("b").allow(Page, to="customer", when=lambda principal, command: True)


def test_a_principal_is_a_value() -> None:
    """Nobody changes who somebody is on the way."""
    with pytest.raises(AttributeError):
        ANNA.id = "bert"  # type: ignore[misc]  # what is refused
    assert msgspec.structs.replace(ANNA, id="anna") == ANNA


def test_a_history_is_a_door_of_its_own() -> None:
    """A rule about a view does not open its histories, and one about histories does not open the view."""
    app = App("histories")
    app.allow(Page, to="clerk")
    app.allow(Page, to="customer", where=lambda principal: {"customer": principal.id}, history=True)
    assert app.access.visible_history(ANNA, Page) == {"customer": "anna"}
    app.access.check(ANNA, HistoryOf(Page))
    for ask in (
        lambda: app.access.visible(ANNA, Page),
        lambda: app.access.visible_history(CLERK, Page),
        lambda: app.access.check(CLERK, HistoryOf(Page)),
    ):
        with pytest.raises(AccessDenied) as denied:
            ask()
        assert code(denied) == "forbidden"


def test_histories_are_open_while_there_is_no_rule() -> None:
    """As everything is."""
    assert App("open").access.visible_history(None, Page) == {}


def test_only_views_have_histories() -> None:
    """A rule about those of anything else is a slip."""
    with pytest.raises(DefinitionError, match="history= is for views, and Ask is none"):
        App("wrong").allow(Ask, to="customer", history=True)

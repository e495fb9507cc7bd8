"""Opening an app: what a URL must be, what is checked before anything runs, and what an opened app tells."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from storied import (
    App,
    Command,
    DefinitionError,
    Entity,
    Event,
    Id,
    InvalidQuery,
    StoreUnavailable,
    View,
    on,
)
from storied.errors import StoreClosed
from storied.testing.clocks import ManualClock


class Opened(Event):
    door: Id


class Door(Entity):
    opened: int = 0

    @on
    def was_opened(self, event: Opened) -> None:
        self.opened += 1


class Open(Command):
    door: str


class Doors(View):
    door: Id

    @on
    def opened(self, event: Opened) -> None: ...


def _house() -> App:
    app = App("house")

    @app.command("POST /doors/{door}")
    def open_door(command: Open, door: Door) -> Opened:
        return Opened(door=command.door)

    app.view("GET /doors/{door}")(Doors)
    return app


@pytest.mark.parametrize("where", ["memory://", "sqlite:///{place}/house.db", "sqlite:///{place}/house"])
async def test_an_app_opens_on_each_url(tmp_path: Path, where: str) -> None:
    """Commands and views work on every engine."""
    async with _house().open(where.format(place=tmp_path)) as house:
        receipt = await house.execute(Open(door="d"))
        assert await house.get(Doors, "d", after=receipt.position) == Doors(door="d")


async def test_a_sqlite_url_without_a_fourth_slash_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log, and the read models beside it, in the working folder."""
    monkeypatch.chdir(tmp_path)
    async with _house().open("sqlite:///house.db") as house:
        await house.execute(Open(door="d"))
        assert {"house.db", "house.views.db"} <= {path.name for path in tmp_path.iterdir()}


async def test_what_was_stored_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    """A file outlives the block."""
    url = f"sqlite:///{tmp_path}/house.db"
    async with _house().open(url) as house:
        await house.execute(Open(door="d"))
    async with _house().open(url) as house:
        assert (await house.state(Door, "d")).opened == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "house.db",
        "/somewhere/house.db",
        "sqlite://",
        "sqlite:///",
        "sqlite://house.db",
        "memory:",
        "memory://house",
        "mysql://localhost/house",
        "sqlite:///house.db?synchronous=off",
        "sqlite:///house.db?mode=ro",
        "sqlite:///house.db#part",
        "sqlite:///:memory:",
        "sqlite:///house%00.db",
    ],
)
async def test_a_url_that_names_no_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The sentence says the forms there are, and no file is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreUnavailable) as caught:
        async with _house().open(url):
            pass
    assert caught.value.code == "bad-url"
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """A mistyped path is told, not turned into a new store."""
    with pytest.raises(StoreUnavailable) as caught:
        async with _house().open(f"sqlite:///{tmp_path}/missing/house.db"):
            pass
    assert caught.value.code == "no-folder"
    assert not (tmp_path / "missing").exists()


async def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    """Another file is refused and stays as it was."""
    file = tmp_path / "house.db"
    file.write_text("a letter, not a database\n" * 100)
    before = file.read_bytes()
    with pytest.raises(StoreUnavailable) as caught:
        async with _house().open(f"sqlite:///{file}"):
            pass
    assert caught.value.code == "not-a-store"
    assert file.read_bytes() == before


async def test_the_read_models_file_is_no_log(tmp_path: Path) -> None:
    """The two kinds of file cannot be mistaken for each other."""
    async with _house().open(f"sqlite:///{tmp_path}/house.db"):
        pass
    with pytest.raises(StoreUnavailable) as caught:
        async with _house().open(f"sqlite:///{tmp_path}/house.views.db"):
            pass
    assert caught.value.code == "not-a-store"


async def test_a_folder_is_no_store(tmp_path: Path) -> None:
    """A path that names a folder is refused."""
    with pytest.raises(StoreUnavailable):
        async with _house().open(f"sqlite:///{tmp_path}"):
            pass


async def test_nothing_works_after_the_block() -> None:
    """An app that was closed says so."""
    async with _house().open("memory://") as house:
        pass
    with pytest.raises(StoreClosed):
        await house.execute(Open(door="d"))


def test_a_command_has_one_handler() -> None:
    """A second one is refused when it is registered, naming the first."""
    app = _house()
    with pytest.raises(DefinitionError, match=r"Open is handled by .*open_door already"):

        @app.command()
        def again(command: Open) -> None: ...


def test_a_handler_is_no_coroutine() -> None:
    """A decision does no I/O."""
    with pytest.raises(DefinitionError, match="is async"):

        @App("a").command()
        async def handle(command: Open) -> None: ...


def test_a_handler_says_which_command_it_takes() -> None:
    """The first parameter is annotated with a command."""
    with pytest.raises(DefinitionError, match="does not say which command"):

        @App("a").command()
        def handle(door: Door) -> None: ...


def test_a_parameter_without_a_type_is_refused() -> None:
    """Nobody can tell what to pass for it."""
    with pytest.raises(DefinitionError, match="parameter what of handler"):

        @App("a").command()
        def handle(command: Open, what) -> None: ...  # type: ignore[no-untyped-def]  # what is tested


def test_an_entitys_parameter_is_called_like_the_field_with_its_id() -> None:
    """The sentence names the parameter and the command that lacks the field."""
    with pytest.raises(DefinitionError, match=r"asks for gate: Door, but Open has no field 'gate'"):

        @App("a").command()
        def handle(command: Open, gate: Door) -> None: ...


def test_two_views_cannot_share_a_name() -> None:
    """The name is the read model's."""
    app = _house()
    with pytest.raises(DefinitionError, match="two views are called Doors"):
        app.view()(type("Doors", (View,), {"__annotations__": {"door": Id}}))


def test_registering_a_view_twice_is_no_error() -> None:
    """The same class under its own name is still one view."""
    app = _house()
    app.view()(Doors)
    assert list(app.views) == ["Doors"]


def _other_opened() -> type[Event]:
    class Opened(Event):
        door: Id
        window: str = ""

    return Opened


OtherOpened = _other_opened()


class Windows(View):
    door: Id

    @on
    def opened(self, event: OtherOpened) -> None: ...  # type: ignore[valid-type]  # made by a function


class Keyless(View):
    text: str = ""

    @on
    def opened(self, event: Opened) -> None: ...


class KeylessByName(View):
    text: str = ""

    @on(key="door")
    def opened(self, event: Opened) -> None: ...


AHEAD, AHEAD_KEYLESS = App("ahead"), App("ahead")


@AHEAD.view()
class Ahead(View):
    door: Id
    later: Later | None = None

    @on
    def opened(self, event: Opened) -> None: ...


@AHEAD_KEYLESS.view()
class AheadKeyless(View):
    later: Later | None = None

    @on(key="door")
    def opened(self, event: Opened) -> None: ...


class Later(msgspec.Struct):
    text: str = ""


class Handless(View):
    door: Id


class Idle(Entity):
    text: str = ""


class Elsewhere(View):
    house: Id

    @on
    def opened(self, event: Opened) -> None: ...


class Unindexed(View):
    house: Id
    door: str = ""

    @on(where="door")
    def opened(self, event: Opened) -> None: ...


class Rest(Command):
    idle: str


def _with_idle(app: App) -> None:
    @app.command()
    def rest(command: Rest, idle: Idle) -> None: ...


WRONG: dict[str, tuple[Any, str]] = {
    "two event classes under one name": (lambda app: app.view()(Windows), "are both stored as 'Opened'"),
    "a view without handlers": (lambda app: app.view()(Handless), "Handless handles no event"),
    "a key that the event lacks": (lambda app: app.view()(Elsewhere), "Opened, which has no field 'house'"),
    "where without an index": (lambda app: app.view()(Unindexed), "'door', which is not indexed"),
    "an entity without handlers": (_with_idle, "Idle handles no event"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_model_that_cannot_work_is_found_before_a_file_is_made(tmp_path: Path, what: str) -> None:
    """Opening checks every definition first."""
    define, told = WRONG[what]
    app = _house()
    define(app)
    with pytest.raises(DefinitionError, match=told):
        async with app.open(f"sqlite:///{tmp_path}/house.db"):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("view", [Keyless, KeylessByName])
def test_a_view_without_a_key_is_refused_when_it_is_registered(view: type[View]) -> None:
    """Though its handlers say how they find documents: none could be made."""
    with pytest.raises(DefinitionError, match="has no key"):
        App("house").view()(view)


async def test_a_view_may_have_a_field_of_a_class_that_is_still_to_come() -> None:
    """Its key is looked for when the app is opened."""
    async with AHEAD.open("memory://") as house:
        await house.record(Opened(door="d"))
        assert await house.get(Ahead, "d", after=1) == Ahead(door="d")
    with pytest.raises(DefinitionError, match="AheadKeyless has no key"):
        async with AHEAD_KEYLESS.open("memory://"):
            pass


def test_an_index_on_a_field_that_is_not_there_is_refused() -> None:
    """Found when the class is made."""
    with pytest.raises(DefinitionError, match="indexes colour, which it does not have"):

        class Coloured(View, indexes=["colour"]):
            door: Id


class Painted(View):
    door: Id
    colour: str

    @on
    def opened(self, event: Opened) -> None: ...


def test_a_view_starts_with_defaults() -> None:
    """Every field but the key has the value it has before the first event; found when it is registered."""
    with pytest.raises(DefinitionError, match="colour needs a default"):
        App("painters").view()(Painted)


async def test_history_tells_who_when_why_and_what(tmp_path: Path) -> None:
    """The records of one stream, in order, with actor, time, command and payload."""
    clock = ManualClock()
    async with _house().open(f"sqlite:///{tmp_path}/house.db", clock=clock) as house:
        await house.execute(Open(door="d"), actor="anna")
        await house.execute(Open(door="e"), actor="bert")
        clock.advance(timedelta(hours=1))
        await house.execute(Open(door="d"), actor="carl")
        told = [(r.position, r.actor, r.metadata.command, r.type, r.payload) async for r in house.history("door:d")]
        assert told == [
            (1, "anna", "Open", "Opened", {"door": "d"}),
            (3, "carl", "Open", "Opened", {"door": "d"}),
        ]
        times = [record.recorded_at async for record in house.history("door:d")]
        assert times[1] - times[0] == timedelta(hours=1)


async def test_history_can_be_narrowed_and_turned_round() -> None:
    """After and until are positions; backwards the last comes first."""
    async with _house().open("memory://") as house:
        for _ in range(5):
            await house.execute(Open(door="d"))
        assert [record.position async for record in house.history("door:d", after=1, until=4)] == [2, 3, 4]
        assert [record.position async for record in house.history("door:d", backwards=True)] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("tag", ["door", "door:", ":d", ""])
async def test_history_of_what_is_no_tag_is_refused(tag: str) -> None:
    """A stream is named by a tag."""
    async with _house().open("memory://") as house:
        with pytest.raises(InvalidQuery):
            house.history(tag)


async def test_state_is_now_or_then() -> None:
    """The entity folded from its stream; as it starts where it has no events."""
    async with _house().open("memory://") as house:
        for _ in range(3):
            await house.execute(Open(door="d"))
        assert (await house.state(Door, "d")) == Door(id="d", opened=3)
        assert (await house.state(Door, "d", at=1)) == Door(id="d", opened=1)
        assert (await house.state(Door, "unknown")) == Door(id="unknown")


async def test_state_of_an_entity_wants_its_id() -> None:
    """An entity with a stream of its own cannot be had without its id."""
    async with _house().open("memory://") as house:
        with pytest.raises(DefinitionError, match="Door needs an id"):
            await house.state(Door)


def test_an_app_tells_what_it_holds() -> None:
    """Handlers, views, entities and routes as they were registered."""
    app = _house()
    assert [handler.name for handler in app.handlers.values()] == ["_house.<locals>.open_door"]
    assert (dict(app.views), dict(app.entities)) == ({"Doors": Doors}, {"Door": Door})
    assert dict(app.routes) == {Open: ("POST /doors/{door}",), Doors: ("GET /doors/{door}",)}
    assert set(app.event_types().by_name) == {"Opened"}


IMPORTING = """
import os, sys, threading
opened, started = [], []

def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and ".db" in arguments[0]:
        opened.append(arguments[0])
    if event in ("socket.connect", "sqlite3.connect", "subprocess.Popen"):
        opened.append(event)

sys.addaudithook(watch)
import tests.projections.shop
import tests.commands.bank
print(opened, threading.enumerate() == [threading.main_thread()], os.listdir("."))
"""


def test_nothing_happens_on_import(tmp_path: Path) -> None:
    """Importing modules that define apps opens no file, starts no thread and connects to nothing."""
    root = str(Path(__file__).parents[1])
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{IMPORTING}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "[] True []\n"

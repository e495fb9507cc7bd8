"""``storied state``: an entity as it is decided on, now or in the past."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

import msgspec

from storied.cli.entering import add_token, check_may
from storied.cli.failures import NotFound, UsageProblem
from storied.cli.moments import add_at
from storied.cli.places import add_app, add_store, load_app, store_url
from storied.cli.printing import Output
from storied.cli.values import fields_text
from storied.cli.verb import Verb
from storied.commands.loading import entity_item, load_at
from storied.domain.entities import Entity, EntitySpec, entity_spec
from storied.domain.times import utc_now
from storied.engines.opening import open_log
from storied.store.moments import Moment, moment
from storied.store.port import EventStore
from storied.store.query import Query


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("entity", metavar="ENTITY", help="the entity's class, such as Order")
    parser.add_argument("id", metavar="ID", nargs="?", help="which one; nothing for an entity without an id")
    add_store(parser)
    add_app(parser)
    add_at(parser)
    add_token(parser)


async def _run(arguments: Namespace, out: Output) -> None:
    app = load_app(arguments)
    entity_class = _entity(app.entities, arguments.entity)
    await check_may(arguments, app, entity_class)
    spec = entity_spec(entity_class)
    _check_id(spec, arguments.id)
    async with open_log(store_url(arguments)) as store:
        then = Moment(await store.head()) if arguments.at is None else await moment(store, arguments.at, utc_now)
        if not await _happened(store, spec, arguments.id, then):
            name = " ".join(filter(None, (spec.cls.__name__, arguments.id)))
            raise NotFound(f"{name} has no event up to position {then.position}. Look for it with `storied streams`.")
        entity = await load_at(store, spec, arguments.id, then)
    if out.json:
        state = {"entity": spec.cls.__name__, "id": arguments.id, "position": then.position, "state": entity}
        out.document(state)
        return
    out.line((spec.cls.__name__, "bold"), f" {arguments.id or ''}".rstrip(), f"  at position {then.position}")
    out.pairs(fields_text(msgspec.to_builtins(entity)), indent="   ")


async def _happened(store: EventStore, spec: EntitySpec, entity_id: str | None, then: Moment) -> bool:
    """Whether there is an event that the entity is folded from."""
    reading = store.read(Query((entity_item(spec, entity_id),)), until=then.position)
    async for page in reading.pages():
        if any(then.keeps(page.events)):
            return True
    return False


def _entity(entities: Mapping[str, type[Entity]], name: str) -> type[Entity]:
    if name not in entities:
        raise UsageProblem(
            f"the app has no entity {name}. Its handlers take {', '.join(sorted(entities)) or 'none'}; name one."
        )
    return entities[name]


def _check_id(spec: EntitySpec, entity_id: str | None) -> None:
    if spec.tag is not None and entity_id is None:
        raise UsageProblem(f"{spec.cls.__name__} needs an id. Say which one: storied state {spec.cls.__name__} ID.")
    if spec.tag is None and entity_id is not None:
        raise UsageProblem(f"{spec.cls.__name__} has no id, there is one of it. Leave {entity_id} out.")


VERB = Verb(
    "state",
    "prints an entity folded from its stream, now or as it was",
    "storied state Order o-1 --at 12 --app shop:app --store shop.db",
    _add_options,
    _run,
)

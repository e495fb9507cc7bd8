"""Readiness: a dead projection is told from an idle one, by what stands beside the documents alone."""

from pathlib import Path

import msgspec
import pytest

from storied import App
from storied.services.commands import command_service
from storied.services.gate import Gate
from storied.services.health import Health, Readied, Readiness, ViewHealth, head_of, view_health
from storied.services.joining import Joined
from storied.services.settings import Settings
from storied.services.web.http import Request
from storied.store.documents import Checkpoint, Edition, Heartbeat, Table
from tests.services.asgi import Wire, ask, scope_of

NOW = 1_000_000.0
EDITION = Edition(Table("Page"), live=True, checkpoint=Checkpoint(7), parked=0, error=None, updated_us=0)
BEAT = Heartbeat("Page", "w-1", "running", 7, 7, 0, int((NOW - 1) * 1e6))


def health(
    *beats: Heartbeat, editions: tuple[Edition, ...] = (EDITION,), settings: Settings | None = None
) -> ViewHealth:
    """How the view is doing by these signs."""
    [found] = view_health(["Page"], editions, beats, settings or Settings(heartbeat_limit=10), NOW)
    return found


def changed(**fields: object) -> Heartbeat:
    """The good sign, with changes."""
    return msgspec.structs.replace(BEAT, **fields)


def test_an_idle_view_is_ready() -> None:
    """It stands at the head, and somebody watches."""
    assert health(BEAT) == ViewHealth("Page", "running", True, 7, 0.0, 1.0)


def test_a_view_without_a_sign_is_dead() -> None:
    """However good its documents look."""
    found = health()
    assert (found.state, found.ready, found.beat_seconds) == ("dead", False, None)


def test_a_view_whose_last_sign_is_old_is_dead() -> None:
    """The threshold is the operator's."""
    old = changed(beaten_us=int((NOW - 11) * 1e6))
    assert (health(old).state, health(old).beat_seconds) == ("dead", 11.0)
    assert health(old, settings=Settings(heartbeat_limit=12)).state == "running"


def test_one_live_worker_is_enough() -> None:
    """The signs of those that died stay a while."""
    dead = changed(worker="w-0", beaten_us=0)
    assert health(dead, BEAT).state == "running"
    failed = changed(worker="w-2", life="failed", beaten_us=int(NOW * 1e6))
    assert health(failed, BEAT).state == "running"
    superseded = changed(worker="w-3", life="superseded", beaten_us=int(NOW * 1e6))
    assert health(superseded, BEAT).state == "running"
    assert health(superseded).state == "dead"


def test_what_is_told_of_a_view_is_the_sign_of_who_keeps_it_up_to_date() -> None:
    """And not that of a worker which has given up since, and sees events wait that are applied by another."""
    failed = changed(worker="w-2", life="failed", beaten_us=int(NOW * 1e6), head=9, lag_us=10**9)
    found = health(failed, BEAT)
    assert (found.lag_seconds, found.beat_seconds) == (0.0, 1.0)


def test_the_last_sign_of_several_workers_counts() -> None:
    """Whichever of them gave it."""
    earlier = changed(worker="w-0", beaten_us=int((NOW - 5) * 1e6))
    assert health(earlier, BEAT).beat_seconds == health(BEAT, earlier).beat_seconds == 1.0


def test_a_failed_view_is_not_ready() -> None:
    """Its worker lives and says so."""
    edition = msgspec.structs.replace(EDITION, error="the handler raised")
    found = health(changed(life="failed"), editions=(edition,))
    assert (found.state, found.ready, found.error) == ("failed", False, "the handler raised")


def test_a_view_with_parked_keys_serves_the_others() -> None:
    """One poisoned document takes nobody else's away."""
    found = health(BEAT, editions=(msgspec.structs.replace(EDITION, parked=2),))
    assert (found.state, found.ready) == ("parked", True)


@pytest.mark.parametrize("parked", [0, 2])
async def test_the_metrics_count_the_documents_that_are_held_back(parked: int) -> None:
    """The view is ready, and its lag is none, so nothing else would wake anybody."""
    found = health(BEAT, editions=(msgspec.structs.replace(EDITION, parked=parked),))
    assert found.parked == parked

    async def readied() -> Readiness:
        return Readiness(True, views=[found])

    request = Request(scope_of("GET", "/metrics"), Wire().receive)
    text = (await Health(Gate(App("pages"), Settings()), readied).metrics(request)).body.decode()
    assert f'storied_view_parked{{view="Page"}} {parked}' in text


def test_a_view_that_is_built_anew_serves_the_old_model() -> None:
    """A rebuild takes no server down."""
    found = health(changed(life="building", position=2))
    assert (found.state, found.ready) == ("building", True)


def test_a_view_that_was_never_built_is_not_ready() -> None:
    """There is nothing to serve."""
    assert health(editions=()).state == "absent"
    beside = msgspec.structs.replace(EDITION, live=False)
    assert health(BEAT, editions=(beside,)).ready is False


@pytest.mark.parametrize(("limit", "ready"), [(None, True), (5.0, False), (8.0, True)])
def test_lag_counts_where_the_operator_says_so(limit: float | None, ready: bool) -> None:
    """What waited when the sign was given has waited on since."""
    late = changed(head=9, lag_us=6_000_000)
    found = health(late, settings=Settings(lag_limit=limit))
    assert (found.lag_seconds, found.ready) == (7.0, ready)


def test_what_has_caught_up_since_is_not_late() -> None:
    """The documents are younger than the sign."""
    late = changed(position=5, head=7, lag_us=6_000_000)
    assert health(late).lag_seconds == 0.0


@pytest.mark.parametrize("sign", [BEAT, changed(head=9, lag_us=2_000_000), changed(position=9, head=9)])
def test_a_dead_view_is_later_every_second(sign: Heartbeat) -> None:
    """Whatever its last sign said: what was written since is known to nobody, and may have waited as long."""
    lags = []
    for age in (9, 11, 60, 3600):
        old = msgspec.structs.replace(sign, beaten_us=int((NOW - age) * 1e6))
        lags.append(health(old).lag_seconds)
    waited = sign.lag_us / 1e6
    assert lags[0] == (9 + waited if waited else 0.0)
    assert lags[1:] == [age + waited for age in (11, 60, 3600)]


def test_the_head_is_what_those_who_live_told_last() -> None:
    """A query service does not open the log for it."""
    settings = Settings(heartbeat_limit=10)
    old = changed(worker="w-0", head=99, beaten_us=int((NOW - 11) * 1e6))
    assert head_of([BEAT, changed(view="Other", head=9), old], settings, NOW) == 9
    assert head_of([old], settings, NOW) is None
    assert head_of([], settings, NOW) is None


@pytest.mark.parametrize(
    ("state", "alive"), [("running", 1), ("building", 1), ("parked", 1), ("failed", 0), ("dead", 0), ("absent", 0)]
)
async def test_the_metrics_say_which_views_are_kept_up_to_date(state: str, alive: int) -> None:
    """Also one of which some documents are held back."""

    async def readied() -> Readiness:
        return Readiness(True, views=[ViewHealth("Page", state, True, 7, 0.0, 1.0)])

    request = Request(scope_of("GET", "/metrics"), Wire().receive)
    text = (await Health(Gate(App("pages"), Settings()), readied).metrics(request)).body.decode()
    assert f'storied_view_alive{{view="Page"}} {alive}' in text


@pytest.mark.parametrize("ready", [(True, True), (True, False), (False, True)])
async def test_several_sides_are_ready_when_all_are(ready: tuple[bool, bool]) -> None:
    """And tell why one is not, and how far the log is that one of them has."""
    heads = iter((None, 7))

    def side(is_ready: bool) -> Readied:
        async def readied() -> Readiness:
            return Readiness(is_ready, [] if is_ready else ["It is not."], head=next(heads))

        return readied

    joined = Joined([], [side(one) for one in ready], Gate(App("pages"), Settings()))
    found = await joined.readied()
    assert (found.ready, found.reasons, found.head) == (all(ready), [] if all(ready) else ["It is not."], 7)


async def test_a_store_that_cannot_be_opened_is_told_and_measured(tmp_path: Path) -> None:
    """A service that cannot open it is not ready, and its metrics are there all the same."""
    service = command_service(App("pages"), f"sqlite:///{tmp_path}/no/folder/app.db")
    answer = await ask(service, "GET", "/readyz")
    assert (answer.status, answer.json["status"], len(answer.json["reasons"])) == (503, "not ready", 1)
    metrics = await ask(service, "GET", "/metrics")
    assert (metrics.status, b"storied_ready 0" in metrics.body) == (200, True)
    await service.aclose()


@pytest.mark.parametrize("beat_seconds", [None, 60.0])
async def test_the_metrics_say_no_lag_that_nobody_knows(beat_seconds: float | None) -> None:
    """Without any sign there is no number, least of all a good one."""
    found = ViewHealth("Page", "dead", False, 7, beat_seconds or 0.0, beat_seconds)

    async def readied() -> Readiness:
        return Readiness(False, views=[found])

    request = Request(scope_of("GET", "/metrics"), Wire().receive)
    text = (await Health(Gate(App("pages"), Settings()), readied).metrics(request)).body.decode()
    assert ('storied_view_lag_seconds{view="Page"} 60' in text) is (beat_seconds is not None)
    assert 'storied_view_lag_seconds{view="Page"} 0' not in text
    assert 'storied_view_alive{view="Page"} 0' in text

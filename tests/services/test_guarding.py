"""What is refused whatever it asks for: foreign hosts and origins, too much of anything, too often, too long."""

import asyncio

import pytest

from storied.errors import DefinitionError, RequestRefused
from storied.services.access.guarding import REMEMBERED, Guard, Rates
from storied.services.settings import Settings
from storied.services.web.deadlines import Deadlines
from tests.services.asgi import request_of


def refusal(settings: Settings, target: str = "/", **headers: str) -> str:
    """The code with which the request is refused; nothing for one that passes."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        Guard(settings).check(request_of("GET", target, headers=given))
    except RequestRefused as refused:
        return refused.code
    return ""


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "localhost:8000", "[::1]:80", "LOCALHOST:1", "localhost.", "127.0.0.1:65535"]
)
def test_the_machine_itself_is_answered(host: str) -> None:
    """Under each of its own names, on any port."""
    assert refusal(Settings(), Host=host) == ""


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil.example:80@localhost",
        "localhost:80:80",
        "localhost:",
        "",
        "127.0.0.1.nip.io",
        "local host",
        "127.1",
        "[::1",
        "localhost/",
        "\xe9",
    ],
)
def test_a_foreign_host_is_refused(host: str) -> None:
    """A page whose name was pointed at this machine (DNS rebinding) gets nothing."""
    assert refusal(Settings(), Host=host) == "bad-host"


def test_a_foreign_host_stays_one() -> None:
    """However often it is asked for."""
    guard = Guard(Settings())
    for _ in range(3):
        with pytest.raises(RequestRefused) as refused:
            guard.check(request_of("GET", "/", headers={"Host": "evil.example"}))
        assert refused.value.code == "bad-host"


@pytest.mark.parametrize("host", ["10.0.0.7", "10.0.0.7:8000", "[2001:db8::7]:8000", "192.0.2.1."])
def test_a_probe_may_come_by_address(host: str) -> None:
    """For it knows no name; and no page can, for the name that it was loaded from stands in its requests."""
    guard = Guard(Settings(hosts=("shop.example",)))
    for path in ("/livez", "/readyz"):
        for method in ("GET", "HEAD", "GET"):
            request = request_of(method, path, headers={"Host": host})
            guard.check(request)
            assert request.stray
    for method, path in (("POST", "/livez"), ("OPTIONS", "/readyz"), ("GET", "/metrics"), ("GET", "/"), ("GET", "/x")):
        with pytest.raises(RequestRefused) as refused:
            guard.check(request_of(method, path, headers={"Host": host}))
        assert refused.value.code == "bad-host"


@pytest.mark.parametrize("host", ["evil.example", "", "10.0.0.7.nip.io", "10.0.0.7:x", "[::1", "0x7f.1"])
def test_a_probe_by_another_name_is_refused(host: str) -> None:
    """It may be a page whose name was pointed at this machine."""
    with pytest.raises(RequestRefused) as refused:
        Guard(Settings()).check(request_of("GET", "/livez", headers={"Host": host}))
    assert refused.value.code == "bad-host"


def test_two_hosts_are_one_too_many() -> None:
    """A proxy and we might take different ones for true."""
    guard = Guard(Settings())
    guard.check(request_of("GET", "/"))
    request = request_of("GET", "/")
    request.scope["headers"].insert(0, (b"host", b"evil.example"))
    with pytest.raises(RequestRefused) as refused:
        guard.check(request)
    assert refused.value.code == "bad-host"


def test_an_operator_names_hosts() -> None:
    """Exactly, by what they end in, or all."""
    settings = Settings(hosts=("shop.example", "*.api.example"))
    assert refusal(settings, Host="shop.example:443") == ""
    assert refusal(settings, Host="eu.api.example") == ""
    assert refusal(settings, Host="a.b.API.example") == ""
    for host in ("api.example", "xapi.example", "localhost", "shop.example.org"):
        assert refusal(settings, Host=host) == "bad-host"
    assert refusal(Settings(hosts=("*",)), Host="anything.example") == ""


@pytest.mark.parametrize("host", ["Shop.Example", "shop.example."])
def test_a_host_is_named_in_any_case(host: str) -> None:
    """And with the dot at the end of every name, or without."""
    for asked in ("shop.example", "SHOP.EXAMPLE.:80"):
        assert refusal(Settings(hosts=(host,)), Host=asked) == ""


@pytest.mark.parametrize(
    "host",
    [
        *("", "http://x/", "http://x", "x/", "x:443", "x y", "a@x", "*x", "*.", "x.*", ".", "..", "**", "::1"),
        *("[::1]:80", "[::1", "b\u00fccher.example", "x\n"),
    ],
)
def test_a_host_that_no_request_can_name_is_refused(host: str) -> None:
    """It would be passed over for ever, and whoever set it would look for the mistake elsewhere."""
    with pytest.raises(DefinitionError, match="without scheme, port and path") as refused:
        Settings(hosts=("localhost", host))
    assert repr(host) in str(refused.value)


@pytest.mark.parametrize(
    "origin",
    [
        *("", "*", "shop.example", "https://shop.example/", "https://", "HTTPS://shop.example"),
        *("https://Shop.example", "https://shop.example:443", "http://shop.example:80", "https://a b"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    """Likewise."""
    with pytest.raises(DefinitionError, match="as browsers send it"):
        Settings(origins=(origin,))


@pytest.mark.parametrize(
    "origin", ["null", "http://localhost:8000", "https://shop.example:8443", "http://[::1]:80443", "app-x://abc"]
)
def test_an_origin_that_browsers_send_is_taken(origin: str) -> None:
    """Of a page, of a sandbox, or of an extension."""
    assert refusal(Settings(origins=(origin,)), Host="localhost", Origin=origin) == ""


@pytest.mark.parametrize("origin", ["http://localhost:8000", "https://localhost:8000", "https://shop.example"])
def test_pages_of_ours_may_send_requests(origin: str) -> None:
    """Those that this host serves, whatever speaks TLS before it, and those that the operator names."""
    settings = Settings(origins=("https://shop.example",))
    assert refusal(settings, Host="localhost:8000", Origin=origin) == ""


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://localhost:9999",
        "http://localhost",
        "https://shop.example.evil.example",
        "https://shop.example:8443",
        "file://",
        "ftp://localhost:8000",
        "http://[",
        "",
    ],
)
def test_pages_of_others_may_not(origin: str) -> None:
    """Also from another port of the same machine."""
    settings = Settings(origins=("https://shop.example",))
    assert refusal(settings, Host="localhost:8000", Origin=origin) == "bad-origin"


def test_too_much_of_anything_is_refused() -> None:
    """Each limit holds on its very edge."""
    settings = Settings(url_limit=20, header_limit=100, header_count=4)
    assert refusal(settings, "/" + "a" * 19) == ""
    assert refusal(settings, "/" + "a" * 20) == "uri-too-long"
    assert refusal(settings, "/?" + "a" * 20) == "uri-too-long"
    fixed = len("host") + len("127.0.0.1") + len("x")
    assert refusal(settings, X="a" * (100 - fixed)) == ""
    assert refusal(settings, X="a" * (101 - fixed)) == "headers-too-large"
    assert refusal(settings, A="", B="", C="") == ""
    assert refusal(settings, A="", B="", C="", D="") == "headers-too-large"


class Clock:
    """Stands where it is put."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_principal_has_its_burst_and_then_its_rate() -> None:
    """It is told when to come again, and then it may."""
    clock = Clock()
    rates = Rates(2.0, 3, clock)
    for _ in range(3):
        rates.take("anna")
    with pytest.raises(RequestRefused) as refused:
        rates.take("anna")
    assert (refused.value.code, refused.value.headers) == ("too-many-requests", {"Retry-After": "1"})
    rates.take("bert")
    clock.now = 0.5
    rates.take("anna")
    with pytest.raises(RequestRefused):
        rates.take("anna")
    clock.now = 100.0
    for _ in range(3):
        rates.take("anna")
    with pytest.raises(RequestRefused):
        rates.take("anna")


def test_who_is_refused_does_not_pay_for_it() -> None:
    """Asking too often does not put off when one may come again."""
    clock = Clock()
    rates = Rates(1.0, 1, clock)
    rates.take("anna")
    for _ in range(100):
        with pytest.raises(RequestRefused):
            rates.take("anna")
    clock.now = 1.0
    rates.take("anna")


def test_without_a_rate_everybody_goes_on_as_they_like() -> None:
    """Nothing is remembered of anybody."""
    rates = Rates(0.0, 1)
    for _ in range(1000):
        rates.take("anna")


def test_the_memory_of_rates_has_an_end() -> None:
    """However many addresses somebody sends from."""
    clock = Clock()
    rates = Rates(1.0, 1, clock)
    for number in range(REMEMBERED * 2 + 10):
        rates.take(f"who-{number}")
    assert len(rates._due) <= REMEMBERED
    with pytest.raises(RequestRefused):
        rates.take(f"who-{REMEMBERED * 2 + 9}")
    clock.now = 10.0
    rates.take("one more")
    rates.take("and another")
    assert len(rates._due) <= REMEMBERED


def test_who_owes_is_not_forgotten_for_who_does_not() -> None:
    """Room is made by those who have their whole burst again: nobody gets another one by sending from elsewhere too."""
    clock = Clock()
    rates = Rates(1.0, 1, clock)
    for number in range(REMEMBERED - 1):
        rates.take(f"who-{number}")
    clock.now = 1.0
    rates.take("anna")
    clock.now = 1.5
    rates.take("one too many")
    with pytest.raises(RequestRefused):
        rates.take("anna")


async def test_what_is_late_is_cancelled_once() -> None:
    """And says so; the task can go on, and what is in time is left alone."""
    deadlines = Deadlines(0.02)
    in_time = deadlines.begin()
    assert deadlines.end(in_time) is False
    task = deadlines.begin()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    assert deadlines.end(task) is True
    assert task.cancelling() == 0  # nothing that it does from here on takes itself for cancelled
    assert deadlines.end(task) is False
    await asyncio.sleep(0)


async def test_each_of_many_has_its_own_deadline() -> None:
    """One timer looks after them all."""
    deadlines = Deadlines(0.05)
    gate = asyncio.Event()

    async def waits() -> bool:
        task = deadlines.begin()
        try:
            await gate.wait()
        except asyncio.CancelledError:
            return deadlines.end(task)
        return deadlines.end(task)

    early = [asyncio.create_task(waits()) for _ in range(5)]
    assert await asyncio.gather(*early) == [True] * 5
    late = asyncio.create_task(waits())
    await asyncio.sleep(0)
    gate.set()
    assert await late is False


async def test_somebody_else_s_cancelling_is_not_ours() -> None:
    """A server that goes down ends requests as before."""
    deadlines = Deadlines(10)

    async def waits() -> None:
        task = deadlines.begin()
        try:
            await asyncio.Event().wait()
        finally:
            assert deadlines.end(task) is False

    running = asyncio.create_task(waits())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

"""Runs `async def` tests, each in an event loop of its own and against a deadline.

An async test needs no marker and no plugin. What it opens it opens with `async with` inside the test, so
fixtures are plain functions; one that needs the loop returns an async context manager.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

pytest.register_assert_rewrite("storied.testing")  # the contract suites explain their failures like tests do

DEADLINE_SHARE = 0.75  # of pytest's own timeout: the sentence below comes before pytest-timeout's thread dumps


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    """The item has run when it is an async test; any other is left to pytest."""
    function = pyfuncitem.obj
    run = functools.partial(_run, deadline=_deadline(pyfuncitem))
    property_test = getattr(function, "hypothesis", None)
    if property_test is not None and inspect.iscoroutinefunction(property_test.inner_test):
        property_test.inner_test = _blocking(property_test.inner_test, run)  # one loop for each example
        return None
    if not inspect.iscoroutinefunction(function):
        return None
    wanted = inspect.signature(function).parameters
    run(function(**{name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}))
    return True


def _run(test: Coroutine[Any, Any, None], *, deadline: float | None) -> None:
    async def within_deadline() -> None:
        try:
            async with asyncio.timeout(deadline) as limit:
                await test
        except TimeoutError:
            if not limit.expired():  # the test's own
                raise
            pytest.fail(
                f"still waiting after {deadline:g} s; if it must take longer, use @pytest.mark.timeout(seconds)"
            )

    asyncio.run(within_deadline(), debug=False)


def _blocking(
    test: Callable[..., Coroutine[Any, Any, None]], run: Callable[[Coroutine[Any, Any, None]], None]
) -> Callable[..., None]:
    @functools.wraps(test)
    def blocking(*args: Any, **kwargs: Any) -> None:
        run(test(*args, **kwargs))

    return blocking


def _deadline(item: pytest.Function) -> float | None:
    marker = item.get_closest_marker("timeout")
    if marker is None:
        seconds = float(item.config.getini("timeout") or 0)
    else:
        seconds = float(marker.args[0] if marker.args else marker.kwargs["timeout"])
    return seconds * DEADLINE_SHARE or None

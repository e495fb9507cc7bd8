"""The contract suites: every law of the ports as a test, for any engine, here or elsewhere.

An engine's test file is one declaration, run by pytest with any plugin for ``async def`` tests::

    class TestMyStore(DurableStoreContract):
        @asynccontextmanager
        async def open_store(self, place, clock=utc_now):
            async with my_store(place / "log", clock) as store:
                yield store

`EventStoreContract` is for a store that lives in memory, `DurableStoreContract` for one whose log outlives it;
`DocumentsContract` and `DurableDocumentsContract` are the same for read models, by ``open_documents(self, place)``.
`StreamSearchContract` is for stores that also find streams by part of their name, by ``open_store`` too.
Only this package of storied needs pytest.
"""

import pkgutil

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))

# Only modules imported after that line show the values in a failed assert.
from storied.testing.contract.documents import DocumentsContract, DurableDocumentsContract  # noqa: E402 - see above
from storied.testing.contract.searching import StreamSearchContract  # noqa: E402 - see above
from storied.testing.contract.store import DurableStoreContract, EventStoreContract  # noqa: E402 - see above

__all__ = [
    "DocumentsContract",
    "DurableDocumentsContract",
    "DurableStoreContract",
    "EventStoreContract",
    "StreamSearchContract",
]

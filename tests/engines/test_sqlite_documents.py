"""The SQLite engine keeps the read models' contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storied.engines.sqlite.documents import SqliteDocuments
from storied.testing.contract import DurableDocumentsContract


class TestSqliteDocuments(DurableDocumentsContract):
    """Every fact, on a database file."""

    @asynccontextmanager
    async def open_documents(self, place: Path) -> AsyncIterator[SqliteDocuments]:
        """The documents in the file ``views.db`` at *place*."""
        documents = await SqliteDocuments.open(place / "views.db")
        try:
            yield documents
        finally:
            await documents.aclose()

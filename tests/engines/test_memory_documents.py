"""The memory engine keeps the read models' contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storied.engines.memory.documents import MemoryDocuments
from storied.testing.contract import DocumentsContract


class TestMemoryDocuments(DocumentsContract):
    """Every fact, on documents in this process's memory."""

    @asynccontextmanager
    async def open_documents(self, place: Path) -> AsyncIterator[MemoryDocuments]:
        """New documents: *place* means nothing to them."""
        documents = MemoryDocuments()
        try:
            yield documents
        finally:
            await documents.aclose()

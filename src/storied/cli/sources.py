"""Sources: code that runs as it stands in its files, and never as Python kept it compiled.

Python takes what it kept, a ``.pyc``, for that of a file as long as the second of the file's last change and its size
are the same. Two changes within one second may leave both as they were, and then the first is at work for good.
"""

from __future__ import annotations

import sys
from importlib.abc import PathEntryFinder
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path
from types import CodeType

_INSTALLED = {"site-packages", "dist-packages"}


class _Source(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Compiled now; nothing is kept of it."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def run_from_source(folder: Path) -> None:
    """From now on modules below the folder are compiled when they are imported; what is installed there is not."""
    below, finder = (
        folder.resolve(),
        FileFinder.path_hook((ExtensionFileLoader, EXTENSION_SUFFIXES), (_Source, SOURCE_SUFFIXES)),
    )

    def find(place: str) -> PathEntryFinder:
        path = Path(place).resolve()
        if not path.is_relative_to(below) or _INSTALLED & {*path.relative_to(below).parts}:
            raise ImportError(f"{place} is left to Python's own", path=place)
        return finder(place)

    sys.path_hooks.insert(0, find)
    sys.path_importer_cache.clear()

"""Pages of Markdown, and the fenced blocks on them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Block:
    """One code block: its language, its text, and the line of the page on which the text starts."""

    language: str
    text: str
    page: Path
    line: int

    @property
    def place(self) -> str:
        """Where a person finds the block: `page:line`."""
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A shell command as a page shows it, with the output shown below it."""

    line: str
    output: str


def pages() -> list[Path]:
    """README.md and every page below docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, text: str | None = None) -> Iterator[Block]:
    """The code blocks of *page* from top to bottom; an indented one has no language."""
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8") if text is None else text):
        if token.type in {"fence", "code_block"}:
            start = token.map[0] if token.map else 0
            opening = 1 if token.type == "fence" else 0
            yield Block(token.info.strip(), token.content, page, start + opening + 1)


def commands(block: Block) -> Iterator[Command]:
    """The `$ ` lines of a console block, each with the lines up to the next; a trailing backslash goes on."""
    joined = re.sub(r"\\\n\s*", "", block.text)
    before, *entries = re.split(r"^\$ ", joined, flags=re.MULTILINE)
    if before.strip() or not entries:
        raise ValueError(f"{block.place}: a console block starts with a `$ ` line; use text for output alone.")
    for entry in entries:
        line, _, output = entry.partition("\n")
        yield Command(line.strip(), output.strip("\n"))


def matches(shown: str, real: str) -> bool:
    """Whether *real* output is what the page has *shown*; `...` in it stands for anything, lines included.

    Trailing blanks, and empty lines at either end, are not compared.
    """
    pattern = ".*".join(map(re.escape, _trimmed(shown).split("...")))
    return re.fullmatch(pattern, _trimmed(real), flags=re.DOTALL) is not None


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")

"""The journal outlives the process that writes it, in whatever state that leaves it."""

from pathlib import Path

from chaos.journal import Journal, Note, entries


def test_a_torn_line_is_left_out_and_the_next_is_whole(tmp_path: Path) -> None:
    """A process that is killed while it writes a line takes that line with it and no other."""
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.write(Note("before", at=1))
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"type":"Note","text":"to')
    assert entries(path) == [Note("before", at=1)]
    journal = Journal(path)
    journal.write(Note("after", at=2))
    journal.close()
    assert entries(path) == [Note("before", at=1), Note("after", at=2)]

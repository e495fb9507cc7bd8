"""Facts about reading a stretch of the log: its ends, its limit, its direction, and its pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from storied.store.query import Query
from storied.store.reading import PAGE, Page
from storied.store.records import NewEvent
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.specimens import event, events, positions, stored


def every_third(count: int) -> list[NewEvent]:
    """That many events, of which those at 3, 6, 9 … are tagged ``third:t``."""
    return [event("Noted", *(["third:t"] if n % 3 == 0 else [])) for n in range(1, count + 1)]


THIRDS = Query.of(tags=["third:t"])


def shape(pages: list[Page]) -> list[tuple[list[int], int]]:
    """The positions in each page, and how far it saw."""
    return [(positions(page.events), page.through) for page in pages]


class ReadingFacts(OpensStores):
    """What `read` gives."""

    async def test_after_is_left_out(self, tmp_path: Path) -> None:
        """A reading goes on beyond the position that its reader has seen."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(9))
            assert positions(await store.read(after=6).list()) == [7, 8, 9]

    async def test_until_is_included(self, tmp_path: Path) -> None:
        """A reading up to a position shows the event that stands there."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(9))
            assert positions(await store.read(until=3).list()) == [1, 2, 3]

    async def test_until_0_gives_nothing(self, tmp_path: Path) -> None:
        """Before the first event there is nothing, and 0 does not mean the head."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(9))
            assert await store.read(until=0).list() == []

    async def test_until_beyond_the_head_reads_to_the_head(self, tmp_path: Path) -> None:
        """A reading does not wait for what is not there yet."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(4))
            assert positions(await store.read(after=2, until=2**63 - 1).list()) == [3, 4]

    @pytest.mark.parametrize("backwards", [False, True])
    @pytest.mark.parametrize(("after", "until"), [(9, None), (50, None), (2**63 - 1, None), (4, 4), (6, 3)])
    async def test_an_empty_stretch_gives_nothing(
        self, tmp_path: Path, after: int, until: int | None, backwards: bool
    ) -> None:
        """At the head, beyond it, and between ends that leave no room, there is nothing to read."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(9))
            assert await store.read(after=after, until=until, backwards=backwards).list() == []

    async def test_a_limit_gives_the_first_ones(self, tmp_path: Path) -> None:
        """At most so many, counted from the start of the stretch, and only what matches counts."""
        async with self.open_store(tmp_path) as store:
            await store.append(every_third(20))
            assert positions(await store.read(THIRDS, after=3, limit=2).list()) == [6, 9]

    async def test_a_limit_backwards_gives_the_last_ones(self, tmp_path: Path) -> None:
        """The newest events are read without reading the oldest."""
        async with self.open_store(tmp_path) as store:
            await store.append(every_third(20))
            assert positions(await store.read(THIRDS, until=14, limit=2, backwards=True).list()) == [12, 9]

    async def test_a_limit_of_0_gives_nothing(self, tmp_path: Path) -> None:
        """0 is a number, not the absence of one."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(9))
            assert await store.read(limit=0).list() == []

    async def test_a_limit_beyond_what_is_there_gives_all(self, tmp_path: Path) -> None:
        """A limit larger than the log, or than any page, is no error."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(9))
            assert positions(await store.read(limit=2**40).list()) == list(range(1, 10))

    async def test_backwards_keeps_to_both_ends(self, tmp_path: Path) -> None:
        """The stretch is the same one, read from its end."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(9))
            assert positions(await store.read(after=3, until=7, backwards=True).list()) == [7, 6, 5, 4]

    @pytest.mark.parametrize("backwards", [False, True])
    async def test_a_stretch_longer_than_a_page_is_read_whole(self, tmp_path: Path, backwards: bool) -> None:
        """A reading goes from page to page to its end."""
        async with self.open_store(tmp_path) as store:
            total = 2 * PAGE + 7
            await store.append(events(total))
            found = positions(await store.read(backwards=backwards).list())
            assert found == sorted(range(1, total + 1), reverse=backwards)

    async def test_a_limit_longer_than_a_page_is_kept(self, tmp_path: Path) -> None:
        """The limit counts over all pages."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(2 * PAGE))
            assert positions(await store.read(after=3, limit=PAGE + 5).list()) == list(range(4, PAGE + 9))

    async def test_nothing_is_asked_before_the_reading_is_iterated(self, tmp_path: Path) -> None:
        """What is stored between `read` and the iteration is seen."""
        async with self.open_store(tmp_path) as store:
            reading = store.read()
            await store.append(events(2))
            assert positions(await reading.list()) == [1, 2]

    async def test_a_reading_may_be_read_again(self, tmp_path: Path) -> None:
        """Each iteration starts anew, and sees what has come."""
        async with self.open_store(tmp_path) as store:
            reading = store.read(after=1)
            await store.append(events(2))
            first = positions(await reading.list())
            await store.append(events(1))
            assert (first, positions([record async for record in reading])) == ([2], [2, 3])

    async def test_a_reading_goes_on_over_what_comes_meanwhile(self, tmp_path: Path) -> None:
        """Without `until` the end is the head as it is when the reading gets there."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(4))
            found = []
            async for page in store.read().pages(2):
                found += positions(page.events)
                if len(found) == 2:
                    await store.append(events(3))
            assert found == [1, 2, 3, 4, 5, 6, 7]

    async def test_a_reading_backwards_never_sees_what_comes_meanwhile(self, tmp_path: Path) -> None:
        """It started at the head of its first page and goes away from it."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(4))
            found = []
            async for page in store.read(backwards=True).pages(2):
                found += positions(page.events)
                await store.append(events(3))
            assert found == [4, 3, 2, 1]

    @pytest.mark.parametrize("backwards", [False, True])
    async def test_contents_are_those_of_the_pages(self, tmp_path: Path, backwards: bool) -> None:
        """Positions, types, versions and payloads are the same, whatever a page is cut by."""
        async with self.open_store(tmp_path) as store:
            for number in range(7):
                await store.append(events(3, f"T{number % 3}", f"a:{number % 2}"))
            for query in (Query(), Query.of(tags=["a:1"]), Query.of(types=["T0", "T2"])):
                expected = [(r.position, r.type, r.version, r.data) for r in await stored(store, query)]
                reading = store.read(query, backwards=backwards)
                found = [c async for contents in reading.contents(4) for c in contents.events]
                assert [(c.position, c.type, c.version, c.data) for c in found] == expected[:: -1 if backwards else 1]

    async def test_contents_of_a_subscription_go_on(self, tmp_path: Path) -> None:
        """What comes is given as what is stored."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(3))
            pages = aiter(store.subscribe().contents(2))
            assert [(await anext(pages)).positions for _ in range(2)] == [[1, 2], [3]]
            await store.append(events(1))
            assert (await anext(pages)).positions == [4]

    async def test_large_payloads_come_whole(self, tmp_path: Path) -> None:
        """However an engine cuts its pages for them."""
        async with self.open_store(tmp_path) as store:
            await store.append(
                [event("Large", note=letter * 600_000) for letter in "abcdefghijklmnopqrstuvwxyzabcdefgh"]
            )
            expected = [record.data for record in await stored(store)]
            found = [data async for contents in store.read().contents() for data in contents.payloads]
            assert found == expected

    async def test_a_reading_left_in_the_middle_holds_nothing_up(self, tmp_path: Path) -> None:
        """Appends and other readings go on while a reader thinks, and after it has gone away."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(9))
            async for _ in store.read():
                await store.append([event("Thought")])
                break
            assert positions(await stored(store, Query.of(types=["Thought"]))) == [10]


class PagingFacts(OpensStores):
    """What `Reading.pages` gives: events in portions, and how far each portion saw."""

    @pytest.mark.parametrize("backwards", [False, True])
    @pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 12, 100])
    async def test_pages_of_any_size_add_up_to_the_list(self, tmp_path: Path, size: int, backwards: bool) -> None:
        """No event is lost or doubled at the seam of two pages, and none but the last page is short."""
        async with self.open_store(tmp_path) as store:
            await store.append(every_third(20))
            reading = store.read(THIRDS, after=2, until=19, backwards=backwards)
            pages = [page async for page in reading.pages(size)]
            assert [record for page in pages for record in page.events] == await reading.list()
            assert all(len(page.events) == size for page in pages[:-1])

    async def test_a_full_page_saw_up_to_its_last_event(self, tmp_path: Path) -> None:
        """What lies beyond is for the next page to tell."""
        async with self.open_store(tmp_path) as store:
            await store.append(every_third(12))
            pages = [page async for page in store.read(THIRDS).pages(3)]
            assert shape(pages)[0] == ([3, 6, 9], 9)

    async def test_the_last_page_saw_up_to_the_head(self, tmp_path: Path) -> None:
        """A reader moves on over a stretch where nothing matches."""
        async with self.open_store(tmp_path) as store:
            await store.append(every_third(11))
            pages = [page async for page in store.read(THIRDS).pages(2)]
            assert shape(pages) == [([3, 6], 6), ([9], 11)]

    async def test_the_last_page_saw_up_to_until(self, tmp_path: Path) -> None:
        """`until` before the head is as far as a reading sees."""
        async with self.open_store(tmp_path) as store:
            await store.append(every_third(20))
            pages = [page async for page in store.read(THIRDS, until=11).pages(2)]
            assert shape(pages) == [([3, 6], 6), ([9], 11)]

    async def test_a_page_without_a_match_saw_up_to_the_head(self, tmp_path: Path) -> None:
        """That nothing matched is an answer too, and it says up to where."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(5000))
            pages = [page async for page in store.read(THIRDS).pages(10)]
            assert shape(pages) == [([], 5000)]

    async def test_a_page_beyond_the_head_never_steps_back(self, tmp_path: Path) -> None:
        """A reader that is ahead of the log is not sent back by it."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(5))
            pages = [page async for page in store.read(after=9).pages(10)]
            assert shape(pages) == [([], 9)]

    async def test_pages_backwards_say_how_far_down_they_saw(self, tmp_path: Path) -> None:
        """A full page saw down to its last event, that included; the last page down to `after`."""
        async with self.open_store(tmp_path) as store:
            await store.append(every_third(14))
            pages = [page async for page in store.read(THIRDS, after=1, backwards=True).pages(3)]
            assert shape(pages) == [([12, 9, 6], 5), ([3], 1)]

    async def test_pages_keep_to_the_limit(self, tmp_path: Path) -> None:
        """The last page is as short as the limit makes it."""
        async with self.open_store(tmp_path) as store:
            await store.append(events(20))
            pages = [page async for page in store.read(limit=5).pages(2)]
            assert [positions(page.events) for page in pages] == [[1, 2], [3, 4], [5]]

"""Every subscriber sees every change in order, or is dropped; none holds up another."""

from datetime import UTC, datetime

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.usermap.maps import clear, tell
from trio_finger.store import MemoryStore
from trio_finger.usermap import Change, ChangeFeed, Status, UserMap
from trio_finger.usermap._feed import FEED_SIZE

SINCE = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)


def change(number: int) -> Change:
    return Change("moshez", Status("moshez", f"status {number}", SINCE))


async def test_nobody_listens() -> None:
    """Publishing to nobody does nothing."""
    ChangeFeed().publish(change(1))


async def test_every_change_in_order_to_everybody() -> None:
    """All subscribers get the same changes in the order in which they were published."""
    feed = ChangeFeed()
    changes = [change(number) for number in range(100)]
    with feed.subscribe() as one, feed.subscribe() as other:
        for each in changes:
            feed.publish(each)
        assert [await one.receive() for _ in changes] == changes
        assert [await other.receive() for _ in changes] == changes


async def test_from_now_on() -> None:
    """A subscriber gets what is published while it is subscribed, nothing from before."""
    feed = ChangeFeed()
    feed.publish(change(1))
    with feed.subscribe() as changes:
        feed.publish(change(2))
        assert await changes.receive() == change(2)
        with pytest.raises(trio.WouldBlock):
            changes.receive_nowait()


async def test_waiting_subscriber_is_woken() -> None:
    """A subscriber that waits gets a change when it comes."""
    feed = ChangeFeed()
    got: list[Change] = []

    async def listen() -> None:
        with feed.subscribe() as changes:
            got.append(await changes.receive())

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await wait_all_tasks_blocked()
            feed.publish(change(1))
    assert got == [change(1)]


@pytest.mark.parametrize("size", [1, 2, FEED_SIZE])
async def test_bound_is_exact(size: int) -> None:
    """A subscriber may be *size* changes behind; at one more it is dropped."""
    feed = ChangeFeed()
    with feed.subscribe(size) as changes:
        for number in range(size):
            feed.publish(change(number))
        for number in range(size):
            assert await changes.receive() == change(number)
        for number in range(size + 1):
            feed.publish(change(number))
        assert [each async for each in changes] == [change(number) for number in range(size)]


async def test_default_bound() -> None:
    """Without a word about it, a subscriber may be `FEED_SIZE` changes behind."""
    feed = ChangeFeed()
    with feed.subscribe() as changes:
        for number in range(FEED_SIZE + 10):
            feed.publish(change(number))
        assert len([each async for each in changes]) == FEED_SIZE


async def test_slow_subscriber_is_dropped_and_others_are_not() -> None:
    """One that does not read costs the others nothing: they go on, before and after it ends."""
    feed = ChangeFeed()
    with feed.subscribe(100) as quick, feed.subscribe(2) as slow, feed.subscribe(100) as other:
        for number in range(10):
            feed.publish(change(number))
        assert [each async for each in slow] == [change(0), change(1)]
        feed.publish(change(10))
        for number in range(11):
            assert await quick.receive() == change(number)
            assert await other.receive() == change(number)
        with pytest.raises(trio.EndOfChannel):
            slow.receive_nowait()


async def test_dropped_subscriber_may_come_again() -> None:
    """Whoever was dropped can subscribe anew, while the old subscription is still open too."""
    feed = ChangeFeed()
    with feed.subscribe(1):
        feed.publish(change(1))
        feed.publish(change(2))
        with feed.subscribe(1) as changes:
            feed.publish(change(3))
            assert await changes.receive() == change(3)


async def test_leaving() -> None:
    """A subscriber that left, even by an exception, is published to no more."""
    feed = ChangeFeed()
    with pytest.raises(ZeroDivisionError), feed.subscribe() as changes:
        raise ZeroDivisionError
    feed.publish(change(1))
    with pytest.raises(trio.ClosedResourceError):
        changes.receive_nowait()


async def test_subscriber_that_closed_its_end() -> None:
    """A subscriber that closes its channel early harms no publisher and nobody else."""
    feed = ChangeFeed()
    with feed.subscribe() as closed, feed.subscribe() as changes:
        closed.close()
        feed.publish(change(1))
        feed.publish(change(2))
        assert await changes.receive() == change(1)
        assert await changes.receive() == change(2)


async def test_the_map_publishes_what_its_writers_were_told() -> None:
    """A set is heard with what `set` returned, a clear and a removal without a status."""
    users = UserMap(MemoryStore(), clock=lambda: SINCE)
    with users.subscribe() as changes:
        status = await tell(users, "moshez", "Here")
        assert await changes.receive() == Change("moshez", status)
        await clear(users, "MOSHEZ")
        assert await changes.receive() == Change("moshez", None)
        listed = Status("Moshez", "Listed", SINCE)
        await users.replace_file({"moshez": listed})
        assert await changes.receive() == Change("Moshez", listed)
        await users.replace_file({})
        assert await changes.receive() == Change("Moshez", None)


async def test_slow_subscriber_does_not_hold_up_writers() -> None:
    """Writers go on whatever the subscribers of the map do."""
    users = UserMap(MemoryStore())
    with users.subscribe(1) as slow, trio.fail_after(5):
        for number in range(5):
            await tell(users, "moshez", f"status {number}")
        assert [each.status.text async for each in slow if each.status] == ["status 0"]
    status = users.get("moshez")
    assert status is not None
    assert status.text == "status 4"

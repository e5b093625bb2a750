"""Work after an answer: owned, bounded, drained at the shutdown, and logged if it fails."""

import asyncio

from governance.gate.background import Background


async def test_background_waits_for_tasks_at_the_shutdown():
    background, done = Background(10, 5.0), []

    async def work():
        await asyncio.sleep(0.05)
        done.append(True)

    await background.adopt(asyncio.create_task(work()))
    assert done == []
    await background.close()
    assert done == [True]


async def test_background_cancels_tasks_that_take_too_long(caplog):
    background = Background(10, 0.05)
    task = asyncio.create_task(asyncio.sleep(60))
    await background.adopt(task)
    await background.close()
    assert task.cancelled() and "1 applications that ran after their answers were cancelled" in caplog.text


async def test_background_holds_the_answer_of_one_task_too_many():
    background, done = Background(1, 5.0), []

    async def work():
        await asyncio.sleep(0.1)
        done.append(True)

    await background.adopt(asyncio.create_task(asyncio.sleep(60)))
    await background.adopt(asyncio.create_task(work()))
    assert done == [True]
    await asyncio.wait_for(asyncio.shield(asyncio.sleep(0)), 1)
    background._drain_seconds = 0.0
    await background.close()


async def test_background_logs_a_failure_without_its_text(caplog):
    async def fail():
        raise ValueError("jane@example.org")

    background = Background(10, 1.0)
    task = asyncio.create_task(fail())
    await background.adopt(task)
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert "failed after its answer was sent: ValueError at test_background.py" in caplog.text
    assert "jane" not in caplog.text
    await background.close()

"""Waiting that ends early when the process is told to stop."""

import asyncio


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """For so long, or until told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


async def either(*events: asyncio.Event) -> None:
    """Until the first of them is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()

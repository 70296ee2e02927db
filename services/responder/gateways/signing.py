"""Who a request comes from: a token that stays, a signature, or a token that runs out and is renewed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, assert_never

import structlog

from libs.common import db
from libs.common.db import Database
from libs.common.errors import Raced, Unavailable
from services.responder.domain.posting import Answered
from services.responder.gateways import oauth
from services.responder.store import credentials as store
from services.responder.store.credentials import Account, Busy, Kept, Lent, Pair

log = structlog.get_logger()

ASK_AGAIN_SECONDS = 0.1  # whether another replica has renewed it
_AWAY_SECONDS = (0.2, 5.0)
_CLOSE_SECONDS = 5.0


class Denied(Exception):
    """The network gives this account no token any more; the message is its own word for it."""


class Signer(Protocol):
    """One account's right to ask."""

    async def sign(self, method: str, url: str, query: Mapping[str, str]) -> dict[str, str]:
        """The headers that say who asks.

        Raises:
            Denied: the network gives us no token.
            Unavailable: it could not be asked for one.
        """
        ...

    def is_over(self, answer: Answered) -> bool:
        """Whether the answer says that the token has run out."""
        ...

    async def renew(self, used: Mapping[str, str]) -> bool:
        """Whether there is another token than in these headers now.

        Raises:
            Unavailable: nobody could say yet.
        """
        ...

    async def close(self) -> None:
        """Finish a renewal that is on its way."""
        ...


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token that is what it is."""

    token: str = field(repr=False)

    async def sign(self, method: str, url: str, query: Mapping[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def is_over(self, answer: Answered) -> bool:
        return answer.status == 401

    async def renew(self, used: Mapping[str, str]) -> bool:
        return False

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Signed:
    """Every request has a signature of its own."""

    who: oauth.OAuth1

    async def sign(self, method: str, url: str, query: Mapping[str, str]) -> dict[str, str]:
        return {"Authorization": oauth.authorization(self.who, method, url, query)}

    def is_over(self, answer: Answered) -> bool:
        return answer.status == 401

    async def renew(self, used: Mapping[str, str]) -> bool:
        return False

    async def close(self) -> None:
        pass


class Rotating:
    """A token that runs out. The pair in use is in the database, and one process of all renews it at a time.

    Renewing takes the old pair's force away, so once begun it is finished and kept, whatever becomes of the request
    that asked for it.
    """

    def __init__(
        self,
        database: Database,
        account: Account,
        given: Pair,
        fetch: Callable[[Pair], Awaitable[Pair]],
        *,
        lease: timedelta,
        says_over: Callable[[Answered], bool] = lambda answer: answer.status == 401,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Ask nobody yet.

        Args:
            given: the operator's; an empty token is fetched when it is first needed.
            fetch: gets a new pair for an old one; raises `Denied` or `Unavailable`.
            lease: longer than `fetch` ever takes; after it another replica may try.
            close: lets go of what `fetch` needs.
        """
        self._database = database
        self._account = account
        self._given = given
        self._fetch = fetch
        self._lease = lease
        self._says_over = says_over
        self._close = close
        self._pair: Pair | None = None
        self._one_at_a_time = asyncio.Lock()
        self._on_its_way: set[asyncio.Task[bool]] = set()

    async def sign(self, method: str, url: str, query: Mapping[str, str]) -> dict[str, str]:
        pair = self._pair or await self._load()
        if not pair.access:
            if not await self._renewed(""):
                raise Denied("there is no token")
            assert self._pair is not None
            pair = self._pair
        return {"Authorization": f"Bearer {pair.access}"}

    def is_over(self, answer: Answered) -> bool:
        return self._says_over(answer)

    async def renew(self, used: Mapping[str, str]) -> bool:
        try:
            return await self._renewed(used["Authorization"].removeprefix("Bearer "))
        except Denied as error:
            log.error("token_not_renewed", network=self._account.network, handle=self._account.handle, why=str(error))
            return False

    async def close(self) -> None:
        if self._on_its_way:
            await asyncio.wait(self._on_its_way, timeout=_CLOSE_SECONDS)
        if self._close:
            await self._close()

    async def _load(self) -> Pair:
        try:
            async with self._database.read() as session:
                pair = await store.current(session, self._account) or self._given
        except Raced as error:
            raise Unavailable("the token", str(error)) from error
        if pair.access:
            self._pair = pair
        return pair

    async def _renewed(self, used: str) -> bool:
        task = asyncio.ensure_future(self._renew(used))
        self._on_its_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[bool]) -> None:
        self._on_its_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits for it raises it

    async def _renew(self, used: str) -> bool:
        async with self._one_at_a_time:
            while True:
                match await self._borrow(used):
                    case Busy():
                        await asyncio.sleep(ASK_AGAIN_SECONDS)
                    case Kept(pair):
                        self._pair = pair
                        return True
                    case Lent(old):
                        self._pair = await self._exchange(old)
                        return True
                    case other:
                        assert_never(other)

    async def _borrow(self, used: str) -> Kept | Lent | Busy:
        try:
            async with self._database.begin() as session:
                now = await db.now(session)
                return await store.borrow(session, self._account, self._given, used, now, self._lease)
        except Raced:
            return Busy()

    async def _exchange(self, old: Pair) -> Pair:
        try:
            new = await self._fetch(old)
        except (Denied, Unavailable):
            await self._database.write(lambda session: store.give_back(session, self._account, old))
            raise
        away = _AWAY_SECONDS[0]
        while True:  # the old pair is worth nothing any more: this one must not be lost
            try:
                kept = await self._database.write(lambda session: store.renewed(session, self._account, old, new))
            except (Unavailable, Raced) as error:
                log.warning("token_waits", network=self._account.network, reason=str(error), seconds=round(away, 1))
                await asyncio.sleep(away)
                away = min(away * 2, _AWAY_SECONDS[1])
                continue
            said = "token_renewed" if kept else "token_replaced_meanwhile"
            log.info(said, network=self._account.network, handle=self._account.handle)
            return new

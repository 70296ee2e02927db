"""Who is on the network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

Messages = Literal["everyone", "who_wrote", "nobody"]
"""Whose private messages somebody takes; `who_wrote`: of those they wrote to first."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who posts."""

    id: str
    username: str


@dataclass
class People:
    """Accounts by id and by name. Who was not introduced has the id that follows from the name."""

    _by_name: dict[str, Account] = field(default_factory=dict)
    _by_id: dict[str, Account] = field(default_factory=dict)
    _messages: dict[str, Messages] = field(default_factory=dict)

    def introduce(self, account: Account, messages: Messages = "everyone") -> None:
        """This name has this id."""
        self._by_name[account.username.lower()] = self._by_id[account.id] = account
        self._messages[account.id] = messages

    def seen(self, account: Account) -> None:
        """Somebody posted: who was introduced stays who they are."""
        self._by_name.setdefault(account.username.lower(), account)
        self._by_id.setdefault(account.id, account)

    def named(self, username: str) -> Account:
        """The account of this name."""
        return self._by_name.get(username.lower()) or account_named(username)

    def known(self, username: str) -> Account | None:
        """The account of this name, if it was ever seen."""
        return self._by_name.get(username.lower())

    def of(self, id_: str) -> Account | None:
        """The account of this id, if it was ever seen."""
        return self._by_id.get(id_)

    def takes_messages(self, id_: str) -> Messages:
        """Whose messages this account takes."""
        return self._messages.get(id_, "everyone")

    @property
    def all(self) -> Mapping[str, Account]:
        """By id."""
        return self._by_id


def account_named(name: str) -> Account:
    """The account of this name; its id follows from it."""
    return Account(str(int.from_bytes(blake2b(name.lower().encode(), digest_size=7).digest())), name)

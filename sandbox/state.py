"""The sandbox network: everything it knows, all of it in memory; with a ledger it comes back after a restart."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path

from libs.common.clock import Clock
from sandbox.auth import Credentials, Keys
from sandbox.behaviour import Behaviour
from sandbox.faults import Faults
from sandbox.ids import Ids
from sandbox.judge import Judge
from sandbox.ledger import Ledger
from sandbox.limits import Limits as Limits
from sandbox.limits import Windows
from sandbox.listener import Listener
from sandbox.messages import Message, Messages
from sandbox.people import Account, People
from sandbox.permission import NewText, check, editable
from sandbox.posts import Post, Posts, from_line
from sandbox.refusals import Refused, refusal


class Network:
    """Posts and private messages, with the rules of who may write them."""

    def __init__(
        self,
        ledger: Path | None,
        clock: Clock,
        limits: Limits,
        behaviour: Behaviour | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self._clock = clock
        self._limits = limits
        self.ahead = timedelta()
        self.people = People()
        self.keys = Keys(self.now, self.people.named)
        self.keys.configure(credentials)
        self.windows = Windows(limits, self.now)
        self.behave(behaviour or Behaviour())
        self.faults = Faults()
        self.posts = Posts()
        self.messages = Messages(self.people)
        self.listeners: list[Listener] = []
        self.judge = Judge()
        self._ids = Ids()
        self._visible_at: dict[str, datetime] = {}
        self._texts: dict[tuple[str, str, str], datetime] = {}  # see `_same` -> when it was last posted
        self._ledger = Ledger(ledger)
        for line in self._ledger.lines():
            if "deleted" in line:
                self._forget(line["deleted"])
            elif "unsent" in line:
                if (unsent := self.messages.get(line["unsent"])) is not None:
                    self.messages.delete(unsent)
            elif "message" in line:
                kept = line["message"]
                self._keep_message(Message(**{**kept, "created_at": datetime.fromisoformat(kept["created_at"])}))
            else:
                self._keep(from_line(line))

    def now(self) -> datetime:
        """The network's time."""
        return self._clock() + self.ahead

    def behave(self, behaviour: Behaviour) -> None:
        """From now on like this."""
        self.behaviour = behaviour
        self.windows.instead = behaviour.limits

    # --- what clients do

    def post(self, account: Account, text: str, in_reply_to: str = "", *, quotes: str = "", edits: str = "") -> Post:
        """Take a post; `edits` is the post it is a new version of.

        Raises:
            Refused: not this text, or not there.
        """
        check(NewText(account, text, in_reply_to, quotes), self.posts, self.find, self.behaviour)
        now = self.now()
        whole = self._addressed(text, in_reply_to)
        said_at = self._texts.get(self._same(account.id, whole, in_reply_to))
        if said_at is not None and now - said_at < self._limits.duplicates_within:
            raise refusal("duplicate")
        before = editable(account, self.find(edits), self.posts, now) if edits else None
        parent = self.posts.get(in_reply_to)
        id_ = self._ids.next(now, after=in_reply_to)
        thread = before.conversation_id if before else (parent.conversation_id if parent else in_reply_to) or id_
        post = Post(
            id_,
            whole,
            account.id,
            account.username,
            now,
            thread,
            in_reply_to,
            received=True,
            quotes=quotes,
            edit_of=before.first_id if before else "",
            implicit=len(whole) - len(text),
        )
        if late := self.faults.next("post", in_reply_to, late=True):
            self._visible_at[id_] = now + timedelta(seconds=late.seconds)
        self._keep(post)
        self._ledger.write([post.as_line()])
        for listener in self.listeners:
            listener.on_post(post)
        return post

    def delete(self, account: Account, id_: str) -> Sequence[Post]:
        """An account deletes a post of its own, in all its versions.

        Raises:
            Refused: it is not there, or another's.
        """
        post = self.find(id_)
        if post is None:
            raise Refused(404, "Not Found", f"Could not find tweet with id: [{id_}].")
        if post.author_id != account.id:
            raise Refused(403, "Forbidden", "You are not authorized to delete this Tweet.")
        return self.removed(id_)

    def find(self, id_: str) -> Post | None:
        """The post, once anyone may see it."""
        post = self.posts.get(id_)
        return post if post is not None and self._seen(post) else None

    def page(self, posts: Iterable[Post], *, since_id: int, until_id: int, most: int) -> tuple[list[Post], bool]:
        """Those of these that may be seen, in their latest version, with since_id < id < until_id, newest first."""
        found = [
            post
            for post in posts
            if since_id < int(post.id) < until_id and self._seen(post) and self.posts.is_latest(post)
        ]
        found.sort(key=lambda post: int(post.id), reverse=True)
        return found[:most], len(found) > most

    def write(self, sender: Account, recipient_id: str, text: str) -> Message:
        """A private message over the API.

        Raises:
            Refused: the recipient does not take it.
        """
        self.messages.may_write(sender, recipient_id)
        return self.message(sender, recipient_id, text, received=True)

    def unsend(self, account: Account, id_: str) -> bool:
        """An account takes one of its own messages back; whether there was one."""
        message = self.messages.get(id_)
        if message is None or message.sender_id != account.id:
            return False
        self.messages.delete(message)
        self._ledger.write([{"unsent": id_}])
        return True

    # --- what whoever sets the scene does

    def seed(self, posts: Sequence[Post]) -> list[Post]:
        """Posts of other people (or earlier ones of ours); one whose id is known is passed over. The new ones."""
        known = self.posts
        new = list({post.id: post for post in posts if not known.get(post.id) and not known.is_gone(post.id)}.values())
        for post in new:
            self._keep(post)
        self._ledger.write(post.as_line() for post in new)
        for listener in self.listeners:
            for post in new:
                listener.on_post(post)
        return new

    def edited(self, id_: str, text: str) -> Post | None:
        """Its author gives a post another text: a new version, with a new id. None: there is no such post."""
        post = self.posts.get(id_)
        if post is None:
            return None
        version = replace(
            post, id=self.next_id(), text=text, created_at=self.now(), edit_of=post.first_id, received=False, implicit=0
        )
        self.seed([version])
        return version

    def removed(self, id_: str) -> Sequence[Post]:
        """A post is deleted; all its versions, none where there is no such post."""
        versions = self._forget(id_)
        self._ledger.write([{"deleted": id_}] if versions else [])
        for listener in self.listeners if versions else ():
            listener.on_deleted(versions[0])
        return versions

    def message(self, sender: Account, recipient_id: str, text: str, *, received: bool = False) -> Message:
        """Somebody writes a private message."""
        message = Message(self.next_id(), text, sender.id, recipient_id, self.now(), received)
        self.people.seen(sender)
        self._keep_message(message)
        line = asdict(message) | {"created_at": message.created_at.isoformat()}
        self._ledger.write([{"message": line}])
        for listener in self.listeners:
            listener.on_message(message)
        return message

    def revoke(self, username: str) -> None:
        """An account no longer lets the client act for it."""
        self.keys.revoke(username)
        for listener in self.listeners:
            listener.on_revoked(self.people.named(username))

    def next_id(self) -> str:
        """An id for what came without one."""
        return self._ids.next(self.now())

    # --- inside

    def _addressed(self, text: str, in_reply_to: str) -> str:
        """The network writes the name of the person answered in front, where it knows the post."""
        parent = self.posts.get(in_reply_to)
        if parent is None or text.lower().startswith(f"@{parent.username.lower()} "):
            return text
        return f"@{parent.username} {text}"

    def _same(self, author_id: str, text: str, in_reply_to: str) -> tuple[str, str, str]:
        """What makes two posts duplicates: the same words to the same person.

        Where we do not know whom a post answers, its id stands for the name that is missing in front.
        """
        return author_id, text, "" if self.posts.get(in_reply_to) else in_reply_to

    def _seen(self, post: Post) -> bool:
        return self.now() >= self._visible_at.get(post.id, post.created_at)

    def _keep(self, post: Post) -> None:
        self.people.seen(Account(post.author_id, post.username))
        self.posts.keep(post)
        self._ids.seen(post.id)
        if post.received:
            self.judge.keep(post)
            self._texts[self._same(post.author_id, post.text, post.in_reply_to)] = post.created_at

    def _keep_message(self, message: Message) -> None:
        self.messages.keep(message)
        self._ids.seen(message.id)

    def _forget(self, id_: str) -> Sequence[Post]:
        post = self.posts.get(id_)
        return self.posts.delete(post) if post is not None else ()

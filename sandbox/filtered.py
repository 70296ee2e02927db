"""The filtered stream's rules, and which posts they let through."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.messages import Message
from sandbox.people import Account
from sandbox.posts import Post
from sandbox.refusals import PROBLEMS
from sandbox.rules import InvalidRule, Test, parse, seen
from sandbox.state import Network


@dataclass(frozen=True, slots=True)
class StreamRule:
    """One rule. Rules belong to the app and outlive every connection."""

    id: str
    value: str
    tag: str
    test: Test = field(repr=False)

    def shown(self) -> dict[str, str]:
        """As the network shows it."""
        return {"id": self.id, "value": self.value, **({"tag": self.tag} if self.tag else {})}


class Filtered:
    """All rules. It hears what is posted and tells what they let through."""

    def __init__(self, network: Network, tell: Callable[[Post, list[StreamRule]], None]) -> None:
        self._network = network
        self._tell = tell
        self.rules: dict[str, StreamRule] = {}

    def add(self, wishes: Iterable[tuple[str, str]], *, dry_run: bool) -> dict[str, Any]:
        """Add rules, each a value and a tag; the network's answer. A dry run changes nothing."""
        rules = dict(self.rules)
        errors: list[dict[str, Any]] = []
        valid = 0
        for value, tag in wishes:
            same = next((rule for rule in rules.values() if rule.value == value), None)
            try:
                test = parse(value)
            except InvalidRule as error:
                errors.append(_error("Invalid Rule", "invalid-rules", value, {"details": [str(error)]}))
                continue
            if same is not None:
                errors.append(_error("DuplicateRule", "duplicate-rules", value, {"id": same.id}))
            elif len(rules) >= self._network.behaviour.most_rules:
                errors.append(_error("RulesCapExceeded", "rule-cap", value, {}))
            else:
                id_ = self._network.next_id()
                rules[id_] = StreamRule(id_, value, tag, test)
            valid += 1
        created = [rule.shown() for id_, rule in rules.items() if id_ not in self.rules]
        if not dry_run:
            self.rules = rules
        summary = {
            "created": len(created),
            "not_created": len(errors),
            "valid": valid,
            "invalid": sum(each["title"] == "Invalid Rule" for each in errors),
        }
        parts = {"data": created, "meta": {"summary": summary}, "errors": errors}
        return {name: value for name, value in parts.items() if value}

    def delete(self, ids: Iterable[str], values: Iterable[str], *, dry_run: bool) -> dict[str, Any]:
        """Delete rules by their ids and by their values; the network's answer."""
        by_value = {rule.value: rule.id for rule in self.rules.values()}
        wanted = [*ids, *(by_value.get(value, "") for value in values)]
        found = {id_ for id_ in wanted if id_ in self.rules}
        if not dry_run:
            self.rules = {id_: rule for id_, rule in self.rules.items() if id_ not in found}
        return {"meta": {"summary": {"deleted": len(found), "not_deleted": len(wanted) - len(found)}}}

    def on_post(self, post: Post) -> None:
        """See `Listener`."""
        if not self.rules:
            return
        what = seen(self._network, post, with_quoted=True)
        matching = [rule for rule in self.rules.values() if rule.test(what)]
        if matching:
            self._tell(post, matching)

    def on_deleted(self, post: Post) -> None:
        """See `Listener`. The stream says nothing of it."""

    def on_message(self, message: Message) -> None:
        """See `Listener`. No stream shows private messages."""

    def on_revoked(self, account: Account) -> None:
        """See `Listener`. It is the app's own stream."""


def _error(title: str, ending: str, value: str, more: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": value, **more, "title": title, "type": PROBLEMS + ending}

"""The two streams, the rules of one of them, and the connections."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from sandbox.api.reading import LARGEST, AskedOf, PostId
from sandbox.door import Door
from sandbox.filtered import Filtered, StreamRule
from sandbox.posts import Post
from sandbox.refusals import Refused, invalid
from sandbox.shapes import Asked, includes, moment, shown
from sandbox.state import Network
from sandbox.streams import Connection, StreamAnswer, Streams


class NewRule(BaseModel):
    value: str
    tag: str = ""


class Unwanted(BaseModel):
    ids: list[str] = []
    values: list[str] = []


class RuleChange(BaseModel):
    """Rules to add, or rules to delete."""

    add: list[NewRule] | None = None
    delete: Unwanted | None = None


def routes(network: Network, streams: Streams, filtered: Filtered) -> APIRouter:
    """`/2/tweets/search/stream`, `/2/activity/stream` and `/2/connections`."""
    paths = APIRouter(route_class=Door)

    @paths.get("/2/tweets/search/stream")
    async def filtered_stream(wish: AskedOf) -> Response:
        if not filtered.rules:
            more = {"connection_issue": "RuleConfigurationIssue"}
            raise Refused(409, "ConnectionException", "There are no rules.", more=more)
        return StreamAnswer(streams, streams.connect("filtered_stream", wish), lambda: network.behaviour)

    @paths.get("/2/activity/stream")
    async def activity_stream() -> Response:
        return StreamAnswer(streams, streams.connect("activity_stream", Asked()), lambda: network.behaviour)

    @paths.get("/2/tweets/search/stream/rules")
    async def rules(
        ids: str = "",
        max_results: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
        pagination_token: PostId = LARGEST,
    ) -> Response:
        wanted = set(ids.split(",")) if ids else filtered.rules.keys()
        found = [rule for id_, rule in filtered.rules.items() if id_ in wanted and int(id_) < int(pagination_token)]
        found.sort(key=lambda rule: int(rule.id), reverse=True)
        page = found[:max_results]
        meta: dict[str, Any] = {"sent": moment(network.now()), "result_count": len(page)}
        if len(found) > max_results:
            meta["next_token"] = page[-1].id
        data = {"data": [rule.shown() for rule in page]} if page else {}
        return JSONResponse({**data, "meta": meta})

    @paths.post("/2/tweets/search/stream/rules")
    async def change(wish: RuleChange | None = None, dry_run: bool = False, delete_all: bool = False) -> Response:
        if delete_all:
            body = filtered.delete(list(filtered.rules), (), dry_run=dry_run)
        elif wish is not None and wish.add is not None and wish.delete is None:
            body = filtered.add([(each.value, each.tag) for each in wish.add], dry_run=dry_run)
        elif wish is not None and wish.delete is not None and wish.add is None:
            body = filtered.delete(wish.delete.ids, wish.delete.values, dry_run=dry_run)
        else:
            raise invalid("add or delete, one of them", "add", "")
        body["meta"]["sent"] = moment(network.now())
        return JSONResponse(body, 201 if "data" in body and not dry_run else 200)

    @paths.get("/2/tweets/search/stream/rules/counts")
    async def counts() -> Response:
        cap = network.behaviour.most_rules
        return JSONResponse({"data": {"cap_per_project_rules": cap, "project_rules_count": len(filtered.rules)}})

    @paths.get("/2/connections")
    async def connections() -> Response:
        found = [_connection(each) for each in streams.open()]
        data = {"data": found} if found else {}
        return JSONResponse({**data, "meta": {"result_count": len(found)}})

    @paths.delete("/2/connections/all")
    async def end_all() -> Response:
        return _ended(streams.finish("end"))

    @paths.delete("/2/connections/{endpoint}")
    async def end(endpoint: str) -> Response:
        if endpoint not in ("filtered_stream", "activity_stream"):
            raise invalid("filtered_stream or activity_stream", "endpoint", endpoint)
        return _ended(streams.finish("end", endpoint))  # type: ignore[arg-type]

    return paths


def teller(network: Network, streams: Streams) -> Callable[[Post, list[StreamRule]], None]:
    """Tells each connection of the filtered stream what a post is, as it asked to see it."""

    def tell(post: Post, matching: list[StreamRule]) -> None:
        rules = [{"id": rule.id, "tag": rule.tag} for rule in matching]

        def line(wish: Asked) -> dict[str, Any]:
            found = includes(network, [post], wish)
            parts = {"data": shown(network, post, wish), "includes": found, "matching_rules": rules}
            return {name: value for name, value in parts.items() if value}

        streams.say("filtered_stream", line)

    return tell


def _connection(connection: Connection) -> dict[str, str]:
    return {
        "id": connection.id,
        "endpoint_name": connection.kind,
        "connected_at": moment(connection.connected_at),
    }


def _ended(connections: list[Connection]) -> Response:
    return JSONResponse({"data": {"results": [{"uuid": each.id, "success": True} for each in connections]}})

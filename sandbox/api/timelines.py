"""People, their posts, and the posts that name them."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from sandbox.api.reading import AskedOf, BoundsOf, PageSize, PostId
from sandbox.door import AccountOf, Door
from sandbox.refusals import invalid, not_found
from sandbox.rules import LONGEST_QUERY, InvalidRule, parse, seen
from sandbox.shapes import page, person
from sandbox.state import Network

MENTIONS_BACK = 800
SEARCHED = timedelta(days=7)


def routes(network: Network) -> APIRouter:
    """`/2/users`."""
    paths = APIRouter(route_class=Door)

    @paths.get("/2/users/me")
    async def me(account: AccountOf, wish: AskedOf) -> Response:
        return JSONResponse({"data": person(account, network, wish.user_fields)})

    @paths.get("/2/users/by/username/{username}")
    async def named(username: str, wish: AskedOf) -> Response:
        account = network.people.known(username)
        if account is None:
            return JSONResponse({"errors": [not_found(username, "user")]})
        return JSONResponse({"data": person(account, network, wish.user_fields)})

    @paths.get("/2/users/{id}/tweets")
    async def timeline(
        id: PostId,  # noqa: A002
        wish: AskedOf,
        bounds: BoundsOf,
        max_results: PageSize = 10,
    ) -> Response:
        own = [post for post in network.posts.by(id) if bounds.holds(post)]
        posts, more = network.page(own, since_id=bounds.after, until_id=bounds.before, most=max_results)
        return JSONResponse(page(network, posts, more, wish))

    @paths.get("/2/users/{id}/mentions")
    async def mentions(
        id: PostId,  # noqa: A002
        wish: AskedOf,
        bounds: BoundsOf,
        max_results: PageSize = 10,
    ) -> Response:
        account = network.people.of(id)
        named = network.posts.mentioning(account.username) if account else ()
        latest = sorted(named, key=lambda post: int(post.id))[-MENTIONS_BACK:]
        others = [post for post in latest if post.author_id != id and bounds.holds(post)]
        posts, more = network.page(others, since_id=bounds.after, until_id=bounds.before, most=max_results)
        return JSONResponse(page(network, posts, more, wish))

    @paths.get("/2/tweets/search/recent")
    async def search(
        query: str,
        wish: AskedOf,
        bounds: BoundsOf,
        max_results: Annotated[int, Query(ge=10, le=100)] = 10,
    ) -> Response:
        try:
            test = parse(query, longest=LONGEST_QUERY)
        except InvalidRule as error:
            raise invalid(str(error), "query", query) from None
        since = network.now() - SEARCHED
        found = [
            post
            for post in network.posts
            if post.created_at >= since and bounds.holds(post) and test(seen(network, post, with_quoted=False))
        ]
        posts, more = network.page(found, since_id=bounds.after, until_id=bounds.before, most=max_results)
        return JSONResponse(page(network, posts, more, wish))

    return paths

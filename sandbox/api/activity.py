"""Subscriptions to activity, and webhooks."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from sandbox.activity import MOST, PRIVATE, Activity, EventType, Subscription
from sandbox.api.reading import PostId
from sandbox.door import CallerOf, Door
from sandbox.refusals import Refused, invalid, refusal
from sandbox.shapes import moment
from sandbox.state import Network
from sandbox.webhooks import Webhook, Webhooks

Minute = Annotated[str, Field(pattern=r"^[0-9]{12}$")]


class Filter(BaseModel):
    user_id: PostId


class NewSubscription(BaseModel):
    event_type: EventType
    filter: Filter
    tag: Annotated[str, Field(max_length=200)] = ""
    webhook_id: str = ""


class SubscriptionChange(BaseModel):
    tag: Annotated[str, Field(max_length=200)] | None = None
    webhook_id: str | None = None


class NewWebhook(BaseModel):
    url: str


class Replay(BaseModel):
    """From a minute to a minute, UTC."""

    webhook_id: str
    from_date: Minute
    to_date: Minute


def routes(network: Network, activity: Activity, webhooks: Webhooks) -> APIRouter:
    """`/2/activity/subscriptions` and `/2/webhooks`."""
    paths = APIRouter(route_class=Door)
    kept = activity.subscriptions

    @paths.post("/2/activity/subscriptions")
    async def subscribe(new: NewSubscription, caller: CallerOf) -> Response:
        if new.event_type in PRIVATE and caller.kind != "anyone":
            account = caller.account
            if account is None or account.id != new.filter.user_id:
                raise refusal("forbidden")
        if len(kept) >= MOST:
            raise Refused(400, "SubscriptionLimitExceeded", f"{MOST} subscriptions are allowed")
        if new.webhook_id:
            webhooks.get(new.webhook_id)
        made = Subscription(
            network.next_id(), new.event_type, new.filter.user_id, network.now(), new.tag, new.webhook_id
        )
        if any(_same(each, made) for each in kept.values()):
            raise Refused(400, "DuplicateSubscription", "there is such a subscription already")
        kept[made.id] = made
        meta = {"total_subscriptions": len(kept)}
        match network.behaviour.subscription_answer:
            case "list":
                return JSONResponse({"data": [made.shown()], "meta": meta})
            case "object":
                return JSONResponse({"data": made.shown()})
            case "nested":
                return JSONResponse({"data": {"subscription": made.shown()}, "meta": meta})

    @paths.get("/2/activity/subscriptions")
    async def subscriptions() -> Response:
        data = {"data": [each.shown() for each in kept.values()]} if kept else {}
        return JSONResponse({**data, "meta": {"total_subscriptions": len(kept)}})

    @paths.put("/2/activity/subscriptions/{id}")
    async def change(id: str, wish: SubscriptionChange) -> Response:  # noqa: A002
        old = _known(id)
        if wish.webhook_id:
            webhooks.get(wish.webhook_id)
        tag = old.tag if wish.tag is None else wish.tag
        webhook_id = old.webhook_id if wish.webhook_id is None else wish.webhook_id
        kept[id] = Subscription(old.id, old.event_type, old.user_id, old.created_at, tag, webhook_id)
        return JSONResponse({"data": kept[id].shown()})

    @paths.delete("/2/activity/subscriptions/{id}")
    async def unsubscribe(id: str) -> Response:  # noqa: A002
        del kept[_known(id).id]
        return JSONResponse({"data": {"deleted": True}})

    @paths.delete("/2/activity/subscriptions")
    async def unsubscribe_several(ids: str) -> Response:
        wanted = ids.split(",")
        if len(wanted) > 100:
            raise invalid("up to 100 ids", "ids", len(wanted))
        for each in [_known(id_) for id_ in wanted]:
            kept.pop(each.id, None)
        return JSONResponse({"data": {"deleted": True}})

    @paths.post("/2/webhooks")
    async def register(new: NewWebhook) -> Response:
        return JSONResponse({"data": _shown(await webhooks.create(new.url))})

    @paths.get("/2/webhooks")
    async def registered() -> Response:
        return JSONResponse(
            {"data": [_shown(each) for each in webhooks.all], "meta": {"result_count": len(webhooks.all)}}
        )

    @paths.post("/2/webhooks/replay")
    async def replay(wish: Replay) -> Response:
        webhooks.get(wish.webhook_id)
        webhooks.replay(wish.webhook_id, _minute(wish.from_date), _minute(wish.to_date))
        return JSONResponse({"data": {"job_id": network.next_id(), "created_at": moment(network.now())}})

    @paths.put("/2/webhooks/{id}")
    async def validate(id: str) -> Response:  # noqa: A002
        webhook = webhooks.get(id)
        if not await webhooks.challenge(webhook):
            raise Refused(400, "CrcValidationFailed", "the url did not answer the challenge")
        return JSONResponse({"data": {"valid": True}})

    @paths.delete("/2/webhooks/{id}")
    async def forget(id: str) -> Response:  # noqa: A002
        webhooks.delete(webhooks.get(id))
        return JSONResponse({"data": {"deleted": True}})

    def _known(id_: str) -> Subscription:
        found = kept.get(id_)
        if found is None:
            raise Refused(404, "Not Found", f"there is no subscription {id_}")
        return found

    return paths


def _same(one: Subscription, other: Subscription) -> bool:
    return (one.event_type, one.user_id, one.webhook_id) == (other.event_type, other.user_id, other.webhook_id)


def _shown(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "valid": webhook.valid,
        "created_at": moment(webhook.created_at),
    }


def _minute(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        raise invalid("yyyymmddhhmm", "from_date", text) from None

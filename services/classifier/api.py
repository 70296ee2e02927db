"""HTTP in: what is this text, which labels are there, which model gives them."""

from collections.abc import Sequence
from typing import Annotated, Literal, get_args

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from libs.common.auth import needs
from libs.common.events import Channel, Intent, Labels, Sentiment, Urgency
from services.classifier.domain import INTENTS, REASONS, UNKNOWN
from services.classifier.handlers import Classifier, Text

CLASSIFY_BYTES = 3 * 512 * 1024
MOST_POSTS = 1000
LONGEST_TEXT = 25_000

_DEFINITIONS: dict[Intent, str] = {
    "complaint": "A harm, failure or injustice attributed to the brand, help asked or not",
    "assistance_request": "Asks the brand to do or unblock something for this person",
    "information_request": "A general question, answerable without a personal file",
    "feedback": "A remark or suggestion; no action expected",
    "praise_thanks": "Praise, thanks, closing courtesy",
    "chatter": "The brand is only named; no answer expected",
    "spam_abuse": "Unsolicited promotion, bots, harassment without a service matter",
}

_Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
_Language = Annotated[str, Field(max_length=35, description="BCP 47, where somebody says it")]


class PostIn(BaseModel):
    """One text of several."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(max_length=200)
    text: _Text
    language: _Language = ""


class Question(BaseModel):
    """One `text`, or up to 1,000 `posts`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"text": "Where is my parcel? It should have come on Tuesday."}]},
    )

    text: _Text | None = None
    language: _Language = ""
    posts: list[PostIn] | None = Field(None, min_length=1, max_length=MOST_POSTS)

    @model_validator(mode="after")
    def _one_of_both(self) -> "Question":
        if (self.text is None) == (self.posts is None):
            raise ValueError("send either `text` or `posts`")
        if self.posts is not None and self.language:
            raise ValueError("with `posts`, `language` stands in each post")
        return self


class LabelsOut(BaseModel):
    """What a text is. `confidence` is a probability by head."""

    id: str | None = None
    language: str
    intent: Intent
    secondary_intent: Intent | None
    needs_response: bool
    urgency: Urgency
    reasons: list[str]
    sentiment: Sentiment
    topics: list[str]
    contact_channel: Channel
    channel_sentiment: Sentiment
    blamed_channel: Channel
    flags: list[str]
    stated_wait_minutes: int | None
    confidence: dict[str, float]
    decision: Literal["automatic", "to_confirm", "set_aside"]
    model: str


class LabelsList(BaseModel):
    """The labels of several posts, in their order."""

    items: list[LabelsOut]


class IntentOut(BaseModel):
    """One intent; the earlier of two wins a tie."""

    name: Intent
    definition: str
    base_urgency: Urgency


class Catalogue(BaseModel):
    """Every label this model can give."""

    model: str
    intents: list[IntentOut]
    urgencies: list[Urgency]
    reasons: list[str]
    sentiments: list[Sentiment]
    languages: list[str]
    flags: list[str]


class ModelOut(BaseModel):
    """A model that is loaded."""

    name: str
    active: bool
    kind: str
    languages: list[str]
    heads: list[str]
    note: str


class Models(BaseModel):
    """All of them."""

    items: list[ModelOut]


def routes(classifier: Classifier) -> APIRouter:
    """The classifier's routes."""
    router = APIRouter(prefix="/v1", tags=["classifier"], dependencies=[needs("classify")])
    rules = classifier.model.rules

    @router.post("/classify")
    async def classify(question: Question) -> LabelsOut | LabelsList:
        """The labels of one text, or of each post in order; nothing is stored."""
        if question.text is not None:
            [labels] = await classifier.on_asked([Text(question.text, question.language)])
            return _out(labels, None)
        posts: Sequence[PostIn] = question.posts or ()
        found = await classifier.on_asked([Text(post.text, post.language) for post in posts])
        return LabelsList(items=[_out(labels, post.id) for labels, post in zip(found, posts, strict=True)])

    @router.get("/labels")
    async def list_labels() -> Catalogue:
        """What a mention may be, with the definitions."""
        return Catalogue(
            model=rules.model,
            intents=[
                IntentOut(name=name, definition=_DEFINITIONS[name], base_urgency=rules.urgency[name])
                for name in INTENTS
            ],
            urgencies=list(get_args(Urgency)),
            reasons=[*REASONS, "complaint"],
            sentiments=list(get_args(Sentiment)),
            languages=[*rules.languages, UNKNOWN],
            flags=["is_question", "no_at_mention"],
        )

    @router.get("/models")
    async def list_models() -> Models:
        """Which model answers."""
        return Models(
            items=[
                ModelOut(
                    name=rules.model,
                    active=True,
                    kind="rules",
                    languages=list(rules.languages),
                    heads=["language", "intent", "needs_response", "sentiment", "urgency"],
                    note="A table of words, French and English; other languages are only recognised.",
                )
            ]
        )

    return router


def _out(labels: Labels, id_: str | None) -> LabelsOut:
    return LabelsOut(id=id_, **msgspec.structs.asdict(labels))

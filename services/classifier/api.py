"""HTTP in: what is this text, which labels are there, which model gives them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from libs.common.auth import needs
from libs.common.events import Channel, Intent, Labels, Sentiment, Urgency
from services.classifier.domain.heads import BASE_URGENCY, FLAGS, HEADS, INTENTS, LANGUAGES, REASONS, TOPICS, UNKNOWN
from services.classifier.domain.understand import Asked
from services.classifier.gateways.model_file import Model
from services.classifier.handlers import Answer, Classifier

CLASSIFY_BYTES = 3 * 512 * 1024
MOST_POSTS = 1000
LONGEST_TEXT = 100_000

_DEFINITIONS: dict[Intent, str] = {
    "complaint": "A harm, failure or injustice attributed to the brand, help asked or not",
    "assistance_request": "Asks the brand to do or unblock something for this person",
    "information_request": "A general question, answerable without a personal file",
    "feedback": "A remark or suggestion; no action expected",
    "praise_thanks": "Praise, thanks, closing courtesy",
    "chatter": "The brand is only named; no answer expected",
    "spam_abuse": "Unsolicited promotion, bots, harassment without a service matter",
}

LABELS = tuple(name for name in Labels.__struct_fields__ if not name.startswith("viral_"))

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
    scores: bool = Field(False, description="Tell the probability of every label, by head")
    explain: bool | None = Field(None, description="Tell the words that weighed most; by default for one `text` only")
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
    scores: dict[str, dict[str, float]] | None = None
    words: list[str] | None = Field(None, description="What weighed most for the intent, the weightiest first")


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
    topics: list[str]
    contact_channels: list[Channel]
    languages: list[str]
    flags: list[str]


CascadeState = Literal["on", "off", "not installed"]


class Cascade(BaseModel):
    """The second look at the least sure posts by an encoder: `budget` is in seconds, of each batch."""

    state: CascadeState
    model: str
    share: float
    budget: float


class ModelOut(BaseModel):
    """A model that is loaded. `scores` are by language and head, on posts of its corpus it had not seen."""

    name: str
    active: bool
    kind: str
    sha256: str
    corpus: dict[str, Any]
    languages: list[str]
    heads: list[str]
    scores: dict[str, Any]
    cascade: Cascade


class Models(BaseModel):
    """All of them."""

    items: list[ModelOut]


def routes(classifier: Classifier, model: Model, cascade: Cascade) -> APIRouter:
    """The classifier's routes."""
    router = APIRouter(prefix="/v1", tags=["classifier"], dependencies=[needs("classify")])

    @router.post("/classify", response_model_exclude_unset=True)
    async def classify(question: Question) -> LabelsOut | LabelsList:
        """The labels of one text, or of each post in order; nothing is stored."""
        if question.text is not None:
            asked = [Asked(question.text, question.language)]
            [answer] = await classifier.on_asked(asked, explain=question.explain is not False)
            return _out(answer, None, question.scores)
        posts: Sequence[PostIn] = question.posts or ()
        answers = await classifier.on_asked(
            [Asked(post.text, post.language) for post in posts], explain=bool(question.explain)
        )
        return LabelsList(
            items=[_out(answer, post.id, question.scores) for answer, post in zip(answers, posts, strict=True)]
        )

    @router.get("/labels")
    async def list_labels() -> Catalogue:
        """What a mention may be, with the definitions."""
        return Catalogue(
            model=model.name,
            intents=[
                IntentOut(name=name, definition=_DEFINITIONS[name], base_urgency=BASE_URGENCY[name]) for name in INTENTS
            ],
            urgencies=list(get_args(Urgency)),
            reasons=list(REASONS),
            sentiments=list(get_args(Sentiment)),
            topics=list(TOPICS),
            contact_channels=list(get_args(Channel)),
            languages=[*LANGUAGES, UNKNOWN],
            flags=list(FLAGS),
        )

    @router.get("/models")
    async def list_models() -> Models:
        """Which model answers, what it was made from, and how good it was on posts it had not seen."""
        return Models(
            items=[
                ModelOut(
                    name=model.name,
                    active=True,
                    kind=model.about["kind"],
                    sha256=model.sha256,
                    corpus=model.about["corpus"],
                    languages=list(LANGUAGES),
                    heads=[*HEADS, "urgency"],
                    scores=model.about["scores"],
                    cascade=cascade,
                )
            ]
        )

    return router


def _out(answer: Answer, id_: str | None, scores: bool) -> LabelsOut:
    told = {name: getattr(answer.found.labels, name) for name in LABELS}
    if scores:
        told["scores"] = answer.found.scores
    if answer.words is not None:
        told["words"] = list(answer.words)
    return LabelsOut(id=id_, **told)

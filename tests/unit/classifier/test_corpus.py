"""The corpus: large enough, labelled consistently, varied; no post twice."""

import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from services.classifier.domain.heads import CRITICAL, INTENTS, TOPICS
from services.classifier.training.corpus import Corpus, read_corpus

POSTS = 6_000
OF_AN_INTENT = 300
OF_A_TOPIC = 200
OF_A_CRITICAL_REASON = 60
ALIKE = 0.75  # of the trigrams of two posts together


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus()


def test_there_are_enough_posts_of_both_languages(corpus: Corpus) -> None:
    languages = Counter(post.language for post in corpus.posts)
    assert len(corpus.posts) >= POSTS
    assert min(languages["en"], languages["fr"]) >= POSTS // 2


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_label_has_enough_examples(corpus: Corpus, language: str) -> None:
    posts = [post for post in corpus.posts if post.language == language]
    intents = Counter(post.intent for post in posts)
    topics = Counter(topic for post in posts for topic in post.topics)
    reasons = Counter(reason for post in posts for reason in post.reasons)
    assert {intent: intents[intent] for intent in INTENTS if intents[intent] < OF_AN_INTENT} == {}
    assert {topic: topics[topic] for topic in TOPICS if topics[topic] < OF_A_TOPIC} == {}
    assert {reason: reasons[reason] for reason in CRITICAL if reasons[reason] < OF_A_CRITICAL_REASON} == {}


def test_no_two_posts_have_one_id(corpus: Corpus) -> None:
    ids = Counter(post.id for post in corpus.posts)
    assert [post for post, n in ids.items() if n > 1] == []


def _trigrams(text: str) -> frozenset[str]:
    bare = re.sub(r"\s+", " ", re.sub(r"@\w+|https?://\S+", "", text.lower())).strip()
    return frozenset(bare[at : at + 3] for at in range(len(bare) - 2))


def test_no_post_is_nearly_another(corpus: Corpus) -> None:
    seen: dict[str, list[int]] = defaultdict(list)
    trigrams = [_trigrams(post.text) for post in corpus.posts]
    frequency = Counter(trigram for some in trigrams for trigram in some)
    alike = []
    for number, some in enumerate(trigrams):
        if len(some) < 15:
            continue  # "ok thanks" may be said twice
        rarest = sorted(some, key=lambda t: (frequency[t], t))[: len(some) // 3]
        candidates = Counter(other for trigram in rarest for other in seen[trigram])
        for other, _ in candidates.most_common(3):
            if len(some & trigrams[other]) >= ALIKE * len(some | trigrams[other]):
                alike.append((corpus.posts[number].id, corpus.posts[other].id))
        for trigram in rarest:
            seen[trigram].append(number)
    assert alike == []


def test_a_line_that_is_no_post_is_named(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "a.ndjson").write_text('{"id": "1", "text": "hi"}\n')
    with pytest.raises(ValueError, match=r"a\.ndjson:1: .*language"):
        read_corpus(tmp_path)
    with pytest.raises(ValueError, match="is this the corpus"):
        read_corpus(tmp_path / "nowhere")

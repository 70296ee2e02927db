"""What all of them have to do: the topics, the classifier, the rows. Needs nothing but Python."""

import os

KAFKA = os.environ.get("BENCH_KAFKA", "")
DATABASE = os.environ.get("BENCH_DATABASE", "")
RUN = os.environ.get("BENCH_RUN", "bench")
RAW, CLASSIFIED, ROUTED = (f"{RUN}.{stage}" for stage in ("raw", "classified", "routed"))
BATCH = 1000

RULES = (
    ("complaint", ("charged", "débité", "never", "jamais", "closed", "fermé", "sin reembolso")),
    ("praise", ("wonderful", "adorable", "thanks", "merci", "gracias")),
    ("assistance", ("help", "aidez", "ayuda", "refund", "remboursé", "booking", "réservation", "app")),
    ("information", ("?", "can i", "puis-je", "est-ce")),
)

TABLE = """
create schema if not exists peers;
drop table if exists peers.mention, peers.outbox;
create table peers.mention(id text primary key, author_id text not null, body text not null, label text not null)
"""
INSERT_MANY = """
insert into peers.mention(id, author_id, body, label)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[]) on conflict do nothing
"""
INSERT_ONE = "insert into peers.mention(id, author_id, body, label) values($1, $2, $3, $4) on conflict do nothing"


def classify(text: str) -> str:
    """The first rule that has a word of it."""
    lower = text.lower()
    for label, words in RULES:
        if any(word in lower for word in words):
            return label
    return "chatter"

"""Ingest's floor: FastAPI and msgspec behind the same server; decodes a body, keeps nothing, answers 202.

`python -m bench.ingest_floor PORT`
"""

import sys

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response


class Author(msgspec.Struct, gc=False):
    """Who wrote it."""

    id: str
    username: str
    followers: int


class Post(msgspec.Struct, gc=False):
    """What was posted."""

    network: str
    id: str
    text: str
    author: Author
    handle: str
    posted_at: str
    language: str


_posts = msgspec.json.Decoder(list[Post] | Post).decode
app = FastAPI()


@app.post("/v1/mentions")
async def receive(request: Request) -> Response:
    """Nothing is checked, kept or told."""
    posts = _posts(await request.body())
    count = len(posts) if isinstance(posts, list) else 1
    return Response(b'{"accepted":%d}' % count, 202, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning")

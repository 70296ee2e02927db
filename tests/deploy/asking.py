"""What the probes of a service in another process say."""

import json
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.servers.processes import wait_for

PATIENCE = 60.0  # seconds a service has to start on a busy machine


def answer(port: int, path: str) -> tuple[int, str] | None:
    """Status and text; None while nothing listens."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as found:
            return found.status, found.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except (URLError, ConnectionError, TimeoutError):
        return None


def ask(port: int, path: str, wanted: int | None = None) -> tuple[int, str]:
    """The answer once it listens; with `wanted`, once it has that status. The last one when patience ends."""
    last: list[tuple[int, str]] = []

    def good() -> bool:
        if found := answer(port, path):
            last[:] = [found]
        return bool(last) and wanted in (None, last[0][0])

    wait_for(good, PATIENCE)
    assert last, "it does not listen"
    return last[0]


def until_it_says(port: int, words: str) -> str:
    """What /readyz names as problems, once `words` stand in it; it is 503 all the while."""
    said: list[str] = []

    def there() -> bool:
        if found := answer(port, "readyz"):
            assert found[0] == 503, found
            said[:] = ["; ".join(json.loads(found[1])["problems"])]
        return bool(said) and words in said[0]

    assert wait_for(there, PATIENCE), said
    return said[0]

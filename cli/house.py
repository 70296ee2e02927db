"""The running house as its callers see it: addresses, a key, and calls that fail in one readable line."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx2

from cli.trouble import Away, Refused, Trouble

PORTS: Mapping[str, int] = {"ingest": 8001, "classifier": 8002, "router": 8003, "responder": 8004, "sandbox": 8009}
SERVICES = ("ingest", "classifier", "router", "responder")
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a house stands: what `house.json` in its data folder says."""

    addresses: Mapping[str, str]
    pid: int
    bus: str = "local"
    database: str = ""

    @property
    def alive(self) -> bool:
        """Whether its process still runs; a killed one leaves its file behind."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True  # it runs, as somebody else
        return True


def standing(data: Path) -> Standing | None:
    """The house of a data folder, or None where none runs."""
    try:
        content = json.loads(_file(data).read_text("utf-8"))
        found = Standing(dict(content["addresses"]), int(content["pid"]), str(content["bus"]), str(content["database"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.alive else None


def stand(data: Path, house: Standing) -> None:
    """Say where this process's house stands; only its owner may read it, for a password may stand in it."""
    beside = _file(data).with_suffix(".new")
    beside.touch(0o600)
    beside.write_text(json.dumps(asdict(house), indent=2) + "\n", "utf-8")
    beside.replace(_file(data))


def fall(data: Path) -> None:
    """It stands no longer."""
    _file(data).unlink(missing_ok=True)


def _file(data: Path) -> Path:
    return data / "house.json"


class Receipt(NamedTuple):
    """What ingest said of one batch. A rejected one has `index`, `path` and what to do."""

    accepted: int
    duplicates: int
    rejected: list[dict[str, Any]]


class House:
    """Calls to the services; use it as an async context."""

    def __init__(self, addresses: Mapping[str, str], key: str, transport: httpx2.AsyncBaseTransport | None = None):
        self.addresses = dict(addresses)
        self.key = key
        local = all("127.0.0.1" in each or "localhost" in each or "[::1]" in each for each in addresses.values())
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=TIMEOUT_SECONDS,
            trust_env=not local,  # a proxy of the environment is no way to this machine
            verify=not local,  # nothing to verify on http, and reading all authorities takes a while
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ask(
        self,
        service: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        ndjson: bytes | None = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of the answer; None where it has none.

        Raises:
            Away: nothing answers, or 503: worth another try.
            Refused: any other answer that is not a success.
        """
        answer = await self._send(service, method, path, body, ndjson, params, headers)
        if answer.is_success:
            return answer.json() if answer.content else None
        raise _problem(service, answer)

    async def ready(self, service: str) -> list[str]:
        """What a service says is wrong with it; empty when it is ready.

        Raises:
            Away: nothing answers at its address, or not a service of ours.
        """
        answer = await self._send(service, "GET", "/readyz", None, None, None, None)
        problems = _json(answer).get("problems")
        if not isinstance(problems, list):
            raise Away(f"what answers at {self.addresses[service]} is not Guichet")
        return [str(each) for each in problems]

    async def hand_in(self, ndjson: bytes, params: Mapping[str, str | int]) -> Receipt:
        """Give posts to ingest, one a line.

        Raises:
            Away, Refused: nothing of the batch was kept. All rejected is not refused.
        """
        answer = await self._send("ingest", "POST", "/v1/mentions", None, ndjson, params, None)
        content = _json(answer)
        if answer.is_success or (answer.status_code == 422 and isinstance(content.get("rejected"), list)):
            return Receipt(
                int(content.get("accepted", 0)), int(content.get("duplicates", 0)), list(content.get("rejected", []))
            )
        raise _problem("ingest", answer)

    async def _send(
        self,
        service: str,
        method: str,
        path: str,
        body: Any,
        ndjson: bytes | None,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str] | None,
    ) -> httpx2.Response:
        address = self.addresses[service]
        more = dict(headers or {})
        if ndjson is not None:
            more["Content-Type"] = "application/x-ndjson"
        try:
            return await self._client.request(
                method, address + path, json=body, content=ndjson, params=dict(params or {}), headers=more
            )
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise Trouble(f"{address} is no address: {error}; write http://HOST:PORT", 2) from error
        except httpx2.TransportError as error:
            why = "no answer in time" if isinstance(error, httpx2.TimeoutException) else "nothing answers there"
            raise Away(f"{service} is away: {why} ({address}); `guichet up` starts it") from error


def _problem(service: str, answer: httpx2.Response) -> Trouble:
    content = _json(answer)
    says = [str(content[name]).rstrip(".") for name in ("title", "detail", "fix") if content.get(name)]
    line = f"{service} answers {answer.status_code}: {'. '.join(says) or answer.reason_phrase}"
    if answer.status_code in (502, 503, 504):
        return Away(line, _retry_after(answer.headers.get("retry-after", "")))
    return Refused(line, answer.status_code)


def _json(answer: httpx2.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _retry_after(text: str) -> float | None:
    """Seconds, from either form the header has."""
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def find(data: Path, to: str = "", key: str = "", environ: Mapping[str, str] = os.environ) -> House:
    """The house a command means: where it was told, else the one that runs on the data folder, else the usual ports.

    Args:
        to: one address for all services (a gateway, or a single service).
        key: else GUICHET_KEY, else the file `key` that `guichet up` keeps in the data folder.
    """
    address = (to or environ.get("GUICHET_URL", "")).rstrip("/")
    if address and "://" not in address:
        address = f"http://{address}"
    if address:
        addresses: Mapping[str, str] = dict.fromkeys(PORTS, address)
    elif found := standing(data):
        addresses = found.addresses
    else:
        addresses = {service: f"http://127.0.0.1:{port}" for service, port in PORTS.items()}
    return House(addresses, key or environ.get("GUICHET_KEY", "") or read_key(data))


def read_key(data: Path) -> str:
    """The secret of the first key, which `guichet up` keeps for the other commands; "" where there is none."""
    try:
        return (data / "key").read_text("utf-8").strip()
    except OSError:
        return ""

"""Cost of identity, policy and limits for one request: known and new callers, small and large sets.

Large means 10,000 API keys and 1,000 policies. The peer is Cedar itself, which evaluates the whole parsed set for each
request.
"""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cedarpy
from joserfc import jwt
from joserfc.jwk import RSAKey

from governance.access.callers.api_key_store import ApiKeyStore
from governance.contract.exchange import Exchange, Reply
from governance.contract.routes import RouteTable
from governance.gate.pipeline import Pipeline
from governance.keys.key_files import write_new
from governance.oip.routes import oip_routes
from governance.plugins.identity import IdentityPlugin
from governance.plugins.limits import LimitsPlugin
from governance.plugins.policy import PolicyPlugin
from governance.settings import Settings
from governance.testing import make_exchange

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = (ROOT / "bentos/digits/schema.cedarschema").read_text()
ROUTES = RouteTable(oip_routes(1000))
CALLS, FIRST, ROUNDS = 20_000, 1_000, 5
ISSUER = "https://login.example"
KEY = RSAKey.generate_key(2048, {"kid": "k", "alg": "RS256"})


def main() -> None:
    """Measure, print a table, and write the figures to results/access.json."""
    results: dict[str, Any] = {}
    for name, keys, policies in (("small", 10, 10), ("large", 10_000, 1_000)):
        with tempfile.TemporaryDirectory() as folder:
            results[name] = asyncio.run(_measure(Path(folder), keys, policies))
        for what, value in results[name].items():
            print(f"{name:<6} {what:<28} {value:>8.1f} µs")
    small, large = results["small"], results["large"]
    results["known_to_budget"] = max(large["known, API key"], large["known, token"]) / 30
    results["first_to_budget"] = max(large["first, API key"], large["first, token"]) / 400
    results["large_to_small"] = large["known, API key"] / small["known, API key"]
    results["known_to_cedar"] = large["known, API key"] / large["Cedar over the whole set"]
    file = ROOT / "benchmarks/results/access.json"
    file.write_text(json.dumps(results, indent=2) + "\n")
    print(f"known: {results['known_to_budget']:.2f} of 30 µs; first: {results['first_to_budget']:.2f} of 400 µs")


async def _measure(folder: Path, keys: int, policies: int) -> dict[str, float]:
    tokens, text = _prepare(folder, keys, policies)
    settings = _settings(folder)
    pipeline = Pipeline([IdentityPlugin(settings), LimitsPlugin(settings), PolicyPlugin(settings)])
    await pipeline.open()
    try:
        governed, bare = pipeline.around(_answer), Pipeline([]).around(_answer)
        jwts = [_token(number) for number in range(FIRST)]
        floor = await _per_call(bare, [tokens[0]] * CALLS)
        return {
            "first, API key": await _per_call(governed, tokens[:FIRST]) - floor,
            "first, token": await _per_call(governed, jwts) - floor,
            "known, API key": await _best(governed, [tokens[0]] * CALLS) - floor,
            "known, token": await _best(governed, [jwts[0]] * CALLS) - floor,
            "known, one of a thousand": await _best(governed, (jwts * 20)[:CALLS]) - floor,
            "Cedar over the whole set": _cedar(text),
        }
    finally:
        await pipeline.close()


async def _answer(exchange: Exchange) -> Reply:
    return Reply(200, (), ())


async def _best(handler: Any, tokens: list[str]) -> float:
    return min([await _per_call(handler, tokens) for _ in range(ROUNDS)])


async def _per_call(handler: Any, tokens: list[str]) -> float:
    """Return the microseconds of one request; the Exchange is made before the clock starts."""
    match = ROUTES.match("POST", "/v2/models/m/infer")
    exchanges = [
        make_exchange(
            route=match.route,
            model="m",
            headers=[
                (b"host", b"x"),
                (b"authorization", f"Bearer {token}".encode()),
                (b"content-type", b"application/json"),
            ],
            client_ip="127.0.0.1",
        )
        for token in tokens
    ]
    started = time.perf_counter()
    for exchange in exchanges:
        await handler(exchange)
    return (time.perf_counter() - started) / len(exchanges) * 1e6


async def _nothing() -> bytes:
    return b""


def _prepare(folder: Path, keys: int, policies: int) -> tuple[list[str], str]:
    text = "\n".join(
        f'@id("p{n}") permit (principal in Role::"r{n}", action == Action::"infer", resource in ModelGroup::"g");'
        for n in range(policies)
    )
    (folder / "p.cedar").write_text(text)
    (folder / "s.cedarschema").write_text(SCHEMA)
    (folder / "jwks.json").write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    write_new(folder / "secret.key", base64.b64encode(b"s" * 32), mode=0o600)
    return _many_keys(folder / "keys.json", max(keys, FIRST)), text


def _many_keys(file: Path, count: int) -> list[str]:
    """Write a store with many keys at once; `api-key create` would add them one by one."""
    store = ApiKeyStore(file, b"s" * 32)
    token, _ = store.create("caller-0", ("r0",), lifetime_seconds=None)
    document = json.loads(file.read_text())
    tokens = [token]
    for number in range(1, count):
        key_id = f"{number:012d}"
        secret = base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=")
        made = {
            **document["keys"][0],
            "key_id": key_id,
            "caller": f"caller-{number}",
            "hash": store.hash_of(key_id, secret),
        }
        document["keys"].append(made)
        tokens.append(f"bgk_{key_id}_{secret}")
    file.write_text(json.dumps(document))
    return tokens


def _token(number: int) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "b", "sub": f"caller-{number}", "iat": now, "exp": now + 3600, "roles": ["r0"]}
    return jwt.encode({"alg": "RS256", "kid": "k"}, claims, KEY, algorithms=["RS256"])


def _settings(folder: Path) -> Settings:
    return Settings.model_validate(
        {
            "service": {"name": "s"},
            "models": {"m": {"artifact": "x", "groups": ["g"]}},
            "identity": {
                "api_keys": folder / "keys.json",
                "hash_key": f"file:{folder}/secret.key",
                "issuers": {
                    "corp": {
                        "issuer": ISSUER,
                        "audiences": ["b"],
                        "jwks_file": folder / "jwks.json",
                        "roles": {"r0": ["r0"]},
                    }
                },
            },
            "policy": {"policies": folder / "p.cedar", "cedar_schema": folder / "s.cedarschema"},
            "limits": {"rate_per_second": 1e9, "burst": 10**9},
        }
    )


def _cedar(text: str) -> float:
    policies, schema = cedarpy.PolicySet.from_str(text), cedarpy.Schema.from_str(SCHEMA)
    entities = [
        {"uid": {"type": "Caller", "id": "c"}, "attrs": {}, "parents": [{"type": "Role", "id": "r0"}]},
        {"uid": {"type": "Model", "id": "m"}, "attrs": {}, "parents": [{"type": "ModelGroup", "id": "g"}]},
    ]
    question = {
        "principal": {"type": "Caller", "id": "c"},
        "action": {"type": "Action", "id": "infer"},
        "resource": {"type": "Model", "id": "m"},
        "context": {"route": "/"},
    }
    return _median(lambda: cedarpy.is_authorized(question, policies, entities, schema), 300)


def _median(call: Callable[[], Any], times: int) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6

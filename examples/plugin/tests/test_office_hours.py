"""The plugin alone in a chain, and installed in a real service."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import pytest
from office_hours import OFFICE_HOURS, OfficeHoursPlugin

from governance.access.callers.caller import Caller
from governance.contract.plugin import Plugin
from governance.errors import ConfigurationError, ForbiddenError
from governance.settings import Settings
from governance.testing import answers, chain, free_port, make_exchange, running

FOLDER = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
NOON, NIGHT = datetime(2026, 3, 2, 12, tzinfo=UTC), datetime(2026, 3, 2, 23, tzinfo=UTC)


class Identified(Plugin):
    """Puts a caller with one role, in place of the plugin `identity`."""

    name, provides = "identity", frozenset({Caller})

    async def handle(self, exchange, proceed):
        exchange.put(Caller("ada", ("doctor",), "key"))
        return await proceed(exchange)


def plugin(now=NOON, **section):
    settings = Settings.model_validate({"service": {"name": "s"}, "plugins": {"office-hours": section}})
    return OfficeHoursPlugin(settings, lambda: now)


async def test_office_hours_plugin_answers_at_noon_and_refuses_at_night():
    async with chain([plugin(NOON)]) as send:
        assert (await send(make_exchange())).status == 200
    closed = plugin(NIGHT)
    async with chain([closed]) as send:
        with pytest.raises(ForbiddenError, match="answers from 08:00 to 18:00 UTC"):
            await send(make_exchange())
    assert [(number.value, number.labels) for number in closed.measurements()] == [(1, ("infer",))]


async def test_office_hours_plugin_knows_time_zones_and_roles():
    async with chain([plugin(NIGHT, time_zone="America/Los_Angeles")]) as send:
        assert (await send(make_exchange())).status == 200
    async with chain([Identified(), plugin(NIGHT, always=["doctor"])]) as send:
        assert (await send(make_exchange())).status == 200


async def test_office_hours_plugin_must_stand_behind_identity():
    with pytest.raises(ConfigurationError, match="put 'identity' before 'office-hours'"):
        async with chain([plugin(), Identified()]):
            pass


async def test_office_hours_route_shows_the_hours():
    one = plugin(NIGHT)
    async with chain([one], one.routes()[OFFICE_HOURS]) as send:
        reply = await send(make_exchange("GET", "/office-hours", route=OFFICE_HOURS))
    assert json.loads(reply.body[0]) == {"open": False, "opens": "08:00", "closes": "18:00"}


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"opens": "eight"}, r"\[plugins.office-hours.opens\]"),
        ({"time_zone": "Mars/Olympus"}, "is not a time zone"),
        ({"clses": "18:00"}, r"\[plugins.office-hours.clses\]"),
    ],
)
def test_office_hours_settings_are_validated(section, says):
    with pytest.raises(ConfigurationError, match=says):
        plugin(**section)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the plugin as pip installs it, and a service that names it."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    shutil.copytree(FOLDER, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", folder / "packages", source], check=True, capture_output=True)
    for kind, name in (("checkpoint", "checkpoint.key"), ("secret", "hash.key")):
        create = [BIN / "bento-governance", "key", "create", kind, folder / name]
        subprocess.run(create, check=True, capture_output=True)
    for name in ("governance.toml", "service.py", "policy.cedar", "schema.cedarschema"):
        shutil.copy(FOLDER / "service" / name, folder)
    return folder


def serve(folder, **settings):
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder / 'packages'}:{os.environ.get('PYTHONPATH', '')}",
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(folder / "bentoml"),
        **settings,
    }
    command = [BIN / "bentoml", "serve", "service:Hello", "--host", "127.0.0.1", "--port", str(port)]
    ready = partial(answers, f"http://127.0.0.1:{port}/readyz")
    return f"http://127.0.0.1:{port}", running(command, ready, cwd=folder, environment=environment)


def test_installed_plugin_is_configured_by_file_and_environment_and_has_a_route(installed):
    create = [
        BIN / "bento-governance", "api-key", "create", "ada", "--role", "reader",
        "--store", installed / "api-keys.json", "--hash-key", f"file:{installed}/hash.key",
    ]  # fmt: skip
    token = subprocess.run(create, check=True, capture_output=True, text=True).stdout.strip()
    headers = {"authorization": f"Bearer {token}"}
    url, server = serve(installed, GOVERNANCE_PLUGINS__OFFICE_HOURS__CLOSES="00:00")
    with server:
        assert httpx.get(f"{url}/office-hours").status_code == 401
        assert httpx.get(f"{url}/office-hours", headers=headers).json()["closes"] == "00:00"
        refused = httpx.post(f"{url}/hello", json={"name": "Ada"}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "answers from 00:00 to 00:00 UTC" in refused.json()["detail"]
        metrics = httpx.get(f"{url}/metrics", headers=headers).text
        assert "governance_office_hours_refusals_total" in metrics


def test_installed_plugin_with_wrong_settings_stops_the_start(installed):
    _, server = serve(installed, GOVERNANCE_PLUGINS__OFFICE_HOURS__OPENS="eight")
    with pytest.raises(RuntimeError, match=r"OFFICE_HOURS__OPENS: \[plugins.office-hours.opens\]"), server:
        pass

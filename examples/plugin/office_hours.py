"""A plugin that refuses requests outside office hours, with settings, a route and a metric of its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from governance.access.callers.caller import Caller
from governance.contract.exchange import Exchange, Reply
from governance.contract.facts import Admitted, is_admitted
from governance.contract.measurements import Measurement, Metric
from governance.contract.plugin import Plugin, Proceed
from governance.contract.routes import READING, Route
from governance.errors import ForbiddenError
from governance.settings import Section, Settings, plugin_settings

OFFICE_HOURS = Route("GET", "/office-hours", action="metadata")


class OfficeHoursSettings(Section):
    """The section `[plugins.office-hours]`."""

    opens: time = Field(default=time(8), description="When the service starts to answer.", examples=["08:00"])
    closes: time = Field(default=time(18), description="When the service stops answering.", examples=["18:00"])
    time_zone: str = Field(default="UTC", description="The time zone of both.", examples=["Europe/Madrid"])
    always: tuple[str, ...] = Field(
        default=(), description="Roles whose requests are answered at any time.", examples=[["emergency"]]
    )

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"'{name}' is not a time zone: write one like Europe/Madrid") from None
        return name


class OfficeHoursPlugin(Plugin):
    """Refuses requests outside office hours, except those of callers with a role in `always`."""

    name = "office-hours"
    uses = frozenset({Admitted, Caller})
    settings_model = OfficeHoursSettings
    metrics = (Metric("office_hours_refusals_total", "counter", ("action",), "Requests refused outside office hours."),)

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Read the plugin's settings; `clock` returns the current time with its zone."""
        self._settings = plugin_settings(settings, self.name, OfficeHoursSettings)
        self._zone, self._clock = ZoneInfo(self._settings.time_zone), clock
        self._refusals: Counter[str] = Counter()

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Refuse a request outside office hours; metadata and metrics are always answered.

        Raises:
            ForbiddenError: with the office hours.
        """
        if is_admitted(exchange) or exchange.route.action in READING or self._may(exchange):
            return await proceed(exchange)
        self._refusals[exchange.route.action] += 1
        hours = self._settings
        raise ForbiddenError(f"this service answers from {hours.opens:%H:%M} to {hours.closes:%H:%M} {hours.time_zone}")

    def routes(self) -> Mapping[Route, Proceed]:
        """Return the plugin's own route."""
        return {OFFICE_HOURS: self.show}

    def measurements(self) -> Iterable[Measurement]:
        """Return how many requests were refused, by action."""
        for action, count in self._refusals.items():
            yield Measurement("office_hours_refusals_total", count, (action,))

    async def show(self, exchange: Exchange) -> Reply:
        """Answer `GET /office-hours`, for example `{"open": true, "opens": "08:00", "closes": "18:00"}`."""
        hours = self._settings
        document = {"open": self._is_open(), "opens": f"{hours.opens:%H:%M}", "closes": f"{hours.closes:%H:%M}"}
        return Reply(200, ((b"content-type", b"application/json"),), (json.dumps(document).encode(),))

    def _is_open(self) -> bool:
        now = self._clock().astimezone(self._zone).time()
        return self._settings.opens <= now < self._settings.closes

    def _may(self, exchange: Exchange) -> bool:
        caller = exchange.get(Caller)
        return self._is_open() or (caller is not None and not {*caller.roles}.isdisjoint(self._settings.always))

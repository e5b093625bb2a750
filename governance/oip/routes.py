"""The protocol's routes; every other path under /v2 is 404."""

from __future__ import annotations

from governance.contract.routes import Route

# The empty type is a missing Content-Type field: the Triton client sends none.
INFER_TYPES = frozenset({"", "application/json", "application/octet-stream"})

SERVER = "/v2"
LIVE, READY = "/v2/health/live", "/v2/health/ready"
MODEL = "/v2/models/{model}"
MODEL_VERSION = "/v2/models/{model}/versions/{version}"


def oip_routes(max_body_bytes: int) -> tuple[Route, ...]:
    """Return all routes of the protocol.

    Args:
        max_body_bytes: the longest inference request that is read.
    """
    return (
        Route("GET", SERVER, "metadata", "oip"),
        Route("GET", f"{SERVER}/", "metadata", "oip"),
        Route("GET", LIVE, "probe", "oip", public=True),
        Route("GET", READY, "probe", "oip", public=True),
        *(
            route
            for model in (MODEL, MODEL_VERSION)
            for route in (
                Route("GET", model, "metadata", "oip"),
                Route("GET", f"{model}/ready", "metadata", "oip"),
                Route(
                    "POST", f"{model}/infer", "infer", "oip", content_types=INFER_TYPES, max_body_bytes=max_body_bytes
                ),
            )
        ),
    )

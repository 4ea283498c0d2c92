"""The settings of a server, checked before anything is loaded."""

from __future__ import annotations

import os

from retailor.config import Field, settings
from retailor.errors import ConfigError
from retailor.live.settings import BanditSettings, ExperimentSettings, ImpressionSettings
from retailor.models.runtimes.sessions import Backend

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@settings
class ServeSettings:
    """How a run is served. The defaults are for one machine: this one, nobody else."""

    workers: int = Field(default=1, ge=1, le=64)
    """Processes that answer, behind one port. Weights and tables are in memory once; limits, `memory_mb` and
    `threads` are those of each."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes a free port and says which."""
    hosts: tuple[str, ...] = ()
    """Host names that requests may use; empty means loopback names on a loopback host, and any elsewhere.
    It keeps a web page from reading this server through a name of its own that points here."""
    cache_url: str = "memory:"
    """`memory:`, `lmdb:/folder` or `redis://host:6379/0`; memory stands in front of the other two."""
    memory_mb: int = Field(default=64, ge=0)
    """How much of the memory remembered answers and vectors may take; `memory:?size_mb=` says it itself."""
    warm_file: str | None = None
    """Queries whose answers are made and remembered before anyone asks, at the start and after each reload:
    a line each, the JSON body of a request with its `task` besides, or words to search for. None: none."""
    rehearse: bool = True
    """Whether each task is asked a question of the shop's before the server says that it is ready: what is
    imported and made at the first question is then no customer's wait."""
    backend: Backend = "auto"
    """What computes the encoders: 'torch' the networks as they were fitted, 'onnx' and 'openvino' as graphs,
    exported once; 'auto' compressed ones in their runtime, networks in ONNX Runtime where there is no GPU."""
    provider: str = "cpu"
    """Where 'onnx' computes: cpu, cuda, tensorrt, directml, coreml or cann (Ascend), each with its build of
    ONNX Runtime; 'openvino': cpu, gpu or npu."""
    api_key_env: str | None = None
    """The environment variable that holds the API key, or `sha256:` and its digest; None asks for no key."""
    events_url: str | None = None
    """Where events and changes of the catalogue are kept, such as `sqlite:///shop.db`; None: none."""
    write_key_env: str | None = None
    """The environment variable that holds the key of who may write; None: that of who may ask."""
    admin_key_env: str | None = None
    """The environment variable that holds the key of who may administer: forget customers, see the merchant's
    page, say which run answers; None: that of who may write."""
    absorb_s: float = Field(default=60.0, gt=0)
    """So often all customers' new events are counted into popularity and neighbours. A customer's own are
    known at once."""
    experiment: ExperimentSettings = Field(default_factory=ExperimentSettings)
    """Two or more ways to answer, each for some of the customers; needs `events_url`."""
    impressions: ImpressionSettings = Field(default_factory=ImpressionSettings)
    """Whether what was shown is written down; needs `events_url`."""
    bandit: BanditSettings = Field(default_factory=BanditSettings)
    """Recommendations ordered by what was clicked; needs `impressions.tasks` with 'recommend'."""
    watch_s: float = Field(default=300.0, gt=0)
    """How often drift and arms are counted, for `/metrics` and the merchant's page."""
    show_customers: bool = True
    """Whether `/customers` lists customers and their histories, which are personal data."""
    show_insight: bool = True
    """Whether `/insight` tells what customers praise and complain of, which is the merchant's business."""
    chat_model: str = ""
    """A model such as `https://host/v1#model-name` that answers `/chat` with the shop's tools, behind the
    planner's checks; '' for the planner alone. What customers say is then sent there."""
    remote_images: bool = False
    """Whether the page loads item pictures from their own hosts, which then see the merchant."""
    pictures: str | None = None
    """The folder where the items' pictures start, which the page shows. None: that of the run's plan."""
    max_batch: int = Field(default=32, ge=1, le=1024)
    batch_wait_ms: float = Field(default=2.0, ge=0, le=1000)
    max_queue: int = Field(default=256, ge=1)
    """Requests that may wait for one task; one more is told to come again later."""
    max_in_flight: int = Field(default=256, ge=1)
    threads: int = Field(default=64, ge=1, le=512)
    timeout_s: float = Field(default=30.0, gt=0)
    """How long a request waits for its answer."""
    header_timeout_s: float = Field(default=10.0, gt=0)
    """How long a connection may be open without the whole head of a request."""
    body_timeout_s: float = Field(default=10.0, gt=0)
    """How long a client may take to send the body of its request, or to take its response."""
    max_connections: int = Field(default=1024, ge=16)
    """Open connections at most; fewer where the process may not hold so many file handles."""
    max_bodies_per_client: int = Field(default=32, ge=1)
    """Requests of one address whose bodies may be on their way at once."""
    stop_timeout_s: int = Field(default=20, ge=0)
    """How long a stopping server waits for the requests in flight."""
    max_body_bytes: int = Field(default=128 * 1024, ge=256)

    def __post_init__(self) -> None:
        if self.bandit.explore and "recommend" not in self.impressions.tasks:
            raise ConfigError(
                "serve.bandit learns from what was shown, which nothing writes down: set "
                'impressions = {tasks = ["recommend"]}.',
                key="bandit",
            )

    def api_key(self) -> str | None:
        """The key that requests must carry. Raises ConfigError when it should be set and is not."""
        return _key_in("api_key_env", self.api_key_env)

    def write_key(self) -> str | None:
        """The key of requests that write. Raises ConfigError as `api_key`, and where anyone could write."""
        key = _key_in("write_key_env", self.write_key_env) or self.api_key()
        if key is None and self.events_url is not None and not self.is_local():
            raise ConfigError(
                f"anyone who reaches {self.host} could change this shop; name the variable that holds the "
                "key of who may.",
                key="write_key_env",
            )
        return key

    def admin_key(self) -> str | None:
        """The key of requests that administer. Raises ConfigError as `write_key`."""
        return _key_in("admin_key_env", self.admin_key_env) or self.write_key()

    def allowed_hosts(self) -> tuple[str, ...]:
        """The host names that requests may use, in lower case; empty for any."""
        if self.hosts:
            return tuple(name.lower() for name in self.hosts)
        return LOOPBACK if self.is_local() else ()

    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK


def _key_in(setting: str, variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(
            f"the environment variable '{variable}' should hold the API key, and is not set; "
            "set it, or serve without a key.",
            key=setting,
            value=variable,
        )
    return key

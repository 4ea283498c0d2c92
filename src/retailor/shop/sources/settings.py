"""What a source of a shop is: files of one format, or an address with rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from retailor.config import Field, settings
from retailor.errors import ConfigError

_ENV = r"[A-Za-z_][A-Za-z0-9_]*"
_SECRETS = ("password", "passwd", "pwd", "passphrase", "sslpassword", "token", "secret", "secret_key")

PASSWORD_IN_ODBC = re.compile(r"(?i)\bpwd\s*=\s*(\{[^}]*\}|[^;]+)")
"""In a connection string, which a URL may have in it whole."""


@settings
class Source:
    """Files of one format, or the rows at one address. A shop has as many sources as it has of these."""

    reader: str = "tabular"
    """A reader's name."""
    files: tuple[str, ...] = ()
    """Paths; in a plan, relative ones are relative to its folder."""
    tables: dict[str, Any] | None = None
    """The column maps of reader 'tabular', one a table."""
    url: str | None = None
    """In the place of files: a database (a URL of SQLAlchemy, without its password), a file of DuckDB,
    a folder of Parquet, Delta or Iceberg, or one of them in a bucket (s3://…). Relative paths as of files."""
    url_env: str | None = None
    """The environment variable that holds the URL, password included; in the place of `url`."""
    query: str | None = None
    """One SELECT; of a database."""
    password_env: str | None = None
    """The environment variable that holds the password of the database."""
    password_file: str | None = None
    """Or a file that holds it, and nothing else."""
    time_column: str | None = None
    """The column that says when a row came to be: a later read takes only what is new. Needs `keep`."""
    row_id: str | None = None
    """The column that names a row, where rows change: one that comes again takes the place of the older."""
    late_h: float = Field(default=24.0, ge=0)
    """A row may come so many hours after its time; what is newer than that is asked for again."""
    keep: str | None = None
    """The folder where the rows that were taken are kept, as they came."""

    def __post_init__(self) -> None:
        for name in ("url_env", "password_env"):
            # The value is left out of the message: who puts something else here has put the secret.
            if not re.fullmatch(_ENV, getattr(self, name) or "X"):
                raise ConfigError(
                    f"'{name}' is the name of an environment variable, such as SHOP_PASSWORD.", key=name
                )
        if self.url is not None:
            check_url(self.url)
        asked = [name for name in ("url", "url_env", "files") if getattr(self, name)]
        if len(asked) > 1:
            raise ConfigError(f"a source has '{asked[0]}' or '{asked[1]}', not both.", key=asked[1])
        if not self.is_remote:
            for name in ("query", "password_env", "password_file", "time_column", "row_id", "keep"):
                if getattr(self, name) is not None:
                    raise ConfigError(f"'{name}' is of a source with 'url'; this one has files.", key=name)
        if self.password_env and self.password_file:
            raise ConfigError("give 'password_env' or 'password_file', not both.", key="password_file")
        if (self.time_column is None) != (self.keep is None):
            lacks, why = ("keep", "the folder where") if self.keep is None else ("time_column", "by which")
            raise ConfigError(
                f"to take only what is new, a source needs '{lacks}' too, {why} it is known what was taken.",
                key=lacks,
            )
        if self.row_id is not None and self.keep is None:
            raise ConfigError(
                "'row_id' is of a source that is kept: give 'keep' and 'time_column'.", key="row_id"
            )

    @property
    def is_remote(self) -> bool:
        """Whether the rows stand at an address, and in no file of the shop's."""
        return self.url is not None or self.url_env is not None


def check_url(url: str) -> None:
    """Raises ConfigError, without the URL, where it has a password in it: it would be written down."""
    parts = urlsplit(url)
    values = parse_qsl(parts.query)
    told = {name.lower() for name, _ in values} & set(_SECRETS)
    in_odbc = any(PASSWORD_IN_ODBC.search(value) for _, value in values)
    if (parts.password and not re.fullmatch(r"\*+", parts.password)) or told or in_odbc:
        raise ConfigError(
            "'url' has a password in it, which would be written into the plan of every run: leave it "
            "out, and "
            "name the environment variable that holds it by 'password_env' (or the whole URL by 'url_env').",
            key="url",
        )


def url_from(url: str, folder: Path) -> str:
    """The URL with a path in it that is relative made whole: of a folder or file, or of a file of SQLite."""
    if "://" not in url:
        return str((folder / url).resolve())
    for kind in ("sqlite", "duckdb"):
        start, _, path = url.partition(":///")
        if start.split("+")[0] == kind and path and not path.startswith((":memory:", "file:")):
            return f"{start}:///{(folder / path).resolve()}"
    return url

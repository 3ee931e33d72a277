"""Settings of connectors to a database server, with Airbyte's names: where it is, how it is reached, who asks."""

from __future__ import annotations

from typing import Annotated, Any

from headwater.config import Config, Setting
from headwater.secrets import Secret
from headwater.sql.config import SqlConfig


def _setting(title: str, text: str | None = None, group: str | None = None, **extra: Any) -> Setting:
    return Setting(title, text, extra={**({"group": group} if group else {}), **extra})


# --- TLS -----------------------------------------------------------------------------------------------------


class Disable(Config, tag_field="mode", tag="disable"):
    """The connection is not encrypted."""


class Allow(Config, tag_field="mode", tag="allow"):
    """The connection is encrypted where the server insists on it."""


class Prefer(Config, tag_field="mode", tag="prefer"):
    """The connection is encrypted where the server can."""


class Require(Config, tag_field="mode", tag="require"):
    """The connection is encrypted; whoever answers is taken for the server."""


class Verified(Config):
    """A certificate that the server must have one of."""

    ca_certificate: Annotated[Secret, _setting("CA certificate", "PEM.", multiline=True)]
    client_certificate: Annotated[Secret | None, _setting("Client certificate", "PEM.", multiline=True)] = None
    client_key: Annotated[Secret | None, _setting("Client key", "PEM.", multiline=True)] = None
    client_key_password: Annotated[Secret | None, _setting("Client key password")] = None


class VerifyCa(Verified, tag_field="mode", tag="verify-ca"):
    """The connection is encrypted, and the server's certificate is of this authority."""


class VerifyFull(Verified, tag_field="mode", tag="verify-full"):
    """As verify-ca, and the certificate is of this host."""


SslMode = Disable | Allow | Prefer | Require | VerifyCa | VerifyFull


# --- SSH -----------------------------------------------------------------------------------------------------


class NoTunnel(Config, tag_field="tunnel_method", tag="NO_TUNNEL"):
    """The database is reached directly."""


class _Tunnel(Config, kw_only=True):
    tunnel_host: Annotated[str, _setting("SSH host", "The server through which the database is reached.")]
    tunnel_port: Annotated[int, _setting("SSH port", minimum=0, maximum=65536)] = 22
    tunnel_user: Annotated[str, _setting("SSH user", "Who logs in there.")]
    tunnel_host_key: Annotated[
        str | None,
        _setting("SSH host key", "The server's public key, as a line of known_hosts has it after the name. Without "
                 "it whoever answers is taken for the server."),
    ] = None  # fmt: skip


class KeyTunnel(_Tunnel, tag_field="tunnel_method", tag="SSH_KEY_AUTH", kw_only=True):
    """The database is reached through an SSH server that knows a key."""

    ssh_key: Annotated[Secret, _setting("SSH private key", "In OpenSSH's or PEM form, without a passphrase.",
                                        multiline=True)]  # fmt: skip


class PasswordTunnel(_Tunnel, tag_field="tunnel_method", tag="SSH_PASSWORD_AUTH", kw_only=True):
    """The database is reached through an SSH server that knows a password."""

    tunnel_user_password: Annotated[Secret, _setting("SSH password", "With what.")]


Tunnel = NoTunnel | KeyTunnel | PasswordTunnel


class ServerConfig(SqlConfig, kw_only=True):
    """Where a database server is and who asks it."""

    host: Annotated[str, _setting("Host", "Where the server is.", "db", order=0)]
    database: Annotated[str, _setting("Database", "Its name.", "db", order=2)]
    username: Annotated[str, _setting("Username", "Who reads; the right to SELECT is enough.", "auth", order=4)]
    password: Annotated[Secret | None, _setting("Password", None, "auth", order=5, always_show=True)] = None
    tunnel_method: Annotated[Tunnel | None, _setting("SSH tunnel", None, "security", order=10)] = None

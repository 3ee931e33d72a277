"""A certificate authority of one run: it lets the proxy read what a connector and an API say over TLS."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

_DAYS = timedelta(days=3)


class Authority:
    """Makes certificates for hosts. Its key is never written anywhere.

    :param folder: for the certificates.
    :ivar file: its own certificate, for those who are to trust it.
    :ivar bundle: that and those which this machine trusts.
    """

    def __init__(self, folder: Path, name: str = "Headwater acceptance") -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID

        self._folder = folder
        self._key: Any = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        built = self._begun(self._name, self._key).add_extension(x509.BasicConstraints(True, 0), critical=True)
        self._certificate = self._signed(built.add_extension(usage, critical=True))
        self.file = folder / "authority.pem"
        self.file.write_bytes(_pem(self._certificate))
        self.bundle = folder / "authorities.pem"
        self.bundle.write_bytes(_pem(self._certificate) + _trusted())

    def context(self, host: str) -> ssl.SSLContext:
        """For a server that is taken for this host."""
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = self._made(host)
            return self._contexts[host]

    def _made(self, host: str) -> ssl.SSLContext:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
        try:
            names: Any = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            names = x509.DNSName(host)
        built = self._begun(subject, key).add_extension(x509.SubjectAlternativeName([names]), critical=False)
        built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        path = self._folder / f"host-{len(self._contexts)}.pem"
        path.touch(0o600)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(secret + _pem(self._signed(built)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        path.unlink()
        return context

    def _begun(self, subject: Any, key: Any) -> Any:
        from cryptography import x509

        now = datetime.now(timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAYS)
            .not_valid_after(now + _DAYS)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def _signed(self, builder: Any) -> Any:
        from cryptography.hazmat.primitives import hashes

        return builder.sign(self._key, hashes.SHA256())


def _pem(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    found: bytes = certificate.public_bytes(serialization.Encoding.PEM)
    return found


def _trusted() -> bytes:
    """The certificates that requests trusts."""
    import certifi

    return Path(certifi.where()).read_bytes()

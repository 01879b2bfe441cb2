"""A real broker as it must stand in production: TLS, SASL/SCRAM, and an authorizer that allows nothing by itself."""

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.servers.kafka import Broker, new_cluster_id

LOGIN: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"
ADMIN: Final = "admin"
"""The user who may do everything: who administers the brokers, and the brokers among themselves."""


class Authority:
    """A certificate authority for one test run, and the certificate of its broker."""

    def __init__(self, directory: Path) -> None:
        self.ca_file, self.broker_file = directory / "ca.pem", directory / "broker.pem"
        key, name = ec.generate_private_key(ec.SECP256R1()), _named("test authority")
        root = _certificate(name, key, name, key, x509.BasicConstraints(ca=True, path_length=0))
        self.ca_file.write_bytes(root.public_bytes(Encoding.PEM))
        own = ec.generate_private_key(ec.SECP256R1())
        local = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        leaf = _certificate(_named("broker"), own, name, key, local)
        private = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.broker_file.write_bytes(private + leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM))


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:  # fmt: skip
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(extension, critical=True)
        .sign(signer, hashes.SHA256())
    )


class SecuredBroker(Broker):
    """A broker that takes only users with a password, over TLS, and allows only what its access lists say."""

    def __init__(self, directory: Path, users: Mapping[str, str]) -> None:
        """``users``: the password of each user; ``admin`` must be among them."""
        super().__init__(directory)
        self.users = dict(users)
        self.authority = Authority(directory)
        login = f'{LOGIN} required username="{ADMIN}" password="{self.users[ADMIN]}";'
        self.settings |= {
            "listeners": f"SASL_SSL://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SSL",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": login,
            "listener.name.controller.ssl.client.auth": "required",  # else anybody is a controller's client
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.authority.broker_file),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.ca_file),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": f"User:{ADMIN};User:CN=broker",
        }

    def format(self, cluster_id: str) -> None:
        scram = [f"SCRAM-SHA-512=[name={user},password={password}]" for user, password in self.users.items()]
        self.format_by_tool(cluster_id, *(argument for one in scram for argument in ("--add-scram", one)))

    def options(self, user: str) -> dict[str, str]:
        """The settings with which a user connects, as a configuration's table ``[kafka]`` has them."""
        return {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": user,
            "sasl_plain_password": self.users[user],
            "ssl_cafile": str(self.authority.ca_file),
        }


def start_secured(directory: Path, users: Mapping[str, str]) -> SecuredBroker:
    """Start a secured broker in a folder."""
    broker = SecuredBroker(directory, users)
    try:
        broker.prepare(new_cluster_id(), f"{broker.number}@127.0.0.1:{broker.controller_port}", 1)
        broker.start()
    except BaseException:
        broker.kill()
        raise
    return broker

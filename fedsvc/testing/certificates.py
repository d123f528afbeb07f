"""Certificates that are no longer, or not yet, good."""

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fedsvc.simulator.certificates import KeyPair, issue_serving


def dated(authority: KeyPair, *, start: dt.timedelta, end: dt.timedelta) -> KeyPair:
    """A serving certificate for 127.0.0.1 that is good from `start` until `end`, both counted from now."""
    made = issue_serving(authority, hosts=("127.0.0.1",))
    old = x509.load_pem_x509_certificate(made.certificate_pem)
    key = serialization.load_pem_private_key(authority.key_pem, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(old.subject).issuer_name(old.issuer).public_key(old.public_key())
    builder = builder.serial_number(7).not_valid_before(now + start).not_valid_after(now + end)
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    signed = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return KeyPair(certificate_pem=signed, key_pem=made.key_pem)

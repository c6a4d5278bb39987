"""Signatures, codes, key pairs and shared secrets, each checked by Python's cryptography."""

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from .test_keys import check, make

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
MESSAGE = b"what is signed"


def verify(public, algorithm: str, signature: bytes, message: bytes = MESSAGE) -> None:
    digest = HASHES.get(algorithm.rsplit("_", 1)[1])
    if algorithm.startswith("RSASSA_PSS"):
        pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
        public.verify(signature, message, pss, digest)
    elif algorithm.startswith("RSASSA_PKCS1"):
        public.verify(signature, message, padding.PKCS1v15(), digest)
    elif algorithm.startswith("ECDSA"):
        public.verify(signature, message, ec.ECDSA(digest))
    else:
        public.verify(signature, message)


@pytest.mark.parametrize(
    "spec",
    [
        "RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1",
        "ECC_NIST_EDWARDS25519",
    ],
)  # fmt: skip
def test_signatures(account, spec):
    kms = account.client("kms")
    key = make(kms, KeySpec=spec, KeyUsage="SIGN_VERIFY")
    name = key["KeyId"]
    answer = kms.get_public_key(KeyId=name)
    assert (answer["KeySpec"], answer["KeyUsage"]) == (spec, "SIGN_VERIFY")
    assert answer["SigningAlgorithms"] == key["SigningAlgorithms"]
    public = serialization.load_der_public_key(answer["PublicKey"])
    for algorithm in key["SigningAlgorithms"]:
        common = {"KeyId": name, "Message": MESSAGE, "SigningAlgorithm": algorithm}
        signed = kms.sign(**common)
        assert (signed["KeyId"], signed["SigningAlgorithm"]) == (key["Arn"], algorithm)
        signature = signed["Signature"]
        verify(public, algorithm, signature)
        assert kms.verify(**common, Signature=signature)["SignatureValid"] is True
        wrong = signature[:-1] + bytes([signature[-1] ^ 1])
        check(kms.verify, "KMSInvalidSignatureException", **common, Signature=wrong)
        check(kms.verify, "KMSInvalidSignatureException", **(common | {"Message": b"x"}), Signature=signature)
        check(kms.sign, "DryRunOperationException", **common, DryRun=True)
        if spec == "ECC_NIST_EDWARDS25519":
            continue
        digest = hashlib.new("sha" + algorithm.rsplit("_", 1)[1], MESSAGE).digest()
        by_digest = common | {"Message": digest, "MessageType": "DIGEST"}
        verify(public, algorithm, kms.sign(**by_digest)["Signature"])
        assert kms.verify(**by_digest, Signature=signature)["SignatureValid"] is True
        check(kms.sign, "ValidationException", **(by_digest | {"Message": b"short"}))
    check(kms.encrypt, "InvalidKeyUsageException", "Encrypt", KeyId=name, Plaintext=b"x")
    kms.disable_key(KeyId=name)
    check(kms.sign, "DisabledException", **common)
    check(kms.get_public_key, "DisabledException", KeyId=name)


def test_signatures_made_elsewhere(account):
    """What Python signs with a key that KMS made as a data key verifies by its public half."""
    kms = account.client("kms")
    name = make(kms)["KeyId"]
    kinds = {
        "RSA_2048": rsa.RSAPrivateKey, "ECC_NIST_P384": ec.EllipticCurvePrivateKey,
        "ECC_SECG_P256K1": ec.EllipticCurvePrivateKey, "ECC_NIST_EDWARDS25519": ed25519.Ed25519PrivateKey,
    }  # fmt: skip
    for spec, kind in kinds.items():
        made = kms.generate_data_key_pair(KeyId=name, KeyPairSpec=spec, EncryptionContext={"a": "1"})
        private = serialization.load_der_private_key(made["PrivateKeyPlaintext"], None)
        public = serialization.load_der_public_key(made["PublicKey"])
        assert isinstance(private, kind) and private.public_key() == public
        opened = kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext={"a": "1"})
        assert opened["Plaintext"] == made["PrivateKeyPlaintext"]
    hidden = kms.generate_data_key_pair_without_plaintext(KeyId=name, KeyPairSpec="ECC_NIST_P256")
    assert "PrivateKeyPlaintext" not in hidden
    opened = kms.decrypt(CiphertextBlob=hidden["PrivateKeyCiphertextBlob"])["Plaintext"]
    private = serialization.load_der_private_key(opened, None)
    digest = utils.Prehashed(hashes.SHA256())
    signature = private.sign(hashlib.sha256(MESSAGE).digest(), ec.ECDSA(digest))
    serialization.load_der_public_key(hidden["PublicKey"]).verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_encryption_for_a_pair(account):
    kms = account.client("kms")
    key = make(kms, KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    name = key["KeyId"]
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=name)["PublicKey"])
    for algorithm, digest in (("RSAES_OAEP_SHA_1", hashes.SHA1()), ("RSAES_OAEP_SHA_256", hashes.SHA256())):
        oaep = padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)
        common = {"KeyId": name, "EncryptionAlgorithm": algorithm}
        assert kms.decrypt(CiphertextBlob=public.encrypt(b"from outside", oaep), **common)["Plaintext"] == b"from outside"
        sealed = kms.encrypt(Plaintext=b"from inside", **common)
        assert (sealed["EncryptionAlgorithm"], sealed["KeyId"]) == (algorithm, key["Arn"])
        assert kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], **common)["Plaintext"] == b"from inside"
        check(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=b"x" * 256, **common)
        check(kms.encrypt, "ValidationException", Plaintext=b"x" * 256, **common)
        # Under a symmetric key and back.
        symmetric = make(kms)["KeyId"]
        moved = kms.re_encrypt(
            CiphertextBlob=sealed["CiphertextBlob"], SourceKeyId=name, SourceEncryptionAlgorithm=algorithm,
            DestinationKeyId=symmetric, DestinationEncryptionContext={"a": "1"},
        )  # fmt: skip
        back = kms.re_encrypt(
            CiphertextBlob=moved["CiphertextBlob"], SourceEncryptionContext={"a": "1"}, DestinationKeyId=name,
            DestinationEncryptionAlgorithm=algorithm,
        )  # fmt: skip
        assert kms.decrypt(CiphertextBlob=back["CiphertextBlob"], **common)["Plaintext"] == b"from inside"
    check(kms.encrypt, "InvalidKeyUsageException", "incompatible", KeyId=name, Plaintext=b"x")
    check(kms.generate_data_key, "InvalidKeyUsageException", KeyId=name, KeySpec="AES_256")
    check(kms.sign, "InvalidKeyUsageException", KeyId=name, Message=b"x", SigningAlgorithm="RSASSA_PSS_SHA_256")
    check(
        kms.decrypt, "InvalidKeyUsageException", KeyId=symmetric, CiphertextBlob=b"x" * 256,
        EncryptionAlgorithm="RSAES_OAEP_SHA_256",
    )  # fmt: skip


@pytest.mark.parametrize("bits", ["224", "256", "384", "512"])
def test_codes(account, bits):
    kms = account.client("kms")
    key = make(kms, KeySpec=f"HMAC_{bits}", KeyUsage="GENERATE_VERIFY_MAC")
    algorithm = f"HMAC_SHA_{bits}"
    assert key["MacAlgorithms"] == [algorithm]
    common = {"KeyId": key["KeyId"], "Message": MESSAGE, "MacAlgorithm": algorithm}
    mac = kms.generate_mac(**common)["Mac"]
    assert len(mac) == int(bits) // 8
    assert kms.verify_mac(**common, Mac=mac)["MacValid"] is True
    check(kms.verify_mac, "KMSInvalidMacException", **common, Mac=mac[:-1] + bytes([mac[-1] ^ 1]))
    check(kms.verify_mac, "DryRunOperationException", **common, Mac=mac, DryRun=True)
    check(kms.get_public_key, "UnsupportedOperationException", KeyId=key["KeyId"])
    other = "HMAC_SHA_512" if bits != "512" else "HMAC_SHA_256"
    check(kms.generate_mac, "InvalidKeyUsageException", **(common | {"MacAlgorithm": other}))


@pytest.mark.parametrize(
    ("spec", "curve"), [("P256", ec.SECP256R1()), ("P384", ec.SECP384R1()), ("P521", ec.SECP521R1())]
)
def test_shared_secrets(account, spec, curve):
    kms = account.client("kms")
    key = make(kms, KeySpec=f"ECC_NIST_{spec}", KeyUsage="KEY_AGREEMENT")
    assert key["KeyAgreementAlgorithms"] == ["ECDH"]
    own = ec.generate_private_key(curve)
    theirs = serialization.load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
    public = own.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    common = {"KeyId": key["KeyId"], "KeyAgreementAlgorithm": "ECDH"}
    shared = kms.derive_shared_secret(**common, PublicKey=public)
    assert shared["SharedSecret"] == own.exchange(ec.ECDH(), theirs)
    check(kms.derive_shared_secret, "ValidationException", **common, PublicKey=b"not a key")


def test_dry_runs_do_nothing(account):
    kms = account.client("kms")
    name = make(kms)["KeyId"]
    sealed = kms.encrypt(KeyId=name, Plaintext=b"x")["CiphertextBlob"]
    code = "DryRunOperationException"
    check(kms.encrypt, code, KeyId=name, Plaintext=b"x", DryRun=True)
    check(kms.decrypt, code, CiphertextBlob=sealed, DryRun=True)
    check(kms.re_encrypt, code, CiphertextBlob=sealed, DestinationKeyId=name, DryRun=True)
    check(kms.generate_data_key, code, KeyId=name, KeySpec="AES_256", DryRun=True)
    check(kms.generate_data_key_pair, code, KeyId=name, KeyPairSpec="ECC_NIST_P256", DryRun=True)
    grantee = f"arn:aws:iam::{account.id}:root"
    check(kms.create_grant, code, KeyId=name, GranteePrincipal=grantee, Operations=["Encrypt"], DryRun=True)
    assert kms.list_grants(KeyId=name)["Grants"] == []
    # What would have failed says why.
    check(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=b"never encrypted", DryRun=True)

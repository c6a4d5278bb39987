"""Material that its owner brings, wrapped by Python's cryptography as AWS documents it."""

import hashlib
import hmac
import os
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding

from ..conftest import wait_for
from .test_keys import check, make


def wrap(parameters: dict, algorithm: str, material: bytes) -> bytes:
    public = serialization.load_der_public_key(parameters["PublicKey"])
    digest = hashes.SHA1() if algorithm.endswith("_SHA_1") else hashes.SHA256()
    oaep = padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)
    if algorithm.startswith("RSAES_OAEP"):
        return public.encrypt(material, oaep)
    key = os.urandom(32)
    return public.encrypt(key, oaep) + aes_key_wrap_with_padding(key, material)


def bring(kms, name: str, material: bytes, algorithm="RSAES_OAEP_SHA_256", spec="RSA_2048", **arguments) -> dict:
    parameters = kms.get_parameters_for_import(KeyId=name, WrappingAlgorithm=algorithm, WrappingKeySpec=spec)
    arguments = arguments or {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    return kms.import_key_material(
        KeyId=name,
        ImportToken=parameters["ImportToken"],
        EncryptedKeyMaterial=wrap(parameters, algorithm, material),
        **arguments,
    )


def test_material_is_brought_used_and_thrown_away(account):
    kms = account.client("kms")
    key = make(kms, Origin="EXTERNAL")
    name, material = key["KeyId"], os.urandom(32)
    assert (key["KeyState"], key["Origin"], key["Enabled"]) == ("PendingImport", "EXTERNAL", False)
    assert "CurrentKeyMaterialId" not in key
    check(kms.encrypt, "KMSInvalidStateException", "pending import", KeyId=name, Plaintext=b"x")
    check(kms.enable_key, "KMSInvalidStateException", KeyId=name)
    sealed = None
    for algorithm in (
        "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256",
    ):  # fmt: skip
        brought = bring(kms, name, material, algorithm)
        now = kms.describe_key(KeyId=name)["KeyMetadata"]
        assert (now["KeyState"], now["ExpirationModel"]) == ("Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE")
        assert now["CurrentKeyMaterialId"] == brought["KeyMaterialId"]
        sealed = sealed or kms.encrypt(KeyId=name, Plaintext=b"secret")["CiphertextBlob"]
        assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"secret"
        kms.delete_imported_key_material(KeyId=name)
        assert kms.describe_key(KeyId=name)["KeyMetadata"]["KeyState"] == "PendingImport"
        check(kms.decrypt, "KMSInvalidStateException", CiphertextBlob=sealed)
    parameters = kms.get_parameters_for_import(
        KeyId=name, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_3072"
    )
    assert 23 < (parameters["ParametersValidTo"] - datetime.now(UTC)).total_seconds() / 3600 <= 24
    wrapped = wrap(parameters, "RSAES_OAEP_SHA_256", os.urandom(32))
    common = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE", "KeyId": name}
    token = parameters["ImportToken"]
    bad = token[:-1] + bytes([token[-1] ^ 1])
    call = kms.import_key_material
    check(call, "IncorrectKeyMaterialException", ImportToken=token, EncryptedKeyMaterial=wrapped, **common)
    check(call, "InvalidImportTokenException", ImportToken=bad, EncryptedKeyMaterial=wrapped, **common)
    check(call, "InvalidCiphertextException", ImportToken=token, EncryptedKeyMaterial=b"x" * 384, **common)
    other = make(kms, Origin="EXTERNAL")["KeyId"]
    arguments = common | {"KeyId": other, "ImportToken": token, "EncryptedKeyMaterial": wrapped}
    check(call, "InvalidImportTokenException", **arguments)
    check(
        kms.get_parameters_for_import, "UnsupportedOperationException", KeyId=make(kms)["KeyId"],
        WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048",
    )  # fmt: skip


def test_material_expires(account):
    kms = account.client("kms")
    name, material = make(kms, Origin="EXTERNAL")["KeyId"], os.urandom(32)
    soon = datetime.now(UTC) + timedelta(seconds=3)
    bring(kms, name, material, ValidTo=soon)
    now = kms.describe_key(KeyId=name)["KeyMetadata"]
    assert (now["KeyState"], now["ExpirationModel"]) == ("Enabled", "KEY_MATERIAL_EXPIRES")
    assert abs((now["ValidTo"] - soon).total_seconds()) < 1

    def refused() -> str:
        try:
            kms.encrypt(KeyId=name, Plaintext=b"x")
            return ""
        except kms.exceptions.KMSInvalidStateException as error:
            return str(error)

    assert "pending import" in wait_for(refused, what="the end of the material")
    bring(kms, name, material)
    kms.encrypt(KeyId=name, Plaintext=b"x")


def test_pairs_and_keys_for_codes_are_brought_too(account):
    kms = account.client("kms")
    private = ec.generate_private_key(ec.SECP256R1())
    pkcs8 = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    name = make(kms, Origin="EXTERNAL", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyId"]
    bring(kms, name, pkcs8, "RSA_AES_KEY_WRAP_SHA_256", "RSA_4096")
    signed = kms.sign(KeyId=name, Message=b"message", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    private.public_key().verify(signed, b"message", ec.ECDSA(hashes.SHA256()))
    name = make(kms, Origin="EXTERNAL", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyId"]
    bring(kms, name, b"k" * 32)
    mac = kms.generate_mac(KeyId=name, Message=b"message", MacAlgorithm="HMAC_SHA_256")["Mac"]
    assert mac == hmac.digest(b"k" * 32, b"message", hashlib.sha256)

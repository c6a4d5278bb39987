"""Rotation as boto3 sees it: on demand, by itself, and every ciphertext of every version still opens."""

from ..conftest import wait_for
from .test_keys import check, make


def test_rotation_on_demand(account):
    kms = account.client("kms")
    key = make(kms)
    name = key["KeyId"]
    assert kms.get_key_rotation_status(KeyId=name)["KeyRotationEnabled"] is False
    sealed, materials = [], [key["CurrentKeyMaterialId"]]
    for _ in range(3):
        sealed.append(kms.encrypt(KeyId=name, Plaintext=b"secret")["CiphertextBlob"])
        assert kms.rotate_key_on_demand(KeyId=name)["KeyId"] == name
        materials.append(kms.describe_key(KeyId=name)["KeyMetadata"]["CurrentKeyMaterialId"])
    assert len(set(materials)) == 4
    for blob, material in zip(sealed, materials, strict=False):
        opened = kms.decrypt(CiphertextBlob=blob)
        assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"secret", material)
    moved = kms.re_encrypt(CiphertextBlob=sealed[0], DestinationKeyId=name)
    assert (moved["SourceKeyMaterialId"], moved["DestinationKeyMaterialId"]) == (materials[0], materials[3])
    rotations = [
        entry
        for page in kms.get_paginator("list_key_rotations").paginate(KeyId=name, PaginationConfig={"PageSize": 2})
        for entry in page["Rotations"]
    ]
    assert [entry["KeyMaterialId"] for entry in rotations] == materials[1:]
    assert {entry["RotationType"] for entry in rotations} == {"ON_DEMAND"}
    listed = kms.list_key_rotations(KeyId=name, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [entry["KeyMaterialState"] for entry in listed] == ["NON_CURRENT"] * 3 + ["CURRENT"]


def test_rotation_schedules(account):
    kms = account.client("kms")
    key = make(kms)
    name = key["KeyId"]
    kms.enable_key_rotation(KeyId=name, RotationPeriodInDays=90)
    status = kms.get_key_rotation_status(KeyId=name)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 90)
    assert 89 < (status["NextRotationDate"] - key["CreationDate"]).total_seconds() / 86_400 < 91
    kms.enable_key_rotation(KeyId=name)
    assert kms.get_key_rotation_status(KeyId=name)["RotationPeriodInDays"] == 365
    kms.disable_key_rotation(KeyId=name)
    assert kms.get_key_rotation_status(KeyId=name)["KeyRotationEnabled"] is False
    kms.disable_key(KeyId=name)
    check(kms.enable_key_rotation, "DisabledException", KeyId=name)
    check(kms.rotate_key_on_demand, "DisabledException", KeyId=name)
    pair = make(kms, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyId"]
    check(kms.enable_key_rotation, "UnsupportedOperationException", KeyId=pair)
    assert kms.get_key_rotation_status(KeyId=pair)["KeyRotationEnabled"] is False


def test_keys_rotate_by_themselves(own_server):
    # A day is a second.
    own_server.environment = {"TARN_DEBUG_DAY_SECONDS": "1"}
    own_server.start()
    kms = own_server.root().client("kms")
    name = make(kms)["KeyId"]
    sealed = kms.encrypt(KeyId=name, Plaintext=b"secret")["CiphertextBlob"]
    kms.enable_key_rotation(KeyId=name, RotationPeriodInDays=90)
    rotated = wait_for(lambda: kms.list_key_rotations(KeyId=name)["Rotations"], what="a rotation", seconds=180)
    assert rotated[0]["RotationType"] == "AUTOMATIC"
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"secret"
    own_server.kill()
    own_server.start()
    kms = own_server.root().client("kms")
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"secret"
    events = own_server.root().client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "RotateKey"}]
    )["Events"]
    assert events

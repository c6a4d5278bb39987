"""Encryption as clients ask for it: by the lake, by KMS keys, by keys of their own; and that the disk holds nothing in the clear."""

import base64
import hashlib
import io
import json
import os
import secrets

import pytest
from botocore.exceptions import ClientError

from ..conftest import allow, wait_for

MIB = 1 << 20


def check(call, code: str, status: int | None = None, **arguments) -> None:
    """The call fails with `code`."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    assert response["Error"]["Code"] == code, response
    assert status is None or response["ResponseMetadata"]["HTTPStatusCode"] == status


def customer(key: bytes) -> dict:
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}


def source(key: bytes) -> dict:
    return {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": key}


def encoded(read: dict) -> dict:
    """As the wire has it, for the calls whose keys boto3 does not encode."""
    if "SSECustomerKey" not in read:
        return read
    key = read["SSECustomerKey"]
    md5 = base64.b64encode(hashlib.md5(key).digest()).decode()
    return read | {"SSECustomerKey": base64.b64encode(key).decode(), "SSECustomerKeyMD5": md5}


KEY, OTHER = bytes(range(32)), bytes(range(32, 64))


def kinds(account) -> dict[str, tuple[dict, dict]]:
    """How each kind is put, and what its reads need."""
    kms = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    by_kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms}
    return {
        "default": ({}, {}),
        "lake": ({"ServerSideEncryption": "AES256"}, {}),
        "kms": (by_kms, {}),
        "kms-bucket-key": (by_kms | {"BucketKeyEnabled": True}, {}),
        "kms-default-key": ({"ServerSideEncryption": "aws:kms"}, {}),
        "customer": (customer(KEY), customer(KEY)),
    }


def says(response: dict, kind: str) -> None:
    """The answer names the kind."""
    expected = {"default": "AES256", "lake": "AES256", "customer": None}.get(kind, "aws:kms")
    assert response.get("ServerSideEncryption") == expected, (kind, response)
    assert bool(response.get("BucketKeyEnabled")) == (kind == "kms-bucket-key")
    assert (response.get("SSECustomerAlgorithm") == "AES256") == (kind == "customer")
    assert ("SSEKMSKeyId" in response) == (expected == "aws:kms")
    if kind == "customer":
        assert response["SSECustomerKeyMD5"] == base64.b64encode(hashlib.md5(KEY).digest()).decode()


def test_every_kind_in_every_way(account):
    s3, bucket = account.client("s3"), account.bucket()
    data = os.urandom(MIB + 12_345)
    for kind, (write, read) in kinds(account).items():
        put = s3.put_object(Bucket=bucket, Key=kind, Body=data, **write)
        says(put, kind)
        assert (put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"') == (kind in ("default", "lake"))
        head = s3.head_object(Bucket=bucket, Key=kind, **read)
        says(head, kind)
        got = s3.get_object(Bucket=bucket, Key=kind, **read)
        says(got, kind)
        assert got["Body"].read() == data and got["ETag"] == head["ETag"] == put["ETag"]
        for first, last in ((0, 0), (65_535, 65_536), (131_071, 700_000), (MIB, MIB + 12_344)):
            part = s3.get_object(Bucket=bucket, Key=kind, Range=f"bytes={first}-{last}", **read)
            assert part["Body"].read() == data[first : last + 1], (kind, first, last)
        attributes = s3.get_object_attributes(
            Bucket=bucket, Key=kind, ObjectAttributes=["ETag", "ObjectSize", "Checksum"], **encoded(read)
        )
        assert (attributes["ETag"], attributes["ObjectSize"]) == (put["ETag"].strip('"'), len(data))


def test_uploads_in_parts_of_every_kind(account):
    s3, bucket = account.client("s3"), account.bucket()
    data = os.urandom(11 * MIB + 7)
    for kind, (write, read) in kinds(account).items():
        created = s3.create_multipart_upload(Bucket=bucket, Key=kind, **write)
        says(created, kind)
        upload = {"Bucket": bucket, "Key": kind, "UploadId": created["UploadId"]}
        parts = []
        for number, start in enumerate(range(0, len(data), 5 * MIB + 1), 1):
            part = s3.upload_part(PartNumber=number, Body=data[start : start + 5 * MIB + 1], **upload, **read)
            says(part, kind)
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload, **read)
        assert done["ETag"].endswith('-3"')
        assert s3.get_object(Bucket=bucket, Key=kind, **read)["Body"].read() == data
        border = 5 * MIB + 1
        across = s3.get_object(Bucket=bucket, Key=kind, Range=f"bytes={border - 3}-{border + 2}", **read)
        assert across["Body"].read() == data[border - 3 : border + 3]
        second = s3.get_object(Bucket=bucket, Key=kind, PartNumber=2, **read)
        assert second["Body"].read() == data[border : 2 * border] and second["PartsCount"] == 3


def test_copies_between_all_kinds(account):
    s3, bucket = account.client("s3"), account.bucket()
    data = os.urandom(200_000)
    all_kinds = kinds(account)
    for kind, (write, _) in all_kinds.items():
        s3.put_object(Bucket=bucket, Key=kind, Body=data, **write)
    for kind in all_kinds:
        from_ = {"CopySource": {"Bucket": bucket, "Key": kind}} | (source(KEY) if kind == "customer" else {})
        for to, (write, read) in all_kinds.items():
            copied = s3.copy_object(Bucket=bucket, Key="copy", **from_, **write)
            says(copied, to)
            assert s3.get_object(Bucket=bucket, Key="copy", **read)["Body"].read() == data, (kind, to)
            upload = s3.create_multipart_upload(Bucket=bucket, Key="part", **write)["UploadId"]
            upload = {"Bucket": bucket, "Key": "part", "UploadId": upload}
            part = s3.upload_part_copy(PartNumber=1, CopySourceRange="bytes=5-150000", **from_, **upload, **read)
            says(part, to)
            parts = [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]
            s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload, **read)
            assert s3.get_object(Bucket=bucket, Key="part", **read)["Body"].read() == data[5:150_001], (kind, to)
    check(s3.copy_object, "InvalidRequest", 400, Bucket=bucket, Key="c", CopySource=f"{bucket}/customer")


def test_customers_keys(account):
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"mine", **customer(KEY))
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    at = {"Bucket": bucket, "Key": "k"}
    check(s3.get_object, "InvalidRequest", 400, **at)
    check(s3.head_object, "400", 400, **at)
    check(s3.get_object_attributes, "InvalidRequest", 400, ObjectAttributes=["ETag"], **at)
    check(s3.get_object, "AccessDenied", 403, **at, **customer(OTHER))
    check(s3.head_object, "403", 403, **at, **customer(OTHER))
    check(s3.get_object, "InvalidRequest", 400, Bucket=bucket, Key="plain", **customer(KEY))
    wrong_md5 = encoded(customer(KEY)) | {"SSECustomerKeyMD5": base64.b64encode(bytes(16)).decode()}
    check(s3.put_object, "InvalidArgument", 400, **at, Body=b"x", **wrong_md5)
    check(s3.put_object, "InvalidArgument", 400, **at, Body=b"x", SSECustomerAlgorithm="AES256")
    check(s3.put_object, "InvalidArgument", 400, **at, Body=b"x", **customer(b"short"))
    algorithm = customer(KEY) | {"SSECustomerAlgorithm": "DES"}
    check(s3.put_object, "InvalidEncryptionAlgorithmError", 400, **at, Body=b"x", **algorithm)
    check(s3.put_object, "InvalidArgument", 400, **at, Body=b"x", ServerSideEncryption="AES256", **customer(KEY))
    assert s3.get_object(**at, **customer(KEY))["Body"].read() == b"mine"

    upload = at | {"UploadId": s3.create_multipart_upload(**at, **customer(KEY))["UploadId"]}
    check(s3.upload_part, "InvalidRequest", 400, PartNumber=1, Body=b"x", **upload)
    check(s3.upload_part, "InvalidRequest", 400, PartNumber=1, Body=b"x", **upload, **customer(OTHER))
    part = s3.upload_part(PartNumber=1, Body=b"x", **upload, **customer(KEY))
    parts = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}}
    # boto3 gives parts a checksum: then the key is needed at the end, too.
    check(s3.complete_multipart_upload, "InvalidRequest", 400, **parts, **upload)
    check(s3.complete_multipart_upload, "InvalidRequest", 400, **parts, **upload, **customer(OTHER))
    s3.complete_multipart_upload(**parts, **upload, **customer(KEY))
    assert s3.get_object(**at, **customer(KEY))["Body"].read() == b"x"
    plain = at | {"UploadId": s3.create_multipart_upload(**at)["UploadId"]}
    check(s3.upload_part, "InvalidRequest", 400, PartNumber=1, Body=b"x", **plain, **customer(KEY))
    # The transfer manager passes the key to every call that takes it.
    data = os.urandom(20 * MIB)
    s3.upload_fileobj(io.BytesIO(data), bucket, "big", ExtraArgs=customer(KEY))
    sink = io.BytesIO()
    s3.download_fileobj(bucket, "big", sink, ExtraArgs=customer(KEY))
    assert sink.getvalue() == data


def test_kms_keys_are_enforced(account):
    s3, bucket, kms = account.client("s3"), account.bucket(), account.client("kms")
    key = kms.create_key()["KeyMetadata"]
    by_kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key["KeyId"]}
    context = base64.b64encode(json.dumps({"team": "a"}).encode()).decode()
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x", SSEKMSEncryptionContext=context, **by_kms)
    assert put["SSEKMSKeyId"] == key["Arn"]
    assert json.loads(base64.b64decode(put["SSEKMSEncryptionContext"])) == {
        "team": "a",
        "aws:s3:arn": f"arn:aws:s3:::{bucket}/k",
    }
    kms.create_alias(AliasName="alias/lake", TargetKeyId=key["KeyId"])
    by_alias = s3.put_object(
        Bucket=bucket, Key="a", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/lake"
    )
    assert by_alias["SSEKMSKeyId"] == key["Arn"]

    # S3's permissions alone are not enough, and the key's only for this bucket's context and through S3.
    reader = account.user("reader", allow("s3:*")).client("s3")
    check(reader.get_object, "AccessDenied", 403, Bucket=bucket, Key="k")
    check(reader.put_object, "AccessDenied", 403, Bucket=bucket, Key="new", Body=b"x", **by_kms)
    assert reader.head_object(Bucket=bucket, Key="k")["SSEKMSKeyId"] == key["Arn"]
    through = {
        "StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:EncryptionContext:team": "a"},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{bucket}/*"},
    }
    decrypts = allow("kms:Decrypt", key["Arn"], Condition=through)
    bound = account.user("bound", allow("s3:*"), decrypts)
    assert bound.client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    check(bound.client("s3").get_object, "AccessDenied", 403, Bucket=bucket, Key="a")
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionContext={"team": "a"})["CiphertextBlob"]
    arguments = {"CiphertextBlob": sealed, "EncryptionContext": {"team": "a"}}
    check(bound.client("kms").decrypt, "AccessDeniedException", **arguments)

    # A key that cannot be used stops reads, writes and uploads under way, at once.
    upload = s3.create_multipart_upload(Bucket=bucket, Key="u", **by_kms)["UploadId"]
    upload = {"Bucket": bucket, "Key": "u", "UploadId": upload}
    kms.disable_key(KeyId=key["KeyId"])
    check(s3.get_object, "KMS.DisabledException", 400, Bucket=bucket, Key="k")
    check(s3.put_object, "KMS.DisabledException", 400, Bucket=bucket, Key="n", Body=b"x", **by_kms)
    check(s3.upload_part, "KMS.DisabledException", 400, PartNumber=1, Body=b"x", **upload)
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    check(s3.get_object, "KMS.KMSInvalidStateException", 400, Bucket=bucket, Key="k")
    kms.cancel_key_deletion(KeyId=key["KeyId"])
    kms.enable_key(KeyId=key["KeyId"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    unknown = by_kms | {"SSEKMSKeyId": "alias/none"}
    check(s3.put_object, "KMS.NotFoundException", 400, Bucket=bucket, Key="n", Body=b"x", **unknown)
    for request, code in (
        ({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}, "KMS.InvalidKeyUsageException"),
        ({"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}, "KMS.InvalidKeyUsageException"),
        ({"Origin": "EXTERNAL"}, "KMS.KMSInvalidStateException"),
    ):
        other = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms.create_key(**request)["KeyMetadata"]["Arn"]}
        check(s3.put_object, code, 400, Bucket=bucket, Key="n", Body=b"x", **other)
    check(s3.put_object, "InvalidArgument", 400, Bucket=bucket, Key="n", Body=b"x", SSEKMSKeyId=key["KeyId"])
    dsse = {"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": key["KeyId"]}
    check(s3.put_object, "NotImplemented", 501, Bucket=bucket, Key="n", Body=b"x", **dsse)


def rules(algorithm: str, key: str | None = None, **more) -> dict:
    by_default = {"SSEAlgorithm": algorithm} | ({"KMSMasterKeyID": key} if key else {})
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": by_default} | more]}


def test_a_buckets_default(account):
    s3, bucket = account.client("s3"), account.bucket()
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"} and not rule["BucketKeyEnabled"]
    configured = rules(
        "aws:kms", key, BucketKeyEnabled=True, BlockedEncryptionTypes={"EncryptionType": ["SSE-C"]}
    )
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=configured)
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"] == configured
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == ("aws:kms", key, True)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="u")
    assert (upload["ServerSideEncryption"], upload["SSEKMSKeyId"]) == ("aws:kms", key)
    check(s3.put_object, "AccessDenied", 403, Bucket=bucket, Key="c", Body=b"x", **customer(KEY))
    lake = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="AES256")
    assert lake["ServerSideEncryption"] == "AES256"
    s3.delete_bucket_encryption(Bucket=bucket)
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ServerSideEncryption"] == "AES256"
    put = s3.put_bucket_encryption
    check(put, "InvalidArgument", Bucket=bucket, ServerSideEncryptionConfiguration=rules("AES256", key))
    check(put, "MalformedXML", Bucket=bucket, ServerSideEncryptionConfiguration=rules("AES1"))


def test_policies_require_and_forbid_kinds(account):
    s3, kms = account.client("s3"), account.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    by_kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}

    def denying(condition: dict) -> str:
        bucket = account.bucket()
        statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        policy = {"Version": "2012-10-17", "Statement": [statement | {"Condition": condition}]}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        return bucket

    header = "s3:x-amz-server-side-encryption"
    bucket = denying({"Null": {header: "true"}})
    check(s3.put_object, "AccessDenied", 403, Bucket=bucket, Key="k", Body=b"x")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="AES256")
    # Parts do not say it again, and are let in as their upload was.
    check(s3.create_multipart_upload, "AccessDenied", 403, Bucket=bucket, Key="k")
    upload = {"Bucket": bucket, "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload, ServerSideEncryption="AES256")["UploadId"]
    put = [
        s3.upload_part(**upload, PartNumber=1, Body=bytes(5 << 20)),
        s3.upload_part_copy(**upload, PartNumber=2, CopySource=f"{bucket}/k")["CopyPartResult"],
    ]
    parts = [{"PartNumber": number, "ETag": part["ETag"]} for number, part in enumerate(put, 1)]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    check(s3.upload_part, "AccessDenied", 403, **upload, PartNumber=1, Body=b"x")
    # What the bucket would do by itself does not count: the header does.
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules("aws:kms", key))
    check(s3.put_object, "AccessDenied", 403, Bucket=bucket, Key="k", Body=b"x")
    bucket = denying({"StringNotEquals": {f"{header}-aws-kms-key-id": key}})
    check(s3.put_object, "AccessDenied", 403, Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **by_kms)
    bucket = denying({"Null": {f"{header}-customer-algorithm": "false"}})
    check(s3.put_object, "AccessDenied", 403, Bucket=bucket, Key="k", Body=b"x", **customer(KEY))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")


def test_queries_read_and_write_under_kms_keys(account):
    s3, bucket = account.client("s3"), account.bucket()
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules("aws:kms", key))
    s3.put_object(Bucket=bucket, Key="t/a.csv", Body=b"1,one\n2,two\n")
    athena = account.client("athena")
    output = {"OutputLocation": f"s3://{bucket}/results/"}

    def run(client, text: str) -> tuple[str, str]:
        started = client.start_query_execution(QueryString=text, ResultConfiguration=output)["QueryExecutionId"]
        while True:
            status = client.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
            if status["State"] not in ("QUEUED", "RUNNING"):
                return started, status["State"]

    run(athena, "CREATE DATABASE d")
    table = f"CREATE EXTERNAL TABLE d.t (n int, w string) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://{bucket}/t/'"
    assert run(athena, table)[1] == "SUCCEEDED"
    done, state = run(athena, "SELECT w FROM d.t WHERE n = 2")
    assert state == "SUCCEEDED"
    rows = athena.get_query_results(QueryExecutionId=done)["ResultSet"]["Rows"]
    assert rows[1]["Data"][0]["VarCharValue"] == "two"
    # Without the key's permission a query reads nothing.
    analyst = account.user("analyst", allow(["s3:*", "glue:*", "athena:*"])).client("athena")
    assert run(analyst, "SELECT w FROM d.t")[1] == "FAILED"


def plant_elsewhere(account, bucket: str) -> list[bytes]:
    """Words in what is on its way or only for a while: parts, queries' results and what they spill, streams' records, keys' material."""
    s3, kms, athena = (account.client(service) for service in ("s3", "kms", "athena"))
    words = [f"planted-{kind}-{secrets.token_hex(8)}" for kind in ("part", "row", "record")]
    part, row, record = words
    upload = s3.create_multipart_upload(Bucket=bucket, Key="on-its-way")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="on-its-way", UploadId=upload, PartNumber=1, Body=part.encode() * 300_000)
    # Enough rows to be sorted, and a result that repeats them.
    s3.put_object(Bucket=bucket, Key="t/a.csv", Body="".join(f"{n},{row}-{n}\n" for n in range(50_000)).encode())
    columns = "(n int, w string) ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
    for text in (
        "CREATE DATABASE planted",
        f"CREATE EXTERNAL TABLE planted.t {columns} LOCATION 's3://{bucket}/t/'",
        "SELECT w, n FROM planted.t ORDER BY w DESC",
    ):
        output = {"OutputLocation": f"s3://{bucket}/results/"}
        started = athena.start_query_execution(QueryString=text, ResultConfiguration=output)["QueryExecutionId"]
        find = lambda: athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]["State"]  # noqa: E731, B023
        assert wait_for(find, lambda state: state not in ("QUEUED", "RUNNING")) == "SUCCEEDED", text
    firehose = account.client("firehose")
    firehose.create_delivery_stream(
        DeliveryStreamName="planted",
        ExtendedS3DestinationConfiguration={
            "RoleARN": f"arn:aws:iam::{account.id}:role/lake-ingest",
            "BucketARN": f"arn:aws:s3:::{bucket}",
            "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 900},
        },
    )
    firehose.put_record(DeliveryStreamName="planted", Record={"Data": record.encode() * 100})
    name = kms.create_key()["KeyMetadata"]["KeyId"]
    pair = kms.generate_data_key_pair(KeyId=name, KeyPairSpec="ECC_NIST_P256")["PrivateKeyPlaintext"]
    return [*(word.encode() for word in words), pair]


def test_the_disk_holds_nothing_in_the_clear(own_server):
    own_server.start()
    account = own_server.root()
    s3, bucket = account.client("s3"), account.bucket()
    planted = {}
    for kind, (write, _) in kinds(account).items():
        words = f"planted-{kind}-{secrets.token_hex(8)}"
        planted[kind] = words.encode()
        small, large = planted[kind] * 4, planted[kind] * 20_000
        s3.put_object(Bucket=bucket, Key=f"{kind}/small", Body=small, **write)
        s3.put_object(Bucket=bucket, Key=f"{kind}/large", Body=large, **write)
    secret = account.client("kms").create_key()["KeyMetadata"]["KeyId"]
    made = account.client("kms").generate_data_key(KeyId=secret, KeySpec="AES_256")["Plaintext"]
    account.client("kms").encrypt(KeyId=secret, Plaintext=b"planted-for-kms")
    needles = [*planted.values(), b"planted-for-kms", made, KEY, base64.b64encode(KEY), hashlib.md5(KEY).digest()]
    needles += plant_elsewhere(account, bucket)
    for stopped in (False, True):
        if stopped:
            own_server.stop()
        for path in (path for path in own_server.data_dir.rglob("*") if path.is_file()):
            held = path.read_bytes()
            for needle in needles:
                assert needle not in held, (path, needle[:24])
    log = own_server.log.read_bytes()
    assert all(needle not in log for needle in needles)
    # After a restart each kind is read again.
    own_server.start()
    s3 = own_server.root().client("s3")
    for kind, words in planted.items():
        read = customer(KEY) if kind == "customer" else {}
        assert s3.get_object(Bucket=bucket, Key=f"{kind}/small", **read)["Body"].read() == words * 4

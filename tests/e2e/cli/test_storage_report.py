"""`tarn storage report`: what lies in the buckets, by bucket, prefix and class, and what it takes up."""

from ..conftest import allow
from .test_objects import lines, tarn, text


def test_what_lies_in_the_lake_is_told_by_class_and_prefix(account):
    s3, bucket, other = account.client("s3"), account.bucket(), account.bucket()
    rows = b"2026-11-26,sensor-1,0.5,ok\n" * 40_000
    s3.put_object(Bucket=bucket, Key="raw/2026/a", Body=rows)
    s3.put_object(Bucket=bucket, Key="raw/2025/b", Body=rows, StorageClass="STANDARD_IA")
    s3.put_object(Bucket=bucket, Key="cold/c", Body=rows, StorageClass="GLACIER")
    s3.put_object(Bucket=bucket, Key="it", Body=rows, StorageClass="INTELLIGENT_TIERING")
    s3.put_bucket_versioning(Bucket=other, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=other, Key="k", Body=b"12345")
    s3.put_object(Bucket=other, Key="k", Body=b"123")
    upload = s3.create_multipart_upload(Bucket=other, Key="u")["UploadId"]
    s3.upload_part(Bucket=other, Key="u", UploadId=upload, PartNumber=1, Body=rows)

    def report(*arguments, of=account):
        return lines(of, "storage", "report", *arguments)

    of_class = {row["storageClass"]: row for row in report(bucket)}
    assert {name: (row["objects"], row["bytes"]) for name, row in of_class.items()} == {
        name: (1, len(rows)) for name in ("STANDARD", "STANDARD_IA", "GLACIER", "INTELLIGENT_TIERING")
    }
    assert of_class["INTELLIGENT_TIERING"]["accessTier"] == "FREQUENT_ACCESS"
    assert of_class["STANDARD"]["storedBytes"] > len(rows)
    assert all(of_class[name]["storedBytes"] < len(rows) / 10 for name in ("STANDARD_IA", "GLACIER"))

    (row,) = report(other)
    counts = ("objects", "bytes", "noncurrentVersions", "noncurrentBytes", "uploadBytes")
    assert [row[name] for name in counts] == [1, 3, 1, 5, len(rows)]

    prefixes = {row["prefix"] for row in report(bucket, "--depth", "2")}
    assert prefixes == {"", "cold/", "raw/2025/", "raw/2026/"}
    table = text(account, "storage", "report")
    assert bucket in table and "1.0 MiB" in table and other in table

    # Who may list one bucket is told of that one.
    guest = account.user("guest", allow("s3:ListAllMyBuckets"), allow("s3:ListBucket", f"arn:aws:s3:::{other}"))
    assert {row["bucket"] for row in report(of=guest)} == {other}
    nobody = account.user("nobody", allow("s3:ListBucket"))
    assert b"s3:ListAllMyBuckets" in tarn(nobody, "storage", "report", code=1).stderr

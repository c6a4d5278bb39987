"""What the tests of trails share: a bucket that lets CloudTrail in, and what it then holds."""

import gzip
import json

DIGESTS = "CloudTrail-Digest"
LOGS = "CloudTrail"


def bucket_policy(bucket: str, account_id: str, trail: str, prefix: str = "") -> str:
    """The policy that AWS has users write.
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html"""
    of_trail = {"aws:SourceArn": f"arn:aws:cloudtrail:us-east-1:{account_id}:trail/{trail}"}
    service = {"Service": "cloudtrail.amazonaws.com"}
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "AWSCloudTrailAclCheck20150319",
                    "Effect": "Allow",
                    "Principal": service,
                    "Action": "s3:GetBucketAcl",
                    "Resource": f"arn:aws:s3:::{bucket}",
                    "Condition": {"StringEquals": of_trail},
                },
                {
                    "Sid": "AWSCloudTrailWrite20150319",
                    "Effect": "Allow",
                    "Principal": service,
                    "Action": "s3:PutObject",
                    "Resource": f"arn:aws:s3:::{bucket}/{prefix}AWSLogs/{account_id}/*",
                    "Condition": {"StringEquals": of_trail | {"s3:x-amz-acl": "bucket-owner-full-control"}},
                },
            ],
        }
    )


def trail_bucket(account, trail: str, prefix: str = "") -> str:
    """A new bucket that takes the files of a trail of that name."""
    bucket = account.bucket()
    account.client("s3").put_bucket_policy(Bucket=bucket, Policy=bucket_policy(bucket, account.id, trail, prefix))
    return bucket


def keys(account, bucket: str, folder: str, prefix: str = "") -> list[str]:
    """The keys of one kind of file, oldest first by name."""
    pages = account.client("s3").get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=f"{prefix}AWSLogs/{account.id}/{folder}/"
    )
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def read(account, bucket: str, key: str) -> dict:
    return json.loads(gzip.decompress(account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()))


def records(account, bucket: str, prefix: str = "") -> list[dict]:
    """All records that were delivered."""
    return [
        record for key in keys(account, bucket, LOGS, prefix) for record in read(account, bucket, key)["Records"]
    ]

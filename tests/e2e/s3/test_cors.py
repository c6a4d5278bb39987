"""Cross-origin rules: kept by boto3, answered to browsers, which sign no preflight."""

import pytest
from botocore.exceptions import ClientError

from . import raw

RULES = [
    {
        "ID": "pages",
        "AllowedOrigins": ["https://*.example.com"],
        "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["x-amz-*", "content-type"],
        "ExposeHeaders": ["ETag", "x-amz-version-id"],
        "MaxAgeSeconds": 600,
    },
    {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]},
]
PAGE = "https://app.example.com"


@pytest.fixture
def bucket(account):
    name = account.bucket()
    account.client("s3").put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": RULES})
    return name


def options(account, path, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return raw.options(f"{account.endpoint}/{path}", headers=named)


def test_rules_round_trip(account, bucket):
    s3 = account.client("s3")
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES
    s3.delete_bucket_cors(Bucket=bucket)
    with pytest.raises(ClientError) as refused:
        s3.get_bucket_cors(Bucket=bucket)
    assert refused.value.response["Error"]["Code"] == "NoSuchCORSConfiguration"
    with pytest.raises(ClientError) as refused:
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [RULES[1]] * 101})
    assert refused.value.response["Error"]["Code"] == "InvalidRequest"


@pytest.mark.parametrize(
    ("origin", "method", "headers", "status", "allowed"),
    [
        (PAGE, "PUT", "x-amz-date,Content-Type", 200, PAGE),
        (PAGE, "PUT", "authorization", 403, None),
        (PAGE, "DELETE", "", 403, None),
        ("https://elsewhere.org", "GET", "", 200, "*"),
        ("https://elsewhere.org", "PUT", "", 403, None),
        ("https://app.example.com.elsewhere.org", "PUT", "", 403, None),
    ],
)
def test_preflight(account, bucket, origin, method, headers, status, allowed):
    answer = options(
        account,
        f"{bucket}/key",
        Origin=origin,
        Access_Control_Request_Method=method,
        Access_Control_Request_Headers=headers,
    )
    assert answer.status_code == status
    assert answer.headers.get("access-control-allow-origin") == allowed
    if status == 403:
        assert "<Code>AccessForbidden</Code>" in answer.text


def test_a_presigned_upload_of_a_page(account, bucket):
    url = account.client("s3").generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    asked = raw.options(url, headers={"Origin": PAGE, "Access-Control-Request-Method": "PUT"})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-methods"] == "GET, PUT"
    done = raw.put(url, data=b"bytes", headers={"Origin": PAGE})
    assert done.status_code == 200
    assert done.headers["access-control-allow-origin"] == PAGE
    assert done.headers["access-control-expose-headers"] == "ETag, x-amz-version-id"
    assert done.headers["access-control-max-age"] == "600"
    assert "Origin" in done.headers["vary"]
    # A refusal tells the page too, so that it can show what went wrong.
    refused = raw.get(f"{account.endpoint}/{bucket}/k", headers={"Origin": PAGE})
    assert refused.status_code == 403
    assert refused.headers["access-control-allow-origin"] == PAGE


def test_no_rules_no_headers(account):
    name = account.bucket()
    answer = options(account, f"{name}/key", Origin=PAGE, Access_Control_Request_Method="GET")
    assert answer.status_code == 403
    assert "CORS is not enabled" in answer.text
    asked = raw.get(f"{account.endpoint}/{name}", headers={"Origin": PAGE})
    assert "access-control-allow-origin" not in asked.headers

"""Websites of buckets, visited as a browser does: by host name, unsigned."""

import json

import pytest
from botocore.exceptions import ClientError

from . import raw

PAGES = {
    "index.html": b"<h1>home</h1>",
    "docs/index.html": b"<h1>docs</h1>",
    "a b/ä.txt": b"text",
    "oops.html": b"<h1>oops</h1>",
}
SITE = {
    "IndexDocument": {"Suffix": "index.html"},
    "ErrorDocument": {"Key": "oops.html"},
    "RoutingRules": [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "docs/"}},
        {
            "Condition": {"KeyPrefixEquals": "img/", "HttpErrorCodeReturnedEquals": "404"},
            "Redirect": {"HostName": "cdn.example.com", "Protocol": "https", "HttpRedirectCode": "302"},
        },
        {"Condition": {"KeyPrefixEquals": "gone/"}, "Redirect": {"ReplaceKeyWith": "a b/c.txt"}},
    ],
}


def open_to_all(s3, bucket, *actions):
    try:
        s3.delete_public_access_block(Bucket=bucket)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NotImplemented"
    arns = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": list(actions), "Resource": arns}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


@pytest.fixture
def s3(account):
    return account.client("s3")


@pytest.fixture
def site(account, s3):
    bucket = account.bucket()
    for key, page in PAGES.items():
        s3.put_object(Bucket=bucket, Key=key, Body=page, ContentType="text/html")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=SITE)
    open_to_all(s3, bucket, "s3:GetObject", "s3:ListBucket")
    return bucket


def visit(account, bucket, path, method="GET", label="s3-website", **headers):
    named = {"Host": f"{bucket}.{label}.localhost:9000"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return raw.request(method, f"{account.endpoint}/{path}", headers=named)


def test_configurations_round_trip(s3, site):
    found = s3.get_bucket_website(Bucket=site)
    assert {name: found[name] for name in SITE} == SITE
    everything = {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}}
    s3.put_bucket_website(Bucket=site, WebsiteConfiguration=everything)
    assert s3.get_bucket_website(Bucket=site)["RedirectAllRequestsTo"] == everything["RedirectAllRequestsTo"]
    s3.delete_bucket_website(Bucket=site)
    with pytest.raises(ClientError) as refused:
        s3.get_bucket_website(Bucket=site)
    assert refused.value.response["Error"]["Code"] == "NoSuchWebsiteConfiguration"


@pytest.mark.parametrize(
    ("website", "code"),
    [
        ({"ErrorDocument": {"Key": "e"}}, "InvalidArgument"),
        ({"IndexDocument": {"Suffix": "a/b"}}, "InvalidArgument"),
        ({"IndexDocument": {"Suffix": "i"}, "RedirectAllRequestsTo": {"HostName": "h"}}, "InvalidRequest"),
        ({"RedirectAllRequestsTo": {"HostName": "h", "Protocol": "ftp"}}, "InvalidRequest"),
        ({"IndexDocument": {"Suffix": "i"}, "RoutingRules": [{"Redirect": {"HttpRedirectCode": "200"}}]}, "InvalidRequest"),
    ],
)
def test_what_is_no_website_is_refused(s3, account, website, code):
    with pytest.raises(ClientError) as refused:
        s3.put_bucket_website(Bucket=account.bucket(), WebsiteConfiguration=website)
    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("", 200, PAGES["index.html"]),
        ("index.html", 200, PAGES["index.html"]),
        ("docs/", 200, PAGES["docs/index.html"]),
        ("docs", 302, "/docs/"),
        ("a%20b/%C3%A4.txt", 200, b"text"),
        ("nothing", 404, PAGES["oops.html"]),
        ("nothing/", 404, PAGES["oops.html"]),
        ("old/x.html", 301, "http://{host}/docs/x.html"),
        ("gone/x", 301, "http://{host}/a%20b/c.txt"),
        ("img/x.png", 302, "https://cdn.example.com/img/x.png"),
    ],
)
def test_visits(account, site, path, status, expected):
    answer = visit(account, site, path)
    assert answer.status_code == status
    if status in (200, 404):
        assert answer.content == expected
        assert answer.headers["content-type"] == "text/html"
    else:
        assert answer.headers["location"] == expected.format(host=f"{site}.s3-website.localhost:9000")
    head = visit(account, site, path, method="HEAD", label="s3-website-us-east-1")
    assert (head.status_code, head.content) == (status, b"")


def test_a_visit_is_nobodys_get(account, s3, site):
    s3.delete_bucket_policy(Bucket=site)
    refused = visit(account, site, "index.html")
    assert refused.status_code == 403
    assert "<li>Code: AccessDenied</li>" in refused.text
    assert "An Error Occurred While Attempting to Retrieve a Custom Error Document" in refused.text
    # No credentials help: a website knows nobody.
    open_to_all(s3, site, "s3:GetObject")
    assert visit(account, site, "index.html").status_code == 200
    assert visit(account, site, "", method="PUT").status_code == 405
    assert visit(account, site, "?policy").content == PAGES["index.html"]


def test_faults_are_pages(account, s3):
    bucket = account.bucket()
    answer = visit(account, bucket, "x")
    assert answer.status_code == 404
    assert answer.headers["x-amz-error-code"] == "NoSuchWebsiteConfiguration"
    assert answer.headers["content-type"].startswith("text/html")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "i.html"}})
    open_to_all(s3, bucket, "s3:GetObject", "s3:ListBucket")
    answer = visit(account, bucket, "%3Cscript%3Ealert(1)%3C/script%3E")
    assert answer.status_code == 404
    assert "<script>" not in answer.text
    assert "<li>Key: &lt;script&gt;alert(1)&lt;/script&gt;</li>" in answer.text
    assert visit(account, "no-such-bucket-anywhere", "").status_code == 404


def test_objects_can_lead_elsewhere(account, s3, site):
    s3.put_object(Bucket=site, Key="moved", Body=b"", WebsiteRedirectLocation="/docs/")
    assert s3.head_object(Bucket=site, Key="moved")["WebsiteRedirectLocation"] == "/docs/"
    answer = visit(account, site, "moved")
    assert (answer.status_code, answer.headers["location"]) == (301, "/docs/")
    # It belongs to the one object: a copy must say it anew.
    s3.copy_object(Bucket=site, Key="copied", CopySource={"Bucket": site, "Key": "moved"})
    assert "WebsiteRedirectLocation" not in s3.head_object(Bucket=site, Key="copied")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=site, Key="wrong", Body=b"", WebsiteRedirectLocation="docs")
    assert refused.value.response["Error"]["Code"] == "InvalidRedirectLocation"


def test_ranges_conditions_and_pages_of_other_origins(account, s3, site):
    etag = s3.head_object(Bucket=site, Key="index.html")["ETag"]
    assert visit(account, site, "", If_None_Match=etag).status_code == 304
    part = visit(account, site, "", Range="bytes=0-3")
    assert (part.status_code, part.content) == (206, b"<h1>")
    rules = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}
    s3.put_bucket_cors(Bucket=site, CORSConfiguration=rules)
    assert visit(account, site, "", Origin="https://a.example").headers["access-control-allow-origin"] == "*"


def test_everything_leads_elsewhere(account, s3):
    bucket = account.bucket()
    everything = {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=everything)
    answer = visit(account, bucket, "a/b%20c")
    assert (answer.status_code, answer.headers["location"]) == (301, "https://example.com/a/b%20c")

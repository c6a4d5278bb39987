"""AssumeRoleWithWebIdentity as boto3 uses it: real tokens of a real issuer, whose keys the server fetches; and what it does not fetch."""

import hashlib
import json
import ssl
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from ..cli.test_env_and_audit import lines
from ..conftest import Account, allow
from ..issuer import Issuer
from .test_sessions import check, holder

ASSUME = "sts:AssumeRoleWithWebIdentity"


@pytest.fixture
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture
def lake(own_server, issuer):
    """An account of a server that may ask the issuer, which knows it."""
    own_server.settings = f'[identity]\noidc_issuers_allowed = ["{issuer.url}"]\n'
    own_server.start()
    account = own_server.accounts[0]
    provider(account, issuer)
    return account


def provider(account: Account, issuer: Issuer, *thumbprints: str) -> str:
    made = account.client("iam").create_open_id_connect_provider(
        Url=issuer.url, ClientIDList=["lake"], ThumbprintList=list(thumbprints)
    )
    return made["OpenIDConnectProviderArn"]


def provider_arn(account: Account, issuer: Issuer) -> str:
    return f"arn:aws:iam::{account.id}:oidc-provider/{issuer.url.split('://')[1]}"


def role(account: Account, issuer: Issuer, name: str, *policies: dict, actions=ASSUME, condition: dict | None = None) -> str:
    iam = account.client("iam")
    document = allow(actions, Principal={"Federated": provider_arn(account, issuer)}, Condition=condition or {})
    del document["Statement"][0]["Resource"]
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
    for number, policy in enumerate(policies):
        iam.put_role_policy(RoleName=name, PolicyName=f"policy-{number}", PolicyDocument=json.dumps(policy))
    return made


def sts(account: Account):
    """A client without credentials."""
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    return boto3.client("sts", endpoint_url=account.endpoint, region_name="us-east-1", config=config)


def assume(account: Account, arn: str, token: str, **more) -> dict:
    return sts(account).assume_role_with_web_identity(
        RoleArn=arn, RoleSessionName="s1", WebIdentityToken=token, **more
    )


def refused(account: Account, arn: str, token: str, code: str, words: str = "", **more) -> None:
    with pytest.raises(ClientError) as raised:
        assume(account, arn, token, **more)
    error = raised.value.response["Error"]
    assert error["Code"] == code and words in error["Message"], error


def test_a_token_is_a_session(lake, issuer, tmp_path):
    key = issuer.url.split("://")[1]
    arn = role(lake, issuer, "reader", allow("s3:ListAllMyBuckets"), condition={"StringEquals": {f"{key}:sub": "ada", f"{key}:aud": "lake"}})
    made = assume(lake, arn, issuer.token())
    assert made["SubjectFromWebIdentityToken"] == "ada" and made["Audience"] == "lake"
    assert made["Provider"] == provider_arn(lake, issuer)
    assert made["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{lake.id}:assumed-role/reader/s1"
    session = holder(lake, made["Credentials"])
    session.client("s3").list_buckets()
    assert session.client("sts").get_caller_identity()["Arn"] == made["AssumedRoleUser"]["Arn"]
    check(session.client("s3").create_bucket, "AccessDenied", Bucket=f"b-{lake.id}-web")
    # As programs do it: the file and the role in the environment.
    (tmp_path / "token").write_text(issuer.token())
    env = lake.env() | {
        "AWS_ROLE_ARN": arn, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_SESSION_NAME": "cli"
    }
    del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    aws = Path(sys.executable).with_name("aws")
    told = subprocess.run([aws, "sts", "get-caller-identity"], env=env, check=True, capture_output=True, text=True)
    assert json.loads(told.stdout)["Arn"].endswith(":assumed-role/reader/cli")
    # One who is not meant, a token for another, one that is over, one that is forged, one of nobody's.
    refused(lake, arn, issuer.token(sub="bob"), "AccessDenied", f"Not authorized to perform {ASSUME}")
    refused(lake, arn + "-none", issuer.token(), "AccessDenied", f"Not authorized to perform {ASSUME}")
    refused(lake, arn, issuer.token(aud="other"), "InvalidIdentityToken", "Incorrect token audience")
    refused(lake, arn, issuer.token(exp=int(time.time()) - 1), "ExpiredTokenException", "Token expired")
    refused(lake, arn, issuer.token(nbf=int(time.time()) + 1000), "IDPRejectedClaim")
    refused(lake, arn, issuer.token(iss="https://elsewhere.example.com"), "InvalidIdentityToken", "No OpenIDConnect provider")
    refused(lake, arn, issuer.token("unknown"), "InvalidIdentityToken")
    refused(lake, arn, "abcdef", "InvalidIdentityToken")
    token = issuer.token()
    refused(lake, arn, token[:-8] + "AAAAAAAA", "InvalidIdentityToken")
    refused(lake, arn, token, "ValidationError", DurationSeconds=7200)
    narrowed = holder(lake, assume(lake, arn, token, Policy=json.dumps(allow("glue:*")))["Credentials"])
    check(narrowed.client("s3").list_buckets, "AccessDenied")
    # What is on record says who it was, and has no token.
    records = lines(lake, "audit", "search", "--name", "AssumeRoleWithWebIdentity")
    [first] = [record for record in records if record["requestParameters"].get("roleSessionName") == "cli"]
    who = first["userIdentity"]
    assert (who["type"], who["userName"]) == ("WebIdentityUser", "ada") and who["identityProvider"] == made["Provider"]
    assert token not in json.dumps(records)
    # Nothing else takes callers who do not sign.
    for call in ("get_caller_identity", "get_session_token"):
        check(getattr(sts(lake), call), "MissingAuthenticationToken")


def test_a_token_tags_its_session(lake, issuer):
    by_team = allow("s3:ListAllMyBuckets", Condition={"StringEquals": {"aws:PrincipalTag/team": "lake"}})
    arn = role(lake, issuer, "tagged", by_team)
    tags = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["lake"]}, "transitive_tag_keys": ["team"]}}
    refused(lake, arn, issuer.token(**tags), "AccessDenied")
    both = role(lake, issuer, "tagging", by_team, actions=[ASSUME, "sts:TagSession", "sts:SetSourceIdentity"])
    source = {"https://aws.amazon.com/source_identity": "ada@example.com"}
    made = assume(lake, both, issuer.token(**tags, **source))
    assert made["SourceIdentity"] == "ada@example.com"
    holder(lake, made["Credentials"]).client("s3").list_buckets()
    plain = holder(lake, assume(lake, both, issuer.token())["Credentials"])
    check(plain.client("s3").list_buckets, "AccessDenied")
    several = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["lake", "other"]}}}
    refused(lake, both, issuer.token(**several), "IDPRejectedClaim")


def test_keys_are_fetched_once_and_no_redirect_is_followed(lake, issuer):
    arn = role(lake, issuer, "reader", allow("s3:ListAllMyBuckets"))
    for _ in range(3):
        assume(lake, arn, issuer.token())
    assert len(issuer.asked) == 2
    for _ in range(3):
        refused(lake, arn, issuer.token("unknown"), "InvalidIdentityToken")
    assert len(issuer.asked) == 2
    # Another issuer at the same place whose keys lie behind a redirect, or are too large, or are not there.
    for name, answer in {
        "redirect": (302, {"Location": f"{issuer.url}/protocol/openid-connect/certs"}, b""),
        "large": (200, {}, b" " * (300 << 10)),
        "broken": (200, {}, b"{"),
        "missing": (404, {}, b""),
    }.items():
        other = Issuer.__new__(Issuer)
        other.__dict__ |= issuer.__dict__ | {"path": f"/realms/{name}", "url": issuer.url.replace("lake", name)}
        configuration = {"issuer": other.url, "jwks_uri": f"{other.url}/certs"}
        issuer.answers[f"/realms/{name}/.well-known/openid-configuration"] = (200, {}, json.dumps(configuration).encode())
        issuer.answers[f"/realms/{name}/certs"] = answer
        provider(lake, other)
        arn = role(lake, other, name)
        refused(lake, arn, other.token(), "IDPCommunicationError", "could not be asked for its keys")
        assert issuer.asked[-1] == f"/realms/{name}/certs"
    # One whose configuration names another's keys, at an address that is not public.
    other.__dict__ |= {"path": "/realms/forging", "url": issuer.url.replace("lake", "forging")}
    configuration = {"issuer": other.url, "jwks_uri": "http://169.254.169.254/latest/meta-data"}
    issuer.answers["/realms/forging/.well-known/openid-configuration"] = (200, {}, json.dumps(configuration).encode())
    provider(lake, other)
    refused(lake, role(lake, other, "forging"), other.token(), "IDPCommunicationError", "https")


def test_only_public_issuers_are_asked(account, issuer):
    """The server of all tests allows none by name."""
    for url in (issuer.url, issuer.url.replace("http:", "https:"), issuer.url.replace("http://127.0.0.1", "https://localhost")):
        local = Issuer.__new__(Issuer)
        local.__dict__ |= issuer.__dict__ | {"url": url}
        iam = account.client("iam")
        made = provider(account, local)
        arn = role(account, local, "reader")
        words = "https" if url.startswith("http:") else "not at a public address"
        refused(account, arn, local.token(), "IDPCommunicationError", words)
        iam.delete_role(RoleName="reader")
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=made)
    assert issuer.asked == []


def test_a_certificate_is_known_by_its_thumbprint(own_server, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
        + ["-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    issuer = Issuer(host="localhost", certificate=(certificate, key))
    try:
        own_server.settings = f'[identity]\noidc_issuers_allowed = ["{issuer.url}"]\n'
        own_server.start()
        der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        one, two = own_server.accounts[:2]
        provider(one, issuer, hashlib.sha1(der).hexdigest().upper())
        assume(one, role(one, issuer, "reader"), issuer.token())
        # What one account trusts is not trusted for another.
        provider(two, issuer, "0" * 40)
        refused(two, role(two, issuer, "reader"), issuer.token(), "IDPCommunicationError")
    finally:
        issuer.close()

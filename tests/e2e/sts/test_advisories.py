"""What went wrong in other stores with tokens of other issuers, tried on this one. Each test is named after the advisories that it replays;
`docs/advisories.md` says what each of them was."""

import hashlib
import hmac
import json
import time

import pytest
from botocore.exceptions import ClientError
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15

from ..conftest import allow
from ..issuer import Issuer, number, text
from .test_web_identity import assume, issuer, lake, provider, role  # noqa: F401

REFUSED = {"InvalidIdentityToken", "ExpiredTokenException", "IDPRejectedClaim"}


def refusal(account, arn: str, token: str) -> str:
    with pytest.raises(ClientError) as raised:
        assume(account, arn, token)
    return raised.value.response["Error"]["Code"]


def claims(issuer, **more) -> dict:
    now = int(time.time())
    return {"iss": issuer.url, "sub": "ada", "aud": "lake", "iat": now, "exp": now + 600} | more


def token(header: dict, said: dict, sign) -> str:
    message = f"{text(json.dumps(header).encode())}.{text(json.dumps(said).encode())}"
    return f"{message}.{text(sign(message.encode()))}"


def by(key):
    return lambda message: pkcs1_15.new(key).sign(SHA256.new(message))


def test_cve_2026_33322(lake, issuer):
    """A key is for one kind of signature: the public half of a pair is no secret to make codes with."""
    arn = role(lake, issuer, "reader", allow("s3:ListAllMyBuckets"))
    assume(lake, arn, issuer.token())
    public = issuer.keys["first"].public_key()
    secrets = [public.export_key(), public.export_key() + b"\n", public.export_key("DER"), number(public.n).encode(), b""]
    for algorithm, hash_ in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
        for secret in secrets:
            header = {"alg": algorithm, "typ": "JWT", "kid": "first"}
            forged = token(header, claims(issuer), lambda message: hmac.digest(secret, message, hash_))
            assert refusal(lake, arn, forged) == "InvalidIdentityToken"
    for algorithm in ("RS512", "PS256", "ES256", "EdDSA", "RS1"):
        forged = token({"alg": algorithm, "kid": "first"}, claims(issuer), by(issuer.keys["first"]))
        assert refusal(lake, arn, forged) == "InvalidIdentityToken", algorithm


def test_cve_2024_48916(lake, issuer):
    """A token without a signature is none, however it spells that."""
    arn = role(lake, issuer, "reader", allow("s3:ListAllMyBuckets"))
    for algorithm in ("none", "None", "NONE", "nOnE", "", None):
        for signature in (b"", b"\0"):
            forged = token({"alg": algorithm, "typ": "JWT", "kid": "first"}, claims(issuer), lambda _: signature)
            assert refusal(lake, arn, forged) == "InvalidIdentityToken", algorithm
    without = issuer.token().rsplit(".", 1)[0]
    for forged in (without, f"{without}."):
        assert refusal(lake, arn, forged) == "InvalidIdentityToken"


def test_ghsa_5qfg_3473_ccrv_48rf_xvfh(lake, issuer):
    """A token is signed by its issuer's keys, not by one that it brings, and it ends."""
    arn = role(lake, issuer, "reader", allow("s3:ListAllMyBuckets"))
    own = RSA.generate(2048)
    jwk = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "first", "n": number(own.n), "e": number(own.e)}
    asked = len(issuer.asked)
    for brought in ({}, {"jwk": jwk}, {"jku": f"{issuer.url}/mine"}, {"x5u": f"{issuer.url}/mine"}, {"x5c": ["AAAA"]}):
        for kid in ({"kid": "first"}, {"kid": "own"}, {}):
            forged = token({"alg": "RS256", "typ": "JWT"} | kid | brought, claims(issuer), by(own))
            assert refusal(lake, arn, forged) in REFUSED
    assert not any(path.endswith("/mine") for path in issuer.asked[asked:])
    # Signed by the issuer, and still not for this.
    for said in ({"exp": None}, {"exp": int(time.time()) - 1}, {"exp": "never"}, {"exp": 0}, {"aud": None}, {"sub": None},
                 {"iss": None}, {"iss": "https://elsewhere.example.com"}, {"nbf": int(time.time()) + 600}):  # fmt: skip
        assert refusal(lake, arn, issuer.token(**said)) in REFUSED, said
    assume(lake, arn, issuer.token())


def test_ghsa_m479_frwq_q9q8_j5c2(account, issuer):
    """An issuer's name leads to no place inside, however it is written; this server names none that may."""
    port = issuer.url.rsplit(":", 1)[1].split("/")[0]
    hosts = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "017700000001", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"]
    for at, host in enumerate(hosts):
        local = Issuer.__new__(Issuer)
        local.__dict__ |= issuer.__dict__ | {"url": f"https://{host}:{port}/realms/lake"}
        try:
            provider(account, local)
            arn = role(account, local, f"reader-{at}")
        except ClientError as error:
            # Not everything is taken for a URL.
            assert error.response["Error"]["Code"] in ("InvalidInput", "ValidationError", "MalformedPolicyDocument"), host
            continue
        refused = refusal(account, arn, local.token())
        assert refused in ("IDPCommunicationError", "InvalidIdentityToken"), host
    assert issuer.asked == []

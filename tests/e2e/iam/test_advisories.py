"""What went wrong in other stores with users, policies and secrets, tried on this one. Each test is named after the advisories that it
replays; `docs/advisories.md` says what each of them was."""

import json
import os
import re
import subprocess

import pytest
from botocore.exceptions import ClientError

from ..conftest import Account, allow
from ..raw import Wire
from ..sts.test_sessions import assume, role, trust, user_arn


def refused(call, **arguments) -> str:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return raised.value.response["Error"]["Code"]


DENIED = ("AccessDenied", "AccessDeniedException")


def test_cve_2025_62506_and_ghsa_xgr5(account):
    """Who is narrowed makes nobody who is not: not by a policy that only denies, and not by a session's."""
    only_denied = account.user("only-denied", allow("s3:*", effect="Deny"))
    iam = only_denied.client("iam")
    assert refused(iam.create_access_key) in DENIED
    assert refused(iam.create_access_key, UserName="only-denied") in DENIED
    assert refused(iam.create_user, UserName="other") in DENIED
    assert refused(only_denied.client("sts").get_federation_token, Name="other") in DENIED
    ada = account.user("ada")
    arn = role(account, "all", trust({"AWS": user_arn(account, "ada")}), allow("*"))
    narrow = assume(ada, arn, Policy=json.dumps(allow("s3:GetObject")))
    for operation, arguments in (
        ("create_user", {"UserName": "other"}),
        ("create_access_key", {"UserName": "ada"}),
        ("put_user_policy", {"UserName": "ada", "PolicyName": "p", "PolicyDocument": json.dumps(allow("*"))}),
        ("put_role_policy", {"RoleName": "all", "PolicyName": "p", "PolicyDocument": json.dumps(allow("*"))}),
    ):
        assert refused(getattr(narrow.client("iam"), operation), **arguments) in DENIED, operation
    assert refused(narrow.client("sts").assume_role, RoleArn=arn, RoleSessionName="wider") in DENIED


def test_cve_2021_43858_and_cve_2024_24747(account):
    """To make users, or to change one's keys, is not to give oneself rights."""
    maker = account.user("maker", allow(["iam:CreateUser", "iam:CreateAccessKey", "iam:UpdateAccessKey", "iam:UpdateUser"]))
    iam, everything = maker.client("iam"), json.dumps(allow("*"))
    iam.create_user(UserName="made")
    iam.create_access_key(UserName="made")
    for operation, arguments in (
        ("put_user_policy", {"UserName": "maker", "PolicyName": "p", "PolicyDocument": everything}),
        ("put_user_policy", {"UserName": "made", "PolicyName": "p", "PolicyDocument": everything}),
        ("attach_user_policy", {"UserName": "made", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ("delete_user_policy", {"UserName": "maker", "PolicyName": "policy-0"}),
        ("add_user_to_group", {"UserName": "made", "GroupName": "admins"}),
        ("put_user_permissions_boundary", {"UserName": "maker", "PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}),
    ):
        assert refused(getattr(iam, operation), **arguments) in DENIED, operation


def test_cve_2022_24842(account):
    """Who may mind their own keys minds nobody else's, and not root's."""
    own = allow("iam:*AccessKey*", f"arn:aws:iam::{account.id}:user/self")
    iam = account.user("self", own).client("iam")
    account.user("other")
    iam.create_access_key(UserName="self")
    assert refused(iam.create_access_key, UserName="other") in DENIED
    assert refused(iam.create_access_key, UserName="root") in DENIED
    assert refused(iam.update_access_key, UserName="other", AccessKeyId="AKIAAAAAAAAAAAAAAAAA", Status="Inactive") in DENIED


@pytest.mark.parametrize("service, call", [("iam", "list_users"), ("sts", "get_caller_identity"), ("kms", "list_keys"),
                                           ("glue", "get_databases"), ("athena", "list_work_groups"), ("s3", "list_buckets")])  # fmt: skip
def test_cve_2020_11012(account, service, call):
    """A key's id without its secret opens nothing."""
    for secret in ("wrong" * 8, account.access_key_id, "x"):
        guessed = Account(account.id, account.endpoint, account.access_key_id, secret)
        assert refused(getattr(guessed.client(service), call)) in (
            "SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature",
        )  # fmt: skip


def test_cve_2023_27589(account):
    """A user who is called as root, or as root's key, takes nothing from root."""
    iam = account.client("iam")
    for name in ("root", account.access_key_id):
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        assert key["AccessKeyId"] != account.access_key_id
        named = Account(account.id, account.endpoint, key["AccessKeyId"], key["SecretAccessKey"])
        assert refused(named.client("iam").list_users) in DENIED
        assert refused(named.client("s3").list_buckets) in DENIED
    iam.list_users()
    assert account.client("sts").get_caller_identity()["Arn"].endswith(":root")


def test_cve_2026_40937_and_its_like(account):
    """To be known is not to be allowed, for what only administrators do (GHSA-mm2q, -vcwh, -796f, -f5cv)."""
    nobody = account.user("nobody")
    iam = nobody.client("iam")
    for operation, arguments in (
        ("list_users", {}), ("list_roles", {}), ("list_policies", {}), ("get_account_summary", {}), ("list_groups", {}),
        ("get_user", {"UserName": "nobody"}), ("create_user", {"UserName": "x"}), ("delete_user", {"UserName": "nobody"}),
        ("list_access_keys", {"UserName": "nobody"}), ("get_user_policy", {"UserName": "nobody", "PolicyName": "p"}),
    ):  # fmt: skip
        assert refused(getattr(iam, operation), **arguments) in DENIED, operation
    assert refused(nobody.client("kms").list_keys) in DENIED
    assert refused(nobody.client("cloudtrail").lookup_events) in DENIED
    assert refused(nobody.client("s3").list_buckets) in DENIED


def test_seaweedfs_9317(account):
    """A user without a policy may nothing at all."""
    nobody, bucket = account.user("nobody"), account.bucket()
    s3 = nobody.client("s3")
    for call, arguments in (
        (s3.list_buckets, {}),
        (s3.list_objects_v2, {"Bucket": bucket}),
        (s3.put_object, {"Bucket": bucket, "Key": "k", "Body": b""}),
        (s3.create_bucket, {"Bucket": f"{bucket}-x"}),
        (s3.delete_bucket, {"Bucket": bucket}),
        (nobody.client("glue").get_databases, {}),
        (nobody.client("athena").list_work_groups, {}),
        (nobody.client("firehose").list_delivery_streams, {}),
    ):
        assert refused(call, **arguments) in DENIED, call


def test_cve_2026_55873_and_cve_2026_72920(account):
    """A signature for a service that is not there, or for another one, is nobody's."""
    for service in ("s3tables", "s3express", "s3-outposts", "grpc", "iam_pb", "sso"):
        for path in ("/", "/buckets", f"/{account.id}"):
            for method in ("GET", "PUT", "POST"):
                answer = Wire(account, service).send(method, path)
                assert answer.status in (400, 403, 404, 405, 501), (service, method, path, str(answer))
                assert b"<Buckets" not in answer.body
    # Signed for S3, and asked of IAM.
    body = b"Action=ListUsers&Version=2010-05-08"
    form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")]
    answer = Wire(account, "s3").send("POST", "/", form, body)
    assert answer.status >= 400 and b"ListUsersResult" not in answer.body


def test_cve_2026_50152(account):
    """Who may read everything is told no secret."""
    account.client("iam").create_user(UserName="kept")
    made = account.client("iam").create_access_key(UserName="kept")["AccessKey"]
    reader = account.user("reader", allow(["iam:Get*", "iam:List*", "kms:List*", "kms:Describe*", "cloudtrail:LookupEvents"]))
    iam = reader.client("iam")
    said = json.dumps(
        [
            iam.list_access_keys(UserName="kept"),
            iam.get_user(UserName="kept"),
            iam.list_users(),
            iam.get_access_key_last_used(AccessKeyId=made["AccessKeyId"]),
            reader.client("cloudtrail").lookup_events()["Events"],
        ],
        default=str,
    )
    assert made["AccessKeyId"] in said and made["SecretAccessKey"] not in said


def test_cve_2026_22782_and_cve_2026_45040(own_server):
    """No secret is in the log, whatever went well or wrong."""
    own_server.environment["TARN_LOG"] = "debug"
    own_server.start()
    account = own_server.accounts[0]
    ada = account.user("ada", allow("*"))
    arn = role(account, "all", trust({"AWS": user_arn(account, "ada")}), allow("*"))
    session = assume(ada, arn)
    bucket = session.bucket()
    session.client("s3").put_object(Bucket=bucket, Key="k", Body=b"1")
    wrong = Account(account.id, account.endpoint, session.access_key_id, ada.secret_access_key, session.session_token)
    for client in (wrong.client("s3").list_buckets, wrong.client("iam").list_users):
        refused(client)
    refused(session.client("iam").get_user, UserName="nobody")
    Wire(session, "iam").send("POST", "/", [("content-type", "application/x-www-form-urlencoded")], b"Action=%ff")
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0123456789abcdef" * 2}
    session.client("s3").put_object(Bucket=bucket, Key="c", Body=b"1", **customer)
    own_server.stop()
    log = own_server.log.read_text()
    secrets = [ada.secret_access_key, session.secret_access_key, session.session_token, account.secret_access_key]
    for secret in [*secrets, own_server.root().secret_access_key, customer["SSECustomerKey"]]:
        assert secret not in log
    assert len(log) > 1000


def test_ghsa_j59h(tmp_path):
    """There are no credentials but those that were given or made at random."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TARN_"))}
    shown = []
    for number in range(2):
        folder = tmp_path / str(number)
        command = [os.environ["TARN_BINARY"], "serve", "--data-dir", str(folder), "--listen", "127.0.0.1:0"]
        with subprocess.Popen(command, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            text = ""
            for line in process.stderr:
                text += line
                if "127.0.0.1:" in line and "listen" in line.lower() or len(shown) == number and _keys(text):
                    break
            process.kill()
        keys = _keys(text)
        assert keys, text
        shown.append(keys)
    assert shown[0] != shown[1]


def _keys(text: str):
    found = re.search(r"(AKIA[A-Z0-9]{16}).*?([A-Za-z0-9/+_-]{40})", text, re.S)
    return found.groups() if found else None


@pytest.mark.parametrize("user, password", [("minioadmin", "minioadmin"), ("rustfsadmin", "rustfsadmin"), ("admin", "admin"),
                                            ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")])  # fmt: skip
def test_no_default_credentials(account, user, password):
    """GHSA-j59h and five like it: the names and secrets that other stores came with."""
    for service, call in (("s3", "list_buckets"), ("iam", "list_users")):
        code = refused(getattr(Account(account.id, account.endpoint, user, password).client(service), call))
        assert code in ("InvalidAccessKeyId", "InvalidClientTokenId"), code


def test_ghsa_m77q(account):
    """A session is not made by who knows root's secret and no more: tokens are the lake's own, and a changed one is none."""
    ada = account.user("ada")
    arn = role(account, "all", trust({"AWS": user_arn(account, "ada")}), allow("*"))
    session = assume(ada, arn)
    token = session.session_token
    changed = [token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB"), token[: len(token) // 2], account.secret_access_key]
    # A token of JSON, as other stores sign with root's secret, without an algorithm and with one.
    changed += ["eyJhbGciOiJub25lIn0.eyJwYXJlbnQiOiJyb290IiwicG9saWN5IjoiYWRtaW4ifQ.", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA"]
    for other in changed:
        broken = Account(account.id, account.endpoint, session.access_key_id, session.secret_access_key, other)
        assert refused(broken.client("iam").list_users) in ("InvalidClientTokenId", "ExpiredToken"), other

"""Sessions as boto3 uses them: who gets one, what it may, on which services, and how it ends."""

import datetime
import json

import pytest
import urllib3
from botocore.exceptions import ClientError

from ..conftest import Account, allow


@pytest.fixture
def other_account(server, _accounts) -> Account:
    return server.accounts[next(_accounts)]


def check(call, code: str, words: str = "", **arguments) -> None:
    """The call fails with `code`, and says `words`."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    assert error["Code"] == code and words in error["Message"], error


def trust(principal, action="sts:AssumeRole", **more) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action} | more
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(account: Account, name: str, document: str, *policies: dict, **more) -> str:
    """A role with inline policies; its ARN."""
    iam = account.client("iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, **more)["Role"]["Arn"]
    for number, policy in enumerate(policies):
        iam.put_role_policy(RoleName=name, PolicyName=f"policy-{number}", PolicyDocument=json.dumps(policy))
    return made


def holder(account: Account, credentials: dict) -> Account:
    return Account(
        account.id,
        account.endpoint,
        credentials["AccessKeyId"],
        credentials["SecretAccessKey"],
        credentials["SessionToken"],
    )


def assume(by: Account, arn: str, name: str = "s1", **more) -> Account:
    made = by.client("sts").assume_role(RoleArn=arn, RoleSessionName=name, **more)
    owner = Account(arn.split(":")[4], by.endpoint, by.access_key_id, by.secret_access_key)
    return holder(owner, made["Credentials"])


def user_arn(account: Account, name: str) -> str:
    return f"arn:aws:iam::{account.id}:user/{name}"


def test_a_user_assumes_a_role(account):
    ada, bob = account.user("ada"), account.user("bob")
    arn = role(account, "lister", trust({"AWS": user_arn(account, "ada")}), allow("s3:ListAllMyBuckets"))
    made = ada.client("sts").assume_role(RoleArn=arn, RoleSessionName="s1")
    assert made["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account.id}:assumed-role/lister/s1"
    left = made["Credentials"]["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=59) < left <= datetime.timedelta(minutes=60)
    session = holder(account, made["Credentials"])
    told = session.client("sts").get_caller_identity()
    assert told["Arn"] == made["AssumedRoleUser"]["Arn"] and told["UserId"] == made["AssumedRoleUser"]["AssumedRoleId"]
    session.client("s3").list_buckets()
    check(session.client("s3").create_bucket, "AccessDenied", Bucket=f"b-{account.id}-session")
    check(session.client("glue").get_databases, "AccessDeniedException", "assumed-role/lister/s1")
    check(bob.client("sts").assume_role, "AccessDenied", "sts:AssumeRole", RoleArn=arn, RoleSessionName="s2")
    check(account.client("sts").assume_role, "AccessDenied", RoleArn=arn, RoleSessionName="s2")
    check(ada.client("sts").assume_role, "AccessDenied", RoleArn=f"{arn}-none", RoleSessionName="s2")
    for seconds, words in ((60, ""), (7200, "exceeds the MaxSessionDuration")):
        arguments = {"RoleArn": arn, "RoleSessionName": "s2", "DurationSeconds": seconds}
        unchecked = ada.client("sts", parameter_validation=False)
        check(unchecked.assume_role, "ValidationError", words, **arguments)


def test_credentials_work_for_every_service_and_presigned(account):
    ada = account.user("ada")
    arn = role(account, "all", trust({"AWS": user_arn(account, "ada")}), allow("*"))
    session = assume(ada, arn)
    bucket = session.bucket()
    session.client("s3").put_object(Bucket=bucket, Key="k", Body=b"x")
    signer = session.client("s3", signature_version="s3v4")
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert urllib3.request("GET", url).data == b"x"
    cut = url.replace("X-Amz-Security-Token=", "X-Amz-Security-Token=A")
    assert urllib3.request("GET", cut).status in (400, 403)
    session.client("glue").create_database(DatabaseInput={"Name": "raw"})
    session.client("kms").create_key()
    session.client("athena").list_work_groups()
    session.client("firehose").list_delivery_streams()
    session.client("iam").list_roles()


def test_a_token_opens_with_its_own_key_only(account):
    ada = account.user("ada")
    arn = role(account, "all", trust({"AWS": user_arn(account, "ada")}), allow("*"))
    one, two = assume(ada, arn), assume(ada, arn)
    swapped = Account(account.id, account.endpoint, one.access_key_id, one.secret_access_key, two.session_token)
    without = Account(account.id, account.endpoint, one.access_key_id, one.secret_access_key)
    of_user = Account(account.id, account.endpoint, ada.access_key_id, ada.secret_access_key, one.session_token)
    for broken in (swapped, without, of_user):
        check(broken.client("sts").get_caller_identity, "InvalidClientTokenId")
        check(broken.client("glue").get_databases, "UnrecognizedClientException")
        with pytest.raises(ClientError) as raised:
            broken.client("s3").list_buckets()
        assert raised.value.response["Error"]["Code"] in ("InvalidToken", "InvalidAccessKeyId")


def test_another_accounts_user_assumes_a_role(account, other_account):
    eve = other_account.user("eve", allow("sts:AssumeRole"))
    nobody = other_account.user("nobody")
    arn = role(
        account,
        "partner",
        trust({"AWS": other_account.id}, Condition={"StringEquals": {"sts:ExternalId": "42"}}),
        allow("s3:ListAllMyBuckets"),
    )
    check(eve.client("sts").assume_role, "AccessDenied", RoleArn=arn, RoleSessionName="s2")
    check(eve.client("sts").assume_role, "AccessDenied", RoleArn=arn, RoleSessionName="s2", ExternalId="41")
    check(nobody.client("sts").assume_role, "AccessDenied", RoleArn=arn, RoleSessionName="s2", ExternalId="42")
    session = assume(eve, arn, ExternalId="42")
    assert session.client("sts").get_caller_identity()["Account"] == account.id
    session.client("s3").list_buckets()


def test_a_session_is_narrowed(account):
    ada = account.user("ada")
    arn = role(account, "objects", trust({"AWS": user_arn(account, "ada")}), allow("s3:*"))
    bucket = account.bucket()
    account.client("s3").put_object(Bucket=bucket, Key="a/1", Body=b"1")
    read = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/a/*")
    session = assume(ada, arn, Policy=json.dumps(read)).client("s3")
    assert session.get_object(Bucket=bucket, Key="a/1")["Body"].read() == b"1"
    refused = "no session policy allows the s3:PutObject action"
    check(session.put_object, "AccessDenied", refused, Bucket=bucket, Key="a/2", Body=b"2")
    by_arn = assume(ada, arn, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}]).client("s3")
    by_arn.get_object(Bucket=bucket, Key="a/1")
    check(by_arn.delete_object, "AccessDenied", Bucket=bucket, Key="a/1")
    nothing = assume(ada, arn, Policy=json.dumps(allow("glue:*")))
    check(nothing.client("glue").get_databases, "AccessDeniedException")
    sts = ada.client("sts")
    check(sts.assume_role, "MalformedPolicyDocument", RoleArn=arn, RoleSessionName="s2", Policy="{")
    large = json.dumps(allow("s3:GetObject", [f"arn:aws:s3:::b/{number}" for number in range(200)]))
    check(sts.assume_role, "PackedPolicyTooLarge", RoleArn=arn, RoleSessionName="s2", Policy=large)

    # A bucket's policy that names the session is not narrowed by the session's; one that names the role is.
    def open_to(principal: str) -> None:
        statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        account.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)

    open_to(arn)
    check(nothing.client("s3").get_object, "AccessDenied", Bucket=bucket, Key="a/1")
    open_to(f"arn:aws:sts::{account.id}:assumed-role/objects/s1")
    nothing.client("s3").get_object(Bucket=bucket, Key="a/1")


def test_session_tags_decide_and_need_to_be_allowed(account):
    ada = account.user("ada")
    by_team = allow("s3:ListAllMyBuckets", Condition={"StringEquals": {"aws:PrincipalTag/team": "lake"}})
    arn = role(account, "tagged", trust({"AWS": user_arn(account, "ada")}), by_team)
    tags = [{"Key": "team", "Value": "lake"}]
    check(ada.client("sts").assume_role, "AccessDenied", "sts:TagSession", RoleArn=arn, RoleSessionName="s2", Tags=tags)
    both = trust({"AWS": user_arn(account, "ada")}, ["sts:AssumeRole", "sts:TagSession"])
    account.client("iam").update_assume_role_policy(RoleName="tagged", PolicyDocument=both)
    assume(ada, arn, Tags=tags).client("s3").list_buckets()
    check(assume(ada, arn).client("s3").list_buckets, "AccessDenied")


def test_sessions_end_with_what_they_are_of(account):
    iam, ada = account.client("iam"), account.user("ada")
    arn = role(account, "short", trust({"AWS": user_arn(account, "ada")}), allow("s3:*"))
    session, own = assume(ada, arn), holder(account, ada.client("sts").get_session_token()["Credentials"])
    session.client("s3").list_buckets()
    assert own.client("sts").get_caller_identity()["Arn"] == user_arn(account, "ada")
    # Revoked by date: sessions of before are refused, later ones are not.
    now = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    deny = allow("*", effect="Deny", Condition={"DateLessThan": {"aws:TokenIssueTime": now}})
    iam.put_role_policy(RoleName="short", PolicyName="revoke", PolicyDocument=json.dumps(deny))
    check(session.client("s3").list_buckets, "AccessDenied", "explicit deny")
    for policy in ("revoke", "policy-0"):
        iam.delete_role_policy(RoleName="short", PolicyName=policy)
    iam.delete_role(RoleName="short")
    check(session.client("sts").get_caller_identity, "InvalidClientTokenId")
    for key in iam.list_access_keys(UserName="ada")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="ada", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="ada")
    check(own.client("sts").get_caller_identity, "InvalidClientTokenId")


def test_users_sessions_are_for_what_they_are_for(account):
    ada = account.user("ada", allow("*"))
    own = holder(account, ada.client("sts").get_session_token(DurationSeconds=900)["Credentials"])
    own.client("s3").list_buckets()
    check(own.client("iam").list_users, "AccessDenied")
    check(own.client("sts").get_session_token, "AccessDenied")
    federated = ada.client("sts").get_federation_token(Name="bob", Policy=json.dumps(allow("s3:ListAllMyBuckets")))
    assert federated["FederatedUser"]["Arn"] == f"arn:aws:sts::{account.id}:federated-user/bob"
    bob = holder(account, federated["Credentials"])
    bob.client("s3").list_buckets()
    check(bob.client("s3").create_bucket, "AccessDenied", Bucket=f"b-{account.id}-federated")
    check(bob.client("iam").list_users, "AccessDenied")


def test_a_chain_of_roles_lasts_an_hour(account):
    ada = account.user("ada")
    first = role(account, "first", trust({"AWS": user_arn(account, "ada")}), allow("sts:AssumeRole"))
    second = role(account, "second", trust({"AWS": first}), allow("s3:ListAllMyBuckets"), MaxSessionDuration=7200)
    session = assume(ada, first)
    assume(session, second).client("s3").list_buckets()
    arguments = {"RoleArn": second, "RoleSessionName": "s2", "DurationSeconds": 7200}
    check(session.client("sts").assume_role, "ValidationError", "role chaining", **arguments)


def test_the_trail_says_whose_session_it_was(account):
    ada = account.user("ada")
    arn = role(account, "traced", trust({"AWS": user_arn(account, "ada")}), allow("glue:*"))
    session = assume(ada, arn, name="nightly")
    session.client("glue").create_database(DatabaseInput={"Name": "traced"})

    def record(name: str) -> dict:
        attribute = [{"AttributeKey": "EventName", "AttributeValue": name}]
        (event,) = account.client("cloudtrail").lookup_events(LookupAttributes=attribute)["Events"]
        return json.loads(event["CloudTrailEvent"])

    who = record("CreateDatabase")["userIdentity"]
    assert (who["type"], who["arn"]) == ("AssumedRole", f"arn:aws:sts::{account.id}:assumed-role/traced/nightly")
    issuer = who["sessionContext"]["sessionIssuer"]
    assert (issuer["type"], issuer["arn"], issuer["userName"]) == ("Role", arn, "traced")
    assert who["sessionContext"]["attributes"]["mfaAuthenticated"] == "false"
    assumed = record("AssumeRole")
    assert assumed["readOnly"] and assumed["userIdentity"]["arn"] == user_arn(account, "ada")
    assert session.session_token not in json.dumps(assumed)


def test_a_restart_keeps_roles_and_sessions(own_server):
    own_server.start()
    account = own_server.accounts[0]
    ada = account.user("ada")
    arn = role(account, "kept", trust({"AWS": user_arn(account, "ada")}), allow("s3:ListAllMyBuckets"))
    session = assume(ada, arn)
    own_server.stop()
    own_server.start()
    session.client("s3").list_buckets()
    assert account.client("iam").get_role(RoleName="kept")["Role"]["Arn"] == arn
    assume(ada, arn).client("s3").list_buckets()

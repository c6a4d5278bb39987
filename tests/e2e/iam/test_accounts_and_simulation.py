"""Passwords, aliases, credential reports, services' roles and simulations as boto3 uses them; what clients read before they remove a user."""

import csv
import io
import json

from ..conftest import allow
from .test_users_and_policies import check

COLUMNS = (
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,"
    "access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,"
    "access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,"
    "access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,"
    "cert_2_last_rotated"
).split(",")


def test_an_account_has_an_alias(account):
    iam = account.client("iam")
    alias = f"lake-{account.id}"
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_account_alias(AccountAlias=alias)
    assert iam.list_account_aliases()["AccountAliases"] == [alias]
    check(iam.delete_account_alias, "NoSuchEntity", AccountAlias="another")
    iam.delete_account_alias(AccountAlias=alias)
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_a_password_is_set_changed_and_taken(account):
    iam, ada = account.client("iam"), account.user("ada")
    check(iam.get_account_password_policy, "NoSuchEntity")
    check(iam.get_login_profile, "NoSuchEntity", "Login Profile for User ada cannot be found", UserName="ada")
    check(iam.create_login_profile, "PasswordPolicyViolation", "minimum length", UserName="ada", Password="short")
    made = iam.create_login_profile(UserName="ada", Password="Correct-horse-1", PasswordResetRequired=True)["LoginProfile"]
    assert (made["UserName"], made["PasswordResetRequired"]) == ("ada", True)
    check(iam.create_login_profile, "EntityAlreadyExists", UserName="ada", Password="Correct-horse-1")
    change = ada.client("iam").change_password
    passwords = {"OldPassword": "Correct-horse-1", "NewPassword": "Correct-horse-2"}
    check(change, "AccessDenied", **passwords)
    iam.update_account_password_policy(MinimumPasswordLength=12, AllowUsersToChangePassword=True, PasswordReusePrevention=3)
    policy = iam.get_account_password_policy()["PasswordPolicy"]
    assert (policy["MinimumPasswordLength"], policy["ExpirePasswords"], policy["PasswordReusePrevention"]) == (12, False, 3)
    check(change, "AccessDenied", "old password", OldPassword="Correct-horse-0", NewPassword="Correct-horse-2")
    change(**passwords)
    check(change, "PasswordPolicyViolation", OldPassword="Correct-horse-2", NewPassword="Correct-horse-1")
    assert iam.get_login_profile(UserName="ada")["LoginProfile"]["PasswordResetRequired"] is False
    iam.update_login_profile(UserName="ada", Password="Correct-horse-4", PasswordResetRequired=True)
    check(iam.delete_user, "DeleteConflict", UserName="ada")
    iam.delete_login_profile(UserName="ada")
    iam.delete_account_password_policy()
    check(iam.get_account_password_policy, "NoSuchEntity")


def test_what_a_client_reads_before_it_removes_a_user_is_there(account):
    iam = account.client("iam")
    iam.create_user(UserName="ada")
    assert iam.list_mfa_devices(UserName="ada")["MFADevices"] == []
    assert iam.list_ssh_public_keys(UserName="ada")["SSHPublicKeys"] == []
    assert iam.list_signing_certificates(UserName="ada")["Certificates"] == []
    assert iam.list_service_specific_credentials(UserName="ada")["ServiceSpecificCredentials"] == []
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.list_server_certificates()["ServerCertificateMetadataList"] == []
    assert iam.list_saml_providers()["SAMLProviderList"] == []
    check(iam.list_mfa_devices, "NoSuchEntity", UserName="none")
    iam.delete_user(UserName="ada")


def test_the_credential_report_tells_of_root_and_users(account):
    iam, ada = account.client("iam"), account.user("a,da")
    check(iam.get_credential_report, "ReportNotPresent")
    ada.client("sts").get_caller_identity()
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    report = iam.get_credential_report()
    assert report["ReportFormat"] == "text/csv"
    rows = list(csv.DictReader(io.StringIO(report["Content"].decode())))
    assert list(rows[0]) == COLUMNS
    assert [row["user"] for row in rows] == ["<root_account>", "a,da"]
    root, user = rows
    assert (root["password_enabled"], user["password_enabled"]) == ("not_supported", "false")
    assert (user["access_key_1_active"], user["access_key_2_active"], user["mfa_active"]) == ("true", "false", "false")
    assert (user["access_key_1_last_used_service"], user["access_key_1_last_used_region"]) == ("sts", "us-east-1")
    assert user["user_creation_time"].endswith("+00:00")


def test_a_services_role_lives_and_ends(account):
    iam = account.client("iam")
    made = iam.create_service_linked_role(AWSServiceName="batch.amazonaws.com")["Role"]
    assert made["Arn"].endswith(":role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch")
    check(iam.create_service_linked_role, "InvalidInput", "has been taken", AWSServiceName="batch.amazonaws.com")
    check(iam.create_service_linked_role, "InvalidInput", AWSServiceName="none.amazonaws.com")
    check(iam.delete_role, "UnmodifiableEntity", "protected role", RoleName=made["RoleName"])
    task = iam.delete_service_linked_role(RoleName=made["RoleName"])["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    check(iam.get_role, "NoSuchEntity", RoleName=made["RoleName"])


def simulated(results) -> list:
    return [(result["EvalResourceName"], result["EvalDecision"]) for result in results["EvaluationResults"]]


def test_a_custom_policy_is_simulated(account):
    iam = account.client("iam")
    reads = allow("s3:Get*", "arn:aws:s3:::b/${aws:username}/*", Condition={"Bool": {"aws:SecureTransport": "true"}})
    policy = json.dumps(reads, indent=2)
    question = {"PolicyInputList": [policy], "ActionNames": ["s3:GetObject"], "ResourceArns": ["arn:aws:s3:::b/ada/k"]}
    assert sorted(iam.get_context_keys_for_custom_policy(PolicyInputList=[policy])["ContextKeyNames"]) == [
        "aws:SecureTransport",
        "aws:username",
    ]
    result = iam.simulate_custom_policy(**question)["EvaluationResults"][0]
    assert (result["EvalDecision"], result["MatchedStatements"]) == ("implicitDeny", [])
    assert sorted(result["MissingContextValues"]) == ["aws:SecureTransport", "aws:username"]
    question["ContextEntries"] = [
        {"ContextKeyName": "aws:SecureTransport", "ContextKeyValues": ["true"], "ContextKeyType": "boolean"},
        {"ContextKeyName": "aws:username", "ContextKeyValues": ["ada"], "ContextKeyType": "string"},
    ]
    result = iam.simulate_custom_policy(**question)["EvaluationResults"][0]
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("allowed", [])
    matched = result["MatchedStatements"][0]
    assert matched["SourcePolicyId"] == "PolicyInputList.1"
    lines = policy.splitlines()
    start, end = matched["StartPosition"], matched["EndPosition"]
    assert lines[start["Line"] - 1][start["Column"] - 1] == "{"
    assert lines[end["Line"] - 1][end["Column"] - 2] == "}"
    limited = iam.simulate_custom_policy(PermissionsBoundaryPolicyInputList=[json.dumps(allow("glue:*"))], **question)
    limited = limited["EvaluationResults"][0]
    assert limited["EvalDecision"] == "implicitDeny"
    assert limited["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    check(iam.simulate_custom_policy, "InvalidInput", PolicyInputList=["{}"], ActionNames=["s3:GetObject"])


def test_a_users_policies_are_simulated_as_they_are_enforced(account):
    iam = account.client("iam")
    bucket = account.bucket()
    mine = f"arn:aws:s3:::{bucket}"
    ada = account.user("ada", allow(["s3:PutObject", "s3:GetObject"], f"{mine}/ada/*"))
    iam.create_group(GroupName="readers")
    iam.put_group_policy(GroupName="readers", PolicyName="p", PolicyDocument=json.dumps(allow("s3:ListBucket", mine)))
    iam.add_user_to_group(GroupName="readers", UserName="ada")
    source = {"PolicySourceArn": f"arn:aws:iam::{account.id}:user/ada"}
    keys = [f"{mine}/ada/k", f"{mine}/bob/k"]
    found = iam.simulate_principal_policy(ActionNames=["s3:PutObject"], ResourceArns=keys, **source)
    assert simulated(found) == [(keys[0], "allowed"), (keys[1], "implicitDeny")]
    ada.client("s3").put_object(Bucket=bucket, Key="ada/k", Body=b"x")
    check(ada.client("s3").put_object, "AccessDenied", Bucket=bucket, Key="bob/k", Body=b"x")
    listed = iam.simulate_principal_policy(ActionNames=["s3:ListBucket"], ResourceArns=[mine], **source)
    assert listed["EvaluationResults"][0]["MatchedStatements"][0]["SourcePolicyType"] == "group"
    across = iam.simulate_principal_policy(
        ActionNames=["s3:GetObject"], ResourceArns=keys[:1], ResourceOwner="arn:aws:iam::999999999999:root", **source
    )
    assert across["EvaluationResults"][0]["EvalDecision"] == "implicitDeny"
    letting = allow("s3:GetObject", f"{mine}/*", Principal={"AWS": source["PolicySourceArn"]})
    across = iam.simulate_principal_policy(
        ActionNames=["s3:GetObject"],
        ResourceArns=keys[:1],
        ResourceOwner="arn:aws:iam::999999999999:root",
        ResourcePolicy=json.dumps(letting),
        CallerArn=source["PolicySourceArn"],
        **source,
    )
    assert across["EvaluationResults"][0]["EvalDecision"] == "allowed"
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        ActionNames=["s3:GetObject"], ResourceArns=keys, PaginationConfig={"PageSize": 1}, **source
    )
    assert [len(page["EvaluationResults"]) for page in pages] == [1, 1]
    check(iam.simulate_principal_policy, "NoSuchEntity", ActionNames=["s3:GetObject"], PolicySourceArn=f"arn:aws:iam::{account.id}:user/none")
    check(ada.client("iam").simulate_principal_policy, "AccessDenied", ActionNames=["s3:GetObject"], **source)

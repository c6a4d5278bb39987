"""All of an account at once, and which policies let somebody use a service, as boto3 reads them."""

import json

from ..conftest import allow
from .test_users_and_policies import check

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


def furnish(account):
    iam = account.client("iam")
    iam.create_user(UserName="ada", Path="/lab/", Tags=[{"Key": "team", "Value": "lake"}])
    iam.create_group(GroupName="readers")
    iam.add_user_to_group(GroupName="readers", UserName="ada")
    iam.put_user_policy(UserName="ada", PolicyName="own", PolicyDocument=json.dumps(allow("s3:Get*")))
    iam.put_group_policy(GroupName="readers", PolicyName="shared", PolicyDocument=json.dumps(allow("glue:Get*")))
    made = iam.create_policy(PolicyName="queries", PolicyDocument=json.dumps(allow("athena:*")))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=made, PolicyDocument=json.dumps(allow("athena:Get*")), SetAsDefault=True)
    iam.attach_group_policy(GroupName="readers", PolicyArn=made)
    iam.attach_user_policy(UserName="ada", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    iam.create_role(RoleName="crawler", AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName="crawler", PolicyName="all-but", PolicyDocument=json.dumps(allow("*")))
    iam.create_instance_profile(InstanceProfileName="machine")
    iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName="crawler")
    return iam, made


def test_an_account_is_told_whole_and_in_parts(account):
    iam, made = furnish(account)
    found = iam.get_account_authorization_details()
    assert found["IsTruncated"] is False
    (ada,) = [user for user in found["UserDetailList"] if user["UserName"] == "ada"]
    assert (ada["Path"], ada["GroupList"]) == ("/lab/", ["readers"])
    assert ada["Tags"] == [{"Key": "team", "Value": "lake"}]
    assert ada["UserPolicyList"] == [{"PolicyName": "own", "PolicyDocument": allow("s3:Get*")}]
    assert [policy["PolicyName"] for policy in ada["AttachedManagedPolicies"]] == ["AmazonS3ReadOnlyAccess"]
    (group,) = found["GroupDetailList"]
    assert [policy["PolicyName"] for policy in group["GroupPolicyList"]] == ["shared"]
    assert group["AttachedManagedPolicies"] == [{"PolicyName": "queries", "PolicyArn": made}]
    (role,) = [role for role in found["RoleDetailList"] if role["RoleName"] == "crawler"]
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert [profile["InstanceProfileName"] for profile in role["InstanceProfileList"]] == ["machine"]
    policies = {policy["PolicyName"]: policy for policy in found["Policies"]}
    assert set(policies) == {"queries", "AmazonS3ReadOnlyAccess"}
    queries = policies["queries"]
    assert (queries["DefaultVersionId"], queries["AttachmentCount"]) == ("v2", 1)
    assert [version["VersionId"] for version in queries["PolicyVersionList"]] == ["v1", "v2"]
    assert queries["PolicyVersionList"][1]["Document"] == allow("athena:Get*")

    # Page by page it is the same, whatever is asked for.
    paginator = iam.get_paginator("get_account_authorization_details")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 1}))
    lists = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
    together = {name: [one for page in pages for one in page[name]] for name in lists}
    assert together == {name: found[name] for name in lists}
    only = iam.get_account_authorization_details(Filter=["Group", "AWSManagedPolicy"])
    assert (only["UserDetailList"], only["RoleDetailList"]) == ([], [])
    assert len(only["GroupDetailList"]) == 1
    assert [policy["PolicyName"] for policy in only["Policies"]] == ["AmazonS3ReadOnlyAccess"]
    check(iam.get_account_authorization_details, "ValidationError", Marker="x")
    check(account.user("bob").client("iam").get_account_authorization_details, "AccessDenied")


def test_policies_that_grant_access_to_a_service(account):
    iam, made = furnish(account)

    def granting(kind: str, name: str, *services: str) -> list[list[tuple]]:
        arn = f"arn:aws:iam::{account.id}:{kind}/{name}"
        found = iam.list_policies_granting_service_access(Arn=arn, ServiceNamespaces=list(services))
        entries = found["PoliciesGrantingServiceAccess"]
        assert [entry["ServiceNamespace"] for entry in entries] == list(services)
        return [
            [(policy["PolicyName"], policy["PolicyType"], policy.get("EntityName")) for policy in entry["Policies"]]
            for entry in entries
        ]

    assert granting("user", "lab/ada", "s3", "glue", "athena", "kms") == [
        [("own", "INLINE", "ada"), ("AmazonS3ReadOnlyAccess", "MANAGED", None)],
        [("shared", "INLINE", "readers")],
        [("queries", "MANAGED", None)],
        [],
    ]
    assert granting("role", "crawler", "kms") == [[("all-but", "INLINE", "crawler")]]
    missing = {"Arn": f"arn:aws:iam::{account.id}:user/none", "ServiceNamespaces": ["s3"]}
    check(iam.list_policies_granting_service_access, "NoSuchEntity", **missing)

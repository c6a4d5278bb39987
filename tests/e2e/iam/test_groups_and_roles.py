"""Groups, roles, boundaries, policy versions and tags as boto3 uses them, and what they let through."""

import json


from ..conftest import allow
from .test_users_and_policies import check


def trust(principal, action: str = "sts:AssumeRole", **more) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action} | more
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_group_opens_and_closes_for_its_users(account):
    iam, ada = account.client("iam"), account.user("ada")
    iam.create_group(GroupName="Readers", Path="/lab/")
    iam.put_group_policy(GroupName="readers", PolicyName="p", PolicyDocument=json.dumps(allow("s3:ListAllMyBuckets")))
    check(ada.client("s3").list_buckets, "AccessDenied")
    iam.add_user_to_group(GroupName="Readers", UserName="ada")
    ada.client("s3").list_buckets()
    group = iam.get_group(GroupName="Readers")
    assert group["Group"]["Arn"] == f"arn:aws:iam::{account.id}:group/lab/Readers"
    assert [user["UserName"] for user in group["Users"]] == ["ada"]
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="ada")["Groups"]] == ["Readers"]
    check(iam.delete_group, "DeleteConflict", "must remove users from group", GroupName="Readers")
    iam.remove_user_from_group(GroupName="Readers", UserName="ada")
    check(ada.client("s3").list_buckets, "AccessDenied")


def test_names_are_one_whatever_their_case_also_in_policies(account):
    iam = account.client("iam")
    iam.create_user(UserName="Admin")
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "iam:DeleteUser", "Resource": f"arn:aws:iam::{account.id}:user/Admin"},
        ],
    }
    ada = account.user("ada", document)
    check(ada.client("iam").delete_user, "AccessDenied", "explicit deny", UserName="admin")
    assert iam.get_user(UserName="ADMIN")["User"]["UserName"] == "Admin"


def test_a_boundary_takes_away(account):
    iam, ada = account.client("iam"), account.user("ada", allow("s3:*"))
    arn = iam.create_policy(PolicyName="lists", PolicyDocument=json.dumps(allow("s3:ListAllMyBuckets")))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="ada", PermissionsBoundary=arn)
    user = iam.get_user(UserName="ada")["User"]
    assert user["PermissionsBoundary"] == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    ada.client("s3").list_buckets()
    refused = "no permissions boundary allows the s3:CreateBucket action"
    check(ada.client("s3").create_bucket, "AccessDenied", refused, Bucket=f"b-{account.id}-boundary")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    iam.delete_user_permissions_boundary(UserName="ada")
    ada.bucket()


def test_a_policy_has_versions(account):
    iam, ada = account.client("iam"), account.user("ada")
    arn = iam.create_policy(PolicyName="own", PolicyDocument=json.dumps(allow("s3:ListAllMyBuckets")))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="ada", PolicyArn=arn)
    ada.client("s3").list_buckets()
    deny = json.dumps(allow("s3:*", effect="Deny"))
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=deny, SetAsDefault=True)["PolicyVersion"]
    assert (made["VersionId"], made["IsDefaultVersion"]) == ("v2", True)
    check(ada.client("s3").list_buckets, "AccessDenied", "explicit deny")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    ada.client("s3").list_buckets()
    for _ in range(3):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=deny)
    check(iam.create_policy_version, "LimitExceeded", PolicyArn=arn, PolicyDocument=deny)
    check(iam.delete_policy_version, "DeleteConflict", PolicyArn=arn, VersionId="v1")
    assert len(iam.list_policy_versions(PolicyArn=arn)["Versions"]) == 5


def test_a_role_reads_back_as_it_was_made(account):
    iam = account.client("iam")
    iam.create_user(UserName="ada")
    document = trust({"AWS": f"arn:aws:iam::{account.id}:user/ada"})
    made = iam.create_role(
        RoleName="Loader",
        Path="/lab/",
        AssumeRolePolicyDocument=document,
        Description="loads",
        MaxSessionDuration=7200,
        Tags=[{"Key": "team", "Value": "lake"}],
    )["Role"]
    role = iam.get_role(RoleName="loader")["Role"]
    assert role["Arn"] == made["Arn"] == f"arn:aws:iam::{account.id}:role/lab/Loader"
    assert (role["Description"], role["MaxSessionDuration"]) == ("loads", 7200)
    assert role["AssumeRolePolicyDocument"] == json.loads(document)
    assert role["Tags"] == [{"Key": "team", "Value": "lake"}]
    iam.tag_role(RoleName="Loader", Tags=[{"Key": "Team", "Value": "ml"}])
    assert iam.list_role_tags(RoleName="Loader")["Tags"] == [{"Key": "Team", "Value": "ml"}]
    for principal in ({"AWS": f"arn:aws:iam::{account.id}:user/none"}, {"AWS": "999999999999"}, {"AWS": "ada"}):
        check(
            iam.create_role,
            "MalformedPolicyDocument",
            "Invalid principal in policy",
            RoleName="x",
            AssumeRolePolicyDocument=trust(principal),
        )
    iam.create_instance_profile(InstanceProfileName="machine")
    iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName="Loader")
    check(iam.delete_role, "DeleteConflict", "remove roles from instance profile", RoleName="Loader")
    profile = iam.get_instance_profile(InstanceProfileName="machine")["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["Loader"]
    iam.remove_role_from_instance_profile(InstanceProfileName="machine", RoleName="Loader")
    iam.delete_role(RoleName="Loader")
    check(iam.get_role, "NoSuchEntity", RoleName="Loader")


def test_lists_come_in_pages(account):
    iam = account.client("iam")
    for name in ("c", "A", "b"):
        iam.create_role(RoleName=name, Path=f"/{name.lower()}/", AssumeRolePolicyDocument=trust({"AWS": account.id}))
    pages = iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2})
    assert [[role["RoleName"] for role in page["Roles"]] for page in pages] == [["A", "b"], ["c"]]
    assert [role["RoleName"] for role in iam.list_roles(PathPrefix="/c/")["Roles"]] == ["c"]
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["Roles"], summary["RolesQuota"]) == (3, 1000)


def test_tags_decide(account):
    """Attribute-based access: a user may delete what carries its team's tag."""
    iam = account.client("iam")
    same_team = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    ada = account.user("ada", allow("iam:DeleteRole", Condition=same_team))
    iam.tag_user(UserName="ada", Tags=[{"Key": "team", "Value": "lake"}])
    for name, team in (("ours", "lake"), ("theirs", "ml")):
        tags = [{"Key": "team", "Value": team}]
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": account.id}), Tags=tags)
    ada.client("iam").delete_role(RoleName="ours")
    check(ada.client("iam").delete_role, "AccessDenied", RoleName="theirs")

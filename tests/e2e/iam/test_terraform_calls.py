"""IAM as Terraform's aws provider calls it: what it made is read back whole, a second plan finds nothing to do, and what is gone says so."""

import json
import urllib.parse

from ..conftest import allow
from ..terraform import Resource, ask
from .test_groups_and_roles import trust

TAGS = [{"Key": "team", "Value": "lake"}]
OTHER_TAGS = [{"Key": "team", "Value": "ml"}]
READ, WRITE = allow("s3:GetObject"), allow("s3:PutObject")


def test_the_provider_finds_its_account(account):
    assert ask(account.client("sts").get_caller_identity)["Account"] == account.id
    # Where the caller's identity is not to be had, it goes by these.
    assert account.client("iam").get_user()["User"]["Arn"].split(":")[4] == account.id
    assert ask(account.client("iam").list_roles, MaxItems=1)["Roles"] == []


def test_user(account):
    iam = account.client("iam")
    boundary = iam.create_policy(PolicyName="b", PolicyDocument=json.dumps(READ))["Policy"]["Arn"]
    made = iam.create_user(UserName="ada", Path="/lab/", PermissionsBoundary=boundary, Tags=TAGS)["User"]
    user = Resource((iam.get_user, {"UserName": "ada"}))
    [found] = user.read()
    bounded = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary}
    assert found["User"] == made | {"Tags": TAGS, "PermissionsBoundary": bounded}
    iam.update_user(UserName="ada", NewUserName="bob", NewPath="/")
    iam.delete_user_permissions_boundary(UserName="bob")
    iam.untag_user(UserName="bob", TagKeys=["team"])
    iam.tag_user(UserName="bob", Tags=OTHER_TAGS)
    assert user.ask() == ["NoSuchEntity"]
    [found] = Resource((iam.get_user, {"UserName": "bob"})).read()
    kept = {name: made[name] for name in ("UserId", "CreateDate")}
    assert found["User"] == kept | {
        "UserName": "bob", "Path": "/", "Arn": f"arn:aws:iam::{account.id}:user/bob", "Tags": OTHER_TAGS,
    }
    # `force_destroy`.
    bob = {"UserName": "bob"}
    assert ask(iam.list_groups_for_user, **bob)["Groups"] == []
    assert ask(iam.list_access_keys, **bob)["AccessKeyMetadata"] == []
    assert ask(iam.list_ssh_public_keys, **bob)["SSHPublicKeys"] == []
    assert ask(iam.list_virtual_mfa_devices, AssignmentStatus="Any")["VirtualMFADevices"] == []
    assert ask(iam.list_mfa_devices, **bob)["MFADevices"] == []
    assert ask(iam.delete_login_profile, **bob) == "NoSuchEntity"
    assert ask(iam.list_signing_certificates, **bob)["Certificates"] == []
    assert ask(iam.list_service_specific_credentials, **bob)["ServiceSpecificCredentials"] == []
    iam.delete_user(**bob)
    assert ask(iam.get_user, **bob) == "NoSuchEntity"


def test_access_key_and_login_profile(account):
    iam = account.client("iam")
    iam.create_user(UserName="ada")
    made = iam.create_access_key(UserName="ada")["AccessKey"]
    keys = Resource((iam.list_access_keys, {"UserName": "ada"}))
    secret = made.pop("SecretAccessKey")
    assert len(secret) == 40 and keys.read()[0]["AccessKeyMetadata"] == [made]
    iam.update_access_key(UserName="ada", AccessKeyId=made["AccessKeyId"], Status="Inactive")
    assert keys.read()[0]["AccessKeyMetadata"] == [made | {"Status": "Inactive"}]
    assert "LastUsedDate" not in ask(iam.get_access_key_last_used, AccessKeyId=made["AccessKeyId"])["AccessKeyLastUsed"]
    iam.delete_access_key(UserName="ada", AccessKeyId=made["AccessKeyId"])
    assert keys.read()[0]["AccessKeyMetadata"] == []

    profile = Resource((iam.get_login_profile, {"UserName": "ada"}))
    assert profile.read() == ["NoSuchEntity"]
    made = iam.create_login_profile(UserName="ada", Password="a-Long-passw0rd!", PasswordResetRequired=False)
    assert profile.read()[0]["LoginProfile"] == made["LoginProfile"]
    iam.delete_login_profile(UserName="ada")
    iam.delete_user(UserName="ada")
    assert keys.ask() == ["NoSuchEntity"] == profile.ask()


def test_group_and_its_members(account):
    iam = account.client("iam")
    made = iam.create_group(GroupName="readers", Path="/lab/")["Group"]
    group = Resource((iam.get_group, {"GroupName": "readers"}))
    assert (group.read()[0]["Group"], group.read()[0]["Users"]) == (made, [])
    users = [iam.create_user(UserName=name)["User"] for name in ("ada", "bob")]
    for user in users:
        iam.add_user_to_group(GroupName="readers", UserName=user["UserName"])
    assert sorted(group.read()[0]["Users"], key=lambda user: user["UserName"]) == users
    # aws_iam_user_group_membership
    assert Resource((iam.list_groups_for_user, {"UserName": "ada"})).read()[0]["Groups"] == [made]
    iam.remove_user_from_group(GroupName="readers", UserName="ada")
    assert group.read()[0]["Users"] == users[1:]
    assert ask(iam.remove_user_from_group, GroupName="readers", UserName="nobody") == "NoSuchEntity"
    iam.update_group(GroupName="readers", NewGroupName="writers", NewPath="/")
    [renamed] = Resource((iam.get_group, {"GroupName": "writers"})).read()
    assert renamed["Group"]["Arn"] == f"arn:aws:iam::{account.id}:group/writers"
    iam.remove_user_from_group(GroupName="writers", UserName="bob")
    iam.delete_group(GroupName="writers")
    assert ask(iam.get_group, GroupName="writers") == "NoSuchEntity"


def test_role(account):
    iam = account.client("iam")
    document = trust({"Service": "firehose.amazonaws.com"})
    boundary = iam.create_policy(PolicyName="b", PolicyDocument=json.dumps(READ))["Policy"]["Arn"]
    made = iam.create_role(
        RoleName="loader", Path="/lab/", AssumeRolePolicyDocument=document, Description="loads",
        MaxSessionDuration=7200, PermissionsBoundary=boundary, Tags=TAGS,
    )["Role"]
    name = {"RoleName": "loader"}
    role = Resource(
        (iam.get_role, name), (iam.list_role_policies, name), (iam.list_attached_role_policies, name),
        (iam.list_role_tags, name),
    )
    found, inline, attached, tags = role.read()
    assert found["Role"] == made | {
        "Description": "loads", "MaxSessionDuration": 7200, "Tags": TAGS,
        "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary},
    }
    assert found["Role"]["AssumeRolePolicyDocument"] == json.loads(document)
    assert (inline["PolicyNames"], attached["AttachedPolicies"], tags["Tags"]) == ([], [], TAGS)

    other = trust({"AWS": account.id})
    iam.update_assume_role_policy(**name, PolicyDocument=other)
    iam.update_role_description(**name, Description="")
    iam.update_role(**name, MaxSessionDuration=3600)
    iam.delete_role_permissions_boundary(**name)
    iam.untag_role(**name, TagKeys=["team"])
    iam.tag_role(**name, Tags=OTHER_TAGS)
    found = role.read()[0]["Role"]
    assert found["MaxSessionDuration"] == 3600 and found["Tags"] == OTHER_TAGS and not found.get("Description")
    assert "PermissionsBoundary" not in found
    # IAM says an account's root in full.
    [statement] = found["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] in ({"AWS": account.id}, {"AWS": f"arn:aws:iam::{account.id}:root"})

    assert ask(iam.list_instance_profiles_for_role, **name)["InstanceProfiles"] == []
    iam.delete_role(**name)
    assert role.ask() == ["NoSuchEntity"] * 4


def test_documents_come_percent_encoded(account):
    """The provider decodes them itself, with `+` for a space."""
    iam = account.client("iam")
    seen = []
    iam.meta.events.register("before-parse.iam.GetRole", lambda response_dict, **_: seen.append(response_dict["body"]))
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "AplusB", "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"aws:PrincipalTag/a b+c": "d e+f"}}}]})
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=document)
    iam.get_role(RoleName="r")
    text = seen[0].decode().split("<AssumeRolePolicyDocument>")[1].split("<")[0]
    assert json.loads(urllib.parse.unquote_plus(text)) == json.loads(document)


def test_inline_policies(account):
    iam = account.client("iam")
    iam.create_user(UserName="it")
    iam.create_group(GroupName="it")
    iam.create_role(RoleName="it", AssumeRolePolicyDocument=trust({"AWS": account.id}))
    for kind in ("user", "group", "role"):
        name = {f"{kind.title()}Name": "it", "PolicyName": "p"}
        put, delete = getattr(iam, f"put_{kind}_policy"), getattr(iam, f"delete_{kind}_policy")
        policy = Resource((getattr(iam, f"get_{kind}_policy"), name))
        assert policy.ask() == ["NoSuchEntity"]
        for document in (READ, WRITE):
            put(**name, PolicyDocument=json.dumps(document))
            assert policy.read() == [name | {"PolicyDocument": document}]
        delete(**name)
        assert policy.ask() == ["NoSuchEntity"]
        assert ask(delete, **name) == "NoSuchEntity"


def test_attachments(account):
    iam = account.client("iam")
    iam.create_user(UserName="it")
    iam.create_group(GroupName="it")
    iam.create_role(RoleName="it", AssumeRolePolicyDocument=trust({"AWS": account.id}))
    own = iam.create_policy(PolicyName="own", PolicyDocument=json.dumps(READ))["Policy"]["Arn"]
    aws = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    entities = Resource((iam.list_entities_for_policy, {"PolicyArn": own}))
    for kind in ("user", "group", "role"):
        name = {f"{kind.title()}Name": "it"}
        attach, detach = getattr(iam, f"attach_{kind}_policy"), getattr(iam, f"detach_{kind}_policy")
        attached = Resource((getattr(iam, f"list_attached_{kind}_policies"), name))
        for arn in (own, aws, own):
            attach(**name, PolicyArn=arn)
        found = attached.read()[0]["AttachedPolicies"]
        assert sorted((policy["PolicyName"], policy["PolicyArn"]) for policy in found) == [("ReadOnlyAccess", aws), ("own", own)]
        # aws_iam_policy_attachment
        assert len(entities.read()[0][f"Policy{kind.title()}s"]) == 1
        for arn in (own, aws):
            detach(**name, PolicyArn=arn)
        assert attached.read()[0]["AttachedPolicies"] == []
        assert ask(detach, **name, PolicyArn=own) == "NoSuchEntity"


def test_policy_of_aws(account):
    """`data "aws_iam_policy"`, and what audits ask of AdministratorAccess."""
    iam = account.client("iam")
    arn = {"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    user = account.user("admin")
    iam.attach_user_policy(UserName="admin", **arn)
    for reads in (iam, user.client("iam")):
        version = reads.get_policy(**arn)["Policy"]["DefaultVersionId"]
        statement = reads.get_policy_version(**arn, VersionId=version)["PolicyVersion"]["Document"]["Statement"]
        assert [(one["Action"], one["Resource"]) for one in statement] == [("*", "*")]
        assert [one["VersionId"] for one in reads.list_policy_versions(**arn)["Versions"]] == [version]
        assert [one["UserName"] for one in reads.list_entities_for_policy(**arn)["PolicyUsers"]] == ["admin"]
    for change in (iam.delete_policy, iam.list_policy_tags):
        assert ask(change, **arn) == "AccessDenied"


def test_policy(account):
    iam = account.client("iam")
    made = iam.create_policy(PolicyName="p", Path="/lab/", Description="reads", PolicyDocument=json.dumps(READ), Tags=TAGS)
    arn = {"PolicyArn": made["Policy"]["Arn"]}
    policy = Resource((iam.get_policy, arn))

    def document() -> dict:
        version = policy.read()[0]["Policy"]["DefaultVersionId"]
        return Resource((iam.get_policy_version, arn | {"VersionId": version})).read()[0]["PolicyVersion"]["Document"]

    assert policy.read()[0]["Policy"] == made["Policy"] | {"Description": "reads", "Tags": TAGS}
    assert document() == READ
    for number in range(7):
        versions = iam.list_policy_versions(**arn)["Versions"]
        if len(versions) == 5:
            oldest = min((version for version in versions if not version["IsDefaultVersion"]), key=lambda found: found["CreateDate"])
            iam.delete_policy_version(**arn, VersionId=oldest["VersionId"])
        changed = (WRITE, READ)[number % 2]
        iam.create_policy_version(**arn, PolicyDocument=json.dumps(changed), SetAsDefault=True)
        assert document() == changed
    iam.untag_policy(**arn, TagKeys=["team"])
    iam.tag_policy(**arn, Tags=OTHER_TAGS)
    assert policy.read()[0]["Policy"]["Tags"] == OTHER_TAGS
    for version in iam.list_policy_versions(**arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(**arn, VersionId=version["VersionId"])
    iam.delete_policy(**arn)
    assert policy.ask() == ["NoSuchEntity"]
    assert ask(iam.list_policy_versions, **arn) == "NoSuchEntity"


def test_instance_profile(account):
    iam = account.client("iam")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))["Role"]
    made = iam.create_instance_profile(InstanceProfileName="p", Path="/lab/", Tags=TAGS)["InstanceProfile"]
    name = {"InstanceProfileName": "p"}
    iam.get_waiter("instance_profile_exists").wait(**name)
    iam.add_role_to_instance_profile(**name, RoleName="r")
    profile = Resource((iam.get_instance_profile, name), (iam.get_role, {"RoleName": "r"}))
    found = profile.read()[0]["InstanceProfile"]
    assert found["Roles"][0]["RoleId"] == role["RoleId"] and found["Tags"] == TAGS
    assert {key: found[key] for key in made if key not in ("Roles", "Tags")} == {
        key: made[key] for key in made if key not in ("Roles", "Tags")
    }
    iam.tag_instance_profile(**name, Tags=OTHER_TAGS)
    assert profile.read()[0]["InstanceProfile"]["Tags"] == OTHER_TAGS
    assert [found["InstanceProfileName"] for found in iam.list_instance_profiles_for_role(RoleName="r")["InstanceProfiles"]] == ["p"]
    iam.remove_role_from_instance_profile(**name, RoleName="r")
    assert ask(iam.remove_role_from_instance_profile, **name, RoleName="r") == "NoSuchEntity"
    iam.delete_instance_profile(**name)
    assert profile.ask()[0] == "NoSuchEntity"


def test_openid_connect_provider(account):
    iam = account.client("iam")
    arn = iam.create_open_id_connect_provider(
        Url="https://issuer.example.com/lake", ClientIDList=["one"], ThumbprintList=["a" * 40], Tags=TAGS
    )["OpenIDConnectProviderArn"]
    provider = Resource((iam.get_open_id_connect_provider, {"OpenIDConnectProviderArn": arn}))
    [found] = provider.read()
    found.pop("CreateDate")
    # The provider has its users' `https://` taken off.
    assert found == {"Url": "issuer.example.com/lake", "ClientIDList": ["one"], "ThumbprintList": ["a" * 40], "Tags": TAGS}
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=["b" * 40])
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="two")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="one")
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=OTHER_TAGS)
    [found] = provider.read()
    assert (found["ClientIDList"], found["ThumbprintList"], found["Tags"]) == (["two"], ["b" * 40], OTHER_TAGS)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert provider.ask() == ["NoSuchEntity"]


def test_settings_of_an_account(account):
    iam = account.client("iam")
    password = Resource(iam.get_account_password_policy)
    assert password.read() == ["NoSuchEntity"]
    said = {"MinimumPasswordLength": 12, "RequireSymbols": True, "AllowUsersToChangePassword": True}
    iam.update_account_password_policy(**said)
    assert said.items() <= password.read()[0]["PasswordPolicy"].items()
    iam.delete_account_password_policy()
    assert password.ask() == ["NoSuchEntity"]
    alias = Resource(iam.list_account_aliases)
    name = f"lake-{account.id}"
    iam.create_account_alias(AccountAlias=name)
    assert alias.read()[0]["AccountAliases"] == [name]
    iam.delete_account_alias(AccountAlias=name)
    assert alias.read()[0]["AccountAliases"] == []

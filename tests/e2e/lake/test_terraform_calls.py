"""KMS, Glue, Athena, Firehose, CloudTrail and Lake Formation as Terraform's aws provider calls them: what it made is read back whole, a
second plan finds nothing to do, and what is gone says so."""

import json

from ..cloudtrail.trails import trail_bucket
from ..conftest import allow, wait_for
from ..terraform import Resource, ask, refusal


def test_kms_key(account):
    kms = account.client("kms")
    root = allow("kms:*", Principal={"AWS": f"arn:aws:iam::{account.id}:root"})
    tags = [{"TagKey": "team", "TagValue": "lake"}]
    made = kms.create_key(
        BypassPolicyLockoutSafetyCheck=False, Description="lake", KeySpec="SYMMETRIC_DEFAULT", KeyUsage="ENCRYPT_DECRYPT",
        MultiRegion=False, Policy=json.dumps(root), Tags=tags,
    )["KeyMetadata"]
    at = {"KeyId": made["KeyId"]}
    key = Resource(
        (kms.describe_key, at), (kms.get_key_policy, at | {"PolicyName": "default"}), (kms.get_key_rotation_status, at),
        (kms.list_resource_tags, at),
    )
    metadata, policy, rotation, found_tags = key.read()
    assert metadata["KeyMetadata"] == made and json.loads(policy["Policy"]) == root
    assert rotation["KeyRotationEnabled"] is False and (found_tags["Tags"], found_tags["Truncated"]) == (tags, False)

    kms.enable_key_rotation(**at, RotationPeriodInDays=90)
    kms.update_key_description(**at, Description="other")
    wider = allow("kms:*", Principal={"AWS": account.id})
    kms.put_key_policy(**at, PolicyName="default", Policy=json.dumps(wider), BypassPolicyLockoutSafetyCheck=True)
    kms.tag_resource(**at, Tags=[{"TagKey": "team", "TagValue": "ml"}, {"TagKey": "a", "TagValue": ""}])
    kms.untag_resource(**at, TagKeys=["a"])
    metadata, policy, rotation, found_tags = key.read()
    assert metadata["KeyMetadata"]["Description"] == "other" and json.loads(policy["Policy"]) == wider
    assert (rotation["KeyRotationEnabled"], rotation["RotationPeriodInDays"]) == (True, 90)
    assert found_tags["Tags"] == [{"TagKey": "team", "TagValue": "ml"}]
    for call, state in ((kms.disable_key, "Disabled"), (kms.enable_key, "Enabled")):
        call(**at)
        metadata = key.read()[0]["KeyMetadata"]
        assert (metadata["KeyState"], metadata["Enabled"]) == (state, state == "Enabled")
    kms.disable_key_rotation(**at)
    assert key.read()[2]["KeyRotationEnabled"] is False

    kms.schedule_key_deletion(**at, PendingWindowInDays=7)
    # What waits to be deleted is gone for the provider.
    assert key.read()[0]["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert ask(kms.schedule_key_deletion, **at) == "KMSInvalidStateException"
    assert "is pending deletion" in refusal(kms.schedule_key_deletion, **at)
    assert ask(kms.describe_key, KeyId="00000000-0000-0000-0000-000000000000") == "NotFoundException"


def test_kms_key_of_another_kind(account):
    kms = account.client("kms")
    made = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    key = Resource((kms.describe_key, {"KeyId": made["Arn"]}), (kms.get_public_key, {"KeyId": made["KeyId"]}))
    assert key.read()[0]["KeyMetadata"] == made


def test_kms_alias_and_grant(account):
    kms = account.client("kms")
    first, second = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))

    def alias() -> list[dict]:
        """As the provider finds one: among all, in pages."""
        pages = kms.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 1})
        return [found for page in pages for found in page["Aliases"] if found["AliasName"] == "alias/lake"]

    for number in range(3):
        kms.create_alias(AliasName=f"alias/other-{number}", TargetKeyId=first)
    assert alias() == []
    kms.create_alias(AliasName="alias/lake", TargetKeyId=first)
    [found] = alias()
    assert (found["TargetKeyId"], found["AliasArn"]) == (first, f"arn:aws:kms:us-east-1:{account.id}:alias/lake")
    kms.update_alias(AliasName="alias/lake", TargetKeyId=second)
    assert alias()[0]["TargetKeyId"] == second
    kms.delete_alias(AliasName="alias/lake")
    assert alias() == [] and ask(kms.delete_alias, AliasName="alias/lake") == "NotFoundException"

    account.client("iam").create_user(UserName="ada")
    ada = f"arn:aws:iam::{account.id}:user/ada"
    constraints = {"EncryptionContextEquals": {"zone": "raw"}}
    made = kms.create_grant(KeyId=first, GranteePrincipal=ada, Operations=["Encrypt", "Decrypt"], Name="g", Constraints=constraints)
    grants = Resource((kms.list_grants, {"KeyId": first, "Limit": 100}))
    [grant] = grants.read()[0]["Grants"]
    assert (grant["GrantId"], grant["GranteePrincipal"], grant["Name"]) == (made["GrantId"], ada, "g")
    assert sorted(grant["Operations"]) == ["Decrypt", "Encrypt"] and grant["Constraints"] == constraints
    kms.revoke_grant(KeyId=first, GrantId=made["GrantId"])
    assert grants.read()[0]["Grants"] == []


def columns(*names: str) -> list[dict]:
    return [{"Name": name, "Type": "string", "Comment": f"the {name}"} for name in names]


def table(bucket: str, *names: str) -> dict:
    return {
        "Name": "events", "Description": "as they came", "Owner": "owner", "Retention": 0, "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "json", "EXTERNAL": "TRUE"}, "PartitionKeys": columns("day"),
        "StorageDescriptor": {
            "Columns": columns(*names), "Location": f"s3://{bucket}/events/",
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat", "Compressed": False,
            "NumberOfBuckets": -1, "StoredAsSubDirectories": False, "Parameters": {"a": "b"},
            "SerdeInfo": {"Name": "json", "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe", "Parameters": {"ignore.malformed.json": "true"}},
            "BucketColumns": [names[0]], "SortColumns": [{"Column": names[0], "SortOrder": 1}],
            "SkewedInfo": {"SkewedColumnNames": [names[0]], "SkewedColumnValues": ["x"], "SkewedColumnValueLocationMaps": {"x": "y"}},
        },
    }


def test_glue_database_and_table(account):
    glue, bucket = account.client("glue"), account.bucket()
    catalog = {"CatalogId": account.id}
    said = {"Name": "raw", "Description": "as it came", "LocationUri": f"s3://{bucket}/", "Parameters": {"zone": "raw"}}
    glue.create_database(**catalog, DatabaseInput=said, Tags={"team": "lake"})
    arn = f"arn:aws:glue:us-east-1:{account.id}:database/raw"
    database = Resource((glue.get_database, catalog | {"Name": "raw"}), (glue.get_tags, {"ResourceArn": arn}))
    found, tags = database.read()
    assert said.items() <= found["Database"].items() and found["Database"]["CatalogId"] == account.id
    # The provider keeps them as the database's default.
    assert found["Database"]["CreateTableDefaultPermissions"] == [
        {"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"]}
    ]
    assert tags["Tags"] == {"team": "lake"}
    changed = {"Name": "raw", "Description": "other", "Parameters": {}}
    glue.update_database(**catalog, Name="raw", DatabaseInput=changed)
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"team": "ml"})
    found, tags = database.read()
    assert found["Database"]["Description"] == "other" and "LocationUri" not in found["Database"]
    assert tags["Tags"] == {"team": "ml"}

    in_raw = catalog | {"DatabaseName": "raw"}
    indexes = [{"Keys": ["day"], "IndexName": "by-day"}]
    glue.create_table(**in_raw, TableInput=table(bucket, "id", "name"), PartitionIndexes=indexes)
    reads = Resource((glue.get_table, in_raw | {"Name": "events"}), (glue.get_partition_indexes, in_raw | {"TableName": "events"}))
    for names in (("id", "name"), ("id", "name", "email"), ("id",)):
        wanted = table(bucket, *names)
        glue.update_table(**in_raw, TableInput=wanted)
        found, found_indexes = reads.read()
        descriptor = wanted.pop("StorageDescriptor")
        assert wanted.items() <= found["Table"].items()
        assert descriptor.items() <= found["Table"]["StorageDescriptor"].items()
        [index] = found_indexes["PartitionIndexDescriptorList"]
        assert (index["IndexName"], index["IndexStatus"], [key["Name"] for key in index["Keys"]]) == ("by-day", "ACTIVE", ["day"])
    glue.delete_table(**in_raw, Name="events")
    assert reads.ask() == ["EntityNotFoundException"] * 2
    glue.delete_database(**catalog, Name="raw")
    assert database.ask()[0] == "EntityNotFoundException"


def test_glue_crawler(account):
    glue, bucket = account.client("glue"), account.bucket()
    glue.create_database(DatabaseInput={"Name": "raw"})
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = account.client("iam").create_role(RoleName="crawler", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    said = {
        "Role": role, "DatabaseName": "raw", "Description": "crawls", "Targets": {"S3Targets": [{"Path": f"s3://{bucket}/raw/", "Exclusions": ["**/_*"]}]},
        "SchemaChangePolicy": {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "LOG"}, "TablePrefix": "raw_",
    }
    glue.create_crawler(Name="c", **said, Tags={"team": "lake"})
    arn = f"arn:aws:glue:us-east-1:{account.id}:crawler/c"
    crawler = Resource((glue.get_crawler, {"Name": "c"}), (glue.get_tags, {"ResourceArn": arn}))
    for changed in ({}, {"Description": "other", "TablePrefix": "t_"}):
        glue.update_crawler(Name="c", **said | changed)
        found, tags = crawler.read()
        wanted = said | changed
        [target] = found["Crawler"]["Targets"]["S3Targets"]
        assert wanted.pop("Targets")["S3Targets"][0].items() <= target.items()
        # The provider compares the role's ARN or its name.
        assert wanted.pop("Role") in (role, found["Crawler"]["Role"]) and found["Crawler"]["Role"] in (role, "crawler")
        assert wanted.items() <= found["Crawler"].items() and tags["Tags"] == {"team": "lake"}
    glue.delete_crawler(Name="c")
    assert crawler.ask()[0] == "EntityNotFoundException" == ask(glue.delete_crawler, Name="c")


def test_athena_workgroup_and_statements(account):
    athena, bucket = account.client("athena"), account.bucket()
    configuration = {
        "BytesScannedCutoffPerQuery": 10 << 20, "EnforceWorkGroupConfiguration": True, "PublishCloudWatchMetricsEnabled": True,
        "RequesterPaysEnabled": False,
        "ResultConfiguration": {"OutputLocation": f"s3://{bucket}/results/", "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"}},
    }
    athena.create_work_group(Name="etl", Description="loads", Configuration=configuration, Tags=[{"Key": "team", "Value": "lake"}])
    arn = f"arn:aws:athena:us-east-1:{account.id}:workgroup/etl"
    group = Resource((athena.get_work_group, {"WorkGroup": "etl"}), (athena.list_tags_for_resource, {"ResourceARN": arn}))
    found, tags = group.read()
    assert (found["WorkGroup"]["State"], found["WorkGroup"]["Description"]) == ("ENABLED", "loads")
    assert configuration.items() <= found["WorkGroup"]["Configuration"].items()
    assert found["WorkGroup"]["Configuration"]["EngineVersion"]["SelectedEngineVersion"] == "AUTO"
    assert tags["Tags"] == [{"Key": "team", "Value": "lake"}]
    updates = {
        "EnforceWorkGroupConfiguration": False, "RemoveBytesScannedCutoffPerQuery": True,
        "ResultConfigurationUpdates": {"OutputLocation": f"s3://{bucket}/other/", "RemoveEncryptionConfiguration": True},
    }
    athena.update_work_group(WorkGroup="etl", Description="", State="DISABLED", ConfigurationUpdates=updates)
    found = group.read()[0]["WorkGroup"]
    assert found["State"] == "DISABLED" and not found.get("Description")
    assert found["Configuration"]["ResultConfiguration"] == {"OutputLocation": f"s3://{bucket}/other/"}
    assert "BytesScannedCutoffPerQuery" not in found["Configuration"]
    athena.update_work_group(WorkGroup="etl", State="ENABLED")

    said = {"Name": "q", "Database": "raw", "QueryString": "SELECT 1", "Description": "one", "WorkGroup": "etl"}
    query = {"NamedQueryId": athena.create_named_query(**said)["NamedQueryId"]}
    named = Resource((athena.get_named_query, query))
    assert named.read() == [{"NamedQuery": said | query}]
    athena.update_named_query(**query, Name="q", QueryString="SELECT 2", Description="two")
    assert named.read()[0]["NamedQuery"]["QueryString"] == "SELECT 2"
    athena.delete_named_query(**query)
    assert named.ask() == ["InvalidRequestException"]
    assert "does not exist" in refusal(athena.get_named_query, **query)

    name = {"StatementName": "by_id", "WorkGroup": "etl"}
    prepared = Resource((athena.get_prepared_statement, name))
    assert prepared.ask() == ["ResourceNotFoundException"]
    athena.create_prepared_statement(**name, QueryStatement="SELECT ?", Description="one")
    assert prepared.read()[0]["PreparedStatement"]["QueryStatement"] == "SELECT ?"
    athena.update_prepared_statement(**name, QueryStatement="SELECT ? + 1")
    assert prepared.read()[0]["PreparedStatement"]["QueryStatement"] == "SELECT ? + 1"
    athena.delete_prepared_statement(**name)
    assert prepared.ask() == ["ResourceNotFoundException"]

    athena.delete_work_group(WorkGroup="etl", RecursiveDeleteOption=True)
    assert group.ask()[0] == "InvalidRequestException"
    assert "is not found" in refusal(athena.get_work_group, WorkGroup="etl")
    assert "WorkGroup is not found" in refusal(athena.get_prepared_statement, **name)


def test_firehose_delivery_stream(account):
    firehose, bucket = account.client("firehose"), account.bucket()
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = account.client("iam").create_role(RoleName="ingest", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    # All that the provider sends, also of what is not asked for.
    destination = {
        "BucketARN": f"arn:aws:s3:::{bucket}", "RoleARN": role, "BufferingHints": {"IntervalInSeconds": 300, "SizeInMBs": 5},
        "Prefix": "raw/", "ErrorOutputPrefix": "errors/", "CompressionFormat": "GZIP", "S3BackupMode": "Disabled",
        "DataFormatConversionConfiguration": {"Enabled": False}, "ProcessingConfiguration": {"Enabled": False, "Processors": []},
        "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"}, "CloudWatchLoggingOptions": {"Enabled": False},
    }
    name, tags = {"DeliveryStreamName": "s"}, [{"Key": "team", "Value": "lake"}]
    arn = firehose.create_delivery_stream(
        **name, DeliveryStreamType="DirectPut", ExtendedS3DestinationConfiguration=destination, Tags=tags
    )["DeliveryStreamARN"]
    stream = Resource((firehose.describe_delivery_stream, name), (firehose.list_tags_for_delivery_stream, name))

    def status() -> str:
        return stream.ask()[0]["DeliveryStreamDescription"]["DeliveryStreamStatus"]

    wait_for(status, enough=lambda status: status == "ACTIVE")
    found, found_tags = stream.read()
    description = found["DeliveryStreamDescription"]
    assert (description["DeliveryStreamARN"], description["VersionId"], description["DeliveryStreamType"]) == (arn, "1", "DirectPut")
    [shown] = description["Destinations"]
    extended = shown["ExtendedS3DestinationDescription"]
    for member in ("BucketARN", "RoleARN", "BufferingHints", "Prefix", "ErrorOutputPrefix", "CompressionFormat"):
        assert extended[member] == destination[member], member
    assert extended.get("S3BackupMode", "Disabled") == "Disabled"
    assert found_tags["Tags"] == tags
    update = {member: destination[member] for member in destination if member != "S3BackupMode"} | {
        "Prefix": "other/", "CompressionFormat": "UNCOMPRESSED", "S3BackupMode": "Disabled",
    }
    firehose.update_destination(
        **name, CurrentDeliveryStreamVersionId="1", DestinationId=shown["DestinationId"], ExtendedS3DestinationUpdate=update
    )
    firehose.untag_delivery_stream(**name, TagKeys=["team"])
    description, found_tags = (stream.read()[0]["DeliveryStreamDescription"], stream.read()[1])
    extended = description["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert (description["VersionId"], extended["Prefix"], extended["CompressionFormat"]) == ("2", "other/", "UNCOMPRESSED")
    assert found_tags["Tags"] == []
    firehose.delete_delivery_stream(**name)
    wait_for(lambda: stream.ask()[0], enough=lambda found: found == "ResourceNotFoundException")


def test_cloudtrail(account):
    cloudtrail = account.client("cloudtrail")
    bucket = trail_bucket(account, "lake")
    arn = cloudtrail.create_trail(
        Name="lake", S3BucketName=bucket, EnableLogFileValidation=False, IncludeGlobalServiceEvents=True,
        IsMultiRegionTrail=False, IsOrganizationTrail=False, TagsList=[{"Key": "team", "Value": "lake"}],
    )["TrailARN"]
    cloudtrail.start_logging(Name=arn)
    trail = Resource((cloudtrail.describe_trails, {"trailNameList": [arn]}), (cloudtrail.list_tags, {"ResourceIdList": [arn]}))
    found, tags = trail.read()
    [shown] = found["trailList"]
    # It asks for selectors where these are there.
    assert (shown["HasCustomEventSelectors"], shown["HasInsightSelectors"]) == (False, False)
    assert tags["ResourceTagList"][0]["TagsList"] == [{"Key": "team", "Value": "lake"}]
    assert cloudtrail.get_trail_status(Name=arn)["IsLogging"] is True
    # The default, which the provider does not show.
    selectors = Resource((cloudtrail.get_event_selectors, {"TrailName": arn}))
    [default] = selectors.read()[0]["EventSelectors"]
    plain = {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [], "ExcludeManagementEventSources": []}
    assert default == plain
    cloudtrail.put_event_selectors(TrailName=arn, EventSelectors=[{member: plain[member] for member in ("ReadWriteType", "IncludeManagementEvents", "DataResources")}])
    assert selectors.read()[0]["EventSelectors"] == [plain]
    assert ask(cloudtrail.get_insight_selectors, TrailName=arn) == "InsightNotEnabledException"
    cloudtrail.update_trail(Name=arn, EnableLogFileValidation=True)
    cloudtrail.stop_logging(Name=arn)
    assert trail.read()[0]["trailList"][0]["LogFileValidationEnabled"] is True
    assert cloudtrail.get_trail_status(Name=arn)["IsLogging"] is False
    cloudtrail.delete_trail(Name=arn)
    assert trail.ask()[0] == {"trailList": []}
    assert ask(cloudtrail.delete_trail, Name=arn) == "TrailNotFoundException"


def test_lakeformation(account):
    lake, glue, bucket = account.client("lakeformation"), account.client("glue"), account.bucket()
    admin = f"arn:aws:iam::{account.id}:user/admin"
    iam = account.client("iam")
    for name in ("admin", "ada"):
        iam.create_user(UserName=name)
    settings = Resource((lake.get_data_lake_settings, {"CatalogId": account.id}))
    everybody = [{"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"]}]
    said = {
        "DataLakeAdmins": [{"DataLakePrincipalIdentifier": who} for who in (admin, f"arn:aws:iam::{account.id}:root")],
        "CreateDatabaseDefaultPermissions": everybody, "CreateTableDefaultPermissions": everybody,
    }
    lake.put_data_lake_settings(CatalogId=account.id, DataLakeSettings=said)
    found = settings.read()[0]["DataLakeSettings"]
    # A set for the provider.
    found["DataLakeAdmins"].sort(key=lambda admin: admin["DataLakePrincipalIdentifier"], reverse=True)
    assert {name: found[name] for name in said} == said

    location = {"ResourceArn": f"arn:aws:s3:::{bucket}/raw"}
    registered = Resource((lake.describe_resource, location))
    assert registered.ask() == ["EntityNotFoundException"]
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lakeformation.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    lake.register_resource(**location, RoleArn=role)
    assert registered.read()[0]["ResourceInfo"]["RoleArn"] == role

    glue.create_database(DatabaseInput={"Name": "raw"})
    glue.create_table(DatabaseName="raw", TableInput=table(bucket, "id", "name"))
    lake.create_lf_tag(TagKey="zone", TagValues=["raw", "curated"])
    tag = Resource((lake.get_lf_tag, {"TagKey": "zone"}))
    assert sorted(tag.read()[0]["TagValues"]) == ["curated", "raw"]
    lake.update_lf_tag(TagKey="zone", TagValuesToDelete=["curated"], TagValuesToAdd=["refined"])
    assert sorted(tag.read()[0]["TagValues"]) == ["raw", "refined"]

    of_ada = {"DataLakePrincipalIdentifier": f"arn:aws:iam::{account.id}:user/ada"}
    a_table = {"Table": {"CatalogId": account.id, "DatabaseName": "raw", "Name": "events"}}
    some = {"TableWithColumns": {"CatalogId": account.id, "DatabaseName": "raw", "Name": "events", "ColumnNames": ["id"]}}
    # What is granted, and as what the provider asks for it.
    for resource, asked, permissions, grantable in [
        ({"Catalog": {}}, {"Catalog": {}}, ["CREATE_DATABASE"], []),
        ({"Database": {"CatalogId": account.id, "Name": "raw"}}, None, ["ALTER", "CREATE_TABLE"], ["CREATE_TABLE"]),
        (a_table, None, ["SELECT"], []),
        (some, a_table, ["SELECT"], []),
        ({"DataLocation": location}, None, ["DATA_LOCATION_ACCESS"], []),
        ({"LFTag": {"TagKey": "zone", "TagValues": ["raw"]}}, None, ["ASSOCIATE"], []),
        (
            {"LFTagPolicy": {"ResourceType": "TABLE", "Expression": [{"TagKey": "zone", "TagValues": ["raw"]}]}},
            None, ["SELECT"], [],
        ),
    ]:
        entry = {"Principal": of_ada, "Resource": resource, "Permissions": permissions, "PermissionsWithGrantOption": grantable}
        lake.grant_permissions(**entry)
        [kind] = resource
        listed = Resource((lake.list_permissions, {"Principal": of_ada, "Resource": asked or resource}))
        found = [grant for grant in listed.read()[0]["PrincipalResourcePermissions"] if kind in grant["Resource"]]
        assert len(found) == 1, (kind, found)
        assert (sorted(found[0]["Permissions"]), found[0]["PermissionsWithGrantOption"]) == (permissions, grantable), kind
        lake.revoke_permissions(**entry)
        # It revokes until it is told that nothing was left.
        assert ask(lake.revoke_permissions, **entry) == "InvalidInputException", kind
        assert "No permissions revoked. Grantee" in refusal(lake.revoke_permissions, **entry), kind
        left = listed.ask()[0]["PrincipalResourcePermissions"]
        assert [grant for grant in left if kind in grant["Resource"]] == [], kind

    lake.delete_lf_tag(TagKey="zone")
    assert tag.ask() == ["EntityNotFoundException"]
    lake.deregister_resource(**location)
    assert registered.ask() == ["EntityNotFoundException"]

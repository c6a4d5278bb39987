"""Trails as boto3 makes them, and as Terraform's aws_cloudtrail reads them back; what they deliver."""

import json

import pytest
from botocore.exceptions import ClientError

from ..conftest import allow, wait_for
from .trails import LOGS, bucket_policy, keys, records, trail_bucket

FAST = "trail_seconds = 1\n"


def refused(code: str, call, **arguments) -> str:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    assert raised.value.response["Error"]["Code"] == code, raised.value
    return raised.value.response["Error"]["Message"]


def test_what_terraform_writes_is_read_back(account):
    cloudtrail = account.client("cloudtrail")
    bucket = trail_bucket(account, "main", "audit/")
    arn = f"arn:aws:cloudtrail:us-east-1:{account.id}:trail/main"
    said = {
        "Name": "main", "S3BucketName": bucket, "S3KeyPrefix": "audit", "IncludeGlobalServiceEvents": True,
        "IsMultiRegionTrail": True,
    }
    made = cloudtrail.create_trail(
        **said, EnableLogFileValidation=True, RecursiveLogging=False,
        TagsList=[{"Key": "team", "Value": "lake"}, {"Key": "bare"}],
    )
    expected = said | {
        "TrailARN": arn, "LogFileValidationEnabled": True, "IsOrganizationTrail": False, "RecursiveLogging": False,
    }
    assert {name: made[name] for name in made if name != "ResponseMetadata"} == expected
    cloudtrail.start_logging(Name=arn)
    selectors = [
        {
            "ReadWriteType": "WriteOnly", "IncludeManagementEvents": True,
            "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::"]}],
            "ExcludeManagementEventSources": ["kms.amazonaws.com"],
        }
    ]
    cloudtrail.put_event_selectors(TrailName="main", EventSelectors=selectors)

    shown = expected | {"HomeRegion": "us-east-1", "HasCustomEventSelectors": True, "HasInsightSelectors": False}
    for names in ([], ["main"], [arn], ["main", "no-such-trail"]):
        assert cloudtrail.describe_trails(trailNameList=names)["trailList"] == [shown]
    assert cloudtrail.describe_trails(trailNameList=["no-such-trail"])["trailList"] == []
    assert cloudtrail.get_trail(Name=arn)["Trail"] == shown
    assert cloudtrail.list_trails()["Trails"] == [{"TrailARN": arn, "Name": "main", "HomeRegion": "us-east-1"}]
    found = cloudtrail.get_event_selectors(TrailName=arn)
    assert found["TrailARN"] == arn and found["EventSelectors"] == selectors and "AdvancedEventSelectors" not in found
    status = cloudtrail.get_trail_status(Name="main")
    assert status["IsLogging"] and status["StartLoggingTime"] and status["TimeLoggingStopped"] == ""
    refused("InsightNotEnabledException", cloudtrail.get_insight_selectors, TrailName="main")
    tags = cloudtrail.list_tags(ResourceIdList=[arn])["ResourceTagList"]
    assert tags == [
        {"ResourceId": arn, "TagsList": [{"Key": "bare", "Value": ""}, {"Key": "team", "Value": "lake"}]}
    ]

    cloudtrail.add_tags(ResourceId=arn, TagsList=[{"Key": "team", "Value": "other"}, {"Key": "x", "Value": "y"}])
    cloudtrail.remove_tags(ResourceId=arn, TagsList=[{"Key": "bare"}, {"Key": "x", "Value": "another"}])
    tags = cloudtrail.list_tags(ResourceIdList=[arn])["ResourceTagList"][0]["TagsList"]
    assert tags == [{"Key": "team", "Value": "other"}, {"Key": "x", "Value": "y"}]
    advanced = [
        {
            "Name": "puts",
            "FieldSelectors": [
                {"Field": "eventCategory", "Equals": ["Data"]},
                {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
                {"Field": "resources.ARN", "StartsWith": [f"arn:aws:s3:::{bucket}/"], "NotEndsWith": [".tmp"]},
            ],
        }
    ]
    put = cloudtrail.put_event_selectors(TrailName="main", AdvancedEventSelectors=advanced)
    assert put["AdvancedEventSelectors"] == advanced
    found = cloudtrail.get_event_selectors(TrailName="main")
    assert found["AdvancedEventSelectors"] == advanced and "EventSelectors" not in found

    # The prefix goes, and with it what the policy speaks of.
    message = refused("InsufficientS3BucketPolicyException", cloudtrail.update_trail, Name="main", S3KeyPrefix="")
    assert bucket in message
    account.client("s3").put_bucket_policy(Bucket=bucket, Policy=bucket_policy(bucket, account.id, "main"))
    assert "S3KeyPrefix" not in cloudtrail.update_trail(Name="main", S3KeyPrefix="", EnableLogFileValidation=False)
    assert not cloudtrail.get_trail(Name="main")["Trail"]["LogFileValidationEnabled"]
    cloudtrail.stop_logging(Name="main")
    status = cloudtrail.get_trail_status(Name="main")
    assert not status["IsLogging"] and status["StopLoggingTime"] >= status["StartLoggingTime"]
    cloudtrail.delete_trail(Name="main")
    refused("TrailNotFoundException", cloudtrail.get_trail, Name="main")
    refused("ResourceNotFoundException", cloudtrail.list_tags, ResourceIdList=[arn])


def test_a_trail_is_refused_where_it_could_not_deliver(account):
    cloudtrail, s3 = account.client("cloudtrail"), account.client("s3")
    bucket = account.bucket()
    create = lambda code, **more: refused(
        code, cloudtrail.create_trail, **({"Name": "main", "S3BucketName": bucket} | more)
    )
    create("S3BucketDoesNotExistException", S3BucketName=f"{bucket}-not")
    create("InsufficientS3BucketPolicyException")
    # A policy for another trail's ARN, and one without the list of access that the files come with.
    s3.put_bucket_policy(Bucket=bucket, Policy=bucket_policy(bucket, account.id, "other"))
    create("InsufficientS3BucketPolicyException")
    private = bucket_policy(bucket, account.id, "main").replace("bucket-owner-full-control", "private")
    s3.put_bucket_policy(Bucket=bucket, Policy=private)
    create("InsufficientS3BucketPolicyException")
    s3.put_bucket_policy(Bucket=bucket, Policy=bucket_policy(bucket, account.id, "main"))
    create("InvalidTrailNameException", Name="a")
    create("InvalidS3PrefixException", S3KeyPrefix="x" * 201)
    create("UnsupportedOperationException", SnsTopicName="topic")
    create("CloudWatchLogsDeliveryUnavailableException", CloudWatchLogsLogGroupArn="arn:aws:logs:us-east-1:1:x")
    create("OrganizationsNotInUseException", IsOrganizationTrail=True)
    create("KmsKeyNotFoundException", KmsKeyId="alias/not-there")
    cloudtrail.create_trail(Name="main", S3BucketName=bucket)
    create("TrailAlreadyExistsException")
    put = lambda **selectors: refused(
        "InvalidEventSelectorsException", cloudtrail.put_event_selectors, TrailName="main", **selectors
    )
    put()
    put(EventSelectors=[{"DataResources": [{"Type": "AWS::S3::Object", "Values": ["b"]}]}])
    put(AdvancedEventSelectors=[{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["NetworkActivity"]}]}])
    put(AdvancedEventSelectors=[{"FieldSelectors": [{"Field": "colour", "Equals": ["red"]}]}])


def test_trails_are_of_who_may(account):
    cloudtrail = account.client("cloudtrail")
    bucket = trail_bucket(account, "main")
    cloudtrail.create_trail(Name="main", S3BucketName=bucket, TagsList=[{"Key": "team", "Value": "lake"}])
    arn = f"arn:aws:cloudtrail:us-east-1:{account.id}:trail/main"
    tagged = allow("cloudtrail:*", arn, Condition={"StringEquals": {"aws:ResourceTag/team": "lake"}})
    ada = account.user("ada", tagged).client("cloudtrail")
    ada.start_logging(Name="main")
    assert ada.get_trail_status(Name=arn)["IsLogging"]
    refused("AccessDeniedException", ada.get_trail, Name="other")
    refused("AccessDeniedException", ada.describe_trails)
    refused("AccessDeniedException", ada.list_public_keys)
    refused("AccessDeniedException", account.user("eve").client("cloudtrail").stop_logging, Name="main")


def test_reads_and_data_are_delivered_where_selected(own_server):
    own_server.settings = FAST
    account = own_server.start().accounts[0]
    cloudtrail, s3 = account.client("cloudtrail"), account.client("s3")
    bucket, data = trail_bucket(account, "main"), account.bucket()
    cloudtrail.create_trail(Name="main", S3BucketName=bucket)
    values = [f"arn:aws:s3:::{data}/"]
    cloudtrail.put_event_selectors(
        TrailName="main",
        EventSelectors=[
            {"ReadWriteType": "All", "DataResources": [{"Type": "AWS::S3::Object", "Values": values}]}
        ],
    )
    s3.put_object(Bucket=data, Key="before", Body=b"x")
    cloudtrail.start_logging(Name="main")
    s3.put_object(Bucket=data, Key="k", Body=b"x")
    s3.get_object(Bucket=data, Key="k")
    s3.list_objects_v2(Bucket=data)
    s3.get_bucket_versioning(Bucket=data)
    s3.put_object(Bucket=account.bucket(), Key="elsewhere", Body=b"x")
    with pytest.raises(ClientError):
        account.user("eve").client("s3").get_object(Bucket=data, Key="k")
    cloudtrail.stop_logging(Name="main")
    names = lambda: [record["eventName"] for record in records(account, bucket)]
    wait_for(names, lambda names: "StopLogging" in names)
    found = records(account, bucket)
    of = lambda name: [record for record in found if record["eventName"] == name]
    assert [record["requestParameters"]["key"] for record in of("PutObject")] == ["k"]
    assert len(of("ListObjects")) + len(of("ListObjectsV2")) == 1 and len(of("GetBucketVersioning")) == 1
    seen, denied = of("GetObject")
    assert "errorCode" not in seen and denied["errorCode"] == "AccessDenied"
    assert seen["eventVersion"] == "1.11" and seen["eventCategory"] == "Data" and not seen["managementEvent"]
    assert seen["tlsDetails"] == {"clientProvidedHostHeader": account.endpoint.removeprefix("http://")}
    more = seen["additionalEventData"]
    assert (more["SignatureVersion"], more["AuthenticationMethod"]) == ("SigV4", "AuthHeader") and more["x-amz-id-2"]
    assert [record["additionalEventData"]["bytesTransferredIn"] for record in of("PutObject")] == [1]
    assert denied["additionalEventData"]["SignatureVersion"] == "SigV4"
    kinds = {resource["type"]: resource["ARN"] for resource in seen["resources"]}
    assert kinds == {"AWS::S3::Object": f"arn:aws:s3:::{data}/k", "AWS::S3::Bucket": f"arn:aws:s3:::{data}"}
    assert len({record["eventID"] for record in found}) == len(found)
    # The history tells of the control plane only, reads among it as long as a trail asked for them.
    events = cloudtrail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "GetObject"}])
    assert events["Events"] == []
    events = cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": "ResourceType", "AttributeValue": "AWS::S3::Bucket"}]
    )["Events"]
    assert "GetBucketVersioning" in [event["EventName"] for event in events]


def test_log_files_are_encrypted_by_the_trails_key(own_server):
    own_server.settings = FAST
    account = own_server.start().accounts[0]
    cloudtrail, kms = account.client("cloudtrail"), account.client("kms")
    bucket = trail_bucket(account, "main")
    arn = f"arn:aws:cloudtrail:us-east-1:{account.id}:trail/main"
    key = kms.create_key()["KeyMetadata"]
    create = dict(Name="main", S3BucketName=bucket, KmsKeyId=key["KeyId"], EnableLogFileValidation=True)
    refused("InsufficientEncryptionPolicyException", cloudtrail.create_trail, **create)
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account.id}:root"}, "Action": "kms:*", "Resource": "*"}
    trail = {
        "Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "kms:GenerateDataKey*",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceArn": arn, "kms:EncryptionContext:aws:cloudtrail:arn": arn}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [root, trail]})
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=policy)
    assert cloudtrail.create_trail(**create)["KmsKeyId"] == key["Arn"]
    cloudtrail.start_logging(Name="main")
    account.bucket()
    wait_for(lambda: [record["eventName"] for record in records(account, bucket)], lambda names: "CreateBucket" in names)
    head = account.client("s3").head_object(Bucket=bucket, Key=keys(account, bucket, LOGS)[0])
    assert head["SSEKMSKeyId"] == key["Arn"] and head["ContentEncoding"] == "gzip"
    kms.disable_key(KeyId=key["KeyId"])
    account.bucket()
    wait_for(lambda: cloudtrail.get_trail_status(Name="main"), lambda status: "LatestDeliveryError" in status)
    refused("KmsKeyDisabledException", cloudtrail.update_trail, Name="main", KmsKeyId=key["Arn"])
    # Nothing is lost: what waited comes when the key is back, or gone from the trail.
    cloudtrail.update_trail(Name="main", KmsKeyId="")
    done = lambda names: names.count("CreateBucket") >= 2 and "DisableKey" in names
    plain = lambda key: "SSEKMSKeyId" not in account.client("s3").head_object(Bucket=bucket, Key=key)
    wait_for(lambda: [key for key in keys(account, bucket, LOGS) if plain(key)])
    kms.enable_key(KeyId=key["KeyId"])
    wait_for(lambda: [record["eventName"] for record in records(account, bucket)], done)


def test_nothing_is_lost_or_doubled_by_crashes(own_server):
    own_server.settings = FAST
    account = own_server.start().accounts[0]
    bucket = trail_bucket(account, "main")
    cloudtrail = account.client("cloudtrail")
    cloudtrail.create_trail(Name="main", S3BucketName=bucket)
    cloudtrail.start_logging(Name="main")
    acknowledged = []
    for round in range(4):
        iam = account.client("iam")
        for number in range(30):
            iam.create_user(UserName=f"u{round}-{number}")
            acknowledged.append(f"u{round}-{number}")
        if round % 2:
            wait_for(lambda: keys(account, bucket, LOGS))
        own_server.kill()
        own_server.start()

    def made():
        found = records(account, bucket)
        return [record["requestParameters"]["userName"] for record in found if record["eventName"] == "CreateUser"]

    wait_for(made, lambda names: set(names) >= set(acknowledged))
    assert sorted(made()) == sorted(acknowledged)
    # Of each crash at most the last calls are without what they were answered.
    found = [record for record in records(account, bucket) if record["eventName"] == "CreateUser"]
    answered = [record for record in found if record["responseElements"]]
    assert len(found) - len(answered) <= 12
    for record in answered:
        assert record["responseElements"]["user"]["userName"] == record["requestParameters"]["userName"]

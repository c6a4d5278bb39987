"""Policies that speak of tags: of the resource that is asked for, and of those that a request gives."""

import pytest

from ..conftest import allow
from ..terraform import ask

LAKE = {"StringEquals": {"aws:ResourceTag/team": "lake"}}
GIVEN = {"StringEquals": {"aws:RequestTag/team": "lake"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
PAIRS = {team: [{"Key": "team", "Value": team}] for team in ("lake", "ml")}


def stream(account, name: str, team: str) -> None:
    destination = {"RoleARN": f"arn:aws:iam::{account.id}:role/r", "BucketARN": f"arn:aws:s3:::{account.bucket()}"}
    account.client("firehose").create_delivery_stream(
        DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination, Tags=PAIRS[team]
    )


def crawler(account, name: str, team: str) -> None:
    targets = {"S3Targets": [{"Path": f"s3://{account.bucket()}/x"}]}
    account.client("glue").create_crawler(Name=name, Role="r", DatabaseName="raw", Targets=targets, Tags={"team": team})


def work_group(account, name: str, team: str) -> None:
    account.client("athena").create_work_group(Name=name, Tags=PAIRS[team])


@pytest.mark.parametrize(
    ("make", "service", "calls"),
    [
        (stream, "firehose", {"describe_delivery_stream": "DeliveryStreamName", "list_tags_for_delivery_stream": "DeliveryStreamName"}),
        (crawler, "glue", {"get_crawler": "Name", "delete_crawler": "Name"}),
        (work_group, "athena", {"get_work_group": "WorkGroup", "list_named_queries": "WorkGroup"}),
    ],
)
def test_tags_of_a_resource(account, make, service, calls):
    for team in PAIRS:
        make(account, f"of-{team}", team)
    allowed = account.user("allowed", allow(f"{service}:*", Condition=LAKE)).client(service)
    denied = allow(f"{service}:*", effect="Deny", Condition=LAKE)
    spared = account.user("spared", allow(f"{service}:*"), denied).client(service)
    for call, name in calls.items():
        for by, team in ((allowed, "ml"), (spared, "lake")):
            assert ask(getattr(by, call), **{name: f"of-{team}"}) in ("AccessDeniedException", "AccessDenied"), (call, team)
        for by, team in ((allowed, "lake"), (spared, "ml")):
            assert isinstance(ask(getattr(by, call), **{name: f"of-{team}"}), dict), (call, team)


def test_tags_that_a_request_gives(account):
    tagger = account.user("tagger", allow(["athena:CreateWorkGroup", "athena:TagResource"], Condition=GIVEN)).client("athena")
    assert ask(tagger.create_work_group, Name="a", Tags=PAIRS["lake"]) == {}
    assert ask(tagger.create_work_group, Name="b", Tags=PAIRS["ml"]) == "AccessDeniedException"
    assert ask(tagger.create_work_group, Name="c") == "AccessDeniedException"
    arn = f"arn:aws:athena:us-east-1:{account.id}:workgroup/a"
    assert ask(tagger.tag_resource, ResourceARN=arn, Tags=PAIRS["lake"]) == {}
    assert ask(tagger.tag_resource, ResourceARN=arn, Tags=[*PAIRS["lake"], {"Key": "a", "Value": ""}]) == "AccessDeniedException"

"""INTELLIGENT_TIERING: what is not read gets smaller on the disk, a read brings it back, archive configurations are kept as AWS keeps them."""

import pytest
from botocore.exceptions import ClientError

from ..conftest import wait_for
from .test_everyday import code
from .test_storage_classes import files, lines


def tiering(days=90, tier="ARCHIVE_ACCESS", **more):
    return {"Id": "cold", "Status": "Enabled", "Tierings": [{"Days": days, "AccessTier": tier}], **more}


def test_configurations_are_kept_listed_and_removed(account):
    s3, bucket = account.client("s3"), account.bucket()
    tag = {"Key": "zone", "Value": "raw"}
    for wanted in (
        tiering(),
        tiering(Filter={"Prefix": "raw/"}),
        tiering(Filter={"Tag": tag}),
        tiering(Filter={"And": {"Prefix": "raw/", "Tags": [tag, {"Key": "a", "Value": "b"}]}}, Status="Disabled"),
        tiering(180, "DEEP_ARCHIVE_ACCESS"),
    ):
        s3.put_bucket_intelligent_tiering_configuration(
            Bucket=bucket, Id="cold", IntelligentTieringConfiguration=wanted
        )
        answer = s3.get_bucket_intelligent_tiering_configuration(Bucket=bucket, Id="cold")
        found = answer["IntelligentTieringConfiguration"]
        for filter in (wanted.get("Filter", {}).get("And", {}), found.get("Filter", {}).get("And", {})):
            filter.get("Tags", []).sort(key=lambda tag: tag["Key"])
        assert found == wanted
    listed = s3.list_bucket_intelligent_tiering_configurations(Bucket=bucket)
    assert [one["Id"] for one in listed["IntelligentTieringConfigurationList"]] == ["cold"]
    s3.delete_bucket_intelligent_tiering_configuration(Bucket=bucket, Id="cold")
    with pytest.raises(ClientError) as missing:
        s3.get_bucket_intelligent_tiering_configuration(Bucket=bucket, Id="cold")
    assert code(missing) == "NoSuchConfiguration"


@pytest.mark.parametrize(
    "wanted",
    [tiering(89), tiering(731), tiering(179, "DEEP_ARCHIVE_ACCESS"), tiering(90, "COLD"), tiering(Id="other")],
)
def test_configurations_that_aws_refuses(account, wanted):
    s3, bucket = account.client("s3"), account.bucket()
    with pytest.raises(ClientError) as refused:
        s3.put_bucket_intelligent_tiering_configuration(
            Bucket=bucket, Id="cold", IntelligentTieringConfiguration=wanted
        )
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_what_is_not_read_gets_smaller_and_comes_back(own_server):
    # Thirty days in as many seconds.
    own_server.environment["TARN_DEBUG_DAY_SECONDS"] = "1"
    server = own_server.start()
    account = server.accounts[0]
    s3, bucket = account.client("s3"), account.bucket()
    body = lines(1_000_000)
    s3.put_object(Bucket=bucket, Key="k", Body=body, StorageClass="INTELLIGENT_TIERING")

    def stored():
        return sum(files(server, "obj").values())

    assert stored() >= len(body)
    server.kill()
    server.start()
    s3 = server.accounts[0].client("s3")
    wait_for(lambda: stored() < len(body) / 2, what="the object moves to the infrequent access tier")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["StorageClass"] == "INTELLIGENT_TIERING" and "ArchiveStatus" not in head
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    wait_for(lambda: stored() >= len(body), what="a read brings it back")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body

//! What kind of thing an ARN in an event names, in the words of trails.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-supported-resource-types.html>

use tarn_types::Arn;

/// `AWS::S3::Object`; `None` for kinds that trails have no name for.
pub fn resource_type(arn: &str) -> Option<&'static str> {
    let arn = Arn::parse(arn).ok()?;
    let kind = arn.resource.split(['/', ':']).next().unwrap_or_default();
    match (arn.service.as_str(), kind) {
        ("s3", _) if arn.account.is_empty() => {
            Some(if arn.resource.contains('/') { "AWS::S3::Object" } else { "AWS::S3::Bucket" })
        }
        ("s3", "accesspoint") => Some("AWS::S3::AccessPoint"),
        ("kms", "key") => Some("AWS::KMS::Key"),
        ("kms", "alias") => Some("AWS::KMS::Alias"),
        ("iam", "user") => Some("AWS::IAM::User"),
        ("iam", "role") => Some("AWS::IAM::Role"),
        ("iam", "group") => Some("AWS::IAM::Group"),
        ("iam", "policy") => Some("AWS::IAM::Policy"),
        ("iam", "instance-profile") => Some("AWS::IAM::InstanceProfile"),
        ("cloudtrail", "trail") => Some("AWS::CloudTrail::Trail"),
        ("glue", "database") => Some("AWS::Glue::Database"),
        ("glue", "table") => Some("AWS::Glue::Table"),
        ("glue", "crawler") => Some("AWS::Glue::Crawler"),
        ("athena", "workgroup") => Some("AWS::Athena::WorkGroup"),
        ("firehose", "deliverystream") => Some("AWS::KinesisFirehose::DeliveryStream"),
        _ => None,
    }
}

/// The last word of an ARN: a bucket's, a user's, a table's name.
pub fn resource_name(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_have_kinds() {
        let check = |arn: &str, expected: Option<&str>| assert_eq!(resource_type(arn), expected, "{arn}");
        check("arn:aws:s3:::lake", Some("AWS::S3::Bucket"));
        check("arn:aws:s3:::lake/a/b", Some("AWS::S3::Object"));
        check("arn:aws:kms:us-east-1:000000000000:key/1", Some("AWS::KMS::Key"));
        check("arn:aws:iam::000000000000:user/x/ada", Some("AWS::IAM::User"));
        check("arn:aws:glue:us-east-1:000000000000:table/d/t", Some("AWS::Glue::Table"));
        check("arn:aws:firehose:us-east-1:000000000000:deliverystream/s", Some("AWS::KinesisFirehose::DeliveryStream"));
        check("arn:aws:glue:us-east-1:000000000000:catalog", None);
        check("lake", None);
    }
}

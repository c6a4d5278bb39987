//! Policies that every AWS account has, by their names at AWS, for the services of this lake.
//! <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>

use std::sync::{Arc, OnceLock};

use tarn_policy::Policy;
use tarn_types::Arn;

use crate::IdentityError;
use crate::entity_policies::parse;

/// A policy that nobody here can change.
#[derive(Debug)]
pub(crate) struct AwsManagedPolicy {
    pub name: &'static str,
    pub id: &'static str,
    pub description: &'static str,
    pub document: &'static str,
    parsed: OnceLock<Arc<Policy>>,
}

impl AwsManagedPolicy {
    const fn new(name: &'static str, id: &'static str, description: &'static str, document: &'static str) -> Self {
        Self { name, id, description, document, parsed: OnceLock::new() }
    }

    pub(crate) fn parsed(&self) -> Result<Arc<Policy>, IdentityError> {
        if let Some(parsed) = self.parsed.get() {
            return Ok(parsed.clone());
        }
        let parsed = Arc::new(parse(self.document)?);
        Ok(self.parsed.get_or_init(|| parsed).clone())
    }
}

const PREFIX: &str = "arn:aws:iam::aws:policy/";

/// What root may.
pub(crate) fn administrator() -> Result<Arc<Policy>, IdentityError> {
    ALL.first().map_or_else(|| parse("").map(Arc::new), AwsManagedPolicy::parsed)
}

/// The ARN of the policy called `name`.
pub(crate) fn arn(name: &str) -> Arn {
    Arn::new("iam", "", "aws", format!("policy/{name}"))
}

/// The policy `arn` names, if it is one of these.
pub(crate) fn find(arn: &str) -> Option<&'static AwsManagedPolicy> {
    let name = arn.strip_prefix(PREFIX)?;
    ALL.iter().find(|policy| policy.name == name)
}

/// In the order of their names.
pub(crate) static ALL: [AwsManagedPolicy; 9] = [
    AwsManagedPolicy::new(
        "AdministratorAccess",
        "ANPAAWSMANAGEDADMIN01",
        "Everything.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    ),
    AwsManagedPolicy::new(
        "AmazonAthenaFullAccess",
        "ANPAAWSMANAGEDATHEN02",
        "Athena, the catalog it reads, and the buckets that hold its results.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"athena:*","Resource":"*"},{"Effect":"Allow","Action":["glue:CreateDatabase","glue:DeleteDatabase","glue:GetDatabase","glue:GetDatabases","glue:UpdateDatabase","glue:CreateTable","glue:DeleteTable","glue:BatchDeleteTable","glue:UpdateTable","glue:GetTable","glue:GetTables","glue:BatchCreatePartition","glue:CreatePartition","glue:DeletePartition","glue:BatchDeletePartition","glue:UpdatePartition","glue:GetPartition","glue:GetPartitions","glue:BatchGetPartition"],"Resource":"*"},{"Effect":"Allow","Action":["s3:GetBucketLocation","s3:GetObject","s3:ListBucket","s3:ListBucketMultipartUploads","s3:ListMultipartUploadParts","s3:AbortMultipartUpload","s3:CreateBucket","s3:PutObject"],"Resource":"arn:aws:s3:::aws-athena-query-results-*"},{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":"arn:aws:s3:::athena-examples*"},{"Effect":"Allow","Action":["s3:ListBucket","s3:GetBucketLocation","s3:ListAllMyBuckets"],"Resource":"*"}]}"#,
    ),
    AwsManagedPolicy::new(
        "AmazonKinesisFirehoseFullAccess",
        "ANPAAWSMANAGEDFIREH03",
        "All of Firehose.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"firehose:*","Resource":"*"}]}"#,
    ),
    AwsManagedPolicy::new(
        "AmazonKinesisFirehoseReadOnlyAccess",
        "ANPAAWSMANAGEDFIREH04",
        "Reads Firehose's delivery streams.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["firehose:Describe*","firehose:List*"],"Resource":"*"}]}"#,
    ),
    AwsManagedPolicy::new(
        "AmazonS3FullAccess",
        "ANPAAWSMANAGEDS3FUL05",
        "All of S3.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}]}"#,
    ),
    AwsManagedPolicy::new(
        "AmazonS3ReadOnlyAccess",
        "ANPAAWSMANAGEDS3REA06",
        "Reads all buckets.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}"#,
    ),
    AwsManagedPolicy::new(
        "IAMFullAccess",
        "ANPAAWSMANAGEDIAMFU07",
        "All of IAM: whoever has it can give itself everything.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}"#,
    ),
    AwsManagedPolicy::new(
        "IAMReadOnlyAccess",
        "ANPAAWSMANAGEDIAMRE08",
        "Reads IAM.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*","iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Resource":"*"}]}"#,
    ),
    AwsManagedPolicy::new(
        "ReadOnlyAccess",
        "ANPAAWSMANAGEDREADO09",
        "Reads all services of this lake.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["athena:Batch*","athena:Get*","athena:List*","firehose:Describe*","firehose:List*","glue:BatchGet*","glue:Get*","glue:List*","glue:SearchTables","iam:Get*","iam:List*","s3:Get*","s3:List*","s3:Describe*","sts:GetCallerIdentity"],"Resource":"*"}]}"#,
    ),
];

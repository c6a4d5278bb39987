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
    pub path: &'static str,
    pub id: &'static str,
    pub description: &'static str,
    pub document: &'static str,
    parsed: OnceLock<Arc<Policy>>,
}

impl AwsManagedPolicy {
    const fn new(name: &'static str, id: &'static str, description: &'static str, document: &'static str) -> Self {
        Self { name, path: "/", id, description, document, parsed: OnceLock::new() }
    }

    /// One of those that are made for the roles of services.
    const fn of_service_role(
        name: &'static str,
        id: &'static str,
        description: &'static str,
        document: &'static str,
    ) -> Self {
        Self { name, path: "/service-role/", id, description, document, parsed: OnceLock::new() }
    }

    pub(crate) fn parsed(&self) -> Result<Arc<Policy>, IdentityError> {
        if let Some(parsed) = self.parsed.get() {
            return Ok(parsed.clone());
        }
        let parsed = Arc::new(parse(self.document)?);
        Ok(self.parsed.get_or_init(|| parsed).clone())
    }
}

const PREFIX: &str = "arn:aws:iam::aws:policy";
const ADMINISTRATOR: &str = "AdministratorAccess";

/// What root may.
pub(crate) fn administrator() -> Result<Arc<Policy>, IdentityError> {
    let found = ALL.iter().find(|policy| policy.name == ADMINISTRATOR);
    found.map_or_else(|| parse("").map(Arc::new), AwsManagedPolicy::parsed)
}

/// The ARN of the policy called `name` at `path`.
pub(crate) fn arn(path: &str, name: &str) -> Arn {
    Arn::new("iam", "", "aws", format!("policy{path}{name}"))
}

/// The policy `arn` names, if it is one of these.
pub(crate) fn find(arn: &str) -> Option<&'static AwsManagedPolicy> {
    let rest = arn.strip_prefix(PREFIX)?;
    ALL.iter().find(|policy| rest.strip_prefix(policy.path) == Some(policy.name))
}

/// In the order of their names.
pub(crate) static ALL: [AwsManagedPolicy; 16] = [
    AwsManagedPolicy::new(
        "AWSGlueConsoleFullAccess",
        "ANPAAWSMANAGEDGLUEC10",
        "All of Glue, and what its jobs and crawlers are set up with.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["glue:*","s3:ListBucket","s3:ListAllMyBuckets","s3:GetBucketLocation","s3:GetBucketAcl","iam:ListRoles","iam:ListUsers","iam:ListGroups","iam:ListRolePolicies","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","kms:ListAliases","kms:DescribeKey"],"Resource":"*"},{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::aws-glue-*/*","arn:aws:s3:::*/*aws-glue-*/*"]},{"Effect":"Allow","Action":"s3:CreateBucket","Resource":"arn:aws:s3:::aws-glue-*"},{"Effect":"Allow","Action":"iam:PassRole","Resource":["arn:aws:iam::*:role/AWSGlueServiceRole*","arn:aws:iam::*:role/service-role/AWSGlueServiceRole*"],"Condition":{"StringLike":{"iam:PassedToService":"glue.amazonaws.com"}}}]}"#,
    ),
    AwsManagedPolicy::of_service_role(
        "AWSGlueServiceRole",
        "ANPAAWSMANAGEDGLUES11",
        "What Glue's jobs and crawlers need of Glue, S3 and logs.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["glue:*","s3:GetBucketLocation","s3:ListBucket","s3:ListAllMyBuckets","s3:GetBucketAcl","iam:ListRolePolicies","iam:GetRole","iam:GetRolePolicy","cloudwatch:PutMetricData"],"Resource":"*"},{"Effect":"Allow","Action":"s3:CreateBucket","Resource":"arn:aws:s3:::aws-glue-*"},{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject","s3:DeleteObject"],"Resource":["arn:aws:s3:::aws-glue-*/*","arn:aws:s3:::*/*aws-glue-*/*"]},{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::crawler-public*","arn:aws:s3:::aws-glue-*"]},{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"arn:aws:logs:*:*:*:/aws-glue/*"}]}"#,
    ),
    AwsManagedPolicy::new(
        "AWSKeyManagementServicePowerUser",
        "ANPAAWSMANAGEDKMSPU12",
        "Makes KMS keys and reads what there is; does not use or destroy them.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:CreateAlias","kms:CreateKey","kms:DeleteAlias","kms:Describe*","kms:GenerateRandom","kms:Get*","kms:List*","kms:TagResource","kms:UntagResource","iam:ListGroups","iam:ListRoles","iam:ListUsers"],"Resource":"*"}]}"#,
    ),
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
        "AmazonSageMakerFullAccess",
        "ANPAAWSMANAGEDSAGEM13",
        "All of SageMaker, with the objects and roles that are named after it.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sagemaker:*","Resource":"*"},{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject","s3:DeleteObject","s3:AbortMultipartUpload"],"Resource":["arn:aws:s3:::*SageMaker*","arn:aws:s3:::*Sagemaker*","arn:aws:s3:::*sagemaker*","arn:aws:s3:::*aws-glue*"]},{"Effect":"Allow","Action":["s3:CreateBucket","s3:GetBucketLocation","s3:ListBucket","s3:ListAllMyBuckets","s3:GetBucketCors","s3:PutBucketCors","kms:DescribeKey","kms:ListAliases","iam:ListRoles"],"Resource":"*"},{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::*:role/*AmazonSageMaker*","Condition":{"StringEquals":{"iam:PassedToService":["glue.amazonaws.com","sagemaker.amazonaws.com"]}}}]}"#,
    ),
    AwsManagedPolicy::new(
        "AmazonSageMakerReadOnly",
        "ANPAAWSMANAGEDSAGER14",
        "Reads SageMaker.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sagemaker:Describe*","sagemaker:List*","sagemaker:BatchGetMetrics","sagemaker:BatchDescribeModelPackage","sagemaker:GetRecord","sagemaker:BatchGetRecord","sagemaker:GetSearchSuggestions","sagemaker:Search","sagemaker:QueryLineage"],"Resource":"*"}]}"#,
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
        "IAMUserChangePassword",
        "ANPAAWSMANAGEDIAMPW15",
        "Lets users change their own passwords.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ChangePassword","Resource":"arn:aws:iam::*:user/${aws:username}"},{"Effect":"Allow","Action":"iam:GetAccountPasswordPolicy","Resource":"*"}]}"#,
    ),
    AwsManagedPolicy::new(
        "PowerUserAccess",
        "ANPAAWSMANAGEDPOWER16",
        "Everything but identities.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},{"Effect":"Allow","Action":["iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization"],"Resource":"*"}]}"#,
    ),
    AwsManagedPolicy::new(
        "ReadOnlyAccess",
        "ANPAAWSMANAGEDREADO09",
        "Reads all services of this lake.",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["athena:Batch*","athena:Get*","athena:List*","firehose:Describe*","firehose:List*","glue:BatchGet*","glue:Get*","glue:List*","glue:SearchTables","iam:Generate*","iam:Get*","iam:List*","iam:Simulate*","kms:Describe*","kms:Get*","kms:List*","s3:Get*","s3:List*","s3:Describe*","sts:GetCallerIdentity"],"Resource":"*"}]}"#,
    ),
];

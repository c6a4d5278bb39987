//! The ready-made roles of a new lake: one for each duty, each with what its zones need and no more. Users of the account take them with
//! sts:AssumeRole, which their own policies must let them. `docs/roles.md` is about them.

use serde_json::{Value, json};
use tarn_identity::{EntityKind, Identity, IdentityError, NewRole};
use tarn_types::Scope;

use crate::lake::{LakeError, Steward};

/// What a duty does in a zone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Reads,
    Writes,
}

struct Duty {
    role: &'static str,
    description: &'static str,
    zones: &'static [(&'static str, Use)],
    /// In which zone SQL leaves its results, for duties that ask in SQL.
    results: Option<&'static str>,
    puts_records: bool,
}

const DUTIES: [Duty; 4] = [
    Duty {
        role: "lake-ingest",
        description: "Brings data into the raw zone",
        zones: &[("raw", Use::Writes)],
        results: None,
        puts_records: true,
    },
    Duty {
        role: "lake-transform",
        description: "Makes processed and analytics data of raw data",
        zones: &[("raw", Use::Reads), ("processed", Use::Writes), ("analytics", Use::Writes)],
        results: Some("processed"),
        puts_records: false,
    },
    Duty {
        role: "lake-analyst",
        description: "Asks analytics data in SQL",
        zones: &[("analytics", Use::Reads)],
        results: Some("analytics"),
        puts_records: false,
    },
    Duty {
        role: "lake-ml",
        description: "Makes features and models of processed and analytics data",
        zones: &[("processed", Use::Reads), ("analytics", Use::Reads), ("ml", Use::Writes)],
        results: Some("ml"),
        puts_records: false,
    },
];

/// The name of the one policy of each role.
const POLICY: &str = "duty";
/// The folder of a zone's bucket that SQL leaves its results in.
const RESULTS: &str = "athena-results";
const READ_OBJECTS: [&str; 2] = ["s3:GetObject", "s3:GetObjectVersion"];
const WRITE_OBJECTS: [&str; 4] =
    ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];
const SEE_BUCKETS: [&str; 3] = ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"];
const READ_CATALOG: [&str; 9] = [
    "glue:GetDatabase",
    "glue:GetDatabases",
    "glue:GetTable",
    "glue:GetTables",
    "glue:GetTableVersion",
    "glue:GetTableVersions",
    "glue:GetPartition",
    "glue:GetPartitions",
    "glue:BatchGetPartition",
];
const WRITE_CATALOG: [&str; 9] = [
    "glue:CreateTable",
    "glue:UpdateTable",
    "glue:DeleteTable",
    "glue:CreatePartition",
    "glue:UpdatePartition",
    "glue:DeletePartition",
    "glue:BatchCreatePartition",
    "glue:BatchDeletePartition",
    "glue:BatchUpdatePartition",
];
const ASK_SQL: [&str; 7] = [
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
    "athena:GetQueryExecution",
    "athena:BatchGetQueryExecution",
    "athena:GetQueryResults",
    "athena:ListQueryExecutions",
    "athena:GetWorkGroup",
];
const SEE_CATALOG_BY_SQL: [&str; 5] = [
    "athena:GetDataCatalog",
    "athena:GetDatabase",
    "athena:ListDatabases",
    "athena:GetTableMetadata",
    "athena:ListTableMetadata",
];
const PUT_RECORDS: [&str; 3] = ["firehose:PutRecord", "firehose:PutRecordBatch", "firehose:DescribeDeliveryStream"];

fn allow(actions: &[&str], resources: Vec<String>) -> Value {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resources })
}

/// What a duty may, as a policy.
fn policy(duty: &Duty, scope: &Scope) -> String {
    let zones = |does: Option<Use>| {
        let wanted = move |(_, found): &&(&str, Use)| does.is_none_or(|does| does == *found);
        duty.zones.iter().filter(wanted).map(|(zone, _)| *zone)
    };
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:{}:{}:{rest}", scope.region, scope.account);
    let objects = |zone: &str| format!("arn:aws:s3:::lake-{zone}/*");
    let results = duty.results.map(|zone| format!("arn:aws:s3:::lake-{zone}/{RESULTS}/*"));
    let catalog = |does: Option<Use>| {
        let of_zone = |zone| [arn("glue", &format!("database/{zone}")), arn("glue", &format!("table/{zone}/*"))];
        std::iter::once(arn("glue", "catalog")).chain(zones(does).flat_map(of_zone)).collect::<Vec<_>>()
    };
    let written: Vec<String> = zones(Some(Use::Writes)).map(objects).chain(results.clone()).collect();
    let mut statements = vec![
        allow(&SEE_BUCKETS, zones(None).map(|zone| format!("arn:aws:s3:::lake-{zone}")).collect()),
        allow(&READ_OBJECTS, zones(None).map(objects).collect()),
        allow(&WRITE_OBJECTS, written),
        allow(&READ_CATALOG, catalog(None)),
    ];
    if zones(Some(Use::Writes)).next().is_some() {
        statements.push(allow(&WRITE_CATALOG, catalog(Some(Use::Writes))));
    }
    if duty.results.is_some() {
        statements.push(allow(&ASK_SQL, vec![arn("athena", "workgroup/primary")]));
        statements.push(allow(&SEE_CATALOG_BY_SQL, vec![arn("athena", "datacatalog/AwsDataCatalog")]));
    }
    if duty.puts_records {
        statements.push(allow(&PUT_RECORDS, vec![arn("firehose", "deliverystream/*")]));
    }
    // Keys are used for objects, by way of S3; the keys' own policies have the last word.
    let mut keys = allow(&["kms:Decrypt", "kms:GenerateDataKey"], vec![arn("kms", "key/*")]);
    keys["Condition"] = json!({ "StringEquals": { "kms:ViaService": format!("s3.{}.amazonaws.com", scope.region) } });
    statements.push(keys);
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// Makes what of the roles is not there yet.
pub(crate) async fn make(identity: &Identity, steward: &Steward) -> Result<(), LakeError> {
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{}:root", steward.scope.account) },
            "Action": "sts:AssumeRole",
        }],
    });
    for duty in &DUTIES {
        let failed = |error: IdentityError| LakeError::Role { name: duty.role, source: error };
        let new = NewRole {
            name: duty.role.to_owned(),
            description: Some(duty.description.to_owned()),
            trust_policy: trust.to_string(),
            ..NewRole::default()
        };
        match identity.create_role(&steward.caller("iam.amazonaws.com", "CreateRole"), new).await {
            Ok(_) | Err(IdentityError::Exists { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
        let (caller, document) = (steward.caller("iam.amazonaws.com", "PutRolePolicy"), policy(duty, &steward.scope));
        let put = identity.put_inline_policy(&caller, EntityKind::Role, duty.role, POLICY, &document).await;
        put.map_err(failed)?;
    }
    Ok(())
}

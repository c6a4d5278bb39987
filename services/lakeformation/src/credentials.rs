//! Credentials for a table's data, for engines that read it themselves. They reach the table's folder and nothing else; who may read only
//! some columns or rows gets none.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use tarn_audit::Caller;
use tarn_aws_model::lakeformation as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_catalog::S3Location;
use tarn_formation::{Permission, SERVICE, TableData};
use tarn_identity::Lend;
use tarn_types::{Arn, Scope};

use crate::LakeFormation;
use crate::convert::{own_catalog, permissions, required};
use crate::errors::{invalid, of_identity, refuse_unbuilt, to_aws};

/// What sessions are called.
const SESSION_NAME: &str = "lakeformation";

/// The database and the table that an ARN of this account and region names.
fn table_of(text: &str, scope: &Scope) -> Result<(String, String), AwsError> {
    let unknown = || invalid(format!("TableArn {text:?} is not the ARN of a table of this catalog."));
    let arn = Arn::parse(text).map_err(|_| unknown())?;
    if arn.service != "glue" || arn.region != scope.region.as_str() {
        return Err(unknown());
    }
    own_catalog(Some(&arn.account), scope)?;
    let place = arn.resource.strip_prefix("table/").and_then(|place| place.split_once('/'));
    place.map(|(database, table)| (database.to_lowercase(), table.to_lowercase())).ok_or_else(unknown)
}

/// A policy for the folder. Its prefix has no character that means something in a policy.
fn policy(folder: &S3Location, wanted: &BTreeSet<Permission>, scope: &Scope) -> String {
    let S3Location { bucket, prefix } = folder;
    let mut actions = vec!["s3:GetObject"];
    if wanted.contains(&Permission::Insert) {
        actions.extend(["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]);
    }
    if wanted.contains(&Permission::Delete) {
        actions.push("s3:DeleteObject");
    }
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": format!("arn:aws:s3:::{bucket}/{prefix}*")},
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": format!("arn:aws:s3:::{bucket}"),
                "Condition": {"StringLike": {"s3:prefix": format!("{prefix}*")}},
            },
            {
                "Effect": "Allow",
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"kms:ViaService": format!("s3.{}.amazonaws.com", scope.region)},
                    // Not the keys of other objects: those of this folder, or of its bucket.
                    "StringLike": {"kms:EncryptionContext:aws:s3:arn": [
                        format!("arn:aws:s3:::{bucket}"),
                        format!("arn:aws:s3:::{bucket}/{prefix}*"),
                    ]},
                },
            },
        ],
    })
    .to_string()
}

pub(crate) async fn of_table(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::GetTemporaryGlueTableCredentialsRequest,
) -> Result<wire::GetTemporaryGlueTableCredentialsResponse, AwsError> {
    refuse_unbuilt("S3Path", input.s3_path.as_ref())?;
    refuse_unbuilt("QuerySessionContext", input.query_session_context.as_ref())?;
    let (database, table) = table_of(&required(input.table_arn, "TableArn")?, caller.scope())?;
    let mut wanted = permissions(input.permissions)?;
    if wanted.is_empty() {
        wanted.insert(Permission::Select);
    }
    let data = lake.formation.table_data(caller.authorized(), &database, &table, &wanted).map_err(to_aws)?;
    let TableData { folder, role_arn } = data;
    let lend = Lend {
        service: SERVICE,
        role_arn,
        session_name: SESSION_NAME.to_owned(),
        duration_seconds: input.duration_seconds.and_then(|seconds| u32::try_from(seconds).ok()),
        policy: policy(&folder, &wanted, caller.scope()),
    };
    let credentials = lake.identity.lend(&caller, lend).await.map_err(|error| of_identity(&error))?;
    Ok(wire::GetTemporaryGlueTableCredentialsResponse {
        access_key_id: Some(credentials.access_key_id),
        secret_access_key: credentials.secret.expose_text().map(str::to_owned),
        session_token: credentials.token.expose_text().map(str::to_owned),
        expiration: Timestamp::from_second(credentials.expires_ms.div_euclid(1_000)).ok(),
        vended_s3_path: Some(vec![folder.to_string()]),
    })
}

//! The credential report on the wire: a row of comma-separated values for root and for each user.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html#id_credentials_understanding_the_report_format>

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::{CredentialRow, Identity};

use crate::convert::date;
use crate::errors::to_aws;

const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
const NONE: &str = "N/A";

pub(crate) async fn generate(
    identity: Arc<Identity>,
    caller: Caller,
    _: Unit,
) -> Result<wire::GenerateCredentialReportResponse, AwsError> {
    identity.generate_credential_report(&caller).await.map_err(to_aws)?;
    Ok(wire::GenerateCredentialReportResponse { state: Some("COMPLETE".to_owned()), description: None })
}

pub(crate) async fn get(
    identity: Arc<Identity>,
    caller: Caller,
    _: Unit,
) -> Result<wire::GetCredentialReportResponse, AwsError> {
    let report = identity.get_credential_report(&caller).map_err(to_aws)?;
    let lines = std::iter::once(HEADER.to_owned()).chain(report.rows.iter().map(row));
    Ok(wire::GetCredentialReportResponse {
        content: Some(lines.collect::<Vec<_>>().join("\n").into_bytes().into()),
        report_format: Some("text/csv".to_owned()),
        generated_time: date(report.generated_ms),
    })
}

fn time(ms: i64) -> String {
    date(ms).map_or_else(|| NONE.to_owned(), |time| time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string())
}

/// Names and ARNs hold no comma that would need quotes but in names of users, which may: those are quoted.
fn quoted(text: &str) -> String {
    if text.contains(',') { format!("\"{text}\"") } else { text.to_owned() }
}

fn row(row: &CredentialRow) -> String {
    let is_root = row.user_name.is_none();
    let mut cells = vec![
        quoted(row.user_name.as_deref().unwrap_or("<root_account>")),
        quoted(&row.arn.to_string()),
        time(row.created_ms),
    ];
    // Sign-ins by password are not noted yet; root has none.
    cells.extend(match row.password {
        _ if is_root => ["not_supported", "no_information", "not_supported", "not_supported"].map(str::to_owned),
        Some((changed_ms, until_ms)) => [
            "true".to_owned(),
            "no_information".to_owned(),
            time(changed_ms),
            until_ms.map_or_else(|| NONE.to_owned(), time),
        ],
        None => ["false", NONE, NONE, NONE].map(str::to_owned),
    });
    cells.push("false".to_owned());
    for at in 0..2 {
        let key = row.keys.get(at);
        cells.push(key.is_some_and(|key| key.is_active).to_string());
        cells.push(key.map_or_else(|| NONE.to_owned(), |key| time(key.created_ms)));
        cells.extend(match key.and_then(|key| key.last_use.as_ref()) {
            Some((at_ms, region, service)) => [time(*at_ms), region.clone(), service.clone()],
            None => [NONE, NONE, NONE].map(str::to_owned),
        });
    }
    cells.extend(["false", NONE, "false", NONE].map(str::to_owned));
    cells.join(",")
}

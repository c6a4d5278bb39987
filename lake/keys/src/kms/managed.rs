//! Keys that services of the lake keep for an account: made at the account's first use of the service, under `alias/aws/SERVICE`.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-key>

use tarn_audit::{EventDraft, Outcome};
use tarn_metadata::{StoreExt, Tx};
use tarn_policy::Principal;
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Region, Scope};

use super::keys::{put_key, put_material};
use super::keyspaces::KMS_ALIASES;
use super::records::{KeyManager, KmsAlias, KmsKey, RotationSchedule, alias_key};
use super::resolve::{alias_in, key_in};
use super::rotation::MANAGED_PERIOD_DAYS;
use super::{Kms, KmsError};

/// Everyone of the account may use it through the service; nobody may change it.
fn policy(account: &AccountId, region: &Region, service: &str) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Id": format!("auto-{service}-1"),
        "Statement": [
            {
                "Sid": format!("Allow access through {service} for all principals in the account that are authorized to use it"),
                "Effect": "Allow",
                "Principal": { "AWS": "*" },
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": { "StringEquals": {
                    "kms:CallerAccount": account.as_str(),
                    "kms:ViaService": format!("{service}.{region}.amazonaws.com")
                } }
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*"],
                "Resource": "*"
            }
        ]
    })
    .to_string()
}

/// The name of a service's key.
pub(crate) fn alias_name(service: &str) -> String {
    format!("alias/aws/{service}")
}

impl Kms {
    /// The key that `service` (`s3`) keeps for an account; made if this is the first use.
    pub async fn managed_key(&self, scope: &Scope, service: &'static str) -> Result<KmsKey, KmsError> {
        let name = alias_name(service);
        let snapshot = self.snapshot()?;
        if let Some(alias) = alias_in(&snapshot, &scope.account, &name)? {
            return key_in(&snapshot, &scope.account, &scope.region, &alias.key_id);
        }
        let mut key = self.new_key(scope, KeyManager::Aws);
        let period_days = MANAGED_PERIOD_DAYS;
        key.rotation = Some(RotationSchedule { period_days, next_ms: self.days_from_now(period_days) });
        key.policy = policy(&scope.account, &scope.region, service);
        key.description =
            format!("Default key that protects my {} objects when no other key is defined", service.to_uppercase());
        let (key, material) = self.with_material(key).await?;
        let event = self.service_event(scope, service, "CreateKey", &key);
        let made = self.0.store.write(move |tx: &mut Tx<'_>| {
            // Another first use may have been quicker.
            if let Some(alias) = alias_in(tx, &key.account, &name)? {
                return key_in(tx, &key.account, &key.region, &alias.key_id);
            }
            put_key(tx, &key)?;
            put_material(tx, &key, key.version, &material)?;
            let alias = KmsAlias {
                account: key.account.clone(),
                region: key.region.clone(),
                key_id: key.id.clone(),
                created_ms: key.created_ms,
                updated_ms: key.created_ms,
                name,
            };
            tx.put(KMS_ALIASES, &alias_key(&alias.account, &alias.name), &alias)?;
            let event = event.into_event(Outcome::Success);
            event.record(tx)?;
            Ok::<_, KmsError>(key)
        });
        Ok(made.await?)
    }

    /// The audit record of what a service does with a key on its own.
    pub(crate) fn service_event(&self, scope: &Scope, service: &str, name: &str, key: &KmsKey) -> EventDraft {
        let service = format!("{service}.amazonaws.com");
        EventDraft {
            id: self.0.runtime.entropy.bytes(),
            request_id: self.0.runtime.entropy.uuid().to_string(),
            time_ms: self.now_ms(),
            event_source: "kms.amazonaws.com".to_owned(),
            event_name: name.to_owned(),
            read_only: false,
            management: true,
            scope: scope.clone(),
            principal: Principal::service(scope.account.clone(), &service),
            source_ip: service.clone(),
            user_agent: service,
            request_parameters: serde_json::json!({ "keyId": key.id }).to_string(),
            resources: vec![key.arn().to_string()],
        }
    }
}

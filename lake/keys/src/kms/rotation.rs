//! Rotation: new material for a key that keeps its name, its policy and its older material, so that every ciphertext still opens.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html>

use tarn_audit::{Caller, Outcome};
use tarn_metadata::{Key, Read, StoreExt, Tx};
use tarn_policy::Authorized;
use tarn_types::Scope;

use super::keys::{put_key, put_material};
use super::keyspaces::{KMS_KEYS, KMS_MATERIAL};
use super::kinds::{KeyOrigin, KeySpec};
use super::material::MaterialId;
use super::records::{KeyState, KmsKey, RotationKind, RotationSchedule, kms_key};
use super::resolve::{find_in, require_proven};
use super::{Kms, KmsError, KmsPage, KmsPageRequest};

/// Days between rotations, if the key's owner does not say.
pub const PERIOD_DAYS_DEFAULT: u32 = 365;
/// The fewest days: <https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html>
pub const PERIOD_DAYS_MIN: u32 = 90;
/// The most days.
pub const PERIOD_DAYS_MAX: u32 = 2_560;
/// Days between rotations of keys that services keep.
pub(crate) const MANAGED_PERIOD_DAYS: u32 = 365;
/// The most rotations of a key that were asked for: <https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>
const ON_DEMAND_COUNT_MAX: usize = 25;
/// How many keys are rotated in one pass.
const STEP_KEYS_MAX: usize = 100;

/// One version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVersion {
    /// Tells its material from others'.
    pub material: MaterialId,
    /// When it became what encrypts, milliseconds since 1970.
    pub since_ms: i64,
    /// By which rotation; `None` is the first.
    pub rotation: Option<RotationKind>,
    /// Whether it still is what encrypts.
    pub is_current: bool,
}

impl KmsKey {
    /// Refuses keys whose material is what makes them what they are.
    fn require_rotatable(&self) -> Result<(), KmsError> {
        let refused = |reason| Err(KmsError::UnsupportedForKey { arn: self.arn().to_string(), reason });
        match (self.spec, self.origin) {
            (KeySpec::SymmetricDefault, KeyOrigin::AwsKms) => Ok(()),
            (_, KeyOrigin::External) => refused("origin is EXTERNAL which is not valid for this operation."),
            _ => refused("is not a symmetric encryption key, and only these can be rotated."),
        }
    }
}

impl Kms {
    /// Rotates a key every so many days from now on.
    pub async fn enable_key_rotation(&self, caller: &Caller, name: &str, days: Option<u32>) -> Result<(), KmsError> {
        let period_days = days.unwrap_or(PERIOD_DAYS_DEFAULT);
        if !(PERIOD_DAYS_MIN..=PERIOD_DAYS_MAX).contains(&period_days) {
            let reason =
                format!("RotationPeriodInDays must be from {PERIOD_DAYS_MIN} to {PERIOD_DAYS_MAX}, not {period_days}.");
            return Err(KmsError::Validation { reason });
        }
        let next_ms = self.days_from_now(period_days);
        self.change_key(caller, name, move |key| {
            key.require_rotatable()?;
            key.require_usable()?;
            key.rotation = Some(RotationSchedule { period_days, next_ms });
            Ok(())
        })
        .await
    }

    /// Rotates a key no more.
    pub async fn disable_key_rotation(&self, caller: &Caller, name: &str) -> Result<(), KmsError> {
        self.change_key(caller, name, |key| {
            key.require_rotatable()?;
            key.require_usable()?;
            key.rotation = None;
            Ok(())
        })
        .await
    }

    /// Rotates a key now. When it is rotated by itself does not change.
    pub async fn rotate_key_on_demand(&self, caller: &Caller, name: &str) -> Result<KmsKey, KmsError> {
        let (proof, scope, name) = (caller.authorized().clone(), caller.scope().clone(), name.to_owned());
        let key = self.key(&proof, &scope, &name)?;
        let (kms, bytes) = (self.clone(), self.fresh_material(key.spec).await?);
        self.commit(caller, move |tx| {
            let mut key = find_in(tx, &scope.account, &scope.region, &name)?;
            require_proven(&proof, &key, &name)?;
            key.require_changeable()?;
            key.require_rotatable()?;
            key.require_usable()?;
            let mut asked = 0;
            for item in tx.prefix(KMS_MATERIAL, &kms_key(&key.account, &key.id)) {
                asked += usize::from(item?.1.rotation == Some(RotationKind::OnDemand));
            }
            if asked >= ON_DEMAND_COUNT_MAX {
                let quota = "rotations of a key on demand";
                return Err(KmsError::LimitExceeded { quota, count_max: ON_DEMAND_COUNT_MAX });
            }
            kms.rotate_in(tx, &mut key, &bytes, RotationKind::OnDemand)?;
            Ok(key)
        })
        .await
    }

    fn rotate_in(&self, tx: &mut Tx<'_>, key: &mut KmsKey, bytes: &[u8], kind: RotationKind) -> Result<(), KmsError> {
        key.version += 1;
        let material = self.sealed_material(key, key.version, bytes, Some(kind))?;
        put_material(tx, key, key.version, &material)?;
        put_key(tx, key)
    }

    /// The key, for whether it rotates.
    pub fn rotation_status(&self, proof: &Authorized, scope: &Scope, name: &str) -> Result<KmsKey, KmsError> {
        let key = self.key(proof, scope, name)?;
        match key.state {
            KeyState::PendingDeletion { .. } => Err(KmsError::PendingDeletion { arn: key.arn().to_string() }),
            KeyState::Enabled | KeyState::Disabled | KeyState::PendingImport => Ok(key),
        }
    }

    /// The versions of a key, oldest first; without `with_first`, only those that a rotation made.
    pub fn list_key_rotations(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        with_first: bool,
        page: &KmsPageRequest,
    ) -> Result<KmsPage<KeyVersion>, KmsError> {
        let snapshot = self.snapshot()?;
        let key = find_in(&snapshot, &scope.account, &scope.region, name)?;
        require_proven(proof, &key, name)?;
        key.require_rotatable()?;
        // Its version is the end of a record's key.
        let version_of = |at: &Key| at.as_bytes().last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let found = page.of(snapshot.prefix(KMS_MATERIAL, &kms_key(&key.account, &key.id)), |at, material| {
            (with_first || material.rotation.is_some()).then_some((version_of(at), material))
        })?;
        let open = |(version, record): (u32, super::KeyMaterial)| {
            let material = self.material(&snapshot, &key, version)?.id();
            let is_current = version == key.version;
            Ok(KeyVersion { material, since_ms: record.created_ms, rotation: record.rotation, is_current })
        };
        let items = found.items.into_iter().map(open).collect::<Result<_, KmsError>>()?;
        Ok(KmsPage { items, marker: found.marker })
    }

    /// Rotates keys whose time has come; says how many.
    pub(crate) async fn rotate_due_keys(&self) -> Result<usize, KmsError> {
        let now_ms = self.now_ms();
        let mut due = Vec::new();
        for item in self.snapshot()?.prefix(KMS_KEYS, &Key::new()) {
            let (_, key) = item?;
            if key.state == KeyState::Enabled && key.rotation.is_some_and(|rotation| rotation.next_ms <= now_ms) {
                due.push(key);
            }
            if due.len() == STEP_KEYS_MAX {
                break;
            }
        }
        let count = due.len();
        for found in due {
            let scope = Scope { account: found.account.clone(), region: found.region.clone() };
            let event = self.service_event(&scope, "kms", "RotateKey", &found);
            let (kms, bytes) = (self.clone(), self.fresh_material(found.spec).await?);
            let rotated = self.0.store.write(move |tx: &mut Tx<'_>| {
                // It may have been changed meanwhile: then the next pass sees it.
                let mut key = found.clone();
                if tx.get(KMS_KEYS, &kms_key(&key.account, &key.id))?.as_ref() != Some(&found) {
                    return Ok(());
                }
                if let Some(rotation) = &mut key.rotation {
                    let period_ms = i64::from(rotation.period_days).saturating_mul(kms.0.day_ms);
                    rotation.next_ms = now_ms.saturating_add(period_ms);
                }
                kms.rotate_in(tx, &mut key, &bytes, RotationKind::Automatic)?;
                let event = event.into_event(Outcome::Success);
                event.record(tx)?;
                Ok::<_, KmsError>(())
            });
            rotated.await?;
        }
        Ok(count)
    }
}

//! What wraps the data key of a version: the lake's own key, a KMS key, or a key that the customer keeps. Knows no headers.
//!
//! Each version has a data key of its own, whatever wraps it, so that bytes, parts and ranges know no difference. Under KMS, a key made by
//! KMS for the object's ARN (or its bucket's, with a bucket key) wraps it; that key is kept encrypted beside it. A customer's key is
//! never kept, nor anything from which two objects could be seen to have the same. Entity tags of both are not the MD5 of the bytes.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html>
//!
//! **Invariant:** bytes under a KMS key are read only after a decision on `kms:Decrypt` on that key, and bytes under a customer's key
//! only with it: `Objects::read` refuses a version that was not unlocked.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_keys::kms::{Cipher, EncryptionContext, KmsError};
use tarn_keys::{DataKey, KeyContext, KeysError, SealedDataKey, WrappingKey};
use tarn_policy::{Authorized, BoundAuthorizer, PrincipalKind, Requirement};
use tarn_types::{AccountId, Arn, Region, Scope};

use crate::errors::ObjectsError;
use crate::get::ObjectVersion;
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in, data_key_context};
use crate::records::{Bucket, UploadRecord, VersionRecord, VersionUuid};

/// The pair of the encryption context that S3 adds itself.
const ARN_PAIR: &str = "aws:s3:arn";
/// Bytes of the key that KMS makes for a version.
const WRAPPING_KEY_BYTES: usize = 32;

/// What wraps a version's data key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Encryption {
    /// The lake's own key: SSE-S3.
    #[default]
    Lake,
    /// A KMS key: SSE-KMS.
    Kms(KmsEncryption),
    /// A key that the customer keeps: SSE-C.
    Customer(CustomerEncryption),
}

/// How a version is encrypted under a KMS key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsEncryption {
    /// The key's ARN.
    pub key: String,
    /// The encryption context: what the caller gave and the ARN of the object or the bucket.
    pub context: EncryptionContext,
    /// Whether it was made with a bucket key: then the context names the bucket.
    pub bucket_key: bool,
    /// The key that wraps the data key, encrypted under the KMS key.
    blob: Vec<u8>,
    /// Authenticates the layout. Sealed by the lake's key, so that an upload is completed without a decryption.
    layout_key: SealedDataKey,
}

/// How a version is encrypted under a customer's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerEncryption {
    /// Authenticates the layout. Sealed by the lake's key, so that an upload is completed without the customer's key.
    layout_key: SealedDataKey,
}

/// A key that a customer keeps, as a request brings it. Cheap to clone; shown to nobody.
#[derive(Clone)]
pub struct CustomerKey {
    key: WrappingKey,
    md5: [u8; 16],
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(..)")
    }
}

impl CustomerKey {
    /// Of these bytes; `None` if their MD5 is another.
    pub fn new(bytes: &[u8; 32], md5: [u8; 16]) -> Option<Self> {
        use md5::Digest as _;
        let computed: [u8; 16] = md5::Md5::digest(bytes).into();
        (computed == md5).then(|| Self { key: WrappingKey::new(bytes), md5 })
    }

    /// Its MD5, as answers repeat it.
    pub fn md5(&self) -> [u8; 16] {
        self.md5
    }
}

/// How a request wants an object to be encrypted.
#[derive(Debug, Clone)]
pub enum EncryptionRequest {
    /// As the bucket says.
    BucketDefault {
        /// With a bucket key or without, if the caller says so.
        bucket_key: Option<bool>,
    },
    /// By the lake's own key.
    Lake,
    /// By a KMS key.
    Kms {
        /// Which: id, ARN or alias. Without one, the key that S3 keeps for the caller's account.
        key: Option<String>,
        /// What is to be bound besides the object's ARN.
        context: BTreeMap<String, String>,
        /// With a bucket key or without; as the bucket says, if the caller does not.
        bucket_key: Option<bool>,
    },
    /// By a key that the caller keeps.
    Customer(CustomerKey),
}

impl Default for EncryptionRequest {
    fn default() -> Self {
        Self::BucketDefault { bucket_key: None }
    }
}

impl EncryptionRequest {
    /// Whether it asks for anything.
    pub fn is_default(&self) -> bool {
        matches!(self, Self::BucketDefault { bucket_key: None })
    }
}

/// How objects of a bucket are encrypted if their writers do not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BucketEncryption {
    /// By what.
    pub default: DefaultEncryption,
    /// Whether KMS is to be asked for the bucket rather than for each object.
    pub bucket_key: bool,
    /// What was said of customers' keys: whether new objects may not be encrypted by them.
    pub customer_keys_blocked: Option<bool>,
}

/// What encrypts a bucket's objects if their writers do not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DefaultEncryption {
    /// The lake's own key.
    #[default]
    Lake,
    /// A KMS key.
    Kms {
        /// Which, as it was given; without one, the key that S3 keeps for the account of whoever writes.
        key: Option<String>,
    },
}

/// A fresh data key, and all that is stored of how it is wrapped.
pub(crate) struct Sealing {
    pub(crate) data_key: DataKey,
    pub(crate) sealed: SealedDataKey,
    pub(crate) layout_key: DataKey,
    pub(crate) encryption: Encryption,
}

/// The entity tag's 16 bytes: the MD5 where the lake's own key wraps, and otherwise a MAC of it, which tells nothing of the bytes.
pub(crate) fn tag_bytes(encryption: &Encryption, data_key: &DataKey, md5: [u8; 16]) -> Result<[u8; 16], ObjectsError> {
    match encryption {
        Encryption::Lake => Ok(md5),
        Encryption::Kms(_) | Encryption::Customer(_) => {
            let tag = data_key.authenticate("entity-tag", &md5)?;
            Ok(tag.first_chunk::<16>().copied().unwrap_or(md5))
        }
    }
}

fn layout_context(id: &VersionUuid) -> KeyContext {
    KeyContext::new("object-layout").part(id)
}

fn via_s3(requirement: &mut Requirement, region: &Region, context: &EncryptionContext) {
    context.describe(requirement);
    requirement.context.set("kms:ViaService", format!("s3.{region}.amazonaws.com"));
    requirement.context.set("aws:ViaAWSService", "true");
}

fn sealed_key_damaged() -> ObjectsError {
    ObjectsError::Keys(KeysError::NotAuthentic { what: "the key of a version" })
}

impl Objects {
    /// The lake's KMS.
    pub fn kms(&self) -> &tarn_keys::kms::Kms {
        &self.kms
    }

    /// A data key for a version to be, wrapped as the request or the bucket says. Under KMS the caller must be allowed
    /// `kms:GenerateDataKey`.
    pub(crate) async fn sealing(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        id: &VersionUuid,
        request: &EncryptionRequest,
    ) -> Result<Sealing, ObjectsError> {
        let bucket = bucket_in(&self.snapshot()?, bucket)?;
        let by_default = bucket.encryption.clone().unwrap_or_default();
        let (kms_key, context, bucket_key) = match request {
            EncryptionRequest::Customer(customer) => {
                if by_default.customer_keys_blocked == Some(true) {
                    return Err(ObjectsError::CustomerKeysBlocked { bucket: bucket.name.to_string() });
                }
                return self.sealing_by_customer(id, customer);
            }
            EncryptionRequest::Lake => return self.sealing_by_lake(id),
            EncryptionRequest::BucketDefault { bucket_key } => match by_default.default {
                DefaultEncryption::Lake => return self.sealing_by_lake(id),
                DefaultEncryption::Kms { key } => (key, BTreeMap::new(), *bucket_key),
            },
            EncryptionRequest::Kms { key, context, bucket_key } => (key.clone(), context.clone(), *bucket_key),
        };
        let bucket_key = bucket_key.unwrap_or(by_default.bucket_key);
        self.sealing_by_kms(
            caller,
            &bucket,
            key,
            id,
            KmsRequest { action: "kms:GenerateDataKey", key: kms_key, context, bucket_key },
        )
        .await
    }

    /// A data key for a replica of what a KMS key seals, under `kms_key` or the account's own. As on AWS, who replicates must be allowed
    /// `kms:Encrypt`: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html>
    pub(crate) async fn sealing_of_replica(
        &self,
        caller: &Caller,
        bucket: &Bucket,
        key: &ObjectKey,
        id: &VersionUuid,
        kms_key: Option<String>,
    ) -> Result<Sealing, ObjectsError> {
        let bucket_key = bucket.encryption.as_ref().is_some_and(|by_default| by_default.bucket_key);
        let request = KmsRequest { action: "kms:Encrypt", key: kms_key, context: BTreeMap::new(), bucket_key };
        self.sealing_by_kms(caller, bucket, key, id, request).await
    }

    /// What is new in a replica that keeps the data key of its source as a customer's key has sealed it: what authenticates its layout.
    pub(crate) fn sealing_of_customers_replica(&self, id: &VersionUuid) -> Result<(DataKey, Encryption), ObjectsError> {
        let (layout_key, sealed) = self.keys.data_key(&layout_context(id))?;
        Ok((layout_key, Encryption::Customer(CustomerEncryption { layout_key: sealed })))
    }

    fn sealing_by_lake(&self, id: &VersionUuid) -> Result<Sealing, ObjectsError> {
        let (data_key, sealed) = self.new_data_key(id)?;
        Ok(Sealing { layout_key: data_key.clone(), data_key, sealed, encryption: Encryption::Lake })
    }

    fn sealing_by_customer(&self, id: &VersionUuid, customer: &CustomerKey) -> Result<Sealing, ObjectsError> {
        let (data_key, sealed) = customer.key.data_key(&*self.runtime.entropy, &data_key_context(id))?;
        let (layout_key, sealed_layout_key) = self.keys.data_key(&layout_context(id))?;
        let encryption = Encryption::Customer(CustomerEncryption { layout_key: sealed_layout_key });
        Ok(Sealing { data_key, sealed, layout_key, encryption })
    }

    async fn sealing_by_kms(
        &self,
        caller: &Caller,
        bucket: &Bucket,
        key: &ObjectKey,
        id: &VersionUuid,
        request: KmsRequest,
    ) -> Result<Sealing, ObjectsError> {
        let KmsRequest { action, key: kms_key, context, bucket_key } = request;
        // A key must know whose it is used by.
        if caller.principal().is_anonymous() {
            return Err(anonymous_kms());
        }
        let scope = Scope { account: caller.principal().account.clone(), region: bucket.region.clone() };
        let arn = if bucket_key { bucket.name.arn() } else { Arn::s3_object(bucket.name.as_str(), key.as_str()) };
        let arn = arn.to_string();
        if context.get(ARN_PAIR).is_some_and(|given| *given != arn) {
            return Err(ObjectsError::InvalidArgument {
                name: "x-amz-server-side-encryption-context",
                value: context.get(ARN_PAIR).cloned().unwrap_or_default(),
                reason: "the pair aws:s3:arn is set by S3; leave it out",
            });
        }
        let context = EncryptionContext::new(context)?.with(ARN_PAIR, arn);
        let name = match kms_key {
            Some(name) => name,
            None => self.kms.managed_key(&scope, "s3").await?.arn().to_string(),
        };
        let mut requirement = self.kms.requirement(action, &scope, &name)?;
        via_s3(&mut requirement, &scope.region, &context);
        let proof = caller.authorizer().authorize(vec![requirement]).map_err(ObjectsError::Denied)?;
        let made = self.kms.generate_data_key(&proof, &scope, &name, WRAPPING_KEY_BYTES, &context)?;
        let wrapping = wrapping_key(made.plaintext.expose())?;
        let (data_key, sealed) = wrapping.data_key(&*self.runtime.entropy, &data_key_context(id))?;
        let (layout_key, sealed_layout_key) = self.keys.data_key(&layout_context(id))?;
        let encryption = Encryption::Kms(KmsEncryption {
            key: made.key.to_string(),
            context,
            bucket_key,
            blob: made.blob,
            layout_key: sealed_layout_key,
        });
        Ok(Sealing { data_key, sealed, layout_key, encryption })
    }

    /// What authenticates a version's layout, whatever wraps its data key.
    pub(crate) fn layout_key(
        &self,
        id: &VersionUuid,
        encryption: &Encryption,
        sealed: &SealedDataKey,
    ) -> Result<DataKey, ObjectsError> {
        match encryption {
            Encryption::Lake => self.open_data_key(id, sealed),
            Encryption::Kms(KmsEncryption { layout_key, .. })
            | Encryption::Customer(CustomerEncryption { layout_key }) => {
                Ok(self.keys.open_data_key(layout_key, &layout_context(id))?)
            }
        }
    }

    /// Opens a data key by a proof that covers `kms:Decrypt`.
    fn open_by_kms(
        &self,
        proof: &Authorized,
        id: &VersionUuid,
        by: &KmsEncryption,
        sealed: &SealedDataKey,
    ) -> Result<DataKey, ObjectsError> {
        let scope = scope_of(by)?;
        let decrypted = match self.kms.decrypt(proof, &scope, Some(&by.key), &by.blob, Cipher::symmetric(&by.context)) {
            Ok(decrypted) => decrypted,
            // It was made here: that it does not open is damage.
            Err(KmsError::InvalidCiphertext | KmsError::IncorrectKey) => return Err(sealed_key_damaged()),
            Err(error) => return Err(ObjectsError::Kms(error)),
        };
        let wrapping = wrapping_key(decrypted.plaintext.expose())?;
        Ok(wrapping.open_data_key(sealed, &data_key_context(id))?)
    }

    fn open_as(
        &self,
        authorizer: &BoundAuthorizer,
        id: &VersionUuid,
        by: &KmsEncryption,
        sealed: &SealedDataKey,
    ) -> Result<DataKey, ObjectsError> {
        if authorizer.principal().is_anonymous() {
            return Err(anonymous_kms());
        }
        let mut scope = scope_of(by)?;
        scope.account = authorizer.principal().account.clone();
        let mut requirement = self.kms.requirement("kms:Decrypt", &scope, &by.key)?;
        via_s3(&mut requirement, &scope.region, &by.context);
        let proof = authorizer.authorize(vec![requirement]).map_err(ObjectsError::Denied)?;
        self.open_by_kms(&proof, id, by, sealed)
    }

    /// Opens a data key for a service that reads by the lake's own proof, such as a crawler: the key's policy is asked all the same.
    pub(crate) fn open_for_service(
        &self,
        proof: &Authorized,
        id: &VersionUuid,
        by: &KmsEncryption,
        sealed: &SealedDataKey,
    ) -> Result<DataKey, ObjectsError> {
        let service = proof.principal();
        let internal = matches!(service.kind, PrincipalKind::Service { .. }) && proof.requirements().is_empty();
        let mut scope = scope_of(by)?;
        scope.account = service.account.clone();
        let mut requirement = self.kms.requirement("kms:Decrypt", &scope, &by.key)?;
        via_s3(&mut requirement, &scope.region, &by.context);
        if internal && self.kms.lets_service(service, &requirement)? {
            self.open_by_kms(proof, id, by, sealed)
        } else {
            Err(ObjectsError::KmsKeyNotAsked { key: by.key.clone() })
        }
    }

    /// Opens a data key for the lake's own work on stored bytes, such as moving them to another class: the key must be usable, and a
    /// customer's key is not to be had.
    pub(crate) fn open_for_lake(
        &self,
        id: &VersionUuid,
        encryption: &Encryption,
        sealed: &SealedDataKey,
    ) -> Result<DataKey, ObjectsError> {
        match encryption {
            Encryption::Lake => self.open_data_key(id, sealed),
            Encryption::Kms(by) => {
                let proof = Authorized::internal("s3.amazonaws.com", scope_of(by)?.account);
                self.open_by_kms(&proof, id, by, sealed)
            }
            Encryption::Customer(_) => Err(ObjectsError::CustomerKeyRequired),
        }
    }

    /// The version, ready to be read by who asks: under a KMS key after a decision on `kms:Decrypt`, under a customer's key with it.
    pub fn unlock(
        &self,
        authorizer: &BoundAuthorizer,
        version: &ObjectVersion,
        customer: Option<&CustomerKey>,
    ) -> Result<ObjectVersion, ObjectsError> {
        let record = version.record();
        let data_key = match (&record.encryption, customer) {
            (Encryption::Lake | Encryption::Kms(_), Some(_)) => return Err(ObjectsError::CustomerKeyNotApplicable),
            (Encryption::Lake, None) => return Ok(version.clone()),
            (Encryption::Kms(by), None) => self.open_as(authorizer, &record.id, by, &record.data_key)?,
            (Encryption::Customer(_), _) => open_by_customer(record, customer)?,
        };
        Ok(version.unlocked(data_key))
    }

    /// Whether `customer` is what the version is encrypted by, where that is a customer's key: for what tells of an object and not its
    /// bytes.
    pub fn check_customer_key(
        &self,
        version: &ObjectVersion,
        customer: Option<&CustomerKey>,
    ) -> Result<(), ObjectsError> {
        let record = version.record();
        match (&record.encryption, customer) {
            (Encryption::Lake | Encryption::Kms(_), Some(_)) => Err(ObjectsError::CustomerKeyNotApplicable),
            (Encryption::Lake | Encryption::Kms(_), None) => Ok(()),
            (Encryption::Customer(_), _) => open_by_customer(record, customer).map(|_| ()),
        }
    }

    /// The data key of an upload, for one of its parts. Under a KMS key the caller must be allowed `kms:Decrypt`.
    pub(crate) fn open_upload(
        &self,
        authorizer: &BoundAuthorizer,
        upload: &UploadRecord,
        customer: Option<&CustomerKey>,
    ) -> Result<DataKey, ObjectsError> {
        let refused = |reason: &str| Err(ObjectsError::InvalidRequest { reason: reason.to_owned() });
        // The sentences are AWS's.
        match (&upload.encryption, customer) {
            (Encryption::Lake | Encryption::Kms(_), Some(_)) => refused(
                "The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.",
            ),
            (Encryption::Lake, None) => self.open_data_key(&upload.id, &upload.data_key),
            (Encryption::Kms(by), None) => self.open_as(authorizer, &upload.id, by, &upload.data_key),
            (Encryption::Customer(_), None) => refused(
                "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.",
            ),
            (Encryption::Customer(_), Some(customer)) => {
                match customer.key.open_data_key(&upload.data_key, &data_key_context(&upload.id)) {
                    Ok(data_key) => Ok(data_key),
                    Err(_) => refused("The provided encryption parameters did not match the ones used originally."),
                }
            }
        }
    }

    /// Whether whoever completes an upload may: as for a part. As on AWS, a customer's key need not be given where no checksum was: no byte
    /// is opened.
    pub(crate) fn check_completion(
        &self,
        authorizer: &BoundAuthorizer,
        upload: &UploadRecord,
        customer: Option<&CustomerKey>,
        has_checksums: impl FnOnce() -> Result<bool, ObjectsError>,
    ) -> Result<(), ObjectsError> {
        match (&upload.encryption, customer) {
            (Encryption::Customer(_), None) if !has_checksums()? => Ok(()),
            (Encryption::Lake, None) => Ok(()),
            _ => self.open_upload(authorizer, upload, customer).map(|_| ()),
        }
    }

    /// How the bucket's objects are encrypted if their writers do not say.
    pub fn bucket_encryption(&self, proof: &Authorized, bucket: &BucketName) -> Result<BucketEncryption, ObjectsError> {
        Ok(self.bucket(proof, bucket)?.encryption.unwrap_or_default())
    }

    /// Sets how the bucket's objects are to be encrypted if their writers do not say; `None` is by the lake's own key.
    pub async fn set_bucket_encryption(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        encryption: Option<BucketEncryption>,
    ) -> Result<(), ObjectsError> {
        self.change_bucket(caller, bucket, move |bucket| bucket.encryption = encryption).await
    }
}

struct KmsRequest {
    /// What the caller must be allowed with the key.
    action: &'static str,
    key: Option<String>,
    context: BTreeMap<String, String>,
    bucket_key: bool,
}

/// The account and region of the key. Names without either do not occur: the ARN was KMS's answer.
fn scope_of(by: &KmsEncryption) -> Result<Scope, ObjectsError> {
    let arn = Arn::parse(&by.key).map_err(|_| sealed_key_damaged())?;
    let account = AccountId::new(arn.account).map_err(|_| sealed_key_damaged())?;
    Ok(Scope { account, region: Region::new(arn.region).map_err(|_| sealed_key_damaged())? })
}

fn wrapping_key(bytes: &[u8]) -> Result<WrappingKey, ObjectsError> {
    bytes.try_into().map(WrappingKey::new).map_err(|_| sealed_key_damaged())
}

fn anonymous_kms() -> ObjectsError {
    ObjectsError::InvalidArgument {
        name: "Authorization",
        value: "null".to_owned(),
        // The sentence is AWS's.
        reason: "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.",
    }
}

fn open_by_customer(record: &VersionRecord, customer: Option<&CustomerKey>) -> Result<DataKey, ObjectsError> {
    let customer = customer.ok_or(ObjectsError::CustomerKeyRequired)?;
    match customer.key.open_data_key(&record.data_key, &data_key_context(&record.sealing_id())) {
        Ok(data_key) => Ok(data_key),
        Err(KeysError::NotAuthentic { .. }) => Err(ObjectsError::CustomerKeyWrong),
        Err(error) => Err(ObjectsError::Keys(error)),
    }
}

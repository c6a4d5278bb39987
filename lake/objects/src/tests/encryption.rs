//! All kinds of encryption through all ways in and out: put, parts, copies, ranges; and who gets nothing.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tarn_keys::kms::{CreateKey, KmsError};
use tarn_policy::DeniedBecause;

use super::*;

/// Three chunks of the cipher and a bit, so that ranges cross their borders.
const SIZE: usize = 3 * 65_536 + 1_234;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Default,
    Lake,
    Kms,
    KmsWithBucketKey,
    ManagedKms,
    Customer,
    OtherCustomer,
}

const KINDS: [Kind; 7] = [
    Kind::Default,
    Kind::Lake,
    Kind::Kms,
    Kind::KmsWithBucketKey,
    Kind::ManagedKms,
    Kind::Customer,
    Kind::OtherCustomer,
];

pub(super) fn customer(byte: u8) -> CustomerKey {
    use md5::Digest as _;
    let key = [byte; 32];
    CustomerKey::new(&key, md5::Md5::digest(key).into()).unwrap()
}

impl Kind {
    fn request(self, kms_key: &str) -> EncryptionRequest {
        let kms = |key: Option<&str>, bucket_key| EncryptionRequest::Kms {
            key: key.map(str::to_owned),
            context: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
            bucket_key: Some(bucket_key),
        };
        match self {
            Self::Default => EncryptionRequest::default(),
            Self::Lake => EncryptionRequest::Lake,
            Self::Kms => kms(Some(kms_key), false),
            Self::KmsWithBucketKey => kms(Some(kms_key), true),
            Self::ManagedKms => kms(None, false),
            Self::Customer | Self::OtherCustomer => EncryptionRequest::Customer(self.customer().unwrap()),
        }
    }

    fn customer(self) -> Option<CustomerKey> {
        match self {
            Self::Customer => Some(customer(1)),
            Self::OtherCustomer => Some(customer(2)),
            _ => None,
        }
    }

    /// Whether the entity tag is the MD5 of the bytes.
    fn has_md5(self) -> bool {
        matches!(self, Self::Default | Self::Lake)
    }
}

/// Bytes in which every place differs from those around it.
fn bytes() -> Vec<u8> {
    (0..SIZE).map(|at| (at * 7 + at / 251) as u8).collect()
}

async fn kms_key(lake: &Lake) -> String {
    lake.objects.kms().create_key(&lake.caller(), CreateKey::default()).await.unwrap().arn().to_string()
}

async fn put(lake: &Lake, bucket: &BucketName, at: &str, kind: Kind, kms_key: &str) -> ObjectVersion {
    let request = PutObject { encryption: kind.request(kms_key), ..PutObject::new(bucket.clone(), key(at)) };
    lake.objects.put_object(&lake.caller(), request, body_of(bytes())).await.unwrap()
}

/// The bytes, to one who is allowed everything and gives `customer`.
async fn get(
    lake: &Lake,
    bucket: &BucketName,
    at: &str,
    customer: Option<&CustomerKey>,
) -> Result<Bytes, ObjectsError> {
    let version = lake.objects.head_object(&proof(), bucket, &key(at))?;
    let version = lake.objects.unlock(lake.caller().authorizer(), &version, customer)?;
    lake.objects.read_whole(&proof(), &version, 1 << 30).await
}

fn md5_of(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest as _;
    md5::Md5::digest(bytes).into()
}

#[tokio::test]
async fn every_kind_is_written_and_read_in_every_way() {
    let lake = Lake::with(ObjectsOptions { part_size_bytes_min: 1, ..ObjectsOptions::default() });
    let name = lake.bucket("lake-raw").await;
    let kms_key = kms_key(&lake).await;
    let whole = bytes();
    for kind in KINDS {
        let at = format!("{kind:?}");
        let stored = put(&lake, &name, &at, kind, &kms_key).await;
        assert_eq!(*stored.etag() == Etag::Md5(md5_of(&whole)), kind.has_md5(), "{kind:?}");
        let customer = kind.customer();
        assert_eq!(get(&lake, &name, &at, customer.as_ref()).await.unwrap(), whole, "{kind:?}");

        // Ranges across the borders of chunks.
        let version = lake.objects.unlock(lake.caller().authorizer(), &stored, customer.as_ref()).unwrap();
        for (first, end) in
            [(0, 1), (65_535, 65_537), (65_536, 131_072), (1, SIZE as u64), (SIZE as u64 - 1, SIZE as u64)]
        {
            let mut stream = lake.objects.read(&proof(), &version, first..end);
            let mut found = Vec::new();
            while let Some(bytes) = futures::StreamExt::next(&mut stream).await {
                found.extend_from_slice(&bytes.unwrap());
            }
            assert_eq!(found, whole[first as usize..end as usize], "{kind:?} {first}..{end}");
        }

        // Parts, and ranges across their borders.
        let upload = CreateMultipartUpload {
            bucket: name.clone(),
            key: key("parts"),
            metadata: ObjectMetadata::default(),
            tags: Tags::default(),
            class: StorageClass::Standard,
            checksum: None,
            encryption: kind.request(&kms_key),
            lock: VersionLock::default(),
            acl: AclRequest::default(),
        };
        let upload = lake.objects.create_multipart_upload(&lake.caller(), upload).await.unwrap();
        let upload = UploadName { bucket: name.clone(), key: key("parts"), upload_id: upload.upload_id() };
        let mut parts = Vec::new();
        for (number, part) in (1..).zip(whole.chunks(100_000)) {
            let request = UploadPart {
                upload: upload.clone(),
                number,
                content_length: None,
                expected: ExpectedDigests::default(),
                customer_key: customer.clone(),
            };
            let stored = lake.objects.upload_part(&lake.caller(), request, body_of(part.to_vec())).await.unwrap();
            assert_eq!(stored.md5 == md5_of(part), kind.has_md5(), "{kind:?}");
            parts.push(CompletedPart { number, etag: Etag::Md5(stored.md5).to_string(), checksums: Vec::new() });
        }
        let complete = CompleteMultipartUpload {
            upload,
            parts,
            checksums: Vec::new(),
            kind: None,
            size_bytes: None,
            conditions: WriteConditions::default(),
            customer_key: None,
        };
        let made = lake.objects.complete_multipart_upload(&lake.caller(), complete).await.unwrap();
        assert!(made.etag().to_string().ends_with("-2"), "{kind:?}");
        assert_eq!(get(&lake, &name, "parts", customer.as_ref()).await.unwrap(), whole, "{kind:?}");
        let version = lake.objects.unlock(lake.caller().authorizer(), &made, customer.as_ref()).unwrap();
        let mut stream = lake.objects.read(&proof(), &version, 99_999..100_001);
        let mut found = Vec::new();
        while let Some(bytes) = futures::StreamExt::next(&mut stream).await {
            found.extend_from_slice(&bytes.unwrap());
        }
        assert_eq!(found, whole[99_999..100_001], "{kind:?}");

        // Copies to every kind.
        for to in KINDS {
            let copy = CopyObject {
                source_bucket: name.clone(),
                source_key: key(&at),
                source_version: None,
                source_conditions: ReadConditions::default(),
                bucket: name.clone(),
                key: key("copy"),
                metadata: None,
                website_redirect: None,
                tags: None,
                class: None,
                checksum: None,
                conditions: WriteConditions::default(),
                encryption: to.request(&kms_key),
                source_customer_key: customer.clone(),
                lock: VersionLock::default(),
                acl: AclRequest::default(),
            };
            lake.objects.copy_object(&lake.caller(), copy).await.unwrap();
            assert_eq!(get(&lake, &name, "copy", to.customer().as_ref()).await.unwrap(), whole, "{kind:?} to {to:?}");
        }
    }
}

#[tokio::test]
async fn a_customers_key_is_needed_and_must_be_the_one() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let kms_key = kms_key(&lake).await;
    for kind in KINDS {
        put(&lake, &name, &format!("{kind:?}"), kind, &kms_key).await;
    }
    let check = async |kind: Kind, given: Option<CustomerKey>, expected: &str| {
        let at = format!("{kind:?}");
        let found = match get(&lake, &name, &at, given.as_ref()).await {
            Ok(_) => "read",
            Err(ObjectsError::CustomerKeyRequired) => "required",
            Err(ObjectsError::CustomerKeyWrong) => "wrong",
            Err(ObjectsError::CustomerKeyNotApplicable) => "not applicable",
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found, expected, "{kind:?} {}", given.is_some());
        // What tells of the object asks for the same key.
        let version = lake.objects.head_object(&proof(), &name, &key(&at)).unwrap();
        assert_eq!(lake.objects.check_customer_key(&version, given.as_ref()).is_ok(), expected == "read");
    };
    for kind in [Kind::Default, Kind::Lake, Kind::Kms, Kind::ManagedKms] {
        check(kind, None, "read").await;
        check(kind, Some(customer(1)), "not applicable").await;
    }
    check(Kind::Customer, None, "required").await;
    check(Kind::Customer, Some(customer(2)), "wrong").await;
    check(Kind::Customer, Some(customer(1)), "read").await;
    check(Kind::OtherCustomer, Some(customer(1)), "wrong").await;
    // Not unlocked, not read: not even by the lake's own proof.
    let version = lake.objects.head_object(&proof(), &name, &key("Customer")).unwrap();
    let refused = lake.objects.read_whole(&proof(), &version, 1 << 30).await;
    assert!(matches!(refused, Err(ObjectsError::CustomerKeyRequired)));
    let upload = CreateMultipartUpload {
        bucket: name.clone(),
        key: key("u"),
        metadata: ObjectMetadata::default(),
        tags: Tags::default(),
        class: StorageClass::Standard,
        checksum: None,
        encryption: Kind::Customer.request(""),
        lock: VersionLock::default(),
        acl: AclRequest::default(),
    };
    let upload = lake.objects.create_multipart_upload(&lake.caller(), upload).await.unwrap();
    let upload = UploadName { bucket: name.clone(), key: key("u"), upload_id: upload.upload_id() };
    for (given, is_taken) in [(None, false), (Some(customer(2)), false), (Some(customer(1)), true)] {
        let request = UploadPart {
            upload: upload.clone(),
            number: 1,
            content_length: None,
            expected: ExpectedDigests::default(),
            customer_key: given,
        };
        let taken = lake.objects.upload_part(&lake.caller(), request, body_of("x")).await;
        assert_eq!(taken.is_ok(), is_taken, "{taken:?}");
    }
}

/// Lets everything but one action through, and remembers what was asked.
struct AllBut(&'static str, Mutex<Vec<Requirement>>);

impl Authorizer for AllBut {
    fn authorize(&self, principal: &Principal, asked: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
        self.1.lock().extend(asked.iter().cloned());
        match asked.into_iter().find(|requirement| requirement.action == self.0) {
            Some(Requirement { action, resource, .. }) => {
                Err(Denied { principal: principal.clone(), action, resource, because: DeniedBecause::NothingAllows })
            }
            None => Ok(proof()),
        }
    }
}

#[tokio::test]
async fn kms_keys_are_asked_for_each_use() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let kms_key = kms_key(&lake).await;
    put(&lake, &name, "a", Kind::Kms, &kms_key).await;
    let caller_but = |action: &'static str| {
        let (authorizer, caller) = (Arc::new(AllBut(action, Mutex::default())), lake.caller());
        let bound = BoundAuthorizer::new(authorizer.clone(), caller.principal().clone(), Context::new());
        (authorizer, Caller::new(proof(), bound, caller.event().clone()))
    };
    let (asked, caller) = caller_but("kms:GenerateDataKey");
    let request = PutObject { encryption: Kind::Kms.request(&kms_key), ..PutObject::new(name.clone(), key("b")) };
    let refused = lake.objects.put_object(&caller, request, body_of("x")).await;
    assert!(matches!(refused, Err(ObjectsError::Denied(_))));
    let requirement = asked.1.lock().pop().unwrap();
    assert_eq!(requirement.resource.unwrap().to_string(), kms_key);
    for (condition, expected) in [
        ("kms:ViaService", "s3.us-east-1.amazonaws.com"),
        ("kms:CallerAccount", "000000000000"),
        ("kms:EncryptionContext:aws:s3:arn", "arn:aws:s3:::lake-raw/b"),
        ("kms:EncryptionContext:team", "a"),
    ] {
        assert_eq!(requirement.context.get(condition), Some([expected.to_owned()].as_slice()), "{condition}");
    }
    // With a bucket key the context names the bucket.
    let (asked, caller) = caller_but("");
    let request =
        PutObject { encryption: Kind::KmsWithBucketKey.request(&kms_key), ..PutObject::new(name.clone(), key("c")) };
    let stored = lake.objects.put_object(&caller, request, body_of("x")).await.unwrap();
    let found = asked.1.lock().pop().unwrap();
    assert_eq!(found.context.get("kms:EncryptionContext:aws:s3:arn").unwrap(), ["arn:aws:s3:::lake-raw"]);
    let Encryption::Kms(by) = stored.encryption() else { panic!("{:?}", stored.encryption()) };
    assert!(by.bucket_key);
    let (_, caller) = caller_but("kms:Decrypt");
    let version = lake.objects.head_object(&proof(), &name, &key("a")).unwrap();
    assert!(matches!(lake.objects.unlock(caller.authorizer(), &version, None), Err(ObjectsError::Denied(_))));
    // A part, and the completion of an upload, are uses too.
    let upload = CreateMultipartUpload {
        bucket: name.clone(),
        key: key("u"),
        metadata: ObjectMetadata::default(),
        tags: Tags::default(),
        class: StorageClass::Standard,
        checksum: None,
        encryption: Kind::Kms.request(&kms_key),
        lock: VersionLock::default(),
        acl: AclRequest::default(),
    };
    let upload = lake.objects.create_multipart_upload(&caller, upload).await.unwrap();
    let upload = UploadName { bucket: name.clone(), key: key("u"), upload_id: upload.upload_id() };
    let part = |upload: &UploadName| UploadPart {
        upload: upload.clone(),
        number: 1,
        content_length: None,
        expected: ExpectedDigests::default(),
        customer_key: None,
    };
    let refused = lake.objects.upload_part(&caller, part(&upload), body_of("x")).await;
    assert!(matches!(refused, Err(ObjectsError::Denied(_))));
    // A key that is disabled is of no use to anybody, at once: neither for what is there nor for what is under way.
    let stored = lake.objects.upload_part(&lake.caller(), part(&upload), body_of("x")).await.unwrap();
    lake.objects.kms().disable_key(&lake.caller(), &kms_key).await.unwrap();
    let parts = vec![CompletedPart { number: 1, etag: Etag::Md5(stored.md5).to_string(), checksums: Vec::new() }];
    let complete = CompleteMultipartUpload {
        upload: upload.clone(),
        parts,
        checksums: Vec::new(),
        kind: None,
        size_bytes: None,
        conditions: WriteConditions::default(),
        customer_key: None,
    };
    for refused in [
        lake.objects.unlock(lake.caller().authorizer(), &version, None).map(|_| ()),
        lake.objects.upload_part(&lake.caller(), part(&upload), body_of("x")).await.map(|_| ()),
        lake.objects.complete_multipart_upload(&lake.caller(), complete).await.map(|_| ()),
        lake.objects.read_whole(&proof(), &version, 1 << 20).await.map(|_| ()),
    ] {
        assert!(matches!(refused, Err(ObjectsError::Kms(KmsError::Disabled { .. }))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_bucket_says_how_and_what_not() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let kms_key = kms_key(&lake).await;
    let set = async |encryption| lake.objects.set_bucket_encryption(&lake.caller(), &name, encryption).await.unwrap();
    let kind_of = |version: &ObjectVersion| match version.encryption() {
        Encryption::Lake => "lake".to_owned(),
        Encryption::Kms(by) => format!("{} {}", by.key == kms_key, by.bucket_key),
        Encryption::Customer(_) => "customer".to_owned(),
    };
    assert_eq!(kind_of(&put(&lake, &name, "a", Kind::Default, &kms_key).await), "lake");
    let default = DefaultEncryption::Kms { key: Some(kms_key.clone()) };
    let by_kms = BucketEncryption { default, bucket_key: true, customer_keys_blocked: Some(true) };
    set(Some(by_kms.clone())).await;
    assert_eq!(lake.objects.bucket_encryption(&proof(), &name).unwrap(), by_kms);
    assert_eq!(kind_of(&put(&lake, &name, "a", Kind::Default, &kms_key).await), "true true");
    // What a writer says wins, but for what is blocked.
    assert_eq!(kind_of(&put(&lake, &name, "a", Kind::Lake, &kms_key).await), "lake");
    assert_eq!(kind_of(&put(&lake, &name, "a", Kind::Kms, &kms_key).await), "true false");
    assert_eq!(kind_of(&put(&lake, &name, "a", Kind::ManagedKms, &kms_key).await), "false false");
    let request = PutObject { encryption: Kind::Customer.request(""), ..PutObject::new(name.clone(), key("b")) };
    let refused = lake.objects.put_object(&lake.caller(), request, body_of("x")).await;
    assert!(matches!(refused, Err(ObjectsError::CustomerKeysBlocked { .. })));
    set(None).await;
    assert_eq!(kind_of(&put(&lake, &name, "a", Kind::Default, &kms_key).await), "lake");
    assert_eq!(kind_of(&put(&lake, &name, "a", Kind::Customer, &kms_key).await), "customer");
    // The pair that S3 sets itself cannot be set otherwise.
    let context = BTreeMap::from([("aws:s3:arn".to_owned(), "arn:aws:s3:::other".to_owned())]);
    let encryption = EncryptionRequest::Kms { key: Some(kms_key.clone()), context, bucket_key: None };
    let request = PutObject { encryption, ..PutObject::new(name.clone(), key("b")) };
    let refused = lake.objects.put_object(&lake.caller(), request, body_of("x")).await;
    assert!(matches!(refused, Err(ObjectsError::InvalidArgument { .. })));
    let request = PutObject { encryption: Kind::Kms.request("no-such-key"), ..PutObject::new(name.clone(), key("b")) };
    let refused = lake.objects.put_object(&lake.caller(), request, body_of("x")).await;
    assert!(matches!(refused, Err(ObjectsError::Kms(KmsError::NoSuchKey { .. }))));
}

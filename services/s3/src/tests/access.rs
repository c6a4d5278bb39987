//! Every operation refuses those who may not: anonymous, badly signed, unpermitted, explicitly denied.

use super::*;
use crate::resources::operations;

const CORS: &str = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";

/// A request for each operation that is served.
fn example(operation: &str) -> Ask {
    let (get, put, post, delete) = (Method::GET, Method::PUT, Method::POST, Method::DELETE);
    let upload = "uploadId=00000000000000000000000000000000";
    match operation {
        "ListBuckets" => ask(get, "/"),
        "CreateBucket" => ask(put, "/lake-new"),
        "DeleteBucket" => ask(delete, "/lake-raw"),
        "HeadBucket" => ask(Method::HEAD, "/lake-raw"),
        "GetBucketLocation" => ask(get, "/lake-raw?location"),
        "GetBucketPolicy" => ask(get, "/lake-raw?policy"),
        "PutBucketPolicy" => ask(put, "/lake-raw?policy").body("{}"),
        "DeleteBucketPolicy" => ask(delete, "/lake-raw?policy"),
        "GetBucketCors" => ask(get, "/lake-raw?cors"),
        "PutBucketCors" => ask(put, "/lake-raw?cors").body(CORS),
        "DeleteBucketCors" => ask(delete, "/lake-raw?cors"),
        "GetBucketWebsite" => ask(get, "/lake-raw?website"),
        "PutBucketWebsite" => ask(put, "/lake-raw?website").body(
            "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>",
        ),
        "DeleteBucketWebsite" => ask(delete, "/lake-raw?website"),
        "GetBucketMetricsConfiguration" => ask(get, "/lake-raw?metrics&id=m"),
        "PutBucketMetricsConfiguration" => ask(put, "/lake-raw?metrics&id=m")
            .body("<MetricsConfiguration><Id>m</Id></MetricsConfiguration>"),
        "DeleteBucketMetricsConfiguration" => ask(delete, "/lake-raw?metrics&id=m"),
        "ListBucketMetricsConfigurations" => ask(get, "/lake-raw?metrics"),
        "GetBucketIntelligentTieringConfiguration" => ask(get, "/lake-raw?intelligent-tiering&id=t"),
        "PutBucketIntelligentTieringConfiguration" => ask(put, "/lake-raw?intelligent-tiering&id=t").body(
            "<IntelligentTieringConfiguration><Id>t</Id><Status>Enabled</Status><Tiering><Days>90</Days>\
             <AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering></IntelligentTieringConfiguration>",
        ),
        "DeleteBucketIntelligentTieringConfiguration" => ask(delete, "/lake-raw?intelligent-tiering&id=t"),
        "ListBucketIntelligentTieringConfigurations" => ask(get, "/lake-raw?intelligent-tiering"),
        "GetBucketInventoryConfiguration" => ask(get, "/lake-raw?inventory&id=i"),
        "PutBucketInventoryConfiguration" => ask(put, "/lake-raw?inventory&id=i").body(
            "<InventoryConfiguration><Id>i</Id><IsEnabled>false</IsEnabled>\
             <IncludedObjectVersions>All</IncludedObjectVersions><Schedule><Frequency>Daily</Frequency></Schedule>\
             <Destination><S3BucketDestination><Bucket>arn:aws:s3:::lists</Bucket><Format>CSV</Format>\
             </S3BucketDestination></Destination></InventoryConfiguration>",
        ),
        "DeleteBucketInventoryConfiguration" => ask(delete, "/lake-raw?inventory&id=i"),
        "ListBucketInventoryConfigurations" => ask(get, "/lake-raw?inventory"),
        "GetBucketAnalyticsConfiguration" => ask(get, "/lake-raw?analytics&id=a"),
        "PutBucketAnalyticsConfiguration" => ask(put, "/lake-raw?analytics&id=a").body(
            "<AnalyticsConfiguration><Id>a</Id><StorageClassAnalysis></StorageClassAnalysis></AnalyticsConfiguration>",
        ),
        "DeleteBucketAnalyticsConfiguration" => ask(delete, "/lake-raw?analytics&id=a"),
        "ListBucketAnalyticsConfigurations" => ask(get, "/lake-raw?analytics"),
        "GetBucketRequestPayment" => ask(get, "/lake-raw?requestPayment"),
        "PutBucketRequestPayment" => ask(put, "/lake-raw?requestPayment")
            .body("<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>"),
        "GetBucketAccelerateConfiguration" => ask(get, "/lake-raw?accelerate"),
        "PutBucketAccelerateConfiguration" => ask(put, "/lake-raw?accelerate")
            .body("<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>"),
        "GetBucketAbac" => ask(get, "/lake-raw?abac"),
        "PutBucketAbac" => ask(put, "/lake-raw?abac").body("<AbacStatus><Status>Disabled</Status></AbacStatus>"),
        "GetBucketLogging" => ask(get, "/lake-raw?logging"),
        "PutBucketLogging" => ask(put, "/lake-raw?logging").body("<BucketLoggingStatus></BucketLoggingStatus>"),
        "GetBucketNotificationConfiguration" => ask(get, "/lake-raw?notification"),
        "PutBucketNotificationConfiguration" => ask(put, "/lake-raw?notification")
            .body("<NotificationConfiguration></NotificationConfiguration>"),
        "GetBucketReplication" => ask(get, "/lake-raw?replication"),
        "PutBucketReplication" => ask(put, "/lake-raw?replication").body(
            "<ReplicationConfiguration><Role>arn:aws:iam::000000000000:role/r</Role><Rule><Status>Enabled</Status><Prefix></Prefix>\
             <Destination><Bucket>arn:aws:s3:::lake-copy</Bucket></Destination></Rule></ReplicationConfiguration>",
        ),
        "DeleteBucketReplication" => ask(delete, "/lake-raw?replication"),
        "GetBucketTagging" => ask(get, "/lake-raw?tagging"),
        "PutBucketTagging" => ask(put, "/lake-raw?tagging").body("<Tagging><TagSet></TagSet></Tagging>"),
        "DeleteBucketTagging" => ask(delete, "/lake-raw?tagging"),
        "GetBucketVersioning" => ask(get, "/lake-raw?versioning"),
        "PutBucketVersioning" => ask(put, "/lake-raw?versioning")
            .body("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        "GetObjectLockConfiguration" => ask(get, "/lake-raw?object-lock"),
        "PutObjectLockConfiguration" => ask(put, "/lake-raw?object-lock").body(
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
        ),
        "GetObjectRetention" => ask(get, "/lake-raw/k?retention"),
        "PutObjectRetention" => ask(put, "/lake-raw/k?retention").body("<Retention></Retention>"),
        "GetObjectLegalHold" => ask(get, "/lake-raw/k?legal-hold"),
        "PutObjectLegalHold" => {
            ask(put, "/lake-raw/k?legal-hold").body("<LegalHold><Status>ON</Status></LegalHold>")
        }
        "GetBucketEncryption" => ask(get, "/lake-raw?encryption"),
        "PutBucketEncryption" => ask(put, "/lake-raw?encryption").body(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
        ),
        "DeleteBucketEncryption" => ask(delete, "/lake-raw?encryption"),
        "GetBucketAcl" => ask(get, "/lake-raw?acl"),
        "PutBucketAcl" => ask(put, "/lake-raw?acl").header("x-amz-acl", "private"),
        "GetObjectAcl" => ask(get, "/lake-raw/k?acl"),
        "PutObjectAcl" => ask(put, "/lake-raw/k?acl").header("x-amz-acl", "private"),
        "GetBucketOwnershipControls" => ask(get, "/lake-raw?ownershipControls"),
        "PutBucketOwnershipControls" => ask(put, "/lake-raw?ownershipControls")
            .body("<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>"),
        "DeleteBucketOwnershipControls" => ask(delete, "/lake-raw?ownershipControls"),
        "GetPublicAccessBlock" => ask(get, "/lake-raw?publicAccessBlock"),
        "PutPublicAccessBlock" => ask(put, "/lake-raw?publicAccessBlock")
            .body("<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>"),
        "DeletePublicAccessBlock" => ask(delete, "/lake-raw?publicAccessBlock"),
        "GetBucketPolicyStatus" => ask(get, "/lake-raw?policyStatus"),
        "GetBucketLifecycleConfiguration" => ask(get, "/lake-raw?lifecycle"),
        "PutBucketLifecycleConfiguration" => ask(put, "/lake-raw?lifecycle").body(
            "<LifecycleConfiguration><Rule><Prefix></Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>",
        ),
        "DeleteBucketLifecycle" => ask(delete, "/lake-raw?lifecycle"),
        "ListObjects" => ask(get, "/lake-raw"),
        "ListObjectsV2" => ask(get, "/lake-raw?list-type=2"),
        "ListObjectVersions" => ask(get, "/lake-raw?versions"),
        "ListMultipartUploads" => ask(get, "/lake-raw?uploads"),
        "GetObject" => ask(get, "/lake-raw/k"),
        "HeadObject" => ask(Method::HEAD, "/lake-raw/k"),
        "SelectObjectContent" => ask(post, "/lake-raw/k?select&select-type=2").body(
            "<SelectObjectContentRequest><Expression>SELECT * FROM s3object</Expression><ExpressionType>SQL</ExpressionType>\
             <InputSerialization><CSV></CSV></InputSerialization><OutputSerialization><CSV></CSV></OutputSerialization>\
             </SelectObjectContentRequest>",
        ),
        "GetObjectAttributes" => ask(get, "/lake-raw/k?attributes").header("x-amz-object-attributes", "ETag"),
        "RestoreObject" => {
            ask(post, "/lake-raw/k?restore").body("<RestoreRequest><Days>1</Days></RestoreRequest>")
        }
        "GetObjectTagging" => ask(get, "/lake-raw/k?tagging"),
        "PutObjectTagging" => ask(put, "/lake-raw/k?tagging").body("<Tagging><TagSet></TagSet></Tagging>"),
        "DeleteObjectTagging" => ask(delete, "/lake-raw/k?tagging"),
        "PutObject" => ask(put, "/lake-raw/k").body("bytes"),
        "CreateMultipartUpload" => ask(post, "/lake-raw/k?uploads"),
        "UploadPart" => ask(put, format!("/lake-raw/k?partNumber=1&{upload}")).body("bytes"),
        "CompleteMultipartUpload" => ask(post, format!("/lake-raw/k?{upload}"))
            .body("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"x\"</ETag></Part></CompleteMultipartUpload>"),
        "CopyObject" => ask(put, "/lake-raw/copy").header("x-amz-copy-source", "/lake-raw/k"),
        "UploadPartCopy" => {
            ask(put, format!("/lake-raw/copy?partNumber=1&{upload}")).header("x-amz-copy-source", "/lake-raw/k")
        }
        "AbortMultipartUpload" => ask(delete, format!("/lake-raw/k?{upload}")),
        "ListParts" => ask(get, format!("/lake-raw/k?{upload}")),
        "DeleteObject" => ask(delete, "/lake-raw/k"),
        "DeleteObjects" => {
            ask(post, "/lake-raw?delete").body("<Delete><Object><Key>k</Key></Object></Delete>").header("content-md5", "5DKh5iefM5MSKvRILIuFwQ==")
        }
        other => panic!("{other} has no example"),
    }
}

/// Whether the answer is a refusal; a HEAD says it without a body, and a delete of many says it for each key.
fn refused(answer: &Answer, code: &str) -> bool {
    match answer.status.as_u16() {
        403 => answer.body.is_empty() || answer.element("Code") == Some(code),
        // what is selected comes as events, which are no text
        200 => {
            std::str::from_utf8(&answer.body).is_ok()
                && answer.text().contains("DeleteResult")
                && answer.element("Code") == Some(code)
                && !answer.text().contains("<Deleted>")
        }
        _ => false,
    }
}

#[tokio::test]
async fn every_operation_refuses_whom_it_must() {
    let server = Server::with_bucket().await;
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw/k").body("bytes")).await.outcome(), "200");
    for operation in operations() {
        let example = example(operation.name);
        let check = |answer: &Answer, code: &str, who: &str| {
            assert!(refused(answer, code), "{} by {who}: {} {}", operation.name, answer.outcome(), answer.text());
        };
        check(&server.anonymous(example.clone()).await, "AccessDenied", "nobody");
        let (mut parts, body) = example.request().into_parts();
        let wrong = Signer { secret_access_key: "wrong".to_owned(), ..signer(ROOT) };
        wrong.sign(&mut parts, Payload::Sha256(tarn_sigv4::sha256(&body)), now()).unwrap();
        check(&server.send(Request::from_parts(parts, body)).await, "SignatureDoesNotMatch", "a wrong secret");
        check(&server.signed("AKIANOBODY00000000000", example.clone()).await, "InvalidAccessKeyId", "an unknown key");
        server.users.set("ada", r#"{"Effect":"Allow","Action":"s3:Nothing","Resource":"*"}"#);
        check(&server.user(example.clone()).await, "AccessDenied", "a user without permission");
        let deny = format!(
            r#"{{"Effect":"Allow","Action":"s3:*","Resource":"*"}},{{"Effect":"Deny","Action":"{}","Resource":"*"}}"#,
            operation.action
        );
        server.users.set("ada", &deny);
        check(&server.user(example.clone()).await, "AccessDenied", "a denied user");
        assert_eq!(server.objects.bucket_owner(&tarn_objects::BucketName::new("lake-new").unwrap()).unwrap(), None);
    }
    // Nothing of it has done anything: what is there is as it was, and root may do all of it.
    assert_eq!(server.root(ask(Method::GET, "/lake-raw/k")).await.text(), "bytes");
    for operation in operations() {
        let answer = server.root(example(operation.name)).await;
        assert!(!refused(&answer, "AccessDenied"), "{} by root: {}", operation.name, answer.outcome());
        assert_ne!(answer.status.as_u16(), 501, "{}", operation.name);
    }
    let recorded = server.gate.failures.lock().unwrap();
    for operation in operations() {
        let codes: Vec<&str> =
            recorded.iter().filter(|(name, _)| name == operation.name).map(|(_, code)| code.as_str()).collect();
        let count = |wanted: &str| codes.iter().filter(|code| **code == wanted).count();
        // A HEAD has no body to tell the code in.
        let (signature, key) = match operation.name.starts_with("Head") {
            true => (count("Forbidden"), count("Forbidden")),
            false => (count("SignatureDoesNotMatch"), count("InvalidAccessKeyId")),
        };
        assert!(signature > 0 && key > 0, "{}: {codes:?}", operation.name);
        assert!(operation.asks_in_handler || count("AccessDenied") >= 3, "{}: {codes:?}", operation.name);
    }
}

#[tokio::test]
async fn the_user_with_just_the_action_gets_in() {
    let server = Server::with_bucket().await;
    server.root(ask(Method::PUT, "/lake-raw/k").body("bytes")).await;
    for operation in operations() {
        let mut actions = vec![operation.action];
        match operation.name {
            "CopyObject" | "UploadPartCopy" | "GetObjectAttributes" => actions.push("s3:GetObject"),
            "PutBucketReplication" => actions.push("iam:PassRole"),
            "DeleteBucket" | "DeleteObject" | "DeleteObjects" => continue,
            _ => {}
        }
        let actions: Vec<String> = actions.iter().map(|action| format!("\"{action}\"")).collect();
        server.users.set("ada", &format!(r#"{{"Effect":"Allow","Action":[{}],"Resource":"*"}}"#, actions.join(",")));
        let answer = server.user(example(operation.name)).await;
        assert!(!refused(&answer, "AccessDenied"), "{}: {} {}", operation.name, answer.outcome(), answer.text());
    }
}

#[tokio::test]
async fn missing_keys_are_told_to_those_who_may_list() {
    let server = Server::with_bucket().await;
    server.users.set("ada", r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#);
    assert_eq!(server.user(ask(Method::GET, "/lake-raw/gone")).await.outcome(), "403 AccessDenied");
    server.users.set("ada", r#"{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":"*"}"#);
    assert_eq!(server.user(ask(Method::GET, "/lake-raw/gone")).await.outcome(), "404 NoSuchKey");
    assert_eq!(server.user(ask(Method::GET, "/lake-gone/k")).await.outcome(), "404 NoSuchBucket");
}

#[tokio::test]
async fn condition_keys_come_from_the_request_and_the_object() {
    let server = Server::with_bucket().await;
    let tagged = ask(Method::PUT, "/lake-raw/k").body("bytes").header("x-amz-tagging", "zone=raw");
    assert_eq!(server.root(tagged.clone()).await.outcome(), "200");
    let allow = |action: &str, condition: &str| {
        let statement = format!(r#"{{"Effect":"Allow","Action":[{action}],"Resource":"*","Condition":{condition}}}"#);
        server.users.set("ada", &statement);
    };
    allow(r#""s3:ListBucket""#, r#"{"StringEquals":{"s3:prefix":"a/"}}"#);
    assert_eq!(server.user(ask(Method::GET, "/lake-raw?list-type=2&prefix=a%2F")).await.outcome(), "200");
    assert_eq!(server.user(ask(Method::GET, "/lake-raw?list-type=2&prefix=b%2F")).await.outcome(), "403 AccessDenied");
    assert_eq!(server.user(ask(Method::GET, "/lake-raw?list-type=2")).await.outcome(), "403 AccessDenied");
    allow(r#""s3:GetObject""#, r#"{"StringEquals":{"s3:ExistingObjectTag/zone":"raw"}}"#);
    assert_eq!(server.user(ask(Method::GET, "/lake-raw/k")).await.outcome(), "200");
    allow(r#""s3:GetObject""#, r#"{"StringEquals":{"s3:ExistingObjectTag/zone":"gold"}}"#);
    assert_eq!(server.user(ask(Method::GET, "/lake-raw/k")).await.outcome(), "403 AccessDenied");
    allow(r#""s3:PutObject","s3:PutObjectTagging""#, r#"{"StringEquals":{"s3:RequestObjectTag/zone":"raw"}}"#);
    assert_eq!(server.user(tagged).await.outcome(), "200");
    assert_eq!(server.user(ask(Method::PUT, "/lake-raw/k").body("x")).await.outcome(), "403 AccessDenied");
    let tag = |value: &str| {
        let body = format!("<Tagging><TagSet><Tag><Key>zone</Key><Value>{value}</Value></Tag></TagSet></Tagging>");
        ask(Method::PUT, "/lake-raw/k?tagging").body(body)
    };
    assert_eq!(server.user(tag("raw")).await.outcome(), "200");
    assert_eq!(server.user(tag("gold")).await.outcome(), "403 AccessDenied");
}

#[tokio::test]
async fn a_bucket_policy_opens_and_closes() {
    let server = Server::with_bucket().await;
    server.root(ask(Method::PUT, "/lake-raw/open/k").body("bytes")).await;
    assert_eq!(server.root(ask(Method::DELETE, "/lake-raw?publicAccessBlock")).await.outcome(), "204");
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::lake-raw/open/*"}]}"#;
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw?policy").body(policy)).await.outcome(), "204");
    assert_eq!(server.root(ask(Method::GET, "/lake-raw?policy")).await.text(), policy);
    assert_eq!(server.anonymous(ask(Method::GET, "/lake-raw/open/k")).await.text(), "bytes");
    assert_eq!(server.anonymous(ask(Method::GET, "/lake-raw/shut/k")).await.outcome(), "403 AccessDenied");
    assert_eq!(
        server.anonymous(ask(Method::GET, "/lake-raw/open/k?response-content-type=x")).await.outcome(),
        "400 InvalidRequest"
    );
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw?policy").body("{}")).await.outcome(), "400 MalformedPolicy");
    assert_eq!(server.root(ask(Method::DELETE, "/lake-raw?policy")).await.outcome(), "204");
    assert_eq!(server.anonymous(ask(Method::GET, "/lake-raw/open/k")).await.outcome(), "403 AccessDenied");
    assert_eq!(server.root(ask(Method::GET, "/lake-raw?policy")).await.outcome(), "404 NoSuchBucketPolicy");
}

/// RustFS's uploads by part copy asked only for the target (GHSA-wfxj): both ends are asked for.
#[tokio::test]
async fn copies_ask_for_source_and_target() {
    let server = Server::with_bucket().await;
    server.root(ask(Method::PUT, "/lake-raw/secret/k").body("bytes")).await;
    let statements = r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::lake-raw/mine/*"}"#;
    server.users.set("ada", statements);
    for source in ["/lake-raw/secret/k", "lake-raw/secret%2Fk", "lake-raw/mine/../secret/k"] {
        let copy = ask(Method::PUT, "/lake-raw/mine/k").header("x-amz-copy-source", source);
        let answer = server.user(copy).await;
        assert_eq!(answer.outcome(), "403 AccessDenied", "{source}");
    }
    let mine = ask(Method::PUT, "/lake-raw/other/k").header("x-amz-copy-source", "/lake-raw/mine/k");
    assert_eq!(server.user(mine).await.outcome(), "403 AccessDenied");
}

#[tokio::test]
async fn accounts_are_apart() {
    let server = Server::with_bucket().await;
    server.root(ask(Method::PUT, "/lake-raw/k").body("bytes")).await;
    let stranger = |ask: Ask| server.signed(STRANGER, ask);
    assert_eq!(stranger(ask(Method::PUT, "/lake-raw")).await.outcome(), "409 BucketAlreadyExists");
    assert_eq!(stranger(ask(Method::GET, "/lake-raw/k")).await.outcome(), "403 AccessDenied");
    assert_eq!(stranger(ask(Method::GET, "/lake-raw?list-type=2")).await.outcome(), "403 AccessDenied");
    assert!(!stranger(ask(Method::GET, "/")).await.text().contains("lake-raw"));
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::lake-raw/*"}]}"#;
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw?policy").body(policy)).await.outcome(), "204");
    assert_eq!(stranger(ask(Method::GET, "/lake-raw/k")).await.text(), "bytes");
    assert_eq!(stranger(ask(Method::PUT, "/lake-raw/k").body("x")).await.outcome(), "403 AccessDenied");
    assert_eq!(stranger(ask(Method::PUT, "/lake-theirs")).await.outcome(), "200");
    assert_eq!(server.root(ask(Method::GET, "/lake-theirs?list-type=2")).await.outcome(), "403 AccessDenied");
}

#[tokio::test]
async fn unserved_operations_say_so() {
    let server = Server::with_bucket().await;
    for target in ["/lake-raw/k?torrent", "/lake-raw?metadataConfiguration"] {
        assert_eq!(server.root(ask(Method::GET, target)).await.outcome(), "501 NotImplemented", "{target}");
    }
    let header = |name, value: &str| ask(Method::PUT, "/lake-raw/k").body("x").header(name, value);
    for (name, value, expected) in [
        ("x-amz-storage-class", "NONE_SUCH", "400 InvalidStorageClass"),
        ("x-amz-server-side-encryption", "aws:kms:dsse", "501 NotImplemented"),
        ("x-amz-server-side-encryption", "ROT13", "400 InvalidArgument"),
        ("x-amz-acl", "public-read", "400 AccessControlListNotSupported"),
        ("x-amz-object-lock-mode", "COMPLIANCE", "400 InvalidArgument"),
        ("x-amz-object-lock-legal-hold", "ON", "400 InvalidRequest"),
        ("x-amz-website-redirect-location", "x", "400 InvalidRedirectLocation"),
        ("x-amz-tagging", "aws:x=y", "400 InvalidTag"),
        ("x-amz-expected-bucket-owner", "111111111111", "403 AccessDenied"),
        ("x-amz-expected-bucket-owner", "000000000000", "200"),
        ("x-amz-security-token", "stolen", "400 InvalidToken"),
    ] {
        assert_eq!(server.root(header(name, value)).await.outcome(), expected, "{name}: {value}");
    }
}

/// Clients that know no region sign for none.
#[tokio::test]
async fn a_signature_for_no_region_is_for_the_lakes_own() {
    let server = Server::with_bucket().await;
    let outcome = async |region: &str, secret: &str| {
        let mut parts = ask(Method::PUT, "/lake-raw/k").request().into_parts().0;
        let signer = Signer { region: region.to_owned(), secret_access_key: secret.to_owned(), ..signer(ROOT) };
        signer.sign(&mut parts, Payload::Sha256(tarn_sigv4::sha256(b"")), now()).unwrap();
        server.send(Request::from_parts(parts, Bytes::new())).await.outcome()
    };
    assert_eq!(outcome("", SECRET).await, "200");
    assert_eq!(outcome("us-east-1", SECRET).await, "200");
    assert_eq!(outcome("eu-west-1", SECRET).await, "400 AuthorizationHeaderMalformed");
    assert_eq!(outcome("", "another").await, "403 SignatureDoesNotMatch");
}

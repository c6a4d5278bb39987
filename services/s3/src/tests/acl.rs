//! Lists as they are asked for and shown, whose they are, and what refuses them.

use super::*;

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

impl Server {
    /// A bucket in which lists work and nothing is blocked.
    async fn with_lists() -> Self {
        let server = Self::with_bucket().await;
        let rule =
            "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>";
        let put = ask(Method::PUT, "/lake-raw?ownershipControls").body(rule);
        assert_eq!(server.root(put).await.outcome(), "200");
        assert_eq!(server.root(ask(Method::DELETE, "/lake-raw?publicAccessBlock")).await.outcome(), "204");
        server
    }

    /// The grants of a list, one word each.
    async fn grants(&self, target: &str) -> Vec<String> {
        let answer = self.root(ask(Method::GET, target)).await;
        assert_eq!(answer.outcome(), "200", "{}", answer.text());
        let grants = answer.text().split("<Grant>").skip(1);
        let within = |text: &str, name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
        };
        grants
            .map(|grant| {
                let who = within(grant, "ID").or_else(|| within(grant, "URI")).unwrap();
                format!("{} {}", who.rsplit('/').next().unwrap(), within(grant, "Permission").unwrap())
            })
            .collect()
    }
}

fn xml(owner: &str, grants: &str) -> String {
    format!(
        r#"<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>{owner}</ID></Owner><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"#
    )
}

fn grant(kind: &str, grantee: &str, permission: &str) -> String {
    format!(
        r#"<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="{kind}">{grantee}</Grantee><Permission>{permission}</Permission></Grant>"#
    )
}

#[tokio::test]
async fn lists_come_back_as_they_were_asked_for() {
    let server = Server::with_lists().await;
    server.root(ask(Method::PUT, "/lake-raw/k").body("bytes")).await;
    let owner = "canonical-000000000000";
    let full = format!("{owner} FULL_CONTROL");
    let check = async |target: &str, headers: &[(&'static str, &str)], body: &str, expected: &[&str]| {
        let mut put = ask(Method::PUT, target).body(body.to_owned());
        for (name, value) in headers {
            put = put.header(name, *value);
        }
        let answer = server.root(put).await;
        assert_eq!(answer.outcome(), "200", "{headers:?} {body}: {}", answer.text());
        assert_eq!(server.grants(target).await, expected, "{headers:?} {body}");
    };
    for target in ["/lake-raw?acl", "/lake-raw/k?acl"] {
        check(target, &[("x-amz-acl", "public-read")], "", &["AllUsers READ", &full]).await;
        let open = &["AllUsers READ", "AllUsers WRITE", full.as_str()];
        check(target, &[("x-amz-acl", "public-read-write")], "", open).await;
        check(target, &[("x-amz-acl", "authenticated-read")], "", &["AuthenticatedUsers READ", &full]).await;
        let za_team = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c READ";
        check(target, &[("x-amz-acl", "aws-exec-read")], "", &[za_team, &full]).await;
        check(target, &[("x-amz-acl", "private")], "", &[&full]).await;
        let read = r#"id="canonical-111111111111", uri=http://acs.amazonaws.com/groups/global/AllUsers"#;
        let listed = &["AllUsers READ", "canonical-111111111111 READ", "canonical-111111111111 WRITE_ACP"];
        let by_email = ("x-amz-grant-write-acp", "emailAddress=stranger@example.com");
        check(target, &[("x-amz-grant-read", read), by_email], "", listed).await;
        check(target, &[], &xml(owner, ""), &[]).await;
        let id = grant("CanonicalUser", "<ID>canonical-111111111111</ID>", "READ_ACP");
        let group = grant("Group", &format!("<URI>{ALL_USERS}</URI>"), "READ");
        let email = grant(
            "AmazonCustomerByEmail",
            "<EmailAddress>Stranger@example.com</EmailAddress>".replace('S', "s").as_str(),
            "WRITE",
        );
        let listed = &["AllUsers READ", "canonical-111111111111 READ_ACP", "canonical-111111111111 WRITE"];
        check(target, &[], &xml(owner, &format!("{id}{group}{email}")), listed).await;
    }
    check(
        "/lake-raw?acl",
        &[("x-amz-acl", "log-delivery-write")],
        "",
        &["LogDelivery WRITE", "LogDelivery READ_ACP", &full],
    )
    .await;
    let answer = server.root(ask(Method::GET, "/lake-raw?acl")).await;
    assert!(answer.text().contains("<DisplayName>name of 000000000000</DisplayName>"), "{}", answer.text());
}

#[tokio::test]
async fn lists_that_cannot_be_are_refused() {
    let server = Server::with_lists().await;
    server.root(ask(Method::PUT, "/lake-raw/k").body("bytes")).await;
    let put = |target: &str| ask(Method::PUT, target);
    let owner = "canonical-000000000000";
    let id = |id: &str| grant("CanonicalUser", &format!("<ID>{id}</ID>"), "READ");
    for target in ["/lake-raw?acl", "/lake-raw/k?acl"] {
        for (ask, expected) in [
            (put(target), "400 MissingSecurityHeader"),
            (put(target).header("x-amz-acl", "public-ready"), "400 InvalidArgument"),
            (
                put(target).header("x-amz-acl", "private").header("x-amz-grant-read", "id=canonical-111111111111"),
                "400 InvalidRequest",
            ),
            (put(target).header("x-amz-acl", "private").body(xml(owner, "")), "400 UnexpectedContent"),
            (put(target).header("x-amz-grant-read", "id=nobody"), "400 InvalidArgument"),
            (put(target).header("x-amz-grant-read", "nobody"), "400 InvalidArgument"),
            (put(target).header("x-amz-grant-read", "name=nobody"), "400 InvalidArgument"),
            (put(target).header("x-amz-grant-read", "uri=http://example.com/"), "400 InvalidArgument"),
            (
                put(target).header("x-amz-grant-read", "emailAddress=gone@example.com"),
                "400 UnresolvableGrantByEmailAddress",
            ),
            (
                put(target).header("x-amz-grant-read", "emailAddress=both@example.com"),
                "400 AmbiguousGrantByEmailAddress",
            ),
            (put(target).body(xml(owner, &id("_foo"))), "400 InvalidArgument"),
            (put(target).body(xml("canonical-111111111111", "")), "403 AccessDenied"),
            (put(target).body(xml(owner, &grant("Group", "<ID>x</ID>", "READ"))), "400 MalformedACLError"),
            (
                put(target).body(xml(owner, &grant("CanonicalUser", "<ID>canonical-111111111111</ID>", "FLY"))),
                "400 MalformedACLError",
            ),
            (put(target).body("<AccessControlPolicy></AccessControlPolicy>"), "400 MalformedACLError"),
            (put(target).body(xml(owner, &id("canonical-111111111111").repeat(101))), "400 MalformedACLError"),
        ] {
            let answer = server.root(ask.clone()).await;
            assert_eq!(answer.outcome(), expected, "{ask:?}: {}", answer.text());
        }
    }
    assert_eq!(
        server.root(put("/lake-raw/k?acl").header("x-amz-acl", "log-delivery-write")).await.outcome(),
        "400 InvalidArgument"
    );
    assert_eq!(server.root(put("/lake-raw/gone?acl").header("x-amz-acl", "private")).await.outcome(), "404 NoSuchKey");
}

#[tokio::test]
async fn writers_own_what_they_put_and_may_say_who_reads_it() {
    let server = Server::with_lists().await;
    let stranger = |ask: Ask| server.signed(STRANGER, ask);
    let put = |acl: &str| ask(Method::PUT, "/lake-raw/k").body("bytes").header("x-amz-acl", acl);
    let get = || ask(Method::GET, "/lake-raw/k");
    assert_eq!(stranger(put("private")).await.outcome(), "403 AccessDenied");
    let open = ask(Method::PUT, "/lake-raw?acl").header("x-amz-acl", "public-read-write");
    assert_eq!(server.root(open).await.outcome(), "200");
    assert_eq!(stranger(put("private")).await.outcome(), "200");
    assert_eq!(server.root(get()).await.outcome(), "403 AccessDenied");
    assert_eq!(stranger(get()).await.text(), "bytes");
    let listing = server.root(ask(Method::GET, "/lake-raw")).await;
    assert!(listing.text().contains("<ID>canonical-111111111111</ID>"), "{}", listing.text());
    assert_eq!(stranger(put("bucket-owner-read")).await.outcome(), "200");
    assert_eq!(server.root(get()).await.text(), "bytes");
    assert_eq!(server.root(ask(Method::GET, "/lake-raw/k?acl")).await.outcome(), "403 AccessDenied");
    assert_eq!(stranger(put("bucket-owner-full-control")).await.outcome(), "200");
    let full = ["canonical-111111111111 FULL_CONTROL", "canonical-000000000000 FULL_CONTROL"];
    assert_eq!(server.grants("/lake-raw/k?acl").await, full);
    assert_eq!(server.anonymous(get()).await.outcome(), "403 AccessDenied");
    assert_eq!(stranger(put("public-read")).await.outcome(), "200");
    assert_eq!(server.anonymous(get()).await.text(), "bytes");
    // A user needs s3:PutObjectAcl of its own account, too.
    server.users.set("ada", r#"{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}"#);
    assert_eq!(server.user(put("private")).await.outcome(), "403 AccessDenied");
    server.users.set("ada", r#"{"Effect":"Allow","Action":["s3:PutObject","s3:PutObjectAcl"],"Resource":"*"}"#);
    assert_eq!(server.user(put("private")).await.outcome(), "200");
}

#[tokio::test]
async fn what_is_not_there_is_told_to_whom_it_may() {
    let server = Server::with_lists().await;
    let get = |at: &str| ask(Method::GET, at);
    assert_eq!(server.anonymous(get("/lake-gone/k")).await.outcome(), "404 NoSuchBucket");
    assert_eq!(server.anonymous(ask(Method::DELETE, "/lake-gone/k")).await.outcome(), "404 NoSuchBucket");
    assert_eq!(server.anonymous(get("/lake-raw/gone")).await.outcome(), "403 AccessDenied");
    let policy = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::lake-raw","Condition":{"StringLike":{"s3:prefix":"public/*"}}}}"#;
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw?policy").body(policy)).await.outcome(), "204");
    assert_eq!(server.anonymous(get("/lake-raw/public/gone")).await.outcome(), "404 NoSuchKey");
    assert_eq!(server.anonymous(get("/lake-raw/gone")).await.outcome(), "403 AccessDenied");
    server.root(ask(Method::PUT, "/lake-raw/public/k").body("bytes")).await;
    assert_eq!(server.anonymous(get("/lake-raw/public/k")).await.outcome(), "403 AccessDenied");
}

#[tokio::test]
async fn buckets_are_public_by_policy_or_list() {
    let server = Server::with_lists().await;
    let status = async || {
        let answer = server.root(ask(Method::GET, "/lake-raw?policyStatus")).await;
        answer.element("IsPublic").unwrap().to_ascii_lowercase()
    };
    assert_eq!(status().await, "false");
    let acl = |acl: &str| ask(Method::PUT, "/lake-raw?acl").header("x-amz-acl", acl);
    server.root(acl("authenticated-read")).await;
    assert_eq!(status().await, "true");
    server.root(acl("private")).await;
    assert_eq!(status().await, "false");
    let policy = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::lake-raw/*"}}"#;
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw?policy").body(policy)).await.outcome(), "204");
    assert_eq!(status().await, "true");
    let block =
        "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>";
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw?publicAccessBlock").body(block)).await.outcome(), "200");
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw?policy").body(policy)).await.outcome(), "403 AccessDenied");
}

//! Cross-origin requests: preflights without signatures, and the headers of answers.

use super::*;

const RULES: &str = "<CORSConfiguration>\
    <CORSRule><ID>pages</ID><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
    <AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
    <MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>\
    <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";

fn preflight(target: &str, origin: &str, method: &str, headers: &str) -> Ask {
    let mut asked = ask(Method::OPTIONS, target);
    for (name, value) in
        [("origin", origin), ("access-control-request-method", method), ("access-control-request-headers", headers)]
    {
        if !value.is_empty() {
            asked = asked.header(name, value);
        }
    }
    asked
}

#[tokio::test]
async fn rules_come_back_as_they_were_put() {
    let server = Server::with_bucket().await;
    assert_eq!(server.root(ask(Method::GET, "/lake-raw?cors")).await.outcome(), "404 NoSuchCORSConfiguration");
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw?cors").body(RULES)).await.outcome(), "200");
    let answer = server.root(ask(Method::GET, "/lake-raw?cors")).await;
    for part in RULES.split("<CORSRule>").skip(1).flat_map(|rule| rule.split_inclusive('>')) {
        assert!(answer.text().contains(part), "{part} in {}", answer.text());
    }
    assert_eq!(server.root(ask(Method::DELETE, "/lake-raw?cors")).await.outcome(), "204");
    assert_eq!(server.root(ask(Method::GET, "/lake-raw?cors")).await.outcome(), "404 NoSuchCORSConfiguration");
    let wrong = RULES.replace("<AllowedMethod>PUT", "<AllowedMethod>PATCH");
    assert_eq!(server.root(ask(Method::PUT, "/lake-raw?cors").body(wrong)).await.outcome(), "400 InvalidRequest");
    // A bucket of the same name has no rules of the one before it.
    server.root(ask(Method::PUT, "/lake-raw?cors").body(RULES)).await;
    server.root(ask(Method::DELETE, "/lake-raw")).await;
    server.root(ask(Method::PUT, "/lake-raw")).await;
    assert_eq!(server.root(ask(Method::GET, "/lake-raw?cors")).await.outcome(), "404 NoSuchCORSConfiguration");
}

#[tokio::test]
async fn preflights_are_answered_by_the_rules() {
    let server = Server::with_bucket().await;
    let page = "https://a.example.com";
    let refused = server.anonymous(preflight("/lake-raw/k", page, "GET", "")).await;
    assert_eq!(refused.outcome(), "403 AccessForbidden");
    assert_eq!(refused.element("ResourceType"), Some("OBJECT"));
    server.root(ask(Method::PUT, "/lake-raw?cors").body(RULES)).await;
    let check = async |asked: Ask, expected: &str, origin: Option<&str>| {
        let answer = server.anonymous(asked.clone()).await;
        assert_eq!(answer.outcome(), expected, "{asked:?}");
        assert_eq!(answer.header("access-control-allow-origin"), origin, "{asked:?}");
    };
    check(preflight("/lake-raw/k", page, "PUT", "X-Amz-Date, x-amz-acl"), "200", Some(page)).await;
    check(preflight("/lake-raw/k", page, "PUT", "authorization"), "403 AccessForbidden", None).await;
    check(preflight("/lake-raw/k", "https://b.org", "PUT", ""), "403 AccessForbidden", None).await;
    check(preflight("/lake-raw/k", "https://b.org", "GET", ""), "200", Some("*")).await;
    check(preflight("/lake-raw", page, "", ""), "400 BadRequest", None).await;
    check(preflight("/lake-raw", page, "<b>", ""), "400 BadRequest", None).await;
    check(preflight("/lake-raw", "", "GET", ""), "400 BadRequest", None).await;
    check(preflight("/lake-other/k", page, "GET", ""), "403 AccessForbidden", None).await;
    check(preflight("/", page, "GET", ""), "403 AccessForbidden", None).await;
    check(preflight("/No%20Bucket/k", page, "GET", ""), "403 AccessForbidden", None).await;

    let answer = server.anonymous(preflight("/lake-raw/k", page, "PUT", "X-Amz-Date,x-amz-acl")).await;
    for (name, expected) in [
        ("access-control-allow-methods", Some("GET, PUT")),
        ("access-control-allow-headers", Some("x-amz-date, x-amz-acl")),
        ("access-control-expose-headers", Some("ETag")),
        ("access-control-max-age", Some("60")),
        ("access-control-allow-credentials", Some("true")),
        ("vary", Some("Origin, Access-Control-Request-Headers, Access-Control-Request-Method")),
    ] {
        assert_eq!(answer.header(name), expected, "{name}");
    }
    // Whoever lets in everybody lets nobody's cookies in.
    let answer = server.anonymous(preflight("/lake-raw/k", "https://b.org", "GET", "")).await;
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn answers_say_which_pages_may_read_them() {
    let server = Server::with_bucket().await;
    server.root(ask(Method::PUT, "/lake-raw?cors").body(RULES)).await;
    let check = async |method: Method, origin: Option<&'static str>, expected: Option<&str>| {
        let mut asked = ask(method, "/lake-raw/k").body("");
        if let Some(origin) = origin {
            asked = asked.header("origin", origin);
        }
        for answer in [server.root(asked.clone()).await, server.anonymous(asked.clone()).await] {
            let found = answer.header("access-control-allow-origin");
            assert_eq!(found, expected, "{asked:?} {}", answer.outcome());
            assert_eq!(answer.header("vary").is_some(), expected.is_some());
        }
    };
    check(Method::GET, Some("https://a.example.com"), Some("https://a.example.com")).await;
    check(Method::PUT, Some("https://a.example.com"), Some("https://a.example.com")).await;
    check(Method::DELETE, Some("https://a.example.com"), None).await;
    check(Method::GET, Some("https://b.org"), Some("*")).await;
    check(Method::GET, None, None).await;
}

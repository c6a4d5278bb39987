//! What must hold whatever the policies are: no panic, and changes that can only move an answer one way.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct Drawn {
    effect: &'static str,
    action: &'static str,
    resource: &'static str,
    condition: &'static str,
    principal: &'static str,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let effect = prop::sample::select(vec!["Allow", "Deny"]);
    let action = prop::sample::select(vec![
        r#""Action":"*""#,
        r#""Action":"s3:Get*""#,
        r#""NotAction":"s3:GetObject""#,
        r#""Action":"s3:PutObject""#,
    ]);
    let resource = prop::sample::select(vec![
        r#""Resource":"*""#,
        r#""Resource":"arn:aws:s3:::b/${aws:username}/*""#,
        r#""NotResource":"arn:aws:s3:::b/k""#,
    ]);
    let condition = prop::sample::select(vec![
        "",
        r#","Condition":{"StringEquals":{"s3:key":"a"}}"#,
        r#","Condition":{"StringNotEquals":{"s3:key":"a"}}"#,
        r#","Condition":{"Null":{"s3:key":"true"}}"#,
    ]);
    let principal = prop::sample::select(vec![
        r#""Principal":"*","#,
        r#""Principal":{"AWS":"111111111111"},"#,
        r#""Principal":{"AWS":"arn:aws:iam::222222222222:user/eve"},"#,
        r#""NotPrincipal":{"AWS":"arn:aws:iam::111111111111:user/ada"},"#,
    ]);
    (effect, action, resource, condition, principal).prop_map(|(effect, action, resource, condition, principal)| {
        Drawn { effect, action, resource, condition, principal }
    })
}

fn text(statements: &[Drawn], with_principal: bool) -> String {
    let statements: Vec<_> = statements
        .iter()
        .map(|Drawn { effect, action, resource, condition, principal }| {
            let principal = if with_principal { principal } else { "" };
            format!(r#"{{"Effect":"{effect}",{principal}{action},{resource}{condition}}}"#)
        })
        .collect();
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

fn allowed(principal: &Principal, key: &str, asked: Option<&str>, own: &[Drawn], of_bucket: &[Drawn]) -> bool {
    let own: Vec<_> = if own.is_empty() { vec![] } else { vec![identity(&text(own, false))] };
    let of_bucket = (!of_bucket.is_empty()).then(|| resource(&text(of_bucket, true)));
    let request = asked.map_or_else(Context::new, |value| Context::new().with("s3:key", value));
    let question = Question {
        principal,
        action: "s3:GetObject",
        resource: Some(&Arn::s3_object("b", key)),
        resource_owner: Some(&account(OWNER)),
        own: &Context::new(),
        request: &request,
        of_callers_own: false,
        is_supposed: false,
    };
    decide(&question, &PolicySets { identity: &own, resource: of_bucket.as_ref(), ..PolicySets::default() })
        .is_allowed()
}

fn principals() -> impl Strategy<Value = Principal> {
    prop::sample::select(vec![
        user(OWNER, "ada"),
        user(OTHER, "eve"),
        Principal::root(account(OWNER)),
        Principal::root(account(OTHER)),
        Principal::service(account(OWNER), "glue.amazonaws.com"),
        Principal::anonymous(),
    ])
}

proptest! {
    #[test]
    fn statements_move_an_answer_one_way_only(
        principal in principals(),
        own in prop::collection::vec(drawn(), 0..4),
        of_bucket in prop::collection::vec(drawn(), 0..4),
        more in drawn(),
        key in prop::sample::select(vec!["k", "ada/k", "eve/k"]),
        asked in prop::sample::select(vec![None, Some("a"), Some("b")]),
    ) {
        let answer = |own: &[Drawn], of_bucket: &[Drawn]| allowed(&principal, key, asked, own, of_bucket);
        let before = answer(&own, &of_bucket);
        let with = |list: &[Drawn], effect| {
            let mut list = list.to_vec();
            list.push(Drawn { effect, ..more.clone() });
            list
        };
        prop_assert!(before || !answer(&with(&own, "Deny"), &of_bucket), "a deny of the identity allowed");
        prop_assert!(before || !answer(&own, &with(&of_bucket, "Deny")), "a deny of the resource allowed");
        prop_assert!(!before || answer(&with(&own, "Allow"), &of_bucket), "an allow of the identity denied");
        prop_assert!(!before || answer(&own, &with(&of_bucket, "Allow")), "an allow of the resource denied");
        let reversed = |list: &[Drawn]| list.iter().rev().cloned().collect::<Vec<_>>();
        prop_assert_eq!(answer(&reversed(&own), &reversed(&of_bucket)), before, "order mattered");
        let doubled = |list: &[Drawn]| [list, list].concat();
        prop_assert_eq!(answer(&doubled(&own), &doubled(&of_bucket)), before, "repetition mattered");
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC*", kind in prop::sample::select(vec![PolicyKind::Identity, PolicyKind::Resource, PolicyKind::Trust])) {
        let _ = Policy::parse(&text, kind).map_err(|error| error.to_string());
    }

    #[test]
    fn anything_like_a_policy_is_parsed_or_refused(
        words in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"Statement\":", "\"Effect\":", "\"Allow\"", "\"Action\":", "\"s3:*\"", "\"Resource\":", "\"*\"",
            "\"arn:aws:s3:::${a:b\"", "\"Condition\":", "\"StringLike\":", "\"a:b\":", "\"${x, '\"", "1e999", "-0", "null", "\"\\ud800\"",
        ]), 0..40),
    ) {
        for kind in [PolicyKind::Identity, PolicyKind::Resource] {
            let _ = Policy::parse(&words.concat(), kind).map_err(|error| error.to_string());
        }
    }

    #[test]
    fn any_value_compares_without_panic(value in "\\PC*", pattern in "[a*?$\\{\\}:,' é]*") {
        let pattern = serde_json::to_string(&pattern).expect("json");
        for operator in ["StringLike", "ArnLike", "StringEquals", "StringEqualsIgnoreCase"] {
            let condition = format!(r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{{"{operator}":{{"s3:key":{pattern}}}}}"#);
            if Policy::parse(&one(&condition), PolicyKind::Identity).is_ok() {
                holds(&format!(r#"{{"{operator}":{{"s3:key":{pattern}}}}}"#), &Context::new().with("s3:key", value.clone()));
            }
        }
        for (operator, fixed) in [("NumericLessThan", "1"), ("DateLessThan", "2026-01-01"), ("IpAddress", "10.0.0.0/8"), ("Bool", "true"), ("BinaryEquals", "QQ==")] {
            holds(&format!(r#"{{"{operator}":{{"s3:key":"{fixed}"}}}}"#), &Context::new().with("s3:key", value.clone()));
        }
    }
}

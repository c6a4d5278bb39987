//! What must hold of any question and any policies, without knowing the right answer: half a million random cases for each of two places.
//! `TARN_LAWS_SEED` repeats a run, `TARN_LAWS_CASES` changes how many there are.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::*;
use crate::document::Statement;

const CASES: u64 = 500_000;

/// xorshift64*: enough to draw cases with, and the same on every machine.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 33) as usize) % end
    }
    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
    fn some<T: Clone>(&mut self, of: &[T], count_max: usize) -> Vec<T> {
        (0..self.below(count_max + 1)).map(|_| self.one(of).clone()).collect()
    }
}

const ACTIONS: &[&str] = &["s3:GetObject", "s3:PutObject", "s3:ListBucket", "iam:PassRole", "sts:AssumeRole"];
const ACTION_ELEMENTS: &[&str] = &[
    r#""Action":"*""#,
    r#""Action":["s3:Get*","s3:ListBucket"]"#,
    r#""Action":["s3:GetObject","iam:*","sts:AssumeRole"]"#,
    r#""Action":"S3:?etObject""#,
    r#""NotAction":["iam:*","s3:PutObject"]"#,
    r#""NotAction":"s3:Get*""#,
];
const RESOURCE_ELEMENTS: &[&str] = &[
    r#""Resource":"*""#,
    r#""Resource":["arn:aws:s3:::b/${aws:username}/*","arn:aws:iam::*:role/*"]"#,
    r#""Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team, 'lake'}/?""#,
    r#""NotResource":"arn:aws:s3:::b/ada/*""#,
    r#""Resource":["arn:aws:s3:::b/*","arn:aws:s3:::b"]"#,
];
const CONDITION_ELEMENTS: &[&str] = &[
    "",
    "",
    r#","Condition":{"StringEquals":{"s3:prefix":["a","b"]}}"#,
    r#","Condition":{"StringNotEqualsIfExists":{"s3:prefix":"a"}}"#,
    r#","Condition":{"Null":{"s3:prefix":"false"}}"#,
    r#","Condition":{"ForAllValues:StringLike":{"aws:TagKeys":["te*","zone"]}}"#,
    r#","Condition":{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["team"]}}"#,
    r#","Condition":{"NumericLessThanEquals":{"s3:max-keys":"10"},"Bool":{"aws:SecureTransport":"true"}}"#,
    r#","Condition":{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}}"#,
    r#","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"}}"#,
    r#","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}}"#,
];
const PRINCIPAL_ELEMENTS: &[&str] = &[
    r#""Principal":"*","#,
    r#""Principal":{"AWS":"111111111111"},"#,
    r#""Principal":{"AWS":["arn:aws:iam::111111111111:user/ada","arn:aws:iam::222222222222:role/loader"]},"#,
    r#""Principal":{"AWS":"arn:aws:sts::111111111111:assumed-role/loader/s1"},"#,
    r#""Principal":{"AWS":"arn:aws:iam::111111111111:role/loader"},"#,
    r#""Principal":{"AWS":"222222222222","Service":"glue.amazonaws.com"},"#,
    r#""NotPrincipal":{"AWS":["111111111111","arn:aws:iam::111111111111:user/ada"]},"#,
];
const PRINCIPALS: &[&str] = &[
    "arn:aws:iam::111111111111:user/ada",
    "arn:aws:iam::111111111111:user/lab/bob",
    "arn:aws:iam::111111111111:role/loader",
    "arn:aws:sts::111111111111:assumed-role/loader/s1",
    "arn:aws:sts::111111111111:federated-user/eve",
    "arn:aws:iam::111111111111:root",
    "arn:aws:iam::222222222222:role/loader",
    "arn:aws:iam::111111111111:role/aws-service-role/glue.amazonaws.com/AWSServiceRoleForGlue",
    "glue.amazonaws.com",
    "anonymous",
];
const RESOURCES: &[&str] =
    &["arn:aws:s3:::b/ada/1", "arn:aws:s3:::b/lake/1", "arn:aws:s3:::b", "arn:aws:iam::111111111111:role/loader"];

/// One policy of one statement for each way to put a statement together.
fn pool(kind: PolicyKind, principals: &[&str]) -> Vec<Arc<Policy>> {
    let mut pool = Vec::new();
    for effect in ["Allow", "Allow", "Deny"] {
        for principal in principals {
            for action in ACTION_ELEMENTS {
                for resource in RESOURCE_ELEMENTS {
                    for condition in CONDITION_ELEMENTS {
                        let statement =
                            one(&format!(r#""Effect":"{effect}",{principal}{action},{resource}{condition}"#));
                        pool.push(Arc::new(Policy::parse(&statement, kind).expect("a policy")));
                    }
                }
            }
        }
    }
    pool
}

fn merged<'p>(policies: impl IntoIterator<Item = &'p Arc<Policy>>, kind: PolicyKind) -> Policy {
    let statements = policies.into_iter().flat_map(|policy| policy.statements.iter().cloned()).collect();
    Policy { kind, statements, resource_texts: Vec::new(), size_chars: 0, notes: Vec::new() }
}

/// Each statement of several actions as several of one; what denies or allows all but some stays whole.
fn split(policy: &Policy) -> Policy {
    let one_action = |statement: &Statement| {
        let of = |at: usize| {
            let mut statement = statement.clone();
            statement.actions.patterns = vec![statement.actions.patterns[at].clone()];
            statement.sid = Some(format!("S{at}"));
            statement
        };
        match statement.actions.negated {
            true => vec![statement.clone()],
            false => (0..statement.actions.patterns.len()).map(of).collect(),
        }
    };
    Policy { statements: policy.statements.iter().flat_map(one_action).collect(), ..policy.clone() }
}

/// The policies of one case.
#[derive(Clone, Debug)]
struct Sets {
    identity: Vec<Arc<Policy>>,
    boundary: Option<Vec<Arc<Policy>>>,
    session: Option<Vec<Arc<Policy>>>,
    resource: Vec<Arc<Policy>>,
    service_control: Vec<ControlLevel>,
    resource_control: Vec<ControlLevel>,
}

struct Pools {
    identity: Vec<Arc<Policy>>,
    resource: Vec<Arc<Policy>>,
    full: Arc<Policy>,
    nothing: Arc<Policy>,
}

/// What a case asks.
struct Ask<'a> {
    principal: &'a Principal,
    action: &'a str,
    resource: &'a Arn,
    owner: &'a AccountId,
    context: &'a Context,
    decides: bool,
}

fn answer(ask: &Ask<'_>, sets: &Sets, told: bool) -> Decision {
    let several;
    let resource = match sets.resource.as_slice() {
        [] => None,
        [one] => Some(&**one),
        many => {
            several = merged(many, PolicyKind::AnyResource);
            Some(&several)
        }
    };
    let own = Context::new();
    let question = Question {
        principal: ask.principal,
        action: ask.action,
        resource: Some(ask.resource),
        resource_owner: Some(ask.owner),
        own: &own,
        request: ask.context,
        of_callers_own: false,
        is_supposed: true,
    };
    let sets = PolicySets {
        identity: &sets.identity,
        boundary: sets.boundary.as_deref(),
        session: sets.session.as_deref(),
        resource,
        resource_decides: ask.decides,
        service_control: &sets.service_control,
        resource_control: &sets.resource_control,
        services_are_strangers: true,
        ..PolicySets::default()
    };
    if told {
        let explained = explain(&question, &sets, &|_, _, _| String::new());
        assert!(!explained.because.is_empty());
        return explained.decision;
    }
    decide(&question, &sets)
}

/// The answer but for which statement gave it.
fn kind_of(decision: Decision) -> (bool, bool) {
    (decision.is_allowed(), decision.refused.is_some_and(DeniedBecause::is_explicit))
}

/// The lists that a policy can be put into.
fn lists(sets: &mut Sets) -> Vec<(&'static str, &mut Vec<Arc<Policy>>)> {
    let mut lists = vec![("identity", &mut sets.identity)];
    lists.extend(sets.boundary.as_mut().map(|list| ("boundary", list)));
    lists.extend(sets.session.as_mut().map(|list| ("session", list)));
    lists.extend(sets.service_control.first_mut().map(|level| ("service control", &mut level.policies)));
    lists.extend(sets.resource_control.last_mut().map(|level| ("resource control", &mut level.policies)));
    lists
}

fn drawn(draw: &mut Draw, pools: &Pools) -> Sets {
    let levels = |draw: &mut Draw| {
        let count = if draw.chance(2) { 0 } else { 1 + draw.below(3) };
        let level = |draw: &mut Draw| {
            let mut policies = draw.some(&pools.identity, 1);
            if !draw.chance(6) {
                policies.push(pools.full.clone());
            }
            ControlLevel { name: String::new(), policies }
        };
        (0..count).map(|_| level(draw)).collect::<Vec<_>>()
    };
    let limit = |draw: &mut Draw| {
        let policies = match draw.below(5) {
            0 => vec![pools.full.clone()],
            1 => draw.some(&pools.identity, 3),
            _ => return None,
        };
        Some(policies)
    };
    Sets {
        boundary: limit(draw),
        session: limit(draw),
        identity: draw.some(&pools.identity, 4),
        resource: draw.some(&pools.resource, 3),
        service_control: levels(draw),
        resource_control: levels(draw),
    }
}

fn check_laws(ask: &Ask<'_>, sets: &Sets, draw: &mut Draw, pools: &Pools) {
    let before = answer(ask, sets, false);
    let (allowed, _) = kind_of(before);
    let told = |law: &str| format!("{law}\n  {:?} {} {}\n  {sets:#?}", ask.principal.arn(), ask.action, ask.resource);

    assert_eq!(answer(ask, sets, true), before, "{}", told("an explanation decides otherwise"));

    // A statement moves an answer one way only, wherever it is put.
    let with = |at: usize, policy: &Arc<Policy>| {
        let mut more = sets.clone();
        let mut lists = lists(&mut more);
        let at = at % lists.len();
        let name = lists[at].0;
        let place = lists[at].1.len();
        lists[at].1.insert(place / 2, policy.clone());
        (name, more)
    };
    let policy = draw.one(&pools.identity);
    let (name, more) = with(draw.below(5), policy);
    let after = answer(ask, &more, false).is_allowed();
    match policy.statements[0].effect {
        Effect::Allow => assert!(!allowed || after, "{}", told(&format!("an allow of the {name} denies: {policy:?}"))),
        Effect::Deny => assert!(allowed || !after, "{}", told(&format!("a deny of the {name} allows: {policy:?}"))),
    }
    let policy = draw.one(&pools.resource);
    let mut more = sets.clone();
    more.resource.push(policy.clone());
    let after = answer(ask, &more, false).is_allowed();
    match policy.statements[0].effect {
        Effect::Allow => {
            assert!(!allowed || after, "{}", told(&format!("an allow of the resource denies: {policy:?}")))
        }
        Effect::Deny => assert!(allowed || !after, "{}", told(&format!("a deny of the resource allows: {policy:?}"))),
    }

    // Order, names, letters' case and how statements are cut change nothing.
    let mut other = sets.clone();
    other.identity = match draw.below(3) {
        0 => other.identity.iter().rev().cloned().collect(),
        1 => vec![Arc::new(merged(&other.identity, PolicyKind::Identity))],
        _ => other.identity.iter().map(|policy| Arc::new(split(policy))).collect(),
    };
    other.resource = other.resource.iter().rev().map(|policy| Arc::new(split(policy))).collect();
    other.service_control.reverse();
    other.resource_control.reverse();
    let shouted = Ask { action: &ask.action.to_ascii_uppercase(), ..*ask };
    assert_eq!(kind_of(answer(&shouted, &other, false)), kind_of(before), "{}", told("the order or the cut matters"));

    // What lets everything through is as nothing.
    let excludes =
        |policy: &Arc<Policy>| policy.statements.iter().any(|s| s.effect == Effect::Deny && s.principals.is_all_but());
    let mut other = sets.clone();
    if other.boundary.is_none() && !other.resource.iter().any(excludes) {
        other.boundary = Some(vec![pools.full.clone()]);
    }
    other.session = other.session.or_else(|| Some(vec![pools.full.clone()]));
    let level = || ControlLevel { name: "full".to_owned(), policies: vec![pools.full.clone()] };
    other.service_control.push(level());
    other.resource_control.insert(0, level());
    assert_eq!(kind_of(answer(ask, &other, false)), kind_of(before), "{}", told("a limit that allows all limits"));

    // What limits takes away.
    let mut other = sets.clone();
    (other.session, other.service_control, other.resource_control) = (None, Vec::new(), Vec::new());
    assert!(!allowed || answer(ask, &other, false).is_allowed(), "{}", told("without limits there is less"));
    let mut other = sets.clone();
    other.resource_control.push(ControlLevel { name: String::new(), policies: vec![pools.nothing.clone()] });
    if !ask.principal.is_service_linked() {
        assert!(!answer(ask, &other, false).is_allowed(), "{}", told("a level that allows nothing lets through"));
    }
    let mut other = sets.clone();
    other.service_control.push(ControlLevel { name: String::new(), policies: Vec::new() });
    let under = ask.principal.is_under_service_control();
    let expected = if under { false } else { allowed };
    assert_eq!(answer(ask, &other, false).is_allowed(), expected, "{}", told("an empty level of service control"));
}

fn run(place: &str, owner: &str) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed: u64 = number("TARN_LAWS_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish()) | 1;
    let cases = number("TARN_LAWS_CASES").unwrap_or(CASES);
    println!("TARN_LAWS_SEED={seed} ({place}, {cases} cases)");
    let pools = Pools {
        identity: pool(PolicyKind::Identity, &[""]),
        resource: pool(PolicyKind::AnyResource, PRINCIPAL_ELEMENTS),
        full: identity(&one(r#""Effect":"Allow","Action":"*","Resource":"*""#)),
        nothing: identity(&one(r#""Effect":"Allow","Action":"none:None","Resource":"*""#)),
    };
    let principals: Vec<_> = PRINCIPALS.iter().map(|text| Principal::supposed(text).expect("a principal")).collect();
    let resources: Vec<_> = RESOURCES.iter().map(|text| Arn::parse(text).expect("an ARN")).collect();
    let owner = account(owner);
    let mut draw = Draw(seed);
    let (mut allowed, mut explicit) = (0_u64, 0_u64);
    for _ in 0..cases {
        let mut context = Context::new();
        for (key, values) in [
            ("s3:prefix", ["a", "c"]),
            ("s3:max-keys", ["5", "50"]),
            ("aws:SecureTransport", ["true", "false"]),
            ("aws:SourceIp", ["10.1.2.3", "192.0.2.1"]),
            ("aws:CurrentTime", ["2026-11-26T00:00:00Z", "2020-01-01T00:00:00Z"]),
            ("aws:PrincipalTag/team", ["ada", "lake"]),
        ] {
            if draw.chance(2) {
                context.set(key, *draw.one(&values));
            }
        }
        if draw.chance(3) {
            context.set_all("aws:TagKeys", draw.some(&["team", "zone", "cost"], 3).into_iter().map(str::to_owned));
        }
        let ask = Ask {
            principal: draw.one(&principals),
            action: draw.one::<&str>(ACTIONS),
            resource: draw.one(&resources),
            owner: &owner,
            context: &context,
            decides: draw.chance(4),
        };
        let sets = drawn(&mut draw, &pools);
        check_laws(&ask, &sets, &mut draw, &pools);
        let (yes, no) = kind_of(answer(&ask, &sets, false));
        allowed += u64::from(yes);
        explicit += u64::from(no);
    }
    // Laws that are only asked of one kind of answer would not say much.
    println!("{allowed} allowed, {explicit} denied by a statement");
    for count in [allowed, explicit, cases - allowed - explicit] {
        assert!(count > cases / 50, "the cases are too much alike: {allowed} {explicit} of {cases}");
    }
}

#[test]
fn laws_hold_in_one_account() {
    run("in one account", OWNER);
}

#[test]
fn laws_hold_across_accounts() {
    run("across accounts", OTHER);
}

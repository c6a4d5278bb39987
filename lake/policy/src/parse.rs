//! From JSON to a compiled policy: the grammar, checked when a policy is written.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use crate::condition::Condition;
use crate::document::{
    Effect, KEY_POLICY_SIZE_BYTES_MAX, Matcher, POLICY_SIZE_BYTES_MAX, Policy, PolicyKind,
    RESOURCE_POLICY_SIZE_BYTES_MAX, Statement,
};
use crate::errors::{PolicyError, PolicyProblem};
use crate::json::Json;
use crate::pattern::{Pattern, Variables, Wildcards};
use crate::positions::statement_positions;
use crate::principals::{Named, Principals};

type Parsed<T> = Result<T, PolicyProblem>;

fn syntax(reason: impl Into<String>) -> PolicyProblem {
    PolicyProblem::Syntax { reason: reason.into() }
}

impl Policy {
    /// Parses and checks `text`. A policy that is kept was accepted by this; reading it again gives the same.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Self, PolicyError> {
        Self::read(text, kind, None)
    }

    /// As `parse`, for questions of what would be: what AWS would refuse in it, but what it means all the same, becomes a note.
    pub fn parse_leniently(text: &str, kind: PolicyKind) -> Result<Self, PolicyError> {
        let mut notes = Vec::new();
        let parsed = Self::read(text, kind, Some(&mut notes))?;
        Ok(Self { notes, ..parsed })
    }

    fn read(text: &str, kind: PolicyKind, notes: Option<&mut Vec<String>>) -> Result<Self, PolicyError> {
        let mut at = None;
        parse(text, kind, notes, &mut at).map_err(|problem| {
            let position =
                at.and_then(|at| statement_positions(text).into_iter().nth(at).map(|(start, _)| (at, start)));
            PolicyError { kind, problem, position }
        })
    }
}

/// `at` is which statement is read, where a policy has several.
fn parse(text: &str, kind: PolicyKind, mut notes: Option<&mut Vec<String>>, at: &mut Option<usize>) -> Parsed<Policy> {
    let size_bytes_max = match kind {
        PolicyKind::Identity
        | PolicyKind::Trust
        | PolicyKind::AnyResource
        | PolicyKind::ServiceControl
        | PolicyKind::ResourceControl => POLICY_SIZE_BYTES_MAX,
        PolicyKind::Resource => RESOURCE_POLICY_SIZE_BYTES_MAX,
        PolicyKind::Key => KEY_POLICY_SIZE_BYTES_MAX,
    };
    if text.len() > size_bytes_max {
        return Err(PolicyProblem::TooLarge { size_bytes: text.len(), size_bytes_max });
    }
    let json: Json =
        serde_json::from_str(text).map_err(|error| PolicyProblem::NotJson { reason: error.to_string() })?;
    let Json::Object(members) = json else {
        return Err(PolicyProblem::NotJson { reason: format!("a policy is an object, not {}", json.noun()) });
    };
    let (mut variables, mut statements) = (Variables::Literal, None);
    // The version decides how statements are read, wherever it stands.
    for (name, value) in &members {
        match (name.as_str(), value) {
            ("Version", Json::Text(version)) if version == "2012-10-17" => variables = Variables::Resolve,
            ("Version", Json::Text(version)) if version == "2008-10-17" => {}
            ("Version", Json::Text(found)) => return Err(PolicyProblem::Version { found: found.clone() }),
            ("Id", Json::Text(_)) => {}
            ("Statement", value) => statements = Some(value),
            ("Version" | "Id", other) => return Err(syntax(format!("{name} must be a string, not {}", other.noun()))),
            (other, _) => {
                return Err(syntax(format!("the element `{other}` is not known; use Version, Id and Statement")));
            }
        }
    }
    let statements = match statements {
        None => return Err(PolicyProblem::Missing { element: "Statement" }),
        Some(Json::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    if statements.is_empty() {
        noted(kind, notes.as_deref_mut(), PolicyProblem::Missing { element: "Statement" })?;
    }
    let mut resource_texts = Vec::new();
    let mut parsed: Vec<Statement> = Vec::with_capacity(statements.len());
    for (number, statement) in statements.iter().enumerate() {
        *at = (statements.len() > 1).then_some(number);
        let notes = notes.as_deref_mut();
        let statement = Reader { kind, variables, resource_texts: &mut resource_texts, notes }.statement(statement)?;
        if let Some(sid) = statement.sid.as_ref().filter(|sid| !sid.is_empty())
            && parsed.iter().any(|earlier| earlier.sid.as_ref() == Some(sid))
        {
            return Err(PolicyProblem::SidRepeated { sid: sid.clone() });
        }
        parsed.push(statement);
    }
    *at = None;
    let size_chars = text.chars().filter(|c| !c.is_whitespace()).count();
    Ok(Policy { kind, statements: parsed, resource_texts, size_chars, notes: Vec::new() })
}

/// A problem that is only noted where notes are taken.
fn noted(kind: PolicyKind, notes: Option<&mut Vec<String>>, problem: PolicyProblem) -> Parsed<()> {
    match notes {
        Some(notes) => {
            notes.push(PolicyError { kind, problem, position: None }.to_string());
            Ok(())
        }
        None => Err(problem),
    }
}

struct Reader<'a> {
    kind: PolicyKind,
    variables: Variables,
    resource_texts: &'a mut Vec<String>,
    notes: Option<&'a mut Vec<String>>,
}

impl Reader<'_> {
    fn noted(&mut self, problem: PolicyProblem) -> Parsed<()> {
        noted(self.kind, self.notes.as_deref_mut(), problem)
    }

    fn statement(&mut self, json: &Json) -> Parsed<Statement> {
        let Json::Object(members) = json else {
            return Err(syntax(format!("a statement is an object, not {}", json.noun())));
        };
        let (mut sid, mut effect, mut principals, mut actions, mut resources) = (None, None, None, None, None);
        let mut conditions = Vec::new();
        for (name, value) in members {
            match name.as_str() {
                "Sid" => sid = Some(self.sid(value)?),
                "Effect" => effect = Some(effect_of(value)?),
                "Principal" => {
                    once(&mut principals, Principals::These(self.principals(value)?), "Principal and NotPrincipal")?
                }
                "NotPrincipal" => {
                    once(&mut principals, Principals::AllBut(self.principals(value)?), "Principal and NotPrincipal")?
                }
                "Action" => once(&mut actions, self.actions(value, false)?, "Action and NotAction")?,
                "NotAction" => once(&mut actions, self.actions(value, true)?, "Action and NotAction")?,
                "Resource" | "NotResource" if self.kind == PolicyKind::Trust => {
                    return Err(PolicyProblem::ResourceNotAllowed { element: name.clone() });
                }
                "Resource" => once(&mut resources, self.resources(value, false)?, "Resource and NotResource")?,
                "NotResource" => once(&mut resources, self.resources(value, true)?, "Resource and NotResource")?,
                "Condition" => conditions = self.conditions(value)?,
                other => return Err(syntax(format!("the element `{other}` is not known in a statement"))),
            }
        }
        let principals = match (self.kind, principals) {
            (PolicyKind::Identity | PolicyKind::ServiceControl | PolicyKind::ResourceControl, None) => {
                Principals::Holder
            }
            // Whoever has it is meant, whatever it says.
            (PolicyKind::Identity | PolicyKind::ServiceControl, Some(_)) => {
                self.noted(PolicyProblem::PrincipalNotAllowed)?;
                Principals::Holder
            }
            // It bears on all who ask, and says so.
            (PolicyKind::ResourceControl, Some(Principals::These(named))) if named == [Named::Everyone] => {
                Principals::Holder
            }
            (PolicyKind::ResourceControl, Some(_)) => return Err(PolicyProblem::PrincipalNotAllowed),
            (
                PolicyKind::Resource | PolicyKind::Key | PolicyKind::Trust | PolicyKind::AnyResource,
                Some(principals),
            ) => principals,
            // It speaks of nobody.
            (PolicyKind::AnyResource, None) => Principals::These(Vec::new()),
            (PolicyKind::Resource | PolicyKind::Key | PolicyKind::Trust, None) => {
                return Err(PolicyProblem::Missing { element: "Principal" });
            }
        };
        // The resource of a trust policy is its role.
        if self.kind == PolicyKind::Trust || (self.kind == PolicyKind::AnyResource && resources.is_none()) {
            resources = Some(Matcher { negated: false, patterns: vec![Pattern::Any] });
        }
        Ok(Statement {
            sid,
            effect: effect.ok_or(PolicyProblem::Missing { element: "Effect" })?,
            principals,
            actions: actions.ok_or(PolicyProblem::Missing { element: "Action" })?,
            resources: resources.ok_or(PolicyProblem::Missing { element: "Resource" })?,
            conditions,
        })
    }

    fn sid(&mut self, json: &Json) -> Parsed<String> {
        let Json::Text(sid) = json else {
            return Err(syntax(format!("Sid must be a string, not {}", json.noun())));
        };
        let legal = !self.kind.is_of_holder() || sid.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !legal {
            self.noted(PolicyProblem::Sid { found: sid.clone() })?;
        }
        Ok(sid.clone())
    }

    fn principals(&self, json: &Json) -> Parsed<Vec<Named>> {
        if matches!(self.kind, PolicyKind::Identity | PolicyKind::ServiceControl) {
            return Ok(Vec::new());
        }
        let any = self.kind == PolicyKind::AnyResource;
        let refused = |found: &str| PolicyProblem::Principal { found: found.to_owned() };
        match json {
            Json::Text(text) if text == "*" => Ok(vec![Named::Everyone]),
            Json::Text(text) if any => Named::aws(text).map(|named| vec![named]).ok_or_else(|| refused(text)),
            Json::Text(text) => Err(refused(text)),
            Json::Object(members) if !members.is_empty() => {
                let mut named = Vec::new();
                for (kind, values) in members {
                    for text in texts(values, "Principal")? {
                        named.push(match kind.as_str() {
                            "AWS" => match Named::aws(&text) {
                                Some(named) => named,
                                None if any && is_unique_id(&text) => Named::Nobody,
                                None => return Err(refused(&text)),
                            },
                            "Federated" if (any || self.kind == PolicyKind::Trust) && !text.contains('*') => {
                                Named::Federated(text)
                            }
                            "CanonicalUser" if any => Named::Nobody,
                            "Service" if text.contains('.') && !text.contains('*') => Named::Service(text),
                            _ => return Err(refused(&format!("{kind}: {text}"))),
                        });
                    }
                }
                Ok(named)
            }
            other => {
                Err(syntax(format!("Principal must be `*` or an object with AWS or Service, not {}", other.noun())))
            }
        }
    }

    /// Actions compare without case, so that their patterns are kept in lower case.
    fn actions(&mut self, json: &Json, negated: bool) -> Parsed<Matcher> {
        let mut patterns = Vec::new();
        for text in texts(json, "Action")? {
            let refused = || PolicyProblem::Action { found: text.clone() };
            let named = text.split_once(':').filter(|(vendor, name)| {
                let plain =
                    !vendor.is_empty() && vendor.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                let mine = match self.kind {
                    PolicyKind::Identity
                    | PolicyKind::AnyResource
                    | PolicyKind::ServiceControl
                    | PolicyKind::ResourceControl => true,
                    PolicyKind::Resource => vendor.eq_ignore_ascii_case("s3"),
                    PolicyKind::Key => vendor.eq_ignore_ascii_case("kms"),
                    PolicyKind::Trust => vendor.eq_ignore_ascii_case("sts"),
                };
                let name_legal = !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'*' || byte == b'?');
                plain && mine && name_legal
            });
            let all = text == "*" || text == "*:*";
            // No action has such a name, so that it matches none.
            if !all && named.is_none() {
                self.noted(refused())?;
            }
            let lower = if all { "*".to_owned() } else { text.to_ascii_lowercase() };
            patterns.push(Pattern::compile(&lower, Wildcards::Match, Variables::Literal).map_err(|_| refused())?);
        }
        if patterns.is_empty() {
            Err(PolicyProblem::Missing { element: "Action" })
        } else {
            Ok(Matcher { negated, patterns })
        }
    }

    fn resources(&mut self, json: &Json, negated: bool) -> Parsed<Matcher> {
        let mut patterns = Vec::new();
        for text in texts(json, "Resource")? {
            let refused = || PolicyProblem::Resource { found: text.clone() };
            if text != "*" && !is_arn_like(&text) {
                self.noted(refused())?;
            }
            patterns.push(Pattern::compile(&text, Wildcards::Match, self.variables).map_err(|_| refused())?);
            self.resource_texts.push(text);
        }
        if patterns.is_empty() {
            Err(PolicyProblem::Missing { element: "Resource" })
        } else {
            Ok(Matcher { negated, patterns })
        }
    }

    fn conditions(&self, json: &Json) -> Parsed<Vec<Condition>> {
        let Json::Object(operators) = json else {
            return Err(syntax(format!("Condition must be an object, not {}", json.noun())));
        };
        let mut conditions = Vec::new();
        for (operator, keys) in operators {
            let Json::Object(keys) = keys else {
                return Err(syntax(format!("the condition {operator} must be an object of keys, not {}", keys.noun())));
            };
            for (key, values) in keys {
                conditions.push(Condition::compile(operator, key, &texts(values, key)?, self.variables)?);
            }
        }
        Ok(conditions)
    }
}

fn once<T>(slot: &mut Option<T>, value: T, elements: &str) -> Parsed<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(syntax(format!("{elements} exclude each other in one statement"))),
    }
}

fn effect_of(json: &Json) -> Parsed<Effect> {
    match json {
        Json::Text(text) if text == "Allow" => Ok(Effect::Allow),
        Json::Text(text) if text == "Deny" => Ok(Effect::Deny),
        Json::Text(found) => Err(PolicyProblem::Effect { found: found.clone() }),
        other => Err(PolicyProblem::Effect { found: other.noun().to_owned() }),
    }
}

/// What AWS writes in place of the ARN of a user or role that is gone: `AIDA...`, `AROA...`.
fn is_unique_id(text: &str) -> bool {
    text.len() >= 16
        && text.starts_with('A')
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// A wildcard may stand for parts (`arn:aws:s3:::*`, `arn:aws:*`), but not for the beginning.
fn is_arn_like(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let (arn, partition, rest) = (parts.next(), parts.next(), parts.count());
    arn == Some("arn")
        && partition.is_some_and(|partition| !partition.is_empty())
        && (rest == 4 || (rest >= 1 && text.ends_with('*')))
}

/// One value or a list of them, as text.
fn texts(json: &Json, element: &str) -> Parsed<Vec<String>> {
    let one = |json: &Json| match json {
        Json::Text(text) => Ok(text.clone()),
        Json::Number(text) => Ok(text.clone()),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => {
            Err(syntax(format!("a value of {element} must be a string, not {}", json.noun())))
        }
    };
    match json {
        Json::Array(list) => list.iter().map(one).collect(),
        json => one(json).map(|text| vec![text]),
    }
}

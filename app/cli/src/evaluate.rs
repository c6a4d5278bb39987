//! The cases of `tarn iam evaluate`: read one by one from a stream, and put to the rules of `tarn-policy`. Writes nothing.
//!
//! Policies repeat from case to case, so that each is parsed once and found again by its text.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tarn_policy::{
    Context, ControlLevel, Policy, PolicyKind, PolicySet, PolicySets, Principal, PrincipalKind, Question, explain,
    json_elements, json_members, resource_policy_decides,
};
use tarn_types::{AccountId, Arn};

use crate::CliError;

/// The largest case.
const CASE_SIZE_BYTES_MAX: usize = 16 << 20;
/// Read at once.
const CHUNK_BYTES: usize = 256 << 10;
/// Texts of policies that are kept parsed.
const POLICIES_KEPT_BYTES_MAX: usize = 64 << 20;

/// The policy that AWS attaches to every level for resource control, and that cannot be detached.
const FULL_ACCESS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

/// Why a case has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CaseError {
    /// It is not of the form.
    Form { reason: String },
    /// It is, but a policy in it is none.
    Policy { reason: String },
}

/// Why there is no further case.
#[derive(Debug)]
pub(crate) enum CasesError {
    /// The source cannot be read.
    Io(io::Error),
    /// The source is neither a case nor a list of cases.
    Form(String),
}

impl CasesError {
    pub(crate) fn into_cli(self, path: &Path) -> CliError {
        match self {
            Self::Io(source) => CliError::local("reading", path)(source),
            Self::Form(reason) => CliError::usage(format!("{}: {reason}", path.display())),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing was read yet.
    Start,
    /// In a list, in front of its first case or its end.
    First,
    /// In a list, behind a case.
    Behind,
    /// Behind the last case.
    End,
}

/// The cases of a source: one, or those of a list, of which no more than one is kept.
pub(crate) struct Cases<R> {
    source: R,
    buffer: Vec<u8>,
    at: usize,
    place: Place,
    is_list: bool,
}

impl<R: Read> Cases<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), at: 0, place: Place::Start, is_list: false }
    }

    /// Reads on; false at the end of the source.
    fn fill(&mut self) -> Result<bool, CasesError> {
        let len = self.buffer.len();
        self.buffer.resize(len + CHUNK_BYTES, 0);
        let read = loop {
            match self.source.read(self.buffer.get_mut(len..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(CasesError::Io),
            }
        };
        self.buffer.truncate(len + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Result<Option<u8>, CasesError> {
        loop {
            match self.buffer.get(self.at).copied() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(byte) => return Ok(Some(byte)),
                None if self.fill()? => {}
                None => return Ok(None),
            }
        }
    }

    /// The next case; `None` behind the last.
    pub(crate) fn next_case(&mut self) -> Result<Option<String>, CasesError> {
        let form = |reason: &str| Err(CasesError::Form(reason.to_owned()));
        loop {
            match (self.place, self.peek()?) {
                (Place::Start, Some(b'[')) => {
                    self.at += 1;
                    (self.place, self.is_list) = (Place::First, true);
                }
                (Place::Start | Place::First, Some(b'{')) => return self.case().map(Some),
                (Place::Start, None) => return form("it holds no case"),
                (Place::First | Place::Behind, Some(b']')) => {
                    self.at += 1;
                    self.place = Place::End;
                }
                (Place::Behind, Some(b',')) => {
                    self.at += 1;
                    return match self.peek()? {
                        Some(b'{') => self.case().map(Some),
                        _ => form("it is not JSON: a case must follow the comma"),
                    };
                }
                (Place::End, None) => return Ok(None),
                (Place::End, Some(_)) => return form("something follows behind the last case"),
                (Place::First | Place::Behind, None) => return form("it ends within the list of cases"),
                (Place::Start | Place::First | Place::Behind, Some(_)) => {
                    return form("it is not JSON: a case, or a list of cases, is expected");
                }
            }
        }
    }

    /// The object that begins here.
    fn case(&mut self) -> Result<String, CasesError> {
        // What was read before is not needed again.
        self.buffer.drain(..self.at);
        self.at = 0;
        let (mut depth, mut in_string, mut seen) = (0_usize, false, 0);
        let end = 'found: loop {
            while let Some(byte) = self.buffer.get(seen) {
                match byte {
                    b'"' => in_string = !in_string,
                    // The escaped byte may not have been read yet.
                    b'\\' if in_string => seen += 1,
                    b'{' | b'[' if !in_string => depth += 1,
                    b'}' | b']' if !in_string => {
                        depth -= 1;
                        if depth == 0 {
                            break 'found seen + 1;
                        }
                    }
                    _ => {}
                }
                seen += 1;
            }
            if self.buffer.len() > CASE_SIZE_BYTES_MAX {
                return Err(CasesError::Form(format!("a case has more than {CASE_SIZE_BYTES_MAX} bytes")));
            }
            if !self.fill()? {
                return Err(CasesError::Form("it ends within a case".to_owned()));
            }
        };
        self.at = end;
        self.place = if self.is_list { Place::Behind } else { Place::End };
        let case = self.buffer.get(..end).unwrap_or_default().to_vec();
        String::from_utf8(case).map_err(|_| CasesError::Form("a case is not UTF-8".to_owned()))
    }
}

/// Puts cases to the rules, and keeps the policies of earlier ones.
#[derive(Default)]
pub(crate) struct Evaluator {
    kept: HashMap<(u8, Box<str>), Result<Arc<Policy>, String>>,
    kept_bytes: usize,
}

fn form(reason: impl Into<String>) -> CaseError {
    CaseError::Form { reason: reason.into() }
}

fn unknown(path: &str, name: &str) -> CaseError {
    form(if path.is_empty() {
        format!(
            "the member `{name}` is not known; use request, identityPolicies, resourcePolicy, permissionBoundaries, serviceControlPolicies, resourceControlPolicies, sessionPolicy"
        )
    } else {
        format!("`{path}.{name}` is not known")
    })
}

fn members<'t>(text: &'t str, path: &str) -> Result<Vec<(std::borrow::Cow<'t, str>, &'t str)>, CaseError> {
    json_members(text).map_err(|error| form(format!("`{path}` must be an object; {error} of it")))
}

fn elements<'t>(text: &'t str, path: &str) -> Result<Vec<&'t str>, CaseError> {
    json_elements(text).map_err(|error| form(format!("`{path}` must be a list; {error} of it")))
}

fn string(text: &str, path: &str) -> Result<String, CaseError> {
    serde_json::from_str(text).map_err(|_| form(format!("`{path}` must be a string")))
}

/// Values of a condition key as text.
fn values(text: &str, path: &str) -> Result<Vec<String>, CaseError> {
    let one = |value: Value| match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(form(format!("`{path}` must be a string or a list of strings")))
        }
    };
    match serde_json::from_str(text) {
        Ok(Value::Array(list)) => list.into_iter().map(one).collect(),
        Ok(value) => one(value).map(|value| vec![value]),
        Err(error) => Err(form(format!("`{path}`: {error}"))),
    }
}

/// A policy and what it is called.
type Called = (String, Arc<Policy>);

struct Request {
    principal: Principal,
    action: String,
    resource: Option<Arn>,
    owner: AccountId,
    context: Context,
}

fn request(text: &str) -> Result<Request, CaseError> {
    let (mut principal, mut action, mut resource, mut context) = (None, None, None, Context::new());
    for (name, value) in members(text, "request")? {
        match name.as_ref() {
            "principal" => principal = Some(read_principal(value)?),
            "action" => action = Some(string(value, "request.action")?),
            "resource" => resource = Some(read_resource(value)?),
            "context" if value == "null" => {}
            "context" => {
                for (key, value) in members(value, "request.context")? {
                    context.set_all(&key, values(value, &format!("request.context.{key}"))?);
                }
            }
            other => return Err(unknown("request", other)),
        }
    }
    let missing = |name: &str| form(format!("the member `request.{name}` is missing"));
    let (resource, owner) = resource.ok_or_else(|| missing("resource"))?;
    let principal = principal.ok_or_else(|| missing("principal"))?;
    Ok(Request { principal, action: action.ok_or_else(|| missing("action"))?, resource, owner, context })
}

fn read_principal(text: &str) -> Result<Principal, CaseError> {
    if text.starts_with('{') {
        return match members(text, "request.principal")?.as_slice() {
            [(name, r#""Anonymous""#)] if name == "type" => Ok(Principal::anonymous()),
            _ => Err(form("`request.principal` is an object: it can only be {\"type\": \"Anonymous\"}")),
        };
    }
    let text = string(text, "request.principal")?;
    Principal::supposed(&text).ok_or_else(|| {
        form(format!("`request.principal` is `{text}`: it must be the ARN of a user, role, session, federated user, root or identity provider, the name of a service, or anonymous"))
    })
}

fn read_resource(text: &str) -> Result<(Option<Arn>, AccountId), CaseError> {
    let (mut resource, mut account) = (None, None);
    for (name, value) in members(text, "request.resource")? {
        match name.as_ref() {
            "resource" => resource = Some(string(value, "request.resource.resource")?),
            "accountId" => account = Some(string(value, "request.resource.accountId")?),
            other => return Err(unknown("request.resource", other)),
        }
    }
    let missing = |name: &str| form(format!("the member `request.resource.{name}` is missing"));
    let resource = match resource.ok_or_else(|| missing("resource"))? {
        text if text == "*" => None,
        text => Some(Arn::parse(&text).map_err(|error| form(format!("`request.resource.resource`: {error}")))?),
    };
    let account = account.ok_or_else(|| missing("accountId"))?;
    let account = AccountId::new(account).map_err(|error| form(format!("`request.resource.accountId`: {error}")))?;
    Ok((resource, account))
}

impl Evaluator {
    fn policy(&mut self, text: &str, kind: PolicyKind, path: &str) -> Result<Arc<Policy>, CaseError> {
        let known = self.kept.get(&(kind as u8, text.into())).cloned();
        let parsed = known.unwrap_or_else(|| {
            let parsed = Policy::parse_leniently(text, kind).map(Arc::new).map_err(|error| error.to_string());
            self.kept_bytes += text.len();
            if self.kept_bytes > POLICIES_KEPT_BYTES_MAX {
                self.kept.clear();
                self.kept_bytes = text.len();
            }
            self.kept.insert((kind as u8, text.into()), parsed.clone());
            parsed
        });
        parsed.map_err(|reason| CaseError::Policy { reason: format!("{path}: {reason}") })
    }

    /// Policies with names.
    fn named(&mut self, text: &str, kind: PolicyKind, path: &str) -> Result<Vec<Called>, CaseError> {
        let mut found = Vec::new();
        for (at, element) in elements(text, path)?.into_iter().enumerate() {
            let path = format!("{path}[{at}]");
            let (mut name, mut policy) = (None, None);
            for (member, value) in members(element, &path)? {
                match member.as_ref() {
                    "name" => name = Some(string(value, &format!("{path}.name"))?),
                    "policy" => policy = Some(value),
                    other => return Err(unknown(&path, other)),
                }
            }
            let name = name.ok_or_else(|| form(format!("the member `{path}.name` is missing")))?;
            let policy = policy.ok_or_else(|| form(format!("the member `{path}.policy` is missing")))?;
            let policy = self.policy(policy, kind, &format!("{path} `{name}`"))?;
            found.push((name, policy));
        }
        Ok(found)
    }

    /// The levels of an organisation, and the names of their policies.
    fn levels(
        &mut self,
        text: &str,
        kind: PolicyKind,
        path: &str,
    ) -> Result<(Vec<ControlLevel>, Vec<Vec<String>>), CaseError> {
        let (mut levels, mut names) = (Vec::new(), Vec::new());
        for (at, element) in elements(text, path)?.into_iter().enumerate() {
            let path = format!("{path}[{at}]");
            let (mut name, mut policies) = (None, None);
            for (member, value) in members(element, &path)? {
                match member.as_ref() {
                    "orgIdentifier" => name = Some(string(value, &format!("{path}.orgIdentifier"))?),
                    "policies" => policies = Some(self.named(value, kind, &format!("{path}.policies"))?),
                    other => return Err(unknown(&path, other)),
                }
            }
            let name = name.ok_or_else(|| form(format!("the member `{path}.orgIdentifier` is missing")))?;
            let mut policies = policies.ok_or_else(|| form(format!("the member `{path}.policies` is missing")))?;
            if kind == PolicyKind::ResourceControl {
                policies.push(("RCPFullAWSAccess".to_owned(), self.policy(FULL_ACCESS, kind, &path)?));
            }
            let (of_level, policies) = policies.into_iter().unzip();
            levels.push(ControlLevel { name, policies });
            names.push(of_level);
        }
        Ok((levels, names))
    }

    /// The answer to a case: a line of JSON.
    pub(crate) fn evaluate(&mut self, case: &str) -> Result<String, CaseError> {
        let (mut asked, mut identity, mut resource, mut boundary, mut session) = (None, Vec::new(), None, None, None);
        let (mut service_control, mut resource_control) =
            (<(Vec<_>, Vec<_>)>::default(), <(Vec<_>, Vec<_>)>::default());
        for (name, value) in members(case, "the case")? {
            let name = name.as_ref();
            match name {
                "request" => asked = Some(request(value)?),
                "identityPolicies"
                | "resourcePolicy"
                | "permissionBoundaries"
                | "sessionPolicy"
                | "serviceControlPolicies"
                | "resourceControlPolicies"
                    if value == "null" => {}
                "identityPolicies" => identity = self.named(value, PolicyKind::Identity, name)?,
                "permissionBoundaries" => boundary = Some(self.named(value, PolicyKind::Identity, name)?),
                "resourcePolicy" => resource = Some(self.policy(value, PolicyKind::AnyResource, name)?),
                "sessionPolicy" => session = Some(self.policy(value, PolicyKind::Identity, name)?),
                "serviceControlPolicies" => service_control = self.levels(value, PolicyKind::ServiceControl, name)?,
                "resourceControlPolicies" => {
                    resource_control = self.levels(value, PolicyKind::ResourceControl, name)?
                }
                other => return Err(unknown("", other)),
            }
        }
        let Request { principal, action, resource: asked_for, owner, context } =
            asked.ok_or_else(|| form("the member `request` is missing"))?;
        let (identity_names, identity): (Vec<_>, Vec<_>) = identity.into_iter().unzip();
        // An empty list is no boundary.
        let boundary = boundary.filter(|boundary| !boundary.is_empty());
        let (boundary_names, boundary): (Vec<_>, Option<Vec<_>>) = match boundary {
            Some(boundary) => {
                let (names, policies) = boundary.into_iter().unzip();
                (names, Some(policies))
            }
            None => (Vec::new(), None),
        };
        // A federated user has nothing but what its session's policy lets through.
        let is_federated = matches!(principal.kind, PrincipalKind::FederatedUser { .. });
        let session: Option<Vec<_>> = match session {
            Some(policy) => Some(vec![policy]),
            None => is_federated.then(Vec::new),
        };
        let own = Context::new();
        let question = Question {
            principal: &principal,
            action: &action,
            resource: asked_for.as_ref(),
            resource_owner: Some(&owner),
            own: &own,
            request: &context,
            of_callers_own: false,
            is_supposed: true,
        };
        let sets = PolicySets {
            identity: &identity,
            boundary: boundary.as_deref(),
            session: session.as_deref(),
            resource: resource.as_deref(),
            resource_decides: resource_policy_decides(&action, asked_for.as_ref()),
            service_control: &service_control.0,
            resource_control: &resource_control.0,
            services_are_strangers: true,
            ..PolicySets::default()
        };
        let called = |set: PolicySet, level: usize, policy: usize| {
            let names = match set {
                PolicySet::Identity => Some(&identity_names),
                PolicySet::Boundary => Some(&boundary_names),
                PolicySet::Resource => return "resourcePolicy".to_owned(),
                PolicySet::Session => return "sessionPolicy".to_owned(),
                PolicySet::ServiceControl => service_control.1.get(level),
                PolicySet::ResourceControl => resource_control.1.get(level),
            };
            names.and_then(|names| names.get(policy)).cloned().unwrap_or_default()
        };
        let explained = explain(&question, &sets, &called);
        let decision = match explained.decision.refused {
            None => "Allowed",
            Some(because) if because.is_explicit() => "ExplicitlyDenied",
            Some(_) => "ImplicitlyDenied",
        };
        let mut because = explained.because;
        let levels = [&service_control.0, &resource_control.0].into_iter().flatten().flat_map(|level| &level.policies);
        let all = identity.iter().chain(boundary.iter().flatten()).chain(session.iter().flatten()).chain(&resource);
        for note in all.chain(levels).flat_map(|policy| policy.notes()) {
            because.push(format!("note: AWS refuses such a policy: {note}"));
        }
        Ok(json!({ "decision": decision, "because": because }).to_string())
    }
}

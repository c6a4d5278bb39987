//! What policies would say: of texts, or of what a user, group or role has. Decides by `tarn-policy` as a real request is decided.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html>

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_metadata::{Read, StoreExt};
use tarn_policy::{
    Context, ControlLevel, Decision, DeniedBecause, Policy, PolicyError, PolicyKind, PolicySet, PolicySets, Position,
    Principal, PrincipalKind, Question, StatementRef, context_keys, decide, matching, resource_policy_decides,
    statement_positions,
};
use tarn_types::{AccountId, Arn};

use crate::boundaries::boundary_of;
use crate::entities::entity_by_id;
use crate::entity_policies::last_part;
use crate::managed_policies::{find_policy, name_of};
use crate::records::{ATTACHMENTS, INLINE_POLICIES, MEMBERSHIPS, in_account};
use crate::{Entity, EntityKind, Identity, IdentityError, aws_managed};

/// Decisions of one simulation, over all its pages: actions times resources.
pub const SIMULATED_COUNT_MAX: usize = 10_000;
/// The work of a page: bytes of policies that are matched, times bytes of what they are matched against. A page ends early where it is done,
/// which IAM's pages may: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
const PAGE_WORK_MAX: usize = 400_000_000;
/// What the answers of a page name at most, statements and keys together, unless its first answer alone names more.
const PAGE_NAMED_COUNT_MAX: usize = 20_000;

/// Where a simulated policy is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicySource {
    /// It was given with the question.
    Given,
    /// Inline of a user, group or role.
    Inline(EntityKind),
    /// Managed, by AWS.
    AwsManaged,
    /// Managed, by the account.
    UserManaged,
    /// It is the resource's.
    Resource,
}

/// A policy that a simulation goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePolicy {
    /// Its name, or `PolicyInputList.1`.
    pub id: String,
    /// The ARN of a managed one.
    pub arn: Option<String>,
    /// What has it: itself, or one of its groups.
    pub entity: Option<(EntityKind, String)>,
    /// The name of an inline one.
    pub policy_name: Option<String>,
    /// Where it is from.
    pub source: PolicySource,
    /// Its text.
    pub document: String,
}

/// A policy of those held that is to be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exclusion {
    /// All inline ones.
    Inline,
    /// All that AWS manages.
    AwsManaged,
    /// All that the account manages.
    UserManaged,
    /// The permissions boundary.
    Boundary,
    /// A managed one.
    Arn(String),
    /// An inline one.
    Named {
        /// Of which kind of thing.
        kind: EntityKind,
        /// Whose.
        entity_name: String,
        /// Its name.
        policy_name: String,
    },
}

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Simulation {
    /// The ARN of whose policies are asked besides those given; `None` asks those given only.
    pub source_arn: Option<String>,
    /// Texts of identity policies.
    pub policies: Vec<String>,
    /// Texts of permissions boundaries, in place of the one that there is.
    pub boundaries: Vec<String>,
    /// Texts of service control policies by level.
    pub service_control: Vec<Vec<String>>,
    /// What is left out.
    pub excluded: Vec<Exclusion>,
    /// `s3:GetObject`, ...
    pub actions: Vec<String>,
    /// ARNs, or `*`; none reads as `*`.
    pub resources: Vec<String>,
    /// The text of the resources' policy.
    pub resource_policy: Option<String>,
    /// Who owns the resources: an account's id or ARN.
    pub resource_owner: Option<String>,
    /// Who is supposed to ask.
    pub caller_arn: Option<String>,
    /// The condition keys of the request.
    pub context: Context,
}

/// Which of the answers are asked for, in the order of actions, and of resources for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulationPage {
    /// How many come before them.
    pub from: usize,
    /// How many at most.
    pub count_max: usize,
}

/// Answers, and how many come before those that follow; `None` at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedPage {
    /// The answers.
    pub results: Vec<Simulated>,
    /// Where the next page is from.
    pub next: Option<usize>,
}

/// A statement that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedStatement {
    /// Its policy's name.
    pub policy_id: String,
    /// Where the policy is from.
    pub source: PolicySource,
    /// Where the statement begins.
    pub start: Position,
    /// The place behind its end.
    pub end: Position,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// As asked.
    pub action: String,
    /// As asked.
    pub resource: String,
    /// The decision.
    pub decision: Decision,
    /// The statements that decided.
    pub matched: Vec<MatchedStatement>,
    /// Keys that policies ask for and nothing gave.
    pub missing_keys: Arc<[String]>,
    /// Whether the boundary allows it; `None` without one.
    pub boundary_allows: Option<bool>,
    /// Whether the levels of service control allow it; `None` without any.
    pub organization_allows: Option<bool>,
    /// Of a question across accounts: whether identity policies and the resource's policy allow it.
    pub sides: Option<(bool, bool)>,
}

fn malformed(source: PolicyError) -> IdentityError {
    IdentityError::MalformedPolicy { source }
}

fn parsed(documents: &[String], kind: PolicyKind) -> Result<Vec<Arc<Policy>>, IdentityError> {
    documents.iter().map(|text| Policy::parse(text, kind).map(Arc::new).map_err(malformed)).collect()
}

fn invalid(reason: impl Into<String>) -> IdentityError {
    IdentityError::InvalidInput { reason: reason.into() }
}

/// What an entity has, with what its groups have.
pub(crate) struct Held {
    pub(crate) policies: Vec<SourcePolicy>,
    boundary: Option<String>,
}

fn managed_source(arn: &str) -> PolicySource {
    if aws_managed::find(arn).is_some() { PolicySource::AwsManaged } else { PolicySource::UserManaged }
}

pub(crate) fn held_by(read: &impl Read, account: &AccountId, entity: &Entity) -> Result<Held, IdentityError> {
    let mut entities = vec![entity.clone()];
    let of_entity = in_account(account, &entity.id);
    if entity.kind == EntityKind::User {
        for item in read.prefix(MEMBERSHIPS, &of_entity) {
            if let Some(group) = last_part(&item?.0, &of_entity) {
                entities.extend(entity_by_id(read, account, &group)?);
            }
        }
    }
    let mut policies = Vec::new();
    for Entity { kind, id, name, .. } in entities {
        let at = in_account(account, &id);
        for item in read.prefix(INLINE_POLICIES, &at) {
            let (key, record) = item?;
            let policy_name = last_part(&key, &at).unwrap_or_default();
            policies.push(SourcePolicy {
                id: format!("{kind}_{name}_{policy_name}"),
                arn: None,
                entity: Some((kind, name.clone())),
                policy_name: Some(policy_name),
                source: PolicySource::Inline(kind),
                document: record.document,
            });
        }
        for item in read.prefix(ATTACHMENTS, &at) {
            let Some(arn) = last_part(&item?.0, &at) else { continue };
            policies.push(SourcePolicy {
                id: name_of(&arn).to_owned(),
                source: managed_source(&arn),
                document: find_policy(read, account, &arn)?.document().to_owned(),
                entity: Some((kind, name.clone())),
                policy_name: None,
                arn: Some(arn),
            });
        }
    }
    Ok(Held { policies, boundary: boundary_of(read, account, &entity.id)? })
}

impl Exclusion {
    fn leaves_out(&self, policy: &SourcePolicy) -> bool {
        match self {
            Self::Inline => matches!(policy.source, PolicySource::Inline(_)),
            Self::AwsManaged => policy.source == PolicySource::AwsManaged,
            Self::UserManaged => policy.source == PolicySource::UserManaged,
            Self::Boundary => false,
            Self::Arn(arn) => policy.arn.as_ref() == Some(arn),
            Self::Named { kind, entity_name, policy_name } => {
                policy.source == PolicySource::Inline(*kind)
                    && policy.entity.as_ref().is_some_and(|(_, name)| name == entity_name)
                    && policy.policy_name.as_ref() == Some(policy_name)
            }
        }
    }
}

impl Identity {
    /// The user, group or role of the caller's account that `arn` names.
    pub(crate) fn entity_by_arn(&self, caller: &Caller, text: &str) -> Result<Entity, IdentityError> {
        let account = &caller.scope().account;
        let arn = Arn::parse(text).map_err(|error| invalid(format!("ARN {text} is not valid: {error}")))?;
        let (kind, name) = arn.resource.split_once('/').unwrap_or_default();
        let kind = match kind {
            "user" => EntityKind::User,
            "group" => EntityKind::Group,
            "role" => EntityKind::Role,
            _ => {
                return Err(invalid(format!(
                    "Invalid Entity Arn: {text} does not clearly define entity type and name."
                )));
            }
        };
        let missing = || IdentityError::NoSuchEntity { kind, name: name.to_owned() };
        let name = name.rsplit('/').next().unwrap_or_default();
        let entity = crate::entities::find_entity(&self.store.read()?, account, kind, name)?;
        if entity.arn() == arn { Ok(entity) } else { Err(missing()) }
    }

    /// The texts of the policies that a user, with its groups, or a group or role has, its boundary among them.
    fn held_documents(&self, caller: &Caller, arn: &str) -> Result<Vec<String>, IdentityError> {
        let (account, snapshot) = (&caller.scope().account, self.store.read()?);
        let held = held_by(&snapshot, account, &self.entity_by_arn(caller, arn)?)?;
        let mut documents: Vec<String> = held.policies.into_iter().map(|policy| policy.document).collect();
        if let Some(boundary) = held.boundary {
            documents.push(find_policy(&snapshot, account, &boundary)?.document().to_owned());
        }
        Ok(documents)
    }

    /// The condition keys that policies ask for: those given, and those of what `source_arn` names.
    pub fn context_keys(
        &self,
        caller: &Caller,
        source_arn: Option<&str>,
        mut documents: Vec<String>,
    ) -> Result<Vec<String>, IdentityError> {
        parsed(&documents, PolicyKind::Identity)?;
        if let Some(arn) = source_arn {
            documents.extend(self.held_documents(caller, arn)?);
        }
        let mut keys: Vec<String> = documents.iter().flat_map(|text| context_keys(text)).collect();
        keys.sort_by_key(|key| key.to_lowercase());
        keys.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        Ok(keys)
    }

    /// Puts each action on each resource to the policies, as far as `page` asks for them. Takes a while where policies are large.
    pub fn simulate(
        &self,
        caller: &Caller,
        simulation: &Simulation,
        page: SimulationPage,
    ) -> Result<SimulatedPage, IdentityError> {
        let account = &caller.scope().account;
        let source = simulation.source_arn.as_deref().map(|arn| self.entity_by_arn(caller, arn)).transpose()?;
        let snapshot = self.store.read()?;
        let mut held = match &source {
            Some(entity) => held_by(&snapshot, account, entity)?,
            None => Held { policies: Vec::new(), boundary: None },
        };
        held.policies.retain(|policy| !simulation.excluded.iter().any(|excluded| excluded.leaves_out(policy)));
        held.policies.extend(simulation.policies.iter().enumerate().map(|(at, text)| SourcePolicy {
            id: format!("PolicyInputList.{}", at + 1),
            arn: None,
            entity: None,
            policy_name: None,
            source: PolicySource::Given,
            document: text.clone(),
        }));
        let texts: Vec<String> = held.policies.iter().map(|policy| policy.document.clone()).collect();
        let identity = parsed(&texts, PolicyKind::Identity)?;
        let keeps_boundary = !simulation.excluded.contains(&Exclusion::Boundary);
        let boundary_texts = match &held.boundary {
            _ if !simulation.boundaries.is_empty() => simulation.boundaries.clone(),
            Some(arn) if keeps_boundary => vec![find_policy(&snapshot, account, arn)?.document().to_owned()],
            _ => Vec::new(),
        };
        let boundary = parsed(&boundary_texts, PolicyKind::Identity)?;
        let levels = simulation.service_control.iter().map(|texts| {
            let policies = parsed(texts, PolicyKind::ServiceControl)?;
            Ok(ControlLevel { name: String::new(), policies })
        });
        let levels = levels.collect::<Result<Vec<_>, IdentityError>>()?;
        let resource_policy = match &simulation.resource_policy {
            Some(_)
                if simulation.caller_arn.is_none()
                    && source.as_ref().is_none_or(|found| found.kind != EntityKind::User) =>
            {
                return Err(invalid("CallerArn is required with ResourcePolicy: the ARN of a user."));
            }
            Some(text) => Some(Policy::parse(text, PolicyKind::AnyResource).map_err(malformed)?),
            None => None,
        };
        let principal = supposed_caller(simulation, source.as_ref(), account)?;
        let owner = match &simulation.resource_owner {
            Some(text) => Some(owner(text)?),
            None => None,
        };
        let mut asked: Vec<String> = texts;
        asked.extend(boundary_texts);
        asked.extend(simulation.resource_policy.clone());
        asked.extend(simulation.service_control.iter().flatten().cloned());
        let resources = if simulation.resources.is_empty() { &["*".to_owned()][..] } else { &simulation.resources };
        if simulation.actions.len().saturating_mul(resources.len()) > SIMULATED_COUNT_MAX {
            return Err(invalid(format!(
                "At most {SIMULATED_COUNT_MAX} actions times resources are simulated at once."
            )));
        }
        let actions = &simulation.actions;
        if let Some(action) = actions
            .iter()
            .find(|action| action.split_once(':').is_none_or(|(vendor, name)| vendor.is_empty() || name.is_empty()))
        {
            return Err(invalid(format!("Invalid Action Name: {action}; it reads service:Action.")));
        }
        let arns = resources.iter().map(|text| match text.as_str() {
            "*" => Ok(None),
            text => Arn::parse(text).map(Some).map_err(|error| invalid(format!("Invalid resource {text}: {error}"))),
        });
        let arns = arns.collect::<Result<Vec<_>, _>>()?;
        let given = Given {
            missing_keys: missing_keys(&asked, &simulation.context, &principal, simulation.caller_arn.is_some()).into(),
            places: Places::of(&held.policies, simulation),
            policies: &held.policies,
        };
        let policies_size_bytes: usize = asked.iter().map(String::len).sum();
        let pairs = actions.iter().flat_map(|action| resources.iter().zip(&arns).map(move |on| (action, on)));
        let (mut results, mut work, mut named) = (Vec::new(), 0_usize, 0_usize);
        for (action, (resource, arn)) in pairs.skip(page.from).take(page.count_max) {
            work = work.saturating_add(policies_size_bytes.saturating_mul(action.len().max(resource.len())));
            if !results.is_empty() && (work > PAGE_WORK_MAX || named > PAGE_NAMED_COUNT_MAX) {
                break;
            }
            let of_arn = arn.as_ref().and_then(|arn| AccountId::new(arn.account.clone()).ok());
            let owner = owner.clone().or(of_arn).unwrap_or_else(|| principal.account.clone());
            let own = Context::new();
            let question = Question {
                principal: &principal,
                action,
                resource: arn.as_ref(),
                resource_owner: Some(&owner),
                own: &own,
                request: &simulation.context,
                of_callers_own: false,
                is_supposed: true,
            };
            let sets = PolicySets {
                identity: &identity,
                boundary: (!boundary.is_empty()).then_some(boundary.as_slice()),
                resource: resource_policy.as_ref(),
                resource_decides: resource_policy.is_some() && resource_policy_decides(action, arn.as_ref()),
                service_control: &levels,
                services_are_strangers: true,
                ..PolicySets::default()
            };
            let result = given.simulated(&question, &sets, resource);
            named += result.matched.len() + result.missing_keys.len();
            results.push(result);
        }
        let next = page.from.saturating_add(results.len());
        let is_more = next < actions.len() * resources.len();
        Ok(SimulatedPage { results, next: is_more.then_some(next) })
    }
}

fn owner(text: &str) -> Result<AccountId, IdentityError> {
    let account = Arn::parse(text).map_or_else(|_| text.to_owned(), |arn| arn.account);
    AccountId::new(account).map_err(|error| invalid(format!("Invalid ResourceOwner {text}: {error}")))
}

/// The caller that is named, or else the user or role whose policies are asked, or else somebody of the account of whom nothing is known.
fn supposed_caller(
    simulation: &Simulation,
    source: Option<&Entity>,
    account: &AccountId,
) -> Result<Principal, IdentityError> {
    if let Some(text) = &simulation.caller_arn {
        let named = Principal::supposed(text).filter(|principal| !principal.is_anonymous());
        return named.ok_or_else(|| invalid(format!("Invalid CallerArn: {text}")));
    }
    let of_source = source.filter(|entity| entity.kind != EntityKind::Group);
    let mut principal = of_source.and_then(|entity| Principal::supposed(&entity.arn().to_string()));
    if let (Some(principal), Some(entity)) = (&mut principal, of_source)
        && entity.kind == EntityKind::User
    {
        principal.id.clone_from(&entity.id);
    }
    let unknown = PrincipalKind::AssumedRole { role: "simulated".to_owned(), session: String::new() };
    Ok(principal.unwrap_or_else(|| Principal::new(unknown, account.clone(), "")))
}

/// Keys that follow from who asks.
const OF_CALLER: [&str; 5] =
    ["aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:resourceaccount", "s3:resourceaccount"];

fn missing_keys(documents: &[String], context: &Context, principal: &Principal, is_named: bool) -> Vec<String> {
    let is_user = matches!(principal.kind, PrincipalKind::User { .. });
    let follows = |key: &str| {
        let key = key.to_lowercase();
        (is_named || is_user) && OF_CALLER.contains(&key.as_str()) || (is_user && key == "aws:username")
    };
    let mut keys: Vec<String> = documents.iter().flat_map(|text| context_keys(text)).collect();
    keys.retain(|key| context.get(key).is_none() && !follows(key));
    keys.sort_by_key(|key| key.to_lowercase());
    keys.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    keys
}

/// Where the statements of one policy stand.
type OfPolicy = Vec<(Position, Position)>;

/// Where the statements of all policies that answers can point at stand.
struct Places {
    identity: Vec<OfPolicy>,
    boundaries: Vec<OfPolicy>,
    resource: OfPolicy,
}

impl Places {
    fn of(policies: &[SourcePolicy], simulation: &Simulation) -> Self {
        Self {
            identity: policies.iter().map(|policy| statement_positions(&policy.document)).collect(),
            boundaries: simulation.boundaries.iter().map(|text| statement_positions(text)).collect(),
            resource: simulation.resource_policy.as_deref().map(statement_positions).unwrap_or_default(),
        }
    }
}

/// What all answers of a simulation are made with.
struct Given<'s> {
    policies: &'s [SourcePolicy],
    places: Places,
    missing_keys: Arc<[String]>,
}

impl Given<'_> {
    fn statement(&self, at: &StatementRef) -> Option<MatchedStatement> {
        let (policy_id, source, places) = match at.set {
            PolicySet::Identity => {
                let policy = self.policies.get(at.policy)?;
                (policy.id.clone(), policy.source, self.places.identity.get(at.policy)?)
            }
            PolicySet::Resource => ("ResourcePolicy".to_owned(), PolicySource::Resource, &self.places.resource),
            PolicySet::Boundary => {
                let id = format!("PermissionsBoundaryPolicyInputList.{}", at.policy + 1);
                (id, PolicySource::Given, self.places.boundaries.get(at.policy)?)
            }
            PolicySet::Session | PolicySet::ServiceControl | PolicySet::ResourceControl => return None,
        };
        let (start, end) = places.get(at.statement).copied()?;
        Some(MatchedStatement { policy_id, source, start, end })
    }

    fn simulated(&self, question: &Question<'_>, sets: &PolicySets<'_>, resource: &str) -> Simulated {
        let decision = decide(question, sets);
        let explicit = decision.refused.is_some_and(DeniedBecause::is_explicit);
        let found = matching(question, sets);
        let of_resource = |denies: bool| {
            found.iter().any(|(at, of_statement)| at.set == PolicySet::Resource && *of_statement == denies)
        };
        let resource_side = of_resource(false) && !of_resource(true);
        let deciding = found.iter().filter(|(_, denies)| *denies == explicit && (explicit || decision.is_allowed()));
        let matched = deciding.filter_map(|(at, _)| self.statement(at)).collect();
        let own_account = question.principal.account.clone();
        let at_home = Question { resource_owner: Some(&own_account), ..*question };
        let by_policies_alone =
            |identity: &[Arc<Policy>]| decide(&at_home, &PolicySets { identity, ..PolicySets::default() }).is_allowed();
        let across = question.resource_owner.is_some_and(|owner| *owner != own_account);
        let by_organization = |refused| {
            matches!(refused, DeniedBecause::ServiceControlPolicy | DeniedBecause::NoServiceControlPolicyAllows)
        };
        Simulated {
            action: question.action.to_owned(),
            resource: resource.to_owned(),
            decision,
            matched,
            missing_keys: self.missing_keys.clone(),
            boundary_allows: sets.boundary.map(by_policies_alone),
            organization_allows: (!sets.service_control.is_empty())
                .then(|| !decision.refused.is_some_and(by_organization)),
            sides: across.then(|| (by_policies_alone(sets.identity), resource_side)),
        }
    }
}

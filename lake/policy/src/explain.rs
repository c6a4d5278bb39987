//! A decision in words: which statement of which policy decided and, where nothing allowed, which nearly did. Decides nothing itself.

use std::fmt::Write;
use std::sync::Arc;

use crate::document::{Effect, Policy, Statement};
use crate::evaluate::{Asked, Decision, PolicySet, PolicySets, Question, StatementRef, Verdict, Verdicts, conclude};
use crate::principal::PrincipalKind;
use crate::principals::Mention;
use crate::proof::DeniedBecause;

/// Statements that nearly allowed, as many as are told of.
const NEAR_COUNT_MAX: usize = 8;

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// Why, a sentence each; never empty.
    pub because: Vec<String>,
}

/// Decides as `decide` does, and says why. `name` is what a policy is called.
pub fn explain(
    question: &Question<'_>,
    sets: &PolicySets<'_>,
    name: &dyn Fn(PolicySet, usize, usize) -> String,
) -> Explanation {
    let asked = Asked::new(question, sets);
    let verdicts = asked.verdicts(sets);
    let decision = conclude(&asked, sets, &verdicts);
    let what = match question.resource {
        Some(arn) => format!("{} on {arn}", question.action),
        None => question.action.to_owned(),
    };
    let mut told = Told { asked: &asked, sets, name, what, because: Vec::new(), near_count: 0 };
    match decision.refused {
        None => told.allowed(&decision, &verdicts),
        Some(because) => told.refused(because, &decision, &verdicts),
    }
    Explanation { decision, because: told.because }
}

impl PolicySets<'_> {
    /// The policies of a set, and the level's name where it has levels.
    fn policies(&self, set: PolicySet, level: usize) -> (Vec<&Policy>, Option<&str>) {
        fn all(policies: &[Arc<Policy>]) -> Vec<&Policy> {
            policies.iter().map(|policy| &**policy).collect()
        }
        match set {
            PolicySet::Identity => (all(self.identity), None),
            PolicySet::Boundary => (self.boundary.map(all).unwrap_or_default(), None),
            PolicySet::Session => (self.session.map(all).unwrap_or_default(), None),
            PolicySet::Resource => (self.resource.into_iter().collect(), None),
            PolicySet::ServiceControl | PolicySet::ResourceControl => {
                let levels =
                    if set == PolicySet::ServiceControl { self.service_control } else { self.resource_control };
                match levels.get(level) {
                    Some(level) => (all(&level.policies), Some(&level.name)),
                    None => (Vec::new(), None),
                }
            }
        }
    }

    fn statement(&self, at: StatementRef) -> Option<&Statement> {
        self.policies(at.set, at.level).0.get(at.policy).and_then(|policy| policy.statements.get(at.statement))
    }
}

fn noun(set: PolicySet) -> &'static str {
    match set {
        PolicySet::Identity => "identity policy",
        PolicySet::Resource => "resource policy",
        PolicySet::Boundary => "permissions boundary",
        PolicySet::Session => "session policy",
        PolicySet::ServiceControl => "service control policy",
        PolicySet::ResourceControl => "resource control policy",
    }
}

struct Told<'a> {
    asked: &'a Asked<'a>,
    sets: &'a PolicySets<'a>,
    name: &'a dyn Fn(PolicySet, usize, usize) -> String,
    /// What is asked: the action and the resource.
    what: String,
    because: Vec<String>,
    near_count: usize,
}

impl Told<'_> {
    /// Such as "statement `Read` of the identity policy `P`".
    fn statement(&self, at: StatementRef) -> String {
        let mut text = "statement ".to_owned();
        let sid = self.sets.statement(at).and_then(|statement| statement.sid.as_deref());
        // Writing to a text cannot fail.
        let _ = match sid.filter(|sid| !sid.is_empty()) {
            Some(sid) => write!(text, "`{sid}`"),
            None => write!(text, "{}", at.statement + 1),
        };
        let _ = write!(text, " of the {} `{}`", noun(at.set), (self.name)(at.set, at.level, at.policy));
        if let Some(level) = self.sets.policies(at.set, at.level).1 {
            let _ = write!(text, " at `{level}`");
        }
        text
    }

    fn say(&mut self, text: String) {
        self.because.push(text);
    }

    fn allowed(&mut self, decision: &Decision, verdicts: &Verdicts) {
        let what = &self.what;
        let text = match (decision.by, &self.asked.principal.kind) {
            (Some(by), _) => format!("{} allows {what}", self.statement(by)),
            (None, _) if self.asked.action == "sts:getcalleridentity" => {
                "whoever has credentials may ask whose they are".to_owned()
            }
            (None, PrincipalKind::Root) => format!("the root of an account may {what}, as nothing denies it"),
            (None, PrincipalKind::Service { .. }) => {
                format!("a service acts for its account, and nothing denies {what}")
            }
            (None, _) => format!("an access control list of the resource allows {what}"),
        };
        self.say(text);
        let all = [
            verdicts.resource_control,
            verdicts.service_control,
            Some(verdicts.resource).filter(|_| !self.asked.same_account || self.sets.resource_decides),
            verdicts.boundary,
            verdicts.session,
        ];
        for verdict in all.into_iter().flatten() {
            if let Verdict::Allow(by) | Verdict::AllowRole(by) | Verdict::AllowAccount(by) = verdict
                && Some(by) != decision.by
            {
                let text = format!("{} allows it", self.statement(by));
                self.say(text);
            }
        }
    }

    fn refused(&mut self, because: DeniedBecause, decision: &Decision, verdicts: &Verdicts) {
        match because {
            DeniedBecause::IdentityPolicy
            | DeniedBecause::ResourcePolicy
            | DeniedBecause::Boundary
            | DeniedBecause::SessionPolicy
            | DeniedBecause::ServiceControlPolicy
            | DeniedBecause::ResourceControlPolicy => {
                let by = decision.by.map_or_else(|| "a statement".to_owned(), |by| self.statement(by));
                let text = format!("{by} denies {}", self.what);
                self.say(text);
            }
            DeniedBecause::NoServiceControlPolicyAllows => self.control(PolicySet::ServiceControl),
            DeniedBecause::NoResourceControlPolicyAllows => self.control(PolicySet::ResourceControl),
            DeniedBecause::NoBoundaryAllows => self.limit(PolicySet::Boundary),
            DeniedBecause::NoSessionPolicyAllows if self.sets.session.is_none() => {
                let text = format!("the credentials of this kind of session never allow {}", self.what);
                self.say(text);
            }
            DeniedBecause::NoSessionPolicyAllows => self.limit(PolicySet::Session),
            DeniedBecause::NothingAllows | DeniedBecause::NoResourcePolicyAllows => self.nothing(verdicts),
            DeniedBecause::PublicPolicyRestricted => {
                self.say("the resource's policy is public, and its owner lets in nobody by such a policy".to_owned());
            }
            DeniedBecause::OfAws => {
                let text = format!("{}: it is AWS's own and cannot be changed", self.what);
                self.say(text);
            }
            DeniedBecause::NoLakeFormationPermission => {
                let text = format!("no Lake Formation permission allows {}", self.what);
                self.say(text);
            }
            DeniedBecause::PoliciesUnreadable => self.say("the policies could not be read".to_owned()),
        }
    }

    /// The levels of an organisation that do not allow it.
    fn control(&mut self, set: PolicySet) {
        let levels =
            if set == PolicySet::ServiceControl { self.sets.service_control } else { self.sets.resource_control };
        for at in 0..levels.len() {
            let (policies, level) = self.sets.policies(set, at);
            let applies = |statement: &Statement| {
                statement.effect == Effect::Allow
                    && statement.applies(&self.asked.action, &self.asked.resource, &self.asked.facts) != Mention::None
            };
            if policies.iter().any(|policy| policy.statements.iter().any(applies)) {
                continue;
            }
            let text = format!("no {} at `{}` allows {}", noun(set), level.unwrap_or_default(), self.what);
            self.say(text);
            self.near(set, at);
        }
    }

    /// What narrows the principal, and does not allow it.
    fn limit(&mut self, set: PolicySet) {
        let count = self.sets.policies(set, 0).0.len();
        let names: Vec<String> = (0..count).map(|policy| format!("`{}`", (self.name)(set, 0, policy))).collect();
        let text = match names.as_slice() {
            [] => format!("the session has no policy that allows {}", self.what),
            names => format!("the {} {} does not allow {}", noun(set), names.join(", "), self.what),
        };
        self.say(text);
        self.near(set, 0);
    }

    fn nothing(&mut self, verdicts: &Verdicts) {
        let principal = self.asked.principal;
        let by_policies = match principal.kind {
            PrincipalKind::User { .. } | PrincipalKind::AssumedRole { .. } | PrincipalKind::FederatedUser { .. } => {
                true
            }
            PrincipalKind::Root
            | PrincipalKind::Service { .. }
            | PrincipalKind::Anonymous
            | PrincipalKind::WebIdentity { .. } => false,
        };
        if by_policies && !matches!(verdicts.identity, Verdict::Allow(_)) {
            let text = format!("no identity policy allows {}", self.what);
            self.say(text);
            self.near(PolicySet::Identity, 0);
        }
        let who = principal.arn().map_or_else(
            || match &principal.kind {
                PrincipalKind::Service { name } => name.clone(),
                PrincipalKind::WebIdentity { provider, .. } => provider.clone(),
                _ => "everyone".to_owned(),
            },
            |arn| arn.to_string(),
        );
        match verdicts.resource {
            Verdict::AllowAccount(by) if by_policies => {
                let text =
                    format!("{} allows its account, whose identity policies must allow it too", self.statement(by));
                self.say(text);
            }
            Verdict::Allow(_) | Verdict::AllowRole(_) | Verdict::AllowAccount(_) => {}
            Verdict::ImplicitDeny | Verdict::ExplicitDeny(_) => {
                let needed = if by_policies && !self.sets.resource_decides && !self.asked.same_account {
                    "; the resource is another account's, so that its policy must allow it too"
                } else if by_policies && self.sets.resource_decides {
                    "; nobody has this resource whom its policy does not let in"
                } else {
                    ""
                };
                let text = format!("no resource policy allows {} to {who}{needed}", self.what);
                self.say(text);
                self.near(PolicySet::Resource, 0);
            }
        }
    }

    /// Statements that allow such an action on such a resource, and why not this time.
    fn near(&mut self, set: PolicySet, level: usize) {
        let mut found = Vec::new();
        for (policy, of_policy) in self.sets.policies(set, level).0.into_iter().enumerate() {
            for (at, statement) in of_policy.statements.iter().enumerate() {
                if self.near_count == NEAR_COUNT_MAX {
                    break;
                }
                if let Some(but) = statement.nearly_allows(self.asked) {
                    let at = StatementRef { set, level, policy, statement: at };
                    found.push(format!("{} would allow it, {but}", self.statement(at)));
                    self.near_count += 1;
                }
            }
        }
        self.because.extend(found);
    }
}

impl Statement {
    /// What keeps it from allowing, if nothing but its principals or conditions do.
    fn nearly_allows(&self, asked: &Asked<'_>) -> Option<String> {
        let Asked { action, resource, facts, .. } = asked;
        if self.effect == Effect::Deny
            || !self.actions.matches(action, facts)
            || !self.resources.matches(resource, facts)
        {
            return None;
        }
        let unmet: Vec<_> = self.conditions.iter().filter(|condition| !condition.holds(facts)).collect();
        if self.principals.mention(facts.principal(), self.effect, facts.has_boundary()) == Mention::None {
            return Some("but not to this principal".to_owned());
        }
        let first = unmet.first()?;
        let has = match facts.get(first.key()) {
            None => "has no such key".to_owned(),
            Some(values) => {
                format!("has `{}`", values.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("`, `"))
            }
        };
        Some(format!("if its condition {} held: the request {has}", first.written()))
    }
}

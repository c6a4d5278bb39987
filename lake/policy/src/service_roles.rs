//! Roles that services of the lake act as while they work for an account: a role is asked for as a caller asks, and must trust the service
//! by its name. Knows no store; sessions are made where roles are kept.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-service.html>

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use tarn_types::{AccountId, Arn, Region};

use crate::authorizer::PoliciesUnreadable;
use crate::principal::Principal;
use crate::proof::{Authorizer, Context, Denied, DeniedBecause, Requirement};

/// Begins a session of a role, in policies that trust one with it.
const ASSUME_ROLE: &str = "sts:AssumeRole";

/// Where roles are kept.
pub trait RoleSessions: Send + Sync {
    /// A session of `role` called `session_name`; `None` if there is no such role. Whether it trusts anybody is not asked.
    fn role_session(&self, role: &Arn, session_name: &str) -> Result<Option<Principal>, PoliciesUnreadable>;
}

/// The roles that one service of the lake acts as.
#[derive(Clone)]
pub struct ServiceRoles {
    service: &'static str,
    authorizer: Arc<dyn Authorizer>,
    sessions: Arc<dyn RoleSessions>,
}

impl fmt::Debug for ServiceRoles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceRoles({})", self.service)
    }
}

impl ServiceRoles {
    /// Of `service`, such as `s3.amazonaws.com`.
    pub fn new(service: &'static str, authorizer: Arc<dyn Authorizer>, sessions: Arc<dyn RoleSessions>) -> Self {
        Self { service, authorizer, sessions }
    }

    /// Decides for whoever acts.
    pub fn authorizer(&self) -> &Arc<dyn Authorizer> {
        &self.authorizer
    }

    /// The condition keys of what a service does as a role. As on AWS it is the role that calls, and nobody through whom it does:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-viaawsservice>
    pub fn context(now: Timestamp, region: &Region) -> Context {
        Context::new()
            .with("aws:ViaAWSService", "false")
            .with("aws:SecureTransport", "true")
            .with("aws:CurrentTime", now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .with("aws:EpochTime", now.as_second().to_string())
            .with("aws:RequestedRegion", region.as_str())
    }

    /// Whether `role` trusts the service when it works for `account` on `source`, an ARN: `aws:SourceArn`. A role of another account is
    /// refused whomever it trusts: who named it could pass no role but those of its own account.
    pub fn check_trust(&self, role: &Arn, account: &AccountId, source: &str) -> Result<(), Denied> {
        let service = Principal::service(account.clone(), self.service);
        if role.account != account.as_str() {
            return Err(self.denied(role, account, DeniedBecause::NoResourcePolicyAllows));
        }
        let context = Context::new().with("aws:SourceAccount", account.as_str()).with("aws:SourceArn", source);
        let needs = Requirement::new(ASSUME_ROLE, role.clone());
        self.authorizer.authorize(&service, vec![needs], &context).map(|_| ())
    }

    /// A session of `role`, which must trust the service: as whom it works for `account` on `source`.
    pub fn assume(
        &self,
        role: &Arn,
        account: &AccountId,
        source: &str,
        session_name: &str,
    ) -> Result<Principal, Denied> {
        self.check_trust(role, account, source)?;
        match self.sessions.role_session(role, session_name) {
            Ok(Some(session)) => Ok(session),
            Ok(None) => Err(self.denied(role, account, DeniedBecause::NoResourcePolicyAllows)),
            Err(_) => Err(self.denied(role, account, DeniedBecause::PoliciesUnreadable)),
        }
    }

    fn denied(&self, role: &Arn, account: &AccountId, because: DeniedBecause) -> Denied {
        let principal = Principal::service(account.clone(), self.service);
        Denied { principal, action: ASSUME_ROLE, resource: Some(role.clone()), because }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorizer::{HeldPolicies, IdentityPolicies, LakeAuthorizer, ResourcePolicies, ResourcePolicy};
    use crate::document::{Policy, PolicyKind};
    use crate::principal::PrincipalKind;

    const SERVICE: &str = "s3.amazonaws.com";

    /// One role, by its trust policy.
    struct Roles(String);

    impl IdentityPolicies for Roles {
        fn identity_policies(&self, _: &Principal) -> Result<HeldPolicies, PoliciesUnreadable> {
            Ok(HeldPolicies::default())
        }
    }

    impl ResourcePolicies for Roles {
        fn resource_policy(&self, arn: &Arn, _: &Requirement) -> Result<Option<ResourcePolicy>, PoliciesUnreadable> {
            let policy = Policy::parse(&self.0, PolicyKind::Trust).expect("a trust policy");
            let owner = AccountId::new(arn.account.clone()).ok();
            Ok(Some(ResourcePolicy { owner, policy: Some(Arc::new(policy)), decides: true, ..Default::default() }))
        }
    }

    impl RoleSessions for Roles {
        fn role_session(&self, role: &Arn, name: &str) -> Result<Option<Principal>, PoliciesUnreadable> {
            let kind = PrincipalKind::AssumedRole { role: "r".to_owned(), session: name.to_owned() };
            let is_there = role.resource == "role/r";
            Ok(is_there.then(|| Principal::new(kind, AccountId::first(), "AROA")))
        }
    }

    #[test]
    fn a_role_trusts_a_service_of_its_account_by_the_services_name() {
        let check = |principal: &str, condition: &str, role: &str, expected: Option<&str>| {
            let trust = format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole","Condition":{condition}}}]}}"#
            );
            let roles = Arc::new(Roles(trust));
            let authorizer = Arc::new(LakeAuthorizer::new(roles.clone(), vec![roles.clone()]));
            let of_service = ServiceRoles::new(SERVICE, authorizer, roles);
            let role = Arn::parse(role).expect("an ARN");
            let found = of_service.assume(&role, &AccountId::first(), "arn:aws:s3:::b", "s");
            let found = found.map(|session| session.arn().expect("an ARN").to_string());
            match (found, expected) {
                (Ok(_), None) => {}
                (Err(denied), Some(words)) => assert!(denied.to_string().contains(words), "{denied}"),
                (found, _) => panic!("{principal} {condition} {role}: {found:?}"),
            }
        };
        const ROLE: &str = "arn:aws:iam::000000000000:role/r";
        const S3: &str = r#"{"Service":"s3.amazonaws.com"}"#;
        const NO: Option<&str> = Some("Service: s3.amazonaws.com is not authorized to perform: sts:AssumeRole");
        check(S3, "{}", ROLE, None);
        check(r#"{"Service":["glue.amazonaws.com","s3.amazonaws.com"]}"#, "{}", ROLE, None);
        check(r#"{"Service":"glue.amazonaws.com"}"#, "{}", ROLE, NO);
        check(r#"{"AWS":"arn:aws:iam::000000000000:root"}"#, "{}", ROLE, NO);
        check(r#"{"AWS":"000000000000"}"#, "{}", ROLE, NO);
        check(S3, r#"{"StringEquals":{"aws:SourceAccount":"000000000000"}}"#, ROLE, None);
        check(S3, r#"{"StringEquals":{"aws:SourceAccount":"111111111111"}}"#, ROLE, NO);
        check(S3, r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::b"}}"#, ROLE, None);
        check(S3, r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::other"}}"#, ROLE, NO);
        // Another account's role, whomever it trusts; and one that is not there.
        check(S3, "{}", "arn:aws:iam::111111111111:role/r", NO);
        check(S3, "{}", "arn:aws:iam::000000000000:role/none", NO);
    }
}

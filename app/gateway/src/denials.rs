//! What the policies said no to while a request was answered, and the sealed message about it that goes with the refusal. A request that is
//! allowed pays for little more than a place to note it in.

use std::cell::RefCell;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use tarn_policy::{Authorized, Authorizer, Context, Denied, Principal, PrincipalKind, Requirement};
use tarn_types::Arn;

/// The header of an answer that says what was refused, to who may decode it.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-tarn-authorization-message");

/// What was refused.
#[derive(Debug, Clone)]
pub struct Denial {
    /// The no.
    pub denied: Denied,
    /// Condition keys of the action.
    pub own: Context,
    /// Condition keys of the request.
    pub request: Context,
}

/// Seals what was refused.
pub trait AuthorizationMessages: Send + Sync {
    /// A text for callers of the account whose caller was refused; `None` if none can be made.
    fn message(&self, denial: &Denial) -> Option<String>;
}

tokio::task_local! {
    /// The last no of the request that this task answers.
    static NOTED: RefCell<Option<Box<Denial>>>;
}

/// Answers a request with a place for what is refused in it.
pub(crate) async fn noting<T>(answering: impl Future<Output = T>) -> T {
    NOTED.scope(RefCell::new(None), answering).await
}

/// The message about what the policies last said no to, if somebody known asked.
pub(crate) fn message(messages: &dyn AuthorizationMessages) -> Option<HeaderValue> {
    let denial = NOTED.try_with(RefCell::take).ok().flatten()?;
    HeaderValue::from_str(&messages.message(&denial)?).ok()
}

/// Notes what is refused, in the request that it is asked for.
pub(crate) struct NotingAuthorizer(pub(crate) Arc<dyn Authorizer>);

impl Authorizer for NotingAuthorizer {
    fn authorize(
        &self,
        principal: &Principal,
        requirements: Vec<Requirement>,
        context: &Context,
    ) -> Result<Authorized, Denied> {
        let is_known = !matches!(
            principal.kind,
            PrincipalKind::Anonymous | PrincipalKind::WebIdentity { .. } | PrincipalKind::Service { .. }
        );
        if !is_known || NOTED.try_with(|_| ()).is_err() {
            return self.0.authorize(principal, requirements, context);
        }
        // On what is asked only where there are several to tell apart.
        let are_several = requirements.len() > 1;
        let note =
            |needs: &Requirement| (needs.action, are_several.then(|| needs.resource.clone()), needs.context.clone());
        let own: Vec<_> = requirements.iter().map(note).collect();
        self.0.authorize(principal, requirements, context).inspect_err(|denied| {
            let is_it = |(action, resource, _): &(&'static str, Option<Option<Arn>>, Context)| {
                *action == denied.action && resource.as_ref().is_none_or(|resource| *resource == denied.resource)
            };
            let own = own.into_iter().find(is_it).map(|(_, _, context)| context).unwrap_or_default();
            let denial = Denial { denied: denied.clone(), own, request: context.clone() };
            // Noted where it is asked for; nowhere else is it wanted.
            let _ = NOTED.try_with(|noted| *noted.borrow_mut() = Some(Box::new(denial)));
        })
    }
}

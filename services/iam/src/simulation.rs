//! Simulations on the wire: what policies would say, and which keys they ask for.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::AwsError;
use tarn_identity::{
    EntityKind, Exclusion, Identity, IdentityError, PolicySource, Simulated, Simulation, SimulationPage,
};
use tarn_policy::{Context, DeniedBecause};
use tokio::sync::Semaphore;

use crate::convert::required;
use crate::errors::to_aws;

/// Results of a page if none are asked for: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
const PAGE_RESULTS_DEFAULT: usize = 100;
/// Simulations that are worked on at once, in all: each takes a core.
const SIMULATIONS_COUNT_MAX: usize = 2;
static SIMULATING: Semaphore = Semaphore::const_new(SIMULATIONS_COUNT_MAX);

fn refused(message: impl Into<String>) -> AwsError {
    AwsError::modelled(&wire::errors::INVALID_INPUT_EXCEPTION, message)
}

/// What cannot be simulated is no fault of a policy that is kept: these operations have no error for one that is malformed.
fn to_simulation_error(error: IdentityError) -> AwsError {
    match error {
        IdentityError::MalformedPolicy { .. } | IdentityError::InvalidInput { .. } => refused(error.to_string()),
        error => to_aws(error),
    }
}

fn context(entries: Option<Vec<wire::ContextEntry>>) -> Result<Context, AwsError> {
    let mut context = Context::new();
    for entry in entries.into_iter().flatten() {
        let name = required(entry.context_key_name, "ContextKeyName")?;
        let values = entry.context_key_values.unwrap_or_default();
        let is_list = entry.context_key_type.as_deref().is_some_and(|kind| kind.ends_with("List"));
        if values.len() > 1 && entry.context_key_type.is_some() && !is_list {
            return Err(refused(format!("The context key {name} has several values: its type must be a list's.")));
        }
        context.set_all(&name, values);
    }
    Ok(context)
}

fn exclusion(entry: wire::PolicyIdentifier) -> Result<Exclusion, AwsError> {
    if let Some(inline) = entry.inline_policy_identifier {
        let kind = match required(inline.attachment_type, "AttachmentType")?.as_str() {
            "group" => EntityKind::Group,
            "role" => EntityKind::Role,
            _ => EntityKind::User,
        };
        return Ok(Exclusion::Named {
            kind,
            entity_name: required(inline.attachment_name, "AttachmentName")?,
            policy_name: required(inline.policy_name, "PolicyName")?,
        });
    }
    if let Some(arn) = entry.policy_arn {
        return Ok(Exclusion::Arn(arn));
    }
    match entry.policy_type.as_deref() {
        Some("inline") => Ok(Exclusion::Inline),
        Some("aws-managed") => Ok(Exclusion::AwsManaged),
        Some("user-managed") => Ok(Exclusion::UserManaged),
        Some("permission-boundary") => Ok(Exclusion::Boundary),
        // What stands above the account is asked only where it is given.
        Some(kind @ ("scp" | "rcp")) => {
            Err(refused(format!("Policies of type {kind} are not asked here: leave it out.")))
        }
        _ => Err(refused("A policy to exclude is named by PolicyType, PolicyArn or InlinePolicyIdentifier.")),
    }
}

fn decision(refused: Option<DeniedBecause>) -> String {
    match refused {
        None => "allowed",
        Some(because) if because.is_explicit() => "explicitDeny",
        Some(_) => "implicitDeny",
    }
    .to_owned()
}

fn side(allows: bool) -> String {
    if allows { "allowed" } else { "implicitDeny" }.to_owned()
}

fn source(source: PolicySource) -> String {
    match source {
        PolicySource::Given => "none",
        PolicySource::Inline(EntityKind::User) => "user",
        PolicySource::Inline(EntityKind::Group) => "group",
        PolicySource::Inline(EntityKind::Role) => "role",
        PolicySource::AwsManaged => "aws-managed",
        PolicySource::UserManaged => "user-managed",
        PolicySource::Resource => "resource",
    }
    .to_owned()
}

fn position(position: tarn_policy::Position) -> wire::Position {
    let number = |number: usize| i32::try_from(number).ok();
    wire::Position { line: number(position.line), column: number(position.column) }
}

fn result(found: Simulated) -> wire::EvaluationResult {
    let matched = found.matched.into_iter().map(|statement| wire::Statement {
        source_policy_id: Some(statement.policy_id),
        source_policy_type: Some(source(statement.source)),
        start_position: Some(position(statement.start)),
        end_position: Some(position(statement.end)),
    });
    let details = found.sides.map(|(identity, resource)| {
        [("IAM Policy".to_owned(), side(identity)), ("Resource Policy".to_owned(), side(resource))]
            .into_iter()
            .collect()
    });
    wire::EvaluationResult {
        eval_action_name: Some(found.action),
        eval_resource_name: Some(found.resource),
        eval_decision: Some(decision(found.decision.refused)),
        matched_statements: Some(matched.collect()),
        missing_context_values: Some(found.missing_keys.to_vec()),
        organizations_decision_detail: found
            .organization_allows
            .map(|allows| wire::OrganizationsDecisionDetail { allowed_by_organizations: Some(allows) }),
        permissions_boundary_decision_detail: found
            .boundary_allows
            .map(|allows| wire::PermissionsBoundaryDecisionDetail { allowed_by_permissions_boundary: Some(allows) }),
        eval_decision_details: details,
        ..wire::EvaluationResult::default()
    }
}

async fn answer(
    identity: Arc<Identity>,
    caller: Caller,
    simulation: Simulation,
    marker: Option<String>,
    max_items: Option<i32>,
) -> Result<wire::SimulatePolicyResponse, AwsError> {
    let from = marker.map_or(Ok(0), |marker| marker.parse::<usize>().map_err(|_| refused("Invalid Marker.")))?;
    let count_max = max_items.and_then(|items| usize::try_from(items).ok()).unwrap_or(PAGE_RESULTS_DEFAULT).max(1);
    let page = SimulationPage { from, count_max };
    let failed = |_| AwsError::internal_failure("a simulation was not finished");
    let permit =
        SIMULATING.acquire().await.map_err(|_| AwsError::internal_failure("no simulations are made any more"))?;
    let work = move || {
        let _permit = permit;
        identity.simulate(&caller, &simulation, page)
    };
    let found = tokio::task::spawn_blocking(work).await.map_err(failed)?.map_err(to_simulation_error)?;
    Ok(wire::SimulatePolicyResponse {
        evaluation_results: Some(found.results.into_iter().map(result).collect()),
        is_truncated: Some(found.next.is_some()),
        marker: found.next.map(|next| next.to_string()),
    })
}

pub(crate) async fn custom(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::SimulateCustomPolicyRequest,
) -> Result<wire::SimulatePolicyResponse, AwsError> {
    let levels = input.ordered_organization_policy_input_list.into_iter().flatten();
    let simulation = Simulation {
        policies: required(input.policy_input_list, "PolicyInputList")?,
        boundaries: input.permissions_boundary_policy_input_list.unwrap_or_default(),
        service_control: levels.map(|level| level.service_control_policy_input_list.unwrap_or_default()).collect(),
        actions: required(input.action_names, "ActionNames")?,
        resources: input.resource_arns.unwrap_or_default(),
        resource_policy: input.resource_policy,
        resource_owner: input.resource_owner,
        caller_arn: input.caller_arn,
        context: context(input.context_entries)?,
        ..Simulation::default()
    };
    answer(identity, caller, simulation, input.marker, input.max_items).await
}

pub(crate) async fn principal(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::SimulatePrincipalPolicyRequest,
) -> Result<wire::SimulatePolicyResponse, AwsError> {
    let excluded = input.policy_exclusion_list.into_iter().flatten().map(exclusion);
    let simulation = Simulation {
        source_arn: Some(required(input.policy_source_arn, "PolicySourceArn")?),
        policies: input.policy_input_list.unwrap_or_default(),
        boundaries: input.permissions_boundary_policy_input_list.unwrap_or_default(),
        excluded: excluded.collect::<Result<_, _>>()?,
        actions: required(input.action_names, "ActionNames")?,
        resources: input.resource_arns.unwrap_or_default(),
        resource_policy: input.resource_policy,
        resource_owner: input.resource_owner,
        caller_arn: input.caller_arn,
        context: context(input.context_entries)?,
        ..Simulation::default()
    };
    answer(identity, caller, simulation, input.marker, input.max_items).await
}

pub(crate) async fn keys_of_custom(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetContextKeysForCustomPolicyRequest,
) -> Result<wire::GetContextKeysForPolicyResponse, AwsError> {
    let documents = required(input.policy_input_list, "PolicyInputList")?;
    let keys = identity.context_keys(&caller, None, documents).map_err(to_simulation_error)?;
    Ok(wire::GetContextKeysForPolicyResponse { context_key_names: Some(keys) })
}

pub(crate) async fn keys_of_principal(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetContextKeysForPrincipalPolicyRequest,
) -> Result<wire::GetContextKeysForPolicyResponse, AwsError> {
    let arn = required(input.policy_source_arn, "PolicySourceArn")?;
    let documents = input.policy_input_list.unwrap_or_default();
    let keys = identity.context_keys(&caller, Some(&arn), documents).map_err(to_simulation_error)?;
    Ok(wire::GetContextKeysForPolicyResponse { context_key_names: Some(keys) })
}

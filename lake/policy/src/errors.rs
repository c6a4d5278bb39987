//! Why a text is not a policy, in the words of the service that was given it. Knows no error code: that is the services' part.

use std::fmt;

use crate::document::PolicyKind;
use crate::positions::Position;

/// Why a policy was refused when it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    /// What kind of policy it was given as; decides the words.
    pub kind: PolicyKind,
    /// What is wrong.
    pub problem: PolicyProblem,
    /// In which statement, counted from 0, and where that begins; `None` where the policy has one, or it is about the whole.
    pub position: Option<(usize, Position)>,
}

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyProblem {
    /// Larger than the limit.
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// Not JSON.
    NotJson {
        /// What the parser said, with line and column.
        reason: String,
    },
    /// JSON, but not of a policy's form.
    Syntax {
        /// What and where.
        reason: String,
    },
    /// The version is neither 2012-10-17 nor 2008-10-17.
    Version {
        /// What was given.
        found: String,
    },
    /// An element is missing.
    Missing {
        /// `Action`, `Resource`, `Principal`, `Effect`, `Statement`.
        element: &'static str,
    },
    /// Neither Allow nor Deny.
    Effect {
        /// What was given.
        found: String,
    },
    /// A principal where none may be.
    PrincipalNotAllowed,
    /// A resource where none may be: it is the thing that the policy is of.
    ResourceNotAllowed {
        /// `Resource` or `NotResource`.
        element: String,
    },
    /// Not a principal that this lake has.
    Principal {
        /// What was given.
        found: String,
    },
    /// Not an action.
    Action {
        /// What was given.
        found: String,
    },
    /// An action on other things than the statement's resources.
    ActionWithoutResource {
        /// What was given.
        found: String,
    },
    /// Not an ARN, not `*`, or outside of what the policy is attached to.
    Resource {
        /// What was given.
        found: String,
    },
    /// Not a condition operator.
    ConditionOperator {
        /// What was given.
        found: String,
    },
    /// Not a condition key.
    ConditionKey {
        /// What was given.
        found: String,
    },
    /// A value that its operator cannot compare.
    ConditionValue {
        /// The operator.
        operator: String,
        /// What was given.
        found: String,
    },
    /// A statement's id has other characters than letters and digits.
    Sid {
        /// What was given.
        found: String,
    },
    /// Two statements have the same id.
    SidRepeated {
        /// The id.
        sid: String,
    },
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_problem(f)?;
        match self.position {
            Some((statement, Position { line, column })) => {
                write!(f, " (statement {}, at line {line}, column {column})", statement + 1)
            }
            None => Ok(()),
        }
    }
}

impl PolicyError {
    fn write_problem(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = self.kind.is_of_holder();
        match &self.problem {
            PolicyProblem::TooLarge { size_bytes, size_bytes_max } => {
                write!(f, "The policy has {size_bytes} bytes; at most {size_bytes_max} are allowed.")
            }
            PolicyProblem::NotJson { reason } if identity => write!(f, "Syntax errors in policy: {reason}"),
            PolicyProblem::NotJson { reason } => write!(f, "This policy contains invalid Json: {reason}"),
            PolicyProblem::Syntax { reason } if identity => write!(f, "Syntax errors in policy: {reason}"),
            PolicyProblem::Syntax { reason } => write!(f, "Invalid policy syntax: {reason}"),
            PolicyProblem::Version { found } => {
                write!(f, "The policy must contain a valid version string: `2012-10-17` or `2008-10-17`, not `{found}`")
            }
            PolicyProblem::Missing { element: "Action" } if identity => {
                f.write_str("Policy statement must contain actions.")
            }
            PolicyProblem::Missing { element: "Resource" } if identity => {
                f.write_str("Policy statement must contain resources.")
            }
            PolicyProblem::Missing { element } if identity => {
                write!(f, "Syntax errors in policy: the element {element} is missing")
            }
            PolicyProblem::Missing { element } => write!(f, "Missing required field {element}"),
            PolicyProblem::Effect { found } if identity => {
                write!(f, "Syntax errors in policy: the effect `{found}` is neither Allow nor Deny")
            }
            PolicyProblem::Effect { found } => write!(f, "Invalid effect: {found}"),
            PolicyProblem::PrincipalNotAllowed => f.write_str("Policy document should not specify a principal."),
            PolicyProblem::ResourceNotAllowed { element } => write!(f, "Has prohibited field {element}"),
            PolicyProblem::Principal { found } if self.kind == PolicyKind::Trust => {
                write!(f, "Invalid principal in policy: \"{found}\"")
            }
            PolicyProblem::Principal { found } => write!(
                f,
                "Invalid principal in policy: `{found}`; name `*`, an account, or the ARN of a user or role as AWS, or a service as Service"
            ),
            PolicyProblem::Action { found } if identity => {
                write!(
                    f,
                    "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.; `{found}` is not"
                )
            }
            PolicyProblem::Action { .. } if self.kind == PolicyKind::Trust => {
                f.write_str("AssumeRole policy may only specify STS AssumeRole actions.")
            }
            PolicyProblem::Action { found } => write!(f, "Policy has invalid action: {found}"),
            PolicyProblem::ActionWithoutResource { found } => {
                write!(f, "Action does not apply to any resource(s) in statement: {found}")
            }
            PolicyProblem::Resource { found } if identity => {
                write!(f, "Resource {found} must be in ARN format or \"*\".")
            }
            PolicyProblem::Resource { found } => write!(f, "Policy has invalid resource: {found}"),
            PolicyProblem::ConditionOperator { found } if identity => write!(f, "Invalid Condition type : {found}"),
            PolicyProblem::ConditionOperator { found } => write!(f, "Invalid Condition type : {found}"),
            PolicyProblem::ConditionKey { found } if identity => {
                write!(
                    f,
                    "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.; `{found}` is not"
                )
            }
            PolicyProblem::ConditionKey { found } => write!(f, "Policy has an invalid condition key: {found}"),
            PolicyProblem::ConditionValue { operator, found } => {
                write!(f, "The value `{found}` cannot be compared by {operator}.")
            }
            PolicyProblem::Sid { found } => {
                write!(f, "Statement IDs (SID) must be alpha-numeric: `{found}` does not match [0-9A-Za-z]*")
            }
            PolicyProblem::SidRepeated { sid } => {
                write!(f, "Statement IDs (SID) in a single policy must be unique; `{sid}` is repeated.")
            }
        }
    }
}

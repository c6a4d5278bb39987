//! The rows of a service and how they are run. The gateway sees them without their types; handlers see nothing else.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_audit::Caller;
use tarn_aws_protocol::{AwsError, Operation, OperationModel, ServiceModel, Value, WireValue};
use tarn_policy::Requirement;
use tarn_types::Scope;

/// Whether an operation changes anything: decides what the audit keeps and what may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Changes nothing.
    Read,
    /// Changes something.
    Write,
}

/// How callers come to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Reads or writes.
    pub kind: Kind,
    /// CloudTrail's managementEvent: control plane (true) or data plane.
    pub management: bool,
    /// The IAM action that stands for the operation on the coverage page. `None`: any signed caller may, as with sts:GetCallerIdentity.
    pub iam_action: Option<&'static str>,
    /// Whether nobody signs it, as with sts:AssumeRoleWithWebIdentity: what the caller has to show is in the input, and the handler asks
    /// for what it may.
    pub is_unsigned: bool,
    /// Whether what was answered is on record: CloudTrail's responseElements.
    pub answer_on_record: bool,
}

impl Access {
    /// A control-plane read.
    pub const fn read(iam_action: &'static str) -> Self {
        let iam_action = Some(iam_action);
        Self { kind: Kind::Read, management: true, iam_action, is_unsigned: false, answer_on_record: false }
    }

    /// A control-plane change.
    pub const fn write(iam_action: &'static str) -> Self {
        Self { kind: Kind::Write, answer_on_record: true, ..Self::read(iam_action) }
    }

    /// A control-plane read that gives credentials; which ones is on record.
    pub const fn session(iam_action: &'static str) -> Self {
        Self { answer_on_record: true, ..Self::read(iam_action) }
    }

    /// As `session`, but nobody signs it.
    pub const fn unsigned(iam_action: &'static str) -> Self {
        Self { is_unsigned: true, ..Self::session(iam_action) }
    }

    /// A data-plane change, such as putting a record.
    pub const fn data_write(iam_action: &'static str) -> Self {
        Self { kind: Kind::Write, management: false, ..Self::read(iam_action) }
    }
}

/// One operation without its types.
pub trait Row: Send + Sync {
    /// Its shapes.
    fn model(&self) -> &'static OperationModel;
    /// Who may, and what it does.
    fn access(&self) -> Access;
    /// Takes the decoded and validated input.
    fn decode(&self, input: Value) -> Result<Box<dyn Decoded>, AwsError>;
}

/// A call whose input is typed, before it is authorized.
pub trait Decoded: Send + Sync {
    /// What the caller must be allowed. Several, where an operation touches several things. Must not tell whether a thing exists.
    fn requirements(&self, scope: &Scope) -> Result<Vec<Requirement>, AwsError>;
    /// Runs the handler; only the gateway calls it, with the proof in `caller`.
    fn run(self: Box<Self>, caller: Caller) -> BoxFuture<'static, Result<Value, AwsError>>;
}

/// A service as the gateway sees it.
pub trait Service: Send + Sync {
    /// Its shapes and protocol.
    fn model(&self) -> &'static ServiceModel;
    /// The row of an operation; without one, it is not implemented.
    fn row(&self, operation: &str) -> Option<&dyn Row>;
    /// All rows, by name.
    fn rows(&self) -> Vec<&dyn Row>;
}

/// The rows of a service over its state `S`.
pub struct Table<S> {
    model: &'static ServiceModel,
    state: Arc<S>,
    rows: BTreeMap<&'static str, Box<dyn Row>>,
}

impl<S: Send + Sync + 'static> Table<S> {
    /// No rows yet.
    pub fn new(model: &'static ServiceModel, state: Arc<S>) -> Self {
        Self { model, state, rows: BTreeMap::new() }
    }

    /// Adds the row of `O`: what its callers must be allowed, and the handler, an `async fn(Arc<S>, Caller, Input) -> Result<Output, AwsError>`.
    #[must_use]
    pub fn with<O, H, F>(
        mut self,
        access: Access,
        requirements: fn(&S, &O::Input, &Scope) -> Result<Vec<Requirement>, AwsError>,
        handler: H,
    ) -> Self
    where
        O: Operation + 'static,
        O::Input: Send + Sync + 'static,
        O::Output: Send + 'static,
        H: Fn(Arc<S>, Caller, O::Input) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<O::Output, AwsError>> + Send + 'static,
    {
        let handle = move |state: Arc<S>, caller: Caller, input: O::Input| handler(state, caller, input).boxed();
        let row = TypedRow::<S, O> { access, state: self.state.clone(), requirements, handle: Arc::new(handle) };
        self.rows.insert(O::MODEL.name, Box::new(row));
        self
    }
}

impl<S: Send + Sync> Service for Table<S> {
    fn model(&self) -> &'static ServiceModel {
        self.model
    }

    fn row(&self, operation: &str) -> Option<&dyn Row> {
        self.rows.get(operation).map(|row| &**row)
    }

    fn rows(&self) -> Vec<&dyn Row> {
        self.rows.values().map(|row| &**row).collect()
    }
}

type Requirements<S, I> = fn(&S, &I, &Scope) -> Result<Vec<Requirement>, AwsError>;
type Handle<S, I, O> = Arc<dyn Fn(Arc<S>, Caller, I) -> BoxFuture<'static, Result<O, AwsError>> + Send + Sync>;

struct TypedRow<S, O: Operation> {
    access: Access,
    state: Arc<S>,
    requirements: Requirements<S, O::Input>,
    handle: Handle<S, O::Input, O::Output>,
}

struct TypedCall<S, O: Operation> {
    state: Arc<S>,
    requirements: Requirements<S, O::Input>,
    handle: Handle<S, O::Input, O::Output>,
    input: O::Input,
}

impl<S: Send + Sync + 'static, O: Operation + 'static> Row for TypedRow<S, O>
where
    O::Input: Send + Sync + 'static,
    O::Output: Send + 'static,
{
    fn model(&self) -> &'static OperationModel {
        O::MODEL
    }

    fn access(&self) -> Access {
        self.access
    }

    fn decode(&self, input: Value) -> Result<Box<dyn Decoded>, AwsError> {
        let input =
            O::Input::from_value(input).map_err(|error| AwsError::validation(O::MODEL.service, error.to_string()))?;
        let call: TypedCall<S, O> = TypedCall {
            state: self.state.clone(),
            requirements: self.requirements,
            handle: self.handle.clone(),
            input,
        };
        Ok(Box::new(call))
    }
}

impl<S: Send + Sync + 'static, O: Operation + 'static> Decoded for TypedCall<S, O>
where
    O::Input: Send + Sync + 'static,
    O::Output: Send + 'static,
{
    fn requirements(&self, scope: &Scope) -> Result<Vec<Requirement>, AwsError> {
        (self.requirements)(&self.state, &self.input, scope)
    }

    fn run(self: Box<Self>, caller: Caller) -> BoxFuture<'static, Result<Value, AwsError>> {
        let Self { state, handle, input, .. } = *self;
        async move { Ok(handle(state, caller, input).await?.into_value()) }.boxed()
    }
}

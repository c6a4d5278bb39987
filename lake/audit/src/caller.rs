//! A call on its way through a domain: the proof that it may, and the record of it that commits with its change.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tarn_metadata::{Key, Store, StoreError, StoreExt, Tx, WriteError};
use tarn_policy::{Authorized, BoundAuthorizer, Principal};
use tarn_types::Scope;

use crate::event::{Event, EventDetails, EventDraft, Outcome, event_key};

/// What is written together with a call's record.
type Beside = Arc<dyn Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + Sync>;

/// Who calls, with the proof that they may and the draft of the audit record. Cheap to clone; one per request.
#[derive(Clone)]
pub struct Caller {
    authorized: Authorized,
    authorizer: BoundAuthorizer,
    event: Arc<EventDraft>,
    /// Where the record is kept, once a commit has taken it.
    recorded: Arc<OnceLock<Key>>,
    beside: Option<Beside>,
    details: Arc<EventDetails>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authorized, event, recorded, .. } = self;
        f.debug_struct("Caller")
            .field("authorized", authorized)
            .field("event", event)
            .field("recorded", recorded)
            .finish_non_exhaustive()
    }
}

impl Caller {
    /// Made by the gateway once a request is authorized, and by workers for what they do on an account's behalf.
    pub fn new(authorized: Authorized, authorizer: BoundAuthorizer, event: impl Into<Arc<EventDraft>>) -> Self {
        Self {
            authorized,
            authorizer,
            event: event.into(),
            recorded: Arc::default(),
            beside: None,
            details: Arc::default(),
        }
    }

    /// The same call with something to be written in the transaction that takes its record: a worker's own mark that this part of its
    /// work is done, which is so neither earlier nor later than the work itself.
    #[must_use]
    pub fn beside(self, write: impl Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + Sync + 'static) -> Self {
        Self { beside: Some(Arc::new(write)), ..self }
    }

    /// The same call of whom its caller turned out to be, in whose account it happens.
    #[must_use]
    pub fn turned_out(&self, authorized: Authorized, authorizer: BoundAuthorizer, scope: Scope) -> Self {
        let principal = authorized.principal().clone();
        let event = EventDraft { principal, scope, ..EventDraft::clone(&self.event) };
        Self { authorized, authorizer, event: Arc::new(event), ..self.clone() }
    }

    /// The same call with how it came, for its record.
    #[must_use]
    pub fn with_details(self, details: EventDetails) -> Self {
        Self { details: Arc::new(details), ..self }
    }

    /// How it came.
    pub fn details(&self) -> &EventDetails {
        &self.details
    }

    /// The proof.
    pub fn authorized(&self) -> &Authorized {
        &self.authorized
    }

    /// Who calls.
    pub fn principal(&self) -> &Principal {
        self.authorized.principal()
    }

    /// To ask for each further thing that the call touches, as the same principal.
    pub fn authorizer(&self) -> &BoundAuthorizer {
        &self.authorizer
    }

    /// The account and region called.
    pub fn scope(&self) -> &Scope {
        &self.event.scope
    }

    /// When the request came in, milliseconds since 1970.
    pub fn time_ms(&self) -> i64 {
        self.event.time_ms
    }

    /// The draft, for refusals and reads that are recorded outside of a change.
    pub fn event(&self) -> &EventDraft {
        &self.event
    }

    /// Whether a commit of this call has taken the record with it.
    pub fn is_recorded(&self) -> bool {
        self.recorded.get().is_some()
    }

    /// Where the record is kept: in the account that the caller turned out to be of.
    pub(crate) fn event_key(&self) -> Key {
        self.recorded.get().cloned().unwrap_or_else(|| self.key())
    }

    fn key(&self) -> Key {
        event_key(&self.event.scope.account, self.event.time_ms, &self.event.id)
    }

    /// Runs `change` as one transaction, with this call's audit record in it (once, however many transactions a call needs).
    pub async fn commit<T, E, F>(&self, store: &dyn Store, change: F) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let record = self.record();
        let written = store.write(move |tx| {
            let value = change(tx)?;
            record(tx)?;
            Ok::<T, E>(value)
        });
        let value = written.await?;
        self.recorded.get_or_init(|| self.key());
        Ok(value)
    }

    /// As `commit`, for a change of who follows the events: those who have followed until now get the record of it.
    pub async fn commit_after_record<T, E, F>(&self, store: &dyn Store, change: F) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let record = self.record();
        let written = store.write(move |tx| {
            record(tx)?;
            change(tx)
        });
        let value = written.await?;
        self.recorded.get_or_init(|| self.key());
        Ok(value)
    }

    /// Writes the record and what is beside it, unless that is done.
    fn record(&self) -> impl FnOnce(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static {
        let event = (!self.is_recorded()).then(|| (self.event.clone(), self.details.clone(), self.beside.clone()));
        move |tx| {
            let Some((event, details, beside)) = event else { return Ok(()) };
            let event = EventDraft::clone(&event).into_event(Outcome::Success);
            Event { details: EventDetails::clone(&details), ..event }.record(tx)?;
            beside.map_or(Ok(()), |beside| beside(tx))
        }
    }
}

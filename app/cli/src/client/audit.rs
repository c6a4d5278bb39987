//! The server's own `/-/audit/events`: records as CloudTrail writes them, one JSON object a line.

use http::Method;

use super::{Call, Client};
use crate::CliError;

/// A page of events.
#[derive(Debug)]
pub(crate) struct EventPage {
    /// Newest first.
    pub(crate) events: Vec<serde_json::Value>,
    /// For the next page.
    pub(crate) after: Option<String>,
}

impl Client {
    /// Events that `filter` names, after the place `after`.
    pub(crate) async fn audit_events(
        &self,
        filter: &[(&'static str, String)],
        after: Option<&str>,
        limit: usize,
    ) -> Result<EventPage, CliError> {
        let doing = "searching the audit records";
        let mut call = Call::new("tarn", Method::GET, "/-/audit/events".to_owned(), doing.to_owned());
        call.query = filter.to_vec();
        call = call.query("limit", limit.to_string());
        if let Some(after) = after {
            call = call.query("after", after);
        }
        let mut answer = self.send(call).await?;
        let after = answer.header("x-tarn-after").map(str::to_owned);
        let text = answer.text().await?;
        let events = text
            .lines()
            .filter(|line| !line.is_empty())
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .map_err(|error| CliError::failed(format!("{doing}: the answer is not events: {error}")))?;
        Ok(EventPage { events, after })
    }
}

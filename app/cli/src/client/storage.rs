//! The server's own `/-/storage/report`: one JSON object a line.

use http::Method;

use super::{Call, Client};
use crate::CliError;

impl Client {
    /// The lines of a storage report.
    pub(crate) async fn storage_report(
        &self,
        asked: Vec<(&'static str, String)>,
    ) -> Result<Vec<serde_json::Value>, CliError> {
        let doing = "reporting the storage";
        let mut call = Call::new("tarn", Method::GET, "/-/storage/report".to_owned(), doing.to_owned());
        call.query = asked;
        let text = self.send(call).await?.text().await?;
        let lines = text.lines().filter(|line| !line.is_empty()).map(serde_json::from_str);
        lines
            .collect::<Result<_, _>>()
            .map_err(|error| CliError::failed(format!("{doing}: the answer is not a report: {error}")))
    }
}

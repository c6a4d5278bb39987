//! Posts messages to URLs that the operator configured: where a redirect leads, nothing is posted to.

use std::sync::OnceLock;
use std::time::Duration;

use http::Uri;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use serde_json::Value;

/// How long connecting may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long one message may take, from connecting to the answer.
const POST_TIME_MAX: Duration = Duration::from_secs(10);

/// Posts messages. The client reads the certificates that the machine trusts: not before there is something to post.
#[derive(Default)]
pub(crate) struct Webhooks(OnceLock<Result<Client, String>>);

fn client() -> Result<Client, String> {
    let client = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIME_MAX)
        .timeout(POST_TIME_MAX)
        .user_agent(concat!("tarn/", env!("CARGO_PKG_VERSION")));
    client.build().map_err(|error| format!("the client for webhooks cannot be made: {error}"))
}

impl Webhooks {
    /// Posts one message; any answer but a 2xx is a refusal. The URL may hold a secret: errors name its host alone.
    pub(crate) async fn post(&self, url: &Uri, message: &Value) -> Result<(), String> {
        let host = url.host().unwrap_or_default();
        let client = self.0.get_or_init(client).as_ref().map_err(String::clone)?;
        let post = client.post(url.to_string()).header(CONTENT_TYPE, "application/json").body(message.to_string());
        match post.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("{host} answered {}", answer.status())),
            Err(error) => Err(format!("{host} could not be reached: {}", error.without_url())),
        }
    }
}

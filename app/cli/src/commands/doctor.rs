//! `tarn doctor --endpoint-url`: a running server as its clients see it. Each check is told; one that fails says what to do.

use http::Method;

use crate::client::{Call, Client, xml};
use crate::output::Out;
use crate::{CliError, Connection, Variables};

/// A clock further off than this is told of before requests are refused for it (at 15 minutes).
const CLOCK_SECONDS_MAX: i64 = 60;

pub(crate) async fn run(connection: &Connection, variables: &Variables, out: &mut Out) -> Result<(), CliError> {
    let client = Client::connect(connection, variables)?;
    let endpoint = client.settings().endpoint.clone();
    let (mut all, mut failed) = (0, 0);
    let mut tell = |name: &str, found: Result<String, String>| {
        all += 1;
        let (mark, text) = match found {
            Ok(text) => ("ok  ", text),
            Err(text) => {
                failed += 1;
                ("FAIL", text)
            }
        };
        out.line(&format!("{mark} {name}: {text}"))
    };

    let mut alive = client.get_unsigned("/-/health/live", "asking whether the server lives").await?;
    let ahead = client.clock_ahead_seconds(&alive);
    let is_tarn = alive.status.is_success() && alive.text().await?.trim() == "alive";
    let other = || format!("{endpoint} is not a Tarn server");
    tell("server", if is_tarn { Ok(format!("{endpoint} answers")) } else { Err(other()) })?;

    let ready = client.get_unsigned("/-/health/ready", "asking whether the server is ready").await?;
    let not_ready = || "it does not take requests now; its log says why".to_owned();
    tell("ready", if ready.status.is_success() { Ok("it takes requests".to_owned()) } else { Err(not_ready()) })?;

    tell(
        "clock",
        match ahead {
            None => Err("the server tells no time".to_owned()),
            Some(ahead) if ahead.abs() > CLOCK_SECONDS_MAX => Err(format!(
                "this machine's clock is {ahead} s ahead of the server's; set it, as requests are refused at 900 s"
            )),
            Some(ahead) => Ok(format!("{ahead} s ahead of the server's")),
        },
    )?;

    let call = Call::new("sts", Method::POST, "/".to_owned(), "asking who I am".to_owned())
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .body("Action=GetCallerIdentity&Version=2011-06-15".into());
    let identity = async {
        let text = client.send(call).await?.text().await?;
        let root = xml::parse(&text).map_err(CliError::failed)?;
        let arn = root.child("GetCallerIdentityResult").and_then(|result| result.text("Arn"));
        arn.ok_or_else(|| CliError::failed("the answer names nobody"))
    };
    tell("credentials", identity.await.map_err(|error| error.to_string()))?;

    let buckets = client.buckets().await;
    tell("S3", buckets.map(|found| format!("{} buckets", found.len())).map_err(|error| error.to_string()))?;
    if failed > 0 { Err(CliError::failed(format!("{failed} of {all} checks failed"))) } else { Ok(()) }
}

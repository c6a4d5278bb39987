//! `tarn iam evaluate`: what policies say to requests, without a server. Reads cases, writes a line of JSON for each; decides nothing itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::CliError;
use crate::evaluate::{CaseError, Cases, Evaluator};
use crate::output::Out;

/// Cases that are read before they are shared out among threads.
const BATCH_CASES: usize = 4_096;
/// Fewer than these are not worth a thread.
const SHARE_CASES_MIN: usize = 64;

/// Arguments of `tarn iam evaluate`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// A JSON document {request: {principal, action, resource: {resource, accountId}, context}, identityPolicies: [{name, policy}],
    /// resourcePolicy, permissionBoundaries, serviceControlPolicies, resourceControlPolicies, sessionPolicy}, or a list of them. `-` is
    /// standard input.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, out: &mut Out) -> Result<(), CliError> {
    let path = arguments.request.as_path();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(CliError::local("reading", path))?)
    };
    evaluate(source, path, out)
}

fn evaluate(source: impl Read, path: &Path, out: &mut Out) -> Result<(), CliError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut evaluators: Vec<Evaluator> = (0..threads).map(|_| Evaluator::default()).collect();
    let mut cases = Cases::new(source);
    let (mut all, mut failed) = (0_u64, 0_u64);
    loop {
        let mut batch = Vec::new();
        let ended = loop {
            match cases.next_case() {
                Ok(Some(case)) if batch.len() + 1 < BATCH_CASES => batch.push(case),
                Ok(Some(case)) => {
                    batch.push(case);
                    break None;
                }
                Ok(None) => break Some(Ok(())),
                Err(error) => break Some(Err(error)),
            }
        };
        for lines in share(&batch, &mut evaluators) {
            for line in lines {
                all += 1;
                match line {
                    Ok(line) => out.line(&line)?,
                    // The line keeps its place, so that answers still go with their cases.
                    Err(CaseError::Policy { reason }) => {
                        failed += 1;
                        out.line(&json!({ "error": reason }).to_string())?;
                    }
                    Err(CaseError::Form { reason }) => {
                        out.flush()?;
                        return Err(CliError::usage(format!("case {all} of {}: {reason}", path.display())));
                    }
                }
            }
        }
        match ended {
            None => {}
            Some(Ok(())) => break,
            Some(Err(error)) => {
                out.flush()?;
                return Err(error.into_cli(path));
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(CliError::failed(format!("{failed} of {all} cases could not be evaluated; their lines say why"))),
    }
}

/// The answers to a batch, in its order.
fn share(batch: &[String], evaluators: &mut [Evaluator]) -> Vec<Vec<Result<String, CaseError>>> {
    let share = batch.len().div_ceil(evaluators.len()).max(SHARE_CASES_MIN);
    let parts = batch.chunks(share).zip(evaluators.iter_mut());
    let work = |(part, evaluator): (&[String], &mut Evaluator)| {
        part.iter().map(|case| evaluator.evaluate(case)).collect::<Vec<_>>()
    };
    if batch.len() <= share {
        return parts.map(work).collect();
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(lines) => lines,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written, and what it ends with.
    fn evaluated(text: &str) -> (String, Result<(), CliError>) {
        let kept = Kept::default();
        let mut out = Out::over(kept.clone());
        let ended = evaluate(text.as_bytes(), Path::new("cases.json"), &mut out);
        out.flush().expect("flushed");
        let text = String::from_utf8(kept.0.lock().expect("unpoisoned").clone()).expect("text");
        (text, ended)
    }

    const REQUEST: &str = r#""request":{"principal":"arn:aws:iam::111111111111:user/ada","action":"s3:GetObject","resource":{"resource":"arn:aws:s3:::b/k","accountId":"111111111111"}}"#;
    const ALLOW: &str =
        r#"{"Version":"2012-10-17","Statement":{"Sid":"Read","Effect":"Allow","Action":"s3:Get*","Resource":"*"}}"#;
    const DENY: &str = r#"{"Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;

    #[test]
    fn one_case_and_many_are_answered_in_order() {
        let check = |text: &str, decisions: &[&str]| {
            let (written, ended) = evaluated(text);
            ended.unwrap_or_else(|error| panic!("{error}: {text}"));
            let found: Vec<String> = written
                .lines()
                .map(|line| {
                    let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
                    assert!(line["because"].as_array().is_some_and(|because| !because.is_empty()), "{line}");
                    line["decision"].as_str().expect("a decision").to_owned()
                })
                .collect();
            assert_eq!(found, decisions, "{written}");
        };
        let allowed = format!(r#"{{{REQUEST},"identityPolicies":[{{"name":"P","policy":{ALLOW}}}]}}"#);
        let implicit = format!(r#"{{{REQUEST},"identityPolicies":[],"resourcePolicy":null}}"#);
        let explicit = format!(
            r#"{{{REQUEST},"identityPolicies":[{{"name":"P","policy":{ALLOW}}},{{"name":"N","policy":{DENY}}}]}}"#
        );
        check(&allowed, &["Allowed"]);
        check(&format!(" {implicit}\n"), &["ImplicitlyDenied"]);
        check("[]", &[]);
        check(&format!("[{allowed} ,\n{implicit},{explicit}]"), &["Allowed", "ImplicitlyDenied", "ExplicitlyDenied"]);
        let many = [allowed.as_str(), explicit.as_str()].repeat(3_000);
        check(&format!("[{}]", many.join(",")), &["Allowed", "ExplicitlyDenied"].repeat(3_000));
        let levels = |policies: &str| {
            format!(
                r#"{{{REQUEST},"identityPolicies":[{{"name":"P","policy":{ALLOW}}}],"serviceControlPolicies":[{{"orgIdentifier":"r","policies":[{policies}]}}]}}"#
            )
        };
        check(&levels(""), &["ImplicitlyDenied"]);
        check(&levels(&format!(r#"{{"name":"full","policy":{ALLOW}}}"#)), &["Allowed"]);
        // A level has RCPFullAWSAccess by itself.
        check(
            &format!(
                r#"{{{REQUEST},"identityPolicies":[{{"name":"P","policy":{ALLOW}}}],"resourceControlPolicies":[{{"orgIdentifier":"r","policies":[]}}]}}"#
            ),
            &["Allowed"],
        );
    }

    #[test]
    fn the_reasons_name_what_decided() {
        let check = |more: &str, expected: &str| {
            let (written, _) = evaluated(&format!("{{{REQUEST}{more}}}"));
            assert!(written.contains(expected), "{expected}\n  not in {written}");
        };
        let held = |policy: &str| format!(r#","identityPolicies":[{{"name":"P","policy":{policy}}}]"#);
        check("", "no identity policy allows s3:GetObject on arn:aws:s3:::b/k");
        check(&held(ALLOW), "statement `Read` of the identity policy `P` allows s3:GetObject on arn:aws:s3:::b/k");
        check(&held(DENY), "statement 1 of the identity policy `P` denies s3:GetObject");
        check(
            &format!(
                r#"{},"permissionBoundaries":[{{"name":"X","policy":{{"Statement":{{"Effect":"Allow","Action":"glue:*","Resource":"*"}}}}}}]"#,
                held(ALLOW)
            ),
            "the permissions boundary `X` does not allow s3:GetObject",
        );
        check(
            &held(
                r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}}"#,
            ),
            "statement 1 of the identity policy `P` would allow it, if its condition Bool aws:SecureTransport held: the request has no such key",
        );
    }

    #[test]
    fn what_is_no_case_is_refused_and_named() {
        let check = |text: &str, words: &str, is_usage: bool| {
            let (_, ended) = evaluated(text);
            let error = ended.expect_err(text);
            assert!(error.to_string().contains(words) && error.is_usage() == is_usage, "{error}: {text}");
        };
        check("", "holds no case", true);
        check("7", "not JSON", true);
        check(&format!("[{{{REQUEST}}}"), "ends within", true);
        check(&format!("{{{REQUEST}}} {{}}"), "behind the last case", true);
        check("{}", "the member `request` is missing", true);
        check(&format!(r#"{{{REQUEST},"identityPolicy":[]}}"#), "`identityPolicy` is not known", true);
        check(
            &format!(r#"[{{{REQUEST}}},{{"request":{{"actoin":1}}}}]"#),
            "case 2 of cases.json: `request.actoin` is not known",
            true,
        );
        check(&format!("{{{}}}", REQUEST.replace("user/ada", "person/ada")), "`request.principal` is", true);
        check(
            &format!(r#"{{{REQUEST},"sessionPolicy":{{"Statement":{{"Effect":"Perhaps"}}}}}}"#),
            "1 of 1 cases could not be evaluated",
            false,
        );
    }
}

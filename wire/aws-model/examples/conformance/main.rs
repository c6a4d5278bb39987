//! The Rust half of the conformance test: decodes what botocore wrote and encodes what botocore is to read.
//!
//! One JSON object per line in, one out; `tests/e2e/wire/test_conformance.py` is the other half. Values travel in a
//! neutral form (`neutral`), by the model's member names. Models can also be loaded at run time (`load`), so that
//! protocols without a service in the allow-list are covered by real models too.

mod load;
mod neutral;

use std::collections::HashMap;
use std::io::{BufRead, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};
use serde_json::{Value as Json, json};
use tarn_aws_protocol::{
    AwsError, DecodeLimits, Operation, Protocol, Request, ServiceModel, Value, ValueError, WireValue, encode_error,
    encode_response, read_request, route, validate, violations_message,
};

type Outcome = Result<Json, String>;

/// Takes a value through the operation's Rust types.
type Through = fn(Value) -> Result<Value, ValueError>;

fn through_input<O: Operation>(value: Value) -> Result<Value, ValueError> {
    O::Input::from_value(value).map(WireValue::into_value)
}

fn through_output<O: Operation>(value: Value) -> Result<Value, ValueError> {
    O::Output::from_value(value).map(WireValue::into_value)
}

struct Conformance {
    services: HashMap<String, &'static ServiceModel>,
    types: HashMap<(&'static str, &'static str), (Through, Through)>,
}

impl Conformance {
    fn new() -> Conformance {
        let services = tarn_aws_model::SERVICES
            .iter()
            .map(|service| (service.name.to_owned(), *service))
            .collect::<HashMap<_, _>>();
        let mut types: HashMap<(&'static str, &'static str), (Through, Through)> = HashMap::new();
        macro_rules! add {
            ($($operation:ty,)*) => {
                $(
                    let model = <$operation as Operation>::MODEL;
                    types.insert(
                        (model.service.name, model.name),
                        (through_input::<$operation>, through_output::<$operation>),
                    );
                )*
            };
        }
        tarn_aws_model::athena_operations!(add);
        tarn_aws_model::firehose_operations!(add);
        tarn_aws_model::glue_operations!(add);
        tarn_aws_model::iam_operations!(add);
        tarn_aws_model::sts_operations!(add);
        Conformance { services, types }
    }

    fn answer(&mut self, line: &Json) -> Outcome {
        let text = |key: &str| line[key].as_str().ok_or_else(|| format!("`{key}` is missing"));
        match text("do")? {
            "services" => Ok(self.list()),
            "load" => {
                let service = load::service(text("service")?, &line["model"])?;
                self.services.insert(service.name.to_owned(), service);
                Ok(json!({}))
            }
            "decode" => self.decode(line),
            "encode" => {
                let service = self.service(line)?;
                let operation = service.operation(text("operation")?).ok_or("no such operation")?;
                let mut value = neutral::read(operation.output, &line["value"])?;
                if let Some((_, through)) = self.types.get(&(service.name, operation.name)) {
                    value = through(value).map_err(|error| error.to_string())?;
                }
                let response =
                    encode_response(operation, protocol(line)?.unwrap_or(service.protocol), &value, "request-1");
                Ok(response_line(&response.map_err(|error| error.to_string())?))
            }
            "error" => {
                let service = self.service(line)?;
                let operation = service.operation(text("operation")?).ok_or("no such operation")?;
                let model = operation.error(text("error")?).ok_or("no such error")?;
                let mut error = AwsError::modelled(model, text("message")?);
                if let Value::Structure(fields) = neutral::read(model.schema, &line["fields"])? {
                    for (member, value) in fields.schema().members().iter().zip(fields.members()) {
                        if let Some(value) = value
                            && member.name != error.message_member
                        {
                            error = error.with_field(member.name, value.clone());
                        }
                    }
                }
                let response = encode_error(service, protocol(line)?.unwrap_or(service.protocol), &error, "request-1");
                Ok(response_line(&response))
            }
            other => Err(format!("there is nothing called `{other}` to do")),
        }
    }

    fn list(&self) -> Json {
        let services = self.services.values().map(|service| {
            let operations: Vec<&str> = service.operations.iter().map(|operation| operation.name).collect();
            (service.name.to_owned(), json!(operations))
        });
        Json::Object(services.collect())
    }

    fn service(&self, line: &Json) -> Result<&'static ServiceModel, String> {
        let name = line["service"].as_str().ok_or("`service` is missing")?;
        self.services.get(name).copied().ok_or_else(|| format!("there is no service `{name}`"))
    }

    fn decode(&self, line: &Json) -> Outcome {
        let service = self.service(line)?;
        let method: Method = line["method"].as_str().unwrap_or("POST").parse().map_err(|_| "bad method")?;
        let uri: Uri = line["uri"].as_str().unwrap_or("/").parse().map_err(|_| "bad uri")?;
        let mut headers = HeaderMap::new();
        for (name, value) in line["headers"].as_object().into_iter().flatten() {
            let name: HeaderName = name.parse().map_err(|_| "bad header name")?;
            let value =
                HeaderValue::from_bytes(value.as_str().unwrap_or_default().as_bytes()).map_err(|_| "bad header")?;
            headers.insert(name, value);
        }
        let body = Bytes::from(STANDARD.decode(line["body"].as_str().unwrap_or_default()).map_err(|_| "bad body")?);
        let request = Request { method: &method, uri: &uri, headers: &headers, body: &body };
        let routed = match route(service, &request) {
            Ok(routed) => routed,
            Err(failure) => return Ok(error_line(&failure.error)),
        };
        let mut value = match read_request(routed.operation, routed.protocol, &request, DecodeLimits::default()) {
            Ok(value) => value,
            Err(error) => return Ok(error_line(&error.into_aws_error(routed.protocol))),
        };
        let violations = validate(&value);
        if let Some((through, _)) = self.types.get(&(service.name, routed.operation.name)) {
            value = through(value).map_err(|error| error.to_string())?;
        }
        Ok(json!({
            "operation": routed.operation.name,
            "protocol": format!("{:?}", routed.protocol),
            "value": neutral::write(&value),
            "violations": if violations.is_empty() { Json::Null } else { violations_message(&violations).into() },
        }))
    }
}

fn protocol(line: &Json) -> Result<Option<Protocol>, String> {
    match line["protocol"].as_str() {
        None => Ok(None),
        Some(name) => load::protocol(name, Some("1.1")).map(Some),
    }
}

fn error_line(error: &AwsError) -> Json {
    json!({ "error": { "code": error.code, "message": error.message, "status": error.status } })
}

fn response_line(response: &Response<Bytes>) -> Json {
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned().into()));
    json!({
        "status": response.status().as_u16(),
        "headers": Json::Object(headers.collect()),
        "body": STANDARD.encode(response.body()),
    })
}

fn main() -> std::io::Result<()> {
    let mut conformance = Conformance::new();
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?) {
            Ok(line) => conformance.answer(&line),
            Err(error) => Err(error.to_string()),
        };
        let answer = answer.unwrap_or_else(|failure| json!({ "failure": failure }));
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

//! A service model in botocore's form, made into tables at run time. The tables live as long as the process.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};
use tarn_aws_protocol::{
    ErrorModel, Fault, Location, Member, OperationModel, Protocol, Schema, ServiceModel, Structure, TimestampFormat,
    Unit, XmlNamespace,
};

type Outcome<T> = Result<T, String>;

/// The protocol that a model names.
pub fn protocol(name: &str, json_version: Option<&str>) -> Outcome<Protocol> {
    Ok(match name {
        "json" if json_version == Some("1.0") => Protocol::Json10,
        "json" => Protocol::Json11,
        "query" => Protocol::Query,
        "rest-json" => Protocol::RestJson,
        "rest-xml" => Protocol::RestXml,
        "smithy-rpc-v2-cbor" => Protocol::RpcV2Cbor,
        "x-amz-cbor-1.1" => Protocol::AwsCbor11,
        other => return Err(format!("there is no codec for `{other}`")),
    })
}

fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn text_of(value: &Json) -> Option<&'static str> {
    value.as_str().map(|text| &**forever(text.to_owned()))
}

struct Loader<'a> {
    shapes: &'a Map<String, Json>,
    known: HashMap<String, &'static Schema>,
    /// Shapes being made; a shape inside itself is cut off, since a table that refers to itself needs a static.
    open: Vec<String>,
    query: bool,
    rest: bool,
}

/// Makes the tables of a model called `name`. Operations that need documents or event streams are left out.
pub fn service(name: &str, model: &Json) -> Outcome<&'static ServiceModel> {
    let metadata = &model["metadata"];
    let protocol = protocol(metadata["protocol"].as_str().unwrap_or_default(), metadata["jsonVersion"].as_str())?;
    let mut loader = Loader {
        shapes: model["shapes"].as_object().ok_or("no shapes")?,
        known: HashMap::new(),
        open: Vec::new(),
        rest: matches!(protocol, Protocol::RestJson | Protocol::RestXml),
        query: matches!(protocol, Protocol::Query | Protocol::RestXml),
    };
    let endpoint_prefix = text_of(&metadata["endpointPrefix"]).unwrap_or_default();
    let mut service = ServiceModel {
        name: forever(name.to_owned()),
        service_id: text_of(&metadata["serviceId"]).unwrap_or_default(),
        full_name: "",
        protocol,
        protocols: forever([protocol]),
        target_prefix: text_of(&metadata["targetPrefix"]),
        api_version: text_of(&metadata["apiVersion"]).unwrap_or_default(),
        xml_namespace: text_of(&metadata["xmlNamespace"]),
        signing_name: text_of(&metadata["signingName"]).unwrap_or(endpoint_prefix),
        endpoint_prefix,
        validation_error_code: "ValidationException",
        access_denied_code: "AccessDeniedException",
        repeats_error_code: false,
        operations: &[],
        operations_not_served: &[],
    };
    // Operations refer to their service and the service to its operations: only the first direction is used here.
    let head: &'static ServiceModel = forever(ServiceModel { operations: &[], ..copy(&service) });
    let mut operations: Vec<&'static OperationModel> = Vec::new();
    for (name, operation) in model["operations"].as_object().ok_or("no operations")? {
        if let Ok(operation) = loader.operation(head, name, operation) {
            operations.push(forever(operation));
        }
    }
    service.operations = Vec::leak(operations);
    Ok(forever(service))
}

fn copy(service: &ServiceModel) -> ServiceModel {
    ServiceModel { ..*service }
}

impl Loader<'_> {
    fn operation(&mut self, service: &'static ServiceModel, name: &str, operation: &Json) -> Outcome<OperationModel> {
        let mut side = |key: &str| match operation[key]["shape"].as_str() {
            Some(shape) => self.schema(shape),
            None => Ok(Unit::SCHEMA),
        };
        let input = side("input")?;
        let output = side("output")?;
        let mut errors: Vec<&'static ErrorModel> = Vec::new();
        for error in operation["errors"].as_array().into_iter().flatten() {
            let name = error["shape"].as_str().ok_or("an error without shape")?;
            errors.push(forever(self.error(name)?));
        }
        Ok(OperationModel {
            name: forever(name.to_owned()),
            service,
            http_method: text_of(&operation["http"]["method"]).unwrap_or("POST"),
            request_uri: text_of(&operation["http"]["requestUri"]).unwrap_or("/"),
            response_status: operation["http"]["responseCode"]
                .as_u64()
                .and_then(|code| u16::try_from(code).ok())
                .unwrap_or(200),
            input,
            output,
            result_wrapper: text_of(&operation["output"]["resultWrapper"]),
            input_xml_name: text_of(&operation["input"]["locationName"]),
            host_prefix: None,
            errors: Vec::leak(errors),
        })
    }

    fn error(&mut self, name: &str) -> Outcome<ErrorModel> {
        let shape = &self.shapes[name];
        let receiver = shape["fault"].as_bool().unwrap_or(false);
        let status = shape["error"]["httpStatusCode"].as_u64().and_then(|code| u16::try_from(code).ok());
        let shape_name: &'static str = forever(name.to_owned());
        Ok(ErrorModel {
            name: shape_name,
            code: text_of(&shape["error"]["code"]).filter(|_| self.query).unwrap_or(shape_name),
            http_status: status.unwrap_or(if receiver { 500 } else { 400 }),
            fault: if receiver { Fault::Receiver } else { Fault::Sender },
            schema: self.schema(name)?,
        })
    }

    fn schema(&mut self, name: &str) -> Outcome<&'static Schema> {
        if let Some(schema) = self.known.get(name) {
            return Ok(schema);
        }
        if self.open.iter().any(|open| open == name) {
            return Ok(forever(Schema::structure("Recursion", &[])));
        }
        self.open.push(name.to_owned());
        let schema = self.make(name);
        self.open.pop();
        let schema: &'static Schema = forever(schema?);
        self.known.insert(name.to_owned(), schema);
        Ok(schema)
    }

    fn make(&mut self, name: &str) -> Outcome<Schema> {
        let shapes = self.shapes;
        let shape = shapes.get(name).ok_or_else(|| format!("there is no shape `{name}`"))?;
        let name: &'static str = forever(name.to_owned());
        if shape["document"] == true || shape["eventstream"] == true {
            return Err(format!("`{name}` is a document or event stream"));
        }
        let mut schema = match shape["type"].as_str().unwrap_or_default() {
            "boolean" => Schema::boolean(name),
            "integer" => Schema::integer(name),
            "long" => Schema::long(name),
            "float" => Schema::float(name),
            "double" => Schema::double(name),
            "string" | "character" => Schema::string(name),
            "blob" => Schema::blob(name),
            "timestamp" => match shape["timestampFormat"].as_str() {
                Some(format) => Schema::timestamp_as(name, timestamp_format(format)?),
                None => Schema::timestamp(name),
            },
            "list" => Schema::list(name, self.member("member", &shape["member"])?),
            "map" => Schema::map(name, self.member("key", &shape["key"])?, self.member("value", &shape["value"])?),
            "structure" => {
                let mut members = Vec::new();
                for (member_name, member) in shape["members"].as_object().into_iter().flatten() {
                    let mut made = self.member(member_name, member)?;
                    made.required =
                        shape["required"].as_array().is_some_and(|list| list.contains(&Json::from(&**member_name)));
                    if self.rest && shape["payload"].as_str() == Some(member_name) {
                        made.location = Location::Payload;
                    }
                    members.push(made);
                }
                Schema::structure(name, Vec::leak(members))
            }
            other => return Err(format!("`{name}` is of type `{other}`")),
        };
        if shape["flattened"] == true {
            schema = schema.flattened();
        }
        schema.xml_name = text_of(&shape["locationName"]);
        schema.xml_namespace = namespace(&shape["xmlNamespace"]);
        Ok(schema)
    }

    fn member(&mut self, name: &str, member: &Json) -> Outcome<Member> {
        let schema = self.schema(member["shape"].as_str().ok_or("a member without shape")?)?;
        let mut made = Member::new(forever(name.to_owned()), schema);
        if let Some(wire) = text_of(&member["locationName"]) {
            made = made.wire(wire);
        }
        made.location = match member["location"].as_str() {
            _ if !self.rest => Location::Body,
            None => Location::Body,
            Some("header") => Location::Header,
            Some("headers") => Location::HeaderPrefix,
            Some("querystring") => Location::QueryString,
            Some("uri") => Location::Uri,
            Some("statusCode") => Location::StatusCode,
            Some(other) => return Err(format!("there is no location `{other}`")),
        };
        made.flattened = member["flattened"] == true;
        made.xml_attribute = member["xmlAttribute"] == true;
        made.json_value = member["jsonvalue"] == true;
        made.xml_namespace = namespace(&member["xmlNamespace"]);
        if let Some(format) = member["timestampFormat"].as_str() {
            made = made.timestamp_format(timestamp_format(format)?);
        }
        Ok(made)
    }
}

fn timestamp_format(format: &str) -> Outcome<TimestampFormat> {
    match format {
        "iso8601" => Ok(TimestampFormat::DateTime),
        "rfc822" => Ok(TimestampFormat::HttpDate),
        "unixTimestamp" => Ok(TimestampFormat::EpochSeconds),
        other => Err(format!("there is no timestamp format `{other}`")),
    }
}

fn namespace(value: &Json) -> Option<XmlNamespace> {
    let uri = text_of(value).or_else(|| text_of(&value["uri"]))?;
    Some(XmlNamespace { uri, prefix: text_of(&value["prefix"]) })
}

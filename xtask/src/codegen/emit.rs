//! The Rust text of one service: shapes, operations, errors, enumeration values, the service's table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;

use super::model::{ServiceFile, ServiceSelection, flag, reference};
use super::{Outcome, names, pattern};

/// The files of the service's module: name and text without the head line.
pub fn service(file: &ServiceFile, selection: &ServiceSelection) -> Outcome<Vec<(&'static str, String)>> {
    let emitter = Emitter::new(file, selection)?;
    Ok(vec![
        ("mod.rs", emitter.root()?),
        ("shapes.rs", emitter.shapes()?),
        ("operations.rs", emitter.operations()?),
        ("errors.rs", emitter.errors()?),
        ("values.rs", emitter.values()?),
    ])
}

struct Emitter<'a> {
    file: &'a ServiceFile,
    selection: &'a ServiceSelection,
    /// Reachable shapes in the order of their names.
    reachable: BTreeSet<&'a str>,
    /// Reachable error shapes.
    errors: BTreeSet<&'a str>,
    /// The static of each reachable shape.
    statics: BTreeMap<&'a str, String>,
    query: bool,
    /// Whether the service speaks a REST protocol.
    rest: bool,
}

impl<'a> Emitter<'a> {
    fn new(file: &'a ServiceFile, selection: &'a ServiceSelection) -> Outcome<Emitter<'a>> {
        let mut emitter = Emitter {
            file,
            selection,
            reachable: BTreeSet::new(),
            errors: BTreeSet::new(),
            statics: BTreeMap::new(),
            rest: file.metadata_text("protocol").is_some_and(|protocol| protocol.starts_with("rest-")),
            query: matches!(file.metadata_text("protocol"), Some("query" | "rest-xml")),
        };
        for name in &selection.operations {
            let operation = emitter.operation(name)?;
            for side in ["input", "output"] {
                if let Some(side) = operation.get(side) {
                    emitter.reach(reference(side)?)?;
                }
            }
            for error in operation.get("errors").and_then(Value::as_array).into_iter().flatten() {
                let error = reference(error)?;
                emitter.reach(error)?;
                emitter.errors.insert(error);
            }
        }
        let mut taken = BTreeSet::new();
        for &name in &emitter.reachable {
            emitter.statics.insert(name, names::unique(&mut taken, names::constant(name)));
        }
        Ok(emitter)
    }

    fn operation(&self, name: &str) -> Outcome<&'a Value> {
        let found = self.file.operations.get(name);
        Ok(found.ok_or_else(|| format!("{} has no operation `{name}`", self.selection.name))?)
    }

    fn reach(&mut self, name: &'a str) -> Outcome<()> {
        if !self.reachable.insert(name) {
            return Ok(());
        }
        let shape = self.file.shape(name)?;
        if flag(shape, "eventstream") {
            return Err(format!(
                "{}: shape `{name}` is an event stream, which no codec here reads",
                self.selection.name
            )
            .into());
        }
        for member in shape.get("members").and_then(Value::as_object).into_iter().flat_map(|members| members.values()) {
            self.reach(reference(member)?)?;
        }
        for part in ["member", "key", "value"] {
            if let Some(part) = shape.get(part) {
                self.reach(reference(part)?)?;
            }
        }
        Ok(())
    }

    fn kind(&self, name: &str) -> Outcome<&'a str> {
        let shape = self.file.shape(name)?;
        if flag(shape, "document") {
            return Ok("document");
        }
        Ok(shape.get("type").and_then(Value::as_str).ok_or_else(|| format!("shape `{name}` has no type"))?)
    }

    fn static_of(&self, name: &str) -> Outcome<&str> {
        Ok(self.statics.get(name).ok_or_else(|| format!("shape `{name}` is not reachable"))?)
    }

    // ---- shapes.rs

    fn shapes(&self) -> Outcome<String> {
        let mut text = String::from("//! Structures and their tables.\n\n");
        let mut body = String::new();
        let mut used = BTreeSet::new();
        for &name in &self.reachable {
            if self.kind(name)? == "structure" {
                self.structure(&mut body, name, &mut used)?;
            } else {
                self.leaf(&mut body, name)?;
            }
        }
        if used.contains("BTreeMap") {
            text.push_str("use std::collections::BTreeMap;\n\n");
        }
        let mut imports = vec!["Member", "Schema", "structure"];
        for (word, import) in [("Location::", "Location"), ("TimestampFormat::", "TimestampFormat")] {
            if body.contains(word) {
                imports.push(import);
            }
        }
        for import in ["Bytes", "Document", "Timestamp"] {
            if used.contains(import) {
                imports.push(import);
            }
        }
        imports.sort_unstable();
        writeln!(text, "use tarn_aws_protocol::{{{}}};\n", imports.join(", "))?;
        text.push_str(&body);
        Ok(text)
    }

    fn leaf(&self, text: &mut String, name: &str) -> Outcome<()> {
        let shape = self.file.shape(name)?;
        let mut expression = match self.kind(name)? {
            "boolean" => format!("Schema::boolean({name:?})"),
            "integer" => format!("Schema::integer({name:?})"),
            "long" => format!("Schema::long({name:?})"),
            "float" => format!("Schema::float({name:?})"),
            "double" => format!("Schema::double({name:?})"),
            "string" => match self.enum_values(name, shape) {
                Some(values) => format!("Schema::enumeration({name:?}, &{values:?})"),
                None => format!("Schema::string({name:?})"),
            },
            "blob" => format!("Schema::blob({name:?})"),
            "document" => format!("Schema::document({name:?})"),
            "timestamp" => match shape.get("timestampFormat").and_then(Value::as_str) {
                Some(format) => format!("Schema::timestamp_as({name:?}, {})", timestamp_format(format)?),
                None => format!("Schema::timestamp({name:?})"),
            },
            "list" => {
                let member = shape.get("member").ok_or("a list without member")?;
                format!("Schema::list({name:?}, {})", self.member("member", member, false, None)?)
            }
            "map" => {
                let key = self.member("key", shape.get("key").ok_or("a map without key")?, false, None)?;
                let value = self.member("value", shape.get("value").ok_or("a map without value")?, false, None)?;
                format!("Schema::map({name:?}, {key}, {value})")
            }
            other => {
                return Err(format!("shape `{name}` is of type `{other}`, which no codec here reads").into());
            }
        };
        expression.push_str(&self.options(name, shape)?);
        writeln!(text, "static {}: Schema = {expression};", self.static_of(name)?)?;
        Ok(())
    }

    fn enum_values(&self, name: &str, shape: &Value) -> Option<Vec<String>> {
        let values = shape.get("enum").and_then(Value::as_array)?;
        let mut values: Vec<String> = values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        values.extend(self.selection.enum_additions.get(name).into_iter().flatten().cloned());
        Some(values)
    }

    fn options(&self, name: &str, shape: &Value) -> Outcome<String> {
        let mut text = String::new();
        let kind = self.kind(name)?;
        for (key, length, value) in [("min", "length_min", "value_min"), ("max", "length_max", "value_max")] {
            let Some(limit) = shape.get(key) else {
                continue;
            };
            match kind {
                "integer" | "long" | "float" | "double" => {
                    let limit = limit.as_f64().ok_or("a limit that is no number")?;
                    write!(text, ".{value}({limit:?})")?;
                }
                _ => match limit.as_u64().or_else(|| limit.as_f64().map(|limit| limit as u64)) {
                    Some(limit) if limit > 0 || key == "max" => write!(text, ".{length}({limit})")?,
                    _ => {}
                },
            }
        }
        if let Some(java) = shape.get("pattern").and_then(Value::as_str)
            && shape.get("enum").is_none()
            && !self.selection.patterns_not_enforced.iter().any(|exempt| exempt == name)
            && let Some(pattern) = pattern::translate(java)
        {
            write!(text, ".pattern({pattern:?})")?;
        }
        if flag(shape, "sensitive") || self.selection.secrets.iter().any(|secret| secret == name) {
            text.push_str(".sensitive()");
        }
        if flag(shape, "flattened") {
            text.push_str(".flattened()");
        }
        if let Some(wire) = shape.get("locationName").and_then(Value::as_str) {
            write!(text, ".xml_name({wire:?})")?;
        }
        if let Some(namespace) = shape.get("xmlNamespace") {
            text.push_str(&xml_namespace(namespace)?);
        }
        Ok(text)
    }

    fn member(&self, name: &str, member: &Value, required: bool, payload: Option<&str>) -> Outcome<String> {
        let mut text = format!("Member::new({name:?}, &{})", self.static_of(reference(member)?)?);
        if let Some(wire) = member.get("locationName").and_then(Value::as_str) {
            write!(text, ".wire({wire:?})")?;
        }
        if required {
            text.push_str(".required()");
        }
        // Only the REST protocols have places other than the body.
        let location = match member.get("location").and_then(Value::as_str) {
            _ if !self.rest => None,
            None if payload == Some(name) => Some("Payload"),
            None => None,
            Some("header") => Some("Header"),
            Some("headers") => Some("HeaderPrefix"),
            Some("querystring") => Some("QueryString"),
            Some("uri") => Some("Uri"),
            Some("statusCode") => Some("StatusCode"),
            Some(other) => {
                return Err(format!("member `{name}` has an unknown location `{other}`").into());
            }
        };
        if let Some(location) = location {
            write!(text, ".at(Location::{location})")?;
        }
        if flag(member, "flattened") {
            text.push_str(".flattened()");
        }
        if flag(member, "xmlAttribute") {
            text.push_str(".xml_attribute()");
        }
        if let Some(namespace) = member.get("xmlNamespace") {
            text.push_str(&xml_namespace(namespace)?);
        }
        if let Some(format) = member.get("timestampFormat").and_then(Value::as_str) {
            write!(text, ".timestamp_format({})", timestamp_format(format)?)?;
        }
        if flag(member, "jsonvalue") {
            text.push_str(".json_value()");
        }
        Ok(text)
    }

    fn structure(&self, text: &mut String, name: &str, used: &mut BTreeSet<&'static str>) -> Outcome<()> {
        let shape = self.file.shape(name)?;
        let required: Vec<&str> =
            shape.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let payload = shape.get("payload").and_then(Value::as_str);
        let type_name = names::type_name(name);
        if ["Box", "BTreeMap", "Bytes", "Document", "Member", "Option", "Schema", "String", "Timestamp", "Vec"]
            .contains(&type_name.as_str())
        {
            return Err(format!("shape `{name}` has the name of a type the generated code uses").into());
        }
        let constructor = if flag(shape, "union") { "union" } else { "structure" };
        writeln!(
            text,
            "structure! {{\n    {type_name}, {}, {constructor} {name:?} [{}];",
            self.static_of(name)?,
            self.options(name, shape)?
        )?;
        for (member_name, member) in shape.get("members").and_then(Value::as_object).into_iter().flatten() {
            let target = reference(member)?;
            let mut rust = self.rust_type(target, used)?;
            if self.contains_directly(target, name, &mut BTreeSet::new())? {
                rust = format!("Box<{rust}>");
            }
            let member = self.member(member_name, member, required.contains(&member_name.as_str()), payload)?;
            writeln!(text, "    {}: {rust} = {member};", names::field(member_name))?;
        }
        text.push_str("}\n");
        Ok(())
    }

    fn rust_type(&self, name: &str, used: &mut BTreeSet<&'static str>) -> Outcome<String> {
        let shape = self.file.shape(name)?;
        Ok(match self.kind(name)? {
            "boolean" => "bool".to_owned(),
            "integer" => "i32".to_owned(),
            "long" => "i64".to_owned(),
            "float" => "f32".to_owned(),
            "double" => "f64".to_owned(),
            "string" => "String".to_owned(),
            "blob" => {
                used.insert("Bytes");
                "Bytes".to_owned()
            }
            "document" => {
                used.insert("Document");
                "Document".to_owned()
            }
            "timestamp" => {
                used.insert("Timestamp");
                "Timestamp".to_owned()
            }
            "list" => format!("Vec<{}>", self.rust_type(reference(&shape["member"])?, used)?),
            "map" => {
                used.insert("BTreeMap");
                format!("BTreeMap<String, {}>", self.rust_type(reference(&shape["value"])?, used)?)
            }
            "structure" => names::type_name(name),
            other => return Err(format!("shape `{name}` is of type `{other}`").into()),
        })
    }

    /// Whether a value of shape `outer` holds one of structure `inner` without a list or map between.
    fn contains_directly(&self, outer: &'a str, inner: &str, seen: &mut BTreeSet<&'a str>) -> Outcome<bool> {
        if self.kind(outer)? != "structure" || !seen.insert(outer) {
            return Ok(false);
        }
        if outer == inner {
            return Ok(true);
        }
        let members = self.file.shape(outer)?.get("members").and_then(Value::as_object);
        for member in members.into_iter().flat_map(|members| members.values()) {
            if self.contains_directly(reference(member)?, inner, seen)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    // ---- operations.rs

    fn operations(&self) -> Outcome<String> {
        let mut text = String::from(
            "//! Operations: their tables and the types that stand for them.\n\nuse tarn_aws_protocol::{ErrorModel, Operation, OperationModel};\n\n",
        );
        let mut body = String::new();
        let mut unit = false;
        let mut taken = BTreeSet::new();
        for name in &self.selection.operations {
            let operation = self.operation(name)?;
            let constant = names::unique(&mut taken, names::constant(name));
            let mut side = |key: &str| -> Outcome<(String, String)> {
                Ok(match operation.get(key) {
                    Some(side) => {
                        let shape = reference(side)?;
                        (
                            format!("super::{}", names::type_name(shape)),
                            format!("&super::shapes::{}", self.static_of(shape)?),
                        )
                    }
                    None => {
                        unit = true;
                        ("Unit".to_owned(), "<Unit as tarn_aws_protocol::Structure>::SCHEMA".to_owned())
                    }
                })
            };
            let (input_type, input) = side("input")?;
            let (output_type, output) = side("output")?;
            let http = operation.get("http").ok_or("an operation without http")?;
            let mut errors = Vec::new();
            for error in operation.get("errors").and_then(Value::as_array).into_iter().flatten() {
                errors.push(format!("&super::errors::{}", self.static_of(reference(error)?)?));
            }
            let nested = |key: &str, inner: &str| {
                operation.get(key).and_then(|value| value.get(inner)).and_then(Value::as_str).map(str::to_owned)
            };
            writeln!(
                body,
                "/// The operation `{name}`.\n#[derive(Debug, Clone, Copy)]\npub struct {name};\n\nimpl Operation for {name} {{\n    type Input = {input_type};\n    type Output = {output_type};\n    const MODEL: &'static OperationModel = &{constant};\n}}\n"
            )?;
            writeln!(
                body,
                "/// The table of `{name}`.\npub static {constant}: OperationModel = OperationModel {{\n    name: {name:?},\n    service: &super::SERVICE,\n    http_method: {:?},\n    request_uri: {:?},\n    response_status: {},\n    input: {input},\n    output: {output},\n    result_wrapper: {:?},\n    input_xml_name: {:?},\n    host_prefix: {:?},\n    errors: {constant}_ERRORS,\n}};\nconst {constant}_ERRORS: &[&ErrorModel] = &[{}];\n",
                http.get("method").and_then(Value::as_str).unwrap_or("POST"),
                http.get("requestUri").and_then(Value::as_str).unwrap_or("/"),
                http.get("responseCode").and_then(Value::as_u64).unwrap_or(200),
                nested("output", "resultWrapper"),
                nested("input", "locationName"),
                nested("endpoint", "hostPrefix"),
                errors.join(", "),
            )?;
        }
        if unit {
            text = text.replace("OperationModel};", "OperationModel, Unit};");
        }
        text.push_str(&body);
        Ok(text)
    }

    // ---- errors.rs

    fn errors(&self) -> Outcome<String> {
        let mut text = String::from("//! Errors that the operations declare.\n\n");
        if !self.errors.is_empty() {
            text.push_str("use tarn_aws_protocol::{ErrorModel, Fault};\n\n");
        }
        for &name in &self.errors {
            let shape = self.file.shape(name)?;
            let error = shape.get("error");
            let receiver = flag(shape, "fault");
            let code = error
                .and_then(|error| error.get("code"))
                .and_then(Value::as_str)
                .filter(|_| self.query)
                .unwrap_or(name);
            let status = error
                .and_then(|error| error.get("httpStatusCode"))
                .and_then(Value::as_u64)
                .unwrap_or(if receiver { 500 } else { 400 });
            let fault = if receiver || status >= 500 { "Receiver" } else { "Sender" };
            writeln!(
                text,
                "/// `{name}`\npub static {}: ErrorModel = ErrorModel {{ name: {name:?}, code: {code:?}, http_status: {status}, fault: Fault::{fault}, schema: &super::shapes::{} }};",
                self.static_of(name)?,
                self.static_of(name)?
            )?;
        }
        Ok(text)
    }

    // ---- values.rs

    fn values(&self) -> Outcome<String> {
        let mut text = String::from("//! The values of enumerations.\n\n");
        let mut modules = BTreeSet::new();
        for &name in &self.reachable {
            let Some(values) = self.enum_values(name, self.file.shape(name)?) else {
                continue;
            };
            writeln!(
                text,
                "/// The values of `{name}`.\npub mod {} {{",
                names::unique(&mut modules, names::field(name))
            )?;
            let mut taken = BTreeSet::new();
            for value in values {
                writeln!(
                    text,
                    "    /// `{value}`\n    pub const {}: &str = {value:?};",
                    names::unique(&mut taken, value_constant(&value))
                )?;
            }
            text.push_str("}\n");
        }
        Ok(text)
    }

    // ---- mod.rs

    fn root(&self) -> Outcome<String> {
        let selection = self.selection;
        let metadata = |key: &str| self.file.metadata_text(key);
        let mut protocols: Vec<String> = Vec::new();
        let expected = metadata("protocol").ok_or("a model without protocol")?;
        let listed = self.file.metadata.get("protocols").and_then(Value::as_array);
        let others = listed.into_iter().flatten().filter_map(Value::as_str);
        for name in std::iter::once(expected).chain(others) {
            let name = self.protocol(name)?;
            if !protocols.contains(&name) {
                protocols.push(name);
            }
        }
        let served: Vec<&str> = selection.operations.iter().map(String::as_str).collect();
        let not_served: Vec<&String> =
            self.file.operations.keys().filter(|name| !served.contains(&name.as_str())).collect();
        let endpoint = metadata("endpointPrefix").unwrap_or(&selection.name);
        let mut text = format!(
            "//! The service `{}`.\n\npub mod errors;\npub mod operations;\npub mod shapes;\npub mod values;\n\n",
            selection.name
        );
        text.push_str("pub use shapes::*;\n\nuse tarn_aws_protocol::{OperationModel, Protocol, ServiceModel};\n\n");
        writeln!(text, "/// The service's table.\npub static SERVICE: ServiceModel = ServiceModel {{")?;
        writeln!(text, "    name: {:?},", selection.name)?;
        writeln!(text, "    service_id: {:?},", metadata("serviceId").unwrap_or(&selection.name))?;
        writeln!(text, "    full_name: {:?},", metadata("serviceFullName").unwrap_or(&selection.name))?;
        writeln!(text, "    protocol: {},", protocols[0])?;
        writeln!(text, "    protocols: &[{}],", protocols.join(", "))?;
        writeln!(text, "    target_prefix: {:?},", metadata("targetPrefix"))?;
        writeln!(text, "    api_version: {:?},", metadata("apiVersion").unwrap_or_default())?;
        writeln!(text, "    xml_namespace: {:?},", metadata("xmlNamespace"))?;
        writeln!(text, "    signing_name: {:?},", metadata("signingName").unwrap_or(endpoint))?;
        writeln!(text, "    endpoint_prefix: {endpoint:?},")?;
        writeln!(text, "    validation_error_code: {:?},", selection.validation_error_code)?;
        writeln!(text, "    access_denied_code: {:?},", selection.access_denied_code)?;
        writeln!(text, "    repeats_error_code: {:?},", selection.repeats_error_code)?;
        text.push_str("    operations: &OPERATIONS,\n    operations_not_served: OPERATIONS_NOT_SERVED,\n};\n\n");
        writeln!(text, "static OPERATIONS: [&OperationModel; {}] = [", selection.operations.len())?;
        for name in &selection.operations {
            writeln!(text, "    &operations::{},", names::constant(name))?;
        }
        text.push_str("];\n\nconst OPERATIONS_NOT_SERVED: &[&str] = &[\n");
        for name in not_served {
            writeln!(text, "    {name:?},")?;
        }
        text.push_str("];\n\n");
        let module = names::snake(&selection.name);
        writeln!(
            text,
            "/// Calls a macro with the type of every operation.\n#[macro_export]\nmacro_rules! {module}_operations {{\n    ($callback:ident) => {{\n        $callback! {{"
        )?;
        for name in &selection.operations {
            writeln!(text, "            $crate::{module}::operations::{name},")?;
        }
        text.push_str("        }\n    };\n}\n");
        Ok(text)
    }

    fn protocol(&self, name: &str) -> Outcome<String> {
        let variant = match name {
            "json" if self.file.metadata_text("jsonVersion") == Some("1.0") => "Json10",
            "json" => "Json11",
            "query" => "Query",
            "rest-json" => "RestJson",
            "rest-xml" => "RestXml",
            "smithy-rpc-v2-cbor" => "RpcV2Cbor",
            other => return Err(format!("there is no codec for the protocol `{other}`").into()),
        };
        Ok(format!("Protocol::{variant}"))
    }
}

fn timestamp_format(format: &str) -> Outcome<&'static str> {
    match format {
        "iso8601" => Ok("TimestampFormat::DateTime"),
        "rfc822" => Ok("TimestampFormat::HttpDate"),
        "unixTimestamp" => Ok("TimestampFormat::EpochSeconds"),
        other => Err(format!("there is no timestamp format `{other}`").into()),
    }
}

fn xml_namespace(namespace: &Value) -> Outcome<String> {
    let uri =
        namespace.as_str().or_else(|| namespace.get("uri").and_then(Value::as_str)).ok_or("a namespace without uri")?;
    let prefix = namespace.get("prefix").and_then(Value::as_str);
    Ok(format!(".xml_namespace({uri:?}, {prefix:?})"))
}

/// The constant of an enumeration's value: words stay whole when they are in capitals already.
fn value_constant(value: &str) -> String {
    let cleaned: String =
        value.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect();
    names::constant(cleaned.trim_matches('_'))
}

//! The allow-list and botocore's model files, read. Knows nothing of Rust output.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::Outcome;

/// `operations.toml`: which operations of which services are generated, from which botocore.
pub struct Selection {
    pub botocore: String,
    pub services: Vec<ServiceSelection>,
}

/// What is generated of one service.
pub struct ServiceSelection {
    /// The name in botocore and in the crate.
    pub name: String,
    pub operations: Vec<String>,
    pub validation_error_code: String,
    pub access_denied_code: String,
    pub repeats_error_code: bool,
    /// Values that the server takes beside the model's, by enumeration.
    pub enum_additions: BTreeMap<String, Vec<String>>,
    /// Shapes whose pattern AWS does not hold to.
    pub patterns_not_enforced: Vec<String>,
    /// Shapes of secrets that the model does not mark as sensitive.
    pub secrets: Vec<String>,
}

impl Selection {
    pub fn read(path: &Path) -> Outcome<Selection> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let table: toml::Table = text.parse()?;
        let botocore =
            table.get("botocore").and_then(toml::Value::as_str).ok_or("operations.toml: botocore is missing")?;
        let mut services = Vec::new();
        let list =
            table.get("services").and_then(toml::Value::as_table).ok_or("operations.toml: services is missing")?;
        for (name, service) in list {
            services.push(ServiceSelection::read(name, service)?);
        }
        Ok(Selection { botocore: botocore.to_owned(), services })
    }
}

impl ServiceSelection {
    fn read(name: &str, service: &toml::Value) -> Outcome<ServiceSelection> {
        let text = |key: &str| -> Outcome<String> {
            let value = service.get(key).and_then(toml::Value::as_str);
            Ok(value.ok_or_else(|| format!("operations.toml: services.{name}.{key} is missing"))?.to_owned())
        };
        let enum_additions = match service.get("enum_additions").and_then(toml::Value::as_table) {
            Some(table) => table.iter().map(|(shape, values)| (shape.clone(), texts(Some(values)))).collect(),
            None => BTreeMap::new(),
        };
        Ok(ServiceSelection {
            name: name.to_owned(),
            operations: texts(service.get("operations")),
            validation_error_code: text("validation_error_code")?,
            access_denied_code: text("access_denied_code")?,
            repeats_error_code: service.get("repeats_error_code").and_then(toml::Value::as_bool).unwrap_or(false),
            enum_additions,
            patterns_not_enforced: texts(service.get("patterns_not_enforced")),
            secrets: texts(service.get("secrets")),
        })
    }
}

fn texts(value: Option<&toml::Value>) -> Vec<String> {
    let list = value.and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect()
}

/// One `service-2.json`.
pub struct ServiceFile {
    pub metadata: Map<String, Value>,
    pub operations: Map<String, Value>,
    pub shapes: Map<String, Value>,
}

impl ServiceFile {
    /// Reads the newest version of the service's model under botocore's data folder.
    pub fn read(models: &Path, service: &ServiceSelection) -> Outcome<ServiceFile> {
        let folder = models.join(&service.name);
        let mut versions: Vec<_> = fs::read_dir(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.is_dir())
            .collect();
        versions.sort();
        let version = versions.last().ok_or_else(|| format!("{} has no version", folder.display()))?;
        let packed = version.join("service-2.json.gz");
        let mut text = String::new();
        if packed.exists() {
            flate2::read::GzDecoder::new(fs::File::open(packed)?).read_to_string(&mut text)?;
        } else {
            text = fs::read_to_string(version.join("service-2.json"))?;
        }
        let mut model: Value = serde_json::from_str(&text)?;
        let mut section = |name: &str| match model.get_mut(name).map(Value::take) {
            Some(Value::Object(map)) => Ok(map),
            _ => Err(format!("{}: no {name}", service.name)),
        };
        Ok(ServiceFile {
            metadata: section("metadata")?,
            operations: section("operations")?,
            shapes: section("shapes")?,
        })
    }

    /// The text of a key of the metadata.
    pub fn metadata_text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).and_then(Value::as_str)
    }

    /// A shape by name.
    pub fn shape(&self, name: &str) -> Outcome<&Value> {
        Ok(self.shapes.get(name).ok_or_else(|| format!("the model refers to a shape `{name}` that it lacks"))?)
    }
}

/// The shape name that a reference holds.
pub fn reference(value: &Value) -> Outcome<&str> {
    Ok(value.get("shape").and_then(Value::as_str).ok_or("a reference without a shape")?)
}

/// Whether a key is `true`.
pub fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

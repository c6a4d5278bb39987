//! Which condition keys a policy asks for: in its conditions, and as variables in its resources and values.

use std::collections::HashSet;

use crate::json::Json;

/// The keys that `text` asks for, as it writes them, each once and in its order. Empty if it is no policy.
pub fn context_keys(text: &str) -> Vec<String> {
    let mut keys = Keys::default();
    if let Ok(Json::Object(members)) = serde_json::from_str(text) {
        let member = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        keys.with_variables = matches!(member("Version"), Some(Json::Text(version)) if version == "2012-10-17");
        match member("Statement") {
            Some(Json::Array(statements)) => statements.iter().for_each(|statement| keys.of_statement(statement)),
            Some(one) => keys.of_statement(one),
            None => {}
        }
    }
    keys.found
}

#[derive(Default)]
struct Keys {
    found: Vec<String>,
    /// Those found, in lower case.
    known: HashSet<String>,
    with_variables: bool,
}

impl Keys {
    fn add(&mut self, key: &str) {
        if self.known.insert(key.to_ascii_lowercase()) {
            self.found.push(key.to_owned());
        }
    }

    fn of_statement(&mut self, statement: &Json) {
        let Json::Object(members) = statement else { return };
        for (name, value) in members {
            match (name.as_str(), value) {
                ("Resource" | "NotResource", value) => self.of_variables(value),
                ("Condition", Json::Object(operators)) => {
                    for (_, of_operator) in operators {
                        let Json::Object(of_operator) = of_operator else { continue };
                        for (key, values) in of_operator {
                            self.add(key);
                            self.of_variables(values);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// `${key}` and `${key, 'default'}`, but not `${*}`, `${?}` and `${$}`.
    fn of_variables(&mut self, value: &Json) {
        match value {
            Json::Text(text) if self.with_variables => {
                let inside = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
                let keys = inside.map(|(inside, _)| inside.split(',').next().unwrap_or_default().trim());
                for key in keys.filter(|key| key.contains(':')).map(str::to_owned).collect::<Vec<_>>() {
                    self.add(&key);
                }
            }
            Json::Array(list) => list.iter().for_each(|value| self.of_variables(value)),
            Json::Text(_) | Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => {}
        }
    }
}

//! Event selectors: what a trail's owner says, in the basic form or the advanced one, and what is then asked of the audit.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_PutEventSelectors.html>

use serde::{Deserialize, Serialize};
use tarn_audit::{EventField, EventWish, FieldCondition};

use crate::TrailsError;

/// Selectors of a trail in the basic form.
const BASIC_COUNT_MAX: usize = 5;
/// Data resources of all basic selectors.
const DATA_RESOURCES_COUNT_MAX: usize = 250;
/// Words of all conditions of all advanced selectors.
const WORDS_COUNT_MAX: usize = 500;
/// Characters of one word.
const WORD_LENGTH_MAX: usize = 2_048;
/// Kinds of resources that the basic form knows. Of functions and DynamoDB's tables this lake has none.
const DATA_RESOURCE_KINDS: [(&str, &str); 3] = [
    ("AWS::S3::Object", "arn:aws:s3"),
    ("AWS::Lambda::Function", "arn:aws:lambda"),
    ("AWS::DynamoDB::Table", "arn:aws:dynamodb"),
];
/// Sources whose management events the basic form can leave out.
const EXCLUDABLE_SOURCES: [&str; 2] = ["kms.amazonaws.com", "rdsdata.amazonaws.com"];
/// The services whose events are of no region.
const GLOBAL_SOURCES: [&str; 2] = ["iam.amazonaws.com", "sts.amazonaws.com"];

/// Calls that read, that write, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadWriteType {
    /// Those that change nothing.
    ReadOnly,
    /// Those that may.
    WriteOnly,
    /// Both.
    All,
}

/// Data events of a kind of resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataResource {
    /// `AWS::S3::Object`.
    pub kind: String,
    /// Beginnings of ARNs.
    pub values: Vec<String>,
}

/// A selector in the basic form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSelector {
    /// Which calls.
    pub read_write: ReadWriteType,
    /// Whether those of the control plane.
    pub management: bool,
    /// Which of the data plane.
    pub data_resources: Vec<DataResource>,
    /// Whose management events are left out.
    pub excluded_sources: Vec<String>,
}

impl Default for EventSelector {
    fn default() -> Self {
        Self {
            read_write: ReadWriteType::All,
            management: true,
            data_resources: Vec::new(),
            excluded_sources: Vec::new(),
        }
    }
}

/// A selector in the advanced form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvancedSelector {
    /// For people.
    pub name: Option<String>,
    /// All must hold.
    pub conditions: Vec<FieldCondition>,
}

/// A trail's selectors: in one form or in the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventSelectors {
    /// The basic form.
    Basic(Vec<EventSelector>),
    /// The advanced form.
    Advanced(Vec<AdvancedSelector>),
}

impl Default for EventSelectors {
    /// All management events.
    fn default() -> Self {
        Self::Basic(vec![EventSelector::default()])
    }
}

fn refused(reason: impl Into<String>) -> TrailsError {
    TrailsError::InvalidSelectors { reason: reason.into() }
}

fn check_basic(selectors: &[EventSelector]) -> Result<(), TrailsError> {
    if selectors.len() > BASIC_COUNT_MAX {
        return Err(refused(format!("A trail has at most {BASIC_COUNT_MAX} event selectors.")));
    }
    let values = selectors.iter().flat_map(|selector| &selector.data_resources).map(|resource| resource.values.len());
    if values.sum::<usize>() > DATA_RESOURCES_COUNT_MAX {
        return Err(refused(format!("A trail has at most {DATA_RESOURCES_COUNT_MAX} data resources.")));
    }
    for selector in selectors {
        for DataResource { kind, values } in &selector.data_resources {
            let Some((_, start)) = DATA_RESOURCE_KINDS.iter().find(|(known, _)| known == kind) else {
                let known = DATA_RESOURCE_KINDS.map(|(kind, _)| kind).join(", ");
                return Err(refused(format!(
                    "{kind} is not a type of data resource here ({known}); use advanced event selectors for others."
                )));
            };
            // Of a bucket alone it could not be told where its name ends.
            let is_right = |value: &String| {
                value == start
                    || value.strip_prefix(start).is_some_and(|rest| rest.starts_with(':'))
                        && (*start != "arn:aws:s3" || value == "arn:aws:s3:::" || value.contains('/'))
            };
            if let Some(wrong) = values.iter().find(|value| !is_right(value)) {
                return Err(refused(format!(
                    "Value {wrong} for DataResources.Values is invalid: it is {start}, or an ARN of {kind} such as arn:aws:s3:::bucket/."
                )));
            }
        }
        if let Some(wrong) =
            selector.excluded_sources.iter().find(|source| !EXCLUDABLE_SOURCES.contains(&source.as_str()))
        {
            return Err(refused(format!(
                "{wrong} cannot be excluded: ExcludeManagementEventSources has kms.amazonaws.com or rdsdata.amazonaws.com."
            )));
        }
        if !selector.management && !selector.excluded_sources.is_empty() {
            return Err(refused("ExcludeManagementEventSources is only for selectors that include management events."));
        }
    }
    Ok(())
}

fn words(condition: &FieldCondition) -> impl Iterator<Item = &String> {
    let FieldCondition { equals, starts_with, ends_with, not_equals, not_starts_with, not_ends_with, .. } = condition;
    [equals, starts_with, ends_with, not_equals, not_starts_with, not_ends_with].into_iter().flatten()
}

fn only_equals(conditions: &[FieldCondition], field: EventField) -> Option<&[String]> {
    let condition = conditions.iter().find(|condition| condition.field == field)?;
    (words(condition).count() == condition.equals.len()).then_some(&condition.equals)
}

fn check_advanced(selectors: &[AdvancedSelector]) -> Result<(), TrailsError> {
    let count = selectors.iter().flat_map(|selector| &selector.conditions).map(|condition| words(condition).count());
    if count.sum::<usize>() > WORDS_COUNT_MAX {
        return Err(refused(format!("The advanced event selectors of a trail have at most {WORDS_COUNT_MAX} values.")));
    }
    for AdvancedSelector { conditions, .. } in selectors {
        for condition in conditions {
            if words(condition).next().is_none() {
                return Err(refused("Each field selector needs an operator with at least one value."));
            }
            if words(condition).any(|word| word.is_empty() || word.chars().count() > WORD_LENGTH_MAX) {
                return Err(refused("A value of a field selector has 1 to 2048 characters."));
            }
            if conditions.iter().filter(|other| other.field == condition.field).count() > 1 {
                return Err(refused("A field can be selected only once in a selector."));
            }
        }
        let is_of_data = match only_equals(conditions, EventField::Category) {
            Some([category]) if category == "Management" => false,
            Some([category]) if category == "Data" => true,
            Some([category]) => {
                return Err(refused(format!("eventCategory is Management or Data here, not {category}.")));
            }
            Some(_) | None => {
                return Err(refused("Each selector needs the field eventCategory, which Equals Management or Data."));
            }
        };
        for condition in conditions {
            match condition.field {
                EventField::ResourceType if is_of_data => match only_equals(conditions, EventField::ResourceType) {
                    Some([_]) => {}
                    Some(_) | None => return Err(refused("resources.type Equals exactly one type.")),
                },
                EventField::ResourceArn if is_of_data => {}
                EventField::ResourceType | EventField::ResourceArn => {
                    return Err(refused("The fields resources.type and resources.ARN are only for data events."));
                }
                EventField::ReadOnly | EventField::ConsoleSession => {
                    let given = only_equals(conditions, condition.field).unwrap_or_default();
                    if given.is_empty() || given.iter().any(|word| word != "true" && word != "false") {
                        return Err(refused("readOnly and sessionCredentialFromConsole Equals true or false."));
                    }
                }
                EventField::Category
                | EventField::Name
                | EventField::Source
                | EventField::Type
                | EventField::UserArn => {}
            }
        }
        if is_of_data && !conditions.iter().any(|condition| condition.field == EventField::ResourceType) {
            return Err(refused("A selector of data events needs the field resources.type."));
        }
    }
    Ok(())
}

fn equals(field: EventField, word: &str) -> FieldCondition {
    FieldCondition { equals: vec![word.to_owned()], ..FieldCondition::of(field) }
}

fn of_basic(selector: &EventSelector, wishes: &mut Vec<EventWish>) {
    let of_category = |category: &str| {
        let mut conditions = vec![equals(EventField::Category, category)];
        match selector.read_write {
            ReadWriteType::ReadOnly => conditions.push(equals(EventField::ReadOnly, "true")),
            ReadWriteType::WriteOnly => conditions.push(equals(EventField::ReadOnly, "false")),
            ReadWriteType::All => {}
        }
        conditions
    };
    if selector.management {
        let mut conditions = of_category("Management");
        if !selector.excluded_sources.is_empty() {
            let not_equals = selector.excluded_sources.clone();
            conditions.push(FieldCondition { not_equals, ..FieldCondition::of(EventField::Source) });
        }
        wishes.push(EventWish(conditions));
    }
    for DataResource { kind, values } in &selector.data_resources {
        let mut conditions = of_category("Data");
        conditions.push(equals(EventField::ResourceType, kind));
        conditions.push(FieldCondition { starts_with: values.clone(), ..FieldCondition::of(EventField::ResourceArn) });
        // Without a value nothing is selected.
        if !values.is_empty() {
            wishes.push(EventWish(conditions));
        }
    }
}

impl EventSelectors {
    /// Refuses what AWS refuses.
    pub(crate) fn check(&self) -> Result<(), TrailsError> {
        match self {
            Self::Basic(selectors) => check_basic(selectors),
            Self::Advanced(selectors) => check_advanced(selectors),
        }
    }

    /// What they ask of the audit.
    pub(crate) fn wishes(&self, includes_global_services: bool) -> Vec<EventWish> {
        let mut wishes = Vec::new();
        match self {
            Self::Basic(selectors) => selectors.iter().for_each(|selector| of_basic(selector, &mut wishes)),
            Self::Advanced(selectors) => {
                wishes.extend(selectors.iter().map(|selector| EventWish(selector.conditions.clone())));
            }
        }
        if !includes_global_services {
            let not_equals = GLOBAL_SOURCES.map(str::to_owned).to_vec();
            for EventWish(conditions) in &mut wishes {
                conditions
                    .push(FieldCondition { not_equals: not_equals.clone(), ..FieldCondition::of(EventField::Source) });
            }
        }
        wishes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advanced(conditions: Vec<FieldCondition>) -> EventSelectors {
        EventSelectors::Advanced(vec![AdvancedSelector { name: None, conditions }])
    }

    #[test]
    fn selectors_are_checked() {
        let check = |selectors: EventSelectors, expected: bool| {
            assert_eq!(selectors.check().is_ok(), expected, "{selectors:?}");
        };
        let data = |kind: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            let data_resources = vec![DataResource { kind: kind.to_owned(), values }];
            EventSelectors::Basic(vec![EventSelector { data_resources, ..EventSelector::default() }])
        };
        check(EventSelectors::default(), true);
        check(data("AWS::S3::Object", &["arn:aws:s3", "arn:aws:s3:::", "arn:aws:s3:::b/", "arn:aws:s3:::b/p"]), true);
        check(data("AWS::Lambda::Function", &["arn:aws:lambda"]), true);
        check(data("AWS::S3::Object", &["arn:aws:s3:::b"]), false);
        check(data("AWS::S3::Object", &["b/"]), false);
        check(data("AWS::S3::Object", &["arn:aws:s3x"]), false);
        check(data("AWS::S3::Bucket", &["arn:aws:s3:::b/"]), false);
        check(EventSelectors::Basic(vec![EventSelector::default(); 6]), false);
        let excluding = |management, source: &str| {
            let excluded_sources = vec![source.to_owned()];
            EventSelectors::Basic(vec![EventSelector { management, excluded_sources, ..EventSelector::default() }])
        };
        check(excluding(true, "kms.amazonaws.com"), true);
        check(excluding(false, "kms.amazonaws.com"), false);
        check(excluding(true, "iam.amazonaws.com"), false);

        let category = |word: &str| equals(EventField::Category, word);
        let kind = || equals(EventField::ResourceType, "AWS::S3::Object");
        check(advanced(vec![category("Management")]), true);
        check(advanced(vec![category("Management"), equals(EventField::ReadOnly, "true")]), true);
        check(advanced(vec![category("Data"), kind()]), true);
        check(advanced(vec![]), false);
        check(advanced(vec![category("NetworkActivity")]), false);
        check(advanced(vec![category("Data")]), false);
        check(advanced(vec![category("Management"), kind()]), false);
        check(advanced(vec![category("Management"), equals(EventField::ReadOnly, "maybe")]), false);
        check(advanced(vec![category("Management"), FieldCondition::of(EventField::Name)]), false);
        check(advanced(vec![category("Management"), category("Management")]), false);
        let many = FieldCondition { equals: vec!["PutObject".to_owned(); 500], ..FieldCondition::of(EventField::Name) };
        check(advanced(vec![category("Management"), many]), false);
    }
}

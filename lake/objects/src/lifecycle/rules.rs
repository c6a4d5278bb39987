//! What a bucket's lifecycle configuration says, and whether it may be said. Knows no clock and no records of objects.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tarn_metadata::Record;

use crate::StorageClass;
use crate::errors::ObjectsError;
use crate::objects::DAY_MS;
use crate::tagging::Tags;

/// The most rules of one configuration.
pub const LIFECYCLE_RULES_COUNT_MAX: usize = 1000;
/// The longest id of a rule, characters.
pub const LIFECYCLE_RULE_ID_CHARS_MAX: usize = 255;
/// The most newer noncurrent versions that a rule may keep.
pub const NEWER_NONCURRENT_VERSIONS_MAX: u32 = 100;
/// The least days before an object may become one of the infrequent access classes.
const INFREQUENT_ACCESS_DAYS_MIN: u32 = 30;
/// Objects below this are not moved to another class, unless the configuration or a rule says so: it would not pay.
pub(crate) const TRANSITION_SIZE_BYTES_MIN: u64 = 128 << 10;

/// All that a bucket's lifecycle is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LifecycleConfiguration {
    /// In the order they were given.
    pub rules: Vec<LifecycleRule>,
    /// Which small objects are moved to other classes.
    pub transition_minimum: TransitionMinimum,
}

impl Record for LifecycleConfiguration {
    const VERSION: u16 = 1;
}

/// Which small objects rules move to other classes, where a rule has no size of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TransitionMinimum {
    /// None below 128 KiB.
    #[default]
    AllClasses128K,
    /// Below 128 KiB only to the classes that are restored before they are read.
    VariesByClass,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleRule {
    /// Unique in its configuration; made where none is given.
    pub id: String,
    /// Whether it is followed.
    pub is_enabled: bool,
    /// Which objects it is for.
    pub filter: LifecycleFilter,
    /// When current versions end.
    pub expiration: Option<LifecycleExpiration>,
    /// When noncurrent versions end.
    pub noncurrent_expiration: Option<NoncurrentExpiration>,
    /// When current versions move.
    pub transitions: Vec<LifecycleTransition>,
    /// When noncurrent versions move.
    pub noncurrent_transitions: Vec<NoncurrentTransition>,
    /// How many days after they began uploads are given up.
    pub abort_uploads_days: Option<u32>,
}

/// How a filter was written; it is given back the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FilterForm {
    /// One predicate or none in a `Filter`.
    #[default]
    Plain,
    /// Several, joined by `And`.
    And,
    /// The rule's own `Prefix`, without a `Filter`: the form before 2016.
    Prefix,
}

/// Which objects a rule is for: those for which all that is said holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LifecycleFilter {
    /// How it was written.
    pub form: FilterForm,
    /// The key begins so.
    pub prefix: Option<String>,
    /// It has these tags, in the order given.
    pub tags: Vec<(String, String)>,
    /// It has more bytes.
    pub size_bytes_above: Option<u64>,
    /// It has fewer bytes.
    pub size_bytes_below: Option<u64>,
}

/// When something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LifecycleTime {
    /// So many days after the object was made, at the next midnight.
    Days(u32),
    /// From a midnight on, milliseconds since 1970.
    DateMs(i64),
}

/// When current versions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LifecycleExpiration {
    /// Then. In a versioned bucket a delete marker takes its place.
    At(LifecycleTime),
    /// Only delete markers end, as soon as no version is under them.
    DeleteMarkers,
}

/// When noncurrent versions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoncurrentExpiration {
    /// So many days after they ceased to be current, at the next midnight.
    pub days: u32,
    /// So many of the newest noncurrent versions stay whatever their age.
    pub newer_versions: Option<u32>,
}

/// A move of current versions to another class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleTransition {
    /// When.
    pub at: LifecycleTime,
    /// Where to.
    pub class: StorageClass,
}

/// A move of noncurrent versions to another class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoncurrentTransition {
    /// So many days after they ceased to be current, at the next midnight.
    pub days: u32,
    /// Where to.
    pub class: StorageClass,
    /// So many of the newest noncurrent versions stay where they are.
    pub newer_versions: Option<u32>,
}

impl LifecycleFilter {
    /// Every key that begins with `prefix`.
    pub fn of_prefix(prefix: &str) -> Self {
        Self { prefix: Some(prefix.to_owned()), ..Self::default() }
    }

    /// Whether it asks for more than a key: what has no tags and no size then never matches.
    pub(crate) fn asks_for_content(&self) -> bool {
        !self.tags.is_empty() || self.has_size()
    }

    pub(crate) fn has_size(&self) -> bool {
        self.size_bytes_above.is_some() || self.size_bytes_below.is_some()
    }

    pub(crate) fn matches_key(&self, key: &str) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_str()))
    }

    pub(crate) fn matches_content(&self, size_bytes: u64, tags: &Tags) -> bool {
        self.size_bytes_above.is_none_or(|above| size_bytes > above)
            && self.size_bytes_below.is_none_or(|below| size_bytes < below)
            && self.tags.iter().all(|(key, value)| tags.iter().any(|tag| tag == (key.as_str(), value.as_str())))
    }

    fn predicates(&self) -> usize {
        usize::from(self.prefix.is_some())
            + self.tags.len()
            + usize::from(self.size_bytes_above.is_some())
            + usize::from(self.size_bytes_below.is_some())
    }

    /// For messages, as AWS names rules.
    fn shown(&self) -> String {
        format!("prefix '{}'", self.prefix.as_deref().unwrap_or_default())
    }
}

/// Moving down the waterfall of classes is what rules can do.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>
impl StorageClass {
    fn coldness(self) -> u8 {
        match self {
            Self::Standard | Self::ReducedRedundancy => 0,
            Self::StandardIa => 1,
            Self::IntelligentTiering => 2,
            Self::OnezoneIa => 3,
            Self::GlacierInstant => 4,
            Self::Glacier => 5,
            Self::DeepArchive => 6,
        }
    }

    pub(crate) fn may_become(self, colder: Self) -> bool {
        self.coldness() < colder.coldness()
    }

    pub(crate) fn is_infrequent_access(self) -> bool {
        matches!(self, Self::StandardIa | Self::OnezoneIa)
    }

    pub(crate) fn is_restored_before_read(self) -> bool {
        matches!(self, Self::Glacier | Self::DeepArchive)
    }
}

fn malformed(reason: impl Into<String>) -> ObjectsError {
    ObjectsError::MalformedConfiguration { reason: reason.into() }
}

fn request(reason: impl Into<String>) -> ObjectsError {
    ObjectsError::InvalidRequest { reason: reason.into() }
}

fn argument(name: &'static str, value: impl ToString, reason: &'static str) -> ObjectsError {
    ObjectsError::InvalidArgument { name, value: value.to_string(), reason }
}

impl LifecycleConfiguration {
    /// Refuses what AWS refuses. Ids may be missing (empty).
    pub(crate) fn check(&self) -> Result<(), ObjectsError> {
        if self.rules.is_empty() || self.rules.len() > LIFECYCLE_RULES_COUNT_MAX {
            return Err(malformed("a lifecycle configuration has 1 to 1000 rules"));
        }
        let mut ids = HashSet::new();
        for rule in &self.rules {
            if rule.id.chars().count() > LIFECYCLE_RULE_ID_CHARS_MAX {
                return Err(argument("ID", &rule.id, "ID length should not exceed allowed limit of 255"));
            }
            if !rule.id.is_empty() && !ids.insert(&rule.id) {
                return Err(argument("ID", &rule.id, "Rule ID must be unique. Found same ID for more than one rule"));
            }
            rule.check()?;
        }
        Ok(())
    }
}

impl LifecycleRule {
    fn check(&self) -> Result<(), ObjectsError> {
        let filter = &self.filter;
        let one = match filter.form {
            FilterForm::Plain => filter.predicates() <= 1,
            FilterForm::And => filter.predicates() >= 2,
            FilterForm::Prefix => filter.predicates() == 1,
        };
        if !one {
            return Err(malformed("a filter has one predicate, or two and more in an And"));
        }
        let keys: HashSet<&str> = filter.tags.iter().map(|(key, _)| key.as_str()).collect();
        if keys.len() != filter.tags.len() {
            return Err(request("Duplicate Tag Keys are not allowed."));
        }
        // The limits of tags are those of objects' tags.
        Tags::of_object(filter.tags.iter().cloned())?;
        if filter.size_bytes_below == Some(0) {
            return Err(argument("ObjectSizeLessThan", 0, "it must be more than 0"));
        }
        if let (Some(above), Some(below)) = (filter.size_bytes_above, filter.size_bytes_below)
            && above >= below
        {
            return Err(request("ObjectSizeGreaterThan must be less than ObjectSizeLessThan"));
        }
        let has_action = self.expiration.is_some()
            || self.noncurrent_expiration.is_some()
            || !self.transitions.is_empty()
            || !self.noncurrent_transitions.is_empty()
            || self.abort_uploads_days.is_some();
        if !has_action {
            return Err(request("At least one action needs to be specified in a rule"));
        }
        self.check_expirations()?;
        self.check_transitions()?;
        self.check_noncurrent_transitions()
    }

    fn check_expirations(&self) -> Result<(), ObjectsError> {
        match self.expiration {
            Some(LifecycleExpiration::At(LifecycleTime::Days(0))) => {
                return Err(argument("Days", 0, "'Days' for Expiration action must be a positive integer"));
            }
            Some(LifecycleExpiration::At(LifecycleTime::DateMs(date_ms))) => check_date(date_ms)?,
            Some(LifecycleExpiration::DeleteMarkers) if !self.filter.tags.is_empty() => {
                return Err(request("Tag-based filter cannot be used with ExpiredObjectDeleteMarker"));
            }
            Some(LifecycleExpiration::DeleteMarkers) if self.filter.has_size() => {
                return Err(request("ExpiredObjectDeleteMarker cannot be specified with Object Size"));
            }
            Some(_) | None => {}
        }
        if let Some(NoncurrentExpiration { days, newer_versions }) = self.noncurrent_expiration {
            if days == 0 {
                let reason = "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer";
                return Err(argument("NoncurrentDays", 0, reason));
            }
            check_newer(newer_versions)?;
        }
        if let Some(days) = self.abort_uploads_days {
            if days == 0 {
                let reason =
                    "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer";
                return Err(argument("DaysAfterInitiation", 0, reason));
            }
            if !self.filter.tags.is_empty() {
                return Err(request("AbortIncompleteMultipartUpload cannot be specified with Tags"));
            }
            if self.filter.has_size() {
                return Err(request("AbortIncompleteMultipartUpload cannot be specified with Object Size"));
            }
        }
        Ok(())
    }

    fn check_transitions(&self) -> Result<(), ObjectsError> {
        let shown = self.filter.shown();
        let mut days = Vec::new();
        let mut dates = Vec::new();
        for transition in &self.transitions {
            match transition.at {
                LifecycleTime::Days(count) => days.push((i64::from(count), transition.class)),
                LifecycleTime::DateMs(date_ms) => {
                    check_date(date_ms)?;
                    dates.push((date_ms, transition.class));
                }
            }
        }
        if !days.is_empty() && !dates.is_empty() {
            let said = "Found mixed 'Date' and 'Days' based Transition actions in lifecycle rule for";
            return Err(request(format!("{said} {shown}")));
        }
        check_waterfall(&days, &shown, "Transition", true)?;
        check_waterfall(&dates, &shown, "Transition", false)?;
        match self.expiration {
            Some(LifecycleExpiration::At(LifecycleTime::Days(end))) => {
                if !dates.is_empty() {
                    return Err(mixed(&shown));
                }
                if days.iter().any(|(count, _)| *count >= i64::from(end)) {
                    let reason = "'Days' in the Expiration action must be greater than 'Days' in the Transition action";
                    return Err(argument("Days", end, reason));
                }
            }
            Some(LifecycleExpiration::At(LifecycleTime::DateMs(end_ms))) => {
                if !days.is_empty() {
                    return Err(mixed(&shown));
                }
                if dates.iter().any(|(date_ms, _)| *date_ms >= end_ms) {
                    let reason = "'Date' in the Expiration action must be later than 'Date' in the Transition action";
                    return Err(argument("Date", end_ms, reason));
                }
            }
            Some(LifecycleExpiration::DeleteMarkers) | None => {}
        }
        Ok(())
    }

    fn check_noncurrent_transitions(&self) -> Result<(), ObjectsError> {
        let shown = self.filter.shown();
        let mut days = Vec::new();
        for transition in &self.noncurrent_transitions {
            check_newer(transition.newer_versions)?;
            days.push((i64::from(transition.days), transition.class));
        }
        check_waterfall(&days, &shown, "NoncurrentVersionTransition", true)?;
        if let Some(end) = self.noncurrent_expiration
            && days.iter().any(|(count, _)| *count >= i64::from(end.days))
        {
            let reason = "'NoncurrentDays' in the NoncurrentVersionExpiration action must be greater than 'NoncurrentDays' in the \
                          NoncurrentVersionTransition action";
            return Err(argument("NoncurrentDays", end.days, reason));
        }
        Ok(())
    }
}

fn mixed(shown: &str) -> ObjectsError {
    request(format!(
        "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for {shown}"
    ))
}

fn check_date(date_ms: i64) -> Result<(), ObjectsError> {
    match date_ms.rem_euclid(DAY_MS) {
        0 => Ok(()),
        _ => Err(argument("Date", date_ms, "'Date' must be at midnight GMT")),
    }
}

fn check_newer(newer_versions: Option<u32>) -> Result<(), ObjectsError> {
    match newer_versions {
        Some(count) if !(1..=NEWER_NONCURRENT_VERSIONS_MAX).contains(&count) => {
            let reason = "'NewerNoncurrentVersions' must be a positive integer of at most 100";
            Err(argument("NewerNoncurrentVersions", count, reason))
        }
        _ => Ok(()),
    }
}

/// Each class once, the colder later, and thirty days in the infrequent access classes before the next.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>
fn check_waterfall(
    moves: &[(i64, StorageClass)],
    shown: &str,
    action: &str,
    in_days: bool,
) -> Result<(), ObjectsError> {
    let mut moves = moves.to_vec();
    moves.sort_by_key(|(at, _)| *at);
    let classes: HashSet<StorageClass> = moves.iter().map(|(_, class)| *class).collect();
    if classes.len() != moves.len() {
        return Err(request(format!(
            "'StorageClass' must be different for '{action}' actions in same 'Rule' with {shown}"
        )));
    }
    let days_min = i64::from(INFREQUENT_ACCESS_DAYS_MIN);
    for (at, class) in &moves {
        if in_days && class.is_infrequent_access() && *at < days_min {
            let reason =
                "'Days' must be greater than or equal to 30 for the storage classes STANDARD_IA and ONEZONE_IA";
            return Err(argument("Days", at, reason));
        }
    }
    for pair in moves.windows(2) {
        let [(earlier, warm), (later, cold)] = pair else { continue };
        if earlier == later || !warm.may_become(*cold) {
            return Err(argument(
                "Days",
                later,
                "an object moves to a colder storage class later than to a warmer one",
            ));
        }
        if in_days && warm.is_infrequent_access() && later - earlier < days_min {
            let reason = "'Days' must be 30 days more than those of the storage class STANDARD_IA or ONEZONE_IA before";
            return Err(argument("Days", later, reason));
        }
    }
    Ok(())
}

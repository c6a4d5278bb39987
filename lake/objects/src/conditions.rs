//! Conditional requests: what `If-Match` and its kin mean for reads, writes and copies. Pure.
//! <https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2> and <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html>

use crate::checksums::Etag;
use crate::errors::{Condition, ObjectsError};

/// Entity tags a condition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EtagCondition {
    /// `*`: whatever is there.
    Any,
    /// One of these, quoted or not.
    OneOf(Vec<String>),
}

impl EtagCondition {
    /// Reads a header's value: `*`, or tags with commas between.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if text == "*" {
            return Self::Any;
        }
        Self::OneOf(text.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect())
    }

    fn holds(&self, etag: &Etag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|tag| etag.matches(tag)),
        }
    }
}

/// The conditions of a read, or on the source of a copy. Times are milliseconds since 1970; HTTP dates have whole seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadConditions {
    /// `If-Match`.
    pub if_match: Option<EtagCondition>,
    /// `If-None-Match`.
    pub if_none_match: Option<EtagCondition>,
    /// `If-Modified-Since`.
    pub if_modified_since_ms: Option<i64>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since_ms: Option<i64>,
}

impl ReadConditions {
    /// Refuses with `PreconditionFailed` or `NotModified`.
    pub fn check_read(&self, etag: &Etag, modified_ms: i64) -> Result<(), ObjectsError> {
        match self.failed(etag, modified_ms) {
            None => Ok(()),
            Some(Condition::IfNoneMatch | Condition::IfModifiedSince) => {
                Err(ObjectsError::NotModified { etag: etag.quoted(), modified_ms })
            }
            Some(condition @ (Condition::IfMatch | Condition::IfUnmodifiedSince)) => {
                Err(ObjectsError::PreconditionFailed { condition })
            }
        }
    }

    /// Refuses with `PreconditionFailed` only: a copy has nothing to be not modified.
    pub fn check_copy_source(&self, etag: &Etag, modified_ms: i64) -> Result<(), ObjectsError> {
        match self.failed(etag, modified_ms) {
            None => Ok(()),
            Some(condition) => Err(ObjectsError::PreconditionFailed { condition }),
        }
    }

    /// The entity tag's conditions go before those of time, each pair as RFC 9110 orders it.
    fn failed(&self, etag: &Etag, modified_ms: i64) -> Option<Condition> {
        let modified_s = modified_ms.div_euclid(1000);
        match (&self.if_match, self.if_unmodified_since_ms) {
            (Some(tags), _) if !tags.holds(etag) => return Some(Condition::IfMatch),
            (None, Some(since)) if modified_s > since.div_euclid(1000) => return Some(Condition::IfUnmodifiedSince),
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since_ms) {
            (Some(tags), _) if tags.holds(etag) => Some(Condition::IfNoneMatch),
            (None, Some(since)) if modified_s <= since.div_euclid(1000) => Some(Condition::IfModifiedSince),
            _ => None,
        }
    }
}

/// The conditions of a write, checked inside its transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteConditions {
    /// `If-None-Match: *`: only if there is no object.
    pub if_none_match: Option<EtagCondition>,
    /// `If-Match`: only over this object.
    pub if_match: Option<EtagCondition>,
}

impl WriteConditions {
    /// Refuses unless the conditions hold over what is there now; `missing` is why nothing is.
    pub(crate) fn check(&self, current: Option<&Etag>, missing: Option<ObjectsError>) -> Result<(), ObjectsError> {
        if let Some(tags) = &self.if_none_match
            && current.is_some_and(|etag| tags.holds(etag))
        {
            return Err(ObjectsError::PreconditionFailed { condition: Condition::IfNoneMatch });
        }
        match (&self.if_match, current) {
            (None, _) => Ok(()),
            // AWS answers 404, not 412, where there is nothing to match.
            (Some(_), None) => {
                Err(missing.unwrap_or(ObjectsError::PreconditionFailed { condition: Condition::IfMatch }))
            }
            (Some(tags), Some(etag)) if tags.holds(etag) => Ok(()),
            (Some(_), Some(_)) => Err(ObjectsError::PreconditionFailed { condition: Condition::IfMatch }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: Etag = Etag::Md5([0xab; 16]);
    const MODIFIED_MS: i64 = 1_000_500;

    fn tags(same: bool) -> Option<EtagCondition> {
        let tag = if same { ETAG.quoted() } else { "\"other\"".to_owned() };
        Some(EtagCondition::parse(&tag))
    }

    #[test]
    fn reads_follow_rfc_9110() {
        let check = |conditions: ReadConditions, expected: Option<Condition>| {
            assert_eq!(conditions.failed(&ETAG, MODIFIED_MS), expected, "{conditions:?}");
        };
        let none = ReadConditions::default;
        check(none(), None);
        check(ReadConditions { if_match: tags(true), ..none() }, None);
        check(ReadConditions { if_match: tags(false), ..none() }, Some(Condition::IfMatch));
        check(ReadConditions { if_match: Some(EtagCondition::Any), ..none() }, None);
        check(ReadConditions { if_none_match: tags(true), ..none() }, Some(Condition::IfNoneMatch));
        check(ReadConditions { if_none_match: tags(false), ..none() }, None);
        check(ReadConditions { if_modified_since_ms: Some(1_000_000), ..none() }, Some(Condition::IfModifiedSince));
        check(ReadConditions { if_modified_since_ms: Some(999_000), ..none() }, None);
        check(ReadConditions { if_unmodified_since_ms: Some(1_000_000), ..none() }, None);
        check(ReadConditions { if_unmodified_since_ms: Some(999_000), ..none() }, Some(Condition::IfUnmodifiedSince));
        // A tag's condition that holds makes the time's moot.
        check(ReadConditions { if_match: tags(true), if_unmodified_since_ms: Some(0), ..none() }, None);
        check(ReadConditions { if_none_match: tags(false), if_modified_since_ms: Some(2_000_000), ..none() }, None);
    }

    #[test]
    fn writes_are_conditional() {
        let check = |conditions: WriteConditions, current: Option<&Etag>, expected: &str| {
            let missing =
                Some(ObjectsError::NoSuchKey { bucket: "b".to_owned(), key: "k".to_owned(), delete_marker: None });
            let found = match conditions.check(current, missing) {
                Ok(()) => "ok",
                Err(ObjectsError::NoSuchKey { .. }) => "missing",
                Err(ObjectsError::PreconditionFailed { .. }) => "failed",
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, expected, "{conditions:?} {current:?}");
        };
        let any = Some(EtagCondition::Any);
        check(WriteConditions::default(), Some(&ETAG), "ok");
        check(WriteConditions { if_none_match: any.clone(), if_match: None }, None, "ok");
        check(WriteConditions { if_none_match: any, if_match: None }, Some(&ETAG), "failed");
        check(WriteConditions { if_match: tags(true), if_none_match: None }, Some(&ETAG), "ok");
        check(WriteConditions { if_match: tags(false), if_none_match: None }, Some(&ETAG), "failed");
        check(WriteConditions { if_match: tags(true), if_none_match: None }, None, "missing");
    }
}

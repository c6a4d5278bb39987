//! Tags and metadata that users put on objects and buckets, and their limits. The calls that read and change an object's tags.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::Read;
use tarn_policy::Requirement;

use crate::errors::ObjectsError;
use crate::events::{Change, EventKind, announce};
use crate::keyspaces::{CURRENT, VERSIONS};
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in};
use crate::records::{VersionEntry, Versioning, current_key, version_key};
use crate::versions::{VersionId, locate, put_version, version_in};

/// The most tags of an object.
pub const OBJECT_TAGS_COUNT_MAX: usize = 10;
/// The most tags of a bucket.
pub const BUCKET_TAGS_COUNT_MAX: usize = 50;
/// The longest key of a tag, characters.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// The longest value of a tag, characters.
pub const TAG_VALUE_CHARS_MAX: usize = 256;
/// The longest place that an object leads a website's visitor to, bytes.
pub const WEBSITE_REDIRECT_SIZE_BYTES_MAX: usize = 2048;
/// The most user metadata: bytes of all names and values.
pub const USER_METADATA_SIZE_BYTES_MAX: usize = 2048;

/// Tags, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// Checks the tags of an object.
    pub fn of_object(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, ObjectsError> {
        Self::checked(pairs, OBJECT_TAGS_COUNT_MAX, "an object has at most 10 tags")
    }

    /// Checks the tags of a bucket.
    pub fn of_bucket(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, ObjectsError> {
        Self::checked(pairs, BUCKET_TAGS_COUNT_MAX, "a bucket has at most 50 tags")
    }

    fn checked(
        pairs: impl IntoIterator<Item = (String, String)>,
        count_max: usize,
        too_many: &'static str,
    ) -> Result<Self, ObjectsError> {
        let refused = |reason| Err(ObjectsError::InvalidTag { reason });
        let legal =
            |text: &str| text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c));
        let mut tags = BTreeMap::new();
        for (key, value) in pairs {
            if key.is_empty() || key.chars().count() > TAG_KEY_CHARS_MAX {
                return refused("a tag's key has 1 to 128 characters");
            }
            if value.chars().count() > TAG_VALUE_CHARS_MAX {
                return refused("a tag's value has at most 256 characters");
            }
            if key.to_ascii_lowercase().starts_with("aws:") {
                return refused("keys that begin with aws: are AWS's own");
            }
            if !legal(&key) || !legal(&value) {
                return refused("tags are made of letters, digits, spaces and _ . : / = + - @");
            }
            if tags.insert(key, value).is_some() {
                return refused("two tags have the same key");
            }
            if tags.len() > count_max {
                return refused(too_many);
            }
        }
        Ok(Self(tags))
    }

    /// A bucket's tags with others over those of the same keys.
    pub(crate) fn overlaid(self, others: Self) -> Result<Self, ObjectsError> {
        let mut tags = self.0;
        tags.extend(others.0);
        Self::of_bucket(tags)
    }

    pub(crate) fn remove(&mut self, keys: &[String]) {
        self.0.retain(|key, _| !keys.contains(key));
    }

    /// All tags, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What an object carries besides its bytes: system headers and the user's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectMetadata {
    /// `Content-Type`; without one, `binary/octet-stream` is answered.
    pub content_type: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`, as it was sent.
    pub expires: Option<String>,
    /// `x-amz-meta-*`: names in lower case without the prefix.
    pub user: BTreeMap<String, String>,
    /// Where a website leads whoever asks for the object. Belongs to one object: copies do not take it along.
    pub website_redirect: Option<String>,
}

impl ObjectMetadata {
    /// Only a content type.
    pub fn of_type(content_type: &str) -> Self {
        Self { content_type: Some(content_type.to_owned()), ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<(), ObjectsError> {
        let size_bytes = self.user.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size_bytes > USER_METADATA_SIZE_BYTES_MAX {
            return Err(ObjectsError::MetadataTooLarge { size_bytes, size_bytes_max: USER_METADATA_SIZE_BYTES_MAX });
        }
        let leads = |to: &String| {
            to.len() <= WEBSITE_REDIRECT_SIZE_BYTES_MAX
                && ["/", "http://", "https://"].iter().any(|start| to.starts_with(start))
        };
        if !self.website_redirect.as_ref().is_none_or(leads) {
            return Err(ObjectsError::InvalidRedirectLocation);
        }
        Ok(())
    }
}

impl Objects {
    /// `action` on what is at a key now: its version and its tags are condition keys.
    pub fn on_existing(
        &self,
        action: &'static str,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<Requirement, ObjectsError> {
        let mut requirement = Requirement::new(action, key.arn(bucket));
        if let Some(version) = version {
            requirement.context.set("s3:VersionId", version.to_string());
        }
        for (tag, value) in self.condition_tags(bucket, key, version)?.iter() {
            requirement.context.set(&format!("s3:ExistingObjectTag/{tag}"), value);
        }
        Ok(requirement)
    }

    /// The tags that policies see as `s3:ExistingObjectTag`; none where there is no object. Not for answers to callers.
    pub fn condition_tags(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<Tags, ObjectsError> {
        let snapshot = self.snapshot()?;
        let found = match version {
            None => snapshot.get(CURRENT, &current_key(bucket, key))?,
            Some(id) => match locate(&snapshot, bucket, key, id)?.map(|located| located.entry) {
                Some(VersionEntry::Object(version)) => Some(version),
                Some(VersionEntry::DeleteMarker(_)) | None => None,
            },
        };
        match found {
            Some(found) if found.tag_count > 0 => {
                Ok(snapshot.get(VERSIONS, &version_key(&found.id))?.map(|version| version.tags).unwrap_or_default())
            }
            _ => Ok(Tags::default()),
        }
    }

    /// Replaces the tags of a version, or of the latest; empty removes them. Answers the version's id, where there are versions.
    pub async fn put_object_tags(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
        tags: Tags,
    ) -> Result<Option<VersionId>, ObjectsError> {
        let (bucket, key, version) = (bucket.clone(), key.clone(), version.copied());
        let (by, is_end) = (self.changed_by(caller), tags.is_empty());
        caller
            .commit(&*self.store, move |tx| {
                let versioning = bucket_in(tx, &bucket)?.versioning;
                let mut record = version_in(tx, &bucket, &key, version.as_ref())?;
                record.tags = tags;
                put_version(tx, &record)?;
                let kind = if is_end { EventKind::TagsRemoved } else { EventKind::TagsPut };
                announce(tx, &Change::of(kind, &record, &by))?;
                Ok((versioning != Versioning::Unversioned).then(|| record.version_id()))
            })
            .await
            .map_err(ObjectsError::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_limits() {
        let check = |pairs: Vec<(&str, &str)>, good: bool| {
            let owned = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            assert_eq!(Tags::of_object(owned).is_ok(), good, "{pairs:?}");
        };
        check(vec![], true);
        check(vec![("a", "b"), ("c", "")], true);
        check(vec![("a", "b"), ("a", "c")], false);
        check(vec![("", "b")], false);
        check(vec![("aws:a", "b")], false);
        check(vec![("a", "b<")], false);
        check(vec![("größe", "10 m")], true);
        check(vec![(&"k".repeat(129), "v")], false);
        check(vec![("k", &"v".repeat(257))], false);
        let keys: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        check(keys.iter().map(|key| (key.as_str(), "")).collect(), false);
        check(keys.iter().take(10).map(|key| (key.as_str(), "")).collect(), true);
    }
}

//! Storage classes: what S3 calls them, and what each means for the bytes. Knows no records and no I/O.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html>

use serde::{Deserialize, Serialize};
use tarn_blobs::{BlobForm, VolumeId};

use crate::errors::ObjectsError;

/// Where an object's bytes are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum StorageClass {
    /// Raw, read at once.
    #[default]
    Standard,
    /// As STANDARD: nothing here is kept with less redundancy.
    ReducedRedundancy,
    /// Compressed, read at once.
    StandardIa,
    /// Compressed, read at once.
    OnezoneIa,
    /// As its tier says, by when it was last read.
    IntelligentTiering,
    /// In an archive container, read in place.
    GlacierInstant,
    /// In an archive container, read after a restore.
    Glacier,
    /// In an archive container, read after a restore.
    DeepArchive,
}

/// How far an object of INTELLIGENT_TIERING has moved.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intelligent-tiering-overview.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum AccessTier {
    /// As STANDARD.
    #[default]
    Frequent,
    /// As STANDARD_IA: not read for 30 days.
    Infrequent,
    /// As GLACIER_IR: not read for 90 days.
    ArchiveInstant,
    /// As GLACIER, where the bucket's configuration says so.
    Archive,
    /// As DEEP_ARCHIVE, where the bucket's configuration says so.
    DeepArchive,
}

impl AccessTier {
    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frequent => "FREQUENT_ACCESS",
            Self::Infrequent => "INFREQUENT_ACCESS",
            Self::ArchiveInstant => "ARCHIVE_INSTANT_ACCESS",
            Self::Archive => "ARCHIVE_ACCESS",
            Self::DeepArchive => "DEEP_ARCHIVE_ACCESS",
        }
    }

    /// As S3 spells the tiers that a configuration can name.
    pub fn archive_name(self) -> Option<&'static str> {
        match self {
            Self::Frequent | Self::Infrequent | Self::ArchiveInstant => None,
            Self::Archive => Some("ARCHIVE_ACCESS"),
            Self::DeepArchive => Some("DEEP_ARCHIVE_ACCESS"),
        }
    }

    /// The tier that a configuration names.
    pub fn parse_archive(name: &str) -> Option<Self> {
        [Self::Archive, Self::DeepArchive].into_iter().find(|tier| tier.archive_name() == Some(name))
    }
}

/// How bytes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    /// The zstd level of their frames; `None` for raw bytes.
    pub level: Option<i32>,
    /// In which form the engine keeps them.
    pub form: BlobForm,
    /// On which volume, if not on the main drive.
    pub volume: Option<VolumeId>,
}

/// On the main drive, as it comes.
pub(crate) const RAW: Placement = Placement { level: None, form: BlobForm::Hot, volume: None };
/// Fast enough for the everyday; a third to a tenth of what text and tables have raw.
const FRAMES: Placement = Placement { level: Some(3), form: BlobForm::Hot, volume: None };
const ARCHIVE_INSTANT: Placement = Placement { level: Some(6), form: BlobForm::Archive, volume: None };
/// Levels above this cost several times the time for a few percent.
const ARCHIVE: Placement = Placement { level: Some(12), form: BlobForm::Archive, volume: None };
const DEEP_ARCHIVE: Placement = Placement { level: Some(15), form: BlobForm::Archive, volume: None };

impl StorageClass {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Standard,
        Self::ReducedRedundancy,
        Self::StandardIa,
        Self::OnezoneIa,
        Self::IntelligentTiering,
        Self::GlacierInstant,
        Self::Glacier,
        Self::DeepArchive,
    ];

    /// As S3 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::ReducedRedundancy => "REDUCED_REDUNDANCY",
            Self::StandardIa => "STANDARD_IA",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::GlacierInstant => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// The class of a name, letter for letter.
    pub fn parse(name: &str) -> Result<Self, ObjectsError> {
        let found = Self::ALL.into_iter().find(|class| class.name() == name);
        found.ok_or_else(|| ObjectsError::InvalidStorageClass { class: name.to_owned() })
    }

    /// Whether an object of it that lies in `tier` must be restored before it is read.
    pub fn needs_restore(self, tier: AccessTier) -> bool {
        match self {
            Self::Glacier | Self::DeepArchive => true,
            Self::IntelligentTiering => tier >= AccessTier::Archive,
            Self::Standard | Self::ReducedRedundancy | Self::StandardIa | Self::OnezoneIa | Self::GlacierInstant => {
                false
            }
        }
    }

    /// Whether some object of it must be restored before it is read.
    pub fn may_need_restore(self) -> bool {
        self.needs_restore(AccessTier::DeepArchive)
    }

    /// How the bytes of an object in `tier` are kept. The tier matters to INTELLIGENT_TIERING only.
    pub(crate) fn placement(self, tier: AccessTier) -> Placement {
        match self {
            Self::Standard | Self::ReducedRedundancy => RAW,
            Self::StandardIa | Self::OnezoneIa => FRAMES,
            Self::GlacierInstant => ARCHIVE_INSTANT,
            Self::Glacier => ARCHIVE,
            Self::DeepArchive => DEEP_ARCHIVE,
            Self::IntelligentTiering => match tier {
                AccessTier::Frequent => RAW,
                AccessTier::Infrequent => FRAMES,
                AccessTier::ArchiveInstant => ARCHIVE_INSTANT,
                AccessTier::Archive => ARCHIVE,
                AccessTier::DeepArchive => DEEP_ARCHIVE,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_as_they_are_spelled() {
        let check = |name: &str, expected: Option<StorageClass>| {
            assert_eq!(StorageClass::parse(name).ok(), expected, "{name}");
        };
        for class in StorageClass::ALL {
            check(class.name(), Some(class));
        }
        check("GLACIER_IR", Some(StorageClass::GlacierInstant));
        for other in ["", "standard", "STANDARD ", "COLD", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "NOPE"] {
            check(other, None);
        }
    }

    #[test]
    fn what_is_archived_deep_is_not_read_at_once() {
        let check = |class: StorageClass, tier: AccessTier, expected: bool| {
            assert_eq!(class.needs_restore(tier), expected, "{class:?} {tier:?}");
            // Whatever must be restored lies in containers.
            assert!(!expected || class.placement(tier).form == BlobForm::Archive);
        };
        for class in StorageClass::ALL {
            let deep = matches!(class, StorageClass::Glacier | StorageClass::DeepArchive);
            check(class, AccessTier::Frequent, deep);
        }
        check(StorageClass::IntelligentTiering, AccessTier::ArchiveInstant, false);
        check(StorageClass::IntelligentTiering, AccessTier::Archive, true);
        check(StorageClass::IntelligentTiering, AccessTier::DeepArchive, true);
    }
}

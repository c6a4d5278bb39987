//! Which columns the files of an inventory have, and how its manifest describes them. Knows no values and no bytes.

use tarn_objects::{InventoryConfiguration, InventoryField, InventoryFormat, InventoryVersions};

/// What is in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Flag,
    Number,
    /// Milliseconds since 1970.
    Time,
}

/// What a column tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Bucket,
    Key,
    VersionId,
    IsLatest,
    IsDeleteMarker,
    Field(InventoryField),
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Nothing,
    Text(String),
    Flag(bool),
    Number(i64),
    Time(i64),
}

impl Column {
    /// The columns of an inventory, in their order.
    pub(crate) fn of(configuration: &InventoryConfiguration) -> Vec<Self> {
        let mut columns = vec![Self::Bucket, Self::Key];
        if configuration.versions == InventoryVersions::All {
            columns.extend([Self::VersionId, Self::IsLatest, Self::IsDeleteMarker]);
        }
        let is_wanted = |field: &InventoryField| configuration.fields.contains(field);
        columns.extend(InventoryField::ALL.into_iter().filter(is_wanted).map(Self::Field));
        columns
    }

    /// As CSV names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bucket => "Bucket",
            Self::Key => "Key",
            Self::VersionId => "VersionId",
            Self::IsLatest => "IsLatest",
            Self::IsDeleteMarker => "IsDeleteMarker",
            Self::Field(field) => field.name(),
        }
    }

    /// As ORC and Parquet name it.
    pub(crate) fn snake_name(self) -> String {
        if self == Self::Field(InventoryField::ETag) {
            return "e_tag".to_owned();
        }
        let mut name = String::new();
        for letter in self.name().chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Bucket | Self::Key | Self::VersionId => Kind::Text,
            Self::IsLatest | Self::IsDeleteMarker => Kind::Flag,
            Self::Field(field) => match field {
                InventoryField::Size => Kind::Number,
                InventoryField::LastModifiedDate
                | InventoryField::ObjectLockRetainUntilDate
                | InventoryField::LifecycleExpirationDate => Kind::Time,
                InventoryField::IsMultipartUploaded => Kind::Flag,
                InventoryField::ETag
                | InventoryField::StorageClass
                | InventoryField::ReplicationStatus
                | InventoryField::EncryptionStatus
                | InventoryField::ObjectLockMode
                | InventoryField::ObjectLockLegalHoldStatus
                | InventoryField::IntelligentTieringAccessTier
                | InventoryField::BucketKeyStatus
                | InventoryField::ChecksumAlgorithm
                | InventoryField::ObjectAccessControlList
                | InventoryField::ObjectOwner => Kind::Text,
            },
        }
    }

    pub(crate) fn is_required(self) -> bool {
        matches!(self, Self::Bucket | Self::Key)
    }
}

/// The manifest's `fileSchema`.
pub(crate) fn schema(format: InventoryFormat, columns: &[Column]) -> String {
    match format {
        InventoryFormat::Csv => columns.iter().map(|column| column.name()).collect::<Vec<_>>().join(", "),
        InventoryFormat::Orc => {
            let field = |column: &Column| {
                let kind = match column.kind() {
                    Kind::Text => "string",
                    Kind::Flag => "boolean",
                    Kind::Number => "bigint",
                    Kind::Time => "timestamp",
                };
                format!("{}:{kind}", column.snake_name())
            };
            format!("struct<{}>", columns.iter().map(field).collect::<Vec<_>>().join(","))
        }
        InventoryFormat::Parquet => {
            let field = |column: &Column| {
                let repetition = if column.is_required() { "required" } else { "optional" };
                let (kind, meaning) = match column.kind() {
                    Kind::Text => ("binary", " (STRING)"),
                    Kind::Flag => ("boolean", ""),
                    Kind::Number => ("int64", ""),
                    Kind::Time => ("int64", " (TIMESTAMP(MILLIS,true))"),
                };
                format!("  {repetition} {kind} {}{meaning};", column.snake_name())
            };
            format!("message s3.inventory {{{}}}", columns.iter().map(field).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_as_documented() {
        use InventoryField::{ETag, LastModifiedDate, ObjectLockLegalHoldStatus, Size};
        let columns = [
            Column::Bucket,
            Column::Key,
            Column::VersionId,
            Column::IsLatest,
            Column::IsDeleteMarker,
            Column::Field(Size),
            Column::Field(LastModifiedDate),
            Column::Field(ETag),
            Column::Field(ObjectLockLegalHoldStatus),
        ];
        let check = |format, expected: &str| assert_eq!(schema(format, &columns), expected);
        check(
            InventoryFormat::Csv,
            "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, ObjectLockLegalHoldStatus",
        );
        check(
            InventoryFormat::Orc,
            "struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint,\
             last_modified_date:timestamp,e_tag:string,object_lock_legal_hold_status:string>",
        );
        check(
            InventoryFormat::Parquet,
            "message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);  \
             optional binary version_id (STRING);  optional boolean is_latest;  optional boolean is_delete_marker;  \
             optional int64 size;  optional int64 last_modified_date (TIMESTAMP(MILLIS,true));  \
             optional binary e_tag (STRING);  optional binary object_lock_legal_hold_status (STRING);}",
        );
    }
}

//! The four zones of a new lake: a bucket each, and in the catalog a database at the bucket's root.

use std::collections::BTreeMap;

use tarn_catalog::{Catalog, CatalogError, DatabaseInput};
use tarn_objects::{BucketName, CreateBucket, Objects, ObjectsError};

use crate::lake::{LakeError, Steward};

/// Database and what it is for.
const ZONES: [(&str, &str); 4] = [
    ("raw", "Data as it came"),
    ("processed", "Cleaned, typed and partitioned data"),
    ("analytics", "Data as it is asked for"),
    ("ml", "Features, training data and models"),
];

/// Makes what of the zones is not there yet.
pub(crate) async fn make(objects: &Objects, catalog: &Catalog, steward: &Steward) -> Result<(), LakeError> {
    for (name, description) in ZONES {
        let bucket = format!("lake-{name}");
        let failed = |reason: String| LakeError::Zone { name, reason };
        let request = CreateBucket::new(
            BucketName::new(bucket.clone()).map_err(|error| failed(error.to_string()))?,
            steward.scope.region.clone(),
        );
        match objects.create_bucket(&steward.caller("s3.amazonaws.com", "CreateBucket"), request).await {
            Ok(_) | Err(ObjectsError::BucketAlreadyOwnedByYou { .. }) => {}
            Err(error) => return Err(failed(error.to_string())),
        }
        let input = DatabaseInput {
            name: name.to_owned(),
            description: Some(description.to_owned()),
            location_uri: Some(format!("s3://{bucket}/")),
            ..DatabaseInput::default()
        };
        match catalog
            .create_database(&steward.caller("glue.amazonaws.com", "CreateDatabase"), input, BTreeMap::new())
            .await
        {
            Ok(()) | Err(CatalogError::DatabaseExists { .. }) => {}
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    Ok(())
}

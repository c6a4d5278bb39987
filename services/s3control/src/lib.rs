//! S3 Control: what S3 keeps for an account rather than for a bucket, over `tarn-objects`. It signs with S3's name; the gateway tells
//! it from S3 by its paths and by the account that every request names.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_AWS_S3_Control.html>

mod errors;
mod public_access_block;
mod resources;

use std::sync::Arc;

use tarn_aws_model::s3control::{SERVICE, operations as op};
use tarn_objects::Objects;
use tarn_operation::{Access, Table};

/// S3 Control over `objects`.
pub fn service(objects: Arc<Objects>) -> Table<Objects> {
    Table::new(&SERVICE, objects)
        .with::<op::GetPublicAccessBlock, _, _>(
            Access::read("s3:GetAccountPublicAccessBlock"),
            resources::get_public_access_block,
            public_access_block::get,
        )
        .with::<op::PutPublicAccessBlock, _, _>(
            Access::write("s3:PutAccountPublicAccessBlock"),
            resources::put_public_access_block,
            public_access_block::put,
        )
        .with::<op::DeletePublicAccessBlock, _, _>(
            Access::write("s3:PutAccountPublicAccessBlock"),
            resources::delete_public_access_block,
            public_access_block::delete,
        )
}

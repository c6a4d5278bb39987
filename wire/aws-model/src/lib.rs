//! AWS's shapes, operations and errors, generated from botocore's service models. Nothing here is written by hand but
//! this list; `operations.toml` says what is generated and `cargo xtask codegen` generates it.

#[rustfmt::skip]
pub mod athena;
#[rustfmt::skip]
pub mod cloudtrail;
#[rustfmt::skip]
pub mod firehose;
#[rustfmt::skip]
pub mod glue;
#[rustfmt::skip]
pub mod iam;
#[rustfmt::skip]
pub mod kms;
#[rustfmt::skip]
pub mod lakeformation;
#[rustfmt::skip]
pub mod s3control;
#[rustfmt::skip]
pub mod sts;

use tarn_aws_protocol::ServiceModel;

/// Every service that has generated operations.
pub static SERVICES: &[&ServiceModel] = &[
    &athena::SERVICE,
    &cloudtrail::SERVICE,
    &firehose::SERVICE,
    &glue::SERVICE,
    &iam::SERVICE,
    &kms::SERVICE,
    &lakeformation::SERVICE,
    &s3control::SERVICE,
    &sts::SERVICE,
];

#[cfg(test)]
mod tests;

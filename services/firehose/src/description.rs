//! A stream as its description: what was configured, with the defaults that took its place.

use tarn_aws_model::firehose as wire;
use tarn_aws_model::firehose::values::{
    compression_format, delivery_stream_encryption_status, delivery_stream_status, delivery_stream_type,
    no_encryption_config, parquet_compression, parquet_writer_version, processor_parameter_name, processor_type,
    s3_backup_mode,
};
use tarn_streams::{
    BufferingHints, Compression, Conversion, DeliveryStream, DeliveryStreamStatus, JsonInput, ParquetCompression,
    S3Destination,
};
use tarn_types::Scope;

use crate::convert::{bucket_arn, date};
use crate::destination::escape;

/// The id of every stream's one destination, as AWS names the first.
pub(crate) const DESTINATION_ID: &str = "destinationId-000000000001";

pub(crate) fn describe_stream(stream: DeliveryStream) -> wire::DeliveryStreamDescription {
    let status = match stream.status {
        DeliveryStreamStatus::Active => delivery_stream_status::ACTIVE,
        DeliveryStreamStatus::Deleting => delivery_stream_status::DELETING,
    };
    // Records are sealed in any case; AWS means with this a key that the caller chose.
    let encryption = wire::DeliveryStreamEncryptionConfiguration {
        status: text(delivery_stream_encryption_status::DISABLED),
        ..Default::default()
    };
    wire::DeliveryStreamDescription {
        delivery_stream_arn: Some(stream.arn().to_string()),
        delivery_stream_status: text(status),
        delivery_stream_encryption_configuration: Some(encryption),
        delivery_stream_type: text(delivery_stream_type::DIRECT_PUT),
        version_id: Some(stream.version.to_string()),
        create_timestamp: date(stream.created_ms),
        last_update_timestamp: stream.updated_ms.and_then(date),
        destinations: Some(vec![describe_destination(&stream.destination, &stream.scope)]),
        has_more_destinations: Some(false),
        delivery_stream_name: Some(stream.name),
        ..Default::default()
    }
}

fn describe_destination(destination: &S3Destination, scope: &Scope) -> wire::DestinationDescription {
    let plain = describe_s3(destination);
    let extended = destination.extended.then(|| {
        let wire::S3DestinationDescription {
            role_arn,
            bucket_arn,
            prefix,
            error_output_prefix,
            buffering_hints,
            compression_format,
            encryption_configuration,
            cloud_watch_logging_options,
        } = plain.clone();
        wire::ExtendedS3DestinationDescription {
            role_arn,
            bucket_arn,
            prefix,
            error_output_prefix,
            buffering_hints,
            compression_format,
            encryption_configuration,
            cloud_watch_logging_options,
            processing_configuration: Some(describe_processing(destination.delimiter.as_deref())),
            s3_backup_mode: text(s3_backup_mode::DISABLED),
            data_format_conversion_configuration: destination
                .conversion
                .as_ref()
                .map(|it| describe_conversion(it, scope)),
            file_extension: destination.file_extension.clone(),
            custom_time_zone: Some(destination.time_zone.clone()).filter(|zone| !zone.is_empty()).or(text("UTC")),
            ..Default::default()
        }
    });
    wire::DestinationDescription {
        destination_id: text(DESTINATION_ID),
        s3_destination_description: Some(plain),
        extended_s3_destination_description: extended,
        ..Default::default()
    }
}

fn describe_s3(destination: &S3Destination) -> wire::S3DestinationDescription {
    let BufferingHints { size_bytes, interval_seconds } = destination.buffering;
    let compression = match destination.compression {
        Compression::Uncompressed => compression_format::UNCOMPRESSED,
        Compression::Gzip => compression_format::GZIP,
        Compression::Zstd => compression_format::ZSTD,
    };
    let encryption = wire::EncryptionConfiguration {
        no_encryption_config: text(no_encryption_config::NO_ENCRYPTION),
        ..Default::default()
    };
    wire::S3DestinationDescription {
        role_arn: Some(destination.role_arn.clone()),
        bucket_arn: Some(bucket_arn(&destination.bucket)),
        prefix: Some(destination.prefix.clone()),
        error_output_prefix: Some(destination.error_output_prefix.clone()).filter(|prefix| !prefix.is_empty()),
        buffering_hints: Some(wire::BufferingHints {
            size_in_mbs: i32::try_from(size_bytes >> 20).ok(),
            interval_in_seconds: i32::try_from(interval_seconds).ok(),
        }),
        compression_format: text(compression),
        encryption_configuration: Some(encryption),
        cloud_watch_logging_options: Some(wire::CloudWatchLoggingOptions {
            enabled: Some(false),
            ..Default::default()
        }),
    }
}

fn describe_processing(delimiter: Option<&[u8]>) -> wire::ProcessingConfiguration {
    let processors = delimiter.map(|delimiter| wire::Processor {
        r#type: text(processor_type::APPEND_DELIMITER_TO_RECORD),
        parameters: Some(vec![wire::ProcessorParameter {
            parameter_name: text(processor_parameter_name::DELIMITER),
            parameter_value: Some(escape(delimiter)),
        }]),
    });
    wire::ProcessingConfiguration {
        enabled: Some(delimiter.is_some()),
        processors: Some(processors.into_iter().collect()),
    }
}

fn describe_conversion(conversion: &Conversion, scope: &Scope) -> wire::DataFormatConversionConfiguration {
    let deserializer = match &conversion.input {
        JsonInput::OpenX { case_insensitive, dots_to_underscores, mappings } => wire::Deserializer {
            open_x_json_ser_de: Some(wire::OpenXJsonSerDe {
                case_insensitive: Some(*case_insensitive),
                convert_dots_in_json_keys_to_underscores: Some(*dots_to_underscores),
                column_to_json_key_mappings: Some(mappings.iter().cloned().collect()),
            }),
            hive_json_ser_de: None,
        },
        JsonInput::Hive { timestamp_formats } => wire::Deserializer {
            open_x_json_ser_de: None,
            hive_json_ser_de: Some(wire::HiveJsonSerDe { timestamp_formats: Some(timestamp_formats.clone()) }),
        },
    };
    let compression = match conversion.compression {
        ParquetCompression::Uncompressed => parquet_compression::UNCOMPRESSED,
        ParquetCompression::Gzip => parquet_compression::GZIP,
        ParquetCompression::Snappy => parquet_compression::SNAPPY,
    };
    let parquet = wire::ParquetSerDe {
        block_size_bytes: i32::try_from(conversion.block_size_bytes).ok(),
        page_size_bytes: i32::try_from(conversion.page_size_bytes).ok(),
        compression: text(compression),
        enable_dictionary_compression: Some(conversion.dictionary),
        max_padding_bytes: Some(0),
        writer_version: text(parquet_writer_version::V1),
    };
    wire::DataFormatConversionConfiguration {
        schema_configuration: Some(wire::SchemaConfiguration {
            role_arn: Some(conversion.role_arn.clone()),
            catalog_id: Some(scope.account.to_string()),
            database_name: Some(conversion.database.clone()),
            table_name: Some(conversion.table.clone()),
            region: Some(scope.region.to_string()),
            version_id: conversion.version_id.clone().or(text("LATEST")),
        }),
        input_format_configuration: Some(wire::InputFormatConfiguration { deserializer: Some(deserializer) }),
        output_format_configuration: Some(wire::OutputFormatConfiguration {
            serializer: Some(wire::Serializer { parquet_ser_de: Some(parquet), orc_ser_de: None }),
        }),
        enabled: Some(true),
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

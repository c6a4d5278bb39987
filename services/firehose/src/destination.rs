//! From the four shapes that say where a stream delivers to the streams' one. Whatever could not be done as asked is refused here.

use tarn_aws_model::firehose as wire;
use tarn_aws_model::firehose::values::{compression_format, parquet_compression, parquet_writer_version};
use tarn_aws_model::firehose::values::{processor_parameter_name, processor_type, s3_backup_mode};
use tarn_aws_protocol::AwsError;
use tarn_streams::{BufferingHints, Compression, Conversion, JsonInput, ParquetCompression, S3Destination};
use tarn_types::Scope;

use crate::convert::{bucket, required};
use crate::errors::{invalid, refuse_unbuilt};

/// AWS's defaults.
/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_BufferingHints.html>
const BUFFER_SIZE_MIB_DEFAULT: i32 = 5;
const BUFFER_SIZE_MIB_CONVERTED_DEFAULT: i32 = 128;
const BUFFER_INTERVAL_SECONDS_DEFAULT: i32 = 300;
/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_ParquetSerDe.html>
const PARQUET_BLOCK_SIZE_BYTES_DEFAULT: i32 = 256 << 20;
const PARQUET_PAGE_SIZE_BYTES_DEFAULT: i32 = 1 << 20;

/// The members of all four shapes. Those of an update that are not there leave what is.
#[derive(Debug, Default)]
pub(crate) struct Given {
    role_arn: Option<String>,
    bucket_arn: Option<String>,
    prefix: Option<String>,
    error_output_prefix: Option<String>,
    buffering_hints: Option<wire::BufferingHints>,
    compression_format: Option<String>,
    encryption_configuration: Option<wire::EncryptionConfiguration>,
    cloud_watch_logging_options: Option<wire::CloudWatchLoggingOptions>,
    extended: Option<Extended>,
}

/// The members of the two extended shapes.
#[derive(Debug, Default)]
struct Extended {
    processing_configuration: Option<wire::ProcessingConfiguration>,
    s3_backup_mode: Option<String>,
    has_s3_backup: bool,
    data_format_conversion_configuration: Option<wire::DataFormatConversionConfiguration>,
    dynamic_partitioning_configuration: Option<wire::DynamicPartitioningConfiguration>,
    file_extension: Option<String>,
    custom_time_zone: Option<String>,
}

macro_rules! given_from_plain {
    ($shape:ident) => {
        impl From<wire::$shape> for Given {
            fn from(shape: wire::$shape) -> Self {
                let wire::$shape {
                    role_arn,
                    bucket_arn,
                    prefix,
                    error_output_prefix,
                    buffering_hints,
                    compression_format,
                    encryption_configuration,
                    cloud_watch_logging_options,
                } = shape;
                Self {
                    role_arn,
                    bucket_arn,
                    prefix,
                    error_output_prefix,
                    buffering_hints,
                    compression_format,
                    encryption_configuration,
                    cloud_watch_logging_options,
                    extended: None,
                }
            }
        }
    };
}

macro_rules! given_from_extended {
    ($shape:ident, $backup:ident) => {
        impl From<wire::$shape> for Given {
            fn from(shape: wire::$shape) -> Self {
                let wire::$shape {
                    role_arn,
                    bucket_arn,
                    prefix,
                    error_output_prefix,
                    buffering_hints,
                    compression_format,
                    encryption_configuration,
                    cloud_watch_logging_options,
                    processing_configuration,
                    s3_backup_mode,
                    $backup,
                    data_format_conversion_configuration,
                    dynamic_partitioning_configuration,
                    file_extension,
                    custom_time_zone,
                } = shape;
                let extended = Extended {
                    processing_configuration,
                    s3_backup_mode,
                    has_s3_backup: $backup.is_some(),
                    data_format_conversion_configuration,
                    dynamic_partitioning_configuration,
                    file_extension,
                    custom_time_zone,
                };
                Self {
                    role_arn,
                    bucket_arn,
                    prefix,
                    error_output_prefix,
                    buffering_hints,
                    compression_format,
                    encryption_configuration,
                    cloud_watch_logging_options,
                    extended: Some(extended),
                }
            }
        }
    };
}

given_from_plain!(S3DestinationConfiguration);
given_from_plain!(S3DestinationUpdate);
given_from_extended!(ExtendedS3DestinationConfiguration, s3_backup_configuration);
given_from_extended!(ExtendedS3DestinationUpdate, s3_backup_update);

impl Given {
    /// A new stream's destination.
    pub(crate) fn make(self, scope: &Scope) -> Result<S3Destination, AwsError> {
        let destination = S3Destination {
            bucket: bucket(required(self.bucket_arn.as_deref(), "BucketARN")?)?.to_owned(),
            role_arn: required(self.role_arn.clone(), "RoleARN")?,
            prefix: String::new(),
            error_output_prefix: String::new(),
            buffering: buffering(BUFFER_SIZE_MIB_DEFAULT, BUFFER_INTERVAL_SECONDS_DEFAULT),
            compression: Compression::Uncompressed,
            delimiter: None,
            conversion: None,
            file_extension: None,
            time_zone: String::new(),
            extended: self.extended.is_some(),
        };
        let has_hints = self.buffering_hints.is_some();
        let mut destination = self.change(destination, scope)?;
        if !has_hints && destination.conversion.is_some() {
            destination.buffering = buffering(BUFFER_SIZE_MIB_CONVERTED_DEFAULT, BUFFER_INTERVAL_SECONDS_DEFAULT);
        }
        Ok(destination)
    }

    /// What is given laid over what is.
    pub(crate) fn change(self, mut destination: S3Destination, scope: &Scope) -> Result<S3Destination, AwsError> {
        if let Some(role_arn) = self.role_arn {
            destination.role_arn = role_arn;
        }
        if let Some(arn) = self.bucket_arn {
            destination.bucket = bucket(&arn)?.to_owned();
        }
        if let Some(prefix) = self.prefix {
            destination.prefix = prefix;
        }
        if let Some(prefix) = self.error_output_prefix {
            destination.error_output_prefix = prefix;
        }
        if let Some(hints) = self.buffering_hints {
            let (Some(size_mib), Some(interval_seconds)) = (hints.size_in_mbs, hints.interval_in_seconds) else {
                return Err(invalid("BufferingHints: SizeInMBs and IntervalInSeconds are needed both, or neither."));
            };
            destination.buffering = buffering(size_mib, interval_seconds);
        }
        if let Some(format) = self.compression_format {
            destination.compression = compression(&format)?;
        }
        let kms = self.encryption_configuration.and_then(|encryption| encryption.kms_encryption_config);
        refuse_unbuilt("EncryptionConfiguration.KMSEncryptionConfig", kms.as_ref())?;
        let logs = self.cloud_watch_logging_options.filter(|options| options.enabled == Some(true));
        refuse_unbuilt("CloudWatchLoggingOptions.Enabled", logs.as_ref())?;
        if let Some(extended) = self.extended {
            extended.change(&mut destination, scope)?;
        }
        if let (Some(delimiter), Some(_)) = (&destination.delimiter, &destination.conversion) {
            // Between JSON documents, white space has no effect; anything else would break them.
            if !delimiter.iter().all(u8::is_ascii_whitespace) {
                return Err(invalid("The delimiter must be white space with data format conversion."));
            }
        }
        Ok(destination)
    }
}

impl Extended {
    fn change(self, destination: &mut S3Destination, scope: &Scope) -> Result<(), AwsError> {
        destination.extended = true;
        if let Some(processing) = self.processing_configuration {
            destination.delimiter = delimiter(processing)?;
        }
        let backup = self.s3_backup_mode.filter(|mode| mode != s3_backup_mode::DISABLED);
        refuse_unbuilt("S3BackupMode Enabled", backup.as_ref())?;
        refuse_unbuilt("The configuration of an S3 backup", self.has_s3_backup.then_some(&()))?;
        if let Some(conversion) = self.data_format_conversion_configuration {
            destination.conversion = convert_format(conversion, scope)?;
        }
        let partitioning = self.dynamic_partitioning_configuration.filter(|dynamic| dynamic.enabled == Some(true));
        refuse_unbuilt("DynamicPartitioningConfiguration", partitioning.as_ref())?;
        if let Some(extension) = self.file_extension {
            destination.file_extension = Some(extension).filter(|extension| !extension.is_empty());
        }
        if let Some(zone) = self.custom_time_zone {
            destination.time_zone = zone;
        }
        Ok(())
    }
}

/// The model has checked the ranges; what slips through is refused by the streams.
fn buffering(size_mib: i32, interval_seconds: i32) -> BufferingHints {
    BufferingHints {
        size_bytes: u64::try_from(size_mib).unwrap_or(0) << 20,
        interval_seconds: u32::try_from(interval_seconds).unwrap_or(u32::MAX),
    }
}

fn compression(format: &str) -> Result<Compression, AwsError> {
    match format {
        compression_format::UNCOMPRESSED => Ok(Compression::Uncompressed),
        compression_format::GZIP => Ok(Compression::Gzip),
        compression_format::ZSTD => Ok(Compression::Zstd),
        other => Err(invalid(format!(
            "CompressionFormat {other} is not built into this server; use UNCOMPRESSED, GZIP or ZSTD."
        ))),
    }
}

/// AppendDelimiterToRecord is the one processor.
fn delimiter(processing: wire::ProcessingConfiguration) -> Result<Option<Vec<u8>>, AwsError> {
    let processors = processing.processors.unwrap_or_default();
    if !processing.enabled.unwrap_or(false) {
        return match processors.as_slice() {
            [] => Ok(None),
            _ => Err(invalid("ProcessingConfiguration: set Enabled, or leave out Processors.")),
        };
    }
    let mut found = None;
    for wire::Processor { r#type, parameters } in processors {
        let kind = required(r#type, "Processor.Type")?;
        if kind != processor_type::APPEND_DELIMITER_TO_RECORD {
            return Err(invalid(format!(
                "The processor {kind} is not built into this server; AppendDelimiterToRecord is."
            )));
        }
        if found.is_some() {
            return Err(invalid(format!("The processor {kind} is there twice.")));
        }
        let mut delimiter = b"\n".to_vec();
        for parameter in parameters.unwrap_or_default() {
            let name = required(parameter.parameter_name, "ParameterName")?;
            if name != processor_parameter_name::DELIMITER {
                return Err(invalid(format!("The processor {kind} has no parameter {name}; it has Delimiter.")));
            }
            delimiter = unescape(&required(parameter.parameter_value, "ParameterValue")?);
        }
        found = Some(delimiter);
    }
    Ok(found)
}

/// Delimiters are written with escapes: `\n` in two characters is a newline.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('\\') | None => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
        }
    }
    out.into_bytes()
}

/// The other way, for descriptions.
pub(crate) fn escape(delimiter: &[u8]) -> String {
    let text = String::from_utf8_lossy(delimiter);
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t")
}

fn convert_format(
    given: wire::DataFormatConversionConfiguration,
    scope: &Scope,
) -> Result<Option<Conversion>, AwsError> {
    let wire::DataFormatConversionConfiguration {
        schema_configuration,
        input_format_configuration,
        output_format_configuration,
        enabled,
    } = given;
    if enabled == Some(false) {
        let has_details = schema_configuration.is_some()
            || input_format_configuration.is_some()
            || output_format_configuration.is_some();
        if has_details {
            let message = "DataFormatConversionConfiguration: this server does not keep what is not enabled; leave out all but Enabled.";
            return Err(invalid(message));
        }
        return Ok(None);
    }
    let wire::SchemaConfiguration { role_arn, catalog_id, database_name, table_name, region, version_id } =
        required(schema_configuration, "SchemaConfiguration")?;
    if let Some(other) = catalog_id.filter(|id| id != scope.account.as_str()) {
        return Err(invalid(format!(
            "SchemaConfiguration: the catalog {other} is not this account's; leave out CatalogId."
        )));
    }
    if let Some(other) = region.filter(|region| region != scope.region.as_str()) {
        return Err(invalid(format!(
            "SchemaConfiguration: this server serves {}, not {other}.",
            scope.region.as_str()
        )));
    }
    let deserializer = input_format_configuration.and_then(|input| input.deserializer);
    let input = json_input(required(deserializer, "InputFormatConfiguration.Deserializer")?)?;
    let serializer = output_format_configuration.and_then(|output| output.serializer);
    let wire::Serializer { parquet_ser_de, orc_ser_de } = required(serializer, "OutputFormatConfiguration.Serializer")?;
    refuse_unbuilt("OrcSerDe", orc_ser_de.as_ref())?;
    let wire::ParquetSerDe {
        block_size_bytes,
        page_size_bytes,
        compression,
        enable_dictionary_compression,
        max_padding_bytes,
        writer_version,
    } = required(parquet_ser_de, "Serializer.ParquetSerDe")?;
    // Padding aligns blocks on HDFS, which is not here.
    refuse_unbuilt("ParquetSerDe.MaxPaddingBytes", max_padding_bytes.filter(|bytes| *bytes != 0).as_ref())?;
    let version = writer_version.filter(|version| version != parquet_writer_version::V1);
    refuse_unbuilt("ParquetSerDe.WriterVersion V2", version.as_ref())?;
    Ok(Some(Conversion {
        database: required(database_name, "SchemaConfiguration.DatabaseName")?,
        table: required(table_name, "SchemaConfiguration.TableName")?,
        version_id: version_id.filter(|version| version != "LATEST"),
        role_arn: required(role_arn, "SchemaConfiguration.RoleARN")?,
        input,
        compression: page_compression(compression.as_deref())?,
        dictionary: enable_dictionary_compression.unwrap_or(true),
        block_size_bytes: positive(block_size_bytes.unwrap_or(PARQUET_BLOCK_SIZE_BYTES_DEFAULT)),
        page_size_bytes: positive(page_size_bytes.unwrap_or(PARQUET_PAGE_SIZE_BYTES_DEFAULT)),
    }))
}

/// The model's minima are above 0.
fn positive(bytes: i32) -> u64 {
    u64::try_from(bytes).unwrap_or(0)
}

fn page_compression(name: Option<&str>) -> Result<ParquetCompression, AwsError> {
    match name {
        None | Some(parquet_compression::SNAPPY) => Ok(ParquetCompression::Snappy),
        Some(parquet_compression::GZIP) => Ok(ParquetCompression::Gzip),
        Some(parquet_compression::UNCOMPRESSED) => Ok(ParquetCompression::Uncompressed),
        Some(other) => Err(invalid(format!("ParquetSerDe.Compression {other}: use SNAPPY, GZIP or UNCOMPRESSED."))),
    }
}

fn json_input(deserializer: wire::Deserializer) -> Result<JsonInput, AwsError> {
    match (deserializer.open_x_json_ser_de, deserializer.hive_json_ser_de) {
        (Some(open_x), None) => Ok(JsonInput::OpenX {
            case_insensitive: open_x.case_insensitive.unwrap_or(true),
            dots_to_underscores: open_x.convert_dots_in_json_keys_to_underscores.unwrap_or(false),
            mappings: open_x.column_to_json_key_mappings.unwrap_or_default().into_iter().collect(),
        }),
        (None, Some(hive)) => {
            let formats = hive.timestamp_formats.filter(|formats| !formats.is_empty());
            refuse_unbuilt("HiveJsonSerDe.TimestampFormats", formats.as_ref())?;
            Ok(JsonInput::Hive { timestamp_formats: Vec::new() })
        }
        (None, None) | (Some(_), Some(_)) => {
            Err(invalid("Deserializer: exactly one of OpenXJsonSerDe and HiveJsonSerDe is needed."))
        }
    }
}

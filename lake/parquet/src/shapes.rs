//! The structures of the format, as far as the Parquet crate reads them. Nothing but tables.
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>

use crate::thrift::Kind::{Binary, Bool, Byte, Double, I16, I32, I64, List, Struct};
use crate::thrift::{Shape, field};

static EMPTY: Shape = Shape { name: "an empty structure", fields: &[] };

static TIME_UNIT: Shape = Shape {
    name: "TimeUnit",
    fields: &[
        field(1, "MILLIS", Struct(&EMPTY)),
        field(2, "MICROS", Struct(&EMPTY)),
        field(3, "NANOS", Struct(&EMPTY)),
    ],
};

static TIME: Shape =
    Shape { name: "TimeType", fields: &[field(1, "isAdjustedToUTC", Bool), field(2, "unit", Struct(&TIME_UNIT))] };

static LOGICAL_TYPE: Shape = Shape {
    name: "LogicalType",
    fields: &[
        field(1, "STRING", Struct(&EMPTY)),
        field(2, "MAP", Struct(&EMPTY)),
        field(3, "LIST", Struct(&EMPTY)),
        field(4, "ENUM", Struct(&EMPTY)),
        field(
            5,
            "DECIMAL",
            Struct(&Shape { name: "DecimalType", fields: &[field(1, "scale", I32), field(2, "precision", I32)] }),
        ),
        field(6, "DATE", Struct(&EMPTY)),
        field(7, "TIME", Struct(&TIME)),
        field(8, "TIMESTAMP", Struct(&TIME)),
        field(
            10,
            "INTEGER",
            Struct(&Shape { name: "IntType", fields: &[field(1, "bitWidth", Byte), field(2, "isSigned", Bool)] }),
        ),
        field(11, "UNKNOWN", Struct(&EMPTY)),
        field(12, "JSON", Struct(&EMPTY)),
        field(13, "BSON", Struct(&EMPTY)),
        field(14, "UUID", Struct(&EMPTY)),
        field(15, "FLOAT16", Struct(&EMPTY)),
        field(
            16,
            "VARIANT",
            Struct(&Shape { name: "VariantType", fields: &[field(1, "specification_version", Byte)] }),
        ),
        field(17, "GEOMETRY", Struct(&Shape { name: "GeometryType", fields: &[field(1, "crs", Binary)] })),
        field(
            18,
            "GEOGRAPHY",
            Struct(&Shape { name: "GeographyType", fields: &[field(1, "crs", Binary), field(2, "algorithm", I32)] }),
        ),
    ],
};

pub(crate) static SCHEMA_ELEMENT: Shape = Shape {
    name: "SchemaElement",
    fields: &[
        field(1, "type", I32),
        field(2, "type_length", I32),
        field(3, "repetition_type", I32),
        field(4, "name", Binary),
        field(5, "num_children", I32),
        field(6, "converted_type", I32),
        field(7, "scale", I32),
        field(8, "precision", I32),
        field(9, "field_id", I32),
        field(10, "logicalType", Struct(&LOGICAL_TYPE)),
    ],
};

static STATISTICS: Shape = Shape {
    name: "Statistics",
    fields: &[
        field(1, "max", Binary),
        field(2, "min", Binary),
        field(3, "null_count", I64),
        field(4, "distinct_count", I64),
        field(5, "max_value", Binary),
        field(6, "min_value", Binary),
        field(7, "is_max_value_exact", Bool),
        field(8, "is_min_value_exact", Bool),
    ],
};

static KEY_VALUE: Shape = Shape { name: "KeyValue", fields: &[field(1, "key", Binary), field(2, "value", Binary)] };

static PAGE_ENCODING_STATS: Shape = Shape {
    name: "PageEncodingStats",
    fields: &[field(1, "page_type", I32), field(2, "encoding", I32), field(3, "count", I32)],
};

static SIZE_STATISTICS: Shape = Shape {
    name: "SizeStatistics",
    fields: &[
        field(1, "unencoded_byte_array_data_bytes", I64),
        field(2, "repetition_level_histogram", List(&I64)),
        field(3, "definition_level_histogram", List(&I64)),
    ],
};

static BOUNDING_BOX: Shape = Shape {
    name: "BoundingBox",
    fields: &[
        field(1, "xmin", Double),
        field(2, "xmax", Double),
        field(3, "ymin", Double),
        field(4, "ymax", Double),
        field(5, "zmin", Double),
        field(6, "zmax", Double),
        field(7, "mmin", Double),
        field(8, "mmax", Double),
    ],
};

static GEOSPATIAL_STATISTICS: Shape = Shape {
    name: "GeospatialStatistics",
    fields: &[field(1, "bbox", Struct(&BOUNDING_BOX)), field(2, "geospatial_types", List(&I32))],
};

pub(crate) static COLUMN_META_DATA: Shape = Shape {
    name: "ColumnMetaData",
    fields: &[
        field(1, "type", I32),
        field(2, "encodings", List(&I32)),
        field(3, "path_in_schema", List(&Binary)),
        field(4, "codec", I32),
        field(5, "num_values", I64),
        field(6, "total_uncompressed_size", I64),
        field(7, "total_compressed_size", I64),
        field(8, "key_value_metadata", List(&Struct(&KEY_VALUE))),
        field(9, "data_page_offset", I64),
        field(10, "index_page_offset", I64),
        field(11, "dictionary_page_offset", I64),
        field(12, "statistics", Struct(&STATISTICS)),
        field(13, "encoding_stats", List(&Struct(&PAGE_ENCODING_STATS))),
        field(14, "bloom_filter_offset", I64),
        field(15, "bloom_filter_length", I32),
        field(16, "size_statistics", Struct(&SIZE_STATISTICS)),
        field(17, "geospatial_statistics", Struct(&GEOSPATIAL_STATISTICS)),
    ],
};

pub(crate) static COLUMN_CHUNK: Shape = Shape {
    name: "ColumnChunk",
    fields: &[
        field(1, "file_path", Binary),
        field(2, "file_offset", I64),
        field(3, "meta_data", Struct(&COLUMN_META_DATA)),
        field(4, "offset_index_offset", I64),
        field(5, "offset_index_length", I32),
        field(6, "column_index_offset", I64),
        field(7, "column_index_length", I32),
        // 8 and 9, of encrypted columns, are passed as the Parquet crate passes them
    ],
};

static SORTING_COLUMN: Shape = Shape {
    name: "SortingColumn",
    fields: &[field(1, "column_idx", I32), field(2, "descending", Bool), field(3, "nulls_first", Bool)],
};

pub(crate) static ROW_GROUP: Shape = Shape {
    name: "RowGroup",
    fields: &[
        field(1, "columns", List(&Struct(&COLUMN_CHUNK))),
        field(2, "total_byte_size", I64),
        field(3, "num_rows", I64),
        field(4, "sorting_columns", List(&Struct(&SORTING_COLUMN))),
        field(5, "file_offset", I64),
        field(6, "total_compressed_size", I64),
        field(7, "ordinal", I16),
    ],
};

static COLUMN_ORDER: Shape = Shape { name: "ColumnOrder", fields: &[field(1, "TYPE_ORDER", Struct(&EMPTY))] };

pub(crate) static FILE_META_DATA: Shape = Shape {
    name: "FileMetaData",
    fields: &[
        field(1, "version", I32),
        field(2, "schema", List(&Struct(&SCHEMA_ELEMENT))),
        field(3, "num_rows", I64),
        field(4, "row_groups", List(&Struct(&ROW_GROUP))),
        field(5, "key_value_metadata", List(&Struct(&KEY_VALUE))),
        field(6, "created_by", Binary),
        field(7, "column_orders", List(&Struct(&COLUMN_ORDER))),
    ],
};

pub(crate) static PAGE_LOCATION: Shape = Shape {
    name: "PageLocation",
    fields: &[field(1, "offset", I64), field(2, "compressed_page_size", I32), field(3, "first_row_index", I64)],
};

pub(crate) static OFFSET_INDEX: Shape = Shape {
    name: "OffsetIndex",
    fields: &[
        field(1, "page_locations", List(&Struct(&PAGE_LOCATION))),
        field(2, "unencoded_byte_array_data_bytes", List(&I64)),
    ],
};

pub(crate) static COLUMN_INDEX: Shape = Shape {
    name: "ColumnIndex",
    fields: &[
        field(1, "null_pages", List(&Bool)),
        field(2, "min_values", List(&Binary)),
        field(3, "max_values", List(&Binary)),
        field(4, "boundary_order", I32),
        field(5, "null_counts", List(&I64)),
        field(6, "repetition_level_histograms", List(&I64)),
        field(7, "definition_level_histograms", List(&I64)),
    ],
};

static ONE_WAY: Shape = Shape { name: "the kind of a Bloom filter", fields: &[field(1, "BLOCK", Struct(&EMPTY))] };

pub(crate) static BLOOM_FILTER_HEADER: Shape = Shape {
    name: "BloomFilterHeader",
    fields: &[
        field(1, "numBytes", I32),
        field(2, "algorithm", Struct(&ONE_WAY)),
        field(3, "hash", Struct(&ONE_WAY)),
        field(4, "compression", Struct(&ONE_WAY)),
    ],
};

pub(crate) static DATA_PAGE_HEADER: Shape = Shape {
    name: "DataPageHeader",
    fields: &[
        field(1, "num_values", I32),
        field(2, "encoding", I32),
        field(3, "definition_level_encoding", I32),
        field(4, "repetition_level_encoding", I32),
        field(5, "statistics", Struct(&STATISTICS)),
    ],
};

pub(crate) static DATA_PAGE_HEADER_V2: Shape = Shape {
    name: "DataPageHeaderV2",
    fields: &[
        field(1, "num_values", I32),
        field(2, "num_nulls", I32),
        field(3, "num_rows", I32),
        field(4, "encoding", I32),
        field(5, "definition_levels_byte_length", I32),
        field(6, "repetition_levels_byte_length", I32),
        field(7, "is_compressed", Bool),
        field(8, "statistics", Struct(&STATISTICS)),
    ],
};

pub(crate) static DICTIONARY_PAGE_HEADER: Shape = Shape {
    name: "DictionaryPageHeader",
    fields: &[field(1, "num_values", I32), field(2, "encoding", I32), field(3, "is_sorted", Bool)],
};

pub(crate) static PAGE_HEADER: Shape = Shape {
    name: "PageHeader",
    fields: &[
        field(1, "type", I32),
        field(2, "uncompressed_page_size", I32),
        field(3, "compressed_page_size", I32),
        field(4, "crc", I32),
        field(5, "data_page_header", Struct(&DATA_PAGE_HEADER)),
        field(6, "index_page_header", Struct(&EMPTY)),
        field(7, "dictionary_page_header", Struct(&DICTIONARY_PAGE_HEADER)),
        field(8, "data_page_header_v2", Struct(&DATA_PAGE_HEADER_V2)),
    ],
};

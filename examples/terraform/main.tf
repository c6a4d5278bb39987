# A lake described in Terraform: people and duties, a key, two buckets, a catalog, a stream, a trail.
#
#   export AWS_ENDPOINT_URL=http://127.0.0.1:9900 AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...
#   terraform init && terraform apply
#
# tests/e2e/lake/test_terraform.py applies it, changes it, and destroys it.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

provider "aws" {
  region            = "us-east-1"
  s3_use_path_style = true
}

variable "prefix" {
  description = "What the buckets' names begin with: they are unique in the whole server."
  default     = "tf"
}

variable "expiration_days" {
  description = "How long objects under tmp/ are kept."
  default     = 40
}

data "aws_caller_identity" "me" {}

resource "aws_iam_user" "ada" {
  name = "ada"
  path = "/people/"
  tags = { team = "ice" }
}

resource "aws_iam_access_key" "ada" { user = aws_iam_user.ada.name }

resource "aws_iam_group" "analysts" { name = "analysts" }

resource "aws_iam_group_membership" "analysts" {
  name  = "analysts"
  users = [aws_iam_user.ada.name]
  group = aws_iam_group.analysts.name
}

resource "aws_iam_policy" "read" {
  name   = "read"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:GetObject", Resource = "*" }] })
}

resource "aws_iam_group_policy_attachment" "analysts" {
  group      = aws_iam_group.analysts.name
  policy_arn = aws_iam_policy.read.arn
}

resource "aws_iam_role" "ingest" {
  name               = "ingest"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = data.aws_caller_identity.me.account_id } }] })
  tags               = { duty = "ingest" }
}

resource "aws_iam_role_policy" "ingest" {
  name   = "write"
  role   = aws_iam_role.ingest.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = ["s3:PutObject"], Resource = ["${aws_s3_bucket.lake.arn}/*"] }] })
}

resource "aws_iam_role_policy_attachment" "ingest" {
  role       = aws_iam_role.ingest.name
  policy_arn = aws_iam_policy.read.arn
}

resource "aws_iam_instance_profile" "ingest" {
  name = "ingest"
  role = aws_iam_role.ingest.name
}

resource "aws_iam_openid_connect_provider" "people" {
  url             = "https://id.example.com"
  client_id_list  = ["lake"]
  thumbprint_list = ["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"]
}

resource "aws_kms_key" "lake" {
  description             = "lake"
  deletion_window_in_days = 7
  enable_key_rotation     = true
}

resource "aws_kms_alias" "lake" {
  name          = "alias/lake"
  target_key_id = aws_kms_key.lake.key_id
}

resource "aws_s3_bucket" "lake" {
  bucket        = "${var.prefix}-lake"
  force_destroy = true
  tags          = { zone = "raw" }
}

resource "aws_s3_bucket" "logs" {
  bucket        = "${var.prefix}-logs"
  force_destroy = true
}

resource "aws_s3_bucket_versioning" "lake" {
  bucket = aws_s3_bucket.lake.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.lake.arn
    }
    bucket_key_enabled = true
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id
  rule {
    id     = "old"
    status = "Enabled"
    filter { prefix = "tmp/" }
    expiration { days = var.expiration_days }
    noncurrent_version_expiration { noncurrent_days = 7 }
  }
}

resource "aws_s3_bucket_public_access_block" "lake" {
  bucket                  = aws_s3_bucket.lake.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "lake" {
  bucket = aws_s3_bucket.lake.id
  rule { object_ownership = "BucketOwnerEnforced" }
}

resource "aws_s3_bucket_policy" "lake" {
  bucket = aws_s3_bucket.lake.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Deny", Principal = "*", Action = "s3:*", Resource = "${aws_s3_bucket.lake.arn}/secret/*", Condition = { StringNotEquals = { "aws:PrincipalAccount" = data.aws_caller_identity.me.account_id } } }] })
}

resource "aws_s3_bucket_cors_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id
  cors_rule {
    allowed_methods = ["GET"]
    allowed_origins = ["https://example.com"]
  }
}

resource "aws_s3_bucket_policy" "logs" {
  bucket = aws_s3_bucket.logs.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Principal = { Service = "logging.s3.amazonaws.com" }, Action = "s3:PutObject", Resource = "${aws_s3_bucket.logs.arn}/*" },
    { Effect = "Allow", Principal = { Service = "cloudtrail.amazonaws.com" }, Action = "s3:GetBucketAcl", Resource = aws_s3_bucket.logs.arn },
    { Effect = "Allow", Principal = { Service = "cloudtrail.amazonaws.com" }, Action = "s3:PutObject", Resource = "${aws_s3_bucket.logs.arn}/*" },
  ] })
}

resource "aws_s3_bucket_logging" "lake" {
  bucket        = aws_s3_bucket.lake.id
  target_bucket = aws_s3_bucket.logs.id
  target_prefix = "access/"
  depends_on    = [aws_s3_bucket_policy.logs]
}

resource "aws_s3_object" "hello" {
  bucket  = aws_s3_bucket.lake.id
  key     = "hello.txt"
  content = "hello"
}

resource "aws_glue_catalog_database" "lake" { name = "lake" }

resource "aws_glue_catalog_table" "measured" {
  name          = "measured"
  database_name = aws_glue_catalog_database.lake.name
  table_type    = "EXTERNAL_TABLE"
  storage_descriptor {
    location      = "s3://${aws_s3_bucket.lake.id}/measured/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
    ser_de_info { serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe" }
    columns {
      name = "a"
      type = "bigint"
    }
  }
}

resource "aws_athena_workgroup" "lake" {
  name          = "lake"
  force_destroy = true
  configuration {
    result_configuration { output_location = "s3://${aws_s3_bucket.lake.id}/results/" }
  }
}

resource "aws_athena_named_query" "measured" {
  name      = "measured"
  workgroup = aws_athena_workgroup.lake.id
  database  = aws_glue_catalog_database.lake.name
  query     = "SELECT count(*) FROM measured"
}

resource "aws_iam_role" "delivery" {
  name               = "delivery"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "firehose.amazonaws.com" } }] })
}

resource "aws_iam_role_policy" "delivery" {
  role   = aws_iam_role.delivery.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = ["s3:*", "kms:*"], Resource = "*" }] })
}

resource "aws_kinesis_firehose_delivery_stream" "measured" {
  name        = "measured"
  destination = "extended_s3"
  extended_s3_configuration {
    role_arn           = aws_iam_role.delivery.arn
    bucket_arn         = aws_s3_bucket.lake.arn
    buffering_interval = 60
    buffering_size     = 65
  }
  depends_on = [aws_iam_role_policy.delivery]
}

resource "aws_cloudtrail" "lake" {
  name                       = "lake"
  s3_bucket_name             = aws_s3_bucket.logs.id
  enable_log_file_validation = true
  depends_on                 = [aws_s3_bucket_policy.logs]
}

resource "aws_lakeformation_permissions" "ingest" {
  principal   = aws_iam_role.ingest.arn
  permissions = ["DESCRIBE"]
  database { name = aws_glue_catalog_database.lake.name }
}

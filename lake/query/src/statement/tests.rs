//! What texts are told apart as, and what is said of texts that are no statement.

use super::{PreparedOperation, ResultFile, Statement, StatementType};

fn check(text: &str, statement_type: StatementType, substatement: &str, file: ResultFile) {
    match Statement::parse(text, &[]) {
        Ok(statement) => {
            let found = (statement.statement_type(), statement.substatement_type(), statement.result_file());
            assert_eq!(found, (statement_type, substatement, file), "{text}");
        }
        Err(error) => panic!("{text}: {error}"),
    }
}

#[test]
fn statements_are_told_apart() {
    use ResultFile::{Bare, Csv, Tables, Txt};
    use StatementType::{Ddl, Dml, Utility};
    check("SELECT 1", Dml, "SELECT", Csv);
    check("-- Athena JDBC driver connection test\nSELECT 1;", Dml, "SELECT", Csv);
    check("/* a */ WITH t AS (SELECT 1 AS x) SELECT * FROM t", Dml, "SELECT", Csv);
    check("VALUES (1, 'a'), (2, 'b')", Dml, "SELECT", Csv);
    check("(SELECT 1) UNION ALL (SELECT 2)", Dml, "SELECT", Csv);
    check("TABLE db.t", Dml, "SELECT", Csv);
    check("insert into t (a, b) select 1, 2", Dml, "INSERT", Bare);
    check("insert into \"db\".\"t\" values (1, 2)", Dml, "INSERT", Bare);
    check("insert into t (select 1)", Dml, "INSERT", Bare);
    check(
        "UNLOAD (SELECT (1) FROM t) TO 's3://b/p/' WITH (format='PARQUET', partitioned_by=ARRAY['a'])",
        Dml,
        "UNLOAD",
        Bare,
    );
    check(
        "CREATE TABLE db.t WITH (format = 'PARQUET', external_location='s3://b/t/', bucket_count=4) AS SELECT 1 AS x",
        Ddl,
        "CREATE_TABLE_AS_SELECT",
        Tables,
    );
    check(
        "CREATE TABLE \"db\".\"t\" WITH( external_location='s3://b/t', write_compression='SNAPPY', format='PARQUET' ) AS WITH a AS (SELECT 1 x) SELECT * FROM a WITH NO DATA",
        Ddl,
        "CREATE_TABLE_AS_SELECT",
        Tables,
    );
    check("create or replace view v as select * from t", Ddl, "CREATE_VIEW", Txt);
    check("DROP VIEW IF EXISTS \"db\".\"v\"", Ddl, "DROP_VIEW", Txt);
    check("EXPLAIN SELECT 1", Utility, "EXPLAIN", Txt);
    check("EXPLAIN ANALYZE SELECT 1", Utility, "EXPLAIN", Txt);
    check("EXPLAIN (FORMAT JSON) SELECT 1", Utility, "EXPLAIN", Txt);
    check("SHOW FUNCTIONS", Utility, "SHOW_FUNCTIONS", Csv);
    check("DELETE FROM t WHERE x = 1", Dml, "DELETE", Csv);
    check("CREATE DATABASE IF NOT EXISTS `my-db` COMMENT 'x' LOCATION 's3://b/'", Ddl, "CREATE_DATABASE", Txt);
    check("create schema if not exists db", Ddl, "CREATE_DATABASE", Txt);
    check("DROP SCHEMA IF EXISTS db CASCADE", Ddl, "DROP_DATABASE", Txt);
    check(
        "CREATE EXTERNAL TABLE t (a int COMMENT 'as select', b struct<x:int,y:array<map<string,decimal(10,2)>>>) PARTITIONED BY (d string) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' STORED AS TEXTFILE LOCATION 's3://b/t/' TBLPROPERTIES ('skip.header.line.count'='1')",
        Ddl,
        "CREATE_TABLE",
        Txt,
    );
    check(
        "CREATE EXTERNAL TABLE `db`.`t` (`a` string) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' WITH SERDEPROPERTIES (\"ignore.malformed.json\" = 'true') LOCATION 's3://b/t/'",
        Ddl,
        "CREATE_TABLE",
        Txt,
    );
    check("CREATE TABLE t (a int) STORED AS PARQUET LOCATION 's3://b/t/'", Ddl, "CREATE_TABLE", Txt);
    check("DROP TABLE IF EXISTS `db.t` PURGE", Ddl, "DROP_TABLE", Txt);
    check(
        "ALTER TABLE t ADD IF NOT EXISTS PARTITION (d='1', e=2) LOCATION 's3://b/x/' PARTITION (d='3', e=-4)",
        Ddl,
        "ALTER_TABLE_ADD_PARTITION",
        Txt,
    );
    check("ALTER TABLE t DROP PARTITION (d < '2020'), PARTITION (d = '2021')", Ddl, "ALTER_TABLE_DROP_PARTITION", Txt);
    check("ALTER TABLE t ADD COLUMNS (x bigint, y timestamp)", Ddl, "ALTER_TABLE_ADD_COLUMNS", Txt);
    check("ALTER TABLE t SET TBLPROPERTIES ('a'='b')", Ddl, "ALTER_TABLE_SET_TBLPROPERTIES", Txt);
    check("MSCK REPAIR TABLE `db`.`t`;", Ddl, "MSCK_REPAIR", Txt);
    check("SHOW TABLES IN db 'a*'", Utility, "SHOW_TABLES", Txt);
    check("SHOW DATABASES LIKE 'a.*'", Utility, "SHOW_DATABASES", Txt);
    check("SHOW PARTITIONS t", Utility, "SHOW_PARTITIONS", Txt);
    check("SHOW COLUMNS IN t FROM db", Utility, "SHOW_COLUMNS", Txt);
    check("SHOW TBLPROPERTIES t('a')", Utility, "SHOW_TBLPROPERTIES", Txt);
    check("SHOW CREATE TABLE t", Utility, "SHOW_CREATE_TABLE", Txt);
    check("DESCRIBE FORMATTED db.t", Utility, "DESCRIBE_TABLE", Txt);
    check("DESC t x", Utility, "DESCRIBE_TABLE", Txt);
    check("PREPARE p FROM SELECT * FROM t WHERE a = ?", Ddl, "PREPARE", Txt);
    check("EXECUTE p USING 1, 'a,b', f(1, 2)", Dml, "EXECUTE", Txt);
}

fn check_error(text: &str, expected: &str) {
    let found = Statement::parse(text, &[]).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(found.starts_with(expected), "{text}: {found}");
}

#[test]
fn errors_name_the_place() {
    check_error("SELEC 1", "line 1:1: mismatched input 'SELEC'. Expecting: 'ALTER', ");
    check_error("", "line 1:1: mismatched input '<EOF>'. Expecting: 'ALTER', ");
    check_error("SELECT * FORM t", "line 1:10: mismatched input 'FORM'. Expecting: <EOF>");
    check_error("SELECT 1\nFROM", "line 2:5: mismatched input '<EOF>'. Expecting: <identifier>");
    check_error("SELECT * FROM `t`", "line 1:15: backquoted identifiers are not supported");
    check_error("INSERT INTO t SELECT FROM", "line 1:26: mismatched input 'FROM'.");
    check_error("CREATE EXTERNAL TABLE t (a foo)", "line 1:28: mismatched input 'foo'. Expecting: <type>");
    check_error("DROP TABLE t t", "line 1:14: extraneous input 't'. Expecting: <EOF>");
    check_error("SELECT 'abc", "line 1:8: ");
    check_error("SELECT ?", "line 1:1: Incorrect number of parameters: expected 1 but found 0");
}

#[test]
fn parameters_are_bound() {
    let check = |parameters: &[&str], expected: &str| {
        let parameters: Vec<String> = parameters.iter().map(|text| (*text).to_owned()).collect();
        let statement = Statement::parse("SELECT ?, ?", &parameters);
        let super::StatementKind::Sql(super::SqlStatement::Query(query)) =
            statement.as_ref().map(Statement::kind).expect("reads")
        else {
            panic!("a query")
        };
        assert_eq!(query.to_string(), expected);
    };
    check(&["1", "abc"], "SELECT (1), 'abc'");
    check(&["'a''b'", "date '2020-01-01'", "surplus"], "SELECT ('a''b'), (DATE '2020-01-01')");
    check(&["a b", "1 + 1"], "SELECT 'a b', (1 + 1)");
}

#[test]
fn execute_keeps_its_arguments() {
    let statement = Statement::parse("EXECUTE p USING 1, 'a,b', f(1, 2);", &[]).expect("reads");
    let expected =
        PreparedOperation::Execute { name: "p".into(), parameters: vec!["1".into(), "'a,b'".into(), "f(1, 2)".into()] };
    assert_eq!(statement.prepared(), Some(&expected));
}

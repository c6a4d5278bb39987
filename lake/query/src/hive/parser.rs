//! Reads the Hive grammar as Athena takes it: databases, external tables, partitions, SHOW and DESCRIBE. Knows no catalog.
//! <https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html>

use super::statements::{
    ColumnDefinition, CreateTable, DescribeDepth, HiveStatement, PartitionCondition, PartitionSpec, RowFormat,
    StoredAs, TableName,
};
use crate::errors::SyntaxError;
use crate::statement::token::{Cursor, TokenKind};

type Parsed<T> = Result<T, SyntaxError>;

/// Reads a whole statement that the classifier gave to this grammar.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Parsed<HiveStatement> {
    let statement = statement(cursor)?;
    cursor.finish()?;
    Ok(statement)
}

fn statement(c: &mut Cursor<'_>) -> Parsed<HiveStatement> {
    if c.take(&["CREATE"]) {
        create(c)
    } else if c.take(&["DROP"]) {
        drop_one(c)
    } else if c.take(&["ALTER"]) {
        alter(c)
    } else if c.take(&["MSCK"]) {
        c.require("REPAIR")?;
        c.require("TABLE")?;
        Ok(HiveStatement::Repair { table: table_name(c)? })
    } else if c.take(&["SHOW"]) {
        show(c)
    } else if c.take(&["DESCRIBE"]) || c.take(&["DESC"]) {
        describe(c)
    } else {
        Err(c.expected("'ALTER', 'CREATE', 'DESCRIBE', 'DROP', 'MSCK', 'SHOW'"))
    }
}

fn create(c: &mut Cursor<'_>) -> Parsed<HiveStatement> {
    if c.take(&["DATABASE"]) || c.take(&["SCHEMA"]) {
        let if_not_exists = c.take(&["IF", "NOT", "EXISTS"]);
        let name = lower(c.name()?);
        let (mut comment, mut location, mut properties) = (None, None, Vec::new());
        loop {
            if c.take(&["COMMENT"]) {
                comment = Some(c.text()?);
            } else if c.take(&["LOCATION"]) {
                location = Some(c.text()?);
            } else if c.take(&["WITH", "DBPROPERTIES"]) {
                properties = self::properties(c)?;
            } else {
                return Ok(HiveStatement::CreateDatabase { name, if_not_exists, comment, location, properties });
            }
        }
    }
    let external = c.take(&["EXTERNAL"]);
    c.require("TABLE")?;
    create_table(c, external)
}

fn create_table(c: &mut Cursor<'_>, external: bool) -> Parsed<HiveStatement> {
    let if_not_exists = c.take(&["IF", "NOT", "EXISTS"]);
    let name = table_name(c)?;
    let mut table = CreateTable {
        name,
        external,
        if_not_exists,
        columns: Vec::new(),
        comment: None,
        partition_columns: Vec::new(),
        bucket_columns: Vec::new(),
        bucket_count: None,
        sort_columns: Vec::new(),
        row_format: RowFormat::default(),
        stored_as: StoredAs::Unsaid,
        location: None,
        properties: Vec::new(),
    };
    if c.peek().is_sign("(") {
        table.columns = columns(c)?;
    }
    loop {
        if c.take(&["COMMENT"]) {
            table.comment = Some(c.text()?);
        } else if c.take(&["PARTITIONED", "BY"]) {
            table.partition_columns = columns(c)?;
        } else if c.take(&["CLUSTERED", "BY"]) {
            table.bucket_columns = names(c)?;
            if c.take(&["SORTED", "BY"]) {
                table.sort_columns = sort_columns(c)?;
            }
            c.require("INTO")?;
            let count = c.peek().text.parse().map_err(|_| c.expected("<integer>"))?;
            c.next();
            table.bucket_count = Some(count);
            c.require("BUCKETS")?;
        } else if c.take(&["ROW", "FORMAT"]) {
            table.row_format = row_format(c)?;
        } else if c.take(&["STORED", "AS"]) {
            table.stored_as = stored_as(c)?;
        } else if c.take(&["STORED", "BY"]) {
            return Err(c.expected("'AS'"));
        } else if c.take(&["WITH", "SERDEPROPERTIES"]) {
            table.row_format.properties.extend(properties(c)?);
        } else if c.take(&["LOCATION"]) {
            table.location = Some(c.text()?);
        } else if c.take(&["TBLPROPERTIES"]) {
            table.properties = properties(c)?;
        } else {
            return Ok(HiveStatement::CreateTable(Box::new(table)));
        }
    }
}

fn sort_columns(c: &mut Cursor<'_>) -> Parsed<Vec<(String, bool)>> {
    c.require_sign("(")?;
    let mut columns = Vec::new();
    loop {
        let name = lower(c.name()?);
        let ascending = !c.take(&["DESC"]);
        c.take(&["ASC"]);
        columns.push((name, ascending));
        if !c.take_sign(",") {
            c.require_sign(")")?;
            return Ok(columns);
        }
    }
}

fn row_format(c: &mut Cursor<'_>) -> Parsed<RowFormat> {
    if c.take(&["SERDE"]) {
        let serde = Some(c.text()?);
        let properties = if c.take(&["WITH", "SERDEPROPERTIES"]) { properties(c)? } else { Vec::new() };
        return Ok(RowFormat { serde, properties });
    }
    c.require("DELIMITED")?;
    let mut properties = Vec::new();
    loop {
        if c.take(&["FIELDS", "TERMINATED", "BY"]) {
            let delimiter = c.text()?;
            properties.push(("field.delim".to_owned(), delimiter.clone()));
            properties.push(("serialization.format".to_owned(), delimiter));
            if c.take(&["ESCAPED", "BY"]) {
                properties.push(("escape.delim".to_owned(), c.text()?));
            }
        } else if c.take(&["ESCAPED", "BY"]) {
            properties.push(("escape.delim".to_owned(), c.text()?));
        } else if c.take(&["COLLECTION", "ITEMS", "TERMINATED", "BY"]) {
            // Hive's own misspelling is the property's name
            properties.push(("colelction.delim".to_owned(), c.text()?));
        } else if c.take(&["MAP", "KEYS", "TERMINATED", "BY"]) {
            properties.push(("mapkey.delim".to_owned(), c.text()?));
        } else if c.take(&["LINES", "TERMINATED", "BY"]) {
            properties.push(("line.delim".to_owned(), c.text()?));
        } else if c.take(&["NULL", "DEFINED", "AS"]) {
            properties.push(("serialization.null.format".to_owned(), c.text()?));
        } else {
            return Ok(RowFormat { serde: None, properties });
        }
    }
}

fn stored_as(c: &mut Cursor<'_>) -> Parsed<StoredAs> {
    if c.take(&["INPUTFORMAT"]) {
        let input = c.text()?;
        c.require("OUTPUTFORMAT")?;
        return Ok(StoredAs::Classes { input, output: c.text()? });
    }
    match c.peek().kind {
        TokenKind::Word => Ok(StoredAs::Format(c.next().text.to_ascii_uppercase())),
        _ => Err(c.expected("'AVRO', 'INPUTFORMAT', 'JSONFILE', 'ORC', 'PARQUET', 'TEXTFILE'")),
    }
}

fn drop_one(c: &mut Cursor<'_>) -> Parsed<HiveStatement> {
    if c.take(&["DATABASE"]) || c.take(&["SCHEMA"]) {
        let if_exists = c.take(&["IF", "EXISTS"]);
        let name = lower(c.name()?);
        let cascade = c.take(&["CASCADE"]);
        if !cascade {
            c.take(&["RESTRICT"]);
        }
        return Ok(HiveStatement::DropDatabase { name, if_exists, cascade });
    }
    if c.take(&["VIEW"]) {
        let if_exists = c.take(&["IF", "EXISTS"]);
        return Ok(HiveStatement::DropView { name: table_name(c)?, if_exists });
    }
    if !c.take(&["TABLE"]) {
        return Err(c.expected("'DATABASE', 'SCHEMA', 'TABLE', 'VIEW'"));
    }
    let if_exists = c.take(&["IF", "EXISTS"]);
    let name = table_name(c)?;
    c.take(&["PURGE"]);
    Ok(HiveStatement::DropTable { name, if_exists })
}

fn alter(c: &mut Cursor<'_>) -> Parsed<HiveStatement> {
    if c.take(&["DATABASE"]) || c.take(&["SCHEMA"]) {
        let name = lower(c.name()?);
        c.require("SET")?;
        c.require("DBPROPERTIES")?;
        return Ok(HiveStatement::SetDatabaseProperties { name, properties: properties(c)? });
    }
    c.require("TABLE")?;
    let table = table_name(c)?;
    if c.take(&["ADD", "COLUMNS"]) {
        return Ok(HiveStatement::AddColumns { table, columns: columns(c)? });
    }
    if c.take(&["REPLACE", "COLUMNS"]) {
        return Ok(HiveStatement::ReplaceColumns { table, columns: columns(c)? });
    }
    if c.take(&["CHANGE"]) {
        c.take(&["COLUMN"]);
        let column = lower(c.name()?);
        return Ok(HiveStatement::ChangeColumn { table, column, to: column_definition(c)? });
    }
    if c.take(&["ADD"]) {
        let if_not_exists = c.take(&["IF", "NOT", "EXISTS"]);
        let mut partitions = Vec::new();
        while c.take(&["PARTITION"]) {
            let spec = partition_spec(c)?;
            let location = if c.take(&["LOCATION"]) { Some(c.text()?) } else { None };
            partitions.push((spec, location));
            c.take_sign(",");
        }
        if partitions.is_empty() {
            return Err(c.expected("'COLUMNS', 'IF', 'PARTITION'"));
        }
        return Ok(HiveStatement::AddPartitions { table, if_not_exists, partitions });
    }
    if c.take(&["DROP"]) {
        let if_exists = c.take(&["IF", "EXISTS"]);
        let mut partitions = Vec::new();
        while c.take(&["PARTITION"]) {
            partitions.push(partition_conditions(c)?);
            c.take_sign(",");
        }
        if partitions.is_empty() {
            return Err(c.expected("'IF', 'PARTITION'"));
        }
        c.take(&["PURGE"]);
        return Ok(HiveStatement::DropPartitions { table, if_exists, partitions });
    }
    if c.take(&["SET", "TBLPROPERTIES"]) {
        return Ok(HiveStatement::SetTableProperties { table, properties: properties(c)? });
    }
    if c.take(&["SET", "LOCATION"]) {
        return Ok(HiveStatement::SetLocation { table, partition: None, location: c.text()? });
    }
    if c.take(&["RENAME", "TO"]) {
        return Ok(HiveStatement::RenameTable { table, to: table_name(c)? });
    }
    if c.take(&["PARTITION"]) {
        let spec = partition_spec(c)?;
        if c.take(&["SET", "LOCATION"]) {
            return Ok(HiveStatement::SetLocation { table, partition: Some(spec), location: c.text()? });
        }
        if c.take(&["RENAME", "TO", "PARTITION"]) {
            return Ok(HiveStatement::RenamePartition { table, from: spec, to: partition_spec(c)? });
        }
        return Err(c.expected("'RENAME', 'SET'"));
    }
    Err(c.expected("'ADD', 'CHANGE', 'DROP', 'PARTITION', 'RENAME', 'REPLACE', 'SET'"))
}

fn show(c: &mut Cursor<'_>) -> Parsed<HiveStatement> {
    if c.take(&["DATABASES"]) || c.take(&["SCHEMAS"]) {
        return Ok(HiveStatement::ShowDatabases { like: like(c)? });
    }
    if c.take(&["TABLES"]) {
        let database = in_database(c)?;
        return Ok(HiveStatement::ShowTables { database, like: like(c)? });
    }
    if c.take(&["VIEWS"]) {
        let database = in_database(c)?;
        return Ok(HiveStatement::ShowViews { database, like: like(c)? });
    }
    if c.take(&["PARTITIONS"]) {
        let table = table_name(c)?;
        let partition = if c.take(&["PARTITION"]) { partition_spec(c)? } else { Vec::new() };
        return Ok(HiveStatement::ShowPartitions { table, partition });
    }
    if c.take(&["COLUMNS"]) {
        if !(c.take(&["IN"]) || c.take(&["FROM"])) {
            return Err(c.expected("'FROM', 'IN'"));
        }
        let mut table = table_name(c)?;
        if c.take(&["IN"]) || c.take(&["FROM"]) {
            table.database = Some(lower(c.name()?));
        }
        return Ok(HiveStatement::ShowColumns { table });
    }
    if c.take(&["TBLPROPERTIES"]) {
        let table = table_name(c)?;
        let key = if c.take_sign("(") {
            let key = c.text()?;
            c.require_sign(")")?;
            Some(key)
        } else {
            None
        };
        return Ok(HiveStatement::ShowTableProperties { table, key });
    }
    if c.take(&["CREATE", "TABLE"]) {
        return Ok(HiveStatement::ShowCreateTable { table: table_name(c)? });
    }
    if c.take(&["CREATE", "VIEW"]) {
        return Ok(HiveStatement::ShowCreateView { view: table_name(c)? });
    }
    Err(c.expected(
        "'COLUMNS', 'CREATE', 'DATABASES', 'FUNCTIONS', 'PARTITIONS', 'SCHEMAS', 'TABLES', 'TBLPROPERTIES', 'VIEWS'",
    ))
}

fn in_database(c: &mut Cursor<'_>) -> Parsed<Option<String>> {
    if c.take(&["IN"]) || c.take(&["FROM"]) { Ok(Some(lower(c.name()?))) } else { Ok(None) }
}

fn like(c: &mut Cursor<'_>) -> Parsed<Option<String>> {
    if c.take(&["LIKE"]) || matches!(c.peek().kind, TokenKind::Text) { Ok(Some(c.text()?)) } else { Ok(None) }
}

fn describe(c: &mut Cursor<'_>) -> Parsed<HiveStatement> {
    if c.take(&["DATABASE"]) || c.take(&["SCHEMA"]) {
        c.take(&["EXTENDED"]);
        return Ok(HiveStatement::DescribeDatabase { name: lower(c.name()?) });
    }
    let depth = if c.take(&["FORMATTED"]) {
        DescribeDepth::Formatted
    } else if c.take(&["EXTENDED"]) {
        DescribeDepth::Extended
    } else {
        DescribeDepth::Columns
    };
    let table = table_name(c)?;
    let partition = if c.take(&["PARTITION"]) { partition_spec(c)? } else { Vec::new() };
    let is_name = matches!(c.peek().kind, TokenKind::Word | TokenKind::Backquoted | TokenKind::DoubleQuoted);
    let column = if is_name { Some(lower(c.name()?)) } else { None };
    Ok(HiveStatement::Describe { table, depth, partition, column })
}

/// `[catalog.][database.]table`; the catalog can only be the lake's own.
pub(crate) fn table_name(c: &mut Cursor<'_>) -> Parsed<TableName> {
    let mut parts = vec![lower(c.name()?)];
    while c.take_sign(".") {
        parts.push(lower(c.name()?));
    }
    // `db.table` in one pair of backticks is taken as Hive takes it
    if let [whole] = parts.as_slice()
        && let Some((database, table)) = whole.split_once('.')
    {
        parts = vec![database.to_owned(), table.to_owned()];
    }
    let table = parts.pop().unwrap_or_default();
    let database = parts.pop();
    match parts.pop() {
        None => {}
        Some(catalog) if catalog == "awsdatacatalog" && parts.is_empty() => {}
        Some(_) => return Err(c.expected("<database>.<table>")),
    }
    Ok(TableName { database, table })
}

fn names(c: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    c.require_sign("(")?;
    let mut names = vec![lower(c.name()?)];
    while c.take_sign(",") {
        names.push(lower(c.name()?));
    }
    c.require_sign(")")?;
    Ok(names)
}

fn columns(c: &mut Cursor<'_>) -> Parsed<Vec<ColumnDefinition>> {
    c.require_sign("(")?;
    let mut columns = vec![column_definition(c)?];
    while c.take_sign(",") {
        columns.push(column_definition(c)?);
    }
    c.require_sign(")")?;
    Ok(columns)
}

fn column_definition(c: &mut Cursor<'_>) -> Parsed<ColumnDefinition> {
    let name = lower(c.name()?);
    let data_type = data_type(c)?;
    let comment = if c.take(&["COMMENT"]) { Some(c.text()?) } else { None };
    Ok(ColumnDefinition { name, data_type, comment })
}

/// A type's tokens up to its end, put together; checked by the catalog's own reader of types.
fn data_type(c: &mut Cursor<'_>) -> Parsed<String> {
    let start = c.peek().clone();
    let mut text = String::new();
    if c.peek().kind != TokenKind::Word {
        return Err(c.expected("<type>"));
    }
    text.push_str(&c.next().text.to_ascii_lowercase());
    if text == "double" && c.take(&["PRECISION"]) {
        return Ok(text);
    }
    if c.peek().is_sign("<") || c.peek().is_sign("(") {
        let mut depth = 0_i32;
        loop {
            let token = c.next();
            match token.kind {
                TokenKind::End => return Err(c.expected("'>'")),
                TokenKind::Sign => {
                    match token.text.as_str() {
                        "<" | "(" => depth += 1,
                        ">" | ")" => depth -= 1,
                        _ => {}
                    }
                    text.push_str(&token.text);
                }
                TokenKind::Backquoted => text.push_str(&format!("`{}`", token.text.to_lowercase())),
                _ => text.push_str(&token.text.to_lowercase()),
            }
            if depth == 0 {
                break;
            }
        }
    }
    match tarn_catalog::HiveType::parse(&text) {
        Ok(parsed) => Ok(parsed.to_string()),
        Err(error) => Err(SyntaxError::at(
            start.line,
            start.column,
            format!("mismatched input '{text}'. Expecting: <type> ({error})"),
        )),
    }
}

fn properties(c: &mut Cursor<'_>) -> Parsed<Vec<(String, String)>> {
    c.require_sign("(")?;
    let mut properties = Vec::new();
    loop {
        let key = c.text()?;
        c.require_sign("=")?;
        properties.push((key, c.text()?));
        if !c.take_sign(",") {
            c.require_sign(")")?;
            return Ok(properties);
        }
    }
}

fn value(c: &mut Cursor<'_>) -> Parsed<String> {
    match c.peek().kind {
        TokenKind::Text | TokenKind::DoubleQuoted | TokenKind::Number => Ok(c.next().text),
        TokenKind::Sign if c.peek().is_sign("-") && c.peek_at(1).kind == TokenKind::Number => {
            c.next();
            Ok(format!("-{}", c.next().text))
        }
        // date '2024-01-01'
        TokenKind::Word if c.peek().is("DATE") && c.peek_at(1).kind == TokenKind::Text => {
            c.next();
            Ok(c.next().text)
        }
        TokenKind::Word => Ok(c.next().text),
        _ => Err(c.expected("<value>")),
    }
}

fn partition_spec(c: &mut Cursor<'_>) -> Parsed<PartitionSpec> {
    c.require_sign("(")?;
    let mut spec = Vec::new();
    loop {
        let column = lower(c.name()?);
        c.require_sign("=")?;
        spec.push((column, value(c)?));
        if !c.take_sign(",") {
            c.require_sign(")")?;
            return Ok(spec);
        }
    }
}

fn partition_conditions(c: &mut Cursor<'_>) -> Parsed<Vec<PartitionCondition>> {
    c.require_sign("(")?;
    let mut conditions = Vec::new();
    loop {
        let column = lower(c.name()?);
        let operator = match c.peek().text.as_str() {
            sign @ ("=" | "<" | ">" | "<=" | ">=" | "<>" | "!=") => {
                if sign == "!=" {
                    "<>".to_owned()
                } else {
                    sign.to_owned()
                }
            }
            _ => return Err(c.expected("'=', '<', '<=', '>', '>=', '<>'")),
        };
        c.next();
        conditions.push(PartitionCondition { column, operator, value: value(c)? });
        if !c.take_sign(",") {
            c.require_sign(")")?;
            return Ok(conditions);
        }
    }
}

fn lower(name: String) -> String {
    name.to_lowercase()
}

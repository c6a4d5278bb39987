//! Hive's type names, as they stand in columns: read, compared and printed. Knows no engine's types.
//! <https://cwiki.apache.org/confluence/display/Hive/LanguageManual+Types>

use std::fmt;

/// The most types within types.
const NESTING_DEPTH_MAX: usize = 64;
/// The precision of `decimal` without one.
const DECIMAL_PRECISION: u8 = 10;
const DECIMAL_PRECISION_MAX: u8 = 38;

/// A field of a `struct`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StructField {
    /// As given.
    pub name: String,
    /// Its type.
    pub data_type: HiveType,
}

/// A type of a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HiveType {
    /// `boolean`
    Boolean,
    /// `tinyint`: 8 bits.
    TinyInt,
    /// `smallint`: 16 bits.
    SmallInt,
    /// `int`, `integer`: 32 bits.
    Int,
    /// `bigint`, `long`: 64 bits.
    BigInt,
    /// `float`, `real`: 32 bits.
    Float,
    /// `double`: 64 bits.
    Double,
    /// `decimal(p,s)`
    Decimal {
        /// Digits, 1 to 38.
        precision: u8,
        /// Of these behind the point.
        scale: u8,
    },
    /// `string`
    String,
    /// `varchar(n)`
    Varchar {
        /// The most characters.
        characters_max: u32,
    },
    /// `char(n)`
    Char {
        /// The characters.
        characters: u32,
    },
    /// `binary`
    Binary,
    /// `timestamp`: without zone.
    Timestamp,
    /// `timestamp with time zone`
    TimestampWithTimeZone,
    /// `date`
    Date,
    /// `array<t>`
    Array(Box<HiveType>),
    /// `map<k,v>`
    Map(Box<HiveType>, Box<HiveType>),
    /// `struct<a:t,...>`
    Struct(Vec<StructField>),
}

/// Why a text is not a Hive type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HiveTypeError {
    /// Not a type's name.
    #[error("`{name}` at character {at} of `{text}` is not a Hive type")]
    Unknown {
        /// What stands there.
        name: String,
        /// Where, from 1.
        at: usize,
        /// The whole.
        text: String,
    },
    /// Something else has to stand there.
    #[error("expected {expected} at character {at} of `{text}`")]
    Expected {
        /// What.
        expected: &'static str,
        /// Where, from 1.
        at: usize,
        /// The whole.
        text: String,
    },
    /// Types within types without end.
    #[error("the type nests deeper than {depth_max} levels")]
    TooDeep {
        /// The limit.
        depth_max: usize,
    },
}

impl HiveType {
    /// Reads a type, in any case and with any spacing.
    pub fn parse(text: &str) -> Result<Self, HiveTypeError> {
        let mut parser = Parser { text, at: 0 };
        let parsed = parser.data_type(0)?;
        parser.spaces();
        if parser.at < text.len() {
            return Err(parser.expected("the end"));
        }
        Ok(parsed)
    }
}

impl fmt::Display for HiveType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::TinyInt => f.write_str("tinyint"),
            Self::SmallInt => f.write_str("smallint"),
            Self::Int => f.write_str("int"),
            Self::BigInt => f.write_str("bigint"),
            Self::Float => f.write_str("float"),
            Self::Double => f.write_str("double"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::String => f.write_str("string"),
            Self::Varchar { characters_max } => write!(f, "varchar({characters_max})"),
            Self::Char { characters } => write!(f, "char({characters})"),
            Self::Binary => f.write_str("binary"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::TimestampWithTimeZone => f.write_str("timestamp with time zone"),
            Self::Date => f.write_str("date"),
            Self::Array(item) => write!(f, "array<{item}>"),
            Self::Map(key, value) => write!(f, "map<{key},{value}>"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (position, field) in fields.iter().enumerate() {
                    if position > 0 {
                        f.write_str(",")?;
                    }
                    let plain =
                        !field.name.is_empty() && !field.name.contains([':', ',', '<', '>', '`', ' ', '(', ')']);
                    if plain {
                        write!(f, "{}:{}", field.name, field.data_type)?;
                    } else {
                        write!(f, "`{}`:{}", field.name.replace('`', "``"), field.data_type)?;
                    }
                }
                f.write_str(">")
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn place(&self) -> usize {
        self.text.get(..self.at).map_or(0, |before| before.chars().count()) + 1
    }

    fn expected(&self, expected: &'static str) -> HiveTypeError {
        HiveTypeError::Expected { expected, at: self.place(), text: self.text.to_owned() }
    }

    fn symbol(&mut self, symbol: char) -> bool {
        self.spaces();
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len_utf8();
        }
        found
    }

    fn require(&mut self, symbol: char, expected: &'static str) -> Result<(), HiveTypeError> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn word(&mut self) -> String {
        self.spaces();
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default().to_ascii_lowercase();
        self.at += end;
        word
    }

    fn number<N: std::str::FromStr>(&mut self, expected: &'static str) -> Result<N, HiveTypeError> {
        let start = self.at;
        let digits = self.word();
        digits.parse().map_err(|_| {
            self.at = start;
            self.expected(expected)
        })
    }

    fn data_type(&mut self, depth: usize) -> Result<HiveType, HiveTypeError> {
        if depth >= NESTING_DEPTH_MAX {
            return Err(HiveTypeError::TooDeep { depth_max: NESTING_DEPTH_MAX });
        }
        self.spaces();
        let start = self.at;
        let name = self.word();
        Ok(match name.as_str() {
            "boolean" => HiveType::Boolean,
            "tinyint" | "byte" => HiveType::TinyInt,
            "smallint" | "short" => HiveType::SmallInt,
            "int" | "integer" => HiveType::Int,
            "bigint" | "long" => HiveType::BigInt,
            "float" | "real" => HiveType::Float,
            "double" => {
                let here = self.at;
                if self.word() != "precision" {
                    self.at = here;
                }
                HiveType::Double
            }
            "decimal" | "numeric" | "dec" => self.decimal()?,
            "string" => HiveType::String,
            "varchar" => HiveType::Varchar { characters_max: self.length()?.unwrap_or(65_535) },
            "char" => HiveType::Char { characters: self.length()?.unwrap_or(1) },
            "binary" | "varbinary" => HiveType::Binary,
            "timestamp" => self.timestamp()?,
            "timestamptz" => HiveType::TimestampWithTimeZone,
            "date" => HiveType::Date,
            "array" => {
                self.require('<', "`<`")?;
                let item = self.data_type(depth + 1)?;
                self.require('>', "`>`")?;
                HiveType::Array(Box::new(item))
            }
            "map" => {
                self.require('<', "`<`")?;
                let key = self.data_type(depth + 1)?;
                self.require(',', "`,`")?;
                let value = self.data_type(depth + 1)?;
                self.require('>', "`>`")?;
                HiveType::Map(Box::new(key), Box::new(value))
            }
            "struct" | "row" => self.fields(depth)?,
            _ => {
                self.at = start;
                let at = self.place();
                let name = self.rest().split([',', '<', '>', ':']).next().unwrap_or_default().to_owned();
                return Err(HiveTypeError::Unknown { name, at, text: self.text.to_owned() });
            }
        })
    }

    fn length(&mut self) -> Result<Option<u32>, HiveTypeError> {
        if !self.symbol('(') {
            return Ok(None);
        }
        let length = self.number("a length")?;
        self.require(')', "`)`")?;
        Ok(Some(length))
    }

    fn decimal(&mut self) -> Result<HiveType, HiveTypeError> {
        if !self.symbol('(') {
            return Ok(HiveType::Decimal { precision: DECIMAL_PRECISION, scale: 0 });
        }
        let here = self.at;
        let precision: u8 = self.number("a precision")?;
        let scale: u8 = if self.symbol(',') { self.number("a scale")? } else { 0 };
        if precision == 0 || precision > DECIMAL_PRECISION_MAX || scale > precision {
            self.at = here;
            return Err(self.expected("a precision of 1 to 38 and a scale not above it"));
        }
        self.require(')', "`)`")?;
        Ok(HiveType::Decimal { precision, scale })
    }

    /// `timestamp`, `timestamp(3)`, `timestamp [(n)] with [local] time zone`.
    fn timestamp(&mut self) -> Result<HiveType, HiveTypeError> {
        self.length()?;
        let here = self.at;
        if self.word() != "with" {
            self.at = here;
            return Ok(HiveType::Timestamp);
        }
        let mut word = self.word();
        if word == "local" {
            word = self.word();
        }
        if word == "time" && self.word() == "zone" {
            Ok(HiveType::TimestampWithTimeZone)
        } else {
            Err(self.expected("`time zone`"))
        }
    }

    fn fields(&mut self, depth: usize) -> Result<HiveType, HiveTypeError> {
        self.require('<', "`<`")?;
        let mut fields = Vec::new();
        if self.symbol('>') {
            return Ok(HiveType::Struct(fields));
        }
        loop {
            let name = self.field_name()?;
            self.require(':', "`:`")?;
            fields.push(StructField { name, data_type: self.data_type(depth + 1)? });
            if self.symbol('>') {
                return Ok(HiveType::Struct(fields));
            }
            self.require(',', "`,` or `>`")?;
        }
    }

    fn field_name(&mut self) -> Result<String, HiveTypeError> {
        if !self.symbol('`') {
            let rest = self.rest();
            let end = rest.find([':', ',', '<', '>']).ok_or_else(|| self.expected("a field's name and `:`"))?;
            let name = rest.get(..end).unwrap_or_default().trim().to_owned();
            if name.is_empty() {
                return Err(self.expected("a field's name"));
            }
            self.at += end;
            return Ok(name);
        }
        let mut name = String::new();
        loop {
            let end = self.rest().find('`').ok_or_else(|| self.expected("a closing backtick"))?;
            name.push_str(self.rest().get(..end).unwrap_or_default());
            self.at += end + 1;
            if !self.rest().starts_with('`') {
                return Ok(name);
            }
            name.push('`');
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let printed = HiveType::parse(text).map(|parsed| parsed.to_string()).map_err(|error| error.to_string());
        assert_eq!(printed.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn types_are_read_and_printed() {
        check("INT", Ok("int"));
        check(" long ", Ok("bigint"));
        check("double precision", Ok("double"));
        check("decimal", Ok("decimal(10,0)"));
        check("decimal(38, 38)", Ok("decimal(38,38)"));
        check("varchar(10)", Ok("varchar(10)"));
        check("timestamp with local time zone", Ok("timestamp with time zone"));
        check("timestamp(3)", Ok("timestamp"));
        check(
            "array < struct< A :int , `b:c`: map<string,array<double>>> >",
            Ok("array<struct<A:int,`b:c`:map<string,array<double>>>>"),
        );
        check("struct<>", Ok("struct<>"));
        check("", Err("`` at character 1 of `` is not a Hive type"));
        check("array<blob>", Err("`blob` at character 7 of `array<blob>` is not a Hive type"));
        check(
            "decimal(39,0)",
            Err("expected a precision of 1 to 38 and a scale not above it at character 9 of `decimal(39,0)`"),
        );
        check("map<int>", Err("expected `,` at character 8 of `map<int>`"));
        check("struct<a int>", Err("expected `:` at character 13 of `struct<a int>`"));
        check("int int", Err("expected the end at character 5 of `int int`"));
        check(&"array<".repeat(100), Err("the type nests deeper than 64 levels"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}|(array<|struct<|map<|a:|`|int|,|>|\\(|\\)| ){0,20}") {
            if let Ok(parsed) = HiveType::parse(&text) {
                prop_assert_eq!(HiveType::parse(&parsed.to_string()), Ok(parsed));
            }
        }
    }
}

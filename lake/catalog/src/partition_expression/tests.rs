//! Predicates over the values of partitions.

use proptest::prelude::*;

use super::values::Number;
use super::*;

fn keys() -> Vec<Column> {
    vec![
        Column::new("region", "string"),
        Column::new("year", "int"),
        Column::new("amount", "decimal(38,10)"),
        Column::new("day", "date"),
        Column::new("at", "timestamp"),
    ]
}

const VALUES: [&str; 5] = ["eu-west", "02013", "-1.50", "2013-01-31", "2013-01-31 10:00:00"];

fn check(text: &str, expected: Result<bool, &str>) {
    let values: Vec<String> = VALUES.iter().map(|value| (*value).to_owned()).collect();
    let found = PartitionExpression::parse(text, &keys()).map(|parsed| {
        let held = parsed.may_hold(&values);
        if held {
            // What holds for all values must not be ruled out by the first of them.
            assert!((0..values.len()).all(|known| parsed.may_hold(&values[..known])), "{text}");
        }
        held
    });
    let found = found.map_err(|error| error.to_string());
    match expected {
        Ok(expected) => assert_eq!(found, Ok(expected), "{text}"),
        Err(part) => assert!(found.clone().is_err_and(|message| message.contains(part)), "{text}: {found:?}"),
    }
}

#[test]
fn predicates_compare_by_type() {
    check("year = 2013", Ok(true));
    check("year = '2013'", Ok(true));
    check("2013 <= year", Ok(true));
    check("YEAR > 999", Ok(true));
    check("`year` <> 2013", Ok(false));
    check("\"region\" = 'eu-west' and year in (2012, 2013)", Ok(true));
    check("region like 'eu%t' AND region NOT LIKE '_u'", Ok(true));
    check("region like 'eu\\%t'", Ok(false));
    check("amount between -2 and -1.4999", Ok(true));
    check("amount = -1.5", Ok(true));
    check("amount < -1.5", Ok(false));
    check("day = DATE '2013-01-31'", Ok(true));
    check("day > '2013-01-09'", Ok(true));
    check("at >= TIMESTAMP '2013-01-31 10:00:00.0'", Ok(true));
    check("at < '2013-01-31'", Ok(false));
    check("not (year = 2013 or region = 'x')", Ok(false));
    check("year = 2012 or region = 'eu-west' and amount < 0", Ok(true));
    check("region is not null and not day is null", Ok(true));
    check("region = 'it''s'", Ok(false));
    check("month = 1", Err("month is not a partition key"));
    check("year = 'x'", Err("'x' is not a int"));
    check("year like '20%'", Err("LIKE needs a key of type string"));
    check("year =", Err("expected a partition key or a value at character 7"));
    check("year = region", Err("expected a value at character 8"));
    check("year = 2013)", Err("expected AND, OR or the end at character 12"));
    check("region = 'x", Err("expected a closing quote at character 10"));
    check("", Err("expected a partition key or a value at character 1"));
    check(&"(".repeat(500), Err("nests deeper"));
    check(&" ".repeat(3000), Err("longer than 2048"));
}

#[test]
fn null_is_neither_true_nor_false() {
    let values = vec![HIVE_DEFAULT_PARTITION.to_owned()];
    let holds = |text: &str| PartitionExpression::parse(text, &keys()[..1]).map(|parsed| parsed.may_hold(&values));
    assert_eq!(holds("region = 'a'"), Ok(false));
    assert_eq!(holds("not region = 'a'"), Ok(false));
    assert_eq!(holds("region is null"), Ok(true));
    assert_eq!(holds("region is null or region = 'a'"), Ok(true));
}

#[test]
fn leading_texts_are_those_that_must_be_equal() {
    let texts = |text: &str| PartitionExpression::parse(text, &keys()).map(|parsed| parsed.leading_texts());
    assert_eq!(texts("year = 2013 and region = 'eu'"), Ok(vec!["eu".to_owned()]));
    assert_eq!(texts("region = 'eu' or year = 1"), Ok(vec![]));
    assert_eq!(texts("not region = 'eu'"), Ok(vec![]));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}|(region |year |= |< |'a' |1 |and |or |not |\\(|\\)|in |between |like |is |null |, ){0,12}") {
        let _ = PartitionExpression::parse(&text, &keys());
    }

    #[test]
    fn numbers_order_as_numbers(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000, scale in 0usize..5) {
        let text = |n: i64| {
            let digits = format!("{:0width$}", n.unsigned_abs(), width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            format!("{}{whole}.{fraction}", if n < 0 { "-" } else { "" })
        };
        let compared = Number::parse(&text(a)).zip(Number::parse(&text(b))).map(|(x, y)| x.compare(&y));
        prop_assert_eq!(compared, Some(a.cmp(&b)));
    }
}

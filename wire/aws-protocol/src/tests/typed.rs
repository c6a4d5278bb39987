//! Structs to trees and back, and what a log shows of them.

use std::collections::BTreeMap;

use super::model::{PutThing, Thing};
use crate::{Bytes, Operation, Structure, Timestamp, Value, WireValue};

fn thing() -> Thing {
    Thing {
        name: Some("a".into()),
        secret: Some("hush".into()),
        count: Some(-1),
        big: Some(i64::MAX),
        data: Some(Bytes::from_static(b"\0\xff")),
        moment: Timestamp::from_millisecond(1_700_000_000_123).ok(),
        names: Some(vec!["x".into()]),
        tags: Some(BTreeMap::from([("k".into(), "v".into())])),
        kin: Some(Box::new(Thing { name: Some("b".into()), ..Thing::default() })),
        ..Thing::default()
    }
}

#[test]
fn a_struct_survives_the_tree() {
    let thing = thing();
    assert_eq!(Thing::from_value(thing.clone().into_value()), Ok(thing));
    assert_eq!(<PutThing as Operation>::Input::SCHEMA.name, "Thing");
}

#[test]
fn a_value_of_another_kind_is_an_error() {
    assert!(Thing::from_value(Value::Boolean(true)).is_err());
    assert!(i32::from_value(Value::Integer(i64::MAX)).is_err());
    assert!(Vec::<String>::from_value(Value::List(vec![Value::Boolean(true)])).is_err());
}

#[test]
fn secrets_are_not_logged() {
    let thing = thing();
    for shown in [format!("{thing:?}"), format!("{:?}", thing.into_value())] {
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("***"), "{shown}");
    }
}

//! What must hold of every generated table.

use std::collections::HashSet;

use tarn_aws_protocol::{Schema, Shape, compile_pattern};

/// Calls `visit` with every schema that an operation or error reaches, once.
fn visit_all(visit: &mut dyn FnMut(&'static Schema)) {
    let mut seen = HashSet::new();
    for operation in crate::SERVICES.iter().flat_map(|service| service.operations) {
        walk(operation.input, &mut seen, visit);
        walk(operation.output, &mut seen, visit);
        for error in operation.errors {
            walk(error.schema, &mut seen, visit);
        }
    }
}

fn walk(schema: &'static Schema, seen: &mut HashSet<*const Schema>, visit: &mut dyn FnMut(&'static Schema)) {
    if !seen.insert(std::ptr::from_ref(schema)) {
        return;
    }
    visit(schema);
    match schema.shape {
        Shape::List { member, .. } => walk(member.schema, seen, visit),
        Shape::Map { key, value, .. } => {
            walk(key.schema, seen, visit);
            walk(value.schema, seen, visit);
        }
        Shape::Structure { members, .. } => members.iter().for_each(|member| walk(member.schema, seen, visit)),
        _ => {}
    }
}

#[test]
fn every_pattern_compiles() {
    let mut refused = Vec::new();
    visit_all(&mut |schema| {
        if let Some(pattern) = schema.constraints.pattern
            && compile_pattern(pattern).is_none()
        {
            refused.push((schema.name, pattern));
        }
    });
    assert_eq!(refused, []);
}

#[test]
fn every_operation_belongs_to_its_service() {
    for service in crate::SERVICES {
        for operation in service.operations {
            assert_eq!(operation.service.name, service.name);
            assert_eq!(service.operation(operation.name).map(|found| found.name), Some(operation.name));
            assert!(!service.operations_not_served.contains(&operation.name), "{}", operation.name);
        }
    }
}

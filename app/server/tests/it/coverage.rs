//! `docs/coverage.md` says what is served, from the rows themselves. `TARN_WRITE_COVERAGE=1` writes it; otherwise it is compared.

use std::fmt::Write as _;
use std::path::Path;

use tarn_operation::Kind;

use crate::callers::open;

#[tokio::test(flavor = "multi_thread")]
async fn the_coverage_page_is_what_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = open(folder.path()).await;
    let mut page = String::from(
        "# Coverage\n\nGenerated from the operation tables by `cargo xtask coverage`; a test compares it. An operation that is not listed is \
         refused: with `NotImplemented` where AWS has it.\n",
    );
    let s3 = tarn_service_s3::operations();
    let _ = write!(page, "\n## s3: {} operations\n\n| operation | IAM action | |\n|---|---|---|\n", s3.len());
    for operation in s3 {
        let kind = if operation.read_only { "read" } else { "write" };
        let _ = writeln!(page, "| {} | {} | {kind} |", operation.name, operation.action);
    }
    let mut services: Vec<_> = lake.gateway.services().iter().collect();
    services.sort_by_key(|service| service.model().name);
    for service in services {
        let model = service.model();
        let rows = service.rows();
        let unserved: Vec<&str> = model
            .operations
            .iter()
            .map(|operation| operation.name)
            .filter(|name| service.row(name).is_none())
            .chain(model.operations_not_served.iter().copied())
            .collect();
        let all = rows.len() + unserved.len();
        let _ = write!(
            page,
            "\n## {}: {} of {all} operations\n\n| operation | IAM action | |\n|---|---|---|\n",
            model.name,
            rows.len()
        );
        for row in rows {
            let access = row.access();
            let kind = if access.kind == Kind::Read { "read" } else { "write" };
            let action = access.iam_action.unwrap_or("none: any signed caller may");
            let _ = writeln!(page, "| {} | {action} | {kind} |", row.model().name);
        }
        if !unserved.is_empty() {
            let _ = write!(page, "\nNot served: {}.\n", unserved.join(", "));
        }
    }
    lake.close().await.expect("closed");
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/coverage.md");
    if std::env::var_os("TARN_WRITE_COVERAGE").is_some() {
        std::fs::write(&place, &page).expect("written");
    }
    let kept = std::fs::read_to_string(&place).unwrap_or_default();
    assert!(kept == page, "docs/coverage.md is not what is served: run `cargo xtask coverage`");
}

//! The engine as executions need it. Knows no record.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_catalog::S3Location;
use tarn_policy::{Authorized, BoundAuthorizer};

use super::runner::{Page, Ran, Run, Runner};
use crate::engine::results::{ResultKind, ResultReader};
use crate::engine::{Engine, Outcome, SessionContext};
use crate::errors::QueryError;
use crate::statement::ResultFile;

/// Runs statements by the engine, and reads results from the lake's objects.
pub struct EngineRunner {
    engine: Arc<Engine>,
    reader: ResultReader,
}

impl EngineRunner {
    /// Over an engine and a reader of the same lake.
    pub fn new(engine: Arc<Engine>, reader: ResultReader) -> Self {
        Self { engine, reader }
    }
}

impl Runner for EngineRunner {
    fn run(&self, run: Run) -> BoxFuture<'_, Result<Ran, QueryError>> {
        let Run { caller, statement, query_id, catalog, database, output_location, cancel, progress } = run;
        async move {
            let session = SessionContext { query_id, catalog, database, output_location };
            let ran = self.engine.run(&caller, &statement, session, cancel, &progress).await?;
            let Outcome { columns, update_count, manifest, rows, output_bytes, planning_ms, .. } = ran;
            let manifest = manifest.map(|place| place.to_string());
            Ok(Ran { columns, update_count, manifest, rows, output_bytes, planning_ms })
        }
        .boxed()
    }

    fn page<'a>(
        &'a self,
        proof: &'a Authorized,
        authorizer: &'a BoundAuthorizer,
        place: &'a S3Location,
        file: ResultFile,
        start: u64,
        rows_max: usize,
    ) -> BoxFuture<'a, Result<Page, String>> {
        let kind = match file {
            ResultFile::Csv => ResultKind::Csv,
            ResultFile::Txt | ResultFile::Bare | ResultFile::Tables => ResultKind::Txt,
        };
        async move {
            let page = self.reader.page(proof, authorizer, &place.bucket, &place.prefix, kind, start, rows_max).await;
            let page = page.map_err(|error| error.to_string())?;
            Ok(Page { rows: page.rows, next: page.next })
        }
        .boxed()
    }
}

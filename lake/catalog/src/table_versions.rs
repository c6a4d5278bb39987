//! Versions that a table had before. Knows that the current one is kept with the table.

use std::ops::Bound;

use tarn_audit::Caller;
use tarn_metadata::Read;
use tarn_policy::Authorized;

use crate::databases::page;
use crate::keyspaces::{TABLE_VERSIONS, entity_key, version_key};
use crate::tables::require_table;
use crate::{Catalog, CatalogError, EntityName, Page, Table};

fn parse(table: &Table, version_id: &str) -> Result<u64, CatalogError> {
    version_id.parse().map_err(|_| not_found(table, version_id))
}

fn not_found(table: &Table, version_id: &str) -> CatalogError {
    CatalogError::TableVersionNotFound {
        database: table.database_name.clone(),
        table: table.name().to_owned(),
        version_id: version_id.to_owned(),
    }
}

impl Catalog {
    /// A table as it was at a version; without one, as it is.
    pub fn table_version(
        &self,
        proof: &Authorized,
        database: &str,
        table: &str,
        version_id: Option<&str>,
    ) -> Result<Table, CatalogError> {
        let snapshot = self.snapshot()?;
        let current = require_table(
            &snapshot,
            &proof.principal().account,
            &EntityName::database(database)?,
            &EntityName::table(table)?,
        )?;
        let Some(text) = version_id else {
            return self.shown_or_absent(proof, current);
        };
        let version_id = parse(&current, text)?;
        if version_id == current.version_id {
            return self.shown_or_absent(proof, current);
        }
        let found = snapshot.get(TABLE_VERSIONS, &version_key(&current.id, version_id))?;
        self.shown_or_absent(proof, found.ok_or_else(|| not_found(&current, text))?)
    }

    /// Up to `limit` versions of a table, newest first, those older than `after`.
    pub fn table_versions(
        &self,
        proof: &Authorized,
        database: &str,
        table: &str,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Page<Table>, CatalogError> {
        let snapshot = self.snapshot()?;
        let current = require_table(
            &snapshot,
            &proof.principal().account,
            &EntityName::database(database)?,
            &EntityName::table(table)?,
        )?;
        let prefix = entity_key(&current.id);
        let end = prefix.after_prefix();
        let start = after.map(|after| version_key(&current.id, after));
        let from = start.as_ref().map_or(Bound::Included(&prefix), Bound::Excluded);
        let range = snapshot.range(TABLE_VERSIONS, from, end.as_ref().map_or(Bound::Unbounded, Bound::Excluded));
        let name = |table: &Table| table.version_id.to_string();
        if after.is_some() || limit == 0 {
            return self.all_shown(proof, page(range, limit, name)?);
        }
        let mut versions = page(range, limit - 1, name)?;
        if limit == 1 && !versions.items.is_empty() {
            versions.items.clear();
        }
        let more = limit == 1 && snapshot.prefix(TABLE_VERSIONS, &prefix).next().transpose()?.is_some();
        if more {
            versions.next = Some(current.version_id.to_string());
        }
        versions.items.insert(0, current);
        self.all_shown(proof, versions)
    }

    /// Deletes archived versions; returns those that it could not, each with why.
    pub async fn delete_table_versions(
        &self,
        caller: &Caller,
        database: &str,
        table: &str,
        version_ids: Vec<String>,
    ) -> Result<Vec<(String, CatalogError)>, CatalogError> {
        let database = EntityName::database(database)?;
        let table = EntityName::table(table)?;
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let current = require_table(tx, &account, &database, &table)?;
            let mut failed = Vec::new();
            for text in version_ids {
                let version_id = match parse(&current, &text) {
                    Ok(version_id) => version_id,
                    Err(error) => {
                        failed.push((text, error));
                        continue;
                    }
                };
                let key = version_key(&current.id, version_id);
                if version_id == current.version_id {
                    let error = CatalogError::CurrentVersion {
                        database: database.to_string(),
                        table: table.to_string(),
                        version_id,
                    };
                    failed.push((text, error));
                } else if tx.contains(TABLE_VERSIONS, &key)? {
                    tx.delete(TABLE_VERSIONS, &key)?;
                } else {
                    let error = not_found(&current, &text);
                    failed.push((text, error));
                }
            }
            Ok(failed)
        })
        .await
    }
}

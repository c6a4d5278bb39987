//! Data cells filters: columns and rows of a table under a name, to be granted.
//! <https://docs.aws.amazon.com/lake-formation/latest/dg/data-filters-about.html>

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_catalog::{EntityId, Table};
use tarn_metadata::{Read, Record, Tx};
use tarn_policy::{Authorized, Principal};
use tarn_runtime::EntropyExt;
use tarn_types::AccountId;

use crate::access::column_names;
use crate::grants::{grants_on, page, require_table};
use crate::keyspaces::{CELLS_FILTERS, GRANTS, account_key, filters_key, resource_key};
use crate::principals::names_of;
use crate::resources::{Columns, Resource};
use crate::settings::settings_in;
use crate::{CELLS_FILTERS_MAX, Formation, FormationError, Page, ROW_FILTER_SIZE_BYTES_MAX};

/// Says why a row filter cannot be read on a table, if it cannot.
pub type RowFilterCheck = Arc<dyn Fn(&Table, &str) -> Result<(), String> + Send + Sync>;

/// A filter. Names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellsFilter {
    /// The table's database.
    pub database: String,
    /// The table.
    pub table: String,
    /// Its own name.
    pub name: String,
    /// Which columns it lets through.
    pub columns: Columns,
    /// Which rows, as SQL says it after `WHERE`; all if there is none.
    pub row_filter: Option<String>,
    /// Changes with each change.
    pub version_id: String,
    /// Of which table: for another of its name there is no such filter.
    pub table_id: EntityId,
}

impl Record for CellsFilter {
    const VERSION: u16 = 1;
}

impl Formation {
    fn check_filter(&self, account: &AccountId, mut filter: CellsFilter) -> Result<CellsFilter, FormationError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "_-.$ ".contains(c);
        if filter.name.is_empty() || filter.name.len() > 255 || !filter.name.chars().all(legal) {
            return Err(FormationError::invalid("A filter's name has 1 to 255 letters, digits, - _ . $ or spaces."));
        }
        let table = require_table(self, account, &filter.database, &filter.table)?;
        let lower = |names: &BTreeSet<String>| names.iter().map(|name| name.to_lowercase()).collect();
        filter.columns = match &filter.columns {
            Columns::Named(names) if names.is_empty() => {
                return Err(FormationError::invalid("A filter lets at least one column through."));
            }
            Columns::Named(names) => Columns::Named(lower(names)),
            Columns::AllBut(names) => Columns::AllBut(lower(names)),
        };
        if let Some(unknown) = filter.columns.unknown(&column_names(&table)) {
            return Err(FormationError::not_found(format!("Column {unknown} of {}", filter.table)));
        }
        if let Some(text) = &filter.row_filter {
            if text.len() > ROW_FILTER_SIZE_BYTES_MAX {
                return Err(FormationError::Limit { what: "Bytes of a row filter", limit: ROW_FILTER_SIZE_BYTES_MAX });
            }
            (self.check)(&table, text)
                .map_err(|reason| FormationError::invalid(format!("The row filter cannot be used: {reason}")))?;
        }
        filter.database = table.database_name.clone();
        filter.table = table.name().to_owned();
        filter.version_id = self.runtime.entropy.uuid().to_string();
        filter.table_id = table.id();
        Ok(filter)
    }

    async fn change_filter(
        &self,
        caller: &Caller,
        filter: CellsFilter,
        check: impl FnOnce(Option<&CellsFilter>, usize) -> Result<(), FormationError> + Send + 'static,
    ) -> Result<(), FormationError> {
        let (account, principal) = (caller.scope().account.clone(), caller.principal().clone());
        let filter = self.check_filter(&account, filter)?;
        self.commit(caller, move |tx| {
            if !settings_in(tx, &account)?.is_administered_by(&principal) {
                let on = format!("{}.{}", filter.database, filter.table);
                return Err(FormationError::Insufficient { required: "data lake administrator".to_owned(), on });
            }
            let prefix = filters_key(&account, &filter.database, &filter.table);
            let key = prefix.clone().text(&filter.name);
            let found = tx.get(CELLS_FILTERS, &key)?.filter(|found| found.table_id == filter.table_id);
            let mut count = 0;
            for other in tx.prefix(CELLS_FILTERS, &prefix) {
                count += usize::from(other?.1.table_id == filter.table_id);
            }
            check(found.as_ref(), count)?;
            Ok(tx.put(CELLS_FILTERS, &key, &filter)?)
        })
        .await
    }

    /// Makes a filter.
    pub async fn create_cells_filter(&self, caller: &Caller, filter: CellsFilter) -> Result<(), FormationError> {
        let what = format!("Data cells filter {}", filter.name);
        self.change_filter(caller, filter, move |found, count| match found {
            Some(_) => Err(FormationError::AlreadyExists { what }),
            None if count >= CELLS_FILTERS_MAX => {
                Err(FormationError::Limit { what: "Data cells filters of a table", limit: CELLS_FILTERS_MAX })
            }
            None => Ok(()),
        })
        .await
    }

    /// Says something else of a filter; its `version_id`, if not empty, must be the one there is.
    pub async fn update_cells_filter(&self, caller: &Caller, filter: CellsFilter) -> Result<(), FormationError> {
        let (what, expected) = (format!("Data cells filter {}", filter.name), filter.version_id.clone());
        self.change_filter(caller, filter, move |found, _| match found {
            None => Err(FormationError::NotFound { what }),
            Some(found) if !expected.is_empty() && expected != found.version_id => {
                Err(FormationError::Concurrent { what })
            }
            Some(_) => Ok(()),
        })
        .await
    }

    /// Deletes a filter, with the grants of it.
    pub async fn delete_cells_filter(
        &self,
        caller: &Caller,
        database: &str,
        table: &str,
        name: &str,
    ) -> Result<(), FormationError> {
        let (account, principal) = (caller.scope().account.clone(), caller.principal().clone());
        let (database, table, name) = (database.to_lowercase(), table.to_lowercase(), name.to_owned());
        self.commit(caller, move |tx| {
            let resource =
                Resource::CellsFilter { database: database.clone(), table: table.clone(), name: name.clone() };
            if !settings_in(tx, &account)?.is_administered_by(&principal) {
                let (required, on) = ("data lake administrator".to_owned(), resource.to_string());
                return Err(FormationError::Insufficient { required, on });
            }
            let key = filters_key(&account, &database, &table).text(&name);
            if !tx.contains(CELLS_FILTERS, &key)? {
                return Err(FormationError::not_found(resource.to_string()));
            }
            tx.delete(CELLS_FILTERS, &key)?;
            delete_grants(tx, &account, &resource)
        })
        .await
    }

    /// A filter.
    pub fn cells_filter(
        &self,
        proof: &Authorized,
        database: &str,
        table: &str,
        name: &str,
    ) -> Result<CellsFilter, FormationError> {
        let account = &proof.principal().account;
        let table = require_table(self, account, database, table)?;
        let key = filters_key(account, &table.database_name, table.name()).text(name);
        let snapshot = self.snapshot()?;
        let found = snapshot.get(CELLS_FILTERS, &key)?.filter(|found| found.table_id == table.id());
        let is_shown = found.as_ref().map(|found| is_shown(&snapshot, proof.principal(), found)).transpose()?;
        found
            .filter(|_| is_shown == Some(true))
            .ok_or_else(|| FormationError::not_found(format!("Data cells filter {name}")))
    }

    /// Up to `limit` filters, of one table or of all, those behind `after`.
    pub fn cells_filters(
        &self,
        proof: &Authorized,
        table: Option<(&str, &str)>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<CellsFilter>, FormationError> {
        let account = &proof.principal().account;
        let prefix = match table {
            None => account_key(account),
            Some((database, table)) => {
                let table = require_table(self, account, database, table)?;
                filters_key(account, &table.database_name, table.name())
            }
        };
        let snapshot = self.snapshot()?;
        page(&snapshot, CELLS_FILTERS, &prefix, after, limit, |filter| {
            let table = require_table(self, account, &filter.database, &filter.table);
            Ok(table.is_ok_and(|table| table.id() == filter.table_id)
                && is_shown(&snapshot, proof.principal(), filter)?)
        })
    }
}

/// Filters are for those who administer the lake, and for those who were granted them: their texts tell of rows.
fn is_shown(read: &impl Read, principal: &Principal, filter: &CellsFilter) -> Result<bool, FormationError> {
    if settings_in(read, &principal.account)?.is_read_by(principal) {
        return Ok(true);
    }
    let resource = Resource::CellsFilter {
        database: filter.database.clone(),
        table: filter.table.clone(),
        name: filter.name.clone(),
    };
    let grants = grants_on(read, &principal.account, &resource, Some(filter.table_id), &names_of(principal))?;
    Ok(grants.iter().any(|grant| grant.resource == resource))
}

fn delete_grants(tx: &mut Tx<'_>, account: &AccountId, resource: &Resource) -> Result<(), FormationError> {
    let mut gone = Vec::new();
    for entry in tx.prefix(GRANTS, &resource_key(account, resource)) {
        let (key, grant) = entry?;
        if grant.resource == *resource {
            gone.push(key);
        }
    }
    for key in gone {
        tx.delete(GRANTS, &key)?;
    }
    Ok(())
}

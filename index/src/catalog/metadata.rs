//! What did clients set up? Templates, aliases, data streams and the like, in the catalog's file.
//!
//! One row each; knows nothing of what the bodies say.

use model::id::Tenant;
use model::meta::{MetaChange, MetaError, MetaKind, MetaRow, MetaStore};
use rusqlite::params;

use super::CatalogError;
use super::sqlite::SqliteCatalog;

fn failed(error: impl Into<CatalogError>) -> MetaError {
    MetaError { reason: error.into().to_string() }
}

impl SqliteCatalog {
    fn rows(&self, tenant: &Tenant) -> Result<Vec<MetaRow>, CatalogError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT kind, name, body, version FROM metadata WHERE tenant = ?1 ORDER BY kind, name",
        )?;
        let mut rows = statement.query([tenant.as_str()])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
            let kind = MetaKind::parse(&kind).ok_or_else(|| CatalogError::Damaged {
                what: format!("metadata `{name}`"),
                reason: format!("its kind `{kind}` is not known"),
            })?;
            let version = row.get::<_, i64>(3)? as u64;
            out.push(MetaRow { kind, name, body: row.get(2)?, version });
        }
        out.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        Ok(out)
    }

    fn apply(&self, tenant: &Tenant, changes: &[MetaChange]) -> Result<(), CatalogError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        for change in changes {
            match change {
                MetaChange::Put(row) => transaction.execute(
                    "INSERT OR REPLACE INTO metadata VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![
                        tenant.as_str(),
                        row.kind.as_str(),
                        row.name,
                        row.body,
                        row.version as i64
                    ],
                )?,
                MetaChange::Delete(kind, name) => transaction.execute(
                    "DELETE FROM metadata WHERE tenant = ?1 AND kind = ?2 AND name = ?3",
                    params![tenant.as_str(), kind.as_str(), name],
                )?,
            };
        }
        transaction.commit()?;
        Ok(())
    }
}

impl MetaStore for SqliteCatalog {
    fn load(&self, tenant: &Tenant) -> Result<Vec<MetaRow>, MetaError> {
        self.rows(tenant).map_err(failed)
    }

    fn change(&self, tenant: &Tenant, changes: &[MetaChange]) -> Result<(), MetaError> {
        self.apply(tenant, changes).map_err(failed)
    }
}

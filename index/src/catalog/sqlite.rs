//! How does one machine keep the catalog? In SQLite, synced at every commit.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::id::{BatchId, NodeId, RecordSeq, SplitId, WalSeq};
use model::time::Timestamp;
use platform::rng::Rng;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;

use super::{Catalog, CatalogError, Checkpoint, Deletions, Publication, PublishedBatch};
use crate::read::SplitMeta;
use crate::read::deletion::Deletion;

/// Version of the tables: that of [`CREATE`] is 1, each migration adds one.
const SCHEMA: i64 = 1 + MIGRATIONS.len() as i64;

const CREATE: &str = "
CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), node INTEGER NOT NULL, name TEXT NOT NULL);
CREATE TABLE checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), wal INTEGER NOT NULL, next_record INTEGER NOT NULL);
CREATE TABLE splits (id TEXT PRIMARY KEY, meta TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE batches (id TEXT PRIMARY KEY, accepted INTEGER NOT NULL, at_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX batches_at ON batches (at_ns);
CREATE TABLE garbage (id TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT INTO checkpoint VALUES (1, 0, 0);
";

/// What each version of the tables adds to the one before.
const MIGRATIONS: [&str; 2] = [
    // 2: what clients set up.
    "CREATE TABLE metadata (
    tenant TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
    version INTEGER NOT NULL, PRIMARY KEY (tenant, kind, name)) WITHOUT ROWID;",
    // 3: deletions.
    "CREATE TABLE deletions (id INTEGER PRIMARY KEY, body TEXT NOT NULL);",
];

/// A catalog in one SQLite file.
#[derive(Debug)]
pub struct SqliteCatalog {
    connection: Mutex<Connection>,
}

impl SqliteCatalog {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// The file cannot be opened, or a newer version wrote it.
    pub fn open(path: &Path, rng: &dyn Rng) -> Result<Self, CatalogError> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        let found: i64 = connection.pragma_query_value(None, "user_version", |r| r.get(0))?;
        if !(0..=SCHEMA).contains(&found) {
            return Err(CatalogError::Newer { found, known: SCHEMA });
        }
        if found < SCHEMA {
            let transaction = connection.transaction()?;
            if found == 0 {
                transaction.execute_batch(CREATE)?;
                let node = (rng.next_u64() >> 32) as u32;
                let name = format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64());
                transaction
                    .execute("INSERT INTO identity VALUES (1, ?1, ?2)", params![node, name])?;
            }
            for migration in &MIGRATIONS[(found.max(1) - 1) as usize..] {
                transaction.execute_batch(migration)?;
            }
            transaction.pragma_update(None, "user_version", SCHEMA)?;
            transaction.commit()?;
        }
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Makes a catalog of splits that exist, for a node that has a number already.
    ///
    /// # Errors
    /// The file exists and holds splits, or cannot be written.
    pub fn restore(
        path: &Path,
        rng: &dyn Rng,
        node: NodeId,
        splits: &[SplitMeta],
        (checkpoint, garbage): (Checkpoint, &[SplitId]),
    ) -> Result<Self, CatalogError> {
        let catalog = Self::open(path, rng)?;
        let known = catalog.splits()?.len();
        if known > 0 {
            return Err(CatalogError::Damaged {
                what: format!("`{}`", path.display()),
                reason: format!("it holds {known} splits already"),
            });
        }
        let mut connection = catalog.connection();
        let transaction = connection.transaction()?;
        transaction.execute("UPDATE identity SET node = ?1", params![node.0])?;
        transaction.execute(
            "UPDATE checkpoint SET wal = ?1, next_record = ?2",
            params![checkpoint.wal.0 as i64, checkpoint.next_record.0 as i64],
        )?;
        insert_splits(&transaction, splits)?;
        add_garbage(&transaction, garbage)?;
        transaction.commit()?;
        drop(connection);
        Ok(catalog)
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add_garbage(transaction: &Transaction<'_>, splits: &[SplitId]) -> Result<(), CatalogError> {
    for split in splits {
        transaction.execute("INSERT OR IGNORE INTO garbage VALUES (?1)", [split.as_str()])?;
    }
    Ok(())
}

/// A row's body; `what` names the row.
fn json<T: Serialize>(what: impl Fn() -> String, row: &T) -> Result<String, CatalogError> {
    serde_json::to_string(row)
        .map_err(|e| CatalogError::Damaged { what: what(), reason: e.to_string() })
}

fn insert_splits(transaction: &Transaction<'_>, splits: &[SplitMeta]) -> Result<(), CatalogError> {
    let mut statement = transaction.prepare("INSERT OR REPLACE INTO splits VALUES (?1, ?2)")?;
    for split in splits {
        let meta = json(|| format!("split {}", split.id), split)?;
        statement.execute(params![split.id.as_str(), meta])?;
        transaction.execute("DELETE FROM garbage WHERE id = ?1", [split.id.as_str()])?;
    }
    Ok(())
}

impl Deletions for SqliteCatalog {
    fn delete(&self, deletion: &Deletion, splits: &[SplitMeta]) -> Result<(), CatalogError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        for split in splits {
            must_be_published(&transaction, &split.id)?;
        }
        insert_splits(&transaction, splits)?;
        let body = json(|| format!("deletion {}", deletion.id), deletion)?;
        transaction.execute(
            "INSERT OR REPLACE INTO deletions VALUES (?1, ?2)",
            params![deletion.id as i64, body],
        )?;
        transaction.commit()?;
        Ok(())
    }

    fn deletions(&self, forgotten: &[u64]) -> Result<Vec<Deletion>, CatalogError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        for id in forgotten {
            transaction.execute("DELETE FROM deletions WHERE id = ?1", params![*id as i64])?;
        }
        let mut out = Vec::new();
        {
            let mut statement =
                transaction.prepare("SELECT id, body FROM deletions ORDER BY id")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (id, body): (i64, String) = (row.get(0)?, row.get(1)?);
                out.push(serde_json::from_str(&body).map_err(|e| CatalogError::Damaged {
                    what: format!("deletion {id}"),
                    reason: e.to_string(),
                })?);
            }
        }
        transaction.commit()?;
        Ok(out)
    }
}

fn must_be_published(transaction: &Transaction<'_>, split: &SplitId) -> Result<(), CatalogError> {
    let found: Option<i64> = transaction
        .query_row("SELECT 1 FROM splits WHERE id = ?1", [split.as_str()], |r| r.get(0))
        .optional()?;
    found.map(|_| ()).ok_or_else(|| CatalogError::Gone { split: split.clone() })
}

impl Catalog for SqliteCatalog {
    fn identity(&self) -> Result<(NodeId, String), CatalogError> {
        let row = self.connection().query_row("SELECT node, name FROM identity", [], |r| {
            Ok((NodeId(r.get(0)?), r.get(1)?))
        })?;
        Ok(row)
    }

    fn splits(&self) -> Result<Vec<SplitMeta>, CatalogError> {
        let connection = self.connection();
        let mut statement = connection.prepare("SELECT id, meta FROM splits ORDER BY id")?;
        let mut rows = statement.query([])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, meta): (String, String) = (row.get(0)?, row.get(1)?);
            out.push(serde_json::from_str(&meta).map_err(|e| CatalogError::Damaged {
                what: format!("split {id}"),
                reason: e.to_string(),
            })?);
        }
        Ok(out)
    }

    fn checkpoint(&self) -> Result<(Checkpoint, Vec<PublishedBatch>), CatalogError> {
        let connection = self.connection();
        let checkpoint =
            connection.query_row("SELECT wal, next_record FROM checkpoint", [], |r| {
                Ok(Checkpoint {
                    wal: WalSeq(r.get::<_, i64>(0)? as u64),
                    next_record: RecordSeq(r.get::<_, i64>(1)? as u64),
                })
            })?;
        let mut statement =
            connection.prepare("SELECT id, accepted, at_ns FROM batches ORDER BY at_ns, id")?;
        let rows = statement.query_map([], |r| {
            Ok(PublishedBatch {
                id: BatchId::new(r.get::<_, String>(0)?),
                accepted: r.get::<_, i64>(1)? as u64,
                at: Timestamp(r.get(2)?),
            })
        })?;
        let batches = rows.collect::<Result<_, _>>()?;
        Ok((checkpoint, batches))
    }

    fn stage(&self, splits: &[SplitId]) -> Result<(), CatalogError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        for split in splits {
            // Published already, when the answer to an earlier publication was lost: no garbage.
            transaction.execute(
                "INSERT OR IGNORE INTO garbage SELECT ?1 \
                 WHERE NOT EXISTS (SELECT 1 FROM splits WHERE id = ?1)",
                [split.as_str()],
            )?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn publish(&self, roll: &Publication) -> Result<(), CatalogError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        insert_splits(&transaction, &roll.splits)?;
        transaction.execute(
            "UPDATE checkpoint SET wal = max(wal, ?1), next_record = max(next_record, ?2)",
            params![roll.checkpoint.wal.0 as i64, roll.checkpoint.next_record.0 as i64],
        )?;
        {
            let mut statement =
                transaction.prepare("INSERT OR REPLACE INTO batches VALUES (?1, ?2, ?3)")?;
            for batch in &roll.batches {
                statement.execute(params![batch.id.as_str(), batch.accepted as i64, batch.at.0])?;
            }
        }
        transaction
            .execute("DELETE FROM batches WHERE at_ns < ?1", params![roll.forget_before.0])?;
        transaction.commit()?;
        Ok(())
    }

    fn replace(&self, old: &[SplitId], new: &[SplitMeta]) -> Result<(), CatalogError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        for split in old {
            must_be_published(&transaction, split)?;
            transaction.execute("DELETE FROM splits WHERE id = ?1", [split.as_str()])?;
        }
        add_garbage(&transaction, old)?;
        insert_splits(&transaction, new)?;
        transaction.commit()?;
        Ok(())
    }

    fn garbage(&self, collected: &[SplitId]) -> Result<Vec<SplitId>, CatalogError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        for split in collected {
            transaction.execute("DELETE FROM garbage WHERE id = ?1", [split.as_str()])?;
        }
        let out = {
            let mut statement = transaction.prepare("SELECT id FROM garbage ORDER BY id")?;
            let rows = statement.query_map([], |r| r.get::<_, String>(0))?;
            rows.map(|r| r.map(SplitId::new)).collect::<Result<Vec<_>, _>>()?
        };
        transaction.commit()?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use platform::rng::SeededRng;

    use super::super::conformance;
    use super::*;

    #[test]
    fn conforms() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        let rng = SeededRng::new(1);
        conformance::check(&|| Box::new(SqliteCatalog::open(&path, &rng).unwrap()));
        conformance::check_metadata(&|| Box::new(SqliteCatalog::open(&path, &rng).unwrap()));
    }

    #[test]
    fn the_first_schema_is_migrated_and_a_newer_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(CREATE).unwrap();
        old.execute("INSERT INTO identity VALUES (1, 7, 'seven')", []).unwrap();
        old.execute("INSERT INTO garbage VALUES ('G')", []).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        let rng = SeededRng::new(1);
        let catalog = SqliteCatalog::open(&path, &rng).unwrap();
        assert_eq!(catalog.identity().unwrap(), (NodeId(7), "seven".to_owned()));
        assert_eq!(catalog.garbage(&[]).unwrap(), [SplitId::new("G")]);
        conformance::check_metadata(&|| Box::new(SqliteCatalog::open(&path, &rng).unwrap()));
        catalog.connection().pragma_update(None, "user_version", SCHEMA + 1).unwrap();
        let newer = SqliteCatalog::open(&path, &rng);
        assert!(matches!(newer, Err(CatalogError::Newer { .. })), "{newer:?}");
    }

    type State = (Vec<SplitId>, Checkpoint, usize, Vec<SplitId>);

    fn state(catalog: &SqliteCatalog) -> State {
        let (checkpoint, batches) = catalog.checkpoint().unwrap();
        let splits = catalog.splits().unwrap().into_iter().map(|s| s.id).collect();
        (splits, checkpoint, batches.len(), catalog.garbage(&[]).unwrap())
    }

    /// One change of many kinds.
    fn change(catalog: &SqliteCatalog, n: u64) {
        let id = |n: u64| SplitId::new(format!("S{n:03}"));
        match n % 4 {
            0 => catalog.stage(&[id(n + 1)]).unwrap(),
            1 | 2 => {
                let at = Timestamp(n as i64);
                let batch = PublishedBatch { id: BatchId::new(format!("B{n}")), accepted: 1, at };
                let checkpoint = Checkpoint { wal: WalSeq(n), next_record: RecordSeq(n * 10) };
                let splits = vec![conformance::meta(id(n).as_str())];
                let forget_before = Timestamp(n as i64 - 10);
                let batches = vec![batch];
                let roll = Publication { splits, checkpoint, batches, forget_before };
                catalog.publish(&roll).unwrap();
            }
            _ => {
                let new = conformance::meta(id(n).as_str());
                catalog.replace(&[id(n - 1), id(n - 2)], &[new]).unwrap();
            }
        }
    }

    /// SQLite syncs its log at every commit; a power cut leaves any beginning of what came after.
    #[test]
    fn a_log_cut_at_any_place_opens_with_what_was_committed_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        let log = dir.path().join("catalog.sqlite-wal");
        let rng = SeededRng::new(1);
        let catalog = SqliteCatalog::open(&path, &rng).unwrap();
        let length = || std::fs::metadata(&log).unwrap().len() as usize;
        let mut committed = vec![(length(), state(&catalog))];
        for n in 0..24 {
            change(&catalog, n);
            let length = length();
            committed.push((length, state(&catalog)));
        }
        let (database, log) = (std::fs::read(&path).unwrap(), std::fs::read(&log).unwrap());
        let first = committed[0].0;
        let (frame, header) = (4096 + 24, 32);
        let borders = (first..=log.len()).filter(|at| (at - header) % frame == 0);
        let cuts = borders.flat_map(|at| [at, at + 1, at + 24, at + 2000]);
        let mut checked = 0;
        for (at, cut) in cuts.filter(|cut| *cut <= log.len()).enumerate() {
            let path = dir.path().join(format!("image-{at}.sqlite"));
            std::fs::write(&path, &database).unwrap();
            std::fs::write(path.with_extension("sqlite-wal"), &log[..cut]).unwrap();
            let image = SqliteCatalog::open(&path, &rng).unwrap();
            let want = committed.iter().rev().find(|(length, _)| *length <= cut).unwrap();
            assert_eq!(state(&image), want.1, "cut at {cut}");
            checked += 1;
        }
        assert!(checked > 100, "{checked}");
    }
}

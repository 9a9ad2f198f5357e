//! `logdrive catalog rebuild`: which splits are published, when the catalog is lost? Reads every
//! object's own description; the server must not run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use index::catalog::rebuild::{Rebuilt, rebuild};
use index::catalog::sqlite::SqliteCatalog;
use index::read::cache::ReaderCache;
use index::read::chunks::ChunkCache;
use index::read::{Origin, Split, SplitMeta, SplitReader};
use index::split::split_of_key;
use model::id::{NodeId, Tenant};
use model::time::{TimeRange, Timestamp};
use platform::disk::RealDisk;
use platform::object_store::{self, ObjectInfo};
use platform::rng::SystemRng;

/// Make a lost catalog anew.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write a new catalog of the splits that lie in the object store
    Rebuild(Rebuild),
}

#[derive(Debug, clap::Args)]
struct Rebuild {
    /// Settings file of the server, for where objects lie
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data directory of the server
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave out objects that cannot be read, instead of stopping there
    #[arg(long)]
    skip_damaged: bool,
}

/// Rebuilds.
///
/// # Errors
/// There is a catalog already, the server runs, or an object cannot be read.
pub fn run(args: Args) -> Result<ExitCode> {
    let Action::Rebuild(args) = args.action;
    let mut settings = crate::server::load_settings(args.config.as_deref())?;
    if let Some(dir) = &args.data_dir {
        settings.server.data_dir.clone_from(dir);
    }
    let dir = settings.server.data_dir.clone();
    let _lock = crate::server::lock(&dir)?;
    let path = dir.join("catalog.sqlite");
    if path.exists() && !args.dry_run {
        bail!("there is a catalog: `{}`; move it (and its -wal and -shm) away", path.display());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (store, objects) = runtime.block_on(async {
        let store = object_store::open(&settings.store, &dir.join("objects")).await?;
        let objects = store.list("splits/").await?;
        Ok::<_, anyhow::Error>((store, objects))
    })?;
    let cache_dir = tempfile::tempdir_in(&dir).context("no directory for copies")?;
    let handle = runtime.handle().clone();
    let cache = ReaderCache::new(store, handle, NodeId(0), cache_dir.path(), &settings.index)?;
    let (splits, skipped) = open_all(&objects, &Arc::new(cache), args.skip_damaged)?;
    let log = ingest::wal::first_segment(&RealDisk, &dir.join("wal"))?;
    let mut rebuilt = rebuild(splits, log.map(|(first, _)| first))?;
    if rebuilt.splits.is_empty() {
        rebuilt.node =
            log.and_then(|(_, node)| node).context("neither splits nor a log are there")?;
    }
    report(&rebuilt, skipped)?;
    if !args.dry_run {
        write(&path, &rebuilt)?;
    }
    Ok(if skipped == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Opened = (SplitMeta, Arc<SplitReader>);

/// Opens every object; how many could not be read is the second part.
fn open_all(
    objects: &[ObjectInfo],
    cache: &Arc<ReaderCache>,
    skip_damaged: bool,
) -> Result<(Vec<Opened>, usize)> {
    let chunks = Arc::new(ChunkCache::new(16 << 20));
    let (mut out, mut skipped) = (Vec::new(), 0);
    for object in objects {
        let Some(id) = split_of_key(&object.key) else { continue };
        // All that is known before it is read.
        let meta = SplitMeta {
            id,
            tenant: Tenant::default(),
            time: TimeRange::ALL,
            bucket: Timestamp(0),
            docs: 0,
            raw_bytes: 0,
            object_bytes: object.bytes,
            tail_bytes: 0,
            indexes: Vec::new(),
            created: Timestamp(0),
            merges: 0,
            origin: Origin::default(),
            deletions: Vec::new(),
        };
        match Split::new(meta, cache.clone()).open_with(chunks.clone()) {
            Ok(reader) => out.push((reader.meta(), reader)),
            Err(error) if skip_damaged => {
                eprintln!("left out: {error}");
                skipped += 1;
            }
            Err(error) => {
                bail!("{error}; restore the object, or leave it out with --skip-damaged");
            }
        }
    }
    Ok((out, skipped))
}

fn report(rebuilt: &Rebuilt, skipped: usize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let docs: u64 = rebuilt.splits.iter().map(|meta| meta.docs).sum();
    writeln!(
        out,
        "{} splits with {docs} documents; the log is published up to frame {}",
        rebuilt.splits.len(),
        rebuilt.checkpoint.wal.0
    )?;
    for (split, why) in &rebuilt.garbage {
        writeln!(out, "not needed: {split}: {why}")?;
    }
    for split in &rebuilt.foreign {
        writeln!(out, "of another node, left where it is: {split}")?;
    }
    if skipped > 0 {
        writeln!(out, "{skipped} objects could not be read")?;
    }
    Ok(())
}

fn write(path: &Path, rebuilt: &Rebuilt) -> Result<()> {
    let garbage: Vec<_> = rebuilt.garbage.iter().map(|(split, _)| split.clone()).collect();
    let last = (rebuilt.checkpoint, garbage.as_slice());
    SqliteCatalog::restore(path, &SystemRng, rebuilt.node, &rebuilt.splits, last)
        .with_context(|| format!("cannot write the catalog `{}`", path.display()))?;
    Ok(())
}

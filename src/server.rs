//! How does a server start and stop? Settings, lock, recovery, threads, routes, and back.
//!
//! Start: lock the directory, open catalog and store, replay the log into the index, listen.
//! Stop: refuse new requests, finish those that run, publish what is live, end.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use config::Settings;
use index::catalog::Catalog;
use index::catalog::sqlite::SqliteCatalog;
use index::engine::{DeleteRequest, RecentDocument};
use index::read::{Deletion, Snapshot};
use ingest::{Ingest, KnownBatch, KnownDocument, Recovered};
use meta::{Labels, Registry};
use model::id::Tenant;
use model::live::Sequenced;
use platform::clock::{Clock, SystemClock};
use platform::disk::{DirLock, RealDisk};
use platform::object_store::{self, ObjectStore};
use platform::rng::SystemRng;
use query::api::delete::{Delete, DeleteError, Deleting, Tasks};
use query::api::{Api, NodeInfo, router as api_router};
use query::erase::Deletes;
use query::search::{Searcher, SnapshotSource};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

use crate::http::{self, Readiness};

/// `logdrive server`.
#[derive(clap::Args)]
pub struct Args {
    /// Settings file (TOML); without it the defaults hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the write-ahead log, the catalog and local objects lie
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

/// Runs a server until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps the server from starting, with the remedy.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = read_settings(&args)?;
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.server.log)
        .with_context(|| format!("server.log is `{}`", settings.server.log))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(serve(settings));
    // A search that ignores its cancellation must not hold the process.
    runtime.shutdown_timeout(Duration::from_secs(2));
    done.map(|()| ExitCode::SUCCESS)
}

/// The settings of a file, if there is one, and of the environment.
///
/// # Errors
/// The file cannot be read, or a setting is not good.
pub(crate) fn load_settings(path: Option<&Path>) -> anyhow::Result<Settings> {
    let text = match path {
        Some(path) => Some(
            std::fs::read_to_string(path)
                .with_context(|| format!("cannot read settings file `{}`", path.display()))?,
        ),
        None => None,
    };
    Ok(config::load(path.zip(text.as_deref()), &platform::settings::environment())?)
}

fn read_settings(args: &Args) -> anyhow::Result<Settings> {
    let mut settings = load_settings(args.config.as_deref())?;
    if let Some(dir) = &args.data_dir {
        settings.server.data_dir = dir.clone();
    }
    if let Some(listen) = args.listen {
        settings.server.listen = listen;
    }
    Ok(settings)
}

/// Takes the lock of the data directory, which is made if it is not there.
pub(crate) fn lock(dir: &Path) -> anyhow::Result<DirLock> {
    std::fs::create_dir_all(dir)
        .with_context(|| format!("cannot make the data directory `{}`", dir.display()))?;
    DirLock::take(dir).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => anyhow::anyhow!(
            "the data directory `{}` is in use by another server{}; stop it, or name another \
             directory with --data-dir",
            dir.display(),
            DirLock::holder(dir).map_or(String::new(), |pid| format!(" (process {pid})"))
        ),
        _ => anyhow::anyhow!("cannot lock the data directory `{}`: {error}", dir.display()),
    })
}

/// The running parts.
struct Parts {
    index: index::Index,
    ingest: Ingest,
    recovered: Recovered,
    store: Arc<dyn ObjectStore>,
    cluster_uuid: String,
    registry: Arc<Registry>,
}

async fn start_parts(settings: &Settings, dir: &Path) -> anyhow::Result<Parts> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = object_store::open(&settings.store, &dir.join("objects")).await?;
    let path = dir.join("catalog.sqlite");
    let catalog = SqliteCatalog::open(&path, &SystemRng)
        .with_context(|| format!("cannot open the catalog `{}`", path.display()))?;
    let (_, cluster_uuid) = catalog.identity()?;
    let catalog = Arc::new(catalog);
    let registry =
        Registry::open(catalog.clone(), settings.meta.clone(), clock.clone(), &cluster_uuid);
    let registry = Arc::new(registry.context("cannot read what clients set up")?);
    let mut index_settings = settings.index.clone();
    index_settings.retention.learned = Some(registry.clone());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let index = index::Index::open(
        index_settings,
        index::Environment {
            dir: dir.to_owned(),
            catalog,
            store: store.clone(),
            runtime: tokio::runtime::Handle::current(),
            clock: clock.clone(),
            rng: Arc::new(SystemRng),
            threads,
            batch_id_window_ms: settings.ingest.batch_id_window_s.saturating_mul(1000),
            deleted_rows: Arc::new(Deletes),
        },
    )?;
    // Before the replay: a log larger than the memory for live records must drain while it is read.
    index.start()?;
    let wal_dir = dir.join("wal");
    std::fs::create_dir_all(&wal_dir)
        .with_context(|| format!("cannot make `{}`", wal_dir.display()))?;
    let known = index.known_batches().iter();
    let environment = ingest::Environment {
        wal_dir,
        disk: Arc::new(RealDisk),
        clock,
        node: index.node(),
        sink: index.sink(),
        checkpoint: index.checkpoint().wal,
        next_record: index.checkpoint().next_record,
        published: index.published(),
        known_batches: known
            .map(|b| KnownBatch { id: b.id.clone(), accepted: b.accepted, at: b.at })
            .collect(),
        known_documents: Vec::new(),
    };
    let ingest_settings = settings.ingest.clone();
    let recent = index.clone();
    let started = tokio::task::spawn_blocking(move || {
        let known_documents = recent_documents(&recent, &ingest_settings);
        Ingest::start(ingest_settings, ingest::Environment { known_documents, ..environment })
    })
    .await?;
    let (ingest, recovered) = started?;
    registry.set_labels(Arc::new(IndexSource(index.clone())));
    ingest.set_names(registry.clone());
    Ok(Parts { index, ingest, recovered, store, cluster_uuid, registry })
}

/// The documents with an `_id` that were published in the window of known ids.
fn recent_documents(index: &index::Index, settings: &ingest::Settings) -> Vec<KnownDocument> {
    let window_ns = i64::try_from(settings.document_id_window_s).unwrap_or(i64::MAX);
    let window_ns = window_ns.saturating_mul(model::time::NS_PER_S);
    let since = model::time::Timestamp(SystemClock.now_ns().saturating_sub(window_ns));
    let mut known = Vec::new();
    let read = index.recent_documents(since, settings.document_ids_max, &mut |document| {
        let content = ingest::content_hash(document.source.as_bytes());
        let RecentDocument { index, id, at, .. } = document;
        known.push(KnownDocument { index, id, content, at });
    });
    if let Err(error) = read {
        // A document that is sent again may then be stored again.
        tracing::warn!(%error, "not all documents of the last run are known by their `_id`");
    }
    known
}

/// Deletes records, and lets them come again.
struct Deleter {
    index: index::Index,
    ingest: Ingest,
}

/// Lets queries see the index.
struct IndexSource(index::Index);

impl SnapshotSource for IndexSource {
    fn snapshot(&self, tenant: &Tenant) -> Snapshot {
        self.0.snapshot(tenant)
    }

    fn subscribe(&self) -> broadcast::Receiver<Sequenced> {
        self.0.subscribe()
    }
}

impl Deleting for Deleter {
    fn reserve(&self) -> u64 {
        self.index.reserve_deletion()
    }

    fn delete(&self, request: Delete) -> Result<Arc<Deletion>, DeleteError> {
        let Delete { id, tenant, indexes, query, at } = request;
        let names = indexes.clone();
        let request = DeleteRequest { id, tenant, indexes, query, at };
        let deleted = self.index.delete(request).map_err(|error| DeleteError {
            is_transient: !matches!(error, index::IndexError::Deletion { .. }),
            reason: error.to_string(),
        });
        self.ingest.forget_documents(&names);
        deleted
    }

    fn deletions(&self) -> Vec<Arc<Deletion>> {
        self.index.deletions()
    }
}

/// Lets names be told from one another: those of indexes that have records.
impl Labels for IndexSource {
    fn has(&self, index: &str) -> bool {
        let snapshot = self.0.snapshot(&Tenant::default());
        let published = snapshot.splits.iter().any(|split| {
            split.meta().indexes.iter().any(|(name, _)| name.as_str() == index)
                && !snapshot.is_index_deleted(split, index)
        });
        let mut live =
            snapshot.live.iter().flat_map(|l| l.batch.batch.indexes().iter().zip(&l.index_docs));
        published || live.any(|(name, docs)| *docs > 0 && name.as_str() == index)
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let dir = settings.server.data_dir.clone();
    let _lock = lock(&dir)?;
    let stop = stop_signal()?;
    let listen = settings.server.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; is another server there? choose with --listen")
    })?;
    let parts = start_parts(&settings, &dir).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let source = Arc::new(IndexSource(parts.index.clone()));
    let searcher = Searcher::new(source, settings.query.clone(), clock.clone());
    let api = Api {
        searcher,
        clock,
        settings: settings.query.api.clone(),
        cluster_uuid: parts.cluster_uuid.clone(),
        deletes: Arc::new(Deleter { index: parts.index.clone(), ingest: parts.ingest.clone() }),
        tasks: Tasks::default(),
        registry: parts.registry.clone(),
        known: Arc::default(),
        kept: Default::default(),
        fields: Arc::default(),
        node: Arc::new(NodeInfo {
            data_dir: dir.clone(),
            http_address: listener.local_addr()?.to_string(),
            started: model::time::Timestamp(SystemClock.now_ns()),
        }),
    };
    let readiness = Readiness::default();
    let routes = parts.ingest.router().merge(api_router(api));
    let app = http::router(routes, readiness.clone());
    print_banner(&settings, listener.local_addr()?, &parts);
    readiness.set(true);
    let (began, mut begun) = tokio::sync::watch::channel(false);
    let ingest = parts.ingest.clone();
    let graceful = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await;
        tracing::info!("stopping: no new requests");
        readiness.set(false);
        ingest.begin_shutdown();
        began.send_replace(true);
    });
    let deadline = async {
        // Fails only when the server is gone already.
        let _ = begun.wait_for(|begun| *begun).await;
        tokio::time::timeout(
            Duration::from_millis(settings.server.shutdown_ms),
            std::future::pending::<()>(),
        )
        .await
    };
    tokio::select! {
        served = graceful => served?,
        _ = deadline => tracing::warn!("some connections did not end in time"),
    }
    stop_parts(parts).await
}

async fn stop_parts(parts: Parts) -> anyhow::Result<()> {
    parts.ingest.stop().await;
    let index = parts.index.clone();
    tokio::task::spawn_blocking(move || index.stop()).await?;
    tracing::info!("stopped: all that was acknowledged is published");
    Ok(())
}

/// Completes at SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(term), Ok(int)) => (term, int),
            (Err(error), _) | (_, Err(error)) => bail!("cannot wait for signals: {error}"),
        };
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}

/// One screen: where it listens, where data lies, what was recovered.
fn print_banner(settings: &Settings, address: SocketAddr, parts: &Parts) {
    let recovered = &parts.recovered;
    let mut out = String::new();
    let _ = writeln!(out, "Logdrive {}", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(out, "  listens     http://{address}");
    let _ = writeln!(out, "  data        {}", settings.server.data_dir.display());
    let _ = writeln!(out, "  objects     {}", parts.store.describe());
    let _ = writeln!(out, "  published   {} splits", parts.index.split_count());
    let _ = writeln!(
        out,
        "  recovered   {} records in {} frames of the write-ahead log",
        recovered.records, recovered.frames
    );
    if recovered.cut_bytes > 0 {
        let cut = recovered.cut_bytes;
        let _ = writeln!(out, "  torn tail   {cut} bytes cut: they were never acknowledged");
    }
    for damage in &recovered.damaged {
        let _ = writeln!(out, "  DAMAGED     {damage}");
    }
    let _ = writeln!(out, "  try         logdrive search error --since 15m");
    eprint!("{out}");
}

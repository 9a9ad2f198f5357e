//! `logdrive split`: what is in a split's object, and is it whole? Works on a file and, by the
//! server's settings, on an object of the store; no server needs to run.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use index::split::{Encoding, Report, Role};
use platform::disk::Mapped;
use platform::object_store;

/// Look into a split's object, or check it.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print what the object holds: time, indexes, sections, fields
    Inspect(Object),
    /// Check every byte against its checksum; exit code 1 when anything is wrong
    Verify(Object),
}

#[derive(Debug, clap::Args)]
struct Object {
    /// A file, an object's key (splits/ID.split) or a split's id
    #[arg(value_name = "OBJECT")]
    name: String,
    /// Settings file of the server, for where objects lie
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data directory of the server, for where objects lie
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Inspects or verifies.
///
/// # Errors
/// The object cannot be had, or is no split.
pub fn run(args: Args) -> Result<ExitCode> {
    let (object, verify) = match &args.action {
        Action::Inspect(object) => (object, false),
        Action::Verify(object) => (object, true),
    };
    let bytes = read(object)?;
    let report = index::split::verify(&bytes)
        .map_err(|error| anyhow::anyhow!("`{}` is no sound split: {error}", object.name))?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if verify {
        write_verdict(&report, &mut out)?;
    } else {
        write_content(&report, &mut out)?;
    }
    out.flush()?;
    Ok(if verify && !report.faults.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

enum Bytes {
    File(Mapped),
    Object(bytes::Bytes),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::File(bytes) => bytes,
            Bytes::Object(bytes) => bytes,
        }
    }
}

fn read(object: &Object) -> Result<Bytes> {
    let path = Path::new(&object.name);
    if path.is_file() {
        let mapped = Mapped::open(path);
        return Ok(Bytes::File(mapped.with_context(|| format!("cannot read `{}`", object.name))?));
    }
    let key = match object.name.contains('/') {
        true => object.name.clone(),
        false => index::split::object_key(&model::id::SplitId::new(object.name.as_str())),
    };
    let mut settings = crate::server::load_settings(object.config.as_deref())?;
    if let Some(dir) = &object.data_dir {
        settings.server.data_dir.clone_from(dir);
    }
    let default_dir = settings.server.data_dir.join("objects");
    let local = settings.store.kind == object_store::Kind::Local;
    if local && settings.store.dir.as_os_str().is_empty() && !default_dir.is_dir() {
        anyhow::bail!(
            "`{}` is no file, and there are no objects in `{}`; name the server's --data-dir or \
             --config",
            object.name,
            default_dir.display()
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = object_store::open(&settings.store, &default_dir).await?;
        let bytes = store.get(&key, None).await;
        let bytes = bytes.with_context(|| format!("no object in {}", store.describe()))?;
        Ok(Bytes::Object(bytes))
    })
}

fn write_verdict(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let footer = &report.footer;
    let checked = footer.places().len();
    if report.faults.is_empty() {
        return writeln!(
            out,
            "sound: split {}, {} documents, {} bytes, {checked} checksums and that of the footer",
            footer.meta.id, footer.meta.docs, report.object_bytes
        );
    }
    for fault in &report.faults {
        writeln!(out, "{fault}")?;
    }
    writeln!(
        out,
        "DAMAGED: split {}, {} faults in {} bytes",
        footer.meta.id,
        report.faults.len(),
        report.object_bytes
    )
}

fn write_content(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let footer = &report.footer;
    let meta = &footer.meta;
    writeln!(out, "split       {}", meta.id)?;
    writeln!(out, "tenant      {}", meta.tenant)?;
    writeln!(out, "time        {} to {}", meta.time.from, meta.time.to)?;
    writeln!(out, "bucket      {}", meta.bucket)?;
    writeln!(out, "made        {}, {} merges before", meta.created, meta.merges)?;
    writeln!(out, "documents   {}", meta.docs)?;
    let share = report.object_bytes as f64 / meta.raw_bytes.max(1) as f64;
    writeln!(
        out,
        "bytes       {} of {} as they came in ({share:.3})",
        report.object_bytes, meta.raw_bytes
    )?;
    for (index, docs) in &meta.indexes {
        writeln!(out, "index       {index}: {docs} documents")?;
    }
    writeln!(out, "tail        {} bytes", report.tail_bytes)?;
    writeln!(out, "groups      {} of {} rows", footer.groups.len(), footer.group_rows)?;
    writeln!(out, "\n{:>12}  part", "bytes")?;
    for (name, bytes) in parts(report) {
        writeln!(out, "{bytes:>12}  {name}")?;
    }
    writeln!(out, "\n{:>12} {:>9}  column", "values", "distinct")?;
    for column in &footer.columns {
        let name = match column.role {
            Role::Value => column.path.clone(),
            Role::Literal => format!("{} (literals)", column.path),
            Role::Index => "_index".to_owned(),
            Role::Id => "_id".to_owned(),
        };
        let (distinct, form) = match column.encoding {
            Encoding::Int => (None, "whole numbers"),
            Encoding::Float => (None, "numbers"),
            Encoding::Bool => (None, "booleans"),
            Encoding::Dict => (Some(column.terms), "dictionary"),
            Encoding::Derived => (Some(column.terms), "follows another column"),
            Encoding::Text => (Some(column.terms), "templates"),
            Encoding::Hex => (None, "hexadecimal digits"),
        };
        let distinct = distinct.map_or_else(String::new, |n| n.to_string());
        writeln!(out, "{:>12} {distinct:>9}  {name}: {form}", column.values)?;
    }
    if !report.faults.is_empty() {
        writeln!(out, "\nDAMAGED: {} faults; see `logdrive split verify`", report.faults.len())?;
    }
    Ok(())
}

/// Bytes of each kind of part, over all groups.
fn parts(report: &Report) -> Vec<(String, u64)> {
    let mut out: Vec<(String, u64)> = Vec::new();
    for (name, place) in report.footer.places() {
        let name = match name.split_once(": ") {
            Some((group, part)) if group.starts_with("group ") => part.to_owned(),
            _ => name,
        };
        match out.iter_mut().find(|(other, _)| *other == name) {
            Some((_, bytes)) => *bytes += u64::from(place.bytes),
            None => out.push((name, u64::from(place.bytes))),
        }
    }
    out.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    out
}

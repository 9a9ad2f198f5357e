//! How do the measured figures stand beside the targets? One markdown table.

use std::fmt::Write as _;

/// Rows as they are measured.
pub(super) struct Report {
    docs: u64,
    raw_bytes: u64,
    rows: Vec<Row>,
}

struct Row {
    figure: String,
    measured: String,
    target: &'static str,
}

/// 1 MB, as in the targets.
pub(super) const MB: f64 = 1e6;

impl Report {
    pub(super) fn new(docs: u64, raw_bytes: u64) -> Self {
        Self { docs, raw_bytes, rows: Vec::new() }
    }

    pub(super) fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    pub(super) fn row(&mut self, figure: &str, measured: String, target: &'static str) {
        eprintln!("{figure}: {measured} (target {target})");
        self.rows.push(Row { figure: figure.to_owned(), measured, target });
    }

    pub(super) fn rows_of_memory(&mut self, peak_bytes: u64, own_bytes: u64) {
        let measured = format!("{:.0}", peak_bytes as f64 / MB);
        self.row("peak resident memory, MB, ingest and searches", measured, "≤ 400");
        let own = format!("{:.0}", own_bytes as f64 / MB);
        self.row("own memory after the searches, without mapped splits, MB", own, "–");
    }

    /// The whole table.
    pub(super) fn table(&self) -> String {
        let mut out = format!(
            "`cargo xtask bench --docs {}`: {:.0} MB of documents, {}\n\n\
             | figure | measured | target |\n|---|---|---|\n",
            self.docs,
            self.raw_bytes as f64 / MB,
            machine()
        );
        for Row { figure, measured, target } in &self.rows {
            let _ = writeln!(out, "| {figure} | {measured} | {target} |");
        }
        out
    }
}

/// The machine, as far as it tells.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |m| m.trim_start_matches(['\t', ' ', ':']));
    format!("{cores} cores of {model}")
}

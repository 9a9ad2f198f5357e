//! In what order do the rows of several splits come? By time, then by record number, as runs.

use std::ops::Range;
use std::sync::Arc;

use crate::read::{ReadError, SplitReader};

/// Rows that follow each other in one group of one input.
#[derive(Clone, Debug)]
pub(crate) struct RowRun {
    /// Which input.
    pub(crate) input: usize,
    /// Which group of it.
    pub(crate) group: u32,
    /// Rows, counted from the group's first.
    pub(crate) rows: Range<u32>,
}

/// The rows of one group of the merged split.
#[derive(Debug, Default)]
pub(crate) struct MergedGroup {
    pub(crate) times: Vec<i64>,
    pub(crate) seqs: Vec<i64>,
    pub(crate) runs: Vec<RowRun>,
}

impl MergedGroup {
    /// The merged shape of each row.
    pub(crate) fn shapes(
        &self,
        readers: &[Arc<SplitReader>],
        maps: &[Vec<u32>],
    ) -> Result<Vec<u32>, ReadError> {
        let mut out = Vec::with_capacity(self.times.len());
        for run in &self.runs {
            let shapes = readers[run.input].core().row_shapes(run.group)?;
            let map = &maps[run.input];
            let rows = run.rows.start as usize..run.rows.end as usize;
            shapes.for_each(rows, |_, shape| out.push(map[shape as usize]));
        }
        Ok(out)
    }
}

/// One input being read from its first row to its last.
struct Cursor {
    reader: Arc<SplitReader>,
    group: u32,
    row: usize,
    times: Arc<Vec<i64>>,
    seqs: Arc<Vec<i64>>,
}

impl Cursor {
    fn key(&self) -> Option<(i64, i64)> {
        Some((*self.times.get(self.row)?, *self.seqs.get(self.row)?))
    }

    fn load(&mut self) -> Result<(), ReadError> {
        self.row = 0;
        if self.group < self.reader.core().groups() {
            self.times = self.reader.core().times(self.group)?;
            self.seqs = self.reader.core().seqs(self.group)?;
        } else {
            (self.times, self.seqs) = (Arc::default(), Arc::default());
        }
        Ok(())
    }
}

/// The rows of all inputs.
pub(crate) struct Rows {
    cursors: Vec<Cursor>,
    group_rows: usize,
}

impl Rows {
    /// From the first rows on.
    pub(crate) fn of(readers: &[Arc<SplitReader>], group_rows: usize) -> Result<Self, ReadError> {
        let mut cursors = Vec::with_capacity(readers.len());
        for reader in readers {
            let mut cursor = Cursor {
                reader: reader.clone(),
                group: 0,
                row: 0,
                times: Arc::default(),
                seqs: Arc::default(),
            };
            cursor.load()?;
            cursors.push(cursor);
        }
        Ok(Self { cursors, group_rows })
    }

    /// The next group of rows; `None` after the last.
    pub(crate) fn next_group(&mut self) -> Result<Option<MergedGroup>, ReadError> {
        let mut out = MergedGroup::default();
        while out.times.len() < self.group_rows {
            let keys = self.cursors.iter().enumerate().filter_map(|(at, c)| Some((c.key()?, at)));
            let Some((_, input)) = keys.min() else { break };
            let others = self.cursors.iter().enumerate().filter(|(at, _)| *at != input);
            let limit = others.filter_map(|(_, c)| c.key()).min();
            let cursor = &mut self.cursors[input];
            let from = cursor.row;
            let room = self.group_rows - out.times.len();
            let most = cursor.times.len().min(from + room);
            cursor.row += 1;
            while cursor.row < most
                && limit.is_none_or(|l| (cursor.times[cursor.row], cursor.seqs[cursor.row]) < l)
            {
                cursor.row += 1;
            }
            let rows = from..cursor.row;
            out.times.extend_from_slice(&cursor.times[rows.clone()]);
            out.seqs.extend_from_slice(&cursor.seqs[rows.clone()]);
            let rows = rows.start as u32..rows.end as u32;
            out.runs.push(RowRun { input, group: cursor.group, rows });
            if cursor.row == cursor.times.len() {
                cursor.group += 1;
                cursor.load()?;
            }
        }
        Ok((!out.times.is_empty()).then_some(out))
    }
}

//! In what form is each column kept? Chosen once all rows are there.

use super::{Column, Data, Role};
use crate::split::write::Chunk;
use crate::split::{ColumnInfo, Encoding};

use super::strings::FinalStrings;

/// The most strings of a column that another one can follow.
const LEADER_TERMS_MAX: usize = 1 << 16;

/// A column in its final form.
pub(crate) struct FinalColumn {
    info: ColumnInfo,
    data: FinalData,
    cuts: Vec<usize>,
}

enum FinalData {
    Bools(Vec<bool>),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Strings(FinalStrings),
}

impl FinalColumn {
    /// Chooses the form of a column.
    pub(crate) fn of(column: Column) -> Self {
        let values = column.data.len() as u64;
        let (data, encoding, terms) = match column.data {
            Data::Bools(list) => (FinalData::Bools(list), Encoding::Bool, 0),
            Data::Ints(list) => (FinalData::Ints(list), Encoding::Int, 0),
            Data::Floats(list) => (FinalData::Floats(list), Encoding::Float, 0),
            Data::Strings(strings) => {
                let strings = strings.finish(column.role == Role::Index);
                let (encoding, terms) = strings.encoding();
                (FinalData::Strings(strings), encoding, terms)
            }
        };
        Self {
            info: ColumnInfo {
                path: column.path.to_string(),
                role: column.role,
                encoding,
                values,
                terms,
                leader: None,
                dictionary: None,
            },
            data,
            cuts: column.cuts,
        }
    }

    /// The values of a group.
    pub(crate) fn chunk(&self, group: usize) -> Chunk<'_> {
        let len = match &self.data {
            FinalData::Bools(list) => list.len(),
            FinalData::Ints(list) => list.len(),
            FinalData::Floats(list) => list.len(),
            FinalData::Strings(_) => self.info.values as usize,
        };
        let run = self.cuts[group]..self.cuts.get(group + 1).copied().unwrap_or(len);
        if run.is_empty() {
            return Chunk::None;
        }
        match &self.data {
            FinalData::Bools(list) => Chunk::Bools(&list[run]),
            FinalData::Ints(list) => Chunk::Ints(&list[run]),
            FinalData::Floats(list) => Chunk::Floats(&list[run]),
            FinalData::Strings(FinalStrings::Dict { .. }) if self.info.leader.is_some() => {
                Chunk::None
            }
            FinalData::Strings(FinalStrings::Dict { terms: 1, .. }) => Chunk::None,
            FinalData::Strings(FinalStrings::Dict { ords, .. }) => Chunk::Ords(&ords[run]),
            FinalData::Strings(FinalStrings::Text { list, data, .. }) => {
                Chunk::Texts(data, run, list)
            }
            FinalData::Strings(FinalStrings::Hex { digits, bytes }) => {
                let width = *digits as usize / 2;
                Chunk::Hex(&bytes[run.start * width..run.end * width], width)
            }
        }
    }

    /// What the footer says of it, and its dictionary.
    pub(crate) fn info(self) -> (ColumnInfo, Option<Vec<u8>>) {
        let dictionary = match self.data {
            FinalData::Strings(FinalStrings::Dict { bytes, .. }) => Some(bytes),
            FinalData::Strings(FinalStrings::Text { bytes, .. }) => Some(bytes),
            _ => None,
        };
        (self.info, dictionary)
    }

    fn ords(&self) -> Option<(&[u32], usize)> {
        match &self.data {
            FinalData::Strings(FinalStrings::Dict { ords, terms, .. }) => {
                Some((ords, *terms as usize))
            }
            _ => None,
        }
    }

    /// Makes it follow another column.
    fn follow(&mut self, leader: u32, map: &[u32]) {
        if let FinalData::Strings(FinalStrings::Dict { bytes, ords, .. }) = &mut self.data {
            self.info.encoding = Encoding::Derived;
            self.info.leader = Some(leader);
            map.iter().for_each(|ord| bytes.extend_from_slice(&ord.to_le_bytes()));
            *ords = Vec::new();
        }
    }
}

/// Finds columns whose string is always the same for the same string of another one; `counts` are
/// the values of each shape, by column.
pub(crate) fn derive(columns: &mut [FinalColumn], counts: &[Vec<u32>]) {
    let mut leaders: Vec<(usize, usize)> = columns
        .iter()
        .enumerate()
        .filter_map(|(at, c)| Some((c.ords()?.1, at)))
        .filter(|(terms, at)| {
            // A map must be shorter than the ordinals that it saves.
            *terms > 1
                && *terms <= LEADER_TERMS_MAX
                && *terms as u64 * 8 <= columns[*at].info.values
        })
        .collect();
    leaders.sort_by(|a, b| b.cmp(a));
    for (position, (_, leader)) in leaders.iter().enumerate() {
        if columns[*leader].info.leader.is_some() {
            continue;
        }
        for (_, follower) in &leaders[position + 1..] {
            let together = counts[*leader] == counts[*follower]
                && counts[*leader].iter().all(|count| *count <= 1);
            if !together || columns[*follower].info.leader.is_some() {
                continue;
            }
            if let Some(map) = mapping(&columns[*leader], &columns[*follower]) {
                columns[*follower].follow(*leader as u32, &map);
            }
        }
    }
}

/// The follower's ordinal for each of the leader's, if there is only one.
fn mapping(leader: &FinalColumn, follower: &FinalColumn) -> Option<Vec<u32>> {
    let ((leads, terms), (follows, _)) = (leader.ords()?, follower.ords()?);
    let mut map = vec![u32::MAX; terms];
    for (lead, follow) in leads.iter().zip(follows) {
        let slot = &mut map[*lead as usize];
        if *slot == u32::MAX {
            *slot = *follow;
        } else if slot != follow {
            return None;
        }
    }
    Some(map)
}

//! How do the columns of several splits become one's? By path, role and type; values are taken
//! over run by run.

use std::sync::Arc;

use hashbrown::HashMap;

use super::rows::RowRun;
use super::strings::MergedStrings;
use crate::read::chunks::Decoded;
use crate::read::positions::Positions;
use crate::read::{ReadError, SplitReader};
use crate::split::write::Chunk;
use crate::split::{ColumnInfo, Encoding, Role, Type};

/// The column of indexes is the first.
pub(crate) const INDEX_COLUMN: u32 = 0;

/// A column of the merged split.
struct Merged {
    info: ColumnInfo,
    /// The column of each input, where it has one.
    inputs: Vec<Option<u32>>,
    data: Data,
}

enum Data {
    Bools(Vec<bool>),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Strings(MergedStrings),
}

/// The columns of the merged split.
pub(crate) struct Columns {
    list: Vec<Merged>,
    /// For each input the merged number of each column.
    maps: Vec<Vec<u32>>,
}

impl Columns {
    /// Joins columns, dictionaries and templates.
    pub(crate) fn of(readers: &[Arc<SplitReader>]) -> Result<Self, ReadError> {
        let mut ids: HashMap<(&str, Role, Type), u32> = HashMap::new();
        ids.insert(("", Role::Index, Type::Str), INDEX_COLUMN);
        let mut list = vec![(
            ColumnInfo {
                path: String::new(),
                role: Role::Index,
                encoding: Encoding::Dict,
                values: 0,
                terms: 0,
                leader: None,
                dictionary: None,
            },
            vec![None; readers.len()],
        )];
        let mut maps = Vec::with_capacity(readers.len());
        for (input, reader) in readers.iter().enumerate() {
            let mut map = Vec::new();
            for (number, info) in reader.footer().columns.iter().enumerate() {
                let key = (info.path.as_str(), info.role, Type::of_encoding(info.encoding));
                let id = *ids.entry(key).or_insert_with(|| {
                    let fresh =
                        ColumnInfo { values: 0, leader: None, dictionary: None, ..info.clone() };
                    list.push((fresh, vec![None; readers.len()]));
                    list.len() as u32 - 1
                });
                let (merged, inputs) = &mut list[id as usize];
                merged.values += info.values;
                inputs[input] = Some(number as u32);
                map.push(id);
            }
            maps.push(map);
        }
        let join = |(mut info, inputs): (ColumnInfo, Vec<Option<u32>>)| {
            let data = match Type::of_encoding(info.encoding) {
                Type::Bool => Data::Bools(Vec::new()),
                Type::Int => Data::Ints(Vec::new()),
                Type::Float => Data::Floats(Vec::new()),
                Type::Str => {
                    let strings = MergedStrings::join(readers, &inputs, &info)?;
                    (info.encoding, info.terms) = strings.encoding();
                    Data::Strings(strings)
                }
            };
            Ok(Merged { info, inputs, data })
        };
        let list = list.into_iter().map(join).collect::<Result<_, ReadError>>()?;
        Ok(Self { list, maps })
    }

    /// For each input the merged number of each column.
    pub(crate) fn maps(&self) -> &[Vec<u32>] {
        &self.maps
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Keeps columns derived that are so in every input, from the same column, without
    /// contradiction; `counts` are the values of each shape by column.
    pub(crate) fn derive(
        &mut self,
        readers: &[Arc<SplitReader>],
        counts: &[Vec<u32>],
    ) -> Result<(), ReadError> {
        for follower in 0..self.list.len() {
            let leaders = readers.iter().enumerate().filter_map(|(input, reader)| {
                let own = self.list[follower].inputs[input]?;
                let leader = reader.footer().columns[own as usize].leader?;
                Some(self.maps[input][leader as usize])
            });
            let Some(leader) = leaders.min() else { continue };
            let together = counts[follower] == counts[leader as usize];
            if !together || self.list[leader as usize].info.encoding != Encoding::Dict {
                continue;
            }
            if let Some(map) = self.mapping(readers, follower, leader as usize)? {
                let merged = &mut self.list[follower];
                if let Data::Strings(strings) = &mut merged.data {
                    strings.follow(&map);
                    merged.info.encoding = Encoding::Derived;
                    merged.info.leader = Some(leader);
                }
            }
        }
        Ok(())
    }

    fn mapping(
        &self,
        readers: &[Arc<SplitReader>],
        follower: usize,
        leader: usize,
    ) -> Result<Option<Vec<u32>>, ReadError> {
        let (Data::Strings(follows), Data::Strings(leads)) =
            (&self.list[follower].data, &self.list[leader].data)
        else {
            return Ok(None);
        };
        if self.list[follower].info.encoding != Encoding::Dict {
            return Ok(None);
        }
        let mut map = vec![u32::MAX; leads.terms()];
        for (input, reader) in readers.iter().enumerate() {
            let pair = (self.list[follower].inputs[input], self.list[leader].inputs[input]);
            let (own, lead) = match pair {
                (Some(own), Some(lead)) => (own, lead),
                (None, None) => continue,
                _ => return Ok(None),
            };
            let info = &reader.footer().columns[own as usize];
            let terms = reader.footer().columns[lead as usize].terms as usize;
            let of = match info.leader {
                Some(other) if other == lead => reader.core().derivation(own)?,
                None if info.terms == 1 => vec![0; terms],
                _ => return Ok(None),
            };
            for (ord, follow) in of.iter().enumerate() {
                let slot = &mut map[leads.ord(input, ord as u32) as usize];
                let follow = match *follow {
                    u32::MAX => continue,
                    follow => follows.ord(input, follow),
                };
                if *slot == u32::MAX {
                    *slot = follow;
                } else if *slot != follow {
                    return Ok(None);
                }
            }
        }
        Ok(Some(map))
    }

    /// Takes over the values of a group's rows.
    pub(crate) fn load(
        &mut self,
        readers: &[Arc<SplitReader>],
        runs: &[RowRun],
    ) -> Result<(), ReadError> {
        for column in &mut self.list {
            column.clear();
            if column.info.encoding != Encoding::Derived {
                column.load(readers, runs)?;
            }
        }
        Ok(())
    }

    /// The values that were taken over, by column.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        self.list.iter().map(|column| match &column.data {
            Data::Bools(list) if list.is_empty() => Chunk::None,
            Data::Ints(list) if list.is_empty() => Chunk::None,
            Data::Floats(list) if list.is_empty() => Chunk::None,
            Data::Bools(list) => Chunk::Bools(list),
            Data::Ints(list) => Chunk::Ints(list),
            Data::Floats(list) => Chunk::Floats(list),
            Data::Strings(strings) => strings.chunk(),
        })
    }

    /// What the footer says of the columns, with their dictionaries.
    pub(crate) fn finish(self) -> Vec<(ColumnInfo, Option<Vec<u8>>)> {
        let finish = |column: Merged| match column.data {
            Data::Strings(strings) => (column.info, strings.finish()),
            _ => (column.info, None),
        };
        self.list.into_iter().map(finish).collect()
    }
}

/// Values of a column in a group of an input, and where those of each row begin.
type Opened = (Decoded, Option<Arc<Positions>>);

impl Merged {
    fn clear(&mut self) {
        match &mut self.data {
            Data::Bools(list) => list.clear(),
            Data::Ints(list) => list.clear(),
            Data::Floats(list) => list.clear(),
            Data::Strings(strings) => strings.clear(),
        }
    }

    fn load(&mut self, readers: &[Arc<SplitReader>], runs: &[RowRun]) -> Result<(), ReadError> {
        // Runs of one group follow each other: what was opened last is mostly asked for again.
        let mut open: HashMap<(usize, u32), Opened> = HashMap::new();
        for run in runs {
            let Some(column) = self.inputs[run.input] else { continue };
            let core = readers[run.input].core();
            let entry = match open.entry((run.input, run.group)) {
                hashbrown::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                hashbrown::hash_map::Entry::Vacant(entry) => entry
                    .insert((core.values(column, run.group)?, core.positions(column, run.group)?)),
            };
            let (values, positions) = (&entry.0, &entry.1);
            let (from, to) = (run.rows.start as usize, run.rows.end as usize);
            let run_of = match positions {
                None => from..to,
                Some(positions) => positions.before(from as u32)..positions.before(to as u32),
            };
            if run_of.is_empty() {
                continue;
            }
            match (&mut self.data, values) {
                (Data::Bools(out), Decoded::Bools(list)) => out.extend_from_slice(&list[run_of]),
                (Data::Ints(out), Decoded::Ints(list)) => out.extend_from_slice(&list[run_of]),
                (Data::Floats(out), Decoded::Floats(list)) => out.extend_from_slice(&list[run_of]),
                (Data::Strings(strings), values) => {
                    strings.take((run.input, column), core, values, run_of)?;
                }
                _ => return Err(core.bad("a column is of another kind")),
            }
        }
        Ok(())
    }
}

//! Which values of a group have which template?

use std::ops::Range;

use crate::split::codec::Ords;

/// Positions by template: which values have each, in order.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Template, and where its positions begin in the order; rising.
    pub(super) present: Vec<(u32, u32)>,
    count: usize,
}

/// Values sorted by template, and the rank of each among those of its template.
#[derive(Debug)]
pub(crate) struct Order {
    pub(super) order: Vec<u32>,
    pub(super) ranks: Vec<u32>,
}

impl Groups {
    /// As [`Groups::of`].
    pub(super) fn of_ords(ids: &Ords) -> Self {
        match ids {
            Ords::Narrow(list) => Self::of(list.iter().map(|id| u32::from(*id)), list.len()),
            Ords::Middle(list) => Self::of(list.iter().map(|id| u32::from(*id)), list.len()),
            Ords::Wide(list) => Self::of(list.iter().copied(), list.len()),
        }
    }

    /// As [`Groups::order`].
    pub(super) fn order_of(&self, ids: &Ords) -> Order {
        match ids {
            Ords::Narrow(list) => self.order(list.iter().map(|id| u32::from(*id))),
            Ords::Middle(list) => self.order(list.iter().map(|id| u32::from(*id))),
            Ords::Wide(list) => self.order(list.iter().copied()),
        }
    }

    pub(super) fn of(ids: impl Iterator<Item = u32> + Clone, count: usize) -> Self {
        let limit = ids.clone().max().map_or(0, |m| m as usize + 1);
        let mut counts = vec![0u32; limit];
        ids.for_each(|id| counts[id as usize] += 1);
        let (mut present, mut sum) = (Vec::new(), 0);
        for (id, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            present.push((id as u32, sum));
            sum += count;
        }
        Self { present, count }
    }

    pub(super) fn order(&self, ids: impl Iterator<Item = u32>) -> Order {
        let limit = self.present.last().map_or(0, |p| p.0 as usize + 1);
        let mut next = vec![(0u32, 0u32); limit];
        self.present.iter().for_each(|(id, from)| next[*id as usize] = (*from, *from));
        let mut out = Order { order: vec![0; self.count], ranks: Vec::with_capacity(self.count) };
        for (at, id) in ids.enumerate() {
            let (from, place) = &mut next[id as usize];
            out.order[*place as usize] = at as u32;
            out.ranks.push(*place - *from);
            *place += 1;
        }
        out
    }

    pub(super) fn run(&self, at: usize) -> Range<usize> {
        let to = self.present.get(at + 1).map_or(self.count, |p| p.1 as usize);
        self.present[at].1 as usize..to
    }

    pub(super) fn find(&self, template: u32) -> Option<Range<usize>> {
        let at = self.present.binary_search_by_key(&template, |p| p.0).ok()?;
        Some(self.run(at))
    }
}

impl Order {
    /// Bytes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        8 * self.order.len()
    }
}

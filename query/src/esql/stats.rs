//! What do the rows of a group make? Aggregates that merge in any order, in charged memory.
//!
//! Knows pages of cells, not where they come from.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::{DefaultHashBuilder, HashSet, HashTable};

use super::eval::Page;
use super::plan::{AggKind, Aggregate, Grouping};
use super::value::{Cell, Type};
use crate::aggregate::cardinality::{Distinct, hash};
use crate::aggregate::percentiles::Sketch;
use crate::aggregate::stats::{Stats, Sum};
use crate::leaf::{LeafError, Run};

/// A cell as a key: equal when the order says so.
#[derive(Clone, Debug)]
struct KeyCell(Cell);

impl PartialEq for KeyCell {
    fn eq(&self, other: &Self) -> bool {
        self.0.order(&other.0).is_eq()
    }
}

impl Eq for KeyCell {}

impl Hash for KeyCell {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_cell(&self.0, state);
    }
}

fn hash_cell<H: Hasher>(cell: &Cell, state: &mut H) {
    match cell {
        Cell::Null => state.write_u8(0),
        Cell::Bool(v) => state.write_u8(1 + u8::from(*v)),
        Cell::Int(v) => state.write_i64(*v),
        Cell::Double(v) => state.write_u64((v + 0.0).to_bits()),
        Cell::Text(text) => text.hash(state),
        Cell::Ip(bytes) => bytes.hash(state),
        Cell::Period(months, days) => (months, days).hash(state),
        Cell::Multi(list) => list.iter().for_each(|c| hash_cell(c, state)),
    }
}

/// A hash that is the same everywhere, for counting distinct values.
fn fixed_hash(cell: &Cell) -> u64 {
    match cell {
        Cell::Text(text) => hash(b's', text.as_bytes()),
        Cell::Int(v) => hash(b'i', &v.to_le_bytes()),
        Cell::Double(v) => hash(b'd', &(v + 0.0).to_bits().to_le_bytes()),
        Cell::Bool(v) => hash(b'b', &[u8::from(*v)]),
        Cell::Ip(bytes) => hash(b'a', bytes),
        _ => 0,
    }
}

/// What is known of one aggregate of one group.
#[derive(Clone, Debug)]
enum State {
    Count(u64),
    Distinct(Distinct),
    /// Whole numbers, exactly, and how many.
    Whole(i128, u64),
    Stats(Stats),
    Extreme(Option<Cell>),
    Sketch(Sketch),
    Values(HashSet<KeyCell>),
    Top(Vec<Cell>),
    Weighted(Sum, Sum),
    /// The value with the key that it has.
    First(Option<(Cell, Cell)>),
}

impl State {
    fn new(agg: &Aggregate) -> Self {
        match &agg.kind {
            AggKind::Count => State::Count(0),
            AggKind::Distinct => State::Distinct(Distinct::default()),
            AggKind::Sum if agg.output != Type::Double => State::Whole(0, 0),
            AggKind::Sum | AggKind::Avg | AggKind::StdDev | AggKind::Property(_) => {
                State::Stats(Stats::default())
            }
            AggKind::Min | AggKind::Max => State::Extreme(None),
            AggKind::Percentile(_) | AggKind::MedianDeviation => State::Sketch(Sketch::default()),
            AggKind::Values => State::Values(HashSet::new()),
            AggKind::Top(..) => State::Top(Vec::new()),
            AggKind::WeightedAvg => State::Weighted(Sum::default(), Sum::default()),
            AggKind::First(_) => State::First(None),
        }
    }

    /// Takes one value; tells how many bytes of memory it took.
    fn add(&mut self, agg: &Aggregate, value: &Cell) -> usize {
        match self {
            State::Count(count) => *count += 1,
            State::Distinct(distinct) => return distinct.add(fixed_hash(value)),
            State::Whole(sum, count) => {
                *sum = sum.saturating_add(i128::from(value.as_int().unwrap_or(0)));
                *count += 1;
            }
            State::Stats(stats) => {
                if let Some(v) = value.as_double() {
                    stats.add(v);
                }
            }
            State::Extreme(best) => {
                let better = match best {
                    None => true,
                    Some(best) if agg.kind == AggKind::Min => value.order(best).is_lt(),
                    Some(best) => value.order(best).is_gt(),
                };
                if better {
                    *best = Some(value.clone());
                    return value.heap_bytes();
                }
            }
            State::Sketch(sketch) => {
                if let Some(v) = value.as_double() {
                    return sketch.add(v);
                }
            }
            State::Values(set) => {
                let key = KeyCell(value.clone());
                if set.insert(key) {
                    return value.heap_bytes() + 2 * size_of::<Cell>();
                }
            }
            State::Top(list) => {
                if let AggKind::Top(limit, descending) = agg.kind {
                    return add_top(list, value, limit, descending);
                }
            }
            State::Weighted(..) | State::First(_) => {}
        }
        0
    }

    /// Takes a value with a second one.
    fn add_pair(&mut self, agg: &Aggregate, value: &Cell, second: &Cell) {
        match self {
            State::Weighted(sum, weights) => {
                if let (Some(v), Some(weight)) = (value.as_double(), second.as_double()) {
                    sum.add(v * weight);
                    weights.add(weight);
                }
            }
            State::First(best) => {
                if value.is_null() || second.is_null() {
                    return;
                }
                take_first(best, agg, (value.clone(), second.clone()));
            }
            _ => {}
        }
    }

    fn merge(&mut self, agg: &Aggregate, other: State) {
        match (self, other) {
            (State::Count(a), State::Count(b)) => *a += b,
            (State::Distinct(a), State::Distinct(b)) => a.merge(b),
            (State::Whole(a, n), State::Whole(b, m)) => {
                *a = a.saturating_add(b);
                *n += m;
            }
            (State::Stats(a), State::Stats(b)) => a.merge(&b),
            (this @ State::Extreme(_), State::Extreme(Some(b))) => {
                this.add(agg, &b);
            }
            (State::Sketch(a), State::Sketch(b)) => a.merge(b),
            (State::Values(a), State::Values(b)) => a.extend(b),
            (State::Top(a), State::Top(b)) => {
                if let AggKind::Top(limit, descending) = agg.kind {
                    b.iter().for_each(|v| {
                        add_top(a, v, limit, descending);
                    });
                }
            }
            (State::Weighted(a, w), State::Weighted(b, x)) => {
                a.merge(&b);
                w.merge(&x);
            }
            (State::First(a), State::First(Some(b))) => take_first(a, agg, b),
            _ => {}
        }
    }

    fn finish(self, agg: &Aggregate) -> Cell {
        let number = |v: Option<f64>| match v {
            Some(v) if v.is_finite() => Cell::Double(v),
            _ => Cell::Null,
        };
        match self {
            State::Count(count) => Cell::Int(count as i64),
            State::Distinct(mut distinct) => {
                distinct.settle();
                Cell::Int(distinct.count() as i64)
            }
            State::Whole(_, 0) => Cell::Null,
            State::Whole(sum, _) => i64::try_from(sum).map_or(Cell::Null, Cell::Int),
            State::Stats(stats) if stats.count == 0 => Cell::Null,
            State::Stats(stats) => number(stats.property(match &agg.kind {
                AggKind::Sum => "sum",
                AggKind::Avg => "avg",
                AggKind::Property(name) => name,
                _ => "std_deviation_population",
            })),
            State::Extreme(best) => best.unwrap_or(Cell::Null),
            State::Sketch(mut sketch) => {
                sketch.finish();
                match agg.kind {
                    AggKind::Percentile(p) => number(sketch.percentile(p)),
                    _ => number(deviation(&mut sketch)),
                }
            }
            State::Values(set) => {
                let mut list: Vec<Cell> = set.into_iter().map(|key| key.0).collect();
                list.sort_by(Cell::order);
                Cell::of_list(list)
            }
            State::Top(mut list) => {
                if let AggKind::Top(limit, descending) = agg.kind {
                    settle_top(&mut list, limit, descending);
                }
                Cell::of_list(list)
            }
            State::Weighted(sum, weights) => match weights.value() {
                0.0 => Cell::Null,
                weights => number(Some(sum.value() / weights)),
            },
            State::First(best) => best.map_or(Cell::Null, |(value, _)| value),
        }
    }
}

/// The median of the distances from the median.
fn deviation(sketch: &mut Sketch) -> Option<f64> {
    let median = sketch.percentile(50.0)?;
    let mut distances = Sketch::default();
    match sketch {
        Sketch::Exact(values) => values.iter().for_each(|v| {
            distances.add((v - median).abs());
        }),
        // Of many values as many evenly spread percentiles stand for all.
        Sketch::Bins(_) => (0..=2_000).for_each(|step| {
            if let Some(v) = sketch.percentile(f64::from(step) / 20.0) {
                distances.add((v - median).abs());
            }
        }),
    }
    distances.finish();
    distances.percentile(50.0)
}

fn take_first(best: &mut Option<(Cell, Cell)>, agg: &Aggregate, (value, key): (Cell, Cell)) {
    let first = agg.kind == AggKind::First(true);
    let better = best.as_ref().is_none_or(|(other, of)| {
        let order = if first { key.order(of) } else { of.order(&key) };
        order.then_with(|| value.order(other)) == Ordering::Less
    });
    if better {
        *best = Some((value, key));
    }
}

fn add_top(list: &mut Vec<Cell>, value: &Cell, limit: usize, descending: bool) -> usize {
    list.push(value.clone());
    if list.len() >= limit.saturating_mul(2).max(64) {
        settle_top(list, limit, descending);
        return 0;
    }
    size_of::<Cell>() + value.heap_bytes()
}

fn settle_top(list: &mut Vec<Cell>, limit: usize, descending: bool) {
    list.sort_by(|a, b| if descending { b.order(a) } else { a.order(b) });
    list.truncate(limit);
}

/// Groups of rows with their aggregates.
pub struct Groups<'a> {
    plan: &'a Grouping,
    table: HashTable<usize>,
    hasher: DefaultHashBuilder,
    keys: Vec<Vec<Cell>>,
    states: Vec<Vec<State>>,
}

impl<'a> Groups<'a> {
    /// No rows yet.
    pub fn new(plan: &'a Grouping) -> Self {
        let (table, hasher) = (HashTable::new(), DefaultHashBuilder::default());
        let mut out = Self { plan, table, hasher, keys: Vec::new(), states: Vec::new() };
        if plan.keys.is_empty() {
            // All rows are one group, also when there are none.
            out.keys.push(Vec::new());
            out.states.push(plan.aggs.iter().map(State::new).collect());
        }
        out
    }

    /// Takes the rows of a page.
    ///
    /// # Errors
    /// The memory of searches is used up, or the search was stopped.
    pub fn add(&mut self, page: &Page, run: &Run) -> Result<(), LeafError> {
        run.check()?;
        if self.counts_rows() {
            for state in &mut self.states[0] {
                if let State::Count(count) = state {
                    *count += page.rows as u64;
                }
            }
            return Ok(());
        }
        let mut key = Vec::with_capacity(self.plan.keys.len());
        let mut grown = 0;
        for row in 0..page.rows {
            if self.plan.keys.is_empty() {
                grown += self.add_row(0, page, row);
                continue;
            }
            key.clear();
            key.extend(self.plan.keys.iter().map(|slot| page.cell(*slot, row).clone()));
            if key.iter().any(|c| matches!(c, Cell::Multi(_))) {
                grown += self.add_each(&key, page, row, run)?;
            } else {
                let group = self.group(&key, run)?;
                grown += self.add_row(group, page, row);
            }
        }
        run.charge(grown)
    }

    /// Whether only rows are counted, all of them together.
    fn counts_rows(&self) -> bool {
        let rows = |agg: &Aggregate| {
            agg.kind == AggKind::Count && agg.slot.is_none() && agg.filter.is_none()
        };
        self.plan.keys.is_empty() && self.plan.aggs.iter().all(rows)
    }

    /// A row whose key has several values belongs to the group of each.
    fn add_each(
        &mut self,
        key: &[Cell],
        page: &Page,
        row: usize,
        run: &Run,
    ) -> Result<usize, LeafError> {
        let count = key.iter().map(|c| c.values().len().max(1)).fold(1, usize::saturating_mul);
        let mut grown = 0;
        for mut number in 0..count {
            if number % 1024 == 1023 {
                run.check()?;
            }
            let one = |cell: &Cell| {
                let values = cell.values();
                let size = values.len().max(1);
                let at = number % size;
                number /= size;
                values.get(at).cloned().unwrap_or(Cell::Null)
            };
            let key: Vec<Cell> = key.iter().map(one).collect();
            let group = self.group(&key, run)?;
            grown += self.add_row(group, page, row);
        }
        Ok(grown)
    }

    /// The group of a key, which is made when it is new.
    fn group(&mut self, key: &[Cell], run: &Run) -> Result<usize, LeafError> {
        let hash = self.hash(key);
        let keys = &self.keys;
        let same = |at: &usize| keys[*at].iter().zip(key).all(|(a, b)| a.order(b).is_eq());
        if let Some(at) = self.table.find(hash, same) {
            return Ok(*at);
        }
        let bytes = key.iter().map(|c| c.heap_bytes() + size_of::<Cell>()).sum::<usize>()
            + self.plan.aggs.len() * size_of::<State>()
            + 96;
        run.charge(bytes)?;
        let at = self.keys.len();
        self.keys.push(key.to_vec());
        self.states.push(self.plan.aggs.iter().map(State::new).collect());
        let (keys, hasher) = (&self.keys, &self.hasher);
        self.table.insert_unique(hash, at, |at| hash_key(hasher, &keys[*at]));
        Ok(at)
    }

    fn hash(&self, key: &[Cell]) -> u64 {
        hash_key(&self.hasher, key)
    }

    fn add_row(&mut self, group: usize, page: &Page, row: usize) -> usize {
        let mut grown = 0;
        for (agg, state) in self.plan.aggs.iter().zip(&mut self.states[group]) {
            if agg.filter.is_some_and(|slot| *page.cell(slot, row) != Cell::Bool(true)) {
                continue;
            }
            let Some(slot) = agg.slot else {
                grown += state.add(agg, &Cell::Null);
                continue;
            };
            let cell = page.cell(slot, row);
            match agg.second {
                Some(second) => state.add_pair(agg, cell, page.cell(second, row)),
                None => {
                    for value in cell.values() {
                        grown += state.add(agg, value);
                    }
                }
            }
        }
        grown
    }

    /// Takes the groups of other rows.
    ///
    /// # Errors
    /// The memory of searches is used up.
    pub fn merge(&mut self, other: Groups<'_>, run: &Run) -> Result<(), LeafError> {
        for (key, states) in other.keys.into_iter().zip(other.states) {
            let group = if self.plan.keys.is_empty() { 0 } else { self.group(&key, run)? };
            let own = self.plan.aggs.iter().zip(&mut self.states[group]);
            own.zip(states).for_each(|((agg, own), other)| own.merge(agg, other));
        }
        Ok(())
    }

    /// The keys and the results, by rising keys.
    pub fn finish(self) -> Page {
        let plan = self.plan;
        let mut rows: Vec<(Vec<Cell>, Vec<State>)> =
            self.keys.into_iter().zip(self.states).collect();
        rows.sort_by(|a, b| {
            let parts = a.0.iter().zip(&b.0).map(|(a, b)| a.order(b));
            parts.fold(Ordering::Equal, Ordering::then)
        });
        let mut page = Page {
            rows: rows.len(),
            columns: vec![Vec::with_capacity(rows.len()); plan.keys.len() + plan.aggs.len()],
        };
        for (key, states) in rows {
            let results = plan.aggs.iter().zip(states).map(|(agg, state)| state.finish(agg));
            let cells = key.into_iter().chain(results);
            page.columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
        }
        page
    }
}

fn hash_key(hasher: &DefaultHashBuilder, key: &[Cell]) -> u64 {
    let mut state = hasher.build_hasher();
    key.iter().for_each(|cell| hash_cell(cell, &mut state));
    state.finish()
}

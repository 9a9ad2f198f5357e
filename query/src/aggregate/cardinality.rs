//! How many distinct values? Their hashes while they are few, HyperLogLog when they are many.
//!
//! The estimate is O. Ertl's ("New cardinality estimation algorithms for HyperLogLog sketches",
//! 2017), which needs no tables of corrections.

/// Up to so many distinct values the count is exact.
const EXACT_VALUES_MAX: usize = 40_000;
/// So many hashes are collected at least before equal ones are looked for.
const COLLECTED_MIN: usize = 256;
/// 2^14 registers: an error of 0.8 %.
const PRECISION: u32 = 14;
const REGISTERS: usize = 1 << PRECISION;
/// Bits of a hash that a register counts leading zeros in.
const RANK_BITS: u32 = 64 - PRECISION;

/// The distinct values of a field, by their hashes.
#[derive(Clone, Debug)]
pub enum Distinct {
    /// The hashes.
    Exact(Hashes),
    /// The registers.
    Estimate(Box<[u8]>),
}

/// Hashes: sorted and distinct ones, and those that were added since.
///
/// Most values of a field without a dictionary are new: sorting them now and then takes less than
/// to look each of them up.
#[derive(Clone, Debug, Default)]
pub struct Hashes {
    list: Vec<u64>,
    sorted: usize,
}

impl Hashes {
    /// How many hashes make it worth to look for equal ones.
    fn room(&self) -> usize {
        (4 * self.sorted).clamp(COLLECTED_MIN, self.sorted.max(COLLECTED_MIN) + EXACT_VALUES_MAX)
    }

    /// Leaves each hash once.
    fn sort(&mut self) {
        if self.sorted < self.list.len() {
            self.list.sort_unstable();
            self.list.dedup();
            self.sorted = self.list.len();
        }
    }
}

impl Default for Distinct {
    fn default() -> Self {
        Distinct::Exact(Hashes::default())
    }
}

impl Distinct {
    /// Adds a value by its [`hash`]; tells how many bytes of memory it took.
    pub fn add(&mut self, hash: u64) -> usize {
        match self {
            Distinct::Exact(hashes) => {
                let before = hashes.list.capacity();
                hashes.list.push(hash);
                let grown = hashes.list.capacity() - before;
                if hashes.list.len() >= hashes.room() {
                    self.settle();
                }
                grown * size_of::<u64>()
            }
            Distinct::Estimate(registers) => {
                note(registers, hash);
                0
            }
        }
    }

    /// Adds another part.
    pub fn merge(&mut self, other: Distinct) {
        match (&mut *self, other) {
            (Distinct::Exact(mine), Distinct::Exact(theirs)) => {
                mine.list.extend(theirs.list);
                if mine.list.len() >= mine.room() {
                    self.settle();
                }
            }
            (_, Distinct::Exact(theirs)) => {
                let registers = self.registers();
                theirs.list.iter().for_each(|hash| note(registers, *hash));
            }
            (_, Distinct::Estimate(theirs)) => {
                for (a, b) in self.registers().iter_mut().zip(&theirs) {
                    *a = (*a).max(*b);
                }
            }
        }
    }

    /// Keeps each value once, and registers of those that are too many.
    pub fn settle(&mut self) {
        if let Distinct::Exact(hashes) = self {
            hashes.sort();
            if hashes.list.len() > EXACT_VALUES_MAX {
                self.registers();
            }
        }
    }

    fn registers(&mut self) -> &mut [u8] {
        if let Distinct::Exact(hashes) = self {
            let mut registers = vec![0; REGISTERS].into_boxed_slice();
            hashes.list.iter().for_each(|hash| note(&mut registers, *hash));
            *self = Distinct::Estimate(registers);
        }
        match self {
            Distinct::Estimate(registers) => registers,
            Distinct::Exact(_) => unreachable!("it was made an estimate just above"),
        }
    }

    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Distinct::Exact(hashes) => hashes.list.capacity() * size_of::<u64>(),
            Distinct::Estimate(registers) => registers.len(),
        }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        match self {
            Distinct::Exact(hashes) if hashes.sorted < hashes.list.len() => {
                let mut settled = self.clone();
                settled.settle();
                settled.count()
            }
            Distinct::Exact(hashes) => hashes.list.len() as u64,
            Distinct::Estimate(registers) => estimate(registers),
        }
    }
}

fn note(registers: &mut [u8], hash: u64) {
    let at = (hash >> RANK_BITS) as usize;
    let rank = (hash << PRECISION).leading_zeros().min(RANK_BITS) + 1;
    registers[at] = registers[at].max(rank as u8);
}

fn estimate(registers: &[u8]) -> u64 {
    let mut counts = [0u32; RANK_BITS as usize + 2];
    registers.iter().for_each(|r| counts[*r as usize] += 1);
    let m = REGISTERS as f64;
    let last = RANK_BITS as usize + 1;
    let mut z = m * tau(1.0 - f64::from(counts[last]) / m);
    for count in counts[1..last].iter().rev() {
        z = 0.5 * (z + f64::from(*count));
    }
    z += m * sigma(f64::from(counts[0]) / m);
    (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// The hash of a string.
pub fn hash_text(text: impl AsRef<[u8]>) -> u64 {
    hash(5, text.as_ref())
}

/// A hash that is the same in every process: 8 bytes at a time, the last ones twice where they do
/// not come out even.
pub fn hash(kind: u8, bytes: &[u8]) -> u64 {
    let mut out = 0xcbf2_9ce4_8422_2325 ^ u64::from(kind);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        out = mix(out ^ u64::from_le_bytes(*word));
    }
    match bytes.last_chunk::<8>() {
        Some(last) if !rest.is_empty() => out = mix(out ^ u64::from_le_bytes(*last)),
        Some(_) => {}
        None => {
            let word = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            out = mix(out ^ word);
        }
    }
    mix(out ^ bytes.len() as u64)
}

fn mix(mut v: u64) -> u64 {
    v = (v ^ (v >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    v = (v ^ (v >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    v ^ (v >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distinct(values: impl Iterator<Item = u64>) -> Distinct {
        let mut out = Distinct::default();
        values.for_each(|v| {
            out.add(hash(0, &v.to_le_bytes()));
        });
        out
    }

    #[test]
    fn few_are_exact_and_many_are_near() {
        let cases =
            [(0u64, 0.0), (1, 0.0), (300, 0.0), (40_000, 0.0), (130_000, 0.03), (2_000_000, 0.03)];
        for (n, error) in cases {
            let got = distinct((0..n).chain(0..n / 2)).count();
            assert!((got as f64 - n as f64).abs() <= n as f64 * error, "{got} for {n}");
        }
    }

    #[test]
    fn grouping_does_not_matter() {
        for n in [500u64, 39_999, 40_001, 70_000, 200_000] {
            let whole = distinct(0..n).count();
            let mut parts = Distinct::default();
            for part in 0..9 {
                parts.merge(distinct((0..n).filter(|v| v % 9 <= part)));
            }
            assert_eq!(parts.count(), whole, "{n}");
        }
    }

    #[test]
    fn memory_follows_distinct_values_not_all_of_them() {
        let mut set = Distinct::default();
        let taken: usize =
            (0..1_000_000u64).map(|v| set.add(hash(0, &(v % 100).to_le_bytes()))).sum();
        assert!(set.memory_bytes() <= taken && taken <= 8 * 1024, "{taken}");
        assert_eq!(set.count(), 100);
    }
}

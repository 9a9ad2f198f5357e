//! Below what do so many percent of the values lie? Exact for few values, counted in bins for many.
//!
//! A bin holds the doubles that share sign, exponent and the first ten bits of the fraction: it is
//! at most a thousandth of its values wide, and adding up bins has no order.

/// Up to so many values are kept as they are.
const EXACT_VALUES_MAX: usize = 4096;
/// Bits of the fraction that tell bins apart.
const FRACTION_BITS: u32 = 10;
/// Bins of one sign and exponent.
const BLOCK_BINS: usize = 1 << FRACTION_BITS;
/// Signs and exponents.
const BLOCKS: usize = 1 << 12;
/// Bits of a double that are below a bin.
const SHIFT: u32 = 52 - FRACTION_BITS;
const SIGN: u64 = 1 << 63;

/// The distribution of numbers.
#[derive(Clone, Debug)]
pub enum Sketch {
    /// Every value.
    Exact(Vec<f64>),
    /// Counts.
    Bins(Bins),
}

impl Default for Sketch {
    fn default() -> Self {
        Sketch::Exact(Vec::new())
    }
}

impl Sketch {
    /// Adds a number; tells how many bytes of memory it took.
    pub fn add(&mut self, v: f64) -> usize {
        match self {
            Sketch::Exact(values) if values.len() < EXACT_VALUES_MAX => {
                values.push(v);
                size_of::<f64>()
            }
            Sketch::Exact(_) => self.bins().add(v, 1) + BLOCKS * size_of::<u16>(),
            Sketch::Bins(bins) => bins.add(v, 1),
        }
    }

    /// Adds another part.
    pub fn merge(&mut self, other: Sketch) {
        match (&mut *self, other) {
            (Sketch::Exact(a), Sketch::Exact(b)) if a.len() + b.len() <= EXACT_VALUES_MAX => {
                a.extend(b);
            }
            (_, Sketch::Exact(b)) => {
                let bins = self.bins();
                b.into_iter().for_each(|v| {
                    bins.add(v, 1);
                });
            }
            (_, Sketch::Bins(b)) => self.bins().merge(&b),
        }
    }

    fn bins(&mut self) -> &mut Bins {
        if let Sketch::Exact(values) = self {
            let mut bins = Bins::default();
            std::mem::take(values).into_iter().for_each(|v| {
                bins.add(v, 1);
            });
            *self = Sketch::Bins(bins);
        }
        match self {
            Sketch::Bins(bins) => bins,
            Sketch::Exact(_) => unreachable!("it was made bins just above"),
        }
    }

    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Sketch::Exact(values) => values.capacity() * size_of::<f64>(),
            Sketch::Bins(bins) => {
                bins.places.len() * size_of::<u16>()
                    + bins.blocks.len() * BLOCK_BINS * size_of::<u64>()
            }
        }
    }

    /// Ready for questions.
    pub fn finish(&mut self) {
        if let Sketch::Exact(values) = self {
            values.sort_unstable_by(f64::total_cmp);
        }
    }

    /// The value below which `percent` of 100 lie; after [`Sketch::finish`].
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let share = (percent / 100.0).clamp(0.0, 1.0);
        match self {
            Sketch::Exact(values) => {
                let last = values.len().checked_sub(1)?;
                let at = share * last as f64;
                let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
                Some(low + (high - low) * at.fract())
            }
            Sketch::Bins(bins) => bins.quantile(share),
        }
    }
}

impl Sketch {
    /// The percent of values that lie below `v`, half of those that are the same included; after
    /// [`Sketch::finish`].
    pub fn rank(&self, v: f64) -> Option<f64> {
        match self {
            Sketch::Exact(values) if values.is_empty() => None,
            Sketch::Exact(values) => Some(100.0 * rank_of(values, v)),
            Sketch::Bins(bins) => Some(100.0 * bins.rank(v)),
        }
    }

    /// The median of the distances from the median; after [`Sketch::finish`].
    pub fn deviation(&self) -> Option<f64> {
        let median = self.percentile(50.0)?;
        let mut around = Sketch::default();
        match self {
            Sketch::Exact(values) => {
                around = Sketch::Exact(values.iter().map(|v| (v - median).abs()).collect());
            }
            Sketch::Bins(bins) => {
                let distances = around.bins();
                bins.each(|value, count| {
                    distances.add((value - median).abs(), count);
                });
                // Middles of bins are no whole numbers.
                distances.whole &= bins.whole;
            }
        }
        around.finish();
        around.percentile(50.0)
    }

    /// The least and the largest value that lie between these, the ends included; after
    /// [`Sketch::finish`].
    pub fn within(&self, from: f64, to: f64) -> Option<(f64, f64)> {
        let mut found: Option<(f64, f64)> = None;
        let mut take = |value: f64| {
            if from <= value && value <= to {
                found = Some(found.map_or((value, value), |(low, _)| (low, value)));
            }
        };
        match self {
            Sketch::Exact(values) => values.iter().for_each(|value| take(*value)),
            Sketch::Bins(bins) => bins.each(|value, _| take(value)),
        }
        found
    }
}

/// The share of sorted values below `v`, as Elasticsearch counts it: half of the first, half of
/// those that are the same, and between two values a part.
fn rank_of(values: &[f64], v: f64) -> f64 {
    let n = values.len() as f64;
    if v < values[0] {
        return 0.0;
    }
    let (mut below, mut same) = (0.5, 0.0);
    for pair in values.windows(2) {
        if pair[1] > v {
            return match same > 0.0 {
                true => (below + 0.5 * same) / n,
                false => (below + (v - pair[0]) / (pair[1] - pair[0])) / n,
            };
        }
        if pair[1] < v { below += 1.0 } else { same += 1.0 }
    }
    (n - 0.5 * same) / n
}

/// How many values lie in each bin.
#[derive(Clone, Debug)]
pub struct Bins {
    /// For each sign and exponent, rising: 1 + the position of its block, or 0.
    places: Box<[u16]>,
    blocks: Vec<Box<[u64]>>,
    count: u64,
    min: f64,
    max: f64,
    /// All values are whole numbers.
    whole: bool,
}

impl Default for Bins {
    fn default() -> Self {
        Self {
            places: vec![0; BLOCKS].into(),
            blocks: Vec::new(),
            count: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            whole: true,
        }
    }
}

/// The number of a double's bin; bins rise with their values.
fn bin_of(v: f64) -> u64 {
    let bits = v.to_bits();
    (if bits & SIGN == 0 { bits ^ SIGN } else { !bits }) >> SHIFT
}

/// The least value of a bin.
fn edge(bin: u64) -> f64 {
    let key = bin << SHIFT;
    f64::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN })
}

impl Bins {
    fn block(&mut self, at: usize) -> (&mut [u64], usize) {
        let mut grown = 0;
        if self.places[at] == 0 {
            self.blocks.push(vec![0; BLOCK_BINS].into());
            // There are no more than 2^12 blocks.
            self.places[at] = self.blocks.len() as u16;
            grown = BLOCK_BINS * size_of::<u64>();
        }
        (&mut self.blocks[usize::from(self.places[at]) - 1], grown)
    }

    fn add(&mut self, v: f64, times: u64) -> usize {
        // The two zeros are one.
        let v = v + 0.0;
        self.count += times;
        self.min = self.min.min(v);
        self.max = self.max.max(v);
        self.whole &= v.fract() == 0.0;
        let bin = bin_of(v) as usize;
        let (block, grown) = self.block(bin / BLOCK_BINS);
        block[bin % BLOCK_BINS] += times;
        grown
    }

    fn merge(&mut self, other: &Bins) {
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.whole &= other.whole;
        for (at, place) in other.places.iter().enumerate().filter(|(_, place)| **place > 0) {
            let theirs = &other.blocks[usize::from(*place) - 1];
            let (ours, _) = self.block(at);
            ours.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
    }

    /// Calls `visit` with a value of each bin, rising, and how many are in it.
    fn each(&self, mut visit: impl FnMut(f64, u64)) {
        for (number, place) in self.places.iter().enumerate().filter(|(_, place)| **place > 0) {
            for (bin, count) in self.blocks[usize::from(*place) - 1].iter().enumerate() {
                if *count > 0 {
                    let bin = (number * BLOCK_BINS + bin) as u64;
                    let (low, high) = (edge(bin), edge(bin + 1));
                    let value = match self.whole && high - low <= 1.0 {
                        true => low.ceil(),
                        false => low + (high - low) / 2.0,
                    };
                    visit(value.clamp(self.min, self.max), *count);
                }
            }
        }
    }

    /// The share of values below `v`.
    fn rank(&self, v: f64) -> f64 {
        let own = bin_of(v + 0.0);
        let (mut below, mut same) = (0u64, 0u64);
        for (number, place) in self.places.iter().enumerate().filter(|(_, place)| **place > 0) {
            for (bin, count) in self.blocks[usize::from(*place) - 1].iter().enumerate() {
                match ((number * BLOCK_BINS + bin) as u64).cmp(&own) {
                    std::cmp::Ordering::Less => below += count,
                    std::cmp::Ordering::Equal => same += count,
                    std::cmp::Ordering::Greater => {}
                }
            }
        }
        (below as f64 + same as f64 / 2.0) / self.count as f64
    }

    fn quantile(&self, share: f64) -> Option<f64> {
        let at = share * self.count.checked_sub(1)? as f64;
        let mut before = 0u64;
        for (number, place) in self.places.iter().enumerate().filter(|(_, place)| **place > 0) {
            for (bin, count) in self.blocks[usize::from(*place) - 1].iter().enumerate() {
                if *count > 0 && (before + count) as f64 > at {
                    let bin = (number * BLOCK_BINS + bin) as u64;
                    let (low, high) = (edge(bin), edge(bin + 1));
                    let narrow = self.whole && high - low <= 1.0;
                    // A narrow bin holds one whole number, at its end that is nearer to 0.
                    let part = match narrow {
                        true if low < 0.0 => return Some(low.ceil().clamp(self.min, self.max)),
                        true => 0.0,
                        false => (at - before as f64) / *count as f64,
                    };
                    return Some((low + (high - low) * part).clamp(self.min, self.max));
                }
                before += count;
            }
        }
        Some(self.max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: impl Iterator<Item = f64>) -> Sketch {
        let mut out = Sketch::default();
        values.for_each(|v| {
            out.add(v);
        });
        out.finish();
        out
    }

    #[test]
    fn few_values_are_exact() {
        let five = sketch([5.0, 1.0, 4.0, 2.0, 3.0].into_iter());
        for (percent, want) in [(0.0, 1.0), (25.0, 2.0), (50.0, 3.0), (90.0, 4.6), (100.0, 5.0)] {
            assert!((five.percentile(percent).unwrap() - want).abs() < 1e-9, "{percent}");
        }
        assert_eq!(sketch(std::iter::empty()).percentile(50.0), None);
    }

    #[test]
    fn ranks_distances_and_whiskers() {
        let four = sketch([1.0, 2.0, 2.0, 4.0].into_iter());
        for (v, want) in [
            (0.0, 0.0),
            (1.0, 12.5),
            (1.5, 25.0),
            (2.0, 37.5),
            (3.0, 75.0),
            (4.0, 87.5),
            (5.0, 100.0),
        ] {
            assert_eq!(four.rank(v), Some(want), "{v}");
        }
        assert_eq!(sketch([3.0, 1.0, 5.0, 9.0, 2.0].into_iter()).deviation(), Some(2.0));
        assert_eq!(four.within(1.5, 3.0), Some((2.0, 2.0)));
        let none = sketch(std::iter::empty());
        assert_eq!((none.rank(1.0), none.deviation(), none.within(0.0, 1.0)), (None, None, None));
        let n = 100_000;
        let many = sketch((0..n).map(|i| f64::from(i % 1000)));
        assert!((many.rank(250.0).unwrap() - 25.0).abs() < 0.2);
        assert!((many.deviation().unwrap() - 250.0).abs() <= 2.0);
        assert_eq!(many.within(100.0, 300.0), Some((100.0, 300.0)));
    }

    #[test]
    fn whole_numbers_stay_whole_however_many() {
        let n = 120_000u64;
        let many = sketch((0..n).map(|i| (i % 1000) as f64 - 300.0));
        for (percent, want) in [(0.0, -300.0), (50.0, 199.0), (99.0, 689.0), (100.0, 699.0)] {
            assert_eq!(many.percentile(percent), Some(want), "{percent}");
        }
    }

    proptest! {
        #[test]
        fn a_number_lies_in_its_bin(v in any::<f64>().prop_filter("no number", |v| v.is_finite())) {
            let bin = bin_of(v + 0.0);
            prop_assert!(edge(bin) <= v && v <= edge(bin + 1), "{v}");
        }
    }

    #[test]
    fn many_values_are_near_whatever_the_grouping() {
        let n = 400_000u64;
        let value = |i: u64| ((i * 2_654_435_761) % n) as f64;
        let whole = sketch((0..n).map(value));
        let mut parts = Sketch::default();
        for part in 0..7 {
            parts.merge(sketch((0..n).filter(|i| i % 7 == part).map(value)));
        }
        parts.finish();
        for percent in [0.1, 1.0, 25.0, 50.0, 95.0, 99.9, 100.0] {
            let want = n as f64 * percent / 100.0;
            for got in [&whole, &parts] {
                let got = got.percentile(percent).unwrap();
                assert!((got - want).abs() < n as f64 * 0.002, "{percent}: {got} for {want}");
            }
        }
    }
}

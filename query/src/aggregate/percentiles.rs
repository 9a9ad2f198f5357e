//! Below what do so many percent of the values lie? Exact for few values, a t-digest for many.
//!
//! The digest follows T. Dunning's merging t-digest with the arcsine scale.

use std::f64::consts::PI;

/// Up to so many values are kept as they are.
const EXACT_VALUES_MAX: usize = 50_000;
/// About twice the number of centroids of a digest.
const COMPRESSION: f64 = 1000.0;
/// Values that wait before they are merged into the centroids.
const BUFFER_VALUES_MAX: usize = 10_000;

/// The distribution of numbers.
#[derive(Clone, Debug)]
pub enum Sketch {
    /// Every value.
    Exact(Vec<f64>),
    /// Centroids.
    Digest(Digest),
}

impl Default for Sketch {
    fn default() -> Self {
        Sketch::Exact(Vec::new())
    }
}

impl Sketch {
    /// Adds a number.
    pub fn add(&mut self, v: f64) {
        match self {
            Sketch::Exact(values) if values.len() < EXACT_VALUES_MAX => values.push(v),
            Sketch::Exact(_) => self.digest().add(v, 1.0),
            Sketch::Digest(digest) => digest.add(v, 1.0),
        }
    }

    /// Adds another part.
    pub fn merge(&mut self, other: Sketch) {
        match (&mut *self, other) {
            (Sketch::Exact(a), Sketch::Exact(b)) if a.len() + b.len() <= EXACT_VALUES_MAX => {
                a.extend(b);
            }
            (_, Sketch::Exact(b)) => {
                let digest = self.digest();
                b.into_iter().for_each(|v| digest.add(v, 1.0));
            }
            (_, Sketch::Digest(mut b)) => {
                b.compress();
                let digest = self.digest();
                digest.min = digest.min.min(b.min);
                digest.max = digest.max.max(b.max);
                b.centroids.into_iter().for_each(|(mean, weight)| digest.push(mean, weight));
                digest.compress();
            }
        }
    }

    fn digest(&mut self) -> &mut Digest {
        if let Sketch::Exact(values) = self {
            let mut digest = Digest::default();
            std::mem::take(values).into_iter().for_each(|v| digest.add(v, 1.0));
            *self = Sketch::Digest(digest);
        }
        match self {
            Sketch::Digest(digest) => digest,
            Sketch::Exact(_) => unreachable!("it was made a digest just above"),
        }
    }

    /// Ready for questions.
    pub fn finish(&mut self) {
        match self {
            Sketch::Exact(values) => values.sort_unstable_by(f64::total_cmp),
            Sketch::Digest(digest) => digest.compress(),
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
            Sketch::Digest(digest) => digest.quantile(share),
        }
    }
}

/// A merging t-digest.
#[derive(Clone, Debug)]
pub struct Digest {
    /// Mean and weight, rising once compressed.
    centroids: Vec<(f64, f64)>,
    /// How many of them are compressed.
    settled: usize,
    min: f64,
    max: f64,
}

impl Default for Digest {
    fn default() -> Self {
        Self { centroids: Vec::new(), settled: 0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Digest {
    fn add(&mut self, v: f64, weight: f64) {
        self.min = self.min.min(v);
        self.max = self.max.max(v);
        self.push(v, weight);
    }

    fn push(&mut self, mean: f64, weight: f64) {
        self.centroids.push((mean, weight));
        if self.centroids.len() >= self.settled + BUFFER_VALUES_MAX {
            self.compress();
        }
    }

    fn compress(&mut self) {
        if self.centroids.len() == self.settled {
            return;
        }
        self.centroids.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = self.centroids.iter().map(|c| c.1).sum();
        let scale =
            |share: f64| COMPRESSION * (2.0 * share.clamp(0.0, 1.0) - 1.0).asin() / (2.0 * PI);
        let mut out: Vec<(f64, f64)> = Vec::new();
        let (mut before, mut limit) = (0.0, scale(0.0) + 1.0);
        for (mean, weight) in self.centroids.drain(..) {
            match out.last_mut() {
                Some(last) if scale((before + last.1 + weight) / total) <= limit => {
                    last.1 += weight;
                    last.0 += (mean - last.0) * weight / last.1;
                }
                last => {
                    if let Some(last) = last {
                        before += last.1;
                        limit = scale(before / total) + 1.0;
                    }
                    out.push((mean, weight));
                }
            }
        }
        self.settled = out.len();
        self.centroids = out;
    }

    fn quantile(&self, share: f64) -> Option<f64> {
        let total: f64 = self.centroids.iter().map(|c| c.1).sum();
        let target = share * total;
        let mut before = 0.0;
        let (mut left_at, mut left) = (0.0, self.min);
        for (mean, weight) in &self.centroids {
            let middle = before + weight / 2.0;
            if target <= middle {
                let width = middle - left_at;
                let part = if width > 0.0 { (target - left_at) / width } else { 1.0 };
                return Some(left + (mean - left) * part);
            }
            before += weight;
            (left_at, left) = (middle, *mean);
        }
        if self.centroids.is_empty() {
            return None;
        }
        let width = total - left_at;
        let part = if width > 0.0 { (target - left_at) / width } else { 1.0 };
        Some(left + (self.max - left) * part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(values: impl Iterator<Item = f64>) -> Sketch {
        let mut out = Sketch::default();
        values.for_each(|v| out.add(v));
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

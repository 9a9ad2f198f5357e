//! How significant is a count? Elasticsearch's measures, of four counts.
//!
//! Knows only numbers.

use crate::request::Heuristic;

/// How many records there are, here and in all, with a term and without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    /// Records here that have the term.
    pub(super) with: f64,
    /// Records here.
    pub(super) docs: f64,
    /// Records of the background that have the term.
    pub(super) all_with: f64,
    /// Records of the background.
    pub(super) all_docs: f64,
}

/// The table of two by two: the first digit is whether the term is there, the second whether the
/// record is here; `n1` and `n_1` are its sums.
struct Table {
    n00: f64,
    n01: f64,
    n10: f64,
    n11: f64,
    n0: f64,
    n1: f64,
    n_0: f64,
    n_1: f64,
    n: f64,
}

impl Table {
    fn new(c: Counts, superset: bool) -> Self {
        let (n11, n01) = (c.with, c.docs - c.with);
        let (n10, n00) = match superset {
            true => (c.all_with - c.with, c.all_docs - c.all_with - n01),
            false => (c.all_with, c.all_docs - c.all_with),
        };
        let n_0 = if superset { c.all_docs - c.docs } else { c.all_docs };
        let (n0, n1) = match superset {
            true => (c.all_docs - c.all_with, c.all_with),
            false => (c.all_docs - c.all_with + n01, c.all_with + c.with),
        };
        let n = if superset { c.all_docs } else { c.all_docs + c.docs };
        Self { n00, n01, n10, n11, n0, n1, n_0, n_1: c.docs, n }
    }

    /// Whether the term is rarer here than elsewhere.
    fn is_rarer(&self) -> bool {
        self.n11 / self.n_1 < self.n10 / self.n_0
    }
}

/// The score of a term; 0 or less when it is not significant.
pub(super) fn score(heuristic: Heuristic, c: Counts) -> f64 {
    let score = match heuristic {
        Heuristic::Jlh => jlh(c),
        Heuristic::Percentage if c.all_with == 0.0 => 0.0,
        Heuristic::Percentage => c.with / c.all_with,
        Heuristic::ChiSquare { negatives, superset } => {
            let t = Table::new(c, superset);
            match !negatives && t.is_rarer() {
                true => f64::NEG_INFINITY,
                false => {
                    t.n * (t.n11 * t.n00 - t.n01 * t.n10).powi(2) / (t.n_1 * t.n1 * t.n0 * t.n_0)
                }
            }
        }
        Heuristic::MutualInformation { negatives, superset } => {
            let t = Table::new(c, superset);
            let sum = information(t.n00, t.n0, t.n_0, t.n)
                + information(t.n01, t.n0, t.n_1, t.n)
                + information(t.n10, t.n1, t.n_0, t.n)
                + information(t.n11, t.n1, t.n_1, t.n);
            match !negatives && t.is_rarer() {
                true => f64::NEG_INFINITY,
                false => sum / std::f64::consts::LN_2,
            }
        }
        Heuristic::Gnd { superset } => gnd(&Table::new(c, superset)),
    };
    if score.is_finite() { score } else { 0.0 }
}

fn jlh(c: Counts) -> f64 {
    if c.docs == 0.0 || c.all_docs == 0.0 {
        return 0.0;
    }
    // A term that the background does not have counts as if it had it once.
    let (here, all) = (c.with / c.docs, c.all_with.max(1.0) / c.all_docs);
    if here <= all { 0.0 } else { (here - all) * (here / all) }
}

fn information(both: f64, one: f64, other: f64, n: f64) -> f64 {
    let (numerator, denominator) = ((n * both).abs(), (one * other).abs());
    let factor = (both / n).abs();
    if numerator < 1e-12 && factor < 1e-12 { 0.0 } else { factor * (numerator / denominator).ln() }
}

fn gnd(t: &Table) -> f64 {
    let (fx, fy, both) = (t.n1, t.n_1, t.n11);
    if both == 0.0 {
        return 0.0;
    }
    if fx == fy && fx == both {
        return 1.0;
    }
    let distance = (fx.ln().max(fy.ln()) - both.ln()) / (t.n.ln() - fx.ln().min(fy.ln()));
    (-distance).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_those_of_elasticsearch() {
        let counts = Counts { with: 5.0, docs: 10.0, all_with: 10.0, all_docs: 100.0 };
        let (negatives, superset) = (false, true);
        let cases = [
            // (0.5 - 0.1) * (0.5 / 0.1)
            (Heuristic::Jlh, 2.0),
            (Heuristic::Percentage, 0.5),
            // 100 * (5 * 85 - 5 * 5)^2 / (10 * 10 * 90 * 90)
            (Heuristic::ChiSquare { negatives, superset }, 19.753_086_419_753_085),
            // exp(-(ln 10 - ln 5) / (ln 100 - ln 10))
            (Heuristic::Gnd { superset }, 0.740_055_574),
            (Heuristic::MutualInformation { negatives, superset }, 0.090_406_507),
        ];
        for (heuristic, want) in cases {
            let got = score(heuristic, counts);
            assert!((got - want).abs() < 1e-6, "{heuristic:?}: {got}, not {want}");
        }
        let rarer = Counts { with: 1.0, docs: 50.0, all_with: 10.0, all_docs: 100.0 };
        for (heuristic, _) in &cases[..1] {
            assert!(score(*heuristic, rarer) <= 0.0);
        }
        let chi = |negatives| score(Heuristic::ChiSquare { negatives, superset }, rarer);
        assert!(chi(false) <= 0.0 && chi(true) > 0.0);
        let nothing = Counts { with: 0.0, docs: 0.0, all_with: 0.0, all_docs: 0.0 };
        for (heuristic, _) in cases {
            assert!(score(heuristic, nothing) <= 0.0, "{heuristic:?}");
        }
    }
}

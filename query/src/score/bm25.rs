//! How much does a word in a text say? BM25 as Lucene computes it, in its 32-bit floats.
//!
//! Knows no texts: only how often, how long, and how rare.

/// Saturation of a word's frequency.
pub const K1: f32 = 1.2;
/// How much the length of a text counts.
pub const B: f32 = 0.75;
/// Elasticsearch keeps the factor `k1 + 1` that Lucene has left out.
pub const SCALE: f32 = K1 + 1.0;

/// Lengths below this are kept exactly.
const FREE_LENGTHS: u32 = 24;

/// How rare a word is: `n` of `docs` records with the field have it.
pub fn idf(n: u64, docs: u64) -> f64 {
    let docs = docs.max(n);
    (1.0 + (docs as f64 - n as f64 + 0.5) / (n as f64 + 0.5)).ln()
}

/// The average length of a field with so many tokens in so many records.
pub fn average(tokens: u64, docs: u64) -> f32 {
    if docs == 0 { 1.0 } else { (tokens as f64 / docs as f64) as f32 }
}

/// The length of a field as Lucene keeps it in a byte: four significant bits.
pub fn kept_length(length: u32) -> u32 {
    if length < FREE_LENGTHS {
        return length;
    }
    let rest = length - FREE_LENGTHS;
    let bits = 32 - rest.leading_zeros();
    let shift = bits.saturating_sub(4);
    FREE_LENGTHS + (rest >> shift << shift)
}

/// What is known of a word in all records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    /// Boost, with the scale.
    pub boost: f32,
    /// How rare the word is; of a phrase the sum.
    pub idf: f32,
    /// Average length of the field.
    pub average: f32,
}

impl Weight {
    /// One over the saturation of a field of this length.
    fn norm_inverse(&self, length: u32) -> f32 {
        1.0 / (K1 * ((1.0 - B) + B * kept_length(length) as f32 / self.average))
    }

    /// The score of a text in which the word stands so often.
    pub fn score(&self, frequency: f32, length: u32) -> f32 {
        let weight = self.boost * self.idf;
        weight - weight / (1.0 + frequency * self.norm_inverse(length))
    }

    /// The share of the weight that the frequency gives.
    pub fn share(&self, frequency: f32, length: u32) -> f32 {
        1.0 - 1.0 / (1.0 + frequency * self.norm_inverse(length))
    }
}

/// A score as JSON: the shortest decimal that reads as the same 32-bit float.
pub fn printed(score: f32) -> f64 {
    score.to_string().parse().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lucene_s_own_numbers() {
        // Five records of 5.4 words on average, one with the word, and three words.
        assert_eq!(printed(idf(1, 5) as f32), 1.3862944);
        let weight = Weight { boost: SCALE, idf: idf(1, 5) as f32, average: 5.4 };
        assert_eq!(printed(weight.share(1.0, 3)), 0.5555556);
        assert_eq!(printed(weight.score(1.0, 3)), 1.6943598);
    }

    #[test]
    fn lengths_keep_four_bits() {
        let cases = [
            (0, 0),
            (23, 23),
            (39, 39),
            (40, 40),
            (41, 40),
            (42, 42),
            (56, 56),
            (59, 56),
            (1000, 984),
        ];
        for (length, kept) in cases {
            assert_eq!(kept_length(length), kept, "{length}");
        }
    }
}

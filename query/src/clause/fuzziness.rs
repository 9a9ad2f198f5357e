//! How far may a text be from what is asked? Elasticsearch's `fuzziness` with its options.

use crate::error::QueryError;

/// How many edits texts may be away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edits {
    how: How,
    /// So many characters must be the same at the beginning.
    pub prefix: usize,
    /// Two characters that have changed places are one edit.
    pub transpositions: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    /// So many.
    Exactly(u8),
    /// None below so many characters, one below so many, else two.
    Auto(usize, usize),
}

impl Edits {
    /// `AUTO`: none up to two characters, one up to five, else two.
    pub fn auto() -> Self {
        Self { how: How::Auto(3, 6), prefix: 0, transpositions: true }
    }

    /// Reads `AUTO`, `AUTO:3,6`, `0`, `1` or `2`.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let how = match text.trim().to_ascii_uppercase().as_str() {
            "AUTO" => How::Auto(3, 6),
            upper => match upper.strip_prefix("AUTO:") {
                Some(ends) => {
                    let ends = ends.split_once(',').and_then(|(low, high)| {
                        Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
                    });
                    let (low, high) = ends.ok_or_else(|| {
                        QueryError::parsing(format!(
                            "failed to find low and high distance values in [{text}]"
                        ))
                    })?;
                    if low > high {
                        return Err(QueryError::illegal(format!(
                            "fuzziness low value [{low}] must be smaller than high value [{high}]"
                        )));
                    }
                    How::Auto(low, high)
                }
                None => match upper.parse::<f64>() {
                    Ok(edits @ (0.0 | 1.0 | 2.0)) => How::Exactly(edits as u8),
                    Ok(_) => {
                        return Err(QueryError::illegal(format!(
                            "Valid edit distances are [0, 1, 2] but was [{text}]"
                        )));
                    }
                    Err(_) => {
                        return Err(QueryError::illegal(format!(
                            "cannot read [fuzziness] [{text}]: give `AUTO`, `AUTO:3,6`, `0`, `1` \
                             or `2`"
                        )));
                    }
                },
            },
        };
        Ok(Self { how, ..Self::auto() })
    }

    /// The same with other options.
    pub fn with(self, prefix: usize, transpositions: bool) -> Self {
        Self { prefix, transpositions, ..self }
    }

    /// How many edits a text may have, if any.
    pub fn of(&self, text: &str) -> Option<(u8, &Self)> {
        let edits = match self.how {
            How::Exactly(edits) => edits,
            How::Auto(low, high) => match text.chars().count() {
                length if length < low => 0,
                length if length < high => 1,
                _ => 2,
            },
        };
        (edits > 0).then_some((edits, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_by_length() {
        let cases = [
            ("AUTO", "ab", Some(0)),
            ("auto", "abc", Some(1)),
            ("AUTO", "abcdef", Some(2)),
            ("AUTO:4,7", "abc", Some(0)),
            ("AUTO:4, 7", "abcdef", Some(1)),
            ("1", "abcdef", Some(1)),
            ("2.0", "a", Some(2)),
            ("0", "abcdef", Some(0)),
            ("3", "a", None),
            ("AUTO:5", "a", None),
            ("AUTO:5,2", "a", None),
            ("many", "a", None),
        ];
        for (spec, text, want) in cases {
            let got = Edits::parse(spec).ok().map(|e| e.of(text).map_or(0, |(edits, _)| edits));
            assert_eq!(got, want, "{spec} {text}");
        }
    }
}

//! Where does a line end? Cuts bytes into lines and the parts of too long ones.
//!
//! Pure; knows nothing of files. A line ends with `\n`, and a `\r` before it goes. A longer line
//! than the limit is cut into parts that together hold every byte, between characters.

/// What becomes of a last line that does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// Its end may still come.
    Wait,
    /// Nothing more comes: it is a line.
    Take,
}

/// A line, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Without the line's end.
    pub bytes: &'a [u8],
    /// Where it begins in the chunk.
    pub start: usize,
    /// It is only a part of a line.
    pub split: bool,
}

/// Cuts one chunk.
#[derive(Debug)]
pub struct Cutter<'a> {
    chunk: &'a [u8],
    at: usize,
    mid_line: bool,
    line_bytes_max: usize,
    at_end: AtEnd,
}

impl<'a> Cutter<'a> {
    /// Cuts `chunk`, which begins inside a line when `mid_line`. `line_bytes_max` is at least 4.
    pub fn new(chunk: &'a [u8], mid_line: bool, line_bytes_max: usize, at_end: AtEnd) -> Self {
        Self { chunk, at: 0, mid_line, line_bytes_max: line_bytes_max.max(4), at_end }
    }

    /// Bytes of the chunk that are dealt with.
    pub fn consumed(&self) -> usize {
        self.at
    }

    fn part(&mut self, rest: &'a [u8]) -> Line<'a> {
        let max = self.line_bytes_max;
        let begins_character = |at: &usize| rest[*at] & 0xc0 != 0x80;
        let cut = (max - 3..=max).rev().find(begins_character).unwrap_or(max);
        let start = self.at;
        self.at += cut;
        self.mid_line = true;
        Line { bytes: &rest[..cut], start, split: true }
    }
}

impl<'a> Iterator for Cutter<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            let start = self.at;
            let rest = &self.chunk[start..];
            if rest.is_empty() {
                return None;
            }
            // One more than the limit for `\r`, one more for `\n`.
            let window = &rest[..rest.len().min(self.line_bytes_max + 2)];
            let split = self.mid_line;
            let Some(end) = window.iter().position(|b| *b == b'\n') else {
                if rest.len() > self.line_bytes_max + 1 {
                    return Some(self.part(rest));
                }
                if self.at_end == AtEnd::Wait {
                    return None;
                }
                self.at = self.chunk.len();
                self.mid_line = true;
                return Some(Line { bytes: rest, start, split });
            };
            let bytes = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            if bytes.len() > self.line_bytes_max {
                return Some(self.part(rest));
            }
            self.at += end + 1;
            self.mid_line = false;
            // The end of a line whose last part is already out.
            if split && bytes.is_empty() {
                continue;
            }
            return Some(Line { bytes, start, split });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(chunk: &str, mid_line: bool, at_end: AtEnd, want: &[(&str, bool)], consumed: usize) {
        let mut cutter = Cutter::new(chunk.as_bytes(), mid_line, 8, at_end);
        let got: Vec<_> = cutter.by_ref().map(|l| (l.bytes, l.split)).collect();
        let want: Vec<_> = want.iter().map(|(t, s)| (t.as_bytes(), *s)).collect();
        assert_eq!(got, want, "{chunk:?}");
        assert_eq!(cutter.consumed(), consumed, "{chunk:?}");
    }

    #[test]
    fn lines_and_parts() {
        use AtEnd::{Take, Wait};
        check("a\nb\r\n\nc", false, Wait, &[("a", false), ("b", false), ("", false)], 6);
        check("a\nb", false, Take, &[("a", false), ("b", false)], 3);
        check("12345678\n", false, Wait, &[("12345678", false)], 9);
        check("12345678\r\n", false, Wait, &[("12345678", false)], 10);
        check("123456789\nx\n", false, Wait, &[("12345678", true), ("9", true), ("x", false)], 12);
        check("1234567890", false, Wait, &[("12345678", true)], 8);
        check("rest\nx\n", true, Wait, &[("rest", true), ("x", false)], 7);
        check("\nx\n", true, Wait, &[("x", false)], 3);
        check("\r\n", true, Wait, &[], 2);
        check("1234567é90\n", false, Wait, &[("1234567", true), ("é90", true)], 12);
        check("", false, Take, &[], 0);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(text in "[a-c\r\né]{0,60}", max in 4_usize..12, stop in 0_usize..60) {
            let bytes = text.as_bytes();
            let stop = stop.min(bytes.len());
            // Read in two chunks, as if the file had grown in between.
            let mut first = Cutter::new(&bytes[..stop], false, max, AtEnd::Wait);
            let mut got: Vec<(Vec<u8>, bool)> =
                first.by_ref().map(|l| (l.bytes.to_vec(), l.split)).collect();
            let at = first.consumed();
            let mid = at > 0 && bytes[at - 1] != b'\n';
            let mut second = Cutter::new(&bytes[at..], mid, max, AtEnd::Take);
            got.extend(second.by_ref().map(|l| (l.bytes.to_vec(), l.split)));
            prop_assert_eq!(at + second.consumed(), bytes.len());
            let joined: Vec<u8> = got.iter().flat_map(|l| l.0.clone()).collect();
            let bare = |b: &[u8]| -> Vec<u8> {
                b.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect()
            };
            prop_assert_eq!(bare(&joined), bare(bytes));
            prop_assert!(got.iter().all(|l| l.0.len() <= max + 1));
        }
    }
}

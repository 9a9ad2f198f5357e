//! Where does a line end? At `\n` or `\r\n`; the last one may have no end.

/// A line of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number in the body, from 1.
    pub number: u64,
    /// Its bytes, without the line end.
    pub bytes: &'a [u8],
}

impl Line<'_> {
    /// Whether it holds nothing but white space.
    pub fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }
}

/// The lines of a body, in order.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
    number: u64,
}

impl<'a> Lines<'a> {
    /// The lines of `body`. What follows the last line end is a line only when it has bytes.
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body, number: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = match memchr::memchr(b'\n', self.rest) {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        self.number += 1;
        Some(Line { number: self.number, bytes: line.strip_suffix(b"\r").unwrap_or(line) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_of_line_end_is_known() {
        let cases: [(&[u8], &[&[u8]]); 7] = [
            (b"", &[]),
            (b"\n", &[b""]),
            (b"a\nb\n", &[b"a", b"b"]),
            (b"a\r\nb", &[b"a", b"b"]),
            (b"a\n\nb\n", &[b"a", b"", b"b"]),
            (b"a\rb\r\r\n", &[b"a\rb\r"]),
            (b"\xff\n\0", &[b"\xff", b"\0"]),
        ];
        for (body, want) in cases {
            let got: Vec<_> = Lines::new(body).collect();
            assert_eq!(got.iter().map(|l| l.bytes).collect::<Vec<_>>(), want);
            assert!(got.iter().zip(1..).all(|(line, number)| line.number == number));
        }
    }

    proptest! {
        #[test]
        fn lines_agree_with_split(body in "[ab\n]{0,60}") {
            let got: Vec<_> = Lines::new(body.as_bytes()).map(|l| l.bytes).collect();
            let want: Vec<_> = body.split_terminator('\n').map(str::as_bytes).collect();
            prop_assert_eq!(got, want);
        }
    }
}

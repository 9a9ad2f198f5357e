//! What bytes does a compressed body hold? Inflates identity, gzip, deflate and zstd, never past
//! the limit: a small body that would become a huge one stops there.

use std::io::{self, Read};

use bytes::Bytes;
use thiserror::Error;

/// Bytes that are inflated before the limit and the budget are asked again.
const CHUNK_BYTES: u64 = 256 << 10;
/// The largest zstd window that is taken, as a power of two: 8 MiB, which the format's standard
/// asks every decoder for. It bounds the decoder's memory.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// One or more members.
    Gzip,
    /// zlib's form, as HTTP says, or bare, as some clients do.
    Deflate,
    /// One or more frames.
    Zstd,
}

impl Encoding {
    /// Reads a `Content-Encoding` header.
    ///
    /// # Errors
    /// It names what is not known, or more than one.
    pub fn parse(header: &str) -> Result<Self, String> {
        let mut names = header
            .split(',')
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty() && name != "identity");
        let Some(name) = names.next() else { return Ok(Self::Identity) };
        let found = match name.as_str() {
            "gzip" | "x-gzip" => Self::Gzip,
            "deflate" | "zlib" => Self::Deflate,
            "zstd" => Self::Zstd,
            _ => return Err(name),
        };
        match names.next() {
            None => Ok(found),
            Some(second) => Err(format!("{name}, {second}")),
        }
    }

    /// Its name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }
}

/// Why a body cannot be inflated; `E` is why whoever was asked for room refused it.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum InflateError<E> {
    /// It is larger than the limit.
    #[error(
        "the decompressed body is larger than `body_bytes_max` = {limit_bytes} bytes; \
         send smaller requests"
    )]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// It is not what its header says.
    #[error("the body is no valid {encoding}, after {good_bytes} good bytes: {reason}")]
    Corrupt {
        /// What it should be.
        encoding: &'static str,
        /// How much of it could be read, inflated.
        good_bytes: usize,
        /// What is wrong then.
        reason: String,
    },
    /// There is no room for it.
    #[error(transparent)]
    Refused(E),
}

/// Inflates a body of at most `limit_bytes`; `grow` is asked for each piece.
///
/// # Errors
/// The body is not what its header says, or too large, or `grow` refuses it.
pub fn inflate<E>(
    encoding: Encoding,
    body: Bytes,
    limit_bytes: u64,
    mut grow: impl FnMut(u64) -> Result<(), E>,
) -> Result<Bytes, InflateError<E>> {
    if encoding == Encoding::Identity {
        if body.len() as u64 > limit_bytes {
            return Err(InflateError::TooLarge { limit_bytes });
        }
        return Ok(body);
    }
    let mut out = Vec::new();
    let corrupt = |out: &Vec<u8>, error: io::Error| InflateError::Corrupt {
        encoding: encoding.name(),
        good_bytes: out.len(),
        reason: error.to_string(),
    };
    let mut from = reader(encoding, &body).map_err(|e| corrupt(&out, e))?;
    loop {
        let room = (limit_bytes.saturating_add(1) - out.len() as u64).min(CHUNK_BYTES);
        let read = from.by_ref().take(room).read_to_end(&mut out);
        let read = read.map_err(|e| corrupt(&out, e))?;
        if out.len() as u64 > limit_bytes {
            return Err(InflateError::TooLarge { limit_bytes });
        }
        grow(read as u64).map_err(InflateError::Refused)?;
        if (read as u64) < room {
            return Ok(out.into());
        }
    }
}

fn reader<'a>(encoding: Encoding, body: &'a [u8]) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match encoding {
        Encoding::Identity => Box::new(body),
        Encoding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(body)),
        Encoding::Deflate => {
            Box::new(Deflated { body, state: flate2::Decompress::new(is_zlib(body)), ended: false })
        }
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}

/// Whether the first two bytes are a zlib header: method 8, and divisible by 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [a, b, ..] if a & 0x0f == 8 && (u16::from(*a) << 8 | u16::from(*b)) % 31 == 0)
}

/// A deflate stream. flate2's own readers take a cut stream for a whole one; this one does not.
struct Deflated<'a> {
    body: &'a [u8],
    state: flate2::Decompress,
    ended: bool,
}

impl Read for Deflated<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ended || out.is_empty() {
            return Ok(0);
        }
        let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
        let status = self
            .state
            .decompress(self.body, out, flate2::FlushDecompress::None)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        self.body = &self.body[(self.state.total_in() - before_in) as usize..];
        let read = (self.state.total_out() - before_out) as usize;
        self.ended = status == flate2::Status::StreamEnd;
        match (self.ended, read) {
            (true, _) if !self.body.is_empty() => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "bytes follow the end of the stream",
            )),
            (false, 0) => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn pack(encoding: Encoding, plain: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::fast();
        match encoding {
            Encoding::Identity => plain.to_vec(),
            Encoding::Gzip => {
                let mut to = flate2::write::GzEncoder::new(Vec::new(), level);
                to.write_all(plain).unwrap();
                to.finish().unwrap()
            }
            Encoding::Deflate => {
                let mut to = flate2::write::ZlibEncoder::new(Vec::new(), level);
                to.write_all(plain).unwrap();
                to.finish().unwrap()
            }
            Encoding::Zstd => zstd::bulk::compress(plain, 1).unwrap(),
        }
    }

    /// There is no room.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
    #[error("full")]
    struct Full;

    fn open(encoding: Encoding, body: Vec<u8>, limit: u64) -> Result<Vec<u8>, InflateError<Full>> {
        inflate(encoding, body.into(), limit, |_| Ok(())).map(|b| b.to_vec())
    }

    const ALL: [Encoding; 4] =
        [Encoding::Identity, Encoding::Gzip, Encoding::Deflate, Encoding::Zstd];

    fn plain() -> Vec<u8> {
        (0..200_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
    }

    #[test]
    fn every_encoding_comes_back_up_to_its_limit_exactly() {
        let plain = plain();
        let len = plain.len() as u64;
        for encoding in ALL {
            let body = pack(encoding, &plain);
            assert!(open(encoding, body.clone(), len).unwrap() == plain, "{encoding:?}");
            assert_eq!(
                open(encoding, body, len - 1),
                Err(InflateError::TooLarge { limit_bytes: len - 1 })
            );
        }
    }

    #[test]
    fn members_and_frames_in_a_row_are_one_body() {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let body = [pack(encoding, b"one\n"), pack(encoding, b"two")].concat();
            assert_eq!(open(encoding, body, 100).unwrap(), b"one\ntwo");
        }
    }

    #[test]
    fn bare_deflate_is_told_from_zlib() {
        let mut to = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        to.write_all(b"bare").unwrap();
        assert_eq!(open(Encoding::Deflate, to.finish().unwrap(), 100).unwrap(), b"bare");
    }

    #[test]
    fn cut_bodies_and_garbage_are_errors() {
        let plain = plain();
        for encoding in &ALL[1..] {
            let body = pack(*encoding, &plain);
            for cut in [1, 5, body.len() / 2, body.len() - 1] {
                let got = open(*encoding, body[..cut].to_vec(), u64::MAX);
                assert!(matches!(got, Err(InflateError::Corrupt { .. })), "{encoding:?} {cut}");
            }
            let got = open(*encoding, b"{\"create\":{}}\n".to_vec(), 100).unwrap_err();
            assert!(got.to_string().contains(encoding.name()), "{got}");
            let trailing = [pack(*encoding, b"x"), b"garbage".to_vec()].concat();
            assert!(open(*encoding, trailing, 100).is_err(), "{encoding:?}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = vec![0; 64 << 20];
        for encoding in &ALL[1..] {
            let mut kept = 0;
            let body = pack(*encoding, &bomb);
            assert!(body.len() < 1 << 20);
            let got = inflate(*encoding, body.into(), 1 << 20, |by| {
                kept += by;
                Ok::<(), Full>(())
            });
            assert_eq!(got, Err(InflateError::TooLarge { limit_bytes: 1 << 20 }));
            assert!(kept <= (1 << 20) + CHUNK_BYTES, "{encoding:?}: {kept}");
        }
    }

    #[test]
    fn a_zstd_window_beyond_the_limit_is_refused() {
        let mut to = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        to.window_log(27).unwrap();
        to.include_contentsize(false).unwrap();
        to.write_all(&plain()).unwrap();
        let got = open(Encoding::Zstd, to.finish().unwrap(), 100 << 20);
        assert!(matches!(got, Err(InflateError::Corrupt { .. })), "{got:?}");
    }

    #[test]
    fn the_budget_can_stop_it() {
        let body = pack(Encoding::Gzip, &plain());
        let got = inflate(Encoding::Gzip, body.into(), 1 << 30, |_| Err(Full));
        assert_eq!(got, Err(InflateError::Refused(Full)));
    }

    #[test]
    fn encodings_are_known_by_name() {
        let cases = [
            ("", Ok(Encoding::Identity)),
            ("identity", Ok(Encoding::Identity)),
            (" GZIP ", Ok(Encoding::Gzip)),
            ("x-gzip", Ok(Encoding::Gzip)),
            ("identity, zstd", Ok(Encoding::Zstd)),
            ("deflate", Ok(Encoding::Deflate)),
            ("br", Err("br".to_owned())),
            ("snappy", Err("snappy".to_owned())),
            ("gzip, gzip", Err("gzip, gzip".to_owned())),
        ];
        for (header, want) in cases {
            assert_eq!(Encoding::parse(header), want, "{header}");
        }
    }
}

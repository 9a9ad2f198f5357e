//! How are runs of numbers kept? As bytes above the least one, plane by plane, each plane
//! compressed when that pays.
//!
//! ```text
//! ints: count | least (zigzag) | scale | width in bytes | width planes
//! plane: for each block of 16384 values: 0 raw | 1 zstd; length | bytes
//! ```
//! Numbers of the header are LEB128. Value = least + scale × the number of its planes.

use std::cell::RefCell;
use std::io;

/// Appends a number in LEB128.
pub(crate) fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads a number in LEB128; `None` at the end or when it is too long.
pub(crate) fn take_number(from: &mut &[u8]) -> Option<u64> {
    let mut out = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = from.split_first()?;
        *from = rest;
        out |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(out);
        }
    }
    None
}

/// A number in LEB128 that must be at most `most`.
pub(crate) fn take_up_to(from: &mut &[u8], most: usize) -> Option<usize> {
    let n = usize::try_from(take_number(from)?).ok()?;
    (n <= most).then_some(n)
}

/// The next `len` bytes.
pub(crate) fn take_bytes<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (bytes, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(bytes)
}

/// Small numbers for numbers near 0 of either sign.
pub(crate) fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

/// The other way round.
pub(crate) fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Compressors that are kept between uses.
pub(crate) struct Packer {
    /// For what looks like text.
    text: zstd::bulk::Compressor<'static>,
    /// For planes of numbers: only their skew is worth the time.
    plane: zstd::bulk::Compressor<'static>,
    scratch: Vec<u8>,
}

/// Values of a plane that are compressed together: who wants one value reads no more.
const BLOCK_VALUES: usize = if cfg!(test) { 7 } else { 1 << 14 };
/// Level for planes.
const PLANE_LEVEL: i32 = 1;
/// The most that is read after decompression of one frame.
pub(crate) const FRAME_BYTES_MAX: usize = 256 << 20;

impl Packer {
    /// Text at this level of zstd.
    pub(crate) fn new(level: i32) -> io::Result<Self> {
        let mut text = zstd::bulk::Compressor::new(level)?;
        // Shorter matches among digits make it larger, and half as fast to read.
        text.set_parameter(zstd::zstd_safe::CParameter::MinMatch(6))?;
        Ok(Self { text, plane: zstd::bulk::Compressor::new(PLANE_LEVEL)?, scratch: Vec::new() })
    }

    /// A frame of text.
    pub(crate) fn text(&mut self, raw: &[u8]) -> io::Result<Vec<u8>> {
        self.text.compress(raw)
    }

    /// Appends values.
    pub(crate) fn ints(
        &mut self,
        values: impl ExactSizeIterator<Item = i64> + Clone,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let count = values.len();
        put_number(out, count as u64);
        let Some(least) = values.clone().min() else { return Ok(()) };
        let offset = |v: i64| v.wrapping_sub(least) as u64;
        let most = values.clone().map(offset).max().unwrap_or(0);
        let scale = scale(values.clone().map(offset));
        put_number(out, zigzag(least));
        put_number(out, scale);
        let width = (64 - (most / scale).leading_zeros() as usize).div_ceil(8);
        out.push(width as u8);
        let mut planes = std::mem::take(&mut self.scratch);
        planes.clear();
        planes.resize(width * count, 0);
        for (at, value) in values.enumerate() {
            let value = if scale == 1 { offset(value) } else { offset(value) / scale };
            for plane in 0..width {
                planes[plane * count + at] = (value >> (8 * plane)) as u8;
            }
        }
        let mut blocks = planes.chunks_exact(count).flat_map(|plane| plane.chunks(BLOCK_VALUES));
        let done = blocks.try_for_each(|block| self.block(block, out));
        self.scratch = planes;
        done
    }

    fn block(&mut self, block: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let packed = if block.len() < 16 { Vec::new() } else { self.plane.compress(block)? };
        let pays = !packed.is_empty() && packed.len() < block.len() - block.len() / 32;
        let (form, bytes) = if pays { (1, packed.as_slice()) } else { (0, block) };
        out.push(form);
        put_number(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
        Ok(())
    }
}

/// The greatest number that divides all, at least 1.
fn scale(values: impl Iterator<Item = u64>) -> u64 {
    let mut out = 0u64;
    for value in values {
        let (mut a, mut b) = (out, value);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        out = a;
        if out == 1 {
            break;
        }
    }
    out.max(1)
}

thread_local! {
    /// What decompresses on this thread: it is large, and as good for the next frame.
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decompresses a frame into a buffer of its length; whether it fits.
fn unpack_to(packed: &[u8], out: &mut [u8]) -> bool {
    UNPACKER.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = zstd::bulk::Decompressor::new().ok();
        }
        let done = kept.as_mut().and_then(|d| d.decompress_to_buffer(packed, out).ok());
        done == Some(out.len())
    })
}

/// Decompresses a frame of so many bytes; `None` when it is malformed or of another length.
pub(crate) fn unpack(packed: &[u8], raw_bytes: usize) -> Option<Vec<u8>> {
    // A frame says how long it is; one that does not is not ours.
    let told = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
    if told != raw_bytes as u64 {
        return None;
    }
    let mut out = vec![0; raw_bytes];
    unpack_to(packed, &mut out).then_some(out)
}

/// What stands before planes of numbers.
struct Head {
    count: usize,
    least: i64,
    scale: u64,
    width: usize,
}

impl Head {
    fn take(from: &mut &[u8], count_max: usize) -> Option<Self> {
        let count = take_up_to(from, count_max)?;
        if count == 0 {
            return Some(Self { count, least: 0, scale: 1, width: 0 });
        }
        let least = unzigzag(take_number(from)?);
        let scale = take_number(from)?;
        let (width, rest) = from.split_first()?;
        *from = rest;
        (*width <= 8).then(|| Self { count, least, scale, width: usize::from(*width) })
    }

    fn value(&self, of_planes: u64) -> i64 {
        self.least.wrapping_add(of_planes.wrapping_mul(self.scale) as i64)
    }
}

/// The next block: whether it is compressed, and its bytes.
fn take_block<'a>(from: &mut &'a [u8]) -> Option<(bool, &'a [u8])> {
    let (form, rest) = from.split_first()?;
    *from = rest;
    let bytes = take_up_to(from, from.len())?;
    Some((*form == 1, take_bytes(from, bytes).filter(|_| *form < 2)?))
}

/// One value of what [`Packer::ints`] wrote; `None` when it is malformed or has no such value.
pub(crate) fn take_value(mut from: &[u8], at: usize) -> Option<i64> {
    let head = Head::take(&mut from, u32::MAX as usize)?;
    if at >= head.count {
        return None;
    }
    let (own, place) = (at / BLOCK_VALUES, at % BLOCK_VALUES);
    let (mut out, mut scratch) = (0u64, Vec::new());
    for plane in 0..head.width {
        for block in 0..head.count.div_ceil(BLOCK_VALUES) {
            let (packed, bytes) = take_block(&mut from)?;
            if block != own {
                continue;
            }
            let byte = if packed {
                scratch.resize(BLOCK_VALUES.min(head.count - own * BLOCK_VALUES), 0);
                unpack_to(bytes, &mut scratch).then(|| scratch.get(place).copied())??
            } else {
                *bytes.get(place)?
            };
            out |= u64::from(byte) << (8 * plane);
        }
    }
    Some(head.value(out))
}

/// Planes of numbers, before they are put together.
struct Planes {
    head: Head,
    planes: Vec<Vec<u8>>,
}

fn take_planes(from: &mut &[u8], count_max: usize) -> Option<Planes> {
    let head = Head::take(from, count_max)?;
    let mut planes = Vec::with_capacity(head.width);
    for _ in 0..head.width {
        let mut plane = vec![0; head.count];
        for block in plane.chunks_mut(BLOCK_VALUES) {
            match take_block(from)? {
                (true, packed) if unpack_to(packed, block) => {}
                (false, bytes) if bytes.len() == block.len() => block.copy_from_slice(bytes),
                _ => return None,
            }
        }
        planes.push(plane);
    }
    Some(Planes { head, planes })
}

/// The numbers whose bytes lie in planes, the lowest first.
fn join(planes: &[Vec<u8>], count: usize) -> Vec<u64> {
    let mut out = vec![0u64; count];
    for (at, plane) in planes.iter().enumerate() {
        for (value, byte) in out.iter_mut().zip(plane) {
            *value |= u64::from(*byte) << (8 * at);
        }
    }
    out
}

/// Reads what [`Packer::ints`] wrote; `None` when it is malformed or longer than `count_max`.
pub(crate) fn take_ints(from: &mut &[u8], count_max: usize) -> Option<Vec<i64>> {
    let Planes { head, planes } = take_planes(from, count_max)?;
    if let [plane] = planes.as_slice() {
        return Some(plane.iter().map(|byte| head.value(u64::from(*byte))).collect());
    }
    Some(join(&planes, head.count).into_iter().map(|v| head.value(v)).collect())
}

/// Of so many ordinals the positions are counted out one after the other, which is quick for each.
const SCANS_MAX: usize = if cfg!(test) { 2 } else { 10 };
/// More ordinals get no table.
const TABLE_MAX: u32 = 1 << 20;

/// Ordinals, as narrow as they can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ords {
    /// Below 256.
    Narrow(Vec<u8>),
    /// Below 65536.
    Middle(Vec<u16>),
    /// Any.
    Wide(Vec<u32>),
}

impl Ords {
    /// Ordinals of which the largest is `most`, in the least room.
    fn of(ords: impl Iterator<Item = u64>, most: u64) -> Self {
        match most {
            0..=0xff => Ords::Narrow(ords.map(|v| v as u8).collect()),
            0x100..=0xffff => Ords::Middle(ords.map(|v| v as u16).collect()),
            _ => Ords::Wide(ords.map(|v| v as u32).collect()),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Ords::Narrow(list) => list.len(),
            Ords::Middle(list) => list.len(),
            Ords::Wide(list) => list.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ordinal at a position that exists.
    pub fn get(&self, at: usize) -> u32 {
        match self {
            Ords::Narrow(list) => u32::from(list[at]),
            Ords::Middle(list) => u32::from(list[at]),
            Ords::Wide(list) => list[at],
        }
    }

    /// The sum of the weights of those before a position; each has one.
    pub(crate) fn sum_before(&self, at: usize, weights: &[u32]) -> usize {
        let of = |ord: usize| weights.get(ord).copied().unwrap_or(0) as usize;
        match self {
            Ords::Narrow(list) => {
                let mut counts = [0u64; 256];
                count_narrow(&list[..at.min(list.len())], &mut counts);
                counts.iter().enumerate().map(|(ord, count)| of(ord) * *count as usize).sum()
            }
            Ords::Middle(list) => list.iter().take(at).map(|ord| of(usize::from(*ord))).sum(),
            Ords::Wide(list) => list.iter().take(at).map(|ord| of(*ord as usize)).sum(),
        }
    }

    /// How many before a position that exists are equal to the one there.
    pub fn count_before(&self, at: usize) -> u32 {
        fn count<T: PartialEq + Copy>(list: &[T], at: usize) -> u32 {
            let own = list[at];
            list[..at].iter().map(|other| u32::from(*other == own)).sum()
        }
        match self {
            Ords::Narrow(list) => count(list, at),
            Ords::Middle(list) => count(list, at),
            Ords::Wide(list) => count(list, at),
        }
    }

    /// Calls `visit` with the positions at which ordinals stand for the n-th time (from 0), for
    /// rising pairs of ordinal and n; `None` when one stands there less often.
    pub(crate) fn select(&self, wanted: &[(u32, u32)], visit: &mut dyn FnMut(u32)) -> Option<()> {
        fn select<T: Copy + PartialEq>(
            list: &[T],
            ord: T,
            times: impl Iterator<Item = u32>,
            visit: &mut dyn FnMut(u32),
        ) -> Option<()> {
            const STEP: usize = 1024;
            let (mut at, mut seen) = (0, 0u32);
            for time in times {
                // In large steps first: counting is much faster than looking.
                while let Some(step) = list.get(at..at + STEP) {
                    let here = step.iter().map(|o| u32::from(*o == ord)).sum::<u32>();
                    if seen + here > time {
                        break;
                    }
                    (at, seen) = (at + STEP, seen + here);
                }
                let rest = list[at..].iter().enumerate().filter(|(_, o)| **o == ord);
                let (further, _) = rest.clone().nth((time - seen) as usize)?;
                visit((at + further) as u32);
            }
            Some(())
        }
        let ords = wanted.chunk_by(|a, b| a.0 == b.0);
        let small = wanted.last().is_none_or(|last| last.0 < TABLE_MAX);
        if small && ords.clone().count() > SCANS_MAX {
            return self.select_many(wanted, visit);
        }
        for of_ord in ords {
            let (ord, times) = (of_ord[0].0, of_ord.iter().map(|wanted| wanted.1));
            match self {
                Ords::Narrow(list) => select(list, u8::try_from(ord).ok()?, times, visit)?,
                Ords::Middle(list) => select(list, u16::try_from(ord).ok()?, times, visit)?,
                Ords::Wide(list) => select(list, ord, times, visit)?,
            }
        }
        Some(())
    }

    /// As [`Ords::select`], in one go.
    fn select_many(&self, wanted: &[(u32, u32)], visit: &mut dyn FnMut(u32)) -> Option<()> {
        const NONE: u32 = u32::MAX;
        // For each ordinal: which of the wanted ones comes next, and how often it stood there.
        let limit = wanted.last().map_or(0, |last| last.0 as usize + 1);
        let mut states = vec![(NONE, 0u32); limit];
        for (at, (ord, _)) in wanted.iter().enumerate().rev() {
            states[*ord as usize].0 = at as u32;
        }
        let mut left = wanted.len();
        self.for_each(0..self.len(), |at, ord| {
            let Some((next, seen)) = states.get_mut(ord as usize) else { return };
            if *next == NONE {
                return;
            }
            if wanted[*next as usize].1 == *seen {
                visit(at as u32);
                left -= 1;
                let more = wanted.get(*next as usize + 1).is_some_and(|more| more.0 == ord);
                *next = if more { *next + 1 } else { NONE };
            }
            *seen += 1;
        });
        (left == 0).then_some(())
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Ords::Narrow(list) => list.len(),
            Ords::Middle(list) => list.len() * 2,
            Ords::Wide(list) => list.len() * 4,
        }
    }

    /// Adds 1 to `counts[ordinal]` for each ordinal of a run; those beyond it are left out.
    pub fn count(&self, run: std::ops::Range<usize>, counts: &mut [u64]) {
        match self {
            Ords::Narrow(list) => count_narrow(&list[run], counts),
            Ords::Middle(list) => count_each(list[run].iter().map(|v| usize::from(*v)), counts),
            Ords::Wide(list) => count_each(list[run].iter().map(|v| *v as usize), counts),
        }
    }

    /// Calls `visit` with each position and ordinal of a run.
    pub fn for_each(&self, run: std::ops::Range<usize>, mut visit: impl FnMut(usize, u32)) {
        let from = run.start;
        match self {
            Ords::Narrow(list) => {
                list[run].iter().enumerate().for_each(|(at, v)| visit(from + at, u32::from(*v)));
            }
            Ords::Middle(list) => {
                list[run].iter().enumerate().for_each(|(at, v)| visit(from + at, u32::from(*v)));
            }
            Ords::Wide(list) => {
                list[run].iter().enumerate().for_each(|(at, v)| visit(from + at, *v));
            }
        }
    }
}

fn count_each(ords: impl Iterator<Item = usize>, counts: &mut [u64]) {
    for ord in ords {
        if let Some(count) = counts.get_mut(ord) {
            *count += 1;
        }
    }
}

/// Counts in four tables, so that equal ordinals that follow each other do not wait for each other.
fn count_narrow(list: &[u8], counts: &mut [u64]) {
    let (fours, rest) = list.as_chunks::<4>();
    if fours.len() < 64 {
        return count_each(list.iter().map(|v| usize::from(*v)), counts);
    }
    let mut tables = [[0u32; 256]; 4];
    // Positions are 32 bits wide, so no table can overflow.
    for four in fours {
        for (table, ord) in tables.iter_mut().zip(four) {
            table[usize::from(*ord)] += 1;
        }
    }
    for (ord, count) in counts.iter_mut().enumerate().take(256) {
        *count += tables.iter().map(|table| u64::from(table[ord])).sum::<u64>();
    }
    count_each(rest.iter().map(|v| usize::from(*v)), counts);
}

/// Reads ordinals below `limit`; `None` when it is malformed or there are more than `count_max`.
pub(crate) fn take_ords(from: &mut &[u8], count_max: usize, limit: u64) -> Option<Ords> {
    let Planes { head: Head { count, least, scale, .. }, mut planes } =
        take_planes(from, count_max)?;
    let base = u64::try_from(least).ok()?;
    let value = |of_planes: u64| base.checked_add(of_planes.checked_mul(scale)?);
    let plain = base == 0 && scale == 1;
    // What the largest stands for, if that is below the limit.
    let inside = |most: Option<u64>| value(most?).filter(|most| *most < limit);
    if count == 0 {
        return Some(Ords::Narrow(Vec::new()));
    }
    Some(match planes.len() {
        0 => Ords::of(std::iter::repeat_n(base, count), inside(Some(0))?),
        1 => {
            let bytes = planes.pop()?;
            let most = inside(bytes.iter().copied().max().map(u64::from))?;
            match plain {
                true => Ords::Narrow(bytes),
                false => Ords::of(bytes.iter().map(|v| base + u64::from(*v) * scale), most),
            }
        }
        2 => {
            let joined = planes[0].iter().zip(&planes[1]);
            let joined = joined.map(|(low, high)| u16::from_le_bytes([*low, *high]));
            let mut joined: Vec<u16> = joined.collect();
            let most = inside(joined.iter().copied().max().map(u64::from))?;
            if most > u64::from(u16::MAX) {
                return Some(Ords::of(joined.iter().map(|v| base + u64::from(*v) * scale), most));
            }
            if !plain {
                // All results fit, so what wraps on the way is right again at the end.
                let (base, scale) = (base as u16, scale as u16);
                let of = |v: u16| v.wrapping_mul(scale).wrapping_add(base);
                joined.iter_mut().for_each(|v| *v = of(*v));
            }
            Ords::Middle(joined)
        }
        _ => {
            let out = join(&planes, count);
            let most = inside(out.iter().copied().max())?;
            Ords::of(out.iter().map(|v| base + v * scale), most)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packer() -> Packer {
        Packer::new(3).unwrap()
    }

    proptest! {
        #[test]
        fn numbers_come_back(
            values in prop_oneof![
                prop::collection::vec(any::<i64>(), 0..80),
                prop::collection::vec(-3i64..300, 0..400),
                prop::collection::vec((0i64..1000).prop_map(|v| v * 1_000_000), 0..80),
                (any::<i64>(), 0usize..60).prop_map(|(v, n)| vec![v; n]),
            ],
        ) {
            let mut bytes = Vec::new();
            packer().ints(values.iter().copied(), &mut bytes).unwrap();
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_ints(&mut rest, values.len()), Some(values.clone()));
            prop_assert!(rest.is_empty());
            for at in 0..values.len() + 1 {
                prop_assert_eq!(take_value(&bytes, at), values.get(at).copied());
            }
            prop_assert_eq!(take_ints(&mut &bytes[..], values.len().saturating_sub(1)).is_some(), values.is_empty());
        }

        #[test]
        fn ordinals_come_back(
            values in prop_oneof![
                prop::collection::vec(0u32..256, 0..800),
                prop::collection::vec(0u32..70_000, 0..80),
                prop::collection::vec(any::<u32>(), 0..80),
                prop::collection::vec(300u32..310, 0..80),
                (0u32..300, 1u32..300, prop::collection::vec(0u32..300, 0..800))
                    .prop_map(|(base, scale, list)| list.iter().map(|v| base + v * scale).collect()),
            ],
        ) {
            let mut bytes = Vec::new();
            packer().ints(values.iter().map(|v| i64::from(*v)), &mut bytes).unwrap();
            let limit = values.iter().max().map_or(1, |m| u64::from(*m) + 1);
            let got = take_ords(&mut &bytes[..], values.len(), limit).unwrap();
            for (at, value) in values.iter().enumerate() {
                let before = values[..at].iter().filter(|v| *v == value).count() as u32;
                prop_assert_eq!(got.count_before(at), before);
                let mut found = Vec::new();
                let wanted = [(*value, before / 2), (*value, before)];
                got.select(&wanted[usize::from(before == 0)..], &mut |p| found.push(p)).unwrap();
                prop_assert_eq!(found.last(), Some(&(at as u32)));
                prop_assert_eq!(got.select(&[(*value, u32::MAX - 1)], &mut |_| {}), None);
            }
            let mut pairs: Vec<(u32, u32, u32)> = Vec::new();
            for (at, value) in values.iter().enumerate().filter(|(at, _)| at % 3 > 0) {
                pairs.push((*value, got.count_before(at), at as u32));
            }
            pairs.sort_unstable();
            let mut wanted: Vec<(u32, u32)> = pairs.iter().map(|p| (p.0, p.1)).collect();
            let mut found = Vec::new();
            got.select(&wanted, &mut |p| found.push(p)).unwrap();
            found.sort_unstable();
            let mut want: Vec<u32> = pairs.iter().map(|p| p.2).collect();
            want.sort_unstable();
            prop_assert_eq!(found, want);
            if let Some(last) = wanted.last_mut() {
                last.1 = values.len() as u32;
                prop_assert_eq!(got.select(&wanted, &mut |_| {}), None);
            }
            let run = values.len() / 7..values.len();
            let mut counts = vec![0; (limit as usize).min(70_000) / 2];
            got.count(run.clone(), &mut counts);
            let mut want = vec![0; counts.len()];
            for value in &values[run] {
                want.get_mut(*value as usize).into_iter().for_each(|count| *count += 1);
            }
            prop_assert_eq!(counts, want);
            prop_assert_eq!((0..got.len()).map(|at| got.get(at)).collect::<Vec<_>>(), values.clone());
            if values.iter().any(|v| *v > 0) {
                prop_assert_eq!(take_ords(&mut &bytes[..], values.len(), limit - 1), None);
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = take_ints(&mut &bytes[..], 1000);
            let _ = take_value(&bytes, 30);
            let _ = take_ords(&mut &bytes[..], 1000, 50);
        }
    }
}

//! How are the texts of a group of rows kept? The templates' numbers, and what stood in the slots,
//! slot by slot.
//!
//! ```text
//! chunk:  templates of the values (ints) | frames | per frame: first template, its first value,
//!         and for either half: bytes before and after compression | the halves' bytes
//! half:   per template, per slot: bytes of its values, 0 when it lies in the other half | per
//!         template, per slot: the values of its texts in the order of rows, each with "\n" after
//!         it; where all are the same: 0xfe | value "\n"
//! half of the raw template: length of each text | the texts
//! ```
//! A frame goes on to where the next one begins. Its second half has the slots all whose values
//! are shorter than four bytes: most of the bytes, and never what a search looks for.

mod encode;
mod groups;
mod needle;

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

pub(crate) use encode::{TokenSink, encode};
pub(crate) use groups::{Groups, Order};
pub(crate) use needle::Needle;

use super::codec::{FRAME_BYTES_MAX, Ords, take_number, take_ords, take_up_to, unpack};
use super::template::{Key, RAW, SLOT};

/// Stands before a value that all texts of the template have in the slot.
const SAME: u8 = 0xfe;
const END: u8 = b'\n';

/// Texts that were cut: for each a template and its slots one after the other, each with "\n"
/// after it, or the whole text under the raw template.
#[derive(Debug, Default)]
pub(crate) struct TextData {
    /// The template of each value.
    pub(crate) templates: Vec<u32>,
    /// Where each value's bytes begin.
    pub(crate) starts: Vec<u64>,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
}

impl TextData {
    /// Adds a text that was cut.
    pub(crate) fn push(&mut self, template: u32, text: &str, slots: &[(u32, u32)]) {
        self.begin(template);
        for (from, to) in slots {
            self.bytes.extend_from_slice(&text.as_bytes()[*from as usize..*to as usize]);
            self.bytes.push(END);
        }
    }

    /// Adds a text whole.
    pub(crate) fn push_raw(&mut self, text: &str) {
        self.begin(RAW);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Adds slots as [`TextData::value`] gives them.
    pub(crate) fn push_slots(&mut self, template: u32, slots: &[u8]) {
        self.begin(template);
        self.bytes.extend_from_slice(slots);
    }

    /// Adds a value with the bytes of one before it: from, to.
    pub(crate) fn push_again(&mut self, template: u32, (from, to): (u64, u64)) {
        self.begin(template);
        self.bytes.extend_from_within(from as usize..to as usize);
    }

    /// Begins a value; its slots follow by [`TextData::slot`].
    pub(crate) fn begin(&mut self, template: u32) {
        self.templates.push(template);
        self.starts.push(self.bytes.len() as u64);
    }

    /// Adds a slot to the last value.
    pub(crate) fn slot(&mut self, slot: &[u8]) {
        self.bytes.extend_from_slice(slot);
        self.bytes.push(END);
    }

    /// How many values.
    pub(crate) fn len(&self) -> usize {
        self.templates.len()
    }

    /// The bytes of a value.
    pub(crate) fn value(&self, at: usize) -> &[u8] {
        let to = self.starts.get(at + 1).map_or(self.bytes.len(), |to| *to as usize);
        &self.bytes[self.starts[at] as usize..to]
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.templates.clear();
        self.starts.clear();
        self.bytes.clear();
    }
}

/// Writes the text of a value into `out`.
pub(crate) fn render(key: &[u8], slots: &[u8], out: &mut Vec<u8>) {
    let mut rest = slots;
    for (at, piece) in key.split(|b| *b == SLOT).enumerate() {
        if at > 0 {
            let end = memchr::memchr(END, rest).unwrap_or(rest.len());
            out.extend_from_slice(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        out.extend_from_slice(piece);
    }
}

/// The texts of a group: which templates they have, and where their frames lie.
#[derive(Debug)]
pub(crate) struct TextChunk {
    ids: Ords,
    groups: Groups,
    bytes: bytes::Bytes,
    frames: Vec<FrameRef>,
}

#[derive(Debug)]
struct FrameRef {
    /// Template and rank of its first value.
    first: (u32, u32),
    halves: [HalfRef; 2],
}

#[derive(Debug)]
struct HalfRef {
    raw_bytes: usize,
    range: Range<usize>,
}

/// Half of a frame, decoded.
#[derive(Debug)]
pub(crate) struct Frame {
    body: Vec<u8>,
    /// The slots, in order.
    streams: Vec<Stream>,
    /// Where each raw text begins, and where the last ends.
    texts: Vec<u32>,
}

/// Values of a slot.
#[derive(Debug)]
struct Stream {
    template: u32,
    slot: u32,
    /// The rank of the first value among those of the template.
    first: u32,
    from: u32,
    to: u32,
    same: bool,
    count: u32,
    /// Where each value begins, once it is asked.
    starts: OnceLock<Vec<u32>>,
}

#[cfg(test)]
thread_local! {
    /// How many halves of frames this thread decoded.
    pub(crate) static FRAMES_OPENED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Malformed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

type Checked<T> = Result<T, Malformed>;

impl TextChunk {
    /// Reads a chunk of at most `count_max` values with templates below `templates`.
    pub(crate) fn open(chunk: &bytes::Bytes, count_max: usize, templates: usize) -> Option<Self> {
        let mut rest = &chunk[..];
        let ids = take_ords(&mut rest, count_max, templates as u64)?;
        let groups = Groups::of_ords(&ids);
        let left = rest.len();
        let count = take_up_to(&mut rest, left)?;
        let mut sizes = Vec::with_capacity(count);
        for _ in 0..count {
            let template = u32::try_from(take_number(&mut rest)?).ok()?;
            let rank = take_up_to(&mut rest, ids.len())? as u32;
            let mut halves = [(0, 0); 2];
            for (raw, packed) in &mut halves {
                *raw = take_up_to(&mut rest, FRAME_BYTES_MAX)?;
                *packed = take_up_to(&mut rest, FRAME_BYTES_MAX)?;
            }
            sizes.push(((template, rank), halves));
        }
        let mut from = chunk.len() - rest.len();
        let mut frames: Vec<FrameRef> = Vec::with_capacity(count);
        for (first, halves) in sizes {
            let halves = halves.map(|(raw_bytes, packed)| {
                let range = from..from + packed;
                from += packed;
                HalfRef { raw_bytes, range }
            });
            let values = groups.find(first.0).map_or(0, |run| run.len() as u32);
            let rises = frames.last().is_none_or(|f| f.first < first);
            if !rises || (first.1 > 0 && (first.1 >= values || frames.is_empty())) {
                return None;
            }
            frames.push(FrameRef { first, halves });
        }
        (from == chunk.len()).then(|| Self { ids, groups, bytes: chunk.clone(), frames })
    }

    /// The template of each value.
    pub(crate) fn ids(&self) -> &Ords {
        &self.ids
    }

    /// How many halves of frames.
    pub(crate) fn halves(&self) -> usize {
        2 * self.frames.len()
    }

    /// Bytes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.ids.bytes() + 8 * self.groups.present.len() + 64 * self.frames.len()
    }

    /// Sorts the values.
    pub(crate) fn order(&self) -> Order {
        self.groups.order_of(&self.ids)
    }

    fn frame_of(&self, template: u32, rank: u32) -> Checked<usize> {
        let after = self.frames.partition_point(|f| f.first <= (template, rank));
        after.checked_sub(1).ok_or(Malformed)
    }

    /// The values of a frame: positions in `groups.present`, and their ranks.
    fn parts(&self, at: usize) -> impl Iterator<Item = (usize, Range<u32>)> + '_ {
        let first = self.frames[at].first;
        let next = self.frames.get(at + 1).map_or((u32::MAX, 0), |f| f.first);
        let present = &self.groups.present;
        let from = present.partition_point(|p| p.0 < first.0);
        let to = present.partition_point(|p| p.0 < next.0 || (p.0 == next.0 && next.1 > 0));
        (from..to).map(move |place| {
            let template = present[place].0;
            let from = if template == first.0 { first.1 } else { 0 };
            let to = if template == next.0 { next.1 } else { self.groups.run(place).len() as u32 };
            (place, from..to)
        })
    }

    /// Decodes half of a frame.
    pub(crate) fn open_half(&self, half: usize, keys: &[Key]) -> Option<Frame> {
        #[cfg(test)]
        FRAMES_OPENED.with(|count| count.set(count.get() + 1));
        let (at, half) = (half / 2, half % 2);
        let frame = &self.frames[at];
        let HalfRef { raw_bytes, range } = &frame.halves[half];
        let mut out = Frame { body: Vec::new(), streams: Vec::new(), texts: Vec::new() };
        if range.is_empty() {
            return (*raw_bytes == 0).then_some(out);
        }
        out.body = unpack(&self.bytes[range.clone()], *raw_bytes)?;
        if frame.first.0 == RAW {
            let count = self.parts(at).map(|(_, ranks)| ranks.len()).sum();
            return out.index_raw(count).then_some(out);
        }
        let slots_of = |place: usize| {
            let template = self.groups.present[place].0;
            keys.get(template as usize).map(|key| (template, key.slots))
        };
        let slots = self.parts(at).map(|(place, _)| slots_of(place).map_or(0, |of| of.1 as usize));
        out.streams.reserve(slots.sum::<usize>().min(*raw_bytes));
        let mut rest = out.body.as_slice();
        for (place, ranks) in self.parts(at) {
            let (template, slots) = slots_of(place)?;
            for slot in 0..slots {
                let bytes = take_up_to(&mut rest, *raw_bytes)? as u32;
                let (first, count) = (ranks.start, ranks.len() as u32);
                let starts = OnceLock::new();
                if bytes > 0 {
                    let (from, to, same) = (0, bytes, false);
                    out.streams.push(Stream {
                        template,
                        slot,
                        first,
                        from,
                        to,
                        same,
                        count,
                        starts,
                    });
                }
            }
        }
        let mut from = u32::try_from(out.body.len() - rest.len()).ok()?;
        for stream in &mut out.streams {
            stream.same = *out.body.get(from as usize)? == SAME;
            let to = from.checked_add(stream.to)?;
            (stream.from, stream.to) = (from + u32::from(stream.same), to);
            from = to;
        }
        (from as usize == out.body.len()).then_some(out)
    }
}

/// Gives decoded parts of a chunk, from a cache or anew.
pub(crate) trait Load: Send + Sync {
    /// Half of a frame; `None` when it is malformed.
    fn half(&self, chunk: &TextChunk, half: usize, keys: &[Key]) -> Option<Arc<Frame>>;
    /// The values by template.
    fn order(&self, chunk: &TextChunk) -> Arc<Order>;
}

/// Decodes what is asked for each time.
pub(crate) struct Anew;

impl Load for Anew {
    fn half(&self, chunk: &TextChunk, half: usize, keys: &[Key]) -> Option<Arc<Frame>> {
        chunk.open_half(half, keys).map(Arc::new)
    }

    fn order(&self, chunk: &TextChunk) -> Arc<Order> {
        Arc::new(chunk.order())
    }
}

/// A chunk being read: what was opened stays open.
pub(crate) struct TextView {
    chunk: Arc<TextChunk>,
    keys: Arc<[Key]>,
    load: Box<dyn Load>,
    halves: Vec<OnceLock<Option<Arc<Frame>>>>,
    order: OnceLock<Arc<Order>>,
    /// How many ranks were asked before there was an order.
    asked: AtomicU32,
}

/// The half of a frame with the slots that have longer values.
const LONG: usize = 0;
/// The other half.
const SHORT: usize = 1;
/// Values of the short half have fewer bytes.
const SHORT_BYTES: usize = 4;
/// So many ranks are counted one by one before all values are sorted.
const RANKS_COUNTED: u32 = 8;

impl TextView {
    pub(crate) fn new(chunk: Arc<TextChunk>, keys: Arc<[Key]>, load: Box<dyn Load>) -> Self {
        let halves = (0..chunk.halves()).map(|_| OnceLock::new()).collect();
        Self { chunk, keys, load, halves, order: OnceLock::new(), asked: AtomicU32::new(0) }
    }

    /// The templates that there are, rising.
    pub(crate) fn templates(&self) -> impl Iterator<Item = u32> + '_ {
        self.chunk.groups.present.iter().map(|(template, _)| *template)
    }

    /// The template of each value.
    pub(crate) fn ids(&self) -> &Ords {
        &self.chunk.ids
    }

    fn order(&self) -> &Order {
        self.order.get_or_init(|| self.load.order(&self.chunk))
    }

    fn half(&self, at: usize, half: usize) -> Checked<&Frame> {
        let half = 2 * at + half;
        let open = || self.load.half(&self.chunk, half, &self.keys);
        self.halves[half].get_or_init(open).as_deref().ok_or(Malformed)
    }

    /// The rank of a value among those of its template.
    fn rank(&self, at: usize) -> u32 {
        match self.order.get() {
            None if self.asked.fetch_add(1, Relaxed) < RANKS_COUNTED => {
                self.chunk.ids.count_before(at)
            }
            _ => self.order().ranks[at],
        }
    }

    fn key(&self, template: u32) -> Checked<&Key> {
        self.keys.get(template as usize).ok_or(Malformed)
    }

    /// Writes the text of a value.
    pub(crate) fn text(&self, at: usize, out: &mut Vec<u8>) -> Checked<()> {
        let template = self.chunk.ids.get(at);
        let key = self.key(template)?;
        if !key.contains(&SLOT) {
            out.extend_from_slice(key);
            return Ok(());
        }
        if template == RAW {
            out.extend_from_slice(self.raw_text(at)?);
            return Ok(());
        }
        let mut rest = &**key;
        self.each_slot(template, self.rank(at), &mut |slot| {
            let piece = memchr::memchr(SLOT, rest).unwrap_or(rest.len());
            out.extend_from_slice(&rest[..piece]);
            out.extend_from_slice(slot);
            rest = rest.get(piece + 1..).unwrap_or_default();
        })?;
        out.extend_from_slice(rest);
        Ok(())
    }

    fn raw_text(&self, at: usize) -> Checked<&[u8]> {
        let rank = self.rank(at);
        let frame = self.chunk.frame_of(RAW, rank)?;
        let rank = rank - self.chunk.frames[frame].first.1;
        self.half(frame, LONG)?.raw_text(rank).ok_or(Malformed)
    }

    fn each_slot<'a>(
        &'a self,
        template: u32,
        rank: u32,
        visit: &mut dyn FnMut(&'a [u8]),
    ) -> Checked<()> {
        let at = self.chunk.frame_of(template, rank)?;
        let open = |half: usize| -> Checked<(&'a Frame, usize)> {
            let frame = self.half(at, half)?;
            Ok((frame, frame.streams.partition_point(|s| s.template < template)))
        };
        let (mut long, mut short) = (open(LONG)?, None);
        for slot in 0..self.key(template)?.slots {
            let is_long = long.0.streams.get(long.1).is_some_and(|s| s.is(template, slot));
            let (frame, stream) = match (is_long, &mut short) {
                (true, _) => &mut long,
                (false, Some(short)) => short,
                (false, short) => short.insert(open(SHORT)?),
            };
            let found = frame.streams.get(*stream).filter(|s| s.is(template, slot));
            visit(found.and_then(|s| frame.slot(s, rank)).ok_or(Malformed)?);
            *stream += 1;
        }
        Ok(())
    }

    /// Calls `visit` with each slot of a value, or the whole text of a raw one.
    pub(crate) fn slots<'a>(&'a self, at: usize, mut visit: impl FnMut(&'a [u8])) -> Checked<()> {
        let template = self.chunk.ids.get(at);
        if template == RAW {
            visit(self.raw_text(at)?);
            return Ok(());
        }
        match self.key(template)?.slots {
            0 => Ok(()),
            _ => self.each_slot(template, self.rank(at), &mut visit),
        }
    }

    /// Calls `visit` with each text that there is, in no order; of equal ones that follow each
    /// other as few as is easily known. All are UTF-8.
    pub(crate) fn each_text(&self, visit: &mut dyn FnMut(&[u8]) -> bool) -> Checked<()> {
        let mut text = Vec::new();
        for at in 0..self.chunk.frames.len() {
            let long = self.half(at, LONG)?;
            if self.chunk.frames[at].first.0 == RAW {
                let first = long.texts.first().map_or(0, |first| *first as usize);
                let body = utf8(long.body.get(first..).ok_or(Malformed)?)?;
                let bounds = long.texts.windows(2).map(|w| w[0] as usize..w[1] as usize);
                for range in bounds {
                    let text = body.get(range.start - first..range.end - first);
                    if !visit(text.ok_or(Malformed)?.as_bytes()) {
                        return Ok(());
                    }
                }
                continue;
            }
            let halves = [long, self.half(at, SHORT)?];
            let mut next = [0, 0];
            for (place, ranks) in self.chunk.parts(at) {
                let template = self.chunk.groups.present[place].0;
                let mut streams: Vec<(&Stream, &[u8])> = Vec::new();
                for (frame, next) in halves.iter().zip(&mut next) {
                    let rest = &frame.streams[*next..];
                    let own = rest.iter().take_while(|s| s.template == template);
                    streams.extend(own.map(|s| (s, frame.values(s))));
                    *next += rest.partition_point(|s| s.template <= template);
                }
                streams.sort_unstable_by_key(|(s, _)| s.slot);
                // What is put together of UTF-8 is UTF-8.
                let pieces: Vec<&[u8]> = self.key(template)?.split(|b| *b == SLOT).collect();
                let parts = pieces.iter().copied().chain(streams.iter().map(|(_, values)| *values));
                parts.map(utf8).try_for_each(|part| part.map(|_| ()))?;
                if streams.len() + 1 != pieces.len() {
                    return Err(Malformed);
                }
                let varies = streams.iter().any(|(s, _)| !s.same);
                let count = if varies { ranks.len() } else { 1 };
                for _ in 0..count {
                    next_text(&pieces, &mut streams, &mut text)?;
                    if !visit(&text) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Calls `visit` with the positions of values that have the needle in a slot (or a raw text);
    /// frames without a template that `wanted` names are not read. Positions come in no order,
    /// may come twice, and may be of other templates.
    pub(crate) fn find(
        &self,
        needle: &Needle<'_>,
        wanted: &dyn Fn(u32) -> bool,
        visit: &mut dyn FnMut(u32),
    ) -> Checked<()> {
        let mut hits = Hits::default();
        for at in 0..self.chunk.frames.len() {
            let present = &self.chunk.groups.present;
            if !self.chunk.parts(at).any(|(place, _)| wanted(present[place].0)) {
                continue;
            }
            if self.chunk.frames[at].first.0 == RAW {
                self.find_raw(at, needle, &mut hits)?;
                continue;
            }
            find_in(self.half(at, LONG)?, needle, &mut hits)?;
            if !needle.is_longer_than(SHORT_BYTES - 1) {
                find_in(self.half(at, SHORT)?, needle, &mut hits)?;
            }
        }
        self.values(hits, visit)
    }

    fn find_raw(&self, at: usize, needle: &Needle<'_>, hits: &mut Hits) -> Checked<()> {
        let frame = self.half(at, LONG)?;
        let Some((_, ranks)) = self.chunk.parts(at).next() else { return Ok(()) };
        let mut test = |rank: usize| -> Checked<()> {
            if needle.is_in_text(frame.raw_text(rank as u32).ok_or(Malformed)?) {
                hits.single.push((RAW, ranks.start + rank as u32));
            }
            Ok(())
        };
        match needle.folded_ascii() {
            // Few texts have the letters at all.
            Some(text) => frame.each_raw_with(&text, &mut test),
            None => (0..ranks.len()).try_for_each(test),
        }
    }

    /// Calls `visit` with the positions of hits.
    fn values(&self, hits: Hits, visit: &mut dyn FnMut(u32)) -> Checked<()> {
        let Hits { mut single, runs } = hits;
        if runs.is_empty() && self.order.get().is_none() {
            single.sort_unstable();
            single.dedup();
            return self.chunk.ids.select(&single, visit).ok_or(Malformed);
        }
        let one = single.into_iter().map(|(template, rank)| (template, rank..rank + 1));
        for (template, ranks) in one.chain(runs) {
            let run = self.chunk.groups.find(template).ok_or(Malformed)?;
            let values = run.start + ranks.start as usize..run.start + ranks.end as usize;
            let values = self.order().order[..run.end].get(values).ok_or(Malformed)?;
            values.iter().for_each(|value| visit(*value));
        }
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> Checked<&str> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

/// Values by template and rank.
#[derive(Default)]
struct Hits {
    single: Vec<(u32, u32)>,
    runs: Vec<(u32, Range<u32>)>,
}

fn find_in(frame: &Frame, needle: &Needle<'_>, hits: &mut Hits) -> Checked<()> {
    let Some(first) = frame.streams.first() else { return Ok(()) };
    let from = first.from as usize - usize::from(first.same);
    let mut places = Vec::new();
    needle.each_in(&frame.body[from..], &mut |place| places.push(from + place));
    for place in places {
        let stream = frame.streams.partition_point(|s| s.from as usize <= place);
        let Some(stream) = stream.checked_sub(1).map(|s| &frame.streams[s]) else { continue };
        if stream.same {
            hits.runs.push((stream.template, stream.first..stream.first + stream.count));
        } else {
            let rank = stream.rank(&frame.body, place).ok_or(Malformed)? as u32;
            hits.single.push((stream.template, stream.first + rank));
        }
    }
    Ok(())
}

/// Renders a text from the next value of each slot, between the pieces of its template; values that
/// are all the same stay.
fn next_text(pieces: &[&[u8]], streams: &mut [(&Stream, &[u8])], out: &mut Vec<u8>) -> Checked<()> {
    out.clear();
    push_short(pieces[0], out);
    for ((stream, values), piece) in streams.iter_mut().zip(&pieces[1..]) {
        let end = match values.first_chunk().map(|head| (head, end_in(*head))) {
            // Values are short: all eight bytes at once, and what was too much is cut off.
            Some((head, Some(end))) => {
                let len = out.len();
                out.extend_from_slice(head);
                out.truncate(len + end);
                end
            }
            _ => {
                let end = memchr::memchr(END, values).ok_or(Malformed)?;
                out.extend_from_slice(&values[..end]);
                end
            }
        };
        if !stream.same {
            *values = &values[end + 1..];
        }
        push_short(piece, out);
    }
    Ok(())
}

/// Where the first value that begins these bytes ends, if it ends in them.
fn end_in(bytes: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // The lowest byte that is zero is the first whose high bit comes up.
    let zero = u64::from_le_bytes(bytes) ^ (ONES * END as u64);
    let found = zero.wrapping_sub(ONES) & !zero & (ONES << 7);
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

fn push_short(piece: &[u8], out: &mut Vec<u8>) {
    match piece {
        [] => {}
        [byte] => out.push(*byte),
        piece => out.extend_from_slice(piece),
    }
}

impl Stream {
    fn is(&self, template: u32, slot: u32) -> bool {
        self.template == template && self.slot == slot
    }

    /// Where each value begins.
    fn starts(&self, body: &[u8]) -> &[u32] {
        self.starts.get_or_init(|| {
            let bytes = body.get(self.from as usize..self.to as usize).unwrap_or_default();
            let mut out = Vec::with_capacity(self.count as usize);
            out.push(self.from);
            out.extend(memchr::memchr_iter(END, bytes).map(|end| self.from + end as u32 + 1));
            out.pop();
            out
        })
    }

    /// Which value a place lies in.
    fn rank(&self, body: &[u8], place: usize) -> Option<usize> {
        self.starts(body).partition_point(|start| *start as usize <= place).checked_sub(1)
    }
}

impl Frame {
    /// The values of a slot, each with "\n" after it.
    fn values(&self, stream: &Stream) -> &[u8] {
        self.body.get(stream.from as usize..stream.to as usize).unwrap_or_default()
    }

    /// Bytes in memory, when all is indexed.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.body.len() + self.body.len() / 2 + 64 * self.streams.len() + 4 * self.texts.len()
    }

    /// Reads where the texts lie.
    fn index_raw(&mut self, count: usize) -> bool {
        let mut rest = self.body.as_slice();
        let mut lens = Vec::with_capacity(count.min(rest.len()));
        for _ in 0..count {
            let Some(len) = take_up_to(&mut rest, self.body.len()) else { return false };
            lens.push(len);
        }
        let mut pos = self.body.len() - rest.len();
        for len in lens {
            self.texts.push(pos as u32);
            pos += len;
        }
        self.texts.push(pos as u32);
        pos == self.body.len()
    }

    /// Calls `visit` with the rank of each whole text that has the letters, which are ASCII in
    /// lower case, whatever the case there.
    fn each_raw_with(
        &self,
        text: &str,
        visit: &mut dyn FnMut(usize) -> Checked<()>,
    ) -> Checked<()> {
        let Some(begin) = self.texts.first() else { return Ok(()) };
        let lower = self.body.to_ascii_lowercase();
        let finder = memchr::memmem::Finder::new(text.as_bytes());
        let mut from = *begin as usize;
        while let Some(at) = lower.get(from..).and_then(|rest| finder.find(rest)) {
            // The last text that begins at or before the place.
            let rank = self.texts.partition_point(|begin| *begin as usize <= from + at) - 1;
            visit(rank)?;
            from = *self.texts.get(rank + 1).ok_or(Malformed)? as usize;
        }
        Ok(())
    }

    fn raw_text(&self, rank: u32) -> Option<&[u8]> {
        let from = *self.texts.get(rank as usize)? as usize;
        self.body.get(from..*self.texts.get(rank as usize + 1)? as usize)
    }

    fn slot(&self, stream: &Stream, rank: u32) -> Option<&[u8]> {
        let from = match stream.same {
            true => stream.from,
            false => *stream.starts(&self.body).get(rank.checked_sub(stream.first)? as usize)?,
        };
        let rest = self.body.get(from as usize..stream.to as usize)?;
        rest.get(..memchr::memchr(END, rest)?)
    }
}

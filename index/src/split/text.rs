//! How are the texts of a group of rows kept? The templates' numbers, and what stood in the slots,
//! slot by slot.
//!
//! ```text
//! chunk:  templates of the values (ints) | frames | per frame: first template, bytes before and
//!         after compression | the frames' bytes
//! frame:  bytes of each slot's values | per template, per slot: the values of its texts in the
//!         order of rows, each with "\n" after it; where all are the same: 0xfe | value "\n"
//! frame of the raw template: length of each text | the texts
//! ```

mod encode;
mod groups;
mod needle;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

pub(crate) use encode::{TokenSink, encode};
pub(crate) use groups::{Groups, Order};
pub(crate) use needle::Needle;

use super::codec::{FRAME_BYTES_MAX, Ords, take_number, take_ords, take_up_to};
use super::template::{RAW, SLOT, slots_of};

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
    first: u32,
    raw_bytes: usize,
    range: Range<usize>,
}

/// A decoded frame.
#[derive(Debug)]
pub(crate) struct Frame {
    body: Vec<u8>,
    /// The slots, in order.
    streams: Vec<Stream>,
    /// Where each raw text begins, and where the last ends.
    texts: Vec<u32>,
}

/// The values of a slot.
#[derive(Debug)]
struct Stream {
    template: u32,
    from: u32,
    to: u32,
    same: bool,
    count: u32,
    /// Where each value begins, once it is asked.
    starts: OnceLock<Vec<u32>>,
}

#[cfg(test)]
thread_local! {
    /// How many frames this thread decoded.
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
        let left = rest.len();
        let count = take_up_to(&mut rest, left)?;
        let mut sizes = Vec::with_capacity(count);
        for _ in 0..count {
            let first = u32::try_from(take_number(&mut rest)?).ok()?;
            let raw = take_up_to(&mut rest, FRAME_BYTES_MAX)?;
            sizes.push((first, raw, take_up_to(&mut rest, FRAME_BYTES_MAX)?));
        }
        let mut from = chunk.len() - rest.len();
        let mut frames: Vec<FrameRef> = Vec::with_capacity(count);
        for (first, raw_bytes, packed) in sizes {
            let range = from..from + packed;
            from += packed;
            if frames.last().is_some_and(|f| f.first >= first) {
                return None;
            }
            frames.push(FrameRef { first, raw_bytes, range });
        }
        if from != chunk.len() {
            return None;
        }
        let groups = Groups::of((0..ids.len()).map(|at| ids.get(at)), ids.len());
        Some(Self { ids, groups, bytes: chunk.clone(), frames })
    }

    /// The template of each value.
    pub(crate) fn ids(&self) -> &Ords {
        &self.ids
    }

    /// How many frames.
    pub(crate) fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Bytes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.ids.bytes() + 8 * self.groups.present.len() + 48 * self.frames.len()
    }

    /// Sorts the values.
    pub(crate) fn order(&self) -> Order {
        self.groups.order((0..self.ids.len()).map(|at| self.ids.get(at)))
    }

    fn frame_of(&self, template: u32) -> Checked<usize> {
        self.frames.partition_point(|f| f.first <= template).checked_sub(1).ok_or(Malformed)
    }

    /// The templates of a frame that occur, as positions in `groups.present`.
    fn present(&self, at: usize) -> Range<usize> {
        let next = self.frames.get(at + 1).map_or(u32::MAX, |f| f.first);
        let from = self.groups.present.partition_point(|p| p.0 < self.frames[at].first);
        from..self.groups.present.partition_point(|p| p.0 < next)
    }

    /// Decodes a frame.
    pub(crate) fn open_frame(&self, at: usize, keys: &[Box<[u8]>]) -> Option<Frame> {
        #[cfg(test)]
        FRAMES_OPENED.with(|count| count.set(count.get() + 1));
        let frame = &self.frames[at];
        let body =
            zstd::bulk::decompress(&self.bytes[frame.range.clone()], frame.raw_bytes).ok()?;
        if body.len() != frame.raw_bytes {
            return None;
        }
        let mut out = Frame { body, streams: Vec::new(), texts: Vec::new() };
        if frame.first == RAW {
            let count = self.groups.find(RAW).map_or(0, |run| run.len());
            return out.index_raw(count).then_some(out);
        }
        let mut rest = out.body.as_slice();
        let mut lengths = Vec::new();
        for present in self.present(at) {
            let template = self.groups.present[present].0;
            let count = self.groups.run(present).len() as u32;
            for _ in 0..slots_of(keys.get(template as usize)?) {
                lengths.push((template, count, take_up_to(&mut rest, frame.raw_bytes)?));
            }
        }
        let mut from = out.body.len() - rest.len();
        for (template, count, bytes) in lengths {
            let to = from + bytes;
            let same = *out.body.get(from)? == SAME;
            let place = (from + usize::from(same)) as u32;
            let starts = OnceLock::new();
            let to_place = u32::try_from(to).ok()?;
            out.streams.push(Stream { template, from: place, to: to_place, same, count, starts });
            from = to;
        }
        (from == out.body.len()).then_some(out)
    }
}

/// Gives decoded parts of a chunk, from a cache or anew.
pub(crate) trait Load: Send + Sync {
    /// A frame; `None` when it is malformed.
    fn frame(&self, chunk: &TextChunk, at: usize, keys: &[Box<[u8]>]) -> Option<Arc<Frame>>;
    /// The values by template.
    fn order(&self, chunk: &TextChunk) -> Arc<Order>;
}

/// Decodes what is asked for each time.
pub(crate) struct Anew;

impl Load for Anew {
    fn frame(&self, chunk: &TextChunk, at: usize, keys: &[Box<[u8]>]) -> Option<Arc<Frame>> {
        chunk.open_frame(at, keys).map(Arc::new)
    }

    fn order(&self, chunk: &TextChunk) -> Arc<Order> {
        Arc::new(chunk.order())
    }
}

/// A chunk being read: what was opened stays open.
pub(crate) struct TextView {
    chunk: Arc<TextChunk>,
    keys: Arc<[Box<[u8]>]>,
    load: Box<dyn Load>,
    frames: Vec<OnceLock<Option<Arc<Frame>>>>,
    order: OnceLock<Arc<Order>>,
}

impl TextView {
    pub(crate) fn new(chunk: Arc<TextChunk>, keys: Arc<[Box<[u8]>]>, load: Box<dyn Load>) -> Self {
        let frames = (0..chunk.frames()).map(|_| OnceLock::new()).collect();
        Self { chunk, keys, load, frames, order: OnceLock::new() }
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

    fn frame(&self, at: usize) -> Checked<&Frame> {
        let open = || self.load.frame(&self.chunk, at, &self.keys);
        self.frames[at].get_or_init(open).as_deref().ok_or(Malformed)
    }

    fn key(&self, template: u32) -> Checked<&[u8]> {
        self.keys.get(template as usize).map(|k| &**k).ok_or(Malformed)
    }

    /// Writes the text of a value.
    pub(crate) fn text(&self, at: usize, out: &mut Vec<u8>) -> Checked<()> {
        let template = self.chunk.ids.get(at);
        let key = self.key(template)?;
        if !key.contains(&SLOT) {
            out.extend_from_slice(key);
            return Ok(());
        }
        let rank = self.order().ranks[at];
        let frame = self.frame(self.chunk.frame_of(template)?)?;
        if template == RAW {
            out.extend_from_slice(frame.raw_text(rank).ok_or(Malformed)?);
            return Ok(());
        }
        let mut stream = frame.streams.partition_point(|s| s.template < template);
        let mut rest = key;
        while let Some(piece) = memchr::memchr(SLOT, rest) {
            out.extend_from_slice(&rest[..piece]);
            out.extend_from_slice(frame.slot(stream, rank).ok_or(Malformed)?);
            stream += 1;
            rest = &rest[piece + 1..];
        }
        out.extend_from_slice(rest);
        Ok(())
    }

    /// Calls `visit` with each slot of a value, or the whole text of a raw one.
    pub(crate) fn slots<'a>(&'a self, at: usize, mut visit: impl FnMut(&'a [u8])) -> Checked<()> {
        let template = self.chunk.ids.get(at);
        let slots = slots_of(self.key(template)?);
        if slots == 0 {
            return Ok(());
        }
        let rank = self.order().ranks[at];
        let frame = self.frame(self.chunk.frame_of(template)?)?;
        if template == RAW {
            visit(frame.raw_text(rank).ok_or(Malformed)?);
            return Ok(());
        }
        let stream = frame.streams.partition_point(|s| s.template < template);
        for slot in stream..stream + slots {
            visit(frame.slot(slot, rank).ok_or(Malformed)?);
        }
        Ok(())
    }

    /// Calls `visit` with each text that there is, in no order; of equal ones that follow each
    /// other as few as is easily known.
    pub(crate) fn each_text(&self, visit: &mut dyn FnMut(&[u8]) -> bool) -> Checked<()> {
        let mut text = Vec::new();
        for at in 0..self.frames.len() {
            let frame = self.frame(at)?;
            if self.chunk.frames[at].first == RAW {
                let bounds = frame.texts.windows(2).map(|w| w[0] as usize..w[1] as usize);
                for range in bounds {
                    if !visit(frame.body.get(range).ok_or(Malformed)?) {
                        return Ok(());
                    }
                }
                continue;
            }
            let mut streams = frame.streams.as_slice();
            for present in self.chunk.present(at) {
                let template = self.chunk.groups.present[present].0;
                let own = streams.partition_point(|s| s.template <= template);
                let (of_template, rest) = streams.split_at(own);
                streams = rest;
                let mut slots: Vec<&[u8]> = of_template.iter().map(|s| frame.values(s)).collect();
                let varies = of_template.iter().any(|s| !s.same);
                let count = if varies { self.chunk.groups.run(present).len() } else { 1 };
                for _ in 0..count {
                    text.clear();
                    next_text(self.key(template)?, of_template, &mut slots, &mut text)?;
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
        let groups = &self.chunk.groups;
        for at in 0..self.frames.len() {
            let present = self.chunk.present(at);
            if !groups.present[present].iter().any(|p| wanted(p.0)) {
                continue;
            }
            let frame = self.frame(at)?;
            if self.chunk.frames[at].first == RAW {
                let values = groups.find(RAW).unwrap_or_default();
                let mut test = |rank: usize| -> Checked<()> {
                    let text = frame.raw_text(rank as u32).ok_or(Malformed)?;
                    if needle.is_in_text(text) {
                        let value = self.order().order.get(values.start + rank);
                        visit(*value.ok_or(Malformed)?);
                    }
                    Ok(())
                };
                match needle.folded_ascii() {
                    // Few texts have the letters at all.
                    Some(text) => frame.each_raw_with(&text, &mut test)?,
                    None => (0..values.len()).try_for_each(test)?,
                }
                continue;
            }
            let Some(first) = frame.streams.first().map(|s| s.from as usize) else { continue };
            let mut hits = Vec::new();
            let from = first - usize::from(frame.streams[0].same);
            needle.each_in(&frame.body[from..], &mut |place| hits.push(from + place));
            for hit in hits {
                let stream = frame.streams.partition_point(|s| s.from as usize <= hit);
                let Some(stream) = stream.checked_sub(1).map(|s| &frame.streams[s]) else {
                    continue;
                };
                let Some(run) = groups.find(stream.template) else { continue };
                if stream.same {
                    self.order().order[run].iter().for_each(|v| visit(*v));
                } else {
                    let rank = stream.rank(&frame.body, hit).ok_or(Malformed)?;
                    let value = self.order().order.get(run.start + rank);
                    visit(*value.ok_or(Malformed)?);
                }
            }
        }
        Ok(())
    }
}

/// Renders a text from the next value of each slot; those that are all the same stay.
fn next_text(
    key: &[u8],
    streams: &[Stream],
    slots: &mut [&[u8]],
    out: &mut Vec<u8>,
) -> Checked<()> {
    let mut rest = key;
    for (stream, slot) in streams.iter().zip(slots) {
        let piece = memchr::memchr(SLOT, rest).ok_or(Malformed)?;
        out.extend_from_slice(&rest[..piece]);
        rest = &rest[piece + 1..];
        // Values are short.
        let end = slot.iter().position(|b| *b == END).ok_or(Malformed)?;
        out.extend_from_slice(&slot[..end]);
        if !stream.same {
            *slot = &slot[end + 1..];
        }
    }
    out.extend_from_slice(rest);
    Ok(())
}

impl Stream {
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

    fn slot(&self, stream: usize, rank: u32) -> Option<&[u8]> {
        let stream = self.streams.get(stream)?;
        let from = match stream.same {
            true => stream.from,
            false => *stream.starts(&self.body).get(rank as usize)?,
        };
        let rest = self.body.get(from as usize..stream.to as usize)?;
        rest.get(..memchr::memchr(END, rest)?)
    }
}

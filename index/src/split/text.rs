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

use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::codec::{FRAME_BYTES_MAX, Ords, Packer, put_number, take_number, take_ords, take_up_to};
use super::template::{RAW, SLOT, slots_of};

/// A frame is ended at so many bytes.
const FRAME_BYTES: usize = 256 << 10;
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

/// What a chunk's writer is told of: every token that stands in a slot, and every whole text.
pub(crate) trait TokenSink {
    /// A slot's token.
    fn slot(&mut self, token: &[u8]);
    /// A text under the raw template.
    fn raw(&mut self, text: &[u8]);
}

/// Encodes the values of a run; `data.templates` are final numbers.
pub(crate) fn encode(
    data: &TextData,
    run: Range<usize>,
    slots: &dyn Fn(u32) -> usize,
    packer: &mut Packer,
    sink: &mut dyn TokenSink,
) -> io::Result<Vec<u8>> {
    let ids = &data.templates[run.clone()];
    let mut out = Vec::new();
    packer.ints(ids.iter().map(|id| i64::from(*id)), &mut out)?;
    let groups = Groups::of(ids.iter().copied(), ids.len());
    let mut writer = FrameWriter {
        packer,
        frames: Vec::new(),
        lengths: Vec::new(),
        body: Vec::new(),
        first: None,
    };
    let mut cursors: Vec<usize> = Vec::new();
    let order = groups.order(ids.iter().copied()).order;
    for (at, (template, _)) in groups.present.iter().enumerate() {
        let (template, members) = (*template, &order[groups.run(at)]);
        writer.begin(template)?;
        if template == RAW {
            writer.raw(data, members.iter().map(|m| run.start + *m as usize), sink)?;
            continue;
        }
        cursors.clear();
        cursors.extend(members.iter().map(|m| data.starts[run.start + *m as usize] as usize));
        for _ in 0..slots(template) {
            writer.slot(&data.bytes, &mut cursors, sink);
        }
    }
    writer.flush()?;
    put_number(&mut out, writer.frames.len() as u64);
    for (first, raw, packed) in &writer.frames {
        put_number(&mut out, u64::from(*first));
        put_number(&mut out, *raw as u64);
        put_number(&mut out, packed.len() as u64);
    }
    for (_, _, packed) in &writer.frames {
        out.extend_from_slice(packed);
    }
    Ok(out)
}

struct FrameWriter<'p> {
    packer: &'p mut Packer,
    frames: Vec<(u32, usize, Vec<u8>)>,
    /// Length of each slot's values, in LEB128.
    lengths: Vec<u8>,
    body: Vec<u8>,
    first: Option<u32>,
}

impl FrameWriter<'_> {
    fn begin(&mut self, template: u32) -> io::Result<()> {
        if self.body.len() >= FRAME_BYTES || self.first == Some(RAW) {
            self.flush()?;
        }
        if self.first.is_none() {
            self.first = Some(template);
        }
        Ok(())
    }

    fn raw(
        &mut self,
        data: &TextData,
        values: impl Iterator<Item = usize> + Clone,
        sink: &mut dyn TokenSink,
    ) -> io::Result<()> {
        for at in values.clone() {
            put_number(&mut self.body, data.value(at).len() as u64);
        }
        for at in values {
            self.body.extend_from_slice(data.value(at));
            sink.raw(data.value(at));
        }
        Ok(())
    }

    fn slot(&mut self, bytes: &[u8], cursors: &mut [usize], sink: &mut dyn TokenSink) {
        let from = self.body.len();
        let mut first: &[u8] = &[];
        let mut same = cursors.len() > 1;
        for (at, cursor) in cursors.iter_mut().enumerate() {
            let rest = &bytes[*cursor..];
            let end = memchr::memchr(END, rest).unwrap_or(rest.len());
            let value = &rest[..end];
            *cursor += end + 1;
            if at == 0 {
                first = value;
            } else {
                same &= value == first;
            }
            self.body.extend_from_slice(value);
            self.body.push(END);
        }
        if same {
            self.body.truncate(from);
            self.body.push(SAME);
            self.body.extend_from_slice(first);
            self.body.push(END);
            sink.slot(first);
        } else {
            let written = &self.body[from..];
            let mut last: &[u8] = &[];
            for token in written.split(|b| *b == END) {
                if token != last {
                    sink.slot(token);
                }
                last = token;
            }
        }
        put_number(&mut self.lengths, (self.body.len() - from) as u64);
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(first) = self.first.take() else { return Ok(()) };
        self.lengths.extend_from_slice(&self.body);
        let packed = self.packer.text(&self.lengths)?;
        self.frames.push((first, self.lengths.len(), packed));
        self.lengths.clear();
        self.body.clear();
        Ok(())
    }
}

/// Positions by template: which values have each, in order.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Template, and where its positions begin in the order; rising.
    present: Vec<(u32, u32)>,
    count: usize,
}

/// Values sorted by template, and the rank of each among those of its template.
#[derive(Debug)]
pub(crate) struct Order {
    order: Vec<u32>,
    ranks: Vec<u32>,
}

impl Groups {
    fn of(ids: impl Iterator<Item = u32> + Clone, count: usize) -> Self {
        let limit = ids.clone().max().map_or(0, |m| m as usize + 1);
        let mut counts = vec![0u32; limit];
        ids.for_each(|id| counts[id as usize] += 1);
        let (mut present, mut sum) = (Vec::new(), 0);
        for (id, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            present.push((id as u32, sum));
            sum += count;
        }
        Self { present, count }
    }

    fn order(&self, ids: impl Iterator<Item = u32>) -> Order {
        let limit = self.present.last().map_or(0, |p| p.0 as usize + 1);
        let mut next = vec![(0u32, 0u32); limit];
        self.present.iter().for_each(|(id, from)| next[*id as usize] = (*from, *from));
        let mut out = Order { order: vec![0; self.count], ranks: Vec::with_capacity(self.count) };
        for (at, id) in ids.enumerate() {
            let (from, place) = &mut next[id as usize];
            out.order[*place as usize] = at as u32;
            out.ranks.push(*place - *from);
            *place += 1;
        }
        out
    }

    fn run(&self, at: usize) -> Range<usize> {
        let to = self.present.get(at + 1).map_or(self.count, |p| p.1 as usize);
        self.present[at].1 as usize..to
    }

    fn find(&self, template: u32) -> Option<Range<usize>> {
        let at = self.present.binary_search_by_key(&template, |p| p.0).ok()?;
        Some(self.run(at))
    }
}

impl Order {
    /// Bytes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        8 * self.order.len()
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
                for (rank, value) in groups.find(RAW).unwrap_or_default().enumerate() {
                    let text = frame.raw_text(rank as u32).ok_or(Malformed)?;
                    if needle.is_in_text(text) {
                        visit(self.order().order[value]);
                    }
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

/// What is looked for in slots.
pub(crate) enum Needle<'a> {
    /// A fragment of token characters; the flag: whatever the case of ASCII letters.
    Fragment(&'a str, bool),
    /// A folded token.
    Token(&'a str),
}

impl Needle<'_> {
    fn is_in_text(&self, text: &[u8]) -> bool {
        match self {
            Needle::Fragment(fragment, false) => {
                memchr::memmem::find(text, fragment.as_bytes()).is_some()
            }
            Needle::Fragment(fragment, true) => {
                let lower = text.to_ascii_lowercase();
                memchr::memmem::find(&lower, fragment.to_ascii_lowercase().as_bytes()).is_some()
            }
            Needle::Token(token) => std::str::from_utf8(text)
                .is_ok_and(|text| model::token::tokens(text).any(|t| t == *token)),
        }
    }

    /// Calls `visit` with the place of each occurrence in a frame's body.
    fn each_in(&self, body: &[u8], visit: &mut dyn FnMut(usize)) {
        match self {
            Needle::Fragment(fragment, fold) => {
                let letters = fragment.bytes().any(|b| b.is_ascii_alphabetic());
                if *fold && letters {
                    let fragment = fragment.to_ascii_lowercase();
                    let body = body.to_ascii_lowercase();
                    memchr::memmem::find_iter(&body, fragment.as_bytes()).for_each(visit);
                } else {
                    memchr::memmem::find_iter(body, fragment.as_bytes()).for_each(visit);
                }
            }
            Needle::Token(token) if token.is_ascii() => {
                let letters = token.bytes().any(|b| b.is_ascii_alphabetic());
                let folded;
                let (ascii, lower) = match letters {
                    true => {
                        folded = body.to_ascii_lowercase();
                        (body.is_ascii(), folded.as_slice())
                    }
                    false => (true, body),
                };
                let whole = |at: usize| {
                    let before = at == 0 || matches!(lower[at - 1], END | SAME);
                    before && lower.get(at + token.len()) == Some(&END)
                };
                let finder = memchr::memmem::Finder::new(token.as_bytes());
                finder.find_iter(lower).filter(|at| whole(*at)).for_each(&mut *visit);
                // Some characters fold to ASCII ones: the Kelvin sign is a `k`.
                if letters && !ascii {
                    each_token(body, |at, other| {
                        if !other.is_ascii() && model::token::fold(other) == *token {
                            visit(at);
                        }
                    });
                }
            }
            Needle::Token(token) => each_token(body, |at, other| {
                if model::token::fold(other) == *token {
                    visit(at);
                }
            }),
        }
    }
}

fn each_token(body: &[u8], mut visit: impl FnMut(usize, &str)) {
    let mut from = 0;
    for end in memchr::memchr_iter(END, body) {
        let start = from + usize::from(body.get(from) == Some(&SAME));
        if let Ok(token) = std::str::from_utf8(&body[start..end]) {
            visit(start, token);
        }
        from = end + 1;
    }
}

//! How are the texts of a group of rows kept? The templates' numbers, and what stood in the slots,
//! slot by slot.
//!
//! ```text
//! chunk:  templates of the values (ints) | frames | per frame: first template, bytes before and
//!         after compression | the frames' bytes
//! frame:  per template, per slot: the values of its texts in the order of rows, each with "\n"
//!         after it; where all are the same: 0xfe | value "\n"
//! frame of the raw template: length of each text | the texts
//! ```

use std::io;
use std::ops::Range;
use std::sync::OnceLock;

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
    let mut writer = FrameWriter { packer, frames: Vec::new(), body: Vec::new(), first: None };
    let mut cursors: Vec<usize> = Vec::new();
    for (template, members) in groups.iter() {
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
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(first) = self.first.take() else { return Ok(()) };
        let packed = self.packer.text(&self.body)?;
        self.frames.push((first, self.body.len(), packed));
        self.body.clear();
        Ok(())
    }
}

/// Positions by template: which values have each, in order.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Template, and where its positions begin in `order`; rising.
    present: Vec<(u32, u32)>,
    order: Vec<u32>,
}

impl Groups {
    pub(crate) fn of(ids: impl Iterator<Item = u32> + Clone, len: usize) -> Self {
        let limit = ids.clone().max().map_or(0, |m| m as usize + 1);
        let mut next = vec![0u32; limit];
        for id in ids.clone() {
            next[id as usize] += 1;
        }
        let (mut present, mut sum) = (Vec::new(), 0);
        for (id, count) in next.iter_mut().enumerate() {
            if *count > 0 {
                present.push((id as u32, sum));
                sum += std::mem::replace(count, sum);
            }
        }
        let mut order = vec![0; len];
        for (at, id) in ids.enumerate() {
            let place = &mut next[id as usize];
            order[*place as usize] = at as u32;
            *place += 1;
        }
        Self { present, order }
    }

    fn run(&self, at: usize) -> Range<usize> {
        let to = self.present.get(at + 1).map_or(self.order.len(), |p| p.1 as usize);
        self.present[at].1 as usize..to
    }

    /// Templates, each with its positions.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[u32])> {
        (0..self.present.len()).map(|at| (self.present[at].0, &self.order[self.run(at)]))
    }

    fn find(&self, template: u32) -> Option<usize> {
        self.present.binary_search_by_key(&template, |p| p.0).ok()
    }
}

/// The texts of a group, opened; frames are decoded when they are needed.
#[derive(Debug)]
pub(crate) struct TextChunk {
    ids: Ords,
    groups: OnceLock<(Groups, Vec<u32>)>,
    bytes: bytes::Bytes,
    frames: Vec<FrameRef>,
}

#[derive(Debug)]
struct FrameRef {
    first: u32,
    raw_bytes: usize,
    range: Range<usize>,
    open: OnceLock<Option<Frame>>,
}

/// A decoded frame.
#[derive(Debug)]
struct Frame {
    body: Vec<u8>,
    /// Where each token begins.
    tokens: Vec<u32>,
    /// The slots, in order.
    streams: Vec<Stream>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    template: u32,
    /// Its first token.
    token: u32,
    same: bool,
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
            frames.push(FrameRef { first, raw_bytes, range, open: OnceLock::new() });
        }
        (from == chunk.len()).then(|| Self {
            ids,
            groups: OnceLock::new(),
            bytes: chunk.clone(),
            frames,
        })
    }

    /// The template of each value.
    pub(crate) fn ids(&self) -> &Ords {
        &self.ids
    }

    /// Bytes in memory when all is decoded, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        let frames: usize = self.frames.iter().map(|f| f.raw_bytes * 3 / 2).sum();
        frames + self.ids.bytes() + 8 * self.ids.len() + self.bytes.len()
    }

    /// Values by template, and the rank of each among those of its template.
    fn groups(&self) -> &(Groups, Vec<u32>) {
        self.groups.get_or_init(|| {
            let ids = (0..self.ids.len()).map(|at| self.ids.get(at));
            let groups = Groups::of(ids, self.ids.len());
            let mut ranks = vec![0u32; self.ids.len()];
            for (_, members) in groups.iter() {
                for (rank, at) in members.iter().enumerate() {
                    ranks[*at as usize] = rank as u32;
                }
            }
            (groups, ranks)
        })
    }

    fn frame_of(&self, template: u32) -> Checked<usize> {
        self.frames.partition_point(|f| f.first <= template).checked_sub(1).ok_or(Malformed)
    }

    fn frame(&self, at: usize, keys: &[Box<[u8]>]) -> Checked<&Frame> {
        let frame = &self.frames[at];
        let open = || self.open_frame(at, keys);
        frame.open.get_or_init(open).as_ref().ok_or(Malformed)
    }

    fn open_frame(&self, at: usize, keys: &[Box<[u8]>]) -> Option<Frame> {
        let frame = &self.frames[at];
        let body =
            zstd::bulk::decompress(&self.bytes[frame.range.clone()], frame.raw_bytes).ok()?;
        if body.len() != frame.raw_bytes {
            return None;
        }
        let mut out =
            Frame { tokens: Vec::with_capacity(body.len() / 6), body, streams: Vec::new() };
        let groups = &self.groups().0;
        let next = self.frames.get(at + 1).map_or(u32::MAX, |f| f.first);
        let from = groups.present.partition_point(|p| p.0 < frame.first);
        let to = groups.present.partition_point(|p| p.0 < next);
        let mut pos = 0;
        for present in from..to {
            let template = groups.present[present].0;
            let count = groups.run(present).len();
            if template == RAW {
                pos = out.index_raw(count)?;
                continue;
            }
            for _ in 0..slots_of(keys.get(template as usize)?) {
                pos = out.index_slot(template, count, pos)?;
            }
        }
        (pos == out.body.len()).then_some(out)
    }

    /// Writes the text of a value.
    pub(crate) fn text(&self, at: usize, keys: &[Box<[u8]>], out: &mut Vec<u8>) -> Checked<()> {
        let template = self.ids.get(at);
        let key = keys.get(template as usize).ok_or(Malformed)?;
        if template != RAW && !key.contains(&SLOT) {
            out.extend_from_slice(key);
            return Ok(());
        }
        let rank = self.groups().1[at];
        let frame = self.frame(self.frame_of(template)?, keys)?;
        if template == RAW {
            out.extend_from_slice(frame.raw_text(rank).ok_or(Malformed)?);
            return Ok(());
        }
        let mut stream = frame.streams.partition_point(|s| s.template < template);
        for (at, piece) in key.split(|b| *b == SLOT).enumerate() {
            if at > 0 {
                let slot = frame.slot(stream, rank).ok_or(Malformed)?;
                out.extend_from_slice(slot);
                stream += 1;
            }
            out.extend_from_slice(piece);
        }
        Ok(())
    }

    /// Calls `visit` with each slot of a value, or the whole text of a raw one.
    pub(crate) fn slots<'a>(
        &'a self,
        at: usize,
        keys: &[Box<[u8]>],
        mut visit: impl FnMut(&'a [u8]),
    ) -> Checked<()> {
        let template = self.ids.get(at);
        let key = keys.get(template as usize).ok_or(Malformed)?;
        let slots = slots_of(key);
        if slots == 0 {
            return Ok(());
        }
        let rank = self.groups().1[at];
        let frame = self.frame(self.frame_of(template)?, keys)?;
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

    /// Calls `visit` with the positions of values, of the templates that `wanted` names, that hold
    /// the fragment in a slot (or a raw text) where `accept` says so of body, from, to; positions
    /// come in no order, and may come twice.
    pub(crate) fn find(
        &self,
        needle: &Needle<'_>,
        keys: &[Box<[u8]>],
        wanted: &dyn Fn(u32) -> bool,
        visit: &mut dyn FnMut(u32),
    ) -> Checked<()> {
        let groups = &self.groups().0;
        for at in 0..self.frames.len() {
            let next = self.frames.get(at + 1).map_or(u32::MAX, |f| f.first);
            let from = groups.present.partition_point(|p| p.0 < self.frames[at].first);
            let to = groups.present.partition_point(|p| p.0 < next);
            if !groups.present[from..to].iter().any(|p| wanted(p.0)) {
                continue;
            }
            let frame = self.frame(at, keys)?;
            if self.frames[at].first == RAW {
                let members = groups.find(RAW).map(|r| &groups.order[groups.run(r)]);
                for (rank, value) in members.unwrap_or_default().iter().enumerate() {
                    let text = frame.raw_text(rank as u32).ok_or(Malformed)?;
                    if needle.is_in_text(text) {
                        visit(*value);
                    }
                }
                continue;
            }
            needle.each_in(&frame.body, &mut |from| {
                let token = frame.tokens.partition_point(|t| *t as usize <= from).checked_sub(1);
                let Some(token) = token else { return };
                let stream = frame.streams.partition_point(|s| s.token as usize <= token);
                let Some(stream) = stream.checked_sub(1).map(|s| frame.streams[s]) else { return };
                let Some(run) = groups.find(stream.template).map(|p| groups.run(p)) else { return };
                if stream.same {
                    groups.order[run].iter().for_each(|v| visit(*v));
                } else if let Some(v) = groups.order.get(run.start + token - stream.token as usize)
                {
                    visit(*v);
                }
            });
        }
        Ok(())
    }
}

impl Frame {
    fn index_slot(&mut self, template: u32, count: usize, from: usize) -> Option<usize> {
        let same = *self.body.get(from)? == SAME;
        let mut pos = from + usize::from(same);
        self.streams.push(Stream { template, token: self.tokens.len() as u32, same });
        let expected = if same { 1 } else { count };
        let mut left = expected;
        self.tokens.push(pos as u32);
        for end in memchr::memchr_iter(END, &self.body[pos..]) {
            left -= 1;
            if left == 0 {
                return Some(pos + end + 1);
            }
            self.tokens.push((pos + end + 1) as u32);
        }
        pos = self.body.len();
        (left == 0).then_some(pos)
    }

    /// Tokens become the starts of the texts, and one more.
    fn index_raw(&mut self, count: usize) -> Option<usize> {
        let mut rest = self.body.as_slice();
        let mut lens = Vec::with_capacity(count.min(rest.len()));
        for _ in 0..count {
            lens.push(take_up_to(&mut rest, self.body.len())?);
        }
        let mut pos = self.body.len() - rest.len();
        for len in lens {
            self.tokens.push(pos as u32);
            pos += len;
        }
        self.tokens.push(pos as u32);
        Some(pos)
    }

    fn raw_text(&self, rank: u32) -> Option<&[u8]> {
        let from = *self.tokens.get(rank as usize)? as usize;
        self.body.get(from..*self.tokens.get(rank as usize + 1)? as usize)
    }

    fn slot(&self, stream: usize, rank: u32) -> Option<&[u8]> {
        let stream = self.streams.get(stream)?;
        let token = stream.token + if stream.same { 0 } else { rank };
        let rest = self.body.get(*self.tokens.get(token as usize)? as usize..)?;
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

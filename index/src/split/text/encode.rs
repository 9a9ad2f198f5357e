//! How are texts that were cut written as a chunk?

use std::io;
use std::ops::Range;

use super::{END, Groups, LONG, SAME, SHORT_BYTES, TextData};
use crate::split::codec::{Packer, put_number};
use crate::split::template::RAW;

/// A frame is ended at so many bytes.
const FRAME_BYTES: usize = if cfg!(test) { 64 } else { 128 << 10 };
/// So many values of one template lie in a frame at most: whoever wants one of them reads little.
const FRAME_VALUES: usize = if cfg!(test) { 3 } else { 4096 };

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
    let mut writer =
        FrameWriter { packer, frames: Vec::new(), halves: Default::default(), first: None };
    let mut cursors: Vec<usize> = Vec::new();
    let order = groups.order(ids.iter().copied()).order;
    for (at, (template, _)) in groups.present.iter().enumerate() {
        let (template, members) = (*template, &order[groups.run(at)]);
        let parts = members.len().div_ceil(FRAME_VALUES).max(1);
        let each = members.len().div_ceil(parts).max(1);
        for (part, members) in members.chunks(each).enumerate() {
            writer.begin((template, (part * each) as u32))?;
            if template == RAW {
                writer.raw(data, members.iter().map(|m| run.start + *m as usize), sink);
                continue;
            }
            cursors.clear();
            cursors.extend(members.iter().map(|m| data.starts[run.start + *m as usize] as usize));
            for _ in 0..slots(template) {
                writer.slot(&data.bytes, &mut cursors, sink);
            }
        }
    }
    writer.flush()?;
    put_number(&mut out, writer.frames.len() as u64);
    for ((template, rank), halves) in &writer.frames {
        put_number(&mut out, u64::from(*template));
        put_number(&mut out, u64::from(*rank));
        for (raw, packed) in halves {
            put_number(&mut out, *raw as u64);
            put_number(&mut out, packed.len() as u64);
        }
    }
    for (_, packed) in writer.frames.iter().flat_map(|(_, halves)| halves) {
        out.extend_from_slice(packed);
    }
    Ok(out)
}

/// A frame: where it begins, and its halves: bytes before compression, and after.
type Written = ((u32, u32), [(usize, Vec<u8>); 2]);

struct FrameWriter<'p> {
    packer: &'p mut Packer,
    frames: Vec<Written>,
    halves: [Half; 2],
    first: Option<(u32, u32)>,
}

#[derive(Default)]
struct Half {
    /// Length of each slot's values, in LEB128.
    lengths: Vec<u8>,
    body: Vec<u8>,
}

impl FrameWriter<'_> {
    /// Begins with values of a template, from a rank on.
    fn begin(&mut self, first: (u32, u32)) -> io::Result<()> {
        let bytes: usize = self.halves.iter().map(|half| half.body.len()).sum();
        let raw = self.first.is_some_and(|(template, _)| template == RAW);
        if bytes >= FRAME_BYTES || raw || first.1 > 0 {
            self.flush()?;
        }
        self.first.get_or_insert(first);
        Ok(())
    }

    fn raw(
        &mut self,
        data: &TextData,
        values: impl Iterator<Item = usize> + Clone,
        sink: &mut dyn TokenSink,
    ) {
        let half = &mut self.halves[LONG];
        for at in values.clone() {
            put_number(&mut half.lengths, data.value(at).len() as u64);
        }
        for at in values {
            half.body.extend_from_slice(data.value(at));
            sink.raw(data.value(at));
        }
    }

    fn slot(&mut self, bytes: &[u8], cursors: &mut [usize], sink: &mut dyn TokenSink) {
        let [long, short] = &mut self.halves;
        let body = &mut long.body;
        let from = body.len();
        let mut first: &[u8] = &[];
        let mut same = cursors.len() > 1;
        let mut longest = 0;
        for (at, cursor) in cursors.iter_mut().enumerate() {
            let rest = &bytes[*cursor..];
            let end = memchr::memchr(END, rest).unwrap_or(rest.len());
            let value = &rest[..end];
            *cursor += end + 1;
            longest = longest.max(end);
            if at == 0 {
                first = value;
            } else {
                same &= value == first;
            }
            body.extend_from_slice(value);
            body.push(END);
        }
        if same {
            body.truncate(from);
            body.push(SAME);
            body.extend_from_slice(first);
            body.push(END);
            sink.slot(first);
        } else {
            let written = &body[from..];
            let mut last: &[u8] = &[];
            for token in written.split(|b| *b == END) {
                if token != last {
                    sink.slot(token);
                }
                last = token;
            }
        }
        let written = (body.len() - from) as u64;
        let is_short = longest < SHORT_BYTES;
        if is_short {
            short.body.extend_from_slice(&body[from..]);
            body.truncate(from);
        }
        put_number(&mut long.lengths, if is_short { 0 } else { written });
        put_number(&mut short.lengths, if is_short { written } else { 0 });
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(first) = self.first.take() else { return Ok(()) };
        let mut written = [(0, Vec::new()), (0, Vec::new())];
        for (half, written) in self.halves.iter_mut().zip(&mut written) {
            if !half.body.is_empty() || first.0 == RAW && !half.lengths.is_empty() {
                half.lengths.extend_from_slice(&half.body);
                *written = (half.lengths.len(), self.packer.text(&half.lengths)?);
            }
            half.lengths.clear();
            half.body.clear();
        }
        self.frames.push((first, written));
        Ok(())
    }
}

//! How are texts that were cut written as a chunk?

use std::io;
use std::ops::Range;

use super::{END, Groups, SAME, TextData};
use crate::split::codec::{Packer, put_number};
use crate::split::template::RAW;

/// A frame is ended at so many bytes.
const FRAME_BYTES: usize = 256 << 10;

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

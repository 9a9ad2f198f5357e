//! Which rows have which texts? Templates and slots of a text column, searched without putting
//! the texts together, and put together where they are asked for.
//!
//! Knows no queries: what is looked for are tokens, fragments and verdicts on templates.

use std::sync::Arc;

use super::chunks::Decoded;
use super::column::{Column, Places};
use super::{ReadError, RowSet};
use crate::build::strings::parse_hex;
use crate::split::codec::Ords;
use crate::split::filter::{key, may_hold};
use crate::split::template::Key;
use crate::split::text::{Frame, Load, Needle, Order, TextChunk, TextView};
use crate::split::write::push_hex;

/// What is known of the texts of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// None passes.
    None,
    /// All pass.
    All,
    /// Some may.
    Maybe,
}

/// The template of every value that is kept as hexadecimal digits.
const HEX_TEMPLATE: u32 = 1;

/// The texts of a group.
pub(super) struct GroupTexts {
    column: Column,
    group: u32,
    texts: Group,
}

enum Group {
    Text(Box<TextView>),
    Hex(bytes::Bytes, usize),
}

/// Decoded parts come from the cache of all readers.
struct Cached {
    column: Column,
    group: u32,
}

impl Load for Cached {
    fn half(&self, chunk: &TextChunk, half: usize, keys: &[Key]) -> Option<Arc<Frame>> {
        let of = (self.column.number, self.group);
        self.column.core.half(of, half, || chunk.open_half(half, keys))
    }

    fn order(&self, chunk: &TextChunk) -> Arc<Order> {
        self.column.core.text_order((self.column.number, self.group), chunk)
    }
}

impl GroupTexts {
    /// The text of a value, counted from the group's first.
    pub(super) fn text<'b>(
        &self,
        value: usize,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b str, ReadError> {
        let malformed = || self.column.malformed(self.group);
        buffer.clear();
        match &self.texts {
            Group::Hex(bytes, width) => {
                let value = bytes.get(value * width..(value + 1) * width);
                push_hex(value.ok_or_else(malformed)?, buffer);
            }
            Group::Text(view) => view.text(value, buffer).map_err(|_| malformed())?,
        }
        std::str::from_utf8(buffer).map_err(|_| malformed())
    }
}

impl Column {
    pub(super) fn group_texts(&self, group: u32) -> Result<GroupTexts, ReadError> {
        let texts = match self.core.values(self.number, group)? {
            Decoded::Text(chunk) => {
                let load = Cached { column: self.clone(), group };
                let keys = self.templates()?.keys.clone();
                Group::Text(Box::new(TextView::new(chunk, keys, Box::new(load))))
            }
            Decoded::Hex(bytes, width) => Group::Hex(bytes, width),
            _ => return Err(self.core.bad("a text column has no texts")),
        };
        Ok(GroupTexts { column: self.clone(), group, texts })
    }

    fn text_places(&self, group: u32) -> Result<Places, ReadError> {
        Ok(match self.core.positions(self.number, group)? {
            None => Places::Full,
            Some(positions) => Places::Some(positions),
        })
    }

    fn malformed(&self, group: u32) -> ReadError {
        let path = &self.core.column(self.number).path;
        self.core.bad(format!("texts of column `{path}` in group {group}: malformed"))
    }

    /// The rows of `within` by what is known of their templates: those with a value whose template
    /// is marked `All`, and of the others those with one marked `Maybe`. One verdict a template.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn rows_by_template(
        &self,
        verdicts: &[Verdict],
        within: &RowSet,
    ) -> Result<(RowSet, RowSet), ReadError> {
        let (mut sure, mut maybe) = (RowSet::none(within.docs()), RowSet::none(within.docs()));
        let templates = self.templates()?;
        let of = |t: u32| verdicts.get(t as usize).copied().unwrap_or(Verdict::Maybe);
        let used = |t: u32| templates.count(t) > 0 && of(t) != Verdict::None;
        if !(0..templates.len() as u32).any(used) {
            return Ok((sure, maybe));
        }
        for group in 0..self.core.groups() {
            let rows = self.core.rows_of(group);
            if !within.any_in(rows.clone()) {
                continue;
            }
            let texts = self.group_texts(group)?.texts;
            let places = self.text_places(group)?;
            for (wanted, out) in [(Verdict::All, &mut sure), (Verdict::Maybe, &mut maybe)] {
                let all = (rows.start, rows.len());
                match &texts {
                    Group::Hex(..) if of(HEX_TEMPLATE) == wanted => places.mark(all, |_| true, out),
                    Group::Text(view) if view.templates().any(|t| of(t) == wanted) => {
                        let flags: Vec<bool> = (0..=view.templates().max().unwrap_or(0))
                            .map(|t| of(t) == wanted)
                            .collect();
                        match view.ids() {
                            Ords::Narrow(ids) => {
                                places.mark(all, |at| flags[usize::from(ids[at])], out)
                            }
                            Ords::Middle(ids) => {
                                places.mark(all, |at| flags[usize::from(ids[at])], out)
                            }
                            Ords::Wide(ids) => places.mark(all, |at| flags[ids[at] as usize], out),
                        }
                    }
                    _ => {}
                }
            }
        }
        sure.and(within);
        maybe.and(within);
        maybe.and_not(&sure);
        Ok((sure, maybe))
    }

    /// Calls `visit` with row and template of each value of the rows of the set, rising (kind
    /// `Text`).
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn for_each_template(
        &self,
        rows: &RowSet,
        visit: &mut dyn FnMut(u32, u32),
    ) -> Result<(), ReadError> {
        for group in 0..self.core.groups() {
            let run = self.core.rows_of(group);
            if !rows.any_in(run.clone()) {
                continue;
            }
            let texts = self.group_texts(group)?.texts;
            let places = self.text_places(group)?;
            for row in rows.iter_in(run.clone()) {
                for value in places.of(row - run.start) {
                    let template = match &texts {
                        Group::Hex(..) => HEX_TEMPLATE,
                        Group::Text(view) => view.ids().get(value),
                    };
                    visit(row, template);
                }
            }
        }
        Ok(())
    }

    /// The rows of `within` that have a slot with this folded token (a raw value: that hold the
    /// token). Exact. Groups whose filter does not know the token are not read, nor slots of
    /// templates other than those that `can` hold it, where that is known.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn rows_with_slot_token(
        &self,
        (token, can): (&str, Option<&dyn Fn(u32) -> bool>),
        within: &RowSet,
    ) -> Result<RowSet, ReadError> {
        let mut out = RowSet::none(within.docs());
        for group in self.groups_that_may_hold(token, within) {
            self.find(group?, (&Needle::Token(token), can), within, &mut out)?;
        }
        out.and(within);
        Ok(out)
    }

    /// The groups with rows of `within` whose filter may know this folded token as that of a slot or
    /// raw value.
    fn groups_that_may_hold<'a>(
        &'a self,
        token: &str,
        within: &'a RowSet,
    ) -> impl Iterator<Item = Result<u32, ReadError>> + use<'a> {
        let key = key(self.number, token.as_bytes());
        let groups = (0..self.core.groups()).filter(|g| within.any_in(self.core.rows_of(*g)));
        groups.filter_map(move |group| match self.core.filter(group) {
            Ok(filter) => may_hold(&filter, key).then_some(Ok(group)),
            Err(error) => Some(Err(error)),
        })
    }

    /// The rows of `within` in groups whose filter may know this folded token as that of a slot or
    /// raw value. Only filters are read.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn rows_that_may_hold(&self, token: &str, within: &RowSet) -> Result<RowSet, ReadError> {
        let mut out = RowSet::none(within.docs());
        for group in self.groups_that_may_hold(token, within) {
            out.or(&RowSet::range(within.docs(), self.core.rows_of(group?)));
        }
        out.and(within);
        Ok(out)
    }

    /// The rows of `within` that have a slot (or raw value) in which the fragment stands, which
    /// consists of token characters only; with `fold` whatever the case of ASCII letters. Exact
    /// for slots (and raw values) alone: static text is not looked at.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn rows_with_slot_fragment(
        &self,
        fragment: &str,
        fold: bool,
        within: &RowSet,
    ) -> Result<RowSet, ReadError> {
        let mut out = RowSet::none(within.docs());
        for group in 0..self.core.groups() {
            if within.any_in(self.core.rows_of(group)) {
                self.find(group, (&Needle::Fragment(fragment, fold), None), within, &mut out)?;
            }
        }
        out.and(within);
        Ok(out)
    }

    fn find(
        &self,
        group: u32,
        (needle, can): (&Needle<'_>, Option<&dyn Fn(u32) -> bool>),
        within: &RowSet,
        out: &mut RowSet,
    ) -> Result<(), ReadError> {
        let rows = self.core.rows_of(group);
        let places = self.text_places(group)?;
        let mut hit = |value: u32| out.insert(rows.start + places.row(value));
        match self.group_texts(group)?.texts {
            Group::Hex(bytes, width) => find_in_hex(&bytes, width, needle, &mut hit),
            Group::Text(view) => {
                if let Some(can) = can {
                    let found = view.find(needle, can, &mut hit);
                    return found.map_err(|_| self.malformed(group));
                }
                if within.count_in(rows.clone()) == rows.len() as u32 {
                    let found = view.find(needle, &|_| true, &mut hit);
                    return found.map_err(|_| self.malformed(group));
                }
                let mut wanted = vec![false; self.templates()?.len()];
                for row in within.iter_in(rows.clone()) {
                    for value in places.of(row - rows.start) {
                        if let Some(slot) = wanted.get_mut(view.ids().get(value) as usize) {
                            *slot = true;
                        }
                    }
                }
                let is_wanted = |id: u32| wanted.get(id as usize).copied().unwrap_or(false);
                view.find(needle, &is_wanted, &mut hit).map_err(|_| self.malformed(group))?;
            }
        }
        Ok(())
    }

    /// Calls `visit` with the texts of the rows of the set, in no order and each at least once,
    /// until it says `false` (kind `Text`).
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn for_texts(
        &self,
        rows: &RowSet,
        visit: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), ReadError> {
        let mut some = rows.clone();
        let mut go_on = true;
        for group in 0..self.core.groups() {
            let run = self.core.rows_of(group);
            if rows.count_in(run.clone()) != run.len() as u32 {
                continue;
            }
            let Group::Text(view) = self.group_texts(group)?.texts else { continue };
            let read = view.each_text(&mut |text| {
                go_on = visit(text);
                go_on
            });
            read.map_err(|_| self.malformed(group))?;
            if !go_on {
                return Ok(());
            }
            some.and_not(&RowSet::range(rows.docs(), run));
        }
        self.for_each_text(&some, &mut |_, text| visit(text.as_bytes()))
    }

    /// Calls `visit` with each text of the rows of the set, rising, until it says `false` (kind
    /// `Text`).
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn for_each_text(
        &self,
        rows: &RowSet,
        visit: &mut dyn FnMut(u32, &str) -> bool,
    ) -> Result<(), ReadError> {
        let mut buffer = Vec::new();
        for group in 0..self.core.groups() {
            let run = self.core.rows_of(group);
            if !rows.any_in(run.clone()) {
                continue;
            }
            let texts = self.group_texts(group)?;
            let places = self.text_places(group)?;
            for row in rows.iter_in(run.clone()) {
                for value in places.of(row - run.start) {
                    if !visit(row, texts.text(value, &mut buffer)?) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

fn find_in_hex(bytes: &[u8], width: usize, needle: &Needle<'_>, hit: &mut dyn FnMut(u32)) {
    match needle {
        Needle::Token(token) => {
            let mut wanted = Vec::new();
            let digits = token.len() == width * 2;
            if digits && parse_hex(token.as_bytes(), &mut wanted).is_some() {
                let finder = memchr::memmem::Finder::new(&wanted);
                let mut from = 0;
                while let Some(at) = bytes.get(from..).and_then(|rest| finder.find(rest)) {
                    // What begins within a value is no value.
                    let at = from + at;
                    let is_value = at.is_multiple_of(width);
                    if is_value {
                        hit((at / width) as u32);
                    }
                    from = if is_value { at + width } else { at + 1 };
                }
            }
        }
        Needle::Fragment(fragment, fold) => {
            let fragment = match fold {
                true => fragment.to_ascii_lowercase(),
                false => (*fragment).to_owned(),
            };
            let finder = memchr::memmem::Finder::new(fragment.as_bytes());
            let mut text = Vec::with_capacity(width * 2);
            for (at, value) in bytes.chunks_exact(width).enumerate() {
                text.clear();
                push_hex(value, &mut text);
                if finder.find(&text).is_some() {
                    hit(at as u32);
                }
            }
        }
    }
}

//! Which rows of a column of texts pass a test? By templates and slots where they are enough,
//! else by the texts.
//!
//! Knows neither dictionaries nor combinations of queries.

use index::read::{Column, Letters, RowSet, Templates, Verdict};
use model::record::Value;

use super::plan::{Look, TextPlan, needs};
use super::rows::{AtLeast, SplitEval};
use super::run::LeafError;
use super::scan::BLOCK_ROWS;
use super::templates::{Known, Template};
use crate::test::{Kind, ValueTest, View};

/// Below this many rows the texts are read at once.
const FEW_ROWS: u32 = 64;

/// A column with the test that its texts are asked.
#[derive(Clone, Copy)]
pub(crate) struct TextTest<'t> {
    pub(crate) column: &'t Column,
    pub(crate) test: &'t ValueTest,
    pub(crate) view: View,
}

/// Plans a test for a column of texts.
pub(crate) fn plan_texts(
    column: &Column,
    test: &ValueTest,
    view: View,
) -> Result<TextPlan, LeafError> {
    let templates = column.templates()?;
    let plausible = plausible(&templates, test);
    let list: Vec<Option<Template<'_>>> = (0u32..)
        .zip(&plausible)
        .map(|(id, plausible)| match id {
            Templates::RAW => Some(Template::raw()),
            id => plausible.then(|| {
                let pieces: Vec<&str> = templates.pieces(id).collect();
                let slots = pieces.len() - 1;
                let letters = (0..slots).map(|slot| templates.letters(id, slot)).collect();
                Template::new(pieces.into_iter(), letters)
            }),
        })
        .collect();
    Ok(TextPlan::new(&list, test, view))
}

/// Which templates can have texts that pass, by the tokens and fragments that they need.
fn plausible(templates: &Templates, test: &ValueTest) -> Vec<bool> {
    let Some(needs) = needs(test) else { return vec![true; templates.len()] };
    let mut out = vec![false; templates.len()];
    for looks in &needs {
        let mut held = vec![0usize; templates.len()];
        let asked = looks.iter().filter(|look| look.text().is_ascii());
        for (before, look) in asked.clone().enumerate() {
            let letters = Letters::of(look.text().as_bytes());
            if !look.is_in_slots_only() {
                templates.each_with(look.text(), |id| {
                    let held = &mut held[id as usize];
                    *held += usize::from(*held == before);
                });
            }
            if look.is_in_slots_only() || matches!(look, Look::Fragment(..)) {
                for (id, held) in (0u32..).zip(&mut held).filter(|(_, held)| **held == before) {
                    if templates.a_slot_may_hold(id, letters) {
                        *held = before + 1;
                    }
                }
            }
        }
        let all = asked.count();
        out.iter_mut().zip(&held).for_each(|(out, held)| *out |= *held == all);
    }
    if matches!(test.kind(), Kind::Pattern(_) | Kind::Substring(_)) {
        templates.abutting().iter().for_each(|id| out[*id as usize] = true);
    }
    out
}

/// How many texts pass, as far as the templates alone tell, and whether the others are those that
/// have a token in a slot; `None` when texts must be read.
pub(crate) fn count_texts(plan: &TextPlan, templates: &Templates) -> Option<(u64, bool)> {
    let (mut sum, mut slots) = (0u64, false);
    for (id, known) in (0u32..).zip(&plan.known) {
        match (known, templates.count(id)) {
            (Known::None, _) | (_, 0) => {}
            (Known::All, count) => sum += count,
            (Known::Slots, _) => slots = true,
            (Known::Read, _) => return None,
        }
    }
    let told = !slots || plan.parts.is_empty() && matches!(plan.look, Some(Look::Token(_)));
    told.then_some((sum, slots))
}

impl SplitEval<'_> {
    /// The rows of `within` in which one text of the column passes.
    pub(crate) fn text_rows(
        &self,
        asked: TextTest<'_>,
        plan: &TextPlan,
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        if within.is_empty() {
            return Ok(within.clone());
        }
        self.run.check()?;
        let column = asked.column;
        let none = || RowSet::none(within.docs());
        if plan.known.iter().all(|known| *known == Known::None) {
            return Ok(none());
        }
        if let (Some(Look::Token(token)), false) = (&plan.look, plan.known.contains(&Known::Read)) {
            return self.token_rows((column, token), plan, within);
        }
        if let Some(token) = needle_of(plan) {
            let can = |id: u32| plan.known.get(id as usize) == Some(&Known::Read);
            let open = column.rows_with_slot_token((token, Some(&can)), within)?;
            let open = self.narrowed(column, plan, open)?;
            return self.passing_texts(asked, &open);
        }
        let (mut out, mut open) = by_template(column, plan, within, |known| match known {
            Known::None => Verdict::None,
            Known::All => Verdict::All,
            Known::Slots | Known::Read => Verdict::Maybe,
        })?;
        if open.is_empty() {
            return Ok(out);
        }
        if !plan.parts.is_empty() {
            out.or(&self.combined_rows(asked, plan, &open)?);
            return Ok(out);
        }
        let Some(look) = plan.look.as_ref().filter(|_| plan.known.contains(&Known::Slots)) else {
            let open = self.narrowed(column, plan, open)?;
            out.or(&self.passing_texts(asked, &open)?);
            return Ok(out);
        };
        let mut read = none();
        if plan.known.contains(&Known::Read) {
            (_, read) = by_template(column, plan, &open, |known| match known {
                Known::Read => Verdict::Maybe,
                _ => Verdict::None,
            })?;
            open.and_not(&read);
        }
        if !open.is_empty() {
            out.or(&self.look(column, look, &open)?);
        }
        let read = self.narrowed(column, plan, read)?;
        out.or(&self.passing_texts(asked, &read)?);
        Ok(out)
    }

    /// Where a token is looked for: the filters of the groups tell more, and sooner, than which
    /// texts have templates that can hold it.
    fn token_rows(
        &self,
        (column, token): (&Column, &str),
        plan: &TextPlan,
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        let (mut out, _) = by_template(column, plan, within, |known| match known {
            Known::All => Verdict::All,
            _ => Verdict::None,
        })?;
        if plan.known.contains(&Known::Slots) {
            let mut open = within.clone();
            open.and_not(&out);
            out.or(&slot_token_rows((column, token), plan, &open)?);
        }
        Ok(out)
    }

    /// The rows of the whole split that pass because of a token in a slot, where [`count_texts`]
    /// says that these are what is left.
    pub(crate) fn slot_count(&self, column: &Column, plan: &TextPlan) -> Result<u64, LeafError> {
        self.run.check()?;
        let Some(Look::Token(token)) = &plan.look else { return Ok(0) };
        let all = RowSet::all(self.reader.docs());
        Ok(u64::from(slot_token_rows((column, token), plan, &all)?.count()))
    }

    /// Where several tests are asked of one text. A part that must be read is read under the whole
    /// test, which is no less: a text that passes it counts for the part.
    fn combined_rows(
        &self,
        asked: TextTest<'_>,
        plan: &TextPlan,
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        if plan.minimum == 1 {
            let (mut open, mut out) = (within.clone(), RowSet::none(within.docs()));
            for part in &plan.parts {
                let found = self.text_rows(asked, part, &open)?;
                open.and_not(&found);
                out.or(&found);
            }
            return Ok(out);
        }
        let mut found = if plan.minimum == plan.parts.len() {
            let mut open = within.clone();
            for part in &plan.parts {
                open = self.text_rows(asked, part, &open)?;
            }
            open
        } else {
            let mut counter = AtLeast::new(plan.minimum, within.docs());
            for part in &plan.parts {
                counter.add(&self.text_rows(asked, part, within)?);
            }
            counter.finish()
        };
        if !asked.column.is_single() {
            // The parts may have passed for different texts of a row.
            found = self.passing_texts(asked, &found)?;
        }
        Ok(found)
    }

    fn look(&self, column: &Column, look: &Look, within: &RowSet) -> Result<RowSet, LeafError> {
        self.run.check()?;
        Ok(match look {
            Look::Token(token) => column.rows_with_slot_token((token, None), within)?,
            Look::Fragment(text, fold) => column.rows_with_slot_fragment(text, *fold, within)?,
        })
    }

    /// The rows of `open`, whose texts must be read, that can pass.
    fn narrowed(
        &self,
        column: &Column,
        plan: &TextPlan,
        mut open: RowSet,
    ) -> Result<RowSet, LeafError> {
        for look in plan.narrow.iter().filter(|look| look.is_in_slots_only()) {
            if open.count() < FEW_ROWS {
                return Ok(open);
            }
            open = self.look(column, look, &open)?;
        }
        if !plan.some.is_empty() && open.count() >= FEW_ROWS {
            let mut found = RowSet::none(open.docs());
            for look in &plan.some {
                let new = self.look(column, look, &open)?;
                open.and_not(&new);
                found.or(&new);
            }
            open = found;
        }
        let raw = Templates::RAW as usize;
        let mut others = plan.narrow.iter().filter(|look| !look.is_in_slots_only()).peekable();
        if others.peek().is_none()
            || open.count() < FEW_ROWS
            || plan.known.get(raw) != Some(&Known::Read)
        {
            return Ok(open);
        }
        // Texts that are kept whole have all of it in what counts as their slot.
        let verdict = |wanted: bool| if wanted { Verdict::Maybe } else { Verdict::None };
        let verdicts: Vec<Verdict> = (0..plan.known.len()).map(|id| verdict(id == raw)).collect();
        let (_, mut whole) = column.rows_by_template(&verdicts, &open)?;
        if whole.is_empty() {
            return Ok(open);
        }
        let (_, mut rest) = by_template_numbered(column, plan, &open, |id, known| {
            verdict(id != raw && known == Known::Read)
        })?;
        for look in others {
            if whole.is_empty() {
                break;
            }
            whole = self.look(column, look, &whole)?;
        }
        rest.or(&whole);
        Ok(rest)
    }

    /// The rows with a text that passes, by reading the texts.
    fn passing_texts(&self, asked: TextTest<'_>, rows: &RowSet) -> Result<RowSet, LeafError> {
        let mut out = RowSet::none(rows.docs());
        if rows.is_empty() {
            return Ok(out);
        }
        let mut seen = 0usize;
        let mut stopped = Ok(());
        asked.column.for_each_text(rows, &mut |row, text| {
            seen += 1;
            if seen.is_multiple_of(BLOCK_ROWS) {
                stopped = self.run.check();
            }
            if !out.contains(row) && asked.test.matches(Value::Str(text), asked.view) {
                out.insert(row);
            }
            stopped.is_ok()
        })?;
        stopped?;
        Ok(out)
    }
}

fn slot_token_rows(
    (column, token): (&Column, &str),
    plan: &TextPlan,
    within: &RowSet,
) -> Result<RowSet, LeafError> {
    let can = |id: u32| plan.known.get(id as usize) == Some(&Known::Slots);
    Ok(column.rows_with_slot_token((token, Some(&can)), within)?)
}

/// A token that every passing text has in a slot or as a raw text, so that the groups' filters tell
/// where there is none.
pub(crate) fn filtered_by(plan: &TextPlan) -> Option<&str> {
    let in_slots = |known: &Known| matches!(known, Known::None | Known::Slots);
    match &plan.look {
        Some(Look::Token(token)) if plan.parts.is_empty() && plan.known.iter().all(in_slots) => {
            Some(token)
        }
        _ => needle_of(plan),
    }
}

/// A token of a slot that every passing text has, where all that may pass must be read: such texts
/// are few, and the groups' filters find them soonest.
fn needle_of(plan: &TextPlan) -> Option<&str> {
    let decided = |known: &Known| matches!(known, Known::All | Known::Slots);
    if !plan.parts.is_empty() || plan.known.iter().any(decided) {
        return None;
    }
    plan.narrow.iter().find_map(|look| match look {
        Look::Token(token) if look.is_in_slots_only() => Some(token.as_str()),
        _ => None,
    })
}

fn by_template(
    column: &Column,
    plan: &TextPlan,
    within: &RowSet,
    verdict: impl Fn(Known) -> Verdict,
) -> Result<(RowSet, RowSet), LeafError> {
    by_template_numbered(column, plan, within, |_, known| verdict(known))
}

fn by_template_numbered(
    column: &Column,
    plan: &TextPlan,
    within: &RowSet,
    verdict: impl Fn(usize, Known) -> Verdict,
) -> Result<(RowSet, RowSet), LeafError> {
    let known = plan.known.iter().enumerate();
    let verdicts: Vec<Verdict> = known.map(|(id, known)| verdict(id, *known)).collect();
    Ok(column.rows_by_template(&verdicts, within)?)
}

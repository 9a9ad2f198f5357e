//! Which fields have the indexes of a query, and of what type? From the values that there are.
//!
//! A field with values of several kinds has the type that holds all of them: numbers of both kinds
//! are doubles, anything else is text.

use std::collections::BTreeMap;

use index::read::{FieldInfo, Snapshot};
use model::record::TIMESTAMP_FIELD;
use model::time::TimeRange;

use super::analyze::{Schema, SchemaField};
use super::value::Type;
use crate::error::{ErrorKind, QueryError};
use crate::plan::IndexPatterns;

/// The most fields of a table.
const FIELDS_MAX: usize = 100_000;

/// Which kinds of values were seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    strings: bool,
    text: bool,
    ints: bool,
    floats: bool,
    bools: bool,
}

impl Seen {
    fn add(&mut self, field: &FieldInfo, text: bool) {
        self.strings |= field.strings > 0;
        self.text |= text;
        self.ints |= field.ints > 0;
        self.floats |= field.floats > 0;
        self.bools |= field.bools > 0;
    }

    /// The type, and whether values of other kinds become texts of it.
    fn ty(self) -> Option<(Type, bool)> {
        let numbers = self.ints || self.floats;
        let mixed = usize::from(self.strings) + usize::from(numbers) + usize::from(self.bools) > 1;
        Some(match self {
            _ if mixed && !self.text => (Type::Keyword, true),
            Seen { strings: true, text: true, .. } => (Type::Text, mixed),
            _ if mixed => (Type::Keyword, true),
            Seen { strings: true, .. } => (Type::Keyword, false),
            Seen { floats: true, .. } => (Type::Double, false),
            Seen { ints: true, .. } => (Type::Long, false),
            Seen { bools: true, .. } => (Type::Boolean, false),
            _ => return None,
        })
    }
}

/// The fields of the indexes in this time.
///
/// # Errors
/// No split can be read, or there are too many fields.
pub fn schema(
    snapshot: &Snapshot,
    patterns: &IndexPatterns,
    time: TimeRange,
) -> Result<Schema, QueryError> {
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut note = |fields: &[FieldInfo], wanted: &[bool]| {
        for field in fields {
            if field.indexes.iter().any(|at| wanted.get(*at as usize).copied().unwrap_or(false)) {
                let text = snapshot.text_fields.contains(&field.path);
                match seen.get_mut(&field.path) {
                    Some(known) => known.add(field, text),
                    None => seen.entry(field.path.clone()).or_default().add(field, text),
                }
            }
        }
    };
    for live in snapshot.live.iter().filter(|live| live.time.overlaps(&time)) {
        let names = live.batch.batch.indexes().iter();
        let wanted: Vec<bool> = names.map(|n| patterns.matches(n.as_str())).collect();
        note(&live.fields, &wanted);
    }
    let (mut read, mut failed) = (0, None);
    for split in &snapshot.splits {
        let meta = split.meta();
        let named = meta.indexes.iter().any(|(name, _)| patterns.matches(name.as_str()));
        if !named || !meta.time.overlaps(&time) {
            continue;
        }
        match split.open() {
            Ok(reader) => {
                let names = reader.indexes().iter();
                let wanted: Vec<bool> = names.map(|n| patterns.matches(n.as_str())).collect();
                note(reader.fields(), &wanted);
                read += 1;
            }
            Err(error) => {
                tracing::warn!(%error, "a split is left out of a schema");
                failed = Some(error.to_string());
            }
        }
    }
    if let (0, Some(reason)) = (read, failed) {
        return Err(QueryError::of(ErrorKind::Internal, reason));
    }
    // Every record has a time.
    seen.remove(TIMESTAMP_FIELD);
    let time = SchemaField { path: TIMESTAMP_FIELD.to_owned(), ty: Type::Date, mixed: false };
    let typed = seen.into_iter().filter_map(|(path, seen)| {
        let (ty, mixed) = seen.ty()?;
        Some(SchemaField { path, ty, mixed })
    });
    let mut fields: Vec<SchemaField> = std::iter::once(time).chain(typed).collect();
    fields.sort_by(|a, b| a.path.cmp(&b.path));
    if fields.len() > FIELDS_MAX {
        return Err(QueryError::illegal(format!(
            "the indexes have {} fields, more than {FIELDS_MAX}: name fewer indexes",
            fields.len()
        )));
    }
    Ok(Schema { fields })
}

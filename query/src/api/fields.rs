//! Which fields are there, and of what type? For mappings, field lists, and sort checks.
//!
//! Types are per value here; what is told is the widest type that an index has under a name.

use std::collections::{BTreeMap, BTreeSet};

use index::read::{FieldInfo, Snapshot};
use model::record::TIMESTAMP_FIELD;

use super::error::ApiError;

/// Elasticsearch's names of the types of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FieldType {
    Boolean,
    Long,
    Double,
    Keyword,
    Text,
    Date,
}

impl FieldType {
    pub(super) fn name(self) -> &'static str {
        match self {
            FieldType::Boolean => "boolean",
            FieldType::Long => "long",
            FieldType::Double => "double",
            FieldType::Keyword => "keyword",
            FieldType::Text => "text",
            FieldType::Date => "date",
        }
    }

    /// The widest type of a field's values; `None` when all are null.
    fn of(field: &FieldInfo, text_fields: &[String]) -> Option<Self> {
        let text = text_fields.contains(&field.path);
        if field.path == TIMESTAMP_FIELD {
            return Some(FieldType::Date);
        }
        [
            (field.strings > 0 && text, FieldType::Text),
            (field.strings > 0, FieldType::Keyword),
            (field.floats > 0, FieldType::Double),
            (field.ints > 0, FieldType::Long),
            (field.bools > 0, FieldType::Boolean),
        ]
        .into_iter()
        .find_map(|(has, ty)| has.then_some(ty))
    }
}

/// Types by index, by path.
pub(super) type Fields = BTreeMap<String, BTreeMap<String, FieldType>>;

/// Calls `visit` with the fields of every live batch and split, newest split first, and a lookup
/// of its index names, until it says `false`. Splits that cannot be read are passed over and
/// counted.
fn each_field_list(
    snapshot: &Snapshot,
    wanted: &BTreeSet<String>,
    mut visit: impl FnMut(&[FieldInfo], &[&str]) -> bool,
) -> (usize, Option<String>) {
    for live in &snapshot.live {
        let names: Vec<&str> = live.batch.batch.indexes().iter().map(|n| n.as_str()).collect();
        if names.iter().any(|n| wanted.contains(*n)) && !visit(&live.fields, &names) {
            return (0, None);
        }
    }
    let (mut failed, mut last) = (0, None);
    for split in &snapshot.splits {
        if !split.meta().indexes.iter().any(|(name, _)| wanted.contains(name.as_str())) {
            continue;
        }
        match split.open() {
            Ok(reader) => {
                let names: Vec<&str> = reader.indexes().iter().map(|n| n.as_str()).collect();
                if !visit(reader.fields(), &names) {
                    return (failed, last);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a split is left out of a list of fields");
                failed += 1;
                last = Some(error.to_string());
            }
        }
    }
    (failed, last)
}

/// All fields of the wanted indexes. Blocks: not for the async runtime.
///
/// # Errors
/// No split can be read.
pub(super) fn fields(snapshot: &Snapshot, wanted: &BTreeSet<String>) -> Result<Fields, ApiError> {
    let mut out = Fields::new();
    let mut lists = 0_usize;
    let (failed, reason) = each_field_list(snapshot, wanted, |fields, names| {
        lists += 1;
        for field in fields {
            let Some(ty) = FieldType::of(field, &snapshot.text_fields) else { continue };
            for at in &field.indexes {
                let Some(name) = names.get(*at as usize).filter(|n| wanted.contains(**n)) else {
                    continue;
                };
                if !out.contains_key(&field.path) {
                    out.insert(field.path.clone(), BTreeMap::new());
                }
                if let Some(by_index) = out.get_mut(&field.path) {
                    let entry = by_index.entry((*name).to_owned()).or_insert(ty);
                    *entry = (*entry).max(ty);
                }
            }
        }
        true
    });
    if lists == 0 && failed > 0 {
        let reason = reason.unwrap_or_default();
        return Err(ApiError::new(503, "search_phase_execution_exception", reason));
    }
    for name in wanted {
        // Every record has a time.
        out.entry(TIMESTAMP_FIELD.to_owned()).or_default().insert(name.clone(), FieldType::Date);
    }
    Ok(out)
}

/// The first of `paths` that no record of the wanted indexes has. Blocks: not for the async
/// runtime. Where a split cannot be read, nothing is said to be missing.
pub(super) fn missing_field(
    snapshot: &Snapshot,
    wanted: &BTreeSet<String>,
    paths: &[String],
) -> Option<String> {
    if wanted.is_empty() {
        return None;
    }
    let mut missing: Vec<&String> = paths.iter().collect();
    let (failed, _) = each_field_list(snapshot, wanted, |fields, _| {
        let has = |path: &str| fields.iter().any(|f| f.path == path);
        missing.retain(|path| {
            let base = path.strip_suffix(".keyword");
            !(has(path) || base.is_some_and(has))
        });
        !missing.is_empty()
    });
    if failed > 0 { None } else { missing.first().map(|path| (*path).clone()) }
}

//! When does writing go on in another index? Rolling over aliases and data streams.

use model::meta::{Fault, MetaKind};
use serde_json::{Map, Value as Json, json};

use crate::alias::AliasSpec;
use crate::date_name;
use crate::indices::{self, IndexEntry};
use crate::registry::Draft;
use crate::stream;
use crate::value::{bytes, duration_ms, object, text, unknown, whole, wrong};

/// What is known of the index that is written to now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// Records.
    pub docs: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A request to roll over.
#[derive(Debug)]
pub struct Asked {
    /// The alias or data stream.
    pub target: String,
    /// The name of the new index.
    pub new_name: Option<String>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// The body.
    pub body: Option<Json>,
}

/// A condition, as it was written, and whether it is met.
type Condition = (String, bool);

fn conditions(value: &Json, size: Size, age_ms: i64) -> Result<Vec<(Condition, bool)>, Fault> {
    let Json::Object(map) = value else { return Err(wrong("rollover", "conditions")) };
    let mut out = Vec::new();
    for (key, value) in map {
        let given = text(value);
        let bad =
            || Fault::argument(format!("failed to parse setting [{key}] with value [{given}]"));
        let minimum = key.starts_with("min_");
        let (_, what) = key.split_once('_').unwrap_or(("", key));
        let met = match what {
            "age" => age_ms >= duration_ms(&given).ok_or_else(bad)?,
            "docs" | "primary_shard_docs" => {
                size.docs >= whole(value).and_then(|n| u64::try_from(n).ok()).ok_or_else(bad)?
            }
            "size" | "primary_shard_size" => size.bytes >= bytes(&given).ok_or_else(bad)?,
            _ => return Err(unknown("conditions", key)),
        };
        out.push(((format!("[{key}: {given}]"), met), minimum));
    }
    Ok(out)
}

/// `POST /{target}/_rollover`; `size` gives what the index that is written to now holds. The answer
/// without what is acknowledged when nothing was changed.
///
/// # Errors
/// The target cannot be rolled over.
pub fn roll_over(
    draft: &mut Draft,
    labels: &[String],
    asked: Asked,
    size: &dyn Fn(&str) -> Size,
) -> Result<Json, Fault> {
    let mut body = match asked.body.clone() {
        None | Some(Json::Null) => Map::new(),
        Some(body) => object(body, "rollover")?,
    };
    let wanted = body.remove("conditions");
    let target = asked.target.as_str();
    let (old, created_ms) = current(draft, target)?;
    let age_ms = draft.now().millis() - created_ms;
    let found = match &wanted {
        None => Vec::new(),
        Some(wanted) => conditions(wanted, size(&old), age_ms)?,
    };
    let least = found.iter().filter(|(_, minimum)| *minimum).all(|((_, met), _)| *met);
    let mut most = found.iter().filter(|(_, minimum)| !minimum).peekable();
    let any = most.peek().is_none() || most.any(|((_, met), _)| *met);
    let due = least && any;
    let new = match draft.state().stream(target) {
        Some(found) => stream::next_name(found, target, draft.now()),
        None => next_index(draft, &old, asked.new_name.as_deref())?,
    };
    let does = due && !asked.dry_run;
    let shown: Map<String, Json> =
        found.iter().map(|((text, met), _)| (text.clone(), (*met).into())).collect();
    if does {
        match draft.state().stream(target) {
            Some(_) => {
                stream::roll(draft, target)?;
            }
            None => roll_alias(draft, labels, target, (&old, &new, body))?,
        }
    }
    let named = date_name::resolve(&new, draft.now())?;
    Ok(json!({
        "acknowledged": does, "shards_acknowledged": does, "old_index": old, "new_index": named,
        "rolled_over": does, "dry_run": asked.dry_run, "lazy": false, "conditions": shown,
    }))
}

/// The index that is written to now, and when it was made.
fn current(draft: &Draft, target: &str) -> Result<(String, i64), Fault> {
    let state = draft.state();
    if let Some(stream) = state.stream(target) {
        let last = stream.indices.last().ok_or_else(|| Fault::no_such_index(target))?;
        return Ok((last.name.clone(), last.created_ms));
    }
    let members = draft.members_of(target);
    if members.is_empty() {
        return Err(Fault::argument(format!("rollover target [{target}] does not exist")));
    }
    let spec = |name: &String| state.index(name).and_then(|i| i.aliases.get(target));
    let writes = |name: &&String| spec(name).is_some_and(|s| s.is_write_index == Some(true));
    let single = members.iter().next().filter(|_| members.len() == 1);
    let Some(index) = members.iter().find(writes).or(single) else {
        return Err(Fault::argument(format!(
            "source alias [{target}] does not point to a write index"
        )));
    };
    let created = state.index(index).map_or(0, |i| i.created_ms);
    Ok((index.clone(), created))
}

/// The name of the next index: the number at its end, and one more.
fn next_index(draft: &Draft, old: &str, given: Option<&str>) -> Result<String, Fault> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    let settings = draft.state().settings_of(old);
    let provided = settings.get("index.provided_name").unwrap_or(old).to_owned();
    let dated = provided.starts_with('<');
    let inside = provided.strip_suffix('>').filter(|_| dated).unwrap_or(&provided);
    let number = inside.rsplit_once('-').filter(|(_, digits)| {
        !digits.is_empty() && digits.len() < 18 && digits.bytes().all(|b| b.is_ascii_digit())
    });
    match number {
        Some((base, digits)) => {
            let next = digits.parse::<u64>().unwrap_or(0) + 1;
            Ok(format!("{base}-{next:06}{}", if dated { ">" } else { "" }))
        }
        None => {
            Err(Fault::argument(format!("index name [{old}] does not match pattern '^.*-\\d+$'")))
        }
    }
}

fn roll_alias(
    draft: &mut Draft,
    labels: &[String],
    alias: &str,
    (old, new, body): (&str, &str, Map<String, Json>),
) -> Result<(), Fault> {
    let provided = new.to_owned();
    let new = date_name::resolve(new, draft.now())?;
    let body = (!body.is_empty()).then_some(Json::Object(body));
    indices::create(draft, labels, &new, body)?;
    let mut before: IndexEntry = draft.index_entry(old);
    let explicit = before.aliases.get(alias).is_some_and(|s| s.is_write_index == Some(true));
    let mut after = draft.index_entry(&new);
    if provided != new {
        after.settings.insert("index.provided_name".to_owned(), provided.into());
    }
    let spec = match before.aliases.get_mut(alias) {
        Some(spec) if explicit => {
            spec.is_write_index = Some(false);
            AliasSpec { is_write_index: Some(true), ..spec.clone() }
        }
        Some(_) => before.aliases.remove(alias).unwrap_or_default(),
        None => AliasSpec::default(),
    };
    after.aliases.insert(alias.to_owned(), spec);
    before.rolled_ms.insert(alias.to_owned(), draft.now().millis());
    draft.put(MetaKind::Index, old, &before)?;
    draft.put(MetaKind::Index, &new, &after)
}

//! What was a split's part of an answer? Kept by split and question: a split never changes, so what
//! is kept is never wrong.
//!
//! A question is the query with its times clipped to the split, so that "the last hour" asked a
//! minute later finds what is kept of every split that lies in the hour. Knows no rows.

use std::fmt::Write;

use index::read::SplitMeta;
use model::id::{IndexName, SplitId};
use model::time::TimeRange;
use platform::telemetry::{self, Metric};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use xxhash_rust::xxh3::xxh3_128;

use super::execute::Task;
use crate::ast::Query;
use crate::merge::SegmentAnswer;

/// Split, part of it, and the question's hash.
pub type Key = (SplitId, (u32, u32), u128);

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<Key, SegmentAnswer> for ByBytes {
    fn weight(&self, _: &Key, answer: &SegmentAnswer) -> u64 {
        let partials = answer.partials.iter().map(|partial| partial.memory_bytes());
        256 + partials.sum::<usize>() as u64
    }
}

/// Answers of splits without hits.
#[derive(Debug)]
pub struct PartialCache {
    cache: Cache<Key, SegmentAnswer, ByBytes>,
    /// Of the strings of a field: how many records have some, and how many tokens they have.
    fields: Cache<(SplitId, u128), (u64, u64)>,
}

/// The most fields of splits whose strings are known.
const FIELDS_MAX: usize = 1 << 14;

/// About how large an answer is, in bytes.
const ANSWER_BYTES: u64 = 4096;

impl PartialCache {
    /// A cache of at most so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        let items = (bytes_max / ANSWER_BYTES).clamp(16, 1 << 20) as usize;
        let cache = Cache::with_weighter(items, bytes_max, ByBytes);
        Self { cache, fields: Cache::new(FIELDS_MAX) }
    }

    /// How many records of a split have strings in a field, and how many tokens they have.
    pub fn field(&self, split: &SplitMeta, path: &str) -> Option<(u64, u64)> {
        self.fields.get(&(split.id.clone(), xxh3_128(path.as_bytes())))
    }

    /// Keeps what [`PartialCache::field`] says.
    pub fn keep_field(&self, split: &SplitMeta, path: &str, known: (u64, u64)) {
        self.fields.insert((split.id.clone(), xxh3_128(path.as_bytes())), known);
    }

    /// What a split answered.
    pub fn get(&self, key: &Key) -> Option<SegmentAnswer> {
        let found = self.cache.get(key);
        telemetry::count(
            if found.is_some() { Metric::PartialHits } else { Metric::PartialMisses },
            1,
        );
        found
    }

    /// Keeps what a split answered, unless that is a part only or has hits.
    pub fn keep(&self, key: Key, answer: &SegmentAnswer) {
        if !answer.partly && answer.candidates.is_empty() {
            self.cache.insert(key, answer.clone());
            telemetry::set(Metric::PartialBytes, self.cache.weight() as i64);
        }
    }
}

impl Task {
    /// The question that this search puts to a part of a split, hits aside.
    pub fn key(&self, split: &SplitMeta, part: (u32, u32)) -> Key {
        let mut text = String::with_capacity(256);
        write_time(self.time, split.time, &mut text);
        write_query(&self.query, split.time, &mut text);
        self.write_indexes(split, &mut text);
        text.push_str(&self.asked);
        for id in &split.deletions {
            let _ = write!(text, "D{id}");
        }
        (split.id.clone(), part, xxh3_128(text.as_bytes()))
    }
}

impl Task {
    /// Writes which of the split's indexes are meant, so that it does not matter how they were
    /// named.
    fn write_indexes(&self, split: &SplitMeta, out: &mut String) {
        let meant = |(name, _): &(IndexName, u64)| self.indexes.matches(name.as_str());
        if self.indexes.is_all() || split.indexes.iter().all(meant) {
            return out.push_str("I*");
        }
        out.push('I');
        for (at, _) in split.indexes.iter().enumerate().filter(|(_, index)| meant(index)) {
            let _ = write!(out, "{at},");
        }
    }
}

/// Writes a range, as far as it lies in the split.
fn write_time(range: TimeRange, split: TimeRange, out: &mut String) {
    let inside = range.intersect(&split);
    let _ = match () {
        () if inside.is_empty() => write!(out, "T-"),
        () if inside == split => write!(out, "T*"),
        () => write!(out, "T{}-{}", inside.from.0, inside.to.0),
    };
}

fn write_query(query: &Query, split: TimeRange, out: &mut String) {
    match query {
        Query::Time(range) => write_time(*range, split, out),
        // What is kept has no hits, and so no scores.
        Query::Scored(scored) => write_query(&scored.query, split, out),
        Query::Bool(b) => {
            for (name, parts) in [("&", &b.must), ("|", &b.should), ("!", &b.must_not)] {
                out.push_str(name);
                out.push('(');
                for part in parts {
                    write_query(part, split, out);
                    out.push(',');
                }
                out.push(')');
            }
            let _ = write!(out, "{}", b.minimum_should);
        }
        other => {
            let _ = write!(out, "{other:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::time::Timestamp;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::aggregate;
    use crate::elastic::Reader;
    use crate::request::TrackTotal;
    use crate::search::execute::execute;
    use crate::search::tests::{api_settings, free_run, large_snapshots, pool};

    fn task(body: &Json) -> Task {
        let mut reader = Reader::new(Timestamp(0), &api_settings());
        let mut request = reader.search(body.to_string().as_bytes()).unwrap().request;
        request.track_total = TrackTotal::All;
        Task::new(&request).unwrap()
    }

    fn answer(mut task: Task, cache: Option<&Arc<PartialCache>>) -> (u64, Json) {
        task.partials = cache.cloned();
        let merged = execute(&task, &large_snapshots()[1], &free_run(), pool()).unwrap();
        let aggs = aggregate::answer(&task.aggs, merged.partials, 10_000).unwrap();
        (merged.count, Json::Object(aggs.into_json()))
    }

    /// The same question, with ranges of time that end at different places beyond the splits.
    fn bodies() -> Vec<(Json, Json)> {
        let range = |to: &str| json!({"range": {"@timestamp": {"gte": "2000-01-01", "lt": to}}});
        let aggs = json!({
            "s": {"terms": {"field": "service.name"}, "aggs": {"m": {"max": {"field": "n"}}}},
            "d": {"cardinality": {"field": "service.name"}},
            "t": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}},
            "f": {"filter": {"match": {"message": "timeout"}}},
        });
        let queries = [
            json!({"match_all": {}}),
            json!({"match": {"message": "timeout"}}),
            json!({"bool": {"must_not": [{"term": {"log.level": "info"}}]}}),
        ];
        let body = |query: &Json, to: &str, aggs: &Json| json!({"size": 0, "aggs": aggs, "query": {"bool": {"filter": [query, range(to)]}}});
        let pair = |(query, aggs): (&Json, &Json)| {
            (body(query, "2100-01-01", aggs), body(query, "2101-02-03", aggs))
        };
        queries.iter().flat_map(|q| [(q, &aggs), (q, &json!({}))].map(pair)).collect()
    }

    #[test]
    fn what_is_kept_answers_as_what_is_found_out_anew() {
        let cache = Arc::new(PartialCache::new(1 << 20));
        for (first, second) in bodies() {
            let want = answer(task(&first), None);
            assert_eq!(answer(task(&first), Some(&cache)), want, "{first}");
            assert_eq!(answer(task(&second), Some(&cache)), want, "{second}");
        }
    }

    #[test]
    fn ranges_that_cover_a_split_are_one_question_and_others_are_not() {
        let meta = large_snapshots()[1].splits[0].meta().clone();
        let keys: Vec<(Key, Key)> = bodies()
            .iter()
            .map(|(a, b)| (task(a).key(&meta, (0, 1)), task(b).key(&meta, (0, 1))))
            .collect();
        assert!(keys.iter().all(|(a, b)| a == b));
        for (at, (key, _)) in keys.iter().enumerate() {
            assert!(keys[..at].iter().all(|(other, _)| other != key), "question {at}");
        }
        let cut = Timestamp(meta.time.to.0 - 1).rfc3339();
        let cut = json!({"query": {"range": {"@timestamp": {"lt": cut}}}});
        let all = json!({"query": {"match_all": {}}});
        let (cut, all) = (task(&cut), task(&all));
        assert_ne!(cut.key(&meta, (0, 1)), all.key(&meta, (0, 1)));
        assert_ne!(all.key(&meta, (0, 2)), all.key(&meta, (1, 2)));
    }
}

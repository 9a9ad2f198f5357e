//! What of the index can be set? Limits and intervals, with their units in the names.

use std::sync::Arc;

use model::id::IndexName;
use model::meta::Lifetimes;
use model::pattern::matches_pattern;
use serde::Deserialize;

/// Settings of the index; the shipped `config/logdrive.toml` holds the defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Paths of the fields that are text: searched by word.
    pub text_fields: Vec<String>,
    /// Live records are rolled into splits when they reach so many bytes of documents.
    pub roll_raw_bytes: u64,
    /// … or when the oldest of them is this old.
    pub roll_age_ms: u64,
    /// Memory for records that are not yet published; when full, ingest waits.
    pub live_memory_bytes_max: u64,
    /// Width of a time bucket: a split never spans two.
    pub bucket_ms: u64,
    /// How many buckets one roll is cut into at most; stray times share wider ones.
    pub buckets_per_roll_max: usize,
    /// Strings longer than this in any field are kept as templates and slots, never in a dictionary.
    pub column_value_bytes_max: usize,
    /// Level of zstd for fresh splits.
    pub zstd_level: i32,
    /// Level of zstd for merged splits.
    pub merged_zstd_level: i32,
    /// Rows that are compressed and read together.
    pub group_rows: u32,
    /// Splits that are kept open.
    pub open_splits_max: usize,
    /// Decoded columns of all open splits, in bytes of memory.
    pub column_cache_bytes_max: u64,
    /// Ranges and whole splits of a remote store that are kept on disk, in bytes.
    pub cache_bytes_max: u64,
    /// Tails (footers, dictionaries, filters) of splits of a remote store that are kept on disk
    /// besides, in bytes.
    pub pinned_bytes_max: u64,
    /// Deletions that are not finished: more are refused.
    pub deletions_max: usize,
    /// How long a deletion waits until what came before it is published.
    pub deletion_wait_ms: u64,
    /// Reading from a remote store.
    pub remote: RemoteSettings,
    /// Merging.
    pub merge: MergeSettings,
    /// Expiry.
    pub retention: RetentionSettings,
}

/// How ranges of splits are read from a remote store.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteSettings {
    /// Ranges are widened to whole blocks of so many bytes.
    pub block_bytes: u64,
    /// Ranges with at most so many bytes between them come in one request.
    pub gap_bytes_max: u64,
    /// A longer range comes in several requests.
    pub get_bytes_max: u64,
    /// Requests at once, of all searches and merges.
    pub concurrent_max: usize,
    /// So many of a hundred requests may be sent a second time because they are slow; 0: none.
    pub hedge_percent_max: u64,
    /// How long one range may take, with all tries; then the search goes on without the split.
    /// A request without an answer is sent anew after half of it.
    pub timeout_ms: u64,
}

/// When splits are merged.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeSettings {
    /// How many splits of a bucket are merged at once; 0 turns merging off.
    pub factor: usize,
    /// A merged split has at most so many bytes of documents.
    pub raw_bytes_max: u64,
    /// How often a record is rewritten at most.
    pub rewrites_max: u32,
    /// Memory for decoded columns of the splits that are merged, of all merges.
    pub memory_bytes_max: u64,
    /// Merges at once, each on one thread; 0: one for every four cores, at least one.
    pub threads: usize,
    /// So many splits may wait for a merge; beyond it publishing waits, and ingest with it. 0: any.
    pub backlog_max: usize,
    /// How often the merger looks for work.
    pub interval_ms: u64,
}

/// When records expire.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSettings {
    /// Days that records are kept; 0 keeps them for ever.
    pub default_days: u32,
    /// Other periods and sizes by index name; the first rule that matches counts.
    pub rules: Vec<RetentionRule>,
    /// Periods that clients set; they hold where no rule matches.
    #[serde(skip)]
    pub learned: Option<Arc<dyn Lifetimes>>,
}

/// A period and a size for some indexes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionRule {
    /// A name, with `*` for any run of characters.
    pub indexes: String,
    /// Days; 0 keeps for ever; without it as by default.
    pub days: Option<u32>,
    /// The oldest objects of these indexes go when the newer ones alone have so many bytes; 0:
    /// whatever their size.
    #[serde(default)]
    pub bytes_max: u64,
}

/// How long records are kept; those with the same retention lie in the same splits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retention {
    /// Days; 0 is for ever.
    pub days: u32,
    /// The rule that bounds their bytes, by its number.
    pub bounded_by: Option<u32>,
}

impl RetentionSettings {
    /// How long the records of an index are kept.
    pub fn of(&self, index: &IndexName) -> Retention {
        let mut rules = (0u32..).zip(&self.rules);
        match rules.find(|(_, r)| matches_pattern(&r.indexes, index.as_str())) {
            None => {
                let learned = self.learned.as_ref().and_then(|l| l.days_of(index));
                Retention { days: learned.unwrap_or(self.default_days), bounded_by: None }
            }
            Some((number, rule)) => Retention {
                days: rule.days.unwrap_or(self.default_days),
                bounded_by: (rule.bytes_max > 0).then_some(number),
            },
        }
    }

    /// The longest retention of several indexes: what holds for a split of them.
    pub fn of_all<'i>(&self, indexes: impl Iterator<Item = &'i IndexName>) -> Retention {
        let longest = |a: Retention, b: Retention| Retention {
            days: if a.days == 0 || b.days == 0 { 0 } else { a.days.max(b.days) },
            bounded_by: a.bounded_by.filter(|_| a.bounded_by == b.bounded_by),
        };
        indexes.map(|index| self.of(index)).reduce(longest).unwrap_or_default()
    }
}

/// What the tests use.
#[doc(hidden)]
pub fn test_settings() -> Settings {
    Settings {
        text_fields: vec!["message".to_owned()],
        roll_raw_bytes: 64 << 20,
        roll_age_ms: 30_000,
        live_memory_bytes_max: 192 << 20,
        bucket_ms: 86_400_000,
        buckets_per_roll_max: 64,
        column_value_bytes_max: 8192,
        zstd_level: 3,
        merged_zstd_level: 6,
        group_rows: 1 << 16,
        open_splits_max: 512,
        column_cache_bytes_max: 32 << 20,
        cache_bytes_max: 10 << 30,
        pinned_bytes_max: 1 << 30,
        deletions_max: 100,
        deletion_wait_ms: 30_000,
        remote: RemoteSettings {
            block_bytes: 64 << 10,
            gap_bytes_max: 64 << 10,
            get_bytes_max: 4 << 20,
            concurrent_max: 16,
            hedge_percent_max: 5,
            timeout_ms: 20_000,
        },
        merge: MergeSettings {
            factor: 4,
            raw_bytes_max: 256 << 20,
            rewrites_max: 2,
            memory_bytes_max: 48 << 20,
            threads: 0,
            backlog_max: 0,
            interval_ms: 1_000,
        },
        retention: RetentionSettings { default_days: 0, rules: Vec::new(), learned: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Week;

    impl Lifetimes for Week {
        fn days_of(&self, index: &IndexName) -> Option<u32> {
            index.as_str().starts_with("weekly").then_some(7)
        }
    }

    #[test]
    fn rules_go_before_what_clients_say_and_that_before_the_default() {
        let rule =
            |indexes: &str, days| RetentionRule { indexes: indexes.to_owned(), days, bytes_max: 0 };
        let settings = RetentionSettings {
            default_days: 30,
            rules: vec![rule("weekly-own", Some(1)), rule("weekly-default", None)],
            learned: Some(Arc::new(Week)),
        };
        let days = |index: &str| settings.of(&IndexName::new(index)).days;
        for (index, want) in
            [("weekly", 7), ("weekly-own", 1), ("weekly-default", 30), ("other", 30)]
        {
            assert_eq!(days(index), want, "{index}");
        }
    }
}

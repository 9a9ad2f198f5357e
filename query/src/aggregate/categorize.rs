//! Which texts say the same? `categorize_text`: texts that differ in numbers and in few words are one
//! category.
//!
//! Segments count the texts by their words without numbers; the answer joins what is alike, the most
//! frequent first, so that it does not depend on the segments.

use hashbrown::HashMap;
use regex::Regex;

use super::Planned;
use super::answer::Writer;
use super::collect::Collector;
use super::key::Key;
use super::more::{At, More};
use super::partial::{Bucket, Partial};
use super::words::{Cut, Wanted, Words, number_of};
use crate::error::QueryError;
use crate::leaf::LeafError;
use crate::plan::Node;
use crate::request::CategorizeAgg;
use crate::tree::{Object, Tree};

/// The longest filter, in bytes of its compiled form.
const FILTER_BYTES_MAX: usize = 1 << 20;
/// The most frequent texts, that are compared with all categories; others only with equal ones.
const COMPARED_MAX: usize = 10_000;

/// Words that tell only when something was: they do not tell texts apart.
const TIME_WORDS: [&str; 40] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Mon",
    "Tue",
    "Wed",
    "Thu",
    "Fri",
    "Sat",
    "Sun",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
    "GMT",
    "UTC",
    "CET",
];

/// A planned `categorize_text`.
#[derive(Debug)]
pub(super) struct Categorize {
    agg: CategorizeAgg,
    cut: IntoShape,
}

impl Categorize {
    /// Of a request.
    ///
    /// # Errors
    /// A filter makes no sense.
    pub(super) fn new(agg: &CategorizeAgg) -> Result<Self, QueryError> {
        let filter = |text: &String| {
            let built = regex::RegexBuilder::new(text).size_limit(FILTER_BYTES_MAX).build();
            built.map_err(|error| {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or("it is no expression").to_owned();
                QueryError::illegal(format!(
                    "[categorization_filters] contains invalid regular expression [{text}]: \
                     {reason}"
                ))
            })
        };
        let filters = agg.filters.iter().map(filter).collect::<Result<_, _>>()?;
        Ok(Self { agg: agg.clone(), cut: IntoShape { filters, tokens_max: agg.tokens_max } })
    }
}

/// Into the one text of its words that are no numbers.
#[derive(Debug)]
struct IntoShape {
    filters: Vec<Regex>,
    tokens_max: usize,
}

impl Cut for IntoShape {
    fn cut(&self, text: &str, part: &mut dyn FnMut(&str)) {
        let line = text.lines().find(|line| line.chars().any(char::is_alphabetic));
        let Some(line) = line else { return };
        let mut line = std::borrow::Cow::Borrowed(line);
        for filter in &self.filters {
            if filter.is_match(&line) {
                line = filter.replace_all(&line, "").into_owned().into();
            }
        }
        let mut shape = String::with_capacity(line.len());
        for word in words(&line).take(self.tokens_max) {
            if !shape.is_empty() {
                shape.push(' ');
            }
            shape.push_str(word);
        }
        if !shape.is_empty() {
            part(&shape);
        }
    }
}

/// Runs of letters, digits, `_`, `-`, `.` and `@` that begin with a letter and are no number in
/// any base up to 16.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
    line.split(move |c: char| !inside(c))
        .map(|run| {
            run.trim_start_matches(|c: char| !c.is_alphanumeric())
                .trim_end_matches(['_', '-', '.', '@'])
        })
        .filter(|word| {
            let hex = |c: char| c.is_ascii_hexdigit() || matches!(c, '-' | '.');
            word.chars().next().is_some_and(|c| !c.is_numeric())
                && !word.chars().all(hex)
                && !TIME_WORDS.contains(word)
        })
}

/// Texts that say the same.
#[derive(Debug)]
struct Category {
    /// The words that all have, in this order.
    words: Vec<u64>,
    texts: Vec<Box<str>>,
    longest: f64,
    bucket: Bucket,
}

/// Joins shapes that are alike.
struct Joiner {
    similarity: f64,
    categories: Vec<Category>,
}

impl Joiner {
    /// Takes in a shape: the most frequent come first.
    fn add(&mut self, shape: &str, bucket: Bucket, (longest, compared): (f64, bool)) {
        let texts: Vec<&str> = shape.split(' ').collect();
        let words: Vec<u64> = texts.iter().map(|word| number_of(word)).collect();
        let mut best: Option<(f64, usize)> = None;
        for (at, category) in self.categories.iter().enumerate() {
            let near = match compared {
                true => self.near(&category.words, &words),
                false => f64::from(u8::from(category.words == words)),
            };
            if near >= self.similarity && best.is_none_or(|(most, _)| near > most) {
                best = Some((near, at));
            }
        }
        if let Some((_, at)) = best {
            let category = &mut self.categories[at];
            let kept = common(&category.words, &words);
            category.texts = kept.iter().map(|at| category.texts[*at].clone()).collect();
            category.words = kept.iter().map(|at| category.words[*at]).collect();
            category.longest = category.longest.max(longest);
            category.bucket.merge(bucket);
            return;
        }
        let texts = texts.into_iter().map(Box::from).collect();
        self.categories.push(Category { words, texts, longest, bucket });
    }

    /// The share of the longer text that is common to both, in order.
    fn near(&self, a: &[u64], b: &[u64]) -> f64 {
        let (short, long) = (a.len().min(b.len()) as f64, a.len().max(b.len()).max(1) as f64);
        if short / long < self.similarity {
            return 0.0;
        }
        if a == b {
            return 1.0;
        }
        let shared = a.iter().filter(|word| b.contains(word)).count() as f64;
        if shared / long < self.similarity {
            return 0.0;
        }
        common(a, b).len() as f64 / long
    }
}

/// Places in `a` of a longest sequence that both have.
fn common(a: &[u64], b: &[u64]) -> Vec<usize> {
    let width = b.len() + 1;
    let mut lengths = vec![0u16; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i * width + j] = match a[i] == b[j] {
                true => lengths[(i + 1) * width + j + 1] + 1,
                false => lengths[(i + 1) * width + j].max(lengths[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            out.push(i);
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    out
}

/// The expression that the texts of a category match.
fn expression(words: &[Box<str>]) -> String {
    let words: Vec<String> = words.iter().map(|word| regex::escape(word)).collect();
    match words.is_empty() {
        true => ".*".to_owned(),
        false => format!(".*?{}.*?", words.join(".+?")),
    }
}

impl More for Categorize {
    fn reads<'p>(&'p self, fields: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {
        fields.push(&self.agg.field);
    }

    fn collector<'a>(
        &'a self,
        at: &At<'a, '_>,
    ) -> Result<Option<Box<dyn Collector + 'a>>, LeafError> {
        let wanted = Wanted { cut: &self.cut, choice: None, once: false, lengths: true };
        Ok(Some(Box::new(Words::new(at, &self.agg.field, wanted)?)))
    }

    fn write(
        &self,
        writer: &mut Writer,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        let Partial::Keyed(map) = partial else { return Ok(()) };
        let mut shapes: Vec<(Box<str>, f64, Bucket)> = Vec::with_capacity(map.len());
        for (key, mut bucket) in map {
            let longest = match bucket.subs.pop() {
                Some(Partial::Stats(stats)) => stats.property("max"),
                _ => None,
            };
            if let Key::Str(shape) = key {
                shapes.push((shape, longest.unwrap_or(0.0), bucket));
            }
        }
        shapes.sort_by(|a, b| b.2.docs.cmp(&a.2.docs).then_with(|| a.0.cmp(&b.0)));
        let similarity = self.agg.similarity / 100.0;
        let mut joiner = Joiner { similarity, categories: Vec::new() };
        let mut rest: HashMap<Box<str>, (f64, Bucket)> = HashMap::new();
        for (at, (shape, longest, bucket)) in shapes.into_iter().enumerate() {
            match at < COMPARED_MAX {
                true => joiner.add(&shape, bucket, (longest, true)),
                false => {
                    rest.insert(shape, (longest, bucket));
                }
            }
        }
        let mut all = joiner.categories;
        all.extend(rest.into_iter().map(|(shape, (longest, bucket))| Category {
            words: Vec::new(),
            texts: shape.split(' ').map(Box::from).collect(),
            longest,
            bucket,
        }));
        all.retain(|category| category.bucket.docs >= self.agg.min_doc_count);
        all.sort_by(|a, b| b.bucket.docs.cmp(&a.bucket.docs).then_with(|| a.texts.cmp(&b.texts)));
        let mut list = Vec::with_capacity(all.len().min(self.agg.size));
        for category in all.into_iter().take(self.agg.size) {
            let mut head = Object::with_capacity(4 + planned.subs.len());
            let key: Vec<&str> = category.texts.iter().map(|word| &**word).collect();
            let extra = vec![
                ("key", key.join(" ").into()),
                ("regex", expression(&category.texts).into()),
                // A tenth more, as Elasticsearch adds it.
                ("max_matching_length", ((category.longest * 11.0 / 10.0) as u64).into()),
            ];
            writer.counted(&mut head, (&planned.subs, extra), category.bucket)?;
            list.push(Tree::Object(head));
        }
        out.push("buckets", Tree::List(list));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_have_no_numbers_and_no_times() {
        let cases = [
            ("Node 2 started [Mon 10:03:04.123]", Some("Node started")),
            ("12 34\nconnect to 10.0.0.1:80 failed", Some("connect to failed")),
            ("id=7f3a9c user_id=x-1 deadbeef", Some("id user_id x-1")),
            ("9 9 9", None),
            ("", None),
        ];
        let cut = IntoShape { filters: Vec::new(), tokens_max: 100 };
        for (text, want) in cases {
            let mut got = None;
            cut.cut(text, &mut |shape| got = Some(shape.to_owned()));
            assert_eq!(got.as_deref(), want, "{text}");
        }
        let filters = vec![Regex::new(r"\w+=\w+").unwrap()];
        let cut = IntoShape { filters, tokens_max: 2 };
        let mut got = String::new();
        cut.cut("a=b one two three", &mut |shape| got.push_str(shape));
        assert_eq!(got, "one two");
    }

    #[test]
    fn what_is_alike_is_joined() {
        let mut joiner = Joiner { similarity: 0.7, categories: Vec::new() };
        let one = || Bucket { docs: 1, subs: Vec::new() };
        for shape in ["user foo logged in now", "user bar logged in now", "disk is full", "disk"] {
            joiner.add(shape, one(), (shape.len() as f64, true));
        }
        let got: Vec<(String, u64)> =
            joiner.categories.iter().map(|c| (c.texts.join(" "), c.bucket.docs)).collect();
        let want = [("user logged in now", 2), ("disk is full", 1), ("disk", 1)];
        assert_eq!(got, want.map(|(text, docs)| (text.to_owned(), docs)));
        assert_eq!(expression(&joiner.categories[1].texts), ".*?disk.+?is.+?full.*?");
    }
}

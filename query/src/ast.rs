//! What is asked of a record? The one tree that every query language is lowered to.
//!
//! Semantics, the same for live rows and for splits:
//! - A *text field* (setting `index.text_fields`, by default `message` and its like) is a sequence
//!   of tokens (`model::token`). Every other string is a whole value, and has tokens as well.
//! - `Words` and `Phrase` look at tokens, of any string field, and ignore case. On a number or
//!   boolean they compare the whole value.
//! - `Term`, `Terms`, `Prefix`, `Wildcard`, `Regex` look at the whole value, in its own case; on a
//!   text field they match when one folded token matches *or* the whole value does.
//! - A path that ends in `.keyword` and is no field of its own means the path before it, whole
//!   values only.
//! - A field with several values matches when one of them does.

use model::time::{TimeRange, Timestamp};

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Every record.
    All,
    /// No record.
    None,
    /// Combination; see [`BoolQuery`].
    Bool(Box<BoolQuery>),
    /// A test of a field's values.
    Field(FieldQuery),
    /// Records whose time lies in the range (`@timestamp`).
    Time(TimeRange),
    /// Records with one of these `_id`s.
    Ids(Vec<String>),
    /// Records of an index whose name matches one of these patterns (`*`), for `_index`.
    Index(Vec<String>),
    /// What its query matches; says how a match counts in the score, and what it is called.
    Scored(Box<Scored>),
}

/// A query that counts in a way of its own, or has a name. It matches what `query` matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// What matches.
    pub query: Query,
    /// How a match counts.
    pub scoring: Scoring,
    /// Hits tell which named queries they match (`_name`).
    pub name: Option<String>,
}

/// How much a match counts in the score.
#[derive(Clone, Debug, PartialEq)]
pub enum Scoring {
    /// So many times what the query says (`boost`).
    Times(f32),
    /// So much, whatever the query says; a filter counts 0.
    Constant(f32),
    /// Of the alternatives (`should` of the query) the best, and the others so many times.
    Best(f32),
    /// What the query says, but so many times as much where the other query matches.
    Less(Query, f32),
    /// What functions make of it.
    Functions(Functions),
}

/// What makes a new score of a query's score (`function_score`).
#[derive(Clone, Debug, PartialEq)]
pub struct Functions {
    /// Each counts where its query matches.
    pub list: Vec<(Query, Function)>,
    /// How several make one number.
    pub join: Join,
    /// How that number and the query's score make the new score.
    pub boost: Join,
    /// The most that the functions may say.
    pub most: f32,
}

/// A function of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Function {
    /// This number.
    Weight(f32),
    /// A number from a field.
    Field(FieldFactor, f32),
    /// A number from 0 to 1 that depends on the seed and the record alone.
    Random(u64, f32),
}

/// A field's number in the score (`field_value_factor`).
#[derive(Clone, Debug, PartialEq)]
pub struct FieldFactor {
    /// The field.
    pub field: String,
    /// The value is multiplied by it.
    pub factor: f64,
    /// What is made of the product, by Elasticsearch's name: `none`, `log1p`, `sqrt`, …
    pub modifier: String,
    /// The value of records without one.
    pub missing: Option<f64>,
}

/// How numbers make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Join {
    Multiply,
    Sum,
    Average,
    First,
    Max,
    Min,
    Replace,
}

/// All of `must`, none of `must_not`, at least `minimum_should` of `should`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BoolQuery {
    /// Must match (Elasticsearch's `must` and `filter`).
    pub must: Vec<Query>,
    /// Of these `minimum_should` must match.
    pub should: Vec<Query>,
    /// Must not match.
    pub must_not: Vec<Query>,
    /// How many of `should`; more than there are matches nothing.
    pub minimum_should: usize,
}

/// A test of the values of one field, of fields by pattern, or of any field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldQuery {
    /// Which fields.
    pub target: Target,
    /// What a value must be.
    pub test: Test,
}

/// Which fields a test looks at; with several, one that matches is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The field of this path.
    Path(String),
    /// The fields whose path matches the pattern (`*` only).
    Pattern(String),
    /// Any field: what a search without a field name means.
    Any,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// There is a value, not null.
    Exists,
    /// Equals.
    Term(TermTest),
    /// Equals one of these.
    Terms(Vec<Literal>),
    /// Holds at least `minimum` of the words, in any order (Elasticsearch's `match`).
    Words {
        /// Each word is a phrase of one or more tokens: `10.0.0.1` is the phrase `10 0 0 1`.
        words: Vec<Vec<String>>,
        /// How many; at least 1.
        minimum: usize,
    },
    /// Holds these folded tokens one after the other, up to `slop` moves apart.
    Phrase {
        /// The tokens; empty matches nothing.
        tokens: Vec<String>,
        /// The last token needs only begin so.
        prefix: bool,
        /// How many positions tokens may be moved.
        slop: u32,
    },
    /// Lies between. Numbers compare as numbers, times as times where value and bound both are,
    /// anything else as text. A string that is no number does not lie in a range of numbers.
    Range {
        /// Lower end.
        lower: Bound,
        /// Upper end.
        upper: Bound,
    },
    /// Begins with.
    Prefix(TextTest),
    /// Matches with `*` (any run) and `?` (one character); `\` escapes.
    Wildcard(TextTest),
    /// Matches the whole of a regular expression (Lucene's syntax; anchored at both ends).
    Regex(TextTest),
    /// Holds this text anywhere, also across token borders, ignoring case when `fold`.
    Substring(TextTest),
    /// Is nearly this text: a whole value, or on a text field a token.
    Fuzzy(FuzzyTest),
}

/// A text, or one that a few edits make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuzzyTest {
    /// The text.
    pub text: String,
    /// The most edits: characters that are inserted, left out or changed.
    pub edits: u8,
    /// So many characters must be the same at the beginning.
    pub prefix: usize,
    /// Two characters that have changed places are one edit.
    pub transpositions: bool,
    /// `text` is a folded token, and tokens of any string are looked at.
    pub token: bool,
}

/// Equality with a literal.
#[derive(Clone, Debug, PartialEq)]
pub struct TermTest {
    /// The value.
    pub value: Literal,
    /// Ignore case.
    pub fold: bool,
}

/// A text pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextTest {
    /// The text or pattern as given.
    pub text: String,
    /// Ignore case.
    pub fold: bool,
}

/// A constant of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text; compared with numbers when it reads as one.
    Text(String),
    /// A time, with the text that it came from.
    Time(Timestamp, String),
}

/// One end of a range.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// None.
    Open,
    /// The value belongs to the range.
    Included(Literal),
    /// The value does not.
    Excluded(Literal),
}

impl Query {
    /// The query that all of these match; flattens the trivial cases.
    pub fn all_of(mut queries: Vec<Query>) -> Query {
        queries.retain(|q| *q != Query::All);
        match queries.len() {
            0 => Query::All,
            1 => queries.swap_remove(0),
            _ => Query::Bool(Box::new(BoolQuery { must: queries, ..BoolQuery::default() })),
        }
    }

    /// The query that one of these matches.
    pub fn any_of(mut queries: Vec<Query>) -> Query {
        match queries.len() {
            0 => Query::None,
            1 => queries.swap_remove(0),
            _ => Query::Bool(Box::new(BoolQuery {
                should: queries,
                minimum_should: 1,
                ..BoolQuery::default()
            })),
        }
    }

    /// The query that one of these matches, where the best counts, and the others `tie` times.
    pub fn best_of(mut queries: Vec<Query>, tie: f32) -> Query {
        if queries.len() < 2 {
            return Query::any_of(queries);
        }
        queries.retain(|q| *q != Query::None);
        let many = queries.len() > 1;
        let query = Query::any_of(queries);
        if many { query.scored(Scoring::Best(tie)) } else { query }
    }

    fn scored(self, scoring: Scoring) -> Query {
        Query::Scored(Box::new(Scored { query: self, scoring, name: None }))
    }

    /// The same, counting so many times.
    pub fn times(self, boost: f32) -> Query {
        if boost == 1.0 || self == Query::None { self } else { self.scored(Scoring::Times(boost)) }
    }

    /// The same, counting so much whatever it says.
    pub fn constant(self, score: f32) -> Query {
        if self == Query::None { self } else { self.scored(Scoring::Constant(score)) }
    }

    /// The same, counting by functions or less where another query matches.
    pub fn counted(self, scoring: Scoring) -> Query {
        self.scored(scoring)
    }

    /// The same under a name.
    pub fn named(self, name: Option<String>) -> Query {
        match name {
            None => self,
            name => {
                Query::Scored(Box::new(Scored { query: self, scoring: Scoring::Times(1.0), name }))
            }
        }
    }

    /// The query without how it counts and what it is called.
    pub fn plain(&self) -> &Query {
        match self {
            Query::Scored(scored) => scored.query.plain(),
            query => query,
        }
    }

    /// What the query does not match.
    pub fn negate(self) -> Query {
        Query::Bool(Box::new(BoolQuery { must_not: vec![self], ..BoolQuery::default() }))
    }

    /// A test of one field.
    pub fn field(path: impl Into<String>, test: Test) -> Query {
        Query::Field(FieldQuery { target: Target::Path(path.into()), test })
    }
}

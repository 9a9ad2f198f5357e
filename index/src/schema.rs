//! How do records map to tantivy? One token field a class, our tokenizer, no positions.
//!
//! Knows tantivy's document and tokenizer traits; nothing of files.

use std::sync::Arc;

use model::batch::Batch;
use model::record::Value as FieldValue;
use model::token::{self, Spans};
use tantivy::schema::document::{Document, ReferenceValue, ReferenceValueLeaf, Value};
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer, TokenizerManager};

const TOKENIZER: &str = "logdrive";

/// The tantivy field of the tokens of all columns.
pub const COLUMNS_FIELD: Field = Field::from_field_id(0);

/// The tantivy field of a text field's tokens.
pub fn text_field(position: usize) -> Field {
    Field::from_field_id(position as u32 + 1)
}

/// A schema for so many text fields: field 0 holds the columns' tokens, 1 … the texts'.
pub fn schema(text_fields: usize) -> Schema {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::Basic)
        .set_fieldnorms(false);
    let options = TextOptions::default().set_indexing_options(indexing);
    let mut builder = Schema::builder();
    builder.add_text_field("columns", options.clone());
    for position in 0..text_fields {
        builder.add_text_field(&format!("text{position}"), options.clone());
    }
    builder.build()
}

/// The tokenizers that the schema names.
pub fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::new();
    manager.register(TOKENIZER, LogTokenizer::default());
    manager
}

#[derive(Clone, Default)]
struct LogTokenizer {
    token: Token,
}

struct LogTokens<'a> {
    text: &'a str,
    spans: Spans<'a>,
    token: &'a mut Token,
}

impl Tokenizer for LogTokenizer {
    type TokenStream<'a> = LogTokens<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> LogTokens<'a> {
        self.token.position = usize::MAX;
        LogTokens { text, spans: token::spans(text), token: &mut self.token }
    }
}

impl TokenStream for LogTokens<'_> {
    fn advance(&mut self) -> bool {
        let Some((from, to)) = self.spans.next() else { return false };
        let span = &self.text[from..to];
        self.token.text.clear();
        if span.is_ascii() {
            self.token.text.push_str(span);
            self.token.text.make_ascii_lowercase();
        } else {
            self.token.text.push_str(&token::fold(span));
        }
        self.token.position = self.token.position.wrapping_add(1);
        (self.token.offset_from, self.token.offset_to) = (from, to);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// Where the strings of a path go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringKind {
    /// Into a column; their tokens into the common class.
    Column,
    /// Into the text store of the text field at this position, and its token class.
    Text(usize),
    /// Nowhere: the path is kept otherwise (`@timestamp`).
    None,
}

/// A record as tantivy sees it: its strings, each under its class.
pub struct TokenDocument {
    /// The batch that holds the record.
    pub batch: Arc<Batch>,
    /// The record's position in it.
    pub record: usize,
    /// By path number of the batch.
    pub kinds: Arc<Vec<StringKind>>,
}

/// A string of a [`TokenDocument`].
#[derive(Clone, Copy, Debug)]
pub struct TokenText<'a>(&'a str);

impl Document for TokenDocument {
    type Value<'a> = TokenText<'a>;
    type FieldsValuesIter<'a> = Box<dyn Iterator<Item = (Field, TokenText<'a>)> + 'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        let record = &self.batch.records()[self.record];
        Box::new(self.batch.fields(record).filter_map(|(path, value)| {
            let FieldValue::Str(text) = value else { return None };
            match self.kinds[path as usize] {
                StringKind::Column => Some((COLUMNS_FIELD, TokenText(text))),
                StringKind::Text(position) => Some((text_field(position), TokenText(text))),
                StringKind::None => None,
            }
        }))
    }
}

impl<'a> Value<'a> for TokenText<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = std::iter::Empty<(&'a str, Self)>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        ReferenceValue::Leaf(ReferenceValueLeaf::Str(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_tokenizer_is_the_query_tokenizer() {
        let text = "GET /api/v1/Ünïcode?id=0xDEADBEEF user_id=4711 日本";
        let mut tokenizer = LogTokenizer::default();
        let mut stream = tokenizer.token_stream(text);
        let mut got = Vec::new();
        while stream.advance() {
            got.push(stream.token().text.clone());
        }
        assert_eq!(got, token::tokens(text).collect::<Vec<_>>());
    }
}

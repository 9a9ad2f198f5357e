use std::cell::Cell;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn run(source: &str, lang: &str, context: Context) -> Result<Value, QueryError> {
    let json = json!({"source": source, "lang": lang, "params": {"k": 3, "t": "x", "h": 0.5}});
    let script = Script::read(&json, context, &["a", "none"])?;
    let steps = Cell::new(0);
    let variable = |name: &str| match name {
        "a" => Some(Value::Float(8.0)),
        "none" => Some(Value::Null),
        _ => None,
    };
    let fields = script.fields().to_vec();
    let doc = |at: usize| match fields[at].as_str() {
        "n" => (Value::Int(7), 2),
        "s" => (Value::Text("Web".into()), 1),
        "@timestamp" => (Value::Time(1_795_183_445_006_000_000), 1),
        _ => (Value::Null, 0),
    };
    let env = Env {
        variable: &variable,
        doc: &doc,
        current: Value::Float(2.5),
        window: &[1.0, 2.0, 4.0],
        steps: &steps,
    };
    script.run(&env)
}

fn check(lang: &str, context: Context, cases: &[(&str, &str)]) {
    for (source, want) in cases {
        let got = match run(source, lang, context) {
            Ok(value) => value.text().unwrap_or_else(|| "null".to_owned()),
            Err(error) => error
                .reason
                .rsplit_once("]: ")
                .map_or(error.reason.clone(), |(_, why)| why.to_owned()),
        };
        assert_eq!(got, *want, "{source}");
    }
}

#[test]
fn painless_computes() {
    check(
        "painless",
        Context::Record,
        &[
            ("1 + 2 * 3", "7"),
            ("(1 + 2) * 3 - -1", "10"),
            ("7 / 2", "3"),
            ("7 / 2.0", "3.5"),
            ("7 % 4", "3"),
            ("params.k / 2", "1"),
            ("params['a'] / 2", "4.0"),
            ("params.get('k') + params.getOrDefault('q', 1)", "4"),
            ("params.none == null && params.q == null", "true"),
            ("params.k > 2 ? 'big' : 'small'", "big"),
            ("params.none ?: 5", "5"),
            ("1 < 2 && !(3 <= 2) || false", "true"),
            ("1 == 1.0", "true"),
            ("'a' + 1 + params.t", "a1x"),
            ("return 5;", "5"),
            ("def x = params.a; double y = 2; return x / y;", "4.0"),
            ("if (params.a > 5) { return 1 } else { return 2 }", "1"),
            ("if (params.a > 9) { 1 } else if (params.a > 7) { 2 } else { 3 }", "2"),
            ("if (params.a > 9) return 1; 4", "4"),
            ("/* why */ 1 // end", "1"),
            ("Math.max(1, 2) + Math.abs(-3)", "5"),
            ("Math.round(2.5) + Math.floor(1.5)", "4.0"),
            ("Math.pow(2, 10)", "1024.0"),
            ("Math.sqrt(16) * Math.log10(100)", "8.0"),
            ("(int) 3.9 + (long) 1", "4"),
            ("Double.isNaN(0.0 / 0) ? 1 : 0", "1"),
            ("0x1F + 1L + 1e1 + .5", "42.5"),
            ("doc['n'].value / 2", "3"),
            ("doc['n'].size() + doc['n'].length", "4"),
            ("doc['q'].size() == 0 ? 0 : doc['q'].value", "0"),
            ("doc['q'].empty || doc['q'].isEmpty()", "true"),
            ("doc['s'].value.toLowerCase() + doc['s'].value.length()", "web3"),
            ("doc['s'].value.contains('eb') && doc['s'].value == 'Web'", "true"),
            ("doc['@timestamp'].value.getHour()", "14"),
            ("doc['@timestamp'].value.toInstant().toEpochMilli()", "1795183445006"),
            ("doc['@timestamp'].value.dayOfWeek", "5"),
            ("_value * 2", "5.0"),
            (
                "doc['q'].value",
                "A document doesn't have a value for a field! Use doc[<field>].size()==0 to check if a document is missing a field!",
            ),
            ("1 / 0", "/ by zero"),
            ("params.q * 2", "cannot compute with null and a number"),
            ("a * 2", "cannot resolve symbol [a]"),
            ("foo(1)", "cannot resolve symbol [foo]"),
            (
                "Math.foo(1)",
                "the function [foo] is not supported in this version, or does not exist",
            ),
            ("Math.max(1)", "[max] does not take [1] arguments"),
            (
                "for (int i = 0; i < 3; ++i) {}",
                "[for] is not supported in this version: scripts are expressions, `if` and `return`",
            ),
            ("1 +", "unexpected end of script at offset 3"),
            ("1 2", "invalid sequence of tokens near ['2'] at offset 2"),
            ("return 1; 2", "nothing can come after what the script gives back"),
            ("", "the script is empty"),
            ("'abc", "the string has no end at offset 0"),
            ("#", "unexpected character [#]"),
        ],
    );
}

#[test]
fn expressions_compute_in_doubles() {
    check(
        "expression",
        Context::Record,
        &[
            ("a * 1", "8.0"),
            ("7 / 2", "3.5"),
            ("k + 1", "4.0"),
            ("doc['n'].value / 2", "3.5"),
            ("doc['q'].value", "0.0"),
            ("max(a, 9) + abs(-1) + ln(1)", "10.0"),
            ("a > 5 ? 1 : 2", "1.0"),
            ("_value * 2", "5.0"),
            ("b * 2", "Unknown variable [b]"),
        ],
    );
}

#[test]
fn windows_are_looked_at() {
    check(
        "painless",
        Context::Window,
        &[
            ("MovingFunctions.max(values)", "4.0"),
            ("MovingFunctions.min(values)", "1.0"),
            ("MovingFunctions.sum(values)", "7.0"),
            ("MovingFunctions.unweightedAvg(values) * 3", "7.0"),
            ("MovingFunctions.linearWeightedAvg(values)", "2.4285714285714284"),
            ("MovingFunctions.stdDev(values, 2.0)", "1.2909944487358056"),
            ("MovingFunctions.ewma(values, 0.5)", "2.75"),
            ("MovingFunctions.holt(values, 1, 1)", "4.0"),
            ("MovingFunctions.holtWinters(values, 0.3, 0.1, 0.1, 1, false)", "2.8600000000000003"),
            ("if (values.length > 2) { values[2] } else { 0 }", "4.0"),
            ("values[9]", "index 9 out of bounds for length 3"),
            (
                "MovingFunctions.stdDev(values)",
                "[MovingFunctions.stdDev] takes [1] arguments after `values`, got [0]",
            ),
            (
                "MovingFunctions.foo(values)",
                "[MovingFunctions.foo] is not supported in this version, or does not exist",
            ),
            (
                "MovingFunctions.holtWinters(values, 0.3, 0.1, 0.1, 2, false)",
                "Holt-Winters aggregation requires at least (2 * period == 2 * 2 == 4) data-points to function. Only [3] were provided.",
            ),
        ],
    );
    assert!(run("doc['a'].value", "painless", Context::Window).is_err());
    assert!(run("values.length", "painless", Context::Bucket).is_err());
}

#[test]
fn scripts_are_bounded() {
    let deep = "(".repeat(2_000) + "1" + &")".repeat(2_000);
    let long = vec!["1"; 2_000].join("+");
    let minus = "- ".repeat(5_000) + "1";
    let members = "'a'".to_owned() + &".toString()".repeat(2_000);
    let huge = " ".repeat(70_000) + "1";
    for (source, why) in [
        (deep, "nested"),
        (long, "operators"),
        (minus, "nested"),
        (members, "operators"),
        (huge, "exceeded max allowed"),
    ] {
        let error = run(&source, "painless", Context::Record).unwrap_err();
        assert!(error.reason.contains(why), "{}", error.reason);
    }
    for json in [
        json!(5),
        json!({}),
        json!({"id": "x"}),
        json!({"source": "1", "lang": "groovy"}),
        json!({"source": "1", "x": 1}),
    ] {
        Script::read(&json, Context::Bucket, &[]).unwrap_err();
    }
}

proptest! {
    #[test]
    fn no_source_panics(source in "[a-z0-9 ()'\\[\\].,;?:+*/<>=!&|{}_-]{0,60}") {
        for context in [Context::Bucket, Context::Window, Context::Record] {
            let _ = run(&source, "painless", context);
            let _ = run(&source, "expression", context);
        }
    }

    #[test]
    fn no_words_panic(words in prop::collection::vec(prop::sample::select(vec![
        "params", ".", "a", "doc", "['n']", "value", "(", ")", "MovingFunctions", "max", "values", ",", "1", "2.5", "+", "-", "/",
        "if", "else", "{", "}", "return", ";", "def", "x", "=", "==", "?", ":", "!", "Math", "'t'", "[", "]", "&&", "length",
    ]), 0..25)) {
        let source = words.join(" ");
        for context in [Context::Bucket, Context::Window, Context::Record] {
            let _ = run(&source, "painless", context);
        }
    }
}

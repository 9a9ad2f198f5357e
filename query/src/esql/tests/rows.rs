//! What expressions and commands give, over constants.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use index::read::Snapshot;
use jiff::tz::TimeZone;
use model::id::NodeId;
use model::time::Timestamp;
use platform::clock::ManualClock;
use serde_json::{Value as Json, json};

use crate::ast::Query;
use crate::clause::Limits;
use crate::error::QueryError;
use crate::esql::analyze::Settings;
use crate::esql::parse::{Dialect, Params};
use crate::esql::query::{Prepared, Scope};
use crate::esql::run::{Ground, Table};
use crate::esql::show;
use crate::leaf::{Memory, Run};
use crate::plan::IndexPatterns;

pub(crate) fn settings() -> Settings {
    Settings {
        dialect: Dialect::Esql,
        now: Timestamp::parse("2026-11-20T15:00:00Z").unwrap(),
        zone: TimeZone::UTC,
        rows_default: 1_000,
        rows_max: 10_000,
        limits: Limits { depth_max: 30, clauses_max: 1_000, regex_bytes_max: 1_000 },
        version: "8.17.0".to_owned(),
    }
}

pub(crate) fn scope(patterns: &[String]) -> Scope {
    Scope { indexes: IndexPatterns::new(patterns), filter: Query::All }
}

fn table(text: &str, params: &Json) -> Result<Table, QueryError> {
    let snapshot = Snapshot {
        splits: Vec::new(),
        live: Vec::new(),
        deletions: Vec::new().into(),
        node: NodeId(1),
        text_fields: Vec::new().into(),
    };
    let memory = Arc::new(Memory::new(64 << 20));
    let run =
        Run::new(Arc::new(AtomicBool::new(false)), Arc::new(ManualClock::at(0)), 1, memory, 1_000);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let prepared = Prepared::new(text, &Params::read(params)?, settings())?;
    let ground = Ground { snapshot: &snapshot, run: &run, pool: &pool };
    prepared.answer(ground, &scope(&[]))
}

fn values(text: &str) -> Json {
    match table(text, &json!([])) {
        Ok(table) => show::values(&table, false),
        Err(error) => panic!("{text}: {}", error.reason),
    }
}

/// The value of one expression.
fn value(expr: &str) -> Json {
    let rows = values(&format!("ROW x = {expr}"));
    rows[0][0].clone()
}

#[test]
fn expressions() {
    let cases = [
        ("1 + 2 * 3", json!(7)),
        ("7 / 2", json!(3)),
        ("-7 / 2", json!(-3)),
        ("7.0 / 2", json!(3.5)),
        ("-7 % 3", json!(-1)),
        ("1 / 0", json!(null)),
        ("2147483647 + 1", json!(null)),
        ("2147483648 + 1", json!(2147483649_i64)),
        ("9223372036854775807 + 1", json!(null)),
        ("1 == 1.0", json!(true)),
        ("1 < 2 AND null", json!(null)),
        ("false AND null", json!(false)),
        ("true OR null", json!(true)),
        ("NOT null::boolean", json!(null)),
        ("1 IN (2, 3, 1)", json!(true)),
        ("1 IN (2, null)", json!(null)),
        ("1 NOT IN (2, 3)", json!(true)),
        ("null IS NULL", json!(true)),
        ("[1, 2] == 1", json!(null)),
        ("[1, 2] IS NOT NULL", json!(true)),
        ("\"abc\" LIKE \"a*\"", json!(true)),
        ("\"a*c\" LIKE \"\"\"a\\*c\"\"\"", json!(true)),
        ("\"abc\" RLIKE \"[a-c]+\"", json!(true)),
        ("\"abc\" NOT LIKE \"b?\"", json!(true)),
        ("\"12\"::integer + 1", json!(13)),
        ("\"12.6\"::long", json!(13)),
        ("\"x\"::long", json!(null)),
        ("1::string", json!("1")),
        ("1.0::string", json!("1.0")),
        ("true::integer", json!(1)),
        ("\"TRUE\"::boolean", json!(true)),
        ("\"1.2.3.4\"::ip", json!("1.2.3.4")),
        ("\"2026-11-20\"::datetime", json!("2026-11-20T00:00:00.000Z")),
        ("\"2026-11-20\"::datetime + 1 month - 1 day", json!("2026-12-19T00:00:00.000Z")),
        ("\"2026-01-31\"::datetime + 1 month", json!("2026-02-28T00:00:00.000Z")),
        ("NOW() - 1 hour", json!("2026-11-20T14:00:00.000Z")),
        ("NOW() > \"2026-11-20\"", json!(true)),
        ("CASE(false, 1, true, 2, 3)", json!(2)),
        ("CASE(false, 1)", json!(null)),
        ("CASE(null, 1, 2.5)", json!(2.5)),
        ("COALESCE(null, null, 3)", json!(3)),
        ("GREATEST(1, 5, 3)", json!(5)),
        ("LEAST(1.5, 5)", json!(1.5)),
        ("ABS(-5)", json!(5)),
        ("ROUND(2.5)", json!(3.0)),
        ("ROUND(-2.5)", json!(-3.0)),
        ("ROUND(1234.567, 2)", json!(1234.57)),
        ("ROUND(1250, -2)", json!(1300)),
        ("FLOOR(-1.5)", json!(-2.0)),
        ("CEIL(1.2)", json!(2.0)),
        ("LOG10(1000)", json!(3.0)),
        ("LOG(2, 8)", json!(3.0)),
        ("LOG(-1)", json!(null)),
        ("POW(2, 10)", json!(1024.0)),
        ("SQRT(16)", json!(4.0)),
        ("LENGTH(\"Größe\")", json!(5)),
        ("SUBSTRING(\"logdrive\", 4, 3)", json!("dri")),
        ("SUBSTRING(\"logdrive\", -5)", json!("drive")),
        ("CONCAT(\"a\", \"b\", \"c\")", json!("abc")),
        ("TO_UPPER(\"abc\")", json!("ABC")),
        ("TRIM(\"  a \")", json!("a")),
        ("LTRIM(\"  a \")", json!("a ")),
        ("RTRIM(\"  a \")", json!("  a")),
        ("REPLACE(\"a1b22\", \"[0-9]+\", \"#\")", json!("a#b#")),
        ("REPLACE(\"john doe\", \"(\\\\w+) (\\\\w+)\", \"$2 $1\")", json!("doe john")),
        ("SPLIT(\"a;b;c\", \";\")", json!(["a", "b", "c"])),
        ("STARTS_WITH(\"abc\", \"ab\")", json!(true)),
        ("ENDS_WITH(\"abc\", \"bc\")", json!(true)),
        ("LEFT(\"abc\", 2)", json!("ab")),
        ("RIGHT(\"abc\", 2)", json!("bc")),
        ("LOCATE(\"hello\", \"l\")", json!(3)),
        ("LOCATE(\"hello\", \"l\", 4)", json!(4)),
        ("LOCATE(\"hello\", \"z\")", json!(0)),
        ("REPEAT(\"ab\", 3)", json!("ababab")),
        ("REVERSE(\"abc\")", json!("cba")),
        ("TO_BASE64(\"elastic\")", json!("ZWxhc3RpYw==")),
        ("FROM_BASE64(\"ZWxhc3RpYw==\")", json!("elastic")),
        ("TO_STRING([1, 2])", json!(["1", "2"])),
        ("TO_LONG(\"5\")", json!(5)),
        ("TO_DOUBLE(\"5.5\")", json!(5.5)),
        ("TO_BOOLEAN(\"yes\")", json!(false)),
        ("TO_DATETIME(\"2026-11-20T14:00:00.123Z\")", json!("2026-11-20T14:00:00.123Z")),
        ("TO_DATETIME(1000)", json!("1970-01-01T00:00:01.000Z")),
        ("TO_IP(\"::1\")", json!("::1")),
        ("CIDR_MATCH(TO_IP(\"10.1.2.3\"), \"192.168.0.0/16\", \"10.0.0.0/8\")", json!(true)),
        ("CIDR_MATCH(\"10.1.2.3\"::ip, \"11.0.0.0/8\")", json!(false)),
        ("IP_PREFIX(\"10.1.2.3\"::ip, 16, 0)", json!("10.1.0.0")),
        ("DATE_EXTRACT(\"year\", NOW())", json!(2026)),
        ("DATE_EXTRACT(\"hour_of_day\", NOW())", json!(15)),
        ("DATE_EXTRACT(\"day_of_week\", NOW())", json!(5)),
        ("DATE_FORMAT(\"yyyy-MM-dd\", NOW())", json!("2026-11-20")),
        ("DATE_FORMAT(NOW())", json!("2026-11-20T15:00:00.000Z")),
        ("DATE_PARSE(\"yyyy-MM-dd\", \"2026-11-20\")", json!("2026-11-20T00:00:00.000Z")),
        (
            "DATE_TRUNC(1 hour, \"2026-11-20T14:59:59Z\"::datetime)",
            json!("2026-11-20T14:00:00.000Z"),
        ),
        ("DATE_TRUNC(1 week, NOW())", json!("2026-11-16T00:00:00.000Z")),
        ("DATE_TRUNC(1 month, NOW())", json!("2026-11-01T00:00:00.000Z")),
        ("DATE_TRUNC(1 quarter, NOW())", json!("2026-10-01T00:00:00.000Z")),
        ("DATE_TRUNC(1 year, NOW())", json!("2026-01-01T00:00:00.000Z")),
        ("DATE_DIFF(\"hours\", \"2026-11-20\", NOW())", json!(15)),
        ("DATE_DIFF(\"month\", \"2026-01-31\", \"2026-03-30\")", json!(1)),
        ("DATE_DIFF(\"milliseconds\", NOW(), NOW() + 3 ms)", json!(3)),
        ("MV_COUNT([1, 2, 2])", json!(3)),
        ("MV_FIRST([3, 1])", json!(3)),
        ("MV_LAST([3, 1])", json!(1)),
        ("MV_MIN([3, 1])", json!(1)),
        ("MV_MAX([3, 1])", json!(3)),
        ("MV_SUM([3, 1])", json!(4)),
        ("MV_AVG([3, 2])", json!(2.5)),
        ("MV_MEDIAN([3, 1, 2])", json!(2)),
        ("MV_CONCAT([\"a\", \"b\"], \", \")", json!("a, b")),
        ("MV_DEDUPE([1, 2, 1])", json!([1, 2])),
        ("MV_SORT([1, 3, 2], \"desc\")", json!([3, 2, 1])),
        ("MV_SLICE([1, 2, 3, 4], 1, 2)", json!([2, 3])),
        ("MV_SLICE([1, 2, 3, 4], -2, -1)", json!([3, 4])),
        ("MV_APPEND([1, 2], 3)", json!([1, 2, 3])),
        ("MV_ZIP([\"a\", \"b\"], [\"x\", \"y\"], \"-\")", json!(["a-x", "b-y"])),
        ("BUCKET(7.5, 5.0)", json!(5.0)),
        ("BUCKET(NOW(), 20, \"2026-11-01\", \"2026-12-01\")", json!("2026-11-16T00:00:00.000Z")),
        ("PI() > 3.14", json!(true)),
        ("1 - -1", json!(2)),
        ("-1", json!(-1)),
        ("1e3", json!(1000.0)),
        (".5", json!(0.5)),
        ("\"\"\"say \"hi\" \\n\"\"\"", json!("say \"hi\" \\n")),
        ("\"tab\\tq\\\"\"", json!("tab\tq\"")),
    ];
    for (expr, want) in cases {
        assert_eq!(value(expr), want, "{expr}");
    }
}

#[test]
fn commands() {
    let cases = [
        ("ROW a = 1, b = 2 | KEEP b, a", json!([[2, 1]])),
        ("ROW a = 1, ab = 2, c = 3 | KEEP c, a*", json!([[3, 1, 2]])),
        ("ROW a = 1, ab = 2, c = 3 | KEEP *, a", json!([[2, 3, 1]])),
        ("ROW a = 1, b = 2 | DROP a", json!([[2]])),
        ("ROW a = 1, b = 2 | RENAME a AS c | EVAL d = c + b", json!([[1, 2, 3]])),
        ("ROW a = 1, b = 2 | RENAME a AS b", json!([[1]])),
        ("ROW a = 1 | EVAL a = a + 1, b = a * 10", json!([[2, 20]])),
        ("ROW a = [1, 2] | MV_EXPAND a", json!([[1], [2]])),
        (
            "ROW a = [3, 1, 2], b = \"x\" | MV_EXPAND a | SORT a DESC | LIMIT 2",
            json!([[3, "x"], [2, "x"]]),
        ),
        (
            "ROW a = [3, 1, 2] | MV_EXPAND a | WHERE a > 1 | STATS s = SUM(a), c = COUNT(*)",
            json!([[5, 2]]),
        ),
        (
            "ROW a = [\"x\", \"y\", \"x\"] | MV_EXPAND a | STATS c = COUNT(*) BY a",
            json!([[2, "x"], [1, "y"]]),
        ),
        ("ROW a = [1, 2] | STATS c = COUNT(*) BY a", json!([[1, 1], [1, 2]])),
        (
            "ROW a = [1, 2, 3, 4] | MV_EXPAND a | STATS AVG(a), MEDIAN(a), MIN(a), MAX(a), PERCENTILE(a, 100), STD_DEV(a)",
            json!([[2.5, 2.5, 1, 4, 4.0, 1.118033988749895]]),
        ),
        (
            "ROW a = [1, 2, 3, 4] | MV_EXPAND a | STATS v = VALUES(a), t = TOP(a, 2, \"desc\"), d = COUNT_DISTINCT(a), m = MEDIAN_ABSOLUTE_DEVIATION(a)",
            json!([[[1, 2, 3, 4], [4, 3], 4, 1.0]]),
        ),
        (
            "ROW a = [1, 2, 3, 4] | MV_EXPAND a | STATS x = ROUND(AVG(a)) + 1, y = SUM(a) / COUNT(*)",
            json!([[4.0, 2]]),
        ),
        (
            "ROW a = [1, 2, 3, 4] | MV_EXPAND a | STATS big = COUNT(*) WHERE a > 2, all = COUNT(*)",
            json!([[2, 4]]),
        ),
        (
            "ROW a = [1, 2, 3, 4] | MV_EXPAND a | STATS c = COUNT(*) BY even = a % 2 == 0 | SORT even",
            json!([[2, false], [2, true]]),
        ),
        ("ROW v = [1, 2], w = 3 | MV_EXPAND v | STATS x = WEIGHTED_AVG(v, w)", json!([[1.5]])),
        (
            "ROW a = 1 | WHERE a > 1 | STATS c = COUNT(*), s = SUM(a), m = MAX(a)",
            json!([[0, null, null]]),
        ),
        ("ROW a = 1 | WHERE a > 1 | STATS c = COUNT(*) BY a", json!([])),
        (
            "ROW a = \"2023-01-23T12:15:00.000Z - some text - 127.0.0.1\" | DISSECT a \"%{date} - %{msg} - %{ip}\" | KEEP date, msg, ip",
            json!([["2023-01-23T12:15:00.000Z", "some text", "127.0.0.1"]]),
        ),
        (
            "ROW a = \"x   y z\" | DISSECT a \"%{a1->} %{+b} %{+b}\" APPEND_SEPARATOR = \"-\" | KEEP a1, b",
            json!([["x", "y-z"]]),
        ),
        ("ROW a = \"none\" | DISSECT a \"%{x}:%{y}\" | KEEP x, y", json!([[null, null]])),
        (
            "ROW a = \"1.2.3.4 GET 200 12.5\" | GROK a \"%{IP:ip} %{WORD:verb} %{NUMBER:status:int} %{NUMBER:t:double}\" | KEEP ip, verb, status, t",
            json!([["1.2.3.4", "GET", 200, 12.5]]),
        ),
        (
            "ROW a = \"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \\\"GET /a.gif HTTP/1.0\\\" 200 2326\" | GROK a \"%{COMMONAPACHELOG}\" | KEEP clientip, auth, timestamp, verb, request, response, bytes",
            json!([[
                "127.0.0.1",
                "frank",
                "10/Oct/2000:13:55:36 -0700",
                "GET",
                "/a.gif",
                "200",
                "2326"
            ]]),
        ),
        (
            "ROW a = \"Nov 20 14:00:01 host sshd[99]: bad\" | GROK a \"%{SYSLOGBASE} %{GREEDYDATA:msg}\" | KEEP logsource, program, pid, msg",
            json!([["host", "sshd", "99", "bad"]]),
        ),
        ("ROW a = \"v=7\" | GROK a \"v=(?<num>[0-9]+)\" | KEEP num", json!([["7"]])),
        (
            "ROW a = [3, 1, 2] | MV_EXPAND a | SORT a | EVAL b = a * 2 | WHERE b > 2 | LIMIT 1",
            json!([[2, 4]]),
        ),
        (
            "ROW a = [1, 2, 3] | MV_EXPAND a | EVAL n = CASE(a == 2, null, a) | SORT n DESC | KEEP n",
            json!([[null], [3], [1]]),
        ),
        (
            "ROW a = [1, 2, 3] | MV_EXPAND a | EVAL n = CASE(a == 2, null, a) | SORT n DESC NULLS LAST | KEEP n",
            json!([[3], [1], [null]]),
        ),
        ("ROW `a b` = 1 | EVAL `c.d` = `a b` + 1 | KEEP `c.d`", json!([[2]])),
        ("ROW a = 1 // comment\n| /* more */ EVAL b = 2", json!([[1, 2]])),
        ("ROW a = 1 | LIMIT 0", json!([])),
        ("row a = 1 | eval b = a | limit 1", json!([[1, 1]])),
    ];
    for (text, want) in cases {
        assert_eq!(values(text), want, "{text}");
    }
    let columns = |text: &str| {
        let table = table(text, &json!([])).unwrap();
        show::columns(&table, show::Names::Esql)
    };
    assert_eq!(
        columns("ROW a = 1, b = 5000000000, c = 1.5, d = \"x\", e = null, f = NOW(), g = true"),
        json!([
            {"name": "a", "type": "integer"}, {"name": "b", "type": "long"},
            {"name": "c", "type": "double"}, {"name": "d", "type": "keyword"},
            {"name": "e", "type": "null"}, {"name": "f", "type": "date"},
            {"name": "g", "type": "boolean"},
        ])
    );
    assert_eq!(
        columns("ROW a = 1 | STATS COUNT(*), MAX(a) WHERE a > 0 BY a + 1"),
        json!([
            {"name": "COUNT(*)", "type": "long"}, {"name": "MAX(a) WHERE a > 0", "type": "integer"},
            {"name": "a + 1", "type": "integer"},
        ])
    );
    assert_eq!(columns("SHOW INFO")[0], json!({"name": "version", "type": "keyword"}));
}

#[test]
fn params_stand_for_constants() {
    let cases = [
        ("ROW a = ?, b = ?", json!([1, "x"]), json!([[1, "x"]])),
        ("ROW a = ?2, b = ?1", json!([1, "x"]), json!([["x", 1]])),
        ("ROW a = ?n + ?n", json!([{"n": 2}]), json!([[4]])),
        ("ROW a = ?n", json!([{"n": null}]), json!([[null]])),
    ];
    for (text, params, want) in cases {
        let table = table(text, &params).unwrap_or_else(|e| panic!("{text}: {}", e.reason));
        assert_eq!(show::values(&table, false), want, "{text}");
    }
}

#[test]
fn problems() {
    let cases = [
        ("ROW a = 1 | EVAL b = c", "line 1:22: Unknown column [c]"),
        ("ROW abc = 1 | EVAL b = abd", "line 1:24: Unknown column [abd], did you mean [abc]?"),
        (
            "ROW a = 1 | WHERE a + 1",
            "line 1:19: Condition expression needs to be boolean, found [INTEGER]",
        ),
        (
            "ROW a = 1 | WHERE a > \"x\"",
            "line 1:19: first argument of [a > \"x\"] is [numeric] so second argument must also be [numeric] but was [keyword]",
        ),
        (
            "ROW a = \"x\" | EVAL b = ABS(a)",
            "line 1:24: argument of [ABS(a)] must be [numeric], found value [a] type [keyword]",
        ),
        (
            "ROW a = \"x\" | EVAL b = a + 1",
            "line 1:24: first argument of [a + 1] must be [datetime or numeric], found value [a] type [keyword]",
        ),
        ("ROW a = 1 | EVAL b = absx(a)", "line 1:22: Unknown function [absx], did you mean [abs]?"),
        (
            "ROW a = 1 | STATS a",
            "line 1:19: column [a] must appear in the STATS BY clause or be used in an aggregate function",
        ),
        (
            "ROW a = 1 | EVAL b = SUM(a)",
            "line 1:22: aggregate function [SUM(a)] not allowed outside STATS command",
        ),
        (
            "ROW a = \"x\" | STATS SUM(a)",
            "line 1:21: argument of [SUM(a)] must be [numeric except unsigned_long or counter types], found value [a] type [keyword]",
        ),
        (
            "ROW a = NOW() | WHERE a > \"nonsense\"",
            "line 1:27: Cannot convert string [nonsense] to [DATETIME]",
        ),
        (
            "ROW a = 1 | WHERE a : \"x\"",
            "line 1:19: [:] operator cannot be used after STATS or LIMIT, or without FROM",
        ),
        ("ROW a = 1 | KEEP b*", "line 1:18: No matches found for pattern [b*]"),
        (
            "ROW a = 1 | DISSECT a \"%{x}\"",
            "line 1:21: Dissect only supports KEYWORD or TEXT values, found expression [a] type [INTEGER]",
        ),
    ];
    for (text, want) in cases {
        let error = table(text, &json!([])).expect_err(text);
        assert_eq!(error.kind, crate::error::ErrorKind::Verification, "{text}: {}", error.reason);
        assert!(error.reason.starts_with("Found "), "{}", error.reason);
        assert!(error.reason.lines().any(|line| line == want), "{text}: {}", error.reason);
    }
    let parsing = [
        ("ROW a = ABS()", "line 1:9: error building [abs]: expects exactly one argument"),
        ("ROW a = \"x\" | GROK a \"%{NOPE:x}\"", "line 1:15: Invalid GROK pattern [%{NOPE:x}]"),
        (
            "ROW a = \"x\" | DISSECT a \"nokeys\"",
            "line 1:15: Invalid pattern for dissect: [nokeys]",
        ),
    ];
    for (text, want) in parsing {
        let error = table(text, &json!([])).expect_err(text);
        assert!(error.reason.starts_with(want), "{text}: {}", error.reason);
    }
}

//! Bodies and what they mean: every query, sort and top level key, and every error text.

mod aggs;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::clause::show::{show, show_scored};
use crate::request::{
    FieldAndFormat, NumericType, SortBy, SortKey, SortMode, SourceFilter, TrackTotal,
};

fn settings() -> ApiSettings {
    ApiSettings {
        version: "8.17.0".to_owned(),
        cluster_name: "logdrive".to_owned(),
        result_window_max: 10_000,
        query_depth_max: 30,
        clauses_max: 1_000,
        msearch_max: 3,
        regex_bytes_max: 1_000,
        body_bytes_max: 1 << 20,
        contexts: Default::default(),
    }
}

fn reader() -> Reader {
    Reader::new(Timestamp::parse("2026-11-20T14:00:00Z").unwrap(), &settings())
}

fn check(cases: &[(&str, &str)]) {
    for (body, want) in cases {
        let got = parse_json(body.as_bytes()).and_then(|json| reader().query(&json));
        let got = got.map_or_else(|error| error.reason, |query| show(&query));
        assert_eq!(got, *want, "{body}");
    }
}

#[test]
fn compound_queries() {
    check(&[
        (r#"{"match_all":{}}"#, "ALL"),
        (r#"{"match_all":{"boost":1.2}}"#, "ALL"),
        (r#"{"match_none":{}}"#, "NONE"),
        (r#"{"bool":{}}"#, "ALL"),
        (r#"{"bool":{"must":[],"filter":[],"should":[],"must_not":[]}}"#, "ALL"),
        (r#"{"bool":{"filter":{"term":{"a":1}}}}"#, "a:=1"),
        (
            r#"{"bool":{"filter":{"bool":{"must":[{"term":{"a":1}},{"term":{"b":2}}]}}}}"#,
            "(+a:=1 +b:=2)",
        ),
        (r#"{"bool":{"should":[{"term":{"a":1}},{"term":{"b":2}}]}}"#, "(a:=1 b:=2)"),
        (
            r#"{"bool":{"should":[{"term":{"a":1}},{"term":{"b":2}},{"term":{"c":3}}],"minimum_should_match":2}}"#,
            "(a:=1 b:=2 c:=3)~2",
        ),
        (
            r#"{"bool":{"should":[{"term":{"a":1}},{"term":{"b":2}}],"minimum_should_match":"100%"}}"#,
            "(a:=1 b:=2)~2",
        ),
        (r#"{"bool":{"must":{"term":{"a":1}},"should":{"term":{"b":2}}}}"#, "a:=1"),
        (
            r#"{"bool":{"must":{"term":{"a":1}},"should":{"term":{"b":2}},"minimum_should_match":"1"}}"#,
            "(+a:=1 b:=2)",
        ),
        (r#"{"bool":{"should":[],"minimum_should_match":1}}"#, "NONE"),
        (r#"{"bool":{"should":[{"term":{"a":1}}],"minimum_should_match":0}}"#, "a:=1"),
        (r#"{"bool":{"must_not":[{"term":{"a":1}}]}}"#, "(-a:=1)"),
        (r#"{"constant_score":{"filter":{"term":{"a":1}},"boost":2}}"#, "a:=1"),
        (
            r#"{"dis_max":{"queries":[{"term":{"a":1}},{"term":{"b":2}}],"tie_breaker":0.7}}"#,
            "(a:=1 b:=2)",
        ),
        (r#"{"ids":{"values":["x",7]}}"#, r#"ids["x", "7"]"#),
        (r#"{"ids":{"values":[]}}"#, "NONE"),
    ]);
}

/// What matches, and how it counts.
fn check_scored(cases: &[(&str, &str)]) {
    for (body, want) in cases {
        let got = parse_json(body.as_bytes()).and_then(|json| reader().query(&json));
        let got = got.map_or_else(|error| error.reason, |query| show_scored(&query));
        assert_eq!(got, *want, "{body}");
    }
}

#[test]
fn what_counts_in_the_score() {
    check_scored(&[
        (r#"{"match_all":{"boost":1.5,"_name":"all"}}"#, "<all>ALL^1.5"),
        (
            r#"{"bool":{"must":{"match":{"a":"x"}},"filter":[{"term":{"b":1}},{"match_all":{}}]}}"#,
            "(+a:x +#0b:=1)",
        ),
        (
            r#"{"bool":{"must":[{"match_all":{}},{"term":{"b":1}}],"should":{"match":{"a":{"query":"x","boost":2}}},"boost":"3"}}"#,
            "(+ALL +b:=1 a:x^2)~0^3",
        ),
        (r#"{"bool":{"filter":{"term":{"a":1}}}}"#, "#0a:=1"),
        (r#"{"bool":{"must_not":{"term":{"a":1}}}}"#, "#0(-a:=1)"),
        (
            r#"{"bool":{"filter":{"bool":{"must":[{"term":{"a":{"value":1,"_name":"one"}}},{"term":{"b":2}}]}}}}"#,
            "#0(+<one>a:=1 +b:=2)",
        ),
        (r#"{"constant_score":{"filter":{"match":{"a":"x"}},"boost":2}}"#, "#1a:x^2"),
        (
            r#"{"dis_max":{"queries":[{"term":{"a":1}},{"term":{"b":2}}],"tie_breaker":0.5}}"#,
            "best(a:=1 b:=2)~0.5",
        ),
        (
            r#"{"boosting":{"positive":{"match":{"a":"x"}},"negative":{"term":{"b":2}},"negative_boost":0.2}}"#,
            "a:x^0.2 if b:=2",
        ),
        (
            r#"{"multi_match":{"query":"x","fields":["a^2","b"],"tie_breaker":0.25}}"#,
            "best(a:x^2 b:x)~0.25",
        ),
        (
            r#"{"multi_match":{"query":"x","fields":["a^2","b"],"type":"most_fields"}}"#,
            "(a:x^2 b:x)",
        ),
        (
            r#"{"query_string":{"query":"x^3 AND b:(y z)^0.5","fields":["a^2","c"]}}"#,
            "(+best(a:x^2 c:x)^3 +(b:y b:z)^0.5)",
        ),
        (r#"{"terms":{"a":["x"],"boost":2,"_name":"t"}}"#, "<t>#1a:in['x']^2"),
        (
            r#"{"pinned":{"ids":["7"],"organic":{"match_all":{}}}}"#,
            "best(ALL #170141200000000000000000000000000000000ids[\"7\"])",
        ),
    ]);
}

#[test]
fn queries_that_are_lowered_to_others() {
    check(&[
        (r#"{"fuzzy":{"a":"Errror"}}"#, "a:fuzzy Errror~2"),
        (
            r#"{"fuzzy":{"a":{"value":"x","fuzziness":"1","prefix_length":1,"transpositions":false,"max_expansions":5}}}"#,
            "a:fuzzy x~1,1,false",
        ),
        (r#"{"fuzzy":{"a":{"value":"ab","fuzziness":"AUTO"}}}"#, "a:='ab'"),
        (
            r#"{"match":{"m":{"query":"Eror at 10.0.0.1","fuzziness":"AUTO","operator":"and"}}}"#,
            "(+m:eror~1 +m:at +m:10_0_0_1)",
        ),
        (r#"{"match_bool_prefix":{"m":"quick brown f"}}"#, "(m:quick m:brown m:\"f*\")"),
        (
            r#"{"match_bool_prefix":{"m":{"query":"quick f","operator":"and"}}}"#,
            "(+m:quick +m:\"f*\")",
        ),
        (
            r#"{"multi_match":{"query":"a b","fields":["x","y"],"type":"bool_prefix"}}"#,
            "((x:a x:\"b*\") (y:a y:\"b*\"))",
        ),
        (
            r#"{"multi_match":{"query":"a b c","fields":["x","y"],"type":"cross_fields","minimum_should_match":2}}"#,
            "((x:a y:a) (x:b y:b) (x:c y:c))~2",
        ),
        (
            r#"{"combined_fields":{"query":"a b","fields":["x","y^2"],"operator":"and"}}"#,
            "(+(x:a y:a) +(x:b y:b))",
        ),
        (r#"{"terms_set":{"a":{"terms":["x","y"],"minimum_should_match":1}}}"#, "(a:='x' a:='y')"),
        (
            r#"{"terms_set":{"a":{"terms":["x","y"],"minimum_should_match_field":"n"}}}"#,
            "((+n:[* =1] +(a:='x' a:='y')) (+n:[=2 =2] +(a:='x' a:='y')~2))",
        ),
        (
            r#"{"terms_set":{"a":{"terms":["x","y"],"minimum_should_match_script":{"source":"Math.min(params.num_terms, doc['n'].value)"}}}}"#,
            "((+n:[* =1] +(a:='x' a:='y')) (+n:[=2 *] +(a:='x' a:='y')~2))",
        ),
        (
            r#"{"terms_set":{"a":{"terms":["x","y"],"minimum_should_match_script":{"source":"params.num_terms"}}}}"#,
            "(a:='x' a:='y')~2",
        ),
        (r#"{"term":{"ip":"10.0.0.0/8"}}"#, "ip:='10.0.0.0/8'"),
        (r#"{"terms":{"ip":["10.0.0.0/8","a"]}}"#, "(ip:='10.0.0.0/8' ip:in['a'])"),
        (r#"{"match":{"ip":"10.0.0.0/8"}}"#, "(ip:\"10 0 0 0 8\" ip:='10.0.0.0/8')"),
        (r#"{"query_string":{"query":"ip:10.0.0.0/8"}}"#, "(ip:\"10 0 0 0 8\" ip:='10.0.0.0/8')"),
        (
            r#"{"regexp":{"a":{"value":"x<1-5>~\"<\"&[~]","flags":"INTERVAL|EMPTY"}}}"#,
            "a:regex x<1-5>\\~\"<\"\\&[~]",
        ),
        (r#"{"regexp":{"a":{"value":"x<","flags":"NONE"}}}"#, "a:regex x\\<"),
        (
            r#"{"query_string":{"query":"a b","type":"phrase_prefix","fields":["m"]}}"#,
            "(m:\"a*\" m:\"b*\")",
        ),
        (
            r#"{"query_string":{"query":"\"a b\" c","quote_field_suffix":".keyword","fields":["m"]}}"#,
            "(m.keyword:\"a b\" m:c)",
        ),
        (
            r#"{"query_string":{"query":"erorr~ a~0 quick~1","fields":["m"],"fuzziness":1}}"#,
            "(m:erorr~1 m:a m:quick~1)",
        ),
        (
            r#"{"simple_query_string":{"query":"erorr~1 \"a b\"~2","fields":["m"]}}"#,
            "(m:erorr~1 m:\"a b\"~2)",
        ),
        (
            r#"{"simple_query_string":{"query":"a + b | c*","fields":["m"],"flags":"OR"}}"#,
            "(m:a&b m:c)",
        ),
    ]);
}

#[test]
fn term_level_queries() {
    check(&[
        (r#"{"term":{"a":"x"}}"#, "a:='x'"),
        (r#"{"term":{"a":{"value":"x","case_insensitive":true,"boost":1}}}"#, "a:='x'/i"),
        (r#"{"term":{"a":1.5}}"#, "a:=1.5"),
        (r#"{"term":{"a":true}}"#, "a:=true"),
        (r#"{"term":{"a":"x","boost":2.0}}"#, "a:='x'"),
        (r#"{"term":{"_index":"logs"}}"#, r#"index["logs"]"#),
        (r#"{"term":{"_id":"7"}}"#, r#"ids["7"]"#),
        (
            r#"{"term":{"@timestamp":"2026-11-20"}}"#,
            "time[2026-11-20T00:00:00.000Z 2026-11-21T00:00:00.000Z)",
        ),
        (r#"{"terms":{"a":["x",1,false]}}"#, "a:in['x' 1 false]"),
        (r#"{"terms":{"a":["x"],"boost":1}}"#, "a:in['x']"),
        (r#"{"terms":{"a":[]}}"#, "NONE"),
        (r#"{"terms":{"_index":["a","b"]}}"#, r#"index["a", "b"]"#),
        (r#"{"exists":{"field":"a"}}"#, "(a:exists <a.*>:exists)"),
        (r#"{"exists":{"field":"@timestamp"}}"#, "ALL"),
        (r#"{"prefix":{"a":"x"}}"#, "a:prefix x"),
        (
            r#"{"prefix":{"a":{"value":"x","case_insensitive":"true","rewrite":"x"}}}"#,
            "a:prefix x/i",
        ),
        (r#"{"wildcard":{"a":"x*?"}}"#, "a:wildcard x*?"),
        (r#"{"wildcard":{"a":{"wildcard":"x*"}}}"#, "a:wildcard x*"),
        (r#"{"wildcard":{"_index":"logs-*"}}"#, r#"index["logs-*"]"#),
        (r#"{"regexp":{"a":{"value":"x.*y","flags":"ALL"}}}"#, "a:regex x.*y"),
        (r#"{"range":{"a":{"gte":1,"lt":"5"}}}"#, "a:[=1 '5']"),
        (
            r#"{"range":{"a":{"from":1,"to":5,"include_lower":false,"include_upper":"true"}}}"#,
            "a:[1 =5]",
        ),
        (r#"{"range":{"a":{"from":null,"to":5,"include_upper":false}}}"#, "a:[* 5]"),
        (r#"{"range":{"a":{}}}"#, "a:exists"),
        (
            r#"{"range":{"@timestamp":{"gte":1700000000000,"lte":"1700000000001","format":"epoch_millis"}}}"#,
            "time[2023-11-14T22:13:20.000Z 2023-11-14T22:13:20.002Z)",
        ),
        (r#"{"range":{"@timestamp":{"gt":"now-1d/d","lt":"now/d","time_zone":"+01:00"}}}"#, "NONE"),
        (
            r#"{"range":{"@timestamp":{"gte":"now-1d/d","lt":"now/d","time_zone":"+01:00"}}}"#,
            "time[2026-11-18T23:00:00.000Z 2026-11-19T23:00:00.000Z)",
        ),
        (r#"{"range":{"at":{"gte":"now-1h"}}}"#, "at:[=2026-11-20T13:00:00.000Z'now-1h' *]"),
        (
            r#"{"range":{"at":{"lte":1700000000000,"format":"epoch_millis"}}}"#,
            "at:[* =2023-11-14T22:13:20.000999999Z'1700000000000']",
        ),
    ]);
}

#[test]
fn full_text_queries() {
    check(&[
        (r#"{"match":{"m":"Connection refused"}}"#, "m:connection|refused"),
        (
            r#"{"match":{"m":{"query":"Connection refused","operator":"AND","lenient":"true"}}}"#,
            "m:connection&refused",
        ),
        (r#"{"match":{"m":{"query":"a b c","minimum_should_match":"67%"}}}"#, "m:a|b|c~2"),
        (r#"{"match":{"m":{"query":"a b c","minimum_should_match":0}}}"#, "m:a|b|c"),
        (r#"{"match":{"m":500}}"#, "m:500"),
        (r#"{"match":{"m":true}}"#, "m:true"),
        (r#"{"match":{"m":-1.5}}"#, "(m:1_5 m:=-1.5)"),
        (r#"{"match":{"m":"10.0.0.1 --"}}"#, "m:10_0_0_1"),
        (r#"{"match":{"m":"--"}}"#, "NONE"),
        (r#"{"match":{"m":{"query":"--","zero_terms_query":"all"}}}"#, "ALL"),
        (r#"{"match":{"m":{"query":"a","fuzziness":0,"analyzer":"standard"}}}"#, "m:a"),
        (r#"{"match_phrase":{"m":"Connection refused"}}"#, "m:\"connection refused\""),
        (r#"{"match_phrase":{"m":{"query":"a b","slop":"2"}}}"#, "m:\"a b\"~2"),
        (r#"{"match_phrase_prefix":{"m":{"query":"a b","max_expansions":5}}}"#, "m:\"a b*\""),
        (r#"{"multi_match":{"query":"a b","lenient":true,"type":"best_fields"}}"#, "*:a|b"),
        (
            r#"{"multi_match":{"query":"a b","fields":["x^2","y.*"],"operator":"and"}}"#,
            "(x:a&b <y.*>:a&b)",
        ),
        (
            r#"{"multi_match":{"query":"a b","fields":["x","y"],"type":"cross_fields","operator":"and"}}"#,
            "(+(x:a y:a) +(x:b y:b))",
        ),
        (r#"{"multi_match":{"query":"a b","type":"phrase"}}"#, "*:\"a b\""),
        (r#"{"multi_match":{"query":"","type":"phrase","lenient":true}}"#, "NONE"),
        (r#"{"multi_match":{"query":"a b","type":"phrase_prefix","fields":"x"}}"#, "x:\"a b*\""),
        (
            r#"{"query_string":{"query":"level:error AND *","analyze_wildcard":true}}"#,
            "level:error",
        ),
        (
            r#"{"query_string":{"query":"a b","default_operator":"AND","default_field":"m"}}"#,
            "(+m:a +m:b)",
        ),
        (r#"{"query_string":{"query":"er*","fields":["m"],"lenient":false}}"#, "m:prefix er/i"),
        (r#"{"query_string":{"query":"status:[200 TO 299]"}}"#, "status:[='200' ='299']"),
        (r#"{"query_string":{"query":"a:(b","escape":true}}"#, "*:a_b"),
        (
            r#"{"query_string":{"query":"@timestamp:2026-11-20","time_zone":"+01:00"}}"#,
            "time[2026-11-19T23:00:00.000Z 2026-11-20T23:00:00.000Z)",
        ),
        (r#"{"query_string":{"query":"@timestamp:x","lenient":true}}"#, "NONE"),
        (
            r#"{"simple_query_string":{"query":"a + b","fields":["m"],"flags":"ALL"}}"#,
            "(+m:a +m:b)",
        ),
        (
            r#"{"simple_query_string":{"query":"a b","default_operator":"and","minimum_should_match":"1"}}"#,
            "(+*:a +*:b)",
        ),
        (
            r#"{"simple_query_string":{"query":"a b c","minimum_should_match":"2"}}"#,
            "(*:a *:b *:c)~2",
        ),
    ]);
}

#[test]
fn query_errors_name_the_query_and_the_key() {
    check(&[
        (r#"{"foo":{}}"#, "unknown query [foo]"),
        (r#"{"mach":{}}"#, "unknown query [mach] did you mean [match]?"),
        (
            r#"{"match_phras":{}}"#,
            "unknown query [match_phras] did you mean any of [match_phrase, \
             match_phrase_prefix, match_all, match_none]?",
        ),
        (
            r#"{"nested":{"path":"a"}}"#,
            "[nested] query is not supported for logs: arrays of objects are not kept apart, ask \
             for their fields by `a.b`",
        ),
        (
            r#"{"geo_distance":{"distance":"1km"}}"#,
            "[geo_distance] query is not supported for logs: there are no fields of places or \
             shapes",
        ),
        (
            r#"{"match":{"a":{"query":"x","analyzer":"english"}}}"#,
            "[match] analyzer [english] not found: there is only [standard]",
        ),
        (
            r#"{"match":{"a":{"query":"x","boost":-1}}}"#,
            "negative [boost] are not allowed in [match], use a value between 0 and 1 to deboost",
        ),
        (
            r#"{"fuzzy":{"a":{"value":"x","fuzziness":3}}}"#,
            "Valid edit distances are [0, 1, 2] but was [3]",
        ),
        (
            r#"{"multi_match":{"query":"x","type":"phrase","fuzziness":1}}"#,
            "Fuzziness not allowed for type [phrase]",
        ),
        (
            r#"{"boosting":{"positive":{"match_all":{}},"negative":{"match_all":{}}}}"#,
            "[boosting] query requires 'negative_boost' to be set to be a positive value'",
        ),
        (
            r#"{"function_score":{"script_score":{"script":"1"}}}"#,
            "[function_score] query: [script_score] is not supported in this version",
        ),
        (r#"{"regexp":{"a":{"value":"x","flags":"SOME"}}}"#, "Unknown regexp flag [SOME]"),
        (
            r#"{"simple_query_string":{"query":"x","flags":"SOME"}}"#,
            "Unknown simple_query_string flag [SOME]",
        ),
        (
            r#"{"query_string":{"query":"*a","allow_leading_wildcard":false}}"#,
            "Failed to parse query [*a]: '*' or '?' not allowed as first character in WildcardQuery",
        ),
        (
            r#"{"terms_set":{"a":{"terms":["x"]}}}"#,
            "No minimum should match has been specified for terms set query",
        ),
        (
            r#"{"range":{"a":{"gte":1,"relation":"disjoint"}}}"#,
            "cannot read [relation] [disjoint]: expected `INTERSECTS`, `CONTAINS` or `WITHIN`",
        ),
        (r#"{}"#, "query malformed, empty clause found"),
        (r#"[]"#, "[_na] query malformed, must start with start_object, got an array"),
        (
            r#"{"match":{"a":"x"},"term":{"b":1}}"#,
            "[match] malformed query, expected [END_OBJECT] but found [FIELD_NAME] [term]",
        ),
        (r#"{"range":{"a":{"gtee":1}}}"#, "[range] query does not support [gtee]"),
        (r#"{"bool":{"musst":[]}}"#, "[bool] query does not support [musst]"),
        (r#"{"bool":{"must":[{"foo":{}}]}}"#, "unknown query [foo]"),
        (r#"{"bool":[]}"#, "[bool] query malformed, expected an object, got an array"),
        (
            r#"{"bool":{"minimum_should_match":"x","should":[{"term":{"a":1}}]}}"#,
            "cannot read [minimum_should_match] [x]: give `2`, `-1`, `75%`, `-25%` or `2<75%`",
        ),
        (r#"{"match":"x"}"#, "[match] query malformed, expected an object, got a string"),
        (r#"{"match":{}}"#, "[match] query malformed, no field specified"),
        (
            r#"{"match":{"a":"x","b":"y"}}"#,
            "[match] query doesn't support multiple fields, found [a] and [b]",
        ),
        (r#"{"match":{"a":{"query":"x","fuzzy":1}}}"#, "[match] query does not support [fuzzy]"),
        (
            r#"{"match":{"a":{"query":"x","fuzziness":"much"}}}"#,
            "cannot read [fuzziness] [much]: give `AUTO`, `AUTO:3,6`, `0`, `1` or `2`",
        ),
        (r#"{"match":{"a":["x"]}}"#, "[match] query: expected text as [query], got an array"),
        (r#"{"match":{"a":{}}}"#, "No text specified for text query: [match] needs [query]"),
        (
            r#"{"match":{"a":{"query":"x","operator":"xor"}}}"#,
            "cannot read [operator] [xor]: expected `or` or `and`",
        ),
        (
            r#"{"match_phrase":{"a":{"query":"x","operator":"or"}}}"#,
            "[match_phrase] query does not support [operator]",
        ),
        (
            r#"{"match_phrase":{"a":{"query":"x","slop":-1}}}"#,
            "cannot read [slop] [-1]: expected a whole number, 0 or more",
        ),
        (
            r#"{"multi_match":{"query":"x","type":"best"}}"#,
            "failed to parse [multi_match] query type [best]. unknown type.",
        ),
        (r#"{"term":{"a":["x"]}}"#, "[term] query does not support array of values"),
        (r#"{"term":{"a":null}}"#, "value cannot be null in [term] query"),
        (r#"{"term":{"a":{"valeu":"x"}}}"#, "[term] query does not support [valeu]"),
        (
            r#"{"terms":{"a":"x"}}"#,
            "[terms] query requires an array of values for [a], got a string",
        ),
        (
            r#"{"terms":{"a":{"index":"i","id":"1","path":"p"}}}"#,
            "[terms] query: [terms lookup] is not supported in this version",
        ),
        (r#"{"exists":{}}"#, "[exists] must be provided with a [field]"),
        (r#"{"exists":{"fild":"a"}}"#, "[exists] query does not support [fild]"),
        (r#"{"ids":{}}"#, "[ids] requires providing [values]"),
        (r#"{"wildcard":{"a":{"prefix":"x"}}}"#, "[wildcard] query does not support [prefix]"),
        (
            r#"{"wildcard":{"@timestamp":"2026*"}}"#,
            "can only use wildcard queries on keyword and text fields - not on [@timestamp]",
        ),
        (
            r#"{"range":{"@timestamp":{"gte":"yesterday"}}}"#,
            "failed to parse date field [yesterday] with format \
             [strict_date_optional_time||epoch_millis]",
        ),
        (
            r#"{"range":{"@timestamp":{"gte":"now","time_zone":"Mars"}}}"#,
            "unknown time zone [Mars]: give an IANA name such as `Europe/Berlin`, or `+01:00`",
        ),
        (r#"{"range":{"a":{"gte":[1]}}}"#, "[range] query does not support array of values"),
        (
            r#"{"query_string":{"query":"foo:("}}"#,
            "Failed to parse query [foo:(]: the group that begins here has no closing `)`",
        ),
        (r#"{"query_string":{}}"#, "[query_string] must be provided with a [query]"),
        (r#"{"query_string":{"qery":"x"}}"#, "[query_string] query does not support [qery]"),
        (r#"{"constant_score":{}}"#, "[constant_score] requires a 'filter' element"),
        (
            r#"{"dis_max":{"queries":[]}}"#,
            "[dis_max] requires 'queries' field with at least one clause",
        ),
        (r#"{"match_all":{"a":1}}"#, "[match_all] query does not support [a]"),
        (
            r#"{"term":{"a":1},"term":{"a":2}}"#,
            "the body is no valid JSON: the key `term` stands twice in one object at line 1 \
             column 22",
        ),
        (r#"{"term":"#, "the body is no valid JSON: EOF while parsing a value at line 1 column 8"),
    ]);
}

#[test]
fn nesting_and_size_are_bounded() {
    let nest = |levels: usize| {
        let mut body = r#"{"bool":{"must":"#.repeat(levels);
        body.push_str(r#"{"match_all":{}}"#);
        body.push_str(&"}}".repeat(levels));
        parse_json(body.as_bytes()).and_then(|json| reader().query(&json)).map(|q| show(&q))
    };
    assert_eq!(nest(29).unwrap(), "ALL");
    assert!(
        nest(30).unwrap_err().reason.starts_with("the query is nested too deeply: more than 30")
    );
    let json = nest(10_000).unwrap_err();
    assert!(json.reason.starts_with("the body is nested too deeply: more than 127"), "{json}");
    let string = json!({"query_string": {"query": "(".repeat(10_000)}});
    assert!(reader().query(&string).unwrap_err().reason.contains("nested too deeply"));
    let many = json!({"terms": {"a": vec![1; 2_000]}});
    assert!(reader().query(&many).unwrap_err().reason.starts_with("too many clauses"));
    let long = json!({"regexp": {"a": "x".repeat(1_001)}});
    assert!(reader().query(&long).unwrap_err().reason.contains("[1001]"));
}

fn key(by: SortBy, descending: bool) -> SortKey {
    SortKey::new(by, descending)
}

#[test]
fn sort_in_all_its_forms() {
    let field = |name: &str| SortBy::Field(name.to_owned());
    let cases = [
        (json!("_doc"), vec![key(SortBy::Sequence, false)], vec![]),
        (json!("_score"), vec![], vec![]),
        (
            json!(["_score", "_doc"]),
            vec![key(SortBy::Score, true), key(SortBy::Sequence, false)],
            vec![],
        ),
        (
            json!(["a", {"b": "desc"}]),
            vec![key(field("a"), false), key(field("b"), true)],
            vec!["a", "b"],
        ),
        (
            json!({"@timestamp": {"order": "desc", "unmapped_type": "boolean"}, "_doc": {"order": "desc"}}),
            vec![key(SortBy::Time, true), key(SortBy::Sequence, true)],
            vec![],
        ),
        (
            json!([{"a": {"order": "desc", "unmapped_type": "long", "missing": "_first", "mode": "max"}}]),
            vec![SortKey { missing_first: true, mode: SortMode::Max, ..key(field("a"), true) }],
            vec![],
        ),
        (
            json!({"a": {"missing": "x", "mode": "AVG"}, "_index": "asc", "_id": "desc"}),
            vec![
                SortKey {
                    missing: Some(json!("x")),
                    mode: SortMode::Avg,
                    ..key(field("a"), false)
                },
                key(field("_index"), false),
                key(SortBy::Id, true),
            ],
            vec!["a"],
        ),
        (
            json!([{"@timestamp": {"format": "epoch_millis", "numeric_type": "date"}}]),
            vec![SortKey {
                format: Some("epoch_millis".to_owned()),
                numeric: Some(NumericType::Date),
                ..key(SortBy::Time, false)
            }],
            vec![],
        ),
        (json!([]), vec![], vec![]),
    ];
    for (json, keys, must_exist) in cases {
        let order = sort(&json).unwrap();
        assert_eq!(
            (order.keys, order.must_exist),
            (keys, must_exist.into_iter().map(str::to_owned).collect()),
            "{json}"
        );
    }
    let errors = [
        (json!([{"a": {"ordr": "asc"}}]), "[field_sort] unknown field [ordr] in the sort on [a]"),
        (json!([{"a": {"order": "up"}}]), "cannot read [order] [up]: expected `asc` or `desc`"),
        (
            json!([{"a": {"missing": [0]}}]),
            "cannot read [missing] [an array]: expected `_first`, `_last` or a value",
        ),
        (json!([{"a": {"mode": "mean"}}]), "Unknown SortMode [mean]"),
        (
            json!([{"a": {"numeric_type": "text"}}]),
            "invalid value for [numeric_type], must be [long, double, date, date_nanos], got text",
        ),
        (json!({"_script": {}}), "sorting by [_script] is not supported: sort by fields"),
        (
            json!([{"a": {"nested": {}}}]),
            "[nested] of the sort on [a] is not supported in this version",
        ),
        (
            json!("_geo_distance"),
            "sorting by [_geo_distance] is not supported: logs have no geo points",
        ),
        (json!(5), "malformed sort format, expected a field name or an object, got a number"),
        (json!([{"a": 5}]), "cannot read [a] [5]: expected `asc`, `desc` or an object of options"),
    ];
    for (json, want) in errors {
        assert_eq!(sort(&json).unwrap_err().reason, want, "{json}");
    }
}

fn search(body: &Json) -> Result<Search, QueryError> {
    let mut reader = reader();
    let search = reader.search(body.to_string().as_bytes())?;
    reader.check(&search)?;
    Ok(search)
}

#[test]
fn top_level_keys() {
    // What Kibana's Discover sends, without its highlighting.
    let body = json!({
        "sort": [{"@timestamp": {"order": "desc", "unmapped_type": "boolean"}}],
        "fields": [{"field": "*", "include_unmapped": "true"}, {"field": "@timestamp", "format": "strict_date_optional_time"}],
        "size": "500", "from": 0, "version": true, "script_fields": {}, "stored_fields": ["*"],
        "runtime_mappings": {}, "_source": false, "track_total_hits": "false", "timeout": "30000ms",
        "query": {"bool": {"must": [], "filter": [{"match_all": {}}], "should": [], "must_not": []}},
        "search_after": [1700000000000_i64], "explain": false, "highlight": {}, "track_scores": true,
        "docvalue_fields": ["x"], "seq_no_primary_term": false, "terminate_after": 100,
    });
    let got = search(&body).unwrap();
    assert_eq!(got.request.size, 500);
    assert_eq!(got.request.sort, vec![key(SortBy::Time, true)]);
    assert_eq!(*got.request.query.plain(), Query::All);
    assert_eq!(got.request.track_total, TrackTotal::None);
    assert_eq!(got.request.timeout_ms, Some(30_000));
    assert_eq!(got.request.source, SourceFilter { off: true, ..SourceFilter::default() });
    assert_eq!(got.request.search_after, Some(vec![json!(1700000000000_i64)]));
    let field = |field: &str, format: Option<&str>| FieldAndFormat {
        field: field.to_owned(),
        format: format.map(str::to_owned),
    };
    let fields = [
        field("*", None),
        field("@timestamp", Some("strict_date_optional_time")),
        field("x", None),
    ];
    assert_eq!(got.request.fields, fields);
    assert!(got.version && !got.seq_no && got.scores && got.tracks_total && got.request.version);
    let empty = reader().search(b" \n").unwrap();
    assert_eq!((empty.request.size, empty.request.track_total), (10, TrackTotal::UpTo(10_000)));
}

#[test]
fn source_filters_and_totals() {
    let paths = |includes: &[&str], excludes: &[&str]| SourceFilter {
        off: false,
        includes: includes.iter().map(|s| (*s).to_owned()).collect(),
        excludes: excludes.iter().map(|s| (*s).to_owned()).collect(),
    };
    let sources = [
        (json!(true), paths(&[], &[])),
        (json!("a.*"), paths(&["a.*"], &[])),
        (json!(["a", "b"]), paths(&["a", "b"], &[])),
        (json!({"includes": ["a"], "excludes": "b"}), paths(&["a"], &["b"])),
    ];
    for (json, want) in sources {
        assert_eq!(source_filter(&json).unwrap(), want, "{json}");
    }
    let totals = [
        (json!(true), Some(TrackTotal::All)),
        (json!("true"), Some(TrackTotal::All)),
        (json!("false"), Some(TrackTotal::None)),
        (json!(5), Some(TrackTotal::UpTo(5))),
        (json!("5"), Some(TrackTotal::UpTo(5))),
        (json!(-5), None),
        (json!("x"), None),
    ];
    for (json, want) in totals {
        assert_eq!(track_total(&json).ok(), want, "{json}");
    }
}

#[test]
fn body_errors() {
    let window = "Result window is too large, from + size must be less than or equal to: [10000] \
                  but was [10001]. See [search_after] for a more efficient way to request large \
                  data sets. This limit can be set by the setting `query.api.result_window_max`.";
    let cases = [
        (json!({"size": -1}), "[size] parameter cannot be negative, found [-1]"),
        (json!({"from": "-5"}), "[from] parameter cannot be negative, found [-5]"),
        (json!({"size": "many"}), "cannot read [size] [many]: expected a whole number"),
        (json!({"from": 1, "size": 10_000}), window),
        (json!({"sizes": 1}), "unknown key [sizes] in the body of the search"),
        (json!({"script_fields": {"a": {}}}), "[script_fields] is not supported in this version"),
        (json!({"collapse": {"fields": "a"}}), "[collapse] unknown field [fields]"),
        (
            json!({"knn": {"field": "a"}}),
            "[knn] is not supported: it is for documents other than logs",
        ),
        (json!({"min_score": "x"}), "cannot read [min_score] [x]: expected a number"),
        (json!({"terminate_after": -1}), "terminateAfter must be > 0"),
        (json!({"slice": {"id": 1, "max": 1}}), "max must be greater than 1"),
        (json!({"pit": {"keep_alive": "1m"}}), "Required [id]"),
        (json!({"search_after": [1]}), "Sort must contain at least one field."),
        (
            json!({"search_after": [1], "sort": ["a", "b"]}),
            "search_after has 1 value(s) but sort has 2.",
        ),
        (
            json!({"search_after": [1], "sort": "a", "from": 1}),
            "`from` parameter must be set to 0 when `search_after` is used.",
        ),
        (
            json!({"search_after": 1}),
            "cannot read [search_after] [1]: expected an array of sort values",
        ),
        (
            json!({"track_total_hits": -2}),
            "cannot read [track_total_hits] [-2]: expected true, false, or a number of 0 or more",
        ),
        (
            json!({"timeout": "soon"}),
            "cannot read [timeout] [soon]: expected a time such as `30s` or `500ms`",
        ),
        (
            json!({"_source": {"include_": "a"}}),
            "unknown key [include_] in [_source]: expected `includes` or `excludes`",
        ),
        (json!({"fields": [{"format": "date"}]}), "[fields] requires [field]"),
        (
            json!({"fields": [{"field": "a", "format": "qq"}]}),
            "invalid format: [qq]: unknown pattern letter `q`",
        ),
        (json!([1]), "the body of a search must be an object, got an array"),
    ];
    for (body, want) in cases {
        assert_eq!(search(&body).unwrap_err().reason, want, "{body}");
    }
    let count = |body: &str| reader().count(body.as_bytes()).map(|q| show(&q));
    assert_eq!(count("").unwrap(), "ALL");
    assert_eq!(count(r#"{"query":{"term":{"a":1}}}"#).unwrap(), "a:=1");
    assert_eq!(count(r#"{"size":1}"#).unwrap_err().reason, "request does not support [size]");
}

#[test]
fn multi_search_bodies() {
    let split = |body: &str| {
        split_msearch(body.as_bytes(), 3).map(|list| {
            list.into_iter()
                .map(|one| match one {
                    Ok(one) => format!("{:?} {}", one.indexes, String::from_utf8_lossy(&one.body)),
                    Err(error) => error.reason,
                })
                .collect::<Vec<_>>()
        })
    };
    let cases: [(&str, &[&str]); 5] = [
        ("{}\n{}\n", &["[] {}"]),
        (
            "{\"index\":\"a,b\",\"search_type\":\"query_then_fetch\"}\n{\"size\":0}\n",
            &["[\"a\", \"b\"] {\"size\":0}"],
        ),
        ("\n{}\n{\"index\":[\"a\",\"b\"]}\n{\"x\":1}", &["[] {}", "[\"a\", \"b\"] {\"x\":1}"]),
        ("{\"indx\":\"a\"}\n{}\n\n", &["key [indx] is not supported in the metadata section"]),
        ("[]\n{}\n", &["the header of a search must be an object"]),
    ];
    for (body, want) in cases {
        assert_eq!(split(body).unwrap(), want, "{body}");
    }
    assert_eq!(split("").unwrap_err().reason, "Validation Failed: 1: no requests added;");
    assert!(split("{}\n{}\n{}\n").unwrap_err().reason.starts_with("the last search of the body"));
    assert!(split(&"{}\n".repeat(8)).unwrap_err().reason.starts_with("more than 3 searches"));
}

fn any_json() -> impl Strategy<Value = Json> {
    let names = prop::sample::select(vec![
        "query",
        "bool",
        "must",
        "should",
        "filter",
        "match",
        "term",
        "terms",
        "range",
        "exists",
        "field",
        "gte",
        "lt",
        "query_string",
        "aggs",
        "date_histogram",
        "fixed_interval",
        "ranges",
        "order",
        "size",
        "from",
        "sort",
        "_source",
        "percents",
        "filters",
        "a",
        "@timestamp",
        "format",
        "time_zone",
        "minimum_should_match",
        "multi_match",
        "fields",
        "wildcard",
        "value",
    ]);
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(|f| json!(f)),
        names.clone().prop_map(Json::from),
        prop::sample::select(vec!["1m", "now-1d", "desc", "75%", "-1", "a:(b", "*"])
            .prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((names.clone(), inner), 0..4).prop_map(|list| Json::Object(
                list.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn bodies_never_panic(json in any_json(), text in "\\PC{0,40}") {
        let body = json.to_string();
        let _ = reader().search(body.as_bytes());
        let _ = reader().count(body.as_bytes());
        let _ = reader().query(&json);
        let _ = sort(&json);
        let aggs = json!({"aggs": {"x": json}}).to_string();
        let _ = reader().search(aggs.as_bytes());
        let _ = reader().search(text.as_bytes());
        let _ = split_msearch(text.as_bytes(), 3);
    }
}

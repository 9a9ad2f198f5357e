use super::*;

use proptest::prelude::*;
use serde::Deserialize;

const DEFAULTS: &str = r#"
# Where clients come in.
[server]
listen = "127.0.0.1:9200"
log = "info"

[ingest]
body_bytes_max = 1_000
queue_wait_ms = 50

[ingest.wal]
segment_bytes = 4096
group = 0.5

[index]
text_fields = ["message"]
compress = true

[index.retention]
default_days = 0
rules = []
"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    server: Server,
    ingest: Ingest,
    index: Index,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    listen: std::net::SocketAddr,
    log: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ingest {
    body_bytes_max: u64,
    queue_wait_ms: u64,
    wal: Wal,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wal {
    segment_bytes: u64,
    group: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    text_fields: Vec<String>,
    compress: bool,
    retention: Retention,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Retention {
    default_days: u32,
    rules: Vec<Rule>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    indexes: String,
    days: u32,
}

fn loaded(file: &str, environment: &[(&str, &str)]) -> Result<Loaded<Settings>, SettingsError> {
    let environment: Vec<_> =
        environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let file = Some((Path::new("my.toml"), file));
    load(&Sources { defaults: DEFAULTS, file, environment: &environment })
}

#[test]
fn the_environment_lies_over_the_file_over_the_defaults() {
    let file = r#"
        server.log = "warn"
        [ingest]
        body_bytes_max = 5
        wal = { segment_bytes = 8192, group = 2 }
        [index]
        text_fields = []
        [[index.retention.rules]]
        indexes = "debug-*"
        days = 3
    "#;
    let environment = [
        ("LOGDRIVE_INGEST__BODY_BYTES_MAX", "7"),
        ("LOGDRIVE_INGEST__WAL__GROUP", "3"),
        ("LOGDRIVE_SERVER__LISTEN", "[::1]:80"),
        ("LOGDRIVE_INDEX__COMPRESS", "false"),
        ("LOGDRIVE_CONFIG", "not a key: no double underscore"),
        ("OTHER__THING", "not ours"),
    ];
    let Loaded { settings, origins } = loaded(file, &environment).unwrap();
    assert_eq!(settings.server.listen, "[::1]:80".parse().unwrap());
    assert_eq!(settings.server.log, "warn");
    assert_eq!((settings.ingest.body_bytes_max, settings.ingest.queue_wait_ms), (7, 50));
    assert_eq!((settings.ingest.wal.segment_bytes, settings.ingest.wal.group), (8192, 3.0));
    assert!(settings.index.text_fields.is_empty() && !settings.index.compress);
    let rule = Rule { indexes: "debug-*".to_owned(), days: 3 };
    assert_eq!(settings.index.retention.rules, [rule]);
    assert_eq!(settings.index.retention.default_days, 0);
    assert_eq!(origins.place("ingest.queue_wait_ms"), Place::Defaults);
    assert_eq!(origins.error("server.log", "is odd").to_string(), "my.toml:2: `server.log` is odd");
    let over = origins.error("ingest.body_bytes_max", "is odd").to_string();
    assert!(over.starts_with("environment variable LOGDRIVE_INGEST__BODY_BYTES_MAX: "), "{over}");
}

#[test]
fn wrong_files_are_errors_with_line_key_and_remedy() {
    for (file, expected) in [
        (
            "[server]\n\nlisen = 1",
            "my.toml:3: unknown key `server.lisen`; did you mean `server.listen`?",
        ),
        ("[sever]\nlisten = ''", "my.toml:1: unknown key `sever`; did you mean `server`?"),
        (
            "[server]\nsegment_bytes = 1",
            "my.toml:2: unknown key `server.segment_bytes`; did you mean `ingest.wal.segment_bytes`?",
        ),
        (
            "[things]\na = 1",
            "my.toml:1: unknown key `things`; the sections are `server`, `ingest`, `index`",
        ),
        (
            "[server]\nworkers = 1",
            "my.toml:2: unknown key `server.workers`; `server` holds `listen`, `log`",
        ),
        (
            "ingest.wal.segmnet_bytes = 1",
            "my.toml:1: unknown key `ingest.wal.segmnet_bytes`; did you mean `ingest.wal.segment_bytes`?",
        ),
        (
            "# x\n[ingest]\nbody_bytes_max = '5MB'",
            "my.toml:3: `ingest.body_bytes_max` is a text in quotes, but must be a whole number, such as the default `1_000`",
        ),
        (
            "[index]\ntext_fields = 'message'",
            "my.toml:2: `index.text_fields` is a text in quotes, but must be a list in brackets, such as the default `[\"message\"]`",
        ),
        (
            "[index]\ntext_fields = [1]",
            "my.toml:2: `index.text_fields` is a list of something else, but must be a list in brackets, such as the default `[\"message\"]`",
        ),
        ("server = 5", "my.toml:1: `server` is a whole number, but must be a section"),
        (
            "[server.log]\nx = 1",
            "my.toml:1: `server.log` is a section, but must be a text in quotes",
        ),
        (
            "[ingest]\n\nbody_bytes_max = -1",
            "my.toml:3: `ingest.body_bytes_max` cannot be used: invalid value: integer `-1`, expected u64",
        ),
        (
            "[server]\nlisten = 'here'",
            "my.toml:2: `server.listen` cannot be used: invalid socket address syntax",
        ),
        ("[server]\nlog = 'a'\nlog = 'b'", "my.toml:3: duplicate key"),
        ("[server\nlog = 'a'", "my.toml:1: unclosed table, expected `]`"),
        (
            "\n[[index.retention.rules]]\nindexes = 'a'\nday = 1",
            "my.toml:2: `index.retention.rules[0].day` cannot be used: unknown field `day`, expected `indexes` or `days`",
        ),
    ] {
        assert_eq!(loaded(file, &[]).unwrap_err().to_string(), expected, "{file}");
    }
}

#[test]
fn wrong_variables_are_errors_that_name_the_right_one() {
    for (name, value, expected) in [
        (
            "LOGDRIVE_SERVER__LISEN",
            "x",
            "there is no key `server.lisen`; did you mean LOGDRIVE_SERVER__LISTEN?",
        ),
        (
            "LOGDRIVE_INGEST__QUEUE_WAIT_MS",
            "soon",
            "`ingest.queue_wait_ms` is `soon`, but must be a whole number, such as the default `50`",
        ),
        (
            "LOGDRIVE_INGEST__QUEUE_WAIT_MS",
            "-5",
            "`ingest.queue_wait_ms` cannot be used: invalid value: integer `-5`, expected u64",
        ),
        (
            "LOGDRIVE_INDEX__COMPRESS",
            "yes",
            "`index.compress` is `yes`, but must be `true` or `false`, such as the default `true`",
        ),
        (
            "LOGDRIVE_INGEST__WAL",
            "x",
            "there is no key `ingest.wal`; `ingest` holds `body_bytes_max`, `queue_wait_ms`, `wal`",
        ),
        (
            "LOGDRIVE_NO__SUCH",
            "x",
            "there is no key `no.such`; there is no `no`; the sections are `server`, `ingest`, `index`",
        ),
    ] {
        let expected = format!("environment variable {name}: {expected}");
        assert_eq!(loaded("", &[(name, value)]).unwrap_err().to_string(), expected);
    }
}

proptest! {
    /// Whatever the file: settings or an error, never a panic.
    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]a-z._= \"'0-9\n#{},]{0,80}") {
        let _ = loaded(&text, &[]);
    }
}

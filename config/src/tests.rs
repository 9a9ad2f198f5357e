use super::*;

fn loaded(file: &str) -> Result<Settings, SettingsError> {
    load(Some((Path::new("my.toml"), file)), &[])
}

#[test]
fn the_shipped_file_is_complete_and_good() {
    let settings = load(None, &[]).unwrap();
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:9200");
    assert_eq!(settings.server.data_dir, Path::new("logdrive-data"));
    assert_eq!(settings.store.kind, platform::object_store::Kind::Local);
}

#[test]
fn every_shipped_key_has_a_comment_above_it() {
    let mut commented = false;
    for (n, line) in DEFAULTS.lines().enumerate() {
        match line.trim() {
            "" => commented = false,
            line if line.starts_with('#') => commented = true,
            line if line.starts_with('[') => commented = false,
            line => assert!(commented, "line {}: `{line}` has no comment", n + 1),
        }
    }
}

#[test]
fn a_variable_reaches_every_part() {
    let variables = [
        ("LOGDRIVE_SERVER__LISTEN", "0.0.0.0:1"),
        ("LOGDRIVE_INGEST__WAL__SYNC_INTERVAL_MS", "9"),
        ("LOGDRIVE_INDEX__MERGE__FACTOR", "3"),
        ("LOGDRIVE_QUERY__API__CLUSTER_NAME", "mill"),
        ("LOGDRIVE_STORE__KIND", "s3"),
        ("LOGDRIVE_STORE__BUCKET", "logs"),
    ];
    let variables = variables.map(|(n, v)| (n.to_owned(), v.to_owned()));
    let settings = load(None, &variables).unwrap();
    assert_eq!(settings.server.listen.port(), 1);
    assert_eq!(settings.ingest.wal.sync_interval_ms, 9);
    assert_eq!(settings.index.merge.factor, 3);
    assert_eq!(settings.query.api.cluster_name, "mill");
    assert_eq!(settings.store.bucket, "logs");
}

#[test]
fn contradictions_are_named_with_their_line() {
    for (file, expected) in [
        ("[store]\nkind = 's3'", "defaults: `store.bucket` must be set when `kind` is `s3`"),
        (
            "[store]\nkind = 'ftp'",
            "my.toml:2: `store.kind` cannot be used: unknown variant `ftp`, expected `local` or `s3`",
        ),
        (
            "ingest.document_bytes_max = 300000000",
            "my.toml:1: `ingest.document_bytes_max` is 300000000, more than \
             `ingest.body_bytes_max` = 209715200",
        ),
        (
            "index.live_memory_bytes_max = 1000",
            "defaults: `index.roll_raw_bytes` is 33554432, more than \
             `index.live_memory_bytes_max` = 1000",
        ),
        ("ingest.wal.segment_bytes = 1", "my.toml:1: `ingest.wal.segment_bytes` must be at least"),
        ("index.merge.factor = 1", "my.toml:1: `index.merge.factor` is 1;"),
        ("index.zstd_level = 50", "my.toml:1: `index.zstd_level` is 50,"),
        ("query.concurrent_max = 0", "my.toml:1: `query.concurrent_max` is 0,"),
        ("server.data_dir = ''", "my.toml:1: `server.data_dir` is empty"),
        (
            "[index]\nroll_age = 5",
            "my.toml:2: unknown key `index.roll_age`; did you mean `index.roll_age_ms`?",
        ),
    ] {
        let error = loaded(file).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{file}: {error}");
    }
}

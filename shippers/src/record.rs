//! What does a line look like when it leaves? One JSON document in ECS names.
//!
//! Knows nothing of files and batches: a line, its offset and where it came from in, JSON out.

use model::detect::{Context, detect};
use model::time::Timestamp;

use crate::settings::Settings;

/// Writes records; holds what all have in common.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// `,"host":{"name":…}` and the fields of the settings.
    common: Vec<u8>,
    zone_offset_minutes: i32,
}

/// One line and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The line, without its end.
    pub bytes: &'a [u8],
    /// It is only a part of a line.
    pub split: bool,
    /// Path of its file at the first read.
    pub path: &'a str,
    /// Where it begins in the (uncompressed) file.
    pub offset: u64,
    /// When it was read.
    pub read_at: Timestamp,
}

impl Recorder {
    /// For these settings on the host `host_name`.
    pub fn new(settings: &Settings, host_name: &str) -> Self {
        let mut common = b",\"host\":{\"name\":".to_vec();
        string(&mut common, host_name);
        common.push(b'}');
        for (key, value) in &settings.fields {
            common.push(b',');
            string(&mut common, key);
            common.push(b':');
            common.extend_from_slice(value.to_string().as_bytes());
        }
        Self { common, zone_offset_minutes: settings.time_zone_offset_minutes }
    }

    /// Appends the record and `\n`.
    pub fn write(&self, out: &mut Vec<u8>, source: &Source<'_>) {
        let text = String::from_utf8_lossy(source.bytes);
        let context =
            Context { now: source.read_at, zone_offset_minutes: self.zone_offset_minutes };
        let found = detect(&text, &context);
        let ingested = source.read_at.rfc3339();
        out.extend_from_slice(b"{\"@timestamp\":\"");
        match found.time {
            Some(time) => out.extend_from_slice(time.rfc3339().as_bytes()),
            None => out.extend_from_slice(ingested.as_bytes()),
        }
        out.extend_from_slice(b"\",\"message\":");
        string(out, &text);
        out.extend_from_slice(b",\"log\":{");
        if let Some(level) = found.level {
            out.extend_from_slice(b"\"level\":\"");
            out.extend_from_slice(level.as_str().as_bytes());
            out.extend_from_slice(b"\",");
        }
        out.extend_from_slice(b"\"file\":{\"path\":");
        string(out, source.path);
        out.extend_from_slice(b"},\"offset\":");
        out.extend_from_slice(source.offset.to_string().as_bytes());
        let invalid = matches!(text, std::borrow::Cow::Owned(_));
        out.extend_from_slice(match (source.split, invalid) {
            (false, false) => b"".as_slice(),
            (true, false) => b",\"flags\":[\"split\"]",
            (false, true) => b",\"flags\":[\"invalid_utf8\"]",
            (true, true) => b",\"flags\":[\"split\",\"invalid_utf8\"]",
        });
        out.extend_from_slice(b"},\"event\":{\"ingested\":\"");
        out.extend_from_slice(ingested.as_bytes());
        out.extend_from_slice(b"\"}");
        out.extend_from_slice(&self.common);
        out.extend_from_slice(b"}\n");
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing a string to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], split: bool, want: &str) {
        let mut settings = crate::settings_file::defaults();
        settings.fields.insert("service.name".into(), "shop".into());
        let recorder = Recorder::new(&settings, "web-1");
        let read_at = Timestamp::parse("2026-11-20T15:00:00Z").expect("a time");
        let mut out = Vec::new();
        recorder.write(&mut out, &Source { bytes, split, path: "/l/a.log", offset: 7, read_at });
        let got: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        let want: serde_json::Value = serde_json::from_str(want).expect("JSON");
        assert_eq!(got, want);
        assert_eq!(out.last(), Some(&b'\n'));
    }

    #[test]
    fn records_have_the_names_of_ecs() {
        check(
            b"2026-11-20T14:03:00.5Z ERROR \"x\"",
            false,
            r#"{"@timestamp":"2026-11-20T14:03:00.500Z","message":"2026-11-20T14:03:00.5Z ERROR \"x\"",
                "log":{"level":"error","file":{"path":"/l/a.log"},"offset":7},
                "event":{"ingested":"2026-11-20T15:00:00.000Z"},
                "host":{"name":"web-1"},"service.name":"shop"}"#,
        );
        check(
            b"a\x00b\xff",
            true,
            r#"{"@timestamp":"2026-11-20T15:00:00.000Z","message":"a\u0000b�",
                "log":{"file":{"path":"/l/a.log"},"offset":7,"flags":["split","invalid_utf8"]},
                "event":{"ingested":"2026-11-20T15:00:00.000Z"},
                "host":{"name":"web-1"},"service.name":"shop"}"#,
        );
    }
}

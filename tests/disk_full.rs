//! Does a full disk cost nothing but time? Refusals at the door, and recovery by itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Server, wait_until};

/// A small file system of its own; unmounted when dropped.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, with a line that says so, where mounting is not allowed.
    fn mount(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self { dir });
        }
        eprintln!("skipped: a disk that fills up needs the right to mount a tmpfs");
        None
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Takes all space but so many megabytes.
    fn fill(&self, leave_megabytes: usize) -> PathBuf {
        let filler = self.path().join("filler");
        let chunk = vec![1u8; 1 << 20];
        let mut written = Vec::new();
        let free = |dir: &Path| {
            let output = Command::new("df").args(["--output=avail", "-k"]).arg(dir).output();
            let text = String::from_utf8(output.unwrap().stdout).unwrap();
            text.lines().nth(1).unwrap().trim().parse::<usize>().unwrap() / 1024
        };
        for _ in leave_megabytes..free(self.path()) {
            written.extend_from_slice(&chunk);
        }
        std::fs::write(&filler, written).unwrap();
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).status();
    }
}

/// Sends ten documents of some size; gives the status and what was said.
fn send(server: &Server, batch: u64) -> (u16, String) {
    let mut body = String::new();
    for n in 0..10 {
        // Noise, so that compression does not save the disk.
        let noise: String = (0..300u64)
            .map(|k| {
                format!("{:x}", (batch * 1000 + n * 300 + k).wrapping_mul(0x9e37_79b9_7f4a_7c15))
            })
            .collect();
        body.push_str(&format!(
            "{{\"create\":{{}}}}\n{{\"batch\":{batch},\"noise\":\"{noise}\"}}\n"
        ));
    }
    let answer = server.post("/full/_bulk", body.as_bytes());
    (answer.status, answer.body)
}

fn count(server: &Server) -> u64 {
    server.count(json!({ "match_all": {} }))
}

#[test]
fn below_the_reserve_requests_are_refused_until_space_returns() {
    let Some(disk) = SmallDisk::mount(64) else { return };
    let server = Server::start_with(
        &disk.path().join("data"),
        &[("LOGDRIVE_INGEST__WAL__DISK_RESERVE_BYTES", "16000000")],
    );
    assert_eq!(send(&server, 0).0, 200);
    let filler = disk.fill(8);
    let mut refused = (200, String::new());
    let mut accepted = 1;
    wait_until("a refusal", 60, || {
        refused = send(&server, accepted);
        accepted += u64::from(refused.0 == 200);
        refused.0 != 200
    });
    assert_eq!(refused.0, 507, "{}", refused.1);
    assert!(refused.1.contains("space"), "{}", refused.1);
    assert_eq!(count(&server), accepted * 10, "searches go on");
    std::fs::remove_file(filler).unwrap();
    wait_until("the server to take documents again", 60, || send(&server, 99).0 == 200);
    assert_eq!(count(&server), (accepted + 1) * 10);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_disk_that_is_full_to_the_last_byte_loses_and_doubles_nothing() {
    let Some(disk) = SmallDisk::mount(48) else { return };
    let settings = [
        ("LOGDRIVE_INGEST__WAL__DISK_RESERVE_BYTES", "0"),
        ("LOGDRIVE_INGEST__WAL__SEGMENT_BYTES", "1000000"),
        ("LOGDRIVE_INDEX__ROLL_RAW_BYTES", "1000000"),
    ];
    let data = disk.path().join("data");
    let server = Server::start_with(&data, &settings);
    let filler = disk.fill(3);
    let (mut accepted, mut refusals, mut batch) = (0, 0, 0);
    wait_until("the disk to be full", 120, || {
        let (status, said) = send(&server, batch);
        batch += 1;
        accepted += u64::from(status == 200);
        if status != 200 {
            assert!([429, 503, 507].contains(&status), "{status} {said}");
            refusals += 1;
        }
        refusals == 20
    });
    assert_eq!(count(&server), accepted * 10);
    std::fs::remove_file(filler).unwrap();
    wait_until("the server to take documents again", 60, || send(&server, 9999).0 == 200);
    accepted += 1;
    assert_eq!(count(&server), accepted * 10);
    server.kill();
    let server = Server::start_with(&data, &settings);
    assert_eq!(count(&server), accepted * 10);
}

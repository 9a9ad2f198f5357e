//! How is the machine, and how is this process? Memory, load, disks, open files: real values for
//! those who ask how a node does.
//!
//! What the system does not tell is 0.

use std::path::Path;

/// Memory, load and the like, at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Of these, what programs could still take.
    pub available_bytes: u64,
    /// Runnable processes, on average over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Cores.
    pub cores: usize,
    /// What this process holds of the memory, in bytes.
    pub process_bytes: u64,
    /// What this process has mapped, in bytes.
    pub process_virtual_bytes: u64,
    /// Files that this process has open, sockets too.
    pub open_files: u64,
    /// How many it may open.
    pub open_files_max: u64,
    /// Processor time of this process, in milliseconds.
    pub cpu_ms: u64,
}

/// Ticks of `/proc/self/stat` in a second, on every Linux of today.
const TICKS_PER_S: u64 = 100;

/// How it is now.
pub fn now() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (memory, status, limits) =
        (read("/proc/meminfo"), read("/proc/self/status"), read("/proc/self/limits"));
    let load = read("/proc/loadavg");
    let mut loads = load.split(' ').map(|n| n.parse().unwrap_or(0.0));
    Machine {
        memory_bytes: kib(&memory, "MemTotal:"),
        available_bytes: kib(&memory, "MemAvailable:"),
        load: [(); 3].map(|()| loads.next().unwrap_or(0.0)),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        process_bytes: kib(&status, "VmRSS:"),
        process_virtual_bytes: kib(&status, "VmSize:"),
        open_files: std::fs::read_dir("/proc/self/fd").map_or(0, |dir| dir.count() as u64),
        open_files_max: open_files_max(&limits),
        cpu_ms: cpu_ms(&read("/proc/self/stat")),
    }
}

/// The number of kilobytes on the line that begins with `name`, in bytes.
fn kib(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn open_files_max(limits: &str) -> u64 {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|rest| rest.split_whitespace().next());
    soft.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// User and system time are the 14th and 15th value; the name before them may hold spaces.
fn cpu_ms(stat: &str) -> u64 {
    let Some((_, rest)) = stat.rsplit_once(')') else { return 0 };
    let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok());
    ticks.sum::<u64>() * 1000 / TICKS_PER_S
}

/// Bytes of the file system that a path lies on, and of these what is free for us; 0 when the path
/// is not there.
pub fn space(path: &Path) -> (u64, u64) {
    rustix::fs::statvfs(path).map_or((0, 0), |stat| {
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        (bytes(stat.f_blocks), bytes(stat.f_bavail))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_the_system_are_read() {
        assert_eq!(kib("MemTotal:       16 kB\nMemFree: 2 kB\n", "MemTotal:"), 16 * 1024);
        assert_eq!(kib("nothing", "MemTotal:"), 0);
        let limits =
            "Limit   Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n";
        assert_eq!(open_files_max(limits), 1024);
        assert_eq!(cpu_ms("7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0"), 2000);
        assert_eq!(cpu_ms(""), 0);
        let now = now();
        assert!(now.cores > 0);
        if cfg!(target_os = "linux") {
            assert!(now.process_bytes > 0 && now.memory_bytes > now.process_bytes);
            assert!(now.open_files > 0);
        }
        let (total, free) = space(Path::new("."));
        assert!(total > 0 && free <= total);
    }
}

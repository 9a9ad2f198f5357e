//! Does this processor have what the program was built for? Asked before anything else runs, so that
//! there is an error and not an illegal instruction.

/// What x86-64-v3 has beyond the first x86-64, by the names of `/proc/cpuinfo`.
const X86_64_V3: [&str; 8] = ["abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"];

/// Why the program cannot run here; `None` when it can, or when the system does not tell.
pub fn unfit() -> Option<String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_feature = "avx2")) {
        return None;
    }
    let lacking = lacking(&std::fs::read_to_string("/proc/cpuinfo").ok()?);
    (!lacking.is_empty()).then(|| {
        format!(
            "this program was built for processors of the level x86-64-v3 (2013 and later); this one \
             lacks {}. Build it here with RUSTFLAGS=\"-C target-cpu=native\"",
            lacking.join(", ")
        )
    })
}

fn lacking(cpuinfo: &str) -> Vec<&'static str> {
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'));
    let Some((_, flags)) = flags else { return Vec::new() };
    X86_64_V3.into_iter().filter(|name| !flags.split(' ').any(|flag| flag == *name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_named() {
        let info =
            |flags: &str| format!("processor\t: 0\nflags\t\t: fpu {flags} sse4_2\nbugs\t\t: avx\n");
        assert_eq!(lacking(&info(&X86_64_V3.join(" "))), Vec::<&str>::new());
        assert_eq!(lacking(&info("abm avx bmi1 bmi2 f16c fma movbe")), ["avx2"]);
        assert_eq!(lacking(&info("avx2")).len(), X86_64_V3.len() - 1);
        assert_eq!(lacking("Features\t: fp asimd\n"), Vec::<&str>::new());
    }

    #[test]
    fn the_machine_that_runs_the_tests_is_fit() {
        assert_eq!(unfit(), None);
    }
}

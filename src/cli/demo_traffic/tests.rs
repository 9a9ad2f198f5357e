use std::collections::BTreeMap;

use super::*;

const NOW_NS: i64 = 1_795_183_200_000_000_000; // 2026-11-20T14:00:00Z

/// All lines, by service, with their times.
#[derive(Default)]
struct Kept(BTreeMap<&'static str, Vec<(i64, String)>>);

impl Sink for Kept {
    fn write(&mut self, line: &Line) -> Result<()> {
        self.0.entry(line.service.name()).or_default().push((line.at_ns, line.text.clone()));
        Ok(())
    }
}

fn hour(seed: u64, lines: u64) -> BTreeMap<&'static str, Vec<(i64, String)>> {
    let mut kept = Kept::default();
    let mut shop = Shop::new(SeededRng::new(seed));
    let mut story = Story::new(NOW_NS - HISTORY_NS, NOW_NS - REQUEST_NS_MAX);
    write_past(&mut shop, &mut story, lines, &mut kept).unwrap();
    kept.0
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_exactly_so_many_lines() {
    assert_eq!(hour(7, 5_000), hour(7, 5_000));
    assert_ne!(hour(7, 5_000), hour(8, 5_000));
    for lines in [0, 1, 999, 20_000] {
        assert_eq!(hour(7, lines).values().map(Vec::len).sum::<usize>() as u64, lines);
    }
}

#[test]
fn each_file_is_in_the_order_of_time_and_within_the_hour() {
    let hour = hour(7, 20_000);
    assert_eq!(hour.len(), SERVICES.len(), "every service logs");
    for (service, lines) in hour {
        assert!(lines.is_sorted_by_key(|(at_ns, _)| *at_ns), "{service}");
        let within = |at_ns: i64| (NOW_NS - HISTORY_NS..=NOW_NS).contains(&at_ns);
        assert!(lines.iter().all(|(at_ns, _)| within(*at_ns)), "{service}");
    }
}

#[test]
fn the_incident_can_be_followed_from_its_effect_to_its_cause() {
    let hour = hour(7, 20_000);
    let find = |service: &str, text: &str| -> Vec<(i64, String)> {
        hour[service].iter().filter(|(_, line)| line.contains(text)).cloned().collect()
    };
    let failed = find("frontend", "\"POST /api/checkout HTTP/1.1\" 50");
    assert!(failed.len() > 100, "{}", failed.len());
    let starts = find("checkout", "\"msg\":\"starting\"");
    assert_eq!(starts.len(), 2, "a rollout and a rollback");
    let (deployed, rolled_back) = (starts[0].0, starts[1].0);
    assert!(starts[0].1.contains("\"version\":\"2.14.0\""), "{}", starts[0].1);
    // Nothing fails before the deployment, nothing begins to fail after the rollback.
    assert!(failed.iter().all(|(at, _)| *at > deployed - 2_000_000_000));
    assert!(failed.iter().all(|(at, _)| *at < rolled_back + REQUEST_NS_MAX));
    // One failed order, back through the services by its trace.
    let gave_up = &find("cart", "giving up")[0].1;
    let trace = gave_up.split("trace_id=").nth(1).unwrap().split(' ').next().unwrap();
    for service in ["checkout", "orders", "payments"] {
        assert!(!find(service, trace).is_empty(), "{service} knows nothing of {trace}");
    }
    let payment = &find("payments", trace)[0].1;
    assert!(payment.contains("gateway-v2.pay.example"), "{payment}");
    assert!(!find("payments", "CertificateExpiredException: NotAfter: Fri Nov 20").is_empty());
    assert!(!find("checkout", "circuit breaker opened").is_empty());
    // And errors that have nothing to do with it.
    for (service, text) in [
        ("postgres", "carts_pkey"),
        ("search", "search timed out"),
        ("orders", "KeyError: 'postcode'"),
        ("accounts", "invalid password"),
        ("inventory", "not enough stock"),
        ("shipping", "answered 429"),
    ] {
        let found = find(service, text);
        assert!(found.iter().any(|(at, _)| *at < deployed), "{service}: {text}");
    }
}

/// The first lines of events have the shape of their format, with the time in it.
#[test]
fn every_line_has_the_form_of_its_format() {
    let hour = hour(7, 20_000);
    let digits = |text: &str, at: std::ops::Range<usize>| {
        text.get(at).is_some_and(|t| t.bytes().all(|b| b.is_ascii_digit()))
    };
    type Form<'a> = &'a dyn Fn(&str) -> bool;
    let forms: [(&str, Form<'_>); 10] = [
        ("frontend", &|l| l.contains(" - - [20/Nov/2026:1") && l.contains(" HTTP/1.1\" ")),
        ("checkout", &|l| {
            let json: serde_json::Value = serde_json::from_str(l).unwrap();
            json["ts"].as_f64().is_some_and(|ts| (ts - NOW_NS as f64 / 1e9).abs() < 3600.5)
        }),
        ("payments", &|l| {
            l.starts_with("2026-11-20 1")
                && digits(l, 20..23)
                && l.contains(" [http-nio-8080-exec-")
                || ["\tat ", "\t... ", "javax.", "Caused by: "].iter().any(|p| l.starts_with(p))
        }),
        ("cart", &|l| {
            l.starts_with("time=2026-11-20T1") && l.contains(" level=") && l.contains(" msg=")
        }),
        ("search", &|l| {
            l[1..].starts_with("1120 1") && matches!(&l[..1], "I" | "E") && l.contains(".go:")
        }),
        ("orders", &|l| {
            l.starts_with("2026-11-20 1") && l.contains(" - orders.")
                || l.starts_with("  ")
                || l.starts_with("Traceback")
                || l.starts_with("KeyError")
        }),
        ("accounts", &|l| l[1..].starts_with(", [2026-11-20T1") && l.contains(" -- : [")),
        ("inventory", &|l| {
            (l.starts_with("<134>1 2026") || l.starts_with("<132>1 2026"))
                && l.contains(" [shop@32473 sku=")
        }),
        ("shipping", &|l| {
            let json = l.splitn(4, ' ').nth(3).unwrap();
            l.contains("Z std") && serde_json::from_str::<serde_json::Value>(json).is_ok()
        }),
        ("postgres", &|l| {
            l.starts_with("2026-11-20 1") && l.contains(" UTC [") && l.contains(":  ")
        }),
    ];
    for (service, form) in forms {
        for (_, line) in &hour[service] {
            assert!(form(line), "{service}: {line}");
        }
    }
}

#[test]
fn files_are_written_and_appended_to() {
    let dir = tempfile::tempdir().unwrap();
    let args =
        |lines| Args { out: dir.path().join("logs"), seed: 1, lines, endless: false, rate: 1 };
    run(args(300)).unwrap();
    run(args(200)).unwrap();
    let lines: usize = SERVICES
        .iter()
        .map(|service| dir.path().join("logs").join(format!("{}.log", service.name())))
        .map(|path| fs::read_to_string(path).unwrap().lines().count())
        .sum();
    assert_eq!(lines, 500);
}

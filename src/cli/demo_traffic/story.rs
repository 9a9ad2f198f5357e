//! What happens in the hour? A quiet shop, a deployment, an incident that it causes, its end.
//!
//! At 45 % of the lines checkout 2.14.0 is rolled out, which talks to the payment gateway under a
//! new name. The certificate there has expired: payments fail, checkout answers 502, then its
//! circuit breaker opens and it answers 503, carts try again. At 60 % the release is rolled back.

use super::shop::{Release, Shop};

const DEPLOY: f64 = 0.45;
const ROLLBACK: f64 = 0.60;

/// The course of one past hour.
#[derive(Debug)]
pub(super) struct Story {
    from_ns: i64,
    to_ns: i64,
}

impl Story {
    /// A story over this span of time.
    pub(super) fn new(from_ns: i64, to_ns: i64) -> Self {
        Self { from_ns, to_ns }
    }

    /// When something begins to be wrong.
    pub(super) fn incident_from_ns(&self) -> i64 {
        self.part(DEPLOY)
    }

    /// The time at which line `made` of `lines` falls.
    pub(super) fn at_ns(&self, made: u64, lines: u64) -> i64 {
        self.part(made as f64 / lines.max(1) as f64)
    }

    /// Lets happen what happens next to line `made` of `lines`.
    pub(super) fn tell(&mut self, shop: &mut Shop, made: u64, lines: u64) {
        let part = made as f64 / lines.max(1) as f64;
        let release = if (DEPLOY..ROLLBACK).contains(&part) { Release::New } else { Release::Old };
        if release != shop.release() {
            shop.deploy(self.at_ns(made, lines), release);
        }
    }

    fn part(&self, part: f64) -> i64 {
        self.from_ns + ((self.to_ns - self.from_ns) as f64 * part) as i64
    }
}

//! Where does chance come from? Random numbers for ids and for the jitter of back-off.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random numbers.
pub trait Rng: Send + Sync + fmt::Debug {
    /// 64 random bits.
    fn next_u64(&self) -> u64;
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn next_u64(&self) -> u64 {
        // `RandomState` draws its keys from the operating system, then counts; hashing the count
        // under those keys (SipHash) gives unpredictable, distinct values.
        use std::hash::{BuildHasher, Hasher};
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        hasher.write_u64(COUNT.fetch_add(1, Ordering::Relaxed));
        hasher.finish()
    }
}

/// A repeatable sequence from a seed (splitmix64).
#[derive(Debug)]
pub struct SeededRng(AtomicU64);

impl SeededRng {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Rng for SeededRng {
    fn next_u64(&self) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A ULID: 48 bits of milliseconds, 80 bits of chance; sorts by time. 26 characters.
pub fn ulid(now_ns: i64, rng: &dyn Rng) -> String {
    let ms = (now_ns / 1_000_000).max(0) as u128 & 0xffff_ffff_ffff;
    let chance = u128::from(rng.next_u64()) << 16 | u128::from(rng.next_u64() & 0xffff);
    let bits = ms << 80 | chance;
    (0..26).rev().map(|i| CROCKFORD[(bits >> (i * 5) & 31) as usize] as char).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulids_sort_by_time_and_differ() {
        let rng = SeededRng::new(1);
        let a = ulid(1_700_000_000_000_000_000, &rng);
        let b = ulid(1_700_000_000_000_000_000, &rng);
        let c = ulid(1_700_000_000_001_000_000, &rng);
        assert_ne!(a, b);
        assert!(a < c && b < c);
        assert_eq!(a.len(), 26);
    }
}

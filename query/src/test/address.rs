//! Is a text an address of a network? IPv4 and IPv6 in one order, as Elasticsearch's `ip` has it.
//!
//! Values are strings; a string that is no address is in no network and in no range of addresses.

use std::net::IpAddr;

use crate::ast::{Bound, Literal};

/// A run of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    first: u128,
    last: u128,
    /// This very text passes as well.
    text: Option<String>,
}

impl Addresses {
    /// The addresses that a constant means: a network such as `10.0.0.0/8`, or one address that can
    /// be written in several ways.
    pub fn of_term(text: &str) -> Option<Self> {
        let (first, last) = match text.split_once('/') {
            Some((address, bits)) => network(address, bits)?,
            None if text.contains(':') => {
                let address = parse(text)?;
                (address, address)
            }
            None => return None,
        };
        Some(Self { first, last, text: Some(text.to_owned()) })
    }

    /// The addresses of a range whose ends are addresses, or open.
    pub fn of_range(lower: &Bound, upper: &Bound) -> Option<Self> {
        let end = |bound: &Bound| match bound {
            Bound::Included(Literal::Text(text)) => parse(text).map(|at| (at, true)),
            Bound::Excluded(Literal::Text(text)) => parse(text).map(|at| (at, false)),
            _ => None,
        };
        let (low, high) = (end(lower), end(upper));
        let fits =
            |bound: &Bound, end: Option<(u128, bool)>| *bound == Bound::Open || end.is_some();
        if low.is_none() && high.is_none() || !fits(lower, low) || !fits(upper, high) {
            return None;
        }
        let first = low.map_or(Some(0), |(at, on)| if on { Some(at) } else { at.checked_add(1) });
        let last =
            high.map_or(Some(u128::MAX), |(at, on)| if on { Some(at) } else { at.checked_sub(1) });
        let (first, last) = first.zip(last).unwrap_or((1, 0));
        Some(Self { first, last, text: None })
    }

    /// Whether the text is one of the addresses.
    pub fn matches(&self, text: &str) -> bool {
        parse(text).is_some_and(|at| self.first <= at && at <= self.last)
            || self.text.as_deref() == Some(text)
    }

    /// Whether a text with this in it could be an address.
    pub fn may_hold(part: &str) -> bool {
        part.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':' | b'/'))
    }
}

/// An address as a number; those of IPv4 lie where IPv6 maps them.
fn parse(text: &str) -> Option<u128> {
    if !(2..=45).contains(&text.len()) || !text.contains(['.', ':']) || !Addresses::may_hold(text) {
        return None;
    }
    Some(match text.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    })
}

fn network(address: &str, bits: &str) -> Option<(u128, u128)> {
    let at = parse(address)?;
    let bits: u32 = bits.parse().ok().filter(|_| bits.bytes().all(|b| b.is_ascii_digit()))?;
    let width: u32 = if address.contains(':') { 128 } else { 32 };
    let host = 1u128.checked_shl(width.checked_sub(bits)?).map_or(u128::MAX, |h| h - 1);
    Some((at & !host, at | host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3/8", "10.0.0.0", true),
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "1.2.3.4", true),
            ("2001:db8::/32", "2001:db8:1::5", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("::1", "0:0:0:0:0:0:0:1", true),
            ("10.0.0.0/8", "10.0.0", false),
            ("10.0.0.0/8", "host 10.0.0.1", false),
        ];
        for (network, text, want) in cases {
            assert_eq!(
                Addresses::of_term(network).unwrap().matches(text),
                want,
                "{network} {text}"
            );
        }
        for none in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.1", "10.0/8", "a/8", "10.0.0.0/+8", "x:y"]
        {
            assert_eq!(Addresses::of_term(none), None, "{none}");
        }
    }

    #[test]
    fn ranges_compare_addresses() {
        let text = |text: &str| Literal::Text(text.to_owned());
        let range = |low: &str, high: &str| {
            let bound = |t: &str| match t.strip_prefix('>') {
                _ if t.is_empty() => Bound::Open,
                Some(t) => Bound::Excluded(text(t)),
                None => Bound::Included(text(t)),
            };
            Addresses::of_range(&bound(low), &bound(high))
        };
        let cases = [
            ("10.0.0.2", "10.0.0.10", "10.0.0.9", true),
            ("10.0.0.2", ">10.0.0.10", "10.0.0.10", false),
            (">10.0.0.2", "", "10.0.0.2", false),
            ("", "9.0.0.0", "10.0.0.0", false),
            (">255.255.255.255", "", "::1:0:0:0", true),
            ("", ">::", "0.0.0.0", false),
        ];
        for (low, high, value, want) in cases {
            assert_eq!(range(low, high).unwrap().matches(value), want, "{low} {high} {value}");
        }
        assert_eq!(range("10.0.0.2", "x"), None);
        assert_eq!(range("", ""), None);
    }
}

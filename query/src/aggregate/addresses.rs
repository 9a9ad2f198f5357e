//! Which addresses? `ip_range` and `ip_prefix`, over strings that read as addresses.
//!
//! An address of IPv4 is the one of IPv6 that it is mapped to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::HashMap;

use super::answer::{Writer, listed};
use super::collect::{Block, BlockValues, Buckets, Collector};
use super::key::Key;
use super::keyed::{KeyTable, RawKey};
use super::more::{At, More};
use super::partial::{Bucket, Partial};
use super::slots::finish_slots;
use super::source::Raw;
use super::{Planned, empty};
use crate::error::QueryError;
use crate::leaf::{LeafError, Run};
use crate::plan::Node;
use crate::request::{IpPrefixAgg, IpRange, IpRangeAgg};
use crate::tree::Object;

/// The number of an address in the space of IPv6.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address as it is written: one of IPv4 where it is mapped.
fn written(number: u128) -> String {
    let address = Ipv6Addr::from_bits(number);
    address.to_ipv4_mapped().map_or_else(|| address.to_string(), |v4| v4.to_string())
}

fn is_v4(number: u128) -> bool {
    Ipv6Addr::from_bits(number).to_ipv4_mapped().is_some()
}

/// The addresses that strings read as, by ordinal.
struct Addresses<'a> {
    values: BlockValues<'a>,
    parsed: HashMap<u64, Option<u128>>,
    run: &'a Run,
}

impl<'a> Addresses<'a> {
    fn open(at: &At<'a, '_>, field: &str) -> Result<Self, LeafError> {
        let values = BlockValues::new(at.field(field)?);
        Ok(Self { values, parsed: HashMap::new(), run: at.run() })
    }

    fn load(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        let mut new: Vec<u64> = Vec::new();
        for (_, _, values) in self.values.of_pairs(block) {
            new.extend(values.iter().filter_map(|(_, value)| match value {
                Raw::Ord(ord) if !self.parsed.contains_key(ord) => Some(*ord),
                _ => None,
            }));
        }
        new.sort_unstable();
        new.dedup();
        self.run.charge(new.len() * 40)?;
        let parsed = &mut self.parsed;
        self.values.field.texts(&new, |ord, text| {
            parsed.insert(ord, text.trim().parse().ok().map(number));
        });
        Ok(())
    }

    fn of(&self, value: Raw) -> Option<u128> {
        match value {
            Raw::Ord(ord) => self.parsed.get(&ord).copied().flatten(),
            _ => None,
        }
    }
}

/// A planned `ip_range`.
#[derive(Debug)]
pub(super) struct IpRanges(pub(super) IpRangeAgg);

impl IpRanges {
    fn name(&self, range: &IpRange) -> String {
        let end = |end: Option<u128>| end.map_or_else(|| "*".to_owned(), written);
        range.key.clone().unwrap_or_else(|| format!("{}-{}", end(range.from), end(range.to)))
    }
}

impl More for IpRanges {
    fn empty(&self, subs: &[Planned]) -> Partial {
        let slot = || Bucket { docs: 0, subs: empty(subs) };
        Partial::Slots(self.0.ranges.iter().map(|_| slot()).collect())
    }

    fn reads<'p>(&'p self, fields: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {
        fields.push(&self.0.field);
    }

    fn collector<'a>(
        &'a self,
        at: &At<'a, '_>,
    ) -> Result<Option<Box<dyn Collector + 'a>>, LeafError> {
        let (addresses, buckets) = (Addresses::open(at, &self.0.field)?, at.nested()?);
        Ok(Some(Box::new(Ranges { agg: &self.0, addresses, buckets })))
    }

    fn write(
        &self,
        writer: &mut Writer,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        let Partial::Slots(slots) = partial else { return Ok(()) };
        let mut all: Vec<(&IpRange, Bucket)> = self.0.ranges.iter().zip(slots).collect();
        let ends = |range: &IpRange| (range.from, range.to.map_or((1, 0), |to| (0, to)));
        all.sort_by_key(|(range, _)| ends(range));
        let mut list = Vec::with_capacity(all.len());
        for (range, bucket) in all {
            let name = self.name(range);
            let mut head = Object::default();
            if !self.0.keyed {
                head.push("key", name.clone());
            }
            range.from.iter().for_each(|from| head.push("from", written(*from)));
            range.to.iter().for_each(|to| head.push("to", written(*to)));
            writer.bucket(&mut head, &planned.subs, bucket)?;
            list.push((name, head));
        }
        out.push("buckets", listed(list, self.0.keyed));
        Ok(())
    }
}

/// Buckets by range.
struct Ranges<'a> {
    agg: &'a IpRangeAgg,
    addresses: Addresses<'a>,
    buckets: Buckets<'a>,
}

impl Collector for Ranges<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.addresses.load(block)?;
        let slots = self.agg.ranges.len() as u32;
        for (row, parent, values) in self.addresses.values.of_pairs(block) {
            self.buckets.grow((parent as usize + 1) * slots as usize)?;
            let missing = self.agg.missing.filter(|_| values.is_empty());
            let inside = |range: &IpRange| {
                let found = values.iter().filter_map(|(_, value)| self.addresses.of(*value));
                found.chain(missing).any(|address| {
                    range.from.is_none_or(|from| address >= from)
                        && range.to.is_none_or(|to| address < to)
                })
            };
            for (slot, range) in (0..).zip(&self.agg.ranges) {
                if inside(range) {
                    self.buckets.add(row, parent * slots + slot)?;
                }
            }
        }
        self.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        finish_slots(&mut self.buckets, self.agg.ranges.len(), parents)
    }
}

/// A planned `ip_prefix`.
#[derive(Debug)]
pub(super) struct IpPrefixes(pub(super) IpPrefixAgg);

impl IpPrefixes {
    /// The first bits of an address of the right kind.
    fn prefix(&self, address: u128) -> Option<u128> {
        if is_v4(address) == self.0.is_ipv6 {
            return None;
        }
        Some(address & self.mask())
    }

    fn mask(&self) -> u128 {
        let bits = u32::from(self.0.length) + if self.0.is_ipv6 { 0 } else { 96 };
        u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0)
    }

    fn netmask(&self) -> String {
        match self.0.is_ipv6 {
            true => Ipv6Addr::from_bits(self.mask()).to_string(),
            false => Ipv4Addr::from_bits(self.mask() as u32).to_string(),
        }
    }
}

impl More for IpPrefixes {
    fn reads<'p>(&'p self, fields: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {
        fields.push(&self.0.field);
    }

    fn collector<'a>(
        &'a self,
        at: &At<'a, '_>,
    ) -> Result<Option<Box<dyn Collector + 'a>>, LeafError> {
        Ok(Some(Box::new(Prefixes {
            plan: self,
            addresses: Addresses::open(at, &self.0.field)?,
            table: KeyTable::new(at.nested()?, None, at.run()),
            prefixes: Vec::new(),
            numbers: HashMap::new(),
            chosen: Vec::new(),
        })))
    }

    fn write(
        &self,
        writer: &mut Writer,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        let Partial::Keyed(map) = partial else { return Ok(()) };
        let number = |key: &Key| match key {
            Key::Str(text) => text.parse::<u128>().ok(),
            _ => None,
        };
        let mut all: Vec<(u128, Bucket)> = map
            .into_iter()
            .filter(|(_, bucket)| bucket.docs >= self.0.min_doc_count)
            .filter_map(|(key, bucket)| Some((number(&key)?, bucket)))
            .collect();
        all.sort_by_key(|(prefix, _)| *prefix);
        let mut list = Vec::with_capacity(all.len());
        for (prefix, bucket) in all {
            let mut name = match self.0.is_ipv6 {
                true => Ipv6Addr::from_bits(prefix).to_string(),
                false => written(prefix),
            };
            if self.0.append_length {
                name.push_str(&format!("/{}", self.0.length));
            }
            let mut head = Object::default();
            if !self.0.keyed {
                head.push("key", name.clone());
            }
            let mut tail = vec![("prefix_length", self.0.length.into())];
            if !self.0.is_ipv6 {
                tail.push(("netmask", self.netmask().into()));
            }
            head.push("is_ipv6", self.0.is_ipv6);
            writer.counted(&mut head, (&planned.subs, tail), bucket)?;
            list.push((name, head));
        }
        out.push("buckets", listed(list, self.0.keyed));
        Ok(())
    }
}

/// Buckets by prefix.
struct Prefixes<'a> {
    plan: &'a IpPrefixes,
    addresses: Addresses<'a>,
    table: KeyTable<'a>,
    /// The prefixes, and their places in the list.
    prefixes: Vec<u128>,
    numbers: HashMap<u128, i64>,
    chosen: Vec<u32>,
}

impl Collector for Prefixes<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.addresses.load(block)?;
        for (row, parent, values) in self.addresses.values.of_pairs(block) {
            self.chosen.clear();
            let found = values.iter().filter_map(|(_, value)| self.addresses.of(*value));
            for prefix in found.filter_map(|address| self.plan.prefix(address)) {
                let next = self.prefixes.len() as i64;
                let number = *self.numbers.entry(prefix).or_insert(next);
                if number == next {
                    self.addresses.run.charge(64)?;
                    self.prefixes.push(prefix);
                }
                let bucket = self.table.bucket(parent, RawKey::Int(number))?;
                if !self.chosen.contains(&bucket) {
                    self.chosen.push(bucket);
                }
            }
            let buckets = &mut self.table.buckets;
            self.chosen.iter().try_for_each(|bucket| buckets.add(row, *bucket))?;
        }
        self.table.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        let mut out: Vec<HashMap<Key, Bucket>> = (0..parents).map(|_| HashMap::new()).collect();
        for (parent, key, bucket) in self.table.finish_list(None, None)? {
            let Key::Int(number) = key else { continue };
            let prefix = self.prefixes.get(number as usize).copied().unwrap_or_default();
            out[parent as usize].insert(Key::Str(prefix.to_string().into()), bucket);
        }
        Ok(out.into_iter().map(Partial::Keyed).collect())
    }
}

//! Which bytes are missing, and in which requests do they come? Arithmetic on ranges, without I/O.

use std::ops::Range;

/// Bytes `start..end` of an object.
pub(super) type Span = Range<u64>;

/// Sorted; what overlaps, touches or lies at most `gap` apart is one. Empty ones go.
pub(super) fn coalesce(mut spans: Vec<Span>, gap: u64) -> Vec<Span> {
    spans.retain(|span| !span.is_empty());
    spans.sort_unstable_by_key(|span| span.start);
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start <= last.end.saturating_add(gap) => {
                last.end = last.end.max(span.end);
            }
            _ => out.push(span),
        }
    }
    out
}

/// Whole blocks that hold `span`, up to `limit`; what lies at or beyond `limit` is left out.
pub(super) fn align(span: &Span, block: u64, limit: u64) -> Span {
    if span.start >= limit {
        return limit..limit;
    }
    let start = span.start - span.start % block;
    let end = span.end.checked_next_multiple_of(block).unwrap_or(limit);
    start..end.min(limit)
}

/// What of `wanted` is not in `have`; `wanted` is as [`coalesce`] gives it.
pub(super) fn subtract(wanted: &[Span], have: Vec<Span>) -> Vec<Span> {
    let have = coalesce(have, 0);
    let mut out = Vec::new();
    for span in wanted {
        let mut at = span.start;
        let first = have.partition_point(|h| h.end <= span.start);
        for h in have[first..].iter().take_while(|h| h.start < span.end) {
            if h.start > at {
                out.push(at..h.start);
            }
            at = h.end;
        }
        if at < span.end {
            out.push(at..span.end);
        }
    }
    out
}

/// Consecutive pieces of at most `most` bytes.
pub(super) fn cut(span: &Span, most: u64) -> impl Iterator<Item = Span> + use<> {
    let (start, end, most) = (span.start, span.end, most.max(1));
    (start..end)
        .step_by(usize::try_from(most).unwrap_or(usize::MAX))
        .map(move |from| from..from.saturating_add(most).min(end))
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of one range are meant")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gaps_are_bridged_up_to_the_limit() {
        let spans = vec![30..40, 0..10, 20..21, 5..12, 7..7];
        assert_eq!(coalesce(spans.clone(), 0), [0..12, 20..21, 30..40]);
        assert_eq!(coalesce(spans.clone(), 8), [0..21, 30..40]);
        assert_eq!(coalesce(spans, 9), [0..40]);
        assert_eq!(align(&(65..70), 64, 1000), 64..128);
        assert_eq!(align(&(64..128), 64, 1000), 64..128);
        assert_eq!(align(&(65..70), 64, 100), 64..100);
        assert_eq!(align(&(120..130), 64, 100), 100..100);
        assert_eq!(align(&(99..130), 64, 100), 64..100);
        assert_eq!(align(&(0..u64::MAX), 64, 100), 0..100);
        assert_eq!(cut(&(3..13), 4).collect::<Vec<_>>(), [3..7, 7..11, 11..13]);
        assert_eq!(cut(&(3..13), 100).collect::<Vec<_>>(), [3..13]);
    }

    fn spans() -> impl Strategy<Value = Vec<Span>> {
        prop::collection::vec((0u64..60, 0u64..20).prop_map(|(at, len)| at..at + len), 0..8)
    }

    fn points(spans: &[Span]) -> Vec<u64> {
        (0..100).filter(|at| spans.iter().any(|s| s.contains(at))).collect()
    }

    proptest! {
        #[test]
        fn as_sets_of_bytes(wanted in spans(), have in spans(), gap in 0u64..10) {
            let merged = coalesce(wanted.clone(), 0);
            prop_assert_eq!(points(&merged), points(&wanted));
            prop_assert!(merged.windows(2).all(|w| w[0].end < w[1].start));
            let bridged = coalesce(wanted, gap);
            prop_assert!(bridged.windows(2).all(|w| w[0].end + gap < w[1].start));
            let missing = subtract(&merged, have.clone());
            let held = points(&have);
            let expected: Vec<u64> =
                points(&merged).into_iter().filter(|at| !held.contains(at)).collect();
            prop_assert_eq!(points(&missing), expected);
            for span in &bridged {
                let pieces: Vec<Span> = cut(span, 7).collect();
                prop_assert!(pieces.iter().all(|p| p.end - p.start <= 7 && !p.is_empty()));
                prop_assert_eq!(points(&pieces), points(std::slice::from_ref(span)));
            }
        }
    }
}

//! How many optional clauses must match? Elasticsearch's `minimum_should_match`.

use crate::error::QueryError;

/// How many of `count` clauses a `minimum_should_match` asks for.
///
/// # Errors
/// It cannot be read.
pub fn minimum(spec: &str, count: usize) -> Result<usize, QueryError> {
    let bad = || {
        QueryError::parsing(format!(
            "cannot read [minimum_should_match] [{spec}]: give `2`, `-1`, `75%`, `-25%` or \
             `2<75%`"
        ))
    };
    let mut chosen = spec.trim();
    if chosen.contains('<') {
        // Conditions `n<spec`: the last whose n is below the count decides; none means all.
        let mut found = None;
        for part in chosen.split_whitespace() {
            let (above, then) = part.split_once('<').ok_or_else(bad)?;
            let above: usize = above.parse().map_err(|_| bad())?;
            if count > above {
                found = Some(then);
            }
        }
        match found {
            Some(then) => chosen = then,
            None => return Ok(count),
        }
    }
    let total = i64::try_from(count).unwrap_or(i64::MAX);
    let wanted = match chosen.strip_suffix('%') {
        Some(percent) => {
            let percent: i32 = percent.trim().parse().map_err(|_| bad())?;
            let share = (total as f64 * f64::from(percent) / 100.0).trunc() as i64;
            if share < 0 || percent < 0 { total + share } else { share }
        }
        None => {
            let number: i32 = chosen.parse().map_err(|_| bad())?;
            if number < 0 { total + i64::from(number) } else { i64::from(number) }
        }
    };
    Ok(usize::try_from(wanted.max(0)).unwrap_or(usize::MAX))
}

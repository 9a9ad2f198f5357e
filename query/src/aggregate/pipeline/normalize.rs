//! How are the numbers of buckets made comparable? The methods of `normalize`.

use super::parents::numbers;
use super::{Row, Stage};
use crate::error::QueryError;
use crate::request::NormalizeMethod;

/// Adds the normalized number to each bucket.
pub(super) fn apply(
    stage: &Stage,
    rows: &mut [Row],
    method: NormalizeMethod,
) -> Result<(), QueryError> {
    let all = numbers(stage, rows, stage.agg.gap_policy)?;
    let there = || all.iter().flatten().copied().filter(|value| !value.is_nan());
    let (count, sum) = (there().count() as f64, there().sum::<f64>());
    let mean = sum / count;
    let least = there().fold(f64::INFINITY, f64::min);
    let most = there().fold(f64::NEG_INFINITY, f64::max);
    let range = most - least;
    let deviation = (there().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
    let powers: f64 = there().map(f64::exp).sum();
    for (row, value) in rows.iter_mut().zip(&all) {
        let value = value.unwrap_or(f64::NAN);
        let normalized = match method {
            NormalizeMethod::Rescale01 => (value - least) / range,
            NormalizeMethod::Rescale0100 => 100.0 * (value - least) / range,
            NormalizeMethod::PercentOfSum => value / sum,
            NormalizeMethod::Mean => (value - mean) / range,
            NormalizeMethod::ZScore => (value - mean) / deviation,
            NormalizeMethod::Softmax => value.exp() / powers,
        };
        row.bucket.push(stage.name.clone(), stage.value(normalized));
    }
    Ok(())
}

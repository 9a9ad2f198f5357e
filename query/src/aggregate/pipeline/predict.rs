//! What is the mean of the buckets before, and what comes after the last? `moving_avg`.

use model::time::Timestamp;
use serde_json::json;

use super::parents::numbers;
use super::{Row, Shared, Stage};
use crate::aggregate::keyed::too_many_buckets;
use crate::aggregate::{Kind, Planned};
use crate::error::QueryError;
use crate::request::{MovingAvgAgg, MovingModel};
use crate::script::moving::{average, ewma, holt, linear};
use crate::tree::{Object, Tree};

/// Adds to each bucket the mean of those before it, and buckets with what is foretold.
pub(super) fn moving_avg(
    stage: &Stage,
    agg: &MovingAvgAgg,
    (parent, rows): (&Planned, &mut Vec<Row>),
    shared: &Shared,
) -> Result<(), QueryError> {
    let all = numbers(stage, rows, stage.agg.gap_policy)?;
    let there: Vec<(usize, f64)> = (0..)
        .zip(&all)
        .filter_map(|(at, value)| Some((at, value.filter(|value| !value.is_nan())?)))
        .collect();
    let values: Vec<f64> = there.iter().map(|(_, value)| *value).collect();
    let model = match agg.minimize {
        true => fitted(agg, &values),
        false => agg.model,
    };
    let before = |at: usize| &values[at.saturating_sub(agg.window)..at];
    for (at, (row, _)) in there.iter().enumerate() {
        let window = before(at);
        if has_value(model, window.len()) {
            let next = forecast(model, window, 1).first().copied().unwrap_or(f64::NAN);
            rows[*row].bucket.push(stage.name.clone(), stage.value(next));
        }
    }
    if agg.predict == 0 || rows.is_empty() {
        return Ok(());
    }
    if rows.len().saturating_add(agg.predict) > shared.buckets_max {
        return Err(too_many_buckets(shared.buckets_max));
    }
    let Some((mut last, _)) = there.last().copied() else { return Ok(()) };
    for value in forecast(model, before(values.len()), agg.predict) {
        if last + 1 == rows.len() {
            let Some(row) = after(parent, &rows[last]) else { break };
            rows.push(row);
        }
        last += 1;
        rows[last].bucket.put(usize::MAX, stage.name.clone(), stage.value(value));
    }
    Ok(())
}

fn has_value(model: MovingModel, values: usize) -> bool {
    match model {
        MovingModel::HoltWinters(seasons) => values / 2 >= seasons.period,
        _ => values > 0,
    }
}

fn forecast(model: MovingModel, values: &[f64], forecasts: usize) -> Vec<f64> {
    match model {
        MovingModel::Simple => vec![average(values); forecasts],
        MovingModel::Linear => vec![linear(values); forecasts],
        MovingModel::Ewma { alpha } => vec![ewma(values, alpha); forecasts],
        MovingModel::Holt { alpha, beta } => holt(values, alpha, beta, forecasts),
        MovingModel::HoltWinters(seasons) => {
            seasons.forecast(values, forecasts).unwrap_or_else(|_| vec![f64::NAN; forecasts])
        }
    }
}

/// An empty bucket after the last of a histogram.
fn after(parent: &Planned, last: &Row) -> Option<Row> {
    let Some(Tree::Json(key)) = last.bucket.get("key") else { return None };
    let mut bucket = Object::with_capacity(4);
    let name = match &parent.kind {
        Kind::Date(plan) => {
            let start = plan.rounding.bucket(Timestamp::from_millis(key.as_i64()?).0).1;
            let text = plan.print(start);
            bucket.push("key_as_string", text.clone());
            bucket.push("key", Timestamp(start).millis());
            text
        }
        Kind::Histogram(histogram, _) => {
            let key = json!(key.as_f64()? + histogram.interval);
            bucket.push("key", key.clone());
            key.to_string()
        }
        _ => return None,
    };
    bucket.push("doc_count", 0);
    Some(Row { name: name.into(), bucket })
}

/// The model with the parameters that would have foretold the last window best from the one before
/// it; as it is when there are too few values.
fn fitted(agg: &MovingAvgAgg, values: &[f64]) -> MovingModel {
    let Some(from) = values.len().checked_sub(agg.window.saturating_mul(2)) else {
        return agg.model;
    };
    let (train, test) = values[from..].split_at(agg.window);
    let cost = |model: MovingModel| {
        let told = forecast(model, train, test.len());
        told.iter().zip(test).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
    };
    let mut best = (cost(agg.model), agg.model);
    let mut step = 0.25;
    // Each parameter in turn goes where it costs less, in ever smaller steps.
    for _ in 0..100 {
        if step < 0.005 {
            break;
        }
        let before = best.0;
        for parameter in 0..3 {
            for change in [-step, step] {
                let model = changed(best.1, parameter, change);
                let cost = cost(model);
                if cost < best.0 {
                    best = (cost, model);
                }
            }
        }
        if best.0 >= before || before.is_nan() {
            step /= 2.0;
        }
    }
    best.1
}

/// The model with one of its parameters changed, within 0 and 1.
fn changed(mut model: MovingModel, parameter: usize, change: f64) -> MovingModel {
    let chosen = match (&mut model, parameter) {
        (MovingModel::Ewma { alpha } | MovingModel::Holt { alpha, .. }, 0) => alpha,
        (MovingModel::Holt { beta, .. }, 1) => beta,
        (MovingModel::HoltWinters(seasons), 0) => &mut seasons.alpha,
        (MovingModel::HoltWinters(seasons), 1) => &mut seasons.beta,
        (MovingModel::HoltWinters(seasons), _) => &mut seasons.gamma,
        _ => return model,
    };
    *chosen = (*chosen + change).clamp(0.0, 1.0);
    model
}

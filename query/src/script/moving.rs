//! What do the numbers of a moving window make? The `MovingFunctions`, and the models of
//! `moving_avg` that share them.

use super::eval::Value;

/// A function of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Moving {
    Max,
    Min,
    Sum,
    StdDev,
    UnweightedAvg,
    LinearWeightedAvg,
    Ewma,
    Holt,
    HoltWinters,
}

impl Moving {
    /// By its name.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "max" => Moving::Max,
            "min" => Moving::Min,
            "sum" => Moving::Sum,
            "stdDev" => Moving::StdDev,
            "unweightedAvg" => Moving::UnweightedAvg,
            "linearWeightedAvg" => Moving::LinearWeightedAvg,
            "ewma" => Moving::Ewma,
            "holt" => Moving::Holt,
            "holtWinters" => Moving::HoltWinters,
            _ => return None,
        })
    }

    /// How many arguments it takes after the numbers.
    pub fn arguments(self) -> usize {
        match self {
            Moving::StdDev | Moving::Ewma => 1,
            Moving::Holt => 2,
            Moving::HoltWinters => 5,
            _ => 0,
        }
    }

    /// Of a window and its arguments.
    pub fn of_window(self, values: &[f64], args: &[Value]) -> Result<f64, String> {
        let number = |at: usize| {
            let value = args.get(at).unwrap_or(&Value::Null);
            value.number().ok_or_else(|| format!("expected a number, got {}", value.kind()))
        };
        Ok(match self {
            Moving::Max => values.iter().copied().reduce(f64::max).unwrap_or(f64::NAN),
            Moving::Min => values.iter().copied().reduce(f64::min).unwrap_or(f64::NAN),
            Moving::Sum => values.iter().sum::<f64>() + 0.0,
            Moving::StdDev => std_dev(values, number(0)?),
            Moving::UnweightedAvg => average(values),
            Moving::LinearWeightedAvg => linear(values),
            Moving::Ewma => ewma(values, number(0)?),
            Moving::Holt => holt(values, number(0)?, number(1)?, 1)[0],
            Moving::HoltWinters => {
                if values.is_empty() {
                    return Ok(f64::NAN);
                }
                let seasons = Seasons {
                    alpha: number(0)?,
                    beta: number(1)?,
                    gamma: number(2)?,
                    period: number(3)?.max(0.0) as usize,
                    multiplicative: args.get(4) == Some(&Value::Bool(true)),
                    pad: true,
                };
                seasons.forecast(values, 1)?[0]
            }
        })
    }
}

/// The mean; of nothing it is not a number.
pub fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn std_dev(values: &[f64], mean: f64) -> f64 {
    if mean.is_nan() {
        return f64::NAN;
    }
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (squares / values.len() as f64).sqrt()
}

/// The mean with weights 1, 2, 3, …; the total of weights begins at 1, as Elasticsearch has it.
pub fn linear(values: &[f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let (mut sum, mut total) = (0.0, 1.0);
    for (value, weight) in values.iter().zip(1u32..) {
        sum += value * f64::from(weight);
        total += f64::from(weight);
    }
    sum / total
}

/// The exponentially weighted mean.
pub fn ewma(values: &[f64], alpha: f64) -> f64 {
    let step = |mean: f64, value: f64| value * alpha + mean * (1.0 - alpha);
    values.iter().copied().reduce(step).unwrap_or(f64::NAN)
}

/// Level and trend, and what comes next.
pub fn holt(values: &[f64], alpha: f64, beta: f64, forecasts: usize) -> Vec<f64> {
    let Some(first) = values.first() else { return vec![f64::NAN; forecasts] };
    let (mut level, mut trend) = (*first, 0.0);
    for value in &values[1..] {
        let before = level;
        level = alpha * value + (1.0 - alpha) * (level + trend);
        trend = beta * (level - before) + (1.0 - beta) * trend;
    }
    (0..forecasts).map(|ahead| level + ahead as f64 * trend).collect()
}

/// The parameters of Holt and Winters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seasons {
    /// How fast the level follows.
    pub alpha: f64,
    /// How fast the trend follows.
    pub beta: f64,
    /// How fast the seasons follow.
    pub gamma: f64,
    /// Values of a season.
    pub period: usize,
    /// Seasons multiply instead of adding.
    pub multiplicative: bool,
    /// Values of 0 become a little more, where seasons multiply.
    pub pad: bool,
}

impl Seasons {
    /// What comes next.
    ///
    /// # Errors
    /// There are fewer values than two seasons have.
    pub fn forecast(&self, values: &[f64], forecasts: usize) -> Result<Vec<f64>, String> {
        const PADDING: f64 = 1e-10;
        let period = self.period;
        if period == 0 || values.len() / 2 < period {
            return Err(format!(
                "Holt-Winters aggregation requires at least (2 * period == 2 * {period} == {}) \
                 data-points to function. Only [{}] were provided.",
                period.saturating_mul(2),
                values.len()
            ));
        }
        let pad = if self.multiplicative && self.pad { PADDING } else { 0.0 };
        let values: Vec<f64> = values.iter().map(|v| v + pad).collect();
        let n = period as f64;
        let mut level = values[..period].iter().sum::<f64>() / n;
        let rise = |i: usize| (values[i + period] - values[i]) / n;
        let mut trend = (0..period).map(rise).sum::<f64>() / n;
        let mut seasonal = vec![0.0; values.len()];
        if level != 0.0 {
            seasonal.iter_mut().zip(&values[..period]).for_each(|(s, v)| *s = v / level);
        }
        let (mut last_level, mut last_trend) = (level, 0.0);
        for (i, value) in values.iter().enumerate().skip(period) {
            let season = seasonal[i - period];
            let seen = if self.multiplicative { value / season } else { value - season };
            level = self.alpha * seen + (1.0 - self.alpha) * (last_level + last_trend);
            trend = self.beta * (level - last_level) + (1.0 - self.beta) * last_trend;
            let seen = match self.multiplicative {
                true => value / (last_level + last_trend),
                false => value - (last_level - last_trend),
            };
            seasonal[i] = self.gamma * seen + (1.0 - self.gamma) * season;
            (last_level, last_trend) = (level, trend);
        }
        let next = |ahead: usize| {
            let season = seasonal[values.len() - period + (ahead - 1) % period];
            let line = level + ahead as f64 * trend;
            if self.multiplicative { line * season } else { line + season }
        };
        Ok((1..=forecasts).map(next).collect())
    }
}

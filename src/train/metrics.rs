//! Metrics averaged by example: batch means 10 (2 rows) and 9 (1 row) give 9.667.

/// Σ weight · value and Σ weight of one metric, in f64.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Mean {
    pub sum: f64,
    pub weight: f64,
}

impl Mean {
    pub fn add(&mut self, value: f64, weight: f64) {
        // A batch without weight took no part; its value may be anything.
        if weight != 0.0 {
            self.sum += value * weight;
            self.weight += weight;
        }
    }

    /// `None` while nothing took part.
    pub fn value(&self) -> Option<f64> {
        (self.weight != 0.0).then(|| self.sum / self.weight)
    }
}

/// The metrics of one phase, in the order in which the program reports them.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Metrics {
    entries: Vec<(String, Mean)>,
}

impl Metrics {
    pub fn add(&mut self, name: &str, value: f64, weight: f64) {
        match self.entries.iter_mut().find(|(n, _)| n == name) {
            Some((_, mean)) => mean.add(value, weight),
            None => {
                let mut mean = Mean::default();
                mean.add(value, weight);
                self.entries.push((name.into(), mean));
            }
        }
    }

    pub fn get(&self, name: &str) -> Option<f64> {
        self.entries.iter().find(|(n, _)| n == name).and_then(|(_, m)| m.value())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.entries.iter().filter_map(|(n, m)| m.value().map(|v| (n.as_str(), v)))
    }

    /// Name, Σ weight·value and Σ weight of each metric, for a checkpoint.
    pub fn sums(&self) -> Vec<(String, f64, f64)> {
        self.entries.iter().map(|(n, m)| (n.clone(), m.sum, m.weight)).collect()
    }

    /// Puts back what [`Self::sums`] gave.
    pub fn restore(&mut self, name: &str, sum: f64, weight: f64) {
        self.entries.push((name.into(), Mean { sum, weight }));
    }

    /// `loss 0.0413, accuracy 0.9871`
    pub fn line(&self) -> String {
        self.iter().map(|(n, v)| format!("{n} {}", number(v))).collect::<Vec<_>>().join(", ")
    }

    pub fn json(&self) -> serde_json::Map<String, serde_json::Value> {
        self.iter().map(|(n, v)| (n.to_string(), serde_json::json!(v))).collect()
    }
}

/// Four decimals, or scientific where those would hide the value.
pub fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 || value.abs() >= 1e6 {
        format!("{value:.3e}")
    } else {
        format!("{value:.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_weighted_by_rows() {
        // cases.md 28, tensorflow#38596
        let mut m = Metrics::default();
        m.add("loss", 10.0, 2.0);
        m.add("loss", 9.0, 1.0);
        assert!((m.get("loss").unwrap() - 29.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_took_part() {
        let mut m = Metrics::default();
        m.add("loss", f64::NAN, 0.0);
        assert_eq!(m.get("loss"), None);
    }
}

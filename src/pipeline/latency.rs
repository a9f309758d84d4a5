//! A histogram of milliseconds, exact below 32 and to about 3 % above.

/// Sub-buckets per power of two.
const STEPS: usize = 32;
/// Powers of two above the exact range; the last bucket holds everything beyond 12 days.
const POWERS: usize = 26;

/// Counts by latency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyHistogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self { counts: vec![0; STEPS * POWERS], total: 0 }
    }
}

fn bucket(latency_ms: u64) -> usize {
    let steps = STEPS as u64;
    if latency_ms < steps {
        return latency_ms as usize;
    }
    let power = (latency_ms / steps).ilog2() as usize;
    let within = (latency_ms >> power) as usize - STEPS;
    ((power + 1) * STEPS + within).min(STEPS * POWERS - 1)
}

fn lower_bound(bucket: usize) -> u64 {
    match (bucket / STEPS, bucket % STEPS) {
        (0, within) => within as u64,
        (power, within) => ((STEPS + within) as u64) << (power - 1),
    }
}

impl LatencyHistogram {
    /// Adds `count` changes of one latency; a clock that went backwards counts as 0.
    pub fn add(&mut self, latency_ms: i64, count: u64) {
        self.counts[bucket(u64::try_from(latency_ms).unwrap_or(0))] += count;
        self.total += count;
    }

    /// Number of changes.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latency that a share (0 to 1) of the changes does not exceed, in ms; `None` if empty.
    pub fn quantile_ms(&self, share: f64) -> Option<u64> {
        if self.total == 0 {
            return None;
        }
        let wanted = (self.total as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        self.counts
            .iter()
            .position(|count| {
                seen += count;
                seen >= wanted
            })
            .map(lower_bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_the_range_in_order() {
        for latency_ms in [0, 1, 31, 32, 33, 63, 64, 100, 1_000, 60_000, 86_400_000] {
            let low = lower_bound(bucket(latency_ms));
            assert!(
                low <= latency_ms && latency_ms - low <= latency_ms / 32,
                "{latency_ms}: {low}"
            );
        }
        assert_eq!(bucket(u64::MAX), STEPS * POWERS - 1);
    }

    #[test]
    fn quantiles() {
        let mut histogram = LatencyHistogram::default();
        assert_eq!(histogram.quantile_ms(0.5), None);
        histogram.add(-5, 1);
        histogram.add(10, 98);
        histogram.add(20, 1);
        assert_eq!(histogram.quantile_ms(0.0), Some(0));
        assert_eq!(histogram.quantile_ms(0.5), Some(10));
        assert_eq!(histogram.quantile_ms(1.0), Some(20));
        assert_eq!(histogram.total(), 100);
    }
}

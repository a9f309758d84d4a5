//! A histogram of milliseconds, exact below 32 and to about 3 % above.

/// Sub-buckets per power of two.
const STEPS: u64 = 32;
/// Powers of two above the exact range; the last bucket holds everything beyond 12 days.
const POWERS: u64 = 26;

/// Counts by latency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyHistogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self { counts: (0..STEPS * POWERS).map(|_| 0).collect(), total: 0 }
    }
}

fn bucket(latency_ms: u64) -> usize {
    let bucket = if latency_ms < STEPS {
        latency_ms
    } else {
        let power = u64::from((latency_ms / STEPS).ilog2());
        (power + 1) * STEPS + (latency_ms >> power) - STEPS
    };
    usize::try_from(bucket.min(STEPS * POWERS - 1)).unwrap_or(0)
}

fn lower_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    match (bucket / STEPS, bucket % STEPS) {
        (0, within) => within,
        (power, within) => (STEPS + within) << (power - 1),
    }
}

impl LatencyHistogram {
    /// Adds `count` changes of one latency; a clock that went backwards counts as 0.
    pub fn add(&mut self, latency_ms: i64, count: u64) {
        self.counts[bucket(u64::try_from(latency_ms).unwrap_or(0))] += count;
        self.total += count;
    }

    /// What was added since `earlier`, an older copy of this histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = self.counts.iter().zip(&earlier.counts);
        Self {
            counts: counts.map(|(now, then)| now.saturating_sub(*then)).collect(),
            total: self.total.saturating_sub(earlier.total),
        }
    }

    /// Number of changes.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latency that so many percent of the changes do not exceed, in ms; `None` if empty.
    pub fn percentile_ms(&self, percent: u8) -> Option<u64> {
        if self.total == 0 {
            return None;
        }
        let share = u128::from(self.total) * u128::from(percent.min(100));
        let wanted = u64::try_from(share.div_ceil(100)).unwrap_or(u64::MAX).max(1);
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
        assert_eq!(bucket(u64::MAX) as u64, STEPS * POWERS - 1);
    }

    #[test]
    fn quantiles() {
        let mut histogram = LatencyHistogram::default();
        assert_eq!(histogram.percentile_ms(50), None);
        histogram.add(-5, 1);
        histogram.add(10, 98);
        histogram.add(20, 1);
        assert_eq!(histogram.percentile_ms(0), Some(0));
        assert_eq!(histogram.percentile_ms(50), Some(10));
        assert_eq!(histogram.percentile_ms(100), Some(20));
        assert_eq!(histogram.total(), 100);
    }

    #[test]
    fn what_came_since_a_copy_was_made() {
        let mut histogram = LatencyHistogram::default();
        histogram.add(5_000, 10);
        let earlier = histogram.clone();
        histogram.add(7, 3);
        let since = histogram.since(&earlier);
        assert_eq!((since.total(), since.percentile_ms(99)), (3, Some(7)));
        assert_eq!(histogram.since(&histogram).percentile_ms(50), None);
    }
}

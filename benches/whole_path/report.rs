//! What the bench prints, and `target/bench.json`.

use serde_json::{Map, Value, json};

/// All rounds of one case.
#[derive(Default)]
pub struct Measured {
    pub case: String,
    /// Changes per second of keepstep at its default connections.
    pub rates: Vec<f64>,
    /// The bare program on one connection, and keepstep on one, round by round.
    pub limit: Vec<f64>,
    pub one: Vec<f64>,
    /// The bare program's best of its connections, round by round.
    pub best: Vec<f64>,
    pub cpu_us: Vec<f64>,
    pub database_cpu_s: Vec<f64>,
    pub rss_mb: Vec<f64>,
    /// The server, where it is one from outside.
    pub engine: Option<String>,
    /// Only for the case `latency`.
    pub latency_ms: Option<(u64, u64)>,
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
}

fn rounded(value: f64) -> Value {
    if value.is_finite() { json!((value * 1_000.0).round() / 1_000.0) } else { Value::Null }
}

impl Measured {
    pub fn new(case: &str) -> Self {
        Self { case: case.to_owned(), ..Self::default() }
    }

    fn json(&self) -> Value {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("case", json!(self.case));
        let least = self.rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.rates.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        put("rate_median", rounded(median(&self.rates)));
        put("rate_min", rounded(least));
        put("rate_max", rounded(most));
        put("limit_median", rounded(median(&self.limit)));
        put("ratio_median", rounded(median(&ratios(&self.one, &self.limit))));
        put("ratio_best", rounded(median(&ratios(&self.rates, &self.best))));
        put("cpu_us_per_change", rounded(median(&self.cpu_us)));
        put("database_cpu_s", rounded(median(&self.database_cpu_s)));
        put("peak_rss_mb", rounded(self.rss_mb.iter().copied().fold(0.0, f64::max)));
        if let Some(engine) = &self.engine {
            put("engine", json!(engine));
        }
        if let Some((p50_ms, p99_ms)) = self.latency_ms {
            put("p50_ms", json!(p50_ms));
            put("p99_ms", json!(p99_ms));
        }
        Value::Object(object)
    }
}

/// What a case must come to.
#[derive(Clone, Copy)]
pub enum Aim {
    /// The run beside it is at most so many times as fast.
    TimesAtMost(f64),
    /// At least this share of the rate of the run beside it.
    ShareAtLeast(f64),
    /// So many seconds at most, with nothing beside it.
    SecondsAtMost(f64),
}

/// All rounds of a case that has a target.
pub struct Aimed {
    case: String,
    aim: Aim,
    /// Changes per second, or seconds.
    pub ours: Vec<f64>,
    /// Changes per second of the run beside it, round by round.
    pub beside: Vec<f64>,
}

impl Aimed {
    pub fn new(case: &str, aim: Aim) -> Self {
        Self { case: case.to_owned(), aim, ours: Vec::new(), beside: Vec::new() }
    }

    /// What it came to, and whether that is what it must be.
    fn value(&self) -> (f64, bool) {
        match self.aim {
            Aim::TimesAtMost(most) => {
                let times = median(&ratios(&self.beside, &self.ours));
                (times, times <= most)
            }
            Aim::ShareAtLeast(least) => {
                let share = median(&ratios(&self.ours, &self.beside));
                (share, share >= least)
            }
            Aim::SecondsAtMost(most) => (median(&self.ours), median(&self.ours) <= most),
        }
    }

    fn target(&self) -> String {
        match self.aim {
            Aim::TimesAtMost(most) => format!("<= {most} times the time"),
            Aim::ShareAtLeast(least) => format!(">= {least} of the rate"),
            Aim::SecondsAtMost(most) => format!("<= {most} s"),
        }
    }

    fn print(&self) {
        let (value, met) = self.value();
        let rate = |rates: &[f64]| match self.aim {
            Aim::SecondsAtMost(_) => "-".to_owned(),
            _ => format!("{:.0}", median(rates)),
        };
        println!(
            "{:<30} {:>10} {:>10} {value:>7.2}  {}: {}",
            self.case,
            rate(&self.ours),
            rate(&self.beside),
            self.target(),
            if met { "met" } else { "MISSED" }
        );
    }

    fn json(&self) -> Value {
        let (value, met) = self.value();
        json!({
            "case": self.case,
            "median": rounded(median(&self.ours)),
            "beside_median": rounded(median(&self.beside)),
            "value": rounded(value),
            "target": self.target(),
            "met": met,
        })
    }
}

/// Prints the tables and writes the file.
pub fn report(cases: &[Measured], aimed: &[Aimed]) {
    if !cases.is_empty() {
        print(cases);
    }
    if !aimed.is_empty() {
        println!("\n{:<30} {:>10} {:>10} {:>7}  target", "case", "changes/s", "beside/s", "value");
        aimed.iter().for_each(Aimed::print);
    }
    let list = cases.iter().map(Measured::json).chain(aimed.iter().map(Aimed::json)).collect();
    let text = serde_json::to_string_pretty(&Value::Array(list)).expect("plain values");
    std::fs::write("target/bench.json", text + "\n").expect("target/bench.json can be written");
}

fn print(cases: &[Measured]) {
    println!(
        "\n{:<30} {:>10} {:>10} {:>7} {:>7} {:>9} {:>9} {:>7}",
        "case", "changes/s", "limit/s", "ratio", "best", "µs CPU", "db CPU s", "MB"
    );
    for case in cases {
        if let Some((p50_ms, p99_ms)) = case.latency_ms {
            println!("{:<30} p50 {p50_ms} ms, p99 {p99_ms} ms from append to commit", case.case);
            continue;
        }
        println!(
            "{:<30} {:>10.0} {:>10.0} {:>7.2} {:>7.2} {:>9.2} {:>9.2} {:>7.0}",
            case.case,
            median(&case.rates),
            median(&case.limit),
            median(&ratios(&case.one, &case.limit)),
            median(&ratios(&case.rates, &case.best)),
            median(&case.cpu_us),
            median(&case.database_cpu_s),
            case.rss_mb.iter().copied().fold(0.0, f64::max),
        );
    }
    for (case, engine) in cases.iter().filter_map(|it| Some((&it.case, it.engine.as_ref()?))) {
        println!("{case}: {engine}");
    }
    println!(
        "\nratio: keepstep on one connection to the bare program on one, median of the rounds.\n\
         best: keepstep at its defaults to the bare program's best of 1, 2 and 4 connections; with \
         SQL Server of 1 and 4."
    );
}

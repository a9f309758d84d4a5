//! Shows how far the demo is: bars on a terminal, a plain line every second elsewhere.
//!
//! Only looks; nothing waits for it.

use std::collections::VecDeque;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::production::{Produced, settled};
use crate::app::shutdown::Stop;
use crate::pipeline::status::{LaneState, StatusBoard};

/// Time over which a rate is measured.
const RATE_PERIOD: Duration = Duration::from_secs(2);
/// How often bars are drawn.
const BAR_PERIOD: Duration = Duration::from_millis(100);
/// How often a plain line is written.
const LINE_PERIOD: Duration = Duration::from_secs(1);

/// What is watched.
pub(super) struct Progress {
    pub(super) produced: Arc<Produced>,
    pub(super) board: Arc<StatusBoard>,
    /// Changes in all.
    pub(super) changes: u64,
    /// Whether a stop was asked for.
    pub(super) stop: Stop,
}

/// One look.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    produced: u64,
    produced_per_second: u64,
    written: u64,
    written_per_second: u64,
    /// Why nothing goes on, if so.
    trouble: Option<String>,
}

impl Look {
    fn lag(&self) -> u64 {
        self.produced.saturating_sub(self.written)
    }
}

impl Progress {
    /// Shows progress until dropped.
    pub(super) async fn show(self) {
        let bars = std::io::stderr().is_terminal().then(|| Bars::new(self.changes, self.stop));
        let mut produced_rate = Rate::default();
        let mut written_rate = Rate::default();
        let mut ticks = interval(if bars.is_some() { BAR_PERIOD } else { LINE_PERIOD });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let begun = Instant::now();
        // The first tick comes at once, when there is nothing to see but where it starts from.
        loop {
            ticks.tick().await;
            // Markers are records, too: a few more than there are changes.
            let produced = self.produced.get().min(self.changes);
            let written = settled(&self.board).min(produced);
            let now = Instant::now();
            let look = Look {
                produced,
                produced_per_second: produced_rate.add(now, produced),
                written,
                written_per_second: written_rate.add(now, written),
                trouble: trouble(&self.board),
            };
            match &bars {
                Some(bars) => bars.draw(&look),
                None if now > begun + LINE_PERIOD / 2 => {
                    say(&line(now.duration_since(begun), &look, self.changes));
                }
                None => {}
            }
        }
    }
}

/// Why a lane stands still, if one does.
fn trouble(board: &StatusBoard) -> Option<String> {
    board.lanes().into_values().find_map(|lane| match lane.state {
        LaneState::Waiting(why) | LaneState::Stopped(why) => Some(why),
        LaneState::Taking | LaneState::Running => None,
    })
}

fn line(since: Duration, look: &Look, changes: u64) -> String {
    let mut line = format!(
        "{:>4} s  produced {} of {} ({}/s)  written {} ({}/s)  lag {}",
        since.as_secs(),
        HumanCount(look.produced),
        HumanCount(changes),
        HumanCount(look.produced_per_second),
        HumanCount(look.written),
        HumanCount(look.written_per_second),
        HumanCount(look.lag()),
    );
    if let Some(trouble) = &look.trouble {
        line.push_str("  waiting: ");
        line.push_str(trouble);
    }
    line
}

/// Writes a line for people to standard error.
#[expect(clippy::print_stderr, reason = "progress of a command belongs there")]
fn say(line: &str) {
    eprintln!("{line}");
}

/// Something that takes some seconds; only a terminal shows it. Gone when dropped.
pub(super) struct Waiting(ProgressBar);

impl Waiting {
    /// Says what takes so long.
    pub(super) fn during(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        bar.enable_steady_tick(BAR_PERIOD);
        Self(bar)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Two bars and a line below them.
struct Bars {
    all: MultiProgress,
    produced: ProgressBar,
    written: ProgressBar,
    below: ProgressBar,
    stop: Stop,
}

impl Bars {
    fn new(changes: u64, stop: Stop) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let bar = |name: &'static str, colour: &str| {
            let template = format!(
                "  {{prefix:<9}} {{bar:40.{colour}/black.bright}} {{human_pos:>9}} / {{human_len}}  {{msg}}"
            );
            // The template is ours; if it were wrong, the default one counts as well.
            let style = ProgressStyle::with_template(&template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("━╸─");
            all.add(ProgressBar::new(changes).with_style(style).with_prefix(name))
        };
        let (produced, written) = (bar("produced", "blue"), bar("written", "green"));
        let style = ProgressStyle::with_template("  {msg}");
        let below = all.add(ProgressBar::new(0));
        if let Ok(style) = style {
            below.set_style(style);
        }
        Self { all, produced, written, below, stop }
    }

    fn draw(&self, look: &Look) {
        self.produced.set_position(look.produced);
        self.produced.set_message(per_second(look.produced_per_second));
        self.written.set_position(look.written);
        self.written.set_message(per_second(look.written_per_second));
        let mut below = format!("lag       {}", HumanCount(look.lag()));
        if let Some(trouble) = &look.trouble {
            below.push_str("  waiting: ");
            below.push_str(trouble);
        }
        self.below.set_message(below);
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if self.stop.is_asked() {
            // The terminal has written ^C below: drawing again would miss the place.
            self.all.set_draw_target(ProgressDrawTarget::hidden());
        }
        self.below.finish_and_clear();
        self.produced.abandon();
        self.written.abandon();
        // The bars leave the cursor at the end of their last line.
        say("");
    }
}

fn per_second(rate: u64) -> String {
    format!("{:>7}/s", HumanCount(rate).to_string())
}

/// A rate over the last moments.
#[derive(Debug, Default)]
struct Rate {
    counts: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Adds a count and gives the rate per second.
    fn add(&mut self, now: Instant, count: u64) -> u64 {
        self.counts.push_back((now, count));
        while self.counts.len() > 2
            && self.counts.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= RATE_PERIOD)
        {
            self.counts.pop_front();
        }
        let Some((first_at, first)) = self.counts.front() else {
            return 0;
        };
        let ms = now.duration_since(*first_at).as_millis().max(1);
        let per_second = u128::from(count.saturating_sub(*first)) * 1_000 / ms;
        u64::try_from(per_second).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_looks_at_the_last_moments_only() {
        let mut rate = Rate::default();
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        assert_eq!(rate.add(at(0), 100), 0);
        assert_eq!(rate.add(at(1_000), 1_100), 1_000);
        for tick in 2..=10 {
            rate.add(at(tick * 1_000), 1_100);
        }
        assert_eq!(rate.add(at(11_000), 1_100), 0);
        assert_eq!(rate.add(at(13_000), 5_100), 2_000);
        assert!(rate.counts.len() <= 4, "{}", rate.counts.len());
    }

    #[test]
    fn a_line_says_everything() {
        let look = Look {
            produced: 143_000,
            produced_per_second: 52_310,
            written: 80_120,
            written_per_second: 9_800,
            trouble: None,
        };
        assert_eq!(
            line(Duration::from_secs(12), &look, 200_000),
            "  12 s  produced 143,000 of 200,000 (52,310/s)  written 80,120 (9,800/s)  lag 62,880"
        );
    }
}

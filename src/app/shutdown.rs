//! Stopping: the first signal asks, the second one ends at once, and a deadline ends what hangs.
//!
//! Promises: whoever holds a [`Stop`] learns of it once and for all; a process that was asked to
//! stop is gone after the deadline at the latest. Nothing is lost by ending at once: a batch that
//! was not committed is read again (promise G2).

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Exit code of a process that was ended before it could stop: a second signal, or the deadline.
pub const EXIT_ENDED: u8 = 130;

/// Learns that the process is to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop {
    asked: watch::Receiver<bool>,
}

/// Asks everyone who holds the [`Stop`] to stop; so does dropping it.
#[derive(Debug)]
pub struct Stopper {
    asked: watch::Sender<bool>,
}

/// A stopper and what it stops.
pub fn stop_pair() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper { asked: sender }, Stop { asked: receiver })
}

impl Stopper {
    /// Asks to stop. Again and again is the same as once.
    pub fn stop(&self) {
        self.asked.send_replace(true);
    }
}

impl Stop {
    /// Whether it was asked.
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow() || self.asked.has_changed().is_err()
    }

    /// The same for those who watch a plain flag.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.asked.clone()
    }

    /// Waits until it is asked. Safe to drop and to call again.
    pub async fn asked(&mut self) {
        // An error means that the stopper is gone, which asks as well.
        let _ = self.asked.wait_for(|asked| *asked).await;
    }
}

/// The signals that ask a process to stop.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens to SIGTERM and SIGINT from now on; they no longer end the process by themselves.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal and gives its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// How work ended that could be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<T> {
    /// By itself, or because it was asked to.
    Done(T),
    /// It was cut off by a second signal.
    SecondSignal,
    /// It was asked to stop and had not by the deadline.
    Deadline,
}

/// Runs `work` until it ends. The first signal asks it to stop; then it has until `deadline`.
pub async fn run_until_stopped<T>(
    mut signals: Signals,
    stopper: &Stopper,
    deadline: Duration,
    work: impl Future<Output = T>,
) -> Ending<T> {
    tokio::pin!(work);
    tokio::select! {
        result = &mut work => return Ending::Done(result),
        name = signals.next() => {
            tracing::info!(signal = name, deadline_s = deadline.as_secs(), "stopping");
        }
    }
    stopper.stop();
    end_by(deadline, signals.next(), work).await
}

/// Waits for work that was asked to stop.
async fn end_by<T>(
    deadline: Duration,
    second_signal: impl Future<Output = &'static str>,
    work: impl Future<Output = T>,
) -> Ending<T> {
    tokio::select! {
        result = work => Ending::Done(result),
        _ = second_signal => Ending::SecondSignal,
        () = tokio::time::sleep(deadline) => Ending::Deadline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_learns_of_a_stop_once_and_for_all() {
        let (stopper, mut stop) = stop_pair();
        let mut other = stop.clone();
        assert!(!stop.is_asked());
        stopper.stop();
        stop.asked().await;
        stop.asked().await;
        other.asked().await;
        assert!(other.is_asked());
    }

    #[tokio::test]
    async fn a_stopper_that_is_gone_has_asked() {
        let (stopper, mut stop) = stop_pair();
        drop(stopper);
        stop.asked().await;
        assert!(stop.is_asked());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_hangs_is_cut_off() {
        let deadline = Duration::from_secs(5);
        let never = std::future::pending::<&'static str>;
        let hung = std::future::pending::<()>;
        assert_eq!(end_by(deadline, never(), hung()).await, Ending::Deadline);
        assert_eq!(end_by(deadline, async { "SIGINT" }, hung()).await, Ending::SecondSignal);
        let slow = tokio::time::timeout(Duration::from_secs(4), hung());
        assert!(matches!(end_by(deadline, never(), slow).await, Ending::Done(Err(_))));
    }
}

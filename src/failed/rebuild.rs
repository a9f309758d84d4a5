//! Makes the list equal to what the destination holds.
//!
//! Goes through the held changes of every lane page by page, while lanes and compactor work on:
//! what they add meanwhile has a later revision and stays. Memory is one page.

use std::sync::Arc;

use super::ListError;
use super::change::KnownChange;
use super::store::Store;
use crate::destination::{Destination, DestinationError, WhichHeld};
use crate::model::checkpoint::LaneId;
use crate::model::dead_letter::DeadLetter;
use crate::model::profile::ProfileId;

/// Held changes that are asked for at once.
const PAGE: usize = 1_000;

/// What a rebuild did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Held changes of the destination that are open.
    pub open: u64,
    /// Changes that the list had open and the destination holds no more.
    pub closed: u64,
}

/// Why a rebuild failed; the list is as before, with some changes added that the destination holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// The list cannot be written.
    #[error(transparent)]
    List(#[from] ListError),
    /// The destination does not answer.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// A thread of this program failed.
    #[error("rebuilding the list failed by a fault of this program; please report it")]
    Fault,
}

/// Rebuilds a profile's part of the list. `lanes` are all its lanes; an entry of another one is
/// closed. `now_us` is the time, µs since 1970.
///
/// # Errors
/// [`RebuildError`].
pub async fn rebuild(
    store: Store,
    destination: &Arc<dyn Destination>,
    profile: &ProfileId,
    lanes: &[LaneId],
    now_us: i64,
) -> Result<Rebuilt, RebuildError> {
    let about = profile.clone();
    let (mut store, rebuild) = blocking(move || {
        let mut store = store;
        let rebuild = store.begin_rebuild(&about)?;
        Ok((store, rebuild))
    })
    .await?;
    let mut rebuilt = Rebuilt::default();
    for lane in lanes {
        let mut after = None;
        loop {
            let page = destination.held(lane, WhichHeld::All, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else {
                break;
            };
            after = Some(last.key.clone());
            let open = page.iter().filter(|held| held.open).count();
            rebuilt.open = rebuilt.open.saturating_add(u64::try_from(open).unwrap_or(u64::MAX));
            let changes: Vec<KnownChange> = page
                .iter()
                .map(|held| KnownChange::of(&DeadLetter::of(lane, held, None), None))
                .collect();
            let ours = rebuild.clone();
            store = blocking(move || {
                let mut store = store;
                store.confirm(&ours, changes)?;
                Ok(store)
            })
            .await?;
        }
    }
    let closed = blocking(move || {
        let mut store = store;
        store.finish_rebuild(&rebuild, now_us)
    })
    .await?;
    rebuilt.closed = u64::try_from(closed).unwrap_or(u64::MAX);
    Ok(rebuilt)
}

/// Does something with the list's file, in a thread for it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ListError> + Send + 'static,
) -> Result<T, RebuildError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(RebuildError::Fault),
    }
}

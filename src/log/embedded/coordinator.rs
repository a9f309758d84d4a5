//! The coordinator of all consumer groups of this process.
//!
//! It puts time and waiting around [`Group`]: it gives members their ids, wakes them when there is
//! something to tell, and waits for the answer to a revocation for at most the session time-out. It
//! never keeps a partition from its next owner for longer than that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::board::Board;
use super::group::{Awaited, Group, Told};
use crate::model::position::{NextOffset, Topic, TopicPartition};

/// A group, and the bell that its members wait for.
struct Entry {
    group: Group,
    changed: Arc<Notify>,
    runtime: Handle,
}

#[derive(Default)]
struct State {
    groups: BTreeMap<String, Entry>,
    /// Members that ever joined, for their ids.
    joined: u64,
    /// One task per answer that is waited for.
    waits: JoinSet<()>,
}

/// See the module.
pub(super) struct Coordinator {
    state: Mutex<State>,
    board: Arc<Board>,
    session_timeout: Duration,
}

impl Coordinator {
    pub(super) fn new(board: Arc<Board>, session_timeout: Duration) -> Self {
        Self { state: Mutex::default(), board, session_timeout }
    }

    /// Lets a member join; answers its id and the bell of its group. Must be called on a runtime.
    pub(super) fn join(
        self: &Arc<Self>,
        group: &str,
        client_id: &str,
        topics: &[Topic],
    ) -> (String, Arc<Notify>) {
        let mut state = self.lock();
        state.joined += 1;
        let id = format!("{client_id}-{:06}", state.joined);
        let entry = state.groups.entry(group.to_owned()).or_insert_with(|| Entry {
            group: Group::default(),
            changed: Arc::default(),
            runtime: Handle::current(),
        });
        entry.runtime = Handle::current();
        let changed = Arc::clone(&entry.changed);
        entry.group.topics_are(&self.board.topics());
        entry.group.join(id.clone(), topics.iter().cloned().collect::<BTreeSet<_>>());
        self.after_change(&mut state, group);
        (id, changed)
    }

    /// What a member is told next, if there is anything.
    pub(super) fn next_told(self: &Arc<Self>, group: &str, id: &str) -> Option<Told> {
        let mut state = self.lock();
        let Some(entry) = state.groups.get_mut(group) else { return Some(Told::Left) };
        let news = entry.group.topics_are(&self.board.topics());
        let told = entry.group.next_told(id);
        if news || told.is_some() {
            self.after_change(&mut state, group);
        }
        told
    }

    /// Does something to a group that may concern all its members.
    pub(super) fn change<R>(
        self: &Arc<Self>,
        group: &str,
        act: impl FnOnce(&mut Group) -> R,
    ) -> Option<R> {
        let mut state = self.lock();
        let answer = act(&mut state.groups.get_mut(group)?.group);
        self.after_change(&mut state, group);
        Some(answer)
    }

    /// Ids of those whom the group counts as members, sorted.
    pub(super) fn members(&self, group: &str) -> Vec<String> {
        let state = self.lock();
        state.groups.get(group).map(|entry| entry.group.members()).unwrap_or_default()
    }

    /// Those of `offsets` that lie in partitions of this member.
    pub(super) fn owned(
        &self,
        group: &str,
        id: &str,
        offsets: &[(TopicPartition, NextOffset)],
    ) -> Vec<(TopicPartition, NextOffset)> {
        let state = self.lock();
        let Some(entry) = state.groups.get(group) else { return Vec::new() };
        offsets.iter().filter(|(it, _)| entry.group.owns(id, it)).cloned().collect()
    }

    /// Sends every feed of a partition back to `to`, in all groups.
    pub(super) fn jump_back(&self, topic_partition: &TopicPartition, to: NextOffset) {
        for entry in self.lock().groups.values() {
            entry.group.tenures(topic_partition).for_each(|tenure| tenure.jump_back(to));
        }
    }

    /// Wakes the members, waits for new answers, forgets a group that nobody is in.
    fn after_change(self: &Arc<Self>, state: &mut State, group: &str) {
        let Some(entry) = state.groups.get_mut(group) else { return };
        while state.waits.try_join_next().is_some() {}
        for awaited in entry.group.take_awaited() {
            let wait = wait(Arc::downgrade(self), group.to_owned(), awaited, self.session_timeout);
            state.waits.spawn_on(wait, &entry.runtime);
        }
        entry.changed.notify_waiters();
        if entry.group.is_empty() {
            state.groups.remove(group);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for one answer; a sender that was dropped is an answer too.
async fn wait(coordinator: Weak<Coordinator>, group: String, awaited: Awaited, longest: Duration) {
    let answered = tokio::time::timeout(longest, awaited.answer).await.is_ok();
    if let Some(coordinator) = coordinator.upgrade() {
        coordinator
            .change(&group, |it| it.finish_revoke(&awaited.member, awaited.revoke, answered));
    }
}

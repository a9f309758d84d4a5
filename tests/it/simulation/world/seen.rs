//! What happened in one or many worlds: a simulation in which nothing goes wrong proves nothing.

/// What happened in one or many worlds.
#[derive(Clone, Debug, Default)]
pub(in crate::simulation) struct Seen {
    pub(super) commits: u64,
    pub(super) fenced: u64,
    pub(super) unclear: u64,
    pub(super) late: u64,
    pub(super) refused: u64,
    pub(super) kills: u64,
    pub(super) zombies: u64,
    pub(super) leaves: u64,
    pub(super) fallbacks: u64,
    pub(super) redeliveries: u64,
    pub(super) added_entities: u64,
    pub(super) dead_letters: u64,
    pub(super) replays: u64,
    pub(super) stops: u64,
}

impl Seen {
    pub(in crate::simulation) fn add(&mut self, other: &Self) {
        self.commits += other.commits;
        self.fenced += other.fenced;
        self.unclear += other.unclear;
        self.late += other.late;
        self.refused += other.refused;
        self.kills += other.kills;
        self.zombies += other.zombies;
        self.leaves += other.leaves;
        self.fallbacks += other.fallbacks;
        self.redeliveries += other.redeliveries;
        self.added_entities += other.added_entities;
        self.dead_letters += other.dead_letters;
        self.replays += other.replays;
        self.stops += other.stops;
    }

    pub(in crate::simulation) fn everything_happened(&self) -> bool {
        [
            self.commits,
            self.fenced,
            self.unclear,
            self.late,
            self.refused,
            self.kills,
            self.zombies,
            self.leaves,
            self.fallbacks,
            self.redeliveries,
            self.added_entities,
            self.dead_letters,
            self.replays,
            self.stops,
        ]
        .iter()
        .all(|count| *count > 0)
    }
}

//! The faults, one at a time, each as long as it needs to be one; and how often each was done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keepstep::model::position::Topic;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;

use super::database::RENAMED_IN;
use super::scene::{FAILED_TOPIC, MEMBERS, SESSION, Scene};
use crate::scene::servers::Server;

/// Largest record that a topic takes unless it is told otherwise, in bytes.
const USUAL_LIMIT: u32 = 1_048_588;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// A member dies in the middle of whatever it does.
    Kill,
    /// A member stands still for longer than its session, and wakes up as a zombie.
    Freeze,
    /// The broker dies and is away for a while.
    BrokerAway,
    /// The database dies and is away for a while.
    DatabaseAway,
    /// Connections end half-way through what they carry.
    Cut,
    /// Connections hold up half-way through what they carry.
    Stall,
    /// Somebody renames a column, and renames it back once it was noticed.
    Rename,
    /// The dead-letter topic takes nothing for a while.
    NoDeadLetters,
}

impl Fault {
    /// A round: what takes no time comes more often.
    const ROUND: [Self; 11] = [
        Self::Kill,
        Self::Kill,
        Self::Kill,
        Self::Freeze,
        Self::BrokerAway,
        Self::DatabaseAway,
        Self::Cut,
        Self::Cut,
        Self::Stall,
        Self::Rename,
        Self::NoDeadLetters,
    ];
}

/// How often what was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) kills: u64,
    pub(super) freezes: u64,
    pub(super) outages: u64,
}

/// Makes faults, a round of all kinds in random order after the other.
pub(super) struct Faults {
    rng: SmallRng,
    left: Vec<Fault>,
    rounds: u64,
    pub(super) done: Done,
}

impl Faults {
    pub(super) fn new(rng: SmallRng) -> Self {
        Self { rng, left: Vec::new(), rounds: 0, done: Done::default() }
    }

    /// Whether every kind was there.
    pub(super) fn were_all(&self) -> bool {
        self.rounds > 1 || (self.rounds == 1 && self.left.is_empty())
    }

    /// One fault, from its beginning to its end. `published` says how many changes are on the log.
    #[expect(clippy::print_stdout, reason = "the story of a run, for who looks into it")]
    pub(super) async fn next(&mut self, scene: &mut Scene, published: impl Fn() -> usize) {
        if self.left.is_empty() {
            self.left = Fault::ROUND.to_vec();
            self.left.shuffle(&mut self.rng);
            self.rounds += 1;
        }
        // A round is never empty.
        let Some(fault) = self.left.pop() else { return };
        let begun = Instant::now();
        match fault {
            Fault::Kill => {
                scene.replace(self.member());
                self.done.kills += 1;
            }
            Fault::Freeze => self.freeze(scene, &published).await,
            Fault::BrokerAway => self.broker_away(scene).await,
            Fault::DatabaseAway => self.database_away(scene).await,
            Fault::Cut => self.cut(scene),
            Fault::Stall => self.stall(scene).await,
            Fault::Rename => self.rename(scene).await,
            Fault::NoDeadLetters => self.no_dead_letters(scene).await,
        }
        println!("{fault:?}, {:.1} s", begun.elapsed().as_secs_f32());
    }

    fn member(&mut self) -> usize {
        self.rng.random_range(0..MEMBERS)
    }

    /// A length of time for which something is so.
    async fn lasts(&mut self, scene: &mut Scene, from_ms: u64, to_ms: u64) {
        let ends = Instant::now() + Duration::from_millis(self.rng.random_range(from_ms..to_ms));
        scene.wait("the time of a fault", async |_| Instant::now() >= ends).await;
    }

    /// The others take over what the frozen one had, and go on; then it wakes up. Sometimes another
    /// one dies meanwhile.
    async fn freeze(&mut self, scene: &mut Scene, published: impl Fn() -> usize) {
        let frozen = self.member();
        scene.members[frozen].freeze();
        let before = published();
        let silent = Instant::now() + SESSION + Duration::from_secs(1);
        if self.rng.random_range(0..3) == 0 {
            scene.replace((frozen + 1) % MEMBERS);
            self.done.kills += 1;
        }
        let gone_on =
            async |scene: &Scene| Instant::now() > silent && scene.settled().await >= before;
        scene.wait("taking over from a frozen process", gone_on).await;
        scene.members[frozen].thaw();
        self.done.freezes += 1;
    }

    async fn broker_away(&mut self, scene: &mut Scene) {
        scene.servers.kill(Server::Broker).await;
        self.lasts(scene, 10, 3_000).await;
        scene.servers.bring_back(Server::Broker).await;
        self.done.outages += 1;
    }

    async fn database_away(&mut self, scene: &mut Scene) {
        let database = Arc::clone(&scene.database);
        database.goes_away(&scene.database_proxies).await;
        self.lasts(scene, 10, 3_000).await;
        database.comes_back(&scene.database_proxies).await;
        self.done.outages += 1;
    }

    fn cut(&mut self, scene: &Scene) {
        match self.rng.random_range(0..4) {
            0 => scene.broker_proxy.cut(),
            1 => scene.database_proxies.iter().for_each(super::proxy::Proxy::cut),
            _ => scene.database_proxies[self.member()].cut(),
        }
        self.done.outages += 1;
    }

    async fn stall(&mut self, scene: &mut Scene) {
        let which = self.rng.random_range(0..=MEMBERS);
        match scene.database_proxies.get(which) {
            Some(proxy) => proxy.stall(),
            None => scene.broker_proxy.stall(),
        }
        self.lasts(scene, 500, 5_000).await;
        // Sometimes they never hear the rest.
        let cut = self.rng.random_bool(0.5);
        let proxy = scene.database_proxies.get(which).unwrap_or(&scene.broker_proxy);
        if cut {
            proxy.cut();
        }
        proxy.flow();
        self.done.outages += 1;
    }

    /// The entity pauses and its checkpoint stands back; when the column is there again it goes on
    /// by itself, or because a person says so.
    async fn rename(&mut self, scene: &mut Scene) {
        // A process that starts now would make the missing column, which is its right.
        scene.wait_ready().await;
        scene.database.rename_away().await;
        let paused = async |scene: &Scene| {
            scene.database.paused_lanes().await.is_some_and(|lanes| lanes > 0)
        };
        scene.wait("noticing that a column is gone", paused).await;
        scene.database.rename_back().await;
        self.done.outages += 1;
        if self.rng.random_bool(0.5) {
            scene.wait_ready().await;
            scene.command(&["resume", "--entity", RENAMED_IN]).await;
        }
    }

    /// The broker takes no record for that topic: they are all too large.
    async fn no_dead_letters(&mut self, scene: &mut Scene) {
        let topic = Topic::new(FAILED_TOPIC);
        scene.servers.broker().limit(&topic, 1).await;
        self.lasts(scene, 1_000, 6_000).await;
        scene.servers.broker().limit(&topic, USUAL_LIMIT).await;
        self.done.outages += 1;
    }
}

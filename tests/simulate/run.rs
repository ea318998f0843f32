//! One seed: what its world is like, what goes wrong in it, and the last audit.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use ringmq::config::NodeOptions;
use ringmq_shards::log::SyncMethod;
use ringmq_shards::runtime::sim::{CrashKind, MachineId, World};
use ringmq_shards::runtime::sleep;

use crate::clients::{self, GROUPS, QUEUES, Shared, TOPICS};
use crate::delay;
use crate::locks;
use crate::node::{self, Node, Start};
use crate::pop;
use crate::resets;
use crate::retry;
use crate::transactions;

/// A mistake that is planted, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Plant {
    /// Some syncs report success before they have done anything.
    AckBeforeSync,
    /// Each block's write rewrites the block before it, and may tear it.
    RewriteLastBlock,
    /// Some transactions that are to be rolled back are committed.
    MistakenEnd,
    /// Consumers that pop believe acks that never arrived.
    LostAcks,
    /// Some timers ask for less than is booked.
    HastyTimers,
    /// Consumers believe to have sent back what they have not.
    LostRetries,
    /// Some resets are undone.
    UndoneResets,
    /// Some clients lock queues under another's name.
    SharedNames,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Choice {
    pub shards: Option<u16>,
    pub plant: Option<Plant>,
    pub verbose: bool,
}

/// What a seed came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub hash: u64,
    pub events: u64,
    pub crashes: u64,
    pub poisoned: u64,
    pub sent: u64,
    pub acknowledged: u64,
    pub pulled: u64,
    pub popped: u64,
    pub pop_acks: u64,
    pub commits: u64,
    pub transactions: u64,
    pub checks: u64,
    pub letters: u64,
    pub sent_back: u64,
    pub resets: u64,
    pub locks: u64,
    pub virtual_time: Duration,
}

/// A start, recovery included, takes no longer.
const START_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(15);

pub fn run(seed: u64, choice: Choice) -> Outcome {
    let world = World::new(seed);
    world.set_limit(Duration::from_secs(600));
    let machine = world.machine("broker");
    let shards = choice.shards.unwrap_or([1, 2, 4][(world.random() % 3) as usize]);
    let segment_bytes = [1 << 20, 2 << 20, 16 << 20][(world.random() % 3) as usize];
    let pipeline_depth = 1 + (world.random() % 4) as usize;
    let sync = [SyncMethod::WriteThenSync, SyncMethod::Dsync][(world.random() % 2) as usize];
    let options = node::options(world.address(machine), shards, segment_bytes, pipeline_depth, sync);
    if world.random().is_multiple_of(4) {
        world.disk_sector(machine, 4096);
    }
    world.disk_faults(machine, |faults| match choice.plant {
        Some(Plant::AckBeforeSync) => faults.early_sync = 200_000,
        Some(Plant::RewriteLastBlock) => faults.rewrites_block_before = true,
        _ => {}
    });
    let address = SocketAddr::new(world.address(machine), node::PORT);
    let largest = [400, 4_000, 60_000][(world.random() % 3) as usize];
    let shared = Shared::new(address, largest);
    shared.deals.borrow_mut().mistaken = choice.plant == Some(Plant::MistakenEnd);
    shared.letters.borrow_mut().hasty = choice.plant == Some(Plant::HastyTimers);
    shared.tries.borrow_mut().lost = choice.plant == Some(Plant::LostRetries);
    shared.rewinds.borrow_mut().undone = choice.plant == Some(Plant::UndoneResets);
    if choice.plant == Some(Plant::SharedNames) {
        shared.leases.borrow_mut().plant();
    }
    let mut story = Story {
        world: &world,
        machine,
        options,
        shared: shared.clone(),
        node: None,
        choice,
        outcome: Outcome::default(),
        eio: false,
    };
    story.say(&format!("{shards} shards, segments of {segment_bytes}, depth {pipeline_depth}, {sync:?}, bodies to {largest}"));
    world.run(story.tell());
    let mut outcome = story.outcome;
    let ledger = shared.ledger.borrow();
    if choice.verbose {
        for ((code, remark), count) in &ledger.refusals {
            println!("  {count} answers {code}: {remark}");
        }
    }
    outcome.hash = world.trace_hash();
    outcome.events = world.trace_events();
    outcome.virtual_time = world.elapsed();
    outcome.sent = ledger.sent();
    outcome.acknowledged = ledger.acknowledged;
    outcome.pulled = ledger.pulled;
    outcome.popped = shared.pops.borrow().iter().map(|group| group.popped).sum();
    outcome.pop_acks = shared.pops.borrow().iter().map(|group| group.acked).sum();
    outcome.commits = ledger.commits_answered;
    outcome.transactions = shared.deals.borrow().committed;
    outcome.checks = shared.deals.borrow().asked;
    outcome.letters = shared.letters.borrow().delivered();
    outcome.sent_back = shared.tries.borrow().sent_back;
    outcome.resets = shared.rewinds.borrow().resets;
    outcome.locks = shared.leases.borrow().granted;
    outcome
}

struct Story<'w> {
    world: &'w World,
    machine: MachineId,
    options: NodeOptions,
    shared: Rc<Shared>,
    node: Option<Node>,
    choice: Choice,
    outcome: Outcome,
    /// Writes or syncs may fail now, or have failed in this process.
    eio: bool,
}

impl Story<'_> {
    async fn tell(&mut self) {
        self.start().await;
        self.settings().await;
        for _ in 0..1 + self.below(3) {
            clients::start(&self.shared, clients::produce(self.shared.clone()));
        }
        for (group, topic) in [(GROUPS[0], TOPICS[0]), (GROUPS[1], TOPICS[1]), (GROUPS[0], TOPICS[2])] {
            clients::start(&self.shared, clients::consume(self.shared.clone(), group, topic));
        }
        for _ in 0..1 + self.below(2) {
            clients::start(&self.shared, transactions::transact(self.shared.clone()));
        }
        clients::start(&self.shared, delay::correspond(self.shared.clone()));
        clients::start(&self.shared, retry::try_hard(self.shared.clone()));
        clients::start(&self.shared, resets::rewind(self.shared.clone()));
        clients::start(&self.shared, resets::straggle(self.shared.clone()));
        for _ in 0..3 {
            clients::start(&self.shared, locks::lock(self.shared.clone()));
        }
        let loses_acks = self.choice.plant == Some(Plant::LostAcks);
        let groups = self.shared.pops.borrow().len();
        for group in 0..groups {
            clients::start(&self.shared, pop::consume(self.shared.clone(), group, loses_acks));
        }
        for _ in 0..2 + self.below(4) {
            self.pause(400).await;
            self.something().await;
        }
        self.pause(300).await;
        self.shared.stopping.set(true);
        while self.shared.running.get() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
        self.say("audit of the running node");
        self.recover_from_eio().await;
        clients::audit(&self.shared).await;
        transactions::audit(&self.shared).await;
        delay::audit(&self.shared, false).await;
        let kind = self.kind();
        self.crash(kind);
        self.start().await;
        self.say("audit after the last restart");
        clients::audit(&self.shared).await;
        transactions::audit(&self.shared).await;
        delay::audit(&self.shared, false).await;
        self.jump(delay::LEAP_MILLIS);
        self.say("audit of what was delayed");
        delay::audit(&self.shared, true).await;
        retry::audit(&self.shared).await;
        self.jump(pop::LEAP_MILLIS);
        self.say("audit of locks");
        locks::audit(&self.shared).await;
        self.say("audit of what was popped");
        for group in 0..groups {
            let topic = self.shared.pops.borrow()[group].topic;
            let stored = self.shared.ledger.borrow().stored(topic);
            pop::audit(&self.shared, group, &stored).await;
        }
    }

    async fn settings(&self) {
        for group in [GROUPS[0], GROUPS[1], resets::GROUP] {
            let body = format!(r#"{{"groupName":"{group}"}}"#);
            self.shared.insist(200, |writer| writer.body(body.as_bytes())).await;
        }
        let body = format!(r#"{{"groupName":"{}","retryMaxTimes":{}}}"#, retry::GROUP, retry::RETRIES_MAX);
        self.shared.insist(200, |writer| writer.body(body.as_bytes())).await;
        if self.world.random().is_multiple_of(2) {
            let topic = TOPICS[0];
            let fill = clients::filling(|writer| {
                let writer = writer.field("topic", topic).field("defaultTopic", "TBW102");
                let writer = writer.field("readQueueNums", QUEUES).field("writeQueueNums", QUEUES).field("perm", 6);
                writer.field("topicFilterType", "SINGLE_TAG").field("topicSysFlag", 0).field("order", false)
            });
            self.shared.insist(17, fill).await;
            self.shared.ledger.borrow_mut().topics.insert(topic, self.world.elapsed());
        }
    }

    async fn something(&mut self) {
        match self.below(12) {
            0..=4 => {
                let kind = self.kind();
                self.crash(kind);
                self.pause(100).await;
                self.start_perhaps_crashing().await;
            }
            5 => self.stop_and_start().await,
            6 => {
                let d = Duration::from_millis(1 + self.below(3000));
                self.say(&format!("the disk stalls for {d:?}"));
                self.shared.excuse(d + Duration::from_millis(500));
                self.world.disk_stall(self.machine, d);
                self.pause(300).await;
                if self.below(2) == 0 {
                    let kind = self.kind();
                    self.crash(kind);
                    self.start().await;
                }
            }
            7 | 8 => self.disk_errors().await,
            9 => {
                let by = self.below(120_000) as i64 - 60_000;
                self.say(&format!("the clock jumps by {by} ms"));
                self.jump(by);
            }
            10 => {
                self.say("connections are reset");
                self.world.reset_connections(self.machine);
            }
            _ => {
                let chance = 1 + self.below(20_000) as u32;
                self.say(&format!("the network resets {chance} in a million"));
                self.world.network_faults(|faults| faults.reset = chance);
                self.pause(500).await;
                self.world.network_faults(|faults| faults.reset = 0);
            }
        }
    }

    /// Writes or syncs fail; once the log has said so, and every producer has been told, the node is restarted.
    async fn disk_errors(&mut self) {
        let (writes, syncs) = if self.below(2) == 0 { (30_000, 0) } else { (0, 30_000) };
        self.say("the disk begins to fail");
        self.eio = true;
        let before = self.shared.ledger.borrow().poisoned_answers;
        self.world.disk_faults(self.machine, |faults| (faults.write_error, faults.sync_error) = (writes, syncs));
        self.pause(1500).await;
        self.world.disk_faults(self.machine, |faults| (faults.write_error, faults.sync_error) = (0, 0));
        if self.shared.ledger.borrow().poisoned_answers > before {
            self.outcome.poisoned += 1;
        }
        self.recover_from_eio().await;
    }

    async fn recover_from_eio(&mut self) {
        if !std::mem::take(&mut self.eio) {
            return;
        }
        match self.below(3) {
            0 => self.stop_and_start().await,
            1 => {
                self.crash(CrashKind::Kill);
                self.start().await;
            }
            _ => {
                self.crash(CrashKind::PowerCut);
                self.start().await;
            }
        }
    }

    fn kind(&self) -> CrashKind {
        if self.below(2) == 0 { CrashKind::Kill } else { CrashKind::PowerCut }
    }

    fn crash(&mut self, kind: CrashKind) {
        self.outcome.crashes += 1;
        self.shared.leases.borrow_mut().forget();
        self.say(&format!("crash: {kind:?}"));
        // Peers may learn of a power cut late.
        self.shared.excuse(Duration::from_millis(2500));
        match (kind, self.node.take()) {
            (CrashKind::Kill, Some(node)) => self.world.crash(node.process, CrashKind::Kill),
            (CrashKind::Kill, None) => {}
            (CrashKind::PowerCut, _) => self.world.power_cut(self.machine),
        }
    }

    async fn stop_and_start(&mut self) {
        self.say("the node is told to stop");
        let node = self.node.take().expect("runs between events");
        self.shared.excuse(STOP_LIMIT);
        assert!(node.stop(self.world, STOP_LIMIT).await, "the node does not stop within {STOP_LIMIT:?}");
        self.start().await;
    }

    async fn start_perhaps_crashing(&mut self) {
        while self.below(3) == 0 {
            let limit = Duration::from_micros(self.below(40_000));
            self.shared.excuse(limit + Duration::from_secs(3));
            match Node::start(self.world, self.machine, &self.options, limit).await {
                Start::Serves(node) | Start::Unfinished(node) => self.node = Some(node),
                Start::Refused(error) => panic!("the node refuses to start: {error}"),
                Start::Crashed => unreachable!("nobody crashes it"),
            }
            let kind = self.kind();
            self.crash(kind);
        }
        self.start().await;
    }

    async fn start(&mut self) {
        let began = self.world.elapsed();
        // The node answers before it is seen to serve.
        self.shared.leases.borrow_mut().forget();
        match Node::start(self.world, self.machine, &self.options, START_LIMIT).await {
            Start::Serves(node) => self.node = Some(node),
            Start::Refused(error) => panic!("the node refuses to start: {error}"),
            Start::Unfinished(_) => panic!("the node does not serve within {START_LIMIT:?}"),
            Start::Crashed => unreachable!("nobody crashes it"),
        }
        self.shared.leases.borrow_mut().forget();
        self.say(&format!("serves after {:?}", self.world.elapsed() - began));
    }

    fn jump(&self, by: i64) {
        self.world.jump_wall_clock(self.machine, by);
        self.shared.letters.borrow_mut().clock.jump(by);
        self.shared.leases.borrow_mut().forget();
    }

    fn below(&self, end: u64) -> u64 {
        self.world.random() % end
    }

    async fn pause(&self, millis: u64) {
        sleep(Duration::from_micros(self.below(millis * 1000))).await;
    }

    fn say(&self, what: &str) {
        self.world.note(what);
        if self.choice.verbose {
            println!("  {:>10.3} ms {what}", self.world.elapsed().as_secs_f64() * 1e3);
        }
    }
}

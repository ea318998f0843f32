//! Torture: a node is killed with SIGKILL at random moments while many sends are under way, restarted, and killed again.
//! This process is never killed and keeps the ledger.
//!
//! What must hold:
//! - Every message whose send was answered stands at the queue offset that the answer said, with its bytes.
//! - No message stands at two offsets: nothing is ever sent twice here.
//! - Of one connection and queue, messages stand in the order in which they were sent, though many were under way.
//! - Offsets have no gaps, and nothing is read that was not sent.
//! - A consumer offset whose commit was answered is there after the restart, or a later one that was under way.
//! - Of a queue's begin nothing is missing, unless the disk was so full that the broker must delete its oldest segments:
//!   what was deleted then is reported apart.
//!
//! Every fifth start is killed within its first 60 ms: recovery must stand being killed too.
//!
//! With `--mixed` delayed messages, transactions and messages sent back are under way besides: see `deferred`.
//!
//! - `ledger`: what was sent and answered, and the comparison with what is read
//! - `begins`: where queues begin by now, and whether that was allowed
//! - `deferred`: the promises that do not end with an answer
//! - `node`: the process under torture

mod begins;
mod deferred;
mod ledger;
mod node;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::connection::{Connection, wait};
use crate::setup::{self, FOUND};
use begins::DiskWatch;
use deferred::Deferred;
use ledger::{Ledger, Random};
use node::Node;

#[derive(clap::Args)]
pub struct Torture {
    /// The ringmq binary
    #[arg(long)]
    node: PathBuf,
    /// An empty folder for the store
    #[arg(long)]
    data: PathBuf,
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Decides the messages and the moments; the machine's timing stays its own
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Sends under way on each connection
    #[arg(long, default_value_t = 16)]
    in_flight: usize,
    #[arg(long, default_value_t = 8)]
    queues: u32,
    #[arg(long, default_value_t = 2)]
    shards: u16,
    /// Over so many percent the broker deletes its oldest segments, and may (diskSpaceCleanForciblyRatio)
    #[arg(long, default_value_t = 85, value_parser = clap::value_parser!(u8).range(30..=97))]
    clean_forcibly: u8,
    /// Segments may be deleted at any time, whatever the disk says
    #[arg(long)]
    allow_retention: bool,
    /// Also delayed messages, transactions and messages sent back
    #[arg(long)]
    mixed: bool,
}

const TOPIC: &str = "Torture";
const KILL_AFTER_MS: std::ops::Range<u64> = 200..1500;
const KILL_START_AFTER_MS: std::ops::Range<u64> = 1..60;
const COMMIT_EVERY: Duration = Duration::from_millis(5);
const PULL_COUNT: i32 = 256;

/// True: nothing is wrong.
pub fn run(args: &Torture) -> Result<bool, String> {
    let mut random = Random::new(args.seed);
    let mut ledger = Ledger::new(args.seed, args.connections, args.queues);
    let mut deferred = args.mixed.then(|| Deferred::new(args.seed));
    let mut node = Node::new(&args.node, &args.data, args.shards, args.clean_forcibly)?;
    let mut disk = DiskWatch::new(&args.data, args.clean_forcibly)?;
    if let Some(warning) = disk.warning() {
        println!("   {warning}");
    }
    let mut restarts = Vec::new();
    let mut kills_at_start = 0;
    let mut ready_at = 0;
    for round in 0..=args.rounds {
        if round > 0 && random.below(5) == 0 {
            node.start()?;
            disk.look_now()?;
            std::thread::sleep(Duration::from_millis(random.range(KILL_START_AFTER_MS)));
            node.kill();
            kills_at_start += 1;
        }
        let ready = node.start_and_wait(&mut || disk.look())?;
        ready_at = setup::millis();
        if round > 0 {
            restarts.push(ready);
        }
        let mut control = open(&node)?;
        if round == 0 {
            setup::create_topic(&mut control, TOPIC, args.queues)?;
            // Only a group that is there may commit offsets.
            setup::create_group(&mut control, setup::GROUP)?;
            if deferred.is_some() {
                Deferred::create_topic(&mut control)?;
            }
        }
        ledger.check_restart(&mut control, TOPIC)?;
        check_begins(args, &mut control, &mut ledger, &mut disk)?;
        if round == args.rounds {
            break;
        }
        let moment = Instant::now() + Duration::from_millis(random.range(KILL_AFTER_MS));
        let before = ledger.acknowledged();
        let loaded = Loaded { ledger: &mut ledger, deferred: deferred.as_mut(), disk: &mut disk };
        load(args, &mut node, control, loaded, &mut random, moment)?;
        print!("\r   round {}/{}: {} more acknowledged, ", round + 1, args.rounds, ledger.acknowledged() - before);
        print!("ready in {} ms, {} violations   ", ready.as_millis(), ledger.violations());
        _ = std::io::stdout().flush();
    }
    println!();
    if let Some(deferred) = &mut deferred {
        deferred.audit(&mut open(&node)?, ready_at)?;
    }
    read_all(args, &node, &mut ledger, &mut disk)?;
    node.kill();
    ledger.finish();
    restarts.sort();
    let (median, max) = (restarts.get(restarts.len() / 2), restarts.last());
    let millis = |time: Option<&Duration>| time.map_or("-".to_string(), |time| format!("{} ms", time.as_millis()));
    println!("   seed                      {}", args.seed);
    println!("   rounds of SIGKILL         {} (and {kills_at_start} more during a start)", args.rounds);
    ledger.print();
    println!("   kill to ready             median {}, max {}", millis(median), millis(max));
    Ok(ledger.violations() + deferred.map_or(0, |deferred| deferred.violations()) == 0)
}

/// What is told of all that happens under load.
struct Loaded<'l> {
    ledger: &'l mut Ledger,
    deferred: Option<&'l mut Deferred>,
    disk: &'l mut DiskWatch,
}

fn open(node: &Node) -> Result<Connection, String> {
    Connection::open(node.address()).map_err(|error| format!("{}: {error}\n{}", node.address(), node.said()))
}

/// Sends on all connections, and commits consumer offsets on one more, until the moment comes; then kills.
fn load(
    args: &Torture,
    node: &mut Node,
    mut control: Connection,
    loaded: Loaded<'_>,
    random: &mut Random,
    moment: Instant,
) -> Result<(), String> {
    let Loaded { ledger, mut deferred, disk } = loaded;
    // Behind those of the ledger comes one for deferred messages.
    let all = args.connections + usize::from(deferred.is_some());
    let mut connections = (0..all).map(|_| open(node)).collect::<Result<Vec<_>, _>>()?;
    let mut under_way = vec![0; args.connections];
    let mut next_commit = Instant::now();
    let mut ready: Vec<usize> = Vec::new();
    let broken = |node: &mut Node, error: std::io::Error| match node.has_ended() {
        true => format!("the node ended by itself\n{}", node.said()),
        false => format!("the node closed a connection: {error}\n{}", node.said()),
    };
    while Instant::now() < moment {
        disk.look()?;
        for (index, connection) in connections.iter_mut().enumerate() {
            if let Some(deferred) = deferred.as_mut().filter(|_| index == args.connections) {
                deferred.fill(random, &mut connection.out);
                connection.flush().map_err(|error| broken(node, error))?;
                continue;
            }
            while under_way[index] < args.in_flight {
                ledger.send(index, TOPIC, random, &mut connection.out);
                under_way[index] += 1;
            }
            connection.flush().map_err(|error| broken(node, error))?;
        }
        if Instant::now() >= next_commit {
            next_commit = Instant::now() + COMMIT_EVERY;
            ledger.commit(&mut control, TOPIC, random)?;
        }
        wait(&connections, Duration::from_millis(2), &mut ready).map_err(|error| error.to_string())?;
        for &index in &ready {
            let mut next = Vec::new();
            let read = connections[index].read(|header, _| match deferred.as_mut().filter(|_| index == args.connections) {
                Some(deferred) => deferred.answered(header, Some(&mut next)),
                None => {
                    under_way[index] -= 1;
                    ledger.answered(index, header);
                }
            });
            read.map_err(|error| broken(node, error))?;
            connections[index].out.append(&mut next);
        }
    }
    // One more commit without waiting for it: it may be there afterwards or not.
    ledger.commit_unanswered(&mut control, TOPIC, random);
    node.kill();
    // Answers that were on their way count: the node has promised.
    for (index, connection) in connections.iter_mut().enumerate() {
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut read = |connection: &mut Connection| {
            connection.read(|header, _| match deferred.as_mut().filter(|_| index == args.connections) {
                Some(deferred) => deferred.answered(header, None),
                None => ledger.answered(index, header),
            })
        };
        while Instant::now() < deadline && read(connection).is_ok() {}
    }
    if let Some(deferred) = deferred {
        deferred.killed();
    }
    Ok(())
}

/// The disk is looked at until right before the question, so whatever the answer tells of was seen.
fn check_begins(args: &Torture, control: &mut Connection, ledger: &mut Ledger, disk: &mut DiskWatch) -> Result<(), String> {
    let may_delete = disk.was_over()? || args.allow_retention;
    ledger.check_begins(control, TOPIC, may_delete)
}

fn read_all(args: &Torture, node: &Node, ledger: &mut Ledger, disk: &mut DiskWatch) -> Result<(), String> {
    let mut connection = open(node)?;
    for queue in 0..ledger.queues() {
        let end = setup::max_offset(&mut connection, TOPIC, queue)?;
        let mut offset = ledger.begin(queue);
        while offset < end {
            disk.look()?;
            let answer = setup::pull(&mut connection, TOPIC, queue, offset, PULL_COUNT)?;
            if answer.code != FOUND {
                // The broker may have deleted a segment while we read.
                check_begins(args, &mut connection, ledger, disk)?;
                if ledger.begin(queue) > offset {
                    offset = ledger.begin(queue);
                    continue;
                }
                let what = format!("queue {queue} at {offset} of {end}: code {}, {}", answer.code, answer.remark);
                ledger.unreadable(what);
                break;
            }
            let next = ledger.read(queue, offset, &answer.body);
            if next == offset {
                break;
            }
            offset = next;
        }
    }
    Ok(())
}

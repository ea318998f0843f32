//! Whole brokers in simulation: the product's own start over a seeded world, clients, crashes, and what must hold whatever
//! happens.
//!
//! ```text
//! run      one seed: its world, what goes wrong, the last audit       clients  producers, consumers, the auditor
//! ledger   what clients were told, and what therefore must be true    wire     a client's connection
//! node     the broker under test                                      fairness one slow disk, and who has to wait for it
//! pop      consumers that pop, and their ledger                       transactions  their producers and their oracle
//! delay    delay levels and timers                                    retry    what consumers send back
//! resets   resets of offsets that are never undone                    locks    queues that have one holder
//! first_sends  topics that are made by the first who send to them  failed_log  one core's log fails, and topics are made
//! ```
//!
//! `cargo test` runs a few seeds and looks whether planted mistakes are found; `scripts/simulate` runs as many as it is told.
//! A seed decides everything: `scripts/simulate --from SEED --seeds 1 --verbose` repeats it.

mod clients;
mod deals;
mod delay;
mod ends;
mod failed_log;
mod fairness;
mod first_sends;
mod ledger;
mod letters;
mod locks;
mod node;
mod pop;
mod resets;
mod retry;
mod run;
mod transactions;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use run::{Choice, Outcome, Plant};

/// Every so many seeds one is run twice.
const TWICE: u64 = 20;
/// So many worlds of fairness: each moves some fifty megabytes.
const FAIR_SEEDS: u64 = 1;
const FIRST_SENDS_SEEDS: u64 = 4;
const FAILED_LOG_SEEDS: u64 = 4;
/// A planted mistake is to be found within so many seeds.
const PLANT_SEEDS: u64 = 300;

#[derive(Parser)]
#[command(about = "Runs brokers in simulation, one world for each seed, and checks what clients see")]
struct Args {
    /// How many seeds; without it a few, and the planted mistakes
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// 1, 2 or 4 shards instead of the seed's choice
    #[arg(long)]
    shards: Option<u16>,
    /// Threads
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Plants a mistake; the run is good when a seed finds it
    #[arg(long)]
    plant: Option<Plant>,
    /// Says what happens in each world
    #[arg(long)]
    verbose: bool,
    /// Goes on after a failure
    #[arg(long)]
    keep_going: bool,
    /// What `cargo test` hands to every test target
    #[arg(hide = true)]
    rest: Vec<String>,
    #[arg(long, hide = true, overrides_with = "nocapture")]
    nocapture: bool,
}

#[derive(Default)]
struct Total {
    seeds: u64,
    failed: Vec<u64>,
    twice: u64,
    sum: Outcome,
    slowest: (Duration, u64),
}

fn main() {
    let args = Args::parse();
    if args.rest.iter().any(|word| !"simulate".contains(word.as_str())) {
        return;
    }
    let good = match (args.seeds, args.plant) {
        (None, None) => {
            each("fairness", args.from, FAIR_SEEDS, fairness::run)
                && each("first sends", args.from, FIRST_SENDS_SEEDS, first_sends::run)
                && each("a failed log", args.from, FAILED_LOG_SEEDS, failed_log::run)
                && simulate(&args, 20, None)
                && [
                    Plant::AckBeforeSync,
                    Plant::RewriteLastBlock,
                    Plant::MistakenEnd,
                    Plant::LostAcks,
                    Plant::HastyTimers,
                    Plant::LostRetries,
                    Plant::UndoneResets,
                    Plant::SharedNames,
                ]
                .into_iter()
                .all(|plant| find(&args, plant, PLANT_SEEDS))
        }
        (seeds, Some(plant)) => find(&args, plant, seeds.unwrap_or(PLANT_SEEDS)),
        (Some(seeds), None) => simulate(&args, seeds, None),
    };
    if !good {
        std::process::exit(1);
    }
}

/// Small worlds for one question each.
fn each(name: &str, from: u64, seeds: u64, run: fn(u64) -> String) -> bool {
    (from..from + seeds).all(|seed| match catch_unwind(AssertUnwindSafe(|| run(seed))) {
        Ok(said) => {
            println!("{name}, seed {seed}: {said}");
            true
        }
        Err(_) => {
            eprintln!("{name} FAILED with seed {seed}");
            false
        }
    })
}

/// Runs until a seed finds the planted mistake.
fn find(args: &Args, plant: Plant, seeds: u64) -> bool {
    let choice = Choice { shards: args.shards, plant: Some(plant), verbose: args.verbose };
    let found = (args.from..args.from + seeds).find_map(|seed| {
        let hook = std::panic::take_hook();
        let said = Arc::new(Mutex::new(String::new()));
        let says = said.clone();
        // The first panic is the finding; what falls over behind it is not.
        std::panic::set_hook(Box::new(move |info| {
            let mut said = says.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if said.is_empty() {
                *said = info.to_string();
            }
        }));
        let failed = catch_unwind(AssertUnwindSafe(|| run::run(seed, choice))).is_err();
        std::panic::set_hook(hook);
        let said = said.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        failed.then_some((seed, said))
    });
    match found {
        Some((seed, said)) => {
            println!("planted {plant:?}: found by seed {seed}, the {}. one", seed - args.from + 1);
            if args.plant.is_some() || args.verbose {
                println!("   {}", said.replace('\n', " "));
            }
            true
        }
        None => {
            println!("planted {plant:?}: NOT found by {seeds} seeds from {}", args.from);
            false
        }
    }
}

fn simulate(args: &Args, seeds: u64, plant: Option<Plant>) -> bool {
    let choice = Choice { shards: args.shards, plant, verbose: args.verbose };
    let began = Instant::now();
    let next = AtomicU64::new(args.from);
    let over = AtomicBool::new(false);
    let total = Mutex::new(Total::default());
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= args.from + seeds {
                        return;
                    }
                    let good = one(seed, choice, &total, began, seeds);
                    if !good && !args.keep_going {
                        over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let total = total.into_inner().expect("no thread panics while it counts");
    let sum = total.sum;
    println!(
        "{} seeds from {}: {} failed {:?}; {} run twice; {} crashes, {} logs poisoned by EIO; {} messages sent, {} acknowledged, \
         {} pulled, {} popped, {} acks; {} commits answered; {} transactions committed, {} checks; {} delayed messages delivered, {} sent back; {} resets, {} locks; {:.0} s of virtual time, \
         {} events; slowest seed {} took {:?}; {:.1} s",
        total.seeds,
        args.from,
        total.failed.len(),
        total.failed,
        total.twice,
        sum.crashes,
        sum.poisoned,
        sum.sent,
        sum.acknowledged,
        sum.pulled,
        sum.popped,
        sum.pop_acks,
        sum.commits,
        sum.transactions,
        sum.checks,
        sum.letters,
        sum.sent_back,
        sum.resets,
        sum.locks,
        sum.virtual_time.as_secs_f64(),
        sum.events,
        total.slowest.1,
        total.slowest.0,
        began.elapsed().as_secs_f64(),
    );
    total.failed.is_empty()
}

fn one(seed: u64, choice: Choice, total: &Mutex<Total>, began: Instant, seeds: u64) -> bool {
    let started = Instant::now();
    if choice.verbose {
        println!("seed {seed}");
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| run::run(seed, choice)));
    let took = started.elapsed();
    let twice = seed.is_multiple_of(TWICE) && outcome.is_ok();
    let again = twice.then(|| catch_unwind(AssertUnwindSafe(|| run::run(seed, choice))));
    let mut good = outcome.is_ok();
    if let (Ok(outcome), Some(again)) = (&outcome, &again) {
        let same = again.as_ref().is_ok_and(|again| again.hash == outcome.hash);
        if !same {
            eprintln!("seed {seed} run twice gives two traces: {outcome:?} and {again:?}");
        }
        good &= same;
    }
    let mut total = total.lock().expect("no thread panics while it counts");
    total.seeds += 1;
    total.twice += u64::from(twice);
    if took > total.slowest.0 {
        total.slowest = (took, seed);
    }
    if !good {
        total.failed.push(seed);
        eprintln!("seed {seed} FAILED; repeat it with: scripts/simulate --from {seed} --seeds 1 --verbose");
    }
    if let Ok(outcome) = outcome {
        total.sum.add(&outcome);
    }
    if total.seeds.is_multiple_of(500) {
        let seconds = began.elapsed().as_secs_f64();
        let (done, failed) = (total.seeds, total.failed.len());
        println!("{done} of {seeds} seeds, {failed} failed, {} messages acknowledged, {seconds:.0} s", total.sum.acknowledged);
    }
    good
}

impl Outcome {
    fn add(&mut self, other: &Outcome) {
        self.events += other.events;
        self.crashes += other.crashes;
        self.poisoned += other.poisoned;
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.pulled += other.pulled;
        self.popped += other.popped;
        self.pop_acks += other.pop_acks;
        self.commits += other.commits;
        self.transactions += other.transactions;
        self.checks += other.checks;
        self.letters += other.letters;
        self.sent_back += other.sent_back;
        self.resets += other.resets;
        self.locks += other.locks;
        self.virtual_time += other.virtual_time;
    }
}

//! All threads of a run: connections are opened first, then the clock starts, then everybody runs until the end.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{Builder, JoinHandle};

use super::consumer::{Consumer, Cursor, Reading, Sink};
use super::lines::Lines;
use super::message::{Messages, Payload};
use super::options::ProduceOptions;
use super::popper::{self, Found, Popper, Popping};
use super::producer::{self, Producer};
use super::seen::Seen;
use super::target::{self, Target};
use crate::load::clock::{Clock, Span};
use crate::load::cores;
use crate::load::flights::{Flights, Pace};
use crate::load::recorder::{Event, Recorder, What, send};
use crate::load::schedule::Schedule;

/// Threads of one role, and what they give back when they end.
pub struct Crew<T> {
    pub threads: Vec<JoinHandle<Option<T>>>,
}

impl<T> Crew<T> {
    /// Only after the collector has seen them all done.
    pub fn join(self) -> Vec<T> {
        self.threads.into_iter().filter_map(|thread| thread.join().expect("a thread of load does not panic")).collect()
    }
}

/// What all threads of a run are told.
#[derive(Clone)]
pub struct Stage {
    pub clock: Clock,
    pub events: Sender<Event>,
}

impl Stage {
    pub fn new() -> (Stage, Receiver<Event>) {
        let (events, receiver) = mpsc::channel();
        (Stage { clock: Clock::start(), events }, receiver)
    }
}

/// One thread's connections: `number` of all, dealt out in turn to threads and brokers.
pub fn connect(target: &Target, connections: usize, threads: usize) -> Result<Vec<Lines>, String> {
    let mut dealt: Vec<Vec<_>> = (0..threads).map(|_| Vec::new()).collect();
    for number in 0..connections {
        let address = &target.brokers[number % target.brokers.len()];
        dealt[number % threads].push((address.clone(), target::open(address)?));
    }
    dealt.into_iter().map(Lines::new).collect()
}

/// `payload` makes each thread's; `lines` are connected already, so that the clock starts when all is ready.
pub fn produce<P: Payload + Send + 'static>(
    stage: &Stage,
    role: usize,
    options: &ProduceOptions,
    target: &Target,
    lines: Vec<Lines>,
    mut payload: impl FnMut(usize) -> P,
) -> Result<Crew<P>, String> {
    let (span, threads) = (options.time.span(), lines.len());
    let core_list = options.threads.core_list()?;
    let mut crew = Vec::new();
    for (thread, lines) in lines.into_iter().enumerate() {
        let pace = match options.rate {
            None => Pace::Closed,
            Some(rate) => Pace::Open(Schedule::new(rate, thread, threads)),
        };
        let count = options.time.count.map_or(u64::MAX, |count| share(count, thread, threads));
        let producer = Producer {
            clock: stage.clock,
            span,
            flights: Flights::new(pace, span, count, lines.len(), options.window()),
            lines,
            messages: Messages::new(&options.message, target.clone(), thread),
            payload: payload(thread),
            recorder: Recorder::new(role, thread, stage.events.clone(), span, producer::ROLE.metrics.len()),
            one_way: options.message.one_way,
            transactions: options.message.transactions,
        };
        crew.push(spawn(stage, (role, producer::ROLE.name), thread, &core_list, move || producer.run())?);
    }
    Ok(Crew { threads: crew })
}

/// `parts`: each thread's connections and queues.
pub fn consume<S: Sink + Send + 'static>(
    stage: &Stage,
    role: usize,
    span: Span,
    core_list: &[usize],
    reading: &Reading,
    parts: Vec<(Lines, Vec<Cursor>)>,
    mut sink: impl FnMut(usize, &[Cursor]) -> S,
) -> Result<Crew<S>, String> {
    let mut crew = Vec::new();
    for (thread, (lines, cursors)) in parts.into_iter().enumerate() {
        let consumer = Consumer {
            clock: stage.clock,
            span,
            lines,
            sink: sink(thread, &cursors),
            cursors,
            reading: reading.clone(),
            recorder: Recorder::new(role, thread, stage.events.clone(), span, reading.role.metrics.len()),
        };
        crew.push(spawn(stage, (role, reading.role.name), thread, core_list, move || consumer.run())?);
    }
    Ok(Crew { threads: crew })
}

/// `lines`: as `connect` gives them. `seen`: nothing yet; each thread gets a copy.
pub fn pop(
    stage: &Stage,
    span: Span,
    core_list: &[usize],
    popping: &Popping,
    in_flight: usize,
    seen: &Seen,
    lines: Vec<Lines>,
) -> Result<Crew<Found>, String> {
    let threads = lines.len();
    let mut crew = Vec::new();
    for (thread, lines) in lines.into_iter().enumerate() {
        // As `connect` deals connections to threads and brokers.
        let brokers = (0..lines.len()).map(|line| (thread + line * threads) % popping.brokers.len()).collect();
        let popper = Popper {
            clock: stage.clock,
            span,
            lines,
            brokers,
            popping: popping.clone(),
            in_flight,
            seen: seen.clone(),
            recorder: Recorder::new(0, thread, stage.events.clone(), span, popper::ROLE.metrics.len()),
        };
        crew.push(spawn(stage, (0, popper::ROLE.name), thread, core_list, move || popper.run())?);
    }
    Ok(Crew { threads: crew })
}

fn spawn<T: Send + 'static>(
    stage: &Stage,
    (role, name): (usize, &str),
    thread: usize,
    core_list: &[usize],
    run: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<JoinHandle<Option<T>>, String> {
    let (events, core) = (stage.events.clone(), cores::of_thread(core_list, thread));
    // The name is what whoever watches this process sees.
    let started = Builder::new().name(format!("{name}-{thread}")).spawn(move || match cores::settle(core).and_then(|()| run()) {
        Ok(done) => Some(done),
        Err(why) => {
            send(&events, Event { role, thread, what: What::Failed(why) });
            None
        }
    });
    started.map_err(|error| format!("cannot start thread {thread} of {name}: {error}; take fewer --threads"))
}

fn share(count: u64, thread: usize, threads: usize) -> u64 {
    let (thread, threads) = (thread as u64, threads as u64);
    count / threads + u64::from(thread < count % threads)
}

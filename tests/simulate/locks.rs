//! Clients of an ordered group that lock queues (41), renew, unlock (42) or vanish, in a simulated world.
//!
//! The oracle: no two clients hold the same queue by what they were told. As Java's clients do, one counts as a holder for
//! 30 s after the answer to its last lock, and not any more once it has sent an unlock. The broker's lease is 60 s of its own
//! clock and lives in memory: after a restart whoever asks first gets the queue, as with RocketMQ, and a jump of the clock ends
//! leases early; whoever held before one of these is not judged.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ringmq::remoting::request::lock::{LockBatch, locked};
use ringmq::remoting::request::queue::MessageQueue;
use ringmq_shards::runtime::{sleep, uptime};

use crate::clients::{ANSWER, Shared, below, chance, start};
use crate::wire::Wire;

const GROUP: &str = "orderly";
const TOPIC: &str = "Orderly";
const BROKER: &str = "broker-a";
const QUEUES: i32 = 3;
/// How long a client believes that it holds a queue.
const BELIEVES: Duration = Duration::from_secs(30);
/// The broker's lease, and a little.
const LEASE: Duration = Duration::from_millis(60_500);

struct Held {
    client: usize,
    asked: Duration,
    answered: Duration,
}

#[derive(Default)]
pub struct Leases {
    held: BTreeMap<i32, Held>,
    /// The broker may have forgotten, or let go, what was answered before.
    forgotten: Duration,
    clients: usize,
    /// A mistake that is planted: some clients lock under another's name, as if the broker gave a queue to two.
    shared_names: bool,
    pub granted: u64,
}

impl Leases {
    /// The broker ended, or its clock jumped: what it has granted until now may be anybody's.
    pub fn forget(&mut self) {
        self.forgotten = uptime();
    }

    pub fn plant(&mut self) {
        self.shared_names = true;
    }

    fn grant(&mut self, queue: i32, client: usize, asked: Duration) {
        self.granted += 1;
        let now = uptime();
        if let Some(held) = self.held.get(&queue) {
            let Held { client: other, answered, .. } = *held;
            let holds = now < answered + BELIEVES && held.asked.min(asked) > self.forgotten;
            assert!(
                !holds || other == client,
                "queue {queue} is given to client {client} at {now:?}; {other} has it since {answered:?}"
            );
        }
        self.held.insert(queue, Held { client, asked, answered: now });
    }

    /// The client is told that it does not hold the queue, or gives it up.
    fn release(&mut self, queue: i32, client: usize) {
        if self.held.get(&queue).is_some_and(|held| held.client == client) {
            self.held.remove(&queue);
        }
    }
}

/// One client after the other, until all are told to stop.
pub async fn lock(shared: Rc<Shared>) {
    let stop = shared.clone();
    go(shared, Duration::from_millis(30), move || stop.stopping.get()).await;
}

async fn go(shared: Rc<Shared>, pause: Duration, is_over: impl Fn() -> bool) {
    let mut client = join(&shared);
    while !is_over() {
        let Some(wire) = shared.connect().await else { continue };
        while wire.is_open() && !is_over() {
            match below(10) {
                0..=5 => ask_lock(&shared, &wire, client).await,
                // Whether an unlock that nobody answered comes before what is asked next, nobody knows.
                6 | 7 if !unlock(&shared, &wire, client).await => client = join(&shared),
                // It vanishes without a word; another comes.
                8 if chance(20) => client = join(&shared),
                _ => {}
            }
            sleep(Duration::from_micros(500 + below(pause.as_micros() as u64))).await;
            if chance(3) {
                break;
            }
        }
        wire.close();
    }
}

/// On a node that is well: clients that take their time, and at last one that gets all, when nobody has renewed for a minute.
pub async fn audit(shared: &Rc<Shared>) {
    let until = uptime() + Duration::from_secs(100);
    for _ in 0..3 {
        start(shared, go(shared.clone(), Duration::from_secs(12), move || uptime() >= until));
    }
    while shared.running.get() > 0 {
        sleep(Duration::from_secs(1)).await;
    }
    sleep(LEASE).await;
    let batch = of_queues(join(shared), &Vec::from_iter(0..QUEUES));
    let reply = shared.insist(41, |writer| writer.body(&encoded(&batch))).await;
    let granted = locked(&reply.body).expect("the broker's own words");
    assert_eq!(granted, batch.queues, "after {LEASE:?} without a renewal every queue is free");
}

fn join(shared: &Shared) -> usize {
    let clients = &mut shared.leases.borrow_mut().clients;
    *clients += 1;
    *clients
}

fn batch(client: usize) -> (Vec<i32>, LockBatch) {
    let mut queues: Vec<i32> = (0..QUEUES).filter(|_| chance(50)).collect();
    if queues.is_empty() {
        queues.push(below(QUEUES as u64) as i32);
    }
    let batch = of_queues(client, &queues);
    (queues, batch)
}

fn of_queues(client: usize, queues: &[i32]) -> LockBatch {
    let named = |queue_id: &i32| MessageQueue { broker_name: BROKER.to_owned(), queue_id: *queue_id, topic: TOPIC.to_owned() };
    LockBatch {
        consumer_group: GROUP.to_owned(),
        client_id: format!("client-{client}"),
        queues: queues.iter().map(named).collect(),
        only_this_broker: false,
    }
}

fn encoded(batch: &LockBatch) -> Vec<u8> {
    let mut body = Vec::new();
    batch.encode(&mut body);
    body
}

async fn ask_lock(shared: &Shared, wire: &Wire, client: usize) {
    let (queues, mut batch) = batch(client);
    if shared.leases.borrow().shared_names && chance(10) {
        batch.client_id = "client-1".to_owned();
    }
    let asked = uptime();
    match wire.call(41, ANSWER, |writer| writer.body(&encoded(&batch))).await {
        Ok(reply) if reply.code == 0 => {
            let granted = locked(&reply.body).expect("the broker's own words");
            let mut leases = shared.leases.borrow_mut();
            for queue in &granted {
                assert_eq!((queue.topic.as_str(), queue.broker_name.as_str()), (TOPIC, BROKER));
                assert!(queues.contains(&queue.queue_id), "{queue:?} is granted, and was not asked for");
            }
            for queue in queues {
                match granted.iter().any(|granted| granted.queue_id == queue) {
                    true => leases.grant(queue, client, asked),
                    false => leases.release(queue, client),
                }
            }
        }
        Ok(reply) => {
            assert!(matches!(reply.code, 1 | 2 | 14), "a lock was answered {} {:?}", reply.code, reply.remark);
            shared.refused(&reply);
        }
        Err(_) => shared.silent("a lock", wire, asked),
    }
}

/// Whether the broker has answered.
async fn unlock(shared: &Shared, wire: &Wire, client: usize) -> bool {
    let (queues, batch) = batch(client);
    for queue in queues {
        shared.leases.borrow_mut().release(queue, client);
    }
    let body = encoded(&batch);
    if chance(20) {
        let mut out = Vec::new();
        wire.put_oneway(&mut out, 42, |writer| writer.body(&body));
        wire.send(&out).await;
        return false;
    }
    let asked = uptime();
    match wire.call(42, ANSWER, |writer| writer.body(&body)).await {
        Ok(reply) => {
            assert!(matches!(reply.code, 0 | 1 | 2 | 14), "an unlock was answered {} {:?}", reply.code, reply.remark);
            reply.code == 0
        }
        Err(_) => {
            shared.silent("an unlock", wire, asked);
            false
        }
    }
}

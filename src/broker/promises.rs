//! Answers that say no more than that a change is durable: they wait here, without a task of their own.
//!
//! One queue per core, in log order, as that of `broker::ack` for messages. Invariants:
//! - What waits is ordered by position.
//! - An answer says success only after the sync that covers what it reports (law 1), also where messages are acknowledged before. From
//!   a poisoned log on, every waiter gets code 14, and none is left to time out.
//!
//! Before: handlers that mostly need not wait for anything else (`pop::settle`, `transaction`); after: `net::connection`, or
//! `dispatch::start`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use ringmq_shards::runtime::live::LiveShard;
use ringmq_shards::shard::AppendError;
use ringmq_shards::types::LogPosition;

use super::core::Core;
use super::dispatch::{self, Answer, Call};
use super::response::{Refusal, Response, write_refusal};
use crate::net::connection::InFlight;
use crate::net::{Connection, Flow};
use crate::remoting::{Encoding, Frame, Header};

#[derive(Default)]
pub struct Promises {
    waiting: RefCell<InOrder<Asker>>,
}

/// Whom to answer.
struct Asker {
    in_flight: InFlight,
    encoding: Encoding,
    opaque: i32,
    oneway: bool,
}

impl Asker {
    fn of(connection: &Rc<Connection>, encoding: Encoding, header: &Header<'_>) -> Asker {
        Asker { in_flight: connection.begin(), encoding, opaque: header.opaque, oneway: header.is_oneway() }
    }

    fn answer(self, done: Result<(), Refusal>) {
        if self.oneway {
            return;
        }
        self.in_flight.connection().reply(|out| match done {
            Ok(()) => Response::success().write(self.encoding, self.opaque, out),
            Err(refusal) => write_refusal(self.encoding, self.opaque, &refusal, out),
        });
    }
}

/// Answers a request that was tried at once: with success when the log of this core is durable up to there. `None`: something
/// is to be waited for or asked elsewhere first, so `task` does it, with a copy of the frame.
pub fn answer(
    core: &Rc<Core>,
    connection: &Rc<Connection>,
    frame: &Frame<'_>,
    header: &Header<'_>,
    tried: Result<Option<LogPosition>, Refusal>,
    task: fn(Call) -> Answer,
) -> Flow {
    match tried {
        Ok(Some(end)) => core.promises.success_at(&core.live, end, Asker::of(connection, frame.encoding, header)),
        Ok(None) => dispatch::start(core, connection, frame, header, task),
        Err(refusal) => Asker::of(connection, frame.encoding, header).answer(Err(core.sure(refusal))),
    }
    Flow::Taken
}

impl Promises {
    /// Answers with success when the log of this core is durable up to `end`.
    fn success_at(&self, live: &LiveShard, end: LogPosition, asker: Asker) {
        match live.is_durable(end) {
            Ok(true) => asker.answer(Ok(())),
            Ok(false) => self.waiting.borrow_mut().put(end, asker),
            Err(error) => asker.answer(Err(error.into())),
        }
    }

    pub fn durable(&self, durable: LogPosition) {
        while let Some(asker) = { self.waiting.borrow_mut().take_until(durable) } {
            asker.answer(Ok(()));
        }
    }

    pub fn failed(&self, error: &AppendError) {
        while let Some(asker) = { self.waiting.borrow_mut().take_until(LogPosition(u64::MAX)) } {
            asker.answer(Err(error.clone().into()));
        }
    }
}

/// What waits for positions of the log, by position.
struct InOrder<T>(VecDeque<(LogPosition, T)>);

impl<T> Default for InOrder<T> {
    fn default() -> InOrder<T> {
        InOrder(VecDeque::new())
    }
}

impl<T> InOrder<T> {
    /// Mostly at the end: what is said a second time is durable with all that is logged by now, or with what was said first.
    fn put(&mut self, end: LogPosition, what: T) {
        let place = self.0.iter().rposition(|(other, _)| *other <= end).map_or(0, |before| before + 1);
        self.0.insert(place, (end, what));
    }

    fn take_until(&mut self, durable: LogPosition) -> Option<T> {
        if self.0.front()?.0 > durable {
            return None;
        }
        self.0.pop_front().map(|(_, what)| what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_leave_by_position_and_then_in_the_order_of_their_requests() {
        let mut waiting = InOrder::default();
        for (end, name) in [(10, "a"), (30, "b"), (20, "c"), (30, "d"), (5, "e")] {
            waiting.put(LogPosition(end), name);
        }
        let mut taken = |durable| std::iter::from_fn(|| waiting.take_until(LogPosition(durable))).collect::<Vec<_>>();
        assert_eq!(taken(4), [""; 0]);
        assert_eq!(taken(20), ["e", "a", "c"]);
        assert_eq!(taken(29), [""; 0], "what is not durable yet is nobody's");
        assert_eq!(taken(u64::MAX), ["b", "d"]);
    }
}

//! LOCK_BATCH_MQ (41) and UNLOCK_BATCH_MQ (42): which client of an ordered group may consume which queue.
//!
//! Leases are kept in memory by the core of the group, and belong to a client's name, not to its connection. The end of a
//! connection releases none, nor does UNREGISTER_CLIENT, as in the original: a client that has lost its connection may still
//! be consuming under its lease, and only the lease's end (60 s, or an unlock) keeps the order. A client that leaves in
//! good order unlocks first, so a hand-over does not wait; after a crash it takes the 60 s.
//!
//! Before: `broker::dispatch`; after: `shards::group::locks`.

use std::rc::Rc;

use ringmq_shards::group::QueueName;
use ringmq_shards::runtime::{self, mesh::Request};

use super::busy::Busy;
use super::core::Core;
use super::dispatch::Call;
use super::response::{Refusal, Response};
use crate::remoting::request::lock::{LockBatch, write_locked};
use crate::remoting::request::queue::MessageQueue;

pub async fn lock(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let lock = Lock(LockBatch::decode(call.body())?);
    let home = core.placement.group(&lock.0.consumer_group, core.id);
    let held = core.mesh.ask(home, core, lock).await.ok_or_else(Refusal::stopping)??;
    let mut body = Vec::new();
    write_locked(&held, &mut body);
    Ok(Response::success().with_body(body))
}

pub async fn unlock(call: Call) -> Result<Response, Refusal> {
    let core = &call.core;
    let unlock = Unlock(LockBatch::decode(call.body())?);
    let home = core.placement.group(&unlock.0.consumer_group, core.id);
    core.mesh.ask(home, core, unlock).await.ok_or_else(Refusal::stopping)?;
    Ok(Response::success())
}

struct Lock(LockBatch);

impl Request<Core> for Lock {
    /// The queues that the client holds now.
    type Reply = Result<Vec<MessageQueue>, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        let LockBatch { consumer_group, client_id, queues, .. } = self.0;
        let held = {
            let names = names(&queues);
            let held = core.locks.borrow_mut().lock(&consumer_group, &client_id, &names, runtime::now());
            held.map_err(|full| Busy::quota().refusal(full))?
        };
        Ok(queues.into_iter().zip(held).filter_map(|(queue, held)| held.then_some(queue)).collect())
    }
}

struct Unlock(LockBatch);

impl Request<Core> for Unlock {
    type Reply = ();

    async fn serve(self, core: Rc<Core>) {
        let LockBatch { consumer_group, client_id, queues, .. } = self.0;
        core.locks.borrow_mut().unlock(&consumer_group, &client_id, &names(&queues));
    }
}

/// Whether anybody of the group consumes in order now.
pub async fn any_held(core: &Rc<Core>, group: &str) -> Result<bool, Refusal> {
    let home = core.placement.group(group, core.id);
    core.mesh.ask(home, core, AnyHeld(group.to_owned())).await.ok_or_else(Refusal::stopping)
}

struct AnyHeld(String);

impl Request<Core> for AnyHeld {
    type Reply = bool;

    async fn serve(self, core: Rc<Core>) -> bool {
        core.locks.borrow().any_held(&self.0, runtime::now())
    }
}

fn names(queues: &[MessageQueue]) -> Vec<QueueName<'_>> {
    queues
        .iter()
        .map(|queue| QueueName { topic: &queue.topic, broker_name: &queue.broker_name, queue_id: queue.queue_id })
        .collect()
}

//! Asking several cores at once.
//!
//! Before: handlers whose answer lies on more than one core; after: `runtime::mesh`.

use std::rc::Rc;

use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::runtime::slot;
use ringmq_shards::runtime::{self, Lane};
use ringmq_shards::types::ShardId;

use super::core::Core;

/// The replies in the order of `asks`; a core that is gone has none.
pub async fn ask_each<R: Request<Core>>(core: &Rc<Core>, asks: impl IntoIterator<Item = (ShardId, R)>) -> Vec<R::Reply> {
    let asks = asks.into_iter().map(|(shard, request)| {
        let core = core.clone();
        async move { core.mesh.ask(shard, &core, request).await }
    });
    at_once(asks).await.into_iter().flatten().collect()
}

/// Starts all of them, and returns what each came to, in their order.
pub async fn at_once<F: Future<Output: 'static> + 'static>(work: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting = Vec::new();
    for one in work {
        let (setter, waiter) = slot();
        let _detached = runtime::spawn(Lane::Network, async move { setter.set(one.await) });
        waiting.push(waiter);
    }
    let mut outputs = Vec::with_capacity(waiting.len());
    for waiter in waiting {
        outputs.extend(waiter.await);
    }
    outputs
}

/// The same question to every core of this core's broker.
pub async fn ask_all<R: Request<Core> + Clone>(core: &Rc<Core>, request: R) -> Vec<R::Reply> {
    ask_each(core, core.placement.broker(core.id).map(|shard| (shard, request.clone()))).await
}

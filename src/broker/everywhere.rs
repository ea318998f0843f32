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
    let mut waiting = Vec::new();
    for (shard, request) in asks {
        let (setter, waiter) = slot();
        let core = core.clone();
        let _detached = runtime::spawn(Lane::Network, async move {
            if let Some(reply) = core.mesh.ask(shard, &core, request).await {
                setter.set(reply);
            }
        });
        waiting.push(waiter);
    }
    let mut replies = Vec::with_capacity(waiting.len());
    for waiter in waiting {
        replies.extend(waiter.await);
    }
    replies
}

/// The same question to every core of this core's broker.
pub async fn ask_all<R: Request<Core> + Clone>(core: &Rc<Core>, request: R) -> Vec<R::Reply> {
    ask_each(core, core.placement.broker(core.id).map(|shard| (shard, request.clone()))).await
}

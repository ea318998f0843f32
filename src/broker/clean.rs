//! CLEAN_EXPIRED_CONSUMEQUEUE (306), CLEAN_UNUSED_TOPIC (316), DELETE_EXPIRED_COMMITLOG (329): tidying on demand.
//!
//! Of these only the last has anything to do here. An expired segment is deleted together with its part of all consume queues,
//! and the queues of a topic are gone when its deletion is acknowledged: nothing is ever left for 306 and 316, which the
//! original needs because its files are deleted apart from each other. So they are done, and say so.
//!
//! Before: `broker::dispatch`; after: `shards::runtime::housekeeping`.

use std::rc::Rc;

use ringmq_shards::runtime::mesh::Request;

use super::core::Core;
use super::dispatch::Call;
use super::everywhere::ask_all;
use super::response::{Refusal, Response};

pub async fn nothing_left(_call: Call) -> Result<Response, Refusal> {
    Ok(Response::success())
}

/// Like the original, it does not wait: segments go at each core's next look (cleanResourceInterval).
pub async fn expired_segments(call: Call) -> Result<Response, Refusal> {
    ask_all(&call.core, ExpireNow).await;
    Ok(Response::success())
}

#[derive(Clone)]
struct ExpireNow;

impl Request<Core> for ExpireNow {
    type Reply = ();

    async fn serve(self, core: Rc<Core>) {
        core.live.expire_now();
    }
}

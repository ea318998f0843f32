//! VIEW_MESSAGE_BY_ID (33): one record by its physical offset, which names its core too.
//!
//! The number comes from a client and may be anything: only bytes that say of themselves that they are the record of this
//! offset are shown (see `LiveShard::record`).
//!
//! Before: `broker::dispatch`; after: `shards::placement`, `shards::runtime::reader`.

use std::rc::Rc;

use ringmq_shards::runtime::mesh::Request;
use ringmq_shards::types::LogPosition;

use super::core::Core;
use super::dispatch::Call;
use super::response::{Refusal, Response};
use crate::remoting::code::ResponseCode;
use crate::remoting::request::view::ViewMessage;

pub async fn by_id(call: Call) -> Result<Response, Refusal> {
    let offset = ViewMessage::decode(&call.header())?.offset;
    Ok(Response::success().with_body(record_named(&call.core, offset).await?))
}

/// The record that must be at a client's physical offset.
pub async fn record_named(core: &Rc<Core>, offset: i64) -> Result<Vec<u8>, Refusal> {
    let none = || Refusal::new(ResponseCode::SystemError, format!("can not find message by the offset, {offset}"));
    record_at(core, offset).await?.ok_or_else(none)
}

/// The record that a client calls by this physical offset. `None`: there is none, or none any more.
pub async fn record_at(core: &Rc<Core>, offset: i64) -> Result<Option<Vec<u8>>, Refusal> {
    let Some((owner, position)) = core.placement.locate(offset, core.id) else { return Ok(None) };
    core.mesh.ask(owner, core, RecordAt(position)).await.ok_or_else(Refusal::stopping)?
}

struct RecordAt(LogPosition);

impl Request<Core> for RecordAt {
    type Reply = Result<Option<Vec<u8>>, Refusal>;

    async fn serve(self, core: Rc<Core>) -> Self::Reply {
        Ok(core.live.record(self.0).await?)
    }
}

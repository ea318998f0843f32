//! Sends before which something else must be done: their topic made, or another message taken back.
//!
//! The frame is copied and tried again as it is; until then nothing of its connection overtakes it.
//!
//! Before: `broker::send`; after: `broker::send` again.

use std::rc::Rc;

use ringmq_shards::runtime::{self, Lane};

use super::changes::Wanted;
use super::core::Core;
use super::delay;
use super::recall;
use super::response::Refusal;
use super::send::{Attempt, refuse, serve};
use crate::net::owned_frame::OwnedFrame;
use crate::net::{Connection, Flow};
use crate::remoting::request::send::SendMessage;
use crate::remoting::{Frame, Header};

/// The slow path: the topic is made, or found to be impossible; then the same frame is tried again.
pub fn create_then_send(core: &Rc<Core>, connection: &Rc<Connection>, frame: &Frame<'_>, request: &SendMessage<'_>) {
    let wanted = Wanted::FirstSend {
        topic: request.topic.to_owned(),
        default_topic: request.default_topic.to_owned(),
        default_queue_nums: request.default_topic_queue_nums,
        unit_mode: request.unit_mode,
    };
    let made = core.clone();
    send_after(core, connection, frame, Attempt::First, async move { wanted.make(&made).await });
}

/// Another slow path: it takes back a message that waits.
pub fn take_back_then_send(core: &Rc<Core>, connection: &Rc<Connection>, frame: &Frame<'_>, target: delay::Target) {
    let taking = core.clone();
    send_after(core, connection, frame, Attempt::TakenBack, async move { recall::take_back(&taking, target).await });
}

/// Tries the frame again when something has been done; until then nothing overtakes it.
fn send_after(
    core: &Rc<Core>,
    connection: &Rc<Connection>,
    frame: &Frame<'_>,
    attempt: Attempt,
    before: impl Future<Output = Result<(), Refusal>> + 'static,
) {
    let in_flight = connection.begin();
    let detained = connection.detain();
    let core = core.clone();
    let frame = OwnedFrame::copy(frame);
    let _detached = runtime::spawn(Lane::Network, async move {
        let connection = in_flight.connection();
        let _until_taken = detained;
        let done = before.await;
        let frame = frame.frame();
        let Ok(header) = Header::parse(&frame) else { return };
        match done {
            Err(refusal) => {
                refuse(&core, connection, frame.encoding, &header, refusal);
            }
            Ok(()) => loop {
                match serve(&core, connection, &frame, &header, attempt) {
                    Flow::Later => core.live.room().await,
                    Flow::Taken | Flow::Close => return,
                }
            },
        }
    });
}

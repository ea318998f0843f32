//! How cores meet: typed requests and their replies, and the hot path's appends and acknowledgements.
//!
//! One mesh end lives on each core. `W` is what a core owns as a whole (in the node: `broker::Core`); a request is plain
//! data that crosses, is served there against that core's `W`, and its reply crosses back. To ask one's own core is a
//! direct call.
//!
//! Invariants:
//! - No deadlock: a receiver never awaits a send. What must leave goes into the peer's outbox, which a task of its own
//!   empties. The outbox cannot grow without bound, since every parcel in it is either one of our own requests (at most
//!   `OUTSTANDING_MAX` to a peer) or the reply to one of the peer's (who has the same limit): a request reserves its reply.
//! - Parcels between two cores arrive in the order in which they were put.
//! - A peer that is gone drops its asks: `ask` answers `None`.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use sync_wrapper::SyncWrapper;

use super::{Inlet, Outlet, Receiver, Sender};
use super::{Lane, spawn};
use super::{Signal, SlotSetter, slot};
use crate::types::ShardId;

/// Requests to one peer whose replies have not come back. Held pulls count, so it is generous.
const OUTSTANDING_MAX: usize = 65_536;
/// Parcels that fit between two cores before the sender waits.
const CHANNEL_CAPACITY: usize = 1024;

/// A question to another core, served against all that the core owns.
pub trait Request<W>: Send + 'static {
    type Reply: Send + 'static;

    fn serve(self, core: Rc<W>) -> impl Future<Output = Self::Reply> + 'static;
}

/// The hot path across cores: what is neither boxed nor awaited.
pub trait Crossing: 'static {
    /// A message for a queue of the receiving core.
    type Append: Send + Sync + 'static;
    /// What became of one.
    type Acked: Send + Sync + 'static;

    fn append_arrived(self: &Rc<Self>, from: ShardId, append: Self::Append);
    fn acked_arrived(self: &Rc<Self>, acked: Self::Acked);
}

type AnswerFuture = Pin<Box<dyn Future<Output = Box<dyn Any + Send>>>>;

/// A request whose type only its sender and its own code know.
trait Ask<W>: Send {
    fn serve(self: Box<Self>, core: Rc<W>) -> AnswerFuture;
}

impl<W: 'static, R: Request<W>> Ask<W> for R {
    fn serve(self: Box<Self>, core: Rc<W>) -> AnswerFuture {
        let reply = R::serve(*self, core);
        Box::pin(async move { Box::new(reply.await) as Box<dyn Any + Send> })
    }
}

/// What crosses between two cores.
enum Parcel<W: Crossing> {
    Append(W::Append),
    Acked(W::Acked),
    Ask { number: u32, ask: SyncWrapper<Box<dyn Ask<W>>> },
    Answer { number: u32, answer: SyncWrapper<Box<dyn Any + Send>> },
}

/// The channel ends of one core, made before any core runs.
pub struct MeshEnds<W: Crossing> {
    id: ShardId,
    #[expect(clippy::type_complexity, reason = "one pair of ends for each peer")]
    peers: Vec<Option<(Outlet<Parcel<W>>, Inlet<Parcel<W>>)>>,
}

/// Channels between all pairs of `cores` cores.
pub fn mesh<W: Crossing>(cores: u16) -> Vec<MeshEnds<W>> {
    let count = usize::from(cores);
    let mut ends: Vec<MeshEnds<W>> =
        (0..cores).map(|id| MeshEnds { id: ShardId(id), peers: (0..count).map(|_| None).collect() }).collect();
    for one in 0..count {
        for other in one + 1..count {
            let (there, arriving_there) = super::channel(CHANNEL_CAPACITY);
            let (back, arriving_back) = super::channel(CHANNEL_CAPACITY);
            ends[one].peers[other] = Some((there, arriving_back));
            ends[other].peers[one] = Some((back, arriving_there));
        }
    }
    ends
}

/// One core's end of the mesh.
pub struct Mesh<W: Crossing> {
    id: ShardId,
    peers: Vec<Peer<W>>,
}

struct Peer<W: Crossing> {
    outbox: RefCell<VecDeque<Parcel<W>>>,
    /// Raised when the outbox has something to send.
    filled: Signal,
    /// Raised when a reply makes room for another request.
    room: Signal,
    outstanding: Cell<usize>,
    asks: RefCell<Asks>,
}

/// Who waits for the peer's answers, by number.
#[derive(Default)]
struct Asks {
    waiting: Vec<Option<SlotSetter<Box<dyn Any + Send>>>>,
    free: Vec<u32>,
}

impl Asks {
    fn put(&mut self, setter: SlotSetter<Box<dyn Any + Send>>) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.waiting.push(None);
            u32::try_from(self.waiting.len() - 1).expect("OUTSTANDING_MAX is far below")
        });
        self.waiting[number as usize] = Some(setter);
        number
    }

    fn take(&mut self, number: u32) -> SlotSetter<Box<dyn Any + Send>> {
        let setter = self.waiting[number as usize].take().expect("an answer comes once");
        self.free.push(number);
        setter
    }
}

impl<W: Crossing> Mesh<W> {
    pub fn new(id: ShardId, cores: u16) -> Mesh<W> {
        let peers = (0..cores).map(|_| Peer::new()).collect();
        Mesh { id, peers }
    }

    /// Connects the ends and starts the tasks that empty the outboxes and serve what arrives. `mesh_of` finds this mesh
    /// in the core's world.
    pub async fn start(ends: MeshEnds<W>, core: &Rc<W>, mesh_of: fn(&W) -> &Mesh<W>) {
        assert_eq!(ends.id, mesh_of(core).id, "ends belong to their core");
        // Connecting waits for the other side, so all pairs connect at once.
        for (peer, ends) in ends.peers.into_iter().enumerate() {
            let Some((outlet, inlet)) = ends else { continue };
            let from = ShardId(peer as u16);
            let world = core.clone();
            let _detached = spawn(Lane::Mesh, async move { send_all(outlet.connect().await, mesh_of(&world).peer(from)).await });
            let world = core.clone();
            let _detached = spawn(Lane::Mesh, async move { serve_all(inlet.connect().await, from, world, mesh_of).await });
        }
    }

    fn peer(&self, shard: ShardId) -> &Peer<W> {
        &self.peers[shard.index()]
    }

    /// Asks another core, or our own. `None`: that core is gone.
    pub async fn ask<R: Request<W>>(&self, to: ShardId, core: &Rc<W>, request: R) -> Option<R::Reply> {
        if to == self.id {
            return Some(request.serve(core.clone()).await);
        }
        let peer = self.peer(to);
        peer.reserve().await;
        let (setter, waiter) = slot();
        let number = peer.asks.borrow_mut().put(setter);
        peer.put(Parcel::Ask { number, ask: SyncWrapper::new(Box::new(request)) });
        let answer = waiter.await?;
        Some(*answer.downcast::<R::Reply>().expect("the answer is of the request's own type"))
    }

    /// Whether an append to `to` can leave now; if not, `room` says when.
    pub fn has_room(&self, to: ShardId) -> bool {
        self.peer(to).outstanding.get() < OUTSTANDING_MAX
    }

    pub async fn room(&self, to: ShardId) {
        while !self.has_room(to) {
            self.peer(to).room.wait().await;
        }
    }

    /// Sends a message to the core that owns its queue; `Acked` comes back. Ask `has_room` first.
    pub fn append(&self, to: ShardId, append: W::Append) {
        let peer = self.peer(to);
        peer.outstanding.set(peer.outstanding.get() + 1);
        peer.put(Parcel::Append(append));
    }

    /// Tells a core what became of its append. Its room was reserved when the append left.
    pub fn acked(&self, to: ShardId, acked: W::Acked) {
        self.peer(to).put(Parcel::Acked(acked));
    }
}

impl<W: Crossing> Peer<W> {
    fn new() -> Peer<W> {
        Peer {
            outbox: RefCell::new(VecDeque::with_capacity(CHANNEL_CAPACITY)),
            filled: Signal::new(),
            room: Signal::new(),
            outstanding: Cell::new(0),
            asks: RefCell::default(),
        }
    }

    async fn reserve(&self) {
        while self.outstanding.get() >= OUTSTANDING_MAX {
            self.room.wait().await;
        }
        self.outstanding.set(self.outstanding.get() + 1);
    }

    fn release(&self) {
        let outstanding = self.outstanding.get();
        assert!(outstanding > 0, "a reply without a request");
        self.outstanding.set(outstanding - 1);
        if outstanding == OUTSTANDING_MAX {
            self.room.raise();
        }
    }

    fn put(&self, parcel: Parcel<W>) {
        self.outbox.borrow_mut().push_back(parcel);
        self.filled.raise();
    }

    fn take(&self) -> Option<Parcel<W>> {
        self.outbox.borrow_mut().pop_front()
    }
}

/// Empties the outbox of one peer until the peer is gone.
async fn send_all<W: Crossing>(sender: Sender<Parcel<W>>, peer: &Peer<W>) {
    loop {
        while let Some(parcel) = peer.take() {
            let sent = match sender.try_send(parcel) {
                Ok(()) => Ok(()),
                Err(parcel) => sender.send(parcel).await,
            };
            if sent.is_err() {
                return;
            }
        }
        peer.filled.wait().await;
    }
}

/// Serves what one peer sends until it is gone.
async fn serve_all<W: Crossing>(receiver: Receiver<Parcel<W>>, from: ShardId, core: Rc<W>, mesh_of: fn(&W) -> &Mesh<W>) {
    while let Some(parcel) = receiver.recv().await {
        arrived(parcel, from, &core, mesh_of);
    }
    // Nobody answers any more: those who wait learn it.
    mesh_of(&core).peer(from).asks.borrow_mut().waiting.clear();
}

fn arrived<W: Crossing>(parcel: Parcel<W>, from: ShardId, core: &Rc<W>, mesh_of: fn(&W) -> &Mesh<W>) {
    match parcel {
        Parcel::Append(append) => core.append_arrived(from, append),
        Parcel::Acked(acked) => {
            mesh_of(core).peer(from).release();
            core.acked_arrived(acked);
        }
        Parcel::Ask { number, ask } => {
            let core = core.clone();
            let _detached = spawn(Lane::Mesh, async move {
                let answer = ask.into_inner().serve(core.clone()).await;
                mesh_of(&core).peer(from).put(Parcel::Answer { number, answer: SyncWrapper::new(answer) });
            });
        }
        Parcel::Answer { number, answer } => {
            let peer = mesh_of(core).peer(from);
            peer.release();
            let setter = peer.asks.borrow_mut().take(number);
            setter.set(answer.into_inner());
        }
    }
}

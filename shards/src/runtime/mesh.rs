//! How cores meet: typed requests and their replies, and the hot path's appends and acknowledgements.
//!
//! One mesh end lives on each core. `W` is what a core owns as a whole (in the node: `broker::Core`); a request is plain
//! data that crosses, is served there against that core's `W`, and its reply crosses back. To ask one's own core is a
//! direct call.
//!
//! What a core has to tell another is gathered in one bundle while its tasks run, and leaves when they have: one value in
//! the channel and at most one wake of the other core, however many messages it carries. Bundles are used again, by the
//! core that has emptied them, for the way back.
//!
//! Invariants:
//! - No deadlock: a receiver never awaits a send. What must leave goes into the peer's bundle, which a task of its own
//!   sends. A bundle cannot grow without bound, since all in it is either one of our own requests (at most
//!   `OUTSTANDING_MAX` to a peer, and `OUTSTANDING_BYTES_MAX` of messages) or the reply to one of the peer's (who has the
//!   same limits): a request reserves its reply.
//! - Appends to one core arrive in the order in which they were put, and so do replies; of one bundle appends come first.
//! - A peer that is gone drops its asks: `ask` answers `None`.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use sync_wrapper::SyncWrapper;

use super::{Inlet, Outlet, Receiver, Sender};
use super::{Lane, should_yield, spawn, yield_now};
use super::{Signal, SlotSetter, slot};
use crate::types::ShardId;

/// Requests to one peer whose replies have not come back. Held pulls count, so it is generous.
const OUTSTANDING_MAX: usize = 65_536;
/// Bytes of appends to one peer whose acknowledgements have not come back; one that is larger than all that goes alone.
const OUTSTANDING_BYTES_MAX: usize = 64 << 20;
/// Bundles that fit between two cores before the sender waits, and gathers more into the next.
const CHANNEL_CAPACITY: usize = 64;
/// Empty bundles that are kept for each peer.
const SPARES_MAX: usize = 8;

/// A question to another core, served against all that the core owns.
pub trait Request<W>: Send + 'static {
    type Reply: Send + 'static;

    fn serve(self, core: Rc<W>) -> impl Future<Output = Self::Reply> + 'static;
}

/// The hot path across cores: what is neither boxed nor awaited.
pub trait Crossing: 'static {
    /// Messages for queues of the receiving core, as many as were gathered. Emptied by `appends_arrived`, and used again.
    type Appends: Default + Send + Sync + 'static;
    /// What the sending core keeps of a message until its `Acked` comes.
    type Ticket: 'static;
    /// What became of one.
    type Acked: Send + Sync + 'static;

    fn appends_arrived(self: &Rc<Self>, from: ShardId, appends: &mut Self::Appends);
    fn acked_arrived(self: &Rc<Self>, ticket: Self::Ticket, acked: Self::Acked);
}

/// What the sending core calls a message of its own; comes back with the acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossed(u32);

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

/// What crosses between two cores at once.
struct Bundle<W: Crossing> {
    appends: W::Appends,
    acked: Vec<(Crossed, W::Acked)>,
    letters: Vec<Letter<W>>,
}

enum Letter<W> {
    Ask { number: u32, ask: SyncWrapper<Box<dyn Ask<W>>> },
    Answer { number: u32, answer: SyncWrapper<Box<dyn Any + Send>> },
}

impl<W: Crossing> Bundle<W> {
    fn new() -> Box<Bundle<W>> {
        Box::new(Bundle { appends: W::Appends::default(), acked: Vec::new(), letters: Vec::new() })
    }
}

/// The channel ends of one core, made before any core runs.
pub struct MeshEnds<W: Crossing> {
    id: ShardId,
    #[expect(clippy::type_complexity, reason = "one pair of ends for each peer")]
    peers: Vec<Option<(Outlet<Box<Bundle<W>>>, Inlet<Box<Bundle<W>>>)>>,
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
    /// What leaves next; `None`: nothing does.
    gathered: RefCell<Option<Box<Bundle<W>>>>,
    spares: RefCell<Vec<Box<Bundle<W>>>>,
    /// Raised when there is something to send.
    filled: Signal,
    /// Raised when a reply makes room for another request.
    room: Signal,
    outstanding: Cell<usize>,
    outstanding_bytes: Cell<usize>,
    /// Its core has stopped: nothing is answered any more.
    gone: Cell<bool>,
    asks: RefCell<Numbered<SlotSetter<Box<dyn Any + Send>>>>,
    appends: RefCell<Numbered<Sent<W::Ticket>>>,
}

/// A message on its way, and what it counts for.
struct Sent<T> {
    ticket: T,
    bytes: usize,
}

/// Who waits for the peer's replies, by number.
struct Numbered<T> {
    waiting: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Numbered { waiting: Vec::new(), free: Vec::new() }
    }
}

impl<T> Numbered<T> {
    fn put(&mut self, waiting: T) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.waiting.push(None);
            u32::try_from(self.waiting.len() - 1).expect("OUTSTANDING_MAX is far below")
        });
        self.waiting[number as usize] = Some(waiting);
        number
    }

    fn take(&mut self, number: u32) -> T {
        let waiting = self.waiting[number as usize].take().expect("a reply comes once");
        self.free.push(number);
        waiting
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
        if peer.gone.get() {
            return None;
        }
        let (setter, waiter) = slot();
        let number = peer.asks.borrow_mut().put(setter);
        peer.put(|bundle| bundle.letters.push(Letter::Ask { number, ask: SyncWrapper::new(Box::new(request)) }));
        let answer = waiter.await?;
        Some(*answer.downcast::<R::Reply>().expect("the answer is of the request's own type"))
    }

    /// Whether an append to `to` can leave now.
    pub fn has_room(&self, to: ShardId) -> bool {
        let peer = self.peer(to);
        peer.outstanding.get() < OUTSTANDING_MAX && peer.outstanding_bytes.get() < OUTSTANDING_BYTES_MAX
    }

    /// Sends a message of `bytes` to the core that owns its queue, which `pack` puts among those that leave; its `Acked`
    /// comes back to the ticket. Ask `has_room` first.
    pub fn append(&self, to: ShardId, ticket: W::Ticket, bytes: usize, pack: impl FnOnce(&mut W::Appends, Crossed)) {
        let peer = self.peer(to);
        peer.outstanding.set(peer.outstanding.get() + 1);
        peer.outstanding_bytes.set(peer.outstanding_bytes.get() + bytes);
        let number = peer.appends.borrow_mut().put(Sent { ticket, bytes });
        peer.put(|bundle| pack(&mut bundle.appends, Crossed(number)));
    }

    /// Tells a core what became of its append. Its room was reserved when the append left.
    pub fn acked(&self, to: ShardId, crossed: Crossed, acked: W::Acked) {
        self.peer(to).put(|bundle| bundle.acked.push((crossed, acked)));
    }
}

impl<W: Crossing> Peer<W> {
    fn new() -> Peer<W> {
        Peer {
            gathered: RefCell::default(),
            spares: RefCell::default(),
            filled: Signal::new(),
            room: Signal::new(),
            outstanding: Cell::new(0),
            outstanding_bytes: Cell::new(0),
            gone: Cell::new(false),
            asks: RefCell::default(),
            appends: RefCell::default(),
        }
    }

    async fn reserve(&self) {
        while self.outstanding.get() >= OUTSTANDING_MAX && !self.gone.get() {
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

    /// The ticket of an append that is acknowledged.
    fn settle(&self, crossed: Crossed) -> W::Ticket {
        self.release();
        let sent = self.appends.borrow_mut().take(crossed.0);
        self.outstanding_bytes.set(self.outstanding_bytes.get() - sent.bytes);
        sent.ticket
    }

    fn put(&self, add: impl FnOnce(&mut Bundle<W>)) {
        let mut gathered = self.gathered.borrow_mut();
        let first = gathered.is_none();
        add(gathered.get_or_insert_with(|| self.spares.borrow_mut().pop().unwrap_or_else(Bundle::new)));
        if first {
            self.filled.raise();
        }
    }

    fn keep(&self, emptied: Box<Bundle<W>>) {
        let mut spares = self.spares.borrow_mut();
        if spares.len() < SPARES_MAX {
            spares.push(emptied);
        }
    }
}

/// Sends what is gathered for one peer until the peer is gone.
async fn send_all<W: Crossing>(sender: Sender<Box<Bundle<W>>>, peer: &Peer<W>) {
    loop {
        while let Some(bundle) = { peer.gathered.borrow_mut().take() } {
            let sent = match sender.try_send(bundle) {
                Ok(()) => Ok(()),
                Err(bundle) => sender.send(bundle).await,
            };
            if sent.is_err() {
                return;
            }
        }
        peer.filled.wait().await;
    }
}

/// Serves what one peer sends until it is gone.
async fn serve_all<W: Crossing>(receiver: Receiver<Box<Bundle<W>>>, from: ShardId, core: Rc<W>, mesh_of: fn(&W) -> &Mesh<W>) {
    while let Some(mut bundle) = receiver.recv().await {
        arrived(&mut bundle, from, &core, mesh_of);
        mesh_of(&core).peer(from).keep(bundle);
        if should_yield() {
            yield_now().await;
        }
    }
    // Nobody answers any more: those who wait learn it, and whoever asks from now on does.
    let peer = mesh_of(&core).peer(from);
    peer.gone.set(true);
    drop(peer.asks.take());
    peer.room.raise();
}

fn arrived<W: Crossing>(bundle: &mut Bundle<W>, from: ShardId, core: &Rc<W>, mesh_of: fn(&W) -> &Mesh<W>) {
    let peer = mesh_of(core).peer(from);
    core.appends_arrived(from, &mut bundle.appends);
    for (crossed, acked) in bundle.acked.drain(..) {
        core.acked_arrived(peer.settle(crossed), acked);
    }
    for letter in bundle.letters.drain(..) {
        match letter {
            Letter::Ask { number, ask } => {
                let core = core.clone();
                let _detached = spawn(Lane::Mesh, async move {
                    let answer = SyncWrapper::new(ask.into_inner().serve(core.clone()).await);
                    mesh_of(&core).peer(from).put(|bundle| bundle.letters.push(Letter::Answer { number, answer }));
                });
            }
            Letter::Answer { number, answer } => {
                peer.release();
                let setter = peer.asks.borrow_mut().take(number);
                setter.set(answer.into_inner());
            }
        }
    }
}

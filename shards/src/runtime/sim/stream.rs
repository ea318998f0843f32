//! Sockets of a simulated process: the awaiting side of `network`.

use super::super::clock::timeout;
use super::{
    context,
    network::{End, ListenerId, Now},
    process::MachineId,
    trace::Event,
    world::Inner,
};
use std::{
    future::{pending, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    rc::{Rc, Weak},
    task::Poll,
    time::Duration,
};

pub struct Listener {
    world: Weak<Inner>,
    id: ListenerId,
    address: SocketAddr,
}

impl Listener {
    pub fn bind(addr: SocketAddr, share: bool) -> io::Result<Listener> {
        let here = context::here();
        let machine = here.world.machine_of(here.process);
        if here.world.machine_at(addr.ip(), machine) != Some(machine) {
            return Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL));
        }
        let (id, port) = here.world.network.borrow_mut().listen(machine, here.process, addr.port(), share)?;
        Ok(Listener { world: Rc::downgrade(&here.world), id, address: SocketAddr::new(addr.ip(), port) })
    }

    pub async fn accept(&self) -> io::Result<Stream> {
        let end = poll_fn(|cx| {
            let Some(world) = self.world.upgrade() else { return Poll::Pending };
            let accepted = world.network.borrow_mut().accept(self.id, cx.waker());
            match accepted {
                Some(Now::Done(end)) => Poll::Ready(Ok(end)),
                Some(Now::Wait) => Poll::Pending,
                None => Poll::Ready(Err(io::Error::from_raw_os_error(libc::EBADF))),
            }
        });
        Ok(Stream::new(&context::here().world, end.await?))
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(world) = self.world.upgrade() {
            world.close_listener(self.id);
        }
    }
}

pub struct Stream {
    world: Weak<Inner>,
    end: End,
    local: SocketAddr,
    peer: SocketAddr,
}

impl Stream {
    fn new(world: &Rc<Inner>, end: End) -> Stream {
        let (local, peer) = world.network.borrow().addresses(end);
        Stream { world: Rc::downgrade(world), end, local, peer }
    }

    pub async fn connect(addr: SocketAddr, limit: Duration) -> io::Result<Stream> {
        match timeout(limit, Stream::connect_unlimited(addr)).await {
            Some(result) => result,
            None => Err(io::Error::new(io::ErrorKind::TimedOut, format!("{addr} does not answer within {limit:?}"))),
        }
    }

    async fn connect_unlimited(addr: SocketAddr) -> io::Result<Stream> {
        let here = context::here();
        let machine = here.world.machine_of(here.process);
        let target = reachable(&here.world, addr.ip(), machine).await;
        travel(&here.world).await;
        let end = {
            let mut network = here.world.network.borrow_mut();
            let listeners = network.listeners_at(target, addr.port());
            if listeners.is_empty() {
                return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
            }
            let listener = listeners[here.world.random.borrow_mut().index(listeners.len())];
            let own =
                if addr.ip().is_loopback() { addr.ip() } else { here.world.machines.borrow()[machine.0 as usize].address.into() };
            let own = SocketAddr::new(own, network.free_port());
            network.connect((machine, here.process, own), addr, listener)
        };
        // Made before the next await: a connect that is given up must close its connection.
        let stream = Stream::new(&here.world, end);
        here.world.note(Event::Connect, u64::from(addr.port()), 0);
        travel(&here.world).await;
        Ok(stream)
    }

    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| {
            let Some(world) = self.world.upgrade() else { return Poll::Pending };
            let mut network = world.network.borrow_mut();
            let short_read = network.faults.short_read;
            let limit = |there: usize| {
                let mut random = world.random.borrow_mut();
                if random.chance(short_read) { 1 + random.index(there) } else { there }
            };
            match network.read(self.end, buffer, limit, cx.waker()) {
                Ok(Now::Done(len)) => Poll::Ready(Ok(len)),
                Ok(Now::Wait) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }

    pub async fn write_vectored_all(&self, parts: &[&[u8]]) -> io::Result<()> {
        let whole = parts.concat();
        let mut rest = whole.as_slice();
        while !rest.is_empty() {
            let room = poll_fn(|cx| {
                let Some(world) = self.world.upgrade() else { return Poll::Pending };
                let room = world.network.borrow_mut().room(self.end, cx.waker());
                match room {
                    Ok(Now::Done(room)) => Poll::Ready(Ok(room)),
                    Ok(Now::Wait) => Poll::Pending,
                    Err(error) => Poll::Ready(Err(error)),
                }
            })
            .await?;
            let (now, later) = rest.split_at(rest.len().min(room));
            context::here().world.send(self.end, now);
            rest = later;
        }
        Ok(())
    }

    pub fn close(&self) {
        if let Some(world) = self.world.upgrade() {
            world.close_end(self.end);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}

/// The machine at an address; waits for ever while there is none, or none that can be reached.
async fn reachable(world: &Rc<Inner>, address: IpAddr, from: MachineId) -> MachineId {
    const AGAIN: Duration = Duration::from_millis(100);
    loop {
        match world.machine_at(address, from) {
            None => pending().await,
            Some(target) if world.network.borrow().is_partitioned(from, target) => super::sleep(AGAIN).await,
            Some(target) => return target,
        }
    }
}

/// One way through the network.
async fn travel(world: &Rc<Inner>) {
    let latency = world.network.borrow().faults.latency.clone();
    let takes = world.random.borrow_mut().duration(&latency);
    super::sleep(takes).await;
}
